//! The `ike` record.

use super::message::{Attribute, proposals};
use super::{NOTIFY, Own, SA, T_KEY, T_NONCE, T_SA, VENDOR, names};
use crate::event::Fields;
use crate::pool::BytePool;

/// Proposals, payloads, notifications and vendors that are shown.
const LIST_MAX: usize = 64;

impl Own {
    pub(super) fn log(&self, pool: &BytePool, out: &mut dyn Fields) {
        let h = &self.header;
        out.u64("version_major", u64::from(h.major));
        out.u64("version_minor", u64::from(h.minor));
        out.hex("init_spi", &h.initiator);
        out.hex("resp_spi", &h.responder);
        out.u64("message_id", u64::from(h.id));
        out.u64("exchange_type", u64::from(h.exchange));
        if out.wants("extended")
            && let Some(name) = names::exchange(h.exchange)
        {
            out.str("exchange_type_verbose", name);
        }
        if h.major == 1 {
            self.version_one(pool, out);
        } else {
            self.version_two(pool, out);
        }
    }

    fn list(&self, pool: &BytePool, out: &mut dyn Fields) {
        let mut told = 0u64;
        let mut begun = false;
        let mut tell = |out: &mut dyn Fields, kind: u8| {
            let bit = 1u64.checked_shl(u32::from(kind)).unwrap_or(0);
            if let Some(name) = names::payload(kind).filter(|_| told & bit == 0) {
                if !begun {
                    out.begin_array("payload");
                    begun = true;
                }
                told |= bit;
                out.str("", name);
            }
        };
        for p in self.payloads(pool).take(LIST_MAX) {
            tell(out, p.kind);
            // Of version 1 what is inside a security association counts as well.
            if p.kind == SA[0]
                && let Some(proposal) = proposals(p.body, true).next()
            {
                tell(out, 2);
                if proposal.transforms(true).next().is_some() {
                    tell(out, 3);
                }
            }
        }
        if begun {
            out.end_array();
        }
    }

    fn version_one(&self, pool: &BytePool, out: &mut dyn Fields) {
        let hidden = self.header.is_encrypted();
        if self.answer
            && let Some(t) =
                self.first(pool, SA).and_then(|sa| proposals(sa, true).next()?.transforms(true).next())
        {
            attributes(out, || t.attributes());
        }
        self.list(pool, out);
        out.begin_object("ikev1");
        if let Some(doi) = self.doi {
            out.u64("doi", u64::from(doi));
        }
        out.bool("encrypted_payloads", hidden);
        if !hidden {
            self.side(pool, "client", 0, out);
            self.side(pool, "server", 1, out);
            let mut vendors = self.payloads(pool).filter(|p| p.kind == VENDOR).take(LIST_MAX).peekable();
            if vendors.peek().is_some() {
                out.begin_array("vendor_ids");
                vendors.for_each(|v| out.hex("", v.body));
                out.end_array();
            }
        }
        out.end_object();
    }

    /// What one side has said so far; nothing if that is nothing.
    fn side(&self, pool: &BytePool, name: &str, side: u8, out: &mut dyn Fields) {
        let get = |tag: u8| self.sides.nth(pool, tag + side, 0);
        let sa = if side == 0 { get(T_SA) } else { None };
        if get(T_KEY).is_none() && get(T_NONCE).is_none() && sa.is_none() {
            return;
        }
        out.begin_object(name);
        for (tag, key, length) in [
            (T_KEY, "key_exchange_payload", "key_exchange_payload_length"),
            (T_NONCE, "nonce_payload", "nonce_payload_length"),
        ] {
            if let Some(bytes) = get(tag) {
                out.hex(key, bytes);
                out.u64(length, bytes.len() as u64);
            }
        }
        if let Some(sa) = sa {
            let mut all = proposals(sa, true).flat_map(|p| p.transforms(true)).take(LIST_MAX).peekable();
            if all.peek().is_some() {
                out.begin_array("proposals");
                for t in all {
                    out.begin_object("");
                    attributes(out, || t.attributes());
                    out.end_object();
                }
                out.end_array();
            }
        }
        out.end_object();
    }

    fn version_two(&self, pool: &BytePool, out: &mut dyn Fields) {
        out.str("role", if self.header.flags & 8 != 0 { "initiator" } else { "responder" });
        self.list(pool, out);
        out.begin_object("ikev2");
        let notes = || {
            let all = self.payloads(pool).filter(|p| p.kind == NOTIFY);
            all.filter_map(|p| Some(u16::from_be_bytes(*p.body.get(2..4)?.first_chunk::<2>()?)))
                .take(LIST_MAX)
        };
        // Numbers below are errors (RFC 7296 3.10.1).
        out.u64("errors", notes().filter(|n| *n < 16384).count() as u64);
        out.begin_array("notify");
        for n in notes() {
            match names::notify(n) {
                Some(name) => out.str("", name),
                None => out.fmt("", format_args!("{n}")),
            }
        }
        out.end_array();
        out.end_object();
    }
}

/// Attributes of a transform in their order; of one that is repeated the first.
fn attributes<I: Iterator<Item = Attribute>>(out: &mut dyn Fields, all: impl Fn() -> I) {
    let mut told = 0u32;
    for a in all() {
        let Some((_, name, values)) = names::ATTRIBUTES.iter().find(|k| k.0 == a.kind) else { continue };
        let Some((key, raw)) = names::SHOWN.iter().find(|s| s.0 == *name) else { continue };
        let bit = 1u32 << (a.kind & 31);
        if told & bit != 0 {
            continue;
        }
        told |= bit;
        out.str(key, a.value.and_then(values).unwrap_or("Unknown"));
        if let Some(n) = a.value {
            out.u64(raw, u64::from(n));
        }
    }
}
