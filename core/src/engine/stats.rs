//! Counters of an engine, as `stats` records and metrics read them.

use crate::app::registry::PROTOCOLS;
use crate::detect::context;
use crate::event::DropReason;
use crate::flow;
use crate::packet::{Decoder, Head, L3, L4, Packet, Source, layers};
use crate::stream::{ExceptionPolicy, StreamCounters};

/// TCP flag bits.
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;
const URG: u8 = 32;

/// Protocols counted: all of the registry.
const PROTOS: usize = PROTOCOLS.len();

/// What went through the decoder, and what the later stations did with it.
#[derive(Debug, Clone, Copy)]
pub struct Stats {
    /// Frames given in, their bytes, and the longest.
    pub frames: u64,
    pub bytes: u64,
    pub max_len: u32,
    /// Packets, inner ones of tunnels included.
    pub packets: u64,
    pub invalid: u64,
    /// Frames of a link type that is not decoded ([`Decoder::knows_link`](crate::packet::Decoder::knows_link)).
    pub unknown_link: u64,
    pub ipv4: u64,
    pub ipv6: u64,
    pub arp: u64,
    pub tcp: u64,
    pub udp: u64,
    pub icmpv4: u64,
    pub icmpv6: u64,
    pub sctp: u64,
    pub gre: u64,
    pub esp: u64,
    /// Packets by network and transport layer, of which the counters above are made when they are asked for.
    kinds: [[u64; 8]; 4],
    pub tunnelled: u64,
    pub defragmented: u64,
    /// Packets with a link or tunnel layer, by bit of [`crate::packet::layers`].
    pub layers: [u64; crate::packet::layers::COUNT],
    /// Decode events by number.
    pub events: [u64; 256],
    /// Stream events by number.
    pub stream_events: [u64; 256],
    /// TCP packets by kind.
    pub syn: u64,
    pub synack: u64,
    pub rst: u64,
    /// Flows by protocol of the registry, and transactions.
    pub app_flows: [u64; PROTOS],
    pub app_txs: [u64; PROTOS],
    /// Times that rules or reports looked at a transaction.
    pub tx_visits: u64,
    /// Flows whose parser gave up, over TCP and over UDP, by protocol of the registry.
    pub app_errors: [[u64; PROTOS]; 2],
    /// Exception policies applied, by target ([`flow::exception_target`]) and policy.
    pub exceptions: [[u64; ExceptionPolicy::COUNT]; flow::exception_target::COUNT],
    pub alerts: u64,
    pub suppressed: u64,
    pub alert_overflow: u64,
    /// Verdicts of frames (inline modes).
    pub accepted: u64,
    pub blocked: u64,
    pub rejected: u64,
    pub bypassed: u64,
    /// Packets of flows that are bypassed here, and their bytes.
    pub local_bypassed: (u64, u64),
    /// TCP packets with urgent data.
    pub urg: u64,
    /// Largest share of a pool in use so far, percent.
    pub pressure_max: u64,
    /// Dropped packets by [`crate::event::DropReason`].
    pub drop_reasons: [u64; DropReason::COUNT],
    /// Streams without packets: opened, refused because too many were open, and their bytes.
    pub streams_opened: u64,
    pub streams_refused: u64,
    pub streams_bytes: u64,
    pub flow: flow::Counters,
    pub flows_active: u64,
    pub stream: StreamCounters,
    pub detect: context::Counters,
    /// Bytes in use and reserved: stream pool, application pool.
    pub pools: [(u64, u64); 2],
    /// Requests refused by full pools.
    pub pool_refused: [u64; 2],
    /// Pages of records (states, transactions, files): free, and of all.
    pub record_pages: (u64, u64),
    /// States, transactions and files that found no room.
    pub records_refused: u64,
    /// Layers of bodies that were not decoded because the same body had all decoders.
    pub decoders_refused: u64,
    /// Times that decoding ended because a client had spent what may be made of its bytes ([`Growth`](crate::pool::Growth)).
    pub decoded_outgrown: u64,
    /// Files that came in parts and gave way before they were whole.
    pub files_in_parts_evicted: u64,
    /// Bodies that were not decoded further because another one needed their decoders.
    pub decoders_evicted: u64,
    /// What became of model files.
    pub artifacts: crate::app::judge::Counts,
    /// Services and series of telemetry that gave way to others.
    pub ledger: crate::ai::ledger::Counts,
    /// Announced flows (of FTP) that were forgotten because there were too many.
    pub expectations_evicted: u64,
    /// Inflaters of WebSocket and queue pairs of RoCEv2 that were taken for others.
    pub shared_evicted: u64,
    /// Flows whose state and transactions were reported and given up early, to make room for those of others.
    pub states_evicted: u64,
    /// Thresholds, and entries by host, pushed out before their time.
    pub hosts_evicted: [u64; 2],
    pub defrag: crate::stream::defrag::DefragStats,
    /// Times that were far off.
    pub clock: super::ClockCounters,
    pub policy: super::PolicyCounters,
    pub response: super::ResponseCounters,
    pub intel: super::IntelCounters,
    /// TLS sessions that are read with keys.
    pub unseal: crate::unseal::UnsealCounters,
}

