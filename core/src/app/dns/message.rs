//! DNS messages on the wire (RFC 1035 4): checks a message once and finds its records; names and record data are
//! then read from the checked bytes without further failure.

use crate::app::plain::be16;

/// Longest name kept, bytes in dotted form; what goes beyond is cut off.
pub const NAME_MAX: usize = 1025;
/// Labels and pointers followed in one name.
const HOPS_MAX: usize = 255;

/// The name was cut off.
pub const TRUNCATED: u8 = 1;
/// The name refers to itself.
pub const LOOPS: u8 = 2;
/// The name has too many labels.
pub const LABELS: u8 = 4;

pub const A: u16 = 1;
pub const NS: u16 = 2;
pub const CNAME: u16 = 5;
pub const SOA: u16 = 6;
pub const NULL: u16 = 10;
pub const PTR: u16 = 12;
pub const MX: u16 = 15;
pub const TXT: u16 = 16;
pub const AAAA: u16 = 28;
pub const SRV: u16 = 33;
pub const OPT: u16 = 41;
pub const SSHFP: u16 = 44;

/// The fixed part of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    pub id: u16,
    pub flags: u16,
    /// Records announced: questions, answers, authorities, additionals.
    pub counts: [u16; 4],
}

impl Header {
    pub const SIZE: usize = 12;

    /// Reads the fixed part.
    pub fn read(b: &[u8]) -> Option<Header> {
        let mut counts = [0; 4];
        for (i, c) in counts.iter_mut().enumerate() {
            *c = be16(b, 4 + 2 * i)?;
        }
        Some(Header { id: be16(b, 0)?, flags: be16(b, 2)?, counts })
    }

    /// Whether a message of `len` bytes can have this fixed part.
    pub fn plausible(&self, len: usize) -> bool {
        let records: usize = self.counts.iter().map(|c| usize::from(*c)).sum();
        !(2 * records > len
            || (records == 0 && len > Header::SIZE)
            || (self.is_request() && self.counts[0] == 0))
    }

    pub fn is_request(&self) -> bool {
        self.flags & 0x8000 == 0
    }

    pub fn opcode(&self) -> u8 {
        (self.flags >> 11 & 15) as u8
    }
}

/// What checking a message found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    pub header: Header,
    /// Records found per section.
    pub found: [u16; 4],
    /// [`TRUNCATED`], [`LOOPS`], [`LABELS`].
    pub names: u8,
    pub bad_authorities: bool,
    pub bad_additionals: bool,
}

/// Checks a whole message and tells the offset of each record, in order, to `record`. `None`: not a DNS message.
pub fn check(msg: &[u8], record: impl FnMut(usize)) -> Option<Checked> {
    checked(msg, record).ok()
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// They end before the records do.
    Cut,
    /// They have what no message has.
    Never,
}

/// As [`check`], with what is wrong.
pub fn checked(msg: &[u8], mut record: impl FnMut(usize)) -> Result<Checked, Wrong> {
    let header = Header::read(msg).ok_or(Wrong::Cut)?;
    let mut c = Checked { header, ..Checked::default() };
    let mut at = Header::SIZE;
    for _ in 0..header.counts[0] {
        record(at);
        let (end, flags) = read_name(msg, at, |_| {})?;
        c.names |= flags;
        at = end + 4;
        if at > msg.len() {
            return Err(Wrong::Cut);
        }
        c.found[0] += 1;
    }
    for section in 1..4 {
        for _ in 0..header.counts[section] {
            let (end, flags) = match check_record(msg, at) {
                Ok(found) => found,
                Err(wrong) if section == 1 => return Err(wrong),
                Err(_) => {
                    (c.bad_authorities, c.bad_additionals) = (section == 2, section == 3);
                    return Ok(c);
                }
            };
            record(at);
            c.names |= flags;
            c.found[section] += 1;
            at = end;
        }
    }
    Ok(c)
}

