//! From parsed rules to the grouped form: the only place of detection that allocates.
//!
//! In: rules with their meaning. Out: a [`RuleSet`]. A rule that cannot be compiled is refused with its position;
//! the others are kept.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::inspect::needle::Needle;
use super::inspect::transform::XForm;
use super::inspect::{ContentStep, PcreStep, Step};
use super::mpm::{Mpm, MpmBuilder, Wanted};
use super::ruleset::*;
use crate::Dir;
use crate::app::registry::PROTOCOLS;
use crate::app::{AppProto, BufferDef, BufferKind, IntDef};
use crate::event::Action;
use crate::rules::ir::{self, BufferRef, Fast as FastWish, Match, ProtoSpec};
use crate::rules::{Categories, Reputation};
use crate::sig::regex::{Flags, Regex};

/// Position, file and reason come with each refusal.
type Refuse = String;

impl RuleSet {
    /// Compiles `rules`. Rules that cannot be compiled end up in [`RuleSet::refused`].
    pub fn compile(rules: Vec<ir::Rule>) -> RuleSet {
        RuleSet::compile_with(rules, &Categories::new(), Reputation::default(), ACTION_ORDER)
    }

    /// As [`RuleSet::compile`], with the address reputation that `iprep` asks and the order of actions: rejecting
    /// ones count as [`Action::Reject`].
    pub fn compile_with(
        mut rules: Vec<ir::Rule>,
        categories: &Categories,
        reputation: Reputation,
        actions: [Action; 4],
    ) -> RuleSet {
        rules.sort_by_key(|r| order(r, &actions));
        let mut c = Compiler { categories: categories.clone(), ..Compiler::default() };
        c.set.reputation = reputation;
        for r in rules {
            let at = (r.meta.file, r.meta.line, r.meta.sid);
            if let Err(reason) = c.add(r) {
                c.set.refused.push(CompileError { file: at.0, line: at.1, sid: at.2, reason });
            }
        }
        c.finish()
    }
}

/// The order of actions where nothing else is said.
pub const ACTION_ORDER: [Action; 4] = [Action::Pass, Action::Drop, Action::Reject, Action::Alert];

/// Evaluation order: by action; rules that set flow state before those that read it; priority.
fn order(r: &ir::Rule, actions: &[Action; 4]) -> (u8, u8, u8, u32) {
    let kind = match r.meta.action {
        Action::RejectSrc | Action::RejectDst | Action::RejectBoth => Action::Reject,
        a => a,
    };
    let action = actions.iter().position(|a| *a == kind).unwrap_or(actions.len()) as u8;
    let sets = r.post.iter().any(|p| {
        matches!(p, ir::Post::FlowbitsSet(_) | ir::Post::FlowbitsUnset(_) | ir::Post::FlowbitsToggle(_))
    });
    let reads = r
        .state
        .iter()
        .any(|s| matches!(s, ir::StateMatch::FlowbitsIsSet(_) | ir::StateMatch::FlowbitsIsNotSet(_)));
    let bits = match (sets, reads) {
        (true, false) => 0,
        (true, true) => 1,
        (false, true) => 2,
        (false, false) => 3,
    };
    let writes_var = r.post.iter().any(|p| {
        matches!(
            p,
            ir::Post::FlowintSet { .. }
                | ir::Post::FlowintAdd { .. }
                | ir::Post::FlowintSub { .. }
                | ir::Post::Xbits { .. }
        )
    });
    let reads_var =
        r.state.iter().any(|s| matches!(s, ir::StateMatch::Flowint { .. } | ir::StateMatch::Xbits { .. }));
    let vars = match (writes_var, reads_var) {
        (true, false) => 0,
        (true, true) => 1,
        (false, true) => 2,
        (false, false) => 3,
    };
    (action, bits, vars, r.meta.priority)
}

#[derive(Default)]
struct Compiler {
    set: RuleSet,
    keys: BTreeMap<String, u32>,
    names: [BTreeMap<String, u16>; 4],
    categories: Categories,
    /// Per rule: where its fast pattern goes.
    picks: Vec<Pick>,
}

const BITS: usize = 0;
const INTS: usize = 1;
const VARS: usize = 2;
const XBITS: usize = 3;

