//! The usual arrangement of a parser: states in a slab, transactions in chains. A protocol supplies what is its
//! own as a [`Protocol`]; [`Hosted`] makes a [`Parser`] of it.

use alloc::boxed::Box;

use super::txs::{Tx, TxList, Txs};
use super::{AppConfig, AppCx, Buffer, Input, LOG_WHOLE, Outcome, Parser, StateId, TxCommon, TxIdx, TxView};
use crate::Dir;
use crate::event::Fields;
use crate::pool::{BytePool, Scratch, Slab};

/// What is a protocol's own.
pub trait Protocol: Send + 'static {
    /// What a flow keeps.
    type State: Default + Send;
    /// What a transaction keeps beside [`TxCommon`].
    type Own: Default + Send;
    const NAME: &'static str;
    /// Progress at which a direction is complete.
    const COMPLETE: u8 = 1;

    fn new(cfg: &AppConfig) -> Self;
    /// Reads bytes.
    fn parse(
        &mut self,
        state: &mut Self::State,
        flow: &mut Transactions<'_, Self::Own>,
        input: Input<'_>,
        cx: &mut AppCx<'_>,
    ) -> Outcome;
    /// Gives back what a transaction holds.
    fn free(own: &mut Self::Own, pool: &mut BytePool);
    /// Transaction `id` is given back.
    fn forget(_: &mut Self::State, _id: u64, _: &mut AppCx<'_>) {}
    /// Gives back what a state holds.
    fn close(_: &mut Self::State, _: &mut AppCx<'_>) {}
    fn buffer<'a>(
        &'a self,
        tx: &'a Tx<Self::Own>,
        local: u8,
        dir: Dir,
        index: u32,
        pool: &'a BytePool,
        scratch: &'a mut Scratch,
    ) -> Buffer<'a>;
    fn int(&self, _tx: &Tx<Self::Own>, _local: u8, _dir: Dir, _index: u32, _pool: &BytePool) -> Option<u64> {
        None
    }
    fn log(&self, tx: &Tx<Self::Own>, view: &TxView<'_>, dir: Dir, out: &mut dyn Fields);
    /// See [`Parser::log_due`].
    fn log_due(&self, tx: &Tx<Self::Own>) -> u8 {
        if tx.common.progress.iter().all(|p| *p >= Self::COMPLETE) { LOG_WHOLE } else { 0 }
    }
    /// See [`Parser::announced`].
    fn announced(&mut self) -> Option<super::expect::Announce> {
        None
    }
    /// See [`Parser::expected`].
    fn expected(&mut self, _: &mut Self::State, _: crate::pool::PBuf, _: &mut AppCx<'_>) {}
}

/// The transactions of the flow being parsed.
pub struct Transactions<'a, T> {
    txs: &'a mut Txs<T>,
    list: &'a mut TxList,
}

impl<T: Default> Transactions<'_, T> {
    /// A new transaction; `None` when all are taken.
    pub fn open(&mut self, now: u64) -> Option<TxIdx> {
        self.txs.open(self.list, now)
    }
    pub fn get(&mut self, i: TxIdx) -> &mut Tx<T> {
        self.txs.get_mut(i)
    }
    /// The flow's only transaction, whose number is kept in `id`: a new one at the first call.
    pub fn only(&mut self, id: &mut Option<u64>, now: u64) -> Option<TxIdx> {
        if let Some(id) = *id {
            return self.find(id);
        }
        let tx = self.open(now)?;
        *id = Some(self.get(tx).common.id);
        Some(tx)
    }
    /// The youngest live one.
    pub fn last(&self) -> Option<TxIdx> {
        self.list.last()
    }
    pub fn first(&self) -> Option<TxIdx> {
        self.list.first()
    }
    /// Transaction number `id`.
    pub fn find(&self, id: u64) -> Option<TxIdx> {
        self.txs.find(self.list, id)
    }
    /// The oldest live one that satisfies `is`.
    pub fn oldest(&self, is: impl Fn(&Tx<T>) -> bool) -> Option<TxIdx> {
        self.txs.iter(self.list).find(|i| is(self.txs.get(*i)))
    }
    /// Raises an event on the youngest transaction, a new one if there is none.
    pub fn raise(&mut self, ev: u8, dir: Dir, now: u64) {
        if let Some(i) = self.last().or_else(|| self.open(now)) {
            self.get(i).common.raise(ev, dir);
        }
    }
}

