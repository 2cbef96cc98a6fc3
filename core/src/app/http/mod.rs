//! HTTP/1.x as an inspecting device must read it: bytes of both directions go in, transactions with the named
//! buffers, events and files that rules ask for come out.
//!
//! It is lenient where servers and browsers are, since what they accept is what attackers send: odd line ends,
//! folded fields, wrong lengths, chunk junk, wrongly named and stacked content codings, bodies without a header.
//! Where leniencies differ it follows Suricata 8 in its `IDS` personality. A reading never depends on how the
//! bytes were cut into segments: bytes that cannot be judged yet are left unconsumed.
//!
//! Progress of a transaction, per direction (what has been read): [`progress::LINE`] the line is being read,
//! [`progress::HEADERS`] the line is there, [`progress::BODY`] the header fields are there,
//! [`progress::TRAILER`] the body is there, [`progress::COMPLETE`] nothing more belongs to it.
//!
//! Owns the states and transactions of all flows of one engine, in slabs; texts and bodies lie in the byte pool.

mod body;
mod buffers;
mod custom;
mod events;
mod header;
mod log;
mod message;
mod multipart;
mod request;
mod response;
mod state;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod uri;

pub(crate) use body::content_range;

pub use custom::is_custom;

use super::txs::{Queue, TxSlab};
use super::{
    AppConfig, AppCx, Buffer, BufferAt, Input, IntAt, OVER_TCP, Outcome, Parser, Pattern, ProtoDef,
    Recognise, StateId, TxCommon, TxIdx, TxView,
};
use crate::Dir;
use crate::event::Fields;
use crate::pool::{PBuf, Records};
use alloc::boxed::Box;
use state::{Flow, Span, Stage, Tx};

const NIL: u32 = u32::MAX;

/// Steps of a transaction in one direction.
pub mod progress {
    pub const NOT_STARTED: u8 = 0;
    pub const LINE: u8 = 1;
    pub const HEADERS: u8 = 2;
    pub const BODY: u8 = 3;
    pub const TRAILER: u8 = 4;
    pub const COMPLETE: u8 = 5;
}

/// Longest line or field, as libhtp's default field limit.
const FIELD_LIMIT: usize = 18_000;
/// Most fields of one message.
const MAX_HEADERS: u32 = 1024;

const fn at_start(bytes: &'static [u8], dir: Dir) -> Pattern {
    Pattern { bytes, caseless: true, offset: 0, depth: bytes.len() as u16, dir, over: OVER_TCP }
}

