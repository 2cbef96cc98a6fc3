//! The object `intel` of alerts: which indicator was met, where, and what is said of it.

use tidegate_core::intel::{Kind, Seen};
use tidegate_core::packet::Addr;

use super::json::Json;

/// Bytes of a value.
const MOST: usize = 256;

pub(super) fn object(j: &mut Json, seen: &Seen<'_>) {
    let h = &seen.hit;
    j.open("intel");
    j.word("type", h.kind.name());
    value(j, h.kind, h.value);
    j.word("where", seen.place);
    if !seen.value.is_empty() {
        j.string("seen", seen.value.get(..MOST).unwrap_or(seen.value));
    }
    j.string("source", h.about.source.as_bytes());
    if !h.about.description.is_empty() {
        j.string("description", h.about.description.as_bytes());
    }
    if let Some(t) = h.about.tlp {
        j.word("tlp", t.name());
    }
    if !h.about.attack.is_empty() {
        j.open_list("attack");
        h.about.attack.iter().for_each(|t| j.string("", t.as_bytes()));
        j.close_list();
    }
    if let Some(c) = h.confidence {
        j.uint("confidence", u64::from(c));
    }
    if let Some(until) = h.until {
        j.time("expires", u64::from(until) * 1_000_000_000);
    }
    j.close();
}

/// The indicator as people write it. Nothing is allocated.
fn value(j: &mut Json, kind: Kind, v: &[u8]) {
    match (kind, v.first_chunk::<4>(), v.first_chunk::<16>()) {
        (Kind::Address, _, Some(six)) => j.short_addr("indicator", &Addr(*six)),
        (Kind::Address, Some(four), None) => j.addr("indicator", &Addr::v4(*four), false),
        (Kind::Md5 | Kind::Sha1 | Kind::Sha256 | Kind::Model | Kind::Certificate, ..) => {
            j.hex("indicator", v)
        }
        _ => j.string("indicator", v.get(..MOST).unwrap_or(v)),
    }
}
