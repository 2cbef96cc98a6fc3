//! What tests of parsers share: a parser with the memory it needs, fed piece by piece.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::bodies::{Bodies, Lodging};
use super::file::Files;
use super::frames::Notes;
use super::{AppConfig, AppCx, Buffer, BufferAt, Input, Outcome, Parser, ProtoDef, StateId, TxIdx, Wanted};
use crate::Dir;
use crate::pool::{BytePool, Scratch};

/// A parser, one flow, and memory.
pub struct Bench<P: Parser + ?Sized = dyn Parser> {
    pub parser: Box<P>,
    pub pool: BytePool,
    pub files: Files,
    pub scratch: Scratch,
    pub cfg: AppConfig,
    pub bodies: Bodies,
    pub lodging: Lodging,
    pub notes: Notes,
    pub st: StateId,
}

impl Bench {
    pub fn new(def: &ProtoDef) -> Self {
        let cfg = AppConfig { max_states: 4, max_txs: 256, max_files: 64, ..AppConfig::default() };
        Bench::of(def.parser.unwrap()(&cfg), cfg)
    }
}

impl<P: Parser + ?Sized> Bench<P> {
    pub fn of(parser: Box<P>, cfg: AppConfig) -> Self {
        let mut b = Bench {
            parser,
            pool: BytePool::new(8 << 20),
            files: Files::new(&cfg),
            scratch: Scratch::new(64 << 10),
            bodies: Bodies::none(&cfg),
            lodging: Lodging::default(),
            notes: Notes::new(),
            cfg,
            st: 0,
        };
        b.st = b.with(|p, cx| p.open(cx).unwrap());
        b
    }

    pub fn with<R>(&mut self, f: impl FnOnce(&mut P, &mut AppCx<'_>) -> R) -> R {
        let mut cx = AppCx {
            pool: &mut self.pool,
            files: &mut self.files,
            scratch: &mut self.scratch,
            cfg: &self.cfg,
            now: 0,
            wanted: Wanted::ALL,
            due: 0,
            known_as: super::AppProto::UNKNOWN,
            shown: true,
            ports: [40000, 25],
            client: Default::default(),
            server: Default::default(),
            bodies: &mut self.bodies,
            lodging: &mut self.lodging,
            frames: &mut self.notes,
        };
        f(&mut *self.parser, &mut cx)
    }

    /// Hands over one input.
    pub fn give(&mut self, input: Input<'_>) -> Outcome {
        let st = self.st;
        self.notes.begin_input(input.data, true);
        self.with(|p, cx| p.parse(st, input, cx))
    }

    /// Feeds one direction whole. Nobody takes transactions away between: many are read on at once.
    pub fn feed(&mut self, dir: Dir, data: &[u8]) -> Outcome {
        let mut from = 0;
        loop {
            match self.give(Input { dir, data: &data[from..], gap: 0, eof: false, datagram: false }) {
                Outcome::Full { bytes } => from += bytes,
                Outcome::Consumed { bytes, need } => {
                    return Outcome::Consumed { bytes: from + bytes, need };
                }
                Outcome::Change { bytes, to } => return Outcome::Change { bytes: from + bytes, to },
                Outcome::Opaque { bytes } => return Outcome::Opaque { bytes: from + bytes },
                out => return out,
            }
        }
    }

    /// Feeds a datagram.
    pub fn datagram(&mut self, dir: Dir, data: &[u8]) -> Outcome {
        self.give(Input { dir, data, gap: 0, eof: true, datagram: true })
    }

    /// Feeds one direction in pieces of these lengths, giving again what was not consumed. Returns what was left.
    pub fn feed_cut(&mut self, dir: Dir, data: &[u8], cuts: &[usize]) -> usize {
        let (mut from, mut to) = (0, 0);
        for c in cuts.iter().cycle() {
            to = (to + (*c).max(1)).min(data.len());
            match self.feed(dir, &data[from..to]) {
                Outcome::Consumed { bytes, .. }
                | Outcome::Change { bytes, .. }
                | Outcome::Opaque { bytes } => {
                    from += bytes;
                }
                Outcome::Full { .. } => unreachable!("feed reads on"),
                Outcome::FailedHere => from = to,
                Outcome::Failed => return usize::MAX,
            }
            if to == data.len() {
                break;
            }
        }
        data.len() - from
    }

    /// Every value of a buffer, over all transactions, with the transaction's number.
    pub fn values(&mut self, local: u8, dir: Dir) -> Vec<(u64, Vec<u8>)> {
        let mut all = Vec::new();
        for tx in self.live() {
            let id = self.parser.common(tx).id;
            for index in 0..1000 {
                let at = BufferAt { local, dir, index, pool: &self.pool, scratch: &mut self.scratch };
                match self.parser.buffer(self.st, tx, at) {
                    Buffer::Data { bytes, .. } => all.push((id, bytes.to_vec())),
                    _ => break,
                }
            }
        }
        all
    }

    /// All there is to see, for comparison.
    pub fn everything(&mut self, def: &ProtoDef) -> Vec<(u64, Vec<u8>)> {
        let mut all = Vec::new();
        for (local, b) in def.buffers.iter().enumerate() {
            for dir in Dir::BOTH {
                if b.dirs & dir.bit() != 0 {
                    all.extend(self.values(local as u8, dir));
                }
            }
        }
        all
    }

    /// Live transactions, oldest first.
    pub fn live(&self) -> Vec<TxIdx> {
        let next = |at: &TxIdx| self.parser.next_tx(self.st, Some(*at));
        core::iter::successors(self.parser.next_tx(self.st, None), next).collect()
    }

    pub fn tx(&self, id: u64) -> TxIdx {
        self.live().into_iter().find(|t| self.parser.common(*t).id == id).unwrap()
    }

    pub fn events(&self, id: u64) -> u128 {
        self.parser.common(self.tx(id)).events
    }

    /// Ends the flow; nothing may be left.
    pub fn close(mut self) {
        self.end();
    }

    /// As [`Bench::close`], to look at the parser afterwards.
    pub fn end(&mut self) {
        let st = self.st;
        self.with(|p, cx| p.close(st, cx));
        assert_eq!(self.pool.in_use(), 0);
        assert_eq!(self.files.used(), 0);
    }
}
