//! The immutable form of a rule set: rules in evaluation order, grouped by what selects them.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::inspect::transform::XForm;
use super::inspect::{NoSets, Sets, Step};
use super::mpm::Mpm;
use super::once::Once;
use crate::app::{AppProto, BufferKind, Wanted};
use crate::event::Action;
use crate::flow::prefetch;
use crate::intel::Intel;
use crate::policy::Policy;
use crate::rules::{Refusal, Reputation, ir};

/// Number of a rule in [`RuleSet::sigs`]: also its place in the evaluation order.
pub type SigIx = u32;

/// A compiled rule set. Build with [`RuleSet::compile`](super::compile); share behind an `Arc`.
#[derive(Debug, Default)]
pub struct RuleSet {
    pub(crate) sigs: Vec<Sig>,
    pub(crate) metas: Vec<ir::RuleMeta>,
    /// Rules by number, sorted.
    pub(crate) by_id: Vec<(ir::RuleId, SigIx)>,
    /// Distinct (buffer, transforms) pairs that are not payload.
    pub(crate) bufs: Vec<BufKey>,
    pub(crate) tcp: [PortGroups; 2],
    pub(crate) udp: [PortGroups; 2],
    /// Rules of application protocols on payload and raw stream, by protocol: over TCP, over UDP; per direction. Only
    /// flows of that protocol ask them.
    pub(crate) apps: Vec<[[PortGroup; 2]; 2]>,
    /// Everything else that has an IP header: ICMP, SCTP, GRE, …
    pub(crate) other: [PortGroup; 2],
    /// Asked for every packet, also damaged ones (`pkthdr`, decode events).
    pub(crate) pkthdr: Vec<SigIx>,
    /// Asked for packets with decode or stream events only.
    pub(crate) on_event: Vec<SigIx>,
    /// Asked once a flow and direction: addresses and ports only.
    pub(crate) ip_only: Once,
    /// Per protocol (index of the registry) and direction.
    pub(crate) tx: Vec<[TxGroup; 2]>,
    /// The same for rules on frames.
    pub(crate) frames: Vec<[TxGroup; 2]>,
    pub(crate) wanted: Vec<Wanted>,
    pub(crate) names: Names,
    pub(crate) datasets: Vec<ir::Dataset>,
    pub(crate) datareps: Vec<ir::Datarep>,
    /// What `replace` puts in the place of contents, by number.
    pub(crate) replacements: Vec<Vec<u8>>,
    pub(crate) refused: Vec<Refusal>,
    /// Scores of addresses, for `iprep`.
    pub(crate) reputation: Reputation,
    /// Any rule looks at raw bytes of TCP streams, per direction.
    pub(crate) raw_wanted: [bool; 2],
    /// A rule asks whether bytes of a stream came again with other content.
    pub(crate) overlaps_wanted: bool,
}

/// Names of variables, by number.
#[derive(Debug, Default)]
pub struct Names {
    pub flowbits: Vec<String>,
    pub flowints: Vec<String>,
    pub flowvars: Vec<String>,
}

/// A named buffer with the transforms a list puts on it.
#[derive(Debug)]
pub struct BufKey {
    pub buffer: ir::BufferRef,
    pub transforms: Vec<ir::Transform>,
    pub xforms: Vec<XForm>,
    /// Per protocol of the registry: local number in the protocol, or `NONE`.
    pub local: Vec<u8>,
}

/// "This protocol has no such buffer."
pub const NONE: u8 = u8::MAX;

/// What the header's protocol word asks of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtoTest {
    Any,
    Number(u8),
    /// ICMPv4 or ICMPv6.
    Icmp,
}

/// Where payload conditions look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Payload {
    /// Single packets.
    pub packet: bool,
    /// Reassembled stream.
    pub stream: bool,
}

