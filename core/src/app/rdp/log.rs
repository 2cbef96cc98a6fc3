//! The `rdp` record. What Suricata's schema has no place for (the negotiated protocol, certificates) is shown where
//! `extended` asks for it.

use core::fmt::{self, Write};

use super::client::{self, Core};
use super::{Kind, Negotiation, Own, names};
use crate::event::Fields;
use crate::pool::BytePool;

/// A text in UTF-16, little endian, up to its zero.
struct Wide<'a>(&'a [u8]);

impl fmt::Display for Wide<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = self.0.as_chunks::<2>().0.iter().map(|c| u16::from_le_bytes(*c)).take_while(|c| *c != 0);
        for c in char::decode_utf16(units) {
            f.write_char(c.unwrap_or(char::REPLACEMENT_CHARACTER))?;
        }
        Ok(())
    }
}

impl Wide<'_> {
    fn is_empty(&self) -> bool {
        matches!(self.0, [] | [_] | [0, 0, ..])
    }
}

impl Own {
    pub(super) fn log(&self, pool: &BytePool, out: &mut dyn Fields) {
        let bytes = self.bytes.get(pool);
        match self.kind {
            Kind::Request => {
                out.str("event_type", "initial_request");
                if !bytes.is_empty() {
                    out.bytes("cookie", bytes);
                }
            }
            Kind::Response => {
                out.str("event_type", "initial_response");
                if let Some(n) = self.negotiation.filter(|_| out.wants("extended")) {
                    negotiated(out, n);
                }
            }
            Kind::ConnectRequest => {
                out.str("event_type", "connect_request");
                if let Some(core) = Core::read(bytes) {
                    about(out, &core);
                }
                let mut all = client::channels(bytes).peekable();
                if all.peek().is_some() {
                    out.begin_array("channels");
                    all.for_each(|c| out.bytes("", c));
                    out.end_array();
                }
            }
            Kind::ConnectResponse => out.str("event_type", "connect_response"),
            Kind::Tls => {
                out.str("event_type", "tls_handshake");
                if out.wants("extended") {
                    serials(out, bytes);
                }
            }
        }
    }
}

fn negotiated(out: &mut dyn Fields, n: Negotiation) {
    match n.kind {
        2 => {
            let mut flags = names::SERVER.iter().filter(|f| n.flags & f.0 != 0).peekable();
            if flags.peek().is_some() {
                out.begin_array("server_supports");
                flags.for_each(|f| out.str("", f.1));
                out.end_array();
            }
            match names::protocol(n.value) {
                Some(name) => out.str("protocol", name),
                None => out.fmt("protocol", format_args!("{}", n.value)),
            }
        }
        3 => out.u64("error_code", u64::from(n.value)),
        _ => {}
    }
}

fn serials(out: &mut dyn Fields, mut bytes: &[u8]) {
    out.begin_array("x509_serials");
    while let Some((n, tail)) = bytes.split_first() {
        let Some((serial, rest)) = tail.split_at_checked(usize::from(*n)) else { break };
        out.hex("", serial);
        bytes = rest;
    }
    out.end_array();
}

fn about(out: &mut dyn Fields, c: &Core<'_>) {
    out.begin_object("client");
    match names::version(c.version) {
        Some(name) => out.str("version", name),
        None => out.fmt("version", format_args!("unknown: {}", c.version)),
    }
    out.u64("desktop_width", u64::from(c.width));
    out.u64("desktop_height", u64::from(c.height));
    if let Some(depth) = c.depth {
        out.u64("color_depth", u64::from(depth));
    }
    match names::layout(c.layout & 0xffff) {
        Some(name) => out.str("keyboard_layout", name),
        None => out.fmt("keyboard_layout", format_args!("0x{:08x}", c.layout)),
    }
    match names::build(c.build) {
        Some(name) => out.str("build", name),
        None => out.fmt("build", format_args!("unknown: {}", c.build)),
    }
    if !Wide(c.name).is_empty() {
        out.fmt("client_name", format_args!("{}", Wide(c.name)));
    }
    if let Some(name) = names::keyboard(c.keyboard) {
        out.str("keyboard_type", name);
    }
    out.u64("function_keys", u64::from(c.function_keys));
    if let Some(product) = c.product {
        out.u64("product_id", u64::from(product));
    }
    if let Some(flags) = c.capabilities.filter(|f| *f != 0) {
        out.begin_array("capabilities");
        names::CAPABILITIES.iter().filter(|k| flags & k.0 != 0).for_each(|k| out.str("", k.1));
        out.end_array();
    }
    if let Some(id) = c.id.filter(|i| !Wide(i).is_empty()) {
        out.fmt("id", format_args!("{}", Wide(id)));
    }
    out.end_object();
}
