# encflow. `make` builds ./encflow, `make help` lists everything else.
#
# Generated files go to build/. Settings of your own go to config.mk.
-include config.mk

SHELL = /bin/bash -o pipefail
CC = gcc
CLANG = clang
PREFIX = /usr/local
DESTDIR =
OPT = -O2 -g
WARN = -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror
HARDEN = -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE -pie \
  -Wl,-z,relro,-z,now
# BearSSL's headers warn under -Wconversion: they are system headers here.
BASE = -std=c11 $(WARN) -isystem /usr/include/bearssl -I.
LIBS = -lbearssl -lcurl -lpthread
SANITIZE = -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all \
  -fno-omit-frame-pointer
BUILD_PACKAGES = gcc libc6-dev libbearssl-dev libcurl4-openssl-dev
STATIC_PACKAGES = gcc make musl-tools dpkg-dev xz-utils patch
ARM64_PACKAGES = gcc-aarch64-linux-gnu linux-libc-dev-arm64-cross \
  qemu-user-static
# What the fuzz targets and their peers need, and AFL++ besides.
FUZZ_PACKAGES = $(BUILD_PACKAGES) clang llvm libclang-rt-14-dev \
  libjansson-dev libssl-dev python3
# Stores and clients that nobody here wrote; an array job's engine; a kernel
# to boot.
SWIFT_PACKAGES = python3-swift
SLURM_PACKAGES = munge slurmctld slurmd slurm-client
GUEST_PACKAGES = qemu-system-x86 musl-tools linux-libc-dev cpio openssl socat \
  gcc libfuse3-dev libssl-dev python3-cryptography xxd
CHECK_PACKAGES = $(FUZZ_PACKAGES) $(STATIC_PACKAGES) $(ARM64_PACKAGES) \
  $(SWIFT_PACKAGES) $(SLURM_PACKAGES) $(GUEST_PACKAGES) awscli s3cmd \
  git libcmocka-dev bats valgrind iproute2 \
  nginx-light fcgiwrap openssl curl socat python3 python3-cryptography \
  python3-botocore python3-boto3 python3-numpy python3-pandas mandoc file \
  binutils time procps bsdutils util-linux strace perl \
  python3-cbor2 python3-markdown-it chromium graphviz libxml2-utils
BENCH_PACKAGES = $(BUILD_PACKAGES) $(SWIFT_PACKAGES) nginx-light openssl curl \
  rclone awscli python3
LINT_PACKAGES = $(BUILD_PACKAGES) clang clang-format clang-tidy mandoc \
  universal-ctags cppcheck python3
# Off: what asks for other names (reserved, swappable), what our compilers'
# -Wconversion knows better (narrowing, widening, char), what takes sizes of
# pointers and equal branches for slips, and unread results of printf.
TIDY = -*,bugprone-*,cert-*,clang-analyzer-*,misc-*,performance-*, \
  portability-*,-bugprone-easily-swappable-parameters, \
  -bugprone-reserved-identifier,-cert-dcl37-c,-cert-dcl51-cpp, \
  -bugprone-narrowing-conversions,-bugprone-misplaced-widening-cast, \
  -bugprone-signed-char-misuse,-bugprone-sizeof-expression, \
  -bugprone-branch-clone,-bugprone-not-null-terminated-result, \
  -cert-err33-c,-performance-no-int-to-ptr, \
  -clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling
