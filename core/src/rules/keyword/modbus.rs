//! The keyword `modbus`: function, access, address, value and unit of a request.

use alloc::format;
use alloc::vec::Vec;

use super::{Arg, Keyword, parts, word};
use crate::app::modbus::{access, category};
use crate::rules::build::Builder;
use crate::rules::ir::{AppInt, IntIndex, IntTest};
use crate::rules::num;
use crate::rules::refuse::{Res, bad, unsupported};

pub static KEYWORDS: &[Keyword] = &[Keyword::new("modbus", modbus)];

/// Addresses with a condition on their value that one rule may name.
const ADDRESSES: u64 = 2048;

fn push(b: &mut Builder<'_, '_>, name: &str, test: IntTest) -> Res {
    let index = b.index;
    let Some(info) = index.int(name) else { return unsupported("modbus") };
    b.require_protos(&info.protos(), "modbus")?;
    b.rule.ints.push(AppInt { name: info.name, test, index: IntIndex::Any });
    Ok(())
}

fn modbus(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let mut parts = parts(a.text()?).peekable();
    let mut any = false;
    if let Some(("unit", v)) = parts.peek().map(|p| word(p)) {
        parts.next();
        any = true;
        let test = bounded(v, 255)?.inside();
        push(b, "modbus.unit", test)?;
    }
    match parts.next().map(word) {
        Some(("function", v)) => function(b, v, parts.next()),
        Some(("access", v)) => access_of(b, v, parts),
        None if any => Ok(()),
        _ => bad("write function, access or unit"),
    }
}

fn function(b: &mut Builder<'_, '_>, v: &str, sub: Option<&str>) -> Res {
    let (negated, name) = match v.strip_prefix('!') {
        Some(v) => (true, v.trim()),
        None => (false, v),
    };
    let all = category::UNASSIGNED | category::ASSIGNED | category::USER | category::RESERVED;
    let bits = match name {
        "assigned" => category::ASSIGNED,
        "unassigned" => category::UNASSIGNED,
        "public" => category::UNASSIGNED | category::ASSIGNED,
        "user" => category::USER,
        "reserved" => category::RESERVED,
        "all" => all,
        n => {
            let function = num::uint_to(n, 255)?;
            push(b, "modbus.function", if negated { IntTest::Ne(function) } else { IntTest::Eq(function) })?;
            return match sub.map(word) {
                None => Ok(()),
                Some(("subfunction", v)) => {
                    push(b, "modbus.subfunction", IntTest::Eq(num::uint_to(v, 65535)?))
                }
                Some((w, _)) => bad(format!("\"{w}\" does not follow a function")),
            };
        }
    };
    let mask = u64::from(if negated { all & !bits } else { bits });
    push(b, "modbus.category", IntTest::Mask { mask, value: 0, negated: true })
}

fn access_of<'t>(b: &mut Builder<'_, '_>, v: &str, mut rest: impl Iterator<Item = &'t str>) -> Res {
    let (kind, on) = word(v);
    let mut bits = match kind {
        "read" => access::READ,
        "write" => access::WRITE,
        k => return bad(format!("\"{k}\" is neither read nor write")),
    };
    bits |= match (on, kind) {
        ("", _) => 0,
        ("coils", _) => access::COILS,
        ("holding", _) => access::HOLDING,
        ("discretes", "read") => access::DISCRETES,
        ("input", "read") => access::INPUT,
        (o, _) => return bad(format!("\"{o}\" is nothing to {kind}")),
    };
    let bits = u64::from(bits);
    push(b, "modbus.access", IntTest::Mask { mask: bits, value: bits, negated: false })?;
    let address = match rest.next().map(word) {
        None => return Ok(()),
        Some(("address", v)) => bounded(v, 65535)?,
        Some((w, _)) => return bad(format!("\"{w}\" is not address")),
    };
    // What is accessed and what is named overlap.
    push(b, "modbus.first_address", IntTest::Le(address.last))?;
    push(b, "modbus.last_address", IntTest::Ge(address.first))?;
    let value = match rest.next().map(word) {
        None => return Ok(()),
        Some(("value", v)) if kind == "write" => bounded(v, 65535)?,
        Some((w, _)) => return bad(format!("\"{w}\" does not follow an address to {kind}")),
    };
    if address.last.saturating_sub(address.first) >= ADDRESSES {
        return bad(format!("a value can be asked of {ADDRESSES} addresses at most"));
    }
    let at = |a: u64| (a << 16 | value.first, a << 16 | value.last);
    let ranges: Vec<(u64, u64)> =
        if value.first > value.last { Vec::new() } else { (address.first..=address.last).map(at).collect() };
    push(b, "modbus.written", IntTest::Ranges(ranges))
}

/// Numbers from one to another, both included.
struct Bounds {
    first: u64,
    last: u64,
}

impl Bounds {
    fn inside(self) -> IntTest {
        IntTest::Ranges([(self.first, self.last)].to_vec())
    }
}

/// `n`, `<n`, `>n`, or `n<>m` without both.
fn bounded(t: &str, most: u64) -> Res<Bounds> {
    Ok(if let Some((a, z)) = t.split_once("<>") {
        let (a, z) = (num::uint_to(a.trim(), most)?, num::uint_to(z.trim(), most)?);
        if a >= z {
            return bad(format!("\"{t}\" is not a range"));
        }
        Bounds { first: a + 1, last: z.saturating_sub(1) }
    } else if let Some(n) = t.strip_prefix('<') {
        let n = num::uint_to(n.trim(), most)?;
        match n.checked_sub(1) {
            Some(last) => Bounds { first: 0, last },
            None => Bounds { first: 1, last: 0 },
        }
    } else if let Some(n) = t.strip_prefix('>') {
        Bounds { first: num::uint_to(n.trim(), most)? + 1, last: most }
    } else {
        let n = num::uint_to(t.trim(), most)?;
        Bounds { first: n, last: n }
    })
}
