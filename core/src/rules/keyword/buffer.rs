//! Buffers that belong to no protocol (`pkt_data`, `tcp.hdr`, `base64_data`, `frame`, `ip.src`), and conditions on a
//! buffer as a whole (`bsize`, `urilen`, `absent`).

use super::{Arg, Keyword};
use crate::rules::build::{Builder, Pending};
use crate::rules::ir::{Absent, BufferRef, IntTest, Match, PacketHeader};
use crate::rules::num;
use crate::rules::refuse::{Fault, RefusalKind, Res, bad, conflict, context};

pub static KEYWORDS: &[Keyword] = &[
    Keyword::flag("pkt_data", |b, _| b.reset()),
    Keyword::flag("base64_data", base64_data),
    Keyword::flag("ipv4.hdr", |b, _| packet(b, PacketHeader::Ipv4)),
    Keyword::flag("ipv6.hdr", |b, _| packet(b, PacketHeader::Ipv6)),
    Keyword::flag("tcp.hdr", |b, _| packet(b, PacketHeader::Tcp)),
    Keyword::flag("udp.hdr", |b, _| packet(b, PacketHeader::Udp)),
    Keyword::flag("icmpv4.hdr", |b, _| packet(b, PacketHeader::Icmpv4)),
    Keyword::flag("icmpv6.hdr", |b, _| packet(b, PacketHeader::Icmpv6)),
    Keyword::flag("ether.hdr", |b, _| packet(b, PacketHeader::Ether)),
    Keyword::new("frame", frame),
    Keyword::flag("ip.src", |b, _| addr(b, true)),
    Keyword::flag("ip.dst", |b, _| addr(b, false)),
    Keyword::new("bsize", bsize),
    Keyword::new("urilen", urilen),
    Keyword::new("absent", absent).optional(),
];

fn stick(b: &mut Builder<'_, '_>, buffer: BufferRef) -> Res {
    b.stick(Pending::of(buffer))
}

fn packet(b: &mut Builder<'_, '_>, h: PacketHeader) -> Res {
    stick(b, BufferRef::PacketHeader(h))
}

fn base64_data(b: &mut Builder<'_, '_>, _: &Arg<'_>) -> Res {
    if !b.base64 {
        return context("needs a base64_decode before it");
    }
    stick(b, BufferRef::Base64)
}

fn frame(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let t = a.text()?;
    if t.is_empty() || t.contains(char::is_whitespace) {
        return bad("write protocol.frame");
    }
    // `frame:pdu` in a rule for one protocol means that protocol's.
    let named = t.split_once('.').map(|(p, _)| super::super::header::protos_named(p)).unwrap_or_default();
    let (protos, kind) = if named.is_empty() {
        match b.protos.clone() {
            Some(p) if !p.is_empty() => (p, t),
            _ => return bad(alloc::format!("\"{t}\" does not name a protocol, and neither does the rule")),
        }
    } else {
        b.require_protos(&named, t)?;
        (named, t.split_once('.').map_or(t, |(_, kind)| kind))
    };
    // A protocol that has frames lists them among its buffers.
    let of_kind = |d: &&crate::app::BufferDef| {
        d.name.strip_prefix("frame:").and_then(|n| n.split_once('.')).is_some_and(|(_, k)| k == kind)
    };
    let found = protos.iter().find_map(|p| p.def().buffers.iter().find(of_kind));
    let index = b.index;
    match found.and_then(|d| index.buffer(d.name)) {
        Some(info) => b.stick_app(info, None),
        None => {
            let of = protos.first().map_or("", |p| p.name());
            stick(b, BufferRef::Frame(alloc::format!("{of}.{kind}")))
        }
    }
}

fn addr(b: &mut Builder<'_, '_>, src: bool) -> Res {
    b.reset()?;
    b.addr_sticky = Some(src);
    Ok(())
}

fn bsize(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let test = num::int_test(a.text()?, u64::MAX)?;
    if b.on_payload() {
        return context("needs a sticky buffer before it");
    }
    b.push(Match::Size(test))
}

fn urilen(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let t = a.text()?;
    let (t, name) = match t.rsplit_once(',') {
        None => (t, "http.uri"),
        Some((t, form)) => match form.trim() {
            "norm" => (t, "http.uri"),
            "raw" => (t, "http.uri.raw"),
            f => return bad(alloc::format!("\"{f}\" is neither norm nor raw")),
        },
    };
    let test = num::int_test(t, 65535)?;
    let index = b.index;
    let Some(info) = index.buffer(name) else {
        return Err(Fault::new(RefusalKind::Unsupported, alloc::format!("{name} is not available")));
    };
    let list = b.list_of(info)?;
    b.push_to(list, Match::Size(test));
    Ok(())
}

fn absent(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let kind = match a.text()? {
        "" => Absent::Only,
        "or_else" => Absent::OrElse,
        t => return bad(alloc::format!("\"{t}\" is not or_else")),
    };
    if b.pending.is_none() {
        return context("must follow a sticky buffer directly");
    }
    let ix = b.list()?;
    let Some(l) = b.lists.get_mut(ix) else { return Ok(()) };
    if !l.m.matches.is_empty() || l.m.absent.is_some() {
        return conflict("must be the first condition of its buffer");
    }
    l.m.absent = Some(kind);
    Ok(())
}

/// Greatest size a test names, if it bounds it: a content that is longer is a slip, one that is as long is let pass.
pub fn upper(t: &IntTest) -> Option<u64> {
    match t {
        IntTest::Eq(v) | IntTest::Le(v) | IntTest::Lt(v) | IntTest::Between(_, v) => Some(*v),
        _ => None,
    }
}
