//! The record layer: SSLv3 and TLS records (RFC 8446 5.1), SSLv2 records, handshake messages over fragments,
//! certificates, alerts and heartbeats (RFC 6520).
//!
//! The order of checks and the events they raise are Suricata's.

use sha1::{Digest, Sha1};

use super::Cx;
use super::events as ev;
use super::hello;
use super::state::*;
use super::x509;
use crate::Dir;

const HEADER: usize = 5;
/// Largest record accepted: the plain text limit and room for what encryption adds.
const MAX_RECORD: usize = (1 << 14) + 1024;
/// Names of a SubjectAltName that are kept.
const MAX_ALT_NAMES: usize = 256;

/// What became of the bytes at a record boundary.
pub enum Step {
    Took(usize),
    /// That many are needed in all.
    Need(usize),
    Failed,
}

/// Reads one record (or as much of it as needs reading) off the front of `data`, which is not empty.
pub fn step(s: &mut State, dir: Dir, data: &[u8], cx: &mut Cx<'_>) -> Step {
    let side = &mut s.sides[dir.ix()];
    if data[0] & 0xc0 != 0 {
        side.version = 2;
    } else if side.version == 2 {
        side.version = 0;
    }
    if side.version == 2 { sslv2(s, dir, data) } else { sslv3(s, dir, data, cx) }
}

fn fail(s: &mut State, dir: Dir, event: u8) -> Step {
    s.common.raise(event, dir);
    Step::Failed
}

fn sslv3(s: &mut State, dir: Dir, data: &[u8], cx: &mut Cx<'_>) -> Step {
    let &[kind, major, minor, hi, lo, ref rest @ ..] = data else { return Step::Need(HEADER) };
    let len = usize::from(u16::from_be_bytes([hi, lo]));
    let said_hello = s.flags & if dir == Dir::ToServer { CLIENT_HELLO } else { SERVER_HELLO } != 0;
    let side = &mut s.sides[dir.ix()];
    let before = side.version;
    if !(said_hello && side.version != 0) {
        side.version = u16::from_be_bytes([major, minor]);
    }
    if !(20..=24).contains(&kind) {
        s.common.raise(ev::INVALID_RECORD_TYPE, dir);
        if matches!(before, 0x0301 | 0x0302) {
            // Old implementations sent such; the record is passed over.
            s.sides[dir.ix()].version = before;
            return skip(s, dir, len);
        }
        return Step::Failed;
    }
    if len == 0 || len > MAX_RECORD {
        return fail(s, dir, ev::INVALID_RECORD_LENGTH);
    }
    if !hello::known_version(s.sides[dir.ix()].version) {
        return fail(s, dir, ev::INVALID_RECORD_VERSION);
    }
    if kind == 23 {
        application_data(s, dir);
        return skip(s, dir, len);
    }
    let Some(body) = rest.get(..len) else { return Step::Need(HEADER + len) };
    let fine = match kind {
        20 => {
            s.flags |= CHANGE_CIPHER | CHANGE_CIPHER_SIDE << dir.ix();
            if dir == Dir::ToServer {
                s.advance(dir, HANDSHAKE);
            }
            true
        }
        21 => alert(s, dir, body),
        22 => handshake_record(s, dir, body, cx),
        _ => heartbeat(s, dir, body),
    };
    if fine { Step::Took(HEADER + len) } else { Step::Failed }
}

/// The record's header was read, its contents are of no interest.
fn skip(s: &mut State, dir: Dir, len: usize) -> Step {
    s.sides[dir.ix()].skip = len as u32;
    Step::Took(HEADER)
}

fn application_data(s: &mut State, dir: Dir) {
    // Early data of TLS 1.3 comes before the handshake is over.
    if s.flags & EARLY_DATA != 0 && s.flags & SERVER_HELLO == 0 {
        return;
    }
    s.flags |= APP_DATA;
    s.advance(dir, HANDSHAKE);
}

fn alert(s: &mut State, dir: Dir, body: &[u8]) -> bool {
    match body {
        // Fatal: the session is over. Longer ones are encrypted.
        [2, _] => s.advance_both(FINISHED),
        [] | [_] => {
            s.common.raise(ev::INVALID_ALERT_MESSAGE, dir);
            return false;
        }
        _ => {}
    }
    true
}

