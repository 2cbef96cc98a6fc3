//! Address and port lists: rule text with variables, negation and nesting goes in, disjoint sorted ranges come out.
//!
//! A list is read as Suricata reads it: every element is positive or negative (a negation of a list turns all its
//! elements round), and the set is the union of the positive ones, or everything when there is none, without the
//! negative ones. A list that leaves nothing is an error.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use super::ir::{AddrSet, PortSet};
use super::refuse::{Fault, RefusalKind, Res};

/// `vars.address-groups` and `vars.port-groups` of the configuration: name to text.
#[derive(Debug, Clone, Default)]
pub struct Vars {
    pub addresses: BTreeMap<String, String>,
    pub ports: BTreeMap<String, String>,
}

/// Deepest nesting of variables and brackets.
const MAX_DEPTH: u32 = 64;

/// Unsigned numbers whose ranges can be combined.
pub trait Bound: Copy + Ord {
    const MIN: Self;
    const MAX: Self;
    fn next(self) -> Option<Self>;
    fn prev(self) -> Option<Self>;
}

macro_rules! bound {
    ($($t:ty)*) => { $(impl Bound for $t {
        const MIN: $t = 0;
        const MAX: $t = <$t>::MAX;
        fn next(self) -> Option<$t> { self.checked_add(1) }
        fn prev(self) -> Option<$t> { self.checked_sub(1) }
    })* };
}
bound!(u8 u16 u32 u128);

/// Sorts and joins overlapping or adjacent inclusive ranges.
pub fn normalise<T: Bound>(ranges: &mut Vec<(T, T)>) {
    ranges.sort_unstable();
    let mut out: Vec<(T, T)> = Vec::with_capacity(ranges.len());
    for &(lo, hi) in ranges.iter() {
        match out.last_mut() {
            Some(last) if lo <= last.1 || last.1.next() == Some(lo) => last.1 = last.1.max(hi),
            _ => out.push((lo, hi)),
        }
    }
    *ranges = out;
}

/// `a` without `b`; both normalised.
pub fn subtract<T: Bound>(a: &[(T, T)], b: &[(T, T)]) -> Vec<(T, T)> {
    let mut out = Vec::with_capacity(a.len());
    let mut from = 0;
    for &(lo, hi) in a {
        // Everything that ends before this range is done with for the later ones as well.
        while b.get(from).is_some_and(|r| r.1 < lo) {
            from += 1;
        }
        let mut start = Some(lo);
        for &(blo, bhi) in b.iter().skip(from).take_while(|r| r.0 <= hi) {
            let Some(s) = start else { break };
            if blo > s
                && let Some(end) = blo.prev()
            {
                out.push((s, end));
            }
            start = bhi.next().map(|n| n.max(s));
        }
        if let Some(s) = start
            && s <= hi
        {
            out.push((s, hi));
        }
    }
    out
}

/// Positive and negative ranges met so far in a list.
struct Parts<T> {
    plus: Vec<(T, T)>,
    minus: Vec<(T, T)>,
    /// A positive element was written, even an empty one.
    any_plus: bool,
}

impl<T: Bound> Parts<T> {
    const fn new() -> Self {
        Parts { plus: Vec::new(), minus: Vec::new(), any_plus: false }
    }
    fn push(&mut self, neg: bool, range: (T, T)) {
        if neg {
            self.minus.push(range);
        } else {
            self.plus.push(range);
            self.any_plus = true;
        }
    }
    fn finish(mut self, any_plus: bool) -> Vec<(T, T)> {
        if !any_plus {
            self.plus.push((T::MIN, T::MAX));
        }
        normalise(&mut self.plus);
        normalise(&mut self.minus);
        subtract(&self.plus, &self.minus)
    }
}

fn header(reason: impl Into<String>) -> Fault {
    Fault::new(RefusalKind::Header, reason)
}

/// Calls `f` for each comma-separated element of a list's inside, brackets respected.
fn elements<'t>(list: &'t str, mut f: impl FnMut(&'t str) -> Res) -> Res {
    let mut depth = 0i32;
    let mut start = 0;
    for (i, c) in list.bytes().enumerate() {
        match c {
            b'[' => depth += 1,
            b']' => {
                depth -= 1;
                if depth < 0 {
                    return Err(header("']' without '['"));
                }
            }
            b',' if depth == 0 => {
                f(list.get(start..i).unwrap_or(""))?;
                start = i + 1;
            }
            _ => {}
        }
    }
    if depth != 0 {
        return Err(header("'[' without ']'"));
    }
    f(list.get(start..).unwrap_or(""))
}

