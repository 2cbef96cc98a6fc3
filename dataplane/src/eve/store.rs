//! Files on disk, as Suricata's file-store v2 lays them out (its page "file extraction").
//!
//! In: bytes of files under their numbers, and which of them are kept at their end. Out: `DIR/ab/abcd…`, named after the
//! SHA-256; what is there already is replaced, as an earlier run may have left something else under that name. What is not to
//! be kept is taken away again, and so is what could not be written whole: what stands under a digest is evidence. No name
//! from the wire becomes part of a path.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tidegate_core::event::FileRecord;

/// What becomes of a file that ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// Its number among those of this store.
    pub file: u64,
    pub stored: bool,
    /// Its SHA-256; files that were cut short have none in their records.
    pub digest: Option<[u8; 32]>,
    /// When it ended, and its number among stored files: parts of the name of its record.
    pub seconds: u64,
    pub id: u32,
}

impl Ended {
    pub fn of(r: &FileRecord<'_>) -> Ended {
        let f = r.file.file();
        Ended {
            file: r.file.serial(),
            stored: f.stored,
            digest: r.file.sha256().copied(),
            seconds: r.packet.ts / 1_000_000_000,
            id: f.store_id,
        }
    }
}

/// Counters of stored files.
pub const NAMES: [&str; 3] = ["file_store.fs_errors", "file_store.open_files", "file_store.stored"];
/// Most files that are open at once; when there are more, others are opened again for their next bytes.
const OPEN: usize = 256;

/// A file that has not ended.
#[derive(Debug)]
enum Unfinished {
    Open(BufWriter<File>),
    /// For now: its next bytes open it again.
    Closed,
    /// A piece of it could not be written, which is counted; what was written is gone.
    Broken,
}

/// What became of a file at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It was not to be stored.
    Not,
    /// It lies under its digest; where its record goes, if one is written.
    Stored(Option<PathBuf>),
    /// It was to be stored and is not.
    Failed,
}

/// The files of one run.
#[derive(Debug)]
pub struct FileStore {
    dir: PathBuf,
    /// Write a `fileinfo` record beside each.
    pub info: bool,
    /// Files that have had bytes, by number.
    files: HashMap<u64, Unfinished>,
    open: usize,
    /// What could not be written.
    errors: u64,
    stored: u64,
    error: Option<(PathBuf, io::Error)>,
}

impl FileStore {
    /// Makes the folder and empties what an earlier run left unfinished in it.
    pub fn create(dir: PathBuf, info: bool) -> io::Result<Self> {
        let tmp = dir.join("tmp");
        if tmp.is_dir() {
            fs::remove_dir_all(&tmp)?;
        }
        fs::create_dir_all(&tmp)?;
        Ok(FileStore { dir, info, files: HashMap::new(), open: 0, errors: 0, stored: 0, error: None })
    }

    fn unfinished(&self, file: u64) -> PathBuf {
        self.dir.join("tmp").join(format!("file.{file}"))
    }

    fn failed(&mut self, path: PathBuf, e: io::Error) {
        self.errors += 1;
        self.error.get_or_insert((path, e));
    }

    /// The first thing that went wrong.
    pub fn error(&mut self) -> Option<(PathBuf, io::Error)> {
        self.error.take()
    }

    /// Writes a record beside its file.
    pub fn record(&mut self, path: &Path, line: &[u8]) {
        if let Err(e) = fs::write(path, line) {
            // Half a record is none.
            let _ = fs::remove_file(path);
            self.failed(path.to_path_buf(), e);
        }
    }

    /// `file_store.*`.
    pub fn counters(&self) -> [(String, u64); 3] {
        let n = self.numbers();
        std::array::from_fn(|i| (NAMES[i].to_string(), n[i]))
    }

    /// Values of [`NAMES`].
    pub fn numbers(&self) -> [u64; 3] {
        [self.errors, self.open as u64, self.stored]
    }

    /// The next bytes of a file.
    pub fn bytes(&mut self, file: u64, bytes: &[u8]) {
        if let Err(e) = self.append(file, bytes) {
            self.broken(file, e);
        }
    }

    /// A piece of a file could not be written: the rest of it is of no use, and the room may be of use to others.
    fn broken(&mut self, file: u64, e: io::Error) {
        if let Some(Unfinished::Open(_)) = self.files.insert(file, Unfinished::Broken) {
            self.open -= 1;
        }
        let path = self.unfinished(file);
        let _ = fs::remove_file(&path);
        self.failed(path, e);
    }

    fn append(&mut self, file: u64, bytes: &[u8]) -> io::Result<()> {
        match self.files.get_mut(&file) {
            Some(Unfinished::Broken) => return Ok(()),
            Some(Unfinished::Open(f)) => return f.write_all(bytes),
            Some(Unfinished::Closed) | None => {}
        }
        if self.open >= OPEN {
            self.close_all();
        }
        let f = File::options().append(true).create(true).open(self.unfinished(file))?;
        let mut f = BufWriter::new(f);
        let wrote = f.write_all(bytes);
        self.files.insert(file, Unfinished::Open(f));
        self.open += 1;
        wrote
    }

    /// Closes what is open, for now.
    fn close_all(&mut self) {
        let mut failed = Vec::new();
        for (&file, f) in &mut self.files {
            if let Unfinished::Open(w) = f {
                match w.flush() {
                    Ok(()) => *f = Unfinished::Closed,
                    Err(e) => failed.push((file, e)),
                }
            }
        }
        failed.into_iter().for_each(|(file, e)| self.broken(file, e));
        self.open = 0;
    }

