//! What can be blocked. Text goes in (`10.0.0.5`, `evil.example.`); the one form in which targets are compared comes out, so
//! that no spelling gets around a block or around the allow list.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::packet::Addr;

/// Longest name of a domain (RFC 1035), and of a model or tool, bytes.
pub const LONGEST: usize = 253;
/// `::ffff:0:0`, the prefix of IPv4 addresses in IPv6 (RFC 4291, 2.5.5.2).
const MAPPED: u128 = 0xffff_0000_0000;

/// An address or a network. IPv4 addresses written in IPv6 are IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Net {
    v6: bool,
    bits: u8,
    /// From the highest bit on; bits beyond the prefix are 0.
    addr: u128,
}

const fn mask(bits: u8) -> u128 {
    match bits {
        0 => 0,
        128.. => u128::MAX,
        n => u128::MAX << (128 - n),
    }
}

impl Net {
    /// `None`: the family has fewer bits.
    pub fn new(addr: IpAddr, bits: u8) -> Option<Net> {
        let (v6, addr, bits) = match addr {
            IpAddr::V4(a) => (false, u128::from(u32::from(a)) << 96, bits),
            IpAddr::V6(a) if bits >= 96 && u128::from(a) >> 32 == MAPPED >> 32 => {
                (false, u128::from(a) << 96, bits - 96)
            }
            IpAddr::V6(a) => (true, u128::from(a), bits),
        };
        (bits <= if v6 { 128 } else { 32 }).then(|| Net { v6, bits, addr: addr & mask(bits) })
    }

    /// A single address.
    pub fn host(addr: IpAddr) -> Net {
        let (v6, addr) = match addr.to_canonical() {
            IpAddr::V4(a) => (false, u128::from(u32::from(a)) << 96),
            IpAddr::V6(a) => (true, u128::from(a)),
        };
        Net { v6, bits: if v6 { 128 } else { 32 }, addr }
    }

    /// An address of a packet.
    pub(super) fn of(a: &Addr, v6: bool) -> Net {
        let addr = u128::from_be_bytes(a.0);
        match v6 {
            true if addr >> 32 == MAPPED >> 32 => Net { v6: false, bits: 32, addr: addr << 96 },
            true => Net { v6, bits: 128, addr },
            false => Net { v6, bits: 32, addr: addr & mask(32) },
        }
    }

    /// The network of `bits` around it.
    pub(super) const fn within(&self, bits: u8) -> Net {
        Net { v6: self.v6, bits, addr: self.addr & mask(bits) }
    }

    pub(super) const fn family(&self) -> (bool, u8) {
        (self.v6, self.bits)
    }

    /// It is one address.
    pub const fn is_host(&self) -> bool {
        self.bits == if self.v6 { 128 } else { 32 }
    }

    /// Every address of `other` is in it. IPv6 networks that hold all mapped addresses hold those of IPv4.
    pub fn covers(&self, other: &Net) -> bool {
        if self.v6 && !other.v6 {
            return self.bits <= 96 && MAPPED & mask(self.bits) == self.addr;
        }
        self.v6 == other.v6 && self.bits <= other.bits && other.addr & mask(self.bits) == self.addr
    }

    /// Whether an address is in it, of its own family.
    pub fn has(&self, addr: IpAddr) -> bool {
        let host = Net::host(addr);
        self.v6 == host.v6 && self.covers(&host)
    }

    /// They have addresses in common.
    pub fn meets(&self, other: &Net) -> bool {
        self.covers(other) || other.covers(self)
    }

    pub const fn addr(&self) -> IpAddr {
        if self.v6 {
            IpAddr::V6(Ipv6Addr::from_bits(self.addr))
        } else {
            IpAddr::V4(Ipv4Addr::from_bits((self.addr >> 96) as u32))
        }
    }

    /// Reads an address or a network (`10.0.0.0/8`).
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<Net, String> {
        let wrong =
            || format!("`{text}` is not an address or a network, as 10.0.0.5, 10.0.0.0/8 or 2001:db8::/32");
        match text.split_once('/') {
            None => Ok(Net::host(text.parse().map_err(|_| wrong())?)),
            Some((a, bits)) => {
                let a = a.parse().map_err(|_| wrong())?;
                bits.parse().ok().and_then(|b| Net::new(a, b)).ok_or_else(wrong)
            }
        }
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_host() { write!(f, "{}", self.addr()) } else { write!(f, "{}/{}", self.addr(), self.bits) }
    }
}

/// A flow by its ends, either way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tuple {
    pub proto: u8,
    /// The lesser one first.
    pub(super) ends: [(Net, u16); 2],
}

/// Names of IP protocols.
const PROTOS: [(&str, u8); 6] =
    [("tcp", 6), ("udp", 17), ("icmp", 1), ("icmpv6", 58), ("sctp", 132), ("esp", 50)];

impl Tuple {
    pub fn new(a: (IpAddr, u16), b: (IpAddr, u16), proto: u8) -> Tuple {
        Tuple::of((Net::host(a.0), a.1), (Net::host(b.0), b.1), proto)
    }

    pub(super) fn of(a: (Net, u16), b: (Net, u16), proto: u8) -> Tuple {
        Tuple { proto, ends: if a <= b { [a, b] } else { [b, a] } }
    }

