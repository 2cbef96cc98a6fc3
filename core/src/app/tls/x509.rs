//! X.509 certificates (RFC 5280), read leniently: what a record or a rule wants of them, nothing verified.
//!
//! In: the DER of one certificate. Out: slices of it. Texts (names, times) are written into the caller's scratch
//! in the form that Suricata prints.

use crate::pool::Scratch;

/// What is wrong with a certificate; each is an event of its own in Suricata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Some element is cut short.
    Certificate,
    /// The certificate as a whole is longer than its bytes.
    Length,
    Version,
    Serial,
    Algorithm,
    Name,
    Date,
    Extensions,
    Der,
}

/// A certificate's fields, as slices of its DER.
#[derive(Clone, Copy, Debug)]
pub struct Certificate<'a> {
    /// Contents of the serial number's INTEGER.
    pub serial: &'a [u8],
    /// Contents of the RDNSequence.
    pub issuer: &'a [u8],
    pub subject: &'a [u8],
    /// Seconds since the Unix epoch.
    pub not_before: i64,
    pub not_after: i64,
    /// Contents of the SubjectAltName's GeneralNames; empty when there is none.
    pub alt_names: &'a [u8],
}

/// One element: tag byte, contents, and what follows it.
#[derive(Clone, Copy)]
struct Tlv<'a> {
    tag: u8,
    body: &'a [u8],
    rest: &'a [u8],
}

/// Reads one element with a definite length. `None`: cut short or not DER.
fn tlv(b: &[u8]) -> Option<Tlv<'_>> {
    let (&tag, after) = b.split_first()?;
    // Tags beyond 30 do not occur in certificates.
    if tag & 0x1f == 0x1f {
        return None;
    }
    let (&first, after) = after.split_first()?;
    let (len, after) = if first < 0x80 {
        (first as usize, after)
    } else {
        let n = (first & 0x7f) as usize;
        if n == 0 || n > 4 {
            return None;
        }
        let bytes = after.get(..n)?;
        (bytes.iter().fold(0usize, |v, &b| v << 8 | b as usize), after.get(n..)?)
    };
    Some(Tlv { tag, body: after.get(..len)?, rest: after.get(len..)? })
}

fn expect(b: &[u8], tag: u8, fault: Fault) -> Result<Tlv<'_>, Fault> {
    match tlv(b) {
        Some(t) if t.tag == tag => Ok(t),
        Some(_) => Err(fault),
        None => Err(Fault::Certificate),
    }
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
/// `subjectAltName`, 2.5.29.17.
const OID_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// Reads a certificate.
pub fn parse(der: &[u8]) -> Result<Certificate<'_>, Fault> {
    let cert = match tlv(der) {
        Some(t) if t.tag == SEQUENCE => t.body,
        Some(_) => return Err(Fault::Der),
        None => return Err(if der.first() == Some(&SEQUENCE) { Fault::Length } else { Fault::Der }),
    };
    let tbs = expect(cert, SEQUENCE, Fault::Der)?;
    let mut at = tbs.body;
    if let Some(t) = tlv(at).filter(|t| t.tag == 0xa0) {
        let v = tlv(t.body).filter(|v| v.tag == INTEGER && v.body.len() <= 4);
        if v.is_none() {
            return Err(Fault::Version);
        }
        at = t.rest;
    }
    let serial = expect(at, INTEGER, Fault::Serial)?;
    let algorithm = expect(serial.rest, SEQUENCE, Fault::Algorithm)?;
    if tlv(algorithm.body).is_none_or(|o| o.tag != 6) {
        return Err(Fault::Algorithm);
    }
    let issuer = expect(algorithm.rest, SEQUENCE, Fault::Name)?;
    let validity = expect(issuer.rest, SEQUENCE, Fault::Date)?;
    let before = tlv(validity.body).ok_or(Fault::Date)?;
    let after = tlv(before.rest).ok_or(Fault::Date)?;
    let subject = expect(validity.rest, SEQUENCE, Fault::Name)?;
    let key = expect(subject.rest, SEQUENCE, Fault::Der)?;
    check_name(issuer.body)?;
    check_name(subject.body)?;
    Ok(Certificate {
        serial: serial.body,
        issuer: issuer.body,
        subject: subject.body,
        not_before: time(before.tag, before.body).ok_or(Fault::Date)?,
        not_after: time(after.tag, after.body).ok_or(Fault::Date)?,
        alt_names: alt_names(key.rest)?,
    })
}