/// Longest part of a content that the prefilter looks for, bytes.
const LONGEST: usize = 24;

/// The fast pattern of a rule.
#[derive(Clone, Debug)]
enum Pick {
    None,
    Payload { bytes: Vec<u8>, nocase: bool, lo: u32, hi: u32 },
    App { key: u32, bytes: Vec<u8>, nocase: bool, lo: u32, hi: u32 },
}

fn buffer_def(proto: usize, name: &str) -> Option<(u8, &'static BufferDef)> {
    let i = PROTOCOLS.get(proto)?.buffers.iter().position(|b| b.name == name)?;
    Some((i as u8, &PROTOCOLS[proto].buffers[i]))
}

fn int_def(proto: usize, name: &str) -> Option<(u8, &'static IntDef)> {
    let i = PROTOCOLS.get(proto)?.ints.iter().position(|b| b.name == name)?;
    Some((i as u8, &PROTOCOLS[proto].ints[i]))
}

/// Directions in which any protocol of `apps` has the buffer or number.
fn dirs_of(apps: u64, f: impl Fn(usize) -> Option<u8>) -> u8 {
    (0..PROTOCOLS.len().min(64))
        .filter(|p| apps == 0 || apps >> p & 1 == 1)
        .filter_map(f)
        .fold(0, |a, d| a | d)
}

impl Compiler {
    fn name(&mut self, table: usize, name: &str) -> u16 {
        let n = self.names[table].len() as u16;
        *self.names[table].entry(name.into()).or_insert(n)
    }

    fn names(&mut self, table: usize, names: &[String]) -> Vec<u16> {
        names.iter().map(|n| self.name(table, n)).collect()
    }

    fn key(&mut self, buffer: &BufferRef, transforms: &[ir::Transform]) -> Result<u32, Refuse> {
        let id = format!("{buffer:?}{transforms:?}");
        if let Some(&k) = self.keys.get(&id) {
            return Ok(k);
        }
        let mut xforms = Vec::new();
        for t in transforms {
            xforms.push(match t {
                ir::Transform::PcreXform(p) => XForm::Regex(alloc::boxed::Box::new(
                    Regex::compile(p.as_bytes(), Flags::default()).map_err(|e| format!("pcrexform: {e}"))?,
                )),
                t => XForm::Plain(t.clone()),
            });
        }
        let local = match buffer {
            BufferRef::App(name) => {
                (0..PROTOCOLS.len()).map(|p| buffer_def(p, name).map_or(NONE, |d| d.0)).collect()
            }
            _ => vec![NONE; PROTOCOLS.len()],
        };
        let k = self.set.bufs.len() as u32;
        self.set.bufs.push(BufKey { buffer: buffer.clone(), transforms: transforms.to_vec(), xforms, local });
        self.keys.insert(id, k);
        Ok(k)
    }

    /// Takes the conditions that ask a table out of `packet`.
    fn tables(&mut self, packet: &mut Vec<ir::PacketMatch>) -> Result<Vec<CState>, Refuse> {
        let (mut out, mut rest) = (Vec::new(), Vec::new());
        for m in core::mem::take(packet) {
            match m {
                ir::PacketMatch::IpReputation { side, category, cmp, value } => {
                    let category = *self
                        .categories
                        .get(&category)
                        .ok_or_else(|| format!("\"{category}\" is not a category of the reputation"))?;
                    out.push(CState::Reputation { side, category, cmp, value });
                }
                ir::PacketMatch::AddrDataset { src, set } => {
                    let op = set.op;
                    out.push(CState::AddrSet { src, set: self.dataset(&set), op });
                }
                ir::PacketMatch::GeoIp(_) => return Err("geoip: no location database is supported".into()),
                m => rest.push(m),
            }
        }
        *packet = rest;
        Ok(out)
    }

