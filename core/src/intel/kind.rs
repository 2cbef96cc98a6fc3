//! Kinds of indicators, and the form in which values are compared: text of a feed or bytes of the traffic go in, the same
//! [`Key`] comes out of both. Owns nothing.

/// What an indicator is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    Address,
    Network,
    Domain,
    Url,
    Email,
    UserAgent,
    Ja3,
    Ja3s,
    Ja4,
    Certificate,
    Md5,
    Sha1,
    Sha256,
    Model,
    McpServer,
}

impl Kind {
    pub const ALL: [Kind; 15] = [
        Kind::Address,
        Kind::Network,
        Kind::Domain,
        Kind::Url,
        Kind::Email,
        Kind::UserAgent,
        Kind::Ja3,
        Kind::Ja3s,
        Kind::Ja4,
        Kind::Certificate,
        Kind::Md5,
        Kind::Sha1,
        Kind::Sha256,
        Kind::Model,
        Kind::McpServer,
    ];

    /// EVE `intel.type`.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Address => "address",
            Kind::Network => "network",
            Kind::Domain => "domain",
            Kind::Url => "url",
            Kind::Email => "email",
            Kind::UserAgent => "user-agent",
            Kind::Ja3 => "ja3",
            Kind::Ja3s => "ja3s",
            Kind::Ja4 => "ja4",
            Kind::Certificate => "certificate",
            Kind::Md5 => "md5",
            Kind::Sha1 => "sha1",
            Kind::Sha256 => "sha256",
            Kind::Model => "model",
            Kind::McpServer => "mcp-server",
        }
    }

    pub fn by_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|k| k.name() == name)
    }

    /// Where its values are kept.
    pub(super) const fn space(self) -> Space {
        match self {
            Kind::Address => Space::Address,
            Kind::Network => Space::Network,
            Kind::Domain => Space::Domain,
            Kind::Url => Space::Url,
            Kind::Email => Space::Email,
            Kind::UserAgent => Space::Agent,
            Kind::Ja3 => Space::Ja3,
            Kind::Ja3s => Space::Ja3s,
            Kind::Ja4 => Space::Ja4,
            Kind::Certificate => Space::Certificate,
            Kind::Md5 | Kind::Sha1 | Kind::Sha256 | Kind::Model => Space::Digest,
            Kind::McpServer => Space::Mcp,
        }
    }
}

/// Values of one space are compared with each other only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Space {
    Address,
    Network,
    Domain,
    Url,
    Email,
    Agent,
    Ja3,
    Ja3s,
    Ja4,
    Certificate,
    Digest,
    Mcp,
}

/// To whom an indicator may be shown (FIRST's Traffic Light Protocol 2.0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tlp {
    Clear,
    Green,
    Amber,
    AmberStrict,
    Red,
}

impl Tlp {
    pub const fn name(self) -> &'static str {
        match self {
            Tlp::Clear => "clear",
            Tlp::Green => "green",
            Tlp::Amber => "amber",
            Tlp::AmberStrict => "amber+strict",
            Tlp::Red => "red",
        }
    }

    /// Of `amber`, `TLP:AMBER`, `tlp:white`.
    pub fn by_name(name: &str) -> Option<Tlp> {
        let n = name.trim().to_ascii_lowercase();
        Some(match n.strip_prefix("tlp:").unwrap_or(&n) {
            "clear" | "white" => Tlp::Clear,
            "green" => Tlp::Green,
            "amber" => Tlp::Amber,
            "amber+strict" => Tlp::AmberStrict,
            "red" => Tlp::Red,
            _ => return None,
        })
    }
}

/// Most bytes of a value.
pub const MOST: usize = 1024;

/// Most bytes of a domain, and of what else is short. Room that is not needed costs: it is zeroed.
pub(super) const SHORT: usize = 256;

/// A value in the form in which it is compared, of at most `N` bytes.
#[derive(Clone, Debug)]
pub struct Key<const N: usize = MOST> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Default for Key<N> {
    fn default() -> Self {
        Key { bytes: [0; N], len: 0 }
    }
}

