//! Transactions of one protocol: a slab of them, chained per flow in order of their number, with a queue for each
//! reader of changes.
//!
//! In: requests for new ones. Out: slab indices. Owns the transactions of all flows of one parser. Whoever takes a
//! transaction to write to it ([`TxSlab::get_mut`]) puts it into its flow's queues, so that readers (rules of either
//! direction, the engine's reports) visit what changed and never walk what did not.

use super::{AppConfig, TxDetect, TxIdx};
use crate::Dir;
use crate::pool::{BytePool, Records};

const NIL: u32 = u32::MAX;

/// Who waits for changed transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Rules of one direction.
    Inspect(Dir),
    /// Records, anomalies, files, and giving back what is done.
    Report,
}

impl Queue {
    pub const ALL: [Queue; 3] = [Queue::Inspect(Dir::ToServer), Queue::Inspect(Dir::ToClient), Queue::Report];

    /// Place among the lists of a flow; 0 is the list of all live transactions.
    const fn list(self) -> usize {
        match self {
            Queue::Inspect(Dir::ToServer) => 1,
            Queue::Inspect(Dir::ToClient) => 2,
            Queue::Report => 3,
        }
    }

    /// Its bit in a set of queues.
    pub const fn bit(self) -> u8 {
        1 << self.list()
    }
}

/// Lists that a transaction can be on: all live ones, each queue, and those that wait for their peer.
const LISTS: usize = 5;
const LIVE: usize = 0;
/// What waits for an answer, as the protocol says: finished ones, however many, are not walked to find it.
const WAITING: usize = 4;
/// Written to since the flow's queues were last brought up to date (a bit of [`TxLinks::on`]).
const TOUCHED: u8 = 1 << 7;

/// A transaction's places in the lists of its flow.
#[derive(Clone, Copy, Debug)]
struct TxLinks {
    prev: [u32; LISTS],
    next: [u32; LISTS],
    /// Neighbours among those that are [`TOUCHED`].
    touched: [u32; 2],
    /// Lists it is on (a bit each), and [`TOUCHED`].
    on: u8,
}

impl Default for TxLinks {
    fn default() -> Self {
        TxLinks { prev: [NIL; LISTS], next: [NIL; LISTS], touched: [NIL; 2], on: 0 }
    }
}

/// The part of a transaction that every protocol has; kept by the parser, written by detection and logging.
#[derive(Clone, Copy, Debug)]
pub struct TxCommon {
    /// Number of the transaction in its flow, from 0.
    pub id: u64,
    /// Number that outputs show: that of the carrier's transaction for what is carried in its messages, else `id`.
    pub shown_id: u64,
    /// Counts all transactions of the protocol, from 1: see [`TxHandle`].
    serial: u64,
    /// App-layer events raised on it (bit per [`ProtoDef::events`](super::ProtoDef::events)).
    pub events: u128,
    /// Of those, the ones already reported as anomalies.
    pub events_reported: u128,
    /// Direction in which each side last raised an event (bits of [`Dir::bit`]).
    pub event_dirs: u8,
    /// Owned by detection: state of rules that wait for more of this transaction, per direction.
    pub detect: [TxDetect; 2],
    /// Owned by the engine: which records were written (bit per [`Dir::bit`], bit 2: whole).
    pub logged: u8,
    /// Files that belong to it: head of a chain in [`Files`](super::file::Files) per direction;
    /// [`NO_FILE`](super::file::NO_FILE) for none.
    pub files: [u32; 2],
    /// Owned by the engine: the last file per direction up to which all records were written.
    pub files_told: [u32; 2],
    /// Owned by the engine: what intelligence has looked up of it.
    pub looked: u32,
    /// Owned by the engine: the indicator that was met last in it.
    pub met: u32,
    /// Owned by the engine: a policy has decided on it.
    pub policed: bool,
    /// Directions whose files a rule wants stored (bits of [`Dir::bit`]).
    pub store: u8,
    /// A rule wants no record of it.
    pub unlogged: bool,
    /// Packet time when it was created, ns.
    pub created: u64,
    progress: [u8; 2],
    dirty: [bool; 2],
    links: TxLinks,
}

