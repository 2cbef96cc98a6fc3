//! Frames: the units of a protocol's bytes (a PDU, its header, a line) that rules look at and records tell of.
//!
//! In: what parsers note while they read ([`Notes`]), and the bytes that they were given. Out: frames with their bytes, each
//! of which detection treats as a transaction of one direction with one value. Owns the frames of all flows of one engine;
//! their bytes are in the byte pool. Nothing is kept of protocols whose frames nobody asks for.

mod notes;
#[cfg(test)]
mod tests;

pub use notes::{Note, Notes, What};

use super::txs::{HasCommon, TxHandle, TxList, TxSlab};
use super::{
    AppConfig, AppCx, AppProto, Buffer, BufferAt, Input, IntAt, Outcome, Parser, Queue, StateId, TxCommon,
    TxIdx, TxView,
};
use crate::Dir;
use crate::event::Fields;
use crate::pool::{BytePool, PBuf, Records, Scratch};
use crate::stream::missing;

/// Bytes of a frame that are kept: the last ones of a longer frame.
const KEPT: usize = 64 << 10;
/// Most living frames of a flow. More have a number, but are not seen.
const LIVING: u32 = 512;
/// Bytes of a whole stream with which rules begin.
const CHUNK: u64 = 2560;

/// One frame.
#[derive(Debug, Default)]
pub struct Frame {
    common: TxCommon,
    proto: AppProto,
    /// Place among the protocol's buffers.
    local: u8,
    dir: Dir,
    /// Counts the frames of the direction, from 1.
    id: u64,
    tx: Option<u64>,
    /// It is all that its direction says.
    stream: bool,
    /// Offset in the stream, and length when it is known.
    start: u64,
    len: Option<u64>,
    /// Bytes of it that went by, there or missing, and those of them that were given up.
    passed: u64,
    dropped: u64,
    bytes: PBuf,
}

impl HasCommon for Frame {
    fn common(&self) -> &TxCommon {
        &self.common
    }
    fn common_mut(&mut self) -> &mut TxCommon {
        &mut self.common
    }
}

impl Frame {
    /// Bytes of it that are still to come, of a length that is known.
    fn missing(&self) -> Option<u64> {
        Some(self.len?.saturating_sub(self.passed))
    }

    fn kind(&self) -> &'static str {
        let def = self.proto.def().buffers.get(usize::from(self.local));
        def.and_then(|d| d.name.split_once('.')).map_or("", |n| n.1)
    }

    fn is_whole(&self) -> bool {
        self.common.progress(self.dir) > 0
    }

    fn keep(&mut self, bytes: &[u8], pool: &mut BytePool) {
        let new = bytes.get(bytes.len().saturating_sub(KEPT)..).unwrap_or(bytes);
        self.dropped += (bytes.len() - new.len()) as u64;
        if self.bytes.len() + new.len() > KEPT {
            // Half of the room at once, so that a long frame is not moved with every segment.
            let over = (self.bytes.len() + new.len() - KEPT).max(KEPT / 2).min(self.bytes.len());
            self.bytes.drain_front(pool, over);
            self.dropped += over as u64;
        }
        if self.bytes.extend(pool, new).is_err() {
            self.dropped += new.len() as u64;
        }
    }
}

/// A frame as outputs see it.
#[derive(Clone, Copy, Debug)]
pub struct FrameView<'a> {
    frame: &'a Frame,
    pool: &'a BytePool,
}

impl<'a> FrameView<'a> {
    pub fn proto(&self) -> AppProto {
        self.frame.proto
    }
    /// The name of its kind (`pdu`, `smb2.hdr`).
    pub fn kind(&self) -> &'static str {
        self.frame.kind()
    }
    /// Number among the frames of its direction.
    pub fn id(&self) -> u64 {
        self.frame.id
    }
    pub fn dir(&self) -> Dir {
        self.frame.dir
    }
    /// Offset in the stream of its direction, or in the datagram.
    pub fn offset(&self) -> u64 {
        self.frame.start
    }
    /// `None` while its end is not known.
    pub fn len(&self) -> Option<u64> {
        self.frame.len
    }
    pub fn is_empty(&self) -> bool {
        self.frame.len == Some(0)
    }
    /// All of it went by.
    pub fn complete(&self) -> bool {
        self.frame.missing() == Some(0)
    }
    /// The bytes kept of it; a hole says how much is missing.
    pub fn bytes(&self) -> &'a [u8] {
        self.frame.bytes.get(self.pool)
    }
    /// Number of its transaction.
    pub fn tx(&self) -> Option<u64> {
        self.frame.tx
    }
}

#[derive(Debug, Default)]
struct Slot {
    list: TxList,
    count: [u64; 2],
    /// Offset of what the parser is given next, by direction.
    at: [u64; 2],
    /// By direction: the last frame without an end, but for that of the whole stream.
    open: [TxHandle; 2],
    /// The frame of the whole stream was begun (bit per direction).
    streams: u8,
}

