//! TLS handshakes.

use crate::args::{sized, tg_bytes};
use crate::error::tg_status;
use crate::record::Record;

use super::field::typed;
use super::tg_event;

/// The record of a TLS handshake.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_tls {
    /// sizeof(tg_tls)
    pub size: usize,
    /// Name that the client asked for.
    pub sni: tg_bytes,
    /// "TLS 1.3", ….
    pub version: tg_bytes,
    /// Subject of the server's certificate.
    pub subject: tg_bytes,
    /// Its issuer.
    pub issuer: tg_bytes,
    /// Its SHA-1 fingerprint, in hexadecimal with colons.
    pub fingerprint: tg_bytes,
    /// Its serial number.
    pub serial: tg_bytes,
    /// When it begins to be valid.
    pub not_before: tg_bytes,
    /// When it ends to be valid.
    pub not_after: tg_bytes,
    /// JA3 of the client, when it is made.
    pub ja3: tg_bytes,
    /// JA3S of the server, when it is made.
    pub ja3s: tg_bytes,
    /// JA4 of the client, when it is made.
    pub ja4: tg_bytes,
}

sized!(tg_tls);

/// Tells of the TLS handshake of a record, alert or anomaly. TG_ERR_TYPE when it has none. By the thread that is in
/// the event's callback.
///
/// # Safety
/// See tg_event_describe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_event_tls(event: *const tg_event, out: *mut tg_tls) -> tg_status {
    let make = |r: &Record| {
        let text = |path: &str| tg_bytes::of(r.text(path));
        tg_tls {
            size: size_of::<tg_tls>(),
            sni: text("sni"),
            version: text("version"),
            subject: text("subject"),
            issuer: text("issuerdn"),
            fingerprint: text("fingerprint"),
            serial: text("serial"),
            not_before: text("notbefore"),
            not_after: text("notafter"),
            ja3: text("ja3.hash"),
            ja3s: text("ja3s.hash"),
            ja4: text("ja4"),
        }
    };
    // SAFETY: the caller promises so.
    unsafe { typed(event, &["tls"], out, make) }
}
