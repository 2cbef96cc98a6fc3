//! One frame decoded: a dict for each packet in it, the outermost first.

use std::net::{Ipv4Addr, Ipv6Addr};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use tidegate_core::packet::{
    Addr, DecodeConfig, Decoder, L3, L4, MAX_PER_FRAME, Packet, PacketBuf, Span, events, layers,
    roce_opcode_name,
};

use crate::errors;

/// What `frame` is made of. `link`: its LINKTYPE_.
#[pyfunction]
pub fn decode<'py>(py: Python<'py>, frame: &Bound<'py, PyBytes>, link: u16) -> PyResult<Bound<'py, PyList>> {
    link_known(py, link)?;
    let mut packets = PacketBuf::new(MAX_PER_FRAME);
    Decoder::new(DecodeConfig::default()).decode(frame.as_bytes(), link, 0, 1, &mut packets);
    let out = PyList::empty(py);
    for p in packets.iter() {
        out.append(packet(py, p)?)?;
    }
    Ok(out)
}

/// An error for frames of a kind that is not known.
pub fn link_known(py: Python<'_>, link: u16) -> PyResult<()> {
    if Decoder::knows_link(link) {
        return Ok(());
    }
    let text = format!(
        "link {link}: frames of this kind are not known; those of LINKTYPE_ numbers 1 (Ethernet), 101 (IP), \
         113 and 276 (Linux, cooked), 0, 9, 104, 108 and their like are"
    );
    Err(errors::config(py, text))
}

fn mac(m: [u8; 6]) -> String {
    m.map(|b| format!("{b:02x}")).join(":")
}

fn addr(a: &Addr, v6: bool) -> String {
    let [b0, b1, b2, b3, ..] = a.0;
    if v6 { Ipv6Addr::from(a.0).to_string() } else { Ipv4Addr::new(b0, b1, b2, b3).to_string() }
}

fn place(s: Span) -> (u32, u32) {
    (s.off, s.off.saturating_add(s.len))
}

fn packet<'py>(py: Python<'py>, p: &Packet<'_>) -> PyResult<Bound<'py, PyDict>> {
    let d = PyDict::new(py);
    let names: Vec<&str> =
        layers::NAMES.iter().enumerate().filter(|(i, _)| p.layers >> i & 1 == 1).map(|(_, n)| *n).collect();
    d.set_item("link_layers", names)?;
    d.set_item("source", p.source.name())?;
    d.set_item("recursion", p.recursion)?;
    d.set_item("size", p.data.len())?;
    d.set_item("ether_type", p.ether_type)?;
    d.set_item("src_mac", p.mac.map(|m| mac(m.0)))?;
    d.set_item("dest_mac", p.mac.map(|m| mac(m.1)))?;
    d.set_item("vlans", p.vlan.get(..usize::from(p.vlans)).unwrap_or_default())?;
    let l3 = match p.l3 {
        L3::None => None,
        L3::Arp => Some("arp"),
        L3::Ipv4 => Some("ipv4"),
        L3::Ipv6 => Some("ipv6"),
    };
    let l4 = match p.l4 {
        L4::None => None,
        L4::Tcp => Some("tcp"),
        L4::Udp => Some("udp"),
        L4::Icmpv4 => Some("icmpv4"),
        L4::Icmpv6 => Some("icmpv6"),
        L4::Sctp => Some("sctp"),
        L4::Gre => Some("gre"),
        L4::Esp => Some("esp"),
    };
    d.set_item("network", l3)?;
    d.set_item("transport", l4)?;
    let ip = p.has_ip();
    d.set_item("src_ip", ip.then(|| addr(&p.src, p.is_ipv6())))?;
    d.set_item("dest_ip", ip.then(|| addr(&p.dst, p.is_ipv6())))?;
    d.set_item("proto", ip.then_some(p.proto))?;
    let ports = ip && matches!(p.proto, 6 | 17 | 132);
    d.set_item("src_port", ports.then_some(p.sp))?;
    d.set_item("dest_port", ports.then_some(p.dp))?;
    d.set_item("ttl", ip.then_some(p.ttl))?;
    d.set_item("tos", ip.then_some(p.tos))?;
    d.set_item("network_header", place(p.l3_hdr))?;
    d.set_item("transport_header", place(p.l4_hdr))?;
    d.set_item("payload", PyBytes::new(py, p.payload()))?;
    if p.l4 == L4::Tcp {
        let t = PyDict::new(py);
        t.set_item("seq", p.tcp.seq)?;
        t.set_item("ack", p.tcp.ack)?;
        t.set_item("flags", p.tcp.flags)?;
        t.set_item("window", p.tcp.window)?;
        t.set_item("mss", p.tcp.mss)?;
        t.set_item("wscale", p.tcp.wscale)?;
        t.set_item("timestamp", p.tcp.timestamp)?;
        t.set_item("sack_permitted", p.tcp.sack_permitted)?;
        d.set_item("tcp", t)?;
    }
    if matches!(p.l4, L4::Icmpv4 | L4::Icmpv6) {
        let i = PyDict::new(py);
        i.set_item("type", p.icmp.kind)?;
        i.set_item("code", p.icmp.code)?;
        i.set_item("id", p.icmp.id)?;
        i.set_item("seq", p.icmp.seq)?;
        d.set_item("icmp", i)?;
    }
    if let Some(r) = p.roce {
        let x = PyDict::new(py);
        x.set_item("opcode", r.opcode)?;
        x.set_item("name", roce_opcode_name(r.opcode))?;
        x.set_item("dest_qp", r.dest_qp)?;
        x.set_item("psn", r.psn)?;
        x.set_item("pkey", r.pkey)?;
        d.set_item("roce", x)?;
    }
    if let Some(f) = p.frag {
        d.set_item("fragment", (f.id, f.offset, f.more))?;
    }
    d.set_item("vni", p.vni)?;
    d.set_item("events", p.anomalies().map(events::name).collect::<Vec<_>>())?;
    d.set_item("invalid", p.invalid)?;
    Ok(d)
}