/// A compiled rule.
#[derive(Debug)]
pub struct Sig {
    pub action: Action,
    pub noalert: bool,
    /// 4, 6 or 0 for both.
    pub ip: u8,
    pub proto: ProtoTest,
    pub pkthdr: bool,
    /// `None`: any.
    pub src: Option<Arc<ir::AddrSet>>,
    pub dst: Option<Arc<ir::AddrSet>>,
    pub sp: Option<Arc<ir::PortSet>>,
    pub dp: Option<Arc<ir::PortSet>>,
    pub bidir: bool,
    /// A `=>` rule: one match over both directions of a transaction.
    pub transaction: bool,
    /// Directions it may match in, as bits.
    pub dirs: u8,
    pub flow: ir::FlowMatch,
    /// Bit per application protocol of the registry; 0: not asked.
    pub apps: u64,
    pub packet: Vec<ir::PacketMatch>,
    pub state: Vec<CState>,
    pub post: Vec<CPost>,
    pub payload: Payload,
    /// Conditions on payload.
    pub payload_list: Option<List>,
    /// Conditions on headers and named buffers (`base64_data` lists follow the list that decodes).
    pub lists: Vec<List>,
    pub ints: Vec<CInt>,
    pub files: Vec<ir::FileMatch>,
    pub threshold: Option<ir::Threshold>,
    pub rate_filter: Option<ir::Threshold>,
    pub suppress: Vec<ir::Threshold>,
    /// Evaluated on transactions.
    pub is_tx: bool,
    /// Its buffers are frames.
    pub frame: bool,
    /// What the prefilter looks for, for people.
    pub fast: Option<Fast>,
    pub hook: Option<Hook>,
    /// Asks for the application protocol alone: asked once a direction, when it is known.
    pub proto_only: bool,
    /// Not asked of the packet that the engine makes for the end of a flow.
    pub needs_sent: bool,
}

impl Sig {
    /// All it says of state is how far transactions are (`app-layer-state`).
    pub(crate) fn states_only(&self) -> bool {
        !self.state.is_empty() && self.state.iter().all(|s| matches!(s, CState::AppState { .. }))
    }

    /// Whether all it asks of a transaction is the state that its header or `app-layer-state` names.
    pub(crate) fn lingers(&self) -> bool {
        let named = matches!(self.hook, Some(Hook::Progress(_, at)) if at != u8::MAX) || self.states_only();
        named && self.lists.is_empty() && self.ints.is_empty() && self.files.is_empty()
    }

    /// Whether its action covers the whole flow although it matched on one packet: rules without conditions on
    /// bytes or on the flow's state.
    pub(crate) fn flow_scope(&self) -> bool {
        let f = &self.flow;
        self.payload_list.is_none()
            && self.lists.is_empty()
            && self.packet.is_empty()
            && self.state.is_empty()
            && !(f.established || f.not_established || f.stateless)
            // A direction makes it a rule on packets, unless it is about a protocol.
            && (f.dirs == 0 || self.apps != 0)
    }
}

/// Rule hooks that change when a rule is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// `tcp:flow_start` and the like: the first packet of a flow.
    FlowStart,
    /// `proto:state`: at that progress of the transaction, in that direction.
    Progress(crate::Dir, u8),
    /// Hooks that mean the ordinary evaluation.
    All,
}

/// The fast pattern chosen for a rule.
#[derive(Debug, Clone)]
pub struct Fast {
    pub buffer: String,
    pub bytes: Vec<u8>,
    pub nocase: bool,
}

impl Fast {
    /// The first place in `text`.
    pub fn find(&self, text: &[u8]) -> Option<usize> {
        if self.bytes.is_empty() {
            return None;
        }
        if !self.nocase {
            return memchr::memmem::find(text, &self.bytes);
        }
        text.windows(self.bytes.len()).position(|w| w.eq_ignore_ascii_case(&self.bytes))
    }
}

/// Conditions on one buffer.
#[derive(Debug)]
pub struct List {
    pub source: Source,
    pub steps: Vec<Step>,
    pub absent: Option<ir::Absent>,
    /// The side to read where the buffer exists on both.
    pub side: Option<crate::Dir>,
}

