#!/bin/sh
# Installs the C library: install.sh BUILT DESTDIR PREFIX VERSION ABI PRIVATE-LIBS [dpdk]
# With `dpdk` it was built with that feature: the header shows the functions for mbufs, and programs need libdpdk.
set -eu
built=$1 destdir=$2 prefix=$3 version=$4 abi=$5 private=$6
# First version that has this ABI: set it when TG_ABI_VERSION is raised (docs/abi.md).
since=0.1.0
requires='' define='' cflags=''
if [ "${7:-}" = dpdk ]; then
    requires=libdpdk define=TIDEGATE_DPDK cflags=' -DTIDEGATE_DPDK'
fi
here=$(dirname "$0")
case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac
lib=$destdir$prefix/lib

fill() {
    sed -e "s|@PREFIX@|$prefix|" -e "s|@VERSION@|$version|g" -e "s|@ABI@|$abi|g" -e "s|@REQUIRES@|$requires|" -e "s|@DEFINE@|$define|" -e "s|@CFLAGS@|$cflags|" -e "s|@PRIVATE@|$private|" \
        -e "s|@SINCE@|$since|" "$here/$1.in" > "$2/$1"
    chmod 644 "$2/$1"
}

install -D -m 644 "$here/../../include/tidegate.h" "$destdir$prefix/include/tidegate.h"
install -D -m 755 "$built/libtidegate.so" "$lib/libtidegate.so.$version"
install -D -m 644 "$built/libtidegate.a" "$lib/libtidegate.a"
# Debug information apart, where debuggers look for it.
objcopy=${OBJCOPY:-objcopy}
if command -v "$objcopy" > /dev/null; then
    so=$lib/libtidegate.so.$version
    debug=$lib/.debug/libtidegate.so.$version.debug
    mkdir -p "$lib/.debug"
    "$objcopy" --only-keep-debug "$so" "$debug"
    chmod 644 "$debug"
    "$objcopy" --strip-unneeded --add-gnu-debuglink="$debug" "$so"
    "$objcopy" --strip-debug "$lib/libtidegate.a"
else
    echo "no objcopy: the libraries are installed with their debug information" >&2
fi
ln -sf "libtidegate.so.$version" "$lib/libtidegate.so.$abi"
ln -sf "libtidegate.so.$abi" "$lib/libtidegate.so"
mkdir -p "$lib/pkgconfig" "$lib/cmake/tidegate"
fill tidegate.pc "$lib/pkgconfig"
fill tidegate-config.cmake "$lib/cmake/tidegate"
fill tidegate-config-version.cmake "$lib/cmake/tidegate"
