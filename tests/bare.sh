#!/bin/sh
# The README's two commands, `make demo` and `make test`, in a bare Debian 12: a root made for this, with a linker, libc's
# headers and make, the Rust toolchain and the crates of Cargo.lock bound in, and no way to the network. Before every release.
# Needs root, mmdebstrap, and a Debian mirror for the first run; the root stays in out/bare (some 400 MB).
set -eu
cd "$(dirname "$0")/.."
src=$PWD
root=$src/out/bare
for tool in mmdebstrap unshare ip; do
    command -v $tool > /dev/null || { echo "$tool is needed: apt-get install mmdebstrap util-linux iproute2"; exit 1; }
done
[ "$(id -u)" = 0 ] || { echo "make test-bare has to be run as root: it mounts folders into a root of its own"; exit 1; }
toolchain=$(rustc --print sysroot)
cargo_home=${CARGO_HOME:-$HOME/.cargo}
cargo fetch -q --locked
if [ ! -e "$root/bare-is-made" ]; then
    mkdir -p out
    # gcc and libc6-dev: the linker that rustc calls. Nothing of ours.
    mmdebstrap -q --variant=minbase --include=gcc,libc6-dev,make bookworm "$root"
    touch "$root/bare-is-made"
fi
for no in pkg-config clang python3 cmake; do
    [ ! -e "$root/usr/bin/$no" ] || { echo "the root has $no: it is not bare"; exit 1; }
done
mkdir -p "$root/toolchain" "$root/cargo/registry" "$root/src" "$root/target"
# A checkout: what is committed and what is changed, without what builds leave behind.
rm -rf "$root/src"
mkdir -p "$root/src"
git ls-files -z | tar -c --null -T - --ignore-failed-read 2> /dev/null | tar -x -C "$root/src"
started=$(date +%s)
# The mounts are gone with the namespace.
unshare --mount --pid --net --fork sh -eu -c '
    root=$1
    # A network of its own has no way out, but tests talk to themselves.
    ip link set lo up
    mount --make-rprivate /
    mount --bind -o ro "$2" "$root/toolchain"
    mount --bind "$3" "$root/cargo/registry"
    mount -t proc proc "$root/proc"
    mount -t sysfs sysfs "$root/sys"
    mount --rbind /dev "$root/dev"
    exec chroot "$root" /usr/bin/env -i HOME=/root CARGO_HOME=/cargo CARGO_NET_OFFLINE=true CARGO_TARGET_DIR= \
        PATH=/toolchain/bin:/usr/bin:/bin ${CARGO_BUILD_JOBS:+CARGO_BUILD_JOBS=$CARGO_BUILD_JOBS} sh -eu -c "
        unset CARGO_TARGET_DIR
        cd /src
        rm -rf /src/target && ln -s /target /src/target
        date +%s > /started
        make demo
        date +%s > /demo
        make test
        date +%s > /test"
' bare "$root" "$toolchain" "$cargo_home/registry"
echo "bare Debian 12: make demo $(($(cat "$root/demo") - $(cat "$root/started"))) s," \
    "make test $(($(cat "$root/test") - $(cat "$root/demo"))) s, all $(($(date +%s) - started)) s"
rm -rf "$root/target" "$root/src"
