//! Rules by protocol, direction, ports and buffer: which ones a packet, a stream or a transaction has to ask, and the
//! databases of their fast patterns.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::Compiler;
use super::fast::Pick;
use crate::Dir;
use crate::app::BufferKind;
use crate::app::registry::PROTOCOLS;
use crate::detect::mpm::{Mpm, MpmBuilder, Wanted};
use crate::detect::once::Once;
use crate::detect::ruleset::*;
use crate::rules::ir;

impl Compiler {
    /// Puts every rule into the groups that are asked for it.
    pub(super) fn group_all(&mut self) {
        for sig in &mut self.set.sigs {
            sig.needs_sent = needs_sent(sig);
        }
        let mut lists = Lists::new();
        let mut once = Vec::new();
        for (ix, sig) in self.set.sigs.iter().enumerate() {
            let ix = ix as u32;
            if sig.frame {
                self.place_tx(ix, sig, &mut lists.frames);
            } else if sig.is_tx {
                self.place_tx(ix, sig, &mut lists.tx);
            } else if sig.packet.iter().any(is_event) {
                self.set.on_event.push(ix);
            } else if sig.pkthdr {
                self.set.pkthdr.push(ix);
            } else if is_ip_only(sig) {
                once.push(ix);
            } else {
                lists.place(ix, sig);
            }
        }
        self.set.wanted = self.wanted();
        self.set.ip_only = Once::new(&once, &self.set.sigs);
        self.build_groups(lists);
        const DIFFERENT: u8 = crate::stream::Ev::ReassemblyOverlapDifferentData as u8;
        let overlap = |m: &ir::PacketMatch| matches!(m, ir::PacketMatch::StreamEvent(e) if *e == DIFFERENT);
        self.set.overlaps_wanted = self.set.sigs.iter().any(|s| s.packet.iter().any(overlap));
        for s in self.set.sigs.iter().filter(|s| s.payload.stream) {
            for d in Dir::BOTH {
                self.set.raw_wanted[d.ix()] |= s.dirs & d.bit() != 0;
            }
        }
    }

    /// The buffers that rules read, by protocol.
    fn wanted(&self) -> Vec<crate::app::Wanted> {
        let mut wanted = vec![crate::app::Wanted(0); PROTOCOLS.len()];
        for l in self.set.sigs.iter().flat_map(|s| &s.lists) {
            let Source::App(k) = l.source else { continue };
            for (w, &local) in wanted.iter_mut().zip(&self.set.bufs[k as usize].local) {
                if local != NONE {
                    w.0 |= 1u128 << (local & 127);
                }
            }
        }
        for i in self.set.sigs.iter().flat_map(|s| &s.ints) {
            for (w, &local) in wanted.iter_mut().zip(&i.local) {
                if local != NONE {
                    w.0 |= 1u128 << (127 - (local & 127));
                }
            }
        }
        wanted
    }

    /// From lists of rules to groups with databases.
    fn build_groups(&mut self, lists: Lists) {
        let Lists { tx, frames, ports: [tcp, udp, other], apps } = lists;
        let of = |rules: [Vec<u32>; 2], streams| {
            let [s, c] = rules;
            [self.port_groups(&s, Dir::ToServer, streams), self.port_groups(&c, Dir::ToClient, streams)]
        };
        let (tcp, udp) = (of(tcp, true), of(udp, false));
        let other = other.map(|rules| self.group(&rules, false, &mut BTreeMap::new()));
        let apps = apps
            .iter()
            .map(|over| {
                let mut made = BTreeMap::new();
                let mut of = |rules: &[Vec<u32>; 2], streams| {
                    [0, 1].map(|d| self.group(&rules[d], streams, &mut made))
                };
                [of(&over[0], true), of(&over[1], false)]
            })
            .collect();
        let built = |groups: Vec<[TxBuild; 2]>| {
            groups.into_iter().map(|pair| pair.map(|t| t.build(&self.set.bufs))).collect()
        };
        let (tx, frames) = (built(tx), built(frames));
        (self.set.tcp, self.set.udp, self.set.other, self.set.apps, self.set.tx) =
            (tcp, udp, other, apps, tx);
        self.set.frames = frames;
    }

