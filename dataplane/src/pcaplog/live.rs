//! From workers to the thread that writes `pcap-log`: frames that are picked are copied into buffers that go round between both.
//! When none is free, packets are counted and lost, and no packet waits; readers of captures wait instead. Files that were
//! deleted are begun anew within a second, those that were moved away when somebody says so.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_queue::ArrayQueue;
use tidegate_core::engine::Frame;

use super::files::Files;
use super::pick::Picker;
use crate::config::pcaplog::PcapLogSettings;
use crate::live::writer::{Reply, Wish};

/// Bytes of a buffer, and buffers for each worker.
const ROOM: usize = 1 << 20;
const BUFFERS: usize = 8;
/// Bytes before each frame: time, link type, length on the wire, length.
const HEAD: usize = 18;
/// Time between two looks at an empty queue.
const REST: Duration = Duration::from_millis(2);
/// Time between two flushes, and between two messages about trouble.
const FLUSH: Duration = Duration::from_secs(1);
const AGAIN: Duration = Duration::from_secs(60);

/// Both ends, and counters.
#[derive(Debug)]
pub struct Shared {
    free: ArrayQueue<Vec<u8>>,
    full: ArrayQueue<(u32, Vec<u8>)>,
    stop: AtomicBool,
    reopen: Wish,
    /// Packets written and their bytes in files, packets that found no buffer, those that could not be written, writes that
    /// failed.
    pub packets: AtomicU64,
    pub bytes: AtomicU64,
    pub lost: AtomicU64,
    pub unwritten: AtomicU64,
    pub errors: AtomicU64,
}

impl Shared {
    /// Counters for `stats` records.
    pub fn counters(&self) -> [(&'static str, u64); 4] {
        let n = |a: &AtomicU64| a.load(Ordering::Relaxed);
        [
            ("pcap_log.packets", n(&self.packets)),
            ("pcap_log.bytes", n(&self.bytes)),
            ("pcap_log.lost", n(&self.lost) + n(&self.unwritten)),
            ("pcap_log.errors", n(&self.errors)),
        ]
    }
}

/// A worker's end.
#[derive(Debug)]
pub struct Recorder {
    pub picker: Picker,
    shared: Arc<Shared>,
    worker: u32,
    /// What is being filled.
    buffer: Option<Vec<u8>>,
    /// Waits for a buffer rather than losing packets.
    patient: bool,
}

impl Recorder {
    /// The engine has seen these frames: takes those that are picked.
    pub fn frames(&mut self, frames: &[Frame<'_>]) {
        for f in frames {
            if self.picker.picks(f) {
                self.keep(f);
            }
        }
        self.picker.clear();
    }

    fn keep(&mut self, f: &Frame<'_>) {
        let size = HEAD + f.data.len();
        if self.buffer.as_ref().is_some_and(|b| b.len() + size > ROOM) {
            self.flush();
        }
        if self.buffer.is_none() {
            self.buffer = self.take();
        }
        let Some(b) = self.buffer.as_mut().filter(|_| size <= ROOM) else {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
            return;
        };
        b.extend_from_slice(&f.ts.to_le_bytes());
        b.extend_from_slice(&f.link.to_le_bytes());
        b.extend_from_slice(&(f.wire_len() as u32).to_le_bytes());
        b.extend_from_slice(&(f.data.len() as u32).to_le_bytes());
        b.extend_from_slice(f.data);
    }

    fn take(&self) -> Option<Vec<u8>> {
        loop {
            let b = self.shared.free.pop();
            if b.is_some() || !self.patient || self.shared.stop.load(Ordering::Relaxed) {
                return b;
            }
            std::thread::sleep(REST);
        }
    }

    /// Hands over what was collected.
    pub fn flush(&mut self) {
        if self.buffer.as_ref().is_some_and(|b| !b.is_empty())
            && let Some(b) = self.buffer.take()
        {
            // There are as many places as buffers.
            let _ = self.shared.full.push((self.worker, b));
        }
    }
}

/// The thread that writes.
#[derive(Debug)]
pub struct Writer {
    pub shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<(), String>>>,
}

impl Writer {
    /// Starts it, with an end for each of `workers`.
    pub fn start(
        s: &PcapLogSettings,
        dir: &Path,
        depth: u64,
        workers: usize,
        patient: bool,
    ) -> std::io::Result<(Writer, Vec<Recorder>)> {
        let buffers = BUFFERS * workers.max(1);
        let shared = Arc::new(Shared {
            free: ArrayQueue::new(buffers),
            full: ArrayQueue::new(buffers),
            stop: AtomicBool::new(false),
            reopen: Wish::default(),
            packets: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            unwritten: AtomicU64::new(0),
            errors: AtomicU64::new(0),
        });
        for _ in 0..buffers {
            let _ = shared.free.push(Vec::with_capacity(ROOM));
        }
        let ends = (1..=workers as u32)
            .map(|worker| Recorder {
                picker: Picker::new(s, depth),
                shared: shared.clone(),
                worker,
                buffer: None,
                patient,
            })
            .collect();
        let files: Vec<Files> = match s.multi {
            true => (1..=workers as u32).map(|n| Files::new(s, dir, n, workers)).collect(),
            false => vec![Files::new(s, dir, 1, 1)],
        };
        let mine = shared.clone();
        let thread = std::thread::Builder::new()
            .name("pcap-log".into())
            .spawn(move || Work { shared: mine, files, first: None, told: None }.run())?;
        Ok((Writer { shared, thread: Some(thread) }, ends))
    }