impl List {
    /// The side of which it reads the buffer `def`, on a transaction inspected in direction `dir`.
    pub(super) fn dir(&self, def: &crate::app::BufferDef, dir: crate::Dir) -> crate::Dir {
        let here = if def.dirs & dir.bit() != 0 { dir } else { dir.flip() };
        self.side.unwrap_or(here)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Payload,
    /// Index of [`RuleSet::bufs`].
    App(u32),
    Header(ir::PacketHeader, u32),
    Base64(u32),
    /// What a file of the transaction is.
    Magic(u32),
}

/// A protocol number to test, with its local number per protocol (or [`NONE`]).
#[derive(Debug)]
pub struct CInt {
    pub local: Vec<u8>,
    pub test: ir::IntTest,
    pub index: ir::IntIndex,
}

/// [`ir::StateMatch`] with names resolved.
#[derive(Debug)]
pub enum CState {
    BitsAnySet(Vec<u16>),
    BitsNoneSet(Vec<u16>),
    Int {
        var: u16,
        cmp: ir::Cmp,
        value: CValue,
    },
    IntIsSet {
        var: u16,
        set: bool,
    },
    Xbit {
        bit: u64,
        track: ir::Track,
        set: bool,
    },
    AppProtocol {
        protos: Vec<AppProto>,
        negated: bool,
        mode: ir::AppProtoMode,
    },
    AppEvent {
        proto: AppProto,
        event: u8,
    },
    AppLayerEvent(u8),
    AppState {
        test: ir::IntTest,
        dir: crate::Dir,
    },
    FlowVar {
        var: u16,
        value: Vec<u8>,
        negated: bool,
    },
    PktVar {
        var: u16,
        value: Vec<u8>,
        negated: bool,
    },
    DceIface {
        uuid: [u8; 16],
        version: Option<ir::IntTest>,
        any_frag: bool,
    },
    Reputation {
        side: ir::RepSide,
        category: u8,
        cmp: ir::Cmp,
        value: u8,
    },
    /// `ip.src` / `ip.dst` in a dataset.
    AddrSet {
        src: bool,
        set: u16,
        op: ir::DatasetOp,
    },
}

#[derive(Debug, Clone, Copy)]
pub enum CValue {
    Const(u32),
    Var(u16),
}

/// [`ir::Post`] with names resolved.
#[derive(Debug)]
pub enum CPost {
    BitsSet(Vec<u16>),
    BitsUnset(Vec<u16>),
    BitsToggle(Vec<u16>),
    IntSet(u16, CValue),
    IntAdd(u16, CValue),
    IntSub(u16, CValue),
    Xbit {
        bit: u64,
        track: ir::Track,
        op: ir::BitOp,
        expire: u32,
    },
    Tag(ir::Tag),
    Bypass,
    /// `config:logging disable`: the transaction has no record.
    Unlogged,
    /// `filestore`: directions (0: that of the match), and whether all files of the flow from now on. Otherwise those of
    /// the transaction: where it has several in one direction (attachments of a mail), "file" stores them all.
    FileStore {
        dirs: u8,
        flow: bool,
    },
}

/// All groups of one transport in one direction.
#[derive(Debug, Default)]
pub struct PortGroups {
    /// Rules of any port that need no search: no pattern, or one with a place of its own. One copy of their tables
    /// stays in the caches whatever the ports of the packets are.
    pub common: PortGroup,
    /// The other rules, by the server's port.
    pub near: ByPort,
    /// Rules that name the client's port only, by that.
    pub far: ByPort,
}

/// A group for each port.
#[derive(Debug, Default)]
pub struct ByPort {
    pub ports: PortTable,
    pub groups: Vec<PortGroup>,
}

impl ByPort {
    #[inline]
    fn get(&self, port: u16) -> Option<&PortGroup> {
        self.ports.get(port).and_then(|g| self.groups.get(usize::from(g)))
    }
}

/// The groups that a packet asks, in any order.
pub type Groups<'a> = [Option<&'a PortGroup>; 4];

