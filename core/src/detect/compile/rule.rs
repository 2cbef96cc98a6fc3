//! One rule: its conditions in the form in which they are evaluated.

use alloc::format;
use alloc::vec::Vec;

use super::fast::{Pick, is_only};
use super::{BITS, Compiler, INTS, VARS, buffer_def, dirs_of, int_def};
use crate::app::registry::PROTOCOLS;
use crate::app::{AppProto, BufferKind};
use crate::detect::captured::{Kind, Target};
use crate::detect::inspect::needle::Needle;
use crate::detect::inspect::{ContentStep, PcreStep, Step};
use crate::detect::ruleset::*;
use crate::detect::state::named;
use crate::detect::wait::depends_on_the_value_alone;
use crate::event::Action;
use crate::rules::ir::{self, BufferRef, Match, ProtoSpec};
use crate::rules::names;
use crate::rules::refuse::{Fault, RefusalKind, Res, conflict, unsupported};
use crate::sig::regex::{Flags, Regex};

impl Compiler {
    /// Takes the conditions that ask a table out of `packet`.
    fn tables(&mut self, packet: &mut Vec<ir::PacketMatch>) -> Res<Vec<CState>> {
        let (mut out, mut rest) = (Vec::new(), Vec::new());
        for m in core::mem::take(packet) {
            match m {
                ir::PacketMatch::IpReputation { side, category, cmp, value } => {
                    let Some(&category) = self.categories.get(&category) else {
                        let what = format!("\"{category}\" is not a category of the reputation");
                        return Err(Fault::new(RefusalKind::Value, what).near("iprep", category.as_bytes()));
                    };
                    out.push(CState::Reputation { side, category, cmp, value });
                }
                ir::PacketMatch::AddrDataset { src, set } => {
                    let op = set.op;
                    out.push(CState::AddrSet { src, set: self.dataset(&set), op });
                }
                ir::PacketMatch::GeoIp(_) => {
                    return Err(Fault::new(
                        RefusalKind::Unsupported,
                        "geoip: no location database is supported",
                    )
                    .near("geoip", b""));
                }
                m => rest.push(m),
            }
        }
        *packet = rest;
        Ok(out)
    }

    pub(super) fn add(&mut self, mut r: ir::Rule) -> Res {
        let tables = self.tables(&mut r.packet)?;
        let apps = apps_of(&r);
        let transaction = r.header.direction == ir::Direction::Transaction;
        let pick = self.pick(&r)?;
        let Listed { lists, payload_list, mut dirs, placed, app } = self.listed(&r, apps, &pick)?;
        for i in &r.ints {
            let d = dirs_of(apps, |p| int_def(p, i.name).map(|d| d.1.dirs));
            if !transaction && d != 0 {
                dirs &= d;
            }
        }
        if dirs == 0 {
            let what = "its buffers and flow direction exclude each other";
            return Err(Fault::new(RefusalKind::Conflict, what).near("flow", b""));
        }
        let payload = if payload_list.is_some() { payload_of(&r, placed) } else { Payload::default() };
        let hook = r.header.hook.as_deref().map(|h| hook(h, &r.header.proto)).transpose()?;
        if let Some(Hook::Progress(dir, _)) = hook
            && !transaction
        {
            dirs &= dir.bit();
        }
        let is_tx = app
            || matches!(hook, Some(Hook::Progress(..)))
            || !r.ints.is_empty()
            || !r.files.is_empty()
            || r.state.iter().any(|s| {
                matches!(s, ir::StateMatch::AppEvent { .. } | ir::StateMatch::AppState { .. })
                    || matches!(s, ir::StateMatch::DceIface { .. })
            });
        let frame = frames_of(&r, is_tx && !app)?;
        let (ip, proto) = proto_of(&r.header.proto);
        let cints = r
            .ints
            .iter()
            .map(|i| CInt {
                local: (0..PROTOCOLS.len()).map(|p| int_def(p, i.name).map_or(NONE, |d| d.0)).collect(),
                test: i.test.clone(),
                index: i.index,
            })
            .collect();
        let mut state = self.state(&r.state);
        state.extend(tables);
        let post = self.post(&r.post);
        let some = |s: &alloc::sync::Arc<ir::AddrSet>| (!s.is_any()).then(|| s.clone());
        let ports = |s: &alloc::sync::Arc<ir::PortSet>| (!s.is_any()).then(|| s.clone());
        let asks_proto = |s: &CState| matches!(s, CState::AppProtocol { .. });
        let proto_only = !state.is_empty()
            && state.iter().all(asks_proto)
            && !is_tx
            && payload_list.is_none()
            && lists.is_empty()
            && r.packet.is_empty()
            && hook.is_none()
            && r.flow.is_bare();
        self.set.sigs.push(Sig {
            proto_only,
            needs_sent: false,
            action: r.meta.action,
            // A rule that passes is silent unless it says otherwise.
            noalert: r.noalert.unwrap_or(r.meta.action == Action::Pass),
            ip,
            proto,
            pkthdr: r.header.proto == ProtoSpec::PktHdr,
            src: some(&r.header.src),
            dst: some(&r.header.dst),
            sp: ports(&r.header.sp),
            dp: ports(&r.header.dp),
            bidir: r.header.direction != ir::Direction::OneWay,
            transaction,
            dirs,
            flow: r.flow,
            apps,
            packet: r.packet,
            state,
            post,
            payload,
            payload_list,
            lists,
            ints: cints,
            files: r.files,
            threshold: r.threshold,
            rate_filter: r.rate_filter,
            suppress: r.suppress,
            is_tx,
            frame,
            fast: self.fast_of(&pick),
            hook,
        });
        self.set.metas.push(r.meta);
        self.picks.push(pick);
        Ok(())
    }

