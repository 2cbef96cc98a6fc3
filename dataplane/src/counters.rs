//! The engine's counters under the names that Suricata's `stats` records and their readers use.

use tidegate_core::app::registry::PROTOCOLS;
use tidegate_core::app::{AppProto, OVER_TCP, OVER_UDP};
use tidegate_core::engine::{ResponseCounters, Stats};
use tidegate_core::flow::exception_target;
use tidegate_core::packet::{events, layers};
use tidegate_core::stream::{self, ExceptionPolicy};

use crate::eve::Counts;

/// `ips.drop_reason`, by number of [`tidegate_core::event::DropReason`].
const DROP_REASONS: [&str; 15] = [
    "rules",
    "threshold_detection_filter",
    "flow_drop",
    "stream_error",
    "stream_midstream",
    "stream_urgent",
    "stream_reassembly",
    "applayer_error",
    "decode_error",
    "defrag_error",
    "defrag_memcap",
    "flow_memcap",
    "policy",
    "response",
    "default_packet_policy",
];

/// By number of [`tidegate_core::flow::exception_target`].
const EXCEPTION_TARGETS: [&str; exception_target::COUNT] =
    ["tcp.midstream", "tcp.reassembly", "app_layer.error", "flow.memcap", "defrag.memcap"];
const FLOW_STATES: [&str; 4] = ["new", "established", "closed", "local_bypassed"];
const TCP_STATES: [&str; 11] = [
    "none",
    "syn_sent",
    "syn_recv",
    "established",
    "fin_wait1",
    "fin_wait2",
    "time_wait",
    "last_ack",
    "close_wait",
    "closing",
    "closed",
];