/// A number for each port, in pages of 256 ports of which equal ones are kept once: nearly all are, and what packets
/// ask for stays in a few cache lines.
#[derive(Debug, Default)]
pub struct PortTable {
    page: Vec<u16>,
    cells: Vec<u16>,
}

impl PortTable {
    /// `table`: one number for each port, or none at all.
    pub fn new(table: &[u16]) -> PortTable {
        let mut known = BTreeMap::new();
        let mut out = PortTable::default();
        for cells in table.chunks(256) {
            let page = *known.entry(cells).or_insert_with(|| {
                out.cells.extend(cells);
                out.cells.len() / 256 - 1
            });
            out.page.push(page as u16);
        }
        out
    }

    /// Splits the ports into ranges that the same of `rules` care about. Ranges with the same rules share what `make` makes
    /// of their sorted numbers; the table says which each port has. The rules of `any` care about all ports.
    pub fn split<T>(
        any: &[SigIx],
        rules: &[(SigIx, Vec<(u16, u16)>)],
        mut make: impl FnMut(&[SigIx]) -> T,
    ) -> (PortTable, Vec<T>) {
        let mut cuts: Vec<u32> = vec![0, 1 << 16];
        for (_, rs) in rules {
            for r in rs {
                cuts.push(u32::from(r.0));
                cuts.push(u32::from(r.1) + 1);
            }
        }
        cuts.sort_unstable();
        cuts.dedup();
        let mut members: Vec<Vec<SigIx>> = vec![any.to_vec(); cuts.len() - 1];
        for (ix, rs) in rules {
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
        let mut made = Vec::new();
        let mut known: BTreeMap<Vec<SigIx>, u16> = BTreeMap::new();
        for (w, mut m) in cuts.windows(2).zip(members) {
            m.sort_unstable();
            let id = *known.entry(m).or_insert_with_key(|m| {
                made.push(make(m));
                (made.len() - 1) as u16
            });
            table[w[0] as usize..w[1] as usize].fill(id);
        }
        (PortTable::new(&table), made)
    }

    #[inline]
    pub fn get(&self, port: u16) -> Option<u16> {
        self.cell(port).copied()
    }

    #[inline]
    fn cell(&self, port: u16) -> Option<&u16> {
        let page = usize::from(*self.page.get(usize::from(port >> 8))?);
        self.cells.get(page * 256 + usize::from(port & 255))
    }
}

impl PortGroups {
    /// Asks for the line with the number of the group of the server's port.
    #[inline]
    pub(crate) fn prefetch_number(&self, server: u16) {
        if let Some(cell) = self.near.ports.cell(server) {
            prefetch(cell);
        }
    }

    /// Asks for the group of the server's port.
    #[inline]
    pub(crate) fn prefetch_group(&self, server: u16) {
        if let Some(g) = self.near.get(server) {
            prefetch(g);
        }
    }

    /// The rules of any port, and those of these.
    #[inline]
    pub fn get(&self, server: u16, client: u16) -> [Option<&PortGroup>; 3] {
        [Some(&self.common), self.near.get(server), self.far.get(client)]
    }

