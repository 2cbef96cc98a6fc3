//! Versions: of the library, and of its ABI.

use std::ffi::c_char;

/// Version of the ABI: the number in the SONAME. A program built with one is served by every library with the same.
pub const TG_ABI_VERSION: u32 = 1;
/// Version of the library this header belongs to.
pub const TG_VERSION_MAJOR: u32 = 0;
/// See TG_VERSION_MAJOR.
pub const TG_VERSION_MINOR: u32 = 1;
/// See TG_VERSION_MAJOR.
pub const TG_VERSION_PATCH: u32 = 0;
/// The version of the library this header belongs to as one number, as tg_version_number has it.
pub const TG_VERSION_NUMBER: u32 = TG_VERSION_MAJOR << 16 | TG_VERSION_MINOR << 8 | TG_VERSION_PATCH;

/// The version of the library that runs, such as "0.1.0". Thread-safe; the text is there for ever.
#[unsafe(no_mangle)]
pub extern "C" fn tg_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The version of the library that runs as one number: major << 16 | minor << 8 | patch. A program may compare it with
/// TG_VERSION_NUMBER. Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn tg_version_number() -> u32 {
    TG_VERSION_NUMBER
}

/// TG_ABI_VERSION of the library that runs. A program may compare it with that of its header. Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn tg_abi_version() -> u32 {
    TG_ABI_VERSION
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_those_of_the_package() {
        let n = super::tg_version_number();
        assert_eq!(
            format!("{}.{}.{}", n >> 16, n >> 8 & 255, n & 255),
            env!("CARGO_PKG_VERSION"),
            "src/version.rs and Cargo.toml differ"
        );
    }
}
