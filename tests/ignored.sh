#!/bin/sh
# The tests that plain `cargo test` leaves out: run where what they need is there, else counted and named. Needs are in their
# names: shared_… (../shared), root_… (root).
set -eu
cd "$(dirname "$0")/.."
shared=${SHARED:-../shared}
run() {
    cargo test --workspace --locked -q -- --ignored "$1"
}
skip() {
    names=$(cargo test --workspace --locked -q -- --list --ignored "$1" 2> /dev/null | sed -n 's/: test$//p')
    echo "skipped, $2 ($(echo "$names" | wc -l)):"
    echo "$names" | sed 's/^/  /'
}
if [ -d "$shared" ]; then run shared_; else skip shared_ "there is no $shared"; fi
if [ "$(id -u)" = 0 ] && [ -d /sys/class/net/lo ]; then run root_; else skip root_ "they need root and interfaces"; fi
