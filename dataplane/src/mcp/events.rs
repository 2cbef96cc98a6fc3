//! Events on disk.
//!
//! In: output folders and files of events. Out: lines, oldest or newest first, each with a name by which it is found again,
//! and a place where a search can go on. Owns nothing of the files: each search reads them by blocks, within a budget of
//! bytes, so that files of gigabytes cost no memory and an answer never takes long.
//!
//! Files are named by their number on the disk: a rotated file keeps its events' names.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Bytes read at a time.
const BLOCK: u64 = 1 << 20;
/// Longest line; a longer one is passed over and counted.
const LINE: u64 = 8 << 20;
/// Bytes that one search reads.
pub const BUDGET: u64 = 512 << 20;
/// Files of one folder that are looked at, the newest ones.
const FILES: usize = 256;

/// A file of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFile {
    pub path: PathBuf,
    pub number: u64,
    pub bytes: u64,
    changed: SystemTime,
}

/// What of the sources is there.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// The oldest first.
    pub files: Vec<EventFile>,
    /// What is not read, each with the reason.
    pub not_read: Vec<String>,
}

/// Which events come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Oldest,
    Newest,
}

/// A place between two lines of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub file: u64,
    pub at: u64,
}

/// How a search ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Where to go on; none when everything was read.
    pub next: Option<Place>,
    pub bytes: u64,
    /// Lines that were too long.
    pub too_long: u64,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Store {
    given: Vec<PathBuf>,
}

#[cfg(unix)]
fn number_of(_: &Path, m: &fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    m.ino()
}

#[cfg(not(unix))]
fn number_of(path: &Path, _: &fs::Metadata) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut h = DefaultHasher::new();
    path.hash(&mut h);
    h.finish()
}

/// Names of event files and of what rotation makes of them: `eve.json`, `eve.json.1`, `eve-2026-01-05.json`.
fn is_events(name: &str) -> bool {
    name.starts_with("eve") && name.contains(".json")
}

fn is_compressed(name: &str) -> bool {
    [".gz", ".xz", ".zst", ".bz2", ".lz4"].iter().any(|e| name.ends_with(e))
}

impl Store {
    pub fn new(given: Vec<PathBuf>) -> Store {
        Store { given }
    }

    /// The files as they are now. An error when there is none at all.
    pub fn files(&self) -> Result<Files, String> {
        let mut out = Files::default();
        for given in &self.given {
            if given.is_dir() {
                out.folder(given);
            } else {
                out.add(given);
            }
        }
        out.files.sort_by(|a, b| (a.changed, &a.path).cmp(&(b.changed, &b.path)));
        out.files.dedup_by_key(|f| f.number);
        if let Some(more) = out.files.len().checked_sub(FILES).filter(|n| *n > 0) {
            out.files.drain(..more);
            out.not_read.push(format!("{more} older files: at most {FILES} are looked at"));
        }
        match out.files.is_empty() {
            true if out.not_read.is_empty() => {
                Err("no files of events are there yet: eve.json is expected".into())
            }
            true => Err(format!("no files of events can be read: {}", out.not_read.join("; "))),
            false => Ok(out),
        }
    }

    /// Calls `f` with each line of the files and the place before it, from `from` on, until it says that it has enough.
    pub fn scan(
        &self,
        order: Order,
        from: Option<Place>,
        budget: u64,
        f: &mut dyn FnMut(Place, &[u8]) -> bool,
    ) -> Result<Ended, String> {
        let mut files = self.files()?.files;
        if order == Order::Newest {
            files.reverse();
        }
        let first = match from {
            None => 0,
            Some(p) => files.iter().position(|x| x.number == p.file).ok_or_else(gone)?,
        };
        let mut ended = Ended::default();
        for (i, file) in files.iter().enumerate().skip(first) {
            let at = from.filter(|_| i == first).map(|p| p.at);
            let mut s = Scan { file, opened: open(&file.path)?, buf: Vec::new(), budget, ended: &mut ended };
            let next = match order {
                Order::Oldest => s.forward(at.unwrap_or(0), f),
                Order::Newest => s.backward(at.unwrap_or(file.bytes), f),
            };
            ended.next = next.map_err(|e| format!("{}: {e}", file.path.display()))?;
            if ended.next.is_some() {
                break;
            }
        }
        Ok(ended)
    }

    /// The line behind a place.
    pub fn line(&self, place: Place) -> Result<Vec<u8>, String> {
        let files = self.files()?.files;
        let file = files.iter().find(|f| f.number == place.file).ok_or_else(gone)?;
        let fail = |e: std::io::Error| format!("{}: {e}", file.path.display());
        let mut f = open(&file.path)?;
        // An event's name says where a line begins: one that points into a line is made up.
        let mut before = [b'\n'];
        if place.at > 0 {
            f.seek(SeekFrom::Start(place.at - 1))
                .and_then(|_| f.read_exact(&mut before))
                .map_err(|_| gone())?;
        }
        let mut line = Vec::new();
        std::io::BufRead::read_until(&mut std::io::BufReader::new(f.take(LINE)), b'\n', &mut line)
            .map_err(fail)?;
        if before != [b'\n'] || line.pop() != Some(b'\n') {
            return Err(gone());
        }
        Ok(line)
    }
}

