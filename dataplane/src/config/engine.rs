//! From [`Settings`] to the engine's own configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_core::Secret;
use tidegate_core::app::HttpConfig;
use tidegate_core::app::bodies::decode::Room;
use tidegate_core::detect::context::DetectConfig;
use tidegate_core::engine::{self, Engine, TooSmall};
use tidegate_core::flow::{self, FlowConfig};
use tidegate_core::packet::{Addr, DecodeConfig, Ports};
use tidegate_core::rules::ir::AddrSet;
use tidegate_core::rules::sets::{Interned, Vars};
use tidegate_core::stream::{self, ExceptionPolicy, StreamConfig, UrgentPolicy};

use super::{ChecksumMode, Exception, Settings, Timeouts, Urgent};
use crate::keys::KeySettings;

/// What the command line decides beyond the settings.
#[derive(Clone, Copy, Debug)]
pub struct Mode {
    /// Verdicts are obeyed.
    pub ips: bool,
    /// Wrong checksums are ignored (`-k none`).
    pub ignore_checksums: bool,
    /// Bytes for flows, streams and transactions together.
    pub memory: u64,
    /// Keys every hash table: [`crate::secret::random`] for live traffic, `Secret::fixed` for captures.
    pub secret: Secret,
}

impl Settings {
    /// The configuration of one engine. The error says the least memory that an engine needs.
    pub fn engine(&self, mode: Mode) -> Result<engine::Config, TooSmall> {
        let plan = engine::MemoryPlan::with_keys(mode.memory, self.keys.room(mode.memory))?;
        let inline = self.stream.inline.unwrap_or(mode.ips);
        let mut app = self.app.clone();
        app.shown = self.outputs.show_transactions();
        app.frames_shown = self.outputs.wants().frames;
        let mut c = engine::Config { app, ips: mode.ips, ..engine::Config::new(mode.secret) };
        c.tell_streams = self.outputs.wants().streams;
        c.tell_packets = self.outputs.pcap_log.as_ref().is_some_and(|p| p.asks_flows());
        c.decode = DecodeConfig {
            teredo: Ports::list(&self.decoder.teredo),
            vxlan: Ports::list(&self.decoder.vxlan),
            geneve: Ports::list(&self.decoder.geneve),
            gtp: Ports::list(&self.decoder.gtp),
            l2tp: Ports::list(&self.decoder.l2tp),
            tzsp: Ports::list(&self.decoder.tzsp),
            max_layers: self.decoder.max_layers.min(super::most::LAYERS) as u8,
            ..c.decode
        };
        c.flow = FlowConfig {
            vlan_tracking: self.flow.use_vlan,
            recursion_tracking: self.flow.use_depth,
            timeouts: [&self.flow.tcp, &self.flow.udp, &self.flow.icmp, &self.flow.default].map(calm),
            emergency: [&self.flow.tcp, &self.flow.udp, &self.flow.icmp, &self.flow.default].map(hurried),
            ..c.flow
        };
        c.stream = StreamConfig {
            midstream: self.stream.midstream,
            midstream_policy: policy(self.exception.midstream),
            async_oneside: self.stream.async_oneside,
            liberal_timestamps: self.stream.liberal_timestamps,
            inline,
            checksum_validation: self.stream.checksum_validation && !mode.ignore_checksums,
            checksum_compute: self.pcap_checksums == ChecksumMode::Yes && !mode.ignore_checksums,
            checksum_auto: self.pcap_checksums == ChecksumMode::Auto && !mode.ignore_checksums,
            drop_invalid: self.stream.drop_invalid,
            max_synack_queued: self.stream.max_synack_queued as usize,
            depth: self.stream.depth,
            chunk: [self.stream.toserver_chunk_size, self.stream.toclient_chunk_size],
            urgent: urgent(self.stream.urgent),
            urgent_limit: self.stream.urgent_oob_limit.min(super::most::URGENT) as u16,
            memcap_policy: policy(self.exception.stream_memcap),
            reassembly_memcap_policy: policy(self.exception.stream_reassembly_memcap),
            host_os: self
                .host_os
                .networks()
                .iter()
                .map(|&(v6, net, prefix, os)| (Addr(net.to_be_bytes()), v6, prefix, os))
                .collect(),
            ..c.stream
        };
        c.defrag = stream::defrag::DefragConfig {
            memory: usize::try_from(self.defrag.memcap.unwrap_or(32 << 20)).unwrap_or(usize::MAX),
            timeout_ns: u64::from(self.defrag.timeout_s) * 1_000_000_000,
            ..c.defrag
        };
        c.guess_tx = self.guess_tx;
        c.app_error = policy(self.exception.app_error);
        c.flow_memcap = policy(self.exception.flow_memcap);
        c.defrag_memcap = policy(self.exception.defrag_memcap);
        let http = &c.app.http;
        let inline = mode.ips || c.stream.inline;
        let sizes = |request: usize, response: usize| {
            [request, response].map(|n| if inline { 0 } else { u32::try_from(n).unwrap_or(u32::MAX) })
        };
        c.detect = DetectConfig {
            packet_alert_max: usize::from(self.packet_alert_max),
            body_min: sizes(http.request_min_inspect, http.response_min_inspect),
            body_step: sizes(http.request_inspect_window, http.response_inspect_window),
            ..c.detect
        };
        c.ledger.services = self.outputs.eve.iter().any(|e| e.services);
        c.ledger.telemetry = self.outputs.eve.iter().find_map(|e| e.telemetry);
        c.ledger.home = self.home();
        plan.apply(&mut c);
        Ok(c)
    }
}

