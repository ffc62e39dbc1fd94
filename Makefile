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
CHECK_PACKAGES = $(BUILD_PACKAGES) clang llvm libclang-rt-14-dev \
  libcmocka-dev bats \
  nginx-light openssl curl socat python3 python3-cryptography \
  python3-botocore python3-pandas mandoc file time procps bsdutils
LINT_PACKAGES = $(BUILD_PACKAGES) clang mandoc universal-ctags cppcheck python3
PROVE = prove --exec bats --failures --comments --timer

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

.PHONY: all help demo check check-large unit cli asan compilers npm lint \
  install uninstall clean deps-build deps-check deps-lint vectors static \
  static-arm64 static-deps static-twice static-check
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

demo: deps-build ## run the whole story on sample data, in a few seconds
	@$(MAKE) --no-print-directory -s encflow
	@sh tests/demo.sh

check: deps-check npm ## everything that has to hold; installs what it needs
	@$(MAKE) --no-print-directory compilers encflow static
	@$(MAKE) --no-print-directory unit
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

cli: encflow encflow-static ## command-line tests
	$(PROVE) tests/

# The application's child has a clean environment, and its cage lets no leak
# checker in: it takes its options from tests/asan_options.c.
build/asan/encflow: encflow.c encflow.h tests/asan_options.c
	@mkdir -p build/asan
	$(CC) $(SANITIZE) $(BASE) encflow.c tests/asan_options.c -o $@ $(LIBS)

asan: build/asan/encflow ## command-line tests with ASan, UBSan, leak check
	ENCFLOW=$(CURDIR)/build/asan/encflow EF_SANITIZED=1 \
	  ASAN_OPTIONS=detect_leaks=$$([ $$(id -u) = 0 ] && echo 1 || echo 0) \
	  $(PROVE) $(filter-out tests/static.bats tests/man.bats, \
	  $(wildcard tests/*.bats))

check-large: encflow deps-check ## 5 GiB through pipes, and the 64 GiB limit
	bash tests/large.sh

# Debian 12's node is too old for s3rver: npm has a newer one as a package.
npm: build/npm/ok
build/npm/ok: | build
	@command -v npm >/dev/null || $(MAKE) --no-print-directory deps-npm
	@mkdir -p build/npm
	@node=$$(node -p 'process.versions.node.split(".")[0]'); \
	npm install --no-save --no-audit --no-fund --prefix build/npm \
	  @20minutes/s3rver@5.0.0 $$([ "$$node" -ge 20 ] || echo node@20) \
	  >build/npm/log 2>&1 || { tail -n 5 build/npm/log >&2; exit 1; }
	@touch $@

deps-npm: | build
	$(call need,npm)

lint: deps-lint compilers ## warnings, cppcheck, man pages, shape of the file
	mandoc -Tlint -W warning man/*.1
	cppcheck --quiet --std=c11 --enable=warning,portability \
	  --error-exitcode=1 --inline-suppr -DEF_NO_MAIN encflow.c
	/usr/bin/python3 tests/lint.py

vectors: ## regenerate the vectors; there must be no difference
	for g in vectors/gen_[!c]*.py vectors/gen_csv.py; do \
	  /usr/bin/python3 $$g || exit 1; done
	git diff --exit-code vectors

install: encflow ## to $(PREFIX), with the manual
	install -D -m 0755 encflow $(DESTDIR)$(PREFIX)/bin/encflow
	install -D -m 0644 man/encflow.1 \
	  $(DESTDIR)$(PREFIX)/share/man/man1/encflow.1

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/encflow \
	  $(DESTDIR)$(PREFIX)/share/man/man1/encflow.1

clean: ## remove what was built
	rm -rf build encflow encflow-static
