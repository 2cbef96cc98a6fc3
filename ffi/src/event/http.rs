//! HTTP transactions.

use crate::args::{sized, tg_bytes};
use crate::error::tg_status;
use crate::record::Record;

use super::field::typed;
use super::tg_event;

/// The record of an HTTP transaction. Members that it has not are empty or 0, here and in the other records.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_http {
    /// sizeof(tg_http)
    pub size: usize,
    /// The request's method.
    pub method: tg_bytes,
    /// Host name.
    pub hostname: tg_bytes,
    /// The request's target.
    pub url: tg_bytes,
    /// Version of the protocol.
    pub protocol: tg_bytes,
    /// `User-Agent` of the request.
    pub user_agent: tg_bytes,
    /// `Referer` of the request.
    pub referrer: tg_bytes,
    /// `Content-Type` of the response.
    pub content_type: tg_bytes,
    /// `Location` of the response.
    pub redirect: tg_bytes,
    /// Bytes of the response's body on the wire.
    pub length: u64,
    /// Status of the response.
    pub status: u32,
    /// Port in the host header.
    pub port: u32,
}

sized!(tg_http);

/// Tells of the HTTP transaction of a record, alert, file or anomaly. TG_ERR_TYPE when it has none. By the thread that
/// is in the event's callback.
///
/// # Safety
/// See tg_event_describe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_event_http(event: *const tg_event, out: *mut tg_http) -> tg_status {
    let make = |r: &Record| {
        let text = |path: &str| tg_bytes::of(r.text(path));
        tg_http {
            size: size_of::<tg_http>(),
            method: text("http_method"),
            hostname: text("hostname"),
            url: text("url"),
            protocol: text("protocol"),
            user_agent: text("http_user_agent"),
            referrer: text("http_refer"),
            content_type: text("http_content_type"),
            redirect: text("redirect"),
            length: r.number("length"),
            status: r.number("status") as u32,
            port: r.number("http_port") as u32,
        }
    };
    // SAFETY: the caller promises so.
    unsafe { typed(event, &["http"], out, make) }
}
