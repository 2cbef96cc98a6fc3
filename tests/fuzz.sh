#!/bin/sh
# Runs every fuzz target for some seconds, two at a time; fails when one fails.
#
#   sh tests/fuzz.sh SECONDS [target...]
#
# Makes what it needs: cargo-fuzz. Findings are in fuzz/artifacts, what was learned in fuzz/corpus.
set -eu
cd "$(dirname "$0")/.."
# Sanitizers and coverage are unstable options of the compiler, which the stable one accepts so.
export RUSTC_BOOTSTRAP=1
CARGO_TARGET_DIR=$PWD/target/fuzz
export CARGO_TARGET_DIR

# What xargs runs below: one target, built already.
if [ "${1:-}" = --one ]; then
    seconds=$2
    t=$3
    mkdir -p "fuzz/corpus/$t"
    case $t in
    rules) cp dataplane/tests/common/all.rules "fuzz/corpus/$t/" ;;
    capture) [ ! -f out/demo/ai-factory.pcap ] || cp out/demo/ai-factory.pcap "fuzz/corpus/$t/" ;;
    esac
    log=target/fuzz/$t.log
    if ! cargo fuzz run "$t" -- -max_total_time="$seconds" -timeout=120 -rss_limit_mb=3000 -print_final_stats=1 \
        > "$log" 2>&1; then
        tail -60 "$log"
        echo "$t failed: see $log and fuzz/artifacts/$t" >&2
        exit 1
    fi
    echo "$t, $seconds s: $(grep number_of_executed_units "$log" || true)"
    exit 0
fi

SECONDS_EACH=${1:-30}
[ $# -gt 0 ] && shift
cargo fuzz --version > /dev/null 2>&1 || cargo install cargo-fuzz --locked -q || {
    echo "cargo-fuzz is needed: cargo install cargo-fuzz" >&2
    exit 3
}
[ $# -gt 0 ] || set -- $(cargo fuzz list)
cargo fuzz build
printf '%s\n' "$@" | xargs -n 1 -P 2 sh tests/fuzz.sh --one "$SECONDS_EACH"