    fn add(&mut self, mut r: ir::Rule) -> Result<(), Refuse> {
        // A rule that could never match is refused, not loaded.
        for s in &r.state {
            match s {
                ir::StateMatch::DceIface { .. } => {
                    return Err("dcerpc.iface: DCERPC is not parsed yet".into());
                }
                ir::StateMatch::FtpBounce => return Err("ftpbounce is not supported yet".into()),
                _ => {}
            }
        }
        let tables = self.tables(&mut r.packet)?;
        let mut apps = r.protos.iter().filter_map(|p| p.index()).fold(0u64, |a, i| a | 1 << (i & 63));
        if apps == 0
            && let ProtoSpec::App(list) = &r.header.proto
        {
            apps = list.iter().filter_map(|p| p.index()).fold(0u64, |a, i| a | 1 << (i & 63));
        }
        let mut lists = Vec::new();
        let mut payload_list: Option<List> = None;
        let (mut depth_or_offset, mut app_list) = (false, false);
        let mut dirs = match r.flow.dirs {
            0 => 3,
            d => d,
        };
        let transaction = r.header.direction == ir::Direction::Transaction;
        let pick = self.pick(&r)?;
        for l in &r.lists {
            // The prefilter has seen it already; Suricata does not look for it again either.
            let only = if matches!(pick, Pick::None) { None } else { l.matches.iter().position(is_only) };
            let steps = self.steps(&l.matches, only)?;
            let source = match &l.buffer {
                BufferRef::Payload if l.transforms.is_empty() => Source::Payload,
                BufferRef::Payload => return Err("transforms on the packet payload".into()),
                BufferRef::App(name) => {
                    app_list = true;
                    let d = dirs_of(apps, |p| buffer_def(p, name).map(|d| d.1.dirs));
                    if !transaction && d != 0 {
                        dirs &= d;
                    }
                    Source::App(self.key(&l.buffer, &l.transforms)?)
                }
                BufferRef::Base64 => Source::Base64(self.key(&l.buffer, &l.transforms)?),
                BufferRef::PacketHeader(h) => Source::Header(*h, self.key(&l.buffer, &l.transforms)?),
                BufferRef::Frame(f) => return Err(format!("frame '{f}' is not supported")),
            };
            if source == Source::Payload {
                depth_or_offset |= l.matches.iter().any(
                    |m| matches!(m, Match::Content(c) if c.depth.is_some() || c.offset.is_some() || c.startswith),
                );
                match &mut payload_list {
                    Some(p) => p.steps.extend(steps),
                    None => payload_list = Some(List { source, steps, absent: None, side: None }),
                }
            } else {
                lists.push(List { source, steps, absent: l.absent, side: l.side });
            }
        }
        for i in &r.ints {
            let d = dirs_of(apps, |p| int_def(p, i.name).map(|d| d.1.dirs));
            if !transaction && d != 0 {
                dirs &= d;
            }
        }
        if dirs == 0 {
            return Err("its buffers and flow direction exclude each other".into());
        }
        let tcp = matches!(r.header.proto, ProtoSpec::Tcp | ProtoSpec::App(_) | ProtoSpec::Ip);
        let payload = match r.header.proto {
            _ if payload_list.is_none() => Payload::default(),
            ProtoSpec::TcpPkt => Payload { packet: true, stream: false },
            ProtoSpec::TcpStream => Payload { packet: false, stream: true },
            _ if r.flow.only_stream => Payload { packet: false, stream: true },
            _ if r.flow.no_stream => Payload { packet: true, stream: false },
            _ if !tcp => Payload { packet: true, stream: false },
            _ if r.packet.iter().any(packet_bound) => Payload { packet: true, stream: false },
            ProtoSpec::Tcp | ProtoSpec::Ip => Payload { packet: depth_or_offset, stream: true },
            _ => Payload { packet: false, stream: true },
        };
        let is_tx = app_list
            || !r.ints.is_empty()
            || !r.files.is_empty()
            || r.state.iter().any(|s| {
                matches!(s, ir::StateMatch::AppEvent { .. } | ir::StateMatch::AppState { .. })
                    || matches!(s, ir::StateMatch::DceIface { .. } | ir::StateMatch::FtpBounce)
            });
        let (ip, proto) = match &r.header.proto {
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
        };
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
        let hook = r.header.hook.as_deref().map(|h| hook(h, &r.header.proto)).transpose()?;
        let dsize = r.packet.iter().find_map(|m| match m {
            ir::PacketMatch::Dsize(t) => Some(t.clone()),
            _ => None,
        });
        let some = |s: &alloc::sync::Arc<ir::AddrSet>| (!s.is_any()).then(|| s.clone());
        let ports = |s: &alloc::sync::Arc<ir::PortSet>| (!s.is_any()).then(|| s.clone());
        let fast = match &pick {
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
        };
        let asks_proto = state.iter().any(|s| matches!(s, CState::AppProtocol { .. }));
        let proto_only = asks_proto
            && !is_tx
            && payload_list.is_none()
            && lists.is_empty()
            && r.packet.is_empty()
            && hook.is_none()
            && state.iter().all(|s| matches!(s, CState::AppProtocol { .. }));
        self.set.sigs.push(Sig {
            proto_only,
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
            fast,
            dsize,
            hook,
        });
        self.set.metas.push(r.meta);
        self.picks.push(pick);
        Ok(())
    }

