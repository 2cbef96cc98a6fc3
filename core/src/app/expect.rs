//! Flows that another flow announced (an FTP control channel its data connections): addresses and a port go in,
//! the protocol of the flow that then appears comes out. Owns a fixed table; the oldest entry yields when full.

use alloc::vec::Vec;

use super::{AppProto, FlowFacts};
use crate::packet::Addr;
use crate::pool::{BytePool, PBuf};

/// Announcements older than this are void, ns.
const LIFE: u64 = 30_000_000_000;
/// Most bytes an announcement carries to the announced flow's parser.
pub const WHAT_MAX: usize = 512;

/// A parser announces a flow between the same two addresses.
#[derive(Clone, Copy, Debug)]
pub struct Announce {
    pub proto: AppProto,
    /// Server port of the announced flow.
    pub port: u16,
    /// Bytes for the announced flow's parser ([`Parser::expected`](super::Parser::expected)).
    pub what: [u8; WHAT_MAX],
    pub what_len: u16,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    addrs: [Addr; 2],
    port: u16,
    proto: AppProto,
    what: PBuf,
    flow: u64,
    until: u64,
}

/// What is handed to the announced flow's parser.
#[derive(Clone, Copy, Debug)]
pub struct Carried {
    pub what: PBuf,
    /// Number of the flow that announced it.
    pub flow: u64,
}

/// The table.
#[derive(Debug)]
pub struct Expectations {
    list: Vec<Entry>,
    evicted: u64,
}

impl Expectations {
    /// Room for `n` announcements.
    pub fn new(n: usize) -> Self {
        Expectations { list: Vec::with_capacity(n.max(1)), evicted: 0 }
    }

    /// Announcements that yielded to newer ones.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// The source of packets ended: nothing announced will come any more.
    pub fn clear(&mut self, pool: &mut BytePool) {
        self.list.iter_mut().for_each(|x| x.what.free(pool));
        self.list.clear();
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Remembers an announcement made in `flow`.
    pub fn add(&mut self, flow: &FlowFacts, e: &Announce, pool: &mut BytePool, now: u64) {
        self.list.retain_mut(|x| {
            let stays = x.until > now && !(x.port == e.port && same(&x.addrs, &flow.addrs));
            if !stays {
                x.what.free(pool);
            }
            stays
        });
        if self.list.len() == self.list.capacity() {
            self.evicted += 1;
            self.list.remove(0).what.free(pool);
        }
        let what = e.what.get(..usize::from(e.what_len)).unwrap_or(&[]);
        let what = PBuf::from_slice(pool, what).unwrap_or_default();
        let (proto, port, addrs) = (e.proto, e.port, flow.addrs);
        self.list.push(Entry { addrs, port, proto, what, flow: flow.id, until: now.saturating_add(LIFE) });
    }

    /// The protocol announced for `flow`.
    pub fn find(&self, flow: &FlowFacts, now: u64) -> Option<AppProto> {
        self.list.iter().find(|e| e.until > now && e.fits(flow)).map(|e| e.proto)
    }

    /// Takes the announcement of `flow` out; the caller frees what it carries.
    pub fn take(&mut self, flow: &FlowFacts) -> Option<Carried> {
        let i = self.list.iter().position(|e| e.fits(flow))?;
        let e = self.list.remove(i);
        Some(Carried { what: e.what, flow: e.flow })
    }
}

impl Entry {
    fn fits(&self, flow: &FlowFacts) -> bool {
        self.port == flow.ports[1] && same(&self.addrs, &flow.addrs)
    }
}

fn same(a: &[Addr; 2], b: &[Addr; 2]) -> bool {
    a == b || (a[0] == b[1] && a[1] == b[0])
}
