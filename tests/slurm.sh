#!/bin/bash
# slurm.sh -- a Slurm cluster of one node, for a test: Debian's munged,
# slurmctld and slurmd as ordinary processes on 127.0.0.1, by whoever calls,
# without systemd and without a file outside one folder.
#
#   slurm.sh start FOLDER   start it in FOLDER, which must not exist; prints
#                           what to export: SLURM_CONF=FOLDER/slurm.conf
#   slurm.sh stop FOLDER    cancel its jobs, end its processes
#
# The node claims 8 processors, whatever the machine has, so that the tasks
# of a small array run beside each other. Logs are in FOLDER/log.
set -euo pipefail

PATH=$PATH:/usr/sbin:/sbin

give_up() {
    printf 'slurm.sh: %s\n' "$*" >&2
    exit 1
}

# free_ports N: N different TCP ports that nobody listens on just now.
free_ports() {
    /usr/bin/python3 - "$1" <<'END'
import socket, sys
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(one.getsockname()[1] for one in held))
END
}

# daemon NAME COMMAND...: in the background, its pid in FOLDER/NAME.pid. The
# test runner waits for whoever holds one of its descriptors: close them.
daemon() {
    local name=$1
    shift
    (
        for fd in 3 4 5 6 7 8 9; do eval "exec $fd>&-"; done
        exec "$@" >>"log/$name" 2>&1 </dev/null
    ) &
    echo "$!" >"$name.pid"
}

alive() { kill -0 "$(<"$1.pid")" 2>/dev/null; }

# until_true COMMAND...: within 20 seconds.
until_true() {
    local i
    for ((i = 0; i < 200; i++)); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 0.1
    done
    return 1
}

# NodeHostname is this machine's name, by which slurmd finds itself; what is
# connected to is always NodeAddr. NoInAddrAny: listen on that address alone.
# config_overrides: believe this file about the processors, not the machine.
# SchedulerParameters: look at the queue at once, not every few seconds.
configure() {
    local ports user
    read -ra ports < <(free_ports 2)
    user=$(id -un)
    cat <<END
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=${ports[0]}
SlurmdPort=${ports[1]}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$PWD/munge.socket
CredType=cred/munge
StateSaveLocation=$PWD/state
SlurmdSpoolDir=$PWD/spool
SlurmctldPidFile=$PWD/state/slurmctld.pid
SlurmdPidFile=$PWD/spool/slurmd.pid
SlurmctldLogFile=$PWD/log/slurmctld.log
SlurmdLogFile=$PWD/log/slurmd.log
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0
SlurmdParameters=config_overrides
ReturnToService=2
MinJobAge=300
KillWait=1
NodeName=node NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 CPUs=8
PartitionName=test Nodes=node Default=YES MaxTime=10 State=UP
END
}

ready() {
    local word
    for word in slurmctld slurmd; do alive "$word" || return 0; done
    [ "$(sinfo -h -o %T)" = idle ]
}

start() {
    local word
    for word in munged mungekey slurmctld slurmd sbatch; do
        command -v "$word" >/dev/null ||
            give_up "no $word: install munge slurmctld slurmd slurm-client"
    done
    mkdir -p "$1"
    cd "$1"
    mkdir log state spool
    chmod 755 .
    mungekey --create --keyfile="$PWD/munge.key"
    # --force: its socket may lie in a folder that only we can enter.
    daemon munged munged --foreground --force --num-threads=2 \
        --key-file="$PWD/munge.key" --socket="$PWD/munge.socket" \
        --pid-file="$PWD/munge.run" --seed-file="$PWD/munge.seed" \
        --log-file="$PWD/log/munged.log"
    until_true test -S munge.socket || give_up "munged: $(<log/munged)"
    export SLURM_CONF=$PWD/slurm.conf
    for _ in 1 2 3; do # again when another process took a port
        configure >slurm.conf
        daemon slurmctld slurmctld -D
        daemon slurmd slurmd -D -N node
        until_true ready && alive slurmctld && alive slurmd && {
            echo "$SLURM_CONF"
            return
        }
        end slurmd slurmctld
    done
    tail -n 20 log/* >&2
    end munged
    give_up "no node came up in $1"
}

# end NAME...: by their pids, and wait until they are gone.
end() {
    local name i
    for name; do
        [ ! -e "$name.pid" ] || kill "$(<"$name.pid")" 2>/dev/null || true
    done
    for name; do
        [ -e "$name.pid" ] || continue
        for ((i = 0; i < 100; i++)); do
            alive "$name" || break
            sleep 0.1
        done
        kill -KILL "$(<"$name.pid")" 2>/dev/null || true
        rm -f "$name.pid"
    done
}

no_jobs() { [ -z "$(squeue -h)" ]; }

stop() {
    [ -d "$1" ] || return 0
    cd "$1"
    export SLURM_CONF=$PWD/slurm.conf
    if [ -e slurmctld.pid ] && alive slurmctld; then
        scancel --full --user="$(id -un)" 2>/dev/null || true
        until_true no_jobs || true
    fi
    end slurmd slurmctld munged
}

case ${1-} in
start) start "$2" ;;
stop) stop "$2" ;;
*) give_up "usage: slurm.sh start|stop FOLDER" ;;
esac