/// Walks a list down to its single elements.
fn walk(
    text: &str,
    vars: &BTreeMap<String, String>,
    neg: bool,
    depth: u32,
    leaf: &mut dyn FnMut(&str, bool) -> Res,
) -> Res {
    if depth > MAX_DEPTH {
        return Err(header("lists or variables are nested too deeply"));
    }
    let mut t = text.trim();
    let mut neg = neg;
    while let Some(rest) = t.strip_prefix('!') {
        neg = !neg;
        t = rest.trim_start();
    }
    if t.is_empty() {
        return Err(header("an element of the list is empty"));
    }
    if let Some(inner) = t.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or_else(|| header("'[' without ']'"))?;
        return elements(inner, |e| walk(e, vars, neg, depth + 1, leaf));
    }
    if t.starts_with('$') {
        let name = t.get(1..).unwrap_or("");
        let value = vars.get(name).ok_or_else(|| {
            Fault::new(RefusalKind::Variable, format!("variable \"{name}\" is not defined"))
        })?;
        // A variable may be written without brackets: `a,b`.
        return elements(value, |e| walk(e, vars, neg, depth + 1, leaf));
    }
    leaf(t, neg)
}

/// Text of an address list to ranges.
pub fn parse_addrs(text: &str, vars: &Vars) -> Res<AddrSet> {
    if text.eq_ignore_ascii_case("any") {
        return Ok(AddrSet::any());
    }
    let mut v4 = Parts::<u32>::new();
    let mut v6 = Parts::<u128>::new();
    let mut negated = false;
    walk(text, &vars.addresses, false, 0, &mut |t, neg| {
        if t.eq_ignore_ascii_case("any") {
            if neg {
                return Err(header("\"!any\" leaves no address"));
            }
            v4.push(false, (0, u32::MAX));
            v6.push(false, (0, u128::MAX));
            return Ok(());
        }
        negated |= neg;
        match addr_range(t) {
            Some(Range::V4(a, b)) => v4.push(neg, (a, b)),
            Some(Range::V6(a, b)) => v6.push(neg, (a, b)),
            None => return Err(header(format!("\"{t}\" is not an address, a network or a range"))),
        }
        Ok(())
    })?;
    // One family with a positive element restricts the other family too: `[10.0.0.0/8]` holds no IPv6 address.
    let any_plus = v4.any_plus || v6.any_plus;
    // Negations alone hold every other address of their own family, and none of the other family.
    let of_v4 = any_plus || v6.minus.is_empty() || !v4.minus.is_empty();
    let of_v6 = any_plus || v4.minus.is_empty() || !v6.minus.is_empty();
    let v4 = if of_v4 { v4.finish(any_plus) } else { Vec::new() };
    let v6 = if of_v6 { v6.finish(any_plus) } else { Vec::new() };
    let set = AddrSet { v4, v6, negated };
    if set.v4.is_empty() && set.v6.is_empty() {
        return Err(header("the negations of the address list leave nothing"));
    }
    Ok(set)
}

/// One address, network or range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    V4(u32, u32),
    V6(u128, u128),
}

/// `1.2.3.4`, `1.2.3.0/24`, `1.2.3.0/255.255.255.0`, `1.2.3.4-1.2.3.9` and the IPv6 forms, to an inclusive range.
pub fn addr_range(t: &str) -> Option<Range> {
    if let Some((net, mask)) = t.split_once('/') {
        let (net, mask) = (net.trim(), mask.trim());
        if let Ok(a) = net.parse::<Ipv4Addr>() {
            let mask = if mask.contains('.') {
                u32::from(mask.parse::<Ipv4Addr>().ok()?)
            } else {
                u32::MAX.checked_shl(32 - prefix(mask, 32)?).unwrap_or(0)
            };
            let lo = u32::from(a) & mask;
            return Some(Range::V4(lo, lo | !mask));
        }
        let a = u128::from(net.parse::<Ipv6Addr>().ok()?);
        let mask = u128::MAX.checked_shl(128 - prefix(mask, 128)?).unwrap_or(0);
        let lo = a & mask;
        return Some(Range::V6(lo, lo | !mask));
    }
    if let Some((a, b)) = t.split_once('-') {
        let (a, b) = (a.trim(), b.trim());
        if let (Ok(a), Ok(b)) = (a.parse::<Ipv4Addr>(), b.parse::<Ipv4Addr>()) {
            return (a <= b).then(|| Range::V4(u32::from(a), u32::from(b)));
        }
        let (a, b) = (a.parse::<Ipv6Addr>().ok()?, b.parse::<Ipv6Addr>().ok()?);
        return (a <= b).then(|| Range::V6(u128::from(a), u128::from(b)));
    }
    if let Ok(a) = t.parse::<Ipv4Addr>() {
        return Some(Range::V4(u32::from(a), u32::from(a)));
    }
    let a = u128::from(t.parse::<Ipv6Addr>().ok()?);
    Some(Range::V6(a, a))
}

