//! A file that holds whole lines only: bytes that end at a border of records go in; what cannot be written whole is cut
//! back to the last border, or completed before anything else is written.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Result, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Where bytes go.
pub trait Place: Send + std::fmt::Debug {
    /// Writes some of `bytes`.
    fn write(&mut self, bytes: &[u8]) -> Result<usize>;
    /// Takes back the last `n` bytes written; an error where that is impossible (pipes).
    fn cut(&mut self, n: u64) -> Result<()>;
    /// What was written so far can be found by nobody any more.
    fn gone(&self) -> bool {
        false
    }
}

impl Place for File {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        Write::write(self, bytes)
    }

    fn cut(&mut self, n: u64) -> Result<()> {
        let m = self.metadata()?;
        if !m.is_file() {
            return Err(ErrorKind::Unsupported.into());
        }
        let to = m.len().saturating_sub(n);
        self.set_len(to)?;
        self.seek(SeekFrom::Start(to)).map(|_| ())
    }

    #[cfg(unix)]
    fn gone(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        // A file that was moved away has a name still, and events may go on into it until the program is told.
        self.metadata().is_ok_and(|m| m.is_file() && m.nlink() == 0)
    }
}

/// Not all could be written.
#[derive(Debug)]
pub struct Failure {
    /// Bytes from the front, up to a border, that are written.
    pub whole: usize,
    pub source: Error,
}

/// See the module.
#[derive(Debug)]
pub struct LineFile {
    pub path: PathBuf,
    place: Box<dyn Place>,
    /// The end of a line whose beginning is written and could not be taken back.
    rest: Vec<u8>,
}

/// Writes as much as goes: bytes written, and why not all.
fn write_some(place: &mut dyn Place, bytes: &[u8]) -> (usize, Option<Error>) {
    let mut done = 0;
    while let Some(left) = bytes.get(done..).filter(|l| !l.is_empty()) {
        match place.write(left) {
            Ok(0) => return (done, Some(ErrorKind::WriteZero.into())),
            Ok(n) => done += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return (done, Some(e)),
        }
    }
    (done, None)
}

/// Where the last line of `bytes[..n]` ends.
pub fn last_line(bytes: &[u8], n: usize) -> usize {
    bytes.get(..n).and_then(|b| b.iter().rposition(|&b| b == b'\n')).map_or(0, |at| at + 1)
}

impl LineFile {
    /// Opens `path`; `append`: what is in it stays.
    pub fn open(path: &Path, append: bool) -> Result<LineFile> {
        let file = OpenOptions::new().create(true).write(true).append(append).truncate(!append).open(path)?;
        Ok(LineFile::new(path, Box::new(file)))
    }

    pub fn new(path: &Path, place: Box<dyn Place>) -> LineFile {
        LineFile { path: path.to_owned(), place, rest: Vec::new() }
    }

    /// Writes `bytes`, whose end is a border. `border`: the last border at or before a place in them.
    pub fn write(
        &mut self,
        bytes: &[u8],
        border: impl FnOnce(usize) -> usize,
    ) -> std::result::Result<(), Failure> {
        if !self.rest.is_empty() {
            let (n, failed) = write_some(&mut *self.place, &self.rest);
            self.rest.drain(..n);
            if let Some(source) = failed {
                return Err(Failure { whole: 0, source });
            }
        }
        let (n, failed) = write_some(&mut *self.place, bytes);
        let Some(source) = failed else { return Ok(()) };
        let mut whole = border(n).min(n);
        if whole < n && self.place.cut((n - whole) as u64).is_err() {
            // The record that was begun is completed later: it counts as written.
            let end = (n..=bytes.len()).find(|&to| border_at(bytes, to)).unwrap_or(bytes.len());
            self.rest.extend_from_slice(&bytes[n..end]);
            whole = end;
        }
        Err(Failure { whole, source })
    }

    /// See [`Place::gone`].
    pub fn gone(&self) -> bool {
        self.place.gone()
    }
}

/// Whether a line ends right before `at`.
fn border_at(bytes: &[u8], at: usize) -> bool {
    at > 0 && bytes.get(at - 1) == Some(&b'\n')
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// What a place holds, and how many bytes more it takes.
    #[derive(Debug, Default)]
    pub struct Held {
        pub bytes: Vec<u8>,
        pub room: usize,
        pub pipe: bool,
        pub panics: bool,
    }

    /// A place in memory that is full when its room is used up.
    #[derive(Debug, Clone, Default)]
    pub struct Small(pub Arc<Mutex<Held>>);

    impl Place for Small {
        fn write(&mut self, bytes: &[u8]) -> Result<usize> {
            let mut h = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            assert!(!std::mem::take(&mut h.panics), "a fault was asked for");
            let n = bytes.len().min(h.room).min(7);
            if n == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            h.room -= n;
            h.bytes.extend_from_slice(&bytes[..n]);
            Ok(n)
        }

        fn cut(&mut self, n: u64) -> Result<()> {
            let mut h = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if h.pipe {
                return Err(ErrorKind::Unsupported.into());
            }
            let to = h.bytes.len() - n as usize;
            h.bytes.truncate(to);
            h.room += n as usize;
            Ok(())
        }
    }

    const LINES: &[u8] = b"{\"a\":1}\n{\"bb\":22}\n{\"c\":3}\n";

    #[test]
    fn lines_stay_whole_whenever_the_disk_is_full() {
        for pipe in [false, true] {
            for room in 0..=LINES.len() {
                let at = Small::default();
                (at.0.lock().unwrap().room, at.0.lock().unwrap().pipe) = (room, pipe);
                let mut f = LineFile::new(Path::new("x"), Box::new(at.clone()));
                let whole = match f.write(LINES, |n| last_line(LINES, n)) {
                    Ok(()) => LINES.len(),
                    Err(e) => e.whole,
                };
                assert!(whole == 0 || border_at(LINES, whole), "{room}");
                // There is room again: nothing is lost but what was said to be, and no two halves are joined.
                at.0.lock().unwrap().room = 1000;
                f.write(b"{\"d\":4}\n", |n| n).unwrap();
                let want = [&LINES[..whole], b"{\"d\":4}\n"].concat();
                assert_eq!(at.0.lock().unwrap().bytes, want, "room {room}, pipe {pipe}");
            }
        }
    }

    #[test]
    fn a_file_is_cut_and_goes_on() {
        let dir = std::env::temp_dir().join(format!("tidegate-lines-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        for append in [false, true] {
            let path = dir.join(format!("f{append}"));
            let mut f = OpenOptions::new()
                .create(true)
                .write(true)
                .append(append)
                .truncate(!append)
                .open(&path)
                .unwrap();
            Write::write_all(&mut f, b"whole\nhal").unwrap();
            f.cut(3).unwrap();
            Write::write_all(&mut f, b"next\n").unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"whole\nnext\n");
            assert!(!f.gone());
            std::fs::remove_file(&path).unwrap();
            assert!(f.gone());
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
