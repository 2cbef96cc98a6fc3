//! Context from the host: which process, container and pod is at the ends of a flow.
//!
//! In: log lines of others (DOCA Argus, Falco, Tetragon, osquery, lists of Kubernetes' pods), and the flows that events are
//! written about. Out: the object `context` in every event of a flow whose ends are known, and a `context` event when a host's
//! word comes after events of its flow were written. Owns tables of fixed size, shared by all workers and readers; nothing
//! here runs on the path of a packet, only where an event is written.
//!
//! * `source/`: one file a source, a line each in `source::SOURCES`.
//! * `table.rs`: joins by the ends and the time, whichever side comes first.
//! * `text.rs`: what was said, once each, in a ring of bytes. `known.rs`: processes and pods by their names.
//! * `read.rs`: files, followed files, pipes and sockets.

mod known;
pub mod read;
mod source;
mod table;
mod text;

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hasher};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use tidegate_core::Secret;
use tidegate_core::flow::FlowView;
use tidegate_core::packet::Addr;

use crate::eve::Json;
use known::Known;
pub use source::{Connection, Pod, SOURCES, Said, Who};
use table::{End, Pair, Table};
use text::Texts;

/// What is read, how much memory it may take, how far apart times may be.
#[derive(Clone, Debug)]
pub struct ContextSettings {
    /// Files, pipes, and sockets to listen on (`unix:PATH`).
    pub files: Vec<PathBuf>,
    /// Bytes of all tables.
    pub memory: u64,
    /// Nanoseconds between a flow and what is said of it, at most.
    pub window: u64,
}

impl Default for ContextSettings {
    fn default() -> Self {
        ContextSettings { files: Vec::new(), memory: 64 << 20, window: 30_000_000_000 }
    }
}

/// Least memory, bytes.
pub const LEAST: u64 = 1 << 20;
/// `context` events that wait for an output.
const WAITING: usize = 65_536;

/// Names of the counters, in `stats`.
const NAMES: [&str; 12] = [
    "context.lines",
    "context.malformed",
    "context.other_events",
    "context.connections",
    "context.joined",
    "context.joined_late",
    "context.unjoined",
    "context.flows_evicted",
    "context.forgotten",
    "context.late_lost",
    "context.busy",
    "context.pods_lost",
];

/// What a line was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// An empty one.
    Nothing,
    /// No JSON.
    Malformed,
    /// An event that says nothing of connections, processes or pods.
    Other,
    Said,
}

/// By number in [`NAMES`].
#[derive(Clone, Copy)]
enum Count {
    /// Lines read.
    Lines,
    /// Lines that could not be read.
    Malformed,
    /// Events that say nothing of connections, processes or pods.
    Other,
    /// Connections that hosts told of.
    Connections,
    /// Those that met their flow.
    Joined,
    /// Those of them that came after events of the flow were written.
    Late,
    /// Those that met none before they had to make room, or before the end.
    Unjoined,
    /// Living flows that had to make room.
    Evicted,
    /// Texts that were overwritten by newer ones.
    Forgotten,
    /// `context` events that found no room.
    LateLost,
    /// Events that were written without context, because a reader held a table.
    Busy,
    /// Pods that found no room.
    PodsLost,
}

/// A `context` event that is due.
#[derive(Clone, Debug)]
pub struct Late {
    pub flow: u64,
    /// Nanoseconds since the epoch: when the host saw it.
    pub time: u64,
    pub client: (IpAddr, u16),
    pub server: (IpAddr, u16),
    pub proto: u8,
    /// What is known of client and server: JSON.
    pub texts: [Option<Vec<u8>>; 2],
}

/// A [`Late`] whose texts lie with all others, so that waiting ones take little.
struct Due {
    flow: u64,
    time: u64,
    client: End,
    server: End,
    proto: u8,
    texts: [u64; 2],
}

/// See the module.
pub struct Context {
    table: Table,
    texts: Mutex<Texts>,
    known: Known,
    /// It was told that pods find no room.
    full: AtomicBool,
    late: Mutex<VecDeque<Due>>,
    counts: [AtomicU64; NAMES.len()],
    memory: u64,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("memory", &self.memory).finish_non_exhaustive()
    }
}

/// Attempts at a lock before an event goes without context: a packet never waits for a log.
const ATTEMPTS: usize = 200;

