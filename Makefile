# Everything a newcomer needs. Each target makes what it requires, on a bare Debian 12 with a Rust toolchain.
#
#   make demo                     the AI factory in small: what is seen in it
#   make test                     format, lints, all tests
#   make test-bare                `make demo` and `make test` in a bare Debian 12 of their own (before every release; needs mmdebstrap)
#   make conformance VERIFY=DIR   the suricata-verify style suite in DIR, with the floors of this project
#   make differential             alerts and flows against a reference (needs ../shared)
#   make rulediff                 what single rules mean, against the packets on which Suricata alerts (needs ../shared)
#   make made-differential        made exchanges, mails, sessions and frames against Debian's Suricata (MADE='--seed N --kinds payloads')
#   make rule-differential        fresh rules, made of what is in captures, against Debian's Suricata (RULE_DIFFERENTIAL='--seed N --rules N')
#   make debian                   Debian's configuration, rules and folders: unknown settings, alerts that differ (DEBIAN=options)
#   make robustness               every capture, as it is and changed, several batch sizes, checked arithmetic (needs ../shared)
#   make work                     instructions a byte, ordinary and at worst, by carrier (WORK=options; valgrind)
#   make bench                    speed against Suricata (needs ../shared and suricata)
#   make bench-sig                the matcher against Hyperscan, aho-corasick and daachorse (BENCH_SIG=options)
#   make bench-ai                 the JSON reader against serde_json and simd-json, and what records of calls cost (../shared)
#   make bench-many               many indicators (addresses, URLs) against Hyperscan
#   make regex-differential       ends of regex matches against Hyperscan's
#   make test-live                live traffic on a loopback of its own: full disks, rights, moved logs (root)
#   make test-response            what is blocked, by whom and how fast: two namespaces with the sensor between them (root)
#   make test-servers             records against what real clients of real AI servers say, live (root; large downloads; SERVERS=names)
#   make test-servers-quick       the same for those whose packages are small
#   make test-mcp                 `tidegate mcp` with the real clients: the demo's story by five questions, injected instructions
#   make test-tls                 TLS with keys: the same exchanges in clear and protected, by real clients and servers; live (root)
#   make attack                   attacks of this project's writing on a stand-in behind the sensor: what is seen and missed (root; ATTACK=-v)
#   make test-arm                 for aarch64, emulated: the tests of core (ARM=names), the whole workspace, captures by DPDK
#   make test-arm-dpdk            the last two alone
#   make dpdk                     the command with DPDK (target/dpdk/release/tidegate)
#   make dpdk-static              the same with DPDK linked in: no library of DPDK is needed to run it
#   make test-dpdk                the dataplane on DPDK: captures, namespaces, offload, a short soak
#   make test-dpdk-full           the same at full length: 200 captures, 200 MB, 100 million packets
#   make bench-dpdk               decoding, lookups and ports beside DPDK's own
#   make ai                       AI traffic of ../shared against its ground truth, as recorded and cut anew
#   make soak                     an hour of live traffic with reloads, faults, full disks (needs root)
#   make fuzz-smoke               every fuzz target for 20 seconds (SMOKE=seconds)
#   make fuzz TIME=600 [TARGET=x] the same for longer
#   make test-ffi                 the C library: examples, misuse, ABI, valgrind, address sanitizer (TEST_FFI=parts)
#   make bench-ffi                what the C border costs (BORDER_CAPTURE=file BORDER=rules)
#   make test-python              the Python package: tests, docstrings, types, light examples
#   make test-python-heavy        the examples with Ray, NeMo Guardrails, OpenAI's client (large downloads)
#   make bench-python             the package against nfstream, dpkt, re and others (BENCH_CAPTURE=file)
#   make wheels                   wheels for x86_64 and aarch64 in out/wheels
#   make header | make abi        after changes: include/tidegate.h, the ABI that the tests compare with
#   make install PREFIX=/usr/local   the command, the C library with header, tidegate.pc and a CMake package
#   make doc                      the documentation of the crates, warnings are errors
#   make promises                 core without std, documentation
#   make deny                     licences and sources of dependencies (needs cargo-deny)
#   make miri MIRI_SECONDS=120    undefined behaviour, interpreted, so long for each part (needs a nightly toolchain with miri)

