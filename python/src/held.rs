//! Things that one thread at a time works with, and that a panic breaks for good.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::sync::MutexExt;

use crate::errors;

const BROKEN: &str = "a fault inside the engine ended it earlier; it answers no more: make another one";

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no reason given");
    format!("a fault inside the engine: {text}. Please report it; what was going on is lost")
}

/// Does `f` without the interpreter; a panic in it is an exception.
pub fn guarded<R: Send>(py: Python<'_>, f: impl FnOnce() -> R + Send) -> PyResult<R> {
    catch_unwind(AssertUnwindSafe(|| py.detach(f)))
        .map_err(|p| errors::raise(py, "TidegateError", (said(&*p),)))
}

/// A lock that stays broken after a panic of who held it: an engine that stopped in the middle of something says
/// nothing true any more.
pub struct Held<T>(Mutex<T>);

impl<T: Send> Held<T> {
    pub fn new(thing: T) -> Self {
        Held(Mutex::new(thing))
    }

    /// The thing, waited for without holding the interpreter.
    pub fn enter<'a>(&'a self, py: Python<'_>) -> PyResult<MutexGuard<'a, T>> {
        self.0.lock_py_attached(py).map_err(|_: PoisonError<_>| errors::raise(py, "TidegateError", (BROKEN,)))
    }

    /// Works with it without the interpreter. A panic breaks it, and is an exception.
    pub fn work<R: Send>(&self, py: Python<'_>, f: impl FnOnce(&mut T) -> R + Send) -> PyResult<R> {
        let work = || {
            // Held in here, so that a panic finds it held.
            let mut guard = self.enter(py)?;
            let thing = &mut *guard;
            Ok(py.detach(|| f(thing)))
        };
        catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|p| Err(errors::raise(py, "TidegateError", (said(&*p),))))
    }

    /// The same where there is no interpreter; the error in words.
    pub fn work_alone<R>(&self, f: impl FnOnce(&mut T) -> R) -> Result<R, String> {
        let work = || self.0.lock().map(|mut thing| f(&mut thing)).map_err(|_| BROKEN.to_owned());
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|p| Err(said(&*p)))
    }
}
