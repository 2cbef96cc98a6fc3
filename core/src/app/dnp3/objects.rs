//! The objects of a message's application data (IEEE 1815 4.2.2.7). In: bytes. Out: headers and points, told to a [`Visit`].

use super::layout::{Field, Layout, find};
use crate::app::plain::{le16, le32};

/// Most objects and points of a message, as in Suricata.
const OBJECTS: usize = 2048;
const POINTS: usize = 16_384;

/// An object's header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) group: u8,
    pub(super) variation: u8,
    pub(super) qualifier: u8,
    pub(super) prefix_code: u8,
    pub(super) range_code: u8,
    pub(super) start: u32,
    pub(super) stop: u32,
    pub(super) count: u32,
}

/// Why the objects cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Short,
    Unknown,
    Objects,
    Points,
}

/// A point: prefix, index, and what its bytes are.
pub(super) struct Point<'a> {
    pub(super) prefix: u32,
    pub(super) index: u32,
    pub(super) what: What<'a>,
}

pub(super) enum What<'a> {
    Bit(u8),
    Fields(&'static Layout, &'a [u8]),
}

/// Is told of objects.
pub(super) trait Visit {
    fn object(&mut self, head: &Head);
    fn point(&mut self, _: &Head, _: &Point<'_>) {}
    fn end(&mut self) {}
}

fn le(b: &[u8], at: usize, n: usize) -> Option<u32> {
    match n {
        1 => b.get(at).map(|v| u32::from(*v)),
        2 => le16(b, at).map(u32::from),
        _ => le32(b, at),
    }
}

/// Bytes of a prefix.
fn prefix_len(code: u8) -> usize {
    match code {
        1 | 4 => 1,
        2 | 5 => 2,
        3 | 6 => 4,
        _ => 0,
    }
}

/// Reads a header; where what follows it begins.
fn head(b: &[u8], at: usize) -> Option<(Head, usize)> {
    let (group, variation, qualifier) = (*b.get(at)?, *b.get(at + 1)?, *b.get(at + 2)?);
    let (prefix_code, range_code) = (qualifier >> 4 & 7, qualifier & 15);
    let mut h = Head { group, variation, qualifier, prefix_code, range_code, ..Head::default() };
    let at = at + 3;
    let n = match range_code {
        0 | 3 | 7 | 11 => 1,
        1 | 4 | 8 => 2,
        2 | 5 | 9 => 4,
        6 => return Some((h, at)),
        _ => return None,
    };
    if range_code <= 5 {
        (h.start, h.stop) = (le(b, at, n)?, le(b, at + n, n)?);
        h.count = h.stop.checked_sub(h.start)?.checked_add(1)?;
        return Some((h, at + 2 * n));
    }
    h.count = le(b, at, n)?;
    Some((h, at + n))
}

/// Goes through the objects. `read`: the message asks for them, so that they have no points (but those with a size).
pub(super) fn walk(b: &[u8], read: bool, v: &mut impl Visit) -> Result<(), Stop> {
    let (mut at, mut points) = (0, 0);
    for _ in 0..OBJECTS {
        if at >= b.len() {
            return Ok(());
        }
        let (h, next) = head(b, at).ok_or(Stop::Short)?;
        at = next;
        v.object(&h);
        if h.count > 0 && read && h.prefix_code < 4 {
            at = at.saturating_add((h.count as usize).saturating_mul(prefix_len(h.prefix_code)));
        } else if h.count > 0 {
            points += h.count as usize;
            if points > POINTS {
                v.end();
                return Err(Stop::Points);
            }
            match all_points(b, at, &h, v) {
                Ok(next) => at = next,
                Err(stop) => {
                    v.end();
                    return Err(stop);
                }
            }
        }
        v.end();
    }
    if at >= b.len() { Ok(()) } else { Err(Stop::Objects) }
}

/// The points of an object; where what follows them begins.
fn all_points(b: &[u8], mut at: usize, h: &Head, v: &mut impl Visit) -> Result<usize, Stop> {
    let layout = find(h.group, h.variation).ok_or(Stop::Unknown)?;
    let plen = prefix_len(h.prefix_code);
    if layout.packed > 0 && plen == 0 {
        let per = 8 / u32::from(layout.packed);
        let mask = (1u8 << layout.packed) - 1;
        for i in 0..h.count {
            let byte = *b.get(at + (i / per) as usize).ok_or(Stop::Short)?;
            let state = byte >> (i % per * u32::from(layout.packed)) & mask;
            v.point(h, &Point { prefix: 0, index: h.start.wrapping_add(i), what: What::Bit(state) });
        }
        return Ok(at + h.count.div_ceil(per) as usize);
    }
    for i in 0..h.count {
        let prefix = if plen > 0 { le(b, at, plen).ok_or(Stop::Short)? } else { 0 };
        at += plen;
        let rest = b.get(at..).unwrap_or(&[]);
        let size = if (4..=6).contains(&h.prefix_code) {
            Some(rest.get(..prefix as usize).ok_or(Stop::Short)?.len())
        } else {
            None
        };
        let len = match (size, layout.packed) {
            (Some(n), _) => n,
            (None, 0) => length(layout, rest).ok_or(Stop::Short)?,
            (None, _) => 1,
        };
        let bytes = rest.get(..len).ok_or(Stop::Short)?;
        if size.is_some() && layout.packed == 0 && length(layout, bytes).is_none() {
            return Err(Stop::Short);
        }
        let index = if (1..=3).contains(&h.prefix_code) { prefix } else { h.start.wrapping_add(i) };
        let what = match layout.packed {
            0 => What::Fields(layout, bytes),
            n => What::Bit(bytes.first().copied().unwrap_or(0) & ((1 << n) - 1)),
        };
        v.point(h, &Point { prefix, index, what });
        at += len;
    }
    Ok(at)
}

/// A field's value.
pub(super) enum Value<'b> {
    Bits(&'static [(&'static str, u8)], u8),
    Number(&'static str, u64),
    Signed(&'static str, i64),
    Float(&'static str, f64),
    Text(&'static str, &'b [u8]),
}

/// Bytes of a point without a size of its own. `None`: there are fewer.
fn length(layout: &'static Layout, b: &[u8]) -> Option<usize> {
    fields(layout, b, |_| {})
}

/// Calls `f` with the fields of a point; how many bytes they are.
pub(super) fn fields<'b>(
    layout: &'static Layout,
    b: &'b [u8],
    mut f: impl FnMut(Value<'b>),
) -> Option<usize> {
    let mut at = 0;
    // Numbers that say how long a text is.
    let mut sizes = [("", 0usize); 2];
    for field in layout.fields {
        let n = match *field {
            Field::Bits(names) => {
                f(Value::Bits(names, *b.get(at)?));
                1
            }
            Field::U8(name) => {
                f(Value::Number(name, u64::from(*b.get(at)?)));
                1
            }
            Field::U16(name) => {
                let v = le16(b, at)?;
                if name.ends_with("_size") {
                    let free = usize::from(!sizes[0].0.is_empty());
                    sizes[free] = (name, usize::from(v));
                }
                f(Value::Number(name, u64::from(v)));
                2
            }
            Field::U32(name) => {
                f(Value::Number(name, u64::from(le32(b, at)?)));
                4
            }
            Field::I16(name) => {
                f(Value::Signed(name, i64::from(le16(b, at)? as i16)));
                2
            }
            Field::I32(name) => {
                f(Value::Signed(name, i64::from(le32(b, at)? as i32)));
                4
            }
            Field::F32(name) => {
                f(Value::Float(name, f64::from(f32::from_bits(le32(b, at)?))));
                4
            }
            Field::F64(name) => {
                let bits = u64::from(le32(b, at)?) | u64::from(le32(b, at + 4)?) << 32;
                f(Value::Float(name, f64::from_bits(bits)));
                8
            }
            Field::Time(name) => {
                let v = u64::from(le32(b, at)?) | u64::from(le16(b, at + 4)?) << 32;
                f(Value::Number(name, v));
                6
            }
            Field::Sized(name, by) => {
                let n = sizes.iter().find(|s| s.0 == by).map_or(0, |s| s.1);
                f(Value::Text(name, b.get(at..at.checked_add(n)?)?));
                n
            }
            Field::Rest(name) => {
                let rest = b.get(at..)?;
                f(Value::Text(name, rest));
                rest.len()
            }
        };
        at += n;
    }
    Some(at)
}
