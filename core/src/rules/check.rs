//! The last look at a rule: conditions that only the whole of it can break.

use alloc::format;
use alloc::vec::Vec;

use super::build::Builder;
use super::ir::*;
use super::keyword::buffer::upper;
use super::refuse::{Fault, RefusalKind, Res, bad, conflict, context};
use super::values;
use crate::Dir;
use crate::app::{OVER_TCP, OVER_UDP};

/// A buffer at the end of a rule that asks nothing of it.
pub const NO_CONDITION: &str = "the last sticky buffer has no condition";

/// Turns what was read into a rule.
pub fn finish(mut b: Builder<'_, '_>) -> Res<Rule> {
    if !b.sid_seen {
        return Err(Fault::new(RefusalKind::Syntax, "the rule has no sid"));
    }
    if b.pending.is_some() {
        return context(NO_CONDITION);
    }
    for l in &b.lists {
        list(l.m.absent, &l.m)?;
        values::check(&l.m)?;
        if l.m.buffer == BufferRef::App("http.header.raw")
            && l.m.transforms.is_empty()
            && b.rule.flow.dirs == 0
        {
            return context("http.header.raw needs flow with to_server or to_client");
        }
    }
    carriers(&mut b)?;
    directions(&mut b)?;
    packet_or_stream(&b)?;
    in_payload(&b)?;
    at_hook(&b)?;
    replaces(&b)?;
    let mut r = b.rule;
    r.protos = b.protos.unwrap_or_default();
    r.vars = b.vars.len() as u8;
    // A payload list can be left empty when an old modifier took its only content away.
    r.lists =
        b.lists.into_iter().map(|l| l.m).filter(|m| !m.matches.is_empty() || m.absent.is_some()).collect();
    r.lists.iter_mut().for_each(super::keyword::tls::normalise);
    if r.prefilter && r.packet.is_empty() && r.ints.is_empty() && r.state.is_empty() && r.flow.is_bare() {
        return context("prefilter has no keyword to work on");
    }
    Ok(r)
}

/// `replace` changes the packet at hand, so nothing of the rule may be about a stream or its messages.
fn replaces(b: &Builder<'_, '_>) -> Res {
    let replaced = |m: &Match| matches!(m, Match::Content(c) if !c.replace.is_empty());
    if !b.lists.iter().flat_map(|l| &l.m.matches).any(replaced) {
        return Ok(());
    }
    let other =
        b.lists.iter().any(|l| !matches!(l.m.buffer, BufferRef::Payload | BufferRef::PacketHeader(_)));
    let messages =
        other || !b.rule.ints.is_empty() || !b.rule.files.is_empty() || b.rule.header.hook.is_some();
    let stream = b.rule.flow.only_stream || b.rule.header.proto == ProtoSpec::TcpStream;
    let transformed = b.lists.iter().any(|l| !l.m.transforms.is_empty() && l.m.matches.iter().any(replaced));
    if messages || stream || transformed {
        return conflict(
            "replace is for rules on single packets: no buffers of protocols, streams or transforms beside it",
        );
    }
    Ok(())
}

/// One buffer's conditions among themselves.
fn list(absent: Option<Absent>, m: &BufferMatch) -> Res {
    if absent == Some(Absent::Only) && !m.matches.is_empty() {
        return conflict("an absent buffer can have no condition");
    }
    if absent == Some(Absent::OrElse) && m.matches.is_empty() {
        return conflict("absent: or_else needs a condition after it");
    }
    let most = m.matches.iter().filter_map(|x| match x {
        Match::Size(t) => upper(t),
        _ => None,
    });
    let Some(most) = most.min() else { return Ok(()) };
    // Transforms do not change that: the size is that of what conditions see.
    for x in &m.matches {
        if let Match::Content(c) = x
            && !c.negated
        {
            let first = match c.offset {
                Some(Num::Const(o)) => o as u64,
                _ => 0,
            };
            if first.saturating_add(c.bytes.len() as u64) > most {
                return bad(format!(
                    "a content needs {} bytes, the size allows {most}",
                    first + c.bytes.len() as u64
                ));
            }
        }
    }
    Ok(())
}

/// The header's transport and the protocols that keywords ask for.
fn carriers(b: &mut Builder<'_, '_>) -> Res {
    let over = match b.rule.header.proto {
        ProtoSpec::Tcp | ProtoSpec::TcpStream | ProtoSpec::TcpPkt => OVER_TCP,
        ProtoSpec::Udp => OVER_UDP,
        ProtoSpec::Ip | ProtoSpec::Ipv4 | ProtoSpec::Ipv6 | ProtoSpec::App(_) => return Ok(()),
        _ => 0,
    };
    let Some(protos) = &mut b.protos else { return Ok(()) };
    protos.retain(|p| p.def().over & over != 0);
    if protos.is_empty() {
        return conflict("a keyword is about a protocol that the header's transport does not carry");
    }
    Ok(())
}

