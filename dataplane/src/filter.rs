//! Capture filters in tcpdump's language: an expression goes in, a yes or no per packet comes out.
//!
//! Supported are the primitives people use with an IDS (`host`, `net`, `port`, `portrange`, `proto`, protocol
//! names, `vlan`, `less`, `greater`, with `src`/`dst`) joined by `and`, `or`, `not` and parentheses. Anything
//! else (`tcp[13] & 2 != 0`, `ether host`, `gateway`) is refused with the word that was not understood.

use std::net::IpAddr;

use tidegate_core::packet::{L3, L4, Packet};

/// A compiled filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    root: Expr,
    /// Tagged frames are seen as IP only by filters that say `vlan`.
    vlan: bool,
}

/// Why an expression was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("filter `{text}`: {what}")]
pub struct FilterError {
    pub text: String,
    pub what: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Expr {
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Test(Qualifier, Value),
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
        let spaced = text.replace('(', " ( ").replace(')', " ) ").replace('!', " ! ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut p = Parse { words: &words, at: 0, last: Qualifier::default(), kind: Kind::Host, depth: 0 };
        let fault = |what: String| FilterError { text: text.to_string(), what };
        let root = p.or().map_err(fault)?;
        if let Some(w) = p.peek() {
            return Err(fault(format!("`{w}` is not expected here")));
        }
        let vlan = root.says_vlan();
        Ok(Filter { root, vlan })
    }

    /// Whether a packet (the outermost of its frame) passes.
    pub fn passes(&self, p: &Packet<'_>) -> bool {
        self.root.eval(p, p.vlans == 0 || self.vlan)
    }
}

impl Expr {
    fn says_vlan(&self) -> bool {
        match self {
            Expr::And(a, b) | Expr::Or(a, b) => a.says_vlan() || b.says_vlan(),
            Expr::Not(a) => a.says_vlan(),
            Expr::Test(_, v) => matches!(v, Value::Vlan(_)),
        }
    }

    fn eval(&self, p: &Packet<'_>, visible: bool) -> bool {
        match self {
            Expr::And(a, b) => a.eval(p, visible) && b.eval(p, visible),
            Expr::Or(a, b) => a.eval(p, visible) || b.eval(p, visible),
            Expr::Not(a) => !a.eval(p, visible),
            Expr::Test(q, v) => q.eval(*v, p, visible),
        }
    }
}

impl Qualifier {
    fn eval(self, v: Value, p: &Packet<'_>, visible: bool) -> bool {
        match v {
            Value::Less(n) => return p.data.len() <= n,
            Value::Greater(n) => return p.data.len() >= n,
            Value::Vlan(id) => return p.vlans > 0 && id.is_none_or(|id| p.vlan[0] == id),
            _ => {}
        }
        if !visible || !self.proto.is_none_or(|w| w.is(p)) {
            return false;
        }
        match v {
            Value::Net(v6, net, mask) => {
                if p.l3 != if v6 { L3::Ipv6 } else { L3::Ipv4 } {
                    return false;
                }
                let hit = |a: &tidegate_core::packet::Addr| u128::from_be_bytes(a.0) & mask == net;
                self.side(hit(&p.src), hit(&p.dst))
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
}

type Res<T> = Result<T, String>;

impl<'a> Parse<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).copied()
    }
    fn next(&mut self, what: &str) -> Res<&'a str> {
        let w = self.peek().ok_or_else(|| format!("ends where {what} is expected"))?;
        self.at += 1;
        Ok(w)
    }
    fn eat(&mut self, words: &[&str]) -> bool {
        let hit = self.peek().is_some_and(|w| words.contains(&w));
        self.at += usize::from(hit);
        hit
    }

