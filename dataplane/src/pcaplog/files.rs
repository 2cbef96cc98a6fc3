//! The files of `pcap-log`: packets go in, files of pcap come out, each of a bounded size, with names that tell when its first
//! packet came. Owns the open files and the list of those that are kept.
//!
//! A file of pcap has one link type; packets of another go to a file beside it, with `.linkN` behind its name.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Error, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lz4_flex::frame::{FrameEncoder, FrameInfo};

use crate::config::pcaplog::PcapLogSettings;
use crate::eve::OutputError;
use crate::lines::{Place, writable, write_some};

const SECOND: u64 = 1_000_000_000;
/// Times are in nanoseconds.
const MAGIC: u32 = 0xa1b2_3c4d;
/// Bytes of the file's header and of a record's.
const HEADER: u64 = 24;
const RECORD: u64 = 16;
/// Names that are remembered.
const GIVEN: usize = 256;
/// Longest packet that readers expect (libpcap's MAXIMUM_SNAPLEN).
const SNAPLEN: u32 = 262_144;

/// Bytes that are collected before they are written.
const ROOM: usize = 64 << 10;
/// Time without a try after a write that failed: a full disk stays so for a while, and each try makes a file.
const AGAIN: Duration = Duration::from_secs(1);

enum Sink {
    Plain(Plain),
    Lz4(Box<FrameEncoder<BufWriter<File>>>),
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Sink::Plain(_)) { "Plain" } else { "Lz4" })
    }
}

/// A file that ends behind a whole packet, also when not all could be written.
struct Plain {
    place: Box<dyn Place>,
    /// What is not written yet, and where each packet ends in it.
    buf: Vec<u8>,
    ends: Vec<usize>,
}

/// Packets, and their bytes in the file.
type Count = (u64, u64);

impl Plain {
    fn new(place: Box<dyn Place>) -> Plain {
        Plain { place, buf: Vec::with_capacity(ROOM), ends: Vec::new() }
    }

    /// Writes what was collected, or as many packets of it as there is room for; the others are gone. With an error: whether
    /// the file can be gone on with.
    fn flush(&mut self) -> (Count, Option<(Error, bool)>) {
        let (n, failed) = write_some(&mut *self.place, &self.buf);
        let packets = self.ends.partition_point(|&end| end <= n);
        let whole = packets.checked_sub(1).map_or(0, |last| self.ends[last]);
        let failed = failed.map(|e| (e, whole == n || self.place.cut((n - whole) as u64).is_ok()));
        self.buf.clear();
        self.ends.clear();
        ((packets as u64, whole as u64), failed)
    }
}

#[derive(Debug)]
struct Open {
    link: u16,
    path: PathBuf,
    sink: Sink,
    /// With what is not written yet.
    bytes: u64,
    waiting: Count,
    /// Written since the file was last seen in its folder.
    unseen: Count,
}

impl Open {
    /// Nobody can find the file any more.
    fn gone(&self) -> bool {
        match &self.sink {
            Sink::Plain(p) => p.place.gone(),
            Sink::Lz4(w) => w.get_ref().get_ref().gone(),
        }
    }

    fn add(&mut self, head: &[u8], data: &[u8]) -> Result<(), Error> {
        let size = (head.len() + data.len()) as u64;
        self.bytes += size;
        self.waiting = (self.waiting.0 + 1, self.waiting.1 + size);
        match &mut self.sink {
            Sink::Plain(p) => {
                p.buf.extend_from_slice(head);
                p.buf.extend_from_slice(data);
                p.ends.push(p.buf.len());
                Ok(())
            }
            Sink::Lz4(w) => w.write_all(head).and_then(|()| w.write_all(data)),
        }
    }

    fn is_full(&self) -> bool {
        matches!(&self.sink, Sink::Plain(p) if p.buf.len() >= ROOM)
    }

    /// Hands what was collected to the system: what was written, and an error with whether the file can be gone on with.
    fn flush(&mut self) -> (Count, Option<(Error, bool)>) {
        let waiting = std::mem::take(&mut self.waiting);
        let (written, failed) = match &mut self.sink {
            Sink::Plain(p) => p.flush(),
            Sink::Lz4(w) => match w.flush().and_then(|()| w.get_mut().flush()) {
                Ok(()) => (waiting, None),
                // How much of a block came to the disk is not known.
                Err(e) => ((0, 0), Some((e, false))),
            },
        };
        self.bytes -= waiting.1 - written.1;
        (written, failed)
    }
}