# Three files of tests at a time: half of them wait more than they compute.
# Those that take longest begin first.
PROVE = prove --exec bats --failures --comments --timer -j3
LONGEST = $(patsubst %,tests/%.bats,inject run data release)
BATS = $(LONGEST) $(filter-out $(LONGEST),$(wildcard tests/*.bats))

# $(call need,PACKAGES): install what is missing, or say the exact line.
# RUNLEVEL=1 keeps a freshly installed nginx from starting by itself.
define need
@missing=; for p in $(1); do \
  dpkg-query -W -f '$${db:Status-Status}' $$p 2>/dev/null | \
    grep -qx installed || missing="$$missing $$p"; done; \
if [ -n "$$missing" ]; then \
  if [ "$$(id -u)" = 0 ]; then \
    echo "installing:$$missing"; \
    { apt-get update -q && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
      apt-get install -y -q --no-install-recommends $$missing; \
    } >build/apt.log 2>&1 || { tail -n 5 build/apt.log >&2; exit 1; }; \
  else \
    echo "packages are missing; install them with:" >&2; \
    echo "  sudo apt-get install --no-install-recommends$$missing" >&2; \
    exit 1; \
  fi; \
fi
endef

.PHONY: all help demo check check-large unit merge cli asan compilers npm lint \
  install uninstall clean deps-build deps-check deps-lint deps-fuzz vectors \
  cover openssl faults ct mutants fuzz afl fuzz-smoke fuzz-cover fuzz-replay \
  replay fuzz-oss deps-afl static static-arm64 static-deps static-twice \
  guest bench deps-guest deps-bench
.DELETE_ON_ERROR:

all: encflow ## build ./encflow against the system's BearSSL and libcurl

encflow: encflow.c encflow.h Makefile | build
	$(CC) $(OPT) $(BASE) $(HARDEN) $(CFLAGS) encflow.c -o build/encflow.new \
	  $(LDFLAGS) $(LIBS)
	@mv build/encflow.new $@

help: ## list the targets
	@grep -hE '^[a-z0-9 -]+:.*## ' $(MAKEFILE_LIST) | \
	  sed 's/:.*## /\t/' | expand -t 18

build:
	@mkdir -p build

deps-build: | build
	$(call need,$(BUILD_PACKAGES))

deps-check: | build
	$(call need,$(CHECK_PACKAGES))

deps-lint: | build
	$(call need,$(LINT_PACKAGES))

deps-fuzz: | build
	$(call need,$(FUZZ_PACKAGES))

deps-guest: | build
	$(call need,$(GUEST_PACKAGES))

deps-bench: | build
	$(call need,$(BENCH_PACKAGES))

deps-afl: | build
	$(call need,$(FUZZ_PACKAGES) afl++)

demo: deps-build ## run the whole story on sample data, in a few seconds
	@$(MAKE) --no-print-directory -s encflow
	@sh tests/demo.sh

check: deps-check npm ## everything that has to hold: some 20 minutes
	@$(MAKE) --no-print-directory compilers encflow static
	@$(MAKE) --no-print-directory static-arm64 static-twice
	@$(MAKE) --no-print-directory -j2 -Otarget vectors unit merge openssl \
	  cover ct fuzz-replay guest
	@$(MAKE) --no-print-directory asan
	@$(MAKE) --no-print-directory cli

compilers: | build ## warnings are errors, under gcc and clang
	gcc $(OPT) $(BASE) -fsyntax-only encflow.c
	clang $(OPT) $(BASE) -fsyntax-only encflow.c
	gcc $(OPT) $(BASE) -DEF_NO_MAIN -c encflow.c -o build/encflow.o

build/unit: tests/unit.c tests/vectors.h encflow.c encflow.h | build
	$(CLANG) $(SANITIZE) $(BASE) -D_GNU_SOURCE -DEF_NO_MAIN tests/unit.c \
	  encflow.c -o $@ -lcmocka $(LIBS)

unit: build/unit ## unit tests and vectors, with ASan and UBSan
	ASAN_OPTIONS=allocator_may_return_null=1 build/unit

build/gcm_openssl: tests/gcm_openssl.c encflow.c encflow.h | build
	$(CC) $(OPT) $(BASE) -D_GNU_SOURCE tests/gcm_openssl.c -o $@ $(LIBS) -lcrypto

# The signatures' own tests are elsewhere: here they are many, and quick.
build/merge: tests/merge.c encflow.c encflow.h | build
	$(CLANG) $(OPT) $(BASE) -Wno-unused-parameter tests/merge.c -o $@ $(LIBS)

merge: build/merge ## two copies of a workspace become one, 10000 times
	build/merge 10000

N = 100000
openssl: build/gcm_openssl ## every AES-GCM kernel against OpenSSL, N messages
	build/gcm_openssl $(N)

cover: deps-check ## is every refusal stated by a vector, and reached?
	/usr/bin/python3 tests/cover.py

# Every call that encflow makes goes through tests/inject.c, which can fail it.
build/faults/inject.o: tests/inject.c Makefile
	@mkdir -p build/faults
	$(CC) $(SANITIZE) $(BASE) -c tests/inject.c -o $@

build/faults/encflow.o: encflow.c encflow.h Makefile
	@mkdir -p build/faults
	$(CC) $(SANITIZE) $(BASE) -c encflow.c -o $@

build/faults/encflow: build/faults/encflow.o build/faults/inject.o \
    tests/asan_options.c
	$(CC) $(SANITIZE) $(BASE) $^ -o $@ $$(nm build/faults/inject.o | \
	  sed -n 's/.* T __wrap_/-Wl,--wrap=/p') $(LIBS)

A = --all
faults: build/faults/encflow ## make every call fail, one at a time: A=--help
	/usr/bin/python3 tests/inject.py build/faults/encflow $(A)

ct: deps-check static-deps ## does a branch or an index depend on a secret?
	@mkdir -p build/ct
	/usr/bin/python3 tests/ct.py build/ct '$(OPT) $(BASE) $(HARDEN)' \
	  '$(LIBS)' $(S)/$(STATIC_HOST)/libbearssl.a

# The parsers', against the tests that take seconds: what kills them there is
# killed by make check. All of the file against all tests takes hours: M=
M = --section 2,3,4,5,7,10,12 --n 130 --without s3.bats,secrets.bats,run.bats,$\
data.bats,atomic.bats,man.bats,commands.bats,network.bats,storage.bats,$\
credentials.bats,slurm.bats
mutants: deps-check encflow build/faults/encflow ## do tests notice a change? M=--help
	/usr/bin/python3 tests/mutants.py $(M)

# Fuzz targets: fuzz/README. T is a target's name, SECS how long it runs.
T =
SECS = 60
fuzz: deps-fuzz ## libFuzzer on one target: T=json SECS=60
	/usr/bin/python3 fuzz/run.py fuzz '$(T)' $(SECS)

afl: deps-afl ## AFL++ on one target: T=json SECS=60
	/usr/bin/python3 fuzz/run.py afl '$(T)' $(SECS)

fuzz-smoke: deps-fuzz ## every target for 5 seconds
	/usr/bin/python3 fuzz/run.py smoke 5

fuzz-replay: deps-fuzz ## every seed and every past crash, through every target
	/usr/bin/python3 fuzz/run.py check $(T)

replay: deps-fuzz ## one input through one target: T=json F=file
	/usr/bin/python3 fuzz/run.py replay '$(T)' $(F)

fuzz-cover: deps-fuzz ## the lines that seeds and corpus reach, and the others
	/usr/bin/python3 fuzz/run.py cover $(T)

fuzz-oss: deps-afl ## build as OSS-Fuzz does, for three engines, and run
	/usr/bin/python3 fuzz/run.py oss

cli: encflow encflow-static build/faults/encflow build/nsm_preload.so ## command-line tests
	$(PROVE) $(BATS)

# The NSM's stand-in, for one process: tests/nsm_preload.c.
build/nsm_preload.so: tests/nsm.c tests/nsm_preload.c tests/nsm.h | build
	$(CC) $(OPT) $(BASE) -fPIC -shared $(filter %.c,$^) -o $@.new -lcrypto
	@mv $@.new $@

# The application's child has a clean environment, and its cage lets no leak
# checker in: it takes its options from tests/asan_options.c.
build/asan/encflow: encflow.c encflow.h tests/asan_options.c
	@mkdir -p build/asan
	$(CC) $(SANITIZE) $(BASE) encflow.c tests/asan_options.c -o $@ $(LIBS)

# Not the files that have a binary of their own (static, inject), look for what
# a sanitizer leaves in memory (secrets), or are about other programs.
asan: build/asan/encflow build/nsm_preload.so ## command-line tests with ASan, UBSan, leak check
	ENCFLOW=$(CURDIR)/build/asan/encflow EF_SANITIZED=1 \
	  ASAN_OPTIONS=detect_leaks=$$([ $$(id -u) = 0 ] && echo 1 || echo 0) \
	  $(PROVE) $(filter-out $(patsubst %,tests/%.bats,static inject \
	  secrets man slurm storage graph jose),$(BATS))

guest: deps-guest encflow-static ## the static binary in a booted guest: vsock, NSM
	bash tests/guest.sh encflow-static

bench: deps-bench encflow ## beside curl, rclone and awscli, as ratios
	bash tests/bench.sh

check-large: encflow deps-check ## 5 GiB through pipes, and the 64 GiB limit
	bash tests/large.sh

npm: build/npm/ok
build/npm/ok: | build
	@command -v npm >/dev/null || $(MAKE) --no-print-directory deps-npm
	@mkdir -p build/npm
	@npm install --no-save --no-audit --no-fund --prefix build/npm \
	  @20minutes/s3rver@5.0.0 jose@6.2.18 \
	  @hpke/core@1.9.0 @hpke/dhkem-x25519@1.8.0 >build/npm/log 2>&1 || \
	  { tail -n 5 build/npm/log >&2; exit 1; }
	@touch $@

deps-npm: | build
	$(call need,npm)

lint: deps-lint compilers ## warnings, analyzers, man pages, the file's shape
	clang-format --dry-run -Werror encflow.c encflow.h tests/*.[ch] fuzz/*.[ch]
	mandoc -Tlint -W warning man/*.[17]
	cppcheck --quiet --std=c11 --enable=warning,portability \
	  --error-exitcode=1 --inline-suppr -DEF_NO_MAIN encflow.c
	gcc -O1 $(BASE) -fanalyzer -c encflow.c -o build/analyzed.o & pid=$$!; \
	clang-tidy --quiet --warnings-as-errors='*' \
	  --checks='$(subst $() $(),,$(TIDY))' encflow.c -- $(BASE) 2>&1 | \
	  { grep -v '^[0-9]* warnings generated' || true; } && wait $$pid
	/usr/bin/python3 tests/lint.py

vectors: deps-check ## regenerate the vectors; there must be no difference
	for g in vectors/gen_[!c]*.py vectors/gen_csv.py; do \
	  /usr/bin/python3 $$g || exit 1; done
	git diff --exit-code vectors

# ---------------------------------------------------------------------------
# The static binary: musl, BearSSL, and curl with BearSSL for TLS (DESIGN.md
# section 9). Needs: musl-tools dpkg-dev gcc make; arm64: see static-arm64.
#
#   fetch    the distribution's own tool, with a source list, package lists
#            and cache of its own in build/static/apt; no system file changes
#   verify   apt checks the archive's signature and every file's hash; the
#            upstream tarballs must also have the SHA-256 pinned here
#   patch    dpkg-source applies the distribution's patches (security fixes)
#   record   the revisions go to packages.h (--version) and the SBOM
#
# Older revisions, if the archive has them: STATIC_PKGS="bearssl curl=V".
# ---------------------------------------------------------------------------
S = build/static
STATIC_SUITE = bookworm
STATIC_APT = /etc/apt
STATIC_PKGS = bearssl curl
STATIC_SHA256_bearssl = \
102a625bd8f6155260867a50c508df8d8c3f796985dd744df1a68e5cd1a79004
STATIC_SHA256_curl = \
cdb38b72e36bc5d33d5b8810f8018ece1baa29a8f215b4495e495ded82bbf3c7

# The machine's own architecture is compiled by musl-gcc; a foreign one by the
# cross compiler, through a musl-gcc made for it below.
STATIC_HOST := $(shell uname -m)
STATIC_DEB_aarch64 = arm64
static_own = $(filter $(STATIC_HOST),$*)
static_cc = $(if $(static_own),,$(CURDIR)/$(S)/$*/)musl-gcc
static_ar = $(if $(static_own),,$*-linux-gnu-)ar
static_lib = $(if $(static_own),,$(S)/$*/root)/usr/lib/$*-linux-musl
static_cflags_aarch64 = -mno-outline-atomics
# Cores: those of the machine, or what `make -jN` says.
STATIC_J = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

# Nothing of the place or time of a build may reach the binary.
STATIC_CFLAGS = -fPIE -g0 -ffile-prefix-map=$(CURDIR)=. -fno-ident \
  -fstack-protector-strong $(static_cflags_$*)
# BearSSL's own -Os halves the speed of AES-GCM; -O3 is 1.5 times -O2 on P-256.
STATIC_CFLAGS_bearssl = -O3 $(STATIC_CFLAGS)
STATIC_CFLAGS_curl = -O2 $(STATIC_CFLAGS)
STATIC_CFLAGS_encflow = -std=c11 -O2 $(STATIC_CFLAGS) $(WARN)

# A static position-independent executable: musl's rcrt1.o relocates itself,
# so no loader is named. The start files are spelled out because musl-gcc's
# specs know only of -static and -shared. musl takes the size of a thread's
# stack from the header that stack-size sets: 1 MiB, where its own is 128 KiB.
static_ldflags = -static -nostartfiles -s -Wl,-pie,--no-dynamic-linker \
  -Wl,-z,text,-z,relro,-z,now,-z,noexecstack,-z,stack-size=1048576 \
  -Wl,--build-id=none,--gc-sections \
  $(static_lib)/rcrt1.o $(static_lib)/crti.o \
  $$($(static_cc) -print-file-name=crtbeginS.o)
static_ldend = $$($(static_cc) -print-file-name=crtendS.o) $(static_lib)/crtn.o

# HTTP and HTTPS, proxies, IPv6, Unix sockets; nothing else. The resolver runs
# in a thread: a getaddrinfo() in the loop would stop every other transfer
# and outlast every timeout. configure gets an empty libbearssl.a, so that it
# need not wait for the real one, and never runs what it compiles: a native
# and a cross build see the same answers.
STATIC_CURL_CONF = --disable-shared --enable-static --with-pic \
  --disable-dependency-tracking --disable-debug --disable-manual \
  --enable-http --enable-proxy --enable-ipv6 --enable-unix-sockets \
  --enable-threaded-resolver --with-bearssl --without-ca-path \
  --with-ca-bundle=/etc/ssl/certs/ca-certificates.crt --without-ca-fallback \
  --disable-ftp --disable-file --disable-ldap --disable-ldaps \
  --disable-rtsp --disable-dict --disable-telnet --disable-tftp \
  --disable-pop3 --disable-imap --disable-smb --disable-smtp \
  --disable-gopher --disable-mqtt --disable-websockets --disable-ntlm \
  --disable-ntlm-wb --disable-tls-srp --disable-crypto-auth --disable-ares \
  --disable-cookies --disable-netrc --disable-doh --disable-alt-svc \
  --disable-hsts --disable-mime --disable-get-easy-options \
  --disable-libcurl-option --without-zlib --without-brotli --without-zstd \
  --without-libidn2 --without-libpsl --without-libssh2 --without-libssh \
  --without-librtmp --without-nghttp2 --without-libgsasl

# $(call static_log,NAME): after a ( group ), its output to NAME.log, whose
# end is shown when the group fails.
static_log = >$(S)/$(1).log 2>&1 || { \
  echo "make: $(1) failed; the end of $(S)/$(1).log:" >&2; \
  tail -n 20 $(S)/$(1).log >&2; exit 1; }

# $(call static_apt,FOLDER): apt-get with FOLDER in place of the system's files.
static_apt = apt-get -q -c $(CURDIR)/$(S)/apt/apt.conf \
  -o Dir::Etc::SourceList=/dev/null \
  -o Dir::Etc::SourceParts=$(CURDIR)/$(1)/sources.list.d \
  -o Dir::State::Lists=$(CURDIR)/$(1)/lists \
  -o Dir::Cache=$(CURDIR)/$(1)/cache -o APT::Sandbox::User=root

# Each build fetches for itself, in a folder of another name and depth.
static-twice: ## build the last commit twice, elsewhere: identical bytes?
	@rm -rf $(S)/twice
	@for d in one another/and-deeper; do \
	    mkdir -p $(S)/twice/$$d && \
	    git archive HEAD | tar -x -C $(S)/twice/$$d && \
	    $(MAKE) --no-print-directory -C $(S)/twice/$$d static || exit 1; \
	done
	@cd $(S)/twice && cmp one/encflow-static \
	    another/and-deeper/encflow-static && \
	    cmp one/$(S)/encflow-static.cdx.json \
	    another/and-deeper/$(S)/encflow-static.cdx.json && \
	    sha256sum one/encflow-static

# Made by the pattern rules below; named, so that make does not take them for
# intermediate files, which it deletes, and does not miss when they are gone.
$(foreach a,$(sort $(STATIC_HOST) aarch64),$(addprefix $(S)/$(a)/,toolchain \
  packages packages.h libbearssl.a libcurl.a encflow-static \
  encflow-static.cdx.json)):

static: ## build ./encflow-static: one static file, musl and BearSSL
	@for t in musl-gcc dpkg-source apt-get; do \
	    command -v $$t >/dev/null || { echo "make static: no $$t;" \
	    "install: apt-get install musl-tools dpkg-dev" >&2; exit 1; }; \
	done
	@$(MAKE) --no-print-directory $(STATIC_J) encflow-static

static-arm64: ## cross-build build/static/aarch64/encflow-static
	@for f in aarch64-linux-gnu-gcc dpkg-source apt-get \
	    /usr/aarch64-linux-gnu/include/linux/landlock.h; do \
	    command -v $$f >/dev/null || [ -e $$f ] || { \
	    echo "make static-arm64: no $$f; install: apt-get install" \
	    gcc-aarch64-linux-gnu linux-libc-dev-arm64-cross dpkg-dev >&2; \
	    exit 1; }; \
	done
	@$(MAKE) --no-print-directory $(STATIC_J) $(S)/aarch64/encflow-static.cdx.json

static-deps: ## fetch, verify, patch and build BearSSL and curl for it
	@$(MAKE) --no-print-directory $(STATIC_J) \
	    $(S)/$(STATIC_HOST)/libbearssl.a $(S)/$(STATIC_HOST)/libcurl.a

encflow-static: $(S)/$(STATIC_HOST)/encflow-static \
    $(S)/$(STATIC_HOST)/encflow-static.cdx.json
	@cp $(S)/$(STATIC_HOST)/encflow-static.cdx.json $(S)/
	@cp $< $@

# The machine's own Debian entries as deb-src ones: whatever mirror and keys it
# uses, and only the release, its updates and its security fixes. Both of
# apt's formats are read. apt.conf here comes after the system's and clears
# its Update hooks (package kits, caches), which would act on the system.
$(S)/apt/apt.conf:
	@mkdir -p $(S)/apt/sources.list.d $(S)/apt/lists/partial \
	    $(S)/apt/cache/archives/partial
	@awk 'function wanted(list,   i, n, w, out) { \
	         n = split(list, w, /[ \t]+/); out = ""; \
	         for (i = 1; i <= n; i++) \
	             if (w[i] ~ /^$(STATIC_SUITE)(-updates|-security)?$$/) \
	                 out = out " " w[i]; \
	         return out } \
	     function flush() { \
	         if (suites != "" && main && !off) \
	             print "Types: deb-src\nSuites:" suites "\n" rest; \
	         suites = rest = field = ""; main = off = 0 } \
	     FNR == 1 { flush() } \
	     /^#/ { next } \
	     /^[ \t]*$$/ { flush(); next } \
	     /^[^ \t]/ { field = tolower($$0); sub(/:.*/, "", field) } \
	     field == "types" || field == "architectures" { next } \
	     field == "suites" { sub(/^[^:]*:/, ""); \
	         suites = suites wanted($$0); next } \
	     field == "components" && /[: \t]main([ \t]|$$)/ { main = 1 } \
	     field == "enabled" && /no[ \t]*$$/ { off = 1 } \
	     { rest = rest $$0 "\n" } \
	     END { flush() }' $(wildcard $(STATIC_APT)/sources.list.d/*.sources) \
	    /dev/null >$(S)/apt/sources.list.d/static.sources
	@awk '/^[ \t]*deb(-src)?[ \t]/ { \
	         line = $$0; sub(/^[ \t]*deb(-src)?/, "", line); \
	         bare = line; sub(/\[[^]]*\]/, "", bare); \
	         sub(/arch=[^] \t]*/, "", line); sub(/\[[ \t]*\]/, "", line); \
	         split(bare, w); \
	         if (w[1] !~ /^cdrom:/ && bare ~ /[ \t]main([ \t]|$$)/ && \
	             w[2] ~ /^$(STATIC_SUITE)(-updates|-security)?$$/ && \
	             !seen[line]++) print "deb-src" line }' \
	    $(wildcard $(STATIC_APT)/sources.list \
	    $(STATIC_APT)/sources.list.d/*.list) /dev/null \
	    >$(S)/apt/sources.list.d/static.list
	@test -s $(S)/apt/sources.list.d/static.sources || \
	    test -s $(S)/apt/sources.list.d/static.list || { \
	    echo "make static: apt has no source of Debian $(STATIC_SUITE)" \
	    "(main); it is where BearSSL and curl come from" >&2; exit 1; }
	@printf '#clear %s;\n' APT::Update::Pre-Invoke \
	    APT::Update::Post-Invoke APT::Update::Post-Invoke-Success \
	    APT::Update::Post-Invoke-Stats APT::Architectures >$@

