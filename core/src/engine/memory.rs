//! How the memory of an engine is shared out: bytes in, sizes of every table and pool out.
//!
//! [`MemoryPlan::new`] is pure, so that a caller can say what an engine would take before making one. The plan counts
//! what [`super::Engine::new`] allocates for a rule set without rules; rules take memory of their own beside it.

use super::plain::Plain;
use super::response::Responding;
use super::{Config, FlowState};
use crate::app::judge;
use crate::detect::state::HostTable;
use crate::detect::tag::{HostTags, host_tags};
use crate::detect::threshold::Thresholds;
use crate::flow::FlowTable;
use crate::pool::{Arena, BytePool, PAGE, Slab};
use crate::stream::defrag::{Defrag, DefragConfig};
use crate::stream::{Session, StreamConfig};
use crate::unseal::UnsealConfig;

/// What does not depend on the memory: one burst of packets, reassembled datagrams, messages, what dialects of AI services say.
const FIXED: u64 = 1967 << 10;
/// Most bytes of each of the four buffers that transforms and built values use; see `DetectConfig::scratch`.
const SCRATCH: u64 = 256 << 10;

/// The memory is less than an engine needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("memory is {given} bytes; an engine needs at least {least}")]
pub struct TooSmall {
    pub given: u64,
    pub least: u64,
}

/// One share of the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub name: &'static str,
    /// What the part holds.
    pub holds: &'static str,
    pub bytes: u64,
}

/// Sizes of every table and pool of an engine within a number of bytes.
#[derive(Clone, Copy, Debug)]
pub struct MemoryPlan {
    /// Flows, and TCP sessions.
    pub flows: usize,
    /// Bytes of the pool for stream data, and of that for what parsers and files keep.
    pub stream: usize,
    pub app: usize,
    /// Bytes for states, transactions and files of all protocols.
    pub records: usize,
    /// Bytes for decoders of bodies.
    pub decoders: usize,
    /// Bytes for readers of model files.
    pub model_files: usize,
    /// Bytes for what calls add up to.
    pub ledger: usize,
    pub trackers: usize,
    pub fragments: usize,
    pub fragment_bytes: usize,
    /// Places in each of the two tables of hosts: thresholds, and what rules keep by host.
    pub hosts: usize,
    pub scratch: usize,
    /// TLS sessions that are read with keys.
    pub unseal: UnsealConfig,
}

/// Shares of what is left after fixed buffers, in thousandths.
mod share {
    pub const FLOWS: u64 = 220;
    pub const STREAM: u64 = 190;
    pub const APP: u64 = 190;
    pub const RECORDS: u64 = 170;
    pub const DECODERS: u64 = 75;
    pub const LEDGER: u64 = 30;
    pub const MODEL_FILES: u64 = 60;
    pub const DEFRAG: u64 = 50;
    pub const HOSTS: u64 = 15;
}

const _: () = assert!(
    share::FLOWS
        + share::STREAM
        + share::APP
        + share::RECORDS
        + share::DECODERS
        + share::MODEL_FILES
        + share::LEDGER
        + share::DEFRAG
        + share::HOSTS
        == 1000
);

impl MemoryPlan {
    /// The least memory of an engine, bytes.
    pub const LEAST: u64 = 4 << 20;

    /// Shares `bytes` out, none of them for TLS sessions with keys.
    pub fn new(bytes: u64) -> Result<MemoryPlan, TooSmall> {
        Self::with_keys(bytes, UnsealConfig::default())
    }

    /// Shares out what `unseal` leaves of `bytes`.
    pub fn with_keys(bytes: u64, unseal: UnsealConfig) -> Result<MemoryPlan, TooSmall> {
        let keys = unseal.takes() as u64;
        if bytes < Self::LEAST + keys {
            return Err(TooSmall { given: bytes, least: Self::LEAST + keys });
        }
        let bytes = bytes - keys;
        let scratch = (bytes / 64).min(SCRATCH);
        let rest = bytes - FIXED - Responding::BYTES - 4 * scratch;
        let of = |thousandths: u64| usize::try_from(rest / 1000 * thousandths).unwrap_or(usize::MAX / 4);
        let defrag = of(share::DEFRAG);
        let fragments = (defrag / 5 / Defrag::FRAGMENT).max(16);
        let trackers = (defrag / 5 / Defrag::TRACKER).max(8);
        Ok(MemoryPlan {
            flows: most_flows(of(share::FLOWS)),
            stream: BytePool::within(of(share::STREAM)),
            app: BytePool::within(of(share::APP)),
            records: of(share::RECORDS) / (PAGE + 64) * PAGE,
            decoders: of(share::DECODERS),
            ledger: of(share::LEDGER),
            model_files: judge::taken_of(of(share::MODEL_FILES)),
            trackers,
            fragments,
            fragment_bytes: BytePool::within(defrag / 5 * 3),
            hosts: places(of(share::HOSTS)),
            scratch: scratch as usize,
            unseal,
        })
    }

