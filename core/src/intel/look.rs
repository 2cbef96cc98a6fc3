//! Which buffers are looked at, and as what. Constant data; places in protocols are found when intelligence is built.

use alloc::vec::Vec;

use super::kind::{Key, MOST, SHORT, Space};
use super::table::Table;
use super::{Hit, Intel};
use crate::app::registry::PROTOCOLS;
use crate::app::{BufferKind, Wanted};

/// What a value is looked up as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Domain,
    /// A host of a request: a domain or an address, with a port or not.
    Host,
    /// What is asked for; the host is another buffer.
    Url,
    /// A whole URL.
    Link,
    Agent,
    Ja3,
    Ja3s,
    Ja4,
    /// A fingerprint in hexadecimal digits with colons.
    Fingerprint,
    /// A certificate itself.
    Certificate,
    Email,
    /// Addresses of mail with commas between them.
    Emails,
    Mcp,
}

/// Names of buffers with what they are looked up as.
const BUFFERS: [(&str, How); 22] = [
    ("dns.query", How::Domain),
    ("dns.answers.rrname", How::Domain),
    ("mdns.query", How::Domain),
    ("http.host", How::Host),
    ("http.uri.raw", How::Url),
    ("http.user_agent", How::Agent),
    ("tls.sni", How::Domain),
    ("tls.subjectaltname", How::Domain),
    ("tls.cert_fingerprint", How::Fingerprint),
    ("tls.certs", How::Certificate),
    ("quic.sni", How::Domain),
    ("quic.ua", How::Agent),
    ("ja3.hash", How::Ja3),
    ("ja3s.hash", How::Ja3s),
    ("ja4.hash", How::Ja4),
    ("smtp.helo", How::Domain),
    ("smtp.mail_from", How::Email),
    ("smtp.rcpt_to", How::Email),
    ("email.from", How::Email),
    ("email.to", How::Emails),
    ("email.cc", How::Emails),
    ("email.url", How::Link),
];
/// Of the AI layer.
const SERVER: (&str, How) = ("ai.server", How::Mcp);
/// The host that a URL's path belongs to.
pub(crate) const HOST: &str = "http.host.raw";
/// Values of a buffer that are looked at.
pub(crate) const VALUES: u32 = 64;
/// Addresses of one header of a mail.
const ADDRESSES: usize = 64;

/// A buffer of a protocol.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub local: u8,
    pub name: &'static str,
    pub how: How,
    /// Directions in which it is.
    pub dirs: u8,
    pub several: bool,
}

impl How {
    /// Spaces that it is looked for in.
    const fn spaces(self) -> &'static [Space] {
        match self {
            How::Domain => &[Space::Domain],
            How::Host => &[Space::Domain, Space::Address],
            How::Url => &[Space::Url, Space::Mcp],
            How::Link => &[Space::Url, Space::Domain],
            How::Agent => &[Space::Agent],
            How::Ja3 => &[Space::Ja3],
            How::Ja3s => &[Space::Ja3s],
            How::Ja4 => &[Space::Ja4],
            How::Fingerprint | How::Certificate => &[Space::Certificate],
            How::Email | How::Emails => &[Space::Email, Space::Domain],
            How::Mcp => &[Space::Mcp],
        }
    }
}

/// What is looked at by protocol, with the buffers wanted for it.
pub(super) fn all(table: &Table) -> (Vec<Vec<Look>>, Vec<Wanted>) {
    let mut wanted = alloc::vec![Wanted(0); PROTOCOLS.len()];
    let looks = PROTOCOLS
        .iter()
        .zip(&mut wanted)
        .map(|(def, wanted)| {
            let mut list = Vec::new();
            for (name, how) in BUFFERS.into_iter().chain([SERVER]) {
                let found = def.buffers.iter().position(|b| b.name == name);
                let Some((local, b)) = found.and_then(|i| Some((i, def.buffers.get(i)?))) else { continue };
                if !how.spaces().iter().any(|s| table.has(*s)) {
                    continue;
                }
                let several = b.kind == BufferKind::Multi;
                wanted.0 |= 1 << (local & 127);
                list.push(Look { local: local as u8, name, how, dirs: b.dirs, several });
                if how == How::Url
                    && let Some(host) = def.buffers.iter().position(|b| b.name == HOST)
                {
                    wanted.0 |= 1 << (host & 127);
                }
            }
            list
        })
        .collect();
    (looks, wanted)
}