impl<const N: usize> Key<N> {
    pub fn get(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    fn put(&mut self, b: u8) -> bool {
        match self.bytes.get_mut(self.len) {
            Some(to) => {
                *to = b;
                self.len += 1;
                true
            }
            None => false,
        }
    }

    fn all(&mut self, from: impl IntoIterator<Item = u8>) -> bool {
        self.len = 0;
        from.into_iter().all(|b| self.put(b))
    }

    /// The form of an indicator of that kind; `false` when the text is none.
    pub fn of(&mut self, kind: Kind, text: &[u8]) -> bool {
        let text = text.trim_ascii();
        match kind {
            Kind::Address => self.address(text),
            Kind::Network => false,
            Kind::Domain => self.domain(text),
            Kind::Url => self.url(text),
            Kind::Email => self.email(text),
            Kind::UserAgent => !text.is_empty() && self.all(text.iter().copied()),
            Kind::Ja3 | Kind::Ja3s => self.hex(text) && self.len == 16 && self.all_hex(text),
            Kind::Ja4 => is_ja4(text) && self.all(text.iter().map(u8::to_ascii_lowercase)),
            Kind::Certificate => self.hex(text) && matches!(self.len, 16 | 20 | 32),
            Kind::Md5 => self.hex(text) && self.len == 16,
            Kind::Sha1 => self.hex(text) && self.len == 20,
            Kind::Sha256 => self.hex(text) && self.len == 32,
            Kind::Model => self.hex(text) && matches!(self.len, 16 | 20 | 32),
            Kind::McpServer => self.server(text),
        }
    }

    /// Bytes of hexadecimal digits; colons between them do not count.
    pub fn hex(&mut self, text: &[u8]) -> bool {
        self.len = 0;
        let mut high = None;
        for b in text.iter().filter(|b| **b != b':') {
            let Some(d) = (*b as char).to_digit(16) else { return false };
            match high.take() {
                None => high = Some(d),
                Some(h) => {
                    if !self.put((h << 4 | d) as u8) {
                        return false;
                    }
                }
            }
        }
        high.is_none() && self.len > 0
    }

    /// The digits themselves, in lower case.
    fn all_hex(&mut self, text: &[u8]) -> bool {
        self.all(text.iter().map(u8::to_ascii_lowercase))
    }

    fn address(&mut self, text: &[u8]) -> bool {
        let text = core::str::from_utf8(text).unwrap_or("");
        match text.parse::<core::net::IpAddr>() {
            Ok(core::net::IpAddr::V4(a)) => self.all(a.octets()),
            Ok(core::net::IpAddr::V6(a)) => self.all(a.octets()),
            Err(_) => false,
        }
    }

    /// A domain in lower case without a dot at its ends: at least two labels of letters, digits, `-` and `_`.
    pub fn domain(&mut self, name: &[u8]) -> bool {
        let name = name.strip_prefix(b"*.").unwrap_or(name);
        let name = name.strip_prefix(b".").unwrap_or(name);
        let name = name.strip_suffix(b".").unwrap_or(name);
        let good = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let mut labels = name.split(|b| *b == b'.');
        name.len() <= 253
            && name.contains(&b'.')
            && name.iter().all(good)
            && labels.clone().all(|l| !l.is_empty() && l.len() <= 63)
            // What ends in a number is an address, or part of one.
            && labels.next_back().is_some_and(|l| l.iter().any(|b| !b.is_ascii_digit()))
            && self.all(name.iter().map(u8::to_ascii_lowercase))
    }

    /// `<Name@Example.org>` as `name@example.org`.
    pub fn email(&mut self, text: &[u8]) -> bool {
        let text = match (text.iter().rposition(|b| *b == b'<'), text.iter().rposition(|b| *b == b'>')) {
            (Some(a), Some(b)) if a < b => text.get(a + 1..b).unwrap_or(&[]),
            _ => text.strip_prefix(b"mailto:").unwrap_or(text),
        };
        let mut parts = text.split(|b| *b == b'@');
        let (name, host, more) = (parts.next(), parts.next(), parts.next());
        name.is_some_and(|n| !n.is_empty())
            && host.is_some_and(|h| h.contains(&b'.'))
            && more.is_none()
            && !text.iter().any(u8::is_ascii_whitespace)
            && self.all(text.iter().map(u8::to_ascii_lowercase))
    }

    /// A URL without its scheme: host in lower case, no default port, no fragment, no escapes that need not be, a path.
    pub fn url(&mut self, url: &[u8]) -> bool {
        let rest = match url.windows(3).take(10).position(|w| w == b"://") {
            Some(at) => url.get(at + 3..).unwrap_or(&[]),
            None => url,
        };
        let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        let (host, path) = rest.split_at(end);
        self.request(host, path)
    }

    /// The same of the parts of a request: `Host`, and what is asked for.
    pub fn request(&mut self, host: &[u8], path: &[u8]) -> bool {
        self.len = 0;
        // A name before the host says nothing of where it leads.
        let host = host.rsplit(|b| *b == b'@').next().unwrap_or(host);
        let host = host.strip_suffix(b":80").or_else(|| host.strip_suffix(b":443")).unwrap_or(host);
        let host = host.strip_suffix(b".").unwrap_or(host);
        if host.is_empty() || host.iter().any(u8::is_ascii_whitespace) {
            return false;
        }
        let path = path.split(|b| *b == b'#').next().unwrap_or(path);
        let slash = if path.first() == Some(&b'/') { &[][..] } else { b"/" };
        if !host.iter().map(u8::to_ascii_lowercase).chain(slash.iter().copied()).all(|b| self.put(b)) {
            return false;
        }
        let mut rest = path;
        while let Some((&b, next)) = rest.split_first() {
            let digit = |i: usize| next.get(i).and_then(|b| (*b as char).to_digit(16));
            let done = match (b, digit(0), digit(1)) {
                (b'%', Some(h), Some(l)) => {
                    rest = next.get(2..).unwrap_or(&[]);
                    let meant = (h << 4 | l) as u8;
                    // RFC 3986, 6.2.2: escapes of what needs none are undone, others are in capitals.
                    if meant.is_ascii_alphanumeric() || matches!(meant, b'-' | b'.' | b'_' | b'~') {
                        self.put(meant)
                    } else {
                        let hex = |d: u32| b"0123456789ABCDEF".get(d as usize).copied().unwrap_or(b'0');
                        self.put(b'%') && self.put(hex(h)) && self.put(hex(l))
                    }
                }
                _ => {
                    rest = next;
                    self.put(b)
                }
            };
            if !done {
                return false;
            }
        }
        true
    }

    /// A server of MCP: its URL, or the name that it gives itself.
    fn server(&mut self, text: &[u8]) -> bool {
        if text.windows(3).any(|w| w == b"://") {
            return self.url(text);
        }
        !text.is_empty() && self.all(text.iter().map(u8::to_ascii_lowercase))
    }

    /// Text in lower case.
    pub fn lower(&mut self, text: &[u8]) -> bool {
        self.all(text.iter().map(u8::to_ascii_lowercase))
    }
}

/// `t13d1516h2_8daaf6152771_e5627efa2ab1`
fn is_ja4(text: &[u8]) -> bool {
    let mut parts = text.split(|b| *b == b'_').map(<[u8]>::len);
    (parts.next(), parts.next(), parts.next(), parts.next()) == (Some(10), Some(12), Some(12), None)
        && text.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

/// The kind that a value looks like; `None` when it looks like none.
pub fn guess(text: &str) -> Option<Kind> {
    let mut key = Key::<MOST>::default();
    let t = text.trim();
    let bytes = t.as_bytes();
    if t.contains("://") && key.of(Kind::Url, bytes) {
        return Some(Kind::Url);
    }
    if t.contains('/') && crate::policy::prefix::Prefix::parse(t).is_some() {
        return Some(Kind::Network);
    }
    let kinds = [Kind::Address, Kind::Sha256, Kind::Sha1, Kind::Md5, Kind::Ja4, Kind::Email, Kind::Domain];
    if let Some(k) = kinds.into_iter().find(|k| key.of(*k, bytes)) {
        return Some(k);
    }
    // `example.org/path` is a URL without its scheme.
    let host = t.split('/').next().unwrap_or("");
    (t.contains('/') && key.domain(host.as_bytes())).then_some(Kind::Url)
}