fn open(path: &Path) -> Result<File, String> {
    File::open(path).map_err(|e| format!("{}: {e}", path.display()))
}

fn gone() -> String {
    "that place is not there any more: its file was deleted, or emptied by a new run; search again without it"
        .into()
}

impl Files {
    fn folder(&mut self, dir: &Path) {
        let list = match fs::read_dir(dir) {
            Ok(l) => l,
            Err(e) => return self.not_read.push(format!("{}: {e}", dir.display())),
        };
        for entry in list.flatten() {
            if entry.file_name().to_str().is_some_and(is_events) {
                self.add(&entry.path());
            }
        }
    }

    fn add(&mut self, path: &Path) {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if is_compressed(name) {
            return self.not_read.push(format!("{}: compressed; decompress it to search it", path.display()));
        }
        match fs::metadata(path) {
            Ok(m) if m.is_file() => self.files.push(EventFile {
                path: path.to_owned(),
                number: number_of(path, &m),
                bytes: m.len(),
                changed: m.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            }),
            Ok(_) => self.not_read.push(format!("{}: no regular file", path.display())),
            Err(e) => self.not_read.push(format!("{}: {e}", path.display())),
        }
    }
}

/// One file being read.
struct Scan<'a> {
    file: &'a EventFile,
    opened: File,
    buf: Vec<u8>,
    budget: u64,
    ended: &'a mut Ended,
}

impl Scan<'_> {
    fn place(&self, at: u64) -> Place {
        Place { file: self.file.number, at }
    }

    /// Fills the buffer with `[from, to)`, or as much of it as is there.
    fn fill(&mut self, from: u64, to: u64) -> std::io::Result<()> {
        self.opened.seek(SeekFrom::Start(from))?;
        self.buf.clear();
        let n = (&mut self.opened).take(to.saturating_sub(from)).read_to_end(&mut self.buf)?;
        self.ended.bytes += n as u64;
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.ended.bytes >= self.budget
    }

    /// From `at` to the end. Where to go on, if anywhere. What has no line feed yet is not there yet.
    fn forward(
        &mut self,
        mut at: u64,
        f: &mut dyn FnMut(Place, &[u8]) -> bool,
    ) -> std::io::Result<Option<Place>> {
        let mut want = BLOCK;
        loop {
            if self.is_over() {
                return Ok(Some(self.place(at)));
            }
            self.fill(at, at + want)?;
            let whole = memchr::memrchr(b'\n', &self.buf).map_or(0, |i| i + 1);
            if whole == 0 {
                if (self.buf.len() as u64) < want {
                    return Ok(None);
                }
                if want < LINE {
                    want *= 2;
                    continue;
                }
                match self.line_end(at)? {
                    Some(next) => at = next,
                    None => return Ok(None),
                }
                want = BLOCK;
                continue;
            }
            want = BLOCK;
            let mut start = 0;
            for end in memchr::memchr_iter(b'\n', &self.buf[..whole]) {
                let here = at + start as u64;
                start = match f(self.place(here), &self.buf[start..end]) {
                    true => end + 1,
                    false => return Ok(Some(self.place(at + end as u64 + 1))),
                };
            }
            at += whole as u64;
        }
    }

    /// Where a line that is too long ends.
    fn line_end(&mut self, mut at: u64) -> std::io::Result<Option<u64>> {
        self.ended.too_long += 1;
        loop {
            self.fill(at, at + BLOCK)?;
            match memchr::memchr(b'\n', &self.buf) {
                Some(i) => return Ok(Some(at + i as u64 + 1)),
                None if self.buf.is_empty() => return Ok(None),
                None => at += self.buf.len() as u64,
            }
        }
    }

    /// From `end` to the beginning.
    fn backward(
        &mut self,
        mut end: u64,
        f: &mut dyn FnMut(Place, &[u8]) -> bool,
    ) -> std::io::Result<Option<Place>> {
        let mut want = BLOCK;
        while end > 0 {
            if self.is_over() {
                return Ok(Some(self.place(end)));
            }
            let from = end.saturating_sub(want);
            self.fill(from, end)?;
            // The first line may have begun before.
            let skip = match memchr::memchr(b'\n', &self.buf) {
                _ if from == 0 => 0,
                Some(i) if i + 1 < self.buf.len() => i + 1,
                _ if want < LINE => {
                    want *= 2;
                    continue;
                }
                _ => {
                    self.ended.too_long += 1;
                    end = from;
                    continue;
                }
            };
            want = BLOCK;
            // What stands behind the last line feed is no line yet, or the end of one that was too long.
            let mut stop = memchr::memrchr(b'\n', &self.buf).map_or(0, |i| i + 1);
            while stop > skip {
                let start = memchr::memrchr(b'\n', &self.buf[skip..stop - 1]).map_or(skip, |i| skip + i + 1);
                let here = self.place(from + start as u64);
                if !f(here, &self.buf[start..stop - 1]) {
                    return Ok(Some(here));
                }
                stop = start;
            }
            end = from + skip as u64;
        }
        Ok(None)
    }
}

