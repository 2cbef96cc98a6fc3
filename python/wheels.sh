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
# A capture to read there, if it was made.
DEMO=$(ls out/demo/ai-factory.pcap 2> /dev/null || true)

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

# Debian's Python of the other machine, unpacked beside; the system's own list of packages stays as it is.
if [ ! -x "$SYSROOT/usr/bin/python3.11" ]; then
    command -v qemu-aarch64-static > /dev/null || install qemu-user-static ||
        { echo "no emulator (qemu-user-static): the wheel for aarch64 was not tried"; exit 0; }
    mkdir -p "$SYSROOT/debs" "$SYSROOT/apt/lists/partial" "$SYSROOT/apt/cache/archives/partial"
    lists=$(cd "$SYSROOT/apt" && pwd)
    arm() {
        apt-get -q -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State::status=/dev/null \
            -o Dir::State::Lists="$lists/lists" -o Dir::Cache="$lists/cache" "$@" > /dev/null 2>&1
    }
    (cd "$SYSROOT/debs" && arm update && arm download python3.11-minimal libpython3.11-minimal \
        libpython3.11-stdlib libc6 libgcc-s1 zlib1g libexpat1 libssl3 libffi8) ||
        { echo "no Python for aarch64 (Debian's python3.11-minimal): the wheel was not tried"; exit 0; }
    for d in "$SYSROOT"/debs/*.deb; do dpkg-deb -x "$d" "$SYSROOT"; done
fi
rm -rf "$SYSROOT/site" && mkdir -p "$SYSROOT/site"
"$ENVIRONMENT/bin/python" -m zipfile -e "$OUT"/*aarch64.whl "$SYSROOT/site"
PYTHONPATH="$SYSROOT/site" qemu-aarch64-static -L "$SYSROOT" "$SYSROOT/usr/bin/python3.11" -c '
import platform, sys, tidegate
found = tidegate.Scanner(["system prompt"]).scan("show the SYSTEM  PROMPT")
assert [(m.start, m.end) for m in found] == [(9, 23)], found
assert tidegate.PatternSet([b"ab", b"b"]).scan(b"xab")[1].id in (0, 1)
rules = tidegate.Rules("examples/rules/ai-factory.rules", config="examples/ai-factory.yaml")
if len(sys.argv) > 1:
    alerts = [event.sid for event in tidegate.read(sys.argv[1], rules) if event.kind == "alert"]
    assert alerts == [9100001, 9100001, 9100002, 9100003, 9100004, 9100005], alerts
print("imported and run on", platform.machine(), "with Python", platform.python_version())
' $DEMO