fn prefix(t: &str, max: u32) -> Option<u32> {
    t.parse::<u32>().ok().filter(|&p| p <= max)
}

/// Text of a port list to ranges.
pub fn parse_ports(text: &str, vars: &Vars) -> Res<PortSet> {
    if text.eq_ignore_ascii_case("any") {
        return Ok(PortSet::any());
    }
    let mut parts = Parts::<u16>::new();
    walk(text, &vars.ports, false, 0, &mut |t, neg| {
        if t.eq_ignore_ascii_case("any") {
            if neg {
                return Err(header("\"!any\" leaves no port"));
            }
            parts.push(false, (0, u16::MAX));
            return Ok(());
        }
        let range =
            port_range(t).ok_or_else(|| header(format!("\"{t}\" is not a port or a range of ports")))?;
        parts.push(neg, range);
        Ok(())
    })?;
    let any_plus = parts.any_plus;
    let set = PortSet(parts.finish(any_plus));
    if set.0.is_empty() {
        return Err(header("the negations of the port list leave nothing"));
    }
    Ok(set)
}

/// `80`, `1:1024`, `:1024`, `1024:`.
fn port_range(t: &str) -> Option<(u16, u16)> {
    let Some((a, b)) = t.split_once(':') else {
        let p = t.parse().ok()?;
        return Some((p, p));
    };
    let (a, b) = (a.trim(), b.trim());
    let lo = if a.is_empty() { 0 } else { a.parse().ok()? };
    let hi = if b.is_empty() { u16::MAX } else { b.parse().ok()? };
    (lo <= hi).then_some((lo, hi))
}

/// Remembers lists already read: rule sets repeat a few lists thousands of times.
#[derive(Debug, Default)]
pub struct Interned {
    addrs: BTreeMap<String, Res<Arc<AddrSet>>>,
    ports: BTreeMap<String, Res<Arc<PortSet>>>,
}

impl Interned {
    pub fn addrs(&mut self, text: &str, vars: &Vars) -> Res<Arc<AddrSet>> {
        if let Some(r) = self.addrs.get(text) {
            return r.clone();
        }
        let r = parse_addrs(text, vars).map(Arc::new);
        self.addrs.insert(text.to_string(), r.clone());
        r
    }

