//! Flows: those that ended, and those that events belong to.

use tidegate_core::Dir;
use tidegate_core::event::Event;
use tidegate_core::flow::{FlowView, flag};
use tidegate_core::packet::Packet;

use crate::args::{self, sized, tg_bytes};
use crate::error::{TG_ERR_NOT_FOUND, err, fence, tg_status};

use super::slot::{Slot, with};
use super::{View, name_of, seen, tg_event};

/// A flow.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_flow {
    /// sizeof(tg_flow)
    pub size: usize,
    /// Its number (EVE `flow_id`).
    pub id: u64,
    /// Packet time of its first packet, nanoseconds.
    pub start_ns: u64,
    /// Packet time of its newest packet.
    pub last_ns: u64,
    /// Packets from the client, and back.
    pub packets: [u64; 2],
    /// Frame bytes from the client, and back.
    pub bytes: [u64; 2],
    /// Transactions so far.
    pub transactions: u64,
    /// Application protocol; empty when it is not known.
    pub app_proto: tg_bytes,
    /// "new", "established", "closed", "bypassed".
    pub state: tg_bytes,
    /// Why it ended: "timeout", "shutdown", "forced", "tcp_reuse"; "unknown" while it lives.
    pub reason: tg_bytes,
    /// State of the TCP session as EVE's `tcp.state`; empty for others.
    pub tcp_state: tg_bytes,
    /// The client's address, as in tg_event_info.
    pub client: [u8; 16],
    /// The server's address.
    pub server: [u8; 16],
    /// Port of the client; of ICMP type and code.
    pub client_port: u16,
    /// Port of the server.
    pub server_port: u16,
    /// VLAN identifiers, outermost first.
    pub vlan: [u16; 3],
    /// How many.
    pub vlans: u8,
    /// 4 or 6.
    pub ip_version: u8,
    /// IP protocol number.
    pub proto: u8,
    /// All TCP flags seen from the client, and back.
    pub tcp_flags: [u8; 2],
    /// 1: a rule alerted on it.
    pub alerted: u8,
    /// 1: its packets are dropped.
    pub blocked: u8,
    /// Tunnels it is inside of.
    pub recursion: u8,
    /// Zero.
    pub reserved: [u8; 2],
}

sized!(tg_flow);

impl<'a> View<'a> for FlowView<'a> {
    fn name(&self) -> &'static str {
        "flow"
    }
    fn dir(&self) -> Dir {
        Dir::ToServer
    }
    fn packet(&self) -> Option<&'a Packet<'a>> {
        None
    }
    fn flow(&self) -> Option<FlowView<'a>> {
        Some(*self)
    }
    fn ends_of_flow(&self) -> bool {
        true
    }
}

pub(crate) fn flow_of(f: &FlowView<'_>) -> tg_flow {
    let k = f.key();
    let word = |s: &'static str| tg_bytes::of(s.as_bytes());
    tg_flow {
        size: size_of::<tg_flow>(),
        id: f.id(),
        start_ns: f.start(),
        last_ns: f.last(),
        packets: Dir::BOTH.map(|d| u64::from(f.pkts(d))),
        bytes: Dir::BOTH.map(|d| f.bytes(d)),
        transactions: f.extra.tx_count,
        app_proto: name_of(f.extra.app),
        state: word(f.state().name()),
        reason: word(f.reason().name()),
        tcp_state: f.tcp.map_or(tg_bytes::NONE, |s| word(s.state().name())),
        client: k.src.0,
        server: k.dst.0,
        client_port: k.sp,
        server_port: k.dp,
        vlan: k.vlan,
        vlans: k.vlans,
        ip_version: if k.v6 { 6 } else { 4 },
        proto: k.proto,
        tcp_flags: Dir::BOTH.map(|d| f.tcp.map_or(f.tcp_flags(d), |s| s.tcp_flags(d))),
        alerted: u8::from(f.has(flag::ALERTED)),
        blocked: u8::from(f.has(flag::DROP)),
        recursion: k.recursion,
        reserved: [0; 2],
    }
}

/// Tells of the event's flow; of an event of type flow, the one that ended. TG_ERR_NOT_FOUND when it has none. By the
/// thread that is in the event's callback.
///
/// # Safety
/// See tg_event_describe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_event_flow(event: *const tg_event, out: *mut tg_flow) -> tg_status {
    fence(|| {
        let read = |_: &Slot, e: &Event<'_>| {
            let Some(f) = seen(e).1.flow() else { return err(TG_ERR_NOT_FOUND, "the event has no flow") };
            // SAFETY: the caller promises so.
            unsafe { args::write_sized(out, flow_of(&f)) }
        };
        // SAFETY: as above.
        unsafe { with(event, read) }
    })
}
