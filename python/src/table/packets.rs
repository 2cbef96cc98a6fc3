//! The table of packets: decoded headers, a row a packet, inner packets of tunnels too. Fragments stay fragments.

use tidegate_core::Dir;
use tidegate_core::engine::Frame;
use tidegate_core::event::PacketSeen;
use tidegate_core::packet::{DecodeConfig, Decoder, L3, L4, MAX_PER_FRAME, Packet, PacketBuf, events};

use super::column::Kind;
use super::rows::{Ends, Rows, Spec};

const COLUMNS: [Spec; 28] = [
    ("timestamp", Kind::Time),
    ("packet", Kind::U64),
    ("tunnel", Kind::U8),
    ("size", Kind::U32),
    ("src_mac", Kind::Str),
    ("dest_mac", Kind::Str),
    ("ether_type", Kind::U16),
    ("vlan", Kind::U16),
    ("src_ip", Kind::Str),
    ("src_port", Kind::U16),
    ("dest_ip", Kind::Str),
    ("dest_port", Kind::U16),
    ("proto", Kind::Str),
    ("ip_version", Kind::U8),
    ("ttl", Kind::U8),
    ("tos", Kind::U8),
    ("ip_id", Kind::U16),
    ("fragment_offset", Kind::U32),
    ("tcp_flags", Kind::U8),
    ("tcp_seq", Kind::U32),
    ("tcp_ack", Kind::U32),
    ("tcp_window", Kind::U16),
    ("icmp_type", Kind::U8),
    ("icmp_code", Kind::U8),
    ("payload_size", Kind::U32),
    ("rdma_opcode", Kind::U8),
    ("rdma_qp", Kind::U32),
    ("events", Kind::Strs),
];

/// What packets with their flows have beside.
const OF_FLOW: [Spec; 3] = [("flow_id", Kind::U64), ("direction", Kind::Str), ("payload", Kind::Bytes)];

/// The columns; `flows`: of packets with their flows.
pub fn specs(flows: bool) -> Vec<Spec> {
    COLUMNS.into_iter().chain(OF_FLOW.into_iter().filter(|_| flows)).collect()
}

/// A packet that belongs to a flow, with its payload.
pub fn of_flow(seen: &PacketSeen<'_>, r: &mut Rows) {
    packet(seen.packet, r);
    r.next().number(seen.cold.id);
    r.next().text(if seen.dir == Dir::ToServer { "to_server" } else { "to_client" });
    r.next().bytes(seen.packet.payload());
    r.end();
}

/// Fills the table of packets.
pub struct Packets {
    decoder: Decoder,
    buf: PacketBuf<'static>,
}

impl Packets {
    pub fn new() -> Packets {
        Packets { decoder: Decoder::new(DecodeConfig::default()), buf: PacketBuf::new(MAX_PER_FRAME) }
    }

    pub fn frames(&mut self, frames: &[Frame<'_>], rows: &mut Rows) {
        let mut buf = std::mem::replace(&mut self.buf, PacketBuf::new(0)).recycle();
        for f in frames {
            buf.clear();
            self.decoder.decode(f.data, f.link, f.ts, f.index, &mut buf);
            for p in buf.iter() {
                packet(p, rows);
                rows.end();
            }
        }
        self.buf = buf.recycle();
    }
}

/// A MAC address as text.
pub fn mac(rows: &mut Rows, m: Option<[u8; 6]>) {
    match m {
        Some([a, b, c, d, e, f]) => {
            rows.next().format(format_args!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}"));
        }
        None => rows.next().null(),
    }
}

fn packet(p: &Packet<'_>, r: &mut Rows) {
    r.next().number(p.ts);
    r.next().number(p.index);
    r.next().number(u64::from(p.recursion));
    r.next().number(p.data.len() as u64);
    mac(r, p.mac.map(|m| m.0));
    mac(r, p.mac.map(|m| m.1));
    r.next().number(u64::from(p.ether_type));
    r.next().maybe((p.vlans > 0).then_some(u64::from(p.vlan[0])));
    Ends::of_packet(p).fill(r);
    let ip = p.has_ip();
    r.next().maybe(ip.then_some(if p.is_ipv6() { 6 } else { 4 }));
    r.next().maybe(ip.then_some(u64::from(p.ttl)));
    r.next().maybe(ip.then_some(u64::from(p.tos)));
    r.next().maybe((p.l3 == L3::Ipv4).then_some(u64::from(p.ip_id)));
    r.next().maybe(p.frag.map(|f| u64::from(f.offset)));
    let tcp = (p.l4 == L4::Tcp).then_some(&p.tcp);
    r.next().maybe(tcp.map(|t| u64::from(t.flags)));
    r.next().maybe(tcp.map(|t| u64::from(t.seq)));
    r.next().maybe(tcp.map(|t| u64::from(t.ack)));
    r.next().maybe(tcp.map(|t| u64::from(t.window)));
    let icmp = matches!(p.l4, L4::Icmpv4 | L4::Icmpv6).then_some(&p.icmp);
    r.next().maybe(icmp.map(|i| u64::from(i.kind)));
    r.next().maybe(icmp.map(|i| u64::from(i.code)));
    r.next().number(u64::from(p.payload.len));
    r.next().maybe(p.roce.map(|x| u64::from(x.opcode)));
    r.next().maybe(p.roce.map(|x| u64::from(x.dest_qp)));
    let list = r.next();
    for e in p.anomalies() {
        list.text(events::name(e));
    }
    r.about(p.index);
}
