# The C library: part of the Makefile above it.

TG_VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
TG_ABI     := $(shell sed -n 's/^pub const TG_ABI_VERSION: u32 = \([0-9]*\);/\1/p' ffi/src/version.rs)
# What a program that links the static library needs besides.
TG_PRIVATE := -lgcc_s -lpthread -lm -ldl -lc
# `make install-lib LIB_PROFILE=fast` builds sooner, for work on it. The tests take what the other tests have built.
LIB_PROFILE  ?= release
TEST_PROFILE ?= dev
# `make install-lib DPDK=1`: with tg_engine_process_mbufs; programs then need libdpdk, which tidegate.pc asks for.
DPDK         ?=
FFI_FEATURES := $(if $(DPDK),--features dpdk)
lib_dir = target/$(if $(filter dev,$(1)),debug,$(1))

.PHONY: libtidegate install-lib header test-ffi bench-ffi abi

# As a shared and a static library alone: beside a Rust library there is no link-time optimisation.
libtidegate:
	$(CARGO) rustc --profile $(LIB_PROFILE) --locked -p tidegate-ffi $(FFI_FEATURES) --lib --crate-type cdylib,staticlib \
		-- -C link-arg=-Wl,-soname,libtidegate.so.$(TG_ABI)

install-lib: libtidegate
	sh ffi/install/install.sh "$(call lib_dir,$(LIB_PROFILE))" "$(DESTDIR)" "$(PREFIX)" $(TG_VERSION) $(TG_ABI) "$(TG_PRIVATE)" $(if $(DPDK),dpdk)

header:
	TIDEGATE_HEADER=write $(CARGO) test -q --locked -p tidegate-ffi --test header

test-ffi:
	@$(MAKE) --no-print-directory libtidegate LIB_PROFILE=$(TEST_PROFILE)
	LIB_DIR=$(call lib_dir,$(TEST_PROFILE)) sh tests/ffi/run.sh $(TEST_FFI)

# What the C border costs beside Rust, on the mix of make bench with and without rules (needs ../shared).
BORDER_CAPTURE ?= $(OUT)/demo/ai-factory.pcap
bench-ffi:
	$(CARGO) run --release --locked -p tidegate-ffi --example border -- $(BORDER_CAPTURE) $(BORDER)

abi:
	@$(MAKE) --no-print-directory libtidegate LIB_PROFILE=$(TEST_PROFILE)
	LIB_DIR=$(call lib_dir,$(TEST_PROFILE)) sh tests/ffi/abi.sh write
