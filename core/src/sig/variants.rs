//! Every engine this machine can run, for tests from outside: which one [`Builder::build`] takes depends on the
//! machine and the patterns, but all must say the same.
use super::{Builder, Database, build, simd};
use alloc::vec::Vec;

impl Builder {
    /// One database for each instruction set and each choice of filter.
    #[doc(hidden)]
    #[must_use]
    pub fn variants(&self) -> Vec<Database<'static>> {
        let strides = [None, Some(0), Some(1), Some(2), Some(4)];
        simd::Level::available().flat_map(|l| strides.map(|s| build::build(self, l, s))).collect()
    }
}
