#!/bin/sh
# The whole workspace for aarch64, the dataplane with DPDK, and that command under qemu-aarch64-static: captures read through
# DPDK's net_pcap there give the events that reading them directly gives on this machine.
#
#   sh tests/arm_dpdk.sh [captures]     how many of ../shared's captures beside the one made here (default 6)
#
# Debian's packages for arm64 are unpacked into target/arm-sysroot: nothing is installed, as their -dev packages are at odds with
# those of this machine. Compilers and emulator are had by tests/arm.sh, which runs first.
set -eu
cd "$(dirname "$0")/.."
TARGET=aarch64-unknown-linux-gnu
SHARED=${SHARED:-../shared}
ROOT=$PWD/target/arm-sysroot
LIB=$ROOT/usr/lib/aarch64-linux-gnu

missing() {
    echo "the DPDK part of make test-arm needs $1, and it could not be had: $2" >&2
    exit 3
}

for p in pkg-config clang libclang-dev; do
    dpkg -s "$p" > /dev/null 2>&1 || { apt-get update -qq && apt-get install -y -qq --no-install-recommends "$p" > /dev/null 2>&1; } ||
        missing "$p" "apt-get install $p"
done

# The packages of an empty arm64 system that has libdpdk-dev, by an apt with lists and cache of its own.
if [ ! -e "$ROOT/ready" ]; then
    apt=$PWD/target/arm-apt
    rm -rf "$apt" "$ROOT"
    mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$ROOT"
    : > "$apt/status"
    cat > "$apt/apt.conf" << END
Dir::State "$apt/state";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Sandbox::User "root";
Debug::NoLocking "1";
END
    { APT_CONFIG=$apt/apt.conf apt-get update -qq &&
        APT_CONFIG=$apt/apt.conf apt-get install -y -qq --no-install-recommends --download-only libdpdk-dev > /dev/null; } ||
        missing "Debian's packages of DPDK for arm64" "apt-get download libdpdk-dev:arm64 and what it depends on"
    for deb in "$apt"/cache/archives/*.deb; do
        dpkg -x "$deb" "$ROOT"
    done
    # Linker scripts there name libraries by paths of the machine itself; the C library is the cross compiler's.
    ln -sf libbsd.so.0 "$LIB/libbsd.so"
    for l in c m pthread dl rt util mvec; do
        rm -f "$LIB/lib$l.so" "$LIB/lib$l.a"
    done
    rm -rf "$apt"
    : > "$ROOT/ready"
fi

if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$TARGET/lib" ]; then
    PATH=/usr/bin:$PATH
    export PATH
fi
export CARGO_TARGET_DIR=target/arm-dpdk
# The shim is linked without the compiler's own library.
export CFLAGS_aarch64_unknown_linux_gnu=-mno-outline-atomics
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C link-arg=-Wl,-rpath-link,$LIB -C link-arg=-L$LIB"
export PKG_CONFIG_LIBDIR="$LIB/pkgconfig:$ROOT/usr/share/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$ROOT" PKG_CONFIG_PATH=
export BINDGEN_EXTRA_CLANG_ARGS_aarch64_unknown_linux_gnu="--sysroot=$ROOT"
cargo build --locked --workspace --target "$TARGET" --features tidegate-dataplane/dpdk

here=target/debug/tidegate
cargo build --locked --target-dir target -p tidegate-dataplane --bin tidegate --example ai_factory
mkdir -p out/dpdk
target/debug/examples/ai_factory out/dpdk/ai-factory.pcap > /dev/null
# The command would start itself anew for large pages, which an emulated program cannot.
export TIDEGATE_LARGE_PAGES=no
emulated="qemu-aarch64-static -L $ROOT $CARGO_TARGET_DIR/$TARGET/debug/tidegate"
compare() {
    python3 tests/dpdk_captures.py --engine "$here" --dpdk-engine "$emulated" "$@"
}
compare --rules examples/rules/ai-factory.rules --config examples/ai-factory.yaml --file out/dpdk/ai-factory.pcap
[ ! -d "$SHARED/captures" ] || compare --shared "$SHARED" --count "${1:-6}" --sample 50 --workers 1