    /// Begins files anew, after they were moved away; `reply` is told how that went.
    pub fn reopen(&self, reply: Option<Reply>) {
        self.shared.reopen.make(reply);
    }

    /// Workers have ended: writes what is left.
    pub fn finish(&mut self) -> Result<(), String> {
        self.shared.stop.store(true, Ordering::Release);
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().unwrap_or_else(|_| Err("the writer of pcap-log panicked".into()))
    }
}

struct Work {
    shared: Arc<Shared>,
    files: Vec<Files>,
    /// The first thing that went wrong.
    first: Option<String>,
    /// When trouble was told.
    told: Option<Instant>,
}

impl Work {
    fn run(mut self) -> Result<(), String> {
        let mut flushed = Instant::now();
        loop {
            // Asked before the queue is looked at: what is pushed before the stop is written.
            let stop = self.shared.stop.load(Ordering::Acquire);
            if self.shared.reopen.is_made() {
                self.reopen();
            }
            let mut any = false;
            while let Some((worker, mut buffer)) = self.shared.full.pop() {
                any = true;
                self.write(worker, &buffer);
                buffer.clear();
                let _ = self.shared.free.push(buffer);
            }
            if flushed.elapsed() >= FLUSH {
                flushed = Instant::now();
                self.files.iter_mut().for_each(Files::flush);
                self.files.iter_mut().for_each(Files::look);
            }
            self.count();
            self.tell();
            if stop {
                return self.end();
            }
            if !any {
                std::thread::sleep(REST);
            }
        }
    }

    fn reopen(&mut self) {
        let results: Vec<_> = self.files.iter_mut().map(Files::reopen).collect();
        let failed = results.into_iter().find_map(Result::err);
        let what = "no files can be made there; packets go on into those that were moved away";
        let result = failed.map_or(Ok(()), |e| Err(format!("pcap-log: {e}: {what}")));
        if let Err(text) = &result {
            eprintln!("{text}");
            self.first.get_or_insert_with(|| text.clone());
        }
        self.count();
        self.shared.reopen.done(&result);
    }

    fn tell(&mut self) {
        for e in self.files.iter_mut().filter_map(Files::take_error) {
            let text = format!("pcap-log: {e}");
            if self.told.is_none_or(|t| t.elapsed() >= AGAIN) {
                self.told = Some(Instant::now());
                eprintln!("{text}");
            }
            self.first.get_or_insert(text);
        }
    }

