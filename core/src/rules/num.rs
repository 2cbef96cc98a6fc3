//! Numbers in rule text: plain, hexadecimal, with a unit, negative; and tests of unsigned numbers.

use alloc::format;

use super::ir::IntTest;
use super::refuse::{Res, bad};

/// Decimal or `0x` hexadecimal.
pub fn uint(t: &str) -> Res<u64> {
    let t = t.trim();
    let r = match t.strip_prefix("0x").or_else(|| t.strip_prefix("0X")) {
        Some(h) if h.bytes().all(|c| c.is_ascii_hexdigit()) => u64::from_str_radix(h, 16).ok(),
        Some(_) => None,
        None if t.bytes().all(|c| c.is_ascii_digit()) => t.parse().ok(),
        None => None,
    };
    r.map_or_else(|| bad(format!("\"{t}\" is not a number")), Ok)
}

/// [`uint`] no greater than `max`.
pub fn uint_to(t: &str, max: u64) -> Res<u64> {
    let v = uint(t)?;
    if v > max { bad(format!("{v} is greater than {max}")) } else { Ok(v) }
}

/// As [`uint_to`] with `u32::MAX`.
pub fn u32(t: &str) -> Res<u32> {
    uint_to(t, u64::from(u32::MAX)).map(|v| v as u32)
}

/// A number with an optional sign, within `-65535..=65535` unless `wide`.
pub fn int(t: &str) -> Res<i64> {
    let t = t.trim();
    let (neg, digits) = match t.strip_prefix('-') {
        Some(d) => (true, d),
        None => (false, t.strip_prefix('+').unwrap_or(t)),
    };
    let v = i64::try_from(uint(digits)?).or_else(|_| bad(format!("\"{t}\" is out of range")))?;
    Ok(if neg { -v } else { v })
}

/// A number that may carry a unit of bytes: `kb`, `kib`, `mb`, `mib`, `gb`, `gib` (powers of 1024, as Suricata).
pub fn sized(t: &str) -> Res<u64> {
    let t = t.trim();
    let at = t
        .bytes()
        .position(|c| c.is_ascii_alphabetic())
        .filter(|_| !t.starts_with("0x") && !t.starts_with("0X"));
    let Some(at) = at else { return uint(t) };
    let (digits, unit) = t.split_at(at);
    let shift = match () {
        () if unit.eq_ignore_ascii_case("kib") || unit.eq_ignore_ascii_case("kb") => 10,
        () if unit.eq_ignore_ascii_case("mib") || unit.eq_ignore_ascii_case("mb") => 20,
        () if unit.eq_ignore_ascii_case("gib") || unit.eq_ignore_ascii_case("gb") => 30,
        () => return bad(format!("\"{unit}\" is not a unit of bytes")),
    };
    match uint(digits)?.checked_mul(1 << shift) {
        Some(v) => Ok(v),
        None => bad(format!("\"{t}\" is out of range")),
    }
}

/// `N`, `=N`, `!N`, `!=N`, `<N`, `<=N`, `>N`, `>=N`, `A<>B`, `A-B` (both exclusive), `!A-B`, `&MASK=V`, `&MASK!=V`.
pub fn int_test(text: &str, max: u64) -> Res<IntTest> {
    let t = text.trim();
    let num = |t: &str| -> Res<u64> {
        let v = sized(t)?;
        if v > max { bad(format!("{v} is greater than {max}")) } else { Ok(v) }
    };
    if let Some(r) = t.strip_prefix(">=") {
        return match num(r)? {
            0 => bad("every number is 0 or more"),
            v => Ok(IntTest::Ge(v)),
        };
    }
    if let Some(r) = t.strip_prefix("<=") {
        return match num(r)? {
            v if v == max && max >= 255 => bad(format!("every number is {max} or less")),
            v => Ok(IntTest::Le(v)),
        };
    }
    if let Some(r) = t.strip_prefix("!=") {
        return num(r).map(IntTest::Ne);
    }
    if let Some(r) = t.strip_prefix('&') {
        let (parts, negated) = match r.split_once("!=") {
            Some(parts) => (Some(parts), true),
            None => (r.split_once('='), false),
        };
        let Some((m, v)) = parts else {
            return bad(format!("\"{t}\": a mask needs '=' and a value"));
        };
        let (mask, value) = (num(m)?, num(v)?);
        if value & !mask != 0 {
            return bad(format!("value {value:#x} has bits outside of the mask {mask:#x}"));
        }
        return Ok(IntTest::Mask { mask, value, negated });
    }
    let (neg, r) = match t.strip_prefix('!') {
        Some(r) => (true, r.trim()),
        None => (false, t),
    };
    if let Some((a, b)) = r.split_once("<>").or_else(|| r.split_once('-')) {
        let (a, b) = (num(a)?, num(b)?);
        if b <= a || b - a <= 1 {
            return bad(format!("nothing lies between {a} and {b}"));
        }
        return Ok(if neg { IntTest::NotBetween(a, b) } else { IntTest::Between(a, b) });
    }
    if neg {
        return num(r).map(IntTest::Ne);
    }
    match r.as_bytes().first() {
        Some(b'<') => {
            let v = num(&r[1..])?;
            if v == 0 { bad("nothing is less than 0") } else { Ok(IntTest::Lt(v)) }
        }
        Some(b'>') => {
            let v = num(&r[1..])?;
            if v == max { bad(format!("nothing is greater than {v}")) } else { Ok(IntTest::Gt(v)) }
        }
        Some(b'=') => num(&r[1..]).map(IntTest::Eq),
        _ => num(r).map(IntTest::Eq),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_of_numbers() {
        let ok = [
            ("5", IntTest::Eq(5)),
            ("=5", IntTest::Eq(5)),
            (" 0x10 ", IntTest::Eq(16)),
            ("!5", IntTest::Ne(5)),
            ("!=5", IntTest::Ne(5)),
            ("<5", IntTest::Lt(5)),
            ("< 5", IntTest::Lt(5)),
            (">=5", IntTest::Ge(5)),
            ("<=5", IntTest::Le(5)),
            ("3<>9", IntTest::Between(3, 9)),
            ("3 <> 9", IntTest::Between(3, 9)),
            ("3-9", IntTest::Between(3, 9)),
            ("!3-9", IntTest::NotBetween(3, 9)),
            ("&0x40=0x40", IntTest::Mask { mask: 0x40, value: 0x40, negated: false }),
            ("&0x40!=0", IntTest::Mask { mask: 0x40, value: 0, negated: true }),
            (">2kib", IntTest::Gt(2048)),
        ];
        for (t, want) in ok {
            assert_eq!(int_test(t, u64::MAX).unwrap(), want, "{t}");
        }
        for t in [
            "", "a", "5a", "9<>3", "3<>4", "1 2", "<0", "-1", "&3", ">255", "256", ">=0", "<=255", "&1=3",
            "&1!=2",
        ] {
            assert!(int_test(t, 255).is_err(), "{t}");
        }
    }
}
