//! Capture filters in tcpdump's language: an expression goes in, a yes or no per packet comes out.
//!
//! Supported are the primitives people use with an IDS (`host`, `net`, `port`, `portrange`, `proto`, protocol
//! names, `vlan`, `less`, `greater`, with `src`/`dst`) joined by `and`, `or`, `not` and parentheses. Anything
//! else (`tcp[13] & 2 != 0`, `ether host`, `gateway`), and what no packet can fit (`icmp port 80`), is refused with the place of
//! the word. `README.md` has the language.
//!
//! What is understood means what it means to libpcap (pcap-filter(7)), surprises included: `and` and `or` bind alike, from left to right, and
//! each `vlan` moves all that is written behind it one tag further into the frame.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use tidegate_core::packet::{Addr, L3, L4, Packet};

/// A compiled filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    root: Expr,
}

/// Why an expression was refused, and where in it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("filter, {}column {column}: {what}", if *line > 1 { format!("line {line}, ") } else { String::new() })]
pub struct FilterError {
    /// From 1; the column in characters.
    pub line: usize,
    pub column: usize,
    /// What is there, and what was expected.
    pub what: String,
}

/// VLAN tags of a frame that are decoded.
const MOST_TAGS: usize = 3;

/// What an expression can begin with.
const PRIMITIVES: &str =
    "host, net, port, portrange, proto, vlan, less, greater, ip, ip6, arp, tcp, udp, sctp, icmp or icmp6";

#[derive(Clone, Debug, PartialEq, Eq)]
enum Expr {
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    /// The number is that of the `vlan`s written before it: so many tags a frame has before what is tested.
    Test(Qualifier, Value, u8),
}