CARGO  ?= cargo
PREFIX ?= /usr/local
SHARED ?= ../shared
VERIFY ?= $(SHARED)/conformance
OUT    ?= out
BIN    := target/release/tidegate

.PHONY: ai all demo test test-bare test-live test-arm bench bench-sig regex-differential fuzz fuzz-smoke conformance artifacts floods differential rulediff eve-schema robustness install doc clean FORCE

all: $(BIN)

# Cargo knows what is out of date.
$(BIN): FORCE
	$(CARGO) build --release --locked -p tidegate-dataplane --bin tidegate
FORCE:

demo: $(BIN)
	$(CARGO) build --release --locked -q -p tidegate-dataplane --example ai_factory
	@mkdir -p $(OUT)/demo
	@target/release/examples/ai_factory $(OUT)/demo/ai-factory.pcap
	@echo
	@echo "A small AI factory: a model server, its users, a GPU fabric. What happened there?"
	@echo
	@$(BIN) run -r $(OUT)/demo/ai-factory.pcap -S builtin:ai -S examples/rules/ai-factory.rules -c examples/ai-factory.yaml -l $(OUT)/demo
	@echo
	@echo "One line an alert ($(OUT)/demo/fast.log):"
	@sed -e 's/^/  /' -e 's/ \[Classification: \([^]]*\)\] \[Priority: \([0-9]*\)\]/ \1,/' -e 's/ \[\*\*\]//g' $(OUT)/demo/fast.log
	@echo
	@echo "What there is (tidegate services), and who is answered without a key:"
	@$(BIN) services $(OUT)/demo/eve.json | sed -e 's/^/  /'
	@echo
	@echo "What happened to whom, in order (tidegate incidents), and what to ask next (tidegate mcp answers a model):"
	@$(BIN) incidents -c examples/ai-factory.yaml $(OUT)/demo/eve.json | sed -e 's/^/  /'
	@echo
	@echo "Everything, one JSON object a line: $(OUT)/demo/eve.json"
	@echo "The rules: builtin:ai (tidegate rules show builtin:ai) and examples/rules/ai-factory.rules. The capture is made by dataplane/examples/ai_factory.rs."

test:
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path benches/sig/Cargo.toml --check
	$(CARGO) fmt --manifest-path benches/json/Cargo.toml --check
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) test --workspace --locked
	@SHARED=$(SHARED) sh tests/ignored.sh
	@$(MAKE) --no-print-directory demo > /dev/null
	@sh tests/demo.sh $(OUT)/demo/eve.json

test-bare:
	sh tests/bare.sh

# python3 with PyYAML: the system's, or a private environment, or the system's package.
PYTHON := $(OUT)/python
$(PYTHON):
	@mkdir -p $(OUT)
	@if python3 -c 'import yaml' 2>/dev/null; then ln -sf "$$(command -v python3)" $@; \
	elif python3 -m venv $(OUT)/venv 2>/dev/null && $(OUT)/venv/bin/pip -q install pyyaml; then ln -sf venv/bin/python $@; \
	elif apt-get update -qq && apt-get install -qq -y python3 python3-yaml >/dev/null; then ln -sf "$$(command -v python3)" $@; \
	else echo "python3 with PyYAML is needed: apt-get install python3 python3-yaml"; exit 1; fi

conformance: $(BIN) $(PYTHON)
	$(PYTHON) tests/conformance.py --verify $(VERIFY) --engine $(abspath $(BIN)) --floors tests/floors.txt --out $(OUT)/conformance

# Verdicts on labelled model files against floors (needs ../shared).
artifacts: $(BIN)
	python3 tests/artifacts.py --tidegate $(abspath $(BIN)) --set $(SHARED)/artifacts

# Floods around known attacks: resident size, cost a packet, what gave way, what still alerts.
floods: $(BIN)
	python3 tests/floods.py --engine $(abspath $(BIN)) $(FLOODS)

differential: $(BIN) $(PYTHON)
	$(PYTHON) tests/differential.py --engine $(abspath $(BIN)) --shared $(SHARED) $(DIFFERENTIAL)

# What each keyword means: single rules and the packets on which Suricata alerts (RULEDIFF=floors).
rulediff: $(BIN)
	python3 tests/rulediff.py --engine $(abspath $(BIN)) --shared $(SHARED) $(RULEDIFF)