fn check_record(msg: &[u8], at: usize) -> Result<(usize, u8), Wrong> {
    let (fixed, mut flags) = read_name(msg, at, |_| {})?;
    let kind = be16(msg, fixed).ok_or(Wrong::Cut)?;
    let data = fixed + 10;
    let end = data + usize::from(be16(msg, fixed + 8).ok_or(Wrong::Cut)?);
    let body = msg.get(data..end).ok_or(Wrong::Cut)?;
    if body.is_empty() {
        // Updates (RFC 2136) name what is not there, or goes, by records without data.
        return Ok((end, flags));
    }
    match kind {
        CNAME | PTR | NS => flags |= skip_name_within(msg, data, end)?.1,
        MX => flags |= skip_name_within(msg, data + 2, end)?.1,
        SOA => {
            let (at, f) = skip_name_within(msg, data, end)?;
            let (at, g) = skip_name_within(msg, at, end)?;
            flags |= f | g;
            if at + 20 > end {
                return Err(Wrong::Cut);
            }
        }
        SRV => flags |= skip_name_within(msg, data + 6, end)?.1,
        SSHFP if body.len() < 2 => return Err(Wrong::Cut),
        TXT => {
            let mut rest = body;
            while let Some((&n, tail)) = rest.split_first() {
                rest = tail.get(usize::from(n)..).ok_or(Wrong::Cut)?;
            }
        }
        _ => {}
    }
    Ok((end, flags))
}

fn skip_name_within(msg: &[u8], at: usize, end: usize) -> Result<(usize, u8), Wrong> {
    read_name(msg, at, |_| {}).and_then(|found| if found.0 <= end { Ok(found) } else { Err(Wrong::Cut) })
}

fn skip_name(msg: &[u8], at: usize) -> Option<(usize, u8)> {
    name(msg, at, |_| {})
}

/// Reads the name at `at`: its labels, dotted, go to `put` piece by piece. Gives the offset behind it and its flags.
pub fn name(msg: &[u8], at: usize, put: impl FnMut(&[u8])) -> Option<(usize, u8)> {
    read_name(msg, at, put).ok()
}

fn read_name(msg: &[u8], at: usize, mut put: impl FnMut(&[u8])) -> Result<(usize, u8), Wrong> {
    let (mut at, mut end, mut len, mut flags) = (at, None, 0usize, 0u8);
    for hops in 0.. {
        let Some(&n) = msg.get(at) else {
            // The message ends where a label should begin: what was read stands.
            return Ok((end.unwrap_or(at), flags));
        };
        if n == 0 {
            return Ok((end.unwrap_or(at + 1), flags));
        }
        if hops > HOPS_MAX {
            // A chain of pointers that never says anything goes round.
            flags |= if len == 0 { LOOPS } else { LABELS };
            return end.map(|end| (end, flags)).ok_or(Wrong::Never);
        }
        match n >> 6 {
            0 => {
                let label = msg.get(at + 1..at + 1 + usize::from(n)).ok_or(Wrong::Cut)?;
                at += 1 + label.len();
                if flags & TRUNCATED == 0 {
                    if len > 0 {
                        put(b".");
                        len += 1;
                    }
                    let room = NAME_MAX.saturating_sub(len);
                    let kept = label.get(..room).unwrap_or(label);
                    put(kept);
                    len += kept.len();
                    if kept.len() < label.len() {
                        flags |= TRUNCATED;
                    }
                }
            }
            3 => {
                let to = usize::from(be16(msg, at).ok_or(Wrong::Cut)? & 0x3fff);
                if to > msg.len() {
                    return Err(Wrong::Cut);
                }
                end = end.or(Some(at + 2));
                if to == at {
                    flags |= LOOPS;
                    return end.map(|end| (end, flags)).ok_or(Wrong::Never);
                }
                at = to;
            }
            _ => return Err(Wrong::Never),
        }
    }
    Err(Wrong::Never)
}

/// A record of a checked message, without its name.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// Offset of its name.
    pub at: usize,
    pub kind: u16,
    pub ttl: u32,
    /// Where its data lies.
    pub data: usize,
    pub len: usize,
}

