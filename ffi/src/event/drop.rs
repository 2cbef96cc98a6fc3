//! Dropped packets.

use tidegate_core::Dir;
use tidegate_core::event::{Dropped, Event, Verdict};
use tidegate_core::flow::FlowView;
use tidegate_core::packet::Packet;

use crate::args::{self, sized, tg_bytes};
use crate::error::{fence, tg_status};
use crate::packet::{tg_verdict, verdict};

use super::slot::{Slot, with};
use super::{View, tg_event, wrong_type};

/// A dropped packet.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_drop {
    /// sizeof(tg_drop)
    pub size: usize,
    /// Why, as EVE's `drop.reason`.
    pub reason: tg_bytes,
    /// The rule that dropped it; 0 when none did.
    pub sid: u32,
    /// What becomes of the packet.
    pub verdict: tg_verdict,
    /// Zero.
    pub reserved: [u8; 3],
}

sized!(tg_drop);

impl<'a> View<'a> for Dropped<'a> {
    fn name(&self) -> &'static str {
        "drop"
    }
    fn dir(&self) -> Dir {
        self.dir
    }
    fn packet(&self) -> Option<&'a Packet<'a>> {
        Some(self.packet)
    }
    fn flow(&self) -> Option<FlowView<'a>> {
        self.flow
    }
}

/// Tells of a dropped packet. TG_ERR_TYPE when the event is of another type. By the thread that is in the event's
/// callback.
///
/// # Safety
/// See tg_event_describe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_event_drop(event: *const tg_event, out: *mut tg_drop) -> tg_status {
    fence(|| {
        let read = |_: &Slot, e: &Event<'_>| {
            let Event::Drop(d) = e else { return wrong_type("the event is not of type drop") };
            let value = tg_drop {
                size: size_of::<tg_drop>(),
                reason: tg_bytes::of(d.reason.name().as_bytes()),
                sid: d.rule.map_or(0, |r| r.sid),
                verdict: verdict(if d.verdict == Verdict::Forward { Verdict::Drop } else { d.verdict }),
                reserved: [0; 3],
            };
            // SAFETY: the caller promises so.
            unsafe { args::write_sized(out, value) }
        };
        // SAFETY: as above.
        unsafe { with(event, read) }
    })
}
