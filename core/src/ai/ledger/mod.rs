//! What calls add up to, in fixed memory: which address offers what ([`services`]), and how the figures of a model move
//! ([`telemetry`]).
//!
//! In: each call as it is recorded ([`Facts`]), and the clock. Out: summaries, events of their own. Owns two tables that are
//! taken at construction; what finds no room in its places takes that of the entry that was idle for longest, which is counted.

mod clients;
mod facts;
mod services;
mod short;
mod table;
mod telemetry;
#[cfg(test)]
mod tests;
mod told;

use alloc::sync::Arc;

pub(crate) use facts::Facts;
use short::Short;
pub use telemetry::TelemetryConfig;

use crate::app::tls::civil;
use crate::event::Fields;
use crate::keyed::{Secret, Sip13};
use crate::packet::Addr;
use crate::rules::ir::AddrSet;
use services::Services;
use telemetry::Telemetry;

/// Settings of the ledger.
#[derive(Clone, Debug, Default)]
pub struct LedgerConfig {
    /// Bytes for both tables; see [`crate::engine::MemoryPlan`].
    pub bytes: usize,
    /// `ai_service` events are told.
    pub services: bool,
    /// `ai_telemetry` events are told.
    pub telemetry: Option<TelemetryConfig>,
    /// Addresses inside; without it those of private networks (RFC 1918, RFC 4193) and of the host itself.
    pub home: Option<Arc<AddrSet>>,
}

/// A summary that is told: the name of its record, the time of packets when it became true, and what it says.
pub struct Summary<'a> {
    /// `ai_service`, `ai_telemetry`.
    pub record: &'static str,
    /// ns since the epoch.
    pub ts: u64,
    pub body: &'a dyn Body,
}

/// An address as two words.
fn halves(a: &Addr) -> [u64; 2] {
    let bits = u128::from_be_bytes(a.0);
    [(bits >> 64) as u64, bits as u64]
}

fn address(out: &mut dyn Fields, key: &str, a: &Addr, v6: bool) {
    let [b0, b1, b2, b3, ..] = a.0;
    if v6 {
        out.fmt(key, format_args!("{}", core::net::Ipv6Addr::from(a.0)));
    } else {
        out.fmt(key, format_args!("{}", core::net::Ipv4Addr::from([b0, b1, b2, b3])));
    }
}

/// A time as ISO 8601, UTC.
fn time(out: &mut dyn Fields, key: &str, ns: u64) {
    let (y, mo, d, h, mi, s) = civil((ns / 1_000_000_000) as i64);
    out.fmt(key, format_args!("{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}Z"));
}

/// What a summary says.
pub trait Body {
    fn fields(&self, out: &mut dyn Fields);
}

impl core::fmt::Debug for Summary<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Summary").field("record", &self.record).field("ts", &self.ts).finish_non_exhaustive()
    }
}

/// What became of the tables since construction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entries that gave way to others.
    pub services_evicted: u64,
    pub series_evicted: u64,
}

/// Both tables of one engine.
pub struct Ledger {
    services: Option<Services>,
    telemetry: Option<Telemetry>,
    home: Option<Arc<AddrSet>>,
}

impl Ledger {
    /// Takes the memory of what is told.
    pub fn new(cfg: &LedgerConfig, secret: Secret) -> Self {
        let half = cfg.bytes / 2;
        let key = |name| Sip13::new(secret.key(name));
        Ledger {
            services: cfg.services.then(|| Services::new(half, key(*b"services"))),
            telemetry: cfg.telemetry.map(|t| Telemetry::new(half, key(*b"telemetr"), t)),
            home: cfg.home.clone(),
        }
    }

    /// Whether calls are looked at.
    pub const fn is_on(&self) -> bool {
        self.services.is_some() || self.telemetry.is_some()
    }

    /// Whether an address is inside.
    fn is_inside(&self, a: &Addr, v6: bool) -> bool {
        let bits = u128::from_be_bytes(a.0);
        let short = (bits >> 96) as u32;
        match &self.home {
            Some(h) if v6 => h.has_v6(bits),
            Some(h) => h.has_v4(short),
            None if v6 => bits >> 121 == 0b111_1110 || bits >> 118 == 0b11_1111_1010 || bits == 1,
            None => short >> 24 == 10 || short >> 20 == 0xac1 || short >> 16 == 0xc0a8 || short >> 24 == 127,
        }
    }

    /// Takes a call; what became known by it goes to `tell`.
    pub fn call(&mut self, f: &Facts, tell: &mut dyn FnMut(Summary<'_>)) {
        let outside = !self.is_inside(&f.client, f.v6);
        if let Some(s) = &mut self.services {
            s.call(f, outside, tell);
        }
        if let Some(t) = &mut self.telemetry {
            t.call(f, tell);
        }
    }

    /// Time passes.
    pub fn tick(&mut self, now: u64, tell: &mut dyn FnMut(Summary<'_>)) {
        if let Some(s) = &mut self.services {
            s.tick(now, tell);
        }
        if let Some(t) = &mut self.telemetry {
            t.tick(now, tell);
        }
    }

    /// Nothing follows: each service is told once more, with its sums, and windows are closed.
    pub fn finish(&mut self, tell: &mut dyn FnMut(Summary<'_>)) {
        if let Some(s) = &mut self.services {
            s.finish(tell);
        }
        if let Some(t) = &mut self.telemetry {
            t.finish(tell);
        }
    }

    pub fn counts(&self) -> Counts {
        Counts {
            services_evicted: self.services.as_ref().map_or(0, Services::evicted),
            series_evicted: self.telemetry.as_ref().map_or(0, Telemetry::evicted),
        }
    }
}
