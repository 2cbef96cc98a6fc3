//! The station of intelligence: ends of new flows, and what transactions and files show, go in; alerts come out. Each buffer of
//! a transaction is looked up once, when it is whole. Owns the tables in force and room for values that are put together.

use alloc::sync::Arc;

use super::Engine;
use crate::Dir;
use crate::app::{Buffer, BufferAt, TxRef, TxView};
use crate::event::{Action, Alert, Event, EventSink, Verdict};
use crate::flow::{FlowIx, flag};
use crate::intel::{How, Intel, Look, Seen};
use crate::packet::Packet;
use crate::pool::Scratch;

/// Bytes of a value that is put together (a name of DNS).
const SCRATCH: usize = 4096;
/// The host that a URL's path belongs to.
const HOST: &str = crate::intel::HOST;
/// Bytes of what the traffic had that are told.
const TOLD: usize = 256;
const SECOND: u64 = 1_000_000_000;

/// What happened, since construction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntelCounters {
    /// Values that were looked up, and those that are known.
    pub looked: u64,
    pub hits: u64,
    /// Indicators in force, and bytes of their tables.
    pub indicators: u64,
    pub bytes: u64,
}

#[derive(Debug)]
pub(super) struct Watch {
    tables: Option<Arc<Intel>>,
    scratch: Scratch,
    counters: IntelCounters,
}

/// What a look is about.
#[derive(Clone, Copy)]
struct At<'a> {
    ix: FlowIx,
    tx: Option<TxRef>,
    pkt: &'a Packet<'a>,
    dir: Dir,
}

impl Watch {
    pub(super) fn new(tables: Option<Arc<Intel>>) -> Watch {
        Watch { tables, scratch: Scratch::new(SCRATCH), counters: IntelCounters::default() }
    }

    pub(super) fn swap(&mut self, tables: Option<Arc<Intel>>) -> Option<Arc<Intel>> {
        core::mem::replace(&mut self.tables, tables)
    }

    pub(super) const fn is_on(&self) -> bool {
        self.tables.is_some()
    }

    pub(super) fn counters(&self) -> IntelCounters {
        let of = |f: fn(&Intel) -> usize| self.tables.as_ref().map_or(0, |t| f(t) as u64);
        IntelCounters { indicators: of(Intel::len), bytes: of(Intel::bytes), ..self.counters }
    }
}

/// What a buffer said.
enum Value {
    /// It may still come.
    Later,
    Done,
}

