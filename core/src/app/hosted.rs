//! The usual arrangement of a parser: states in a slab, transactions in chains. A protocol supplies what is its
//! own as a [`Protocol`]; [`Hosted`] makes a [`Parser`] of it.

use alloc::boxed::Box;

use super::txs::{Tx, TxHandle, TxList, Txs};
use super::{
    AppConfig, AppCx, Buffer, BufferAt, Input, IntAt, LOG_WHOLE, Outcome, Parser, Queue, StateId, TxCommon,
    TxIdx, TxView,
};
use crate::Dir;
use crate::event::Fields;
use crate::pool::{BytePool, Records};

/// What is a protocol's own.
pub trait Protocol: Send + 'static {
    /// What a flow keeps.
    type State: Default + Send;
    /// What a transaction keeps beside [`TxCommon`].
    type Own: Default + Send;
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
    /// A transaction is about to be given back.
    fn forget(_: &mut Self::State, _tx: &Tx<Self::Own>, _: &mut AppCx<'_>) {}
    /// Gives back what a state holds.
    fn close(_: &mut Self::State, _: &mut AppCx<'_>) {}
    /// As [`Protocol::close`], for a protocol that holds something for its states.
    fn release(&mut self, s: &mut Self::State, cx: &mut AppCx<'_>) {
        Self::close(s, cx);
    }
    fn buffer<'a>(&'a self, tx: &'a Tx<Self::Own>, at: BufferAt<'a>) -> Buffer<'a>;
    fn int(&self, _tx: &Tx<Self::Own>, _at: IntAt<'_>) -> Option<u64> {
        None
    }
    /// See [`Parser::little`].
    fn little(&self, _: &Tx<Self::Own>, _: Dir) -> bool {
        false
    }
    fn log(&self, tx: &Tx<Self::Own>, view: &TxView<'_>, dir: Dir, out: &mut dyn Fields);
    /// See [`Parser::log_due`].
    fn log_due(&self, tx: &Tx<Self::Own>) -> u8 {
        if tx.common.both_reached(Self::COMPLETE) { LOG_WHOLE } else { 0 }
    }
    /// See [`Parser::log_at_end`].
    fn log_at_end(&self, _: &Tx<Self::Own>) -> u8 {
        LOG_WHOLE
    }
    /// See [`Parser::record`].
    fn record(&self, _: &Tx<Self::Own>) -> Option<&'static str> {
        None
    }
    /// See [`Parser::announced`].
    fn announced(&mut self) -> Option<super::expect::Announce> {
        None
    }
    /// See [`Parser::evicted`].
    fn evicted(&self) -> u64 {
        0
    }
    /// See [`Parser::expected`].
    fn expected(&mut self, _: &mut Self::State, _: crate::pool::PBuf, _: &mut AppCx<'_>) {}
}

/// The transactions of the flow being parsed.
pub struct Transactions<'a, T> {
    txs: &'a mut Txs<T>,
    list: &'a mut TxList,
    /// Transactions of the flow before this input.
    before: u64,
}

/// Transactions of one input after which rules have their turn, see [`Outcome::Full`].
const ROUND: u64 = 1024;

