#!/bin/sh
# miri.sh SECONDS PART...: tests of core's parts under miri, each part for so many seconds at most. What is not done by then is
# said; what fails is an error.
set -eu
cd "$(dirname "$0")/.."
seconds=$1
shift
cargo +nightly miri --version > /dev/null 2>&1 || {
    echo "miri is needed: rustup toolchain install nightly --component miri,rust-src"
    exit 1
}
export PROPTEST_CASES=2 MIRIFLAGS=-Zmiri-disable-isolation CARGO_TARGET_DIR="$PWD/target/miri"
mkdir -p out
cargo +nightly miri test -q -p tidegate-core --lib -- nothing_of_that_name > /dev/null
for part; do
    code=0
    timeout -k 5 "$seconds" cargo +nightly miri test -p tidegate-core --lib -- "$part" > out/miri.log 2>&1 || code=$?
    done=$(grep -c '^test .* ok$' out/miri.log || true)
    # A test that failed before the time was up fails, too.
    if grep -q "Undefined Behavior\|^test .* FAILED" out/miri.log; then code=1; fi
    case $code in
    0) echo "miri: $part clean, $done tests" ;;
    124 | 137) echo "miri: $part clean as far as it came in $seconds s: $done tests" ;;
    *) tail -40 out/miri.log && exit 1 ;;
    esac
done