/// The protocol's description.
pub static DEF: ProtoDef = ProtoDef {
    name: "http",
    aliases: &["http1"],
    over: OVER_TCP,
    buffers: buffers::DEFS,
    events: events::NAMES,
    recognise: Recognise {
        patterns: &[
            at_start(b"GET ", Dir::ToServer),
            at_start(b"GET\t", Dir::ToServer),
            at_start(b"PUT ", Dir::ToServer),
            at_start(b"PUT\t", Dir::ToServer),
            at_start(b"POST ", Dir::ToServer),
            at_start(b"POST\t", Dir::ToServer),
            at_start(b"HEAD ", Dir::ToServer),
            at_start(b"HEAD\t", Dir::ToServer),
            at_start(b"TRACE ", Dir::ToServer),
            at_start(b"TRACE\t", Dir::ToServer),
            at_start(b"OPTIONS ", Dir::ToServer),
            at_start(b"OPTIONS\t", Dir::ToServer),
            at_start(b"CONNECT ", Dir::ToServer),
            at_start(b"CONNECT\t", Dir::ToServer),
            at_start(b"DELETE ", Dir::ToServer),
            at_start(b"DELETE\t", Dir::ToServer),
            at_start(b"PATCH ", Dir::ToServer),
            at_start(b"PATCH\t", Dir::ToServer),
            at_start(b"PROPFIND ", Dir::ToServer),
            at_start(b"PROPFIND\t", Dir::ToServer),
            at_start(b"PROPPATCH ", Dir::ToServer),
            at_start(b"PROPPATCH\t", Dir::ToServer),
            at_start(b"MKCOL ", Dir::ToServer),
            at_start(b"MKCOL\t", Dir::ToServer),
            at_start(b"COPY ", Dir::ToServer),
            at_start(b"COPY\t", Dir::ToServer),
            at_start(b"MOVE ", Dir::ToServer),
            at_start(b"MOVE\t", Dir::ToServer),
            at_start(b"LOCK ", Dir::ToServer),
            at_start(b"LOCK\t", Dir::ToServer),
            at_start(b"UNLOCK ", Dir::ToServer),
            at_start(b"UNLOCK\t", Dir::ToServer),
            at_start(b"CHECKOUT ", Dir::ToServer),
            at_start(b"CHECKOUT\t", Dir::ToServer),
            at_start(b"UNCHECKOUT ", Dir::ToServer),
            at_start(b"UNCHECKOUT\t", Dir::ToServer),
            at_start(b"CHECKIN ", Dir::ToServer),
            at_start(b"CHECKIN\t", Dir::ToServer),
            at_start(b"UPDATE ", Dir::ToServer),
            at_start(b"UPDATE\t", Dir::ToServer),
            at_start(b"LABEL ", Dir::ToServer),
            at_start(b"LABEL\t", Dir::ToServer),
            at_start(b"REPORT ", Dir::ToServer),
            at_start(b"REPORT\t", Dir::ToServer),
            at_start(b"MKWORKSPACE ", Dir::ToServer),
            at_start(b"MKWORKSPACE\t", Dir::ToServer),
            at_start(b"MKACTIVITY ", Dir::ToServer),
            at_start(b"MKACTIVITY\t", Dir::ToServer),
            at_start(b"MERGE ", Dir::ToServer),
            at_start(b"MERGE\t", Dir::ToServer),
            at_start(b"INVALID ", Dir::ToServer),
            at_start(b"INVALID\t", Dir::ToServer),
            at_start(b"VERSION-CONTROL ", Dir::ToServer),
            at_start(b"VERSION-CONTROL\t", Dir::ToServer),
            at_start(b"BASELINE-CONTROL ", Dir::ToServer),
            at_start(b"BASELINE-CONTROL\t", Dir::ToServer),
            at_start(b"HTTP/0.9", Dir::ToClient),
            at_start(b"HTTP/1.0", Dir::ToClient),
            at_start(b"HTTP/1.1", Dir::ToClient),
        ],
        probes: &[],
        confirm: None,
        first: 0,
    },
    parser: Some(|cfg| Box::new(Http::new(cfg))),
    record: "http",
    states: &[
        (
            Dir::ToServer,
            &[
                "request_started",
                "request_line",
                "request_headers",
                "request_body",
                "request_trailer",
                "request_complete",
            ],
        ),
        (
            Dir::ToClient,
            &[
                "response_started",
                "response_line",
                "response_headers",
                "response_body",
                "response_trailer",
                "response_complete",
            ],
        ),
    ],
    shouts: true,
    ..ProtoDef::NONE
};

/// HTTP/1.x of one engine.
#[derive(Debug)]
pub struct Http {
    flows: Records<Flow>,
    txs: TxSlab<Tx>,
}

/// What a reading step found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// That many bytes are used; go on.
    Used(usize),
    /// Nothing more can be read before there are this many unconsumed bytes (0: any).
    More(usize),
    /// The flow changes its protocol after the bytes used.
    Change(usize, Option<super::AppProto>),
    Failed,
}

impl Http {
    /// Reserves everything.
    pub fn new(cfg: &AppConfig) -> Self {
        Http { flows: Records::new(&cfg.arena(), cfg.max_states), txs: TxSlab::new(cfg) }
    }

    /// Adds a transaction at the end of a flow's list. Too many end the direction, with an event on the last of them.
    fn new_tx(&mut self, st: StateId, dir: Dir, cx: &AppCx<'_>) -> Option<u32> {
        let list = &self.flows.get(st).list;
        if list.live() as usize >= cx.cfg.http.max_tx.max(1) {
            if let Some(last) = self.txs.iter(list).last() {
                self.txs.get_mut(last).raise(events::TOO_MANY_TRANSACTIONS, dir);
            }
            return None;
        }
        self.txs.open(&mut self.flows.get_mut(st).list, cx.now)
    }