impl Record {
    /// The record whose name begins at `at`, in sections after the first.
    pub fn read(msg: &[u8], at: usize) -> Option<Record> {
        let (fixed, _) = skip_name(msg, at)?;
        let hi = be16(msg, fixed + 4)?;
        let lo = be16(msg, fixed + 6)?;
        Some(Record {
            at,
            kind: be16(msg, fixed)?,
            ttl: u32::from(hi) << 16 | u32::from(lo),
            data: fixed + 10,
            len: usize::from(be16(msg, fixed + 8)?),
        })
    }

    /// Its data.
    pub fn bytes<'a>(&self, msg: &'a [u8]) -> &'a [u8] {
        msg.get(self.data..self.data + self.len).unwrap_or(&[])
    }

    /// Offset of the name in its data, for the kinds that have one.
    pub fn name_at(&self) -> Option<usize> {
        match self.kind {
            _ if self.len == 0 => None,
            CNAME | PTR | NS | SOA => Some(self.data),
            MX => Some(self.data + 2),
            _ => None,
        }
    }
}

/// Kind of the question whose name begins at `at`.
pub fn question_kind(msg: &[u8], at: usize) -> Option<u16> {
    be16(msg, skip_name(msg, at)?.0)
}

/// Two bytes, least significant first; 0 beyond the end.
pub fn le16(b: &[u8], at: usize) -> u16 {
    b.get(at..at + 2).map_or(0, |v| u16::from_le_bytes([v[0], v[1]]))
}

/// Names of record kinds (IANA DNS parameters), as EVE writes them.
pub const KINDS: &[(u16, &str)] = &[
    (1, "A"),
    (2, "NS"),
    (3, "MD"),
    (4, "MF"),
    (5, "CNAME"),
    (6, "SOA"),
    (7, "MB"),
    (8, "MG"),
    (9, "MR"),
    (10, "NULL"),
    (11, "WKS"),
    (12, "PTR"),
    (13, "HINFO"),
    (14, "MINFO"),
    (15, "MX"),
    (16, "TXT"),
    (17, "RP"),
    (18, "AFSDB"),
    (19, "X25"),
    (20, "ISDN"),
    (21, "RT"),
    (22, "NSAP"),
    (23, "NSAPPTR"),
    (24, "SIG"),
    (25, "KEY"),
    (26, "PX"),
    (27, "GPOS"),
    (28, "AAAA"),
    (29, "LOC"),
    (30, "NXT"),
    (31, "EID"),
    (32, "NIMLOC"),
    (33, "SRV"),
    (34, "ATMA"),
    (35, "NAPTR"),
    (36, "KX"),
    (37, "CERT"),
    (38, "A6"),
    (39, "DNAME"),
    (40, "SINK"),
    (41, "OPT"),
    (42, "APL"),
    (43, "DS"),
    (44, "SSHFP"),
    (45, "IPSECKEY"),
    (46, "RRSIG"),
    (47, "NSEC"),
    (48, "DNSKEY"),
    (49, "DHCID"),
    (50, "NSEC3"),
    (51, "NSEC3PARAM"),
    (52, "TLSA"),
    (53, "SMIMEA"),
    (55, "HIP"),
    (59, "CDS"),
    (60, "CDNSKEY"),
    (61, "OPENPGPKEY"),
    (62, "CSYNC"),
    (63, "ZONEMD"),
    (64, "SVCB"),
    (65, "HTTPS"),
    (99, "SPF"),
    (100, "UINFO"),
    (101, "UID"),
    (102, "GID"),
    (103, "UNSPEC"),
    (104, "NID"),
    (105, "L32"),
    (106, "L64"),
    (107, "LP"),
    (108, "EUI48"),
    (109, "EUI64"),
    (249, "TKEY"),
    (250, "TSIG"),
    (251, "IXFR"),
    (252, "AXFR"),
    (253, "MAILB"),
    (254, "MAILA"),
    (255, "ANY"),
    (256, "URI"),
    (257, "CAA"),
];

/// Name of a record kind.
pub fn kind_name(kind: u16) -> Option<&'static str> {
    KINDS.iter().find(|(k, _)| *k == kind).map(|(_, n)| *n)
}

/// Number of a record kind by name, in any case of letters.
pub fn kind_number(name: &str) -> Option<u16> {
    KINDS.iter().find(|(_, n)| n.eq_ignore_ascii_case(name)).map(|(k, _)| *k)
}
