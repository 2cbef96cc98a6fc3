//! Every engine this machine can run, for tests from outside: which one [`Builder::build`] takes depends on the
//! machine and the patterns, but all must say the same.
use super::{Builder, Database, build, simd, verify::Sampling};
use alloc::vec::Vec;

impl Builder {
    /// One database for each instruction set and each choice of filter: buckets only, hashed windows of several lengths at
    /// every stride.
    #[doc(hidden)]
    #[must_use]
    pub fn variants(&self) -> Vec<Database<'static>> {
        let forced = [(0, 4), (1, 4), (1, 8), (2, 5), (2, 8), (4, 4), (4, 6), (4, 8)]
            .map(|(every, width)| Some(Sampling::new(every, width)));
        let ways = || core::iter::once(None).chain(forced);
        simd::Level::available().flat_map(|l| ways().map(move |w| build::build(self, l, w))).collect()
    }
}