    fn place_tx(&self, ix: u32, sig: &Sig, tx: &mut [[TxBuild; 2]]) {
        for (p, pair) in tx.iter_mut().enumerate() {
            if (sig.apps != 0 && sig.apps >> p & 1 == 0) || !PROTOCOLS[p].is_parsed() {
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
                    g.restless |= sig.lingers() || !sig.ints.is_empty();
                }
            }
        }
    }

    /// The groups of one transport in one direction: rules that name ports of the server's side by these, rules that
    /// name ports of the client's side alone by those.
    fn port_groups(&self, rules: &[u32], dir: Dir, streams: bool) -> PortGroups {
        if rules.is_empty() {
            return PortGroups::default();
        }
        let sides = |ix: &u32| {
            let s = &self.set.sigs[*ix as usize];
            match dir {
                Dir::ToServer => (s.bidir, &s.dp, &s.sp),
                Dir::ToClient => (s.bidir, &s.sp, &s.dp),
            }
        };
        let (far, near): (Vec<u32>, Vec<u32>) =
            rules.iter().partition(|ix| matches!(sides(ix), (false, None, Some(_))));
        let far = far.iter().map(|ix| (*ix, sides(ix).2.as_ref().map_or_else(Vec::new, |p| p.0.clone())));
        let near = near.iter().map(|ix| {
            let ranges = match sides(ix) {
                (_, None, _) | (true, _, None) => vec![(0, u16::MAX)],
                (false, Some(a), _) => a.0.clone(),
                (true, Some(a), Some(b)) => a.0.iter().chain(&b.0).copied().collect(),
            };
            (*ix, ranges)
        });
        let (any, near): (Vec<_>, Vec<_>) = near.partition(|(_, r)| r.contains(&(0, u16::MAX)));
        let any = any.into_iter().map(|(ix, _)| ix);
        // One more search of every payload would cost more than tables of the same patterns for several ports do;
        // looking at a few places costs little, and those tables are the larger part.
        let (searched, asked): (Vec<u32>, Vec<u32>) =
            any.partition(|ix| matches!(&self.picks[*ix as usize], Pick::Payload { lo, hi, .. } if lo != hi));
        let mut made = BTreeMap::new();
        let common = self.group(&asked, streams, &mut made);
        let near = self.by_port(searched, &near, streams, &mut made);
        let far = self.by_port(Vec::new(), &far.collect::<Vec<_>>(), streams, &mut made);
        PortGroups { common, near, far }
    }

    /// Splits the ports into ranges that the same of `rules` care about; ranges with the same rules share a group.
    /// Those of `any` are in every group.
    fn by_port(
        &self,
        any: Vec<u32>,
        rules: &[(u32, Vec<(u16, u16)>)],
        streams: bool,
        made: &mut BTreeMap<MpmBuilder, Arc<Mpm>>,
    ) -> ByPort {
        let (ports, groups) = PortTable::split(&any, rules, |m| self.group(m, streams, made));
        ByPort { ports, groups }
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

/// Rules by what chooses their groups.
struct Lists {
    /// By protocol and direction.
    tx: Vec<[TxBuild; 2]>,
    frames: Vec<[TxBuild; 2]>,
    /// TCP, UDP, other; by direction.
    ports: [[Vec<u32>; 2]; 3],
    /// By protocol: over TCP, over UDP; by direction.
    apps: Vec<[[Vec<u32>; 2]; 2]>,
}

impl Lists {
    fn new() -> Lists {
        let n = PROTOCOLS.len();
        let none = || (0..n).map(|_| [TxBuild::default(), TxBuild::default()]).collect();
        Lists { tx: none(), frames: none(), ports: Default::default(), apps: vec![Default::default(); n] }
    }

    /// A rule on packets and raw streams, in each of its directions.
    fn place(&mut self, ix: u32, sig: &Sig) {
        for d in Dir::BOTH.iter().filter(|d| sig.dirs & d.bit() != 0) {
            if sig.apps != 0 {
                self.place_app(ix, sig, *d);
                continue;
            }
            let ports = &mut self.ports;
            // Fragments, and packets whose transport header is broken, are of their protocol all the same.
            let unported = sig.sp.is_none() && sig.dp.is_none() && sig.payload_list.is_none();
            match sig.proto {
                ProtoTest::Number(n @ (6 | 17)) => {
                    ports[usize::from(n != 6)][d.ix()].push(ix);
                    if unported {
                        ports[2][d.ix()].push(ix);
                    }
                }
                ProtoTest::Any => {
                    // A rule that asks for another protocol number is not asked at all.
                    let other = |n| {
                        let excludes =
                            |m: &ir::PacketMatch| matches!(m, ir::PacketMatch::IpProto(t) if !t.test(n));
                        sig.packet.iter().any(excludes)
                    };
                    for (to, n) in [(0, 6), (1, 17)] {
                        if !other(n) {
                            ports[to][d.ix()].push(ix);
                        }
                    }
                    ports[2][d.ix()].push(ix);
                }
                _ => ports[2][d.ix()].push(ix),
            }
        }
    }

    /// A rule of application protocols, for their flows.
    fn place_app(&mut self, ix: u32, sig: &Sig, d: Dir) {
        for (p, lists) in self.apps.iter_mut().enumerate().filter(|(p, _)| sig.apps >> p & 1 == 1) {
            let over = [crate::app::OVER_TCP, crate::app::OVER_UDP];
            for ((list, over), n) in lists.iter_mut().zip(over).zip([6, 17]) {
                let may = matches!(sig.proto, ProtoTest::Any) || sig.proto == ProtoTest::Number(n);
                if may && PROTOCOLS[p].over & over != 0 {
                    list[d.ix()].push(ix);
                }
            }
        }
    }
}

fn is_event(m: &ir::PacketMatch) -> bool {
    matches!(m, ir::PacketMatch::DecodeEvent(_) | ir::PacketMatch::StreamEvent(_))
}

#[derive(Default)]
struct TxBuild {
    bufs: BTreeMap<u32, (u8, u8, BufferKind, MpmBuilder)>,
    payload: MpmBuilder,
    always: Vec<u32>,
    on_event: Vec<u32>,
    restless: bool,
}

/// Whether its place is among those of the growing buffers.
fn is_growing(kind: BufferKind) -> bool {
    matches!(kind, BufferKind::Streaming | BufferKind::Chain)
}

impl TxBuild {
    fn build(self, keys: &[BufKey]) -> TxGroup {
        let plain = |key: u32, kind: BufferKind| {
            is_growing(kind) && keys.get(key as usize).is_some_and(|k| k.xforms.is_empty())
        };
        let growing: Vec<u32> =
            self.bufs.iter().filter(|(key, b)| plain(**key, b.2)).map(|(key, _)| *key).collect();
        let all =
            growing.iter().filter_map(|k| self.bufs.get(k)).fold(MpmBuilder::default(), |mut all, b| {
                all.merge(&b.3);
                all
            });
        let mut all = Some(all).filter(|_| growing.len() > 1);
        // Keys of the same growing buffer (with other transforms) share the place of what was searched of it.
        // So do those of a buffer with several values.
        let places = |is: fn(BufferKind) -> bool| {
            let mut locals: Vec<u8> = self.bufs.values().filter(|b| is(b.2)).map(|b| b.0).collect();
            locals.sort_unstable();
            locals.dedup();
            locals
        };
        let (growing_locals, several) = (places(is_growing), places(|k| k == BufferKind::Multi));
        let payload = (!self.payload.is_empty()).then(|| self.payload.build());
        let bufs = self
            .bufs
            .into_iter()
            .map(|(key, (local, progress, kind, b))| {
                let leading = if growing.first() == Some(&key) { all.take() } else { None };
                let leads = leading.is_some();
                let mpm = Box::new(leading.unwrap_or(b).build());
                let among = if kind == BufferKind::Multi { &several } else { &growing_locals };
                let nth = among.iter().position(|l| *l == local).unwrap_or(0) as u8;
                TxBuf { key, local, progress, kind, nth, mpm, leads }
            })
            .collect();
        let TxBuild { always, on_event, restless, .. } = self;
        TxGroup { bufs, payload, always, on_event, restless }
    }
}

/// A rule of addresses, ports and a protocol is asked once for each direction of a flow. Beside them it may ask for what
/// does not change from packet to packet (`ip_proto`, `iprep`), for host bits (`xbits`), and set flow bits.
fn is_ip_only(s: &Sig) -> bool {
    is_header(s) && !is_negated(s)
}

/// It was written with an address that is not meant: such a rule is asked of every packet.
fn is_negated(s: &Sig) -> bool {
    [&s.src, &s.dst].into_iter().flatten().any(|a| a.negated)
}

fn is_header(s: &Sig) -> bool {
    s.lists.is_empty()
        && s.payload_list.is_none()
        && s.packet.iter().all(|m| matches!(m, ir::PacketMatch::IpProto(_) | ir::PacketMatch::L3 { .. }))
        && s.state.iter().all(|m| matches!(m, CState::Xbit { .. } | CState::Reputation { .. }))
        && s.post.iter().all(|m| matches!(m, CPost::Xbit { .. } | CPost::BitsSet(_) | CPost::Tag(_)))
        && s.apps == 0
        && s.dirs == 3
        && s.hook.is_none()
        && s.flow.is_bare()
}

/// Conditions on a packet or its flow hold on packets that somebody sent. The packet that stands for the end of a flow
/// answers rules on content, those of a protocol alone, and those that only exclude an address.
fn needs_sent(s: &Sig) -> bool {
    let protocol_alone = s.apps != 0 && s.packet.is_empty() && s.state.is_empty() && s.flow.is_bare();
    let excludes = is_negated(s) && is_header(s);
    s.payload_list.is_none() && !(s.proto_only || protocol_alone || excludes)
}
