//! Candidates against the hash table of windows, and survivors against the heads of patterns: the loops that run for
//! every one of them.
use super::super::verify::{
    BIAS, CLASS_AT, Entry, JUMP, PAT_BITS, POSITION, SEVERAL, Text, hash, key_of, mixed, strided, survivor,
};

/// Writes to `out[n..]` what the slots of those of `items` say that may be windows, with their positions in the place
/// of the tags; returns the new `n`. An item is `code | position`, its last byte is before `base + position` in `text`;
/// `slots` has `1 << (32 - shift)` entries. Stops where there is no room or no text. Strided windows have `more` bytes beyond
/// four, if `WIDE`.
#[inline(never)]
#[allow(clippy::too_many_arguments)]
pub(in super::super) fn narrow<const WIDE: bool>(
    slots: &[u64],
    shift: u32,
    more: usize,
    text: &[u8],
    base: usize,
    items: &[u32],
    out: &mut [u64],
    n: usize,
) -> usize {
    if slots.is_empty() {
        return n;
    }
    assert!(shift < 32 && slots.len() >> (32 - shift) == 1 && text.len() >= 4);
    let Some(out) = out.get_mut(n..).and_then(|o| o.get_mut(..items.len())) else { return n };
    // Positions that are in the text: windows end at 4 or later, `first..=last` from the base.
    let first = 4usize.saturating_sub(base);
    let Some(last) = text.len().checked_sub(base) else { return n };
    let far = text.len() - 4;
    let (mut to, text, slots) = (out.as_mut_ptr(), text.as_ptr(), slots.as_ptr());
    for &item in items {
        let at = (item & POSITION) as usize;
        if at < first || at > last {
            break;
        }
        // SAFETY: `4 <= base + at <= text.len()`, checked just now, so that four bytes before it are in the text, and
        // so are four from `far` on or before. A
        // hash has 32 bits, so that its top `32 - shift` are a number below the length of `slots`, checked above.
        // `to` moves by one at most for every item, and there is room for as many as there are items.
        unsafe {
            let word = u32::from_le(text.add(base + at - 4).cast::<u32>().read_unaligned());
            let mut key = key_of(word, item);
            if WIDE {
                let last =
                    u32::from_le(text.add((base + at - 4 + more).min(far)).cast::<u32>().read_unaligned());
                key ^= mixed(last) & strided(item);
            }
            let h = hash(key);
            let slot = *slots.add((h >> shift) as usize);
            let (alive, kept) = survivor(slot, h, item);
            to.write(alive);
            to = to.add(usize::from(kept));
        }
    }
    // SAFETY: `to` was moved within `out`, from its start.
    n + unsafe { to.offset_from_unsigned(out.as_ptr()) }
}

/// What slots lead to, as `Verifier::new` makes it: what a slot or a reference leads to is there.
#[derive(Clone, Copy)]
pub(in super::super) struct Tables<'a> {
    pub refs: &'a [u64],
    pub entries: &'a [Entry],
}

/// Compares the head of one pattern of each of `alive`: of the pattern in the slot, or of the reference that it leads
/// to. Writes what fits to `passed`, as `head + BIAS << PAT_BITS | pattern`, and the survivors that have a further
/// reference, moved on to it, to `rest`; also, as they are, those whose reference is to a table. Returns how many there are
/// of each. Near the borders of the text more may pass than fits. Both have room for as many as `alive`. Patterns that are
/// not `new` do not pass.
#[inline(always)]
pub(in super::super) fn heads(
    t: Tables<'_>,
    text: Text<'_>,
    base: usize,
    alive: &[u64],
    new: impl Fn(u32) -> bool,
    rest: &mut [u64],
    passed: &mut [u64],
) -> (usize, usize) {
    let n = alive.len();
    if t.entries.is_empty() || t.refs.is_empty() || rest.len() < n || passed.len() < n {
        return (0, 0);
    }
    let Some(last) = text.bytes.len().checked_sub(8) else { return (0, 0) };
    let (mut p, mut r) = (0, 0);
    for &a in alive {
        let several = 0u64.wrapping_sub(a >> 63);
        let at = ((a >> 32) as u32 & !SEVERAL) as usize & several as usize;
        // SAFETY: references and patterns that tables lead to are there, and the first of both; the head is read from
        // where eight bytes of the text are left; `p` and `r` are at most the number of survivors before this one, and
        // both lists have room for all.
        unsafe {
            let reference = *t.refs.get_unchecked(at);
            let jump = reference & JUMP & several;
            *rest.get_unchecked_mut(r) = a + ((jump >> 1 ^ 1) << 32);
            r += (several & !reference & 1) as usize;
            let what = a & !several | reference & several;
            let pat = (what >> 32) as usize & ((jump >> 1) as usize).wrapping_sub(1);
            let e = t.entries.get_unchecked(pat);
            let head = (base + (a as usize & POSITION as usize)) as isize + isize::from((what >> 16) as i16);
            let from = (head as usize).min(last);
            let word = u64::from_le(text.bytes.as_ptr().add(from).cast::<u64>().read_unaligned());
            let fits = (word | e.mask == e.head) | (from != head as usize);
            let fits = fits & ((e.flags ^ a as u16) >> CLASS_AT == 0) & (jump == 0);
            *passed.get_unchecked_mut(p) = ((head + BIAS) as u64) << PAT_BITS | pat as u64;
            // A family is done when its last is.
            p += usize::from(fits & new(pat as u32 + u32::from(e.run)));
        }
    }
    (p, r)
}
