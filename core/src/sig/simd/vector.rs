//! The few vector operations that the filters are made of.

/// A vector of bytes.
///
/// # Safety
/// Every method needs the instruction set of its implementation; callers are inlined into functions that enable it.
/// `load` reads and `store` writes `BYTES` bytes at any alignment.
pub(super) trait Vector: Copy {
    const BYTES: usize;

    unsafe fn load(p: *const u8) -> Self;
    unsafe fn store(self, p: *mut u8);
    /// The same 16 bytes in every 128-bit lane.
    unsafe fn lanes(t: &[u8; 16]) -> Self;
    unsafe fn splat(b: u8) -> Self;
    unsafe fn splat32(w: u32) -> Self;
    unsafe fn and(self, o: Self) -> Self;
    unsafe fn or(self, o: Self) -> Self;
    unsafe fn xor(self, o: Self) -> Self;
    /// Per byte, `self[i & 15]` of the lane, for `i` in 0..16.
    unsafe fn lookup(self, i: Self) -> Self;
    /// Per byte, its high nibble.
    unsafe fn high(self) -> Self;
    /// Per 32-bit word: product, shift right by `n`, shift left by 8 and 16.
    unsafe fn mul32(self, o: Self) -> Self;
    unsafe fn shr32(self, n: u32) -> Self;
    unsafe fn shl8(self) -> Self;
    unsafe fn shl16(self) -> Self;
    /// One bit per byte that is not zero, the first byte lowest.
    unsafe fn nonzero(self) -> u64;
}
