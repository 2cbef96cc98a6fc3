//! `flow` and `netflow` records, and the `flow` object and protocol names that other events carry.

use tidegate_core::Dir;
use tidegate_core::app::AppProto;
use tidegate_core::flow::{FlowView, State, exception_target, flag};
use tidegate_core::stream::ExceptionPolicy;

use super::Output;
use super::header::{About, Ends};
use super::json::Json;

/// `app_proto` and its companions.
pub(super) fn app_proto(j: &mut Json, f: &FlowView<'_>) {
    let x = &f.extra;
    if x.app != AppProto::UNKNOWN {
        j.word("app_proto", x.app.name());
    }
    for (key, p) in [("app_proto_ts", x.app_by_dir[0]), ("app_proto_tc", x.app_by_dir[1])] {
        if p != AppProto::UNKNOWN && p != x.app {
            j.word(key, p.name());
        }
    }
    for (key, p) in [("app_proto_orig", x.app_orig), ("app_proto_expected", x.app_expected)] {
        if p != AppProto::UNKNOWN && p != x.app {
            j.word(key, p.name());
        }
    }
}

/// Counters and start: the beginning of every `flow` object.
pub(super) fn counters(j: &mut Json, f: &FlowView<'_>) {
    j.uint("pkts_toserver", u64::from(f.pkts(Dir::ToServer)));
    j.uint("pkts_toclient", u64::from(f.pkts(Dir::ToClient)));
    j.uint("bytes_toserver", f.bytes(Dir::ToServer));
    j.uint("bytes_toclient", f.bytes(Dir::ToClient));
    j.time("start", f.start());
}

fn seconds(f: &FlowView<'_>) -> u64 {
    (f.last() / 1_000_000_000).saturating_sub(f.start() / 1_000_000_000)
}

fn hex2(j: &mut Json, key: &str, flags: u8) {
    j.hex(key, &[flags]);
}

/// The TCP flags that are set.
fn tcp_flags(j: &mut Json, flags: u8) {
    for (bit, name) in
        [(2, "syn"), (1, "fin"), (4, "rst"), (8, "psh"), (16, "ack"), (32, "urg"), (64, "ecn"), (128, "cwr")]
    {
        if flags & bit != 0 {
            j.bool(name, true);
        }
    }
}

impl Output {
    pub(super) fn flow(&mut self, f: &FlowView<'_>) {
        if let Some(s) = self.settings.flow {
            self.flow_record(f, s.exception_policy);
        }
        if self.settings.netflow {
            self.netflow(f, Dir::ToServer);
            if f.pkts(Dir::ToClient) > 0 {
                self.netflow(f, Dir::ToClient);
            }
        }
    }

    fn flow_header(&mut self, kind: &str, f: &FlowView<'_>, dir: Dir) {
        let ends = Ends::of_flow(f, dir);
        let k = f.key();
        let about = About { packet: None, flow: Some(f), dir };
        let ts = if kind == "flow" { f.start() } else { f.last() };
        self.header(kind, ts, about, &ends);
        let j = &mut self.json;
        match k.proto {
            1 | 58 => {
                let asked = (k.sp >> 8, k.sp & 255);
                let answered = (k.dp >> 8, k.dp & 255);
                let (t, c) = if kind == "netflow" && dir == Dir::ToClient { answered } else { asked };
                j.uint("icmp_type", u64::from(t));
                j.uint("icmp_code", u64::from(c));
                if kind == "flow" && f.pkts(Dir::ToClient) > 0 {
                    j.uint("response_icmp_type", u64::from(answered.0));
                    j.uint("response_icmp_code", u64::from(answered.1));
                }
            }
            50 => j.uint("spi", u64::from(k.sp) << 16 | u64::from(k.dp)),
            _ => {}
        }
    }