    /// A file ended: it goes to its place if it is stored, and away if not.
    pub fn ended(&mut self, e: &Ended) -> Placed {
        let known = match self.files.remove(&e.file) {
            Some(Unfinished::Broken) => return if e.stored { Placed::Failed } else { Placed::Not },
            Some(Unfinished::Open(f)) => {
                self.open -= 1;
                Some(Some(f))
            }
            Some(Unfinished::Closed) => Some(None),
            None => None,
        };
        let from = self.unfinished(e.file);
        let placed = if e.stored {
            self.place(e, known.flatten(), &from).map(Placed::Stored)
        } else if known.is_some() {
            remove(&from).map(|()| Placed::Not)
        } else {
            Ok(Placed::Not)
        };
        placed.unwrap_or_else(|error| {
            let _ = remove(&from);
            self.failed(from, error);
            if e.stored { Placed::Failed } else { Placed::Not }
        })
    }

    /// Of a file that was to be stored not all bytes came: it is taken away, which counts as an error.
    pub fn lose(&mut self, file: u64) {
        match self.files.remove(&file) {
            // That was counted.
            Some(Unfinished::Broken) => return,
            Some(Unfinished::Open(_)) => self.open -= 1,
            Some(Unfinished::Closed) | None => {}
        }
        let path = self.unfinished(file);
        let gone = remove(&path).err();
        self.failed(
            path,
            gone.unwrap_or_else(|| io::Error::other("a part of it was lost, it is not stored")),
        );
    }

    fn place(
        &mut self,
        e: &Ended,
        open: Option<BufWriter<File>>,
        from: &Path,
    ) -> io::Result<Option<PathBuf>> {
        if let Some(mut f) = open {
            f.flush()?;
        }
        let digest = match e.digest {
            Some(known) => known,
            None => digest(from)?,
        };
        let name: String = digest.iter().map(|b| format!("{b:02x}")).collect();
        let folder = self.dir.join(&name[..2]);
        fs::create_dir_all(&folder)?;
        let to = folder.join(&name);
        if from.exists() {
            fs::rename(from, &to)?;
        } else {
            // A file without bytes.
            File::create(&to)?;
        }
        self.stored += 1;
        Ok(self.info.then(|| to.with_file_name(format!("{name}.{}.{}.json", e.seconds, e.id))))
    }
}

/// SHA-256 of what is on disk; of nothing if there is no file.
fn digest(path: &Path) -> io::Result<[u8; 32]> {
    let mut sha = Sha256::new();
    match File::open(path) {
        Ok(mut f) => {
            let mut piece = [0; 8192];
            loop {
                match f.read(&mut piece)? {
                    0 => break,
                    n => sha.update(&piece[..n]),
                }
            }
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    Ok(sha.finalize().into())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

impl Drop for FileStore {
    fn drop(&mut self) {
        // Only what was never finished is left there.
        let _gone = fs::remove_dir_all(self.dir.join("tmp"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir(name: &str) -> PathBuf {
        let d = std::env::temp_dir().join(format!("tidegate-store-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&d);
        d
    }

    fn end(file: u64, bytes: &[u8]) -> (Ended, String) {
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        let name: String = digest.iter().map(|b| format!("{b:02x}")).collect();
        (Ended { file, stored: true, digest: Some(digest), seconds: 1, id: 1 }, name)
    }

    /// A device that is always full stands in for a disk that was, for one piece.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_of_which_a_piece_was_not_written_is_not_stored() {
        let d = dir("full");
        let mut s = FileStore::create(d.clone(), false).unwrap();
        let whole = [vec![b'x'; 100_000], b"the rest".to_vec()].concat();
        let (e, name) = end(7, &whole);
        std::os::unix::fs::symlink("/dev/full", s.unfinished(7)).unwrap();
        s.bytes(7, &whole[..100_000]);
        // There is room again.
        s.bytes(7, b"the rest");
        assert_eq!(s.ended(&e), Placed::Failed);
        assert_eq!(s.numbers(), [1, 0, 0]);
        assert!(!d.join(&name[..2]).join(&name).exists() && s.error().is_some());
        // One that fails when it is closed for others, or at its end.
        std::os::unix::fs::symlink("/dev/full", s.unfinished(8)).unwrap();
        s.bytes(8, b"short");
        (100..100 + OPEN as u64).for_each(|n| s.bytes(n, b"other"));
        assert_eq!((s.ended(&end(8, b"short").0), s.numbers()[0]), (Placed::Failed, 2));
        std::os::unix::fs::symlink("/dev/full", s.unfinished(9)).unwrap();
        s.bytes(9, b"short");
        assert_eq!((s.ended(&end(9, b"short").0), s.numbers()[0]), (Placed::Failed, 3));
        // The others are none the worse.
        assert_eq!(s.ended(&end(100, b"other").0), Placed::Stored(None));
        let (e, name) = end(101, b"other");
        assert_eq!(s.ended(&e), Placed::Stored(None));
        assert_eq!(fs::read(d.join(&name[..2]).join(&name)).unwrap(), b"other");
        drop(s);
        fs::remove_dir_all(&d).unwrap();
    }

    #[test]
    fn what_an_earlier_run_left_under_a_digest_is_replaced() {
        let d = dir("again");
        let mut s = FileStore::create(d.clone(), false).unwrap();
        for (file, bytes) in [(1, &b"whole"[..]), (2, b"")] {
            let (e, name) = end(file, bytes);
            let to = d.join(&name[..2]).join(&name);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            for wrong in [&b"wh"[..], b"wrong", b"whole"] {
                fs::write(&to, wrong).unwrap();
                if !bytes.is_empty() {
                    s.bytes(file, bytes);
                }
                assert_eq!(s.ended(&e), Placed::Stored(None));
                assert_eq!(fs::read(&to).unwrap(), bytes);
            }
        }
        assert_eq!(s.numbers(), [0, 0, 6]);
        drop(s);
        fs::remove_dir_all(&d).unwrap();
    }
}