/// `tcp src`, `ip6 dst`, …: what a value is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Qualifier {
    proto: Option<Proto>,
    side: Side,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proto {
    Ip,
    Ip6,
    Arp,
    Tcp,
    Udp,
    Sctp,
    Icmp,
    Icmp6,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Side {
    #[default]
    Either,
    Src,
    Dst,
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    /// The qualifier's protocol alone.
    Any,
    /// (is IPv6, address, mask) in the high bits.
    Net(bool, u128, u128),
    Ports(u16, u16),
    Number(u8),
    Vlan(Option<u16>),
    Less(usize),
    Greater(usize),
}

impl Filter {
    /// Compiles `text`.
    pub fn parse(text: &str) -> Result<Filter, FilterError> {
        let (places, words): (Vec<usize>, Vec<&str>) = words(text).into_iter().unzip();
        let mut p =
            Parse { words: &words, at: 0, last: Qualifier::default(), kind: Kind::Host, depth: 0, tags: 0 };
        let fault = |(word, what): Fault| {
            let before = &text[..places.get(word).copied().unwrap_or(text.trim_end().len())];
            let line = before.rsplit('\n').next().unwrap_or("");
            FilterError { line: before.matches('\n').count() + 1, column: line.chars().count() + 1, what }
        };
        let root = p.joined().map_err(fault)?;
        if let Some(w) = p.peek() {
            return Err(fault((p.at, format!("`{w}` is not expected here; expected and, or, or the end"))));
        }
        if !(0..=MOST_TAGS as u8).any(|vlans| root.can(vlans).0) {
            let what = "no frame passes this: `vlan` is about what is written behind it; expected it first, as in `vlan 5 and port 80`";
            return Err(fault((0, what.into())));
        }
        Ok(Filter { root })
    }

    /// Whether a packet (the outermost of its frame) passes.
    pub fn passes(&self, p: &Packet<'_>) -> bool {
        self.root.eval(p)
    }
}

impl Expr {
    /// Whether frames with so many tags can pass, and whether they can fail, as far as tags go.
    fn can(&self, vlans: u8) -> (bool, bool) {
        match self {
            Expr::And(a, b) => {
                let (a, b) = (a.can(vlans), b.can(vlans));
                (a.0 && b.0, a.1 || b.1)
            }
            Expr::Or(a, b) => {
                let (a, b) = (a.can(vlans), b.can(vlans));
                (a.0 || b.0, a.1 && b.1)
            }
            Expr::Not(a) => {
                let (passes, fails) = a.can(vlans);
                (fails, passes)
            }
            Expr::Test(_, Value::Less(_) | Value::Greater(_), _) => (true, true),
            Expr::Test(_, Value::Vlan(id), tags) => (vlans > *tags, vlans <= *tags || id.is_some()),
            Expr::Test(_, _, tags) => (vlans == *tags, true),
        }
    }

    fn eval(&self, p: &Packet<'_>) -> bool {
        match self {
            Expr::And(a, b) => a.eval(p) && b.eval(p),
            Expr::Or(a, b) => a.eval(p) || b.eval(p),
            Expr::Not(a) => !a.eval(p),
            Expr::Test(q, v, tags) => q.eval(*v, p, *tags),
        }
    }
}

impl Qualifier {
    /// Why no packet can fit, if so.
    fn unfit(self, v: Value) -> Option<&'static str> {
        const KIND: &str = "no packet fits this: what stands before it is of another kind";
        const CARRIED: &str = "no packet fits this: addresses are those of ip, ip6 and arp; write `and` before it, as in `tcp and host A`";
        let net = |no: Proto| match self.proto {
            Some(p) if p == no => Some(KIND),
            None | Some(Proto::Ip | Proto::Ip6 | Proto::Arp) => None,
            Some(_) => Some(CARRIED),
        };
        match v {
            Value::Ports(..) => {
                matches!(self.proto, Some(Proto::Arp | Proto::Icmp | Proto::Icmp6)).then_some(KIND)
            }
            Value::Net(true, ..) if self.proto == Some(Proto::Arp) => Some(KIND),
            Value::Net(true, ..) => net(Proto::Ip),
            Value::Net(false, ..) => net(Proto::Ip6),
            Value::Number(_) => {
                let good =
                    self.side == Side::Either && matches!(self.proto, None | Some(Proto::Ip | Proto::Ip6));
                (!good).then_some(KIND)
            }
            _ => None,
        }
    }

    fn eval(self, v: Value, p: &Packet<'_>, tags: u8) -> bool {
        match v {
            Value::Less(n) => return p.data.len() <= n,
            Value::Greater(n) => return p.data.len() >= n,
            Value::Vlan(id) => {
                let tag = p.vlan.get(usize::from(tags)).filter(|_| p.vlans > tags);
                return tag.is_some_and(|tag| id.is_none_or(|id| *tag == id));
            }
            _ => {}
        }
        if p.vlans != tags || !self.proto.is_none_or(|w| w.is(p)) {
            return false;
        }
        match v {
            Value::Net(v6, net, mask) => {
                let hit = |a: &Addr| u128::from_be_bytes(a.0) & mask == net;
                match (p.l3, v6) {
                    (L3::Ipv4, false) | (L3::Ipv6, true) => self.side(hit(&p.src), hit(&p.dst)),
                    // Who asks, and who is asked for.
                    (L3::Arp, false) => p.l3_hdr.of(p.data).first_chunk::<28>().is_some_and(|m| {
                        let ip = |at: usize| Addr::v4([m[at], m[at + 1], m[at + 2], m[at + 3]]);
                        self.side(hit(&ip(14)), hit(&ip(24)))
                    }),
                    _ => false,
                }
            }
            Value::Ports(a, b) => {
                let ports = matches!(p.l4, L4::Tcp | L4::Udp | L4::Sctp);
                ports && self.side((a..=b).contains(&p.sp), (a..=b).contains(&p.dp))
            }
            Value::Number(n) => p.has_ip() && p.proto == n,
            _ => true,
        }
    }

    fn side(self, src: bool, dst: bool) -> bool {
        match self.side {
            Side::Either => src || dst,
            Side::Src => src,
            Side::Dst => dst,
            Side::Both => src && dst,
        }
    }
}

impl Proto {
    fn named(word: &str) -> Option<Proto> {
        Some(match word {
            "ip" => Proto::Ip,
            "ip6" => Proto::Ip6,
            "arp" => Proto::Arp,
            "tcp" => Proto::Tcp,
            "udp" => Proto::Udp,
            "sctp" => Proto::Sctp,
            "icmp" => Proto::Icmp,
            "icmp6" => Proto::Icmp6,
            _ => return None,
        })
    }

    fn is(self, p: &Packet<'_>) -> bool {
        match self {
            Proto::Ip => p.l3 == L3::Ipv4,
            Proto::Ip6 => p.l3 == L3::Ipv6,
            Proto::Arp => p.l3 == L3::Arp,
            Proto::Tcp => p.has_ip() && p.proto == 6,
            Proto::Udp => p.has_ip() && p.proto == 17,
            Proto::Sctp => p.has_ip() && p.proto == 132,
            Proto::Icmp => p.l3 == L3::Ipv4 && p.proto == 1,
            Proto::Icmp6 => p.l3 == L3::Ipv6 && p.proto == 58,
        }
    }
}