    fn or(&mut self) -> Res<Expr> {
        let mut left = self.and()?;
        while self.eat(&["or", "||"]) {
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Res<Expr> {
        let mut left = self.not()?;
        while self.eat(&["and", "&&"]) {
            left = Expr::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Res<Expr> {
        self.depth += 1;
        if self.depth > 64 {
            return Err("nested too deeply".into());
        }
        let e = if self.eat(&["not", "!"]) {
            Expr::Not(Box::new(self.not()?))
        } else if self.eat(&["("]) {
            let inner = self.or()?;
            if !self.eat(&[")"]) {
                return Err("a parenthesis is not closed".into());
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
            Some("vlan") => {
                self.at += 1;
                let id = self.peek().and_then(|w| w.parse().ok());
                self.at += usize::from(id.is_some());
                return Ok(Expr::Test(q, Value::Vlan(id)));
            }
            Some(w @ ("less" | "greater")) => {
                self.at += 1;
                let n = self.next("a length")?;
                let n = n.parse().map_err(|_| format!("`{n}` is not a length"))?;
                return Ok(Expr::Test(q, if w == "less" { Value::Less(n) } else { Value::Greater(n) }));
            }
            None | Some("and" | "or" | "&&" | "||" | ")") if said && q.side == Side::Either => {
                return Ok(Expr::Test(q, Value::Any));
            }
            None => return Err("ends where a primitive is expected".into()),
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
        let bad = |what: &str| format!("`{w}` is not {what}");
        let v = match kind {
            Kind::Host => net(w, false).ok_or_else(|| bad("an address or a primitive known here"))?,
            Kind::Net => net(w, true).ok_or_else(|| bad("a network"))?,
            Kind::Port => {
                let p = w.parse().ok().or_else(|| service(w)).ok_or_else(|| bad("a port"))?;
                Value::Ports(p, p)
            }
            Kind::PortRange => {
                let (a, b) = w.split_once('-').ok_or_else(|| bad("a range of ports"))?;
                match (a.parse(), b.parse()) {
                    (Ok(a), Ok(b)) => Value::Ports(a, b),
                    _ => return Err(bad("a range of ports")),
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
        Ok(Expr::Test(q, v))
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
    Some(Value::Net(v6, bits & mask, mask))
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

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_core::packet::Addr;

    fn tcp(src: [u8; 4], sp: u16, dst: [u8; 4], dp: u16) -> Packet<'static> {
        let mut p = Packet::new(&[0; 60], 1, 0, 1);
        (p.l3, p.l4, p.proto) = (L3::Ipv4, L4::Tcp, 6);
        (p.src, p.sp, p.dst, p.dp) = (Addr::v4(src), sp, Addr::v4(dst), dp);
        p
    }

    #[test]
    fn primitives_and_their_combinations() {
        let p = tcp([10, 0, 0, 1], 4000, [192, 168, 1, 2], 22);
        for (text, want) in [
            ("port 22", true),
            ("src port 22", false),
            ("tcp dst port ssh", true),
            ("udp port 22", false),
            ("tcp", true),
            ("not tcp", false),
            ("host 10.0.0.1", true),
            ("dst host 10.0.0.1", false),
            ("src 10.0.0.1 and dst 192.168.1.2", true),
            ("net 10.0.0.0/8", true),
            ("dst net 10.0.0.0/8", false),
            ("port 80 or 22", true),
            ("portrange 20-25", true),
            ("(port 80 or port 443) and tcp", false),
            ("! (port 80 || udp) && ip", true),
            ("ip proto 6", true),
            ("proto \\udp", false),
            ("ip6", false),
            ("src or dst port 4000", true),
            ("src and dst port 4000", false),
            ("vlan", false),
            ("less 60 and greater 60", true),
            ("host 2001:db8::1", false),
        ] {
            assert_eq!(Filter::parse(text).unwrap().passes(&p), want, "{text}");
        }
    }

    #[test]
    fn tagged_frames_need_the_word_vlan() {
        let mut p = tcp([1, 1, 1, 1], 1, [2, 2, 2, 2], 22);
        (p.vlans, p.vlan[0]) = (1, 7);
        assert!(!Filter::parse("port 22").unwrap().passes(&p));
        assert!(Filter::parse("vlan and port 22").unwrap().passes(&p));
        assert!(Filter::parse("vlan 7").unwrap().passes(&p));
        assert!(!Filter::parse("vlan 8").unwrap().passes(&p));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in [
            "",
            "port",
            "port http-ish",
            "tcp[13] & 2 != 0",
            "host 1.2.3",
            "(port 1",
            "port 1 )",
            "ether host x",
            "and",
            "net 1.2.3.4/40",
        ] {
            assert!(Filter::parse(text).is_err(), "{text}");
        }
        Filter::parse(&"(".repeat(100_000)).unwrap_err();
    }
}
