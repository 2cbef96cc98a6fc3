//! What every function does with its arguments: NULL is refused, sizes are believed only in bounds, text is checked.

use std::ffi::{CStr, OsStr, c_char, c_int};
use std::mem::{MaybeUninit, size_of};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Error, Res, TG_ERR_INVALID, TG_ERR_NULL, TG_ERR_SIZE, TG_ERR_STOPPED, err};

/// A piece of memory that is not the caller's: text or bytes, without a NUL at its end. Empty: `data` may be NULL.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct tg_bytes {
    /// The first byte.
    pub data: *const u8,
    /// How many there are.
    pub len: usize,
}

impl tg_bytes {
    pub(crate) const NONE: tg_bytes = tg_bytes { data: std::ptr::null(), len: 0 };

    pub(crate) fn of(bytes: &[u8]) -> tg_bytes {
        if bytes.is_empty() { tg_bytes::NONE } else { tg_bytes { data: bytes.as_ptr(), len: bytes.len() } }
    }
}

impl Default for tg_bytes {
    fn default() -> Self {
        tg_bytes::NONE
    }
}

/// Sizes beyond this are no size of a struct but rubbish.
const LARGEST: usize = 4096;

/// An error about a NULL.
#[cold]
#[inline(never)]
pub(crate) fn null(name: &'static str) -> Error {
    Error { status: TG_ERR_NULL, text: format!("{name} is NULL").into() }
}

/// A place that a result is written to.
///
/// # Safety
/// `p` is NULL or may be written for as long as `'a`.
pub(crate) unsafe fn out<'a, T>(p: *mut T, name: &'static str) -> Res<&'a mut MaybeUninit<T>> {
    // SAFETY: as above; `MaybeUninit` asks nothing of what is there.
    unsafe { p.cast::<MaybeUninit<T>>().as_mut() }
        .filter(|r| aligned(&raw const **r))
        .ok_or_else(|| null(name))
}

fn aligned<T>(p: *const T) -> bool {
    (p as usize).is_multiple_of(align_of::<T>())
}

/// Bytes of the caller.
///
/// # Safety
/// `len` bytes at `data` may be read for as long as `'a`, unless `data` is NULL.
pub(crate) unsafe fn bytes<'a>(data: *const u8, len: usize, name: &'static str) -> Res<&'a [u8]> {
    if len == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(null(name));
    }
    if len > isize::MAX as usize {
        return err(TG_ERR_INVALID, format!("{name}: {len} bytes are more than there can be"));
    }
    // SAFETY: as above.
    Ok(unsafe { std::slice::from_raw_parts(data, len) })
}

#[cold]
#[inline(never)]
fn no_array(name: &str, n: usize) -> Error {
    Error { status: TG_ERR_INVALID, text: format!("{name}: not an array of {n}").into() }
}

/// An array of the caller.
///
/// # Safety
/// `n` values at `p` may be read for as long as `'a`, unless `p` is NULL.
pub(crate) unsafe fn array<'a, T>(p: *const T, n: usize, name: &'static str) -> Res<&'a [T]> {
    if n == 0 {
        return Ok(&[]);
    }
    if p.is_null() {
        return Err(null(name));
    }
    if n > isize::MAX as usize / size_of::<T>() || !aligned(p) {
        return Err(no_array(name, n));
    }
    // SAFETY: as above.
    Ok(unsafe { std::slice::from_raw_parts(p, n) })
}

/// Text of the caller that ends in NUL.
///
/// # Safety
/// `p` is NULL or such text, for as long as `'a`.
pub(crate) unsafe fn text<'a>(p: *const c_char, name: &'static str) -> Res<&'a str> {
    if p.is_null() {
        return Err(null(name));
    }
    // SAFETY: as above.
    let text = unsafe { CStr::from_ptr(p) };
    text.to_str().or_else(|_| err(TG_ERR_INVALID, format!("{name} is no UTF-8")))
}

/// A path of the caller that ends in NUL: any bytes, as the system has it.
///
/// # Safety
/// `p` is NULL or such text, for as long as `'a`.
pub(crate) unsafe fn path<'a>(p: *const c_char, name: &'static str) -> Res<&'a Path> {
    if p.is_null() {
        return Err(null(name));
    }
    // SAFETY: as above.
    let path = unsafe { CStr::from_ptr(p) };
    if path.is_empty() {
        return err(TG_ERR_INVALID, format!("{name} is empty"));
    }
    Ok(Path::new(OsStr::from_bytes(path.to_bytes())))
}

/// A function of the caller, which must be there.
pub(crate) fn callback<F>(f: Option<F>) -> Res<F> {
    f.ok_or_else(|| null("callback"))
}

/// What a callback answers to one thing after the other: 0 to go on.
pub(crate) struct Answers {
    go: bool,
}

impl Answers {
    pub fn new() -> Self {
        Answers { go: true }
    }

    /// Takes an answer; whether to go on.
    #[inline]
    pub fn take(&mut self, answer: c_int) -> bool {
        self.go = answer == 0;
        self.go
    }

    /// How the call ends.
    pub fn end(self) -> Res {
        if self.go { Ok(()) } else { err(TG_ERR_STOPPED, "the callback asked to stop") }
    }
}

