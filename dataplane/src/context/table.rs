//! Flows and what hosts say of them, joined by their ends and the time.
//!
//! In: either side, in any order. Out: the other side, as soon as both are there. Owns slots of fixed number: a pair of ends
//! may be in two places of eight slots each and takes the emptier one, so that the table fills evenly. When both places are
//! full, what can meet nobody any more makes room first, then what was quiet longest; what is lost by that is counted.
//!
//! A pair of ends may be used again. A host's word belongs to the flow that lived when it was said, with a window before and
//! behind, because clocks differ and logs are late.

use std::hash::Hasher;
use std::net::IpAddr;
use std::sync::Mutex;

use super::{keyed, lock, lock_soon};

/// Slots of one place.
const EIGHT: usize = 8;
/// Parts of the table, with a lock each.
const SHARDS: usize = 64;

/// An end of a connection.
pub type End = (IpAddr, u16);

/// Both ends in one order, whichever side tells of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    a: ([u8; 16], u16),
    b: ([u8; 16], u16),
    proto: u8,
    v6: bool,
}

/// IPv4 addresses that are written as IPv6 ones are IPv4 addresses.
fn bytes(ip: IpAddr) -> ([u8; 16], bool) {
    match ip.to_canonical() {
        IpAddr::V4(v) => {
            let mut out = [0; 16];
            out[..4].copy_from_slice(&v.octets());
            (out, false)
        }
        IpAddr::V6(v) => (v.octets(), true),
    }
}

impl Pair {
    /// The pair, and whether `x` is its first end.
    pub fn new(x: End, y: End, proto: u8) -> (Pair, bool) {
        let ((xa, x6), (ya, y6)) = (bytes(x.0), bytes(y.0));
        let (x, y) = ((xa, x.1), (ya, y.1));
        let first = x <= y;
        let (a, b) = if first { (x, y) } else { (y, x) };
        (Pair { a, b, proto, v6: x6 || y6 }, first)
    }
}

const USED: u8 = 1;
const FLOW: u8 = 2;
const CLIENT_IS_A: u8 = 4;
const ENDED: u8 = 8;

/// A flow, what was said of its ends, or both.
#[derive(Clone, Copy)]
struct Slot {
    pair: Pair,
    bits: u8,
    /// Words of hosts that wait for the flow.
    waiting: u16,
    flow: u64,
    /// Nanoseconds of the flow's beginning and of its latest packet that was told.
    start: u64,
    last: u64,
    /// When each end's host spoke, and where the text is; 0: nothing yet.
    said: [u64; 2],
    text: [u64; 2],
}

const EMPTY: Slot = Slot {
    pair: Pair { a: ([0; 16], 0), b: ([0; 16], 0), proto: 0, v6: false },
    bits: 0,
    waiting: 0,
    flow: 0,
    start: 0,
    last: 0,
    said: [0; 2],
    text: [0; 2],
};

impl Slot {
    const fn has(&self, bit: u8) -> bool {
        self.bits & bit != 0
    }

    /// The last time at which something was heard of it.
    fn touched(&self) -> u64 {
        self.last.max(self.said[0]).max(self.said[1])
    }

    /// Whether a word said at `time` may be about the flow.
    fn lived(&self, time: u64, window: u64) -> bool {
        let over = self.has(ENDED) && time > self.last.saturating_add(window);
        time.saturating_add(window) >= self.start && !over
    }
}

/// A flow that events were written about before its host spoke.
#[derive(Clone, Copy, Debug)]
pub struct LateFlow {
    pub id: u64,
    pub client_is_a: bool,
    pub texts: [u64; 2],
}

/// What came of a call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Met {
    /// Words of hosts that met their flow now.
    pub joined: u64,
    /// Words that will never meet one, because they made room.
    pub gave_way: u64,
    /// Living flows that made room.
    pub evicted: u64,
    /// Where the texts of both ends are; 0: none.
    pub texts: [u64; 2],
    pub late: Option<LateFlow>,
}