/// The port behind a host is cut off.
fn without_port(host: &[u8]) -> &[u8] {
    match host.iter().rposition(|b| *b == b':') {
        Some(at) if host.get(at + 1..).is_some_and(|p| p.iter().all(u8::is_ascii_digit)) => &host[..at],
        _ => host,
    }
}

/// Whether what is asked for begins with a scheme (RFC 9112, 3.2.2; RFC 3986, 3.1).
fn is_absolute(target: &[u8]) -> bool {
    let of_scheme = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    let end = target.iter().position(|b| !of_scheme(b)).unwrap_or(target.len());
    target.first().is_some_and(u8::is_ascii_alphabetic)
        && target.get(end..).is_some_and(|rest| rest.starts_with(b"://"))
}

/// The domain of an address of mail.
fn domain_of(email: &[u8]) -> &[u8] {
    let host = email.rsplit(|b| *b == b'@').next().unwrap_or(email);
    host.split(|b| *b == b'>').next().unwrap_or(host)
}

/// Looks a value up. A path with its host is looked up by [`Intel::request`].
pub(super) fn find<'a>(intel: &'a Intel, how: How, value: &[u8], now: u32) -> Option<Hit<'a>> {
    let t = &intel.table;
    let lower = |space: Space, value: &[u8]| {
        let mut key = Key::<SHORT>::default();
        if t.has(space) && key.lower(value) { t.find(space, key.get(), now) } else { None }
    };
    match how {
        How::Domain => intel.domain(value, now),
        How::Host => {
            let host = without_port(value);
            let text = core::str::from_utf8(host).unwrap_or("").trim_matches(['[', ']']);
            match text.parse::<core::net::IpAddr>() {
                Ok(core::net::IpAddr::V4(a)) => {
                    intel.address(&crate::packet::Addr::v4(a.octets()), false, now)
                }
                Ok(core::net::IpAddr::V6(a)) => intel.address(&crate::packet::Addr(a.octets()), true, now),
                Err(_) => intel.domain(host, now),
            }
        }
        How::Link => intel.url(value, now).or_else(|| {
            let host = value.split(|b| *b == b'/').next().unwrap_or(value);
            intel.domain(without_port(host), now)
        }),
        How::Url => None,
        How::Agent => t.find(Space::Agent, value.trim_ascii(), now),
        How::Ja3 => lower(Space::Ja3, value),
        How::Ja3s => lower(Space::Ja3s, value),
        How::Ja4 => lower(Space::Ja4, value),
        How::Fingerprint => {
            let mut key = Key::<SHORT>::default();
            if key.hex(value) { t.find(Space::Certificate, key.get(), now) } else { None }
        }
        How::Certificate => {
            use sha2::Digest as _;
            let d = sha2::Sha256::digest(value);
            t.find(Space::Certificate, &d, now)
                .or_else(|| t.find(Space::Certificate, &md5::Md5::digest(value), now))
        }
        How::Email => {
            let mut key = Key::<SHORT>::default();
            let asked = t.has(Space::Email) && key.email(value);
            let found = if asked { t.find(Space::Email, key.get(), now) } else { None };
            found.or_else(|| intel.domain(domain_of(value), now))
        }
        How::Emails => value
            .split(|b| *b == b',')
            .take(ADDRESSES)
            .find_map(|one| find(intel, How::Email, one.trim_ascii(), now)),
        How::Mcp => lower(Space::Mcp, value.trim_ascii()),
    }
}

impl Intel {
    /// The indicator of a request, by its host and target: a URL, or that of a server of MCP.
    pub(crate) fn request(&self, host: &[u8], target: &[u8], now: u32) -> Option<Hit<'_>> {
        let mut key = Key::<MOST>::default();
        // A proxy is asked for a whole URL, and what `Host` says beside it does not count (RFC 9112, 3.2.2).
        let good = if is_absolute(target) { key.url(target) } else { key.request(host, target) };
        if !good {
            return None;
        }
        let found = self.table.find(Space::Url, key.get(), now);
        found.or_else(|| self.table.find(Space::Mcp, key.get(), now))
    }
}