/// See the module.
#[derive(Debug)]
pub struct Files {
    settings: PcapLogSettings,
    dir: PathBuf,
    thread: u32,
    /// Files kept; 0: all.
    most: usize,
    open: Vec<Open>,
    /// The link type whose files have plain names.
    first: Option<u16>,
    /// The names that were given last: two files may begin in the same second.
    given: VecDeque<PathBuf>,
    /// Finished and open files, oldest first; only where old ones are removed.
    ring: VecDeque<PathBuf>,
    error: Option<OutputError>,
    /// Nothing is written before: a write failed.
    again: Option<Instant>,
    /// Files are to be begun anew, and could not be.
    due: bool,
    /// What is written, without what is still collected.
    pub packets: u64,
    pub bytes: u64,
    /// Packets that were to be written and are not.
    pub lost: u64,
    /// Writes that failed.
    pub errors: u64,
}

impl Files {
    /// Of worker `thread` (from 1) among `threads` that have files of their own. Nothing is made before the first packet.
    pub fn new(s: &PcapLogSettings, dir: &Path, thread: u32, threads: usize) -> Files {
        let dir = s.dir.as_ref().map_or_else(|| dir.to_owned(), |d| dir.join(d));
        let mut f = Files {
            settings: s.clone(),
            dir,
            thread,
            most: if s.max_files == 0 { 0 } else { (s.max_files / threads.max(1)).max(1) },
            open: Vec::new(),
            first: None,
            given: VecDeque::new(),
            ring: VecDeque::new(),
            error: None,
            again: None,
            due: false,
            packets: 0,
            bytes: 0,
            lost: 0,
            errors: 0,
        };
        if f.most > 0 {
            f.ring = f.earlier();
        }
        f
    }

