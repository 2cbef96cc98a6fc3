//! Protocols that live inside messages of others: a guest supplies what is its own as a [`Guest`], [`lodge`] makes a
//! [`GuestParser`] of it, as [`Hosted`](crate::app::hosted::Hosted) does for protocols of flows.

use alloc::boxed::Box;

use super::{BodyCx, Cut, Origin, Piece};
use crate::Dir;
use crate::app::hosted::Transactions;
use crate::app::txs::{Tx, TxList, Txs};
use crate::app::{
    AppConfig, AppCx, Buffer, BufferAt, Input, IntAt, LOG_WHOLE, Outcome, Parser, Queue, StateId, TxCommon,
    TxIdx, TxView, Wanted,
};
use crate::event::Fields;
use crate::pool::{BytePool, Records};

/// Makes the guest of one engine.
pub type MakeGuest = fn(&AppConfig) -> Box<dyn GuestParser>;

/// What a guest wants of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Its head was enough.
    Head,
    /// Its bytes, cut like that.
    Bytes(Cut),
}

impl Interest {
    pub(super) const fn cut(self) -> Option<Cut> {
        match self {
            Interest::Head => None,
            Interest::Bytes(c) => Some(c),
        }
    }
}

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Whole,
    /// Its flow or stream was cut off before.
    Cut,
}

/// Where a guest works: the flow's transactions, and what it keeps of the exchange at hand.
pub struct At<'a, G: Guest + ?Sized> {
    pub txs: Transactions<'a, G::Own>,
    pub part: &'a mut G::Part,
}