    fn flow_record(&mut self, f: &FlowView<'_>, exception_policy: bool) {
        self.flow_header("flow", f, Dir::ToServer);
        self.options(About { packet: None, flow: Some(f), dir: Dir::ToServer });
        let j = &mut self.json;
        app_proto(j, f);
        j.open("flow");
        counters(j, f);
        j.time("end", f.last());
        j.uint("age", seconds(f));
        if f.state() == State::Bypassed {
            j.word("bypass", if f.has(flag::OFFLOADED) { "capture" } else { "local" });
        }
        j.word("state", f.state().name());
        j.word("reason", f.reason().name());
        j.bool("alerted", f.has(flag::ALERTED));
        if f.has(flag::DROP | flag::WOULD_DROP) {
            j.word("action", "drop");
        } else if f.has(flag::PASS) {
            j.word("action", "pass");
        }
        if exception_policy && f.has(flag::EXCEPTION) {
            exceptions(j, f.cold.exception);
        }
        if f.extra.tx_count > 0 {
            j.uint("tx_cnt", f.extra.tx_count);
        }
        j.close();
        if f.key().proto == 6 {
            j.open("tcp");
            let (ts, tc) = (f.tcp_flags(Dir::ToServer), f.tcp_flags(Dir::ToClient));
            match f.tcp {
                Some(s) => {
                    hex2(j, "tcp_flags", ts | tc);
                    hex2(j, "tcp_flags_ts", ts);
                    hex2(j, "tcp_flags_tc", tc);
                    tcp_flags(j, ts | tc);
                    j.word("state", s.state().name());
                    if s.has_gap(Dir::ToServer) {
                        j.bool("ts_gap", true);
                    }
                    if s.has_gap(Dir::ToClient) {
                        j.bool("tc_gap", true);
                    }
                    j.uint("ts_max_regions", u64::from(s.max_regions(Dir::ToServer)));
                    j.uint("tc_max_regions", u64::from(s.max_regions(Dir::ToClient)));
                }
                // Without a session there are no flags to speak of, as in Suricata.
                None => ["tcp_flags", "tcp_flags_ts", "tcp_flags_tc"].iter().for_each(|k| hex2(j, k, 0)),
            }
            j.close();
        }
        self.end();
    }

    fn netflow(&mut self, f: &FlowView<'_>, dir: Dir) {
        self.flow_header("netflow", f, dir);
        let about = About { packet: None, flow: Some(f), dir };
        let j = &mut self.json;
        let by_dir = f.extra.app_by_dir[dir.ix()];
        let app = if by_dir == AppProto::UNKNOWN { f.extra.app } else { by_dir };
        if app != AppProto::UNKNOWN {
            j.word("app_proto", app.name());
        }
        j.open("netflow");
        j.uint("pkts", u64::from(f.pkts(dir)));
        j.uint("bytes", f.bytes(dir));
        j.time("start", f.start());
        j.time("end", f.last());
        j.uint("age", seconds(f));
        let (min, max) = f.ttl(dir);
        j.uint("min_ttl", u64::from(min));
        j.uint("max_ttl", u64::from(max));
        if f.extra.tx_count > 0 {
            j.uint("tx_cnt", f.extra.tx_count);
        }
        j.close();
        if f.key().proto == 6 {
            let flags = if f.tcp.is_some() { f.tcp_flags(dir) } else { 0 };
            j.open("tcp");
            hex2(j, "tcp_flags", flags);
            tcp_flags(j, flags);
            j.close();
        }
        self.options(about);
        self.end();
    }
}

/// The exception policy that was applied: its target and its number.
fn exceptions(j: &mut Json, (target, policy): (u8, u8)) {
    const TARGETS: [&str; exception_target::COUNT] =
        ["stream_midstream", "stream_reassembly_memcap", "app_layer_error", "flow_memcap", "defrag_memcap"];
    j.open_list("exception_policy");
    j.open("");
    j.word("target", TARGETS.get(usize::from(target)).unwrap_or(&"unknown"));
    j.word("policy", ExceptionPolicy::NAMES.get(usize::from(policy)).unwrap_or(&"ignore"));
    j.close();
    j.close_list();
}
