//! Damaged or contradictory traffic.

use tidegate_core::Dir;
use tidegate_core::app::TxView;
use tidegate_core::event::{Anomaly, AnomalyKind, Event};
use tidegate_core::flow::FlowView;
use tidegate_core::packet::Packet;

use crate::args::{self, sized, tg_bytes};
use crate::error::{fence, tg_status};

use super::slot::{Slot, with};
use super::{View, name_of, tg_event, wrong_type};

/// Damaged or contradictory traffic.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_anomaly {
    /// sizeof(tg_anomaly)
    pub size: usize,
    /// "decode", "stream" or "applayer", as EVE's `anomaly.type`.
    pub kind: tg_bytes,
    /// Its name, as rules have it.
    pub name: tg_bytes,
    /// Where it was found, for "applayer": "proto_parser", "proto_detect" or "parser"; else empty.
    pub layer: tg_bytes,
    /// The protocol, for "applayer".
    pub app_proto: tg_bytes,
}

sized!(tg_anomaly);

impl<'a> View<'a> for Anomaly<'a> {
    fn name(&self) -> &'static str {
        "anomaly"
    }
    fn dir(&self) -> Dir {
        self.dir
    }
    fn packet(&self) -> Option<&'a Packet<'a>> {
        self.packet
    }
    fn flow(&self) -> Option<FlowView<'a>> {
        self.flow
    }
    fn tx(&self) -> Option<(TxView<'a>, Dir)> {
        self.tx.map(|t| (t, self.dir))
    }
}

/// Tells of an anomaly. TG_ERR_TYPE when it is none. By the thread that is in the event's callback.
///
/// # Safety
/// See tg_event_describe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_event_anomaly(event: *const tg_event, out: *mut tg_anomaly) -> tg_status {
    fence(|| {
        let read = |_: &Slot, e: &Event<'_>| {
            let Event::Anomaly(a) = e else { return wrong_type("the event is not of type anomaly") };
            let text = |s: &str| tg_bytes::of(s.as_bytes());
            let kind = match a.kind {
                AnomalyKind::Decode => "decode",
                AnomalyKind::Stream => "stream",
                AnomalyKind::AppLayer => "applayer",
            };
            let value = tg_anomaly {
                size: size_of::<tg_anomaly>(),
                kind: text(kind),
                name: text(a.name),
                layer: text(a.layer),
                app_proto: name_of(a.app_proto),
            };
            // SAFETY: the caller promises so.
            unsafe { args::write_sized(out, value) }
        };
        // SAFETY: as above.
        unsafe { with(event, read) }
    })
}
