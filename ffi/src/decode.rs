//! Decoding alone: a frame in, its layers out.

use std::cell::Cell;
use std::ffi::{CString, c_char};
use std::sync::OnceLock;

use tidegate_core::packet::{
    Checksum, DecodeConfig, Decoder, L3, L4, MAX_PER_FRAME, Packet, PacketBuf, Span, events, layers,
};

use crate::args;
use crate::error::{TG_ERR_ROOM, err, fence, tg_status};
use crate::packet::tg_packet;

/// Most packets one frame can give: itself and those of its tunnels. Room for tg_packet_decode.
pub const TG_MAX_LAYERS: usize = 8;

const _: () = assert!(TG_MAX_LAYERS == MAX_PER_FRAME);

/// A range of the bytes of a packet; empty when there is no such layer.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct tg_span {
    /// From its start.
    pub offset: u32,
    /// Bytes.
    pub len: u32,
}

/// What `network` of tg_decoded can be.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum tg_network {
    /// None, or none that is known.
    TG_NETWORK_NONE = 0,
    /// ARP
    TG_NETWORK_ARP = 1,
    /// IPv4
    TG_NETWORK_IPV4 = 2,
    /// IPv6
    TG_NETWORK_IPV6 = 3,
}

/// What `transport` of tg_decoded can be.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum tg_transport {
    /// None, or none that is known; fragments but the first.
    TG_TRANSPORT_NONE = 0,
    /// TCP
    TG_TRANSPORT_TCP = 1,
    /// UDP
    TG_TRANSPORT_UDP = 2,
    /// ICMP for IPv4
    TG_TRANSPORT_ICMPV4 = 3,
    /// ICMP for IPv6
    TG_TRANSPORT_ICMPV6 = 4,
    /// SCTP
    TG_TRANSPORT_SCTP = 5,
    /// GRE
    TG_TRANSPORT_GRE = 6,
    /// ESP
    TG_TRANSPORT_ESP = 7,
}

/// One packet of a frame, decoded: the frame itself, or what a tunnel in it carries.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_decoded {
    /// Its bytes: the whole frame, or what the carrier carries. They are the caller's.
    pub data: *const u8,
    /// How many.
    pub len: u32,
    /// Link and tunnel layers, a bit each: tg_layer_name says which.
    pub layers: u32,
    /// Source and destination MAC; zero without.
    pub mac: [[u8; 6]; 2],
    /// Type of the network layer in Ethernet.
    pub ether_type: u16,
    /// VLAN identifiers, outermost first.
    pub vlan: [u16; 3],
    /// How many.
    pub vlans: u8,
    /// 0 for the frame itself, one more for every tunnel.
    pub recursion: u8,
    /// The network layer.
    pub network: tg_network,
    /// The transport layer.
    pub transport: tg_transport,
    /// Addresses in network order, of IPv4 the first four bytes.
    pub src: [u8; 16],
    /// See `src`.
    pub dst: [u8; 16],
    /// Ports, where the transport has them.
    pub src_port: u16,
    /// See `src_port`.
    pub dst_port: u16,
    /// IP protocol number, after extension headers.
    pub proto: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// TOS or traffic class.
    pub tos: u8,
    /// 1: damaged so that its headers cannot be used.
    pub invalid: u8,
    /// 1: a fragment.
    pub fragment: u8,
    /// TCP flags as on the wire.
    pub tcp_flags: u8,
    /// TCP window.
    pub tcp_window: u16,
    /// TCP sequence number.
    pub tcp_seq: u32,
    /// TCP acknowledgement number.
    pub tcp_ack: u32,
    /// ICMP type.
    pub icmp_type: u8,
    /// ICMP code.
    pub icmp_code: u8,
    /// IPv4 identification.
    pub ip_id: u16,
    /// Offset of a fragment, bytes.
    pub fragment_offset: u32,
    /// VNI of the VXLAN or GENEVE tunnel it came out of, plus 1; 0: none.
    pub vni: u32,
    /// The network header.
    pub network_header: tg_span,
    /// The transport header.
    pub transport_header: tg_span,
    /// What the transport carries.
    pub payload: tg_span,
    /// Anomalies, a bit each: tg_anomaly_name says which.
    pub anomalies: [u64; 4],
    /// 1: the network's checksum was looked at and is right; 2: it is wrong; 0: not looked at.
    pub network_checksum: u8,
    /// The transport's, likewise.
    pub transport_checksum: u8,
    /// Zero.
    pub reserved: [u8; 6],
}

const fn span(s: Span) -> tg_span {
    tg_span { offset: s.off, len: s.len }
}

const fn sum(c: Checksum) -> u8 {
    match c {
        Checksum::Unchecked => 0,
        Checksum::Good => 1,
        Checksum::Bad => 2,
    }
}