/// One part.
struct Shard {
    tags: Vec<[u16; EIGHT]>,
    slots: Vec<[Slot; EIGHT]>,
    /// The latest time that was heard of.
    now: u64,
}

/// See the module.
pub struct Table {
    shards: Vec<Mutex<Shard>>,
    /// Places of a part.
    places: u64,
    window: u64,
    key: [u64; 2],
}

/// Where a pair may be.
#[derive(Clone, Copy)]
struct Places {
    shard: usize,
    at: [usize; 2],
    tag: u16,
}

impl Table {
    pub fn new(memory: u64, window: u64, key: [u64; 2]) -> Table {
        let each = EIGHT * (size_of::<Slot>() + size_of::<u16>());
        let places = (usize::try_from(memory).unwrap_or(usize::MAX) / SHARDS / each).max(1);
        let shard = || {
            Mutex::new(Shard { tags: vec![[0; EIGHT]; places], slots: vec![[EMPTY; EIGHT]; places], now: 0 })
        };
        Table { shards: (0..SHARDS).map(|_| shard()).collect(), places: places as u64, window, key }
    }

    fn places(&self, p: &Pair) -> Places {
        // Senders choose ends, so the hash begins with what they do not know.
        let mut h = keyed(self.key);
        for (address, port) in [p.a, p.b] {
            h.write(&address);
            h.write_u16(port);
        }
        h.write_u16(u16::from(p.proto) << 8 | u16::from(p.v6));
        let hash = h.finish();
        let shard = (hash >> 58) as usize % SHARDS;
        let scale = |n: u32| ((u64::from(n) * self.places) >> 32) as usize;
        // 0 is the tag of an empty slot.
        let tag = (hash >> 40) as u16 | 1;
        let other = (hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32;
        Places { shard, at: [scale(hash as u32), scale(other)], tag }
    }

    /// A host says something of an end (0: the pair's first) at `time`.
    pub fn say(&self, p: &Pair, end: usize, time: u64, text: u64) -> Met {
        let w = self.window;
        let places = self.places(p);
        let mut s = lock(&self.shards[places.shard]);
        s.now = s.now.max(time);
        // The flow that lived then and of whose end nothing was said yet; one that was told of again; then words that wait.
        let found = s.best(&places, p, |x| {
            let apart = time.abs_diff(if x.has(FLOW) { x.start } else { x.said[0].max(x.said[1]) });
            let free = x.said[end] == 0;
            match x.has(FLOW) {
                true if x.lived(time, w) && free => Some((0, apart)),
                true if x.lived(time, w) && time <= x.last => Some((1, apart)),
                false if apart <= w => Some((2, apart)),
                _ => None,
            }
        });
        let mut met = Met::default();
        let slot = match found {
            Some(at) => s.slot(at),
            None => s.make(&places, p, w, &mut met),
        };
        let news = slot.text[end] != text;
        slot.said[end] = time;
        slot.text[end] = text;
        met.texts = slot.text;
        if slot.has(FLOW) {
            met.joined += 1;
            met.late = news.then_some(LateFlow {
                id: slot.flow,
                client_is_a: slot.has(CLIENT_IS_A),
                texts: slot.text,
            });
        } else {
            slot.waiting = slot.waiting.saturating_add(1);
        }
        met
    }

    /// An event of a flow is written, which began and was last seen at `times`. `None` when the table cannot be had at once.
    pub fn flow(&self, p: &Pair, client_is_a: bool, id: u64, times: (u64, u64)) -> Option<Met> {
        let w = self.window;
        let (start, last) = times;
        let places = self.places(p);
        let mut s = lock_soon(&self.shards[places.shard])?;
        s.now = s.now.max(last);
        let found = s.best(&places, p, |x| {
            let said = x.said[0].max(x.said[1]);
            let near = said.saturating_add(w) >= start && said <= last.saturating_add(w);
            match x.has(FLOW) {
                true if x.flow == id => Some((0, 0)),
                false if near => Some((1, said.abs_diff(start))),
                _ => None,
            }
        });
        let mut met = Met::default();
        let slot = match found {
            Some(at) => s.slot(at),
            None => s.make(&places, p, w, &mut met),
        };
        slot.bits |= FLOW | if client_is_a { CLIENT_IS_A } else { 0 };
        (slot.flow, slot.start, slot.last) = (id, start, slot.last.max(last));
        met.joined += u64::from(std::mem::take(&mut slot.waiting));
        met.texts = slot.text;
        Some(met)
    }

    /// A flow is over.
    pub fn ended(&self, p: &Pair, id: u64) {
        let places = self.places(p);
        // One whose end is not noted here makes room later than it could.
        let Some(mut s) = lock_soon(&self.shards[places.shard]) else { return };
        if let Some(at) = s.best(&places, p, |x| (x.has(FLOW) && x.flow == id).then_some((0, 0))) {
            s.slot(at).bits |= ENDED;
        }
    }

    /// Words that met no flow; they are forgotten.
    pub fn finish(&self) -> u64 {
        let waiting = |s: &Mutex<Shard>| {
            let mut s = lock(s);
            s.slots.iter_mut().flatten().map(|x| u64::from(std::mem::take(&mut x.waiting))).sum::<u64>()
        };
        self.shards.iter().map(waiting).sum()
    }
}

impl Shard {
    fn slot(&mut self, (place, i): (usize, usize)) -> &mut Slot {
        &mut self.slots[place][i]
    }

