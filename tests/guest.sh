#!/bin/bash
# guest.sh STATIC_BINARY -- encflow where an enclave would run it: alone with
# a kernel and a RAM disk, its only way out an HTTP proxy on AF_VSOCK. Boots
# Debian's kernel under plain emulation; no device, no privilege and no
# network of this machine is used, and AF_VSOCK is opened in the guest only.
#
# The guest (guest_init.c, guest_proxy.c) says PASS or FAIL for each of its
# checks on the console. All of them must be there and pass.
#
# Needs: qemu-system-x86 musl-tools linux-libc-dev cpio openssl socat gcc xxd
# libfuse3-dev libssl-dev python3-cryptography, dpkg-dev's or any dpkg,
# apt-get. The kernel's package is fetched once, into build/guest, and unpacked
# there; nothing is installed.
set -euo pipefail

BINARY=$(realpath "${1:?usage: guest.sh STATIC_BINARY}")
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TESTS=$ROOT/tests
GUEST=$ROOT/build/guest
LIMIT=${EF_GUEST_SECONDS:-240}

give_up() {
    printf 'guest: %s\n' "$*" >&2
    exit 1
}

for tool in qemu-system-x86_64 musl-gcc cpio openssl socat xxd apt-get dpkg; do
    command -v "$tool" >/dev/null || give_up "no $tool; install:" \
        "qemu-system-x86 musl-tools cpio openssl socat xxd"
done
for header in fuse3/cuse_lowlevel.h openssl/evp.h; do
    [ -e "/usr/include/$header" ] ||
        give_up "no $header; install: libfuse3-dev libssl-dev"
done
mkdir -p "$GUEST"
cd "$GUEST"

# ----- the kernel, and the modules of AF_VSOCK and of CUSE

# Below /lib/modules/VERSION/kernel. fuse is a module or a part of the kernel.
MODULES="net/vmw_vsock/vsock net/vmw_vsock/vmw_vsock_virtio_transport_common \
net/vmw_vsock/vsock_loopback fs/fuse/cuse"

# The package that linux-image-amd64 stands for.
kernel_package() {
    apt-cache depends linux-image-amd64 2>/dev/null |
        sed -n 's/^ *Depends: \(linux-image-[0-9].*-amd64\)$/\1/p' | head -n 1
}

# A cached kernel is good enough, even when the archive has a newer one: what
# is tested is not the kernel. It must have been unpacked for these modules.
if [ ! -e kernel/done ] || [ "$(cat kernel/modules 2>/dev/null)" != "$MODULES" ]
then
    package=$(kernel_package)
    if [ -z "$package" ] && [ "$(id -u)" -eq 0 ]; then
        apt-get update -q >apt.log 2>&1 || true
        package=$(kernel_package)
    fi
    [ -n "$package" ] || give_up "apt knows no linux-image-amd64"
    printf 'guest: fetching %s\n' "$package"
    rm -rf kernel fetch
    mkdir fetch
    (cd fetch && apt-get download -q "$package" >../apt.log 2>&1) ||
        { [ "$(id -u)" -eq 0 ] && apt-get update -q >apt.log 2>&1 &&
            (cd fetch && apt-get download -q "$package" >>../apt.log 2>&1); } ||
        give_up "$(tail -n 3 apt.log)"
    dpkg -x fetch/linux-image-*.deb fetch/root
    mkdir kernel
    cp fetch/root/boot/vmlinuz-* kernel/vmlinuz
    for module in $MODULES; do
        cp fetch/root/lib/modules/*/kernel/"$module".ko kernel/
    done
    cp fetch/root/lib/modules/*/kernel/fs/fuse/fuse.ko kernel/ 2>/dev/null || :
    rm -rf fetch
    echo "$MODULES" >kernel/modules
    echo "$package" >kernel/done
fi

# ----- what the guest runs

# musl has no kernel headers, and /usr/include as a whole is glibc's.
mkdir -p include
ln -sfn /usr/include/linux include/linux
ln -sfn /usr/include/asm-generic include/asm-generic
ln -sfn "/usr/include/$(uname -m)-linux-gnu/asm" include/asm
for program in init proxy; do
    musl-gcc -std=c11 -O2 -Wall -Wextra -Werror -static -isystem include \
        "$TESTS/guest_$program.c" -o "$program"
done

gcc -std=c11 -O2 -Wall -Wextra -Werror -isystem /usr/include/fuse3 \
    "$TESTS/guest_nsm.c" "$TESTS/nsm.c" -o nsm -lfuse3 -lcrypto

