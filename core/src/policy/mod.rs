//! Policy: who may speak to whom. The ends of a flow, and later what it turned out to be, go in; a decision comes out, with
//! the line that made it. Owns immutable tables that all engines share; an engine keeps two bytes in a flow's hot line.
//!
//! A line has conditions. Segments, service and time are known at a flow's first packet; the application protocol, the name
//! in a TLS hello and the call of an AI service come later. Lines are looked at in order (deny, allow, watch): the first one
//! that fits decides. A line that may still fit keeps the decision open when it would change what is done.
//!
//! * [`prefix`]: longest-prefix tables; [`bits`]: lines by segment and service; [`build`]: from a [`Source`] to a [`Policy`];
//!   [`facts`]: conditions against what is known; [`why`]: which condition stood against a line.

mod bits;
mod build;
mod facts;
mod glob;
mod lists;
pub mod prefix;
mod source;
#[cfg(test)]
mod tests;
mod why;

use alloc::string::String;
use alloc::vec::Vec;

use self::bits::Dim;
pub use self::build::{MAX_LINES, MAX_SEGMENTS, Wrong};
pub use self::facts::{CALLERS, Call, Facts, HELLOS, Know, UNRECOGNISED, app_bit};
use self::facts::{Fit, More};
pub use self::glob::Glob;
use self::lists::{Lists, Service};
use self::prefix::Networks;
pub use self::source::{Calls, Credential, Line, Names, Segment, Source, Window};
pub use self::why::{Condition, Miss};
use crate::packet::{Addr, Packet};

/// What is done with a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Act {
    Allow,
    /// It goes on, and is told.
    Watch,
    Drop,
    /// Dropped and answered (RST, or ICMP unreachable).
    Reject,
}

impl Act {
    /// Whether the flow may not go on.
    pub const fn denies(self) -> bool {
        matches!(self, Act::Drop | Act::Reject)
    }

    /// EVE `policy.action`.
    pub const fn name(self) -> &'static str {
        match self {
            Act::Allow => "allow",
            Act::Watch => "watch",
            Act::Drop => "drop",
            Act::Reject => "reject",
        }
    }
}

/// What a policy says of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    pub act: Act,
    /// Number of the line ([`Policy::line`]); `None`: the default.
    pub line: Option<u16>,
}

/// [`Decision`], or that it must wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Final(Decision),
    /// Lines may still fit that would change what is done. `call`: one of them asks for calls, so that each call of the flow
    /// is decided by itself.
    Open {
        call: bool,
    },
}

/// What is known of a flow at its first packet, client to server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    pub src: Addr,
    pub dst: Addr,
    pub v6: bool,
    pub proto: u8,
    /// The server's port.
    pub port: u16,
    /// The outermost VLAN tag.
    pub vlan: Option<u16>,
    pub vni: Option<u32>,
    /// Packet time, ns since the epoch.
    pub ts: u64,
}

impl Ends {
    /// Of a packet, as it travels.
    pub fn of(p: &Packet<'_>) -> Ends {
        Ends {
            src: p.src,
            dst: p.dst,
            v6: p.is_ipv6(),
            proto: p.proto,
            port: p.dp,
            vlan: p.vlan.first().copied().filter(|_| p.vlans > 0),
            vni: p.vni,
            ts: p.ts,
        }
    }
}

/// Where the ends of a flow are: numbers of segments, 0 for none, and of its service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub from: u16,
    pub to: u16,
    service: u32,
    /// The server's port, and the IP protocol.
    port: u16,
    proto: u8,
}

#[derive(Debug)]
struct SegmentInfo {
    name: String,
    /// Empty: any.
    vlans: Vec<u16>,
    vnis: Vec<u32>,
}

#[derive(Debug)]
struct LineInfo {
    act: Act,
    /// Conditions beside segments and service.
    more: Option<More>,
    name: String,
    place: u32,
}

/// A value of the networks that is a place in [`Policy::chains`], not a segment.
const CHAIN: u32 = 1 << 30;

/// Tables of a policy. Immutable.
#[derive(Debug)]
pub struct Policy {
    /// The first is that of addresses in no segment.
    segments: Vec<SegmentInfo>,
    networks: Networks,
    /// Segments of which the first whose VLAN or VNI fits counts.
    chains: Vec<Vec<u16>>,
    lines: Vec<LineInfo>,
    from: Dim,
    to: Dim,
    service: Dim,
    /// Classes of services by port of TCP, UDP and SCTP, and by other protocols.
    ports: [Vec<u32>; 3],
    protos: Vec<u32>,
    /// All lines.
    anything: Dim,
    /// `None`: lines name too many pairs of segments.
    lists: Option<Lists>,
    services: Vec<Service>,
    default: Act,
    tell_allowed: bool,
    calls: bool,
}

impl Policy {
    /// Compiles the lines of `from`.
    ///
    /// # Errors
    /// [`Wrong`] names the segment or line, and what is wrong with it.
    pub fn new(from: &Source) -> Result<Policy, Wrong> {
        build::policy(from)
    }

    /// Lines, in the order in which they are looked at.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// A line's name and its place in the file (the number that [`Line::place`] had).
    pub fn line(&self, n: u16) -> Option<(&str, u32)> {
        self.lines.get(usize::from(n)).map(|l| (l.name.as_str(), l.place))
    }

