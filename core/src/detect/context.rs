//! What detection is told about the packet at hand and its flow, its settings, and what it counts.
//!
//! Goes in from the engine with every call; owns nothing.

use super::FlowDetect;
use crate::Dir;
use crate::app::file::Files;
use crate::app::{AppProto, FlowApp, Parser, StateId, TxRef};
use crate::flow::Hot;
use crate::packet::{EventSet, Packet};

/// Reassembled bytes of one direction, as far as they may be inspected now.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    /// A retained tail followed by the new bytes.
    pub data: &'a [u8],
    /// Stream offset of `data[0]`.
    pub offset: u64,
    /// Index in `data` of the first new byte.
    pub new_from: usize,
}

impl<'a> Raw<'a> {
    /// The new bytes: what rules on the stream see. Offsets and `^` count from its start, as in Suricata.
    pub fn chunk(&self) -> &'a [u8] {
        self.data.get(self.new_from..).unwrap_or(&[])
    }
}

/// The packet at hand and what the stations before detection found out about it.
#[derive(Clone, Copy)]
pub struct PacketCx<'a> {
    pub pkt: &'a Packet<'a>,
    pub dir: Dir,
    pub has_flow: bool,
    /// The engine made it (end of a flow): it has no bytes of its own.
    pub pseudo: bool,
    /// Its flow is established (TCP: handshake done; otherwise: both sides were seen).
    pub established: bool,
    /// First packet of its flow in its direction.
    pub first: bool,
    /// The protocol that its direction of the flow speaks was found since the packet before it in that direction.
    pub found: bool,
    /// Its payload belongs to a reassembled stream and is inspected there.
    pub in_stream: bool,
    /// Payload is opaque or not wanted.
    pub no_payload: bool,
    /// No patterns are searched for: the flow is encrypted in one direction at least.
    pub no_patterns: bool,
    pub stream_events: EventSet,
    /// Detection-level application events on this packet (bit per event).
    pub app_events: u8,
    /// Bytes of stream seen from client and server.
    pub stream_size: Option<[u32; 2]>,
    pub raw: Option<Raw<'a>>,
    pub flow_id: u64,
}

impl<'a> PacketCx<'a> {
    /// A packet of which nothing is known but itself.
    pub fn of(pkt: &'a Packet<'a>, dir: Dir) -> Self {
        PacketCx {
            pkt,
            dir,
            has_flow: false,
            pseudo: false,
            established: false,
            first: false,
            found: false,
            in_stream: false,
            no_payload: false,
            no_patterns: false,
            stream_events: EventSet::default(),
            app_events: 0,
            stream_size: None,
            raw: None,
            flow_id: 0,
        }
    }
}

/// The transaction at hand, where its parser has it.
pub struct TxAt<'a> {
    pub parser: &'a mut (dyn Parser + 'static),
    pub st: StateId,
    pub tx: TxRef,
    pub files: &'a Files,
    /// It is a frame, not a transaction.
    pub frame: bool,
}

/// The flow of the packet at hand.
pub struct FlowCx<'a> {
    pub detect: &'a mut FlowDetect,
    pub app: AppProto,
    pub app_by_dir: [AppProto; 2],
    pub app_orig: AppProto,
    /// Seconds since the flow began.
    pub age: u64,
    pub pkts: [u64; 2],
    pub bytes: [u64; 2],
}

impl<'a> FlowCx<'a> {
    /// The flow with these records, which began at `start` (ns).
    pub fn of(hot: &Hot, start: u64, app: &FlowApp, detect: &'a mut FlowDetect) -> Self {
        FlowCx {
            app: app.shown(),
            app_by_dir: [app.proto_ts, app.proto_tc],
            app_orig: app.original(),
            // Between the seconds in which they lie, as Suricata counts: 1 from 0.9 s to 1.1 s.
            age: (hot.last / 1_000_000_000).saturating_sub(start / 1_000_000_000),
            pkts: hot.pkts.map(u64::from),
            bytes: hot.bytes,
            detect,
        }
    }
}

/// Counters of one worker.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counters {
    /// Regexes that met their step limit.
    pub regex_limits: u64,
    /// Steps that evaluating took: of rules, and of their regexes.
    pub work: u64,
    /// Bytes of transactions that were searched: by prefilters, by transforms before them, by contents and regexes of rules.
    pub searched: u64,
    pub candidates: u64,
    pub evaluated: u64,
}

/// Sizes of a worker's tables.
#[derive(Debug, Clone, Copy)]
pub struct DetectConfig {
    /// Most alerts a packet may raise (`packet-alert-max`).
    pub packet_alert_max: usize,
    pub threshold_slots: usize,
    pub host_slots: usize,
    /// Growing values (bodies, files) are looked at when that many bytes are there, per direction, and then again
    /// each time that many more came; always at their end. 0: whenever they grow (inline).
    pub body_min: [u32; 2],
    pub body_step: [u32; 2],
    /// Largest buffer that transforms and built buffers may reach, bytes.
    pub scratch: usize,
}

impl Default for DetectConfig {
    fn default() -> Self {
        DetectConfig {
            packet_alert_max: 15,
            threshold_slots: 16 << 10,
            host_slots: 16 << 10,
            body_min: [32 << 10, 40 << 10],
            body_step: [4 << 10, 16 << 10],
            scratch: 256 << 10,
        }
    }
}
