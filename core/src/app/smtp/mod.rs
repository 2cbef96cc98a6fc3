//! SMTP (RFC 5321, RFC 3030, RFC 3207): commands and replies go in; one transaction a mail comes out, with its
//! envelope, the header fields and URLs of the message, and its attachments as files.

mod session;

use self::session::{Session, State};
use super::hosted::{Protocol, Transactions, make};
use super::mail::{self, Letter};
use super::plain::SMTP_BEGINS;
use super::txs::Tx;
use super::{
    AppConfig, AppCx, AppProto, Buffer, BufferAt, BufferDef, BufferKind, Input, OVER_TCP, Outcome, ProtoDef,
    TxView,
};
use crate::Dir;
use crate::app::{buffer_at, event_at, frame};
use crate::event::Fields;
use crate::pool::{BytePool, PBuf};

/// Tag of a recipient in the mail's list.
const RCPT: u8 = mail::tag::OWN;

const EV_INVALID_REPLY: u8 = event_at(EVENTS, "invalid_reply");
const EV_BDAT_LEN: u8 = event_at(EVENTS, "bdat_chunk_len_exceeded");
const EV_NO_WELCOME: u8 = event_at(EVENTS, "no_server_welcome_message");
const EV_TLS_REJECTED: u8 = event_at(EVENTS, "tls_rejected");
const EV_DATA_REJECTED: u8 = event_at(EVENTS, "data_command_rejected");
const EV_PIPELINE: u8 = event_at(EVENTS, "invalid_pipelined_sequence");
const EV_DUPLICATE: u8 = event_at(EVENTS, "duplicate_fields");
const EV_UNPARSABLE: u8 = event_at(EVENTS, "unparsable_content");
const EV_TRUNCATED: u8 = event_at(EVENTS, "truncated_line");

/// Events of [`mail::ODD`].
const MAIL_EVENTS: [u8; mail::ODDITIES] = mail::odd_among(EVENTS);

static EVENTS: &[&str] = &[
    "invalid_reply",
    "unable_to_match_reply_with_request",
    "max_command_line_len_exceeded",
    "max_reply_line_len_exceeded",
    "invalid_pipelined_sequence",
    "bdat_chunk_len_exceeded",
    "no_server_welcome_message",
    "tls_rejected",
    "data_command_rejected",
    "mime_parse_failed",
    "mime_malformed_msg",
    "mime_invalid_base64",
    "mime_invalid_qp",
    "mime_long_line",
    "mime_long_enc_line",
    "mime_long_header_name",
    "mime_long_header_value",
    "mime_long_boundary",
    "mime_long_filename",
    "failed_protocol_change",
    "duplicate_fields",
    "unparsable_content",
    "truncated_line",
];

const fn one(name: &'static str) -> BufferDef {
    BufferDef { name, aliases: &[], modifiers: &[], dirs: 1, progress: 0, kind: BufferKind::Single }
}

const fn several(name: &'static str, aliases: &'static [&'static str]) -> BufferDef {
    BufferDef { name, aliases, modifiers: &[], dirs: 1, progress: 0, kind: BufferKind::Multi }
}

const B_HELO: u8 = buffer_at(BUFFERS, "smtp.helo");
const B_FROM: u8 = buffer_at(BUFFERS, "smtp.mail_from");
const B_RCPT: u8 = buffer_at(BUFFERS, "smtp.rcpt_to");
const B_FILE: u8 = buffer_at(BUFFERS, "file.data");

static BUFFERS: &[BufferDef] = &{
    let [data, name, from, to, cc, subject, date, id, mailer, received, url] = mail::buffers(1);
    [
        one("smtp.helo"),
        one("smtp.mail_from"),
        several("smtp.rcpt_to", &[]),
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
        BufferDef { dirs: 1, ..frame("frame:smtp.command_line") },
        BufferDef { dirs: 2, ..frame("frame:smtp.response_line") },
        BufferDef { dirs: 1, ..frame("frame:smtp.data") },
        frame("frame:smtp.stream"),
    ]
};

/// Lines of either side, with their ends.
const F_COMMAND: u8 = buffer_at(BUFFERS, "frame:smtp.command_line");
const F_RESPONSE: u8 = buffer_at(BUFFERS, "frame:smtp.response_line");
/// A mail, up to the line that ends it.
const F_DATA: u8 = buffer_at(BUFFERS, "frame:smtp.data");

/// `smtp`.
pub static SMTP: ProtoDef = ProtoDef {
    name: "smtp",
    over: OVER_TCP,
    buffers: BUFFERS,
    events: EVENTS,
    recognise: SMTP_BEGINS,
    parser: Some(make::<Smtp>),
    record: "smtp",
    shouts: true,
    ..ProtoDef::NONE
};

/// One mail, or the commands before and after one.
#[derive(Debug, Default)]
pub struct Mail {
    helo: PBuf,
    from: PBuf,
    letter: Letter,
    message: bool,
}

/// The parser.
pub struct Smtp {
    tls: Option<AppProto>,
}

impl Protocol for Smtp {
    type State = State;
    type Own = Mail;

    fn new(_: &AppConfig) -> Self {
        Smtp { tls: AppProto::by_name("tls") }
    }

    fn parse(
        &mut self,
        state: &mut State,
        flow: &mut Transactions<'_, Mail>,
        input: Input<'_>,
        cx: &mut AppCx<'_>,
    ) -> Outcome {
        Session { state, flow, cx, tls: self.tls }.bytes(input)
    }

    fn free(m: &mut Mail, pool: &mut BytePool) {
        m.helo.free(pool);
        m.from.free(pool);
        m.letter.free(pool);
    }

    fn forget(s: &mut State, tx: &Tx<Mail>, cx: &mut AppCx<'_>) {
        s.forget(tx.common.id, cx);
    }

    fn close(s: &mut State, cx: &mut AppCx<'_>) {
        s.free(cx);
    }

    fn buffer<'a>(&'a self, t: &'a Tx<Mail>, at: BufferAt<'a>) -> Buffer<'a> {
        let BufferAt { local, dir, index, pool, .. } = at;
        if dir != Dir::ToServer {
            return Buffer::Absent;
        }
        let m = &t.own;
        let late = if t.common.progress(Dir::ToServer) > 0 { Buffer::Absent } else { Buffer::NotYet };
        let stored = |b: &PBuf| if b.is_empty() { late } else { Buffer::whole(b.get(pool)) };
        match local {
            B_HELO if index == 0 => stored(&m.helo),
            B_FROM if index == 0 => stored(&m.from),
            B_HELO | B_FROM => Buffer::Absent,
            B_RCPT => m.letter.list.nth(pool, RCPT, index).map_or(Buffer::Absent, Buffer::whole),
            n => m.letter.buffer(n.saturating_sub(B_FILE), t.common.progress(Dir::ToServer) > 0, at),
        }
    }

    fn log(&self, t: &Tx<Mail>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        let (m, pool) = (&t.own, view.pool);
        if !m.helo.is_empty() {
            out.bytes("helo", m.helo.get(pool));
        }
        if !m.from.is_empty() {
            out.bytes("mail_from", m.from.get(pool));
        }
        m.letter.list.log(pool, RCPT, "rcpt_to", out);
        if m.message {
            m.letter.log_beside(pool, out);
        }
    }
}

#[cfg(test)]
mod tests;
