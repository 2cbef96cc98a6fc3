//! Events of workers on their way to files: lines go in by event, whole buffers come out at one writer thread.
//!
//! Every worker has a [`Channel`] of its own: a fixed number of buffers that go round between it and the writer through
//! two bounded lock-free queues. When the writer cannot keep up, buffers run out, and events are dropped by class: flow
//! records first, alerts last. Drops are counted; a packet never waits. Readers of captures wait instead.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use tidegate_core::event::{Event, EventSink};

use crate::config::Outputs;
use crate::eve::{Counts, DropsSeen, EveLine, FastLine, OutputError};

/// Bytes of one buffer. A line that is longer is dropped and counted.
const CHUNK: usize = 256 << 10;
/// Buffers of one worker.
pub const CHUNKS: usize = 32;

/// What an event is worth when not all can be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Flow,
    Record,
    Anomaly,
    Alert,
}

impl Class {
    pub const COUNT: usize = 4;
    pub const NAMES: [&'static str; Class::COUNT] = ["flow", "record", "anomaly", "alert"];

    fn of(e: &Event<'_>) -> Class {
        match e {
            Event::Alert(_) | Event::Drop(_) => Class::Alert,
            Event::Anomaly(_) => Class::Anomaly,
            Event::Tx(_) | Event::File(_) => Class::Record,
            Event::Flow(_) => Class::Flow,
        }
    }

    /// Free buffers that must remain for what is worth more.
    const fn reserve(self) -> usize {
        match self {
            Class::Flow => CHUNKS / 2,
            Class::Record => CHUNKS / 4,
            Class::Anomaly => CHUNKS / 8,
            Class::Alert => 0,
        }
    }
}

/// Lines for one output.
#[derive(Debug)]
struct Chunk {
    output: usize,
    bytes: Vec<u8>,
}

/// What goes round between a worker and the writer.
#[derive(Debug)]
pub struct Channel {
    full: ArrayQueue<Chunk>,
    free: ArrayQueue<Vec<u8>>,
    /// Events dropped, by [`Class`].
    pub dropped: [AtomicU64; Class::COUNT],
}

impl Channel {
    pub fn new() -> Channel {
        let free = ArrayQueue::new(CHUNKS);
        for _ in 0..CHUNKS {
            // The queue has room for all of them.
            let _ = free.push(Vec::with_capacity(CHUNK));
        }
        Channel { full: ArrayQueue::new(CHUNKS), free, dropped: Default::default() }
    }
}

impl Default for Channel {
    fn default() -> Self {
        Channel::new()
    }
}

/// The sink of one worker.
#[derive(Debug)]
pub struct LiveSink {
    lines: Vec<EveLine>,
    /// `fast.log`, the output behind those of `lines`.
    fast: Option<FastLine>,
    /// The buffer being filled, by output.
    current: Vec<Option<Vec<u8>>>,
    channel: Arc<Channel>,
    drops: DropsSeen,
    pub counts: Counts,
    /// Flows that ended since the worker looked, for those who keep rules in hardware: numbers of flows that were
    /// bypassed or dropped.
    pub ended: Vec<u64>,
    /// Wait for the writer rather than drop.
    patient: bool,
}

/// Ended flows remembered between two looks.
const ENDED: usize = 4096;

impl LiveSink {
    pub fn new(outputs: &Outputs, ips: bool, channel: Arc<Channel>, patient: bool) -> LiveSink {
        LiveSink {
            lines: outputs.eve.iter().map(|s| EveLine::new(s.clone(), ips)).collect(),
            fast: outputs.fast.as_ref().map(|_| FastLine::default()),
            current: vec![None; outputs.eve.len() + usize::from(outputs.fast.is_some())],
            channel,
            drops: DropsSeen::new(outputs.eve.iter().any(|o| o.drop.is_some())),
            counts: Counts::default(),
            ended: Vec::with_capacity(ENDED),
            patient,
        }
    }