impl Default for Stats {
    fn default() -> Self {
        Stats {
            frames: 0,
            bytes: 0,
            max_len: 0,
            packets: 0,
            invalid: 0,
            unknown_link: 0,
            ipv4: 0,
            ipv6: 0,
            arp: 0,
            tcp: 0,
            udp: 0,
            icmpv4: 0,
            icmpv6: 0,
            sctp: 0,
            gre: 0,
            esp: 0,
            kinds: [[0; 8]; 4],
            tunnelled: 0,
            defragmented: 0,
            layers: [0; crate::packet::layers::COUNT],
            events: [0; 256],
            stream_events: [0; 256],
            syn: 0,
            synack: 0,
            rst: 0,
            app_flows: [0; PROTOS],
            app_txs: [0; PROTOS],
            tx_visits: 0,
            streams_opened: 0,
            streams_refused: 0,
            streams_bytes: 0,
            app_errors: [[0; PROTOS]; 2],
            exceptions: [[0; ExceptionPolicy::COUNT]; flow::exception_target::COUNT],
            alerts: 0,
            suppressed: 0,
            alert_overflow: 0,
            accepted: 0,
            blocked: 0,
            rejected: 0,
            bypassed: 0,
            local_bypassed: (0, 0),
            urg: 0,
            pressure_max: 0,
            drop_reasons: [0; DropReason::COUNT],
            flow: flow::Counters::default(),
            flows_active: 0,
            stream: StreamCounters::default(),
            detect: context::Counters::default(),
            pools: [(0, 0); 2],
            pool_refused: [0; 2],
            record_pages: (0, 0),
            records_refused: 0,
            decoders_refused: 0,
            decoded_outgrown: 0,
            files_in_parts_evicted: 0,
            decoders_evicted: 0,
            artifacts: crate::app::judge::Counts::default(),
            ledger: crate::ai::ledger::Counts::default(),
            expectations_evicted: 0,
            shared_evicted: 0,
            states_evicted: 0,
            hosts_evicted: [0; 2],
            defrag: crate::stream::defrag::DefragStats::default(),
            clock: super::ClockCounters::default(),
            policy: super::PolicyCounters::default(),
            response: super::ResponseCounters::default(),
            intel: super::IntelCounters::default(),
            unseal: crate::unseal::UnsealCounters::default(),
        }
    }
}

/// The largest share in use of pools (used, size) and of the pages of records (free, all), percent.
pub(super) fn pressure(pools: [(u64, u64); 2], (free, all): (u64, u64)) -> u64 {
    let share = |(used, size): (u64, u64)| used.saturating_mul(100).checked_div(size).unwrap_or(0);
    pools.into_iter().chain([(all.saturating_sub(free), all)]).map(share).max().unwrap_or(0)
}