/// Whether a name is SETs of SEQUENCEs of an OID and a value throughout.
fn check_name(mut b: &[u8]) -> Result<(), Fault> {
    while !b.is_empty() {
        let set = tlv(b).filter(|t| t.tag == 0x31).ok_or(Fault::Name)?;
        let mut s = set.body;
        while !s.is_empty() {
            let pair = tlv(s).filter(|t| t.tag == SEQUENCE).ok_or(Fault::Name)?;
            let oid = tlv(pair.body).filter(|t| t.tag == 6).ok_or(Fault::Name)?;
            tlv(oid.rest).ok_or(Fault::Name)?;
            s = pair.rest;
        }
        b = set.rest;
    }
    Ok(())
}

/// Finds the SubjectAltName among what follows the public key.
fn alt_names(mut b: &[u8]) -> Result<&[u8], Fault> {
    while let Some(t) = tlv(b) {
        b = t.rest;
        if t.tag != 0xa3 {
            continue;
        }
        let mut list = expect(t.body, SEQUENCE, Fault::Extensions)?.body;
        while !list.is_empty() {
            let ext = tlv(list).filter(|t| t.tag == SEQUENCE).ok_or(Fault::Extensions)?;
            list = ext.rest;
            let oid = tlv(ext.body).filter(|t| t.tag == 6).ok_or(Fault::Extensions)?;
            if oid.body != OID_ALT_NAME {
                continue;
            }
            let mut value = tlv(oid.rest).ok_or(Fault::Extensions)?;
            if value.tag == 1 {
                // The critical flag.
                value = tlv(value.rest).ok_or(Fault::Extensions)?;
            }
            // A SubjectAltName that cannot be read does not spoil the certificate.
            return Ok(tlv(value.body).filter(|t| t.tag == SEQUENCE).map_or(&[], |t| t.body));
        }
    }
    Ok(&[])
}