# Debian's Suricata, from the backports of its release; Hyperscan's files go together with it.
.PHONY: suricata rule-differential debian made-differential
suricata:
	@command -v suricata >/dev/null || { apt-get update -qq && apt-get install -qq -y --no-install-recommends -t bookworm-backports suricata >/dev/null; } \
	|| { echo "suricata is needed: the suite bookworm-backports in /etc/apt/sources.list.d, then apt-get install -t bookworm-backports suricata"; exit 1; }

rule-differential: $(BIN) suricata
	python3 tests/rule_differential.py --engine $(abspath $(BIN)) --captures $(SHARED)/captures $(SHARED)/ai-captures --out $(OUT)/rule-differential $(RULE_DIFFERENTIAL)

# Made exchanges, mails, broken sessions and frames before Debian's Suricata and the engine: events that differ.
made-differential: $(BIN) suricata
	python3 tests/made/run.py --engine $(abspath $(BIN)) --out $(OUT)/made --captures $(SHARED)/captures $(MADE)

debian: $(BIN) suricata
	python3 tests/debian.py --engine $(abspath $(BIN)) --captures $(SHARED)/captures $(SHARED)/ai-captures $(DEBIAN)

# Records and alerts of recorded AI traffic, and attacks found in labelled texts: floors (AI=--quick cuts the traffic anew in
# one way only, and judges texts by the model that ships alone).
ai: $(BIN)
	python3 tests/ai.py --engine $(abspath $(BIN)) --shared $(SHARED) $(AI)
ifeq ($(AI),--quick)
	python3 tests/risk.py --engine $(abspath $(BIN)) --shared $(SHARED)
else
	$(CARGO) build --release --locked -p tidegate-core --example train_risk
	python3 tests/risk.py --engine $(abspath $(BIN)) --shared $(SHARED) --trainer $(abspath target/release/examples/train_risk)
endif

robustness: $(PYTHON)
	$(CARGO) build --locked -p tidegate-dataplane --bin tidegate
	$(PYTHON) tests/robustness.py --engine $(abspath target/debug/tidegate) --shared $(SHARED)
	$(PYTHON) tests/robustness.py --engine $(abspath target/debug/tidegate) --shared $(SHARED) \
		--rules $(SHARED)/rules/et-open/et-open.rules --sample 500
	$(PYTHON) tests/robustness.py --engine $(abspath target/debug/tidegate) --shared $(SHARED) \
		--rules $(SHARED)/rules/et-open/et-open.rules --sample 500 --mutations 3 --batches 7,256

bench: $(BIN) $(PYTHON)
	$(PYTHON) benches/versus_suricata.py --engine $(abspath $(BIN)) --shared $(SHARED) --no-rules
	$(PYTHON) benches/versus_suricata.py --engine $(abspath $(BIN)) --shared $(SHARED)

# A package of its own, because it links Hyperscan.
SIG := CARGO_TARGET_DIR=$(abspath target/bench) $(CARGO) run --release --manifest-path benches/sig/Cargo.toml
.PHONY: hyperscan
hyperscan:
	@ls /usr/include/hs/hs.h >/dev/null 2>&1 || { apt-get update -qq && apt-get install -qq -y libhyperscan-dev >/dev/null; } \
	|| { echo "Hyperscan is needed: apt-get install libhyperscan-dev"; exit 1; }

bench-sig: hyperscan
	$(SIG) -q --bin bench -- --shared $(SHARED) $(BENCH_SIG)

# What reading AI traffic costs (BENCH_AI=options): the reader of JSON alone, then the whole command.
.PHONY: bench-ai
bench-ai: $(BIN)
	CARGO_TARGET_DIR=$(abspath target/bench) $(CARGO) build --release --locked -q --manifest-path benches/json/Cargo.toml
	python3 benches/ai.py json --bench target/bench/release/tidegate-bench-json --engine $(abspath $(BIN)) --shared $(SHARED) $(BENCH_AI)
	@if [ -d $(SHARED)/ai-captures ]; then python3 benches/ai.py run --engine $(abspath $(BIN)) --shared $(SHARED) $(BENCH_AI); fi

# Addresses and URLs by the thousands, against Hyperscan.
.PHONY: bench-many
bench-many: hyperscan
	$(SIG) -q --bin many