    fn release_tx(&mut self, st: StateId, idx: u32, cx: &mut AppCx<'_>) {
        let f = self.flows.get_mut(st);
        let mut tx = self.txs.remove(&mut f.list, idx, cx.pool);
        for m in &mut tx.msg {
            if let Some(c) = m.body.chain.take() {
                cx.bodies.decoded(c, cx.pool);
            }
            m.free(cx.pool);
        }
        tx.uri.free(cx.pool);
        tx.host.free(cx.pool);
        tx.multipart.free(cx.pool);
        tx.whole.free(cx.pool);
        let (bodies, mut body_cx) = cx.bodies();
        bodies.release(&mut tx.bodies, &mut body_cx);
        for head in &mut tx.common.files {
            cx.files.free_chain(cx.pool, head);
        }
        for s in &mut f.side {
            if s.tx == idx {
                // It was given up in the middle of being read: what is left of it has no place to go.
                s.tx = NIL;
                s.stage = Stage::Ignore;
            }
            if s.last.1 == idx {
                s.last = (u64::MAX, NIL);
            }
        }
    }

    /// Reads as much of `data` as can be judged.
    fn read(&mut self, st: StateId, dir: Dir, data: &[u8], cx: &mut AppCx<'_>) -> Outcome {
        let mut at = 0;
        loop {
            let rest = data.get(at..).unwrap_or(&[]);
            let reading = self.flows.get(st).side[dir.ix()].tx;
            let next = match dir {
                Dir::ToServer => self.request_step(st, rest, cx),
                Dir::ToClient => self.response_step(st, rest, cx),
            };
            if cx.frames.wanted() {
                let used = match next {
                    Next::Used(n) | Next::Change(n, _) => n,
                    _ => 0,
                };
                self.frames(st, dir, reading, (rest, used), cx);
            }
            match next {
                Next::Used(n) => at += n,
                Next::More(need) => return Outcome::Consumed { bytes: at.min(data.len()), need },
                Next::Change(n, to) => return Outcome::Change { bytes: at + n, to },
                Next::Failed => {
                    self.fail(st, dir, cx);
                    let other = self.flows.get(st).side[dir.flip().ix()].stage;
                    if other == Stage::Failed {
                        return Outcome::Failed;
                    }
                    return Outcome::FailedHere;
                }
            }
        }
    }

    /// Notes what began and what ended: `reading` was being read before `used` bytes of `rest`.
    fn frames(&self, st: StateId, dir: Dir, reading: u32, (rest, used): (&[u8], usize), cx: &mut AppCx<'_>) {
        let kind = buffers::F_REQUEST + dir.ix() as u8;
        let now = self.flows.get(st).side[dir.ix()].tx;
        if reading != NIL && now != reading {
            cx.frames.end(kind, rest.get(used..).unwrap_or(&[]));
        }
        if now != NIL && now != reading {
            cx.frames.begin(kind, rest, None);
            cx.frames.of_tx(self.txs.get(now).common.id);
        }
    }

    /// One direction cannot be read any further: what it was reading ends there.
    fn fail(&mut self, st: StateId, dir: Dir, cx: &mut AppCx<'_>) {
        let side = &mut self.flows.get_mut(st).side[dir.ix()];
        side.stage = Stage::Failed;
        let tx = side.tx;
        if tx != NIL {
            self.end_message(st, dir, tx, true, cx);
        }
        self.complete_all(st, dir);
    }

    /// Nothing more comes in that direction: no transaction waits for it.
    fn complete_all(&mut self, st: StateId, dir: Dir) {
        let mut at = self.flows.get(st).list.first();
        while let Some(i) = at {
            let tx = self.txs.get(i);
            if dir == Dir::ToServer || tx.common.progress(Dir::ToServer) == progress::COMPLETE {
                self.txs.get_mut(i).advance(dir, progress::COMPLETE);
            }
            at = self.txs.next(&self.flows.get(st).list, at);
        }
    }
}

