//! IMAP4 (RFC 9051, RFC 3501; RFC 7888, RFC 2177, RFC 3502): a transaction a command with its answer, and one a mail.
//!
//! In: lines and literals of both sides. Out: transactions that keep commands, arguments and answers, of longer ones a beginning
//! ([`Entries`] bounds them); a mail that is appended or fetched is a transaction of its own with what [`mail`] reads of it.
//! What logs in is marked, and not kept. After a successful STARTTLS the flow changes to TLS, after COMPRESS it is not read on.
//! Suricata 8 recognises the protocol and does not read it: record, keywords and events are our own.

mod command;
mod session;

use self::command::Kind;
use self::session::{Session, State};
use super::entries::Entries;
use super::hosted::{Protocol, Transactions, make};
use super::mail::{self, Letter};
use super::plain::{start_nocase, yes_if};
use super::txs::Tx;
use super::{
    AppConfig, AppCx, AppProto, Buffer, BufferAt, BufferDef, BufferKind, Input, LOG_WHOLE, OVER_TCP, Outcome,
    Pattern, Probe, ProtoDef, Recognise, Seen, TxView, Verdict, buffer_at, event_at, frame,
};
use crate::Dir;
use crate::Dir::{ToClient, ToServer};
use crate::event::Fields;
use crate::pool::BytePool;

const EV_MANY: u8 = event_at(EVENTS, "too_many_transactions");
const EV_LONG: u8 = event_at(EVENTS, "request_too_long");
const EV_COUNT: u8 = event_at(EVENTS, "incorrect_argument_count");
const EV_UNKNOWN: u8 = event_at(EVENTS, "unknown_command");
const EV_COMMAND: u8 = event_at(EVENTS, "malformed_command");
const EV_RESPONSE: u8 = event_at(EVENTS, "malformed_response");
const EV_TAG: u8 = event_at(EVENTS, "unknown_tag");
const EV_LITERAL: u8 = event_at(EVENTS, "invalid_literal");
const EV_STARTTLS: u8 = event_at(EVENTS, "command_behind_starttls");
const EV_IDLE: u8 = event_at(EVENTS, "command_while_idle");
/// Events of [`mail::ODD`].
const MAIL_EVENTS: [u8; mail::ODDITIES] = mail::odd_among(EVENTS);

static EVENTS: &[&str] = &[
    "too_many_transactions",
    "request_too_long",
    "incorrect_argument_count",
    "unknown_command",
    "malformed_command",
    "malformed_response",
    "unknown_tag",
    "invalid_literal",
    "command_behind_starttls",
    "command_while_idle",
    "mime_malformed_msg",
    "mime_invalid_base64",
    "mime_invalid_qp",
    "mime_long_line",
    "mime_long_enc_line",
    "mime_long_header_name",
    "mime_long_header_value",
    "mime_long_boundary",
    "mime_long_filename",
];

const fn buffer(name: &'static str, dirs: u8, kind: BufferKind) -> BufferDef {
    BufferDef { name, aliases: &[], modifiers: &[], dirs, progress: 1, kind }
}

static BUFFERS: &[BufferDef] = &{
    let [data, name, from, to, cc, subject, date, id, mailer, received, url] = mail::buffers(3);
    [
        buffer("imap.command", 1, BufferKind::Single),
        buffer("imap.arguments", 1, BufferKind::Multi),
        buffer("imap.mailbox", 1, BufferKind::Single),
        buffer("imap.status", 2, BufferKind::Single),
        buffer("imap.response", 2, BufferKind::Multi),
        data,
        name,
        from,
        to,
        cc,
        subject,
        date,
        id,
        mailer,
        received,
        url,
        BufferDef { dirs: 1, ..frame("frame:imap.command_line") },
        BufferDef { dirs: 2, ..frame("frame:imap.response_line") },
        frame("frame:imap.data"),
        frame("frame:imap.stream"),
    ]
};

