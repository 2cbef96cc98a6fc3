//! HPACK (RFC 7541): header blocks go in, fields come out. Owns the static table; each direction of a flow owns a
//! dynamic table in the pool.

use super::huffman::Decoder;
use crate::pool::{BytePool, PBuf, Scratch};

/// Largest dynamic table followed, bytes as the RFC counts them.
const TABLE_MAX: usize = 64 << 10;
/// What an entry counts beside its bytes.
const OVERHEAD: usize = 32;

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// Name and value lie in the scratch: the name is the first `.0` bytes.
    Field(usize),
    /// The table's size was changed.
    Size(u64),
    /// Of the next field only the first bytes are there: its sender has had too much made of references.
    Cut,
    /// The block cannot be read on.
    Broken(Fault),
}

/// Bytes that a reference to the table may stand for, whatever else was made of the sender's bytes; beyond, each is paid for so
/// many times ([`Growth`](crate::pool::Growth)): it is copied, kept, and written to records.
const FREE: usize = 64;
const COPIED: usize = 2;

/// Why a block cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It ends in the middle of a field.
    Cut,
    /// A number of more bytes than any that makes sense.
    Overflow,
    /// No field has that number.
    Index,
    /// Coded text that is none.
    Text,
}

/// Bytes of a place in the ring: where an entry begins.
const PLACE: usize = 4;
/// Places of the first ring.
const PLACES: usize = 16;

/// A dynamic table. The entries lie one behind the other, from the oldest to the youngest, each two lengths of two bytes,
/// name, value; a ring says where each begins, because a block may name the same far entry in every byte.
#[derive(Debug)]
pub struct Table {
    store: PBuf,
    /// Bytes of entries that are gone at the beginning of the store: dropped when they are half of it, not one by one.
    dead: usize,
    /// Where entries begin, counted (and wrapped) from the first that ever was.
    ring: PBuf,
    /// Place of the oldest entry in the ring, and where the store begins in the same count.
    first: usize,
    base: u32,
    count: usize,
    size: usize,
    max: usize,
}

impl Default for Table {
    fn default() -> Self {
        Table {
            store: PBuf::new(),
            dead: 0,
            ring: PBuf::new(),
            first: 0,
            base: 0,
            count: 0,
            size: 0,
            max: 4096,
        }
    }
}

impl Table {
    pub fn free(&mut self, pool: &mut BytePool) {
        self.store.free(pool);
        self.ring.free(pool);
        *self = Table::default();
    }

    fn entry(b: &[u8]) -> Option<(&[u8], &[u8], usize)> {
        let [a, b2, c, d, rest @ ..] = b else { return None };
        let n = usize::from(u16::from_le_bytes([*a, *b2]));
        let v = usize::from(u16::from_le_bytes([*c, *d]));
        Some((rest.get(..n)?, rest.get(n..n + v)?, 4 + n + v))
    }

    fn places(&self) -> usize {
        self.ring.len() / PLACE
    }

    fn evict(&mut self, pool: &mut BytePool, room: usize) {
        while self.count > 0 && self.size + room > self.max {
            did(1);
            let left = self.store.get(pool).get(self.dead..).unwrap_or(&[]);
            let Some((n, v, whole)) = Table::entry(left) else { break };
            self.size -= (n.len() + v.len() + OVERHEAD).min(self.size);
            self.dead += whole;
            self.first = (self.first + 1) & self.places().wrapping_sub(1);
            self.count -= 1;
        }
        if self.dead * 2 >= self.store.len() {
            did(self.store.len() - self.dead);
            self.store.drain_front(pool, self.dead);
            self.base = self.base.wrapping_add(self.dead as u32);
            self.dead = 0;
        }
    }

    /// Twice the places, the oldest entry at the first. `false` if the pool is full.
    fn grow(&mut self, pool: &mut BytePool) -> bool {
        let had = self.places();
        let mut fresh = PBuf::new();
        if fresh.resize(pool, (had * 2).max(PLACES) * PLACE).is_err() {
            return false;
        }
        let behind = (had - self.first) * PLACE;
        did(had * PLACE);
        pool.copy_between(&self.ring, self.first * PLACE, &fresh, 0, behind);
        pool.copy_between(&self.ring, 0, &fresh, behind, self.first * PLACE);
        self.ring.free(pool);
        self.ring = fresh;
        self.first = 0;
        true
    }

