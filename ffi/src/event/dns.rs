//! DNS messages.

use crate::args::{sized, tg_bytes};
use crate::error::tg_status;
use crate::record::Record;

use super::field::typed;
use super::tg_event;

/// The record of a DNS message.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_dns {
    /// sizeof(tg_dns)
    pub size: usize,
    /// "request" or "response" ("query" or "answer" in EVE's versions 1 and 2).
    pub kind: tg_bytes,
    /// Name in the first question.
    pub rrname: tg_bytes,
    /// Type in the first question: "A", "AAAA", ….
    pub rrtype: tg_bytes,
    /// "NOERROR", "NXDOMAIN", … of a response.
    pub rcode: tg_bytes,
    /// Data of the first answer as text.
    pub rdata: tg_bytes,
    /// Identifier of the message.
    pub id: u32,
    /// Answers in the record; each is at `answers.N.rrname`, `.rrtype`, `.ttl`, `.rdata` of tg_event_field.
    pub answers: u32,
}

sized!(tg_dns);

/// Tells of the DNS message of a record, alert or anomaly. TG_ERR_TYPE when it has none. By the thread that is in the
/// event's callback.
///
/// # Safety
/// See tg_event_describe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_event_dns(event: *const tg_event, out: *mut tg_dns) -> tg_status {
    let make = |r: &Record| {
        let text = |path: &str| tg_bytes::of(r.text(path));
        // The question stands in a list or beside the rest, by EVE's version.
        let either = |listed: &str, path: &str| match r.text(listed) {
            b"" => text(path),
            found => tg_bytes::of(found),
        };
        tg_dns {
            size: size_of::<tg_dns>(),
            kind: text("type"),
            rrname: either("queries.0.rrname", "rrname"),
            rrtype: either("queries.0.rrtype", "rrtype"),
            rcode: text("rcode"),
            rdata: text("answers.0.rdata"),
            id: r.number("id") as u32,
            answers: r.items("answers", "rrname") as u32,
        }
    };
    // SAFETY: the caller promises so.
    unsafe { typed(event, &["dns"], out, make) }
}