const B_COMMAND: u8 = buffer_at(BUFFERS, "imap.command");
const B_ARGUMENTS: u8 = buffer_at(BUFFERS, "imap.arguments");
const B_MAILBOX: u8 = buffer_at(BUFFERS, "imap.mailbox");
const B_STATUS: u8 = buffer_at(BUFFERS, "imap.status");
const B_RESPONSE: u8 = buffer_at(BUFFERS, "imap.response");
const B_FILE: u8 = buffer_at(BUFFERS, "file.data");
/// Lines of either side, without their ends.
const F_COMMAND: u8 = buffer_at(BUFFERS, "frame:imap.command_line");
const F_RESPONSE: u8 = buffer_at(BUFFERS, "frame:imap.response_line");
/// A mail.
const F_DATA: u8 = buffer_at(BUFFERS, "frame:imap.data");

/// `imap`.
pub static IMAP: ProtoDef = ProtoDef {
    name: "imap",
    over: OVER_TCP,
    buffers: BUFFERS,
    events: EVENTS,
    recognise: Recognise {
        patterns: &[
            start_nocase(b"* OK ", ToClient, OVER_TCP),
            start_nocase(b"* NO ", ToClient, OVER_TCP),
            start_nocase(b"* BAD ", ToClient, OVER_TCP),
            start_nocase(b"* LIST ", ToClient, OVER_TCP),
            start_nocase(b"* ESEARCH ", ToClient, OVER_TCP),
            start_nocase(b"* STATUS ", ToClient, OVER_TCP),
            start_nocase(b"* FLAGS ", ToClient, OVER_TCP),
            Pattern {
                bytes: b" CAPABILITY",
                caseless: true,
                offset: 0,
                depth: 17,
                dir: ToServer,
                over: OVER_TCP,
            },
        ],
        probes: &[Probe { over: OVER_TCP, ports: &[143], probe: probe_imap, dirs: 1, min_bytes: 4 }],
        confirm: Some(confirm_imap),
        ..Recognise::NONE
    },
    parser: Some(make::<Imap>),
    record: "imap",
    bounded: true,
    due: |_, _| false,
    ..ProtoDef::NONE
};

/// `USER CAPABILITY` may be FTP as well.
fn confirm_imap(bytes: &[u8], seen: &Seen) -> Verdict {
    let user = bytes.get(..5).is_some_and(|b| b.eq_ignore_ascii_case(b"USER "));
    yes_if(seen.pattern.dir == ToClient || !user)
}

/// A client's first command. The pattern waits for more bytes than `a CAPABILITY` has, and the answer would be read before it.
fn probe_imap(b: &[u8], _: Dir) -> Verdict {
    let Some(end) = memchr::memchr(b'\n', b) else {
        return if b.len() < FIRST_MAX { Verdict::Unsure } else { Verdict::No };
    };
    let (tag, rest) = command::word(b.get(..end).unwrap_or(b).trim_ascii_end());
    yes_if(command::is_tag(tag) && command::known(command::word(rest).0).is_some())
}

/// Bytes in which the first line of a client ends.
const FIRST_MAX: usize = 512;

/// Entries of an exchange, beside those of its mail.
const T_TAG: u8 = mail::tag::OWN;
const T_COMMAND: u8 = mail::tag::OWN + 1;
const T_ARG: u8 = mail::tag::OWN + 2;
const T_STATUS: u8 = mail::tag::OWN + 3;
const T_TEXT: u8 = mail::tag::OWN + 4;
const T_DATA: u8 = mail::tag::OWN + 5;
/// Lines of an answer that a record shows.
const SHOWN_MAX: usize = 1024;

/// A command and its answer, or a mail.
#[derive(Debug, Default)]
pub struct Exchange {
    /// All texts, and the mail.
    letter: Letter,
    kind: Kind,
    /// It began with a command.
    asked: bool,
    credentials: bool,
    waits: bool,
    /// Arguments so far; which of them is a mailbox, from 1.
    args: u16,
    mailbox: u8,
    /// It is a mail of so many bytes, said in that direction.
    mail: Option<(Dir, u64)>,
    /// It has no record and no events: there are too many of its like.
    quiet: bool,
}