/// A struct that begins with its size, and whose other bytes may all be zero.
///
/// # Safety
/// Implemented only for `#[repr(C)]` structs whose first field is `size: usize` and for which zeros are a value.
pub(crate) unsafe trait Sized0: Copy {
    /// Bytes of the first version of it that there was.
    const FIRST: usize;
}

/// Reads a struct from a caller who may know fewer fields of it, or more, if those are zero.
///
/// # Safety
/// `p` is NULL, or a `usize` can be read there and as many bytes as it says.
pub(crate) unsafe fn read_sized<T: Sized0>(p: *const T) -> Res<T> {
    // SAFETY: as above.
    let size = unsafe { size_at(p.cast()) }?;
    if size < T::FIRST {
        return err(TG_ERR_SIZE, format!("size is {size}, and at least {} is needed", T::FIRST));
    }
    // SAFETY: as above; the size was checked.
    let given = unsafe { std::slice::from_raw_parts(p.cast::<u8>(), size) };
    if given.get(size_of::<T>()..).is_some_and(|more| more.iter().any(|&b| b != 0)) {
        return err(TG_ERR_SIZE, "the struct asks for what this version of the library does not know");
    }
    let mut v = MaybeUninit::<T>::zeroed();
    // SAFETY: `v` has `size_of::<T>()` bytes and `given` at least as many as are copied; zeros or what the caller,
    // who knows the type, wrote are a value of it.
    unsafe {
        std::ptr::copy_nonoverlapping(given.as_ptr(), v.as_mut_ptr().cast(), size.min(size_of::<T>()));
        Ok(v.assume_init())
    }
}

/// Writes `value` to a caller who may know fewer fields of it, or more, which become zero. `size` stays.
///
/// # Safety
/// `p` is NULL, or a `usize` can be read there and as many bytes as it says can be written.
pub(crate) unsafe fn write_sized<T: Sized0>(p: *mut T, value: T) -> Res {
    // SAFETY: as above.
    let size = unsafe { size_at(p.cast_const().cast()) }?;
    if size < T::FIRST {
        return err(TG_ERR_SIZE, format!("size is {size}, and at least {} is needed", T::FIRST));
    }
    let known = size.min(size_of::<T>());
    let skip = size_of::<usize>();
    // SAFETY: `known` bytes of both and `size` bytes of the caller's may be touched; they do not overlap, as `value` is
    // a local.
    unsafe {
        let to = p.cast::<u8>();
        std::ptr::copy_nonoverlapping((&raw const value).cast::<u8>().add(skip), to.add(skip), known - skip);
        to.add(known).write_bytes(0, size - known);
    }
    Ok(())
}

/// # Safety
/// `p` is NULL or a `usize` can be read there.
unsafe fn size_at(p: *const usize) -> Res<usize> {
    if p.is_null() {
        return Err(null("the struct"));
    }
    if !aligned(p) {
        return err(TG_ERR_INVALID, "the struct is not aligned");
    }
    // SAFETY: as above.
    let size = unsafe { p.read() };
    if size > LARGEST {
        return err(TG_ERR_SIZE, format!("size is {size}; was it set to sizeof?"));
    }
    Ok(size)
}

/// Says that structs begin with their size: see [`Sized0`].
macro_rules! sized {
    ($($t:ty),* $(,)?) => {
        $(
            const _: () = assert!(std::mem::offset_of!($t, size) == 0);
            // SAFETY: `#[repr(C)]`, the size is first, and the other fields are numbers, pointers and options of
            // functions.
            unsafe impl $crate::args::Sized0 for $t {
                const FIRST: usize = std::mem::size_of::<$t>();
            }
        )*
    };
}
pub(crate) use sized;

sized!(crate::alloc::tg_allocator);

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Two {
        size: usize,
        a: u64,
        b: u64,
    }
    // SAFETY: `#[repr(C)]`, size first, numbers otherwise.
    unsafe impl Sized0 for Two {
        const FIRST: usize = 16;
    }

    #[test]
    fn callers_may_know_less_or_more() {
        let v = Two { size: 0, a: 1, b: 2 };
        // Knows the first field only.
        let mut old = [16usize, 9, 9];
        // SAFETY: there are as many bytes as it says.
        unsafe { write_sized(old.as_mut_ptr().cast::<Two>(), v) }.unwrap();
        assert_eq!(old, [16, 1, 9]);
        let mut new = [40usize, 9, 9, 9, 9, 9];
        // SAFETY: as above.
        unsafe { write_sized(new.as_mut_ptr().cast::<Two>(), v) }.unwrap();
        assert_eq!(new, [40, 1, 2, 0, 0, 9]);
        // SAFETY: as above.
        let got = unsafe { read_sized(old.as_ptr().cast::<Two>()) }.unwrap();
        assert_eq!((got.a, got.b), (1, 0));
        // SAFETY: as above.
        let got = unsafe { read_sized(new.as_ptr().cast::<Two>()) }.unwrap();
        assert_eq!((got.a, got.b), (1, 2));
        new[4] = 1;
        for wrong in [&new[..], &[0, 1, 2], &[8, 1, 2], &[1 << 40, 1, 2]] {
            // SAFETY: what is read is there: sizes out of bounds are refused before.
            let e = unsafe { read_sized(wrong.as_ptr().cast::<Two>()) }.map(|_| ()).unwrap_err();
            assert_eq!(e.status, TG_ERR_SIZE);
        }
    }
}
