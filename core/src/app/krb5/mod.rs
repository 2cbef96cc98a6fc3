//! Kerberos 5 (RFC 4120): requests for tickets, replies and errors.
//!
//! In: datagrams, or records of a stream (RFC 4120 7.2.2). Out: a transaction a message. Owns the kind of the last request,
//! which an error is about.

mod message;
mod names;
#[cfg(test)]
mod tests;

use super::counted::{self, Head, Part, Reader};
use super::entries::Entries;
use super::hosted::{Protocol, Transactions, make};
use super::plain::{KRB5_BEGINS, be32};
use super::txs::Tx;
use super::{
    AppConfig, AppCx, Buffer, BufferAt, BufferDef, BufferKind, Input, IntAt, IntDef, LOG_WHOLE, OVER_TCP,
    OVER_UDP, Outcome, ProtoDef, TxView, buffer_at, event_at, int_at,
};
use crate::Dir;
use crate::event::Fields;
use crate::pool::BytePool;

/// Most bytes of a message that are read.
const MOST: usize = 64 << 10;
/// Parts of a name that are kept.
const PARTS: usize = 16;

/// Encryptions that are not weak: AES and Camellia.
pub const STRONG: [i32; 6] = [17, 18, 19, 20, 25, 26];

const fn name(name: &'static str, aliases: &'static [&'static str]) -> BufferDef {
    // Requests are read no further than their kind.
    BufferDef { name, aliases, modifiers: &[], dirs: 2, progress: 0, kind: BufferKind::Multi }
}

static BUFFERS: &[BufferDef] = &[name("krb5.cname", &["krb5_cname"]), name("krb5.sname", &["krb5_sname"])];
const CNAME: u8 = buffer_at(BUFFERS, "krb5.cname");
const SNAME: u8 = buffer_at(BUFFERS, "krb5.sname");

const fn number(
    name: &'static str,
    aliases: &'static [&'static str],
    values: &'static [(&'static str, u64)],
) -> IntDef {
    IntDef { name, aliases, dirs: 3, progress: 0, multi: false, values }
}

static INTS: &[IntDef] = &[
    number("krb5_msg_type", &["krb5.msg_type"], &[]),
    number("krb5_err_code", &["krb5.err_code"], &[]),
    // What `krb5.ticket_encryption` tests.
    number("krb5.ticket_etype", &[], names::RULE_NAMES),
];
const I_KIND: u8 = int_at(INTS, "krb5_msg_type");
const I_ERROR: u8 = int_at(INTS, "krb5_err_code");

static EVENTS: &[&str] = &["malformed_data", "weak_encryption"];
const EV_MALFORMED: u8 = event_at(EVENTS, "malformed_data");
const EV_WEAK: u8 = event_at(EVENTS, "weak_encryption");

/// `krb5`.
pub static KRB5: ProtoDef = ProtoDef {
    name: "krb5",
    over: OVER_TCP | OVER_UDP,
    buffers: BUFFERS,
    ints: INTS,
    events: EVENTS,
    recognise: KRB5_BEGINS,
    parser: Some(make::<Krb5>),
    record: "krb5",
    by_packet: true,
    ..ProtoDef::NONE
};

const REALM: u8 = 2;

/// One message.
#[derive(Debug, Default)]
pub struct Message {
    dir: Dir,
    kind: u8,
    /// Parts of names by the number of their buffer, and the realm.
    list: Entries,
    named: [bool; 3],
    encryption: Option<i32>,
    ticket: Option<i32>,
    error: Option<i32>,
    /// Kind of the request that failed.
    failed: u8,
}

#[derive(Debug, Default)]
pub struct State {
    left: [usize; 2],
    asked: u8,
}

pub struct Krb5;

type Flow<'a> = Transactions<'a, Message>;

fn is_weak(encryption: i32) -> bool {
    !STRONG.contains(&encryption)
}

impl State {
    fn message(&mut self, flow: &mut Flow<'_>, m: &[u8], dir: Dir, cx: &mut AppCx<'_>) {
        let Some(read) = message::read(m) else {
            return flow.raise(EV_MALFORMED, dir, cx.now);
        };
        let failed = self.asked;
        self.asked = match read.kind {
            message::AS_REQ | message::TGS_REQ | message::AP_REQ => read.kind,
            message::AP_REP | message::ERROR => 0,
            _ => self.asked,
        };
        if !matches!(
            read.kind,
            message::AS_REQ | message::AS_REP | message::TGS_REQ | message::TGS_REP | message::ERROR
        ) {
            return;
        }
        let Some(tx) = flow.open(cx.now) else { return };
        let t = flow.get(tx);
        t.own.dir = dir;
        (t.own.kind, t.own.failed) = (read.kind, failed);
        (t.own.encryption, t.own.ticket, t.own.error) = (read.encryption, read.ticket, read.error);
        for (tag, list) in [(CNAME, read.client), (SNAME, read.server)] {
            t.own.named[usize::from(tag)] = list.is_some();
            for part in message::names(list.unwrap_or(&[])).take(PARTS) {
                // Without room a part is not there.
                t.own.list.push(cx.pool, tag, part);
            }
        }
        if let Some(realm) = read.realm {
            t.own.named[usize::from(REALM)] = t.own.list.push(cx.pool, REALM, realm);
        }
        t.common.advance_both(1);
        // The message exists in its own direction only.
        t.common.settle(dir.flip());
        if read.encryption.is_some_and(is_weak) {
            t.common.raise(EV_WEAK, dir);
        }
    }
}

