//! Exceptions of the package: their classes are Python (`tidegate.errors`), so that they can carry a place.

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use tidegate_dataplane::capture::CaptureError;
use tidegate_dataplane::load::{Loaded, Refused};

/// The exception `name` of `tidegate.errors`, made of `args`.
pub fn raise<'py>(py: Python<'py>, name: &str, args: impl IntoPyObject<'py, Target = PyTuple>) -> PyErr {
    let make = || -> PyResult<PyErr> {
        let args = args.into_bound_py_any(py)?.cast_into::<PyTuple>()?;
        Ok(PyErr::from_value(py.import("tidegate.errors")?.getattr(name)?.call1(args)?))
    };
    make().unwrap_or_else(|e| e)
}

/// A wrong setting or argument.
pub fn config(py: Python<'_>, text: impl ToString) -> PyErr {
    raise(py, "ConfigError", (text.to_string(),))
}

/// A capture that cannot be opened or read on.
pub fn capture(py: Python<'_>, path: &std::path::Path, e: &CaptureError) -> PyErr {
    let (text, errno) = match e {
        CaptureError::Open { source, .. } | CaptureError::Io { source, .. } => {
            (source.to_string(), source.raw_os_error())
        }
        e => (e.to_string(), None),
    };
    raise(py, "CaptureError", (text, path.display().to_string(), errno))
}

/// A refused rule as Python sees it: file, line, column, sid, reason.
pub type Refusal = (String, u32, u32, Option<u32>, String);

/// The place and the reason of a refusal.
pub fn refusal(loaded: &Loaded, r: &Refused) -> Refusal {
    let file = loaded.sources.get(r.file as usize).map_or_else(|| "?".into(), |p| p.display().to_string());
    (file, r.line, r.column, r.sid, r.text.clone())
}
