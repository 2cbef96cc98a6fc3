//! SMTP (RFC 5321, RFC 3030, RFC 3207): commands and replies go in; one transaction a mail comes out, with its
//! envelope, the header fields and URLs of the message, and its attachments as files.

mod log;
mod mime;
mod session;

use self::session::{Session, State};
use super::entries::Entries;
use super::hosted::{Protocol, Transactions, make};
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

/// Bytes of an attachment that `file.data` sees, and the step in which it grows.
const BODY_MAX: usize = 100_000;
const BODY_STEP: usize = 32_768;
/// Attachments of a mail that `file.data` sees.
const BODIES: usize = 4;

/// Tags of [`Mail::list`].
pub(crate) mod tag {
    pub const RCPT: u8 = 0;
    pub const FROM: u8 = 1;
    pub const TO: u8 = 2;
    pub const CC: u8 = 3;
    pub const SUBJECT: u8 = 4;
    pub const DATE: u8 = 5;
    pub const MESSAGE_ID: u8 = 6;
    pub const X_MAILER: u8 = 7;
    pub const RECEIVED: u8 = 8;
    pub const URL: u8 = 20;
    pub const ATTACHMENT: u8 = 21;

    /// Header fields kept, with their names in mail.
    pub const FIELDS: &[(u8, &str)] = &[
        (FROM, "from"),
        (TO, "to"),
        (CC, "cc"),
        (SUBJECT, "subject"),
        (DATE, "date"),
        (MESSAGE_ID, "message-id"),
        (X_MAILER, "x-mailer"),
        (RECEIVED, "received"),
        (9, "reply-to"),
        (10, "bcc"),
        (11, "user-agent"),
        (12, "x-originating-ip"),
        (13, "in-reply-to"),
        (14, "references"),
        (15, "importance"),
        (16, "priority"),
        (17, "sensitivity"),
        (18, "organization"),
        (19, "content-md5"),
    ];
}

const EV_INVALID_REPLY: u8 = event_at(EVENTS, "invalid_reply");
const EV_BDAT_LEN: u8 = event_at(EVENTS, "bdat_chunk_len_exceeded");
const EV_NO_WELCOME: u8 = event_at(EVENTS, "no_server_welcome_message");
const EV_TLS_REJECTED: u8 = event_at(EVENTS, "tls_rejected");
const EV_DATA_REJECTED: u8 = event_at(EVENTS, "data_command_rejected");
pub(crate) const EV_BAD_BASE64: u8 = event_at(EVENTS, "mime_invalid_base64");
pub(crate) const EV_BAD_QP: u8 = event_at(EVENTS, "mime_invalid_qp");
pub(crate) const EV_LONG_LINE: u8 = event_at(EVENTS, "mime_long_line");
pub(crate) const EV_LONG_ENC_LINE: u8 = event_at(EVENTS, "mime_long_enc_line");
const EV_PIPELINE: u8 = event_at(EVENTS, "invalid_pipelined_sequence");
pub(crate) const EV_MALFORMED: u8 = event_at(EVENTS, "mime_malformed_msg");
pub(crate) const EV_LONG_NAME: u8 = event_at(EVENTS, "mime_long_header_name");
pub(crate) const EV_LONG_VALUE: u8 = event_at(EVENTS, "mime_long_header_value");
pub(crate) const EV_LONG_BOUNDARY: u8 = event_at(EVENTS, "mime_long_boundary");
pub(crate) const EV_LONG_FILENAME: u8 = event_at(EVENTS, "mime_long_filename");
const EV_DUPLICATE: u8 = event_at(EVENTS, "duplicate_fields");
const EV_UNPARSABLE: u8 = event_at(EVENTS, "unparsable_content");
const EV_TRUNCATED: u8 = event_at(EVENTS, "truncated_line");

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
const B_FILE_NAME: u8 = buffer_at(BUFFERS, "file.name");

static BUFFERS: &[BufferDef] = &[
    one("smtp.helo"),
    one("smtp.mail_from"),
    several("smtp.rcpt_to", &[]),
    several("file.data", &["file_data"]),
    several("file.name", &[]),
    one("email.from"),
    one("email.to"),
    one("email.cc"),
    one("email.subject"),
    one("email.date"),
    one("email.message_id"),
    one("email.x_mailer"),
    several("email.received", &[]),
    several("email.url", &[]),
    BufferDef { dirs: 1, ..frame("frame:smtp.command_line") },
    BufferDef { dirs: 2, ..frame("frame:smtp.response_line") },
    BufferDef { dirs: 1, ..frame("frame:smtp.data") },
    frame("frame:smtp.stream"),
];

/// Lines of either side, with their ends.
const F_COMMAND: u8 = buffer_at(BUFFERS, "frame:smtp.command_line");
const F_RESPONSE: u8 = buffer_at(BUFFERS, "frame:smtp.response_line");
/// A mail, up to the line that ends it.
const F_DATA: u8 = buffer_at(BUFFERS, "frame:smtp.data");

/// Tags of the `email.*` buffers, from the sixth on.
const EMAIL_TAGS: [u8; 9] = [
    tag::FROM,
    tag::TO,
    tag::CC,
    tag::SUBJECT,
    tag::DATE,
    tag::MESSAGE_ID,
    tag::X_MAILER,
    tag::RECEIVED,
    tag::URL,
];

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
    pub(crate) list: Entries,
    /// First bytes of the first attachments.
    data: [PBuf; BODIES],
    /// Attachments begun, and ended.
    pub(crate) bodies: u8,
    pub(crate) closed: u8,
    message: bool,
    stage: mime::Stage,
}

impl Mail {
    /// Bytes of the attachment begun last.
    pub(crate) fn body(&mut self, bytes: &[u8], cx: &mut AppCx<'_>) {
        if !cx.wanted.has(B_FILE) {
            return;
        }
        let Some(to) = usize::from(self.bodies).checked_sub(1).and_then(|i| self.data.get_mut(i)) else {
            return;
        };
        let room = BODY_MAX.saturating_sub(to.len());
        let _ = to.extend(cx.pool, bytes.get(..room).unwrap_or(bytes));
    }
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
        m.list.free(pool);
        for b in &mut m.data {
            b.free(pool);
        }
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
            B_RCPT => m.list.nth(pool, tag::RCPT, index).map_or(Buffer::Absent, Buffer::whole),
            B_FILE_NAME => m.list.nth(pool, tag::ATTACHMENT, index).map_or(Buffer::Absent, Buffer::whole),
            B_FILE => {
                let Some(d) = m.data.get(index as usize).filter(|d| !d.is_empty()) else {
                    return Buffer::Absent;
                };
                let closed = index < u32::from(m.closed);
                if closed || d.len() >= BODY_STEP {
                    Buffer::Data { bytes: d.get(pool), offset: 0, end: closed }
                } else {
                    Buffer::Absent
                }
            }
            n => {
                let Some(t) = EMAIL_TAGS.get(usize::from(n.saturating_sub(5))) else { return Buffer::Absent };
                let multi = matches!(*t, tag::RECEIVED | tag::URL);
                match m.list.nth(pool, *t, index) {
                    Some(v) if multi || index == 0 => Buffer::whole(v),
                    _ if multi || index > 0 => Buffer::Absent,
                    _ => late,
                }
            }
        }
    }

    fn log(&self, t: &Tx<Mail>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        log::write(&t.own, view.pool, out);
    }
}

#[cfg(test)]
mod tests;