impl Stats {
    /// Says by protocol what was counted by kind.
    pub(super) fn sum_kinds(&mut self) {
        let of = |l4: L4| self.kinds.iter().map(|k| k[l4 as usize & 7]).sum::<u64>();
        let layer = |l3: L3| self.kinds[l3 as usize & 3].iter().sum::<u64>();
        let [ipv4, ipv6, arp] = [L3::Ipv4, L3::Ipv6, L3::Arp].map(layer);
        let [tcp, udp, icmpv4, icmpv6] = [L4::Tcp, L4::Udp, L4::Icmpv4, L4::Icmpv6].map(of);
        let [sctp, gre, esp] = [L4::Sctp, L4::Gre, L4::Esp].map(of);
        *self = Stats { ipv4, ipv6, arp, tcp, udp, icmpv4, icmpv6, sctp, gre, esp, ..*self };
    }

    /// Share of the fullest pool that is in use, percent.
    pub fn pressure(&self) -> u64 {
        pressure(self.pools, self.record_pages)
    }

    /// Forgets what is now, and keeps what was counted: for an engine that is no more.
    pub fn ended(mut self) -> Stats {
        (self.flows_active, self.record_pages) = (0, (0, 0));
        self.pools = Default::default();
        self
    }

    /// Adds what another engine counted; of a longest value the longer.
    pub fn add(&mut self, o: &Stats) {
        fn list<const N: usize>(a: &mut [u64; N], b: &[u64; N]) {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        }
        for (a, b) in [
            (&mut self.frames, o.frames),
            (&mut self.bytes, o.bytes),
            (&mut self.packets, o.packets),
            (&mut self.invalid, o.invalid),
            (&mut self.unknown_link, o.unknown_link),
            (&mut self.ipv4, o.ipv4),
            (&mut self.ipv6, o.ipv6),
            (&mut self.arp, o.arp),
            (&mut self.tcp, o.tcp),
            (&mut self.udp, o.udp),
            (&mut self.icmpv4, o.icmpv4),
            (&mut self.icmpv6, o.icmpv6),
            (&mut self.sctp, o.sctp),
            (&mut self.gre, o.gre),
            (&mut self.esp, o.esp),
            (&mut self.tunnelled, o.tunnelled),
            (&mut self.defragmented, o.defragmented),
            (&mut self.syn, o.syn),
            (&mut self.synack, o.synack),
            (&mut self.rst, o.rst),
            (&mut self.alerts, o.alerts),
            (&mut self.suppressed, o.suppressed),
            (&mut self.alert_overflow, o.alert_overflow),
            (&mut self.accepted, o.accepted),
            (&mut self.blocked, o.blocked),
            (&mut self.rejected, o.rejected),
            (&mut self.bypassed, o.bypassed),
            (&mut self.local_bypassed.0, o.local_bypassed.0),
            (&mut self.local_bypassed.1, o.local_bypassed.1),
            (&mut self.urg, o.urg),
            (&mut self.streams_opened, o.streams_opened),
            (&mut self.streams_refused, o.streams_refused),
            (&mut self.streams_bytes, o.streams_bytes),
            (&mut self.flows_active, o.flows_active),
            (&mut self.flow.total, o.flow.total),
            (&mut self.flow.tcp, o.flow.tcp),
            (&mut self.flow.udp, o.flow.udp),
            (&mut self.flow.icmpv4, o.flow.icmpv4),
            (&mut self.flow.icmpv6, o.flow.icmpv6),
            (&mut self.flow.tcp_reuse, o.flow.tcp_reuse),
            (&mut self.flow.refused, o.flow.refused),
            (&mut self.flow.evicted, o.flow.evicted),
            (&mut self.stream.sessions, o.stream.sessions),
            (&mut self.stream.midstream, o.stream.midstream),
            (&mut self.stream.session_memcap, o.stream.session_memcap),
            (&mut self.stream.reassembly_memcap, o.stream.reassembly_memcap),
            (&mut self.stream.gaps, o.stream.gaps),
            (&mut self.stream.overlaps, o.stream.overlaps),
            (&mut self.stream.overlaps_different, o.stream.overlaps_different),
            (&mut self.stream.invalid_checksum, o.stream.invalid_checksum),
            (&mut self.stream.urgent_oob, o.stream.urgent_oob),
            (&mut self.stream.depth_reached, o.stream.depth_reached),
            (&mut self.stream.evicted, o.stream.evicted),
            (&mut self.defrag.ipv4_fragments, o.defrag.ipv4_fragments),
            (&mut self.defrag.ipv4_reassembled, o.defrag.ipv4_reassembled),
            (&mut self.defrag.ipv6_fragments, o.defrag.ipv6_fragments),
            (&mut self.defrag.ipv6_reassembled, o.defrag.ipv6_reassembled),
            (&mut self.defrag.max_trackers_reached, o.defrag.max_trackers_reached),
            (&mut self.defrag.max_frags_reached, o.defrag.max_frags_reached),
            (&mut self.defrag.overlaps_refused, o.defrag.overlaps_refused),
            (&mut self.defrag.evicted, o.defrag.evicted),
            (&mut self.defrag.soft_reuse, o.defrag.soft_reuse),
            (&mut self.defrag.timeouts, o.defrag.timeouts),
            (&mut self.defrag.steps, o.defrag.steps),
            (&mut self.policy.allowed, o.policy.allowed),
            (&mut self.policy.watched, o.policy.watched),
            (&mut self.policy.dropped, o.policy.dropped),
            (&mut self.policy.rejected, o.policy.rejected),
            (&mut self.policy.changed, o.policy.changed),
            (&mut self.response.stopped, o.response.stopped),
            (&mut self.response.packets, o.response.packets),
            (&mut self.response.marked, o.response.marked),
            (&mut self.response.untold, o.response.untold),
            (&mut self.intel.looked, o.intel.looked),
            (&mut self.intel.hits, o.intel.hits),
            (&mut self.unseal.sessions, o.unseal.sessions),
            (&mut self.unseal.opened, o.unseal.opened),
            (&mut self.unseal.without_keys, o.unseal.without_keys),
            (&mut self.unseal.unfit, o.unseal.unfit),
            (&mut self.unseal.refused, o.unseal.refused),
            (&mut self.unseal.bytes, o.unseal.bytes),
            (&mut self.clock.ahead, o.clock.ahead),
            (&mut self.clock.behind, o.clock.behind),
            (&mut self.clock.steps, o.clock.steps),
            (&mut self.clock.steps_back, o.clock.steps_back),
            (&mut self.records_refused, o.records_refused),
            (&mut self.states_evicted, o.states_evicted),
            (&mut self.record_pages.0, o.record_pages.0),
            (&mut self.record_pages.1, o.record_pages.1),
            (&mut self.tx_visits, o.tx_visits),
            (&mut self.decoders_refused, o.decoders_refused),
            (&mut self.decoded_outgrown, o.decoded_outgrown),
            (&mut self.files_in_parts_evicted, o.files_in_parts_evicted),
            (&mut self.decoders_evicted, o.decoders_evicted),
            (&mut self.ledger.services_evicted, o.ledger.services_evicted),
            (&mut self.ledger.series_evicted, o.ledger.series_evicted),
            (&mut self.artifacts.judged, o.artifacts.judged),
            (&mut self.artifacts.unread, o.artifacts.unread),
            (&mut self.artifacts.evicted, o.artifacts.evicted),
            (&mut self.expectations_evicted, o.expectations_evicted),
            (&mut self.shared_evicted, o.shared_evicted),
            (&mut self.detect.regex_limits, o.detect.regex_limits),
            (&mut self.detect.work, o.detect.work),
            (&mut self.detect.searched, o.detect.searched),
            (&mut self.detect.candidates, o.detect.candidates),
            (&mut self.detect.evaluated, o.detect.evaluated),
        ] {
            *a += b;
        }
        self.max_len = self.max_len.max(o.max_len);
        self.pressure_max = self.pressure_max.max(o.pressure_max);
        self.flow.longest_probe = self.flow.longest_probe.max(o.flow.longest_probe);
        self.flow.peak += o.flow.peak;
        list(&mut self.layers, &o.layers);
        list(&mut self.events, &o.events);
        list(&mut self.stream_events, &o.stream_events);
        list(&mut self.app_flows, &o.app_flows);
        list(&mut self.app_txs, &o.app_txs);
        // Engines share the tables.
        self.policy.bytes = self.policy.bytes.max(o.policy.bytes);
        self.response.entries = self.response.entries.max(o.response.entries);
        // Every worker is told the same.
        self.unseal.secrets = self.unseal.secrets.max(o.unseal.secrets);
        self.unseal.secrets_evicted = self.unseal.secrets_evicted.max(o.unseal.secrets_evicted);
        self.intel.bytes = self.intel.bytes.max(o.intel.bytes);
        self.intel.indicators = self.intel.indicators.max(o.intel.indicators);
        list(&mut self.drop_reasons, &o.drop_reasons);
        list(&mut self.pool_refused, &o.pool_refused);
        list(&mut self.hosts_evicted, &o.hosts_evicted);
        self.app_errors.iter_mut().zip(&o.app_errors).for_each(|(a, b)| list(a, b));
        self.exceptions.iter_mut().zip(&o.exceptions).for_each(|(a, b)| list(a, b));
        self.kinds.iter_mut().zip(&o.kinds).for_each(|(a, b)| list(a, b));
        for (a, b) in self.pools.iter_mut().zip(o.pools) {
            *a = (a.0 + b.0, a.1 + b.1);
        }
    }

