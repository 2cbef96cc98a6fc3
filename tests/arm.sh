#!/bin/sh
# The tests of core for aarch64 under qemu-aarch64-static: the matcher's NEON and scalar engines among them.
#
#   sh tests/arm.sh [filter...]
#
# Makes what it needs: the cross compiler and qemu (apt-get), the Rust library for the target (rustup, or else
# Debian's rustc-web). Its own target directory is target/arm. PROPTEST_CASES (default 16) bounds the property tests,
# which are slow under emulation.
set -eu
cd "$(dirname "$0")/.."
TARGET=aarch64-unknown-linux-gnu
LIMIT=${LIMIT:-1500}

missing() {
    echo "make test-arm needs $1, and it could not be had: $2" >&2
    exit 3
}

install() {
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"; } > /dev/null 2>&1
}

command -v aarch64-linux-gnu-gcc > /dev/null || install gcc-aarch64-linux-gnu libc6-dev-arm64-cross ||
    missing "a cross compiler" "apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
command -v qemu-aarch64-static > /dev/null || install qemu-user-static ||
    missing "an emulator" "apt-get install qemu-user-static"

if [ -d "$(rustc --print sysroot)/lib/rustlib/$TARGET/lib" ]; then
    :
elif command -v rustup > /dev/null && rustup target add "$TARGET" > /dev/null 2>&1; then
    :
else
    dpkg --add-architecture arm64
    install rustc-web cargo-web libstd-rust-web-dev libstd-rust-web-dev:arm64 ||
        missing "the Rust library for $TARGET" "rustup target add $TARGET, or Debian's libstd-rust-web-dev:arm64"
    PATH=/usr/bin:$PATH
    export PATH
fi

# Static, so that the emulator needs no libraries of the other machine.
export CARGO_TARGET_DIR=target/arm
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=qemu-aarch64-static
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C target-feature=+crt-static"
export PROPTEST_CASES="${PROPTEST_CASES:-16}"
exec timeout "$LIMIT" cargo test --locked -p tidegate-core --target "$TARGET" --tests -- "$@"