fn handshake_record(s: &mut State, dir: Dir, body: &[u8], cx: &mut Cx<'_>) -> bool {
    if s.flags & CHANGE_CIPHER != 0 {
        // In TLS 1.3 the message means nothing, so a hello may still come; otherwise the rest is encrypted.
        let waits = s.flags & CLIENT_HELLO != 0 && s.sides[0].version > 0x0303 && s.flags & SERVER_HELLO == 0;
        if !waits {
            return true;
        }
    }
    if body.len() < 4 {
        // Suricata gives the session up here. Servers put messages together over records of any length (RFC 8446
        // 5.1), so a hello that begins with such a record would hide its names.
        s.common.raise(ev::INVALID_SSL_RECORD, dir);
    }
    let fine = handshake(s, dir, body, cx);
    if !fine {
        s.common.raise(ev::INVALID_HANDSHAKE_MESSAGE, dir);
    }
    fine
}

/// Reads the handshake messages of a record, the first of which may have begun in an earlier one.
fn handshake(s: &mut State, dir: Dir, mut data: &[u8], cx: &mut Cx<'_>) -> bool {
    let i = dir.ix();
    while !data.is_empty() {
        if s.sides[i].hs_open {
            let side = &mut s.sides[i];
            let missing = side.hs_len.saturating_sub(side.hs_got) as usize;
            let (more, rest) = data.split_at(missing.min(data.len()));
            data = rest;
            side.add_fragment(cx.pool, more);
            if side.hs_got < side.hs_len {
                continue;
            }
            side.hs_open = false;
            // The message is read from a copy, as what it says is kept in the same pool.
            let mut whole = core::mem::take(cx.message);
            whole.clear();
            whole.extend_from_slice(side.hs.get(cx.pool));
            side.hs.free(cx.pool);
            if !side.hs_lost {
                let kind = side.hs_type;
                message(s, dir, kind, &whole, cx);
            }
            *cx.message = whole;
            continue;
        }
        let Some((kind, len)) = s.sides[i].message_head(&mut data) else {
            s.common.raise(ev::INVALID_SSL_RECORD, dir);
            return true;
        };
        let rest = data;
        // Extensions and changes of keys are protected, and only there.
        let v13 = cx.keys && s.is_v13() && matches!(kind, 5 | 8 | 24);
        if !v13 && !matches!(kind, 0 | 1 | 2 | 4 | 11..=16 | 20..=22) {
            // Behind a change of cipher these are encrypted.
            if s.flags & CHANGE_CIPHER_SIDE << i == 0 {
                s.common.raise(ev::INVALID_HANDSHAKE_MESSAGE, dir);
            }
            data = rest.get(len..).unwrap_or(&[]);
            continue;
        }
        match rest.split_at_checked(len) {
            Some((body, rest)) => {
                data = rest;
                message(s, dir, kind, body, cx);
            }
            None => {
                let side = &mut s.sides[i];
                side.hs_open = true;
                side.hs_type = kind;
                side.hs_len = len as u32;
                side.hs_got = 0;
                side.hs_lost = false;
                side.hs.truncate(0);
                side.add_fragment(cx.pool, rest);
                return true;
            }
        }
    }
    true
}

/// One whole handshake message.
fn message(s: &mut State, dir: Dir, kind: u8, body: &[u8], cx: &mut Cx<'_>) {
    match kind {
        1 | 2 => {
            s.saw(if kind == 1 { CLIENT_HELLO } else { SERVER_HELLO });
            // A hello that travels the wrong way counts for the side that sent it.
            hello::read(s, dir, body, cx);
        }
        11 => {
            if s.is_v13() {
                certificates13(s, dir, body, cx);
            } else {
                certificates(s, dir, body, cx);
            }
            s.advance(dir, CERT);
        }
        8 if dir == Dir::ToClient => hello::encrypted_extensions(s, body, cx),
        12 => s.saw(SERVER_KEYX),
        13 if dir == Dir::ToClient => s.flags |= CLIENT_CERT_ASKED,
        16 => s.saw(CLIENT_KEYX),
        _ => {}
    }
}

