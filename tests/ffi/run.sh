#!/bin/sh
# Everything there is to test about the C library: as a program would use it that is built elsewhere.
#
#   tests/ffi/run.sh [part...]     parts: install header symbols abi examples capture inline dpdk valgrind asan
#
# Installs what it needs (as root): compilers, pkg-config, CMake, valgrind, abigail-tools, iproute2.
set -eu
cd "$(dirname "$0")/../.."
top=$PWD
out=$top/out/ffi
prefix=$out/prefix
elsewhere=$out/elsewhere
lib=${LIB_DIR:-target/release}
abi=$(sed -n 's/^pub const TG_ABI_VERSION: u32 = \([0-9]*\);/\1/p' ffi/src/version.rs)
capture=$top/out/demo/ai-factory.pcap
rules=$top/tests/ffi/test.rules
cflags="-Wall -Wextra -Wpedantic -Werror"
parts=${*:-install header symbols abi examples capture inline dpdk valgrind asan}

say() { echo "== $*"; }
die() {
    echo "$*" >&2
    exit 1
}

packages=
for need in gcc:gcc g++:g++ pkg-config:pkg-config cmake:cmake valgrind:valgrind abidiff:abigail-tools ip:iproute2; do
    command -v "${need%%:*}" > /dev/null || packages="$packages ${need#*:}"
done
if [ -n "$packages" ]; then
    { apt-get update -qq && apt-get install -qq -y $packages > /dev/null; } || die "needed:$packages"
fi
mkdir -p "$out"
[ -f "$capture" ] || {
    mkdir -p out/demo
    cargo run -q --locked -p tidegate-dataplane --example ai_factory -- "$capture"
}

# Compiles a test: link NAME SOURCE [OPTIONS]
link() {
    name=$1 source=$2
    shift 2
    gcc -std=c99 -D_GNU_SOURCE $cflags -g "$source" -o "$name" "$@" $(pkg-config --cflags --libs tidegate) -lpthread
}

export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
export LD_LIBRARY_PATH="$prefix/lib"

