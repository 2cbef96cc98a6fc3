//! Records of protocols: any field of theirs by its path, and what the typed views of single protocols share.

use std::ffi::{c_char, c_int, c_void};

use tidegate_core::Dir;
use tidegate_core::app::TxView;
use tidegate_core::event::{Event, TxRecord};
use tidegate_core::flow::FlowView;
use tidegate_core::packet::Packet;

use crate::args::{self, Answers, sized, tg_bytes};
use crate::error::{Res, TG_ERR_NOT_FOUND, TG_ERR_REENTRANT, err, fence, tg_status};
use crate::record::{Record, Value, Writer};

use super::slot::{Slot, with};
use super::{View, seen, tg_event, wrong_type};

/// Type of a field's value.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum tg_field_type {
    /// `text`: as on the wire, not always UTF-8.
    TG_FIELD_TEXT = 1,
    /// `number`
    TG_FIELD_UNSIGNED = 2,
    /// `number`, to be read as int64_t.
    TG_FIELD_SIGNED = 3,
    /// `real`
    TG_FIELD_REAL = 4,
    /// `number`: 0 or 1.
    TG_FIELD_BOOL = 5,
}

/// A field of a protocol's record.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_field {
    /// sizeof(tg_field)
    pub size: usize,
    /// Which of the members below holds the value.
    pub type_: tg_field_type,
    /// Zero.
    pub reserved: u32,
    /// Its path: names as in EVE, joined by dots; items of lists by their numbers from 0 ("answers.0.rrname").
    pub path: tg_bytes,
    /// Text.
    pub text: tg_bytes,
    /// A whole number.
    pub number: u64,
    /// A number with a fraction.
    pub real: f64,
}

sized!(tg_field);

/// Takes a field of a record. Any other return value than 0 ends the walk with TG_ERR_STOPPED.
pub type tg_field_fn = Option<unsafe extern "C" fn(field: *const tg_field, user: *mut c_void) -> c_int>;

impl<'a> View<'a> for TxRecord<'a> {
    fn name(&self) -> &'static str {
        self.tx.record()
    }
    fn dir(&self) -> Dir {
        self.tx.record_dir(self.dir)
    }
    fn packet(&self) -> Option<&'a Packet<'a>> {
        Some(self.packet)
    }
    fn flow(&self) -> Option<FlowView<'a>> {
        Some(self.flow)
    }
    fn tx(&self) -> Option<(TxView<'a>, Dir)> {
        Some((self.tx, self.dir))
    }
    fn ends_of_flow(&self) -> bool {
        true
    }
}

/// Makes the record of the event's transaction, unless it is there.
fn record<'a>(slot: &'a Slot, e: &Event<'_>) -> Res<std::cell::Ref<'a, Record>> {
    let tx = seen(e).1.tx();
    if tx.is_none() && !matches!(e, Event::Summary(_)) {
        return err(TG_ERR_NOT_FOUND, "the event has no transaction");
    }
    if !slot.have_record.get()
        && let Ok(mut made) = slot.made.try_borrow_mut()
    {
        made.record.clear();
        match (tx, e) {
            (Some((t, dir)), _) => {
                let settings = slot.eve.as_ref().and_then(|s| s.record(t.record()));
                t.log(dir, &mut Writer { record: &mut made.record, settings });
            }
            (None, Event::Summary(s)) => {
                s.body.fields(&mut Writer { record: &mut made.record, settings: None });
            }
            _ => {}
        }
        slot.have_record.set(true);
    }
    let made = slot.made.try_borrow().or_else(|_| err(TG_ERR_REENTRANT, "the event is being written"))?;
    Ok(std::cell::Ref::map(made, |m| &m.record))
}

fn field(path: &[u8], value: Value, text: &[u8]) -> tg_field {
    let (type_, number, real) = match value {
        Value::Text(..) => (tg_field_type::TG_FIELD_TEXT, 0, 0.0),
        Value::U64(n) => (tg_field_type::TG_FIELD_UNSIGNED, n, 0.0),
        Value::I64(n) => (tg_field_type::TG_FIELD_SIGNED, n.cast_unsigned(), 0.0),
        Value::F64(n) => (tg_field_type::TG_FIELD_REAL, 0, n),
        Value::Bool(b) => (tg_field_type::TG_FIELD_BOOL, u64::from(b), 0.0),
    };
    tg_field {
        size: size_of::<tg_field>(),
        type_,
        reserved: 0,
        path: tg_bytes::of(path),
        text: tg_bytes::of(text),
        number,
        real,
    }
}

/// Gives a field of the record of the event's transaction by its path: what EVE has under the protocol's name.
/// Records, and alerts, files and anomalies in transactions have one. TG_ERR_NOT_FOUND when there is none. By the
/// thread that is in the event's callback.
///
/// # Safety
/// See tg_event_describe; `path` is NULL or text that ends in NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_event_field(
    event: *const tg_event,
    path: *const c_char,
    out: *mut tg_field,
) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let path = unsafe { args::text(path, "path") }?;
        let read = |slot: &Slot, e: &Event<'_>| {
            let r = record(slot, e)?;
            match (0..r.len()).filter_map(|i| r.get(i)).find(|f| f.0 == path.as_bytes()) {
                // SAFETY: the caller promises so.
                Some((path, value, text)) => unsafe { args::write_sized(out, field(path, value, text)) },
                None => err(TG_ERR_NOT_FOUND, "the record has no such field"),
            }
        };
        // SAFETY: as above.
        unsafe { with(event, read) }
    })
}

/// Gives all fields of the record of the event's transaction, in EVE's order, one after the other to `callback`. By
/// the thread that is in the event's callback.
///
/// # Safety
/// See tg_event_describe; `callback` is NULL or a function that does as its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_event_fields(
    event: *const tg_event,
    callback: tg_field_fn,
    user: *mut c_void,
) -> tg_status {
    fence(|| {
        let call = args::callback(callback)?;
        let read = |slot: &Slot, e: &Event<'_>| {
            let r = record(slot, e)?;
            let mut answers = Answers::new();
            for (path, value, text) in (0..r.len()).filter_map(|i| r.get(i)) {
                let f = field(path, value, text);
                // SAFETY: the caller gave a function of this type; what `f` points to outlives the call.
                if !answers.take(unsafe { call(&raw const f, user) }) {
                    break;
                }
            }
            answers.end()
        };
        // SAFETY: the caller promises so.
        unsafe { with(event, read) }
    })
}

/// Reads a record whose transaction is one of `names`.
///
/// # Safety
/// See tg_event_describe.
pub(super) unsafe fn typed<T: args::Sized0>(
    event: *const tg_event,
    names: &[&str],
    out: *mut T,
    f: impl FnOnce(&Record) -> T,
) -> tg_status {
    fence(|| {
        let read = |slot: &Slot, e: &Event<'_>| {
            if !seen(e).1.tx().is_some_and(|(t, _)| names.contains(&t.record())) {
                return wrong_type("the event has no transaction of that protocol");
            }
            let r = record(slot, e)?;
            // SAFETY: the caller promises so.
            unsafe { args::write_sized(out, f(&r)) }
        };
        // SAFETY: the caller promises so.
        unsafe { with(event, read) }
    })
}