    /// The lists of a rule, compiled.
    fn listed(&mut self, r: &ir::Rule, apps: u64, pick: &Pick) -> Res<Listed> {
        let transaction = r.header.direction == ir::Direction::Transaction;
        let dirs = if r.flow.dirs == 0 { 3 } else { r.flow.dirs };
        let mut out = Listed { lists: Vec::new(), payload_list: None, dirs, placed: false, app: false };
        for l in &r.lists {
            // The prefilter has seen it already; Suricata does not look for it again either.
            let only = if matches!(pick, Pick::None) { None } else { l.matches.iter().position(is_only) };
            let steps = self.steps(&l.matches, only)?;
            let source = match &l.buffer {
                BufferRef::Payload if l.transforms.is_empty() => Source::Payload,
                BufferRef::Payload => return unsupported("a transform on the packet payload"),
                BufferRef::App(name) => {
                    out.app = true;
                    let d = dirs_of(apps, |p| buffer_def(p, name).map(|d| d.1.dirs));
                    if !transaction && d != 0 {
                        out.dirs &= d;
                    }
                    Source::App(self.key(&l.buffer, &l.transforms)?)
                }
                BufferRef::Magic => {
                    out.app = true;
                    Source::Magic(self.key(&l.buffer, &l.transforms)?)
                }
                BufferRef::Base64 => Source::Base64(self.key(&l.buffer, &l.transforms)?),
                BufferRef::PacketHeader(h) => Source::Header(*h, self.key(&l.buffer, &l.transforms)?),
                BufferRef::Frame(f) => return unsupported(&format!("frame '{f}'")),
            };
            if source == Source::Payload {
                out.placed |= l.matches.iter().any(
                    |m| matches!(m, Match::Content(c) if c.depth.is_some() || c.offset.is_some() || c.startswith),
                );
                match &mut out.payload_list {
                    Some(p) => p.steps.extend(steps),
                    None => out.payload_list = Some(List { source, steps, absent: None, side: None }),
                }
            } else {
                out.lists.push(List { source, steps, absent: l.absent, side: l.side });
            }
        }
        // What is there at once is asked before what grows: a sender who repeats a pattern of a body would otherwise have all
        // of the body searched each time for a rule that is about another URI.
        if out.lists.iter().all(depends_on_the_value_alone) {
            out.lists.sort_by_key(|l| self.grows(l));
        }
        Ok(out)
    }

