#!/bin/sh
# dpdk_static.sh [PROFILE] - the command with DPDK's archives linked in: it needs no library of DPDK, and a capture through
# net_pcap gives the events of `run -r`.
set -eu
cd "$(dirname "$0")/.."
profile=${1:-dev}
dir=$profile
[ "$profile" != dev ] || dir=debug
target=${CARGO_TARGET_DIR:-target}
TIDEGATE_DPDK_STATIC=1 cargo build --locked --profile "$profile" -p tidegate-dataplane --features dpdk --bin tidegate
mkdir -p out/dpdk
# The next build without the variable replaces it.
cp "$target/$dir/tidegate" out/dpdk/tidegate-static
if ldd out/dpdk/tidegate-static | grep librte; then
    echo "FAIL it needs libraries of DPDK"
    exit 1
fi
echo "ok   no library of DPDK is needed"
cargo run --locked --profile "$profile" -q -p tidegate-dataplane --example ai_factory -- out/dpdk/ai-factory.pcap > /dev/null
python3 tests/dpdk_captures.py --engine "$PWD/out/dpdk/tidegate-static" --rules examples/rules/ai-factory.rules \
    --config examples/ai-factory.yaml --file out/dpdk/ai-factory.pcap