/// RFC 8446 4.4.2: a context, and certificates of which each has extensions behind it. As a list without those it is as before.
fn certificates13(s: &mut State, dir: Dir, body: &[u8], cx: &mut Cx<'_>) {
    let Some((context, rest)) = body.split_first() else { return };
    let Some(mut list) = rest.get(usize::from(*context) + 3..) else { return };
    let mut flat = core::mem::take(cx.flat);
    flat.clear();
    flat.extend_from_slice(&[0; 3]);
    while let Some(&[x, y, z]) = list.first_chunk::<3>() {
        let len = u32::from_be_bytes([0, x, y, z]) as usize;
        let (Some(cert), Some(&[hi, lo])) =
            (list.get(..3 + len), list.get(3 + len..).and_then(|l| l.first_chunk::<2>()))
        else {
            break;
        };
        if flat.len() + cert.len() > flat.capacity() {
            break;
        }
        flat.extend_from_slice(cert);
        list = list.get(5 + len + usize::from(u16::from_be_bytes([hi, lo]))..).unwrap_or(&[]);
    }
    let [_, x, y, z] = (flat.len() as u32 - 3).to_be_bytes();
    flat[..3].copy_from_slice(&[x, y, z]);
    if flat.len() > 3 {
        certificates(s, dir, &flat, cx);
    }
    *cx.flat = flat;
}

/// RFC 5246 7.4.2: a list of certificates, the sender's own first.
fn certificates(s: &mut State, dir: Dir, body: &[u8], cx: &mut Cx<'_>) {
    let Some((head, rest)) = body.split_at_checked(3) else { return };
    let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let Some(list) = rest.get(..len) else { return };
    if s.sides[dir.ix()].chain_len > 0 {
        // Renegotiation sends it again.
        return;
    }
    let mut certs = Entries { list, width: 3 };
    let (mut count, mut taken) = (0u32, 0usize);
    for cert in certs.by_ref() {
        if count == 0 && !s.sides[dir.ix()].has_cert() {
            match x509::parse(cert) {
                Ok(c) => keep(s, dir, cert, &c, cx),
                Err(f) => {
                    s.common.raise(event_of(f), dir);
                    break;
                }
            }
        }
        count += 1;
        taken += 3 + cert.len();
    }
    let mut rest = Entries { list: &list[taken..], width: 3 };
    if taken < list.len() && rest.next().is_none() {
        s.common.raise(ev::INVALID_CERTIFICATE, dir);
    }
    let side = &mut s.sides[dir.ix()];
    side.chain_len = count;
    if cx.certs && taken > 0 {
        side.certs = side.put(cx.pool, &list[..taken]);
    }
}

fn event_of(f: x509::Fault) -> u8 {
    match f {
        x509::Fault::Certificate => ev::INVALID_CERTIFICATE,
        x509::Fault::Length => ev::CERTIFICATE_INVALID_LENGTH,
        x509::Fault::Version => ev::CERTIFICATE_INVALID_VERSION,
        x509::Fault::Serial => ev::CERTIFICATE_INVALID_SERIAL,
        x509::Fault::Algorithm => ev::CERTIFICATE_INVALID_ALGORITHMIDENTIFIER,
        x509::Fault::Name => ev::CERTIFICATE_INVALID_X509NAME,
        x509::Fault::Date => ev::CERTIFICATE_INVALID_DATE,
        x509::Fault::Extensions => ev::CERTIFICATE_INVALID_EXTENSIONS,
        x509::Fault::Der => ev::CERTIFICATE_INVALID_DER,
    }
}

/// Keeps the fields of a side's own certificate, in the form in which rules and records see them.
fn keep(s: &mut State, dir: Dir, der: &[u8], c: &x509::Certificate<'_>, cx: &mut Cx<'_>) {
    let side = &mut s.sides[dir.ix()];
    let out = &mut *cx.scratch;
    out.clear();
    x509::write_name(c.subject, out);
    side.subject = side.put_scratch(cx.pool, out);
    out.clear();
    x509::write_name(c.issuer, out);
    side.issuer = side.put_scratch(cx.pool, out);
    out.clear();
    x509::write_colons(c.serial, true, out);
    side.serial = side.put_scratch(cx.pool, out);
    out.clear();
    if cx.digests {
        x509::write_colons(&Sha1::digest(der), false, out);
        side.fingerprint = side.put_scratch(cx.pool, out);
    }
    side.not_before = c.not_before;
    side.not_after = c.not_after;
    out.clear();
    let mut n = 0;
    x509::each_alt_name(c.alt_names, |name| {
        n += 1;
        if n > MAX_ALT_NAMES {
            return;
        }
        let at = out.len();
        out.extend(&[0, 0]);
        match name {
            x509::AltName::Text(t) => {
                out.extend(t);
            }
            x509::AltName::Address(a) => x509::write_address(a, out),
        }
        let len = (out.len() - at).saturating_sub(2).min(0xffff) as u16;
        if let Some(head) = out.as_mut_slice().get_mut(at..at + 2) {
            head.copy_from_slice(&len.to_be_bytes());
        }
    });
    if n > 0 {
        side.alt_names = side.put_scratch(cx.pool, out);
    }
    if n >= MAX_ALT_NAMES {
        s.common.raise(ev::TOO_MANY_SUBJECT_ALTERNATIVE_NAMES, dir);
    }
}

