//! The record of a stream.

use super::buffers::ERROR_VALUES;
use super::{Stream, T_ERROR, T_PRIORITY, T_SETTING, T_SIZE};
use crate::Dir;
use crate::app::plain::{be16, be32};
use crate::event::Fields;
use crate::pool::BytePool;

impl Stream {
    /// A frame about the connection that says nothing worth a record: a ping, a window, an acknowledgement.
    fn says_nothing(&self, pool: &BytePool) -> bool {
        self.id == 0 && !Dir::BOTH.into_iter().any(|d| self.has_frames(pool, d))
    }

    /// Whether there is something to say of frames of a direction.
    fn has_frames(&self, pool: &BytePool, d: Dir) -> bool {
        if self.frames.end() == 0 {
            return false;
        }
        let said = [T_SETTING, T_ERROR, T_PRIORITY].map(|t| t + d.ix() as u8);
        self.frames.tagged(pool).any(|(tag, _)| said.contains(&tag))
    }
}

pub(super) fn write(own: &Stream, pool: &BytePool, out: &mut dyn Fields) {
    if own.says_nothing(pool) {
        return;
    }
    out.str("version", "2");
    for (dir, key) in [(Dir::ToServer, "request_headers"), (Dir::ToClient, "response_headers")] {
        headers(own, dir, key, pool, out);
    }
    let [method, path, authority, host, agent] =
        named(own, Dir::ToServer, [":method", ":path", ":authority", "host", "user-agent"], pool);
    let [kind, length, status] =
        named(own, Dir::ToClient, ["content-type", "content-length", ":status"], pool);
    let texts = [
        ("http_method", method),
        ("url", path),
        ("hostname", authority.or(host)),
        ("http_user_agent", agent),
        ("http_content_type", kind),
    ];
    for (key, v) in texts {
        if let Some(v) = v {
            out.bytes(key, v);
        }
    }
    if let Some(n) = length.and_then(decimal) {
        out.u64("length", n);
    }
    if let Some(n) = status.and_then(decimal) {
        out.u64("status", n);
    }
    out.begin_object("http2");
    out.u64("stream_id", u64::from(own.id));
    for (dir, key) in [(Dir::ToServer, "request"), (Dir::ToClient, "response")] {
        if own.has_frames(pool, dir) {
            out.begin_object(key);
            frames(own, dir, pool, out);
            out.end_object();
        }
    }
    out.end_object();
}

/// The first fields of those names, all looked for at once.
fn named<'p, const N: usize>(
    own: &Stream,
    dir: Dir,
    names: [&str; N],
    pool: &'p BytePool,
) -> [Option<&'p [u8]>; N] {
    let mut found = [None; N];
    for (n, v) in own.fields(pool, dir) {
        for (slot, name) in found.iter_mut().zip(names) {
            if slot.is_none() && n.eq_ignore_ascii_case(name.as_bytes()) {
                *slot = Some(v);
            }
        }
    }
    found
}

/// The header fields of a direction and the changes of their table's size, if there are any.
fn headers(own: &Stream, dir: Dir, key: &str, pool: &BytePool, out: &mut dyn Fields) {
    if own.numbers(pool, T_SIZE, dir).next().is_none() && own.fields(pool, dir).next().is_none() {
        return;
    }
    out.begin_array(key);
    for n in own.numbers(pool, T_SIZE, dir) {
        out.begin_object("");
        out.u64("table_size_update", u64::from(n));
        out.end_object();
    }
    for (n, v) in own.fields(pool, dir) {
        out.begin_object("");
        out.bytes("name", n);
        out.bytes("value", v);
        out.end_object();
    }
    out.end_array();
}

/// What frames other than those of headers and data said.
fn frames(own: &Stream, dir: Dir, pool: &BytePool, out: &mut dyn Fields) {
    let mut open = false;
    for set in own.frames.all(pool, T_SETTING + dir.ix() as u8) {
        if !open {
            out.begin_array("settings");
            open = true;
        }
        out.begin_object("");
        let id = be16(set, 0).unwrap_or(0);
        match SETTING_NAMES.get(usize::from(id).wrapping_sub(1)) {
            Some(n) => out.str("settings_id", n),
            None => out.fmt("settings_id", format_args!("SETTINGS UNKNOWN ID {id}")),
        }
        out.u64("settings_value", u64::from(be32(set, 2).unwrap_or(0)));
        out.end_object();
    }
    if open {
        out.end_array();
    }
    if let Some(code) = own.numbers(pool, T_ERROR, dir).next() {
        match ERROR_VALUES.get(code as usize) {
            Some((n, _)) => out.fmt("error_code", format_args!("{}", Upper(n))),
            None => out.fmt("error_code", format_args!("{code}")),
        }
    }
    if let Some(p) = own.numbers(pool, T_PRIORITY, dir).next() {
        out.u64("priority", u64::from(p));
    }
}

const SETTING_NAMES: &[&str] = &[
    "SETTINGSHEADERTABLESIZE",
    "SETTINGSENABLEPUSH",
    "SETTINGSMAXCONCURRENTSTREAMS",
    "SETTINGSINITIALWINDOWSIZE",
    "SETTINGSMAXFRAMESIZE",
    "SETTINGSMAXHEADERLISTSIZE",
];

/// A name in capitals, without what joins its words.
struct Upper<'a>(&'a str);

impl core::fmt::Display for Upper<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut letters = self.0.chars().filter(|c| *c != '_');
        letters.try_for_each(|c| core::fmt::Write::write_char(f, c.to_ascii_uppercase()))
    }
}

fn decimal(b: &[u8]) -> Option<u64> {
    if b.is_empty() {
        return None;
    }
    b.iter().try_fold(0u64, |n, c| {
        c.is_ascii_digit().then(|| n.saturating_mul(10).saturating_add(u64::from(c - b'0')))
    })
}