impl Default for TxCommon {
    fn default() -> Self {
        TxCommon {
            id: 0,
            shown_id: 0,
            serial: 0,
            events: 0,
            events_reported: 0,
            event_dirs: 0,
            detect: [TxDetect::default(); 2],
            logged: 0,
            files: [NIL; 2],
            files_told: [NIL; 2],
            looked: 0,
            met: 0,
            policed: false,
            store: 0,
            unlogged: false,
            created: 0,
            progress: [0; 2],
            dirty: [true; 2],
            links: TxLinks::default(),
        }
    }
}

impl TxCommon {
    /// Its number among all transactions of its protocol, from 1.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// A fresh transaction, dirty in both directions.
    pub fn new(id: u64, created: u64) -> Self {
        TxCommon { id, shown_id: id, created, ..TxCommon::default() }
    }

    /// Progress of a direction: protocol-defined steps, see [`Parser::complete_progress`](super::Parser).
    pub const fn progress(&self, dir: Dir) -> u8 {
        self.progress[dir.ix()]
    }

    /// Progress of both directions, to the server first.
    pub const fn steps(&self) -> [u8; 2] {
        self.progress
    }

    /// Whether both directions have reached `step`.
    pub fn both_reached(&self, step: u8) -> bool {
        self.progress.iter().all(|p| *p >= step)
    }

    /// The direction has come as far as `to`: never back. What can be inspected has changed then.
    pub fn advance(&mut self, dir: Dir, to: u8) {
        if self.progress[dir.ix()] < to {
            self.progress[dir.ix()] = to;
            self.dirty[dir.ix()] = true;
        }
    }

    /// [`TxCommon::advance`] for both directions.
    pub fn advance_both(&mut self, to: u8) {
        Dir::BOTH.into_iter().for_each(|d| self.advance(d, to));
    }

    /// Something that rules of the direction can inspect has changed.
    pub const fn touch(&mut self, dir: Dir) {
        self.dirty[dir.ix()] = true;
    }

    /// [`TxCommon::touch`] for both directions.
    pub const fn touch_both(&mut self) {
        self.dirty = [true; 2];
    }

    /// Nothing of it exists in that direction, or rules have seen all there is.
    pub const fn settle(&mut self, dir: Dir) {
        self.dirty[dir.ix()] = false;
    }

    /// Whether rules of the direction have not seen all there is.
    pub const fn is_dirty(&self, dir: Dir) -> bool {
        self.dirty[dir.ix()]
    }

    /// Raises event number `ev` of the protocol in direction `dir`.
    pub fn raise(&mut self, ev: u8, dir: Dir) {
        self.events |= 1u128.checked_shl(u32::from(ev)).unwrap_or(0);
        self.event_dirs |= dir.bit();
        self.dirty[dir.ix()] = true;
    }

    /// Whether that event was raised in that direction, or in the other while another was in that one.
    pub fn was_raised(&self, ev: u8, dir: Dir) -> bool {
        self.events & 1u128.checked_shl(u32::from(ev)).unwrap_or(0) != 0 && self.event_dirs & dir.bit() != 0
    }

    /// Gives back everything detection kept on it; call when the transaction is freed.
    pub fn release(&mut self, pool: &mut BytePool) {
        self.detect[0].release(pool);
        self.detect[1].release(pool);
    }
}

/// What has a [`TxCommon`].
pub trait HasCommon: Default {
    fn common(&self) -> &TxCommon;
    fn common_mut(&mut self) -> &mut TxCommon;
}

/// A transaction: what every protocol has, and what this one has.
#[derive(Debug, Default)]
pub struct Tx<T> {
    pub common: TxCommon,
    pub own: T,
}

impl<T: Default> HasCommon for Tx<T> {
    fn common(&self) -> &TxCommon {
        &self.common
    }
    fn common_mut(&mut self) -> &mut TxCommon {
        &mut self.common
    }
}

/// A transaction as others remember it: they may outlive it. The default is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TxHandle {
    idx: TxIdx,
    serial: u64,
}

/// The transactions of one flow.
#[derive(Clone, Copy, Debug)]
pub struct TxList {
    head: [u32; LISTS],
    tail: [u32; LISTS],
    created: u64,
    live: u32,
}

impl Default for TxList {
    fn default() -> Self {
        TxList { head: [NIL; LISTS], tail: [NIL; LISTS], created: 0, live: 0 }
    }
}