install_() {
    say "make install into an empty prefix"
    rm -rf "$prefix"
    sh ffi/install/install.sh "$lib" "" "$prefix" \
        "$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)" \
        "$abi" "${TG_PRIVATE:--lpthread -lm -ldl -lc}"
    [ "$(readelf -d "$prefix/lib/libtidegate.so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')" = "libtidegate.so.$abi" ]
    [ "$(readlink "$prefix/lib/libtidegate.so")" = "libtidegate.so.$abi" ]
    # Debug information is apart, and found.
    version=$(basename "$(readlink -f "$prefix/lib/libtidegate.so")")
    ! readelf -S "$prefix/lib/$version" | grep -q '\.debug_info' || die "the library is not stripped"
    readelf -S "$prefix/lib/.debug/$version.debug" | grep -q '\.debug_info' || die "no debug information"
    readelf -p .gnu_debuglink "$prefix/lib/$version" | grep -q -F "$version.debug" || die "no link to the debug information"
    for path in "$top" "${CARGO_HOME:-$HOME/.cargo}" "$HOME/"; do
        [ "$path" != / ] || continue
        ! grep -q -a -F "$path" "$prefix/lib/$version" "$prefix/lib/libtidegate.a" || die "$path is in the library"
    done
    # What it needs of the system, as docs/abi.md says for builds on Debian 12.
    glibc=$(objdump -T "$prefix/lib/$version" | grep -o 'GLIBC_[0-9.]*' | sort -u -V | tail -1)
    if [ "$(getconf GNU_LIBC_VERSION)" = "glibc 2.36" ]; then
        grep -q -F "$glibc" docs/abi.md || die "the library needs $glibc, which docs/abi.md does not say"
    fi
    echo "$(stat -c %s "$prefix/lib/$version") bytes, needs $glibc"
}

header() {
    say "the header as C99 and C++17"
    echo '#include <tidegate.h>' > "$out/header.c"
    for compile in "gcc -std=c99" "g++ -x c++ -std=c++17"; do
        $compile $cflags -fsyntax-only $(pkg-config --cflags tidegate) "$out/header.c"
    done
}

symbols() {
    say "every exported symbol: tg_*, in the header, documented, with its threads, exercised"
    nm -D --defined-only "$prefix/lib/libtidegate.so" | awk '{ print $3 }' > "$out/symbols"
    ! grep -v '^tg_' "$out/symbols" || die "exported, and not of this library"
    while read -r s; do
        line=$(grep -n -E "^[a-z].*[ *]$s\(" include/tidegate.h | head -1 | cut -d: -f1)
        [ -n "$line" ] || die "$s is not in the header"
        sed -n "$((line - 1))p" include/tidegate.h | grep -q '^//' || die "$s has no description"
        grep -q "$s(" tests/ffi/api.c || die "$s is not exercised by tests/ffi/api.c"
    done < "$out/symbols"
    # Each says which threads may call it.
    ! awk '/^\/\// { doc = doc $0; next }
        /^[a-su-z].*tg_[a-z_]+\(|^tg_status / { match($0, /tg_[a-z_]+\(/); if (doc !~ /hread/) print substr($0, RSTART, RLENGTH - 1) }
        { doc = "" }' include/tidegate.h | grep . || die "not said which threads may call these"
    echo "$(wc -l < "$out/symbols") symbols"
}

abi() {
    say "the ABI against the committed one"
    LIB_DIR=$lib sh tests/ffi/abi.sh
}

examples() {
    say "the examples in another folder: pkg-config, CMake, the static library"
    rm -rf "$elsewhere"
    mkdir -p "$elsewhere"
    cp examples/c/* "$elsewhere/"
    make -s -C "$elsewhere" > /dev/null
    cmake -S "$elsewhere" -B "$elsewhere/cmake" -DCMAKE_PREFIX_PATH="$prefix" > /dev/null
    cmake --build "$elsewhere/cmake" > /dev/null
    # Versions of another ABI, and later ones, are not asked of this one.
    for wanted in 0.0.9 0.1.0 0.2 1.0; do
        mkdir -p "$out/wanted"
        printf 'cmake_minimum_required(VERSION 3.16)\nproject(w C)\nfind_package(tidegate %s REQUIRED)\n' $wanted > "$out/wanted/CMakeLists.txt"
        rm -rf "$out/wanted/build"
        found=no
        cmake -S "$out/wanted" -B "$out/wanted/build" -DCMAKE_PREFIX_PATH="$prefix" > /dev/null 2>&1 && found=yes
        [ "$found" = "$([ $wanted = 0.1.0 ] && echo yes || echo no)" ] || die "CMake: version $wanted found: $found"
    done
    gcc -std=c11 $cflags "$elsewhere/inspect_capture.c" -o "$elsewhere/static" $(pkg-config --cflags tidegate) \
        "$prefix/lib/libtidegate.a" $(sed -n 's/^Libs.private: //p' "$prefix/lib/pkgconfig/tidegate.pc")
    # And with nothing shared at all.
    gcc -static -std=c11 $cflags "$elsewhere/inspect_capture.c" -o "$out/wholly" $(pkg-config --cflags tidegate) \
        $(pkg-config --static --libs tidegate) 2> "$out/wholly.said" || die "$(cat "$out/wholly.said")"
    "$out/wholly" -a "$capture" "$rules" | grep -q '\[100:\|:100:' || die "the static program has no alerts"
    link "$out/api" tests/ffi/api.c
    g++ -x c++ -std=c++17 $cflags tests/ffi/api.c -o "$out/api++" $(pkg-config --cflags --libs tidegate) -lpthread

    say "every function, used and misused"
    "$out/api" "$capture" "$rules"
    "$out/api++" "$capture" "$rules" > /dev/null
    TG_OWN_ALLOCATOR=1 "$out/api" "$capture" "$rules" > /dev/null
    run_examples ""
    say "loaded and unloaded 600 times, 1,000 engines"
    gcc -std=c99 -D_GNU_SOURCE $cflags tests/ffi/again.c -o "$out/again" $(pkg-config --cflags tidegate) -ldl
    "$out/again" "$prefix/lib/libtidegate.so"
}

# Runs the examples, with a program before each (valgrind), and compares what they say.
run_examples() {
    with=$1
    cd "$elsewhere"
    $with ./inspect_capture -a "$capture" "$rules" > alerts
    n=$(wc -l < alerts)
    [ "$n" -gt 10 ] || die "inspect_capture: $n alerts"
    $with ./threads "$capture" "$rules" 3 > said
    grep -q "^alerts $n\$" said || { cat said; die "threads: not $n alerts"; }
    grep 'sid:100;' "$rules" > first.rules
    grep 'sid:101;' "$rules" > second.rules
    $with ./hot_reload "$capture" first.rules second.rules > said
    sed '/^swapped/,$d' said | grep -q '\[100\]' || die "hot_reload: nothing before"
    sed '1,/^swapped/d' said | grep -q '\[101\]' || die "hot_reload: nothing after"
    ! sed '/^swapped/,$d' said | grep '\[101\]' || die "hot_reload: too early"
    echo 'alert ip any any -> any any (msg:"override"; content:"ignore"; nocase; content:"instructions"; nocase; distance:0; sid:1;)' > text.rules
    ! $with ./scan_text text.rules 'Please IGNORE my instructions' > said || die "scan_text: no match"
    grep -q 'override' said
    $with ./scan_text text.rules 'a harmless text' > said
    ! printf 'a text in pieces: Ig\342\200\213nore   all  inst\357\275\222uctions' | $with ./scan_text text.rules > said || die "scan_text: no match in pieces"
    grep -q 'override' said
    cd "$top"
}

capture_() {
    say "events equal the command's, byte for byte"
    # Always of these sources: one that lies there may be of earlier ones.
    cargo build -q --locked -p tidegate-dataplane --bin tidegate
    tidegate=target/debug/tidegate
    set -- "$capture"
    # One in eighteen of the captures that may lie beside the checkout: 100.
    if [ -d ../shared/captures ]; then
        set -- "$@" $(find ../shared/captures -type f \( -name '*.pcap' -o -name '*.pcapng' -o -name '*.cap' \) -size -2000k | sort | awk 'NR % 16 == 5' | head -100)
    fi
    same=0 lines=0
    for c in "$@"; do
        rm -rf "$out/eve"
        "$tidegate" run -q -r "$c" -S "$rules" -l "$out/eve" 2> /dev/null || true
        grep -v '"event_type":"stats"' "$out/eve/eve.json" > "$out/eve/command" || true
        "$elsewhere/inspect_capture" "$c" "$rules" > "$out/eve/c" 2> /dev/null || true
        cmp "$out/eve/command" "$out/eve/c" || die "$c: the events differ (out/ffi/eve)"
        same=$((same + 1)) lines=$((lines + $(wc -l < "$out/eve/c")))
    done
    # What the README shows is a program, and its alerts are the command's.
    awk '/^## / { c = $0 == "## Quick start: C" } c && /^```$/ { exit } c && p { print } c && /^```c$/ { p = 1 }' README.md > "$out/readme.c"
    link "$out/readme" "$out/readme.c"
    "$tidegate" run -q -r "$capture" -S "$rules" -l "$out/eve"
    "$out/readme" "$rules" "$capture" > "$out/eve/c"
    grep '"event_type":"alert"' "$out/eve/eve.json" | cmp - "$out/eve/c" || die "the README's program prints other alerts"
    # With settings, rules of their variables, and through the static library.
    "$tidegate" run -q -r "$capture" -S examples/rules/ai-factory.rules -c examples/ai-factory.yaml -l "$out/eve"
    "$elsewhere/static" "$capture" examples/rules/ai-factory.rules examples/ai-factory.yaml > "$out/eve/c"
    grep -v '"event_type":"stats"' "$out/eve/eve.json" | cmp - "$out/eve/c"
    grep -q '"event_type":"alert"' "$out/eve/c"
    echo "$same captures, $lines events"
}

inline() {
    say "an inline filter between two interfaces"
    down() {
        ip link del tgt-a0 2> /dev/null || true
        ip link del tgt-b0 2> /dev/null || true
    }
    down
    if ! { ip link add tgt-a0 type veth peer name tgt-a1 && ip link add tgt-b0 type veth peer name tgt-b1; } 2> /dev/null; then
        down
        echo "skipped: no right to make interfaces here"
        return
    fi
    for i in tgt-a0 tgt-a1 tgt-b0 tgt-b1; do
        ip link set "$i" addrgenmode none 2> /dev/null || true
        ip link set "$i" up
    done
    gcc -std=c99 -D_GNU_SOURCE $cflags tests/ffi/frames.c -o "$out/frames"
    echo 'drop udp any any -> any any (msg:"evil"; content:"evil"; sid:1;)' > "$out/drop.rules"
    "$elsewhere/inline_filter" tgt-a1 tgt-b0 "$out/drop.rules" 40 > "$out/drops" 2> "$out/filter" &
    filter=$!
    sleep 1
    timeout 20 "$out/frames" tgt-a0 tgt-b1 40 > "$out/ends" || true
    wait "$filter" || die "inline_filter failed: $(cat "$out/filter")"
    down
    grep -q '^good 20, evil 0$' "$out/ends" || die "came out: $(cat "$out/ends"); $(cat "$out/filter")"
    grep -q '"action":"blocked"' "$out/drops" || die "no blocked alert"
    cat "$out/ends"
}

dpdk() {
    say "an application of DPDK with its own lcores"
    if [ ! -x "$elsewhere/dpdk_embed" ]; then
        echo "skipped: no DPDK here"
        return
    fi
    set -- -l 0 --no-huge -m 256 --no-pci --no-telemetry --file-prefix=tgt --no-shconf
    timeout 60 "$elsewhere/dpdk_embed" "$@" --vdev="net_pcap0,rx_pcap=$capture,tx_pcap=$out/dpdk.pcap" -- "$rules" \
        > "$out/dpdk" 2>&1 || die "$(cat "$out/dpdk")"
    grep -q -E '^lcore 0: 103 packets, 103 sent, 0 dropped, [1-9][0-9]* alerts' "$out/dpdk" || die "$(cat "$out/dpdk")"
    grep '^lcore' "$out/dpdk"
}

valgrind_() {
    say "valgrind"
    # What is still reachable at the end are the cells of handles, which stay on purpose.
    with="valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,indirect --show-leak-kinds=definite,indirect"
    run_examples "$with"
    (cd "$elsewhere" && $with ./inspect_capture "$capture" "$rules" > /dev/null)
    TG_QUICK=1 $with "$out/api" "$capture" "$rules" > /dev/null
}

asan() {
    say "the address sanitizer, on both sides"
    target=x86_64-unknown-linux-gnu
    [ "$(uname -m)" = x86_64 ] || { echo "skipped: not this machine" && return; }
    RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address" CARGO_TARGET_DIR=target/asan \
        cargo rustc -q --locked -p tidegate-ffi --lib --crate-type cdylib,staticlib --target $target \
        -- -C link-arg=-Wl,-soname,libtidegate.so.$abi
    sh ffi/install/install.sh "target/asan/$target/debug" "" "$out/asan" 0.1.0 "$abi" ""
    rm -rf "$out/asan/examples"
    mkdir -p "$out/asan/examples"
    cp examples/c/* "$out/asan/examples/"
    (
        export PKG_CONFIG_PATH="$out/asan/lib/pkgconfig" LD_LIBRARY_PATH="$out/asan/lib"
        export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1
        CFLAGS="$cflags -g -fsanitize=address" make -s -C "$out/asan/examples" inspect_capture scan_text threads hot_reload > /dev/null
        link "$out/asan/api" tests/ffi/api.c -fsanitize=address
        link "$out/asan/overrun" tests/ffi/overrun.c -fsanitize=address
        if "$out/asan/overrun" > "$out/asan/overrun.said" 2>&1; then die "an overrun inside the library was not seen"; fi
        grep -q 'heap-buffer-overflow' "$out/asan/overrun.said" || die "$(cat "$out/asan/overrun.said")"
        "$out/asan/api" "$capture" "$rules"
        elsewhere=$out/asan/examples
        run_examples ""
    )
}

for part in $parts; do
    case $part in
    install | capture | valgrind) "${part}_" ;;
    *) "$part" ;;
    esac
done
echo "the C library: all is well"
