//! Where log lines come from.
//!
//! In: names of files, pipes, and sockets to listen on (`unix:PATH`). Out: lines to a [`Context`].
//!
//! * For captures ([`Feed`]): files are read beside the capture, as far as its time has come, so that a log of any length needs
//!   no more than the tables have.
//! * For live traffic ([`follow`]): a thread for each. Files are followed by name, as `tail -F` does; pipes are opened again when
//!   their writer ends; a socket takes up to 16 writers.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{Context, Heard};

/// Longest line, bytes.
const LINE: u64 = 1 << 20;
/// Largest document that is no log: a list of pods.
const DOCUMENT: u64 = 1 << 30;
/// Bytes of an old log that are read when it begins to be followed.
const OLD: u64 = 64 << 20;
/// Time between two looks at a file that has nothing new.
const REST: Duration = Duration::from_millis(100);
/// Writers of a socket at a time.
const WRITERS: usize = 16;

/// What of a log was understood.
#[derive(Debug, Default)]
struct Understood {
    lines: u64,
    malformed: u64,
    said: u64,
}

impl Understood {
    /// Takes a line; its time, if it says one.
    fn line(&mut self, line: &[u8], context: &Context) -> Option<u64> {
        let (heard, time) = context.heard(line);
        self.lines += u64::from(heard != Heard::Nothing);
        self.malformed += u64::from(heard == Heard::Malformed);
        self.said += u64::from(heard == Heard::Said);
        time
    }

    /// What is to be told of a log of which nothing was: it is the wrong file.
    fn nothing(&self, path: &Path) -> Option<String> {
        let none = self.lines > 0 && self.said == 0;
        none.then(|| {
            format!(
                "{}: none of its {} lines says anything of connections, processes or pods ({} are no JSON): no context comes of it",
                path.display(),
                self.lines,
                self.malformed
            )
        })
    }
}

/// One file that is read beside a capture.
struct Reader {
    path: PathBuf,
    understood: Understood,
    from: BufReader<File>,
    /// The time of the last line that said one.
    time: u64,
    over: bool,
}

/// See the module.
#[derive(Default)]
pub struct Feed {
    readers: Vec<Reader>,
    window: u64,
    /// What is to be told of documents.
    notes: Vec<String>,
}

/// The next line; false at the end. What is too long is passed over, and counted as malformed by its rest.
fn next(from: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    Ok(from.by_ref().take(LINE).read_until(b'\n', line)? > 0)
}

/// Whether a file is one document, not a log of lines: its first line is no JSON of its own.
fn is_document(path: &Path) -> std::io::Result<bool> {
    let mut first = Vec::new();
    next(&mut BufReader::new(File::open(path)?), &mut first)?;
    let whole = first.trim_ascii();
    Ok(whole.starts_with(b"{") && serde_json::from_slice::<serde_json::Value>(whole).is_err())
}

/// Reads the values of a document, one after the other; a note when nothing in it was understood.
fn document(path: &Path, context: &Context) -> Result<Option<String>, String> {
    let mut said = false;
    let fail = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let file = File::open(path).map_err(|e| fail(&e))?;
    for v in serde_json::Deserializer::from_reader(BufReader::new(file).take(DOCUMENT)).into_iter() {
        said |= context.value(&v.map_err(|e| fail(&e))?).0 == Heard::Said;
    }
    let note =
        || format!("{}: nothing in it says anything of connections, processes or pods", path.display());
    Ok((!said).then(note))
}

impl Feed {
    /// Opens the files of a capture's context, and reads what has no times.
    pub fn open(files: &[PathBuf], window: u64, context: &Context) -> Result<Feed, String> {
        let (mut readers, mut notes) = (Vec::new(), Vec::new());
        for path in files {
            let fail = |e: std::io::Error| format!("{}: {e}", path.display());
            if path.to_str().is_some_and(|p| p.starts_with("unix:")) {
                return Err(format!("{}: a socket is for live traffic; captures have files", path.display()));
            }
            let regular = std::fs::metadata(path).map_err(fail)?.is_file();
            if regular && is_document(path).map_err(fail)? {
                notes.extend(document(path, context)?);
            } else {
                let from = BufReader::with_capacity(256 << 10, File::open(path).map_err(fail)?);
                let understood = Understood::default();
                readers.push(Reader { path: path.clone(), understood, from, time: 0, over: false });
            }
        }
        Ok(Feed { readers, window, notes })
    }

