//! The compiled half of the Python package `tidegate`. Captures, rules, frames and text come in from the Python half
//! (`lib/tidegate`), which is what users see; events as lines, Arrow streams, matches and verdicts go back.
//!
//! Everything that takes longer than a moment is done without holding the interpreter, and returns now and then so that
//! an interrupt is noticed. Frames and text that are `bytes` or `str` are used where they lie: Python never changes
//! them. Other buffers are copied by the Python half, since they may change while the interpreter is free.

mod decode;
mod engine;
mod errors;
mod events;
mod held;
mod input;
mod risk;
mod rules;
mod run;
mod scan;
mod table;

use std::ffi::OsString;
use std::process::ExitCode;

use pyo3::PyClass;
use pyo3::prelude::*;

/// The command `tidegate`: arguments, the program's name first; the exit code.
#[pyfunction]
fn command(py: Python<'_>, args: Vec<OsString>) -> u8 {
    let code = py.detach(|| tidegate_dataplane::cmd::main(args));
    // An exit code does not tell its number.
    (0..=u8::MAX).find(|&n| ExitCode::from(n) == code).unwrap_or(1)
}

/// Adds a class. Python gives objects memory for 16-byte alignment only: what needs more has to be in a `Box`.
fn class<T: PyClass>(m: &Bound<'_, PyModule>) -> PyResult<()> {
    const { assert!(align_of::<T>() <= 16) };
    m.add_class::<T>()
}

#[pymodule]
fn _tidegate(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add("__version__", env!("CARGO_PKG_VERSION"))?;
    class::<rules::RuleSetHandle>(m)?;
    class::<run::Reading>(m)?;
    class::<events::EventRun>(m)?;
    class::<events::WriteRun>(m)?;
    class::<table::TableRun>(m)?;
    class::<table::TableRows>(m)?;
    class::<engine::EngineHandle>(m)?;
    class::<engine::LiveRun>(m)?;
    class::<scan::PatternSetHandle>(m)?;
    class::<scan::PatternStream>(m)?;
    class::<scan::ScannerHandle>(m)?;
    class::<scan::TextStream>(m)?;
    m.add_function(wrap_pyfunction!(decode::decode, m)?)?;
    m.add_function(wrap_pyfunction!(table::statistics, m)?)?;
    m.add_function(wrap_pyfunction!(table::tables, m)?)?;
    m.add_function(wrap_pyfunction!(input::is_capture, m)?)?;
    m.add_function(wrap_pyfunction!(table::columns, m)?)?;
    m.add_function(wrap_pyfunction!(events::records, m)?)?;
    m.add_function(wrap_pyfunction!(risk::classify, m)?)?;
    m.add_function(wrap_pyfunction!(rules::size, m)?)?;
    m.add_function(wrap_pyfunction!(command, m)?)?;
    Ok(())
}