/// All counters by dotted name. `decoder_events`: one for every decode and stream event, too.
pub fn named(s: &Stats, c: &Counts, ips: bool, decoder_events: bool) -> Vec<(String, u64)> {
    let mut out: Vec<(String, u64)> = Vec::with_capacity(512);
    let mut put = |name: &str, n: u64| out.push((name.to_string(), n));
    for (name, n) in [
        ("decoder.pkts", s.frames),
        ("decoder.bytes", s.bytes),
        ("decoder.invalid", s.invalid),
        ("decoder.unknown_link", s.unknown_link),
        ("decoder.ipv4", s.ipv4),
        ("decoder.ipv6", s.ipv6),
        ("decoder.arp", s.arp),
        ("decoder.tcp", s.tcp),
        ("decoder.udp", s.udp),
        ("decoder.sctp", s.sctp),
        ("decoder.esp", s.esp),
        ("decoder.icmpv4", s.icmpv4),
        ("decoder.icmpv6", s.icmpv6),
        ("decoder.gre", s.gre),
        ("decoder.avg_pkt_size", s.bytes.checked_div(s.frames).unwrap_or(0)),
        ("decoder.max_pkt_size", u64::from(s.max_len)),
        ("tcp.syn", s.syn),
        ("tcp.synack", s.synack),
        ("tcp.rst", s.rst),
        ("tcp.urg", s.urg),
        ("tcp.urgent_oob_data", s.stream.urgent_oob),
        ("tcp.stream_depth_reached", s.stream.depth_reached),
        ("flow_bypassed.local_pkts", s.local_bypassed.0),
        ("flow_bypassed.local_bytes", s.local_bypassed.1),
        ("memcap.pressure", s.pressure()),
        ("memcap.pressure_max", s.pressure_max.max(s.pressure())),
        ("tcp.sessions", s.stream.sessions),
        ("tcp.midstream_pickups", s.stream.midstream),
        ("tcp.ssn_memcap_drop", s.stream.session_memcap),
        ("tcp.segment_memcap_drop", s.stream.reassembly_memcap),
        ("tcp.reassembly_gap", s.stream.gaps),
        ("tcp.overlap", s.stream.overlaps),
        ("tcp.overlap_diff_data", s.stream.overlaps_different),
        ("tcp.invalid_checksum", s.stream.invalid_checksum),
        ("flow.total", s.flow.total),
        ("flow.active", s.flows_active),
        ("flow.tcp", s.flow.tcp),
        ("flow.udp", s.flow.udp),
        ("flow.icmpv4", s.flow.icmpv4),
        ("flow.icmpv6", s.flow.icmpv6),
        ("flow.tcp_reuse", s.flow.tcp_reuse),
        ("flow.memcap", s.flow.refused),
        ("flow.evicted", s.flow.evicted),
        ("memory.stream.used", s.pools[0].0),
        ("memory.stream.size", s.pools[0].1),
        ("memory.stream.refused", s.pool_refused[0]),
        ("memory.stream.evicted", s.stream.evicted),
        ("memory.app.used", s.pools[1].0),
        ("memory.app.size", s.pools[1].1),
        ("memory.app.refused", s.pool_refused[1]),
        ("memory.records.pages_free", s.record_pages.0),
        ("memory.records.pages", s.record_pages.1),
        ("memory.records.refused", s.records_refused),
        ("memory.decoders.refused", s.decoders_refused),
        ("memory.decoders.evicted", s.decoders_evicted),
        ("decoders.outgrown", s.decoded_outgrown),
        ("memory.file_parts.evicted", s.files_in_parts_evicted),
        ("ai.services.evicted", s.ledger.services_evicted),
        ("ai.telemetry.evicted", s.ledger.series_evicted),
        ("artifact.judged", s.artifacts.judged),
        ("artifact.unread", s.artifacts.unread),
        ("artifact.evicted", s.artifacts.evicted),
        ("memory.expectations.evicted", s.expectations_evicted),
        ("memory.shared.evicted", s.shared_evicted),
        ("memory.records.flows_evicted", s.states_evicted),
        ("memory.thresholds.evicted", s.hosts_evicted[0]),
        ("memory.hosts.evicted", s.hosts_evicted[1]),
        ("clock.ahead", s.clock.ahead),
        ("clock.behind", s.clock.behind),
        ("clock.steps", s.clock.steps),
        ("clock.steps_back", s.clock.steps_back),
        ("defrag.max_trackers_reached", s.defrag.max_trackers_reached),
        ("defrag.max_frags_reached", s.defrag.max_frags_reached),
        ("defrag.overlaps_refused", s.defrag.overlaps_refused),
        ("defrag.evicted", s.defrag.evicted),
        ("defrag.timeouts", s.defrag.timeouts),
        ("flow.get_used", s.flow.evicted),
        ("detect.alert", s.alerts),
        ("detect.alert_queue_overflow", s.alert_overflow),
        ("detect.alerts_suppressed", s.suppressed),
        ("detect.regex_limits", s.detect.regex_limits),
    ] {
        put(name, n);
    }
    for (name, n) in FLOW_STATES.iter().zip(c.end_state) {
        put(&format!("flow.end.state.{name}"), n);
    }
    for (name, n) in TCP_STATES.iter().zip(c.end_tcp) {
        put(&format!("flow.end.tcp_state.{name}"), n);
    }
    for (name, n) in layers::NAMES.iter().zip(s.layers) {
        put(&format!("decoder.{name}"), n);
    }
    if ips {
        put("ips.accepted", s.accepted);
        put("ips.blocked", s.blocked);
        put("ips.rejected", s.rejected);
        put("ips.replaced", 0);
        for (name, n) in DROP_REASONS.iter().zip(s.drop_reasons) {
            // Only with a policy, or with something blocked, there are these.
            if !matches!(*name, "policy" | "response") || n > 0 {
                put(&format!("ips.drop_reason.{name}"), n);
            }
        }
    }
    if s.unseal != Default::default() {
        for (name, n) in [
            ("tls_keys.sessions", s.unseal.sessions),
            ("tls_keys.opened", s.unseal.opened),
            ("tls_keys.without_keys", s.unseal.without_keys),
            ("tls_keys.unfit", s.unseal.unfit),
            ("tls_keys.refused", s.unseal.refused),
            ("tls_keys.bytes", s.unseal.bytes),
            ("tls_keys.secrets", s.unseal.secrets),
            ("tls_keys.secrets_evicted", s.unseal.secrets_evicted),
        ] {
            put(name, n);
        }
    }
    if s.intel.bytes > 0 {
        for (name, n) in [
            ("intel.indicators", s.intel.indicators),
            ("intel.looked_up", s.intel.looked),
            ("intel.hits", s.intel.hits),
            ("intel.memuse", s.intel.bytes),
        ] {
            put(name, n);
        }
    }
    if s.response != ResponseCounters::default() {
        for (name, n) in [
            ("response.entries", s.response.entries),
            ("response.stopped", s.response.stopped),
            ("response.packets", s.response.packets),
            ("response.marked", s.response.marked),
            ("response.untold", s.response.untold),
        ] {
            put(name, n);
        }
    }
    if s.policy.bytes > 0 {
        for (name, n) in [
            ("policy.allowed", s.policy.allowed),
            ("policy.watched", s.policy.watched),
            ("policy.dropped", s.policy.dropped),
            ("policy.rejected", s.policy.rejected),
            ("policy.changed", s.policy.changed),
            ("policy.memuse", s.policy.bytes),
        ] {
            put(name, n);
        }
    }
    if decoder_events {
        for (i, n) in s.events.iter().enumerate() {
            let name = events::name(i as u8);
            // Suricata keeps this one beside the others.
            if name == "too_many_layers" {
                put("decoder.too_many_layers", *n);
            } else if !name.is_empty() {
                put(&format!("decoder.event.{name}"), *n);
            }
        }
        for (i, n) in s.stream_events.iter().enumerate() {
            let name = stream::events::name(i as u8);
            if !name.is_empty() && *n > 0 {
                put(&format!("stream.{name}"), *n);
            }
        }
    }
    for (target, counts) in EXCEPTION_TARGETS.iter().zip(s.exceptions) {
        // Ignoring is no policy that somebody counts.
        for (name, n) in ExceptionPolicy::NAMES.iter().zip(counts).skip(1).filter(|c| c.1 > 0) {
            put(&format!("exception_policy.{target}.{name}"), n);
        }
    }
    protocols(c, s, &mut put);
    out
}

/// `app_layer.flow.NAME`, `app_layer.tx.NAME` and `app_layer.error.NAME.parser`, with the carrier in the name where there are two.
fn protocols(c: &Counts, s: &Stats, put: &mut dyn FnMut(&str, u64)) {
    for (i, def) in PROTOCOLS.iter().enumerate() {
        let at = i + usize::from(AppProto::FIRST);
        let both = def.over & OVER_TCP != 0 && def.over & OVER_UDP != 0;
        for (carrier, bit, suffix) in [(0, OVER_TCP, "_tcp"), (1, OVER_UDP, "_udp")] {
            if def.over & bit == 0 {
                continue;
            }
            let suffix = if both { suffix } else { "" };
            let (flows, txs) = c.app[carrier].get(at).copied().unwrap_or((0, 0));
            put(&format!("app_layer.flow.{}{suffix}", def.name), flows);
            if def.parser.is_some() {
                put(&format!("app_layer.tx.{}{suffix}", def.name), txs);
                put(&format!("app_layer.error.{}{suffix}.parser", def.name), s.app_errors[carrier][i & 63]);
            }
        }
    }
    for (carrier, name) in [(0, "app_layer.flow.failed_tcp"), (1, "app_layer.flow.failed_udp")] {
        put(name, c.app[carrier][usize::from(AppProto::FAILED.0)].0);
    }
}
