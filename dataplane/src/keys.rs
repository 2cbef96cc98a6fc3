//! Keys of TLS sessions from outside: key logs (RFC 9850, as browsers, curl, OpenSSL, Node and Python write them) and the secrets
//! that captures carry. In: files, which may grow while they are read, and blocks of text. Out: secrets for engines.
//!
//! What is wrong with a line is told by its number, never with its text.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tidegate_core::unseal::{BadLine, TlsSecret, UnsealConfig};
use zeroize::Zeroizing;

/// Longest line: a label, 32 bytes and 48 bytes in hexadecimal digits, with room to spare.
const LONGEST: usize = 1024;
/// Most bytes of a file that are taken at once.
const AT_ONCE: u64 = 1 << 20;

/// `tls-keys`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySettings {
    /// Key logs, read again as they grow while traffic is live.
    pub files: Vec<PathBuf>,
    /// Captures carry secrets, or somebody may tell some.
    pub carried: bool,
    /// Traffic is live: keys may come late.
    pub live: bool,
    /// Bytes, of those of the engine, for sessions, secrets and what was read.
    pub memory: u64,
    /// How long a session waits for its keys, ms; `None`: 2 s where traffic is live, not at all for captures.
    pub wait_ms: Option<u64>,
}

/// Least memory for sessions that are read, bytes.
pub const LEAST: u64 = 1 << 20;
/// How long live sessions wait for their keys, ms. Those of captures do not, as logs are read before.
const LIVE_WAIT: u64 = 2000;

impl Default for KeySettings {
    fn default() -> Self {
        KeySettings { files: Vec::new(), carried: false, live: false, memory: 32 << 20, wait_ms: None }
    }
}

impl KeySettings {
    /// Sessions are read.
    pub fn is_on(&self) -> bool {
        !self.files.is_empty() || self.carried
    }

    /// Room in an engine of `memory` bytes, at most an eighth of them.
    pub fn room(&self, memory: u64) -> UnsealConfig {
        if !self.is_on() {
            return UnsealConfig::default();
        }
        let wait = self.wait_ms.unwrap_or(if self.live { LIVE_WAIT } else { 0 });
        let bytes = usize::try_from(self.memory.min(Self::share(memory))).unwrap_or(usize::MAX);
        UnsealConfig::within(bytes, wait * 1_000_000)
    }

    /// The most that sessions have of `memory` bytes.
    pub fn share(memory: u64) -> u64 {
        memory / 8
    }
}

/// The lines of a key log that came so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Lines {
    /// Lines, and those that could not be read: how many, the first one's number and what is wrong with it.
    pub read: u64,
    pub bad: u64,
    pub first_bad: Option<(u64, BadLine)>,
    pub secrets: u64,
}

impl Lines {
    fn line(&mut self, line: &[u8], tell: &mut dyn FnMut(&TlsSecret)) {
        self.read += 1;
        let read = std::str::from_utf8(line).map_err(|_| BadLine::Fields).and_then(TlsSecret::parse);
        match read {
            Ok(Some(s)) => {
                self.secrets += 1;
                tell(&s);
            }
            Ok(None) => {}
            Err(e) => {
                self.bad += 1;
                self.first_bad.get_or_insert((self.read, e));
            }
        }
    }

    /// Reads a whole text.
    pub fn text(&mut self, text: &[u8], tell: &mut dyn FnMut(&TlsSecret)) {
        for line in text.split(|b| *b == b'\n') {
            self.line(line, tell);
        }
    }
}

/// A key log that may grow.
#[derive(Debug)]
pub struct KeyLog {
    path: PathBuf,
    /// `None`: it was not there yet.
    file: Option<File>,
    /// Bytes that were read of it.
    at: u64,
    /// The beginning of a line whose end is not there yet.
    rest: Zeroizing<Vec<u8>>,
    pub lines: Lines,
}

impl KeyLog {
    /// Opens a log. `growing`: it need not be there yet.
    pub fn open(path: &Path, growing: bool) -> Result<KeyLog, String> {
        let file = match File::open(path) {
            Ok(f) => Some(f),
            Err(e) if growing && e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(format!("{}: {e}", path.display())),
        };
        Ok(KeyLog { path: path.to_owned(), file, at: 0, rest: Zeroizing::default(), lines: Lines::default() })
    }

    /// Reads what came since the last time. A file that is shorter than it was, or another one by that name, is read from its
    /// beginning.
    pub fn more(&mut self, tell: &mut dyn FnMut(&TlsSecret)) -> io::Result<()> {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        if let Ok(named) = std::fs::metadata(&self.path) {
            use std::os::unix::fs::MetadataExt;
            let ours = file.metadata()?;
            if named.ino() != ours.ino() || named.dev() != ours.dev() {
                *file = File::open(&self.path)?;
                self.at = 0;
                self.rest.clear();
            } else if ours.len() < self.at {
                self.at = 0;
                self.rest.clear();
            }
        }
        file.seek(SeekFrom::Start(self.at))?;
        let mut new = Zeroizing::new(Vec::new());
        loop {
            new.clear();
            let n = file.take(AT_ONCE).read_to_end(&mut new)?;
            if n == 0 {
                return Ok(());
            }
            self.at += n as u64;
            for piece in new.split_inclusive(|b| *b == b'\n') {
                if self.rest.len() < LONGEST {
                    self.rest.extend_from_slice(piece);
                }
                if piece.ends_with(b"\n") {
                    self.lines.line(&self.rest, tell);
                    self.rest.clear();
                }
            }
        }
    }

