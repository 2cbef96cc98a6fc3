//! EVE records of DNS: version 3 (Suricata 8) and version 2.

use super::message::{self, Record};
use super::{DnsConfig, Message};
use crate::app::plain::{be16, be32};
use crate::event::Fields;
use crate::pool::BytePool;

/// A name being expanded, with no memory but the stack's.
pub(super) struct Name {
    buf: [u8; message::NAME_MAX],
    len: usize,
    flags: u8,
}

impl Name {
    pub(super) fn read(msg: &[u8], at: usize) -> Name {
        let mut n = Name { buf: [0; message::NAME_MAX], len: 0, flags: 0 };
        let (buf, len) = (&mut n.buf, &mut n.len);
        let r = message::name(msg, at, |p| {
            if let Some(to) = buf.get_mut(*len..*len + p.len()) {
                to.copy_from_slice(p);
                *len += p.len();
            }
        });
        n.flags = r.map_or(0, |(_, f)| f);
        n
    }

    pub(super) fn get(&self) -> &[u8] {
        self.buf.get(..self.len).unwrap_or(&[])
    }

    pub(super) fn cut(&self) -> bool {
        self.flags & message::TRUNCATED != 0
    }
}

fn kind(out: &mut dyn Fields, key: &str, kind: u16) {
    match message::kind_name(kind) {
        Some(n) => out.str(key, n),
        None => out.fmt(key, format_args!("{kind}")),
    }
}

fn rcode(out: &mut dyn Fields, flags: u16) {
    let name = match flags & 15 {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        7 => "YXRRSET",
        8 => "NXRRSET",
        9 => "NOTAUTH",
        10 => "NOTZONE",
        n => return out.fmt("rcode", format_args!("RCODE-{n}")),
    };
    out.str("rcode", name);
}

/// Writes the record of one message. Version 2 (when the output asks for it) has `type` `query`/`answer` and the first question at the top.
pub fn write(m: &Message, id: u64, cfg: &DnsConfig, multicast: bool, pool: &BytePool, out: &mut dyn Fields) {
    if multicast {
        return super::mdns::write(m, pool, out);
    }
    if out.wants("version.2") {
        return write_v2(m, id, pool, out);
    }
    out.u64("version", 3);
    out.str("type", if m.response { "response" } else { "request" });
    out.u64("tx_id", id);
    out.u64("id", u64::from(m.header.id));
    flags(m, out);
    out.u64("opcode", u64::from(m.header.opcode()));
    rcode(out, m.header.flags);
    questions(m, cfg, pool, out);
    answers(m, pool, out);
    section(m, 2, "authorities", pool, out);
    section(m, 3, "additionals", pool, out);
}

/// Writes the record of a query with its answer, as far as there is either: the answer's, which repeats the question.
pub(in crate::app) fn both<'m>(
    messages: impl Iterator<Item = &'m Message>,
    id: u64,
    pool: &BytePool,
    out: &mut dyn Fields,
) {
    if let Some(m) = messages.last() {
        write(m, id, &DnsConfig::default(), false, pool, out);
    }
}

fn write_v2(m: &Message, id: u64, pool: &BytePool, out: &mut dyn Fields) {
    let msg = m.raw(pool);
    let first = m.at(0, 0, pool);
    let question = |out: &mut dyn Fields| {
        if let Some(at) = first {
            let n = Name::read(msg, at);
            out.bytes("rrname", n.get());
            if n.cut() {
                out.bool("rrname_truncated", true);
            }
            kind(out, "rrtype", message::question_kind(msg, at).unwrap_or(0));
        }
    };
    if !m.response {
        out.str("type", "query");
        out.u64("id", u64::from(m.header.id));
        question(out);
        out.u64("tx_id", id);
        if m.header.flags & 0x40 != 0 {
            out.bool("z", true);
        }
        out.u64("opcode", u64::from(m.header.opcode()));
        return;
    }
    out.u64("version", 2);
    out.str("type", "answer");
    out.u64("id", u64::from(m.header.id));
    flags(m, out);
    out.u64("opcode", u64::from(m.header.opcode()));
    question(out);
    rcode(out, m.header.flags);
    answers(m, pool, out);
    section(m, 2, "authorities", pool, out);
    section(m, 3, "additionals", pool, out);
}