impl Place {
    /// The name of the event behind it.
    pub fn name(self) -> String {
        format!("{:x}-{:x}", self.file, self.at)
    }

    pub fn of_name(text: &str) -> Option<Place> {
        let (file, at) = text.split_once('-')?;
        Some(Place { file: u64::from_str_radix(file, 16).ok()?, at: u64::from_str_radix(at, 16).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(name: &str, text: &[u8]) -> (Store, PathBuf) {
        let dir = std::env::temp_dir().join(format!("tidegate-mcp-{name}-{}", std::process::id()));
        let _old = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("eve.json"), text).unwrap();
        (Store::new(vec![dir.clone()]), dir)
    }

    fn all(s: &Store, order: Order, each: usize) -> Vec<Vec<u8>> {
        let (mut out, mut from): (Vec<Vec<u8>>, _) = (Vec::new(), None);
        loop {
            let mut left = each;
            let ended = s
                .scan(order, from, u64::MAX, &mut |p, l| {
                    assert_eq!(s.line(p).unwrap(), l, "an event is found by its name");
                    out.push(l.to_vec());
                    left -= 1;
                    left > 0
                })
                .unwrap();
            from = ended.next;
            if from.is_none() {
                return out;
            }
        }
    }

    /// Whatever the lines, both orders give all of them, in pages of any size.
    #[test]
    fn both_orders_give_every_line_once() {
        let mut lines: Vec<Vec<u8>> = (0..300).map(|i| vec![b'a' + (i % 26) as u8; i * i % 9000]).collect();
        // Around the border of a block, and longer than one.
        lines.extend([(1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20].map(|n| vec![b'x'; n]));
        lines.push(b"last".to_vec());
        let mut text = lines.join(&b'\n');
        text.extend_from_slice(b"\nnot whole yet");
        let (s, dir) = store("lines", &text);
        for each in [1, 7, 1000] {
            assert!(all(&s, Order::Oldest, each) == lines, "{each}");
            let mut back = all(&s, Order::Newest, each);
            back.reverse();
            assert!(back == lines, "{each}, newest first: {} of {}", back.len(), lines.len());
        }
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_line_without_end_is_passed_over_and_a_budget_ends_a_search() {
        let mut text = b"first\n".to_vec();
        text.extend(std::iter::repeat_n(b'x', LINE as usize + (3 << 20)));
        text.extend_from_slice(b"\nlast\n");
        let (s, dir) = store("long", &text);
        assert_eq!(all(&s, Order::Oldest, 9), [b"first".to_vec(), b"last".to_vec()]);
        assert_eq!(all(&s, Order::Newest, 9), [b"last".to_vec(), b"first".to_vec()]);
        let many = b"0123456789\n".repeat(400_000);
        fs::write(dir.join("eve.json"), &many).unwrap();
        for order in [Order::Oldest, Order::Newest] {
            let (mut from, mut seen, mut rounds) = (None, 0, 0);
            loop {
                let ended = s
                    .scan(order, from, 1 << 20, &mut |_, _| {
                        seen += 1;
                        true
                    })
                    .unwrap();
                assert!(ended.bytes <= 2 << 20);
                rounds += 1;
                from = ended.next;
                if from.is_none() {
                    break;
                }
            }
            assert_eq!((seen, rounds > 3), (400_000, true));
        }
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_is_not_there_is_said() {
        let (s, dir) = store("gone", b"{}\n");
        let place = Place { file: s.files().unwrap().files[0].number, at: 1 };
        assert!(s.line(place).unwrap_err().contains("search again"), "into a line");
        assert!(s.line(Place { file: 1, at: 0 }).is_err());
        // Rotation keeps names.
        let first = Place { at: 0, ..place };
        fs::rename(dir.join("eve.json"), dir.join("eve.json.1")).unwrap();
        fs::write(dir.join("eve.json"), b"[]\n").unwrap();
        assert_eq!(s.line(first).unwrap(), b"{}");
        fs::write(dir.join("eve.json.2.gz"), b"x").unwrap();
        assert!(s.files().unwrap().not_read[0].contains("decompress"));
        fs::remove_dir_all(dir).unwrap();
        assert!(s.files().is_err());
    }
}