# It counts differences, so link-time optimisation would be time lost.
regex-differential: hyperscan
	CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 $(SIG) -q --bin regex_differential -- --shared $(SHARED) $(REGEX_DIFFERENTIAL)

test-live:
	$(CARGO) build --locked -p tidegate-dataplane --bin tidegate
	python3 tests/live.py target/debug/tidegate

.PHONY: test-response
test-response:
	$(CARGO) build --release --locked -p tidegate-dataplane --bin tidegate --features tls
	python3 tests/response.py --engine $(BIN) $(RESPONSE)

# Real clients of real servers, live; each set of packages has an environment in out/servers.
.PHONY: test-servers test-servers-quick servers-need servers-quick-packages
servers-need:
	@{ command -v redis-server && command -v ss && python3 -c 'import ensurepip'; } >/dev/null 2>&1 \
	|| { apt-get update -qq && apt-get install -qq -y redis-server iproute2 python3-venv >/dev/null; } \
	|| { echo "needed: apt-get install redis-server iproute2 python3-venv"; exit 1; }
test-servers: $(BIN) servers-need
	python3 tests/servers/run.py --engine $(abspath $(BIN)) --out $(OUT)/servers $(SERVERS)

# Ahead, while other things run.
servers-quick-packages: servers-need
	python3 tests/servers/run.py --install --out $(OUT)/servers --quick

# With the debug build, which `make test` makes.
test-servers-quick: servers-need
	$(CARGO) build --locked -p tidegate-dataplane --bin tidegate
	python3 tests/servers/run.py --engine target/debug/tidegate --out $(OUT)/servers --quick

# With the debug build; clients are both lines of the PyPI package `mcp`.
.PHONY: test-mcp
test-mcp:
	@python3 -c 'import ensurepip' 2>/dev/null || { apt-get update -qq && apt-get install -qq -y python3-venv >/dev/null; } || { echo "needed: apt-get install python3-venv"; exit 1; }
	$(CARGO) build --locked -p tidegate-dataplane --bin tidegate
	@# Of the build that `make demo` makes: with it the features of what tests need would build everything once more.
	$(CARGO) build --release --locked -q -p tidegate-dataplane --example ai_factory
	python3 tests/mcp/run.py --engine target/debug/tidegate --demo target/release/examples/ai_factory --out $(OUT)/mcp

# With the debug build. Python, Node, curl and OpenSSL talk to each other.
.PHONY: test-tls bench-tls tls-need
tls-need:
	@{ command -v node && command -v curl && command -v openssl; } >/dev/null 2>&1 \
	|| { apt-get update -qq && apt-get install -qq -y --no-install-recommends nodejs curl openssl >/dev/null; } \
	|| { echo "needed: apt-get install nodejs curl openssl"; exit 1; }
test-tls: tls-need
	$(CARGO) build --locked -p tidegate-dataplane --bin tidegate
	python3 tests/tls/run.py --engine target/debug/tidegate
	python3 tests/tls/live.py --engine target/debug/tidegate
bench-tls: $(BIN) tls-need
	python3 benches/tls.py --engine $(abspath $(BIN)) $(BENCH_TLS)

# ENGINE=target/debug/tidegate takes a debug build that is there.
.PHONY: attack
attack: $(if $(ENGINE),,$(BIN))
	@command -v ss >/dev/null 2>&1 || { apt-get update -qq && apt-get install -qq -y iproute2 >/dev/null; } || { echo "needed: apt-get install iproute2"; exit 1; }
	python3 tests/attack/run.py --engine $(if $(ENGINE),$(ENGINE),$(abspath $(BIN))) $(ATTACK)

test-arm:
	sh tests/arm.sh $(ARM)
	SHARED=$(SHARED) sh tests/arm_dpdk.sh

test-arm-dpdk:
	SHARED=$(SHARED) sh tests/arm_dpdk.sh

.PHONY: dpdk dpdk-static test-dpdk test-dpdk-full bench-dpdk test-arm-dpdk
DPDK_FEATURE := dpdk
# Debian's libdpdk-dev brings the archives and the development packages of what drivers use.
dpdk-static: DPDK_FEATURE := dpdk-static
dpdk dpdk-static:
	@dpkg -s libdpdk-dev libclang-dev >/dev/null 2>&1 || pkg-config --exists libdpdk || { apt-get update -qq && apt-get install -qq -y pkg-config clang libclang-dev libdpdk-dev >/dev/null; }
	CARGO_TARGET_DIR=$(abspath target/dpdk) $(CARGO) build --release --locked -p tidegate-dataplane --bin tidegate --features $(DPDK_FEATURE)

