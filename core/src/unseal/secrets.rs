//! The secrets of TLS sessions, by the random bytes of their clients: lines of key logs in, secrets out.
//!
//! Owns room for a fixed number of sessions, taken at construction; a new one takes the place of the oldest. What is given up is
//! overwritten. Nothing here is ever formatted or logged.
//!
//! Source: RFC 9850 (The SSLKEYLOGFILE Format for TLS).

use alloc::vec::Vec;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::keyed::{Secret, Sip13};

/// Longest secret: that of suites with SHA-384, or a master secret.
const LONGEST: usize = 48;

/// What a secret is for (the labels of key logs).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// `CLIENT_RANDOM`: the master secret of TLS 1.2 and before.
    Master,
    /// `CLIENT_EARLY_TRAFFIC_SECRET`
    ClientEarly,
    /// `CLIENT_HANDSHAKE_TRAFFIC_SECRET`
    ClientHandshake,
    /// `SERVER_HANDSHAKE_TRAFFIC_SECRET`
    ServerHandshake,
    /// `CLIENT_TRAFFIC_SECRET_0`
    ClientTraffic,
    /// `SERVER_TRAFFIC_SECRET_0`
    ServerTraffic,
}

/// All labels, by their place in a session's record.
const LABELS: [(&str, Label); 6] = [
    ("CLIENT_RANDOM", Label::Master),
    ("CLIENT_EARLY_TRAFFIC_SECRET", Label::ClientEarly),
    ("CLIENT_HANDSHAKE_TRAFFIC_SECRET", Label::ClientHandshake),
    ("SERVER_HANDSHAKE_TRAFFIC_SECRET", Label::ServerHandshake),
    ("CLIENT_TRAFFIC_SECRET_0", Label::ClientTraffic),
    ("SERVER_TRAFFIC_SECRET_0", Label::ServerTraffic),
];
/// Labels of key logs that have nothing to do with records.
const UNUSED: [&str; 5] = ["EARLY_EXPORTER_SECRET", "EXPORTER_SECRET", "ECH_SECRET", "ECH_CONFIG", "RSA"];

impl Label {
    /// As key logs write it.
    pub fn by_name(name: &str) -> Option<Label> {
        LABELS.iter().find(|(n, _)| *n == name).map(|l| l.1)
    }

    /// As key logs write it.
    pub fn name(self) -> &'static str {
        LABELS[self as usize].0
    }
}

/// One secret of one session.
#[derive(Clone, ZeroizeOnDrop)]
pub struct TlsSecret {
    /// The random bytes of the session's ClientHello.
    pub client_random: [u8; 32],
    #[zeroize(skip)]
    pub label: Label,
    secret: Bytes,
}

impl core::fmt::Debug for TlsSecret {
    /// Never shows the bytes.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "TlsSecret({})", self.label.name())
    }
}

/// Why a line of a key log gives no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLine {
    #[error("expected a label, the client's random and a secret, with spaces between them")]
    Fields,
    #[error("this label is not known")]
    Label,
    #[error("the client's random is not 64 hexadecimal digits")]
    Random,
    #[error("the secret is not 32 or 48 bytes in hexadecimal digits")]
    Secret,
}

impl TlsSecret {
    /// `None`: no secret has that length (32 or 48 bytes, a master secret 48).
    pub fn new(client_random: [u8; 32], label: Label, secret: &[u8]) -> Option<TlsSecret> {
        let fits = secret.len() == LONGEST || (secret.len() == 32 && label != Label::Master);
        fits.then(|| TlsSecret { client_random, label, secret: Bytes::of(secret) })
    }

    /// Reads a line of a key log. `Ok(None)`: empty, a comment, or of a kind that has nothing to do with TLS records.
    pub fn parse(line: &str) -> Result<Option<TlsSecret>, BadLine> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        let mut fields = line.split_ascii_whitespace();
        let (Some(name), Some(random), Some(secret), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(BadLine::Fields);
        };
        let Some(label) = Label::by_name(name) else {
            // Secrets after updates follow from the first.
            let begins = ["QUIC_", "CLIENT_TRAFFIC_SECRET_", "SERVER_TRAFFIC_SECRET_"];
            let known = UNUSED.contains(&name) || begins.iter().any(|b| name.starts_with(b));
            return if known { Ok(None) } else { Err(BadLine::Label) };
        };
        let mut client_random = [0; 32];
        if hex(random, &mut client_random) != Some(32) {
            return Err(BadLine::Random);
        }
        let mut bytes = [0; LONGEST];
        let n = hex(secret, &mut bytes);
        let out = n.and_then(|n| TlsSecret::new(client_random, label, &bytes[..n]));
        bytes.zeroize();
        out.map(Some).ok_or(BadLine::Secret)
    }
}

