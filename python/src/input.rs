//! Where a capture's bytes come from: a file or bytes in hand, compressed or not.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tidegate_dataplane::capture::{Capture, CaptureError};

/// One capture to be read.
#[derive(Clone)]
pub enum Input {
    Path(PathBuf),
    /// Bytes, and the name by which messages speak of them.
    Bytes(PathBuf, Arc<[u8]>),
}

impl<'py> FromPyObject<'_, 'py> for Input {
    type Error = PyErr;

    /// A path, or a name with bytes.
    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok((name, bytes)) = given.extract::<(PathBuf, Bound<'py, PyBytes>)>() {
            return Ok(Input::Bytes(name, bytes.as_bytes().into()));
        }
        Ok(Input::Path(given.extract()?))
    }
}

impl Input {
    pub fn path(&self) -> &Path {
        let (Input::Path(p) | Input::Bytes(p, _)) = self;
        p
    }

    /// Bytes, as they are kept.
    pub fn size(&self) -> u64 {
        match self {
            Input::Path(p) => std::fs::metadata(p).map_or(0, |m| m.len()),
            Input::Bytes(_, b) => b.len() as u64,
        }
    }

    pub fn open(&self) -> Result<Capture, CaptureError> {
        let path = self.path();
        let source: Box<dyn Read + Send> = match self {
            Input::Path(p) if p == Path::new("-") => return Capture::open(p),
            Input::Path(p) => Box::new(
                File::open(p).map_err(|source| CaptureError::Open { path: path.to_owned(), source })?,
            ),
            Input::Bytes(_, b) => Box::new(Cursor::new(b.clone())),
        };
        Capture::from_reader(source)
    }
}

/// Whether a file is a capture, or seems to be a damaged one.
#[pyfunction]
pub fn is_capture(path: PathBuf) -> bool {
    !matches!(Input::Path(path).open(), Err(CaptureError::NotACapture(_) | CaptureError::Empty))
}