    /// How much there may be of a list's value: one whole value, several, one that grows.
    fn grows(&self, l: &List) -> u8 {
        let Source::App(key) = l.source else { return 2 };
        let locals = self.set.bufs[key as usize].local.iter().enumerate();
        let kinds = locals.filter_map(|(p, n)| Some(PROTOCOLS[p].buffers.get(usize::from(*n))?.kind));
        let size = |k| match k {
            BufferKind::Single => 0,
            BufferKind::Multi => 1,
            BufferKind::Streaming | BufferKind::Chain | BufferKind::Frame => 2,
        };
        kinds.map(size).max().unwrap_or(0)
    }

    /// What the prefilter looks for, for people.
    fn fast_of(&self, pick: &Pick) -> Option<Fast> {
        match pick {
            Pick::None => None,
            Pick::Payload { bytes, nocase, .. } => {
                Some(Fast { buffer: "payload".into(), bytes: bytes.clone(), nocase: *nocase })
            }
            Pick::App { key, bytes, nocase, .. } => Some(Fast {
                buffer: match &self.set.bufs[*key as usize].buffer {
                    BufferRef::App(n) => (*n).into(),
                    other => format!("{other:?}"),
                },
                bytes: bytes.clone(),
                nocase: *nocase,
            }),
        }
    }

    fn steps(&mut self, matches: &[Match], skip: Option<usize>) -> Res<Vec<Step>> {
        let mut out = Vec::new();
        for (i, m) in matches.iter().enumerate() {
            // What is to be replaced has to be found.
            let replaces = matches!(m, Match::Content(c) if !c.replace.is_empty());
            if skip == Some(i) && !replaces {
                continue;
            }
            let relative_next = || {
                for n in &matches[i + 1..] {
                    if is_relative(n) {
                        return true;
                    }
                    if matches!(n, Match::Content(_) | Match::Pcre(_)) {
                        return false;
                    }
                }
                false
            };
            out.push(match m {
                Match::Content(c) => Step::Content(ContentStep {
                    needle: Needle::new(&c.bytes, c.nocase),
                    negated: c.negated,
                    offset: if c.startswith { Some(ir::Num::Const(0)) } else { c.offset },
                    depth: if c.startswith { Some(ir::Num::Const(c.bytes.len() as i64)) } else { c.depth },
                    distance: c.distance,
                    within: c.within,
                    endswith: c.endswith,
                    relative_next: relative_next(),
                    replace: self.replacement(&c.replace)?,
                }),
                Match::Pcre(p) => Step::Pcre(alloc::boxed::Box::new(PcreStep {
                    regex: Regex::compile(
                        &p.pattern,
                        Flags {
                            caseless: p.flags.caseless,
                            dotall: p.flags.dotall,
                            multiline: p.flags.multiline,
                            extended: p.flags.extended,
                            anchored: p.flags.anchored,
                            dollar_endonly: p.flags.dollar_endonly,
                            ungreedy: p.flags.ungreedy,
                        },
                    )
                    .map_err(|e| {
                        Fault::new(RefusalKind::Value, format!("pcre: {e}")).near("pcre", &p.pattern)
                    })?,
                    negated: p.negated,
                    relative: p.relative,
                    relative_next: relative_next(),
                    captures: self.captures(&p.captures),
                })),
                Match::IsDataAt { at, relative, negated } => {
                    Step::IsDataAt { at: *at, relative: *relative, negated: *negated }
                }
                Match::ByteTest(t) => Step::ByteTest(t.clone()),
                Match::ByteJump(t) => Step::ByteJump(t.clone()),
                Match::ByteExtract(t) => Step::ByteExtract(t.clone()),
                Match::ByteMath(t) => Step::ByteMath(t.clone()),
                Match::Size(t) => Step::Size(t.clone()),
                Match::Base64Decode { bytes, offset, relative, mode } => {
                    Step::Base64 { bytes: *bytes, offset: *offset, relative: *relative, mode: *mode }
                }
                Match::Dataset(d) => {
                    let set = self.dataset(d);
                    Step::Dataset { set, op: d.op }
                }
                Match::Datarep(d) => {
                    let set = self.set.datareps.len() as u16;
                    self.set.datareps.push(d.clone());
                    Step::Datarep { set, cmp: d.cmp, value: d.value }
                }
                Match::Entropy { bytes, offset, cmp, value } => {
                    Step::Entropy { bytes: *bytes, offset: *offset, cmp: *cmp, value: *value }
                }
                Match::Asn1(a) => Step::Asn1(a.clone()),
                #[allow(unreachable_patterns)]
                other => return unsupported(&format!("condition {other:?}")),
            });
        }
        Ok(out)
    }

