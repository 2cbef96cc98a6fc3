//! `drop` records: a packet was dropped, with the header fields that netfilter's log shows.

use tidegate_core::Dir;
use tidegate_core::event::Dropped;
use tidegate_core::packet::{L3, L4, Packet, Source};

use super::header::{About, Ends};
use super::json::Json;
use super::{Output, alert, flow};

impl Output {
    /// `first`: for a packet of a dropped flow, that it is the first of its direction.
    pub(super) fn drop(&mut self, d: &Dropped<'_>, ips: bool, first: bool) {
        let Some(s) = self.settings.drop else { return };
        if !ips || (!first && !s.all_flows) || d.packet.source == Source::FlowEnd {
            return;
        }
        let about = About { packet: Some(d.packet), flow: d.flow.as_ref(), dir: d.dir };
        let ends = Ends::of_packet(d.packet);
        self.header("drop", d.packet.ts, about, &ends);
        self.options(about);
        let j = &mut self.json;
        if let Some(f) = &d.flow {
            flow::app_proto(j, f);
            j.word("direction", if d.dir == Dir::ToServer { "to_server" } else { "to_client" });
        }
        j.open("drop");
        headers(j, d.packet);
        j.word("reason", d.reason.name());
        j.close();
        if s.verdict {
            alert::verdict(j, d.verdict, d.action, d.packet, ips);
        }
        if s.alerts
            && let Some(r) = d.rule
        {
            let a = self.settings.alert.clone().unwrap_or_default();
            alert::object(j, r, false, &ends, &a, alert::More::default());
        }
        self.end();
    }
}

fn headers(j: &mut Json, p: &Packet<'_>) {
    let h = p.l3_hdr.of(p.data);
    let be16 =
        |b: &[u8], at: usize| b.get(at..at + 2).map_or(0, |x| u64::from(u16::from_be_bytes([x[0], x[1]])));
    match p.l3 {
        L3::Ipv4 => {
            j.uint("len", be16(h, 2));
            j.uint("tos", u64::from(p.tos));
            j.uint("ttl", u64::from(p.ttl));
            j.uint("ipid", u64::from(p.ip_id));
        }
        L3::Ipv6 => {
            j.uint("len", be16(h, 4));
            j.uint("tc", u64::from(p.tos));
            j.uint("hoplimit", u64::from(p.ttl));
            j.uint("flowlbl", (be16(h, 0) << 16 | be16(h, 2)) & 0xf_ffff);
        }
        _ => {}
    }
    match p.l4 {
        L4::Tcp => {
            j.uint("tcpseq", u64::from(p.tcp.seq));
            j.uint("tcpack", u64::from(p.tcp.ack));
            j.uint("tcpwin", u64::from(p.tcp.window));
            for (bit, name) in [(2, "syn"), (16, "ack"), (8, "psh"), (4, "rst"), (32, "urg"), (1, "fin")] {
                j.bool(name, p.tcp.flags & bit != 0);
            }
            j.uint("tcpres", 0);
            j.uint("tcpurgp", u64::from(p.tcp.urgent));
        }
        L4::Udp => j.uint("udplen", be16(p.l4_hdr.of(p.data), 4)),
        L4::Icmpv4 | L4::Icmpv6 => {
            if let Some(id) = p.icmp.id {
                j.uint("icmp_id", u64::from(id));
            }
            if let Some(seq) = p.icmp.seq {
                j.uint("icmp_seq", u64::from(seq));
            }
        }
        _ => {}
    }
}
