//! Files on disk, as Suricata's file-store v2 lays them out (its page "file extraction").
//!
//! In: bytes of files under their numbers, and which of them are kept at their end. Out: `DIR/ab/abcd…`, named after the
//! SHA-256; a file that is there already is left. What is not to be kept is taken away again. No name from the wire
//! becomes part of a path.

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

/// The files of one run.
#[derive(Debug)]
pub struct FileStore {
    dir: PathBuf,
    /// Write a `fileinfo` record beside each.
    pub info: bool,
    /// Files that have bytes on disk, by number; `None`: it is closed for now.
    files: HashMap<u64, Option<BufWriter<File>>>,
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
            self.failed(self.unfinished(file), e);
        }
    }

    fn append(&mut self, file: u64, bytes: &[u8]) -> io::Result<()> {
        if !matches!(self.files.get(&file), Some(Some(_))) {
            if self.open >= OPEN {
                for f in self.files.values_mut() {
                    if let Some(mut f) = f.take() {
                        f.flush()?;
                    }
                }
                self.open = 0;
            }
            let f = File::options().append(true).create(true).open(self.unfinished(file))?;
            self.files.insert(file, Some(BufWriter::new(f)));
            self.open += 1;
        }
        match self.files.get_mut(&file) {
            Some(Some(f)) => f.write_all(bytes),
            _ => Ok(()),
        }
    }

    /// A file ended: it goes to its place if it is stored, and away if not. Where its record goes, if one is written.
    pub fn ended(&mut self, e: &Ended) -> Option<PathBuf> {
        match self.place(e) {
            Ok(place) => place,
            Err(error) => {
                self.failed(self.unfinished(e.file), error);
                None
            }
        }
    }

    /// Of a file that was to be stored not all bytes came: it is taken away, which counts as an error.
    pub fn lose(&mut self, file: u64) {
        if self.files.remove(&file).flatten().is_some() {
            self.open -= 1;
        }
        let path = self.unfinished(file);
        let gone = remove(&path).err();
        self.failed(
            path,
            gone.unwrap_or_else(|| io::Error::other("a part of it was lost, it is not stored")),
        );
    }

    fn place(&mut self, e: &Ended) -> io::Result<Option<PathBuf>> {
        let file = e.file;
        let known = self.files.remove(&file);
        if let Some(Some(mut f)) = known {
            self.open -= 1;
            f.flush()?;
        } else if known.is_none() && !e.stored {
            return Ok(None);
        }
        let from = self.unfinished(file);
        if !e.stored {
            return remove(&from).map(|()| None);
        }
        let digest = match e.digest {
            Some(known) => known,
            None => digest(&from)?,
        };
        let name: String = digest.iter().map(|b| format!("{b:02x}")).collect();
        let folder = self.dir.join(&name[..2]);
        fs::create_dir_all(&folder)?;
        let to = folder.join(&name);
        if to.exists() {
            remove(&from)?;
        } else if from.exists() {
            fs::rename(&from, &to)?;
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
