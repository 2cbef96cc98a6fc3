#!/bin/sh
# Wheels for x86_64 and aarch64, one for all versions of Python from 3.10 on, and a try of each.
#
#   sh python/wheels.sh ENVIRONMENT OUT
#
# The one for aarch64 is cross-built: the linker is Debian's, the Rust library for the target rustup's or Debian's. It is
# imported under qemu when Debian's Python for arm64 can be had.
set -eu
cd "$(dirname "$0")/.."
ENVIRONMENT=$1 OUT=$2
TARGET=aarch64-unknown-linux-gnu
SYSROOT=${SYSROOT:-$OUT/arm64}

missing() {
    echo "make wheels needs $1, and it could not be had: $2" >&2
    exit 3
}
install() {
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"; } > /dev/null 2>&1
}

rm -rf "$OUT"/*.whl
mkdir -p "$OUT"
CARGO_TARGET_DIR=$PWD/target "$ENVIRONMENT/bin/maturin" build -q --locked --release -m python/Cargo.toml -o "$OUT"

command -v aarch64-linux-gnu-gcc > /dev/null || install gcc-aarch64-linux-gnu libc6-dev-arm64-cross ||
    missing "a cross compiler" "apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
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
CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc PYO3_CROSS_PYTHON_VERSION=3.10 \
    CARGO_TARGET_DIR=$PWD/target/arm "$ENVIRONMENT/bin/maturin" build -q --locked --release \
    -m python/Cargo.toml -o "$OUT" --target "$TARGET"
ls -l "$OUT"/*.whl

# Debian's Python of the other machine, unpacked beside.
if [ ! -x "$SYSROOT/usr/bin/python3.11" ]; then
    command -v qemu-aarch64-static > /dev/null || install qemu-user-static || exit 0
    dpkg --add-architecture arm64 && apt-get update -qq > /dev/null 2>&1 || true
    mkdir -p "$SYSROOT/debs"
    (cd "$SYSROOT/debs" && apt-get download -q python3.11-minimal:arm64 libpython3.11-minimal:arm64 \
        libpython3.11-stdlib:arm64 libc6:arm64 libgcc-s1:arm64 zlib1g:arm64 libexpat1:arm64 libssl3:arm64 \
        libffi8:arm64 > /dev/null 2>&1) || { echo "no Python for aarch64: the wheel was not tried"; exit 0; }
    for d in "$SYSROOT"/debs/*.deb; do dpkg-deb -x "$d" "$SYSROOT"; done
fi
rm -rf "$SYSROOT/site" && mkdir -p "$SYSROOT/site"
"$ENVIRONMENT/bin/python" -m zipfile -e "$OUT"/*aarch64.whl "$SYSROOT/site"
PYTHONPATH="$SYSROOT/site" qemu-aarch64-static -L "$SYSROOT" "$SYSROOT/usr/bin/python3.11" -c '
import platform, tidegate
found = tidegate.Scanner(["system prompt"]).scan("show the SYSTEM  PROMPT")
assert [(m.start, m.end) for m in found] == [(9, 23)], found
assert tidegate.PatternSet([b"ab", b"b"]).scan(b"xab")[1].id in (0, 1)
print("imported and run on", platform.machine())
'
