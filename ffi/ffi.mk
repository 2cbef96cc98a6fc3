# The C library: part of the Makefile above it.

TG_VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
TG_ABI     := $(shell sed -n 's/^pub const TG_ABI_VERSION: u32 = \([0-9]*\);/\1/p' ffi/src/version.rs)
# What a program that links the static library needs besides. The unwinder is the compiler's to add (-lgcc_s, or -lgcc_eh
# with -static).
TG_PRIVATE := -lpthread -lm -ldl -lc
# No path of the machine that builds is in the library. Other flags are another build: it has its own folder.
TG_REMAP   := --remap-path-prefix=$(CURDIR)=/tidegate --remap-path-prefix=$${CARGO_HOME:-$$HOME/.cargo}=/cargo
LIB_TARGET ?= target/lib
# Once loaded the library stays: what it gave to the process (the hook of panics, values of threads) names its code.
TG_LINK    := -C link-arg=-Wl,-soname,libtidegate.so.$(TG_ABI) -C link-arg=-Wl,-z,nodelete
# `make install-lib LIB_PROFILE=fast` builds sooner, for work on it. The tests take what the other tests have built.
LIB_PROFILE  ?= release
TEST_PROFILE ?= dev
# `make install-lib DPDK=1`: with tg_engine_process_mbufs; programs then need libdpdk, which tidegate.pc asks for.
DPDK         ?=
FFI_FEATURES := $(if $(DPDK),--features dpdk)
lib_dir = $(LIB_TARGET)/$(if $(filter dev,$(1)),debug,$(1))

.PHONY: libtidegate install-lib header test-ffi bench-ffi abi

# As a shared and a static library alone: beside a Rust library there is no link-time optimisation.
libtidegate:
	RUSTFLAGS="$$RUSTFLAGS $(TG_REMAP)" $(CARGO) rustc --target-dir $(LIB_TARGET) --profile $(LIB_PROFILE) --locked \
		-p tidegate-ffi $(FFI_FEATURES) --lib --crate-type cdylib,staticlib -- $(TG_LINK)

install-lib: libtidegate
	sh ffi/install/install.sh "$(call lib_dir,$(LIB_PROFILE))" "$(DESTDIR)" "$(PREFIX)" $(TG_VERSION) $(TG_ABI) "$(TG_PRIVATE)" $(if $(DPDK),dpdk)

header:
	TIDEGATE_HEADER=write $(CARGO) test -q --locked -p tidegate-ffi --test header

test-ffi:
	@$(MAKE) --no-print-directory libtidegate LIB_PROFILE=$(TEST_PROFILE)
	LIB_DIR=$(call lib_dir,$(TEST_PROFILE)) TG_PRIVATE="$(TG_PRIVATE)" sh tests/ffi/run.sh $(TEST_FFI)

# What the C border costs beside Rust, on the mix of make bench with and without rules (needs ../shared).
BORDER_CAPTURE ?= $(OUT)/demo/ai-factory.pcap
bench-ffi:
	$(CARGO) run --release --locked -p tidegate-ffi --example border -- $(BORDER_CAPTURE) $(BORDER)

abi:
	@$(MAKE) --no-print-directory libtidegate LIB_PROFILE=$(TEST_PROFILE)
	LIB_DIR=$(call lib_dir,$(TEST_PROFILE)) sh tests/ffi/abi.sh write