impl Http {
    fn input(&mut self, st: StateId, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        // Rules see a whole message at once (`end_message`).
        cx.due = 0;
        if input.gap > 0 {
            let reading = self.flows.get(st).side[input.dir.ix()].tx;
            let out = self.gap(st, input.dir, u64::from(input.gap), cx);
            if cx.frames.wanted() {
                self.frames(st, input.dir, reading, (input.data, 0), cx);
            }
            if !matches!(out, Outcome::Consumed { .. }) {
                return out;
            }
        }
        let ix = input.dir.ix();
        if input.eof {
            self.flows.get_mut(st).side[ix].eof = true;
        }
        let out = if input.data.is_empty() && !input.eof {
            Outcome::Consumed { bytes: 0, need: 0 }
        } else {
            self.read(st, input.dir, input.data, cx)
        };
        if input.eof {
            self.complete_all(st, input.dir);
        }
        out
    }
}

impl Parser for Http {
    fn open(&mut self, _cx: &mut AppCx<'_>) -> Option<StateId> {
        self.flows.alloc()
    }

    fn close(&mut self, st: StateId, cx: &mut AppCx<'_>) {
        while let Some(idx) = self.flows.get(st).list.first() {
            self.release_tx(st, idx, cx);
        }
        self.flows.get_mut(st).carried.free(cx.pool);
        self.flows.free(st);
    }

    fn change_refused(&mut self, st: StateId, dir: Dir) {
        if let Some(tx) = self.live(st, self.flows.get(st).side[dir.ix()].last.0) {
            // It is the matter of both sides.
            Dir::BOTH.iter().for_each(|d| self.txs.get_mut(tx).raise(events::FAILED_PROTOCOL_CHANGE, *d));
        }
        self.txs.settle(&mut self.flows.get_mut(st).list);
    }

    fn handed_on(&mut self, st: StateId, to: super::AppProto) -> PBuf {
        if to.name() != "http2" {
            return PBuf::default();
        }
        core::mem::take(&mut self.flows.get_mut(st).carried)
    }

    fn parse(&mut self, st: StateId, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        let out = self.input(st, input, cx);
        self.txs.settle(&mut self.flows.get_mut(st).list);
        out
    }

    fn next_tx(&self, st: StateId, after: Option<TxIdx>) -> Option<TxIdx> {
        self.txs.next(&self.flows.get(st).list, after)
    }

    fn tx_count(&self, st: StateId) -> u64 {
        self.flows.get(st).list.created()
    }

    fn take_changed(&mut self, st: StateId, queue: Queue) -> Option<TxIdx> {
        self.txs.take(&mut self.flows.get_mut(st).list, queue)
    }

    fn requeue(&mut self, st: StateId, tx: TxIdx, queue: Queue) {
        self.txs.requeue(&mut self.flows.get_mut(st).list, tx, queue);
    }

    fn common(&self, tx: TxIdx) -> &TxCommon {
        &self.txs.get(tx).common
    }

    fn common_mut(&mut self, tx: TxIdx) -> &mut TxCommon {
        &mut self.txs.quiet_mut(tx).common
    }

    fn complete_progress(&self, _dir: Dir) -> u8 {
        progress::COMPLETE
    }

    fn free_tx(&mut self, st: StateId, tx: TxIdx, cx: &mut AppCx<'_>) {
        self.release_tx(st, tx, cx);
    }

    fn buffer<'a>(&'a self, _st: StateId, tx: TxIdx, at: BufferAt<'a>) -> Buffer<'a> {
        let BufferAt { local, dir, index, pool, scratch } = at;
        self.txs.get(tx).buffer(local, dir, index, pool, scratch)
    }

    fn int(&self, _: StateId, _: TxIdx, _: IntAt<'_>) -> Option<u64> {
        None
    }

    fn log(&self, view: &TxView<'_>, _dir: Dir, out: &mut dyn Fields) {
        self.txs.get(view.tx).log(view.pool, out);
    }
}