/// One input of a parser, as frames need it.
#[derive(Clone, Copy, Debug)]
pub struct Fed<'a> {
    pub input: Input<'a>,
    /// Bytes that the parser is done with.
    pub consumed: usize,
    pub proto: AppProto,
    /// Buffers of the protocol that rules read.
    pub wanted: super::Wanted,
    pub now: u64,
}

/// The frames of all flows of one engine.
pub struct Frames {
    states: Records<Slot>,
    txs: TxSlab<Frame>,
    /// Records tell of all frames.
    shown: bool,
    /// What is said of a hole.
    text: Scratch,
}

impl Frames {
    pub fn new(cfg: &AppConfig) -> Self {
        Frames {
            states: Records::new(&cfg.arena(), cfg.max_states),
            txs: TxSlab::new(cfg),
            shown: cfg.frames_shown,
            text: Scratch::new(64),
        }
    }

    /// Whether parsers of the protocol should note frames.
    pub fn wants(&self, proto: AppProto, wanted: super::Wanted) -> bool {
        let any = |n: usize| self.shown || wanted.has(n as u8);
        proto.def().buffers.iter().enumerate().any(|(n, b)| b.kind == super::BufferKind::Frame && any(n))
    }

    /// A state for a flow.
    pub fn start(&mut self) -> Option<StateId> {
        self.states.alloc()
    }

    /// Protocol whose frame it is.
    pub fn proto(&self, i: TxIdx) -> AppProto {
        self.txs.get(i).proto
    }

    pub fn view<'a>(&'a self, i: TxIdx, pool: &'a BytePool) -> FrameView<'a> {
        FrameView { frame: self.txs.get(i), pool }
    }

    /// A hole before what comes next.
    fn skip(&mut self, st: StateId, dir: Dir, gap: u64, pool: &mut BytePool) {
        let slot = self.states.get_mut(st);
        let from = slot.at[dir.ix()];
        slot.at[dir.ix()] += gap;
        let mut next = slot.list.first();
        while let Some(i) = next {
            next = self.txs.next(&self.states.get(st).list, Some(i));
            let f = self.txs.get(i);
            if f.dir != dir || f.is_whole() || f.start > from {
                continue;
            }
            let lost = f.missing().map_or(gap, |m| m.min(gap));
            let f = self.txs.get_mut(i);
            self.text.clear();
            missing(lost, &mut self.text);
            f.keep(self.text.as_slice(), pool);
            f.passed += lost;
            if f.missing() == Some(0) {
                f.common.advance(dir, 1);
            }
            f.common.touch(dir);
        }
    }

    /// Takes over what a parser noted of an input, and the bytes of frames.
    pub fn feed(&mut self, st: StateId, notes: &mut Notes, fed: Fed<'_>, pool: &mut BytePool) {
        let Fed { input, consumed, .. } = fed;
        let dir = input.dir;
        if input.datagram {
            self.states.get_mut(st).at[dir.ix()] = 0;
        }
        if input.gap > 0 {
            self.skip(st, dir, u64::from(input.gap), pool);
        }
        let base = self.states.get(st).at[dir.ix()];
        self.stream(st, base, &fed);
        for n in 0..notes.len() {
            let Some(note) = notes.get(n) else { break };
            self.note(st, base, note, &fed);
        }
        notes.clear();
        self.bytes(st, base, &fed, pool);
        let slot = self.states.get_mut(st);
        slot.at[dir.ix()] = base + consumed as u64;
        self.txs.settle(&mut slot.list);
    }

    /// The frame of all that a direction says is its first.
    fn stream(&mut self, st: StateId, base: u64, fed: &Fed<'_>) {
        let slot = self.states.get_mut(st);
        let dir = fed.input.dir;
        if fed.input.datagram || slot.streams & dir.bit() != 0 || fed.input.data.is_empty() {
            return;
        }
        slot.streams |= dir.bit();
        let stream = |b: &super::BufferDef| b.kind == super::BufferKind::Frame && b.name.ends_with(".stream");
        let local = fed.proto.def().buffers.iter().position(stream);
        let note =
            Note { local: local.map_or(u8::MAX, |l| l as u8), at: 0, what: What::Begin(None), tx: None };
        self.note(st, base, note, fed);
    }

    fn note(&mut self, st: StateId, base: u64, note: Note, fed: &Fed<'_>) {
        let (dir, at) = (fed.input.dir, base + u64::from(note.at));
        let slot = self.states.get_mut(st);
        match note.what {
            What::Begin(len) => {
                slot.count[dir.ix()] += 1;
                let id = slot.count[dir.ix()];
                if !(self.shown || fed.wanted.has(note.local))
                    || slot.list.live() >= LIVING
                    || note.local == u8::MAX
                {
                    return;
                }
                let Some(i) = self.txs.open(&mut slot.list, fed.now) else { return };
                let f = self.txs.get_mut(i);
                (f.proto, f.local, f.dir, f.id, f.tx) = (fed.proto, note.local, dir, id, note.tx);
                (f.start, f.len) = (at, len);
                f.stream = f.kind().ends_with("stream");
                let open = len.is_none() && !f.stream;
                // The other direction has no part in it.
                f.common.advance(dir.flip(), 1);
                f.common.settle(dir.flip());
                if open {
                    slot.open[dir.ix()] = self.txs.handle(i);
                }
            }
            What::End => {
                let open = self.txs.resolve(slot.open[dir.ix()]);
                if let Some(i) = open.filter(|i| self.txs.get(*i).local == note.local) {
                    slot.open[dir.ix()] = TxHandle::default();
                    let f = self.txs.get_mut(i);
                    f.len = Some(at.saturating_sub(f.start));
                    f.tx = f.tx.or(note.tx);
                }
            }
        }
    }

