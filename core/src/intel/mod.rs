//! Intelligence: what is known to be bad. Indicators go in when it is built; values of the traffic go in afterwards, and the
//! indicator that fits comes out. Owns immutable tables that all engines share.
//!
//! * [`kind`]: kinds of indicators, and the one form in which their values are compared; [`table`]: the hash table;
//!   [`build`]: from indicators to an [`Intel`]; [`look`]: which buffers of which protocol are looked at, and as what.

mod build;
pub mod kind;
mod look;
mod table;
#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::vec::Vec;

pub use self::build::{Builder, Refused};
pub use self::kind::{Key, Kind, Tlp};
use self::kind::{MOST, SHORT, Space};
pub(crate) use self::look::{HOST, How, Look, VALUES};
use self::table::Table;
use crate::app::Wanted;
use crate::packet::Addr;
use crate::policy::prefix::Networks;
use crate::rules::RuleMeta;

/// What is said of indicators, shared by those of which the same is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct About {
    /// Where it comes from: a file, feed or organisation.
    pub source: String,
    pub description: String,
    pub tlp: Option<Tlp>,
    /// ATT&CK ids (`T1071.001`).
    pub attack: Vec<String>,
}

/// An indicator that fits.
#[derive(Clone, Copy, Debug)]
pub struct Hit<'a> {
    pub kind: Kind,
    /// The indicator's value in the form in which it is compared.
    pub value: &'a [u8],
    pub about: &'a About,
    /// Percent, when it was said.
    pub confidence: Option<u8>,
    /// Seconds since the epoch.
    pub until: Option<u32>,
    /// Its number among all, from 1.
    pub number: u32,
}

/// A hit, and where.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub hit: Hit<'a>,
    /// The buffer (`dns.query`), `file.sha256`, `src_ip`, `dest_ip`.
    pub place: &'static str,
    /// What the traffic had, up to 256 bytes of it.
    pub value: &'a [u8],
}

/// The tables.
#[derive(Debug)]
pub struct Intel {
    table: Table,
    networks: Networks,
    /// Networks are values of `networks`: their places among the records, plus 1.
    nets: bool,
    looks: Vec<Vec<Look>>,
    wanted: Vec<Wanted>,
    metas: Vec<RuleMeta>,
}

impl Intel {
    /// Indicators.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn is_empty(&self) -> bool {
        self.table.len() == 0
    }

    /// Indicators by kind, in the order of [`Kind::ALL`].
    pub fn counts(&self) -> [usize; Kind::ALL.len()] {
        self.table.counts()
    }

    /// Bytes of all tables.
    pub fn bytes(&self) -> usize {
        self.table.bytes() + self.networks.bytes()
    }

    /// Whether digests of files are looked up: MD5, SHA-1, SHA-256.
    pub fn wants_digests(&self) -> [bool; 3] {
        self.table.digests()
    }

    /// Buffers that are looked at, by protocol.
    pub(crate) fn wanted(&self) -> &[Wanted] {
        &self.wanted
    }

    /// What is looked at in a protocol's transactions.
    pub(crate) fn looks(&self, proto: crate::app::AppProto) -> &[Look] {
        proto.index().and_then(|i| self.looks.get(i)).map_or(&[], Vec::as_slice)
    }

    /// The rule that alerts of a kind are told by.
    pub(crate) fn meta(&self, kind: Kind) -> Option<&RuleMeta> {
        self.metas.get(kind as usize)
    }

    /// Whether addresses are looked up.
    pub(crate) fn wants_addresses(&self) -> bool {
        self.nets || self.table.has(Space::Address)
    }

    /// The indicator of an address, or of the longest network that it lies in. `now`: seconds; what expired is not found.
    pub fn address(&self, a: &Addr, v6: bool, now: u32) -> Option<Hit<'_>> {
        let bytes = if v6 { &a.0[..] } else { a.0.get(..4)? };
        if let Some(hit) = self.table.find(Space::Address, bytes, now) {
            return Some(hit);
        }
        let n = if self.nets { self.networks.find(a, v6) } else { 0 };
        self.table.record(n.checked_sub(1)?, now)
    }

    /// The indicator of a value of the traffic.
    pub(crate) fn find(&self, how: How, value: &[u8], now: u32) -> Option<Hit<'_>> {
        look::find(self, how, value, now)
    }

    /// The indicator of the digest of a file: 16, 20 or 32 bytes.
    pub fn digest(&self, digest: &[u8], now: u32) -> Option<Hit<'_>> {
        self.table.find(Space::Digest, digest, now)
    }

    /// The indicator of a domain, or of one that it is below of.
    pub fn domain(&self, name: &[u8], now: u32) -> Option<Hit<'_>> {
        let mut key = Key::<SHORT>::default();
        if !self.table.has(Space::Domain) || !key.domain(name) {
            return None;
        }
        let mut rest = key.get();
        loop {
            if let Some(hit) = self.table.find(Space::Domain, rest, now) {
                return Some(hit);
            }
            let dot = rest.iter().position(|b| *b == b'.')?;
            rest = rest.get(dot + 1..)?;
        }
    }

    /// The indicator of a URL.
    pub fn url(&self, url: &[u8], now: u32) -> Option<Hit<'_>> {
        let mut key = Key::<MOST>::default();
        let found = key.url(url);
        if found { self.table.find(Space::Url, key.get(), now) } else { None }
    }
}
