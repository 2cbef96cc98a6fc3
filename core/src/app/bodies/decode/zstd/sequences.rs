//! Sequences of a block (RFC 8878, 3.1.1.3.2): how many literals come next, and what of the window follows them.

use super::bits::Backwards;
use super::fse::Fse;
use super::ring::Ring;
use super::{BLOCK, Tables};

/// Codes of lengths: what they begin at and the bits that follow.
const LITERALS: [(u32, u8); 36] =
    lengths(0, 16, &[1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
const MATCHES: [(u32, u8); 53] =
    lengths(3, 32, &[1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);

/// The first `single` codes are a length each, from `from` on; each further one begins where the one before ends.
const fn lengths<const N: usize>(from: u32, single: usize, more: &[u8]) -> [(u32, u8); N] {
    let mut all = [(0, 0); N];
    let (mut i, mut at) = (0, from);
    while i < N {
        let bits = if i < single { 0 } else { more[i - single] };
        all[i] = (at, bits);
        at += 1 << bits;
        i += 1;
    }
    all
}

const DEFAULT_LITERALS: [i16; 36] = [
    4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1,
    -1, -1,
];
const DEFAULT_MATCHES: [i16; 53] = [
    1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
];
const DEFAULT_OFFSETS: [i16; 29] =
    [1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1];
/// Codes of offsets: each a power of two and as many bits as it has.
const OFFSETS: usize = 32;

/// A table as its mode says (3.1.1.3.2.1): bytes used.
fn table(
    t: &mut Fse,
    mode: u8,
    data: &[u8],
    (default, accuracy): (&[i16], u32),
    (symbols, most): (usize, u32),
) -> Option<usize> {
    match mode {
        0 => t.build(default, accuracy).map(|()| 0),
        1 => {
            let symbol = *data.first()?;
            t.one(Some(symbol).filter(|s| usize::from(*s) < symbols)?);
            Some(1)
        }
        2 => t.read(data, symbols, most),
        _ => t.is_ready().then_some(0),
    }
}

/// The offset that a value stands for; the three that came last have values of their own (3.1.1.5).
fn offset(value: u64, literals: u32, last: &mut [u32; 3]) -> Option<u32> {
    if value > 3 {
        let off = u32::try_from(value - 3).ok()?;
        *last = [off, last[0], last[1]];
        return Some(off);
    }
    let ix = (value as usize).checked_sub(1)? + usize::from(literals == 0);
    let off = match ix {
        3 => last[0].checked_sub(1)?,
        _ => *last.get(ix)?,
    };
    match ix {
        0 => {}
        1 => *last = [off, last[0], last[2]],
        _ => *last = [off, last[0], last[1]],
    }
    Some(off)
}

/// Writes what the sequences in `data` say, with the literals, to the ring; `None` when they are damaged: what came before
/// the damage was written.
pub fn run(
    data: &[u8],
    mut literals: &[u8],
    t: &mut Tables,
    last: &mut [u32; 3],
    ring: &mut Ring,
) -> Option<()> {
    let (count, used) = match *data {
        [n @ 0..=127, ..] => (usize::from(n), 1),
        [n @ 128..=254, m, ..] => ((usize::from(n) - 128) << 8 | usize::from(m), 2),
        [255, a, b, ..] => (usize::from(u16::from_le_bytes([a, b])) + 0x7f00, 3),
        _ => return None,
    };
    let mut data = data.get(used..)?;
    if count == 0 {
        ring.put(literals);
        return data.is_empty().then_some(());
    }
    let [modes, rest @ ..] = data else { return None };
    if modes & 3 != 0 {
        return None;
    }
    data = rest;
    let used = table(&mut t.literals, modes >> 6, data, (&DEFAULT_LITERALS, 6), (LITERALS.len(), 9))?;
    data = data.get(used..)?;
    let used = table(&mut t.offsets, modes >> 4 & 3, data, (&DEFAULT_OFFSETS, 5), (OFFSETS, 8))?;
    data = data.get(used..)?;
    let used = table(&mut t.matches, modes >> 2 & 3, data, (&DEFAULT_MATCHES, 6), (MATCHES.len(), 9))?;
    let mut from = Backwards::new(data.get(used..)?)?;
    let mut ll = t.literals.begin(&mut from);
    let mut of = t.offsets.begin(&mut from);
    let mut ml = t.matches.begin(&mut from);
    let mut room = BLOCK;
    for i in 0..count {
        let value = (1u64 << (of.symbol & 31)) + from.read(u32::from(of.symbol & 31));
        let (base, bits) = *MATCHES.get(usize::from(ml.symbol))?;
        let length = base + from.read(u32::from(bits)) as u32;
        let (base, bits) = *LITERALS.get(usize::from(ll.symbol))?;
        let run = base + from.read(u32::from(bits)) as u32;
        if i + 1 < count {
            ll = t.literals.next(ll, &mut from);
            ml = t.matches.next(ml, &mut from);
            of = t.offsets.next(of, &mut from);
        }
        if from.is_over() {
            return None;
        }
        let (now, rest) = literals.split_at_checked(run as usize)?;
        literals = rest;
        room = room.checked_sub(now.len() + length as usize)?;
        ring.put(now);
        ring.copy(offset(value, run, last)?, length as usize)?;
    }
    if !from.is_done() || literals.len() > room {
        return None;
    }
    ring.put(literals);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_lengths() {
        for (code, want) in [
            (0, (0, 0)),
            (15, (15, 0)),
            (16, (16, 1)),
            (20, (24, 2)),
            (23, (40, 3)),
            (24, (48, 4)),
            (25, (64, 6)),
            (35, (65_536, 16)),
        ] {
            assert_eq!(LITERALS[code], want, "{code}");
        }
        for (code, want) in [
            (0, (3, 0)),
            (31, (34, 0)),
            (32, (35, 1)),
            (36, (43, 2)),
            (40, (67, 4)),
            (42, (99, 5)),
            (43, (131, 7)),
            (44, (259, 8)),
            (52, (65_539, 16)),
        ] {
            assert_eq!(MATCHES[code], want, "{code}");
        }
    }
}
