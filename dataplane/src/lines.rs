//! A file that holds whole lines only: bytes that end at a border of records go in; what cannot be written whole is cut
//! back to the last border, or completed before anything else is written.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Result, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

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
    /// How the file is called when it is opened anew: see [`Named`].
    named: Option<Named>,
    place: Box<dyn Place>,
    /// The end of a line whose beginning is written and could not be taken back.
    rest: Vec<u8>,
}

/// The name of an output: a folder, and a name in it whose `%Y` and the like stand for the local time at which the file is
/// opened; and when it is opened anew by itself.
#[derive(Clone, Debug)]
struct Named {
    dir: PathBuf,
    name: String,
    /// Seconds between two files (`rotate-interval`), and when the next one begins.
    rotate: Option<(Every, Instant)>,
}

/// When a file is opened anew (`rotate-interval`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// So many seconds after the last time.
    Seconds(u64),
    /// When so many seconds since the start of the day have passed again: at each full minute, hour or day of local time.
    Full(u64),
}

impl Every {
    /// `minute`, `hour`, `day`, or a number with s, m, h, d or w.
    pub fn parse(text: &str) -> Option<Every> {
        let t = text.trim();
        match t {
            "minute" => return Some(Every::Full(60)),
            "hour" => return Some(Every::Full(3600)),
            "day" => return Some(Every::Full(86_400)),
            _ => {}
        }
        let end = t.find(|c: char| !c.is_ascii_digit()).unwrap_or(t.len());
        let unit = match t.get(end..)? {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            "w" => 604_800,
            _ => return None,
        };
        let n = t.get(..end)?.parse::<u64>().ok()?.checked_mul(unit).filter(|n| (1..1 << 32).contains(n))?;
        Some(Every::Seconds(n))
    }

    /// Until the next time, when it is so many seconds after midnight.
    fn next(self, of_day: u64) -> Duration {
        Duration::from_secs(match self {
            Every::Seconds(n) => n,
            Every::Full(n) => n - of_day % n,
        })
    }
}

/// Seconds since midnight, local time.
fn of_day() -> u64 {
    let now = jiff::Zoned::now();
    u64::try_from(i64::from(now.hour()) * 3600 + i64::from(now.minute()) * 60 + i64::from(now.second()))
        .unwrap_or(0)
}

/// `name` with the local time put in for `%Y`, `%m`, `%d`, `%H`, `%M`, `%S`, `%s` and the others of strftime.
pub fn with_time(name: &str) -> Result<String> {
    if !name.contains('%') {
        return Ok(name.to_string());
    }
    jiff::fmt::strtime::format(name, &jiff::Zoned::now())
        .map_err(|e| Error::new(ErrorKind::InvalidInput, format!("`{name}` has no time to put in: {e}")))
}

/// Whether `path` is a descriptor of this program by another name (`/dev/stdout`), itself or by links.
fn own_descriptor(path: &Path) -> bool {
    let mut path = path.to_owned();
    // Longer chains are loops, or nobody's.
    for _ in 0..8 {
        let dir = path.parent().unwrap_or(Path::new(""));
        if dir == Path::new("/dev/fd") || dir == Path::new("/proc/self/fd") {
            return true;
        }
        match std::fs::read_link(&path) {
            Ok(to) => path = dir.join(to),
            Err(_) => return false,
        }
    }
    false
}

/// Whether what is at `path` is something to write to: a file that is there or not yet, a device of characters (`/dev/null`, a
/// terminal), or what this program was given open (`/dev/stdout`). To open a named pipe is to wait for whoever reads it, and
/// nobody writes records over a disk.
///
/// # Errors
/// What it is instead.
#[cfg(unix)]
pub fn writable(path: &Path) -> Result<()> {
    use std::os::unix::fs::FileTypeExt;
    let Ok(kind) = std::fs::metadata(path).map(|m| m.file_type()) else { return Ok(()) };
    let what = match kind {
        _ if own_descriptor(path) => return Ok(()),
        k if k.is_fifo() => "a named pipe",
        k if k.is_socket() => "a socket",
        k if k.is_block_device() => "a disk",
        k if k.is_dir() => return Err(nix::errno::Errno::EISDIR.into()),
        _ => return Ok(()),
    };
    Err(Error::new(ErrorKind::InvalidInput, format!("it is {what}; outputs are regular files")))
}

#[cfg(not(unix))]
pub fn writable(_: &Path) -> Result<()> {
    Ok(())
}