impl TxList {
    /// Index of the youngest live transaction.
    pub fn last(&self) -> Option<TxIdx> {
        some(self.tail[LIVE])
    }
    /// Index of the oldest live transaction.
    pub fn first(&self) -> Option<TxIdx> {
        some(self.head[LIVE])
    }
    /// Transactions created so far.
    pub fn created(&self) -> u64 {
        self.created
    }
    /// Live transactions.
    pub fn live(&self) -> u32 {
        self.live
    }
}

fn some(i: u32) -> Option<TxIdx> {
    (i != NIL).then_some(i)
}

/// All transactions of one protocol in one engine.
#[derive(Debug)]
pub struct TxSlab<T> {
    slab: Records<T>,
    opened: u64,
    /// First and last of the transactions written to since [`TxSlab::settle`], each at most once.
    touched: [u32; 2],
}

/// The transactions of a protocol whose own part is a `T`.
pub type Txs<T> = TxSlab<Tx<T>>;

impl<T: HasCommon> TxSlab<T> {
    /// At most `cfg.max_txs` transactions, in the memory that all protocols share.
    pub fn new(cfg: &AppConfig) -> Self {
        TxSlab { slab: Records::new(&cfg.arena(), cfg.max_txs), opened: 0, touched: [NIL; 2] }
    }

    /// Appends a transaction to a flow, or `None` when all are taken. It is dirty in both directions.
    pub fn open(&mut self, list: &mut TxList, now: u64) -> Option<TxIdx> {
        let i = self.slab.alloc()?;
        self.opened += 1;
        *self.slab.get_mut(i).common_mut() =
            TxCommon { serial: self.opened, ..TxCommon::new(list.created, now) };
        list.created += 1;
        list.live += 1;
        self.link(list, LIVE, i);
        self.touch(i);
        Some(i)
    }

    /// What finds the transaction again, or that it is gone.
    pub fn handle(&self, i: TxIdx) -> TxHandle {
        TxHandle { idx: i, serial: self.slab.get(i).common().serial }
    }

    /// The transaction, if it is still there.
    pub fn resolve(&self, h: TxHandle) -> Option<TxIdx> {
        let t = self.slab.peek(h.idx)?;
        (h.serial != 0 && t.common().serial == h.serial).then_some(h.idx)
    }

    fn links(&mut self, i: TxIdx) -> &mut TxLinks {
        &mut self.slab.get_mut(i).common_mut().links
    }

    /// Puts it at the end of a list, unless it is there.
    fn link(&mut self, list: &mut TxList, which: usize, i: TxIdx) {
        let tail = list.tail[which];
        let l = self.links(i);
        if l.on >> which & 1 == 1 {
            return;
        }
        l.on |= 1 << which;
        l.prev[which] = tail;
        l.next[which] = NIL;
        match some(tail) {
            Some(t) => self.links(t).next[which] = i,
            None => list.head[which] = i,
        }
        list.tail[which] = i;
    }

    fn unlink(&mut self, list: &mut TxList, which: usize, i: TxIdx) {
        let l = self.links(i);
        if l.on >> which & 1 == 0 {
            return;
        }
        l.on &= !(1 << which);
        let (prev, next) = (l.prev[which], l.next[which]);
        match some(prev) {
            Some(p) => self.links(p).next[which] = next,
            None => list.head[which] = next,
        }
        match some(next) {
            Some(n) => self.links(n).prev[which] = prev,
            None => list.tail[which] = prev,
        }
    }

    fn touch(&mut self, i: TxIdx) {
        let last = self.touched[1];
        let l = self.links(i);
        if l.on & TOUCHED != 0 {
            return;
        }
        l.on |= TOUCHED;
        l.touched = [last, NIL];
        match some(last) {
            Some(t) => self.links(t).touched[1] = i,
            None => self.touched[0] = i,
        }
        self.touched[1] = i;
    }

    /// Takes a transaction out of those written to, if it is there.
    fn untouch(&mut self, i: TxIdx) {
        let l = self.links(i);
        if l.on & TOUCHED == 0 {
            return;
        }
        l.on &= !TOUCHED;
        let [prev, next] = l.touched;
        match some(prev) {
            Some(p) => self.links(p).touched[1] = next,
            None => self.touched[0] = next,
        }
        match some(next) {
            Some(n) => self.links(n).touched[0] = prev,
            None => self.touched[1] = prev,
        }
    }