fn decoded(p: &Packet<'_>) -> tg_decoded {
    let (src_mac, dst_mac) = p.mac.unwrap_or_default();
    tg_decoded {
        data: p.data.as_ptr(),
        len: p.data.len() as u32,
        layers: p.layers,
        mac: [src_mac, dst_mac],
        ether_type: p.ether_type,
        vlan: p.vlan,
        vlans: p.vlans,
        recursion: p.recursion,
        network: match p.l3 {
            L3::None => tg_network::TG_NETWORK_NONE,
            L3::Arp => tg_network::TG_NETWORK_ARP,
            L3::Ipv4 => tg_network::TG_NETWORK_IPV4,
            L3::Ipv6 => tg_network::TG_NETWORK_IPV6,
        },
        transport: match p.l4 {
            L4::None => tg_transport::TG_TRANSPORT_NONE,
            L4::Tcp => tg_transport::TG_TRANSPORT_TCP,
            L4::Udp => tg_transport::TG_TRANSPORT_UDP,
            L4::Icmpv4 => tg_transport::TG_TRANSPORT_ICMPV4,
            L4::Icmpv6 => tg_transport::TG_TRANSPORT_ICMPV6,
            L4::Sctp => tg_transport::TG_TRANSPORT_SCTP,
            L4::Gre => tg_transport::TG_TRANSPORT_GRE,
            L4::Esp => tg_transport::TG_TRANSPORT_ESP,
        },
        src: p.src.0,
        dst: p.dst.0,
        src_port: p.sp,
        dst_port: p.dp,
        proto: p.proto,
        ttl: p.ttl,
        tos: p.tos,
        invalid: u8::from(p.invalid),
        fragment: u8::from(p.frag.is_some()),
        tcp_flags: p.tcp.flags,
        tcp_window: p.tcp.window,
        tcp_seq: p.tcp.seq,
        tcp_ack: p.tcp.ack,
        icmp_type: p.icmp.kind,
        icmp_code: p.icmp.code,
        ip_id: p.ip_id,
        fragment_offset: p.frag.map_or(0, |f| f.offset),
        vni: p.vni.map_or(0, |v| v.wrapping_add(1)),
        network_header: span(p.l3_hdr),
        transport_header: span(p.l4_hdr),
        payload: span(p.payload),
        anomalies: p.events.0,
        network_checksum: sum(p.l3_sum),
        transport_checksum: sum(p.l4_sum),
        reserved: [0; 6],
    }
}

thread_local!(static KEPT: Cell<Option<PacketBuf<'static>>> = const { Cell::new(None) });

/// Decodes a packet and writes what is in it, the frame itself first, then what its tunnels carry: at most
/// TG_MAX_LAYERS. With less `room` than there are TG_ERR_ROOM, nothing is written and `count` says how many. Ports of
/// tunnels are the customary ones. Thread-safe; no object is needed.
///
/// # Safety
/// `packet` is NULL or points to a packet whose bytes can be read; `out` has room for `room`; `count` is NULL or can be
/// written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_packet_decode(
    packet: *const tg_packet,
    out: *mut tg_decoded,
    room: usize,
    count: *mut usize,
) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let (packet, count) = unsafe { (args::array(packet, 1, "packet")?, args::out(count, "count")?) };
        let Some(p) = packet.first() else { return Err(args::null("packet")) };
        if out.is_null() {
            return Err(args::null("out"));
        }
        if !p.whole() {
            return Err(p.wrong());
        }
        let decoder = Decoder::new(DecodeConfig::default());
        // Taken once a thread.
        let kept = KEPT.try_with(Cell::take).ok().flatten();
        let mut found = kept.unwrap_or_else(|| PacketBuf::new(MAX_PER_FRAME)).recycle();
        // SAFETY: as above.
        unsafe { p.frame() }.decode(&decoder, &mut found);
        count.write(found.len());
        if found.len() > room {
            return err(TG_ERR_ROOM, format!("there are {}", found.len()));
        }
        for (i, p) in found.iter().enumerate() {
            // SAFETY: there is room for `room`, and `i` is less.
            unsafe { out.add(i).write(decoded(p)) }
        }
        // A thread that ends keeps nothing.
        let _ = KEPT.try_with(|k| k.set(Some(found.recycle())));
        Ok(())
    })
}

/// Names by number, ending in NUL.
fn named(
    names: &'static OnceLock<Vec<CString>>,
    make: impl Fn(usize) -> &'static str,
    count: usize,
    i: u32,
) -> *const c_char {
    let all = names.get_or_init(|| (0..count).map(|i| CString::new(make(i)).unwrap_or_default()).collect());
    all.get(i as usize).map_or(std::ptr::null(), |n| n.as_ptr())
}

/// The name of bit `bit` of `layers`: "ethernet", "vlan", "vxlan", …; NULL when there is none. Thread-safe; the text
/// is there for ever.
#[unsafe(no_mangle)]
pub extern "C" fn tg_layer_name(bit: u32) -> *const c_char {
    static NAMES: OnceLock<Vec<CString>> = OnceLock::new();
    named(&NAMES, |i| layers::NAMES.get(i).copied().unwrap_or(""), layers::COUNT, bit)
}

/// The name of bit `bit` of `anomalies` (bit % 64 of word bit / 64), as rules have it: "ipv4.trunc_pkt", …; NULL when
/// there is none. Thread-safe; the text is there for ever.
#[unsafe(no_mangle)]
pub extern "C" fn tg_anomaly_name(bit: u32) -> *const c_char {
    static NAMES: OnceLock<Vec<CString>> = OnceLock::new();
    named(&NAMES, |i| events::name(i as u8), events::COUNT, bit)
}