impl Engine {
    /// The ends of a new flow.
    #[inline(never)]
    pub(super) fn watch_ends(
        &mut self,
        ix: FlowIx,
        (pkt, dir): (&Packet<'_>, Dir),
        sink: &mut dyn EventSink,
    ) {
        if !self.watch.tables.as_ref().is_some_and(|t| t.wants_addresses()) {
            return;
        }
        let Some(intel) = self.watch.tables.take() else { return };
        let (v6, now) = (pkt.is_ipv6(), (pkt.ts / SECOND) as u32);
        self.watch.counters.looked += 2;
        for (place, addr) in [("src_ip", &pkt.src), ("dest_ip", &pkt.dst)] {
            if let Some(hit) = intel.address(addr, v6, now) {
                let at = At { ix, tx: None, pkt, dir };
                self.tell_hit(&intel, Seen { hit, place, value: &[] }, &at, sink);
            }
        }
        self.watch.tables = Some(intel);
    }

    /// A transaction was written to. `last`: it says no more.
    #[inline(never)]
    pub(super) fn watch_tx(
        &mut self,
        ix: FlowIx,
        (pkt, dir): (&Packet<'_>, Dir),
        (tx, last): (TxRef, bool),
        sink: &mut dyn EventSink,
    ) {
        let Some(parser) = self.app.parser_of(tx.proto) else { return };
        let before = parser.common(tx.idx).looked;
        let Some(looks) = self.watch.tables.as_ref().map(|t| t.looks(tx.proto)) else { return };
        let all = (1u64 << looks.len().min(32)) - 1;
        if u64::from(before) & all == all {
            return;
        }
        let Some(intel) = self.watch.tables.take() else { return };
        let looks = intel.looks(tx.proto);
        let mut looked = before;
        let mut scratch = core::mem::replace(&mut self.watch.scratch, Scratch::new(0));
        for (i, look) in looks.iter().enumerate().take(32) {
            if looked >> i & 1 == 1 {
                continue;
            }
            let at = At { ix, tx: Some(tx), pkt, dir };
            if matches!(self.watch_buffer(&intel, look, &at, last, (&mut scratch, sink)), Value::Done) {
                looked |= 1 << i;
            }
        }
        self.watch.scratch = scratch;
        self.watch.tables = Some(intel);
        if looked != before
            && let Some(p) = self.app.parser_of_mut(tx.proto)
        {
            p.common_mut(tx.idx).looked = looked;
        }
    }

    /// One buffer, in the directions in which it is.
    fn watch_buffer(
        &mut self,
        intel: &Arc<Intel>,
        look: &Look,
        at: &At<'_>,
        last: bool,
        (scratch, sink): (&mut Scratch, &mut dyn EventSink),
    ) -> Value {
        let now = (at.pkt.ts / SECOND) as u32;
        let Some(tx) = at.tx else { return Value::Done };
        let (mut later, mut asked) = (false, 0);
        for d in Dir::BOTH.into_iter().filter(|d| look.dirs & d.bit() != 0) {
            let Some(view) = self.tx_view(at.ix, tx) else { return Value::Done };
            let whole = last || view.common().progress(d) >= view.parser.complete_progress(d);
            // Of several values there may be more until the direction is whole.
            if look.several && !whole {
                later = true;
                continue;
            }
            for index in 0..if look.several { crate::intel::VALUES } else { 1 } {
                let Some(view) = self.tx_view(at.ix, tx) else { return Value::Done };
                scratch.clear();
                let from = BufferAt { local: look.local, dir: d, index, pool: view.pool, scratch };
                let bytes = match view.parser.buffer(view.state, view.tx, from) {
                    Buffer::Data { bytes, end, .. } if end || whole => bytes,
                    Buffer::Data { .. } | Buffer::NotYet if !whole => {
                        later = true;
                        break;
                    }
                    _ => break,
                };
                let hit = if look.how == How::Url {
                    let mut room = Scratch::new(0);
                    intel.request(host(&view, &mut room).unwrap_or(&[]), bytes, now)
                } else {
                    intel.find(look.how, bytes, now)
                };
                asked += 1;
                let Some(hit) = hit else { continue };
                // A name that was asked for comes again in the answer.
                if view.common().met == hit.number {
                    continue;
                }
                let mut kept = [0; TOLD];
                let n = bytes.len().min(TOLD);
                kept.iter_mut().zip(bytes).for_each(|(a, b)| *a = *b);
                let seen = Seen { hit, place: look.name, value: kept.get(..n).unwrap_or(&[]) };
                if let Some(p) = self.app.parser_of_mut(tx.proto) {
                    p.common_mut(tx.idx).met = hit.number;
                }
                self.tell_hit(intel, seen, at, sink);
            }
        }
        self.watch.counters.looked += asked;
        if later { Value::Later } else { Value::Done }
    }

    /// A file came to its end.
    pub(super) fn watch_file(
        &mut self,
        (ix, tx): (FlowIx, TxRef),
        (pkt, dir): (&Packet<'_>, Dir),
        file: u32,
        sink: &mut dyn EventSink,
    ) {
        let Some(intel) = self.watch.tables.clone() else { return };
        let now = (pkt.ts / SECOND) as u32;
        let mut asked = 0;
        let f = self.app.files().view(file);
        let of = [
            ("file.sha256", f.sha256().map(|d| &d[..])),
            ("file.sha1", f.sha1().map(|d| &d[..])),
            ("file.md5", f.md5().map(|d| &d[..])),
        ];
        let mut hit = None;
        for (place, digest) in of {
            let Some(digest) = digest else { continue };
            asked += 1;
            if hit.is_none() {
                hit = intel.digest(digest, now).map(|h| (place, h));
            }
        }
        self.watch.counters.looked += asked;
        if let Some((place, hit)) = hit {
            self.tell_hit(&intel, Seen { hit, place, value: &[] }, &At { ix, tx: Some(tx), pkt, dir }, sink);
        }
    }

    #[cold]
    fn tell_hit(&mut self, intel: &Intel, seen: Seen<'_>, at: &At<'_>, sink: &mut dyn EventSink) {
        let Some(rule) = intel.meta(seen.hit.kind) else { return };
        self.watch.counters.hits += 1;
        self.stats.alerts += 1;
        self.flows.hot_mut(at.ix).flags |= flag::ALERTED;
        let alert = Alert {
            frame: None,
            packet: at.pkt,
            root: None,
            dir: at.dir,
            flow: None,
            rule,
            action: Action::Alert,
            allowed: true,
            tx: at.tx.and_then(|tx| self.tx_view(at.ix, tx)),
            in_stream: false,
            stream_data: &[],
            tagged: false,
            verdict: Verdict::Forward,
            passed: false,
            fast: None,
            contexts: None,
            intel: Some(seen),
        };
        self.view(at.ix).with(|flow| sink.event(Event::Alert(&Alert { flow: Some(flow), ..alert })));
    }
}

/// The host of a request, which is stored as it came.
fn host<'a>(t: &TxView<'a>, scratch: &'a mut Scratch) -> Option<&'a [u8]> {
    let local = t.proto.def().buffers.iter().position(|b| b.name == HOST)?;
    let at = BufferAt { local: local as u8, dir: Dir::ToServer, index: 0, pool: t.pool, scratch };
    match t.parser.buffer(t.state, t.tx, at) {
        Buffer::Data { bytes, .. } => Some(bytes),
        _ => None,
    }
}
