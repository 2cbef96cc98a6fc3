//! `byte_test`, `byte_jump`, `byte_extract`, `byte_math`, `isdataat`.

use alloc::format;

use super::{Arg, Keyword, parts, word};
use crate::rules::build::Builder;
use crate::rules::ir::{Base, ByteExtract, ByteJump, ByteMath, ByteTest, Cmp, Endian, Match, MathOp, Num};
use crate::rules::num;
use crate::rules::refuse::{Res, bad, conflict};

pub static KEYWORDS: &[Keyword] = &[
    Keyword::new("byte_test", byte_test),
    Keyword::new("byte_jump", byte_jump),
    Keyword::new("byte_extract", byte_extract),
    Keyword::new("byte_math", byte_math),
    Keyword::new("isdataat", isdataat),
];

/// How a number is written in the traffic.
#[derive(Default)]
struct Form {
    endian: Option<Endian>,
    string: bool,
    radix: Option<u8>,
    bitmask: u32,
}

impl Form {
    /// Takes one option word; `false` when it is not about the form.
    fn take(&mut self, t: &str) -> Res<bool> {
        let endian = match t {
            "big" => Some(Endian::Big),
            "little" => Some(Endian::Little),
            "dce" => Some(Endian::Dce),
            _ => None,
        };
        if endian.is_some() {
            if self.endian.is_some() {
                return conflict("more than one byte order");
            }
            self.endian = endian;
            return Ok(true);
        }
        let radix = match t {
            "hex" => Some(16),
            "dec" => Some(10),
            "oct" => Some(8),
            _ => None,
        };
        if radix.is_some() {
            if self.radix.is_some() {
                return conflict("more than one base");
            }
            self.radix = radix;
            return Ok(true);
        }
        if t == "string" {
            self.string = true;
            return Ok(true);
        }
        if let Some(m) = t.strip_prefix("bitmask") {
            self.bitmask = num::u32(m)?;
            if self.bitmask == 0 {
                return bad("the bitmask is 0");
            }
            return Ok(true);
        }
        Ok(false)
    }

    fn base(&self) -> Base {
        if self.string { Base::Text(self.radix.unwrap_or(10)) } else { Base::Binary }
    }

    fn endian(&self) -> Endian {
        self.endian.unwrap_or(Endian::Big)
    }

    /// Checks the number of bytes (`None`: a variable says it) against the form.
    fn check(&self, bytes: Option<i64>, binary_max: i64) -> Res {
        if self.string && self.endian == Some(Endian::Dce) {
            return conflict("dce and string exclude each other");
        }
        let max = match (self.string, self.radix) {
            (true, Some(8)) => 23,
            (true, Some(16)) => 14,
            (true, _) => 20,
            (false, _) => binary_max,
        };
        match bytes {
            Some(n) if n > max => bad(format!("{n} bytes are too many, {max} is the limit")),
            Some(n) if n < 0 => bad("the number of bytes is negative"),
            _ => Ok(()),
        }
    }
}

/// Adds a condition: a relative one goes on where the content before it matched, in that content's buffer.
fn join(b: &mut Builder<'_, '_>, relative: bool, m: Match) -> Res {
    if relative { b.push_relative(m) } else { b.push(m) }
}

fn constant(n: Num) -> Option<i64> {
    match n {
        Num::Const(v) => Some(v),
        Num::Var(_) => None,
    }
}

/// The offset of a condition on the buffer, within what a packet can hold.
fn place(n: Num) -> Res<Num> {
    match n {
        Num::Const(v) if !(-65535..=65535).contains(&v) => bad(format!("offset {v} is out of range")),
        n => Ok(n),
    }
}

