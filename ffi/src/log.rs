//! What the library has to say beside its results: to one callback of the process, or to nobody.

use std::cell::Cell;
use std::ffi::{c_char, c_void};
use std::sync::{PoisonError, RwLock};

use crate::error::{Res, TG_ERR_REENTRANT, err, fence, tg_status};

/// How much a message matters.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum tg_log_level {
    /// Something failed.
    TG_LOG_ERROR = 1,
    /// Something was left out or looks wrong.
    TG_LOG_WARNING = 2,
    /// Worth knowing.
    TG_LOG_INFO = 3,
}

/// Takes a message, which ends in NUL and is valid during the call. It may be called from any thread that uses the
/// library, from several at once, and must not call back into the library.
pub type tg_log_fn =
    Option<unsafe extern "C" fn(level: tg_log_level, message: *const c_char, user: *mut c_void)>;

#[derive(Clone, Copy)]
struct Target {
    call: tg_log_fn,
    user: *mut c_void,
    most: u32,
}

// SAFETY: `user` is only handed to `call`, which the caller of `tg_log_set` has promised to be callable from any
// thread.
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}

thread_local! {
    /// This thread is in the callback.
    static SAYING: Cell<bool> = const { Cell::new(false) };
}

static TARGET: RwLock<Target> = RwLock::new(Target { call: None, user: std::ptr::null_mut(), most: 0 });

/// Sends messages up to `level` (a tg_log_level; 0 for none) to `callback`; NULL silences the library, which is how
/// it starts. Thread-safe; when it returns, the callback before is not called any more. From inside the callback:
/// TG_ERR_REENTRANT.
///
/// `user` goes to the callback as it is.
#[unsafe(no_mangle)]
pub extern "C" fn tg_log_set(callback: tg_log_fn, user: *mut c_void, level: u32) -> tg_status {
    fence(|| -> Res {
        if SAYING.try_with(Cell::get).unwrap_or(false) {
            return err(TG_ERR_REENTRANT, "called from the log callback");
        }
        *TARGET.write().unwrap_or_else(PoisonError::into_inner) =
            Target { call: callback, user, most: level };
        Ok(())
    })
}

/// Says `text`.
pub(crate) fn say(level: tg_log_level, text: &str) {
    // What goes wrong while something is said is not said.
    if SAYING.try_with(Cell::get).unwrap_or(true) {
        return;
    }
    let target = TARGET.read().unwrap_or_else(PoisonError::into_inner);
    let Some(call) = target.call.filter(|_| level as u32 <= target.most) else { return };
    let mut line: Vec<u8> = text.bytes().map(|b| if b == 0 { b' ' } else { b }).collect();
    line.push(0);
    let _ = SAYING.try_with(|s| s.set(true));
    // SAFETY: the caller of `tg_log_set` gave a function of this type; the text ends in NUL and outlives the call.
    unsafe { call(level, line.as_ptr().cast(), target.user) }
    let _ = SAYING.try_with(|s| s.set(false));
}