/// Reads hexadecimal digits; how many bytes they are.
fn hex(digits: &str, out: &mut [u8]) -> Option<usize> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if !rest.is_empty() || pairs.len() > out.len() {
        return None;
    }
    for (to, pair) in out.iter_mut().zip(pairs) {
        let [a, b] = pair.map(|c| char::from(c).to_digit(16));
        *to = (a? << 4 | b?) as u8;
    }
    Some(pairs.len())
}

/// A secret's bytes.
#[derive(Clone, Default, Zeroize, ZeroizeOnDrop)]
pub(super) struct Bytes {
    bytes: Fixed,
    len: u8,
}

/// [`Default`] of arrays ends at 32.
#[derive(Clone, Zeroize)]
struct Fixed([u8; LONGEST]);

impl Default for Fixed {
    fn default() -> Self {
        Fixed([0; LONGEST])
    }
}

impl Bytes {
    pub(super) fn of(b: &[u8]) -> Bytes {
        let n = b.len().min(LONGEST);
        let mut out = Bytes { bytes: Fixed::default(), len: n as u8 };
        out.bytes.0[..n].copy_from_slice(&b[..n]);
        out
    }

    /// Empty: not known.
    pub(super) fn get(&self) -> &[u8] {
        &self.bytes.0[..usize::from(self.len)]
    }
}

/// The secrets of one session; those that are not known are empty.
#[derive(Clone, Default, Zeroize, ZeroizeOnDrop)]
pub(super) struct Known {
    of: [Bytes; LABELS.len()],
}

impl Known {
    pub(super) fn get(&self, label: Label) -> &[u8] {
        self.of[label as usize].get()
    }

    fn has(&self, labels: &[Label]) -> bool {
        labels.iter().any(|l| !self.get(*l).is_empty())
    }

    /// Whether there is what records of TLS 1.3, or of earlier versions, are read with.
    pub(super) fn serves(&self, v13: bool) -> bool {
        if v13 { self.has(&[Label::ClientTraffic, Label::ServerTraffic]) } else { self.has(&[Label::Master]) }
    }
}

#[derive(Clone)]
struct Entry {
    random: [u8; 32],
    known: Known,
    /// The next one of the same place; `NIL` ends the chain.
    next: u32,
}

const NIL: u32 = u32::MAX;

/// The secrets of the sessions that were told of last.
pub(super) struct Secrets {
    entries: Vec<Entry>,
    /// First of each chain.
    heads: Vec<u32>,
    key: [u64; 2],
    most: usize,
    /// Which entry the next new session takes.
    oldest: usize,
    /// Sessions that lost their place before they were asked for, or after.
    pub(super) evicted: u64,
    /// Secrets that were told.
    pub(super) told: u64,
}

impl Secrets {
    pub(super) fn new(most: usize, secret: Secret) -> Secrets {
        let heads = if most == 0 { 0 } else { most.next_power_of_two() };
        Secrets {
            entries: Vec::with_capacity(most),
            heads: alloc::vec![NIL; heads],
            key: secret.key(*b"tls keys"),
            most,
            oldest: 0,
            evicted: 0,
            told: 0,
        }
    }

    /// Bytes of room for `most` sessions.
    pub(super) const fn bytes(most: usize) -> usize {
        if most == 0 { 0 } else { most * size_of::<Entry>() + most.next_power_of_two() * 4 }
    }

    fn place(&self, random: &[u8; 32]) -> usize {
        let words = random.as_chunks::<8>().0;
        let sip = Sip13::new(self.key);
        let word = |i: usize| words.get(i).map_or(0, |w| u64::from_le_bytes(*w));
        let half = sip.words([word(0), word(1)]) ^ sip.words([word(2), word(3)]).rotate_left(1);
        half as usize & (self.heads.len() - 1)
    }