    /// Files of an earlier run, oldest first: names that only differ in the time.
    fn earlier(&self) -> VecDeque<PathBuf> {
        let (before, after) = self.around();
        let mut found: Vec<(u64, String)> = Vec::new();
        for entry in std::fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let time = name.strip_prefix(before.as_str()).and_then(|n| n.strip_suffix(after.as_str()));
            let digits = |t: &&str| {
                t.split(['.', '-']).all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
            };
            if let Some(secs) = time.filter(digits).and_then(|t| t.split(['.', '-']).next()?.parse().ok()) {
                found.push((secs, name));
            }
        }
        found.sort();
        found.into_iter().map(|f| self.dir.join(f.1)).collect()
    }

    /// What stands before and behind the time in a name.
    fn around(&self) -> (String, String) {
        let own = |t: &str| {
            t.replace("%n", &self.thread.to_string()).replace("%i", &std::process::id().to_string())
        };
        let name = &self.settings.filename;
        let (before, after) =
            name.split_once("%t").map_or((format!("{name}."), ""), |(b, a)| (b.to_string(), a));
        let suffix = if self.settings.lz4 { ".lz4" } else { "" };
        (own(&before), format!("{}{suffix}", own(&after.replace("%t", ""))))
    }

    /// The name of a file whose first packet came at `ts`; one that was not given yet.
    fn name(&self, ts: u64, link: Option<u16>) -> PathBuf {
        let (before, after) = self.around();
        let mut time = (ts / SECOND).to_string();
        if self.settings.micros {
            time = format!("{time}.{:06}", ts % SECOND / 1000);
        }
        let link = link.map(|l| format!(".link{l}")).unwrap_or_default();
        let first = self.dir.join(format!("{before}{time}{after}{link}"));
        let mut n = 1;
        let mut path = first;
        while self.given.contains(&path) {
            n += 1;
            path = self.dir.join(format!("{before}{time}-{n}{after}{link}"));
        }
        path
    }

    fn begin(&mut self, ts: u64, link: u16) -> Result<usize, OutputError> {
        let first = *self.first.get_or_insert(link);
        let path = self.name(ts, (first != link).then_some(link));
        self.given.push_back(path.clone());
        if self.given.len() > GIVEN {
            self.given.pop_front();
        }
        let sink = self.create(&path, link);
        let sink = sink.inspect_err(|_| _ = self.given.pop_back())?;
        if self.most > 0 {
            self.ring.push_back(path.clone());
            while self.ring.len() > self.most {
                let Some(old) = self.ring.pop_front() else { break };
                // One that is still written goes as it is meant to, and is not taken for deleted by others.
                if let Some(at) = self.open.iter().position(|o| o.path == old) {
                    self.close(at);
                }
                // Somebody else may have moved it.
                let _ = std::fs::remove_file(old);
            }
        }
        self.open.push(Open { link, path, sink, bytes: HEADER, waiting: (0, 0), unseen: (0, 0) });
        Ok(self.open.len() - 1)
    }

    /// Makes a file with its header, or none.
    fn create(&self, path: &Path, link: u16) -> Result<Sink, OutputError> {
        let fail = |path: &Path, source| OutputError { path: path.to_owned(), source };
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(|e| fail(dir, e))?;
        }
        let mut file = writable(path).and_then(|()| File::create(path)).map_err(|e| fail(path, e))?;
        let mut head = Vec::with_capacity(HEADER as usize);
        head.extend(MAGIC.to_le_bytes());
        head.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        head.extend(SNAPLEN.to_le_bytes());
        head.extend(u32::from(link).to_le_bytes());
        let made = if self.settings.lz4 {
            let info = FrameInfo::new().content_checksum(self.settings.lz4_checksum);
            let file = BufWriter::with_capacity(ROOM, file);
            let mut w = FrameEncoder::with_frame_info(info, file);
            let made = w.write_all(&head).and_then(|()| w.flush()).and_then(|()| w.get_mut().flush());
            made.map(|()| Sink::Lz4(Box::new(w)))
        } else {
            file.write_all(&head).map(|()| Sink::Plain(Plain::new(Box::new(file))))
        };
        made.map_err(|e| {
            // An empty file says that there were no packets.
            let _ = std::fs::remove_file(path);
            fail(path, e)
        })
    }

    /// Writes a packet: its time, ns since the epoch, the link type, its length on the wire and what is there of it.
    pub fn write(&mut self, ts: u64, link: u16, wire: u32, data: &[u8]) {
        if self.again.is_some_and(|t| Instant::now() < t) {
            self.lost += 1;
            return;
        }
        self.again = None;
        if let Err(e) = self.put(ts, link, wire, data) {
            self.lost += 1;
            self.failed(e);
        }
    }

    fn failed(&mut self, e: OutputError) {
        self.errors += 1;
        self.error.get_or_insert(e);
        self.again = Some(Instant::now() + AGAIN);
    }

    /// Writes what an open file has collected, and counts; whether it can be gone on with.
    fn push(&mut self, at: usize) -> bool {
        let Some(o) = self.open.get_mut(at) else { return false };
        let before = o.waiting.0;
        let (written, failed) = o.flush();
        self.packets += written.0;
        self.bytes += written.1;
        self.lost += before - written.0;
        o.unseen = (o.unseen.0 + written.0, o.unseen.1 + written.1);
        let Some((source, goes_on)) = failed else { return true };
        let path = o.path.clone();
        self.failed(OutputError { path, source });
        goes_on
    }

    fn put(&mut self, ts: u64, link: u16, wire: u32, data: &[u8]) -> Result<(), OutputError> {
        let size = RECORD + data.len() as u64;
        let mut at = self.open.iter().position(|o| o.link == link);
        if let Some(i) =
            at.filter(|&i| self.open[i].bytes > HEADER && self.open[i].bytes + size > self.settings.limit)
        {
            self.close(i);
            at = None;
            if self.again.is_some() {
                self.lost += 1;
                return Ok(());
            }
        }
        let at = match at {
            Some(at) => at,
            None => self.begin(ts, link)?,
        };
        let Some(o) = self.open.get_mut(at) else { return Ok(()) };
        let mut head = [0; RECORD as usize];
        let numbers =
            [(ts / SECOND) as u32, (ts % SECOND) as u32, data.len() as u32, wire.max(data.len() as u32)];
        for (to, n) in head.chunks_exact_mut(4).zip(numbers) {
            to.copy_from_slice(&n.to_le_bytes());
        }
        if let Err(source) = o.add(&head, data) {
            // A file whose end is not known is not gone on with. This packet is counted by who asked.
            self.lost += o.waiting.0 - 1;
            let broken = self.open.remove(at);
            return Err(OutputError { path: broken.path, source });
        }
        if o.is_full() && !self.push(at) {
            self.open.remove(at);
        }
        Ok(())
    }

    /// Whether a file was deleted; then what was written since it was last seen is lost, and told.
    fn missing(&mut self, at: usize) -> bool {
        let Some(o) = self.open.get_mut(at) else { return false };
        let unseen = std::mem::take(&mut o.unseen);
        if !o.gone() {
            return false;
        }
        self.packets -= unseen.0;
        self.bytes -= unseen.1;
        self.lost += unseen.0;
        self.errors += 1;
        let what = format!("the file was deleted; {} packets that were written to it are lost", unseen.0);
        self.error.get_or_insert(OutputError { path: o.path.clone(), source: Error::other(what) });
        true
    }

    /// Whether files are where they were made: those that were deleted are begun anew with the next packet.
    pub fn look(&mut self) {
        for at in (0..self.open.len()).rev() {
            if self.missing(at) {
                self.open.remove(at);
            }
        }
        if self.due {
            let _ = self.reopen();
        }
    }

    /// Ends all files, after they were moved away; the next packet begins another one. Where none can be made it goes on as
    /// before, and tries again with each look.
    pub fn reopen(&mut self) -> Result<(), OutputError> {
        self.due = true;
        let probe = self.dir.join(format!(".tidegate-pcap-{}", std::process::id()));
        std::fs::create_dir_all(&self.dir)
            .and_then(|()| File::create(&probe))
            .and_then(|_| std::fs::remove_file(&probe))
            .map_err(|source| OutputError { path: self.dir.clone(), source })?;
        self.due = false;
        while !self.open.is_empty() {
            self.close(0);
        }
        Ok(())
    }

    /// Ends a file.
    fn close(&mut self, at: usize) {
        let whole = self.push(at);
        self.missing(at);
        let Open { path, sink, .. } = self.open.remove(at);
        if let (true, Sink::Lz4(w)) = (whole, sink)
            && let Err(source) = w.finish().map_err(Error::other).and_then(|mut w| w.flush())
        {
            self.failed(OutputError { path, source });
        }
    }

    /// Hands what was collected to the system, so that others can read it.
    pub fn flush(&mut self) {
        for at in (0..self.open.len()).rev() {
            if !self.push(at) {
                self.open.remove(at);
            }
        }
    }

    /// The error that is not told yet.
    pub fn take_error(&mut self) -> Option<OutputError> {
        self.error.take()
    }

    /// Closes the files; the first error that there was.
    pub fn finish(&mut self) -> Result<(), OutputError> {
        while !self.open.is_empty() {
            self.close(0);
        }
        self.error.take().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Capture;
    use crate::config::{Overrides, Settings};

    fn settings(more: &str) -> PcapLogSettings {
        let text = format!("outputs: [{{pcap-log: {{enabled: yes{more}}}}}]");
        let s = Settings::parse(&text, &Overrides::default()).unwrap();
        assert!(s.without_effect().is_empty(), "{:?}", s.without_effect());
        s.outputs.pcap_log.unwrap()
    }

    fn dir(name: &str) -> PathBuf {
        let d = std::env::temp_dir().join(format!("tidegate-pcaplog-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&d);
        std::fs::create_dir_all(&d).unwrap();
        d
    }

    /// Names in a folder, in order.
    fn names(d: &Path) -> Vec<String> {
        let mut all: Vec<String> =
            std::fs::read_dir(d).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        all.sort();
        all
    }

    /// Time, link type, wire length and bytes of a file's packets.
    fn packets(path: &Path) -> Vec<(u64, u16, u32, Vec<u8>)> {
        let mut c = Capture::open(path).unwrap();
        let mut all = Vec::new();
        while let Some(b) = c.next_batch(64).unwrap() {
            all.extend(b.iter().map(|f| (f.ts_ns, f.link, f.wire_len, f.data.to_vec())));
        }
        all
    }

    #[test]
    fn packets_come_back_as_they_were() {
        for (more, file) in
            [("", "log.pcap.12"), (", compression: lz4, lz4-checksum: yes", "log.pcap.12.lz4")]
        {
            let d = dir("plain");
            let mut f = Files::new(&settings(more), &d, 1, 1);
            f.write(12_000_000_345, 1, 70, &[1; 60]);
            f.write(13_999_999_999, 1, 60, &[2; 60]);
            f.write(14_000_000_000, 105, 3, &[3; 3]);
            f.finish().unwrap();
            assert_eq!(names(&d), [file.to_string(), file.replace("12", "14") + ".link105"]);
            let want = vec![(12_000_000_345, 1, 70, vec![1; 60]), (13_999_999_999, 1, 60, vec![2; 60])];
            assert_eq!(packets(&d.join(file)), want);
            assert_eq!((f.packets, f.bytes), (3, 3 * 16 + 123));
            std::fs::remove_dir_all(&d).unwrap();
        }
    }

    #[test]
    fn full_files_are_followed_by_others_and_old_ones_go() {
        let d = dir("ring");
        std::fs::write(d.join("x-3.pcap"), "of an earlier run").unwrap();
        std::fs::write(d.join("x-3b.pcap"), "somebody's").unwrap();
        let s = settings(", filename: x-%t.pcap, limit: 4096, max-files: 3");
        let mut f = Files::new(&s, &d, 1, 1);
        // Four fit into a file; all come within two seconds.
        for i in 0..20u64 {
            f.write((10 + i / 10) * SECOND, 1, 1000, &[i as u8; 1000]);
        }
        f.finish().unwrap();
        assert_eq!(names(&d), ["x-10-3.pcap", "x-11-2.pcap", "x-11.pcap", "x-3b.pcap"]);
        let last: Vec<u8> = packets(&d.join("x-11-2.pcap")).iter().map(|p| p.3[0]).collect();
        assert_eq!(last, [16, 17, 18, 19]);
        assert!(std::fs::metadata(d.join("x-11.pcap")).unwrap().len() <= 4096 + 200);
        std::fs::remove_dir_all(&d).unwrap();
    }

    #[test]
    fn names_of_workers() {
        let d = dir("multi");
        let s = settings(", mode: multi, dir: sub, filename: w%n/%i.%t, ts-format: usec");
        let mut f = Files::new(&s, &d, 7, 8);
        f.write(5_000_001_999, 1, 1, &[0]);
        f.finish().unwrap();
        assert_eq!(names(&d.join("sub/w7")), [format!("{}.5.000001", std::process::id())]);
        std::fs::remove_dir_all(&d).unwrap();
    }

    /// A device that is always full stands in for a disk.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_has_no_files_and_no_packets_that_count() {
        for more in ["", ", compression: lz4"] {
            let d = dir("full");
            let mut f = Files::new(&settings(&format!(", limit: 100kb, filename: x-%t{more}")), &d, 1, 1);
            let first = d.join(if more.is_empty() { "x-10" } else { "x-10.lz4" });
            std::os::unix::fs::symlink("/dev/full", &first).unwrap();
            (0..1000u32).for_each(|_| f.write(10 * SECOND, 1, 1000, &[7; 1000]));
            assert_eq!((f.packets, f.bytes, f.lost, f.errors), (0, 0, 1000, 1), "{more}");
            assert_eq!(names(&d), Vec::<String>::new());
            // There is room again.
            f.again = None;
            f.write(10 * SECOND, 1, 1000, &[7; 1000]);
            assert!(f.finish().is_err() && f.finish().is_ok());
            assert_eq!((f.packets, f.lost), (1, 1000));
            assert_eq!(packets(&first).len(), 1);
            std::fs::remove_dir_all(&d).unwrap();
        }
    }

    #[test]
    fn a_disk_that_becomes_full_keeps_whole_packets_that_count() {
        use crate::lines::tests::{Held, Small};
        let d = dir("fills");
        let mut f = Files::new(&settings(", filename: x"), &d, 1, 1);
        let held = Small::default();
        *held.0.lock().unwrap() = Held { room: 100_000, ..Held::default() };
        let sink = Sink::Plain(Plain::new(Box::new(held.clone())));
        f.open.push(Open {
            link: 1,
            path: d.join("x"),
            sink,
            bytes: HEADER,
            waiting: (0, 0),
            unseen: (0, 0),
        });
        (0..200u32).for_each(|_| f.write(10 * SECOND, 1, 984, &[7; 984]));
        assert_eq!((f.packets, f.bytes, f.lost, f.errors), (100, 100_000, 100, 1));
        // A packet of which a part was written is cut off, and the file is gone on with.
        (f.again, held.0.lock().unwrap().room) = (None, 2_500);
        (0..3u32).for_each(|_| f.write(10 * SECOND, 1, 984, &[8; 984]));
        f.flush();
        assert_eq!((f.packets, f.lost, held.0.lock().unwrap().bytes.len()), (102, 101, 102_000));
        (f.again, held.0.lock().unwrap().room) = (None, 1 << 20);
        f.write(10 * SECOND, 1, 984, &[9; 984]);
        assert!(f.finish().is_err());
        assert_eq!((f.packets, f.bytes, f.lost, f.errors), (103, 103_000, 101, 2));
        assert_eq!(held.0.lock().unwrap().bytes.len(), 103_000);
        assert_eq!(names(&d), Vec::<String>::new());
        std::fs::remove_dir_all(&d).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_is_told() {
        let d = dir("error");
        std::fs::write(d.join("file"), "").unwrap();
        let mut f = Files::new(&settings(", dir: file"), &d, 1, 1);
        f.write(1, 1, 1, &[0]);
        assert!(f.finish().unwrap_err().to_string().contains("file"));
        std::fs::remove_dir_all(&d).unwrap();
    }

    /// Files that others move or delete: the next packet begins another one, and what is gone is counted as lost.
    #[test]
    fn moved_and_deleted_files_are_begun_anew() {
        for more in ["", ", compression: lz4"] {
            let d = dir("gone");
            let mut f = Files::new(&settings(&format!(", filename: p{more}")), &d, 1, 1);
            let end = if more.is_empty() { "" } else { ".lz4" };
            let packet = |f: &mut Files, n: u64| f.write(n * SECOND, 1, 60, &[7; 60]);
            packet(&mut f, 1);
            f.reopen().unwrap();
            std::fs::rename(d.join(format!("p.1{end}")), d.join(format!("moved{end}"))).unwrap();
            packet(&mut f, 2);
            f.flush();
            f.look();
            std::fs::remove_file(d.join(format!("p.2{end}"))).unwrap();
            // What was there when the file was last seen was somebody's to delete; what comes now is lost.
            packet(&mut f, 3);
            packet(&mut f, 4);
            f.flush();
            assert_eq!((f.packets, f.lost), (4, 0));
            f.look();
            assert_eq!((f.packets, f.lost, f.errors), (2, 2, 1), "{more}");
            let told = f.take_error().unwrap().to_string();
            assert!(told.contains("2 packets that were written to it are lost"), "{told}");
            packet(&mut f, 5);
            f.flush();
            std::fs::remove_file(d.join(format!("p.5{end}"))).unwrap();
            assert!(f.finish().is_err());
            assert_eq!((f.packets, f.lost, f.errors), (2, 3, 2));
            assert_eq!(names(&d), [format!("moved{end}")]);
            assert_eq!(packets(&d.join(format!("moved{end}"))).len(), 1);
            std::fs::remove_dir_all(&d).unwrap();
        }
    }

    #[test]
    fn wrong_settings_are_errors() {
        for (more, word) in [
            ("mode: sguil", "sguil"),
            ("compression: zstd", "zstd"),
            ("conditional: never", "never"),
            ("limit: 12", "4 kb"),
            ("filename: '%Y'", "%Y"),
        ] {
            let text = format!("outputs: [{{pcap-log: {{enabled: yes, {more}}}}}]");
            let e = Settings::parse(&text, &Overrides::default()).unwrap_err().to_string();
            // At the setting that is wrong.
            let name = more.split(':').next().unwrap_or_default();
            let at = format!(":1:{}: ", text.find(more).unwrap_or(0) + 1);
            assert!(e.contains(word) && e.contains(&format!("pcap-log.{name}: ")), "{e}");
            let value = text.find(more).unwrap_or(0) + name.len() + 3;
            assert!(e.contains(&at) || e.contains(&format!(":1:{value}: ")), "{e}");
        }
    }
}
