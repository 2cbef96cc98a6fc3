#!/bin/sh
# dpdk.sh [quick|full] - the tests of the dataplane on DPDK. Installs what they need. Parts that the machine does not allow
# (network namespaces, the source package for the test driver) say so and are left out.
set -eu
cd "$(dirname "$0")/.."
how=${1:-quick}
shared=${SHARED:-../shared}
packages="pkg-config clang libclang-dev libdpdk-dev dpdk-dev iproute2 ethtool iputils-ping curl python3"
missing=
for p in $packages; do
    dpkg -s "$p" > /dev/null 2>&1 || missing="$missing $p"
done
if [ -n "$missing" ]; then
    # shellcheck disable=SC2086
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing > /dev/null; } ||
        { echo "needed: apt-get install$missing"; exit 1; }
fi
if [ "$how" = full ]; then
    captures=200 size=200 connections=200 packets=100000000 profile=release dir=release
else
    captures=16 size=16 connections=50 packets=500000 profile=dev dir=debug
fi
cargo fmt --manifest-path dpdk-sys/Cargo.toml --check
cargo clippy --locked -p tidegate-dataplane --lib --bins --examples --features dpdk -- -D warnings
cargo build --locked --profile "$profile" -p tidegate-dataplane --features dpdk --bin tidegate --example dpdk_offload --example ai_factory
[ "$how" != full ] || cargo test --locked -p tidegate-dataplane --features dpdk --lib
engine=$PWD/target/$dir/tidegate
bad=
# 77: the machine does not allow it, and the test has said so.
try() {
    echo "== $*"
    "$@" || { code=$?; [ "$code" = 77 ] || bad="$bad $2"; }
}
mkdir -p out/dpdk
"target/$dir/examples/ai_factory" out/dpdk/ai-factory.pcap > /dev/null
try python3 tests/dpdk_captures.py --engine "$engine" --rules examples/rules/ai-factory.rules \
    --config examples/ai-factory.yaml --file out/dpdk/ai-factory.pcap
[ ! -d "$shared/captures" ] || try python3 tests/dpdk_captures.py --engine "$engine" --shared "$shared" --count "$captures" --sample 200
try python3 tests/dpdk_inline.py --engine "$engine" --size "$size" --connections "$connections"
try python3 tests/dpdk_inline.py --engine "$engine" --driver interface --size "$size" --connections "$connections"
[ "$how" != full ] || try python3 tests/dpdk_inline.py --engine "$engine" --driver af_xdp --size "$size"
if tests/pmd/build.sh "$PWD/out/pmd"; then
    try python3 tests/dpdk_offload.py --engine "$engine" --driver out/pmd/libtgtest.so --rules-example "target/$dir/examples/dpdk_offload"
    try python3 tests/dpdk_card.py --engine "$engine" --driver out/pmd/libtgtest.so --file out/dpdk/ai-factory.pcap --rules examples/rules/ai-factory.rules
else
    echo "not run: the test driver could not be built"
fi
try python3 tests/dpdk_rate.py --engine "$engine"
try sh tests/ffi/dpdk.sh "$profile"
rules=
[ ! -d "$shared/rules" ] || [ "$how" != full ] || rules="--rules $shared/rules/et-open/et-open.rules"
# shellcheck disable=SC2086
try python3 tests/dpdk_soak.py --engine "$engine" --packets "$packets" --reload "$([ "$how" = full ] && echo 10 || echo 2)" $rules
try python3 tests/dpdk_soak.py --engine "$engine" --link vhost --packets $((packets / 5)) --reload 2
# Last, as it replaces the program.
[ "$how" != full ] || try sh tests/dpdk_static.sh "$profile"
[ -z "$bad" ] || { echo "failed:$bad"; exit 1; }