test-dpdk:
	SHARED=$(SHARED) sh tests/dpdk.sh quick

test-dpdk-full:
	SHARED=$(SHARED) sh tests/dpdk.sh full

bench-dpdk: dpdk
	GLIBC_TUNABLES=glibc.malloc.hugetlb=1 CARGO_TARGET_DIR=$(abspath target/dpdk) $(CARGO) run --release --locked -q -p tidegate-dataplane --features dpdk --example dpdk_peers
	python3 benches/versus_testpmd.py --engine $(abspath target/dpdk/release/tidegate)

# An hour of live traffic with reloads of other rules, faults and full disks (root; SOAK=options).
.PHONY: soak
# What a byte costs when senders mean ill: counted, so it holds on a busy machine.
.PHONY: work
work: $(BIN)
	@command -v valgrind > /dev/null || { apt-get update -qq && apt-get install -qq -y valgrind > /dev/null; } || { echo "valgrind is needed: apt-get install valgrind"; exit 1; }
	python3 tests/work.py --engine $(abspath $(BIN)) $(WORK)

soak: $(BIN)
	python3 tests/soak.py --engine $(abspath $(BIN)) --shared $(SHARED) $(SOAK)

SMOKE ?= 20
# Hardly optimised: some seconds of fuzzing are not worth minutes of building.
fuzz-smoke:
	CARGO_PROFILE_RELEASE_OPT_LEVEL=1 sh tests/fuzz.sh $(SMOKE)

TIME   ?= 600
TARGET ?=
fuzz:
	sh tests/fuzz.sh $(TIME) $(TARGET)

include ffi/ffi.mk

install: $(BIN) install-lib
	install -D -m 755 $(BIN) $(DESTDIR)$(PREFIX)/bin/tidegate
	install -D -m 644 examples/rules/ai-factory.rules $(DESTDIR)$(PREFIX)/share/tidegate/rules/ai-factory.rules
	install -D -m 644 examples/ai-factory.yaml $(DESTDIR)$(PREFIX)/share/tidegate/ai-factory.yaml

# The Python package, in an environment of its own. Its debug build shares the crates of `make test`.
PYENV   := $(OUT)/pyenv
PY      := $(PYENV)/bin/python
PIP     := $(PY) -m pip install -q --disable-pip-version-check --no-compile
MATURIN := CARGO_TARGET_DIR=$(abspath target) $(abspath $(PYENV))/bin/maturin
# An interpreter to make the environment with.
PYTHON3 ?= python3
.PHONY: test-python test-python-heavy bench-python wheels demo-capture pytidegate
$(PYENV)/pyvenv.cfg:
	@mkdir -p $(OUT)
	@rm -rf $(PYENV); $(PYTHON3) -m venv $(PYENV) 2>/dev/null || { apt-get update -qq && apt-get install -qq -y python3 python3-venv >/dev/null && rm -rf $(PYENV) && $(PYTHON3) -m venv $(PYENV); } \
	|| { echo "python3 with venv is needed: apt-get install python3 python3-venv"; exit 1; }
$(PYENV)/ready: python/requirements-test.txt $(PYENV)/pyvenv.cfg
	$(PIP) -r python/requirements-test.txt
	@touch $@

demo-capture: $(BIN)
	$(CARGO) build --release --locked -q -p tidegate-dataplane --example ai_factory
	@mkdir -p $(OUT)/demo
	@target/release/examples/ai_factory $(OUT)/demo/ai-factory.pcap