    fn add(&mut self, pool: &mut BytePool, name: &[u8], value: &[u8]) {
        let size = name.len() + value.len() + OVERHEAD;
        self.evict(pool, size);
        if size > self.max || name.len() > 0xffff || value.len() > 0xffff {
            return;
        }
        if self.count == self.places() && !self.grow(pool) {
            return;
        }
        let [a, b] = (name.len() as u16).to_le_bytes();
        let [c, d] = (value.len() as u16).to_le_bytes();
        if self.store.reserve(pool, self.store.len() + 4 + name.len() + value.len()).is_err() {
            return;
        }
        let begins = self.base.wrapping_add(self.store.len() as u32);
        let at = ((self.first + self.count) & self.places().wrapping_sub(1)) * PLACE;
        if let Some(to) = self.ring.get_mut(pool).get_mut(at..at + PLACE) {
            to.copy_from_slice(&begins.to_le_bytes());
        }
        for part in [&[a, b, c, d][..], name, value] {
            let _ = self.store.extend(pool, part);
        }
        self.count += 1;
        self.size += size;
    }

    /// Entry `i`, 0 the youngest.
    fn get<'a>(&self, pool: &'a BytePool, i: usize) -> Option<(&'a [u8], &'a [u8])> {
        did(1);
        let older = self.count.checked_sub(i.checked_add(1)?)?;
        let at = ((self.first + older) & self.places().wrapping_sub(1)) * PLACE;
        let begins = u32::from_le_bytes(*self.ring.get(pool).get(at..)?.first_chunk::<PLACE>()?);
        let from = begins.wrapping_sub(self.base) as usize;
        Table::entry(self.store.get(pool).get(from..)?).map(|(n, v, _)| (n, v))
    }
}

/// Counts, in tests, entries that were looked at and bytes that were moved.
fn did(_n: usize) {
    #[cfg(test)]
    crate::app::entries::work::add(_n);
}

/// Bytes of a number behind its prefix.
const INTEGER: usize = 5;

/// An integer with a prefix of `bits` (5.1): value and bytes used.
fn integer(b: &[u8], bits: u8) -> Result<(u64, usize), Fault> {
    let mask = (1u64 << bits) - 1;
    let [first, more @ ..] = b else { return Err(Fault::Cut) };
    let first = u64::from(*first) & mask;
    if first < mask {
        return Ok((first, 1));
    }
    let mut v = first;
    for (i, x) in more.iter().take(INTEGER).enumerate() {
        v += u64::from(x & 0x7f) << (7 * i);
        if x & 0x80 == 0 {
            return Ok((v, i + 2));
        }
    }
    Err(if more.len() < INTEGER { Fault::Cut } else { Fault::Overflow })
}

/// A string (5.2) appended to `out`: bytes used.
fn string(b: &[u8], huffman: &Decoder, out: &mut Scratch) -> Result<usize, Fault> {
    let (len, used) = integer(b, 7)?;
    let end = usize::try_from(len).ok().and_then(|n| used.checked_add(n)).ok_or(Fault::Overflow)?;
    let text = b.get(used..end).ok_or(Fault::Cut)?;
    let coded = b.first().is_some_and(|c| c & 0x80 != 0);
    let sound = if coded { huffman.decode(text, out) } else { out.extend(text) };
    if sound { Ok(end) } else { Err(Fault::Text) }
}

/// Reads a whole header block; each item goes to `each` with the scratch that holds its bytes.
pub fn read(
    block: &[u8],
    table: &mut Table,
    huffman: &Decoder,
    pool: &mut BytePool,
    scratch: &mut Scratch,
    mut each: impl FnMut(Item, &[u8], &mut BytePool),
) {
    let mut rest = block;
    while let Some(&first) = rest.first() {
        scratch.clear();
        match field(rest, first, table, huffman, pool, scratch, &mut each) {
            Ok(used) => rest = rest.get(used..).unwrap_or(&[]),
            Err(fault) => {
                each(Item::Broken(fault), &[], pool);
                return;
            }
        }
    }
}

/// Name and value of the entry that an index, from 1, stands for.
fn entry<'a>(table: &Table, pool: &'a BytePool, index: usize) -> Result<(&'a [u8], &'a [u8]), Fault> {
    match STATIC.get(index - 1) {
        Some((n, v)) => Ok((n.as_bytes(), v.as_bytes())),
        None => table.get(pool, index - 1 - STATIC.len()).ok_or(Fault::Index),
    }
}

