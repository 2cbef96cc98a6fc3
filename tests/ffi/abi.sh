#!/bin/sh
# The ABI of libtidegate against the committed one, by abidiff. `abi.sh write` makes today's the committed one.
#
# What may change: functions and types may be added. What may not: everything else, before TG_ABI_VERSION is raised.
#
# abidw reads no types from Rust's debug information. So they are read from a library of C that is made out of the
# header, a body for every function; that the header says what the Rust side does is another test's (ffi/tests/
# header.rs), and that both libraries have the same symbols is checked here.
set -eu
cd "$(dirname "$0")/../.."
lib=${LIB_DIR:-target/release}/libtidegate.so
baseline=tests/ffi/libtidegate.abi
out=out/ffi/abi
abi=$(sed -n 's/^pub const TG_ABI_VERSION: u32 = \([0-9]*\);/\1/p' ffi/src/version.rs)
mkdir -p "$out"

{
    echo '#include "tidegate.h"'
    # Declarations, each on one line, with a body instead of the semicolon.
    gcc -E -P include/tidegate.h | tr '\n' ' ' | sed -e 's/  */ /g' -e 's/; */;\n/g' |
        sed -n -E 's/^ *((tg_status|uint32_t|const char \*) ?tg_[a-z0-9_]+ ?\(.*\));$/\1 { return 0; }/p'
} > "$out/stub.c"
gcc -std=c11 -g -O0 -w -fPIC -shared -Iinclude -Wl,-soname,libtidegate.so.$abi "$out/stub.c" -o "$out/stub.so"
symbols() {
    nm -D --defined-only "$1" | awk '{ print $3 }' | sort
}
symbols "$lib" > "$out/lib.symbols"
symbols "$out/stub.so" > "$out/stub.symbols"
diff "$out/lib.symbols" "$out/stub.symbols" || {
    echo "$lib and include/tidegate.h have different functions" >&2
    exit 1
}
abidw --no-corpus-path --no-comp-dir-path --no-show-locs --type-id-style hash "$out/stub.so" > "$out/now.abi"
if [ "${1:-}" = write ]; then
    cp "$out/now.abi" "$baseline"
    exit
fi
set +e
abidiff "$baseline" "$out/now.abi" > "$out/diff"
code=$?
set -e
# Bits: 1 an error, 2 wrong usage, 4 a change, 8 a change that is certainly incompatible. A change of a type is no
# certain one, so whatever is changed or gone counts; what is added does not.
if [ $((code & 11)) -ne 0 ] || grep -q -E '[1-9][0-9]* (Removed|Changed)' "$out/diff"; then
    cat "$out/diff"
    echo "the ABI has changed: raise TG_ABI_VERSION (ffi/src/version.rs), or \`make abi\` if it is right" >&2
    exit 1
fi
[ "$code" -eq 0 ] || cat "$out/diff"
