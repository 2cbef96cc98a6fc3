//! Names the shared library: `libtidegate.so.N`, N being the version of the ABI.

/// The N of the SONAME: one more with every change that breaks programs. `TG_ABI_VERSION` in `src/version.rs`.
const ABI: u32 = 0;

fn main() {
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libtidegate.so.{ABI}");
    println!("cargo:rerun-if-changed=build.rs");
}