PYTEST := cd python && PYTHONPATH=tests $(abspath $(PY)) -m pytest -q -p support -p no:cacheprovider
test-python: $(PYENV)/ready demo-capture
	$(CARGO) fmt --manifest-path python/Cargo.toml --check
	$(CARGO) clippy --manifest-path python/Cargo.toml --target-dir target --locked --all-targets -- -D warnings
	@rm -rf $(OUT)/wheels-test
	$(MATURIN) build -q --locked --profile dev --features faults -m python/Cargo.toml -o $(OUT)/wheels-test
	$(PIP) --force-reinstall --no-deps $(OUT)/wheels-test/*.whl
	$(PYTEST) tests
	$(PYTEST) --doctest-modules --pyargs tidegate
	cd $(abspath .) && PYTHONPATH=python/tests $(PY) -m pytest -q -p support -p no:cacheprovider --rootdir=. -c python/pyproject.toml --doctest-glob=README.md python/README.md

test-python-heavy: $(PYENV)/ready demo-capture pytidegate
	$(PIP) -r python/requirements-heavy.txt
	$(PYTEST) tests/test_examples.py

# The package as it is released, for measurements.
# Whether events are what Suricata's schema of EVE says (needs ../shared).
eve-schema: $(BIN) $(PYENV)/ready
	$(PY) tests/eve_schema.py --engine $(abspath $(BIN)) --shared $(SHARED) $(SCHEMA)

pytidegate: $(PYENV)/ready
	@rm -rf $(OUT)/wheels-release
	$(MATURIN) build -q --locked --release -m python/Cargo.toml -o $(OUT)/wheels-release
	$(PIP) --force-reinstall --no-deps $(OUT)/wheels-release/*.whl

# The captures of the usual mix, ten times and once.
MIX_OF := $(addprefix $(SHARED)/,captures/nDPI captures/pcapplusplus captures/arkime ai-captures)
BENCH_CAPTURE ?= $(OUT)/bench/mix.pcap
BENCH_SHORT   ?= $(OUT)/bench/short.pcap
$(OUT)/bench/mix.pcap $(OUT)/bench/short.pcap:
	@mkdir -p $(dir $@)
	python3 $(SHARED)/tools/mkmix.py $@ $(MIX_OF) --copies $(if $(findstring short,$@),1,10)
bench-python: pytidegate $(BIN) $(BENCH_CAPTURE) $(BENCH_SHORT)
	$(PIP) -r python/requirements-bench.txt
	$(PY) python/benches/flows.py $(BENCH_CAPTURE) speed differences
	$(PY) python/benches/flows.py $(BENCH_SHORT) memory
	$(PY) python/benches/prompts.py $(wildcard $(SHARED))
	$(PY) python/benches/border.py $(BENCH_CAPTURE) $(BIN)
	$(PY) python/benches/border.py $(BENCH_CAPTURE) $(BIN) $(SHARED)/rules/et-open/et-open.rules

wheels: $(PYENV)/ready demo-capture
	SYSROOT=$(abspath $(OUT)/arm64) sh python/wheels.sh $(abspath $(PYENV)) $(OUT)/wheels

# Links into private items are for those who work on it: the pages have them.
doc:
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" $(CARGO) doc --workspace --lib --no-deps --locked --document-private-items

# Lock files of the packages that are no members: one that is behind stops what builds with --locked, long after.
.PHONY: locks
locks:
	@for f in Cargo.lock */Cargo.lock benches/*/Cargo.lock; do \
		$(CARGO) metadata --locked --format-version 1 --manifest-path $${f%lock}toml > /dev/null || exit 1; done

# The matcher's vector code has no closure left that calls its operations one by one, as one without the instruction set does.
.PHONY: inlined
inlined: $(BIN)
	@! nm -C $(BIN) | grep -E 'sig::simd::(gram|nibbles).*closure'

# What the manifests promise: core without std; nothing newer than `rust-version` (clippy's incompatible_msrv, in `make test`, as
# one toolchain is enough then); documentation without warnings.
.PHONY: promises deny miri
promises: locks doc inlined
	$(CARGO) clippy -p tidegate-core --lib --no-default-features --locked -- -D warnings

# Licences, sources and versions of dependencies by deny.toml. Advisories need their database: `cargo deny check advisories`.
deny:
	@$(CARGO) deny --version > /dev/null 2>&1 || { echo "cargo-deny is needed: cargo install --locked cargo-deny"; exit 1; }
	$(CARGO) deny --locked check bans licenses sources

# The parts of core that hold memory of their own or are portable twins of vector code, interpreted; each for so many seconds.
MIRI_SECONDS ?= 120
MIRI_PARTS   ?= pool:: packet:: stream:: sig::
miri:
	@CARGO="$(CARGO)" sh tests/miri.sh $(MIRI_SECONDS) $(MIRI_PARTS)

clean:
	$(CARGO) clean
	rm -rf $(OUT)
