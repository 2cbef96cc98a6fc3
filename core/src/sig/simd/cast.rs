//! Bytes of an image as tables, in place.
//!
//! The tables of a database are plain: any bytes are values of theirs, and they have no padding. What the values mean
//! is checked by the caller.
use super::super::{IdRef, verify::Entry};

/// A type without padding all of whose bit patterns are values.
///
/// # Safety
/// That it is such a type.
pub(in super::super) unsafe trait Plain: Copy {}

// SAFETY: integers are.
unsafe impl Plain for u8 {}
// SAFETY: integers are.
unsafe impl Plain for u32 {}
// SAFETY: integers are.
unsafe impl Plain for u64 {}
// SAFETY: `repr(C)` of integers only, two of 8 bytes, two of 4, two of 2, one of 4: 32 bytes, each field at a
// multiple of its size, nothing between them.
unsafe impl Plain for Entry {}
// SAFETY: `repr(C)` of two integers of 4 bytes.
unsafe impl Plain for IdRef {}

const _: () = assert!(size_of::<Entry>() == 32 && size_of::<IdRef>() == 8);

/// `n` values at the start of `bytes`, and what follows them; none when there are not so many or they are not
/// aligned.
pub(in super::super) fn take<T: Plain>(bytes: &[u8], n: usize) -> Option<(&[T], &[u8])> {
    let (table, rest) = bytes.split_at_checked(n.checked_mul(size_of::<T>())?)?;
    if n == 0 {
        return Some((&[], rest));
    }
    if !table.as_ptr().cast::<T>().is_aligned() {
        return None;
    }
    // SAFETY: the pointer is aligned for `T`, just checked, and there are `n` values' bytes behind it in one borrowed
    // slice, which are values of `T`, whatever they are.
    Some((unsafe { core::slice::from_raw_parts(table.as_ptr().cast::<T>(), n) }, rest))
}

/// The bytes of a table.
pub(in super::super) fn bytes<T: Plain>(table: &[T]) -> &[u8] {
    // SAFETY: a value has no padding, so all its bytes are initialised.
    unsafe { core::slice::from_raw_parts(table.as_ptr().cast::<u8>(), size_of_val(table)) }
}