    /// What a line does.
    pub fn act(&self, n: u16) -> Option<Act> {
        self.lines.get(usize::from(n)).map(|l| l.act)
    }

    /// Name of a segment; empty for 0.
    pub fn segment(&self, n: u16) -> &str {
        self.segments.get(usize::from(n)).map_or("", |s| s.name.as_str())
    }

    /// What happens to flows that no line fits.
    pub const fn default_act(&self) -> Act {
        self.default
    }

    /// Flows that are allowed are told, too.
    pub const fn tells_allowed(&self) -> bool {
        self.tell_allowed
    }

    /// Some line asks for calls of AI services.
    pub const fn asks_calls(&self) -> bool {
        self.calls
    }

    /// Bytes of all tables.
    pub fn bytes(&self) -> usize {
        let dims = self.from.bytes() + self.to.bytes() + self.service.bytes();
        let ports: usize = self.ports.iter().chain([&self.protos]).map(|p| p.len() * 4).sum();
        let lines = self.lines.len() * size_of::<LineInfo>();
        self.networks.bytes()
            + dims
            + self.lists.as_ref().map_or(0, Lists::bytes)
            + self.services.len() * size_of::<Service>()
            + ports
            + lines
            + self.chains.iter().map(|c| c.len() * 2 + 24).sum::<usize>()
    }

    /// The segment that an address is in: that of its longest network whose VLAN and VNI fit.
    #[inline]
    fn segment_of(&self, addr: &Addr, e: &Ends) -> u16 {
        let value = self.networks.find(addr, e.v6);
        if value & CHAIN == 0 {
            return value as u16;
        }
        let chain = self.chains.get((value & !CHAIN) as usize).map_or(&[][..], Vec::as_slice);
        let fits = |n: &&u16| {
            self.segments.get(usize::from(**n)).is_some_and(|s| {
                (s.vlans.is_empty() || e.vlan.is_some_and(|v| s.vlans.contains(&v)))
                    && (s.vnis.is_empty() || e.vni.is_some_and(|v| s.vnis.contains(&v)))
            })
        };
        chain.iter().find(fits).copied().unwrap_or(0)
    }

    /// Where a flow's ends are.
    #[inline]
    pub fn place(&self, e: &Ends) -> Place {
        self.place_of((self.segment_of(&e.src, e), self.segment_of(&e.dst, e)), e.proto, e.port)
    }

    /// [`Policy::place`] of ends whose segments are known.
    #[inline]
    pub(crate) fn place_of(&self, (from, to): (u16, u16), proto: u8, port: u16) -> Place {
        let by_port = match proto {
            6 => self.ports.first(),
            17 => self.ports.get(1),
            132 => self.ports.get(2),
            _ => None,
        };
        let service = match by_port {
            Some(t) => t.get(usize::from(port)),
            None => self.protos.get(usize::from(proto)),
        };
        Place { from, to, service: service.copied().unwrap_or(u32::MAX), port, proto }
    }

    /// Decides by what is known.
    #[inline]
    pub fn decide(&self, e: &Ends, facts: &Facts<'_>) -> Outcome {
        self.decide_at(self.place(e), e.ts, facts)
    }

    /// [`Policy::decide`] of ends whose place is known.
    pub fn decide_at(&self, at: Place, ts: u64, facts: &Facts<'_>) -> Outcome {
        let (mut found, mut open, mut call) = (None, [false; 4], false);
        let mut look = |i: usize| {
            let Some(line) = self.lines.get(i) else { return true };
            match line.more.as_ref().map_or(Fit::Yes, |m| m.fit(ts, facts)) {
                Fit::No(_) => false,
                Fit::Maybe { call: asks } => {
                    open[line.act as usize] = true;
                    call |= asks;
                    false
                }
                Fit::Yes => {
                    found = Some(Decision { act: line.act, line: Some(i as u16) });
                    true
                }
            }
        };
        let listed = self.lists.as_ref().is_some_and(|l| {
            l.each(&at, |i, service| {
                let fits = service
                    || match self.services.get(i).and_then(|s| s.fits(&at)) {
                        Some(fits) => fits,
                        None => self.service.has(at.service, i),
                    };
                fits && look(i)
            })
        });
        if !listed {
            bits::each(self.dims(at), look);
        }
        let d = found.unwrap_or(Decision { act: self.default, line: None });
        open[d.act as usize] = false;
        if open.contains(&true) { Outcome::Open { call } } else { Outcome::Final(d) }
    }

    #[inline]
    fn dims(&self, at: Place) -> [(&Dim, u32); 3] {
        let of = |n: u16| u32::from(n);
        [(&self.from, of(at.from)), (&self.to, of(at.to)), (&self.service, at.service)]
    }

    /// Decides on ends of which the client is not known: what may go either way may go.
    pub fn decide_unsure(&self, e: &Ends, other_port: u16, facts: &Facts<'_>) -> Outcome {
        let first = self.decide(e, facts);
        match first {
            Outcome::Final(d) if d.act.denies() => {
                let back = Ends { src: e.dst, dst: e.src, port: other_port, ..*e };
                match self.decide(&back, facts) {
                    Outcome::Final(d) if d.act.denies() => first,
                    other => other,
                }
            }
            first => first,
        }
    }
}