fn field(
    rest: &[u8],
    first: u8,
    table: &mut Table,
    huffman: &Decoder,
    pool: &mut BytePool,
    scratch: &mut Scratch,
    each: &mut impl FnMut(Item, &[u8], &mut BytePool),
) -> Result<usize, Fault> {
    if first & 0xe0 == 0x20 {
        let (size, used) = integer(rest, 5)?;
        table.max = usize::try_from(size).unwrap_or(TABLE_MAX).min(TABLE_MAX);
        table.evict(pool, 0);
        each(Item::Size(size), &[], pool);
        return Ok(used);
    }
    let bits = if first & 0x80 != 0 {
        7
    } else if first & 0x40 != 0 {
        6
    } else {
        4
    };
    let (index, mut used) = integer(rest, bits)?;
    let index = usize::try_from(index).map_err(|_| Fault::Overflow)?;
    let indexed = bits == 7;
    if index == 0 {
        if indexed {
            return Err(Fault::Index);
        }
        used += string(rest.get(used..).unwrap_or(&[]), huffman, scratch)?;
    } else {
        let (name, value) = entry(table, pool, index)?;
        let len = name.len() + if indexed { value.len() } else { 0 };
        let dear = len > FREE && !pool.growth().spend(len * COPIED);
        if dear && !indexed {
            return Err(Fault::Overflow);
        }
        let (name, value) = entry(table, pool, index)?;
        let most = if dear { FREE } else { usize::MAX };
        scratch.extend(name.get(..most).unwrap_or(name));
        if indexed {
            let n = scratch.len();
            scratch.extend(value.get(..most).unwrap_or(value));
            if dear {
                each(Item::Cut, &[], pool);
            }
            each(Item::Field(n), scratch.as_slice(), pool);
            return Ok(used);
        }
    }
    let n = scratch.len();
    used += string(rest.get(used..).unwrap_or(&[]), huffman, scratch)?;
    if bits == 6 {
        let (name, value) = scratch.as_slice().split_at(n);
        table.add(pool, name, value);
    }
    each(Item::Field(n), scratch.as_slice(), pool);
    Ok(used)
}

