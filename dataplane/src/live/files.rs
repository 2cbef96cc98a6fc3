//! Files of live traffic on their way to disk: what the engine taps goes in at the worker, `file-store`'s folders come out at
//! the writer's thread.
//!
//! Pieces of files go round in the buffers of events (see [`super::chunk`]), as records of their own: the kind, the number of
//! the file among those of all workers, then bytes, or at the end what becomes of it. When buffers run out a piece is lost,
//! and with it its file, which is taken away again and counted: a file on disk is whole. Events are on their way by then, so
//! `stored` in a `fileinfo` event says that the file was given to the store; `file_store.*` and the record beside it say that
//! it is there.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tidegate_core::event::{Event, FileRecord};

use super::chunk::{Channel, Chunk, Class, Filling};
use super::writer::Outlet;
use crate::config::eve::StoreSettings;
use crate::eve::EveLine;
use crate::eve::store::{Ended, FileStore, Placed};
use crate::lines::Failure;

/// Room for the files of one worker that lost a piece and are not over yet. There are never more than the engine has open.
const LOST: usize = 4096;
/// Bits of a file's number in its engine; those above are the worker's.
const SERIAL: u32 = 48;
/// Bytes of a record before what it carries: the kind and the file.
const HEAD: usize = 9;
/// Bytes of an end: stored, known digest, digest, seconds, number.
const END: usize = 50;

const PIECE: u8 = 0;
const OVER: u8 = 1;
/// What becomes of a file: nothing, it is stored, it would be and lacks a piece.
const NOT: u8 = 0;
const KEPT: u8 = 1;
const LACKS: u8 = 2;

/// A worker's end.
#[derive(Debug)]
pub struct Storing {
    worker: u64,
    /// Of `fileinfo` records beside the files, if there are any.
    line: Option<EveLine>,
    filling: Filling,
    lost: HashSet<u64>,
}

impl Storing {
    /// `output`: the number of the store's outlet.
    pub fn new(worker: usize, output: usize, line: Option<EveLine>, patient: bool) -> Storing {
        Storing {
            worker: (worker as u64) << SERIAL,
            line,
            filling: Filling::new(output, patient),
            lost: HashSet::with_capacity(LOST),
        }
    }

    fn head(&self, kind: u8, file: u64) -> [u8; HEAD] {
        let mut head = [kind; HEAD];
        head[1..].copy_from_slice(&(self.worker | file).to_le_bytes());
        head
    }

    /// The next bytes of a file.
    pub fn bytes(&mut self, file: u64, bytes: &[u8], channel: &Channel) {
        if self.lost.contains(&file) {
            return;
        }
        let head = self.head(PIECE, file);
        if !self.filling.offer([&head, bytes], Class::Record, channel) {
            self.lost.insert(file);
        }
    }

    /// A file ended.
    pub fn ended(&mut self, r: &FileRecord<'_>, channel: &Channel) {
        let e = Ended::of(r);
        let over = self.over(&e);
        let line = self.line.as_mut().filter(|_| over[HEAD] == KEPT);
        let line = line.map_or(&[][..], |l| l.write(&Event::File(r), false));
        // Without room for this the file waits in the folder for what is unfinished, which the end of the run empties.
        let _late = self.filling.offer([&over, line], Class::Alert, channel);
    }

    /// The record of an end, without the line.
    fn over(&mut self, e: &Ended) -> [u8; HEAD + END] {
        let lost = self.lost.remove(&e.file);
        let mut over = [0; HEAD + END];
        over[..HEAD].copy_from_slice(&self.head(OVER, e.file));
        over[HEAD] = match (e.stored, lost) {
            (false, _) => NOT,
            (true, false) => KEPT,
            (true, true) => LACKS,
        };
        over[HEAD + 1] = u8::from(e.digest.is_some());
        over[HEAD + 2..HEAD + 34].copy_from_slice(&e.digest.unwrap_or_default());
        over[HEAD + 34..HEAD + 42].copy_from_slice(&e.seconds.to_le_bytes());
        over[HEAD + 42..].copy_from_slice(&u64::from(e.id).to_le_bytes());
        over
    }

    /// Hands over what was collected.
    pub fn flush(&mut self, channel: &Channel) {
        self.filling.flush(channel);
    }
}

/// `file_store.*`, for `stats`: failed, open, stored.
pub type Shared = Arc<[AtomicU64; 3]>;

/// The writer's end.
pub struct Stored {
    store: FileStore,
    dir: String,
    /// Files of which something was lost on the way here.
    lost: HashSet<u64>,
    shared: Shared,
    /// Errors that were told.
    told: Option<String>,
}

impl Stored {
    /// Makes the folder. `dir`: where outputs are written.
    pub fn create(s: &StoreSettings, dir: &Path, shared: Shared) -> io::Result<Stored> {
        let path = dir.join(&s.dir);
        let name = path.display().to_string();
        let store = FileStore::create(path, s.info)?;
        Ok(Stored { store, dir: name, lost: HashSet::new(), shared, told: None })
    }

