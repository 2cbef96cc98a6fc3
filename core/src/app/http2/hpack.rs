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
    /// The block cannot be read on.
    Broken,
}

/// A dynamic table: entries from the oldest to the youngest, each two lengths of two bytes, name, value.
#[derive(Debug)]
pub struct Table {
    store: PBuf,
    count: usize,
    size: usize,
    max: usize,
}

impl Default for Table {
    fn default() -> Self {
        Table { store: PBuf::new(), count: 0, size: 0, max: 4096 }
    }
}

impl Table {
    pub fn free(&mut self, pool: &mut BytePool) {
        self.store.free(pool);
        *self = Table::default();
    }

    fn entry(b: &[u8]) -> Option<(&[u8], &[u8], usize)> {
        let [a, b2, c, d, rest @ ..] = b else { return None };
        let n = usize::from(u16::from_le_bytes([*a, *b2]));
        let v = usize::from(u16::from_le_bytes([*c, *d]));
        Some((rest.get(..n)?, rest.get(n..n + v)?, 4 + n + v))
    }

    fn evict(&mut self, pool: &mut BytePool, room: usize) {
        while self.count > 0 && self.size + room > self.max {
            let Some((n, v, whole)) = Table::entry(self.store.get(pool)) else { break };
            self.size -= (n.len() + v.len() + OVERHEAD).min(self.size);
            self.store.drain_front(pool, whole);
            self.count -= 1;
        }
    }

    fn add(&mut self, pool: &mut BytePool, name: &[u8], value: &[u8]) {
        let size = name.len() + value.len() + OVERHEAD;
        self.evict(pool, size);
        if size > self.max || name.len() > 0xffff || value.len() > 0xffff {
            return;
        }
        let [a, b] = (name.len() as u16).to_le_bytes();
        let [c, d] = (value.len() as u16).to_le_bytes();
        if self.store.reserve(pool, self.store.len() + 4 + name.len() + value.len()).is_err() {
            return;
        }
        for part in [&[a, b, c, d][..], name, value] {
            let _ = self.store.extend(pool, part);
        }
        self.count += 1;
        self.size += size;
    }

    /// Entry `i`, 0 the youngest.
    fn get<'a>(&self, pool: &'a BytePool, i: usize) -> Option<(&'a [u8], &'a [u8])> {
        let older = self.count.checked_sub(i + 1)?;
        let mut rest = self.store.get(pool);
        for _ in 0..older {
            rest = rest.get(Table::entry(rest)?.2..)?;
        }
        Table::entry(rest).map(|(n, v, _)| (n, v))
    }
}

/// An integer with a prefix of `bits` (5.1): value and bytes used.
fn integer(b: &[u8], bits: u8) -> Option<(u64, usize)> {
    let mask = (1u64 << bits) - 1;
    let first = u64::from(*b.first()?) & mask;
    if first < mask {
        return Some((first, 1));
    }
    let mut v = first;
    for (i, x) in b.get(1..)?.iter().take(5).enumerate() {
        v += u64::from(x & 0x7f) << (7 * i);
        if x & 0x80 == 0 {
            return Some((v, i + 2));
        }
    }
    None
}

/// A string (5.2) appended to `out`: bytes used.
fn string(b: &[u8], huffman: &Decoder, out: &mut Scratch) -> Option<usize> {
    let (len, used) = integer(b, 7)?;
    let text = b.get(used..used.checked_add(usize::try_from(len).ok()?)?)?;
    let sound = if b.first()? & 0x80 != 0 { huffman.decode(text, out) } else { out.extend(text) };
    sound.then_some(used + text.len())
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
        let Some(used) = field(rest, first, table, huffman, pool, scratch, &mut each) else {
            each(Item::Broken, &[], pool);
            return;
        };
        rest = rest.get(used..).unwrap_or(&[]);
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
) -> Option<usize> {
    if first & 0xe0 == 0x20 {
        let (size, used) = integer(rest, 5)?;
        table.max = usize::try_from(size).unwrap_or(TABLE_MAX).min(TABLE_MAX);
        table.evict(pool, 0);
        each(Item::Size(size), &[], pool);
        return Some(used);
    }
    let bits = if first & 0x80 != 0 {
        7
    } else if first & 0x40 != 0 {
        6
    } else {
        4
    };
    let (index, mut used) = integer(rest, bits)?;
    let index = usize::try_from(index).ok()?;
    let indexed = bits == 7;
    if index == 0 {
        if indexed {
            return None;
        }
        used += string(rest.get(used..)?, huffman, scratch)?;
    } else {
        let (name, value) = match STATIC.get(index - 1) {
            Some((n, v)) => (n.as_bytes(), v.as_bytes()),
            None => table.get(pool, index - 1 - STATIC.len())?,
        };
        scratch.extend(name);
        if indexed {
            let n = name.len();
            scratch.extend(value);
            each(Item::Field(n), scratch.as_slice(), pool);
            return Some(used);
        }
    }
    let n = scratch.len();
    used += string(rest.get(used..)?, huffman, scratch)?;
    if bits == 6 {
        let (name, value) = scratch.as_slice().split_at(n);
        table.add(pool, name, value);
    }
    each(Item::Field(n), scratch.as_slice(), pool);
    Some(used)
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
                Item::Broken => all.push("broken".into()),
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

    proptest! {
        #[test]
        fn never_panics(blocks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..6)) {
            let refs: Vec<&[u8]> = blocks.iter().map(Vec::as_slice).collect();
            fields(&refs);
        }
    }
}
