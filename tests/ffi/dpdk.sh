#!/bin/sh
# The C library with DPDK: tg_engine_process_mbufs beside tg_engine_process, and the example that owns its lcores.
#
#   tests/ffi/dpdk.sh [PROFILE]     dev (the default) or release
#
# Called by tests/dpdk.sh, which installs what is needed. Needs no huge pages, cards or rights.
set -eu
cd "$(dirname "$0")/../.."
profile=${1:-dev}
out=$PWD/out/ffi-dpdk
prefix=$out/prefix
rules=$PWD/tests/ffi/test.rules
capture=$PWD/out/dpdk/ai-factory.pcap
shared=${SHARED:-../shared}
die() {
    echo "$*" >&2
    exit 1
}

rm -rf "$out"
mkdir -p "$out"
make -s install-lib DPDK=1 LIB_PROFILE="$profile" PREFIX="$prefix"
[ -f "$capture" ] || { capture=$out/ai-factory.pcap && cargo run -q --locked -p tidegate-dataplane --example ai_factory -- "$capture"; }
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}" LD_LIBRARY_PATH="$prefix/lib"
nm -D --defined-only "$prefix/lib/libtidegate.so" | grep -q ' tg_engine_process_mbufs$' || die "no tg_engine_process_mbufs"
! nm -D --defined-only "$prefix/lib/libtidegate.so" | awk '{ print $3 }' | grep -v '^tg_' || die "exported, and not of this library"

echo "== mbufs beside packets: events and verdicts"
# DPDK's headers are no pedantic C.
gcc -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter -g tests/ffi/mbufs.c -o "$out/mbufs" \
    $(pkg-config --cflags --libs tidegate libdpdk)
set -- "$capture"
if [ -d "$shared/captures" ]; then
    set -- "$@" $(find "$shared/captures" -type f \( -name '*.pcap' -o -name '*.pcapng' -o -name '*.cap' \) -size -2000k | sort | awk 'NR % 16 == 5' | head -100)
fi
eal="-l 0 --no-huge -m 256 --no-pci --no-shconf --no-telemetry"
"$out/mbufs" $eal -- "$rules" "$@"

echo "== an application of DPDK with its own lcores"
cp examples/c/* "$out/"
make -s -C "$out" dpdk_embed inspect_capture > /dev/null
alerts=$("$out/inspect_capture" -a "$capture" "$rules" | wc -l)
timeout 60 "$out/dpdk_embed" $eal --vdev="net_pcap0,rx_pcap=$capture,tx_pcap=$out/out.pcap" -- "$rules" > "$out/said" 2>&1 ||
    die "$(cat "$out/said")"
grep -q "^lcore 0: 103 packets, 103 sent, 0 dropped, $alerts alerts" "$out/said" || die "not $alerts alerts: $(cat "$out/said")"
grep '^lcore' "$out/said"
# The same packets came out again.
"$out/inspect_capture" -a "$out/out.pcap" "$rules" > "$out/again"
[ "$(wc -l < "$out/again")" = "$alerts" ] || die "what came out has other alerts"
# Packets are dropped where a rule says so, and the rest goes on.
sed -e 's/^alert /drop /' "$rules" > "$out/drop.rules"
timeout 60 "$out/dpdk_embed" $eal --vdev="net_pcap0,rx_pcap=$capture,tx_pcap=$out/out.pcap" -- "$out/drop.rules" > "$out/said" 2>&1 ||
    die "$(cat "$out/said")"
grep -q -E '^lcore 0: 103 packets, [0-9]+ sent, [1-9][0-9]* dropped' "$out/said" || die "nothing was dropped: $(cat "$out/said")"
grep '^lcore' "$out/said"
# Several lcores, each with an engine and a queue.
cores=0-$(($(nproc) > 1))
timeout 60 "$out/dpdk_embed" -l "$cores" --no-huge -m 256 --no-pci --no-shconf --no-telemetry --vdev=net_null0,size=200 -- "$rules" 100000 \
    > "$out/said" 2>&1 || die "$(cat "$out/said")"
awk '/^lcore/ { n++; seen += $3; sent += $5 } END { exit !(n >= 1 && seen >= 100000 && sent == seen) }' "$out/said" || die "$(cat "$out/said")"
grep '^lcore' "$out/said"
echo "the C library with DPDK: all is well"