    fn find(&self, random: &[u8; 32]) -> Option<usize> {
        let mut at = *self.heads.get(if self.heads.is_empty() { 0 } else { self.place(random) })?;
        while let Some(e) = self.entries.get(at as usize) {
            if e.random == *random {
                return Some(at as usize);
            }
            at = e.next;
        }
        None
    }

    /// What is known of a session.
    pub(super) fn get(&self, random: &[u8; 32]) -> Option<&Known> {
        self.find(random).map(|i| &self.entries[i].known)
    }

    /// Keeps a secret.
    pub(super) fn put(&mut self, s: &TlsSecret) {
        if self.most == 0 {
            return;
        }
        self.told += 1;
        let i = match self.find(&s.client_random) {
            Some(i) => i,
            None => self.fresh(s.client_random),
        };
        self.entries[i].known.of[s.label as usize] = s.secret.clone();
    }

    /// A place for a session that is new.
    fn fresh(&mut self, random: [u8; 32]) -> usize {
        let i = if self.entries.len() < self.most {
            self.entries.push(Entry { random, known: Known::default(), next: NIL });
            self.entries.len() - 1
        } else {
            let i = self.oldest;
            self.oldest = (i + 1) % self.most;
            self.evicted += 1;
            self.unlink(i);
            let e = &mut self.entries[i];
            e.random = random;
            // What it held is overwritten as it is dropped.
            e.known = Known::default();
            i
        };
        let place = self.place(&random);
        self.entries[i].next = self.heads[place];
        self.heads[place] = i as u32;
        i
    }

    fn unlink(&mut self, i: usize) {
        let place = self.place(&self.entries[i].random);
        let next = self.entries[i].next;
        let mut at = self.heads[place];
        if at as usize == i {
            self.heads[place] = next;
            return;
        }
        while let Some(e) = self.entries.get_mut(at as usize) {
            if e.next as usize == i {
                e.next = next;
                return;
            }
            at = e.next;
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn secret(n: u8, label: Label) -> TlsSecret {
        TlsSecret::new([n; 32], label, &[n; 48]).expect("fits")
    }

    #[test]
    fn lines_are_read_and_bad_ones_say_why() {
        let random = "01".repeat(32);
        let line = format!("CLIENT_TRAFFIC_SECRET_0 {random} {}", "ab".repeat(32));
        let s = TlsSecret::parse(&line).unwrap().expect("a secret");
        assert_eq!(
            (s.client_random, s.label, s.secret.get()),
            ([1; 32], Label::ClientTraffic, &[0xab; 32][..])
        );
        assert!(matches!(TlsSecret::parse("# a comment"), Ok(None)));
        assert!(matches!(TlsSecret::parse(&format!("EXPORTER_SECRET {random} 00")), Ok(None)));
        let bad = |line: &str| TlsSecret::parse(line).expect_err("bad");
        assert_eq!(bad("CLIENT_RANDOM 01"), BadLine::Fields);
        assert_eq!(bad(&format!("CLIENT_RANDOMS {random} {random}")), BadLine::Label);
        assert_eq!(bad(&format!("CLIENT_RANDOM {}x {random}", &random[1..])), BadLine::Random);
        // A master secret has 48 bytes.
        assert_eq!(bad(&format!("CLIENT_RANDOM {random} {random}")), BadLine::Secret);
    }

    #[test]
    fn nothing_shows_a_secret() {
        let s = secret(0xab, Label::Master);
        assert_eq!(format!("{s:?}"), "TlsSecret(CLIENT_RANDOM)");
    }

    #[test]
    fn the_oldest_gives_way() {
        let mut s = Secrets::new(100, Secret::fixed(1));
        for n in 0..250u8 {
            s.put(&secret(n, Label::ClientTraffic));
            s.put(&secret(n, Label::ServerTraffic));
        }
        assert_eq!((s.evicted, s.told), (150, 500));
        for n in 0..250u8 {
            let known = s.get(&[n; 32]);
            assert_eq!(known.is_some(), n >= 150, "{n}");
            assert!(known.is_none_or(|k| k.get(Label::ServerTraffic) == [n; 48]
                && k.serves(true)
                && !k.serves(false)));
        }
    }
}