impl Settings {
    /// The addresses of `HOME_NET`, when it is there and says something.
    pub fn home(&self) -> Option<Arc<AddrSet>> {
        let vars = Vars { addresses: self.address_groups.iter().cloned().collect(), ports: BTreeMap::new() };
        let set = Interned::default().addrs("$HOME_NET", &vars).ok()?;
        (!set.is_any()).then_some(set)
    }
}

impl Settings {
    /// What of the settings goes beyond the shares of `memory`, and so has no effect.
    pub fn beyond(&self, memory: u64) -> Vec<String> {
        let plan = engine::MemoryPlan::with_keys(memory, self.keys.room(memory));
        let Ok(plan) = plan else { return Vec::new() };
        let share = plan.fragment_bytes as u64;
        let fragments = self.defrag.memcap.filter(|m| *m > share).map(|m| {
            format!(
                "defrag.memcap ({m} bytes are more than the {share} that fragments have of --memory, which hold)"
            )
        });
        let http = &self.app.http;
        let (asked, share) = (http.lzma_memory, Room::within(plan.decoders, http).lzma_memory);
        // What holds where nothing is said goes without a word.
        let more = http.lzma_enabled && asked > share && asked > HttpConfig::default().lzma_memory;
        let dictionary = more.then(|| {
            format!("lzma-memlimit ({asked} bytes are more than the {share} that a dictionary has of --memory, which hold)")
        });
        let (asked, share) = (self.keys.memory, KeySettings::share(memory));
        let sessions = (self.keys.is_on() && asked > share && asked > KeySettings::default().memory).then(|| {
            format!("tls-keys.memory ({asked} bytes are more than the {share} that sessions have of --memory, which hold)")
        });
        fragments.into_iter().chain(dictionary).chain(sessions).collect()
    }
}

/// Whether the system gives so much memory: what cannot be had later ends the process, so it is asked for once, as a
/// whole, before.
pub fn room(bytes: u64) -> Result<(), String> {
    let mut whole = Vec::<u8>::new();
    let n = usize::try_from(bytes).unwrap_or(usize::MAX);
    match std::hint::black_box(&mut whole).try_reserve_exact(n) {
        Ok(()) => Ok(()),
        Err(_) => Err(format!("memory is {bytes} bytes, and the system does not give so many")),
    }
}

fn calm(t: &Timeouts) -> flow::Timeouts {
    flow::Timeouts { new: t.new, established: t.established, closed: t.closed, bypassed: t.bypassed }
}

fn hurried(t: &Timeouts) -> flow::Timeouts {
    flow::Timeouts {
        new: t.emergency_new,
        established: t.emergency_established,
        closed: t.emergency_closed,
        bypassed: t.emergency_bypassed,
    }
}

fn policy(e: Exception) -> ExceptionPolicy {
    match e {
        Exception::Ignore => ExceptionPolicy::Ignore,
        Exception::PassPacket => ExceptionPolicy::PassPacket,
        Exception::PassFlow => ExceptionPolicy::PassFlow,
        Exception::DropPacket => ExceptionPolicy::DropPacket,
        Exception::DropFlow => ExceptionPolicy::DropFlow,
        Exception::Reject | Exception::RejectBoth => ExceptionPolicy::Reject,
        Exception::Bypass => ExceptionPolicy::Bypass,
    }
}

fn urgent(u: Urgent) -> UrgentPolicy {
    match u {
        Urgent::Oob => UrgentPolicy::Oob,
        Urgent::Inline => UrgentPolicy::Inline,
        Urgent::Drop => UrgentPolicy::Drop,
        Urgent::Gap => UrgentPolicy::Gap,
    }
}
/// A capture of more bytes than this is long.
pub const LONG: u64 = 64 << 20;

/// Touches the memory that captures of `size` bytes will need, if they are long, before the packets come: for a flow
/// every 12 KiB, and a 24th of the bytes at a time.
pub fn warm(engine: &mut Engine, size: u64) {
    if size > LONG {
        let of = |share: u64| usize::try_from(size / share).unwrap_or(usize::MAX);
        engine.warm(of(12 << 10), of(24));
    }
}