    /// Gives the frames of the direction what came of them.
    fn bytes(&mut self, st: StateId, base: u64, fed: &Fed<'_>, pool: &mut BytePool) {
        let Fed { input, consumed, .. } = *fed;
        let dir = input.dir;
        let mut next = self.states.get(st).list.first();
        while let Some(i) = next {
            next = self.txs.next(&self.states.get(st).list, Some(i));
            let f = self.txs.get(i);
            if f.dir != dir || f.is_whole() {
                continue;
            }
            // Where the end is not known, what the parser is not done with may lie beyond it.
            let all = if f.len.is_some() { input.data.len() } else { consumed.min(input.data.len()) };
            let from = f.start + f.passed;
            let to = f.missing().map_or(u64::MAX, |m| from + m).min(base + all as u64);
            let place = |at: u64| at.checked_sub(base).and_then(|n| usize::try_from(n).ok());
            let new = match (place(from), place(to)) {
                (Some(a), Some(b)) if a < b => input.data.get(a..b).unwrap_or(&[]),
                _ => &[],
            };
            let over = f.missing().is_some_and(|m| m <= new.len() as u64) || input.eof && f.len.is_none();
            if new.is_empty() && !over {
                continue;
            }
            let f = self.txs.get_mut(i);
            f.passed += new.len() as u64;
            f.keep(new, pool);
            f.common.touch(dir);
            if over {
                f.common.advance(dir, 1);
            }
        }
    }
}

impl Parser for Frames {
    fn open(&mut self, _: &mut AppCx<'_>) -> Option<StateId> {
        self.start()
    }

    fn close(&mut self, st: StateId, cx: &mut AppCx<'_>) {
        while let Some(i) = self.states.get(st).list.first() {
            self.free_tx(st, i, cx);
        }
        self.states.free(st);
    }

    fn parse(&mut self, _: StateId, _: Input<'_>, _: &mut AppCx<'_>) -> Outcome {
        Outcome::Failed
    }

    fn next_tx(&self, st: StateId, after: Option<TxIdx>) -> Option<TxIdx> {
        self.txs.next(&self.states.get(st).list, after)
    }

    fn tx_count(&self, st: StateId) -> u64 {
        self.states.get(st).list.created()
    }

    fn take_changed(&mut self, st: StateId, queue: Queue) -> Option<TxIdx> {
        self.txs.take(&mut self.states.get_mut(st).list, queue)
    }

    fn requeue(&mut self, st: StateId, tx: TxIdx, queue: Queue) {
        self.txs.requeue(&mut self.states.get_mut(st).list, tx, queue);
    }

    fn common(&self, tx: TxIdx) -> &TxCommon {
        &self.txs.get(tx).common
    }

    fn common_mut(&mut self, tx: TxIdx) -> &mut TxCommon {
        &mut self.txs.quiet_mut(tx).common
    }

    fn complete_progress(&self, _: Dir) -> u8 {
        1
    }

    fn free_tx(&mut self, st: StateId, tx: TxIdx, cx: &mut AppCx<'_>) {
        self.release(st, tx, cx.pool);
    }

    fn buffer<'a>(&'a self, _: StateId, tx: TxIdx, at: BufferAt<'a>) -> Buffer<'a> {
        let f = self.txs.get(tx);
        if f.local != at.local || f.dir != at.dir || at.index > 0 {
            return Buffer::Absent;
        }
        // All that a direction says is looked at once there is a chunk of it.
        if f.stream && !f.is_whole() && f.passed < CHUNK {
            return Buffer::NotYet;
        }
        Buffer::Data { bytes: f.bytes.get(at.pool), offset: f.dropped, end: f.is_whole() }
    }

    fn int(&self, _: StateId, _: TxIdx, _: IntAt<'_>) -> Option<u64> {
        None
    }

    fn log(&self, _: &TxView<'_>, _: Dir, _: &mut dyn Fields) {}
}

impl Frames {
    /// Gives a frame back.
    pub fn release(&mut self, st: StateId, tx: TxIdx, pool: &mut BytePool) {
        let mut f = self.txs.remove(&mut self.states.get_mut(st).list, tx, pool);
        f.bytes.free(pool);
    }

    /// The flow ended.
    pub fn end(&mut self, st: StateId, pool: &mut BytePool) {
        while let Some(i) = self.states.get(st).list.first() {
            self.release(st, i, pool);
        }
        self.states.free(st);
    }
}