# Fetched, checked and patched sources in src/bearssl and src/curl.
$(S)/src/done: $(S)/apt/apt.conf
	@echo "  FETCH   $(STATIC_PKGS)"
	@rm -rf $(@D) && mkdir -p $(@D)
	@( $(call static_apt,$(S)/apt) update && cd $(@D) && \
	    $(call static_apt,$(S)/apt) source --download-only $(STATIC_PKGS) \
	) $(call static_log,fetch)
	@( cd $(@D) && for p in bearssl curl; do \
	    case $$p in \
	    bearssl) sum=$(STATIC_SHA256_bearssl);; \
	    curl) sum=$(STATIC_SHA256_curl);; \
	    esac; \
	    set -- $${p}_*.orig.tar.[gx]z; \
	    echo "$$sum  $$1" | sha256sum -c - && \
	    grep -q "^ $$sum [0-9]* $$1\$$" $${p}_*.dsc && \
	    dpkg-source --no-copy -x $${p}_*.dsc $$p || exit 1; \
	done ) $(call static_log,unpack)
	@touch $@

# What an architecture needs besides a compiler: the kernel's headers, since
# musl has none and /usr/include as a whole is glibc's; for a foreign one also
# musl, unpacked from its package, and a musl-gcc. Holds musl's revision.
$(S)/$(STATIC_HOST)/toolchain:
	@mkdir -p $(@D)/include
	@ln -sfn /usr/include/$(STATIC_HOST)-linux-gnu/asm $(@D)/include/asm
	@ln -sfn /usr/include/asm-generic $(@D)/include/asm-generic
	@ln -sfn /usr/include/linux $(@D)/include/linux
	@dpkg-query -W -f '$${Version}\n' musl-dev >$@