    fn dataset(&mut self, d: &ir::Dataset) -> u16 {
        if let Some(i) = self.set.datasets.iter().position(|x| x.name == d.name && x.kind == d.kind) {
            return i as u16;
        }
        self.set.datasets.push(d.clone());
        (self.set.datasets.len() - 1) as u16
    }

    fn value(&mut self, v: &ir::VarValue) -> CValue {
        match v {
            ir::VarValue::Const(c) => CValue::Const(*c),
            ir::VarValue::Name(n) => CValue::Var(self.name(INTS, n)),
        }
    }

    fn state(&mut self, list: &[ir::StateMatch]) -> Vec<CState> {
        let mut out = Vec::new();
        for s in list {
            out.push(match s {
                ir::StateMatch::FlowbitsIsSet(n) => CState::BitsAnySet(self.names(BITS, n)),
                ir::StateMatch::FlowbitsIsNotSet(n) => CState::BitsNoneSet(self.names(BITS, n)),
                ir::StateMatch::Flowint { name, test } => {
                    let var = self.name(INTS, name);
                    match test {
                        ir::VarTest::Cmp(cmp, v) => CState::Int { var, cmp: *cmp, value: self.value(v) },
                        ir::VarTest::IsSet => CState::IntIsSet { var, set: true },
                        ir::VarTest::IsNotSet => CState::IntIsSet { var, set: false },
                    }
                }
                ir::StateMatch::Xbits { name, track, set } => {
                    CState::Xbit { bit: named(name), track: *track, set: *set }
                }
                ir::StateMatch::Hostbits { name, track, set } => {
                    let name = format!("host:{name}");
                    CState::Xbit { bit: named(&name), track: *track, set: *set }
                }
                ir::StateMatch::AppProtocol { protos, negated, mode } => {
                    CState::AppProtocol { protos: protos.clone(), negated: *negated, mode: *mode }
                }
                ir::StateMatch::AppEvent { proto, event } => {
                    CState::AppEvent { proto: *proto, event: *event }
                }
                ir::StateMatch::AppLayerEvent(e) => CState::AppLayerEvent(*e),
                ir::StateMatch::AppState { test, dir } => CState::AppState { test: test.clone(), dir: *dir },
                ir::StateMatch::FlowVar { name, value, negated } => {
                    CState::FlowVar { var: self.name(VARS, name), value: value.clone(), negated: *negated }
                }
                ir::StateMatch::PktVar { name, value, negated } => {
                    CState::PktVar { var: self.name(VARS, name), value: value.clone(), negated: *negated }
                }
                ir::StateMatch::DceIface { uuid, version, any_frag } => {
                    CState::DceIface { uuid: *uuid, version: version.clone(), any_frag: *any_frag }
                }
            });
        }
        out
    }