    /// Of the slots of a pair the one with the least rank.
    fn best(
        &self,
        places: &Places,
        p: &Pair,
        rank: impl Fn(&Slot) -> Option<(u8, u64)>,
    ) -> Option<(usize, usize)> {
        let [x, y] = places.at;
        let both = if x == y { &places.at[..1] } else { &places.at[..] };
        let all = both.iter().flat_map(|&at| (0..EIGHT).map(move |i| (at, i)));
        let same = all.filter(|&(at, i)| self.tags[at][i] == places.tag && self.slots[at][i].pair == *p);
        same.filter_map(|(at, i)| Some((rank(&self.slots[at][i])?, (at, i)))).min().map(|(_, at)| at)
    }

    /// A slot for a pair: an empty one in the emptier place, else that of who matters least.
    fn make(&mut self, places: &Places, p: &Pair, window: u64, met: &mut Met) -> &mut Slot {
        let free = |at: usize| self.tags[at].iter().filter(|t| **t == 0).count();
        let [x, y] = places.at;
        let place = if free(y) > free(x) { y } else { x };
        let at = match self.tags[place].iter().position(|t| *t == 0) {
            Some(i) => (place, i),
            None => self.victim(places.at, window, met),
        };
        self.tags[at.0][at.1] = places.tag;
        let slot = self.slot(at);
        *slot = Slot { pair: *p, bits: USED, ..EMPTY };
        slot
    }

