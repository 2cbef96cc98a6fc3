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

use super::{Context, Heard, Pod, Said, source};

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

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Lines that come one after the other.
    Log,
    /// Something that is read whole: a list of pods, of one line or many.
    Document,
    /// Nothing yet, or the beginning of a line.
    Open,
}

/// What the first line says of a file: that of a document is no JSON of its own, or is a list of pods by itself.
fn kind(path: &Path) -> std::io::Result<Kind> {
    let mut first = Vec::new();
    next(&mut BufReader::new(File::open(path)?), &mut first)?;
    let ended = first.ends_with(b"\n") || first.len() as u64 >= LINE;
    let whole = first.trim_ascii();
    Ok(match serde_json::from_slice::<serde_json::Value>(whole) {
        _ if whole.is_empty() => {
            if ended {
                Kind::Log
            } else {
                Kind::Open
            }
        }
        // Pods one by one are lines of a log, to which others come; unless there is no line's end to wait for.
        Ok(v) if source::is_list(&v) || (!ended && source::says_pods(&v)) => Kind::Document,
        Ok(_) => Kind::Log,
        Err(_) if !ended => Kind::Open,
        Err(_) if whole.starts_with(b"{") => Kind::Document,
        Err(_) => Kind::Log,
    })
}

/// As [`kind`], when no more is waited for.
fn is_document(path: &Path) -> std::io::Result<bool> {
    let begins = || -> std::io::Result<bool> {
        let mut first = [0];
        Ok(File::open(path)?.read(&mut first)? == 1 && first[0] == b'{')
    };
    Ok(match kind(path)? {
        Kind::Document => true,
        Kind::Log => false,
        Kind::Open => begins()?,
    })
}

/// Reads the values of a document, one after the other. Its pods take the place of those that it, the `list`th, had before. What
/// is to be told of it.
fn document(path: &Path, list: u32, context: &Context) -> Result<Vec<String>, String> {
    let (mut said, mut listed, mut pods) = (false, false, Vec::new());
    let fail = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let file = File::open(path).map_err(|e| fail(&e))?;
    for v in serde_json::Deserializer::from_reader(BufReader::new(file).take(DOCUMENT)).into_iter() {
        let v = v.map_err(|e| fail(&e))?;
        listed |= source::says_pods(&v);
        let heard = context.value_to(&v, &mut |s| match s {
            Said::Pods(p) => pods.extend(p),
            Said::Gone { namespace, name } => {
                pods.retain(|p: &Pod| p.namespace != namespace || p.name != name);
            }
            s => context.take(s),
        });
        said |= heard == Heard::Said;
    }
    let mut notes = Vec::new();
    if !said {
        let what = "nothing in it says anything of connections, processes or pods";
        notes.push(format!("{}: {what}", path.display()));
    }
    // One that is empty, or became something else, does not say that there are no pods any more.
    if listed {
        let all = pods.len();
        let lost = context.list(list, pods);
        if lost > 0 {
            let what = "pods find no room in context.memory, an eighth of which is for them";
            notes.push(format!("{}: {lost} of {all} {what}", path.display()));
        }
    }
    Ok(notes)
}

/// Files by their numbers, from 1 on.
fn numbered(files: &[PathBuf]) -> impl Iterator<Item = (u32, &PathBuf)> {
    (1..).zip(files)
}