    pub fn ports(&mut self, text: &str, vars: &Vars) -> Res<Arc<PortSet>> {
        if let Some(r) = self.ports.get(text) {
            return r.clone();
        }
        let r = parse_ports(text, vars).map(Arc::new);
        self.ports.insert(text.to_string(), r.clone());
        r
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn vars() -> Vars {
        let mut v = Vars::default();
        for (k, t) in [
            ("HOME_NET", "[192.168.0.0/16,10.0.0.0/8]"),
            ("EXTERNAL_NET", "!$HOME_NET"),
            ("ONE", "10.1.1.1"),
            ("LOOP", "$LOOP"),
        ] {
            v.addresses.insert(k.into(), t.into());
        }
        for (k, t) in [("HTTP_PORTS", "80"), ("SHELL", "!80"), ("MANY", "[80,8000:8080,!8008]")] {
            v.ports.insert(k.into(), t.into());
        }
        v
    }

    #[test]
    fn addresses() {
        let v = vars();
        let h = parse_addrs("$HOME_NET", &v).unwrap();
        assert!(h.has_v4(0x0a010101) && h.has_v4(0xc0a80101) && !h.has_v4(0x08080808) && !h.has_v6(1));
        let e = parse_addrs("$EXTERNAL_NET", &v).unwrap();
        assert!(!e.has_v4(0x0a010101) && e.has_v4(0x08080808) && !e.has_v6(1));
        let l = parse_addrs("[$HOME_NET,!$ONE]", &v).unwrap();
        assert!(!l.has_v4(0x0a010101) && l.has_v4(0x0a010102));
        // The double negation is a positive element, and the negative network takes it away again.
        assert!(parse_addrs("![10.0.0.0/8,!10.1.1.1]", &v).is_err());
    }

    #[test]
    fn address_errors() {
        let v = vars();
        for t in [
            "!any",
            "[10.0.0.0/8,!10.0.0.0/8]",
            "$NONE",
            "$LOOP",
            "[1.2.3.4",
            "1.2.3",
            "1.2.3.4/33",
            "2.0.0.0-1.0.0.0",
            "[]",
            "!0.0.0.0/0",
        ] {
            let got = parse_addrs(t, &v);
            // Nor does `!0.0.0.0/0` leave IPv6: a negation says nothing of the other family.
            assert!(got.is_err(), "{t}: {got:?}");
        }
        assert_eq!(parse_addrs("$NONE", &v).unwrap_err().kind, RefusalKind::Variable);
    }

    #[test]
    fn ports() {
        let v = vars();
        assert_eq!(parse_ports(":1024", &v).unwrap().0, [(0, 1024)]);
        assert_eq!(parse_ports("!80", &v).unwrap().0, [(0, 79), (81, 65535)]);
        assert_eq!(parse_ports("$MANY", &v).unwrap().0, [(80, 80), (8000, 8007), (8009, 8080)]);
        assert_eq!(parse_ports("!$SHELL", &v).unwrap().0, [(80, 80)]);
        assert_eq!(parse_ports("![21,22]", &v).unwrap().0, [(0, 20), (23, 65535)]);
        for t in ["!any", "70000", "9:1", "$X", "[80,!80]", "a"] {
            assert!(parse_ports(t, &v).is_err(), "{t}");
        }
    }

    proptest! {
        #[test]
        fn algebra_equals_a_bitmap(a in prop::collection::vec((0u8..=255, 0u8..=255), 0..8), b in prop::collection::vec((0u8..=255, 0u8..=255), 0..8)) {
            let fix = |v: Vec<(u8, u8)>| v.into_iter().map(|(x, y)| (x.min(y), x.max(y))).collect::<Vec<_>>();
            let (mut a, mut b) = (fix(a), fix(b));
            let bits = |v: &[(u8, u8)]| (0..=255u8).map(|i| v.iter().any(|r| r.0 <= i && i <= r.1)).collect::<Vec<_>>();
            let (ba, bb) = (bits(&a), bits(&b));
            normalise(&mut a);
            normalise(&mut b);
            prop_assert_eq!(&bits(&a), &ba);
            let d = subtract(&a, &b);
            let want: Vec<bool> = ba.iter().zip(&bb).map(|(x, y)| *x && !*y).collect();
            prop_assert_eq!(bits(&d), want);
            // Disjoint, sorted, not adjacent inside one input range.
            prop_assert!(d.windows(2).all(|w| w[0].1 < w[1].0));
        }

        #[test]
        fn port_lists_equal_a_bitmap(items in prop::collection::vec((any::<bool>(), 0u16..64, 0u16..64), 1..8)) {
            let text = alloc::format!("[{}]", items.iter().map(|(n, a, b)| alloc::format!("{}{}:{}", if *n { "!" } else { "" }, a.min(b), a.max(b))).collect::<Vec<_>>().join(","));
            let any_plus = items.iter().any(|i| !i.0);
            let want: Vec<bool> = (0..64u16).map(|p| {
                let hit = |neg: bool| items.iter().any(|(n, a, b)| *n == neg && *a.min(b) <= p && p <= *a.max(b));
                (hit(false) || !any_plus) && !hit(true)
            }).collect();
            match parse_ports(&text, &Vars::default()) {
                Ok(s) => prop_assert_eq!((0..64u16).map(|p| s.has(p)).collect::<Vec<_>>(), want),
                Err(_) => prop_assert!(want.iter().all(|w| !w)),
            }
        }
    }
}
