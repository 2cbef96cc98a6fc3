//! Numbers in buffers: `byte_test`, `byte_jump`, `byte_extract`, `byte_math`.
//!
//! In: a buffer, a cursor, the rule's variables. Out: whether the condition holds, and where the cursor goes.
//! Meanings: Suricata 8 "Payload Keywords".

use crate::rules::ir::{Base, ByteExtract, ByteJump, ByteMath, ByteTest, Cmp, Endian, MathOp, Num};

/// What byte conditions may read besides the buffer.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub buf: &'a [u8],
    /// End of the last match.
    pub cursor: usize,
    /// `true` when the DCERPC header says little endian (`dce`).
    pub dce_little: bool,
}

fn num(n: Num, vars: &[u64]) -> i64 {
    match n {
        Num::Const(v) => v,
        Num::Var(i) => vars.get(i as usize).copied().unwrap_or(0) as i64,
    }
}

fn start(cx: &Context<'_>, relative: bool, offset: i64) -> Option<usize> {
    let base = if relative { cx.cursor as i64 } else { 0 };
    usize::try_from(base.checked_add(offset)?).ok()
}

/// Reads `n` bytes at `at`; `None` when they do not lie in the buffer or are no number.
fn read(cx: &Context<'_>, at: usize, n: usize, endian: Endian, base: Base) -> Option<(u64, usize)> {
    let little = match endian {
        Endian::Big => false,
        Endian::Little => true,
        Endian::Dce => cx.dce_little,
    };
    match base {
        Base::Binary => {
            let b = cx.buf.get(at..at.checked_add(n)?)?;
            if n == 0 || n > 8 {
                return None;
            }
            let fold = |v: u64, b: &u8| v << 8 | u64::from(*b);
            let v = if little { b.iter().rev().fold(0, fold) } else { b.iter().fold(0, fold) };
            Some((v, n))
        }
        Base::Text(radix) => {
            let b = cx.buf.get(at..)?;
            let b = &b[..n.min(b.len())];
            if b.is_empty() {
                return None;
            }
            text(b, u32::from(radix))
        }
    }
}

/// A number at the start of `b`, as C's `strtoull` reads it: blanks and an optional `0x`, then digits.
fn text(b: &[u8], radix: u32) -> Option<(u64, usize)> {
    let mut i = b.iter().take_while(|c| c.is_ascii_whitespace()).count();
    let neg = b.get(i) == Some(&b'-');
    if neg || b.get(i) == Some(&b'+') {
        i += 1;
    }
    if radix == 16 && b.get(i) == Some(&b'0') && b.get(i + 1).is_some_and(|c| *c | 32 == b'x') {
        i += 2;
    }
    let mut v = 0u64;
    let from = i;
    while let Some(d) = b.get(i).and_then(|c| (*c as char).to_digit(radix)) {
        v = v.saturating_mul(u64::from(radix)).saturating_add(u64::from(d));
        i += 1;
    }
    (i > from).then_some((if neg { v.wrapping_neg() } else { v }, i))
}

fn masked(v: u64, mask: u32) -> u64 {
    if mask == 0 { v } else { (v & u64::from(mask)) >> mask.trailing_zeros() }
}

/// Compares as rules do.
pub fn compare(cmp: Cmp, a: u64, b: u64) -> bool {
    match cmp {
        Cmp::Eq => a == b,
        Cmp::Ne => a != b,
        Cmp::Lt => a < b,
        Cmp::Le => a <= b,
        Cmp::Gt => a > b,
        Cmp::Ge => a >= b,
        Cmp::And => a & b != 0,
        Cmp::Or => a ^ b != 0,
    }
}

/// Whether the test holds. A number that cannot be read fails the test, negated or not.
pub fn byte_test(t: &ByteTest, cx: &Context<'_>, vars: &[u64]) -> bool {
    let Some(at) = start(cx, t.relative, num(t.offset, vars)) else { return false };
    let n = num(t.bytes, vars).clamp(0, 64) as usize;
    let Some((v, _)) = read(cx, at, n, t.endian, t.base) else { return false };
    compare(t.cmp, masked(v, t.bitmask), num(t.value, vars) as u64) != t.negated
}

/// Where the cursor goes, or `None` when the jump leaves the buffer.
pub fn byte_jump(j: &ByteJump, cx: &Context<'_>, vars: &[u64]) -> Option<usize> {
    let at = start(cx, j.relative, num(j.offset, vars))?;
    let n = num(j.bytes, vars).clamp(0, 64) as usize;
    let (mut v, used) = if n == 0 { (0, 0) } else { read(cx, at, n, j.endian, j.base)? };
    v = v.checked_mul(u64::from(j.multiplier.max(1)))?;
    if j.align {
        v = v.checked_add(3)? & !3;
    }
    let v = i64::try_from(v).ok()?.checked_add(j.post_offset)?;
    let base = if j.from_beginning {
        0
    } else if j.from_end {
        cx.buf.len() as i64
    } else {
        (at + used) as i64
    };
    // Before the buffer's start means its start.
    let to = usize::try_from(base.checked_add(v)?.max(0)).ok()?;
    (to <= cx.buf.len()).then_some(to)
}

/// The value and where the cursor goes.
pub fn byte_extract(e: &ByteExtract, cx: &Context<'_>) -> Option<(u64, usize)> {
    let at = start(cx, e.relative, e.offset)?;
    let (mut v, used) = read(cx, at, e.bytes as usize, e.endian, e.base)?;
    v = v.wrapping_mul(u64::from(e.multiplier.max(1)));
    if e.align > 1 {
        let a = u64::from(e.align);
        v = v.checked_add(a - 1)? / a * a;
    }
    Some((v, at + used))
}

/// The result and where the cursor goes.
pub fn byte_math(m: &ByteMath, cx: &Context<'_>, vars: &[u64]) -> Option<(u64, usize)> {
    let at = start(cx, m.relative, m.offset)?;
    let n = num(m.bytes, vars).clamp(0, 64) as usize;
    let (v, used) = read(cx, at, n, m.endian, m.base)?;
    let r = num(m.rvalue, vars) as u64;
    let v = match m.op {
        MathOp::Add => v.wrapping_add(r),
        MathOp::Sub => v.wrapping_sub(r),
        MathOp::Mul => v.wrapping_mul(r),
        MathOp::Div => v.checked_div(r)?,
        MathOp::Shl => v.checked_shl(u32::try_from(r).ok()?).unwrap_or(0),
        MathOp::Shr => v.checked_shr(u32::try_from(r).ok()?).unwrap_or(0),
    };
    Some((masked(v, m.bitmask), at + used))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_text() {
        assert_eq!(text(b"0x1F;", 16), Some((31, 4)));
        assert_eq!(text(b" 12ab", 10), Some((12, 3)));
        assert_eq!(text(b"zz", 10), None);
    }

    #[test]
    fn jump_rounds_up_and_stays_inside() {
        let j = ByteJump {
            bytes: Num::Const(1),
            offset: Num::Const(0),
            relative: true,
            multiplier: 1,
            endian: Endian::Big,
            base: Base::Binary,
            align: true,
            from_beginning: false,
            from_end: false,
            post_offset: 0,
        };
        let buf = [0u8, 3, 0, 0, 0, 0];
        let cx = Context { buf: &buf, cursor: 1, dce_little: false };
        assert_eq!(byte_jump(&j, &cx, &[]), Some(6));
        let short = Context { buf: &buf[..5], cursor: 1, dce_little: false };
        assert_eq!(byte_jump(&j, &short, &[]), None);
    }
}