disk=$GUEST/disk
rm -rf "$disk" console
mkdir -p "$disk"/{tls,store,keys,modules}
cp init "$disk/init"
cp proxy "$disk/guest_proxy"
cp kernel/*.ko "$disk/modules/"
install -m 755 "$BINARY" "$disk/encflow"

# socat ends TLS in front of the origin, guest_nsm is the security module:
# they, their loader and their libraries.
install -D /usr/bin/socat "$disk/usr/bin/socat"
install -D nsm "$disk/guest_nsm"
ldd /usr/bin/socat nsm | grep -oE '[[:blank:]]/[^ ]+' | sort -u |
    while read -r file; do
        install -D "$file" "$disk/$file"
    done

# ----- what it works on

/usr/bin/python3 "$TESTS/nsm.py" "$disk/nsm"

(
    cd "$disk/tls"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -keyout ca.key -out ca.pem -days 2 -subj "/CN=test CA" \
        -addext "keyUsage = critical, keyCertSign"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -keyout other.key -out other.pem -days 2 -subj "/CN=another CA"
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -keyout good.key -out good.csr -subj /CN=origin.test
    openssl x509 -req -in good.csr -CA ca.pem -CAkey ca.key -CAcreateserial \
        -days 2 -out good.pem -extfile <(
            echo "subjectAltName = DNS:origin.test"
            echo "basicConstraints = critical, CA:false"
            echo "extendedKeyUsage = serverAuth"
        )
) >openssl.log 2>&1 || give_up "openssl: $(tail -n 3 openssl.log)"

# credentials FOLDER KEY URL: one dataset's two files.
credentials() {
    mkdir -p "$disk/$1/dataset"
    printf %s "$3" >"$disk/$1/dataset/location.txt"
    printf '{"query_string": "", "encryption": {"key": "%s"}}' \
        "$(<"$disk/keys/$2")" >"$disk/$1/dataset/credentials.bin"
}

printf %064d 1 >"$disk/keys/in"
printf %064d 2 >"$disk/keys/out"
head -c 1024 /dev/urandom >"$disk/keys/1024"
head -c 3000017 /dev/urandom >"$disk/store/object"
# Over 64 MiB, so that it is fetched in ranges; no two of them alike.
openssl enc -aes-128-ctr -nosalt -K 0 -iv 0 </dev/zero 2>/dev/null |
    head -c 72000001 >"$disk/store/large" || true
seq 10000 >"$disk/store/text"
"$BINARY" enc -K "$disk/keys/in" -in "$disk/store/text" \
    -out "$disk/store/text.enc"
credentials ports/input/text in http://localhost:8080/text.enc
credentials ports/output/result out http://localhost:8080/result.enc
credentials ports-tls/input/text in https://origin.test:8443/text.enc
credentials ports-tls/output/result out https://origin.test:8443/result-tls.enc

# An approved workflow of that table, whose application is /init ask, of an
# enclave that measures what the security module says.
story() {
    local node hash id=$disk/story/id
    export ENCFLOW_ID=$GUEST/owner.pem ENCFLOW_WORKSPACE=$disk/story/ws
    export HOME=$GUEST
    mkdir -p "$disk/story"
    rm -f owner.pem
    pcr() { sed -n "s/^pcr $1 //p" "$disk/nsm/state"; }
    "$BINARY" id new -q Olga
    "$BINARY" id show --format pem >"$disk/story/owner.pem"
    "$BINARY" release keygen -o "$disk/story/release.pem" >release.pub
    "$BINARY" dataset add -q --release-key release.pub --allow-http \
        --credentials "$disk/ports/input/text/dataset/credentials.bin" \
        --location http://localhost:8080/text.enc \
        --encrypted "$disk/store/text.enc" text
    "$BINARY" dataset add -q --release-key release.pub --allow-http \
        --credentials "$disk/ports/output/result/dataset/credentials.bin" \
        --location http://localhost:8080/story-result.enc \
        --direction output result
    "$BINARY" app add -q --image story --pcr \
        "PCR0=$(pcr 0),PCR1=$(pcr 1),PCR2=$(pcr 2)" app
    "$BINARY" approve -q "$("$BINARY" task list -q | awk '{ print $2 }')"
    "$BINARY" config add -q --app app default -- /init ask
    "$BINARY" workflow new -q study
    "$BINARY" workflow add-app -q --build app --config default study app
    "$BINARY" workflow connect -q study text app:input
    "$BINARY" workflow connect -q study app:output result
    hash=$("$BINARY" workflow submit -q study)
    "$BINARY" approve -q "$hash"
    read -r node _ < <("$BINARY" workflow hashes study)
    printf %s "$node" >"$id"
    # H(zeros | the hash's bytes)
    { head -c 48 /dev/zero && xxd -r -p <"$id"; } | openssl dgst -sha384 -r |
        cut -d ' ' -f 1 | tr -d '\n' >"$disk/story/pcr16"
}
story >story.log 2>&1 & # so that its first failure is its end
wait $! || give_up "story: $(tail -n 3 story.log)"
# What /init ask is told.
{ printf 'it opens\nioctl: Operation not permitted\n' &&
    cat "$disk/store/text"; } >"$disk/story/asked"

(cd "$disk" && find . | cpio --quiet -o -H newc -R 0:0) >disk.cpio

# ----- boot it

# lsm: without Landlock, which AWS's kernels for enclaves do not have.
# no_timer_check: the kernel counts the timer's ticks against its own loops,
# and on a busy machine would take the emulated one for broken, and panic.
from=$SECONDS
code=0
timeout -k 5 "$LIMIT" qemu-system-x86_64 -accel tcg -cpu max -M q35 -m 768 \
    -nographic -no-reboot -nic none -kernel kernel/vmlinuz \
    -initrd disk.cpio \
    -append "console=ttyS0 quiet panic=-1 no_timer_check lsm=yama" \
    </dev/null >console 2>&1 || code=$?
# Without what the firmware says, and what it does to a terminal.
tr -d '\r' <console | sed -n '/^\(PASS\|FAIL\|  encflow\)/,$p'
[ "$code" -eq 0 ] || {
    tail -n 20 console >&2
    give_up "qemu ended with status $code (124: after $LIMIT s)"
}

# Every check of the source must have passed, so none was skipped.
n=0
while read -r name; do
    n=$((n + 1))
    tr -d '\r' <console | grep -aqF "PASS $name (" ||
        give_up "no PASS for \"$name\"; see build/guest/console"
done < <(tr '\n' ' ' <"$TESTS/guest_init.c" | grep -oE 'check\( *"[^"]*"' |
    cut -d '"' -f 2)
if [ "$n" -eq 0 ] ||
    ! tr -d '\r' <console | grep -aqx "DONE $n passed, 0 failed"; then
    give_up "$n checks, but: $(grep -a ^DONE console)"
fi
rm -rf "$disk" disk.cpio
printf 'guest: all %d passed, %s, %d s\n' "$n" "$(<kernel/done)" \
    $((SECONDS - from))
