//! Links Hyperscan: where pkg-config says it is, or where the linker looks anyway.
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if let Ok(out) = Command::new("pkg-config").args(["--libs-only-L", "libhs"]).output() {
        for dir in String::from_utf8_lossy(&out.stdout).split_whitespace() {
            println!("cargo:rustc-link-search={}", dir.trim_start_matches("-L"));
        }
    }
    println!("cargo:rustc-link-lib=hs");
}
