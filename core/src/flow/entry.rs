//! Entries of the table's buckets: sixteen bytes, four to a cache line.
//!
//! Of TCP and UDP over IPv4 without VLAN tags or tunnels an entry is the whole key, its ends in order: two addresses, two
//! ports, the protocol. What does not fit leaves 96 bits of a hash there, and the flow's own key decides.
//!
//! ```text
//! word 0   address of the lesser end | of the greater end << 32           or 64 bits of a hash
//! word 1   port of the lesser end | of the greater end << 16              or 32 bits of a hash
//!          | number of the flow << 32 | turned << 61 | kind << 62
//! ```
//!
//! `turned`: the client is the greater end.

/// Kinds of entries; 0 is none.
pub(super) const TCP: u64 = 1 << 62;
pub(super) const UDP: u64 = 2 << 62;
pub(super) const BY_KEY: u64 = 3 << 62;
const TURNED: u64 = 1 << 61;
/// Most flows that entries can number.
pub(super) const MAX_FLOWS: usize = 1 << 29;
/// What of word 1 belongs to the key.
const KEY: u64 = BY_KEY | 0xffff_ffff;

/// The entry of flow `ix` under the key `want`.
#[inline]
pub(super) const fn new(want: [u64; 2], ix: u32, turned: bool) -> [u64; 2] {
    [want[0], want[1] | ((ix as u64) << 32) | if turned { TURNED } else { 0 }]
}

/// Bits of the entries that have the key `want`; without branches.
#[inline(always)]
pub(super) fn matches(entries: &[[u64; 2]; 4], want: [u64; 2]) -> u32 {
    let mut m = 0;
    for (i, e) in entries.iter().enumerate() {
        m |= u32::from((e[0] ^ want[0]) | ((e[1] ^ want[1]) & KEY) == 0) << i;
    }
    m
}

#[inline]
pub(super) const fn is_empty(e: [u64; 2]) -> bool {
    e[1] >> 62 == 0
}

/// The number of the flow.
#[inline]
pub(super) const fn place(e: [u64; 2]) -> usize {
    (e[1] >> 32) as usize & (MAX_FLOWS - 1)
}

#[inline]
pub(super) const fn is_turned(e: [u64; 2]) -> bool {
    e[1] & TURNED != 0
}

/// Client and server were mistaken for each other.
pub(super) const fn turn(e: &mut [u64; 2]) {
    e[1] ^= TURNED;
}

/// The entry is the whole key.
#[inline]
pub(super) const fn is_exact(e: [u64; 2]) -> bool {
    e[1] >> 62 != 3
}
