//! Where an engine lends its events, one at a time.

use std::cell::{Cell, RefCell};

use tidegate_core::event::Event;
use tidegate_core::pool::Scratch;
use tidegate_dataplane::config::EveSettings;
use tidegate_dataplane::eve::EveLine;

use crate::error::{Res, TG_ERR_REENTRANT, TG_ERR_STATE, err};
use crate::handle::{self, Object};
use crate::packet::tg_packet;
use crate::record::Record;

use super::tg_event;

/// What is made for readers of the event at hand.
pub(super) struct Made {
    pub record: Record,
    pub line: Option<EveLine>,
    pub text: Vec<u8>,
    /// Texts of more than one piece: addresses of references.
    pub joined: Vec<u8>,
    /// A value of a buffer that is not stored as it is.
    pub value: Scratch,
}

/// Where an engine lends its events. What every event touches is one cache line.
#[repr(C, align(64))]
pub(crate) struct Slot {
    /// The event at hand, or NULL.
    event: Cell<*const Event<'static>>,
    /// Packets of the call at hand.
    pub(super) packets: Cell<(*const tg_packet, usize)>,
    pub(super) first: Cell<bool>,
    /// The record, or the line, of the event is made.
    pub(super) have_record: Cell<bool>,
    pub(super) have_line: Cell<bool>,
    pub(super) made: RefCell<Made>,
    pub(super) eve: Option<EveSettings>,
}

impl Object for Slot {
    const KIND: u32 = 3;
    const NAME: &'static str = "event";
    type Opaque = tg_event;
}

impl Slot {
    pub fn new(eve: Option<EveSettings>, inline: bool) -> Slot {
        Slot {
            event: Cell::new(std::ptr::null()),
            packets: Cell::new((std::ptr::null(), 0)),
            first: Cell::new(true),
            have_record: Cell::new(false),
            have_line: Cell::new(false),
            made: RefCell::new(Made {
                record: Record::new(),
                line: eve.clone().map(|s| EveLine::new(s, inline)),
                text: Vec::with_capacity(64 << 10),
                joined: Vec::with_capacity(1 << 10),
                value: Scratch::new(64 << 10),
            }),
            eve,
        }
    }

    /// Lends `event`, which comes from one of `packets` if from any, to this thread by way of `handle` while `f` runs.
    ///
    /// # Safety
    /// `handle` stands for this slot, and no other thread uses it.
    #[inline]
    pub unsafe fn lend(
        &self,
        handle: *const tg_event,
        event: &Event<'_>,
        first: bool,
        packets: &[tg_packet],
        f: impl FnOnce(),
    ) {
        self.have_record.set(false);
        self.have_line.set(false);
        self.first.set(first);
        self.packets.set((packets.as_ptr(), packets.len()));
        // The lifetime is only longer on paper: the event is taken away before this function returns, and readers get
        // at it through `with` alone, which lends it for as long as they run.
        self.event.set(std::ptr::from_ref(event).cast());
        // SAFETY: as above.
        unsafe { handle::claim::<Slot>(handle, true) };
        let _back = Back(&self.event, handle);
        f();
    }
}

/// Takes the event away, whatever happens.
struct Back<'a>(&'a Cell<*const Event<'static>>, *const tg_event);

impl Drop for Back<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.set(std::ptr::null());
        // SAFETY: as in `lend`.
        unsafe { handle::claim::<Slot>(self.1, false) };
    }
}

/// Runs `f` with the slot and event behind a handle.
///
/// # Safety
/// `p` is NULL or what a callback was given.
pub(super) unsafe fn with<R>(p: *const tg_event, f: impl FnOnce(&Slot, &Event<'_>) -> Res<R>) -> Res<R> {
    // SAFETY: a slot is made of cells that one thread uses at a time: the one inside, which `peek` asks for.
    let slot = unsafe { handle::peek::<Slot>(p) }?;
    // SAFETY: `lend` is on the stack of this thread, with the event.
    match unsafe { slot.event.get().as_ref() } {
        Some(e) => f(slot, e),
        None => err(TG_ERR_STATE, "the event is over: its callback has returned"),
    }
}

/// What was made for readers of the event.
pub(super) fn made(slot: &Slot) -> Res<std::cell::RefMut<'_, Made>> {
    slot.made.try_borrow_mut().or_else(|_| err(TG_ERR_REENTRANT, "the fields of the event are being walked"))
}