fn flags(m: &Message, out: &mut dyn Fields) {
    let f = m.header.flags;
    out.fmt("flags", format_args!("{f:x}"));
    for (bit, name) in
        [(0x8000, "qr"), (0x400, "aa"), (0x200, "tc"), (0x100, "rd"), (0x80, "ra"), (0x40, "z")]
    {
        if f & bit != 0 {
            out.bool(name, true);
        }
    }
}

fn questions(m: &Message, cfg: &DnsConfig, pool: &BytePool, out: &mut dyn Fields) {
    if m.found[0] == 0 {
        return;
    }
    let msg = m.raw(pool);
    out.begin_array("queries");
    for i in 0..u32::from(m.found[0]) {
        let Some(at) = m.at(0, i, pool) else { break };
        let k = message::question_kind(msg, at).unwrap_or(0);
        if !cfg.wants(k) {
            continue;
        }
        let n = Name::read(msg, at);
        out.begin_object("");
        out.bytes("rrname", n.get());
        kind(out, "rrtype", k);
        if n.cut() {
            out.bool("rrname_truncated", true);
        }
        out.end_object();
    }
    out.end_array();
}

fn answers(m: &Message, pool: &BytePool, out: &mut dyn Fields) {
    let n = u32::from(m.found[1]);
    if n == 0 {
        return;
    }
    let (detailed, grouped_too) = (out.wants("formats.detailed"), out.wants("formats.grouped"));
    if detailed || !grouped_too {
        section(m, 1, "answers", pool, out);
    }
    if detailed && !grouped_too {
        return;
    }
    let msg = m.raw(pool);
    out.begin_object("grouped");
    for i in 0..n {
        let Some(r) = m.record(1, i, pool) else { break };
        let groups = matches!(
            r.kind,
            message::A
                | message::AAAA
                | message::CNAME
                | message::MX
                | message::NS
                | message::PTR
                | message::TXT
                | message::NULL
                | message::SOA
                | message::SSHFP
                | message::SRV
        );
        // A group is written where its kind occurs first. Bounded: a message of many kinds has few of each.
        let earlier = (0..i).any(|j| m.record(1, j, pool).is_some_and(|e| e.kind == r.kind));
        // Records of an update have no data (RFC 2136 2.4).
        let said = (i..n).any(|j| m.record(1, j, pool).is_some_and(|e| e.kind == r.kind && e.len > 0));
        if !groups || earlier || !said {
            continue;
        }
        out.begin_array(message::kind_name(r.kind).unwrap_or(""));
        for j in i..n {
            if let Some(e) = m.record(1, j, pool).filter(|e| e.kind == r.kind) {
                grouped(msg, &e, out);
            }
        }
        out.end_array();
    }
    out.end_object();
}

fn grouped(msg: &[u8], r: &Record, out: &mut dyn Fields) {
    match r.kind {
        message::TXT => texts(r.bytes(msg), |t| out.bytes("", t)),
        message::SOA | message::SSHFP | message::SRV => {
            out.begin_object("");
            compound(msg, r, out);
            out.end_object();
        }
        _ => plain(msg, r, "", out),
    }
}

fn section(m: &Message, section: usize, key: &str, pool: &BytePool, out: &mut dyn Fields) {
    let msg = m.raw(pool);
    let mut open = false;
    for i in 0..u32::from(m.found[section]) {
        let Some(r) = m.record(section, i, pool) else { break };
        if section == 3 && r.kind == message::OPT && r.len == 0 {
            continue;
        }
        if !open {
            out.begin_array(key);
            open = true;
        }
        if r.kind == message::TXT {
            texts(r.bytes(msg), |t| {
                head(msg, &r, out);
                out.bytes("rdata", t);
                out.end_object();
            });
            continue;
        }
        head(msg, &r, out);
        match r.kind {
            message::SOA => {
                out.begin_object("soa");
                compound(msg, &r, out);
                out.end_object();
            }
            message::SSHFP => {
                out.begin_object("sshfp");
                compound(msg, &r, out);
                out.end_object();
            }
            message::SRV => {
                out.begin_object("srv");
                compound(msg, &r, out);
                out.end_object();
            }
            message::OPT => options(r.bytes(msg), out),
            _ => plain(msg, &r, "rdata", out),
        }
        out.end_object();
    }
    if open {
        out.end_array();
    }
}

