#!/bin/sh
# Runs a command as on a machine that has a Rust toolchain and nothing else of use: pkg-config finds nothing, and PATH
# leads only to a linker, make, the basic tools and cargo.
#
#   sh tests/scrubbed.sh make test
set -eu
cd "$(dirname "$0")/.."
links=$PWD/out/scrubbed
rm -rf "$links"
mkdir -p "$links"

# Links a tool's file. `command -v` names builtins without a path, and make starts echo and printf as programs.
find_tool() {
    for folder in $(echo "$PATH" | tr : ' '); do
        if [ -x "$folder/$1" ] && [ ! -d "$folder/$1" ]; then
            ln -s "$folder/$1" "$links/$1"
            return
        fi
    done
}

for tool in sh bash dash env cc gcc ld as ar make awk cat chmod cmp cp cut date dd diff dirname basename echo expr false find \
    grep head id ln ls mkdir mktemp mv nproc printf pwd readlink realpath rm rmdir sed seq sleep sort stat tail tee test \
    timeout touch tr true uname uniq wc xargs; do
    find_tool "$tool"
done
for tool in cargo rustc rustdoc rustup cargo-clippy cargo-fmt clippy-driver rustfmt; do
    find_tool "$tool"
done
# Nothing of the caller's that build scripts look for (PKG_CONFIG_PATH, LIBCLANG_PATH, CC); cargo's own settings and the way
# to the network stay.
keep=$(env | sed -n -E 's/^((CARGO|RUSTUP)_[A-Z_]*|RUSTFLAGS|SSL_CERT_FILE|[a-zA-Z]*_(proxy|PROXY))=.*/\1/p')
for name in $keep; do
    eval "set -- \"$name=\$$name\" \"\$@\""
done
exec env -i HOME="${HOME:-/}" PATH="$links" TMPDIR="${TMPDIR:-/tmp}" PKG_CONFIG_LIBDIR= PKG_CONFIG_PATH= "$@"