    /// The shares, by name; their sum is what an engine allocates.
    pub fn parts(&self) -> [Part; 15] {
        let part = |name, holds, bytes: usize| Part { name, holds, bytes: bytes as u64 };
        let defrag = DefragConfig {
            trackers: self.trackers,
            max_frags: self.fragments,
            memory: self.fragment_bytes,
            ..DefragConfig::default()
        };
        [
            part("flows", "keys, counters and deadlines of flows", FlowTable::bytes(self.flows)),
            part("sessions", "TCP sessions", Slab::<Session>::bytes(self.flows)),
            part(
                "flow state",
                "what parsers and rules know of a flow; ends and tags of streams without packets",
                self.flows * size_of::<FlowState>() + Plain::bytes(self.flows),
            ),
            part(
                "stream bytes",
                "TCP data that waits for parsers, rules or a hole",
                BytePool::bytes(self.stream),
            ),
            part("application bytes", "header values, bodies, windows of files", BytePool::bytes(self.app)),
            part(
                "records",
                "parser states, transactions, files of all protocols",
                Arena::bytes(self.records),
            ),
            part("decoders", "gzip, deflate, brotli, zstd and lzma of bodies", self.decoders),
            part("model files", "readers of model files that pass", self.model_files),
            part("ledger", "services and figures of models, by calls", self.ledger),
            part("fragments", "datagrams that wait for fragments", Defrag::bytes(&defrag)),
            part("hosts", "thresholds, xbits and tags by address", host_bytes(self.hosts)),
            part("scratch", "values that rules build", 4 * self.scratch),
            part("response", "what each block met", Responding::BYTES as usize),
            part("TLS sessions", "secrets, and what is read with them", self.unseal.takes()),
            part("fixed", "one burst of packets, messages being put together", FIXED as usize),
        ]
    }

    /// The sum of all parts.
    pub fn total(&self) -> u64 {
        self.parts().iter().map(|p| p.bytes).sum()
    }

    /// Sets the sizes in `c`. Limits that are there and lower stay.
    pub fn apply(&self, c: &mut Config) {
        c.flow.max_flows = self.flows;
        c.stream = StreamConfig { max_sessions: self.flows, ..core::mem::take(&mut c.stream) };
        c.memory = super::Memory { stream: self.stream, app: self.app };
        c.app.records = self.records;
        c.app.decoders = self.decoders;
        c.app.model_files = self.model_files;
        c.ledger.bytes = self.ledger;
        c.defrag.trackers = self.trackers;
        c.defrag.max_frags = self.fragments;
        c.defrag.memory = c.defrag.memory.min(self.fragment_bytes);
        c.detect.threshold_slots = self.hosts;
        c.detect.host_slots = self.hosts;
        c.detect.scratch = self.scratch;
        c.unseal = self.unseal;
    }
}

/// Most flows whose tables take `bytes`. Buckets come in powers of two, each for at most two flows.
fn most_flows(bytes: usize) -> usize {
    let takes = |n: usize| {
        FlowTable::bytes(n) + Slab::<Session>::bytes(n) + n * size_of::<FlowState>() + Plain::bytes(n)
    };
    let per = takes(1024) / 1024;
    let mut n = bytes / per * 11 / 10;
    while n > 16 && takes(n) > bytes {
        n -= n.div_ceil(64);
    }
    n.max(16)
}

fn host_bytes(places: usize) -> usize {
    Thresholds::bytes(places) + HostTable::<()>::bytes(places) + HostTags::bytes(host_tags(places))
}

/// The largest power of two of places in both tables of hosts within `bytes`.
fn places(bytes: usize) -> usize {
    let mut n = 64;
    while host_bytes(n * 2) <= bytes {
        n *= 2;
    }
    n
}
