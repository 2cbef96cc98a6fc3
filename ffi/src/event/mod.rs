//! Events: what a callback is shown, and the functions that read it.
//!
//! An engine lends one event at a time ([`slot`]). What has to be made for a reader (the fields of a record, the EVE
//! line) is made when it is asked for, once an event, in memory that the slot keeps.
//!
//! One file for each kind of view. A type of event is its file here, with what all readers ask of it in [`View`], and
//! its line in [`seen`]; a typed view of a protocol's record is a file only.

use std::ffi::{c_int, c_void};

use tidegate_core::Dir;
use tidegate_core::app::{AppProto, TxView};
use tidegate_core::event::Event;
use tidegate_core::flow::FlowView;
use tidegate_core::packet::Packet;

use crate::args::tg_bytes;
use crate::error::{Res, TG_ERR_INVALID, TG_ERR_TYPE, err};

// In the order of the header.
mod info;

mod alert;

mod flow;

mod anomaly;

mod file;

mod drop;

mod field;

mod frame;

mod http;

mod dns;

mod tls;

mod json;

mod slot;

mod summary;

pub(crate) use alert::action;
pub(crate) use flow::flow_of;
pub(crate) use slot::Slot;
pub use {
    alert::*, anomaly::*, dns::*, drop::*, field::*, file::*, flow::*, http::*, info::*, json::*, tls::*,
};

/// An event, lent to a callback. Only the thread that is in the callback may look at it, and only until the callback
/// returns; so it is with all memory that it points to. Afterwards every function answers TG_ERR_STATE.
pub struct tg_event {
    _private: [u8; 0],
}

/// Type of an event.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum tg_event_type {
    /// A rule matched.
    TG_EVENT_ALERT = 1,
    /// A flow ended.
    TG_EVENT_FLOW = 2,
    /// A protocol's transaction is complete: `http`, `dns`, `tls`, ….
    TG_EVENT_RECORD = 4,
    /// A transferred file was seen to its end.
    TG_EVENT_FILE = 8,
    /// Damaged or contradictory traffic.
    TG_EVENT_ANOMALY = 16,
    /// A packet was dropped.
    TG_EVENT_DROP = 32,
    /// What calls of models add up to: a service (`ai_service`), a window of telemetry (`ai_telemetry`). It has neither packet nor
    /// flow; its fields are read as those of a record.
    TG_EVENT_SUMMARY = 64,
}

use tg_event_type::*;

/// Takes an event. Any other return value than 0 stops: the call that led to it delivers no further event and ends
/// with TG_ERR_STOPPED, with all packets inspected and all verdicts written. Of the engine only
/// tg_engine_flow_block and tg_engine_flow_bypass may be called from here; other objects may be used freely.
pub type tg_event_fn = Option<unsafe extern "C" fn(event: *const tg_event, user: *mut c_void) -> c_int>;

/// What all readers ask of an event.
trait View<'a> {
    /// EVE's `event_type`.
    fn name(&self) -> &'static str;
    fn dir(&self) -> Dir;
    fn packet(&self) -> Option<&'a Packet<'a>>;
    fn flow(&self) -> Option<FlowView<'a>>;
    /// The transaction, and the side that its record speaks of.
    fn tx(&self) -> Option<(TxView<'a>, Dir)> {
        None
    }
    /// Its time, where it has neither packet nor flow; ns.
    fn time(&self) -> u64 {
        0
    }
    /// Its addresses are its flow's, not its packet's.
    fn ends_of_flow(&self) -> bool {
        false
    }
}

/// The type of an event, and what can be asked of it.
#[inline]
fn seen<'e, 'a>(e: &'e Event<'a>) -> (tg_event_type, &'e dyn View<'a>) {
    match e {
        Event::Alert(a) => (TG_EVENT_ALERT, *a),
        Event::Flow(f) => (TG_EVENT_FLOW, f),
        Event::Tx(t) => (TG_EVENT_RECORD, *t),
        Event::File(f) => (TG_EVENT_FILE, *f),
        Event::Anomaly(a) => (TG_EVENT_ANOMALY, *a),
        Event::Drop(d) => (TG_EVENT_DROP, *d),
        Event::Summary(s) => (TG_EVENT_SUMMARY, *s),
        // Records, too, where the configuration asks for them.
        Event::Frame(f) => (TG_EVENT_RECORD, *f),
        Event::Stream(s) => (TG_EVENT_RECORD, *s),
    }
}

/// The bit of an event's type.
#[inline]
pub(crate) fn bit(e: &Event<'_>) -> u32 {
    seen(e).0 as u32
}

fn name_of(p: AppProto) -> tg_bytes {
    if p == AppProto::UNKNOWN { tg_bytes::NONE } else { tg_bytes::of(p.name().as_bytes()) }
}

/// Programs ask by trying: so nothing is allocated for the answer.
fn wrong_type<T>(text: &'static str) -> Res<T> {
    err(TG_ERR_TYPE, text)
}

/// All types.
pub(crate) const ALL: u32 = 127;

/// Types of a mask, or all for 0.
pub(crate) fn types(mask: u32) -> Res<u32> {
    match mask {
        0 => Ok(ALL),
        m if m & !ALL == 0 => Ok(m),
        m => err(TG_ERR_INVALID, format!("events is {m:#x}; there are only {ALL:#x}")),
    }
}
