#!/bin/sh
# Runs every fuzz target for some seconds, one after the other; stops at the first failure.
#
#   sh tests/fuzz.sh SECONDS [target...]
#
# Makes what it needs: cargo-fuzz. Findings are in fuzz/artifacts, what was learned in fuzz/corpus.
set -eu
cd "$(dirname "$0")/.."
SECONDS_EACH=${1:-30}
[ $# -gt 0 ] && shift

cargo fuzz --version > /dev/null 2>&1 || cargo install cargo-fuzz --locked -q || {
    echo "cargo-fuzz is needed: cargo install cargo-fuzz" >&2
    exit 3
}
# Sanitizers and coverage are unstable options of the compiler, which the stable one accepts so.
export RUSTC_BOOTSTRAP=1
CARGO_TARGET_DIR=$PWD/target/fuzz
export CARGO_TARGET_DIR

[ $# -gt 0 ] || set -- $(cargo fuzz list)
cargo fuzz build
for t in "$@"; do
    mkdir -p "fuzz/corpus/$t"
    case $t in
    rules) cp dataplane/tests/common/all.rules "fuzz/corpus/$t/" ;;
    capture) [ ! -f out/demo/ai-factory.pcap ] || cp out/demo/ai-factory.pcap "fuzz/corpus/$t/" ;;
    esac
    echo "== $t, $SECONDS_EACH s"
    log=target/fuzz/$t.log
    if ! cargo fuzz run "$t" -- -max_total_time="$SECONDS_EACH" -timeout=120 -rss_limit_mb=3000 -print_final_stats=1 \
        > "$log" 2>&1; then
        tail -60 "$log"
        echo "$t failed: see $log and fuzz/artifacts/$t" >&2
        exit 1
    fi
    grep -E "number_of_executed_units|^Done" "$log" || true
done