    /// Reads `10.0.0.5:40000 10.1.0.9:443 tcp`.
    fn parse(text: &str) -> Result<Tuple, String> {
        let wrong = || format!("`{text}` is not a flow, as 10.0.0.5:40000 10.1.0.9:443 tcp");
        let end = |w: &str| -> Option<(IpAddr, u16)> {
            let end: Result<SocketAddr, _> = w.parse();
            end.map(|a| (a.ip(), a.port())).ok().or_else(|| w.parse().ok().map(|ip| (ip, 0)))
        };
        let mut words = text.split_whitespace();
        let (Some(a), Some(b), Some(p), None) = (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(wrong());
        };
        let known = PROTOS.iter().find(|k| k.0.eq_ignore_ascii_case(p)).map(|k| k.1);
        let proto = known.or_else(|| p.parse().ok()).ok_or_else(wrong)?;
        let (a, b) = (end(a).ok_or_else(wrong)?, end(b).ok_or_else(wrong)?);
        let t = Tuple::new(a, b, proto);
        if t.ends[0].0.v6 != t.ends[1].0.v6 {
            return Err(wrong());
        }
        Ok(t)
    }
}

impl fmt::Display for Tuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (net, port) in self.ends {
            write!(f, "{} ", SocketAddr::new(net.addr(), port))?;
        }
        match PROTOS.iter().find(|k| k.1 == self.proto) {
            Some(k) => f.write_str(k.0),
            None => write!(f, "{}", self.proto),
        }
    }
}

/// Kinds of targets, by the names that orders and events have for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Host,
    Network,
    Flow,
    Domain,
    Model,
    Tool,
}

impl Kind {
    pub const ALL: [Kind; 6] = [Kind::Host, Kind::Network, Kind::Flow, Kind::Domain, Kind::Model, Kind::Tool];

    pub const fn name(self) -> &'static str {
        match self {
            Kind::Host => "host",
            Kind::Network => "network",
            Kind::Flow => "flow",
            Kind::Domain => "domain",
            Kind::Model => "model",
            Kind::Tool => "tool",
        }
    }
}

/// What is blocked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A host, or a network.
    Net(Net),
    Flow(Tuple),
    /// In lower case, without a dot at its end; stands for its subdomains too.
    Domain(String),
    /// In lower case.
    Model(String),
    Tool(String),
}

/// A name as it is compared, or why it is none.
fn name(text: &str, what: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST {
        return Err(format!("a {what} has 1 to {LONGEST} bytes"));
    }
    if text.contains(|c: char| c.is_control()) {
        return Err(format!("a {what} has no control characters"));
    }
    Ok(text.to_ascii_lowercase())
}

/// A domain as it is compared, or why it is none.
pub(super) fn domain(text: &str) -> Result<String, String> {
    let text = name(text.trim().trim_end_matches('.'), "domain")?;
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if !text.is_ascii() {
        return Err(format!(
            "`{text}` is not written as the traffic has it; expected its ASCII form (xn--…)"
        ));
    }
    if text.parse::<IpAddr>().is_ok() {
        return Err(format!("`{text}` is an address, not a domain"));
    }
    if !text.split('.').all(label) {
        return Err(format!("`{text}` is not a domain; expected letters, digits, `-`, `_` and single dots"));
    }
    Ok(text)
}

impl Target {
    /// Reads what an order names.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(kind: Kind, text: &str) -> Result<Target, String> {
        if text.len() > 2 * LONGEST {
            return Err(format!("a {} is not that long", kind.name()));
        }
        match kind {
            Kind::Host => {
                let ip = text.trim().parse::<IpAddr>();
                Ok(Target::Net(Net::host(ip.map_err(|_| format!("`{text}` is not an address"))?)))
            }
            Kind::Network => Net::parse(text.trim()).map(Target::Net),
            Kind::Flow => Tuple::parse(text).map(Target::Flow),
            Kind::Domain => domain(text).map(Target::Domain),
            Kind::Model => name(text, "model").map(Target::Model),
            Kind::Tool => name(text, "tool").map(Target::Tool),
        }
    }

    /// As [`Target::parse`], of what a person writes: names are compared whole, so a pattern would block nothing.
    ///
    /// # Errors
    /// What was expected.
    pub fn written(kind: Kind, text: &str) -> Result<Target, String> {
        let target = Target::parse(kind, text)?;
        if let Target::Model(name) | Target::Tool(name) = &target
            && name.contains(['*', '?'])
        {
            return Err(format!(
                "`{name}` is a pattern, and a block is of one name; expected a {}'s whole name (a policy's line takes patterns)",
                kind.name()
            ));
        }
        Ok(target)
    }

    pub const fn kind(&self) -> Kind {
        match self {
            Target::Net(n) if n.is_host() => Kind::Host,
            Target::Net(_) => Kind::Network,
            Target::Flow(_) => Kind::Flow,
            Target::Domain(_) => Kind::Domain,
            Target::Model(_) => Kind::Model,
            Target::Tool(_) => Kind::Tool,
        }
    }

    /// As [`Target::parse`] reads it.
    pub fn text(&self) -> String {
        match self {
            Target::Net(n) => n.to_string(),
            Target::Flow(t) => t.to_string(),
            Target::Domain(n) | Target::Model(n) | Target::Tool(n) => n.to_owned(),
        }
    }
}