    fn groups(&self) -> impl Iterator<Item = &PortGroup> {
        self.near.groups.iter().chain(&self.far.groups).chain([&self.common])
    }
}

/// Rules that a packet of that transport, direction and port may meet.
#[derive(Debug, Default)]
pub struct PortGroup {
    pub packet: Option<Arc<Mpm>>,
    pub stream: Option<Arc<Mpm>>,
    /// Rules without a fast pattern.
    pub always: Vec<SigIx>,
    /// Rules without a fast pattern that read the stream.
    pub always_stream: Vec<SigIx>,
}

/// Rules on the transactions of one protocol in one direction.
#[derive(Debug, Default)]
pub struct TxGroup {
    pub bufs: Vec<TxBuf>,
    /// Rules whose fast pattern is in the payload of the packet or the raw stream.
    pub payload: Option<Mpm>,
    /// Rules without a fast pattern.
    pub always: Vec<SigIx>,
    /// Rules that need an event of the transaction.
    pub on_event: Vec<SigIx>,
    /// A rule's answer may be another one though the transaction went no further: it is asked whenever something came.
    pub restless: bool,
}

impl TxGroup {
    pub fn is_empty(&self) -> bool {
        self.bufs.is_empty() && self.payload.is_none() && self.always.is_empty() && self.on_event.is_empty()
    }
}

/// A buffer with a prefilter.
#[derive(Debug)]
pub struct TxBuf {
    pub key: u32,
    pub local: u8,
    pub progress: u8,
    pub kind: BufferKind,
    /// A growing buffer: its place in [`TxDetect::scanned`](crate::app::TxDetect::scanned). One with several values: its
    /// place in [`TxDetect::values`](crate::app::TxDetect::values).
    pub nth: u8,
    /// Apart, so that a look over the buffers of a group touches few lines.
    pub mpm: Box<Mpm>,
    /// The first growing buffer of its group: its patterns are those of all growing ones, so that the others need
    /// no scan of their own when they hold the same bytes, as a body and the file in it do.
    pub leads: bool,
}

impl RuleSet {
    /// Whether rules ask what files are.
    pub fn wants_magic(&self) -> bool {
        let asks = |l: &List| matches!(l.source, Source::Magic(_));
        self.sigs.iter().any(|s| s.lists.iter().any(asks))
    }

    /// Number of rules.
    pub fn len(&self) -> usize {
        self.sigs.len()
    }

    /// Which digests of files rules compare: MD5, SHA-1, SHA-256.
    pub fn wants_digests(&self) -> [bool; 3] {
        [16, 20, 32].map(|n| {
            let asks = |f: &ir::FileMatch| matches!(f, ir::FileMatch::Hash { len, .. } if *len == n);
            self.sigs.iter().any(|s| s.files.iter().any(asks))
        })
    }

    /// Whether rules ask for verdicts on model files.
    pub fn judges_files(&self) -> bool {
        let asks = |f: &ir::FileMatch| matches!(f, ir::FileMatch::Artifact(_));
        self.sigs.iter().any(|s| s.files.iter().any(asks))
    }

    pub fn is_empty(&self) -> bool {
        self.sigs.is_empty()
    }

    pub fn meta(&self, sig: SigIx) -> Option<&ir::RuleMeta> {
        self.metas.get(sig as usize)
    }

    /// The rule of that number.
    pub fn find(&self, id: ir::RuleId) -> Option<SigIx> {
        let at = self.by_id.binary_search_by_key(&id, |e| e.0).ok()?;
        self.by_id.get(at).map(|e| e.1)
    }

    /// The sets that rules look into, in the order of the numbers that [`super::inspect::Sets`] is asked with.
    pub fn datasets(&self) -> &[ir::Dataset] {
        &self.datasets
    }

    /// The same for `datarep`.
    pub fn datareps(&self) -> &[ir::Datarep] {
        &self.datareps
    }

    /// Rules that parsed but were refused here.
    pub fn refused(&self) -> &[Refusal] {
        &self.refused
    }

    /// Buffers that rules read, per protocol.
    pub fn wanted(&self) -> &[Wanted] {
        &self.wanted
    }

    /// The literal by which a rule is chosen.
    pub(crate) fn fast(&self, sig: SigIx) -> Option<&Fast> {
        self.sigs.get(sig as usize)?.fast.as_ref()
    }

    /// Every rule with the fast pattern chosen for it.
    pub fn fast_patterns(&self) -> impl Iterator<Item = (&ir::RuleMeta, Option<&Fast>)> {
        self.metas.iter().zip(self.sigs.iter().map(|s| s.fast.as_ref()))
    }

