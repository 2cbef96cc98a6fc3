//! Candidates against the hash table of windows: the one loop that runs for every candidate.
use super::super::verify::{key_of, kept, hash};

/// Writes to `out[n..]` what the slots of those of `items` say that may be windows, with their positions in the place
/// of the tags; returns the new `n`. An item is `code | position`, its last byte is before `base + position` in `text`;
/// `slots` has `1 << (32 - shift)` entries. Stops where there is no room or no text.
#[inline(never)]
pub(in super::super) fn narrow(
    slots: &[u64],
    shift: u32,
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
    let (mut to, text, slots) = (out.as_mut_ptr(), text.as_ptr(), slots.as_ptr());
    for &item in items {
        let at = (item & 0xffff) as usize;
        if at < first || at > last {
            break;
        }
        // SAFETY: `4 <= base + at <= text.len()`, checked just now, so that four bytes before it are in the text. A
        // hash has 32 bits, so that its top `32 - shift` are a number below the length of `slots`, checked above.
        // `to` moves by one at most for every item, and there is room for as many as there are items.
        unsafe {
            let word = u32::from_le(text.add(base + at - 4).cast::<u32>().read_unaligned());
            let h = hash(key_of(word, item));
            let slot = *slots.add((h >> shift) as usize);
            to.write(slot & !0xffff | at as u64);
            to = to.add(usize::from(kept(slot, h)));
        }
    }
    // SAFETY: `to` was moved within `out`, from its start.
    n + unsafe { to.offset_from_unsigned(out.as_ptr()) }
}
