#!/bin/sh
# build.sh OUT - makes OUT/libtgtest.so, the test driver. Drivers need headers that distributions do not ship: those of
# the installed version are taken from the source package, once.
set -eu
out=$1
here=$(cd "$(dirname "$0")" && pwd)
version=$(pkg-config --modversion libdpdk)
mkdir -p "$out"
headers=$out/headers-$version
if [ ! -e "$headers/ethdev_driver.h" ]; then
    tmp=$(mktemp -d)
    trap 'rm -rf "$tmp"' EXIT
    mkdir -p "$tmp/lists/partial" "$headers"
    . /etc/os-release
    for suite in "$VERSION_CODENAME" "$VERSION_CODENAME-updates"; do
        echo "deb-src http://deb.debian.org/debian $suite main"
    done > "$tmp/sources.list"
    apt="-o Dir::Etc::SourceList=$tmp/sources.list -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists=$tmp/lists"
    package=$(dpkg-query -W -f '${source:Version}' libdpdk-dev)
    # shellcheck disable=SC2086
    (cd "$tmp" && apt-get $apt update -qq && apt-get $apt -qq source --download-only "dpdk=$package") > /dev/null 2>&1 ||
        { echo "the source package of dpdk $package could not be had"; exit 77; }
    tar -xf "$tmp"/dpdk_*.orig.tar.* -C "$headers" --strip-components=3 --wildcards '*/lib/ethdev/ethdev_driver.h' \
        '*/lib/ethdev/ethdev_vdev.h' '*/lib/ethdev/rte_flow_driver.h'
    tar -xf "$tmp"/dpdk_*.orig.tar.* -C "$headers" --strip-components=4 --wildcards '*/drivers/bus/vdev/bus_vdev_driver.h' \
        '*/lib/eal/include/bus_driver.h' '*/lib/eal/include/dev_driver.h'
fi
# shellcheck disable=SC2046
${CC:-cc} -shared -fPIC -O2 -Wall -Wextra -DALLOW_EXPERIMENTAL_API -DALLOW_INTERNAL_API -I"$headers" $(pkg-config --cflags libdpdk) \
    -o "$out/libtgtest.so" "$here/tgtest.c" $(pkg-config --libs-only-L libdpdk) -lrte_ethdev -lrte_bus_vdev -lrte_mbuf -lrte_net \
    -lrte_mempool -lrte_kvargs -lrte_eal
echo "$out/libtgtest.so"
