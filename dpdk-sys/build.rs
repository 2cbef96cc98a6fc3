//! Asks pkg-config for libdpdk, compiles the shim with its flags and makes bindings of what the shim declares.
//!
//! `PKG_CONFIG` names another pkg-config (cross builds: `aarch64-linux-gnu-pkg-config`). The feature `static`, or
//! `TIDEGATE_DPDK_STATIC=1`, links the archives, drivers included.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Oldest DPDK whose names the shim uses.
const OLDEST: &str = "21.11";

fn pkg_config(args: &[&str]) -> Vec<String> {
    let tool = env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".into());
    let out = Command::new(&tool).args(args).arg("libdpdk").output().unwrap_or_else(|e| {
        panic!("{tool}: {e}; it is needed to find DPDK (Debian: apt-get install pkg-config libdpdk-dev)")
    });
    if !out.status.success() {
        panic!(
            "no libdpdk from {OLDEST} on was found (Debian: apt-get install libdpdk-dev).\n{}",
            String::from_utf8_lossy(&out.stderr)
        );
    }
    String::from_utf8_lossy(&out.stdout).split_whitespace().map(str::to_owned).collect()
}

fn main() {
    for f in ["shim/shim.h", "shim/shim.c", "shim/flow.c", "shim/peers.c"] {
        println!("cargo:rerun-if-changed={f}");
    }
    for v in [
        "PKG_CONFIG",
        "PKG_CONFIG_PATH",
        "PKG_CONFIG_LIBDIR",
        "PKG_CONFIG_SYSROOT_DIR",
        "TIDEGATE_DPDK_STATIC",
    ] {
        println!("cargo:rerun-if-env-changed={v}");
    }
    let at_least = format!("--atleast-version={OLDEST}");
    pkg_config(&[&at_least]);
    let cflags = pkg_config(&["--cflags"]);
    let is_static = env::var_os("CARGO_FEATURE_STATIC").is_some()
        || env::var_os("TIDEGATE_DPDK_STATIC").is_some_and(|v| v != "0");

    let mut cc = cc::Build::new();
    cc.files(["shim/shim.c", "shim/flow.c", "shim/peers.c"]).warnings(true).extra_warnings(true);
    // Headers of DPDK use their own extensions and parameters as they like.
    cc.flag_if_supported("-Wno-unused-parameter");
    // Headers of DPDK speak of functions of later kinds.
    cc.define("ALLOW_EXPERIMENTAL_API", None).opt_level(2);
    for f in &cflags {
        match f.strip_prefix("-I") {
            // Not ours to be warned of.
            Some(dir) => cc.flag("-isystem").flag(dir),
            None => cc.flag(f),
        };
    }
    cc.compile("tidegate_dpdk_shim");

    let bindings = bindgen::Builder::default()
        .header("shim/shim.h")
        .clang_args(&cflags)
        .allowlist_item("(tg|TG)_.*")
        .layout_tests(false)
        .generate_comments(false)
        .default_enum_style(bindgen::EnumVariation::Consts)
        .prepend_enum_name(false)
        .derive_default(true)
        .opaque_type("rte_.*")
        .rust_target(bindgen::RustTarget::stable(82, 0).unwrap_or_default())
        .generate()
        .expect("bindings of shim/shim.h");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    bindings.write_to_file(out.join("bindings.rs")).expect("OUT_DIR can be written");

    link(is_static);
}

/// Tells cargo what to link. Drivers register themselves when they are loaded: archives are taken whole.
fn link(is_static: bool) {
    if !is_static {
        for flag in pkg_config(&["--libs"]) {
            if let Some(dir) = flag.strip_prefix("-L") {
                println!("cargo:rustc-link-search=native={dir}");
            } else if let Some(lib) = flag.strip_prefix("-l") {
                println!("cargo:rustc-link-lib=dylib={lib}");
            }
        }
        return;
    }
    let libdir = Command::new(env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".into()))
        .args(["--variable=libdir", "libdpdk"])
        .output()
        .map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
        .unwrap_or_default();
    println!("cargo:rustc-link-search=native={libdir}");
    let (mut seen, mut dirs) = (Vec::new(), vec![libdir]);
    for flag in pkg_config(&["--static", "--libs"]) {
        if let Some(dir) = flag.strip_prefix("-L") {
            println!("cargo:rustc-link-search=native={dir}");
            dirs.push(dir.to_owned());
        }
        let Some(lib) = flag.strip_prefix("-l") else { continue };
        if seen.contains(&flag) {
            continue;
        }
        seen.push(flag.clone());
        match lib.strip_prefix(":lib").and_then(|l| l.strip_suffix(".a")) {
            Some(lib) => println!("cargo:rustc-link-lib=static:+whole-archive,-bundle={lib}"),
            // The archives stand for these.
            None if lib.starts_with("rte_") => {}
            None if found(lib, &dirs) => println!("cargo:rustc-link-lib=dylib={lib}"),
            None => {}
        }
    }
}

/// Whether a library is there. With `--static` pkg-config also names libraries of libraries (libpcap's D-Bus), for programs that
/// link those statically. The drivers' own libraries are shared here and bring what they need, so that nobody
/// has to install development packages of the others; one that is needed after all is missed by the linker, by symbol.
fn found(lib: &str, dirs: &[String]) -> bool {
    let compiler = cc::Build::new().get_compiler();
    ["so", "a"].iter().any(|kind| {
        let name = format!("lib{lib}.{kind}");
        // A name that is not found is printed as it is.
        let said = compiler.to_command().arg(format!("-print-file-name={name}")).output();
        let said = said.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default();
        said.contains('/') || dirs.iter().any(|d| Path::new(d).join(&name).exists())
    })
}