fn heartbeat(s: &mut State, dir: Dir, body: &[u8]) -> bool {
    let &[kind, hi, lo, ..] = body else { return true };
    let encrypted = s.flags & CHANGE_CIPHER != 0;
    if !encrypted && !matches!(kind, 1 | 2) {
        s.common.raise(ev::INVALID_HEARTBEAT_MESSAGE, dir);
        return false;
    }
    let mine = HEARTBEAT << dir.ix();
    let both = HEARTBEAT | HEARTBEAT << 1;
    if s.flags & both == 0 {
        s.flags |= mine;
        if encrypted {
            s.heartbeat_len = body.len() as u16;
            return true;
        }
        let payload = usize::from(u16::from_be_bytes([hi, lo]));
        if payload + 3 > body.len() {
            // It asks for more than it brings (CVE-2014-0160).
            s.common.raise(ev::OVERFLOW_HEARTBEAT_MESSAGE, dir);
            return false;
        }
        if body.len() - payload - 3 < 16 {
            s.common.raise(ev::INVALID_HEARTBEAT_MESSAGE, dir);
            return false;
        }
        return true;
    }
    if s.flags & mine != 0 {
        s.common.raise(ev::INVALID_HEARTBEAT_MESSAGE, dir);
        return false;
    }
    s.flags &= !both;
    let asked = core::mem::take(&mut s.heartbeat_len);
    if encrypted && asked > 0 && usize::from(asked) < body.len() {
        s.common.raise(ev::DATALEAK_HEARTBEAT_MISMATCH, dir);
        return false;
    }
    true
}

/// SSLv2: a length of two bytes (or three, with padding), then a message type.
fn sslv2(s: &mut State, dir: Dir, data: &[u8]) -> Step {
    let lengths = if data[0] & 0x80 != 0 { 2 } else { 3 };
    let (Some(&second), Some(&kind)) = (data.get(1), data.get(lengths)) else {
        return Step::Need(lengths + 1);
    };
    let mask = if lengths == 2 { 0x7f } else { 0x3f };
    let len = usize::from(u16::from_be_bytes([data[0] & mask, second]));
    if len == 0 {
        s.common.raise(ev::INVALID_SSLV2_HEADER, dir);
        return fail(s, dir, ev::INVALID_SSL_RECORD);
    }
    let Some(body) = data.get(lengths + 1..lengths + len) else { return Step::Need(lengths + len) };
    match kind {
        0 => s.common.raise(ev::ERROR_MESSAGE_ENCOUNTERED, dir),
        1 => {
            let &[major, minor, ..] = body else { return fail(s, dir, ev::INVALID_SSL_RECORD) };
            if body.len() < 6 {
                return fail(s, dir, ev::INVALID_SSL_RECORD);
            }
            s.saw(CLIENT_HELLO);
            s.flags |= V2_CLIENT;
            s.sides[dir.ix()].version = u16::from_be_bytes([major, minor]);
            s.advance(dir, HELLO);
        }
        4 => {
            s.saw(SERVER_HELLO);
            s.flags |= V2_SERVER;
            s.advance(dir, HELLO);
        }
        8 if dir == Dir::ToServer => s.saw(CLIENT_KEYX),
        _ => {}
    }
    // Once both hellos were said, what else comes in this form is encrypted.
    if matches!(kind, 3 | 5..=8) && s.flags & V2_CLIENT != 0 && s.flags & V2_SERVER != 0 {
        s.advance(dir, HANDSHAKE);
    }
    Step::Took(lengths + len)
}