    /// Counts a decoded packet.
    #[inline]
    pub(super) fn packet(&mut self, p: &Packet<'_>) {
        self.packets += 1;
        self.invalid += u64::from(p.invalid);
        self.kinds[p.l3 as usize & 3][p.l4 as usize & 7] += 1;
        if p.l4 == L4::Tcp && p.tcp.flags & (SYN | RST | URG) != 0 {
            self.urg += u64::from(p.tcp.flags & URG != 0);
            match p.tcp.flags & (SYN | RST | ACK) {
                SYN => self.syn += 1,
                f if f == SYN | ACK => self.synack += 1,
                f if f & RST != 0 => self.rst += 1,
                _ => {}
            }
        }
        let mut bits = p.layers;
        if p.l3 == L3::None && bits == 0 && !Decoder::knows_link(p.link) {
            self.unknown_link += 1;
        }
        if bits == layers::ETHERNET {
            self.layers[layers::ETHERNET.trailing_zeros() as usize] += 1;
            bits = 0;
        }
        while bits != 0 {
            if let Some(n) = self.layers.get_mut(bits.trailing_zeros() as usize) {
                *n += 1;
            }
            bits &= bits - 1;
        }
        match p.source {
            Source::Tunnel(_) => self.tunnelled += 1,
            Source::Defrag => self.defragmented += 1,
            _ => {}
        }
        if !p.events.is_empty() {
            self.events(p);
        }
    }

    /// Counts a packet by its head, as [`Stats::packet`] does by the whole.
    #[inline]
    pub(super) fn head(&mut self, h: &Head) {
        self.packets += 1;
        let l3 = if h.v6 { L3::Ipv6 } else { L3::Ipv4 };
        let l4 = if h.proto == 17 { L4::Udp } else { L4::Tcp };
        self.kinds[l3 as usize & 3][l4 as usize & 7] += 1;
        if h.tcp_flags & RST != 0 {
            self.rst += 1;
        }
        let bits = [layers::ETHERNET, layers::VLAN, layers::QINQ];
        for bit in bits.iter().take(1 + usize::from(h.vlans)) {
            self.layers[bit.trailing_zeros() as usize] += 1;
        }
    }

    #[inline(never)]
    fn events(&mut self, p: &Packet<'_>) {
        for e in p.events.iter() {
            self.events[usize::from(e)] += 1;
        }
    }

    /// Names of the protocols that `app_flows` and `app_txs` are indexed by.
    pub fn protocols() -> impl Iterator<Item = &'static str> {
        PROTOCOLS.iter().map(|d| d.name)
    }
}
