#!/bin/sh
# Installs the C library: install.sh BUILT DESTDIR PREFIX VERSION ABI PRIVATE-LIBS [dpdk]
# With `dpdk` it was built with that feature: the header shows the functions for mbufs, and programs need libdpdk.
set -eu
built=$1 destdir=$2 prefix=$3 version=$4 abi=$5 private=$6
requires='' define='' cflags=''
if [ "${7:-}" = dpdk ]; then
    requires=libdpdk define=TIDEGATE_DPDK cflags=' -DTIDEGATE_DPDK'
fi
here=$(dirname "$0")
case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac
lib=$destdir$prefix/lib

fill() {
    major=${version%%.*}
    rest=${version#*.}
    sed -e "s|@PREFIX@|$prefix|" -e "s|@VERSION@|$version|g" -e "s|@ABI@|$abi|" -e "s|@REQUIRES@|$requires|" -e "s|@DEFINE@|$define|" -e "s|@CFLAGS@|$cflags|" -e "s|@PRIVATE@|$private|" \
        -e "s|@MAJOR@|$major|" -e "s|@MINOR@|${rest%%.*}|" "$here/$1.in" > "$2/$1"
    chmod 644 "$2/$1"
}

install -D -m 644 "$here/../../include/tidegate.h" "$destdir$prefix/include/tidegate.h"
install -D -m 755 "$built/libtidegate.so" "$lib/libtidegate.so.$version"
ln -sf "libtidegate.so.$version" "$lib/libtidegate.so.$abi"
ln -sf "libtidegate.so.$abi" "$lib/libtidegate.so"
install -D -m 644 "$built/libtidegate.a" "$lib/libtidegate.a"
mkdir -p "$lib/pkgconfig" "$lib/cmake/tidegate"
fill tidegate.pc "$lib/pkgconfig"
fill tidegate-config.cmake "$lib/cmake/tidegate"
fill tidegate-config-version.cmake "$lib/cmake/tidegate"