    /// The number of what replaces a content, if something does.
    fn replacement(&mut self, bytes: &[u8]) -> Res<Option<u16>> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let Ok(n) = u16::try_from(self.set.replacements.len()) else {
            return Err(Fault::new(RefusalKind::Unsupported, "more than 65,536 contents are replaced"));
        };
        self.set.replacements.push(bytes.to_vec());
        Ok(Some(n))
    }

    /// Names of captures resolved.
    fn captures(&mut self, list: &[(u8, ir::Capture)]) -> Vec<Target> {
        let mut out = Vec::new();
        for (group, to) in list {
            let (kind, name) = match to {
                ir::Capture::FlowVar(n) => (Kind::Flow, n),
                ir::Capture::PktVar(n) => (Kind::Packet, n),
                ir::Capture::AlertVar(n) => (Kind::Alert, n),
            };
            out.push(Target { group: *group, kind, name: self.name(VARS, name) });
        }
        out
    }

    fn post(&mut self, list: &[ir::Post]) -> Vec<CPost> {
        let mut out = Vec::new();
        for p in list {
            out.push(match p {
                ir::Post::FlowbitsSet(n) => CPost::BitsSet(self.names(BITS, n)),
                ir::Post::FlowbitsUnset(n) => CPost::BitsUnset(self.names(BITS, n)),
                ir::Post::FlowbitsToggle(n) => CPost::BitsToggle(self.names(BITS, n)),
                ir::Post::FlowintSet { name, value } => {
                    CPost::IntSet(self.name(INTS, name), self.value(value))
                }
                ir::Post::FlowintAdd { name, value } => {
                    CPost::IntAdd(self.name(INTS, name), self.value(value))
                }
                ir::Post::FlowintSub { name, value } => {
                    CPost::IntSub(self.name(INTS, name), self.value(value))
                }
                ir::Post::Xbits { name, track, op, expire } => {
                    CPost::Xbit { bit: named(name), track: *track, op: *op, expire: *expire }
                }
                ir::Post::Hostbits { name, track, op, expire } => {
                    let name = format!("host:{name}");
                    CPost::Xbit { bit: named(&name), track: *track, op: *op, expire: *expire }
                }
                ir::Post::Tag(t) => CPost::Tag(t.clone()),
                ir::Post::Bypass => CPost::Bypass,
                ir::Post::FileStore { dirs, scope } => {
                    CPost::FileStore { dirs: *dirs, flow: *scope == ir::FileScope::Flow }
                }
                ir::Post::Unlogged => CPost::Unlogged,
            });
        }
        out
    }
}

/// The lists of a rule, and what they say about it.
struct Listed {
    lists: Vec<List>,
    payload_list: Option<List>,
    /// Directions in which all its buffers are there, as bits.
    dirs: u8,
    /// A content on payload has its place.
    placed: bool,
    /// It reads buffers of a protocol.
    app: bool,
}

/// Whether the rule is on frames; then it can ask for nothing else of the traffic. `more`: it asks for transactions.
fn frames_of(r: &ir::Rule, more: bool) -> Res<bool> {
    let kind = |name| (0..PROTOCOLS.len()).find_map(|p| buffer_def(p, name)).map(|d| d.1.kind);
    let is = |b: &BufferRef| matches!(b, BufferRef::App(name) if kind(name) == Some(BufferKind::Frame));
    if !r.lists.iter().any(|l| is(&l.buffer)) {
        return Ok(false);
    }
    let other = |b: &BufferRef| matches!(b, BufferRef::App(_) | BufferRef::Payload) && !is(b);
    if more || r.lists.iter().any(|l| other(&l.buffer)) {
        return conflict("a rule on frames cannot ask for buffers of transactions, or for payload, as well");
    }
    Ok(true)
}

/// The application protocols of a rule, as bits: of its keywords, else of its header.
fn apps_of(r: &ir::Rule) -> u64 {
    let bits = |list: &[AppProto]| list.iter().filter_map(|p| p.index()).fold(0u64, |a, i| a | 1 << i);
    match (bits(&r.protos), &r.header.proto) {
        (0, ProtoSpec::App(list)) => bits(list),
        (apps, _) => apps,
    }
}