/// As [`lock`], without waiting for somebody who was put aside while he had it.
fn lock_soon<T>(m: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    for _ in 0..ATTEMPTS {
        match m.try_lock() {
            Ok(g) => return Some(g),
            Err(TryLockError::Poisoned(p)) => return Some(p.into_inner()),
            Err(TryLockError::WouldBlock) => std::hint::spin_loop(),
        }
    }
    None
}

/// A hash that begins with what senders, who choose much of what is hashed, do not know.
fn keyed(key: [u64; 2]) -> DefaultHasher {
    let mut h = DefaultHasher::new();
    key.iter().for_each(|k| h.write_u64(*k));
    h
}

/// What is behind a lock stays whole when a thread panics: all changes are single stores of plain values.
fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Context {
    /// Takes all of its memory. `secret` keys the tables.
    pub fn new(settings: &ContextSettings, secret: Secret) -> Context {
        let memory = settings.memory.max(LEAST);
        // A flow costs some 100 bytes, and what is said of it is often said of many.
        let (texts, pods) = (memory / 16 * 3, memory / 8);
        Context {
            table: Table::new(memory - texts - pods, settings.window, secret.key(*b"context ")),
            texts: Mutex::new(Texts::new(texts, secret.key(*b"ctx text"))),
            known: Known::new(pods, secret.key(*b"ctx name")),
            full: AtomicBool::new(false),
            late: Mutex::new(VecDeque::new()),
            counts: Default::default(),
            memory,
        }
    }

    fn count(&self, what: Count, n: u64) {
        self.counts[what as usize].fetch_add(n, Ordering::Relaxed);
    }

    /// Takes a log line of any source; its time, if it says one.
    pub fn line(&self, line: &[u8]) -> Option<u64> {
        self.heard(line).1
    }

    /// As [`Context::line`], also what the line was.
    fn heard(&self, line: &[u8]) -> (Heard, Option<u64>) {
        let line = line.trim_ascii();
        if line.is_empty() {
            return (Heard::Nothing, None);
        }
        match serde_json::from_slice(line) {
            Ok(v) => self.value(&v),
            Err(_) => {
                self.count(Count::Lines, 1);
                self.count(Count::Malformed, 1);
                (Heard::Malformed, None)
            }
        }
    }

    /// As [`Context::heard`], of a line that was read already.
    fn value(&self, v: &serde_json::Value) -> (Heard, Option<u64>) {
        let mut time = None;
        let heard = self.value_to(v, &mut |said| {
            if let Said::Connection(c) = &said {
                time = Some(time.unwrap_or(c.time).max(c.time));
            }
            self.take(said);
        });
        (heard, time)
    }

    /// Counts a value and gives what it says to `f`.
    fn value_to(&self, v: &serde_json::Value, f: &mut dyn FnMut(Said)) -> Heard {
        self.count(Count::Lines, 1);
        let mut any = false;
        source::read(v, &mut |said| {
            any = true;
            f(said);
        });
        if !any {
            self.count(Count::Other, 1);
        }
        if any { Heard::Said } else { Heard::Other }
    }

    /// Takes a whole list of pods, by its number from 1 on, in place of what it said before; how many find no room.
    fn list(&self, list: u32, pods: Vec<Pod>) -> u64 {
        let lost = self.known.list(list, pods);
        self.count(Count::PodsLost, lost);
        lost
    }

    /// Takes what a host says.
    pub fn take(&self, said: Said) {
        match said {
            Said::Process(who) => self.known.process(&who, &self.texts),
            Said::Pods(pods) => {
                let lost = self.known.pods(pods);
                self.count(Count::PodsLost, lost);
                if lost > 0 && !self.full.swap(true, Ordering::Relaxed) {
                    eprintln!("tidegate: pods find no room in context.memory; context.pods_lost counts them");
                }
            }
            Said::Gone { namespace, name } => self.known.gone(namespace, name),
            Said::Connection(c) => self.connection(*c),
        }
    }

    fn connection(&self, mut c: Connection) {
        self.count(Count::Connections, 1);
        self.known.complete(&mut c.who, Some(c.local.0), &self.texts);
        // Made before the lock is taken: writers of events do not wait for it.
        let json = c.who.json(c.source);
        let text = lock(&self.texts).put(json.as_bytes());
        let (pair, local_is_a) = Pair::new(c.local, c.remote, c.proto);
        let met = self.table.say(&pair, usize::from(!local_is_a), c.time, text);
        self.count(Count::Unjoined, met.gave_way);
        self.count(Count::Evicted, met.evicted);
        self.count(Count::Joined, met.joined);
        let Some(flow) = met.late else { return };
        self.count(Count::Late, 1);
        let ends = [c.local, c.remote];
        let local_is_client = local_is_a == flow.client_is_a;
        let (client, server) = if local_is_client { (ends[0], ends[1]) } else { (ends[1], ends[0]) };
        let texts = if flow.client_is_a { flow.texts } else { [flow.texts[1], flow.texts[0]] };
        let mut late = lock(&self.late);
        if late.len() < WAITING {
            late.push_back(Due { flow: flow.id, time: c.time, client, server, proto: c.proto, texts });
        } else {
            self.count(Count::LateLost, 1);
        }
    }

    /// The next `context` event that is due.
    pub fn late(&self) -> Option<Late> {
        let d = lock(&self.late).pop_front()?;
        let all = lock(&self.texts);
        let texts = d.texts.map(|t| all.get(t).map(<[u8]>::to_vec));
        Some(Late { flow: d.flow, time: d.time, client: d.client, server: d.server, proto: d.proto, texts })
    }

    /// An event of a flow is written: joins what was said of it. For callers that have no view of the flow; `ends` are client
    /// and server.
    pub fn meet(&self, ends: (End, End), proto: u8, id: u64, times: (u64, u64)) {
        self.texts_of(ends, proto, id, times);
    }

    /// The numbers of the texts of client and server.
    fn texts_of(&self, ends: (End, End), proto: u8, id: u64, times: (u64, u64)) -> Option<[u64; 2]> {
        let (pair, client_is_a) = Pair::new(ends.0, ends.1, proto);
        let Some(met) = self.table.flow(&pair, client_is_a, id, times) else {
            self.count(Count::Busy, 1);
            return None;
        };
        self.count(Count::Unjoined, met.gave_way);
        self.count(Count::Evicted, met.evicted);
        self.count(Count::Joined, met.joined);
        Some(if client_is_a { met.texts } else { [met.texts[1], met.texts[0]] })
    }

    /// Writes what is known of a flow's ends as the object `context` into an event of it.
    pub fn write(&self, j: &mut Json, f: &FlowView<'_>) {
        let k = f.key();
        if !matches!(k.proto, 6 | 17 | 132) {
            return;
        }
        let (client, server) = ((address(&k.src, k.v6), k.sp), (address(&k.dst, k.v6), k.dp));
        let Some(both) = self.texts_of((client, server), k.proto, f.id(), (f.start(), f.last())) else {
            return;
        };
        let mut open = false;
        for ((name, text), address) in ["client", "server"].into_iter().zip(both).zip([client.0, server.0]) {
            let Some(texts) = lock_soon(&self.texts) else { return self.close_busy(j, open) };
            let said = texts.get(text);
            if said.is_none() && text != 0 {
                self.count(Count::Forgotten, 1);
            }
            let by_address = if said.is_none() { self.known.at(address) } else { None };
            let Some(text) = said.or(by_address.as_deref().map(str::as_bytes)) else { continue };
            if !open {
                j.open("context");
                open = true;
            }
            j.key(name);
            j.buf.extend_from_slice(text);
        }
        if open {
            j.close();
        }
    }

    /// Others were at the texts for too long: the event goes on without them.
    fn close_busy(&self, j: &mut Json, open: bool) {
        self.count(Count::Busy, 1);
        if open {
            j.close();
        }
    }

    /// A flow is over: it is the first to make room, once nothing can be said of it any more.
    pub fn ended(&self, f: &FlowView<'_>) {
        let k = f.key();
        if matches!(k.proto, 6 | 17 | 132) {
            let (pair, _) = Pair::new((address(&k.src, k.v6), k.sp), (address(&k.dst, k.v6), k.dp), k.proto);
            self.table.ended(&pair, f.id());
        }
    }

    /// Nothing more comes: what met no flow is counted.
    pub fn finish(&self) {
        self.count(Count::Unjoined, self.table.finish());
    }

    /// Counters under their names.
    pub fn counters(&self) -> Vec<(String, u64)> {
        let mut out: Vec<(String, u64)> =
            NAMES.iter().zip(&self.counts).map(|(n, c)| (n.to_string(), c.load(Ordering::Relaxed))).collect();
        out.push(("context.memuse".into(), self.memory));
        out.push(("context.pods".into(), self.known.count() as u64));
        out
    }
}

fn address(a: &Addr, v6: bool) -> IpAddr {
    let [w, x, y, z, ..] = a.0;
    if v6 { IpAddr::from(a.0) } else { IpAddr::from([w, x, y, z]) }
}