$(S)/%/toolchain: $(S)/apt/apt.conf
	@echo "  FETCH   musl-dev:$(STATIC_DEB_$*)"
	@rm -rf $(@D)/apt $(@D)/root
	@mkdir -p $(@D)/include $(@D)/apt/lists/partial \
	    $(@D)/apt/cache/archives/partial $(@D)/apt/sources.list.d
	@sed 's/^Types: deb-src/Types: deb/' $(S)/apt/sources.list.d/*.sources \
	    >$(@D)/apt/sources.list.d/static.sources
	@sed 's/^deb-src/deb/' $(S)/apt/sources.list.d/*.list \
	    >$(@D)/apt/sources.list.d/static.list
	@( apt="$(call static_apt,$(@D)/apt) -o Acquire::Languages=none \
	    -o APT::Architecture=$(STATIC_DEB_$*)"; \
	    $$apt update && cd $(@D)/apt && $$apt download musl-dev && \
	    dpkg-deb -x musl-dev_*.deb ../root \
	) $(call static_log,$*-musl)
	@ln -sfn /usr/$*-linux-gnu/include/asm $(@D)/include/asm
	@ln -sfn /usr/$*-linux-gnu/include/asm-generic $(@D)/include/asm-generic
	@ln -sfn /usr/$*-linux-gnu/include/linux $(@D)/include/linux
	@sed -i 's;\( \|-L\)/usr/;\1$(CURDIR)/$(@D)/root/usr/;g' \
	    $(@D)/root/usr/lib/$*-linux-musl/musl-gcc.specs
	@printf '#!/bin/sh\nexec $*-linux-gnu-gcc "$$@" -specs %s\n' \
	    $(CURDIR)/$(@D)/root/usr/lib/$*-linux-musl/musl-gcc.specs \
	    >$(@D)/musl-gcc
	@chmod +x $(@D)/musl-gcc
	@dpkg-deb -f $(@D)/apt/musl-dev_*.deb Version >$@

# The parts of the binary, one a line: name, revision, licence.
$(S)/%/packages: $(S)/src/done $(S)/%/toolchain
	@gcc=$$(dpkg-query -S $$($(static_cc) -print-file-name=crtbeginS.o)); \
	{ echo "bearssl $$(sed -n 's/^Version: //p' $(S)/src/bearssl_*.dsc) MIT"; \
	echo "curl $$(sed -n 's/^Version: //p' $(S)/src/curl_*.dsc) curl"; \
	echo "musl $$(cat $(@D)/toolchain) MIT"; \
	echo "libgcc $$(dpkg-query -W -f '$${Version}' "$${gcc%%:*}")" \
	    "GPL-3.0-or-later WITH GCC-exception-3.1"; } >$@

# For --version: a line that names them all.
$(S)/%/packages.h: $(S)/%/packages
	@awk '{ line = line (NR > 1 ? ", " : "") $$1 " " $$2 } \
	    END { print "#define EF_BUILD_INFO \"built from: " line "\\n\"" }' \
	    $< >$@

# The bill of materials, CycloneDX 1.5: every part with its revision, licence
# and source files' hashes, and the security fixes that the distribution's
# patches bring. It names no time and no place, so it is reproducible too.
$(S)/%/encflow-static.cdx.json: $(S)/%/encflow-static $(S)/%/packages
	@version=$$(sed -n 's/^#define EF_VERSION "\(.*\)"/\1/p' encflow.h); \
	sum=$$(sha256sum <$<); \
	awk -v version="$$version" -v sum="$${sum%% *}" -v S=$(S)/src ' \
	function quote(s) { return "\"" s "\"" } \
	function list(a, b) { return a == "" ? b : a ",\n      " b } \
	BEGIN { \
	    print "{\n  \"bomFormat\": \"CycloneDX\"," \
	        "\n  \"specVersion\": \"1.5\",\n  \"version\": 1,"; \
	    print "  \"metadata\": {\"component\": {" \
	        "\"type\": \"application\", \"bom-ref\": \"encflow\"," \
	        "\n    \"name\": \"encflow\", \"version\": " quote(version) "," \
	        "\n    \"hashes\": [{\"alg\": \"SHA-256\", \"content\": " \
	        quote(sum) "}]}},"; \
	    print "  \"components\": [" } \
	{ \
	    name = $$1; revision = $$2; licence = $$3; \
	    for (i = 4; i <= NF; i++) licence = licence " " $$i; \
	    refs = refs (NR > 1 ? ", " : "") quote(name); \
	    purl = revision; gsub(/[+]/, "%2B", purl); \
	    printf "%s    {\"type\": \"library\", \"bom-ref\": %s, " \
	        "\"name\": %s,\n     \"version\": %s,\n     \"licenses\": " \
	        "[{\"expression\": %s}]", (NR > 1 ? ",\n" : ""), quote(name), \
	        quote(name), quote(revision), quote(licence); \
	    if (name != "libgcc") \
	        printf ",\n     \"purl\": \"pkg:deb/debian/%s@%s?arch=source\"", \
	            name, purl; \
	    files = fixes = section = ""; \
	    dsc = S "/" name "_" revision ".dsc"; sub(/_[0-9]+:/, "_", dsc); \
	    while ((getline line <dsc) > 0) { \
	        if (line !~ /^ /) section = line; \
	        else if (section ~ /^Checksums-Sha256/) { \
	            split(line, w); files = list(files, \
	                "{\"type\": \"source-distribution\", \"url\": " \
	                quote(w[3]) ",\n       \"hashes\": [{\"alg\": " \
	                "\"SHA-256\", \"content\": " quote(w[1]) "}]}") } } \
	    series = S "/" name "/debian/patches/series"; \
	    while ((getline line <series) > 0) \
	        if (match(line, /^CVE-[0-9]+-[0-9]+/)) { \
	            id = substr(line, 1, RLENGTH); \
	            if (!seen[id]++) fixes = list(fixes, \
	                "{\"type\": \"backport\", \"resolves\": " \
	                "[{\"type\": \"security\", \"id\": " quote(id) "}]}") } \
	    if (files != "") \
	        printf ",\n     \"externalReferences\": [\n      %s]", files; \
	    if (fixes != "") \
	        printf ",\n     \"pedigree\": {\"patches\": [\n      %s]}", fixes; \
	    printf "}" } \
	END { \
	    print "\n  ],\n  \"dependencies\": [{\"ref\": \"encflow\", " \
	        "\"dependsOn\": [" refs "]}]\n}" }' $(S)/$*/packages >$@