/// What kind of value a bare word is (`host a or b`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Host,
    Net,
    Port,
    PortRange,
    Proto,
}

struct Parse<'a> {
    words: &'a [&'a str],
    at: usize,
    last: Qualifier,
    kind: Kind,
    depth: u32,
    /// `vlan`s so far.
    tags: u8,
}

/// The number of the word at fault, and what is wrong with it.
type Fault = (usize, String);
type Res<T> = Result<T, Fault>;

/// The words of an expression with their places; parentheses and `!` are words wherever they stand.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut out = Vec::new();
    let mut start = None;
    for (i, c) in text.char_indices() {
        let alone = matches!(c, '(' | ')' | '!');
        if (alone || c.is_whitespace())
            && let Some(from) = start.take()
        {
            out.push((from, &text[from..i]));
        }
        if alone {
            out.push((i, &text[i..i + 1]));
        } else if !c.is_whitespace() && start.is_none() {
            start = Some(i);
        }
    }
    out.extend(start.map(|from| (from, &text[from..])));
    out
}

impl<'a> Parse<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).copied()
    }
    fn next(&mut self, what: &str) -> Res<&'a str> {
        let w = self.peek().ok_or_else(|| (self.at, format!("it ends where {what} is expected")))?;
        self.at += 1;
        Ok(w)
    }
    fn eat(&mut self, words: &[&str]) -> bool {
        let hit = self.peek().is_some_and(|w| words.contains(&w));
        self.at += usize::from(hit);
        hit
    }

    /// Expressions joined by `and` and `or`, which bind alike (pcap-filter(7)).
    fn joined(&mut self) -> Res<Expr> {
        let mut left = self.not()?;
        loop {
            left = if self.eat(&["and", "&&"]) {
                Expr::And(Box::new(left), Box::new(self.not()?))
            } else if self.eat(&["or", "||"]) {
                Expr::Or(Box::new(left), Box::new(self.not()?))
            } else {
                return Ok(left);
            };
        }
    }

    fn not(&mut self) -> Res<Expr> {
        self.depth += 1;
        if self.depth > 64 {
            return Err((self.at, "nested too deeply".into()));
        }
        let e = if self.eat(&["not", "!"]) {
            Expr::Not(Box::new(self.not()?))
        } else if self.eat(&["("]) {
            let open = self.at - 1;
            let inner = self.joined()?;
            if !self.eat(&[")"]) {
                return Err((open, "this parenthesis is not closed".into()));
            }
            inner
        } else {
            self.primitive()?
        };
        self.depth -= 1;
        Ok(e)
    }

    fn primitive(&mut self) -> Res<Expr> {
        let mut q = Qualifier::default();
        let mut said = false;
        if let Some(p) = self.peek().and_then(Proto::named) {
            self.at += 1;
            q.proto = Some(p);
            said = true;
        }
        if self.eat(&["src"]) {
            q.side = match self.words.get(self.at..self.at + 2) {
                Some(["or", "dst"]) => Side::Either,
                Some(["and", "dst"]) => Side::Both,
                _ => Side::Src,
            };
            self.at += if q.side == Side::Src { 0 } else { 2 };
            said = true;
        } else if self.eat(&["dst"]) {
            q.side = Side::Dst;
            said = true;
        }
        let kind = match self.peek() {
            Some("host") => Kind::Host,
            Some("net") => Kind::Net,
            Some("port") => Kind::Port,
            Some("portrange") => Kind::PortRange,
            Some("proto") => Kind::Proto,
            Some(w @ ("vlan" | "less" | "greater")) if said => {
                return Err((self.at, format!("`{w}` stands by itself; expected `and` before it")));
            }
            Some("vlan") => return self.vlan(),
            Some(w @ ("less" | "greater")) => {
                self.at += 1;
                let n = self.next("a length")?;
                let n = n.parse().map_err(|_| (self.at - 1, format!("`{n}` is not a length in bytes")))?;
                return Ok(self.test(q, if w == "less" { Value::Less(n) } else { Value::Greater(n) }));
            }
            None | Some("and" | "or" | "&&" | "||" | ")") if said && q.side == Side::Either => {
                return Ok(self.test(q, Value::Any));
            }
            None => return Err((self.at, format!("it ends where more is expected: {PRIMITIVES}"))),
            // A bare value takes what was said last; after `src` or `dst` it is a host.
            Some(_) => {
                let (q, kind) = if said { (q, Kind::Host) } else { (self.last, self.kind) };
                return self.value(q, kind);
            }
        };
        self.at += 1;
        (self.last, self.kind) = (q, kind);
        self.value(q, kind)
    }

    fn value(&mut self, q: Qualifier, kind: Kind) -> Res<Expr> {
        let w = self.next("a value")?;
        let at = self.at - 1;
        let bad = |what: &str| (at, format!("`{w}` is not {what}"));
        let v = match kind {
            Kind::Host => {
                let what = || format!("an address, or known here; expected one of {PRIMITIVES}");
                net(w, false).ok_or_else(|| bad(&what()))?
            }
            Kind::Net => match net(w, true) {
                Some(Value::Net(_, addr, mask)) if addr & !mask != 0 => {
                    return Err(bad("a network: bits behind its prefix are set"));
                }
                found => found.ok_or_else(|| bad("a network, as 10.0.0.0/8"))?,
            },
            Kind::Port => {
                let p = w.parse().ok().or_else(|| service(w)).ok_or_else(|| bad("a port"))?;
                Value::Ports(p, p)
            }
            Kind::PortRange => {
                let (a, b) = w.split_once('-').ok_or_else(|| bad("a range of ports, as 8000-8100"))?;
                match (a.parse::<u16>(), b.parse::<u16>()) {
                    // As in tcpdump, either way round.
                    (Ok(a), Ok(b)) => Value::Ports(a.min(b), a.max(b)),
                    _ => return Err(bad("a range of ports, as 8000-8100")),
                }
            }
            Kind::Proto => Value::Number(match w.trim_start_matches('\\') {
                "tcp" => 6,
                "udp" => 17,
                "icmp" => 1,
                "icmp6" => 58,
                "sctp" => 132,
                n => n.parse().map_err(|_| bad("a protocol number"))?,
            }),
        };
        if let Some(why) = q.unfit(v) {
            return Err((at, why.into()));
        }
        Ok(self.test(q, v))
    }

    /// A test of what is behind the tags so far.
    fn test(&self, q: Qualifier, v: Value) -> Expr {
        Expr::Test(q, v, self.tags)
    }

    /// A tag; all that is written behind it is about what the tag is before.
    fn vlan(&mut self) -> Res<Expr> {
        let at = self.at;
        self.at += 1;
        let number = self.peek().filter(|w| w.bytes().all(|b| b.is_ascii_digit()));
        let id = match number {
            None => None,
            Some(w) => {
                let id: Option<u16> = w.parse().ok().filter(|id| *id <= 4095);
                let id = id.ok_or_else(|| (self.at, format!("`{w}` is not a VLAN's number, 0 to 4095")))?;
                self.at += 1;
                Some(id)
            }
        };
        if usize::from(self.tags) == MOST_TAGS {
            return Err((at, format!("each `vlan` asks for one tag more, and at most {MOST_TAGS} are read")));
        }
        let test = self.test(Qualifier::default(), Value::Vlan(id));
        self.tags += 1;
        Ok(test)
    }
}

/// An address or network as a test; IPv4 lives in the high 32 bits, as in [`tidegate_core::packet::Addr`].
fn net(word: &str, allow_prefix: bool) -> Option<Value> {
    let (addr, prefix) = match word.split_once('/') {
        Some((a, p)) if allow_prefix => (a, Some(p.parse::<u32>().ok()?)),
        Some(_) => return None,
        None => (word, None),
    };
    let (v6, bits, max) = match addr.parse::<IpAddr>().ok()? {
        IpAddr::V4(a) => (false, u128::from(u32::from(a)) << 96, 32),
        IpAddr::V6(a) => (true, u128::from(a), 128),
    };
    let len = prefix.unwrap_or(max);
    if len > max {
        return None;
    }
    let mask = if len == 0 { 0 } else { u128::MAX << (128 - len) };
    Some(Value::Net(v6, bits, mask))
}

fn service(name: &str) -> Option<u16> {
    Some(match name {
        "ftp" => 21,
        "ssh" => 22,
        "telnet" => 23,
        "smtp" => 25,
        "domain" => 53,
        "http" => 80,
        "pop3" => 110,
        "ntp" => 123,
        "imap" => 143,
        "snmp" => 161,
        "https" => 443,
        _ => return None,
    })
}