fn byte_test(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let mut p = parts(a.text()?);
    let (Some(bytes), Some(op), Some(value), Some(offset)) = (p.next(), p.next(), p.next(), p.next()) else {
        return bad("write bytes,operator,value,offset");
    };
    let bytes = b.num(bytes, "number of bytes")?;
    let (negated, op) = match op.strip_prefix('!') {
        Some(o) => (true, o.trim()),
        None => (false, op),
    };
    let cmp = match op {
        "<" => Cmp::Lt,
        ">" => Cmp::Gt,
        "=" => Cmp::Eq,
        "<=" => Cmp::Le,
        ">=" => Cmp::Ge,
        "&" => Cmp::And,
        "^" => Cmp::Or,
        "" if negated => Cmp::Eq,
        _ => return bad(format!("\"{op}\" is not an operator")),
    };
    let value = match value.as_bytes().first() {
        Some(c) if c.is_ascii_digit() => Num::Const(num::uint(value)? as i64),
        Some(b'-') => Num::Const(num::int(value)?),
        _ => b.num(value, "value")?,
    };
    let offset = match b.num(offset, "offset")? {
        Num::Const(v) if i32::try_from(v).is_err() => return bad(format!("offset {v} is out of range")),
        n => n,
    };
    let (mut form, mut relative) = (Form::default(), false);
    for w in p {
        if w == "relative" {
            relative = true;
        } else if !form.take(w)? {
            return bad(format!("\"{w}\" is not an option of byte_test"));
        }
    }
    form.check(constant(bytes), 8)?;
    // With `string` it means as many digits as there are.
    if bytes == Num::Const(0) && !form.string {
        return bad("0 bytes make no number");
    }
    if form.endian == Some(Endian::Dce) {
        dce(b)?;
    }
    let (endian, base, bitmask) = (form.endian(), form.base(), form.bitmask);
    join(
        b,
        relative,
        Match::ByteTest(ByteTest { bytes, negated, cmp, value, offset, relative, endian, base, bitmask }),
    )
}

/// `dce` makes the rule one about DCERPC.
fn dce(b: &mut Builder<'_, '_>) -> Res {
    let protos = super::super::header::protos_named("dcerpc");
    if protos.is_empty() {
        return super::super::refuse::unsupported("dce");
    }
    b.require_protos(&protos, "dce")
}

fn byte_jump(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let mut p = parts(a.text()?);
    let (Some(bytes), Some(offset)) = (p.next(), p.next()) else { return bad("write bytes,offset") };
    let bytes = b.num(bytes, "number of bytes")?;
    let offset = place(b.num(offset, "offset")?)?;
    let mut j = ByteJump {
        bytes,
        offset,
        relative: false,
        multiplier: 1,
        endian: Endian::Big,
        base: Base::Binary,
        align: false,
        from_beginning: false,
        from_end: false,
        post_offset: 0,
    };
    let mut form = Form::default();
    for w in p {
        match word(w) {
            ("relative", "") => j.relative = true,
            ("align", "") => j.align = true,
            ("from_beginning", "") => j.from_beginning = true,
            ("from_end", "") => j.from_end = true,
            ("multiplier", n) => {
                j.multiplier = num::uint_to(n, 65535)? as u32;
                if j.multiplier == 0 {
                    return bad("the multiplier is 0");
                }
            }
            ("post_offset", n) => {
                j.post_offset = match place(b.num(n, "post_offset")?)? {
                    Num::Const(v) => v,
                    Num::Var(_) => return bad("post_offset must be a number"),
                }
            }
            _ if form.take(w)? => {}
            _ => return bad(format!("\"{w}\" is not an option of byte_jump")),
        }
    }
    if j.from_beginning && j.from_end {
        return conflict("from_beginning and from_end exclude each other");
    }
    form.check(constant(bytes), 8)?;
    if form.bitmask != 0 {
        return bad("byte_jump has no bitmask");
    }
    if form.endian == Some(Endian::Dce) {
        dce(b)?;
    }
    (j.endian, j.base) = (form.endian(), form.base());
    join(b, j.relative, Match::ByteJump(j))
}

fn byte_extract(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let mut p = parts(a.text()?);
    let (Some(bytes), Some(offset), Some(name)) = (p.next(), p.next(), p.next()) else {
        return bad("write bytes,offset,variable");
    };
    let bytes = num::uint_to(bytes, 255)? as u8;
    if bytes == 0 {
        return bad("0 bytes make no number");
    }
    let offset = num::int(offset)?;
    if !(-65535..=65535).contains(&offset) {
        return bad(format!("offset {offset} is out of range"));
    }
    let (mut form, mut relative, mut multiplier, mut align) = (Form::default(), false, 1, 0u8);
    for w in p {
        match word(w) {
            ("relative", "") => relative = true,
            ("multiplier", n) => {
                multiplier = num::uint_to(n, 65535)? as u32;
                if multiplier == 0 {
                    return bad("the multiplier is 0");
                }
            }
            ("align", n) => {
                align = match n {
                    "2" => 2,
                    "4" => 4,
                    _ => return bad("align is 2 or 4"),
                }
            }
            _ if form.take(w)? => {}
            _ => return bad(format!("\"{w}\" is not an option of byte_extract")),
        }
    }
    form.check(Some(i64::from(bytes)), 8)?;
    if form.endian == Some(Endian::Dce) {
        dce(b)?;
    }
    let var = b.new_var(name)?;
    let (endian, base) = (form.endian(), form.base());
    join(
        b,
        relative,
        Match::ByteExtract(ByteExtract { bytes, offset, var, relative, multiplier, endian, base, align }),
    )
}