/// Directions that buffers leave possible. A rule about both sides of a transaction is one with `=>`.
fn directions(b: &mut Builder<'_, '_>) -> Res {
    if b.rule.header.direction == Direction::Transaction {
        return Ok(());
    }
    let both = Dir::ToServer.bit() | Dir::ToClient.bit();
    let only: Vec<u8> = b.lists.iter().map(|l| l.dirs).filter(|d| *d != 0 && *d != both).collect();
    let mut mask = only.iter().fold(both, |a, d| a & d);
    for dir in Dir::BOTH {
        if b.only_dirs[dir.ix()] {
            mask &= dir.bit();
        }
    }
    if mask == 0 {
        return conflict("keywords of the request and of the response in one rule; use => for such a rule");
    }
    if mask != both {
        if b.rule.flow.dirs & mask == 0 && b.rule.flow.dirs != 0 {
            return conflict("a keyword is about the other direction than flow");
        }
        b.rule.flow.dirs = mask;
    }
    Ok(())
}

/// A rule on reassembled bytes alone has no packet to ask.
fn packet_or_stream(b: &Builder<'_, '_>) -> Res {
    let header = &b.rule.header.proto;
    if !(b.rule.flow.only_stream || *header == ProtoSpec::TcpStream) {
        return Ok(());
    }
    let of_flow = |m: &PacketMatch| {
        use PacketMatch::{AddrDataset, GeoIp, IpProto, IpReputation, L3, StreamEvent};
        matches!(
            m,
            IpProto(_) | L3 { .. } | IpReputation { .. } | GeoIp(_) | AddrDataset { .. } | StreamEvent(_)
        )
    };
    let packet = b.rule.packet.iter().any(|m| !of_flow(m))
        || b.lists.iter().any(|l| matches!(l.m.buffer, BufferRef::PacketHeader(_)));
    if packet || *header == ProtoSpec::TcpPkt {
        return conflict("conditions on packets in a rule on the stream alone");
    }
    Ok(())
}

/// Contents that the payload is too short for, as `dsize` has it.
fn in_payload(b: &Builder<'_, '_>) -> Res {
    let most = b.rule.packet.iter().find_map(|m| match m {
        // Suricata refuses contents longer than N with `dsize:!N` as well, and they can match.
        PacketMatch::Dsize(t) => upper(t),
        _ => None,
    });
    let Some(most) = most else { return Ok(()) };
    let payload = |m: &&BufferMatch| m.buffer == BufferRef::Payload && m.transforms.is_empty();
    for m in b.lists.iter().map(|l| &l.m).filter(payload) {
        let need = needs(&m.matches);
        if need > most {
            return bad(format!("contents need {need} bytes of payload, dsize allows {most}"));
        }
    }
    Ok(())
}

/// Fewest bytes in which contents can be found, or, negated, looked for.
fn needs(all: &[Match]) -> u64 {
    let plain = |n: Option<Num>| match n {
        Some(Num::Const(n)) => n,
        _ => 0,
    };
    // Where the last match ends at the earliest, as far as that is known.
    let (mut end, mut need) = (0i64, 0i64);
    for m in all {
        match m {
            Match::Content(c) => {
                let known = !matches!(c.distance, Some(Num::Var(_)));
                let from = match (c.is_relative(), known) {
                    (true, true) => end.saturating_add(plain(c.distance)),
                    (true, false) => 0,
                    (false, _) => plain(c.offset),
                };
                let last = from.max(0).saturating_add(c.bytes.len() as i64);
                need = need.max(last);
                end = if c.negated { end } else { last };
            }
            Match::Pcre(p) if p.relative || p.negated => {}
            Match::Pcre(_) | Match::ByteJump(_) => end = 0,
            _ => {}
        }
    }
    u64::try_from(need).unwrap_or(0)
}

/// A rule with a hook runs once, at that progress: what it reads must come up there.
fn at_hook(b: &Builder<'_, '_>) -> Res {
    let Some(hook) = &b.rule.header.hook else { return Ok(()) };
    let protos = b.protos.as_deref().unwrap_or(&[]);
    for l in &b.lists {
        let BufferRef::App(name) = l.m.buffer else { continue };
        let Some(info) = b.index.buffer(name) else { continue };
        let there = info.defs.iter().filter(|d| protos.contains(&d.0)).any(|(p, d)| {
            super::names::hook(*p, hook).is_some_and(|(dir, at)| d.dirs & dir.bit() != 0 && d.progress == at)
        });
        if !there {
            return conflict(format!("{name} does not come up at the hook {hook}"));
        }
    }
    Ok(())
}
