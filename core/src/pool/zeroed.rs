//! A fixed array in memory that the kernel zeroes page by page at first use.
//!
//! In: a length. Out: a slice of zero bytes that begins at a cache line. Owns the allocation. `vec![value; n]` writes
//! every element when the type is a struct, so an engine would touch megabytes before its first packet.
#![allow(unsafe_code)]

use alloc::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

/// Values begin at a cache line.
const LINE: usize = 64;
/// The greatest alignment for which the system's allocator hands out zeroed pages without writing to them.
const ALIGN: usize = 16;

/// A type of which zero bytes are a value and that owns nothing.
///
/// # Safety
/// All bytes zero must be a valid value, and the type must not need to be dropped.
pub(crate) unsafe trait Plain: Copy {}

// SAFETY: zero is an integer.
unsafe impl Plain for u8 {}
#[cfg(test)]
// SAFETY: as above.
unsafe impl Plain for u32 {}

/// `len` values, all zero bytes at first.
pub(crate) struct Zeroed<T: Plain> {
    base: NonNull<u8>,
    first: NonNull<T>,
    len: usize,
    _owns: PhantomData<T>,
}

// SAFETY: it owns its values as a `Box<[T]>` does.
unsafe impl<T: Plain + Send> Send for Zeroed<T> {}
// SAFETY: as above.
unsafe impl<T: Plain + Sync> Sync for Zeroed<T> {}

impl<T: Plain> Zeroed<T> {
    /// Zeros.
    pub(crate) fn new(len: usize) -> Self {
        const { assert!(align_of::<T>() <= LINE && size_of::<T>() > 0) }
        let layout = Self::layout(len);
        // SAFETY: the layout has a size, which is never 0.
        let Some(base) = NonNull::new(unsafe { alloc_zeroed(layout) }) else { handle_alloc_error(layout) };
        let skip = base.as_ptr().align_offset(LINE);
        // SAFETY: the layout has `LINE` bytes more than the values take, and `skip` is less than that.
        let first = unsafe { base.add(skip) }.cast();
        Zeroed { base, first, len, _owns: PhantomData }
    }

    fn layout(len: usize) -> Layout {
        let size = len.checked_mul(size_of::<T>()).and_then(|n| n.checked_add(LINE));
        size.and_then(|n| Layout::from_size_align(n, ALIGN).ok()).expect("an array larger than memory")
    }
}

impl<T: Plain> Drop for Zeroed<T> {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout in `new`.
        unsafe { dealloc(self.base.as_ptr(), Self::layout(self.len)) }
    }
}

impl<T: Plain> Deref for Zeroed<T> {
    type Target = [T];
    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: `len` values lie there, aligned; zero bytes are values (`Plain`), and only this owns them.
        unsafe { core::slice::from_raw_parts(self.first.as_ptr(), self.len) }
    }
}

impl<T: Plain> DerefMut for Zeroed<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`.
        unsafe { core::slice::from_raw_parts_mut(self.first.as_ptr(), self.len) }
    }
}

impl<T: Plain> fmt::Debug for Zeroed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zeroed").field("len", &self.len).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begins_at_a_line_with_zeros() {
        for n in [0, 1, 7, 100_000] {
            let mut z: Zeroed<u32> = Zeroed::new(n);
            assert_eq!((z.len(), z.as_ptr() as usize % LINE), (n, 0));
            assert!(z.iter().all(|x| *x == 0));
            z.fill(7);
            assert!(z.iter().all(|x| *x == 7));
        }
    }
}