/// Opens a record's object: owner, kind, time to live.
fn head(msg: &[u8], r: &Record, out: &mut dyn Fields) {
    let n = Name::read(msg, r.at);
    out.begin_object("");
    out.bytes("rrname", n.get());
    if n.cut() {
        out.bool("rrname_truncated", true);
    }
    kind(out, "rrtype", r.kind);
    out.u64("ttl", u64::from(r.ttl));
}

/// Data that is one value.
fn plain(msg: &[u8], r: &Record, key: &str, out: &mut dyn Fields) {
    let b = r.bytes(msg);
    match r.kind {
        message::A | message::AAAA => {
            if let Ok(a) = <[u8; 4]>::try_from(b) {
                out.fmt(key, format_args!("{}", core::net::Ipv4Addr::from(a)));
            } else if let Ok(a) = <[u8; 16]>::try_from(b) {
                out.fmt(key, format_args!("{}", core::net::Ipv6Addr::from(a)));
            } else {
                out.str(key, "");
            }
        }
        message::NULL => out.bytes(key, b),
        _ => {
            if let Some(at) = r.name_at() {
                let n = Name::read(msg, at);
                out.bytes(key, n.get());
                if n.cut() && !key.is_empty() {
                    out.bool("rdata_truncated", true);
                }
            }
        }
    }
}

/// Data of several fields.
fn compound(msg: &[u8], r: &Record, out: &mut dyn Fields) {
    let be = |at: usize| u64::from(be16(msg, at).unwrap_or(0));
    match r.kind {
        message::SOA => {
            out.bytes("mname", Name::read(msg, r.data).get());
            let second = message::name(msg, r.data, |_| {}).map_or(r.data, |(e, _)| e);
            out.bytes("rname", Name::read(msg, second).get());
            let at = message::name(msg, second, |_| {}).map_or(second, |(e, _)| e);
            for (i, key) in ["serial", "refresh", "retry", "expire", "minimum"].into_iter().enumerate() {
                out.u64(key, u64::from(be32(msg, at + 4 * i).unwrap_or(0)));
            }
        }
        message::SRV => {
            out.u64("priority", be(r.data));
            out.u64("weight", be(r.data + 2));
            out.u64("port", be(r.data + 4));
            out.bytes("name", Name::read(msg, r.data + 6).get());
        }
        _ => {
            let b = r.bytes(msg);
            out.fmt("fingerprint", format_args!("{}", Colons(b.get(2..).unwrap_or(&[]))));
            out.u64("algo", b.first().map_or(0, |v| u64::from(*v)));
            out.u64("type", b.get(1).map_or(0, |v| u64::from(*v)));
        }
    }
}

fn options(mut b: &[u8], out: &mut dyn Fields) {
    out.begin_array("opt");
    while let (Some(code), Some(len)) = (be16(b, 0), be16(b, 2)) {
        let Some(data) = b.get(4..4 + usize::from(len)) else { break };
        out.begin_object("");
        out.u64("code", u64::from(code));
        out.hex("data", data);
        out.end_object();
        b = b.get(4 + data.len()..).unwrap_or(&[]);
    }
    out.end_array();
}

pub(super) fn texts(mut b: &[u8], mut each: impl FnMut(&[u8])) {
    while let Some((&n, rest)) = b.split_first() {
        let Some((text, tail)) = rest.split_at_checked(usize::from(n)) else { break };
        each(text);
        b = tail;
    }
}

/// Hexadecimal with colons between the bytes.
struct Colons<'a>(&'a [u8]);

impl core::fmt::Display for Colons<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (i, b) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(":")?;
            }
            write!(f, "{b:02x}")?;
        }
        Ok(())
    }
}