impl<'a, T: Default> Transactions<'a, T> {
    pub(super) fn new(txs: &'a mut Txs<T>, list: &'a mut TxList) -> Self {
        let before = list.created();
        Transactions { txs, list, before }
    }
    /// The input has brought so many transactions that they are to be looked at before more are opened.
    pub fn is_full(&self) -> bool {
        self.list.created() - self.before >= ROUND
    }
    /// It waits for its answer: see [`Transactions::waiting`].
    pub fn wait(&mut self, i: TxIdx) {
        self.txs.wait(self.list, i);
    }
    /// It waits no longer.
    pub fn answered(&mut self, i: TxIdx) {
        self.txs.answered(self.list, i);
    }
    /// Of those that wait the one that has waited longest and satisfies `is`. Protocols keep these few, so that a
    /// walk of them is short.
    pub fn waiting(&self, is: impl Fn(&Tx<T>) -> bool) -> Option<TxIdx> {
        self.txs.waiting(self.list).find(|i| is(self.txs.get(*i)))
    }
    /// What finds the transaction again, or that it is gone.
    pub fn handle(&self, i: TxIdx) -> TxHandle {
        self.txs.handle(i)
    }
    /// The transaction, if it is still there.
    pub fn resolve(&self, h: TxHandle) -> Option<TxIdx> {
        self.txs.resolve(h)
    }
    /// A new transaction; `None` when all are taken.
    pub fn open(&mut self, now: u64) -> Option<TxIdx> {
        self.txs.open(self.list, now)
    }
    /// To write to.
    pub fn get(&mut self, i: TxIdx) -> &mut Tx<T> {
        self.txs.get_mut(i)
    }
    /// To read.
    pub fn peek(&self, i: TxIdx) -> &Tx<T> {
        self.txs.get(i)
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
    /// How many live ones there are.
    pub fn live(&self) -> u32 {
        self.list.live()
    }
    /// The live one that follows `i`.
    pub fn after(&self, i: TxIdx) -> Option<TxIdx> {
        self.txs.next(self.list, Some(i))
    }
    /// Transaction number `id`.
    pub fn find(&self, id: u64) -> Option<TxIdx> {
        self.txs.find(self.list, id)
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
    states: Records<Slot<P::State>>,
    txs: Txs<P::Own>,
}

/// Makes the parser of `P`: for [`ProtoDef::parser`](super::ProtoDef).
pub fn make<P: Protocol>(cfg: &AppConfig) -> Box<dyn Parser> {
    Box::new(Hosted::<P> {
        protocol: P::new(cfg),
        states: Records::new(&cfg.arena(), cfg.max_states),
        txs: Txs::new(cfg),
    })
}

impl<P: Protocol> Parser for Hosted<P> {
    fn evicted(&self) -> u64 {
        self.protocol.evicted()
    }

    fn open(&mut self, _: &mut AppCx<'_>) -> Option<StateId> {
        self.states.alloc()
    }

    fn close(&mut self, st: StateId, cx: &mut AppCx<'_>) {
        while let Some(first) = self.states.get(st).list.first() {
            self.free_tx(st, first, cx);
        }
        self.protocol.release(&mut self.states.get_mut(st).own, cx);
        self.states.free(st);
    }

    fn parse(&mut self, st: StateId, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        let slot = self.states.get_mut(st);
        let mut flow = Transactions::new(&mut self.txs, &mut slot.list);
        let out = self.protocol.parse(&mut slot.own, &mut flow, input, cx);
        self.txs.settle(&mut slot.list);
        out
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
        P::COMPLETE
    }

    fn free_tx(&mut self, st: StateId, tx: TxIdx, cx: &mut AppCx<'_>) {
        let slot = self.states.get_mut(st);
        P::forget(&mut slot.own, self.txs.get(tx), cx);
        let files = &mut *cx.files;
        self.txs.remove_with(&mut slot.list, tx, cx.pool, |t, pool| {
            for head in &mut t.common.files {
                files.free_chain(pool, head);
            }
            P::free(&mut t.own, pool);
        });
    }

    fn buffer<'a>(&'a self, _: StateId, tx: TxIdx, at: BufferAt<'a>) -> Buffer<'a> {
        let t = self.txs.get(tx);
        self.protocol.buffer(t, at)
    }

    fn int(&self, _: StateId, tx: TxIdx, at: IntAt<'_>) -> Option<u64> {
        self.protocol.int(self.txs.get(tx), at)
    }

    fn little(&self, tx: TxIdx, dir: Dir) -> bool {
        self.protocol.little(self.txs.get(tx), dir)
    }

    fn log(&self, view: &TxView<'_>, dir: Dir, out: &mut dyn Fields) {
        self.protocol.log(self.txs.get(view.tx), view, dir, out);
    }

    fn log_due(&self, tx: TxIdx) -> u8 {
        self.protocol.log_due(self.txs.get(tx))
    }

    fn log_at_end(&self, tx: TxIdx) -> u8 {
        self.protocol.log_at_end(self.txs.get(tx))
    }

    fn record(&self, tx: TxIdx) -> Option<&'static str> {
        self.protocol.record(self.txs.get(tx))
    }

    fn announced(&mut self) -> Option<super::expect::Announce> {
        self.protocol.announced()
    }

    fn expected(&mut self, st: StateId, what: crate::pool::PBuf, _: u64, cx: &mut AppCx<'_>) {
        self.protocol.expected(&mut self.states.get_mut(st).own, what, cx);
    }
}