    /// Who makes room: what can meet nobody any more, then what was quiet longest.
    fn victim(&self, places: [usize; 2], window: u64, met: &mut Met) -> (usize, usize) {
        let rank = |x: &Slot| {
            let old = x.touched().saturating_add(window) < self.now;
            let over = old && (x.has(ENDED) || !x.has(FLOW));
            (!over, x.touched())
        };
        let all = places.iter().flat_map(|&at| (0..EIGHT).map(move |i| (at, i)));
        let at = all.min_by_key(|&(at, i)| rank(&self.slots[at][i])).unwrap_or((places[0], 0));
        let slot = &self.slots[at.0][at.1];
        met.gave_way += u64::from(slot.waiting);
        met.evicted += u64::from(slot.has(FLOW) && !slot.has(ENDED));
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;

    fn end(n: u8) -> End {
        (IpAddr::from([10, 0, 0, n]), u16::from(n))
    }

    fn table(memory: u64) -> Table {
        Table::new(memory, 10 * SECOND, [1, 2])
    }

    #[test]
    fn either_side_may_come_first() {
        let t = table(1 << 20);
        let (p, first) = Pair::new(end(1), end(2), 6);
        assert!(first);
        assert_eq!(t.say(&p, 0, 100 * SECOND, 7).joined, 0);
        let met = t.flow(&p, true, 1, (101 * SECOND, 101 * SECOND)).unwrap();
        assert_eq!((met.joined, met.texts), (1, [7, 0]));
        let met = t.say(&p, 1, 102 * SECOND, 8);
        assert_eq!((met.joined, met.late.unwrap().texts), (1, [7, 8]));
        // The same again is no news.
        assert!(t.say(&p, 1, 102 * SECOND, 8).late.is_none());
    }

    #[test]
    fn ends_that_are_used_again_are_another_flow() {
        let t = table(1 << 20);
        let (p, _) = Pair::new(end(1), end(2), 6);
        t.say(&p, 0, 100 * SECOND, 7);
        assert_eq!(t.flow(&p, true, 1, (100 * SECOND, 101 * SECOND)).unwrap().texts, [7, 0]);
        t.ended(&p, 1);
        assert_eq!(t.flow(&p, true, 2, (200 * SECOND, 200 * SECOND)).unwrap().texts, [0, 0]);
        assert_eq!(t.say(&p, 0, 201 * SECOND, 9).late.unwrap().id, 2);
        assert_eq!(t.flow(&p, true, 1, (100 * SECOND, 101 * SECOND)).unwrap().texts, [7, 0]);
        // Soon after: the new connection's word is not the old flow's.
        let (q, _) = Pair::new(end(3), end(2), 6);
        t.say(&q, 1, 100 * SECOND, 7);
        t.flow(&q, true, 1, (100 * SECOND, 101 * SECOND));
        t.ended(&q, 1);
        assert!(t.say(&q, 1, 104 * SECOND, 8).late.is_none());
        assert_eq!(t.flow(&q, true, 2, (104 * SECOND, 105 * SECOND)).unwrap().texts, [0, 8]);
    }

    #[test]
    fn what_is_beyond_the_window_does_not_meet() {
        let t = table(1 << 20);
        let (p, _) = Pair::new(end(1), end(2), 17);
        t.say(&p, 0, 80 * SECOND, 7);
        assert_eq!(t.flow(&p, true, 1, (100 * SECOND, 100 * SECOND)).unwrap().joined, 0);
        assert_eq!(t.finish(), 1);
        let mapped = IpAddr::from(std::net::Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped());
        assert_eq!(Pair::new((mapped, 1), end(2), 17).0, p);
    }

    #[test]
    fn a_full_table_counts_what_it_loses() {
        let t = table(0);
        let all = 64 * 8 * 4;
        let (mut joined, mut lost) = (0, 0);
        for n in 0..all {
            let x = (IpAddr::from([10, 1, (n >> 8) as u8, n as u8]), 1);
            let met = t.say(&Pair::new(x, end(2), 6).0, 0, SECOND * 100, 7);
            joined += met.joined;
            lost += met.gave_way;
        }
        assert_eq!((joined, lost + t.finish()), (0, all as u64));
    }

    proptest! {
        /// Any interleaving of a connection's two words and its flow joins both words.
        #[test]
        fn any_order_joins(order in Just([0, 1, 2]).prop_shuffle(), apart in proptest::array::uniform3(0..9u64)) {
            let t = table(1 << 20);
            let (p, _) = Pair::new(end(1), end(2), 6);
            let mut joined = 0;
            for what in order {
                let time = (100 + apart[what]) * SECOND;
                joined += match what {
                    2 => t.flow(&p, false, 5, (time, time)).unwrap().joined,
                    end => t.say(&p, end, time, 10 + end as u64).joined,
                };
            }
            prop_assert_eq!(joined, 2);
            prop_assert_eq!(t.flow(&p, false, 5, (100 * SECOND, 200 * SECOND)).unwrap().texts, [10, 11]);
        }
    }
}