    pub(crate) fn mpms(&self) -> impl Iterator<Item = &Mpm> {
        let ports = self.tcp.iter().chain(self.udp.iter()).flat_map(PortGroups::groups);
        ports
            .chain(self.other.iter())
            .chain(self.apps.iter().flatten().flatten())
            .flat_map(|g| g.packet.iter().chain(g.stream.iter()).map(|m| &**m))
            .chain(
                self.tx
                    .iter()
                    .chain(&self.frames)
                    .flatten()
                    .flat_map(|g| g.bufs.iter().map(|b| &*b.mpm).chain(g.payload.iter())),
            )
    }

    /// Whether some rule changes payloads (`replace`).
    pub fn replaces(&self) -> bool {
        !self.replacements.is_empty()
    }

    /// Figures for people: groups, patterns, bytes.
    pub fn stats(&self) -> Stats {
        let mut s = Stats { rules: self.sigs.len(), ..Stats::default() };
        // Groups share databases.
        let different: BTreeMap<usize, &Mpm> =
            self.mpms().map(|m| (core::ptr::from_ref(m) as usize, m)).collect();
        for m in different.values() {
            s.databases += 1;
            s.patterns += m.patterns();
            s.bytes += m.memory_bytes();
        }
        s.port_groups = self.tcp.iter().chain(self.udp.iter()).map(|g| g.groups().count()).sum();
        s.tx_groups = self.tx.iter().chain(&self.frames).flatten().filter(|g| !g.is_empty()).count();
        s.ip_only = self.ip_only.len();
        s.without_pattern = self.sigs.iter().filter(|s| s.fast.is_none()).count();
        s
    }
}

/// Rules with the sets of values that they look into: one value, because rules without their sets never match. Beside them
/// what is swapped with them.
#[derive(Clone)]
pub struct Rules {
    pub set: Arc<RuleSet>,
    pub sets: Arc<dyn Sets>,
    /// Who may speak to whom; `None`: anybody to anybody.
    pub policy: Option<Arc<Policy>>,
    /// What is known to be bad.
    pub intel: Option<Arc<Intel>>,
}

impl core::fmt::Debug for Rules {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Rules").field("rules", &self.set.len()).finish_non_exhaustive()
    }
}

impl Default for Rules {
    /// No rules.
    fn default() -> Self {
        Rules::new(Arc::default(), Arc::new(NoSets))
    }
}

impl Rules {
    /// `sets` answers for the numbers of [`RuleSet::datasets`] and [`RuleSet::datareps`].
    pub fn new(set: Arc<RuleSet>, sets: Arc<dyn Sets>) -> Rules {
        Rules { set, sets, policy: None, intel: None }
    }

    /// With a policy, or without one.
    #[must_use]
    pub fn with_policy(self, policy: Option<Arc<Policy>>) -> Rules {
        Rules { policy, ..self }
    }

    /// With intelligence, or without.
    #[must_use]
    pub fn with_intel(self, intel: Option<Arc<Intel>>) -> Rules {
        Rules { intel, ..self }
    }

    /// Buffers that anybody reads, by protocol.
    pub(crate) fn wanted(&self) -> Vec<Wanted> {
        let more = self.intel.iter().flat_map(|i| i.wanted()).map(|w| w.0).chain(core::iter::repeat(0));
        self.set.wanted().iter().zip(more).map(|(w, m)| Wanted(w.0 | m)).collect()
    }

    /// Somebody sees more of transactions than their number.
    pub(crate) fn look(&self) -> bool {
        !self.set.is_empty() || self.policy.is_some() || self.intel.is_some()
    }

    /// Rules that look into no sets; `None` if any does.
    pub fn without_sets(set: Arc<RuleSet>) -> Option<Rules> {
        let none = set.datasets.is_empty() && set.datareps.is_empty();
        none.then(|| Rules::new(set, Arc::new(NoSets)))
    }
}

/// What a rule set is made of.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    pub rules: usize,
    pub port_groups: usize,
    pub tx_groups: usize,
    pub databases: usize,
    pub patterns: usize,
    /// Bytes of the pattern databases.
    pub bytes: usize,
    pub ip_only: usize,
    pub without_pattern: usize,
}