$(S)/%/libbearssl.a: $(S)/src/done $(S)/%/toolchain
	@echo "  BUILD   $@"
	@( $(MAKE) -C $(S)/src/bearssl lib BUILD=../../$*/bearssl \
	    CC='$(static_cc)' AR=$(static_ar) CFLAGS='$(STATIC_CFLAGS_bearssl)' \
	) $(call static_log,$*-bearssl)
	@cp $(S)/$*/bearssl/libbearssl.a $@

$(S)/%/libcurl.a: $(S)/src/done $(S)/%/toolchain
	@echo "  BUILD   $@"
	@rm -rf $(S)/$*/curl && mkdir -p $(S)/$*/curl
	@( cd $(S)/$*/curl && $(static_ar) rc libbearssl.a && env -u LIBS \
	    PKG_CONFIG=false CC='$(static_cc)' AR=$(static_ar) \
	    CFLAGS='$(STATIC_CFLAGS_curl)' LDFLAGS="-static -L$$PWD" \
	    CPPFLAGS=-I$(CURDIR)/$(S)/src/bearssl/inc \
	    ac_cv_lib_bearssl_br_ssl_client_init_full=yes \
	    ../../src/curl/configure --build=$(STATIC_HOST)-linux-gnu \
	    --host=$*-linux-musl $(STATIC_CURL_CONF) && \
	    $(MAKE) -C lib CFLAGS='$(STATIC_CFLAGS_curl)' libcurl.la \
	) $(call static_log,$*-curl)
	@cp $(S)/$*/curl/lib/.libs/libcurl.a $@

$(S)/%/encflow-static: encflow.c encflow.h $(S)/%/packages.h \
    $(S)/%/libbearssl.a $(S)/%/libcurl.a
	@echo "  LINK    $@"
	@$(static_cc) $(STATIC_CFLAGS_encflow) -include $(S)/$*/packages.h \
	    -isystem $(S)/$*/include -isystem $(S)/src/bearssl/inc \
	    -isystem $(S)/src/curl/include $(static_ldflags) \
	    encflow.c $(S)/$*/libcurl.a $(S)/$*/libbearssl.a \
	    $(static_ldend) -o $@

install: encflow ## to $(PREFIX), with the manual
	install -D -m 0755 encflow $(DESTDIR)$(PREFIX)/bin/encflow
	for page in man/*.[17]; do install -D -m 0644 $$page \
	  $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/} || exit 1; \
	  done

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/encflow \
	  $(patsubst %,$(DESTDIR)$(PREFIX)/share/man/man1/%,$(notdir \
	  $(wildcard man/*.1))) $(patsubst \
	  %,$(DESTDIR)$(PREFIX)/share/man/man7/%,$(notdir $(wildcard man/*.7)))

clean: ## remove what was built
	rm -rf build encflow encflow-static