    fn over(&mut self, file: u64, end: &[u8; END], line: &[u8]) {
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| end[at + i]));
        let digest = std::array::from_fn(|i| end[2 + i]);
        let lost = self.lost.remove(&file) || end[0] == LACKS;
        if lost && end[0] != NOT {
            self.store.lose(file);
            return;
        }
        let e = Ended {
            file,
            stored: end[0] == KEPT,
            digest: (end[1] == 1).then_some(digest),
            seconds: word(34),
            id: word(42) as u32,
        };
        if let Placed::Stored(Some(path)) = self.store.ended(&e) {
            self.store.record(&path, line);
        }
    }

    /// Records of a chunk, without the line feed behind each.
    fn records(chunk: &Chunk) -> impl Iterator<Item = (u8, u64, &[u8])> {
        let starts = std::iter::once(0).chain(chunk.ends.iter().map(|e| e.at as usize));
        starts.zip(&chunk.ends).filter_map(|(from, to)| {
            let record = chunk.bytes.get(from..(to.at as usize).checked_sub(1)?)?;
            let (head, rest) = record.split_first_chunk::<HEAD>()?;
            let file = u64::from_le_bytes(std::array::from_fn(|i| head[1 + i]));
            Some((head[0], file, rest))
        })
    }
}

impl Outlet for Stored {
    fn name(&self) -> String {
        self.dir.clone()
    }

    fn send(&mut self, chunk: &Chunk) -> Result<(), Failure> {
        for (kind, file, rest) in Self::records(chunk) {
            match rest.split_first_chunk() {
                Some((end, line)) if kind == OVER => self.over(file, end, line),
                _ if kind == PIECE && !self.lost.contains(&file) => self.store.bytes(file, rest),
                _ => {}
            }
        }
        for (to, n) in self.shared.iter().zip(self.store.numbers()) {
            to.store(n, Ordering::Relaxed);
        }
        if let Some((path, e)) = self.store.error() {
            self.told = Some(format!("{}: {e}", path.display()));
        }
        Ok(())
    }

    fn lost(&mut self, chunk: &Chunk) {
        self.lost.extend(Self::records(chunk).filter(|(kind, ..)| *kind == PIECE).map(|(_, file, _)| file));
    }

    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn check(&mut self) -> io::Result<()> {
        self.told.take().map_or(Ok(()), |e| Err(io::Error::other(e)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::chunk::CHUNKS;
    use super::*;

    fn ended(file: u64, stored: bool) -> Ended {
        Ended { file, stored, digest: None, seconds: 7, id: 1 }
    }

    fn say(s: &mut Storing, e: &Ended, channel: &Channel) {
        let over = s.over(e);
        assert!(s.filling.offer([&over, b"{}"], Class::Alert, channel));
    }

    fn write(channel: &Channel, to: &mut Stored) {
        while let Some(c) = channel.next() {
            to.send(&c).unwrap();
            assert!(channel.give_back(c).is_none());
        }
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for d in std::fs::read_dir(dir.join("files")).unwrap().map(|d| d.unwrap().path()) {
            all.extend(std::fs::read_dir(d).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()));
        }
        all.sort();
        all
    }

    #[test]
    fn a_file_that_lost_a_piece_is_not_stored() {
        let dir = std::env::temp_dir().join(format!("tidegate-live-files-{}", std::process::id()));
        let settings = StoreSettings { dir: "files".into(), all: true, info: true, md5: false, sha1: false };
        let shared = Shared::default();
        let mut to = Stored::create(&settings, &dir, shared.clone()).unwrap();
        let channel = Channel::new();
        let mut workers = [0, 1].map(|w| Storing::new(w, 0, None, false));
        // The same number at two workers are two files; the line feed in one is its own.
        workers[0].bytes(1, b"of the first\n", &channel);
        workers[1].bytes(1, b"of the second", &channel);
        workers[0].bytes(2, b"begun", &channel);
        // A writer that stands still: what comes to a file now is lost, and the file with it.
        let [first, second] = &mut workers;
        let piece = vec![b'x'; super::super::chunk::CHUNK - 64];
        (0..2 * CHUNKS as u64).for_each(|_| second.bytes(9, &piece, &channel));
        first.flush(&channel);
        first.bytes(2, b"more", &channel);
        assert!(first.lost.contains(&2) && second.lost.contains(&9));
        write(&channel, &mut to);
        for (w, e) in [(0, ended(1, true)), (1, ended(1, true)), (0, ended(2, true)), (1, ended(9, false))] {
            say(&mut workers[w], &e, &channel);
        }
        workers.iter_mut().for_each(|w| w.flush(&channel));
        write(&channel, &mut to);
        let all = names(&dir);
        assert_eq!(all.len(), 4, "{all:?}");
        let digest = |b: &[u8]| -> String {
            use sha2::Digest;
            sha2::Sha256::digest(b).iter().map(|b| format!("{b:02x}")).collect()
        };
        for b in [&b"of the first\n"[..], b"of the second"] {
            assert!(all.contains(&digest(b)) && all.contains(&format!("{}.7.1.json", digest(b))), "{all:?}");
        }
        assert_eq!(shared.each_ref().map(|n| n.load(Ordering::Relaxed)), [1, 0, 2]);
        let told = to.check().unwrap_err().to_string();
        assert!(told.contains("a part of it was lost"), "{told}");
        // A chunk that the writer lost: its files are not stored either.
        workers[0].bytes(3, b"lost by the writer", &channel);
        workers[0].flush(&channel);
        let chunk = channel.next().unwrap();
        to.lost(&chunk);
        workers[0].bytes(3, b"and the rest", &channel);
        say(&mut workers[0], &ended(3, true), &channel);
        workers[0].flush(&channel);
        write(&channel, &mut to);
        assert_eq!(names(&dir), all);
        drop(to);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
