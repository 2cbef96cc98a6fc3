//! Errors: fixed numbers, their texts, the detail that each thread keeps of its last one, and the fence that panics
//! do not pass.

use std::borrow::Cow;
use std::cell::{Cell, UnsafeCell};
use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How a call ended: TG_OK, or a negative number that never changes its meaning.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum tg_status {
    /// Done.
    TG_OK = 0,
    /// A pointer that must not be NULL is NULL.
    TG_ERR_NULL = -1,
    /// A value that is out of its range, or text that is no UTF-8 where it must be.
    TG_ERR_INVALID = -2,
    /// The `size` member of a struct is none that any version of it has had.
    TG_ERR_SIZE = -3,
    /// Not a living object of that kind: freed already, or never made here.
    TG_ERR_HANDLE = -4,
    /// Another thread is inside this object, which one thread may use at a time.
    TG_ERR_BUSY = -5,
    /// The object is in use further up the stack: called from a callback that it called.
    TG_ERR_REENTRANT = -6,
    /// The object was in a call that failed inside. All that can be done with it is to free it.
    TG_ERR_POISONED = -7,
    /// A fault of the library itself, told in the detail. The process is unharmed.
    TG_ERR_PANIC = -8,
    /// A callback asked to stop.
    TG_ERR_STOPPED = -9,
    /// There is none: no such flow, field or value.
    TG_ERR_NOT_FOUND = -10,
    /// A file could not be read.
    TG_ERR_IO = -11,
    /// A configuration, pattern or capture cannot be understood.
    TG_ERR_SYNTAX = -12,
    /// Not now, or not in this mode: blocking where verdicts are not obeyed, an event looked at after its callback.
    TG_ERR_STATE = -13,
    /// More than there is room for; how much is needed is told where the function says so.
    TG_ERR_ROOM = -14,
    /// A capture ended in the middle of a record; what came before it was given.
    TG_ERR_TRUNCATED = -15,
    /// The event is of another type than the function asks for.
    TG_ERR_TYPE = -16,
    /// This library was built without that part.
    TG_ERR_UNSUPPORTED = -17,
    /// There is not so much memory.
    TG_ERR_MEMORY = -18,
}
pub use tg_status::*;

/// What went wrong, inside the library.
#[derive(Debug)]
pub struct Error {
    pub(crate) status: tg_status,
    pub(crate) text: Cow<'static, str>,
}

/// The result of an entry.
pub(crate) type Res<T = ()> = Result<T, Error>;

/// An error with its text.
pub(crate) fn err<T>(status: tg_status, text: impl Into<Cow<'static, str>>) -> Res<T> {
    Err(Error { status, text: text.into() })
}

/// Bytes of the longest detail, with its NUL.
const ROOM: usize = 1024;

struct Detail {
    text: UnsafeCell<[u8; ROOM]>,
    /// A fence is on this thread's stack: its panics are told here and not on the terminal.
    fenced: Cell<u32>,
}

thread_local! {
    static DETAIL: Detail = const { Detail { text: UnsafeCell::new([0; ROOM]), fenced: Cell::new(0) } };
}

/// Keeps `text`, cut to what fits, as this thread's detail.
fn keep(text: &str) {
    // A thread that ends has no detail any more; there is nobody left to read it either.
    let _ = DETAIL.try_with(|d| {
        let mut n = text.len().min(ROOM - 1);
        while !text.is_char_boundary(n) {
            n -= 1;
        }
        // SAFETY: the cell belongs to this thread, and no reference to it outlives this closure or `message`;
        // neither calls foreign code in between.
        let to = unsafe { &mut *d.text.get() };
        for (to, &from) in to.iter_mut().zip(text.as_bytes().iter().take(n)) {
            // A NUL would end it for C.
            *to = if from == 0 { b' ' } else { from };
        }
        to[n] = 0;
    });
}