/// Fields of the static table (RFC 7541, Appendix A), numbered from 1.
static STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::entries::work;
    use alloc::{string::String, vec::Vec};
    use proptest::prelude::*;

    fn fields(blocks: &[&[u8]]) -> Vec<String> {
        let (mut table, huffman) = (Table::default(), Decoder::new());
        let (mut pool, mut scratch) = (BytePool::new(1 << 18), Scratch::new(4096));
        let mut all = Vec::new();
        for b in blocks {
            read(b, &mut table, &huffman, &mut pool, &mut scratch, |item, text, _| match item {
                Item::Field(n) => all.push(alloc::format!(
                    "{}={}",
                    String::from_utf8_lossy(&text[..n]),
                    String::from_utf8_lossy(&text[n..])
                )),
                Item::Size(n) => all.push(alloc::format!("size {n}")),
                Item::Cut => all.push("cut".into()),
                Item::Broken(_) => all.push("broken".into()),
            });
        }
        table.free(&mut pool);
        assert_eq!(pool.in_use(), 0);
        all
    }

    #[test]
    fn the_examples_of_the_rfc() {
        // C.4: requests with Huffman coding on one connection.
        let a = [
            0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4,
            0xff,
        ];
        let b = [0x82, 0x86, 0x84, 0xbe, 0x58, 0x86, 0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf];
        let got = fields(&[&a, &b]);
        assert_eq!(got[..4], [":method=GET", ":scheme=http", ":path=/", ":authority=www.example.com"]);
        assert_eq!(got[7..], [":authority=www.example.com", "cache-control=no-cache"]);
        assert_eq!(fields(&[&[0x3f, 0xe1, 0x1f]]), ["size 4096"]);
        assert_eq!(fields(&[&[0xff, 0xff]]), ["broken"]);
    }

    /// A block costs by its bytes, however many entries there are: 20,000 references to one of 1,900, and 15,000 new entries
    /// that each push out the oldest. Counted in entries that were looked at and bytes that were moved.
    #[test]
    fn far_entries_cost_what_near_ones_do() {
        let (mut table, huffman) = (Table::default(), Decoder::new());
        let (mut pool, mut scratch) = (BytePool::new(1 << 20), Scratch::new(4096));
        let mut fill = alloc::vec![0x3f, 0xe1, 0xff, 0x03];
        for i in 0..1900u16 {
            fill.extend([0x40, 2]);
            fill.extend(i.to_be_bytes());
            fill.push(0);
        }
        read(&fill, &mut table, &huffman, &mut pool, &mut scratch, |_, _, _| {});
        assert_eq!(table.get(&pool, 1899).unwrap().0, [0, 0]);
        let mut counted = |block: &[u8]| {
            let (_, mut seen) = (work::take(), 0);
            read(block, &mut table, &huffman, &mut pool, &mut scratch, |_, _, _| seen += 1);
            assert!(seen > 10_000);
            work::take() / seen
        };
        // 127, a young one; 1,961 (127 + 0x2a + 14 * 128), the oldest.
        for far in [[0xff, 0x80, 0x00], [0xff, 0xaa, 0x0e]] {
            assert!(counted(&far.repeat(20_000)) <= 2, "{far:?}");
        }
        // An entry of three bytes, with what is kept beside it; the store is tidied when half of it is gone.
        let fresh = counted(&[0x40, 1, b'b', 0].repeat(15_000));
        assert!(fresh <= 16, "{fresh}");
        table.free(&mut pool);
        assert_eq!(pool.in_use(), 0);
    }

    /// What a byte refers to is copied as far as its sender's bytes pay for it; beyond, its first bytes are, and that is told.
    #[test]
    fn references_are_paid_for() {
        let (mut table, huffman) = (Table::default(), Decoder::new());
        let (mut pool, mut scratch) = (BytePool::new(1 << 20), Scratch::new(8192));
        let entry = [&[0x40, 1, b'x', 0x7f, 0xa1, 0x1e][..], &[b'v'; 4000]].concat();
        let (mut copied, mut cut, mut whole) = (0, 0, 0);
        let mut block = |b: &[u8]| {
            read(b, &mut table, &huffman, &mut pool, &mut scratch, |item, text, _| match item {
                Item::Cut => cut += 1,
                Item::Field(_) => {
                    copied += text.len();
                    whole += usize::from(text.len() == 4001);
                }
                other => panic!("{other:?}"),
            });
        };
        block(&entry);
        block(&[0xbe; 10_000]);
        let paid = crate::pool::STOCK as usize / COPIED;
        assert!(copied < paid + 10_000 * (FREE + 2) && whole == 1 + paid / 4001 && cut == 10_001 - whole);
        table.free(&mut pool);
    }

    proptest! {
        /// The ring against a plain list.
        #[test]
        fn equals_a_list(ops in proptest::collection::vec((0usize..300, 0usize..90, any::<u8>()), 0..400)) {
            let mut pool = BytePool::new(1 << 18);
            let (mut table, mut want) = (Table::default(), alloc::collections::VecDeque::new());
            for (kind, n, byte) in ops {
                if kind == 0 {
                    table.max = n * 50;
                    table.evict(&mut pool, 0);
                } else {
                    let (name, value) = (alloc::vec![byte; n], alloc::vec![!byte; kind]);
                    table.add(&mut pool, &name, &value);
                    want.push_front((name, value));
                }
                let size = |w: &alloc::collections::VecDeque<(Vec<u8>, Vec<u8>)>| -> usize {
                    w.iter().map(|(n, v)| n.len() + v.len() + OVERHEAD).sum()
                };
                while size(&want) > table.max {
                    want.pop_back();
                }
                prop_assert_eq!(table.count, want.len());
                for (i, (n, v)) in want.iter().enumerate() {
                    prop_assert_eq!(table.get(&pool, i), Some((&n[..], &v[..])));
                }
                prop_assert_eq!(table.get(&pool, want.len()), None);
                prop_assert!(table.store.len() <= 2 * TABLE_MAX + 4);
            }
            table.free(&mut pool);
            prop_assert_eq!(pool.in_use(), 0);
        }

        #[test]
        fn never_panics(blocks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..6)) {
            let refs: Vec<&[u8]> = blocks.iter().map(Vec::as_slice).collect();
            fields(&refs);
        }
    }
}