    /// What is to be told when all was read: logs of which nothing was understood.
    pub fn notes(&self) -> impl Iterator<Item = String> + '_ {
        let logs = self.readers.iter().filter_map(|r| r.understood.nothing(&r.path));
        self.notes.iter().cloned().chain(logs)
    }

    /// Reads on until what may belong to packets up to `now` is read.
    pub fn until(&mut self, now: u64, context: &Context) -> Result<(), String> {
        // Logs are out of order by as much as the window: what comes later may be earlier.
        let until = now.saturating_add(self.window).saturating_add(self.window);
        let mut line = Vec::new();
        for r in &mut self.readers {
            // One more each time, so that a line whose clock is wrong does not hold up those behind it.
            loop {
                r.over = r.over || !next(&mut r.from, &mut line).map_err(|e| format!("context: {e}"))?;
                if r.over {
                    break;
                }
                r.time = r.understood.line(&line, context).unwrap_or(r.time);
                if r.time > until {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Whether all could be opened, and what has no times is right. `live`: sockets may be listened on. Pipes are not opened, as
/// somebody would find that nobody reads.
pub fn check(files: &[PathBuf], live: bool, context: &Context) -> Result<(), String> {
    for path in files {
        let fail = |e: std::io::Error| format!("{}: {e}", path.display());
        if let Some(socket) = path.to_str().and_then(|p| p.strip_prefix("unix:")) {
            if !live {
                return Err(format!("{}: a socket is for live traffic; captures have files", path.display()));
            }
            let dir = Path::new(socket).parent().filter(|d| !d.as_os_str().is_empty());
            dir.map(std::fs::metadata).transpose().map_err(fail)?;
            continue;
        }
        if std::fs::metadata(path).map_err(fail)?.is_file() && is_document(path).map_err(fail)? {
            tell(document(path, context)?);
        }
    }
    Ok(())
}

/// Follows files, pipes and sockets, each on a thread of its own, for as long as the program runs.
pub fn follow(files: &[PathBuf], context: &Arc<Context>) -> Result<(), String> {
    for path in files {
        let fail = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let (c, p) = (context.clone(), path.clone());
        let run: Box<dyn FnOnce() + Send> = match path.to_str().and_then(|p| p.strip_prefix("unix:")) {
            Some(socket) => listen(Path::new(socket), c).map_err(|e| fail(&e))?,
            None => {
                let kind = std::fs::metadata(path).map_err(|e| fail(&e))?;
                if kind.is_file() && is_document(path).map_err(|e| fail(&e))? {
                    tell(document(path, context)?);
                    Box::new(move || again(&p, &c))
                } else if kind.is_file() {
                    Box::new(move || tail(&p, &c))
                } else {
                    Box::new(move || pipe(&p, &c))
                }
            }
        };
        std::thread::Builder::new().name("context".into()).spawn(run).map_err(|e| fail(&e))?;
    }
    Ok(())
}

fn tell(note: Option<String>) {
    if let Some(n) = note {
        eprintln!("tidegate: {n}");
    }
}

/// What tells files apart that have the same name one after the other.
#[cfg(unix)]
fn identity(m: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(m)
}

#[cfg(not(unix))]
fn identity(_: &std::fs::Metadata) -> u64 {
    0
}

/// Reads a document again whenever it changed.
fn again(path: &Path, context: &Context) {
    let stamp = || std::fs::metadata(path).ok().map(|m| (identity(&m), m.len(), m.modified().ok()));
    let mut last = stamp();
    loop {
        std::thread::sleep(REST * 10);
        let now = stamp();
        // One that is being written is read when it has come to rest.
        if now != last && now.is_some() {
            std::thread::sleep(REST);
            if stamp() == now {
                last = now;
                match document(path, context) {
                    Ok(note) => tell(note),
                    Err(e) => eprintln!("tidegate: {e}; what was known stays"),
                }
            }
        }
    }
}

/// Follows a file by its name.
fn tail(path: &Path, context: &Context) {
    let mut from_end = true;
    loop {
        if let Ok(f) = File::open(path) {
            let _ = one_file(path, f, std::mem::take(&mut from_end), context);
        }
        std::thread::sleep(REST);
    }
}

/// Reads a file until another has its name, or it was emptied.
fn one_file(path: &Path, mut f: File, old: bool, context: &Context) -> std::io::Result<()> {
    let m = f.metadata()?;
    let start = if old { m.len().saturating_sub(OLD) } else { 0 };
    f.seek(SeekFrom::Start(start))?;
    let (mut reader, mut line, mut read) = (BufReader::with_capacity(256 << 10, f), Vec::new(), start);
    if start > 0 {
        read += reader.by_ref().take(LINE).read_until(b'\n', &mut line)? as u64;
    }
    // What was read of a line that is not whole yet.
    let mut part: Vec<u8> = Vec::new();
    let (mut understood, mut told) = (Understood::default(), false);
    loop {
        let n = reader.by_ref().take(LINE).read_until(b'\n', &mut part)?;
        read += n as u64;
        if part.ends_with(b"\n") || part.len() as u64 >= LINE {
            understood.line(&part, context);
            part.clear();
            continue;
        }
        if n > 0 {
            continue;
        }
        // Events that say nothing may come before others that do; what is no JSON at all is another file.
        if !told && understood.malformed == understood.lines {
            let note = understood.nothing(path);
            told = note.is_some();
            tell(note);
        }
        let there = std::fs::metadata(path);
        if there.as_ref().is_ok_and(|t| identity(t) != identity(&m) || t.len() < read) {
            context.line(&part);
            return Ok(());
        }
        std::thread::sleep(REST);
    }
}

/// Reads a pipe; when its writer ends, waits for the next.
fn pipe(path: &Path, context: &Context) {
    loop {
        if let Ok(f) = File::open(path) {
            lines(BufReader::new(f), context);
        }
        std::thread::sleep(REST);
    }
}

fn lines(mut from: impl BufRead, context: &Context) {
    let mut line = Vec::new();
    while next(&mut from, &mut line).unwrap_or(false) {
        context.line(&line);
    }
}

/// Takes writers at a socket, which only its owner may write to.
#[cfg(unix)]
fn listen(path: &Path, context: Arc<Context>) -> std::io::Result<Box<dyn FnOnce() + Send>> {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    use std::os::unix::net::{UnixListener, UnixStream};
    let left = std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket());
    // One that nobody listens on was left by a run before this one.
    if left && UnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(Box::new(move || {
        let open = Arc::new(AtomicUsize::new(0));
        loop {
            let Ok((stream, _)) = listener.accept() else {
                std::thread::sleep(REST);
                continue;
            };
            // One too many is turned away by closing.
            if open.fetch_add(1, Ordering::Relaxed) >= WRITERS {
                open.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            let (c, n) = (context.clone(), open.clone());
            let run = move || {
                lines(BufReader::new(stream), &c);
                n.fetch_sub(1, Ordering::Relaxed);
            };
            if std::thread::Builder::new().name("context".into()).spawn(run).is_err() {
                open.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }))
}

#[cfg(not(unix))]
fn listen(_: &Path, _: Arc<Context>) -> std::io::Result<Box<dyn FnOnce() + Send>> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::ContextSettings;
    use std::io::Write;

    fn line(n: u32) -> String {
        format!(
            r#"{{"hostIdentifier":"h","unixTime":{},"columns":{{"pid":"1","path":"/x","local_address":"10.0.0.1","local_port":"{}","remote_address":"10.0.0.2","remote_port":"80"}},"action":"added"}}"#,
            1000 + n,
            1 + n
        ) + "\n"
    }

    fn context() -> Arc<Context> {
        Arc::new(Context::new(&ContextSettings::default(), crate::secret::CAPTURES))
    }

    fn lines_of(c: &Context) -> u64 {
        c.counters()[0].1
    }

    fn wait(c: &Context, n: u64) {
        let until = std::time::Instant::now() + Duration::from_secs(10);
        while lines_of(c) < n {
            assert!(std::time::Instant::now() < until, "{} of {n}", lines_of(c));
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(lines_of(c), n);
    }

    #[test]
    fn a_capture_is_fed_as_far_as_its_time_has_come() {
        let dir = std::env::temp_dir().join(format!("tidegate-context-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let (log, pods) = (dir.join("log"), dir.join("pods.json"));
        let text: String = (0..1000).map(line).collect();
        std::fs::write(&log, text + "no JSON\n\n{}\n").unwrap();
        std::fs::write(&pods, "{\n \"kind\": \"List\",\n \"items\": []\n}\n").unwrap();
        let c = context();
        let second = 1_000_000_000;
        let mut feed = Feed::open(&[log, pods], 10 * second, &c).unwrap();
        assert_eq!(lines_of(&c), 1, "the list");
        feed.until(1000 * second, &c).unwrap();
        assert!((20..30).contains(&lines_of(&c)), "{}", lines_of(&c));
        feed.until(u64::MAX, &c).unwrap();
        assert_eq!((lines_of(&c), c.counters()[1].1), (1003, 1));
        assert!(Feed::open(&[dir.join("none")], 0, &c).is_err());
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn files_are_followed_through_rotation_and_truncation() {
        let dir = std::env::temp_dir().join(format!("tidegate-tail-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let log = dir.join("log");
        std::fs::write(&log, line(0)).unwrap();
        let c = context();
        follow(std::slice::from_ref(&log), &c).unwrap();
        wait(&c, 1);
        let mut f = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
        let whole = line(1);
        let (a, b) = whole.split_at(20);
        f.write_all(a.as_bytes()).unwrap();
        std::thread::sleep(REST * 2);
        f.write_all(b.as_bytes()).unwrap();
        wait(&c, 2);
        std::fs::rename(&log, dir.join("log.1")).unwrap();
        std::fs::write(&log, line(2) + &line(3)).unwrap();
        wait(&c, 4);
        std::fs::write(&log, line(4)).unwrap();
        wait(&c, 5);
        assert_eq!(c.counters()[1].1, 0, "no line was torn");
    }

    #[cfg(unix)]
    #[test]
    fn a_socket_takes_writers_one_after_the_other() {
        use std::os::unix::net::UnixStream;
        let dir = std::env::temp_dir().join(format!("tidegate-socket-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("s");
        let c = context();
        follow(&[PathBuf::from(format!("unix:{}", path.display()))], &c).unwrap();
        for n in 1..4 {
            UnixStream::connect(&path).unwrap().write_all(line(n).as_bytes()).unwrap();
            wait(&c, u64::from(n));
        }
        std::fs::remove_dir_all(dir).unwrap();
    }
}
