//! Alerts, and what is known of their rules.

use tidegate_core::Dir;
use tidegate_core::app::TxView;
use tidegate_core::event::{Action, Alert, Event};
use tidegate_core::flow::FlowView;
use tidegate_core::packet::Packet;
use tidegate_core::rules::RuleMeta;

use crate::args::{self, sized, tg_bytes};
use crate::error::{Res, TG_ERR_NOT_FOUND, err, fence, tg_status};
use crate::packet::{tg_verdict, verdict};

use super::slot::{Slot, made, with};
use super::{View, tg_event, wrong_type};

/// A match of a rule.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_alert {
    /// sizeof(tg_alert)
    pub size: usize,
    /// Number of the signature.
    pub sid: u32,
    /// Its generator, mostly 1.
    pub gid: u32,
    /// Its revision.
    pub rev: u32,
    /// 1 (high) to 255.
    pub severity: u32,
    /// "alert", "drop", "reject", "pass": what is done, which thresholds may have changed.
    pub action: tg_bytes,
    /// `msg` of the rule.
    pub message: tg_bytes,
    /// Description of its class.
    pub category: tg_bytes,
    /// `classtype` of the rule.
    pub classtype: tg_bytes,
    /// The whole rule.
    pub rule: tg_bytes,
    /// The bytes that were inspected when they were a stream's; else the packet's payload. tg_event_alert_match says
    /// in which buffer the rule matched.
    pub payload: tg_bytes,
    /// Line from 1 in the source the rule came from.
    pub line: u32,
    /// Number of that source, files of a folder counted each.
    pub source: u32,
    /// Pairs that tg_event_alert_metadata gives.
    pub metadata: u32,
    /// Addresses that tg_event_alert_reference gives.
    pub references: u32,
    /// 1: EVE's `alert.action` is "allowed", 0: "blocked".
    pub allowed: u8,
    /// 1: matched in reassembled stream data.
    pub in_stream: u8,
    /// 1: no match, but a packet that a `tag` of an earlier match covers.
    pub tagged: u8,
    /// What becomes of the packet.
    pub verdict: tg_verdict,
    /// Zero.
    pub reserved: u32,
}

sized!(tg_alert);

impl<'a> View<'a> for Alert<'a> {
    fn name(&self) -> &'static str {
        if self.tagged { "packet" } else { "alert" }
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
    fn tx(&self) -> Option<(TxView<'a>, Dir)> {
        self.tx.map(|t| (t, self.dir))
    }
}

pub(crate) const fn action(a: Action) -> &'static str {
    match a {
        Action::Alert => "alert",
        Action::Pass => "pass",
        Action::Drop => "drop",
        Action::Reject | Action::RejectSrc | Action::RejectDst | Action::RejectBoth => "reject",
    }
}

/// Tells of an alert. TG_ERR_TYPE when it is none. By the thread that is in the event's callback.
///
/// # Safety
/// See tg_event_describe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_event_alert(event: *const tg_event, out: *mut tg_alert) -> tg_status {
    fence(|| {
        let read = |_: &Slot, e: &Event<'_>| {
            let Event::Alert(a) = e else { return wrong_type("the event is not of type alert") };
            let r = a.rule;
            let text = |s: &str| tg_bytes::of(s.as_bytes());
            let stream = a.in_stream && !a.stream_data.is_empty();
            let value = tg_alert {
                size: size_of::<tg_alert>(),
                sid: r.sid,
                gid: r.gid,
                rev: r.rev,
                severity: r.priority,
                action: text(action(a.action)),
                message: text(&r.msg),
                category: text(&r.category),
                classtype: text(&r.classtype),
                rule: text(&r.text),
                payload: tg_bytes::of(if stream { a.stream_data } else { a.packet.payload() }),
                line: r.line,
                source: r.file,
                metadata: r.metadata.len() as u32,
                references: r.references.len() as u32,
                allowed: u8::from(a.allowed),
                in_stream: u8::from(a.in_stream),
                tagged: u8::from(a.tagged),
                verdict: verdict(a.verdict),
                reserved: 0,
            };
            // SAFETY: the caller promises so.
            unsafe { args::write_sized(out, value) }
        };
        // SAFETY: the caller promises so.
        unsafe { with(event, read) }
    })
}