impl Reader<Message> for State {
    fn left(&mut self, dir: Dir) -> &mut usize {
        &mut self.left[dir.ix()]
    }

    fn head(&mut self, rest: &[u8], _: Dir) -> Head {
        let Some(head) = be32(rest, 0) else { return Head::More(4) };
        // The highest bit is reserved.
        let len = (head & 0x7fff_ffff) as usize;
        Head::Record { whole: 4 + len, first: 4 + len.min(MOST) }
    }

    fn part(&mut self, part: Part<'_>, flow: &mut Flow<'_>, dir: Dir, cx: &mut AppCx<'_>) {
        if let Part::First { bytes, .. } = part {
            self.message(flow, bytes.get(4..).unwrap_or(&[]), dir, cx);
        }
    }

    fn lost(&mut self, _: Dir) -> bool {
        false
    }
}

impl Protocol for Krb5 {
    type State = State;
    type Own = Message;

    fn new(_: &AppConfig) -> Self {
        Krb5
    }

    fn parse(&mut self, s: &mut State, flow: &mut Flow<'_>, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        if !input.datagram {
            return counted::read(s, flow, input, cx);
        }
        s.message(flow, input.data, input.dir, cx);
        Outcome::Consumed { bytes: input.data.len(), need: 0 }
    }

    fn free(own: &mut Message, pool: &mut BytePool) {
        own.list.free(pool);
    }

    fn buffer<'a>(&'a self, tx: &'a Tx<Message>, at: BufferAt<'a>) -> Buffer<'a> {
        if at.dir != tx.own.dir {
            return Buffer::Absent;
        }
        tx.own.list.nth(at.pool, at.local, at.index).map_or(Buffer::Absent, Buffer::whole)
    }

    fn int(&self, tx: &Tx<Message>, at: IntAt<'_>) -> Option<u64> {
        let own = &tx.own;
        if at.dir != own.dir {
            return None;
        }
        match at.local {
            I_KIND => Some(u64::from(own.kind)),
            I_ERROR => own.error.map(|e| e as u32).map(u64::from),
            _ => own.ticket.map(|e| e as u32).map(u64::from),
        }
    }

    fn log_due(&self, tx: &Tx<Message>) -> u8 {
        if tx.common.both_reached(1) { self.log_at_end(tx) } else { 0 }
    }

    /// One that only an event was raised on has no record.
    fn log_at_end(&self, tx: &Tx<Message>) -> u8 {
        if tx.own.kind > 0 { LOG_WHOLE } else { 0 }
    }

    fn log(&self, tx: &Tx<Message>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        tx.own.log(view.pool, out);
    }
}

/// The parts of a name, with a slash between them.
struct Joined<'a>(&'a Message, u8, &'a BytePool);

impl core::fmt::Display for Joined<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (n, part) in self.0.list.all(self.2, self.1).enumerate() {
            if n > 0 {
                f.write_str("/")?;
            }
            for chunk in part.utf8_chunks() {
                f.write_str(chunk.valid())?;
                if !chunk.invalid().is_empty() {
                    f.write_str("\u{fffd}")?;
                }
            }
        }
        Ok(())
    }
}

impl Message {
    fn log(&self, pool: &BytePool, out: &mut dyn Fields) {
        let kind = |key: &str, n: u8, out: &mut dyn Fields| match names::of(names::MESSAGES, u32::from(n)) {
            Some(name) => out.str(key, name),
            None => out.fmt(key, format_args!("MessageType({n})")),
        };
        let encryption = |key: &str, n: i32, out: &mut dyn Fields| match names::of(names::ENCRYPTIONS, n) {
            Some(name) => out.str(key, name),
            None => out.fmt(key, format_args!("EncryptionType({n})")),
        };
        kind("msg_type", self.kind, out);
        if let Some(e) = self.error {
            kind("failed_request", self.failed, out);
            match names::of(names::ERRORS, e) {
                Some(name) => out.str("error_code", name),
                None => out.fmt("error_code", format_args!("ErrorCode({e})")),
            }
        }
        for (key, tag) in [("cname", CNAME), ("realm", REALM), ("sname", SNAME)] {
            if self.named[usize::from(tag)] {
                out.fmt(key, format_args!("{}", Joined(self, tag, pool)));
            } else {
                out.str(key, "<empty>");
            }
        }
        match self.encryption {
            Some(e) => encryption("encryption", e, out),
            None => out.str("encryption", "<none>"),
        }
        out.bool("weak_encryption", self.encryption.is_some_and(is_weak));
        if let Some(e) = self.ticket {
            encryption("ticket_encryption", e, out);
            out.bool("ticket_weak_encryption", is_weak(e));
        }
    }
}