    /// Puts what was written to since the last call into the queues of its flow. Call after each input.
    pub fn settle(&mut self, list: &mut TxList) {
        while let Some(i) = some(self.touched[0]) {
            self.untouch(i);
            for q in Queue::ALL {
                self.link(list, q.list(), i);
            }
        }
    }

    /// Takes the transaction that has waited longest in a queue.
    pub fn take(&mut self, list: &mut TxList, queue: Queue) -> Option<TxIdx> {
        let i = some(list.head[queue.list()])?;
        self.unlink(list, queue.list(), i);
        Some(i)
    }

    /// Puts a transaction into a queue.
    pub fn requeue(&mut self, list: &mut TxList, i: TxIdx, queue: Queue) {
        self.link(list, queue.list(), i);
    }

    /// The oldest live transaction, or the one that follows `after`.
    pub fn next(&self, list: &TxList, after: Option<TxIdx>) -> Option<TxIdx> {
        match after {
            None => list.first(),
            Some(i) => some(self.slab.get(i).common().links.next[LIVE]),
        }
    }

    /// Index of transaction number `id`, looked for from the oldest and from the newest at once: answers are to the oldest,
    /// and requests ask for the newest, however many are live.
    pub fn find(&self, list: &TxList, id: u64) -> Option<TxIdx> {
        let (mut old, mut new) = (list.first()?, some(list.tail[LIVE])?);
        loop {
            #[cfg(test)]
            super::entries::work::add(1);
            let (o, n) = (self.slab.get(old).common(), self.slab.get(new).common());
            if o.id == id {
                return Some(old);
            }
            if n.id == id {
                return Some(new);
            }
            if o.id > id || n.id < id || o.id >= n.id {
                return None;
            }
            (old, new) = (some(o.links.next[LIVE])?, some(n.links.prev[LIVE])?);
        }
    }