impl Feed {
    /// Opens the files of a capture's context, and reads what has no times.
    pub fn open(files: &[PathBuf], window: u64, context: &Context) -> Result<Feed, String> {
        let (mut readers, mut notes) = (Vec::new(), Vec::new());
        for (list, path) in numbered(files) {
            let fail = |e: std::io::Error| format!("{}: {e}", path.display());
            if path.to_str().is_some_and(|p| p.starts_with("unix:")) {
                return Err(format!("{}: a socket is for live traffic; captures have files", path.display()));
            }
            let regular = std::fs::metadata(path).map_err(fail)?.is_file();
            if regular && is_document(path).map_err(fail)? {
                notes.extend(document(path, list, context)?);
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

/// Whether all could be opened, and something is understood of each. `live`: sockets may be listened on. Pipes are not opened, as
/// somebody would find that nobody reads.
pub fn check(files: &[PathBuf], live: bool, context: &Context) -> Result<(), String> {
    for (list, path) in numbered(files) {
        let fail = |e: std::io::Error| format!("{}: {e}", path.display());
        if let Some(socket) = path.to_str().and_then(|p| p.strip_prefix("unix:")) {
            if !live {
                return Err(format!("{}: a socket is for live traffic; captures have files", path.display()));
            }
            let dir = Path::new(socket).parent().filter(|d| !d.as_os_str().is_empty());
            dir.map(std::fs::metadata).transpose().map_err(fail)?;
            continue;
        }
        if !std::fs::metadata(path).map_err(fail)?.is_file() {
            continue;
        }
        let wrong = match is_document(path).map_err(fail)? {
            true => document(path, list, context)?.into_iter().next(),
            false => check_log(path, live, context).map_err(fail)?,
        };
        wrong.map_or(Ok(()), Err)?;
    }
    Ok(())
}

/// What is to be told of a log of which nothing is understood. Live, others may come that say more, unless it is no log at all.
fn check_log(path: &Path, live: bool, context: &Context) -> std::io::Result<Option<String>> {
    let mut from = BufReader::new(File::open(path)?.take(OLD));
    let (mut understood, mut line) = (Understood::default(), Vec::new());
    while understood.said == 0 && next(&mut from, &mut line)? {
        understood.line(&line, context);
    }
    Ok(understood.nothing(path).filter(|_| !live || understood.malformed == understood.lines))
}

/// Follows files, pipes and sockets, each on a thread of its own, for as long as the program runs.
pub fn follow(files: &[PathBuf], context: &Arc<Context>) -> Result<(), String> {
    for (list, path) in numbered(files) {
        let fail = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let (c, p) = (context.clone(), path.clone());
        let run: Box<dyn FnOnce() + Send> = match path.to_str().and_then(|p| p.strip_prefix("unix:")) {
            Some(socket) => listen(Path::new(socket), c).map_err(|e| fail(&e))?,
            None => {
                let m = std::fs::metadata(path).map_err(|e| fail(&e))?;
                if m.is_file() && m.len() == 0 {
                    Box::new(move || later(&p, list, &c))
                } else if m.is_file() && is_document(path).map_err(|e| fail(&e))? {
                    // Taken before it is read, so that what changes meanwhile is seen.
                    let before = stamp(path);
                    tell(document(path, list, context)?);
                    Box::new(move || again(&p, list, before, &c))
                } else if m.is_file() {
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

fn tell(notes: impl IntoIterator<Item = String>) {
    notes.into_iter().for_each(|n| eprintln!("tidegate: {n}"));
}

/// Waits for what a file becomes in which there is nothing yet.
fn later(path: &Path, list: u32, context: &Context) {
    loop {
        match kind(path) {
            Ok(Kind::Log) => return tail(path, context),
            Ok(Kind::Document) => return again(path, list, None, context),
            Ok(Kind::Open) | Err(_) => std::thread::sleep(REST),
        }
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

/// What changes with what is in a file.
type Stamp = Option<(u64, u64, Option<std::time::SystemTime>)>;

fn stamp(path: &Path) -> Stamp {
    std::fs::metadata(path).ok().map(|m| (identity(&m), m.len(), m.modified().ok()))
}

/// Reads a document again whenever it is another than `last`.
fn again(path: &Path, list: u32, mut last: Stamp, context: &Context) {
    loop {
        let now = stamp(path);
        // One that is being written is read when it has come to rest.
        if now != last && now.is_some() {
            std::thread::sleep(REST);
            if stamp(path) == now {
                last = now;
                match document(path, list, context) {
                    Ok(notes) => tell(notes),
                    Err(e) => eprintln!("tidegate: {e}; what was known stays"),
                }
            }
        }
        std::thread::sleep(REST * 10);
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

    fn pod(name: &str, address: &str) -> String {
        format!(
            r#"{{"kind":"Pod","metadata":{{"name":"{name}","namespace":"n"}},"status":{{"podIP":"{address}"}}}}"#
        )
    }

    fn list(pods: &[String]) -> String {
        format!(r#"{{"kind":"List","items":[{}]}}"#, pods.join(","))
    }

    /// A list of pods in one line, with or without a line feed, written anew in its place or moved there, or into a file that
    /// was empty: what it says last is what there is.
    #[test]
    fn lists_of_one_line_are_read_again() {
        let dir = std::env::temp_dir().join(format!("tidegate-lists-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let names = ["with", "without", "empty", "moved"].map(|n| dir.join(n));
        let [with, without, empty, moved] = &names;
        std::fs::write(with, list(&[pod("a", "10.0.0.1"), pod("b", "10.0.0.2")]) + "\n").unwrap();
        std::fs::write(without, list(&[pod("c", "10.0.0.3")])).unwrap();
        std::fs::write(empty, "").unwrap();
        std::fs::write(moved, list(&[pod("e", "10.0.0.5")])).unwrap();
        let c = context();
        follow(&names, &c).unwrap();
        let there = |n: u8| c.known.at(std::net::IpAddr::from([10, 0, 0, n])).is_some();
        let wait_for = |want: [bool; 8]| {
            let until = std::time::Instant::now() + Duration::from_secs(10);
            let now = || [1, 2, 3, 4, 5, 6, 7, 8].map(there);
            while now() != want {
                assert!(std::time::Instant::now() < until, "{:?}, expected {want:?}", now());
                std::thread::sleep(Duration::from_millis(20));
            }
        };
        let (t, f) = (true, false);
        wait_for([t, t, t, f, t, f, f, f]);
        std::fs::write(with, list(&[pod("a", "10.0.0.1"), pod("longer", "10.0.0.6")]) + "\n").unwrap();
        std::fs::write(without, list(&[pod("c", "10.0.0.7")])).unwrap();
        std::fs::write(empty, list(&[pod("d", "10.0.0.4")])).unwrap();
        std::fs::write(dir.join("new"), list(&[])).unwrap();
        std::fs::rename(dir.join("new"), moved).unwrap();
        wait_for([t, f, f, t, f, t, t, f]);
        // What is no list says nothing of pods, and one that is cut off neither.
        std::fs::write(with, "").unwrap();
        std::fs::write(without, "{\"kind\":\"List\",\"items\":[").unwrap();
        std::fs::write(empty, list(&[pod("d", "10.0.0.8")])).unwrap();
        wait_for([t, f, f, f, f, t, t, t]);
        assert_eq!(c.counters()[1].1, 0, "no line was torn");
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_test_says_of_what_nothing_is_understood() {
        let dir = std::env::temp_dir().join(format!("tidegate-check-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let put = |name: &str, text: &str| {
            std::fs::write(dir.join(name), text).unwrap();
            [dir.join(name)]
        };
        for live in [false, true] {
            let wrong = |files: &[PathBuf]| check(files, live, &context()).err();
            for (name, text) in [("words", "garbage\nand more\n"), ("pretty", "{\n\"a\": 1\n}\n")] {
                let e = wrong(&put(name, text)).expect(text);
                assert!(e.contains(name) && e.contains("says anything of connections"), "{e}");
            }
            for (name, text) in [("log", line(1)), ("empty", String::new()), ("pod", pod("a", "10.0.0.1"))] {
                assert_eq!(wrong(&put(name, &text)), None, "{name}");
            }
            // Events that say nothing: live, others may come.
            assert_eq!(wrong(&put("other", "{\"a\":1}\n")).is_none(), live);
        }
        std::fs::remove_dir_all(dir).unwrap();
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
