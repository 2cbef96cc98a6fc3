//! The audit log: who ordered what and what became of it goes in, a line of JSON each goes to a file. The file is opened for
//! each line, so that one that was moved away is made anew; only its owner may read it.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::eve::Json;

/// One line.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    pub now: u64,
    pub who: &'a str,
    pub role: &'a str,
    pub from: &'a str,
    /// The order as it is understood.
    pub what: &'a str,
    pub result: &'a str,
    /// Orders that it stands for.
    pub count: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Audit {
    path: PathBuf,
    failed: bool,
    /// Lines that could not be written.
    pub lost: u64,
}

impl Audit {
    /// Checks that the file can be written.
    ///
    /// # Errors
    /// Why not.
    pub fn open(path: &Path) -> std::io::Result<Audit> {
        file(path)?;
        Ok(Audit { path: path.to_owned(), failed: false, lost: 0 })
    }

    /// Writes a line. What cannot be written is told once, and counted: a full disk must not keep anybody from blocking.
    pub fn write(&mut self, l: &Line<'_>) {
        let mut j = Json::default();
        j.open("");
        j.time("timestamp", l.now);
        for (key, text) in
            [("who", l.who), ("role", l.role), ("from", l.from), ("order", l.what), ("result", l.result)]
        {
            if !text.is_empty() {
                j.string(key, text.as_bytes());
            }
        }
        if l.count != 1 {
            j.uint("count", l.count);
        }
        j.close();
        j.buf.push(b'\n');
        match file(&self.path).and_then(|mut f| f.write_all(&j.buf)) {
            Ok(()) => self.failed = false,
            Err(e) => {
                self.lost += 1;
                if !std::mem::replace(&mut self.failed, true) {
                    eprintln!("{}: {e}: orders are not in the audit log", self.path.display());
                }
            }
        }
    }
}

fn file(path: &Path) -> std::io::Result<std::fs::File> {
    crate::lines::writable(path)?;
    std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}