/// The names of a SubjectAltName that have a text form, in order.
pub fn each_alt_name(mut b: &[u8], mut f: impl FnMut(AltName<'_>)) {
    while let Some(t) = tlv(b) {
        b = t.rest;
        match (t.tag & 0x1f, t.body.len()) {
            (1 | 2 | 6, _) => f(AltName::Text(t.body)),
            (7, 4 | 16) => f(AltName::Address(t.body)),
            _ => {}
        }
    }
}

/// A subject's other name.
#[derive(Clone, Copy, Debug)]
pub enum AltName<'a> {
    /// DNS name, mail address or URI.
    Text(&'a [u8]),
    /// 4 or 16 bytes.
    Address(&'a [u8]),
}

/// Seconds since the epoch of a UTCTime or GeneralizedTime.
fn time(tag: u8, b: &[u8]) -> Option<i64> {
    let two = |i: usize| -> Option<i64> {
        let d = |i: usize| b.get(i).filter(|c| c.is_ascii_digit()).map(|c| i64::from(c - b'0'));
        Some(d(i)? * 10 + d(i + 1)?)
    };
    let (year, at) = match tag {
        0x17 => {
            let y = two(0)?;
            (if y >= 50 { 1900 + y } else { 2000 + y }, 2)
        }
        0x18 => (two(0)? * 100 + two(2)?, 4),
        _ => return None,
    };
    let (month, day, hour, minute) = (two(at)?, two(at + 2)?, two(at + 4)?, two(at + 6)?);
    let mut at = at + 8;
    let second = match two(at) {
        Some(s) => {
            at += 2;
            s
        }
        None => 0,
    };
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    if b.get(at) == Some(&b'.') {
        at += 1 + b.get(at + 1..)?.iter().take_while(|c| c.is_ascii_digit()).count();
    }
    let offset = match b.get(at) {
        Some(b'Z') | None => 0,
        Some(sign @ (b'+' | b'-')) => {
            let o = two(at + 1)? * 3600 + two(at + 3)? * 60;
            if *sign == b'+' { o } else { -o }
        }
        Some(_) => return None,
    };
    Some(days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days(y: i64, m: i64, d: i64) -> i64 {
    let y = if m <= 2 { y - 1 } else { y };
    let era = y.div_euclid(400);
    let yoe = y - era * 400;
    let doy = (153 * (if m > 2 { m - 3 } else { m + 9 }) + 2) / 5 + d - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

/// Year, month, day, hour, minute and second of `t`.
pub fn civil(t: i64) -> (i64, i64, i64, i64, i64, i64) {
    let (z, s) = (t.div_euclid(86_400) + 719_468, t.rem_euclid(86_400));
    let era = z.div_euclid(146_097);
    let doe = z - era * 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let m = if mp < 10 { mp + 3 } else { mp - 9 };
    let y = yoe + era * 400 + i64::from(m <= 2);
    (y, m, doy - (153 * mp + 2) / 5 + 1, s / 3600, s / 60 % 60, s % 60)
}

/// Short names of attribute types, as Suricata prints them.
const ATTRIBUTES: &[(&[u8], &str)] = &[
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1], "Email"),
    (&[0x55, 0x1d, 0x11], "subjectAltName"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 2], "unstructuredName"),
    (&[0x55, 4, 4], "surname"),
    (&[0x55, 4, 5], "serialNumber"),
    (&[0x55, 4, 9], "streetAddress"),
    (&[0x55, 4, 12], "title"),
    (&[0x55, 4, 13], "description"),
    (&[0x55, 4, 15], "businessCategory"),
    (&[0x55, 4, 17], "postalCode"),
    (&[0x55, 4, 41], "name"),
    (&[0x55, 4, 42], "givenName"),
    (&[0x55, 4, 43], "initials"),
    (&[0x55, 4, 44], "generationQualifier"),
    (&[0x55, 4, 46], "dnQualifier"),
    (&[0x2b, 6, 1, 4, 1, 0x82, 0x37, 60, 2, 1, 1], "msJurisdictionLocality"),
    (&[0x2b, 6, 1, 4, 1, 0x82, 0x37, 60, 2, 1, 2], "msJurisdictionStateOrProvince"),
    (&[0x2b, 6, 1, 4, 1, 0x82, 0x37, 60, 2, 1, 3], "msJurisdictionCountry"),
];

/// Appends a name as `C=US, O=Example + OU=Two, CN=host` to `out`.
pub fn write_name(name: &[u8], out: &mut Scratch) {
    let begin = out.len();
    let mut b = name;
    let mut first = true;
    while let Some(set) = tlv(b) {
        b = set.rest;
        let mut s = set.body;
        let mut inner = true;
        while let Some(pair) = tlv(s) {
            s = pair.rest;
            let Some(oid) = tlv(pair.body) else { continue };
            let Some(value) = tlv(oid.rest) else { continue };
            if !inner {
                out.extend(b" + ");
            } else if !first {
                out.extend(b", ");
            }
            (first, inner) = (false, false);
            match ATTRIBUTES.iter().find(|(o, _)| *o == oid.body) {
                Some((_, n)) => {
                    out.extend(n.as_bytes());
                }
                None => write_oid(oid.body, out),
            }
            out.push(b'=');
            match value.tag {
                // The string types.
                0x0c | 0x12..=0x16 | 0x19..=0x1b | 0x07 | 0x1e => {
                    if core::str::from_utf8(value.body).is_err() {
                        out.truncate(begin);
                        out.extend(b"<X509Error: Invalid X.509 name>");
                        return;
                    }
                    out.extend(value.body);
                }
                _ => {
                    for v in value.body {
                        write_hex(*v, true, out);
                    }
                }
            }
        }
    }
}

/// Appends two hexadecimal digits.
pub fn write_hex(b: u8, upper: bool, out: &mut Scratch) {
    let digits = if upper { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
    out.push(digits[usize::from(b >> 4)]);
    out.push(digits[usize::from(b & 15)]);
}

/// Appends `AB:CD:…` (or lower case).
pub fn write_colons(bytes: &[u8], upper: bool, out: &mut Scratch) {
    for (i, b) in bytes.iter().enumerate() {
        if i > 0 {
            out.push(b':');
        }
        write_hex(*b, upper, out);
    }
}

/// Appends a decimal number.
pub fn write_num(mut v: u64, out: &mut Scratch) {
    let mut digits = [0u8; 20];
    let mut n = digits.len();
    loop {
        n -= 1;
        digits[n] = b'0' + (v % 10) as u8;
        v /= 10;
        if v == 0 {
            break;
        }
    }
    out.extend(&digits[n..]);
}

/// Appends an IPv4 or IPv6 address; anything else as hexadecimal.
pub fn write_address(b: &[u8], out: &mut Scratch) {
    match b {
        [_, _, _, _] => {
            for (i, x) in b.iter().enumerate() {
                if i > 0 {
                    out.push(b'.');
                }
                write_num(u64::from(*x), out);
            }
        }
        _ => {
            for (i, x) in b.iter().enumerate() {
                if i > 0 && i % 2 == 0 {
                    out.push(b':');
                }
                write_hex(*x, false, out);
            }
        }
    }
}

/// Appends an object identifier in dotted form (X.690 8.19).
fn write_oid(b: &[u8], out: &mut Scratch) {
    let mut v = 0u64;
    let mut first = true;
    for &x in b {
        v = v << 7 | u64::from(x & 0x7f);
        if x & 0x80 != 0 {
            continue;
        }
        if first {
            let top = (v / 40).min(2);
            write_num(top, out);
            v -= top * 40;
            first = false;
        }
        out.push(b'.');
        write_num(v, out);
        v = 0;
    }
}
