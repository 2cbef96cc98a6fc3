//! The vector filters: where may a window end?
//!
//! In: a database's windows at build; then the input. Out: one bit per position, in words of 64. [`nibbles`] (few
//! windows, in [`buckets`]) and [`gram`] (many windows, a bitmap over their hash) are written once over
//! [`vector::Vector`] and instantiated per instruction set, which [`isa`] chooses; [`vbmi`] takes the place of `nibbles`
//! where tables of 128 bytes fit registers. All `unsafe` of the matcher is in this folder.
//!
//! Geometry, shared by all: bit `i` of word `b` says that a window may end at `HEAD + 64 * b + i + 1`, where
//! `HEAD` is 3, so that every window lies inside the input and no block needs bytes before it. The three ends
//! before that concern windows of 1 to 3 bytes only; the drive tries those without a filter. The last block of an
//! input is moved down to end with it and its word shifted; an input shorter than one block is copied to a padded
//! one, or loaded under a mask where the machine can.
#![allow(unsafe_code)]

pub(super) mod alphabet;
mod buckets;
pub(super) mod cast;
pub(in crate::sig) mod equal;
pub(super) mod gram;
pub(super) mod isa;
pub(super) mod list;
pub(super) mod nibbles;
pub(super) mod probe;
pub(super) mod set;
pub(super) mod vbmi;
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "aarch64")]
mod neon;

/// A window as `(class, key)`: see `verify::key_of`.
pub(super) type Key = (u32, u32);

/// Ends without a filter.
pub(super) const HEAD: usize = 3;
/// Words filled by one call.
pub(super) const WORDS: usize = 24;
/// Bytes one block reads.
const BLOCK: usize = 64 + HEAD;

/// An instruction set that has instances here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(dead_code)] // Each machine constructs its own.
pub(super) enum Level {
    /// No vectors: the byte-by-byte engine.
    Scalar,
    Ssse3,
    /// AVX2 and BMI1.
    Avx2,
    /// AVX-512 F, BW, VL, VBMI, VBMI2, and GFNI; BMI1, BMI2, LZCNT and POPCNT.
    Avx512,
    Neon,
}

impl Level {
    /// The best of this machine.
    pub(super) fn best() -> Level {
        Level::available().last().unwrap_or(Level::Scalar)
    }

    /// All of this machine, weakest first.
    pub(super) fn available() -> impl Iterator<Item = Level> {
        [Level::Scalar, Level::Ssse3, Level::Avx2, Level::Avx512, Level::Neon]
            .into_iter()
            .filter(|l| l.is_here())
    }

    #[cfg(target_arch = "x86_64")]
    fn is_here(self) -> bool {
        #[cfg(feature = "std")]
        macro_rules! has { ($($f:tt),*) => { $(std::is_x86_feature_detected!($f))&&* } }
        #[cfg(not(feature = "std"))]
        macro_rules! has { ($($f:tt),*) => { $(cfg!(target_feature = $f))&&* } }
        match self {
            Level::Scalar => true,
            Level::Ssse3 => has!("ssse3"),
            Level::Avx2 => has!("avx2", "bmi1"),
            Level::Avx512 => {
                has!("avx2", "avx512f", "avx512bw", "avx512vl", "avx512vbmi", "avx512vbmi2", "gfni")
                    && has!("bmi1", "bmi2", "lzcnt", "popcnt")
            }
            Level::Neon => false,
        }
    }

    #[cfg(target_arch = "aarch64")]
    fn is_here(self) -> bool {
        // NEON is part of the aarch64 baseline.
        matches!(self, Level::Scalar | Level::Neon)
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn is_here(self) -> bool {
        self == Level::Scalar
    }

    /// As `TIDEGATE_ISA` has it.
    fn key(self) -> &'static str {
        match self {
            Level::Scalar => "scalar",
            Level::Ssse3 => "ssse3",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
            Level::Neon => "neon",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Level::Scalar => "scalar",
            Level::Ssse3 => "SSSE3",
            Level::Avx2 => "AVX2",
            Level::Avx512 => "AVX-512 VBMI",
            Level::Neon => "NEON",
        }
    }
}

/// Number of words that describe an input of `len` bytes.
#[inline]
pub(super) fn words(len: usize) -> usize {
    len.saturating_sub(HEAD).div_ceil(64)
}

/// Copies `n < BLOCK` bytes at `p` to the start of a zeroed block.
///
/// # Safety
/// `n` bytes at `p` are readable.
#[inline(always)]
unsafe fn padded(p: *const u8, n: usize) -> [u8; BLOCK] {
    let mut b = [0u8; BLOCK];
    // SAFETY: `n` bytes at `p` are readable by the caller's promise, and `b` has room for `BLOCK`.
    unsafe { core::ptr::copy_nonoverlapping(p, b.as_mut_ptr(), n.min(BLOCK)) };
    b
}
