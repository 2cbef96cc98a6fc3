//! Events as EVE lines.

use tidegate_core::event::Event;

use crate::args::{self, tg_bytes};
use crate::error::{TG_ERR_NOT_FOUND, TG_ERR_UNSUPPORTED, err, fence, tg_status};

use super::slot::{Slot, made, with};
use super::tg_event;

/// Gives the event as a line of EVE JSON without a line feed, as the first `eve-log` of the settings has it.
/// TG_ERR_NOT_FOUND when that wants no such event, TG_ERR_UNSUPPORTED when there is no `eve-log`. By the thread that
/// is in the event's callback.
///
/// # Safety
/// See tg_event_describe; `line` is NULL or can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_event_json(event: *const tg_event, line: *mut tg_bytes) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let line = unsafe { args::out(line, "line") }?;
        let read = |slot: &Slot, e: &Event<'_>| {
            let made = &mut *made(slot)?;
            if !slot.have_line.get() {
                let Some(w) = &mut made.line else {
                    return err(TG_ERR_UNSUPPORTED, "the settings have no eve-log");
                };
                made.text.clear();
                made.text.extend_from_slice(w.write(e, slot.first.get()));
                slot.have_line.set(true);
            }
            if made.text.is_empty() {
                return err(TG_ERR_NOT_FOUND, "the settings want no line for this event");
            }
            line.write(tg_bytes::of(&made.text));
            Ok(())
        };
        // SAFETY: as above.
        unsafe { with(event, read) }
    })
}