/// What is a guest's own.
pub trait Guest: Send + 'static {
    /// What a transaction keeps beside [`TxCommon`].
    type Own: Default + Send;
    /// What is kept of an exchange while its messages are read.
    type Part: Default + Send;
    /// Progress at which a direction of a transaction is complete.
    const COMPLETE: u8 = 1;

    fn new(cfg: &AppConfig) -> Self;
    /// Rules were loaded that read these buffers and numbers: what they need may be made now, as nothing may later.
    fn wanted(&mut self, _: Wanted) {}
    /// Asked once an exchange, with the head of its first message.
    fn wants(&self, dir: Dir, o: &Origin<'_>, pool: &BytePool) -> bool;
    /// A message of the exchange begins.
    fn begin(&mut self, at: At<'_, Self>, dir: Dir, o: &Origin<'_>, cx: &mut BodyCx<'_>) -> Interest;
    /// Bytes of it, cut as asked.
    fn piece(&mut self, at: At<'_, Self>, dir: Dir, piece: Piece<'_>, o: &Origin<'_>, cx: &mut BodyCx<'_>);
    /// Bytes of it never arrived; the pieces that follow may begin anywhere.
    fn gap(&mut self, at: At<'_, Self>, dir: Dir, bytes: u64, o: &Origin<'_>, cx: &mut BodyCx<'_>);
    /// It is over.
    fn end(&mut self, at: At<'_, Self>, dir: Dir, how: Ended, o: &Origin<'_>, cx: &mut BodyCx<'_>);
    /// The carrier's transaction goes: nothing more comes for this exchange.
    fn release(&mut self, at: At<'_, Self>, cx: &mut BodyCx<'_>);
    /// Gives back what a transaction holds.
    fn free(own: &mut Self::Own, pool: &mut BytePool);
    fn buffer<'a>(&'a self, tx: &'a Tx<Self::Own>, at: BufferAt<'a>) -> Buffer<'a>;
    fn int(&self, tx: &Tx<Self::Own>, at: IntAt<'_>) -> Option<u64>;
    fn log(&self, tx: &Tx<Self::Own>, view: &TxView<'_>, dir: Dir, out: &mut dyn Fields);
    /// See [`Parser::log_at_end`].
    fn log_at_end(&self, tx: &Tx<Self::Own>) -> u8;
    /// See [`Parser::call`].
    fn call<'a>(&self, tx: &'a Tx<Self::Own>) -> Option<&'a crate::ai::Call> {
        let _ = tx;
        None
    }
}

/// A guest as [`Bodies`](super::Bodies) sees it: a [`Parser`] that is given messages, not bytes of flows.
pub trait GuestParser: Parser {
    fn wants(&self, dir: Dir, o: &Origin<'_>, pool: &BytePool) -> bool;
    /// The flow's state, made when it has none; `None` when there is no memory.
    fn opened(&mut self, lodging: &mut u32) -> Option<StateId>;
    /// Room for what is kept of an exchange.
    fn part(&mut self) -> Option<u32>;
    fn begin(&mut self, st: StateId, part: u32, dir: Dir, o: &Origin<'_>, cx: &mut BodyCx<'_>) -> Interest;
    fn piece(
        &mut self,
        st: StateId,
        part: u32,
        dir: Dir,
        piece: Piece<'_>,
        o: &Origin<'_>,
        cx: &mut BodyCx<'_>,
    );
    fn gap(&mut self, st: StateId, part: u32, dir: Dir, bytes: u64, o: &Origin<'_>, cx: &mut BodyCx<'_>);
    fn end(&mut self, st: StateId, part: u32, dir: Dir, how: Ended, o: &Origin<'_>, cx: &mut BodyCx<'_>);
    fn release(&mut self, st: StateId, part: u32, cx: &mut BodyCx<'_>);
    /// Puts what changed into the flow's queues.
    fn settle(&mut self, st: StateId);
    /// See [`Guest::wanted`].
    fn set_wanted(&mut self, wanted: Wanted);
}

/// A [`GuestParser`] made of a [`Guest`].
struct Lodger<G: Guest> {
    guest: G,
    flows: Records<TxList>,
    txs: Txs<G::Own>,
    parts: Records<G::Part>,
}

/// Makes the parser of `G`: for [`ProtoDef::guest`](crate::app::ProtoDef).
pub fn lodge<G: Guest>(cfg: &AppConfig) -> Box<dyn GuestParser> {
    Box::new(Lodger::<G> {
        guest: G::new(cfg),
        flows: Records::new(&cfg.arena(), cfg.max_states),
        txs: Txs::new(cfg),
        parts: Records::new(&cfg.arena(), cfg.max_txs),
    })
}

impl<G: Guest> Lodger<G> {
    fn at(&mut self, st: StateId, part: u32) -> (&mut G, At<'_, G>) {
        let txs = Transactions::new(&mut self.txs, self.flows.get_mut(st));
        (&mut self.guest, At { txs, part: self.parts.get_mut(part) })
    }
}

impl<G: Guest> GuestParser for Lodger<G> {
    fn wants(&self, dir: Dir, o: &Origin<'_>, pool: &BytePool) -> bool {
        self.guest.wants(dir, o, pool)
    }

    fn opened(&mut self, lodging: &mut u32) -> Option<StateId> {
        if *lodging == 0 {
            *lodging = self.flows.alloc()? + 1;
        }
        Some(*lodging - 1)
    }

    fn part(&mut self) -> Option<u32> {
        self.parts.alloc()
    }

    fn begin(&mut self, st: StateId, part: u32, dir: Dir, o: &Origin<'_>, cx: &mut BodyCx<'_>) -> Interest {
        let (guest, at) = self.at(st, part);
        guest.begin(at, dir, o, cx)
    }

    fn piece(
        &mut self,
        st: StateId,
        part: u32,
        dir: Dir,
        piece: Piece<'_>,
        o: &Origin<'_>,
        cx: &mut BodyCx<'_>,
    ) {
        let (guest, at) = self.at(st, part);
        guest.piece(at, dir, piece, o, cx);
    }

    fn gap(&mut self, st: StateId, part: u32, dir: Dir, bytes: u64, o: &Origin<'_>, cx: &mut BodyCx<'_>) {
        let (guest, at) = self.at(st, part);
        guest.gap(at, dir, bytes, o, cx);
    }

    fn end(&mut self, st: StateId, part: u32, dir: Dir, how: Ended, o: &Origin<'_>, cx: &mut BodyCx<'_>) {
        let (guest, at) = self.at(st, part);
        guest.end(at, dir, how, o, cx);
    }

    fn release(&mut self, st: StateId, part: u32, cx: &mut BodyCx<'_>) {
        let (guest, at) = self.at(st, part);
        guest.release(at, cx);
        self.parts.free(part);
    }

    fn settle(&mut self, st: StateId) {
        self.txs.settle(self.flows.get_mut(st));
    }

    fn set_wanted(&mut self, wanted: Wanted) {
        self.guest.wanted(wanted);
    }
}

impl<G: Guest> Parser for Lodger<G> {
    /// Never asked: a guest is opened with the first message that it wants.
    fn open(&mut self, _: &mut AppCx<'_>) -> Option<StateId> {
        None
    }

    fn close(&mut self, st: StateId, cx: &mut AppCx<'_>) {
        while let Some(first) = self.flows.get(st).first() {
            self.free_tx(st, first, cx);
        }
        self.flows.free(st);
    }

    /// Never asked: the bytes of flows go to carriers.
    fn parse(&mut self, _: StateId, _: Input<'_>, _: &mut AppCx<'_>) -> Outcome {
        Outcome::Failed
    }

    fn next_tx(&self, st: StateId, after: Option<TxIdx>) -> Option<TxIdx> {
        self.txs.next(self.flows.get(st), after)
    }

    fn tx_count(&self, st: StateId) -> u64 {
        self.flows.get(st).created()
    }

    fn take_changed(&mut self, st: StateId, queue: Queue) -> Option<TxIdx> {
        self.txs.take(self.flows.get_mut(st), queue)
    }

    fn requeue(&mut self, st: StateId, tx: TxIdx, queue: Queue) {
        self.txs.requeue(self.flows.get_mut(st), tx, queue);
    }

    fn common(&self, tx: TxIdx) -> &TxCommon {
        &self.txs.get(tx).common
    }

    fn common_mut(&mut self, tx: TxIdx) -> &mut TxCommon {
        &mut self.txs.quiet_mut(tx).common
    }

    fn complete_progress(&self, _: Dir) -> u8 {
        G::COMPLETE
    }

    fn free_tx(&mut self, st: StateId, tx: TxIdx, cx: &mut AppCx<'_>) {
        let mut t = self.txs.remove(self.flows.get_mut(st), tx, cx.pool);
        for head in &mut t.common.files {
            cx.files.free_chain(cx.pool, head);
        }
        G::free(&mut t.own, cx.pool);
    }

    fn buffer<'a>(&'a self, _: StateId, tx: TxIdx, at: BufferAt<'a>) -> Buffer<'a> {
        self.guest.buffer(self.txs.get(tx), at)
    }

    fn int(&self, _: StateId, tx: TxIdx, at: IntAt<'_>) -> Option<u64> {
        self.guest.int(self.txs.get(tx), at)
    }

    fn log(&self, view: &TxView<'_>, dir: Dir, out: &mut dyn Fields) {
        self.guest.log(self.txs.get(view.tx), view, dir, out);
    }

    fn log_due(&self, tx: TxIdx) -> u8 {
        let t = self.txs.get(tx);
        if t.common.both_reached(G::COMPLETE) { self.guest.log_at_end(t) & LOG_WHOLE } else { 0 }
    }

    fn call(&self, tx: TxIdx) -> Option<&crate::ai::Call> {
        self.guest.call(self.txs.get(tx))
    }

    fn log_at_end(&self, tx: TxIdx) -> u8 {
        self.guest.log_at_end(self.txs.get(tx))
    }
}