/// Writes as much as goes: bytes written, and why not all.
pub fn write_some(place: &mut dyn Place, bytes: &[u8]) -> (usize, Option<Error>) {
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
        writable(path)?;
        let file = OpenOptions::new().create(true).write(true).append(append).truncate(!append).open(path)?;
        Ok(LineFile::new(path, Box::new(file)))
    }

    pub fn new(path: &Path, place: Box<dyn Place>) -> LineFile {
        LineFile { path: path.to_owned(), named: None, place, rest: Vec::new() }
    }

    /// Opens the output `name` in `dir`, with the time in its name (see [`with_time`]); folders are made where they are absent.
    pub fn open_in(dir: &Path, name: &str, append: bool, every: Option<Every>) -> Result<LineFile> {
        let path = dir.join(with_time(name)?);
        if let Some(above) = path.parent() {
            std::fs::create_dir_all(above)?;
        }
        let rotate = every.map(|e| (e, Instant::now() + e.next(of_day())));
        let named = Some(Named { dir: dir.to_owned(), name: name.to_string(), rotate });
        Ok(LineFile { named, ..LineFile::open(&path, append)? })
    }

    /// Opens the file anew, under the name that it has by now. When that fails, it goes on as before.
    pub fn open_again(&mut self) -> Result<()> {
        let new = match &self.named {
            None => LineFile::open(&self.path, true)?,
            Some(n) => LineFile::open_in(&n.dir, &n.name, true, n.rotate.map(|r| r.0))?,
        };
        *self = new;
        Ok(())
    }

    /// Whether it is time to open the file anew.
    pub fn is_due(&self) -> bool {
        self.named.as_ref().and_then(|n| n.rotate).is_some_and(|r| Instant::now() >= r.1)
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
    fn names_have_the_time() {
        let dir = std::env::temp_dir().join(format!("tidegate-named-{}", std::process::id()));
        let mut f = LineFile::open_in(&dir, "%Y/eve-%m%%.json", false, Some(Every::Seconds(1))).unwrap();
        let now = jiff::Zoned::now();
        let want = dir.join(now.year().to_string()).join(format!("eve-{:02}%.json", now.month()));
        assert_eq!(f.path, want);
        assert!(!f.is_due());
        std::thread::sleep(Duration::from_millis(1100));
        assert!(f.is_due());
        std::fs::remove_file(&want).unwrap();
        f.open_again().unwrap();
        assert!(want.exists() && !f.is_due());
        assert!(LineFile::open_in(&dir, "%", false, None).is_err());
        std::fs::remove_dir_all(&dir).unwrap();
    }

    /// A pipe that nobody reads would be waited for; devices and what the program was given open are written to.
    #[cfg(unix)]
    #[test]
    fn only_files_and_devices_of_characters_are_outputs() {
        let dir = std::env::temp_dir().join(format!("tidegate-kinds-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let (pipe, socket, link) = (dir.join("pipe"), dir.join("socket"), dir.join("link"));
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let _bound = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        for (path, what) in [
            (&pipe, "a named pipe"),
            (&link, "a named pipe"),
            (&socket, "a socket"),
            (&dir, "Is a directory"),
        ] {
            let e = LineFile::open(path, true).unwrap_err().to_string();
            assert!(e.contains(what) && LineFile::open(path, false).is_err(), "{e}");
        }
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink("/dev/stderr", &link).unwrap();
        for path in [Path::new("/dev/null"), Path::new("/dev/full"), &link, &dir.join("new")] {
            LineFile::open(path, true).unwrap();
        }
        // Pipes that the program has open already.
        let (_reader, writer) = std::io::pipe().unwrap();
        let fd = std::os::fd::AsRawFd::as_raw_fd(&writer);
        for name in [format!("/dev/fd/{fd}"), format!("/proc/self/fd/{fd}")] {
            LineFile::open(Path::new(&name), true).unwrap();
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn times_of_rotation() {
        for (text, want) in [
            ("minute", Some(Every::Full(60))),
            ("day", Some(Every::Full(86_400))),
            ("15m", Some(Every::Seconds(900))),
            ("2w", Some(Every::Seconds(1_209_600))),
            ("0s", None),
            ("12", None),
            ("month", None),
        ] {
            assert_eq!(Every::parse(text), want, "{text}");
        }
        assert_eq!(Every::Full(3600).next(3700), Duration::from_secs(3500));
        assert_eq!(Every::Seconds(5).next(3700), Duration::from_secs(5));
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
