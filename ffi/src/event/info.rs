//! What every event has.

use tidegate_core::Dir;
use tidegate_core::event::Event;
use tidegate_core::flow::FlowView;
use tidegate_core::packet::{Addr, Packet};

use crate::args::{self, sized, tg_bytes};
use crate::error::{fence, tg_status};
use crate::packet::{link_back, tg_packet};

use super::slot::{Slot, with};
use super::{name_of, seen, tg_event, tg_event_type};

/// What every event has.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_event_info {
    /// sizeof(tg_event_info)
    pub size: usize,
    /// Its type.
    pub type_: tg_event_type,
    /// 4, 6, or 0 when it has no addresses.
    pub ip_version: u8,
    /// IP protocol number.
    pub proto: u8,
    /// 0 from client to server, 1 back.
    pub direction: u8,
    /// VLAN identifiers in `vlan`.
    pub vlans: u8,
    /// EVE's `event_type`: "alert", "flow", "http", "dns", ….
    pub name: tg_bytes,
    /// Nanoseconds since the Unix epoch.
    pub ts_ns: u64,
    /// Number of the flow (EVE `flow_id`); 0 when it has none.
    pub flow_id: u64,
    /// `index` of the packet; 0 when it has none.
    pub index: u64,
    /// Number of the transaction in its flow (EVE `tx_id`), plus 1; 0 when it has none.
    pub tx: u64,
    /// Application protocol of the flow; empty when it is not known.
    pub app_proto: tg_bytes,
    /// Addresses in network order, of IPv4 the first four bytes, as EVE's `src_ip` and `dest_ip`.
    pub src: [u8; 16],
    /// See `src`.
    pub dst: [u8; 16],
    /// Ports, where the protocol has them.
    pub src_port: u16,
    /// See `src_port`.
    pub dst_port: u16,
    /// Outermost first.
    pub vlan: [u16; 3],
    /// `port` of the packet given to tg_engine_process that led to it; 0 at a flow's end.
    pub port: u16,
    /// `rss_hash` of that packet.
    pub rss_hash: u32,
    /// LINKTYPE_ number of `packet`, as in tg_packet.
    pub link_type: u32,
    /// The packet's bytes; of one out of a tunnel what its carrier carried. Empty when it has none.
    pub packet: tg_bytes,
    /// What the caller calls the stream without packets that it is of (tg_stream_open); else empty.
    pub tag: tg_bytes,
}

sized!(tg_event_info);

struct Ends {
    src: Addr,
    dst: Addr,
    ports: (u16, u16),
    proto: u8,
    version: u8,
}

fn of_packet(p: &Packet<'_>) -> Ends {
    let version = if !p.has_ip() {
        0
    } else if p.is_ipv6() {
        6
    } else {
        4
    };
    Ends { src: p.src, dst: p.dst, ports: (p.sp, p.dp), proto: p.proto, version }
}

fn of_flow(f: &FlowView<'_>, dir: Dir) -> Ends {
    let k = f.key();
    let version = if k.v6 { 6 } else { 4 };
    let e = Ends { src: k.src, dst: k.dst, ports: (k.sp, k.dp), proto: k.proto, version };
    if dir == Dir::ToServer { e } else { Ends { src: e.dst, dst: e.src, ports: (e.ports.1, e.ports.0), ..e } }
}

fn info(slot: &Slot, e: &Event<'_>) -> tg_event_info {
    let (type_, view) = seen(e);
    let (dir, p, f) = (view.dir(), view.packet(), view.flow());
    let ends = match (p, &f) {
        (_, Some(f)) if p.is_none() || view.ends_of_flow() => of_flow(f, dir),
        (Some(p), _) => of_packet(p),
        (None, _) => Ends { src: Addr([0; 16]), dst: Addr([0; 16]), ports: (0, 0), proto: 0, version: 0 },
    };
    let has_ports = matches!(ends.proto, 6 | 17 | 132);
    let (vlan, vlans) = match (p, &f) {
        (Some(p), _) => (p.vlan, p.vlans),
        (None, Some(f)) => (f.key().vlan, f.key().vlans),
        (None, None) => ([0; 3], 0),
    };
    let given = p.and_then(|p| given(slot, p));
    tg_event_info {
        size: size_of::<tg_event_info>(),
        type_,
        ip_version: ends.version,
        proto: ends.proto,
        direction: dir as u8,
        vlans,
        name: tg_bytes::of(view.name().as_bytes()),
        ts_ns: p.map_or_else(|| f.as_ref().map_or_else(|| view.time(), FlowView::start), |p| p.ts),
        flow_id: f.as_ref().map_or(0, FlowView::id),
        index: p.map_or(0, |p| p.index),
        tx: view.tx().map_or(0, |(t, _)| t.common().shown_id + 1),
        app_proto: f.as_ref().map_or(tg_bytes::NONE, |f| name_of(f.extra.app)),
        src: ends.src.0,
        dst: ends.dst.0,
        src_port: if has_ports { ends.ports.0 } else { 0 },
        dst_port: if has_ports { ends.ports.1 } else { 0 },
        vlan,
        port: given.map_or(0, |g| g.port),
        rss_hash: given.map_or(0, |g| g.rss_hash),
        link_type: p.map_or(0, |p| u32::from(link_back(p.link))),
        packet: p.map_or(tg_bytes::NONE, |p| tg_bytes::of(p.data)),
        tag: f.as_ref().map_or(tg_bytes::NONE, |f| tg_bytes::of(f.extra.tag)),
    }
}

/// The packet of the call at hand whose bytes a packet's are, or are part of.
fn given(slot: &Slot, p: &Packet<'_>) -> Option<tg_packet> {
    let (list, n) = slot.packets.get();
    if n == 0 {
        return None;
    }
    // SAFETY: `Slot::lend` was told of them by the call that is still running, whose caller keeps them.
    let list = unsafe { std::slice::from_raw_parts(list, n) };
    let at = p.data.as_ptr() as usize;
    list.iter().find(|g| (g.data as usize..g.data as usize + g.len as usize).contains(&at)).copied()
}

/// Tells what every event has. By the thread that is in the event's callback.
///
/// # Safety
/// `event` is NULL or what a callback was given, here and in all functions of this group; `out` is NULL or points to a
/// struct whose `size` is set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_event_describe(event: *const tg_event, out: *mut tg_event_info) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        unsafe { with(event, |slot, e| args::write_sized(out, info(slot, e))) }
    })
}