    /// Chooses the content that the prefilter looks for: the rule's own wish, else the longest one in a named
    /// buffer, else the longest in the payload. Negated contents and lists that may be absent cannot serve.
    fn pick(&mut self, r: &ir::Rule) -> Result<Pick, Refuse> {
        let mut best: Option<(u32, usize, &ir::Content)> = None;
        for (i, l) in r.lists.iter().enumerate() {
            let class = match l.buffer {
                BufferRef::App(_) => 1,
                BufferRef::Payload => 0,
                _ => continue,
            };
            if l.absent.is_some() || r.header.direction == ir::Direction::Transaction {
                continue;
            }
            for m in &l.matches {
                let Match::Content(c) = m else { continue };
                if c.negated || c.bytes.is_empty() {
                    continue;
                }
                let wish = if c.fast == FastWish::Auto { 0 } else { 1 << 20 };
                let strength = if COMMON.contains(&c.bytes.as_slice()) { 1 } else { strength(&c.bytes) };
                let score = wish + (class << 16) + strength.min(0xffff);
                if best.is_none_or(|b| score > b.0) {
                    best = Some((score, i, c));
                }
            }
        }
        let Some((_, i, c)) = best else { return Ok(Pick::None) };
        let l = &r.lists[i];
        let (from, len) = match c.fast {
            FastWish::Chop(o, n) => (o as usize, n as usize),
            _ => (0, c.bytes.len()),
        };
        let bytes = c
            .bytes
            .get(from..from.saturating_add(len))
            .filter(|b| !b.is_empty())
            .ok_or("fast_pattern offset and length lie outside the content")?
            .to_vec();
        // A part of a long pattern is as selective as the whole, and a scan of a growing value has to look back
        // by no more than the longest pattern.
        let cut = (0..=bytes.len().saturating_sub(LONGEST))
            .max_by_key(|&i| strength(&bytes[i..bytes.len().min(i + LONGEST)]));
        let cut = cut.unwrap_or(0);
        let bytes = bytes[cut..bytes.len().min(cut + LONGEST)].to_vec();
        let (lo, hi) = bounds(c, from + cut + bytes.len());
        Ok(match l.buffer {
            BufferRef::Payload => Pick::Payload { bytes, nocase: c.nocase, lo, hi },
            _ => Pick::App { key: self.key(&l.buffer, &l.transforms)?, bytes, nocase: c.nocase, lo, hi },
        })
    }

