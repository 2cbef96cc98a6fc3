//! Where a capture's bytes come from: a file or bytes in hand, compressed or not.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
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
        let plain = plain(source).map_err(|source| CaptureError::Open { path: path.to_owned(), source })?;
        Capture::from_reader(plain)
    }
}

/// What is behind gzip or Zstandard, by the first bytes; everything else as it is.
fn plain(mut source: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
    let mut head = Vec::with_capacity(4);
    source.by_ref().take(4).read_to_end(&mut head)?;
    let magic = head.clone();
    let whole = Cursor::new(head).chain(source);
    Ok(match magic.as_slice() {
        [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(whole)),
        [0x28, 0xb5, 0x2f, 0xfd] => Box::new(Zstd::new(Box::new(whole))?),
        _ => Box::new(whole),
    })
}

/// The bytes of a file of one or more frames of Zstandard.
struct Zstd {
    from: Option<Bytes>,
    frame: Option<Frame>,
}

type Bytes = BufReader<Box<dyn Read + Send>>;
type Frame = StreamingDecoder<Bytes, FrameDecoder>;

impl Read for Zstd {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while let Some(frame) = &mut self.frame {
            let n = frame.read(to)?;
            if n > 0 || to.is_empty() {
                return Ok(n);
            }
            self.from = self.frame.take().map(StreamingDecoder::into_inner);
            self.begin()?;
        }
        Ok(0)
    }
}

impl Zstd {
    fn new(from: Box<dyn Read + Send>) -> io::Result<Zstd> {
        let mut z = Zstd { from: Some(BufReader::new(from)), frame: None };
        z.begin()?;
        Ok(z)
    }

    /// The next frame, if there is one.
    fn begin(&mut self) -> io::Result<()> {
        let Some(mut from) = self.from.take() else { return Ok(()) };
        if !from.fill_buf()?.is_empty() {
            self.frame = Some(StreamingDecoder::new(from).map_err(io::Error::other)?);
        }
        Ok(())
    }
}

/// Whether a file is a capture, or seems to be a damaged one.
#[pyfunction]
pub fn is_capture(path: PathBuf) -> bool {
    !matches!(Input::Path(path).open(), Err(CaptureError::NotACapture(_) | CaptureError::Empty))
}