/// Whether a rule with conditions on payload looks at packets or at streams. `placed`: a content has its place.
fn payload_of(r: &ir::Rule, placed: bool) -> Payload {
    let tcp = matches!(r.header.proto, ProtoSpec::Tcp | ProtoSpec::App(_) | ProtoSpec::Ip);
    let sized = r.packet.iter().any(|m| matches!(m, ir::PacketMatch::StreamSize { .. }));
    let bound = r.packet.iter().any(packet_bound)
        || r.lists.iter().any(|l| matches!(l.buffer, BufferRef::PacketHeader(_)))
        || !r.flow.counters.is_empty();
    let replaced = |m: &Match| matches!(m, Match::Content(c) if !c.replace.is_empty());
    match r.header.proto {
        // Only packets can be changed.
        _ if r.lists.iter().flat_map(|l| &l.matches).any(replaced) => Payload { packet: true, stream: false },
        ProtoSpec::TcpPkt => Payload { packet: true, stream: false },
        ProtoSpec::TcpStream => Payload { packet: false, stream: true },
        _ if r.flow.only_stream => Payload { packet: false, stream: true },
        _ if r.flow.no_stream => Payload { packet: true, stream: false },
        _ if !tcp || bound => Payload { packet: true, stream: false },
        _ => Payload { packet: placed || sized, stream: true },
    }
}

/// IP version (0: any) and protocol number of a header.
fn proto_of(proto: &ProtoSpec) -> (u8, ProtoTest) {
    match proto {
        ProtoSpec::Ip | ProtoSpec::App(_) | ProtoSpec::PktHdr | ProtoSpec::Arp => (0, ProtoTest::Any),
        ProtoSpec::Ipv4 => (4, ProtoTest::Any),
        ProtoSpec::Ipv6 => (6, ProtoTest::Any),
        ProtoSpec::Tcp | ProtoSpec::TcpPkt | ProtoSpec::TcpStream => (0, ProtoTest::Number(6)),
        ProtoSpec::Udp => (0, ProtoTest::Number(17)),
        ProtoSpec::Icmp => (0, ProtoTest::Icmp),
        ProtoSpec::Icmpv4 => (4, ProtoTest::Number(1)),
        ProtoSpec::Icmpv6 => (6, ProtoTest::Number(58)),
        ProtoSpec::Sctp => (0, ProtoTest::Number(132)),
        ProtoSpec::Number(n) => (0, ProtoTest::Number(*n)),
    }
}

fn is_relative(m: &Match) -> bool {
    match m {
        Match::Content(c) => c.is_relative(),
        Match::Pcre(p) => p.relative,
        Match::IsDataAt { relative, .. } | Match::Base64Decode { relative, .. } => *relative,
        Match::ByteTest(t) => t.relative,
        Match::ByteJump(t) => t.relative,
        Match::ByteExtract(t) => t.relative,
        Match::ByteMath(t) => t.relative,
        Match::Asn1(a) => a.relative_offset.is_some(),
        _ => false,
    }
}

/// Conditions that only a single packet has: a rule with one of them reads packets, not the stream.
fn packet_bound(m: &ir::PacketMatch) -> bool {
    use ir::PacketMatch::{AddrDataset, GeoIp, IpProto, IpReputation, L3, StreamSize};
    !matches!(
        m,
        IpProto(_) | L3 { .. } | IpReputation { .. } | GeoIp(_) | AddrDataset { .. } | StreamSize { .. }
    )
}

/// The hook after the protocol of a header.
fn hook(name: &str, proto: &ProtoSpec) -> Res<Hook> {
    match name {
        "flow_start" => return Ok(Hook::FlowStart),
        "all" | "pre_flow" | "pre_stream" => return Ok(Hook::All),
        _ => {}
    }
    let unknown = |what| Err(Fault::new(RefusalKind::Header, what));
    let ProtoSpec::App(protos) = proto else { return unknown(format!("unknown hook '{name}'")) };
    let Some((dir, at)) = protos.iter().find_map(|p| names::hook(*p, name)) else {
        let names: Vec<&str> = protos.iter().map(|p: &AppProto| p.name()).collect();
        return unknown(format!("hook '{name}' of {} is not supported", names.join(", ")));
    };
    // The last of a protocol's states, whatever it is called.
    let whole = matches!(name, "request_complete" | "response_complete")
        || protos
            .iter()
            .any(|p| p.def().states.iter().any(|(d, names)| *d == dir && names.last() == Some(&name)));
    let at = if whole { u8::MAX } else { at };
    Ok(Hook::Progress(dir, at))
}