    /// The log ended: its last line may have no end.
    pub fn finish(&mut self, tell: &mut dyn FnMut(&TlsSecret)) {
        if !self.rest.is_empty() {
            self.lines.line(&self.rest, tell);
            self.rest.clear();
        }
    }

    /// What of it could not be read, as a sentence.
    pub fn complaint(&self) -> Option<String> {
        let (line, why) = self.lines.first_bad?;
        let more =
            if self.lines.bad > 1 { format!(" ({} such lines)", self.lines.bad) } else { String::new() };
        Some(format!("{}:{line}: {why}{more}", self.path.display()))
    }
}

/// Time between two looks at a log that grows.
const LOOK: Duration = Duration::from_millis(50);

/// Logs that are followed while traffic is live.
#[derive(Debug)]
pub struct Followed(Vec<KeyLog>);

impl Followed {
    /// Opens the logs, which need not be there yet, and reads what is in them.
    pub fn open(files: &[PathBuf], tell: &mut dyn FnMut(&TlsSecret)) -> Result<Followed, String> {
        let mut logs = Vec::new();
        for path in files {
            let mut log = KeyLog::open(path, true)?;
            log.more(tell).map_err(|e| format!("{}: {e}", path.display()))?;
            if log.file.is_none() {
                eprintln!("{}: not there yet; it is read when it comes", path.display());
            }
            logs.push(log);
        }
        Ok(Followed(logs))
    }

    /// What of the logs could not be read so far, as sentences.
    pub fn complaints(&self) -> Vec<String> {
        self.0.iter().filter_map(KeyLog::complaint).collect()
    }

    /// Reads on, on a thread of its own, until `send` says that nobody listens.
    pub fn start(mut self, send: impl Fn(Vec<TlsSecret>) -> bool + Send + 'static) -> io::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let run = move || {
            let mut told = vec![0; self.0.len()];
            loop {
                std::thread::sleep(LOOK);
                for (log, told) in self.0.iter_mut().zip(&mut told) {
                    let mut new = Vec::new();
                    // What cannot be read now may be later.
                    let _ = log.more(&mut |s| new.push(s.clone()));
                    if log.lines.bad > *told {
                        log.complaint().iter().for_each(|c| eprintln!("{c}"));
                        *told = u64::MAX;
                    }
                    if !new.is_empty() && !send(new) {
                        return;
                    }
                }
            }
        };
        std::thread::Builder::new().name("tls-keys".into()).spawn(run).map(drop)
    }
}

/// What whole logs have: secrets, and what of the logs could not be read.
#[derive(Debug, Default)]
pub struct Whole {
    pub secrets: Vec<TlsSecret>,
    pub complaints: Vec<String>,
}

/// Reads whole logs. One without any secret that has lines which cannot be read is no key log.
pub fn all(files: &[PathBuf]) -> Result<Whole, String> {
    let mut out = Whole::default();
    for path in files {
        let mut log = KeyLog::open(path, false)?;
        let mut tell = |s: &TlsSecret| out.secrets.push(s.clone());
        log.more(&mut tell).map_err(|e| format!("{}: {e}", path.display()))?;
        log.finish(&mut tell);
        match log.complaint() {
            Some(c) if log.lines.secrets == 0 => return Err(format!("a key log without a secret; {c}")),
            c => out.complaints.extend(c),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn line(n: u8) -> String {
        format!("CLIENT_RANDOM {} {}\n", format!("{n:02x}").repeat(32), "ab".repeat(48))
    }

    #[test]
    fn a_log_is_followed_while_it_grows_and_when_it_begins_anew() {
        let dir = std::env::temp_dir().join(format!("tidegate-keys-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("keys.log");
        let mut log = KeyLog::open(&path, true).unwrap();
        let mut seen = Vec::new();
        let mut more = |log: &mut KeyLog| {
            let mut got = Vec::new();
            log.more(&mut |s| got.push(s.client_random[0])).unwrap();
            seen.extend(got.clone());
            got
        };
        assert!(more(&mut log).is_empty());
        let mut f = File::create(&path).unwrap();
        // A line in two pieces is read when it is whole.
        let (a, b) = (line(1), line(2));
        f.write_all(format!("{a}{}", &b[..40]).as_bytes()).unwrap();
        assert_eq!(more(&mut log), [1]);
        f.write_all(&b.as_bytes()[40..]).unwrap();
        assert_eq!(more(&mut log), [2]);
        assert!(more(&mut log).is_empty());
        std::fs::write(&path, line(3)).unwrap();
        assert_eq!(more(&mut log), [3]);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, format!("{}nonsense\n", line(4))).unwrap();
        assert_eq!(more(&mut log), [4]);
        assert!(log.complaint().unwrap().contains("keys.log:5: expected a label"));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
