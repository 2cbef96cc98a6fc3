//! The request of HTTP/1 that asked for HTTP/2 (RFC 7540, 3.2): it is stream 1, and its field `HTTP2-Settings` is the client's
//! first settings.

use super::{
    AppCx, COMPLETE, Dir, EV_SETTINGS, Flow, HEADERS_DONE, Http2, SETTINGS, State, T_FRAME, end_side,
    message_begins, open,
};

const TS: Dir = Dir::ToServer;

/// The next field of what is carried over: its name's length, name and value as one, and the rest.
fn field(b: &[u8]) -> Option<(usize, &[u8], &[u8])> {
    let [n0, n1, v0, v1, rest @ ..] = b else { return None };
    let n = usize::from(u16::from_le_bytes([*n0, *n1]));
    let v = usize::from(u16::from_le_bytes([*v0, *v1]));
    let (text, rest) = rest.split_at_checked(n + v)?;
    Some((n, text, rest))
}

/// Bytes of base64url (RFC 4648, 5) to `out`, up to what is none. Whether all of it was.
pub(super) fn base64url(text: &[u8], mut out: impl FnMut(u8)) -> bool {
    let (mut bits, mut have) = (0u32, 0);
    for &c in text {
        let six = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'-' | b'+' => 62,
            b'_' | b'/' => 63,
            b'=' => continue,
            _ => return false,
        };
        bits = bits << 6 | u32::from(six);
        have += 6;
        if have >= 8 {
            have -= 8;
            out((bits >> have) as u8);
        }
    }
    true
}

impl Http2 {
    /// Opens stream 1 with the request that was carried over, which is complete.
    pub(super) fn adopt(&mut self, s: &mut State, flow: &mut Flow<'_>, cx: &mut AppCx<'_>) {
        let mut carried = core::mem::take(&mut s.carried);
        self.copy.clear();
        let room = self.copy.capacity();
        self.copy.extend(carried.get(cx.pool).iter().take(room));
        carried.free(cx.pool);
        cx.scratch.clear();
        let Some(tx) = open(s, flow, 1, TS, cx) else { return };
        let mut left = self.copy.as_slice();
        let t = flow.get(tx);
        while let Some((n, text, rest)) = field(left) {
            left = rest;
            let (name, value) = text.split_at_checked(n).unwrap_or((text, &[]));
            if name.eq_ignore_ascii_case(b"http2-settings") {
                cx.scratch.clear();
                let sound = base64url(value, |b| {
                    cx.scratch.push(b);
                });
                // Settings of six bytes each.
                if !sound || !cx.scratch.len().is_multiple_of(6) {
                    t.common.raise(EV_SETTINGS, TS);
                }
            } else {
                t.own.keep(cx.pool, TS, n, text);
            }
        }
        self.copy.clear();
        self.copy.extend(cx.scratch.as_slice().iter().take(room));
        t.common.advance(TS, HEADERS_DONE);
        t.common.touch_both();
        Self::names(t, TS, cx);
        message_begins(t, TS, cx);
        end_side(s, flow, tx, TS, cx);
        if self.copy.is_empty() {
            return;
        }
        let Some(tx) = open(s, flow, 0, TS, cx) else { return };
        let t = flow.get(tx);
        t.own.number(cx.pool, T_FRAME, TS, u32::from(SETTINGS));
        Self::note(t, SETTINGS, &self.copy, TS, cx);
        t.common.advance_both(COMPLETE);
        t.common.touch_both();
    }
}