    fn steps(&mut self, matches: &[Match], skip: Option<usize>) -> Result<Vec<Step>, Refuse> {
        let mut out = Vec::new();
        for (i, m) in matches.iter().enumerate() {
            if skip == Some(i) {
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
                    .map_err(|e| format!("pcre: {e}"))?,
                    negated: p.negated,
                    relative: p.relative,
                    relative_next: relative_next(),
                    captures: p.captures.clone(),
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
                other => return Err(format!("condition not supported: {other:?}")),
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
                    CState::Xbit { bit: self.name(XBITS, name), track: *track, set: *set }
                }
                ir::StateMatch::Hostbits { name, track, set } => {
                    let name = format!("host:{name}");
                    CState::Xbit { bit: self.name(XBITS, &name), track: *track, set: *set }
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
                ir::StateMatch::DceIface { uuid, version, any_frag } => {
                    CState::DceIface { uuid: *uuid, version: version.clone(), any_frag: *any_frag }
                }
                ir::StateMatch::FtpBounce => CState::FtpBounce,
            });
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
                    CPost::Xbit { bit: self.name(XBITS, name), track: *track, op: *op, expire: *expire }
                }
                ir::Post::Hostbits { name, track, op, expire } => {
                    let name = format!("host:{name}");
                    CPost::Xbit { bit: self.name(XBITS, &name), track: *track, op: *op, expire: *expire }
                }
                ir::Post::Tag(t) => CPost::Tag(t.clone()),
                ir::Post::Bypass => CPost::Bypass,
                ir::Post::FileStore { .. } => CPost::FileStore,
                // Logging settings and replaced bytes do not change what is detected.
                ir::Post::Config(_) | ir::Post::Replace(_) => continue,
            });
        }
        out
    }

    fn finish(mut self) -> RuleSet {
        let n = PROTOCOLS.len();
        let mut tx: Vec<[TxBuild; 2]> = (0..n).map(|_| [TxBuild::default(), TxBuild::default()]).collect();
        let mut wanted = vec![crate::app::Wanted(0); n];
        let mut ports: [[Vec<u32>; 2]; 3] = Default::default();
        let (mut pkthdr, mut on_event, mut ip_only) = (Vec::new(), Vec::new(), Vec::new());
        for (ix, sig) in self.set.sigs.iter().enumerate() {
            let ix = ix as u32;
            for l in &sig.lists {
                if let Source::App(k) = l.source {
                    for (w, &local) in wanted.iter_mut().zip(&self.set.bufs[k as usize].local) {
                        if local != NONE {
                            w.0 |= 1u128 << (local & 127);
                        }
                    }
                }
            }
            if sig.is_tx {
                self.place_tx(ix, sig, &mut tx);
                continue;
            }
            let events = sig
                .packet
                .iter()
                .any(|m| matches!(m, ir::PacketMatch::DecodeEvent(_) | ir::PacketMatch::StreamEvent(_)));
            if events {
                on_event.push(ix);
            } else if sig.pkthdr {
                pkthdr.push(ix);
            } else if is_ip_only(sig) {
                ip_only.push(ix);
            } else {
                for d in Dir::BOTH.iter().filter(|d| sig.dirs & d.bit() != 0) {
                    match sig.proto {
                        ProtoTest::Number(6) => ports[0][d.ix()].push(ix),
                        ProtoTest::Number(17) => ports[1][d.ix()].push(ix),
                        ProtoTest::Any => {
                            let over = (0..n)
                                .filter(|p| sig.apps >> p & 1 == 1)
                                .fold(0, |a, p| a | PROTOCOLS[p].over);
                            if sig.apps == 0 || over & crate::app::OVER_TCP != 0 {
                                ports[0][d.ix()].push(ix);
                            }
                            if sig.apps == 0 || over & crate::app::OVER_UDP != 0 {
                                ports[1][d.ix()].push(ix);
                            }
                            if sig.apps == 0 {
                                ports[2][d.ix()].push(ix);
                            }
                        }
                        _ => ports[2][d.ix()].push(ix),
                    }
                }
            }
        }
        let [[tcp_s, tcp_c], [udp_s, udp_c], [oth_s, oth_c]] = ports;
        self.set.tcp =
            [self.port_groups(&tcp_s, Dir::ToServer, true), self.port_groups(&tcp_c, Dir::ToClient, true)];
        self.set.udp =
            [self.port_groups(&udp_s, Dir::ToServer, false), self.port_groups(&udp_c, Dir::ToClient, false)];
        self.set.other = [oth_s, oth_c].map(|rules| self.group(&rules, false, &mut BTreeMap::new()));
        self.set.tx = tx.into_iter().map(|pair| pair.map(|t| t.build(&self.set.bufs))).collect();
        self.set.pkthdr = pkthdr;
        self.set.on_event = on_event;
        self.set.ip_only = ip_only;
        self.set.wanted = wanted;
        for s in &self.set.sigs {
            if s.payload.stream {
                for d in Dir::BOTH {
                    self.set.raw_wanted[d.ix()] |= s.dirs & d.bit() != 0;
                }
            }
        }
        let [bits, ints, vars, xbits] = self.names.map(|t| {
            let mut v: Vec<(u16, String)> = t.into_iter().map(|(n, i)| (i, n)).collect();
            v.sort();
            v.into_iter().map(|(_, n)| n).collect::<Vec<_>>()
        });
        self.set.names = Names { flowbits: bits, flowints: ints, flowvars: vars, xbits };
        self.set
    }

    fn place_tx(&self, ix: u32, sig: &Sig, tx: &mut [[TxBuild; 2]]) {
        for (p, pair) in tx.iter_mut().enumerate() {
            if (sig.apps != 0 && sig.apps >> p & 1 == 0) || PROTOCOLS[p].parser.is_none() {
                continue;
            }
            for d in Dir::BOTH.iter().filter(|d| sig.dirs & d.bit() != 0) {
                // Both sides of the transaction are there once its answer is looked at.
                if sig.transaction && *d == Dir::ToServer {
                    continue;
                }
                let g = &mut pair[d.ix()];
                if let Pick::App { key, bytes, nocase, lo, hi } = &self.picks[ix as usize] {
                    let local = self.set.bufs[*key as usize].local[p];
                    if local == NONE || PROTOCOLS[p].buffers[local as usize].dirs & d.bit() == 0 {
                        continue;
                    }
                    let def = &PROTOCOLS[p].buffers[local as usize];
                    g.bufs
                        .entry(*key)
                        .or_insert_with(|| (local, def.progress, def.kind, MpmBuilder::default()))
                        .3
                        .add(bytes, *nocase, Wanted { sig: ix, lo: *lo, hi: *hi });
                } else if let Pick::Payload { bytes, nocase, lo, hi } = &self.picks[ix as usize] {
                    g.payload.add(bytes, *nocase, Wanted { sig: ix, lo: *lo, hi: *hi });
                } else if sig
                    .state
                    .iter()
                    .any(|s| matches!(s, CState::AppEvent { proto, .. } if proto.index() == Some(p)))
                {
                    g.on_event.push(ix);
                } else if !sig.state.iter().any(|s| matches!(s, CState::AppEvent { .. })) {
                    g.always.push(ix);
                }
            }
        }
    }

    /// Splits the ports into ranges that the same rules care about; ranges with the same rules share a group.
    fn port_groups(&self, rules: &[u32], dir: Dir, streams: bool) -> PortGroups {
        if rules.is_empty() {
            return PortGroups::default();
        }
        let ports = |ix: u32| -> Vec<(u16, u16)> {
            let s = &self.set.sigs[ix as usize];
            let (server, client) = match dir {
                Dir::ToServer => (&s.dp, &s.sp),
                Dir::ToClient => (&s.sp, &s.dp),
            };
            match (s.bidir, server, client) {
                (_, None, _) | (true, _, None) => vec![(0, u16::MAX)],
                (false, Some(a), _) => a.0.clone(),
                (true, Some(a), Some(b)) => a.0.iter().chain(&b.0).copied().collect(),
            }
        };
        let ranges = rules.iter().map(|&ix| (ix, ports(ix)));
        let (any, ranges): (Vec<_>, Vec<_>) = ranges.partition(|(_, r)| r.contains(&(0, u16::MAX)));
        let any = any.into_iter().map(|(ix, _)| ix);
        // One more search of every payload would cost more than tables of the same patterns for several ports do;
        // looking at a few places costs little, and those tables are the larger part.
        let (searched, asked): (Vec<u32>, Vec<u32>) =
            any.partition(|ix| matches!(&self.picks[*ix as usize], Pick::Payload { lo, hi, .. } if lo != hi));
        let mut made = BTreeMap::new();
        let common = self.group(&asked, streams, &mut made);
        let mut cuts: Vec<u32> = vec![0, 1 << 16];
        for (_, rs) in &ranges {
            for r in rs {
                cuts.push(u32::from(r.0));
                cuts.push(u32::from(r.1) + 1);
            }
        }
        cuts.sort_unstable();
        cuts.dedup();
        let mut members: Vec<Vec<u32>> = vec![searched; cuts.len() - 1];
        for (ix, rs) in &ranges {
            for r in rs {
                let a = cuts.partition_point(|c| *c < u32::from(r.0));
                let b = cuts.partition_point(|c| *c < u32::from(r.1) + 1);
                for m in &mut members[a..b] {
                    if m.last() != Some(ix) {
                        m.push(*ix);
                    }
                }
            }
        }
        let mut table = vec![0u16; 1 << 16];
        let mut out = PortGroups { common, ..PortGroups::default() };
        let mut known: BTreeMap<Vec<u32>, u16> = BTreeMap::new();
        for (w, mut m) in cuts.windows(2).zip(members) {
            m.sort_unstable();
            let id = *known.entry(m).or_insert_with_key(|m| {
                out.groups.push(self.group(m, streams, &mut made));
                (out.groups.len() - 1) as u16
            });
            table[w[0] as usize..w[1] as usize].fill(id);
        }
        out.ports = PortTable::new(&table);
        out
    }

    /// `streams`: of a transport that has streams; otherwise the payload of a packet is all there is.
    /// `made`: the databases so far; groups with the same patterns share one.
    fn group(&self, rules: &[u32], streams: bool, made: &mut BTreeMap<MpmBuilder, Arc<Mpm>>) -> PortGroup {
        let (mut pkt, mut stream) = (MpmBuilder::default(), MpmBuilder::default());
        let mut g = PortGroup::default();
        for &ix in rules {
            let sig = &self.set.sigs[ix as usize];
            match &self.picks[ix as usize] {
                Pick::Payload { bytes, nocase, lo, hi } => {
                    let w = Wanted { sig: ix, lo: *lo, hi: *hi };
                    if sig.payload.packet || !streams {
                        pkt.add(bytes, *nocase, w);
                    }
                    if sig.payload.stream && streams {
                        stream.add(bytes, *nocase, w);
                    }
                }
                _ => {
                    if sig.payload.stream && !sig.payload.packet {
                        g.always_stream.push(ix);
                    } else {
                        g.always.push(ix);
                    }
                }
            }
        }
        let mut shared = |b: MpmBuilder| {
            if b.is_empty() {
                return None;
            }
            Some(made.entry(b).or_insert_with_key(|b| Arc::new(b.clone().build())).clone())
        };
        g.packet = shared(pkt);
        g.stream = shared(stream);
        g
    }
}

