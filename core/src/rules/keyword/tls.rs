//! The keywords for certificates that came before sticky buffers, dates of certificates, and the forms in which
//! contents of TLS buffers are written.

use alloc::format;
use alloc::vec::Vec;

use super::content::{plain, unescape};
use super::{Arg, Keyword};
use crate::rules::build::Builder;
use crate::rules::ir::{AppInt, BufferMatch, BufferRef, IntIndex, IntTest, Match, Num};
use crate::rules::refuse::{Res, bad, unsupported};

pub static KEYWORDS: &[Keyword] = &[
    Keyword::new("tls.subject", |b, a| text(b, a, "tls.cert_subject", false)).quotable().negatable(),
    Keyword::new("tls.issuerdn", |b, a| text(b, a, "tls.cert_issuer", false)).quotable().negatable(),
    Keyword::new("tls.fingerprint", |b, a| text(b, a, "tls.cert_fingerprint", true)).quotable().negatable(),
    Keyword::new("tls_cert_notbefore", |b, a| date(b, a, "tls_cert_notbefore")),
    Keyword::new("tls_cert_notafter", |b, a| date(b, a, "tls_cert_notafter")),
    Keyword::flag("tls_cert_valid", |b, _| time(b, "valid")),
    Keyword::flag("tls_cert_expired", |b, _| time(b, "expired")),
];

/// A content of the buffer, or all of it.
fn text(b: &mut Builder<'_, '_>, a: &Arg<'_>, buffer: &str, whole: bool) -> Res {
    let index = b.index;
    let Some(info) = index.buffer(buffer) else { return unsupported(buffer) };
    let mut c = plain(unescape(a.bytes)?, a.negated);
    if whole {
        (c.startswith, c.endswith) = (true, true);
        (c.offset, c.depth) = (Some(Num::Const(0)), Some(Num::Const(c.bytes.len() as i64)));
    }
    let list = b.list_of(info)?;
    b.push_to(list, Match::Content(c));
    Ok(())
}

/// `DATE`, `<DATE`, `>DATE` or `DATE<>DATE`, a date being `YYYY[-MM[-DD[THH:MM[:SS]]]]`.
fn date(b: &mut Builder<'_, '_>, a: &Arg<'_>, int: &str) -> Res {
    let index = b.index;
    let Some(info) = index.int(int) else { return unsupported("tls") };
    b.require_protos(&info.protos(), int)?;
    let t = a.text()?;
    let at = |d: &str| match seconds(d.trim()) {
        Some(s) => Ok(s),
        None => bad(format!("\"{}\" is not a date from 1970 on", d.trim())),
    };
    let test = if let Some((lo, hi)) = t.split_once("<>") {
        IntTest::Between(at(lo)?, at(hi)?)
    } else if let Some(d) = t.strip_prefix('<') {
        IntTest::Lt(at(d)?)
    } else if let Some(d) = t.strip_prefix('>') {
        IntTest::Gt(at(d)?)
    } else {
        IntTest::Eq(at(t)?)
    };
    b.rule.ints.push(AppInt { name: info.name, test, index: IntIndex::Any });
    Ok(())
}

/// Whether the session lies within the certificate's dates.
fn time(b: &mut Builder<'_, '_>, name: &str) -> Res {
    let index = b.index;
    let Some((info, v)) = index.int("tls_cert_time").and_then(|i| Some((i, i.value(name)?))) else {
        return unsupported("tls");
    };
    b.require_protos(&info.protos(), "tls")?;
    b.rule.ints.push(AppInt { name: info.name, test: IntTest::Eq(v), index: IntIndex::Any });
    Ok(())
}

/// Seconds since the epoch.
fn seconds(t: &str) -> Option<u64> {
    const LEAST: [u64; 6] = [1970, 1, 1, 0, 0, 0];
    const MOST: [u64; 6] = [9999, 12, 31, 23, 59, 60];
    let mut v = LEAST;
    for (n, part) in t.split(['-', 'T', ' ', ':']).enumerate() {
        let slot = v.get_mut(n)?;
        *slot = part.parse().ok().filter(|p| (LEAST[n]..=MOST[n]).contains(p))?;
    }
    let [y, m, d, h, min, s] = v;
    let (y, m) = if m <= 2 { (y - 1, m + 9) } else { (y, m - 3) };
    let days = y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + d - 1;
    // Days from the first of March of the year 0 to the epoch.
    Some(days.checked_sub(719_468)? * 86_400 + h * 3600 + min * 60 + s)
}

/// Hashes and fingerprints are compared in lower case, serial numbers in upper case with colons.
pub fn normalise(m: &mut BufferMatch) {
    let BufferRef::App(name) = m.buffer else { return };
    // What a transform gives may be anything.
    if !m.transforms.is_empty() {
        return;
    }
    let serial = name == "tls.cert_serial";
    if !serial && !matches!(name, "tls.cert_fingerprint" | "ja3.hash" | "ja3s.hash" | "ja4.hash") {
        return;
    }
    for c in m.matches.iter_mut() {
        let Match::Content(c) = c else { continue };
        if !serial {
            c.bytes.make_ascii_lowercase();
            continue;
        }
        c.bytes.make_ascii_uppercase();
        if c.bytes.len() > 2 && c.bytes.iter().all(u8::is_ascii_hexdigit) {
            let pairs: Vec<&[u8]> = c.bytes.chunks(2).collect();
            c.bytes = pairs.join(&b':');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(seconds("1970-01-01"), Some(0));
        assert_eq!(seconds("2015-10-22T23:59:59"), Some(1_445_558_399));
        assert_eq!(seconds("2000-02-29"), Some(951_782_400));
        assert_eq!(seconds("2016"), Some(1_451_606_400));
        for t in ["", "1969", "2016-13", "2016-01-01T00:00:00:00", "x"] {
            assert_eq!(seconds(t), None, "{t}");
        }
    }
}