    /// The live transactions, oldest first.
    pub fn iter(&self, list: &TxList) -> impl Iterator<Item = TxIdx> + '_ {
        let mut at = list.first();
        core::iter::from_fn(move || {
            let now = at?;
            #[cfg(test)]
            super::entries::work::add(1);
            at = some(self.slab.get(now).common().links.next[LIVE]);
            Some(now)
        })
    }

    /// Puts a transaction behind those that wait.
    pub fn wait(&mut self, list: &mut TxList, i: TxIdx) {
        self.link(list, WAITING, i);
    }

    /// It waits no longer.
    pub fn answered(&mut self, list: &mut TxList, i: TxIdx) {
        self.unlink(list, WAITING, i);
    }

    /// Those that wait, the one that has waited longest first.
    pub fn waiting(&self, list: &TxList) -> impl Iterator<Item = TxIdx> + '_ {
        let mut at = some(list.head[WAITING]);
        core::iter::from_fn(move || {
            let now = at?;
            #[cfg(test)]
            super::entries::work::add(1);
            at = some(self.slab.get(now).common().links.next[WAITING]);
            Some(now)
        })
    }

    pub fn get(&self, i: TxIdx) -> &T {
        self.slab.get(i)
    }

    /// To write to: it will be in the queues of its flow.
    pub fn get_mut(&mut self, i: TxIdx) -> &mut T {
        self.touch(i);
        self.slab.get_mut(i)
    }

    /// For the engine's and detection's own marks, which nobody waits for.
    pub fn quiet_mut(&mut self, i: TxIdx) -> &mut T {
        self.slab.get_mut(i)
    }

    /// Takes a transaction out; `free` gives back what it holds.
    pub fn remove_with(
        &mut self,
        list: &mut TxList,
        i: TxIdx,
        pool: &mut BytePool,
        free: impl FnOnce(&mut T, &mut BytePool),
    ) {
        let on = self.links(i).on;
        for which in (0..LISTS).filter(|which| on >> which & 1 == 1) {
            self.unlink(list, which, i);
        }
        list.live -= 1;
        self.untouch(i);
        let t = self.slab.get_mut(i);
        t.common_mut().release(pool);
        free(t, pool);
        // Nobody finds it again: the place keeps its bytes until it is handed out.
        t.common_mut().serial = 0;
        self.slab.free(i);
    }

    /// As [`TxSlab::remove_with`]; the caller frees what its own part holds.
    pub fn remove(&mut self, list: &mut TxList, i: TxIdx, pool: &mut BytePool) -> T {
        let mut out = T::default();
        self.remove_with(list, i, pool, |t, _| out = core::mem::take(t));
        out
    }

    /// Live transactions of all flows.
    pub fn used(&self) -> usize {
        self.slab.used()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whichever are gone, each of the others is found, and none that is gone; the newest and the oldest at once.
    #[test]
    fn every_number_is_found() {
        for gone in 0..1u32 << 8 {
            let mut pool = BytePool::new(1 << 12);
            let mut txs: Txs<u8> = Txs::new(&AppConfig { max_txs: 8, ..AppConfig::default() });
            let mut list = TxList::default();
            let at: Vec<TxIdx> = (0..8).map(|_| txs.open(&mut list, 0).unwrap()).collect();
            let is_gone = |n: u64| n > 7 || gone >> n & 1 == 1;
            for n in (0..8).filter(|n| is_gone(*n)) {
                txs.remove(&mut list, at[n as usize], &mut pool);
            }
            for n in 0..10 {
                let expected = (!is_gone(n)).then(|| at[n as usize]);
                crate::app::entries::work::take();
                assert_eq!(txs.find(&list, n), expected, "{n} of {gone:b}");
                assert!(crate::app::entries::work::take() <= 4);
            }
        }
    }

    #[test]
    fn numbers_stay_when_others_go() {
        let mut pool = BytePool::new(1 << 12);
        let mut txs: Txs<u8> = Txs::new(&AppConfig { max_txs: 3, ..AppConfig::default() });
        let mut list = TxList::default();
        let mut at = [0; 3];
        for n in 0..3 {
            let i = txs.open(&mut list, 0).unwrap();
            txs.get_mut(i).own = n;
            at[usize::from(n)] = i;
        }
        assert!(txs.open(&mut list, 0).is_none());
        assert_eq!((txs.next(&list, None), txs.next(&list, Some(at[2]))), (Some(at[0]), None));
        assert_eq!(txs.remove(&mut list, at[1], &mut pool).own, 1);
        assert_eq!(txs.find(&list, 1), None);
        assert_eq!(txs.next(&list, Some(at[0])), Some(at[2]));
        assert_eq!(txs.remove(&mut list, at[2], &mut pool).own, 2);
        assert_eq!(list.last(), list.first());
        let i = txs.open(&mut list, 0).unwrap();
        assert_eq!(txs.get(i).common.id, 3);
        assert_eq!((txs.iter(&list).count(), list.live(), list.created()), (2, 2, 4));
        txs.remove(&mut list, at[0], &mut pool);
        txs.remove(&mut list, i, &mut pool);
        assert_eq!((list.first(), txs.used()), (None, 0));
    }

    #[test]
    fn queues_hold_what_changed_and_nothing_else() {
        let mut pool = BytePool::new(1 << 12);
        let mut txs: Txs<u8> = Txs::new(&AppConfig { max_txs: 8, ..AppConfig::default() });
        let mut list = TxList::default();
        let ix: [TxIdx; 4] = core::array::from_fn(|_| txs.open(&mut list, 0).unwrap());
        txs.settle(&mut list);
        let report = |t: &mut Txs<u8>, l: &mut TxList| -> Vec<TxIdx> {
            core::iter::from_fn(|| t.take(l, Queue::Report)).collect()
        };
        let mut first = report(&mut txs, &mut list);
        first.sort_unstable();
        assert_eq!(first, ix);
        assert!(report(&mut txs, &mut list).is_empty());
        txs.quiet_mut(ix[0]).own = 1;
        txs.get_mut(ix[2]).own = 1;
        txs.get_mut(ix[2]).own = 2;
        txs.settle(&mut list);
        assert_eq!(report(&mut txs, &mut list), [ix[2]]);
        // One that goes leaves every queue, also when it was written to just before.
        txs.get_mut(ix[3]).own = 3;
        txs.remove(&mut list, ix[3], &mut pool);
        txs.settle(&mut list);
        let left: Vec<TxIdx> =
            core::iter::from_fn(|| txs.take(&mut list, Queue::Inspect(Dir::ToClient))).collect();
        assert_eq!(left.len(), 3);
        assert!(!left.contains(&ix[3]));
        assert!(report(&mut txs, &mut list).is_empty());
    }
}
