//! What a policy is made of, free of its text: segments and lines. A reader of files fills it in; [`Policy::new`] takes it.
//!
//! [`Policy::new`]: super::Policy::new

use alloc::string::String;
use alloc::vec::Vec;

use super::prefix::Prefix;
use super::{Act, Glob};

/// A policy as it was written.
#[derive(Clone, Debug)]
pub struct Source {
    pub segments: Vec<Segment>,
    pub lines: Vec<Line>,
    /// What happens to flows that no line fits.
    pub default: Act,
    /// Line and column of the default in the file, where it is written.
    pub default_place: Option<(u32, u32)>,
    /// Tell allowed flows, too.
    pub tell_allowed: bool,
}

impl Default for Source {
    fn default() -> Self {
        Source {
            segments: Vec::new(),
            lines: Vec::new(),
            default: Act::Drop,
            default_place: None,
            tell_allowed: false,
        }
    }
}

/// Hosts that are treated alike.
#[derive(Clone, Debug, Default)]
pub struct Segment {
    pub name: String,
    pub networks: Vec<Prefix>,
    /// Only with these VLAN tags, or in these VXLAN or GENEVE networks; empty: any.
    pub vlans: Vec<u16>,
    pub vnis: Vec<u32>,
    /// Line and column of its name in the file, for errors; 0 without one.
    pub place: (u32, u32),
}

/// Values of names, or any.
pub type Names = Option<Vec<Glob>>;

/// A line. What is `None` or empty is no condition.
#[derive(Clone, Debug)]
pub struct Line {
    pub act: Act,
    /// For events.
    pub name: String,
    /// Its line in the file, and the column there.
    pub place: u32,
    pub column: u32,
    /// Places in [`Source::segments`].
    pub from: Option<Vec<usize>>,
    pub to: Option<Vec<usize>>,
    /// IP protocols.
    pub protos: Vec<u8>,
    /// Ranges of server ports of TCP, UDP and SCTP.
    pub ports: Vec<(u16, u16)>,
    /// Application protocols ([`super::app_bit`]); 0: any.
    pub apps: u64,
    /// Names in TLS and QUIC hellos.
    pub sni: Names,
    pub calls: Option<Calls>,
    pub time: Vec<Window>,
}

impl Line {
    /// A line that fits everything.
    pub fn any(act: Act) -> Line {
        Line {
            act,
            name: String::new(),
            place: 0,
            column: 0,
            from: None,
            to: None,
            protos: Vec::new(),
            ports: Vec::new(),
            apps: 0,
            sni: None,
            calls: None,
            time: Vec::new(),
        }
    }
}

/// What is asked of a call of an AI service.
#[derive(Clone, Debug, Default)]
pub struct Calls {
    pub providers: Names,
    pub operations: Names,
    pub models: Names,
    /// Tools that an MCP request calls.
    pub tools: Names,
    pub credential: Credential,
}

/// What a call must have to prove who it is from.
#[derive(Clone, Debug, Default)]
pub enum Credential {
    #[default]
    Any,
    /// One of any kind.
    Required,
    /// None.
    Absent,
    /// One of these kinds (`bearer`, `api_key`, …).
    Kinds(Vec<Glob>),
}

/// A time in which a line holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Days, Monday the lowest bit.
    pub days: u8,
    /// Minutes of the day: from the first, to before the second. A window whose end is not behind its beginning goes on into
    /// the next day.
    pub from: u16,
    pub to: u16,
    /// Minutes that its clock is before UTC.
    pub offset: i16,
}

impl Window {
    /// Whether the time, ns since the epoch, lies in it.
    pub fn has(&self, ts: u64) -> bool {
        let minutes = (ts / 60_000_000_000) as i64 + i64::from(self.offset);
        let minute = minutes.rem_euclid(1440) as u16;
        // 1 January 1970 was a Thursday.
        let day = (minutes.div_euclid(1440) + 3).rem_euclid(7) as u32;
        let on = |d: u32| self.days >> (d % 7) & 1 == 1;
        if self.from < self.to {
            on(day) && (self.from..self.to).contains(&minute)
        } else {
            (on(day) && minute >= self.from) || (on(day + 6) && minute < self.to)
        }
    }
}