/// Where the literal is by which an alert's rule was chosen.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_alert_match {
    /// sizeof(tg_alert_match)
    pub size: usize,
    /// The sticky buffer as rules name it ("http.uri"); "payload" for the bytes of the packet or stream.
    pub buffer: tg_bytes,
    /// The value of that buffer, as far as it is there: of a body the part at hand.
    pub value: tg_bytes,
    /// Where the literal begins, bytes from the start of the whole value.
    pub offset: u64,
    /// Its bytes as they are in the value.
    pub matched: tg_bytes,
}

sized!(tg_alert_match);

/// Tells in which buffer an alert's rule matched, and where: the first place of the rule's fast pattern (its most telling
/// literal, of long ones a part). Other conditions of the rule may have been met elsewhere. It is searched for when it is asked for. TG_ERR_NOT_FOUND
/// when the rule has no literal, or looks for it in something made of a buffer (by transforms) or in a header. By the
/// thread that is in the event's callback; valid until the next call of this function. It takes no memory.
///
/// # Safety
/// See tg_event_describe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_event_alert_match(event: *const tg_event, out: *mut tg_alert_match) -> tg_status {
    fence(|| {
        let read = |slot: &Slot, e: &Event<'_>| {
            let Event::Alert(a) = e else { return wrong_type("the event is not of type alert") };
            let made = &mut *made(slot)?;
            let Some(f) = a.found(&mut made.value) else {
                return err(TG_ERR_NOT_FOUND, "no literal of the rule has a place in a buffer");
            };
            let value = tg_alert_match {
                size: size_of::<tg_alert_match>(),
                buffer: tg_bytes::of(f.buffer.as_bytes()),
                value: tg_bytes::of(f.bytes),
                offset: f.offset + f.start as u64,
                matched: tg_bytes::of(f.bytes.get(f.start..f.end).unwrap_or(&[])),
            };
            // SAFETY: the caller promises so.
            unsafe { args::write_sized(out, value) }
        };
        // SAFETY: the caller promises so.
        unsafe { with(event, read) }
    })
}

fn rule<'a>(e: &Event<'a>) -> Res<&'a RuleMeta> {
    match e {
        Event::Alert(a) => Ok(a.rule),
        Event::Drop(d) => match d.rule {
            Some(r) => Ok(r),
            None => err(TG_ERR_NOT_FOUND, "no rule dropped it"),
        },
        _ => wrong_type("the event is not of type alert or drop"),
    }
}

/// Gives pair number `i` of the `metadata` of an alert's rule. TG_ERR_NOT_FOUND beyond the last. By the thread that is
/// in the event's callback.
///
/// # Safety
/// See tg_event_describe; `key` and `value` are NULL or can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_event_alert_metadata(
    event: *const tg_event,
    i: u32,
    key: *mut tg_bytes,
    value: *mut tg_bytes,
) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let (key, value) = unsafe { (args::out(key, "key")?, args::out(value, "value")?) };
        // SAFETY: as above.
        unsafe {
            with(event, |_, e| match rule(e)?.metadata.get(i as usize) {
                Some((k, v)) => {
                    key.write(tg_bytes::of(k.as_bytes()));
                    value.write(tg_bytes::of(v.as_bytes()));
                    Ok(())
                }
                None => err(TG_ERR_NOT_FOUND, "the rule has no more metadata"),
            })
        }
    })
}

/// Gives address number `i` of the `reference`s of an alert's rule; it stays until the next one is asked for.
/// TG_ERR_NOT_FOUND beyond the last. By the thread that is in the event's callback.
///
/// # Safety
/// See tg_event_describe; `address` is NULL or can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_event_alert_reference(
    event: *const tg_event,
    i: u32,
    address: *mut tg_bytes,
) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let address = unsafe { args::out(address, "address") }?;
        let read = |slot: &Slot, e: &Event<'_>| {
            let Some((prefix, rest)) = rule(e)?.references.get(i as usize) else {
                return err(TG_ERR_NOT_FOUND, "the rule has no more references");
            };
            let made = &mut *made(slot)?;
            made.joined.clear();
            made.joined.extend_from_slice(prefix.as_bytes());
            made.joined.extend_from_slice(rest.as_bytes());
            address.write(tg_bytes::of(&made.joined));
            Ok(())
        };
        // SAFETY: as above.
        unsafe { with(event, read) }
    })
}