/// What a status means, in a few words. Thread-safe; the text is there for ever, also for unknown numbers.
#[unsafe(no_mangle)]
pub extern "C" fn tg_strerror(status: i32) -> *const c_char {
    let text = match status {
        0 => c"done",
        -1 => c"a pointer is NULL that must not be",
        -2 => c"a value is out of range or not understood",
        -3 => c"the size member of a struct is wrong",
        -4 => c"not a living object of that kind",
        -5 => c"another thread is using the object",
        -6 => c"the object is in use further up the stack",
        -7 => c"the object failed inside and can only be freed",
        -8 => c"a fault of the library itself",
        -9 => c"a callback asked to stop",
        -10 => c"there is none",
        -11 => c"a file could not be read",
        -12 => c"the input cannot be understood",
        -13 => c"not possible now or in this mode",
        -14 => c"there is too little room",
        -15 => c"the capture ends in the middle of a record",
        -16 => c"the event is of another type",
        -17 => c"the library was built without that",
        -18 => c"there is not so much memory",
        _ => c"unknown status",
    };
    text.as_ptr()
}

/// What exactly went wrong in the last call of this thread that failed; empty when none has. Thread-safe; the text
/// stays until the next failure in this thread.
#[unsafe(no_mangle)]
pub extern "C" fn tg_last_error() -> *const c_char {
    DETAIL.try_with(|d| d.text.get().cast::<c_char>().cast_const()).unwrap_or(c"".as_ptr())
}

/// Lets panics inside fences go to the detail instead of the terminal. Done once, before the first object is made.
pub(crate) fn hush_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if DETAIL.try_with(|d| d.fenced.get()).unwrap_or(0) == 0 {
                return before(info);
            }
            let what = info.payload();
            let what = what
                .downcast_ref::<&str>()
                .copied()
                .or_else(|| what.downcast_ref::<String>().map(String::as_str))
                .unwrap_or("panic");
            let text = match info.location() {
                Some(l) => format!("{what} ({}:{})", l.file(), l.line()),
                None => what.to_string(),
            };
            keep(&text);
            crate::log::say(crate::log::tg_log_level::TG_LOG_ERROR, &text);
        }));
    });
}

#[cold]
#[inline(never)]
fn failed(e: &Error) -> tg_status {
    keep(&e.text);
    e.status
}

/// Runs the body of an entry: errors become their number and this thread's detail, panics `TG_ERR_PANIC`.
pub(crate) fn fence(f: impl FnOnce() -> Res) -> tg_status {
    let count = |by: i32| {
        let _ = DETAIL.try_with(|d| d.fenced.set(d.fenced.get().wrapping_add_signed(by)));
    };
    count(1);
    // What a panic leaves half done is behind the guard of a handle, which marks it as spoilt.
    let out = catch_unwind(AssertUnwindSafe(f));
    count(-1);
    match out {
        Ok(Ok(())) => TG_OK,
        Ok(Err(e)) => failed(&e),
        Err(_) => TG_ERR_PANIC,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    fn last() -> String {
        // SAFETY: `tg_last_error` gives a string that ends in NUL.
        unsafe { CStr::from_ptr(tg_last_error()) }.to_string_lossy().into_owned()
    }

    #[test]
    fn panics_stay_inside_and_are_told() {
        hush_panics();
        assert_eq!(fence(|| panic!("the {}th fault", 7)), TG_ERR_PANIC);
        assert!(last().starts_with("the 7th fault ("), "{}", last());
        assert_eq!(fence(|| err(TG_ERR_INVALID, "wrong\0text")), TG_ERR_INVALID);
        assert_eq!(last(), "wrong text");
        assert_eq!(fence(|| Ok(())), TG_OK);
        assert_eq!(last(), "wrong text", "success leaves it");
        std::thread::spawn(|| assert_eq!(last(), "")).join().unwrap();
        assert_eq!(fence(|| err(TG_ERR_INVALID, "ü".repeat(ROOM))), TG_ERR_INVALID);
        assert_eq!(last().len(), ROOM - 2, "cut between characters");
    }

    #[test]
    fn every_status_has_a_text() {
        for n in -18..=0 {
            // SAFETY: `tg_strerror` gives a string that ends in NUL.
            let text = unsafe { CStr::from_ptr(tg_strerror(n)) };
            assert_ne!(text, c"unknown status", "{n}");
        }
        // SAFETY: as above.
        assert_eq!(unsafe { CStr::from_ptr(tg_strerror(1)) }, c"unknown status");
    }
}
