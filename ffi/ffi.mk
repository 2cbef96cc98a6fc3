# The C library: part of the Makefile above it.
#
#   make libtidegate              libtidegate.so and .a, into target/release
#   make install-lib PREFIX=…     them with header, links, tidegate.pc and a CMake package
#   make header                   include/tidegate.h anew, after a change in ffi/src
#   make test-ffi                 everything C: examples, misuse, ABI, valgrind, address sanitizer
#   make abi                      the ABI of today becomes the baseline

TG_VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
TG_ABI     := $(shell sed -n 's/^const ABI: u32 = \([0-9]*\);/\1/p' ffi/build.rs)
# What a program that links the static library needs besides.
TG_PRIVATE := -lgcc_s -lpthread -lm -ldl -lc
# `fast` builds sooner, for work on it.
LIB_PROFILE ?= release
LIB_OUT     := target/$(LIB_PROFILE)

.PHONY: libtidegate install-lib header test-ffi abi

libtidegate:
	$(CARGO) rustc --profile $(LIB_PROFILE) --locked -p tidegate-ffi --lib --crate-type cdylib,staticlib

install-lib: libtidegate
	sh ffi/install/install.sh "$(LIB_OUT)" "$(DESTDIR)" "$(PREFIX)" $(TG_VERSION) $(TG_ABI) "$(TG_PRIVATE)"

header:
	TIDEGATE_HEADER=write $(CARGO) test -q --locked -p tidegate-ffi --test header

test-ffi: libtidegate $(BIN)
	LIB_PROFILE=$(LIB_PROFILE) sh tests/ffi/run.sh

abi: libtidegate
	sh tests/ffi/abi.sh write