fn byte_math(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let (mut bytes, mut offset, mut op, mut rvalue, mut result) = (None, None, None, None, None);
    let (mut form, mut relative) = (Form::default(), false);
    let once = |set: bool, what: &str| if set { conflict(format!("more than one {what}")) } else { Ok(()) };
    for w in parts(a.text()?) {
        match word(w) {
            ("bytes", n) => {
                once(bytes.is_some(), "bytes")?;
                bytes = Some(b.num(n, "number of bytes")?);
            }
            ("offset", n) => {
                once(offset.is_some(), "offset")?;
                offset = Some(num::int(n)?);
            }
            ("oper", o) => {
                once(op.is_some(), "oper")?;
                op = Some(match o {
                    "+" => MathOp::Add,
                    "-" => MathOp::Sub,
                    "*" => MathOp::Mul,
                    "/" => MathOp::Div,
                    "<<" => MathOp::Shl,
                    ">>" => MathOp::Shr,
                    _ => return bad(format!("\"{o}\" is not an operator of byte_math")),
                });
            }
            ("rvalue", n) => {
                once(rvalue.is_some(), "rvalue")?;
                rvalue = Some(match n.as_bytes().first() {
                    Some(c) if c.is_ascii_digit() => Num::Const(i64::from(num::u32(n)?)),
                    _ => b.num(n, "rvalue")?,
                });
            }
            ("result", n) => {
                once(result.is_some(), "result")?;
                result = Some(n);
            }
            ("relative", "") => relative = true,
            ("endian", e) => {
                if !matches!(e, "big" | "little" | "dce") {
                    return bad(format!("\"{e}\" is not a byte order"));
                }
                form.take(e)?;
            }
            ("string", base) => {
                form.string = true;
                if !matches!(base, "hex" | "dec" | "oct") {
                    return bad("string needs hex, dec or oct");
                }
                form.take(base)?;
            }
            ("dce", "") => {
                form.take("dce")?;
            }
            ("bitmask", m) => {
                form.bitmask = num::u32(m)?;
            }
            _ => return bad(format!("\"{w}\" is not an option of byte_math")),
        }
    }
    let (Some(bytes), Some(offset), Some(op), Some(rvalue), Some(name)) = (bytes, offset, op, rvalue, result)
    else {
        return bad("bytes, offset, oper, rvalue and result are needed");
    };
    if !(-65535..=65535).contains(&offset) {
        return bad(format!("offset {offset} is out of range"));
    }
    let max = if form.string { 10 } else { 8 };
    match bytes {
        Num::Const(n) if !(1..=max).contains(&n) => return bad(format!("bytes must be 1 to {max}")),
        _ => {}
    }
    if op == MathOp::Div && rvalue == Num::Const(0) {
        return bad("a division by 0");
    }
    if matches!(op, MathOp::Shl | MathOp::Shr) && matches!(rvalue, Num::Const(v) if v > 64) {
        return bad("a shift by more than 64");
    }
    if form.endian == Some(Endian::Dce) {
        dce(b)?;
    }
    let var = b.new_var(name)?;
    let (endian, base, bitmask) = (form.endian(), form.base(), form.bitmask);
    join(
        b,
        relative,
        Match::ByteMath(ByteMath { bytes, offset, op, rvalue, var, relative, endian, base, bitmask }),
    )
}

fn isdataat(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let t = a.text()?;
    let (negated, t) = match t.strip_prefix('!') {
        Some(r) => (true, r),
        None => (false, t),
    };
    let mut p = parts(t);
    let at = b.num(p.next().unwrap_or(""), "offset")?;
    if let Num::Const(v) = at
        && !(0..=65535).contains(&v)
    {
        return bad(format!("{v} is out of range"));
    }
    let (mut relative, mut raw) = (false, false);
    for w in p {
        match w {
            "relative" if !relative => relative = true,
            "rawbytes" if !raw => raw = true,
            _ => return bad(format!("\"{w}\" is not an option of isdataat")),
        }
    }
    join(b, relative, Match::IsDataAt { at, relative, negated })
}