#[derive(Debug, Default)]
struct Slot<S> {
    own: S,
    list: TxList,
}

/// A [`Parser`] made of a [`Protocol`].
pub struct Hosted<P: Protocol> {
    protocol: P,
    states: Slab<Slot<P::State>>,
    txs: Txs<P::Own>,
}

/// Makes the parser of `P`: for [`ProtoDef::parser`](super::ProtoDef).
pub fn make<P: Protocol>(cfg: &AppConfig) -> Box<dyn Parser> {
    Box::new(Hosted::<P> {
        protocol: P::new(cfg),
        states: Slab::new(cfg.max_states),
        txs: Txs::new(cfg.max_txs),
    })
}

impl<P: Protocol> Parser for Hosted<P> {
    fn open(&mut self, _: &mut AppCx<'_>) -> Option<StateId> {
        self.states.alloc()
    }

    fn close(&mut self, st: StateId, cx: &mut AppCx<'_>) {
        while let Some(first) = self.states.get(st).list.first() {
            let id = self.txs.get(first).common.id;
            self.free_tx(st, id, cx);
        }
        P::close(&mut self.states.get_mut(st).own, cx);
        self.states.free(st);
    }

    fn parse(&mut self, st: StateId, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        let slot = self.states.get_mut(st);
        let mut flow = Transactions { txs: &mut self.txs, list: &mut slot.list };
        self.protocol.parse(&mut slot.own, &mut flow, input, cx)
    }

    fn tx_bounds(&self, st: StateId) -> (u64, u64) {
        self.txs.bounds(&self.states.get(st).list)
    }

    fn tx(&self, st: StateId, id: u64) -> Option<TxIdx> {
        self.txs.find(&self.states.get(st).list, id)
    }

    fn common(&self, tx: TxIdx) -> &TxCommon {
        &self.txs.get(tx).common
    }

    fn common_mut(&mut self, tx: TxIdx) -> &mut TxCommon {
        &mut self.txs.get_mut(tx).common
    }

    fn complete_progress(&self, _: Dir) -> u8 {
        P::COMPLETE
    }

    fn free_tx(&mut self, st: StateId, id: u64, cx: &mut AppCx<'_>) {
        let Some(tx) = self.tx(st, id) else { return };
        P::forget(&mut self.states.get_mut(st).own, id, cx);
        for head in &mut self.txs.get_mut(tx).common.files {
            cx.files.free_chain(cx.pool, head);
        }
        if let Some(mut own) = self.txs.remove(&mut self.states.get_mut(st).list, id, cx.pool) {
            P::free(&mut own, cx.pool);
        }
    }

    fn buffer<'a>(
        &'a self,
        _: StateId,
        tx: TxIdx,
        local: u8,
        dir: Dir,
        index: u32,
        pool: &'a BytePool,
        scratch: &'a mut Scratch,
    ) -> Buffer<'a> {
        self.protocol.buffer(self.txs.get(tx), local, dir, index, pool, scratch)
    }

    fn int(&self, _: StateId, tx: TxIdx, local: u8, dir: Dir, index: u32, pool: &BytePool) -> Option<u64> {
        self.protocol.int(self.txs.get(tx), local, dir, index, pool)
    }

    fn log(&self, view: &TxView<'_>, dir: Dir, out: &mut dyn Fields) {
        self.protocol.log(self.txs.get(view.tx), view, dir, out);
    }

    fn log_due(&self, tx: TxIdx) -> u8 {
        self.protocol.log_due(self.txs.get(tx))
    }

    fn announced(&mut self) -> Option<super::expect::Announce> {
        self.protocol.announced()
    }

    fn expected(&mut self, st: StateId, what: crate::pool::PBuf, _: u64, cx: &mut AppCx<'_>) {
        self.protocol.expected(&mut self.states.get_mut(st).own, what, cx);
    }

    fn name(&self) -> &'static str {
        P::NAME
    }
}