#[derive(Default)]
struct TxBuild {
    bufs: BTreeMap<u32, (u8, u8, BufferKind, MpmBuilder)>,
    payload: MpmBuilder,
    always: Vec<u32>,
    on_event: Vec<u32>,
}

impl TxBuild {
    fn build(self, keys: &[BufKey]) -> TxGroup {
        let plain = |key: u32, kind: BufferKind| {
            kind == BufferKind::Streaming && keys.get(key as usize).is_some_and(|k| k.xforms.is_empty())
        };
        let growing: Vec<u32> =
            self.bufs.iter().filter(|(key, b)| plain(**key, b.2)).map(|(key, _)| *key).collect();
        let all =
            growing.iter().filter_map(|k| self.bufs.get(k)).fold(MpmBuilder::default(), |mut all, b| {
                all.merge(&b.3);
                all
            });
        let mut all = Some(all).filter(|_| growing.len() > 1);
        let bufs = self
            .bufs
            .into_iter()
            .map(|(key, (local, progress, kind, b))| {
                let leading = if growing.first() == Some(&key) { all.take() } else { None };
                let leads = leading.is_some();
                TxBuf { key, local, progress, kind, mpm: leading.unwrap_or(b).build(), leads }
            })
            .collect();
        let payload = (!self.payload.is_empty()).then(|| self.payload.build());
        TxGroup { bufs, payload, always: self.always, on_event: self.on_event }
    }
}