    /// Hands over what was collected.
    pub fn flush(&mut self) {
        for (output, c) in self.current.iter_mut().enumerate() {
            if let Some(bytes) = c.take_if(|b| !b.is_empty()) {
                // There are no more buffers than the queue has places.
                let _ = self.channel.full.push(Chunk { output, bytes });
            }
        }
    }
}

/// Puts a line into the buffer of its output.
fn keep(
    line: &[u8],
    output: usize,
    current: &mut Option<Vec<u8>>,
    channel: &Channel,
    class: Class,
    patient: bool,
) {
    let need = line.len() + 1;
    if let Some(bytes) = current.take_if(|c| c.len() + need > CHUNK) {
        let _ = channel.full.push(Chunk { output, bytes });
    }
    if current.is_none() {
        while patient && channel.free.is_empty() {
            std::thread::yield_now();
        }
        if need <= CHUNK && (patient || channel.free.len() > class.reserve()) {
            *current = channel.free.pop();
        }
    }
    match current {
        Some(c) => {
            c.extend_from_slice(line);
            c.push(b'\n');
        }
        None => {
            channel.dropped[class as usize].fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl EventSink for LiveSink {
    fn event(&mut self, event: Event<'_>) {
        self.counts.event(&event);
        if let Event::Flow(f) = &event
            && (f.state() == tidegate_core::flow::State::Bypassed || f.has(tidegate_core::flow::flag::DROP))
            && self.ended.len() < ENDED
        {
            self.ended.push(f.id());
        }
        let first = self.drops.first(&event);
        let class = Class::of(&event);
        for (i, (line, current)) in self.lines.iter_mut().zip(&mut self.current).enumerate() {
            let text = line.write(&event, first);
            if !text.is_empty() {
                keep(text, i, current, &self.channel, class, self.patient);
            }
        }
        let i = self.lines.len();
        if let (Event::Alert(a), Some(fast), Some(current)) =
            (&event, &mut self.fast, self.current.get_mut(i))
        {
            let text = fast.alert(a);
            if !text.is_empty() {
                keep(text, i, current, &self.channel, class, self.patient);
            }
        }
    }
}

/// A file that lines are written to.
#[derive(Debug)]
struct Target {
    path: PathBuf,
    file: File,
}

impl Target {
    fn open(path: PathBuf, append: bool) -> Result<Target, OutputError> {
        let file = OpenOptions::new().create(true).write(true).append(append).truncate(!append).open(&path);
        match file {
            Ok(file) => Ok(Target { path, file }),
            Err(source) => Err(OutputError { path, source }),
        }
    }
}

/// The thread that writes what workers say.
#[derive(Debug)]
pub struct Writer {
    stop: Arc<AtomicBool>,
    reopen: Arc<AtomicBool>,
    thread: JoinHandle<Option<OutputError>>,
}

/// Time between two looks at empty queues.
const REST: Duration = Duration::from_millis(2);

impl Writer {
    /// Opens the outputs' files in `dir` and starts the thread. `append`: what is in the files stays.
    pub fn start(
        outputs: &Outputs,
        dir: &Path,
        append: bool,
        channels: Vec<Arc<Channel>>,
    ) -> Result<Writer, OutputError> {
        let mut targets = Vec::new();
        for name in outputs.eve.iter().map(|o| &o.filename).chain(&outputs.fast) {
            targets.push(Target::open(dir.join(name), append)?);
        }
        let (stop, reopen) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (s, r) = (stop.clone(), reopen.clone());
        let thread = std::thread::Builder::new()
            .name("writer".into())
            .spawn(move || write_all(targets, &channels, &s, &r))
            .map_err(|source| OutputError { path: dir.to_owned(), source })?;
        Ok(Writer { stop, reopen, thread })
    }

    /// Opens the files anew, after they were moved away.
    pub fn reopen(&self) {
        self.reopen.store(true, Ordering::Relaxed);
    }

    /// Writes what is left and ends; the first error that ever happened, if any.
    pub fn finish(self) -> Result<(), OutputError> {
        self.stop.store(true, Ordering::Release);
        match self.thread.join() {
            Ok(None) | Err(_) => Ok(()),
            Ok(Some(e)) => Err(e),
        }
    }
}

fn write_all(
    mut targets: Vec<Target>,
    channels: &[Arc<Channel>],
    stop: &AtomicBool,
    reopen: &AtomicBool,
) -> Option<OutputError> {
    let mut error = None;
    loop {
        // Asked before the queues: what was said before the stop is written.
        let last = stop.load(Ordering::Acquire);
        let mut any = false;
        if reopen.swap(false, Ordering::Relaxed) {
            for t in &mut targets {
                match Target::open(t.path.clone(), true) {
                    Ok(new) => *t = new,
                    Err(e) => error = error.or(Some(e)),
                }
            }
        }
        for c in channels {
            while let Some(mut chunk) = c.full.pop() {
                any = true;
                if let Some(t) = targets.get_mut(chunk.output)
                    && let Err(source) = t.file.write_all(&chunk.bytes)
                {
                    error.get_or_insert(OutputError { path: t.path.clone(), source });
                }
                chunk.bytes.clear();
                let _ = c.free.push(chunk.bytes);
            }
        }
        if !any {
            if last {
                return error;
            }
            std::thread::sleep(REST);
        }
    }
}

/// Lines of the manager itself (`stats` records), through a channel of its own.
#[derive(Debug)]
pub struct OwnLines {
    pub lines: Vec<EveLine>,
    channel: Arc<Channel>,
}

impl OwnLines {
    pub fn new(outputs: &Outputs, ips: bool, channel: Arc<Channel>) -> OwnLines {
        OwnLines { lines: outputs.eve.iter().map(|s| EveLine::new(s.clone(), ips)).collect(), channel }
    }

    /// Writes a `stats` record to the outputs that want one.
    pub fn stats(&mut self, stats: &crate::eve::Stats<'_>) {
        for (i, l) in self.lines.iter_mut().enumerate() {
            let text = l.stats(stats);
            if text.is_empty() {
                continue;
            }
            let mut current = None;
            keep(text, i, &mut current, &self.channel, Class::Alert, false);
            if let Some(bytes) = current {
                let _ = self.channel.full.push(Chunk { output: i, bytes });
            }
        }
    }
}
