//! The part of a rule before its parenthesis: `action proto src sport -> dst dport`.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::env::Env;
use super::ir::{Action, Direction, Header, ProtoSpec};
use super::refuse::{Fault, RefusalKind, Res};
use crate::app::AppProto;
use crate::app::registry::PROTOCOLS;

/// A word of the header and where it starts.
type Word<'t> = (usize, &'t str);

/// A fault in the header and the offset of the word at fault.
pub type HeaderFault = (usize, Fault);

/// Splits the header at blanks, keeping bracketed lists together. Faults name the offset of the word at fault.
fn words(text: &str) -> Result<Vec<Word<'_>>, HeaderFault> {
    let mut out = Vec::with_capacity(7);
    let (mut depth, mut start) = (0u32, None);
    for (i, c) in text.bytes().enumerate() {
        match c {
            b'[' => depth += 1,
            b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if c.is_ascii_whitespace() && depth == 0 {
            if let Some(s) = start.take() {
                out.push((s, &text[s..i]));
            }
        } else if start.is_none() {
            start = Some(i);
        }
    }
    if let Some(s) = start {
        out.push((s, &text[s..]));
        if depth != 0 {
            return Err((s, Fault::new(RefusalKind::Header, "'[' without ']'")));
        }
    }
    Ok(out)
}

/// Reads a header; the action comes apart from it.
pub fn parse(text: &str, env: &mut Env<'_>) -> Result<(Action, Header), HeaderFault> {
    let w = words(text)?;
    let &[action, proto, src, sp, dir, dst, dp] = w.as_slice() else {
        let reason = format!("a rule's header has 7 parts, this one has {}", w.len());
        return Err((w.first().map_or(0, |w| w.0), Fault::new(RefusalKind::Syntax, reason)));
    };
    let at = |w: Word<'_>, f: Fault| (w.0, f);
    let act = parse_action(action.1).map_err(|f| at(action, f))?;
    let (spec, hook) = parse_proto(proto.1).map_err(|f| at(proto, f))?;
    let direction = match dir.1 {
        "->" => Direction::OneWay,
        "<>" => Direction::Both,
        "=>" => Direction::Transaction,
        d => {
            let reason = format!("\"{d}\" is not a direction; use ->, <> or =>");
            return Err(at(dir, Fault::new(RefusalKind::Header, reason)));
        }
    };
    let vars = env.vars;
    let lists = &mut env.lists;
    let header = Header {
        proto: spec,
        src: lists.addrs(src.1, vars).map_err(|f| at(src, f))?,
        sp: lists.ports(sp.1, vars).map_err(|f| at(sp, f))?,
        dst: lists.addrs(dst.1, vars).map_err(|f| at(dst, f))?,
        dp: lists.ports(dp.1, vars).map_err(|f| at(dp, f))?,
        direction,
        hook,
    };
    if header.direction == Direction::Transaction && !matches!(header.proto, ProtoSpec::App(_)) {
        let reason = "=> is for application protocols";
        return Err(at(dir, Fault::new(RefusalKind::Header, reason)));
    }
    Ok((act, header))
}

fn parse_action(t: &str) -> Res<Action> {
    const ACTIONS: &[(&str, Action)] = &[
        ("alert", Action::Alert),
        ("drop", Action::Drop),
        ("pass", Action::Pass),
        ("reject", Action::Reject),
        ("rejectsrc", Action::RejectSrc),
        ("rejectdst", Action::RejectDst),
        ("rejectboth", Action::RejectBoth),
        // It alerts of nothing: see `source`.
        ("config", Action::Alert),
    ];
    ACTIONS
        .iter()
        .find(|a| a.0.eq_ignore_ascii_case(t))
        .map(|a| a.1)
        .ok_or_else(|| Fault::new(RefusalKind::Header, format!("\"{t}\" is not an action")))
}

/// `tcp`, `http`, `tls:client_hello_done`, …
fn parse_proto(t: &str) -> Res<(ProtoSpec, Option<String>)> {
    let (name, hook) = match t.split_once(':') {
        Some((n, h)) => (n, Some(h.to_ascii_lowercase())),
        None => (t, None),
    };
    const WORDS: &[(&str, ProtoSpec)] = &[
        ("ip", ProtoSpec::Ip),
        ("ipv4", ProtoSpec::Ipv4),
        ("ip4", ProtoSpec::Ipv4),
        ("ipv6", ProtoSpec::Ipv6),
        ("ip6", ProtoSpec::Ipv6),
        ("tcp", ProtoSpec::Tcp),
        ("tcp-pkt", ProtoSpec::TcpPkt),
        ("tcp-stream", ProtoSpec::TcpStream),
        ("udp", ProtoSpec::Udp),
        ("icmp", ProtoSpec::Icmp),
        ("icmpv4", ProtoSpec::Icmpv4),
        ("icmpv6", ProtoSpec::Icmpv6),
        ("sctp", ProtoSpec::Sctp),
        ("esp", ProtoSpec::Number(50)),
        ("ah", ProtoSpec::Number(51)),
        ("gre", ProtoSpec::Number(47)),
        ("pkthdr", ProtoSpec::PktHdr),
        ("arp", ProtoSpec::Arp),
    ];
    let lower = name.to_ascii_lowercase();
    if let Some(w) = WORDS.iter().find(|w| w.0 == lower) {
        if let Some(h) = &hook
            && !matches!(h.as_str(), "flow_start" | "pre_flow" | "pre_stream" | "all")
        {
            return Err(Fault::new(RefusalKind::Header, format!("\"{h}\" is not a hook of {name}")));
        }
        return Ok((w.1.clone(), hook));
    }
    // The name of the library's protocol is an alias elsewhere; in a header Suricata 8 knows it no more.
    let protos = if lower == "ssl" { Vec::new() } else { protos_named(&lower) };
    if protos.is_empty() {
        let reason = format!("protocol \"{name}\" is not known");
        return Err(Fault::new(RefusalKind::Protocol, reason));
    }
    if let Some(h) = &hook {
        let ok = matches!(
            h.as_str(),
            "request_started" | "response_started" | "request_complete" | "response_complete"
        ) || protos.iter().any(|p| super::names::hook_exists(*p, h));
        if !ok {
            return Err(Fault::new(RefusalKind::Header, format!("\"{h}\" is not a hook of {name}")));
        }
    }
    Ok((ProtoSpec::App(protos), hook))
}

/// The protocols that a protocol's name in a rule stands for: `http` is HTTP/1 and HTTP/2, `dns` also DNS over
/// HTTP/2, `dcerpc` also SMB; `doh2` is HTTP/2 with the buffers of DNS.
pub fn protos_named(name: &str) -> Vec<AppProto> {
    let Some(own) = AppProto::by_name(name) else { return Vec::new() };
    let others = PROTOCOLS
        .iter()
        // `http1` is HTTP/1 alone.
        .filter(|p| {
            name != "http1" && (p.families.contains(&own.name()) || name == "doh2" && p.name == "http2")
        });
    core::iter::once(own).chain(others.filter_map(|p| AppProto::by_name(p.name))).collect()
}

/// Protocols whose transactions carry what belongs to that one.
pub fn carriers_of(name: &str) -> impl Iterator<Item = AppProto> {
    PROTOCOLS.iter().filter(move |p| p.carries.contains(&name)).filter_map(|p| AppProto::by_name(p.name))
}

/// The protocol list as text for messages.
pub fn proto_names(protos: &[AppProto]) -> String {
    let names: Vec<&str> = protos.iter().map(|p| p.name()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join("/") }
}