impl Exchange {
    const fn texts(&self) -> &Entries {
        &self.letter.list
    }
}

/// The parser.
pub struct Imap {
    tls: Option<AppProto>,
    waiting: u32,
}

impl Protocol for Imap {
    type State = State;
    type Own = Exchange;

    fn new(cfg: &AppConfig) -> Self {
        Imap { tls: AppProto::by_name("tls"), waiting: cfg.waiting("imap") }
    }

    fn parse(
        &mut self,
        s: &mut State,
        flow: &mut Transactions<'_, Exchange>,
        input: Input<'_>,
        cx: &mut AppCx<'_>,
    ) -> Outcome {
        Session { s, flow, cx, tls: self.tls, most: self.waiting }.bytes(input)
    }

    fn free(own: &mut Exchange, pool: &mut BytePool) {
        own.letter.free(pool);
    }

    fn forget(s: &mut State, tx: &Tx<Exchange>, cx: &mut AppCx<'_>) {
        s.forget(tx.common.id, cx);
    }

    fn close(s: &mut State, cx: &mut AppCx<'_>) {
        s.free(cx);
    }

    fn buffer<'a>(&'a self, t: &'a Tx<Exchange>, at: BufferAt<'a>) -> Buffer<'a> {
        let (own, pool) = (&t.own, at.pool);
        let texts = own.texts();
        let (tag, index) = match at.local {
            B_COMMAND => (T_COMMAND, at.index),
            B_ARGUMENTS => (T_ARG, at.index),
            B_MAILBOX => match (own.mailbox.checked_sub(1), at.index) {
                (Some(n), 0) => (T_ARG, u32::from(n)),
                _ => return Buffer::Absent,
            },
            B_STATUS => (T_STATUS, at.index),
            B_RESPONSE => (T_DATA, at.index),
            _ if own.mail.is_none_or(|m| m.0 != at.dir) => return Buffer::Absent,
            n => {
                let over = t.common.progress(at.dir) >= Self::COMPLETE;
                return own.letter.buffer(n.saturating_sub(B_FILE), over, at);
            }
        };
        texts.nth(pool, tag, index).map_or(Buffer::Absent, Buffer::whole)
    }

    fn log(&self, tx: &Tx<Exchange>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        let (own, pool) = (&tx.own, view.pool);
        let texts = own.texts();
        let text = |tag| texts.nth(pool, tag, 0);
        if own.asked || own.mail.is_some() {
            out.begin_object("request");
            if let Some(tag) = text(T_TAG) {
                out.bytes("tag", tag);
            }
            out.bytes("command", text(T_COMMAND).unwrap_or(&[]));
            texts.log(pool, T_ARG, "args", out);
            if own.credentials {
                out.bool("credentials", true);
            }
            out.end_object();
        }
        let mut lines = texts.all(pool, T_DATA).take(SHOWN_MAX).peekable();
        if text(T_STATUS).is_some() || lines.peek().is_some() {
            out.begin_object("response");
            if let Some(status) = text(T_STATUS) {
                out.bytes("status", status);
                out.bytes("header", text(T_TEXT).unwrap_or(&[]));
            }
            if lines.peek().is_some() {
                out.begin_array("data");
                lines.for_each(|l| out.bytes("", l));
                out.end_array();
            }
            out.end_object();
        }
        if let Some((_, size)) = own.mail {
            out.u64("mail_size", size);
            own.letter.log_beside(pool, out);
        }
    }

    fn log_due(&self, tx: &Tx<Exchange>) -> u8 {
        if tx.common.both_reached(Self::COMPLETE) { self.log_at_end(tx) } else { 0 }
    }

    fn log_at_end(&self, tx: &Tx<Exchange>) -> u8 {
        if tx.own.quiet { 0 } else { LOG_WHOLE }
    }
}

#[cfg(test)]
mod tests;
