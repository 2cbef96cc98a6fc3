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
mod rules;
mod run;
mod scan;
mod table;

use std::ffi::OsString;
use std::process::ExitCode;

use pyo3::prelude::*;

/// The command `tidegate`: arguments, the program's name first; the exit code.
#[pyfunction]
fn command(py: Python<'_>, args: Vec<OsString>) -> u8 {
    let code = py.detach(|| tidegate_dataplane::cmd::main(args));
    // An exit code does not tell its number.
    (0..=u8::MAX).find(|&n| ExitCode::from(n) == code).unwrap_or(1)
}

#[pymodule]
fn _tidegate(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add("__version__", env!("CARGO_PKG_VERSION"))?;
    m.add_class::<rules::RuleSetHandle>()?;
    m.add_class::<events::EventRun>()?;
    m.add_class::<events::WriteRun>()?;
    m.add_class::<table::TableRun>()?;
    m.add_class::<engine::EngineHandle>()?;
    m.add_class::<engine::LiveRun>()?;
    m.add_class::<scan::PatternSetHandle>()?;
    m.add_class::<scan::PatternStream>()?;
    m.add_class::<scan::ScannerHandle>()?;
    m.add_class::<scan::TextStream>()?;
    m.add_function(wrap_pyfunction!(decode::decode, m)?)?;
    m.add_function(wrap_pyfunction!(table::statistics, m)?)?;
    m.add_function(wrap_pyfunction!(command, m)?)?;
    Ok(())
}