    /// Writes what is still collected. What went wrong, if anything ever did.
    fn end(&mut self) -> Result<(), String> {
        let ends: Vec<_> = self.files.iter_mut().filter_map(|f| f.finish().err()).collect();
        self.count();
        let first = self.first.take().or_else(|| ends.first().map(|e| format!("pcap-log: {e}")));
        // Who is not heard any more is told of the end.
        self.shared.reopen.done(&Err("shutting down".into()));
        let n = |a: &AtomicU64| a.load(Ordering::Relaxed);
        match (first, n(&self.shared.errors)) {
            (Some(e), _) => Err(format!("{e}; {} packets were not written", n(&self.shared.unwritten))),
            (None, 0) => Ok(()),
            (None, errors) => Err(format!("pcap-log: {errors} writes failed")),
        }
    }

    fn write(&mut self, worker: u32, mut rest: &[u8]) {
        let at = if self.files.len() > 1 { worker.saturating_sub(1) as usize } else { 0 };
        let Some(files) = self.files.get_mut(at) else { return };
        while let Some((head, after)) = rest.split_first_chunk::<HEAD>() {
            let [a, b, c, d, e, f, g, h, l0, l1, w0, w1, w2, w3, n0, n1, n2, n3] = *head;
            let len = u32::from_le_bytes([n0, n1, n2, n3]) as usize;
            let Some((data, behind)) = after.split_at_checked(len) else { return };
            let ts = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
            let wire = u32::from_le_bytes([w0, w1, w2, w3]);
            files.write(ts, u16::from_le_bytes([l0, l1]), wire, data);
            rest = behind;
        }
    }

    fn count(&self) {
        let sum = |of: fn(&Files) -> u64| self.files.iter().map(of).sum::<u64>();
        self.shared.packets.store(sum(|f| f.packets), Ordering::Relaxed);
        self.shared.bytes.store(sum(|f| f.bytes), Ordering::Relaxed);
        self.shared.unwritten.store(sum(|f| f.lost), Ordering::Relaxed);
        self.shared.errors.store(sum(|f| f.errors), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Capture;
    use crate::config::{Overrides, Settings};

    #[test]
    fn frames_of_workers_come_to_their_files() {
        let dir = std::env::temp_dir().join(format!("tidegate-pcaplog-live-{}", std::process::id()));
        for (mode, files) in [("normal", &["p.1.1"][..]), ("multi", &["p.1.1", "p.2.1"])] {
            let text = format!("outputs: [{{pcap-log: {{enabled: yes, mode: {mode}, filename: p.%n.%t}}}}]");
            let s = Settings::parse(&text, &Overrides::default()).unwrap().outputs.pcap_log.unwrap();
            let _ = std::fs::remove_dir_all(&dir);
            let (mut w, mut ends) = Writer::start(&s, &dir, 0, 2, true).unwrap();
            let big = vec![9u8; 60_000];
            for i in 0..400u64 {
                let f = Frame { data: &big, ts: 1_000_000_000 + i, link: 1, ..Frame::default() };
                ends[i as usize % 2].frames(&[f]);
            }
            ends.iter_mut().for_each(Recorder::flush);
            let shared = w.shared.clone();
            w.finish().unwrap();
            assert_eq!((shared.counters()[0].1, shared.counters()[2].1), (400, 0));
            let mut times = Vec::new();
            for file in files {
                let mut c = Capture::open(&dir.join(file)).unwrap();
                while let Some(b) = c.next_batch(64).unwrap() {
                    times.extend(b.iter().map(|f| f.ts_ns));
                }
            }
            times.sort_unstable();
            assert!(times.into_iter().eq((0..400).map(|i| 1_000_000_000 + i)), "{mode}");
            std::fs::remove_dir_all(&dir).unwrap();
        }
    }
}
