//! From workers to the responder: events that playbooks look at, as EVE writes them, and frames of hosts that are captured. A
//! fixed number of buffers goes round; when none is left, what comes is counted and lost, and no packet waits.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;

use crossbeam_queue::ArrayQueue;
use tidegate_core::engine::Frame;
use tidegate_core::event::{Alert, Event, PolicyRecord};

use super::playbook::{Kinds, Playbook};
use crate::config::EveSettings;
use crate::config::eve::AlertSettings;
use crate::eve::EveLine;
use crate::live::blocklist;

/// Buffers, and bytes of one.
const BUFFERS: usize = 512;
const ROOM: usize = 16 << 10;

/// What a buffer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A line of EVE.
    Event,
    /// A frame of a host that is captured: the capture's number, and bytes on the wire.
    Frame { capture: u32, wire: u32 },
}

/// One thing that happened.
#[derive(Debug)]
pub struct Item {
    pub what: What,
    /// ns since the epoch.
    pub ts: u64,
    pub bytes: Vec<u8>,
}

/// Both ends of the tap.
#[derive(Debug)]
pub struct Shared {
    free: ArrayQueue<Vec<u8>>,
    full: ArrayQueue<Item>,
    /// Who is woken.
    reader: OnceLock<Thread>,
    /// Events and frames that found no buffer, or were too long for one.
    pub missed: [AtomicU64; 2],
}

impl Shared {
    /// Takes all buffers; without playbooks (`on`) there is nothing to hand over, and none are taken.
    pub fn new(on: bool) -> Shared {
        let buffers = if on { BUFFERS } else { 1 };
        let free = ArrayQueue::new(buffers);
        for _ in 0..buffers {
            let _ = free.push(Vec::with_capacity(if on { ROOM } else { 0 }));
        }
        Shared { free, full: ArrayQueue::new(buffers), reader: OnceLock::new(), missed: Default::default() }
    }

    /// The calling thread is woken from now on.
    pub fn read_here(&self) {
        let _ = self.reader.set(std::thread::current());
    }

    /// The next thing, oldest first.
    pub fn next(&self) -> Option<Item> {
        self.full.pop()
    }

    /// A buffer goes round again.
    pub fn give_back(&self, mut i: Item) {
        i.bytes.clear();
        let _ = self.free.push(i.bytes);
    }

    /// Neither allocates nor waits.
    fn put(&self, what: What, ts: u64, bytes: &[u8]) {
        let kind = usize::from(what != What::Event);
        let buffer = if bytes.len() <= ROOM { self.free.pop() } else { None };
        let Some(mut buffer) = buffer else {
            self.missed[kind].fetch_add(1, Ordering::Relaxed);
            return;
        };
        buffer.extend_from_slice(bytes);
        // There are as many places as buffers.
        let _ = self.full.push(Item { what, ts, bytes: buffer });
        if let Some(t) = self.reader.get() {
            t.unpark();
        }
    }
}

/// A worker's end: events that some playbook looks at.
#[derive(Debug)]
pub struct Tap {
    shared: Arc<Shared>,
    line: EveLine,
    alerts: bool,
    policy: bool,
    /// The only signatures that are asked for, sorted; `None`: all.
    signatures: Option<Vec<u64>>,
}

/// Events as playbooks see them: as an output with the default settings has them.
pub fn settings() -> EveSettings {
    EveSettings { alert: Some(AlertSettings::default()), response: false, ..EveSettings::empty("") }
}

impl Tap {
    /// `None`: no playbook looks at anything.
    pub fn new(playbooks: &[Playbook], shared: Arc<Shared>, ips: bool) -> Option<Tap> {
        let of = |k: Kinds| playbooks.iter().any(|p| p.event == k);
        let (alerts, policy) = (of(Kinds::Alert), of(Kinds::Policy));
        if !alerts && !policy {
            return None;
        }
        let mut signatures = Some(Vec::new());
        for p in playbooks.iter().filter(|p| p.event == Kinds::Alert) {
            signatures = signatures.zip(p.signatures()).map(|(mut all, more)| {
                all.extend(more);
                all
            });
        }
        if let Some(s) = &mut signatures {
            s.sort_unstable();
            s.dedup();
        }
        Some(Tap { shared, line: EveLine::new(settings(), ips), alerts, policy, signatures })
    }

    /// An alert was told.
    pub fn alert(&mut self, a: &Alert<'_>) {
        let asked = |s: &Vec<u64>| s.binary_search(&u64::from(a.rule.sid)).is_ok();
        if !self.alerts || a.tagged || self.signatures.as_ref().is_some_and(|s| !asked(s)) {
            return;
        }
        let text = self.line.write(&Event::Alert(a), false);
        self.shared.put(What::Event, a.packet.ts, text);
    }

    /// A policy decided.
    pub fn policy(&mut self, r: &PolicyRecord<'_>) {
        if self.policy {
            let text = self.line.policy(r);
            self.shared.put(What::Event, r.packet.ts, text);
        }
    }
}

/// Hosts whose frames are copied, for all workers. Immutable.
#[derive(Debug)]
pub struct Captured {
    /// Hosts, with the captures' numbers and when they end.
    pub hosts: Vec<(IpAddr, u32, u64)>,
    pub shared: Arc<Shared>,
}

impl Captured {
    /// Copies the frames of captured hosts.
    pub fn copy(&self, frames: &[Frame<'_>]) {
        for f in frames {
            let Some((src, dst)) = blocklist::ends(f.data, f.link) else { continue };
            for (host, capture, until) in &self.hosts {
                if f.ts < *until && (src == *host || dst == *host) {
                    let wire = u32::try_from(f.wire_len()).unwrap_or(u32::MAX);
                    let bytes = f.data.get(..ROOM).unwrap_or(f.data);
                    self.shared.put(What::Frame { capture: *capture, wire }, f.ts, bytes);
                }
            }
        }
    }
}