fn is_only(m: &Match) -> bool {
    matches!(m, Match::Content(c) if c.fast == FastWish::Only && !c.negated)
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

/// Values that most messages have: poor prefilters, however long they are.
const COMMON: &[&[u8]] = &[
    b"GET",
    b"POST",
    b"200",
    b"HTTP/1.",
    b"HTTP/1.0",
    b"HTTP/1.1",
    b"Mozilla",
    b"Mozilla/",
    b"Mozilla/4.0",
    b"Mozilla/5.0",
    b"gzip",
    b"gzip, deflate",
    b"text/html",
    b"close",
    b"Keep-Alive",
    b"*/*",
    b"User-Agent",
    b"Content-Type",
];

/// How selective a pattern is: its length, bytes that repeat counting less.
fn strength(b: &[u8]) -> u32 {
    let mut seen = [false; 256];
    let mut s = 0;
    for &c in b {
        let rare = if c.is_ascii_alphabetic() {
            3
        } else if c.is_ascii_graphic() {
            4
        } else if c == 0 || c == 0xff {
            2
        } else {
            5
        };
        s += if seen[c as usize] { 1 } else { rare };
        seen[c as usize] = true;
    }
    s
}

/// Where the byte behind the pattern (which ends `used` bytes into the content) may lie.
fn bounds(c: &ir::Content, used: usize) -> (u32, u32) {
    let any = (0, u32::MAX);
    if c.is_relative() {
        return any;
    }
    let used = used as i64;
    let offset = match c.offset {
        None => 0,
        Some(ir::Num::Const(o)) if !c.startswith => o,
        Some(ir::Num::Const(_)) => 0,
        Some(ir::Num::Var(_)) => return any,
    };
    let depth = if c.startswith { Some(ir::Num::Const(c.bytes.len() as i64)) } else { c.depth };
    let lo = u32::try_from(offset + used).unwrap_or(0);
    let hi = match depth {
        Some(ir::Num::Const(d)) => {
            u32::try_from(offset + d - c.bytes.len() as i64 + used).unwrap_or(u32::MAX)
        }
        Some(ir::Num::Var(_)) => return any,
        None => u32::MAX,
    };
    (lo, hi)
}

/// Conditions that only a single packet has: a rule with one of them reads packets, not the stream.
fn packet_bound(m: &ir::PacketMatch) -> bool {
    matches!(
        m,
        ir::PacketMatch::Dsize(_)
            | ir::PacketMatch::Flags { .. }
            | ir::PacketMatch::Seq(_)
            | ir::PacketMatch::Ack(_)
            | ir::PacketMatch::Window(_)
            | ir::PacketMatch::Ttl(_)
            | ir::PacketMatch::IpId(_)
            | ir::PacketMatch::FragBits { .. }
            | ir::PacketMatch::FragOffset(_)
            | ir::PacketMatch::Csum { .. }
    )
}

fn is_ip_only(s: &Sig) -> bool {
    s.lists.is_empty()
        && s.payload_list.is_none()
        && s.packet.is_empty()
        && s.state.is_empty()
        && s.apps == 0
        && s.sp.is_none()
        && s.dp.is_none()
        && s.dirs == 3
        && s.hook.is_none()
        && s.flow.counters.is_empty()
        && !(s.flow.established
            || s.flow.not_established
            || s.flow.stateless
            || s.flow.only_stream
            || s.flow.no_stream
            || s.flow.only_frag
            || s.flow.no_frag)
}

/// The hook after the protocol of a header.
fn hook(name: &str, proto: &ProtoSpec) -> Result<Hook, Refuse> {
    match name {
        "flow_start" => return Ok(Hook::FlowStart),
        "all" | "pre_flow" | "pre_stream" => return Ok(Hook::All),
        _ => {}
    }
    let ProtoSpec::App(protos) = proto else { return Err(format!("unknown hook '{name}'")) };
    let (dir, at) = match name {
        "request_started" => (Dir::ToServer, 0),
        "response_started" => (Dir::ToClient, 0),
        "request_complete" => (Dir::ToServer, u8::MAX),
        "response_complete" => (Dir::ToClient, u8::MAX),
        other => {
            let names: Vec<&str> = protos.iter().map(|p: &AppProto| p.name()).collect();
            return Err(format!("hook '{other}' of {} is not supported", names.join(", ")));
        }
    };
    Ok(Hook::Progress(dir, at))
}
