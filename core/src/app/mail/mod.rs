//! Mails (RFC 5322, RFC 2045-2047), whatever protocol carries them.
//!
//! In: lines of a message, from a parser that owns a [`Mime`] for the message being read. Out: a [`Letter`] for the
//! transaction, with header fields, links, names and first bytes of attachments; files; and what was odd, as numbers of [`ODD`].

mod log;
mod mime;

pub use mime::{Mime, Place, Stage};

use super::entries::Entries;
use super::{AppCx, Buffer, BufferAt, BufferDef, BufferKind, event_at};
use crate::pool::{BytePool, PBuf};

/// Bytes of an attachment that `file.data` sees, and the step in which it grows.
const BODY_MAX: usize = 100_000;
const BODY_STEP: usize = 32_768;
/// Attachments of a mail that `file.data` sees.
const BODIES: usize = 4;

/// Tags of [`Letter::list`].
pub(crate) mod tag {
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
    /// Tags from here on are the protocol's own.
    pub const OWN: u8 = 32;

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

/// What may be odd about a mail: events of the protocols that carry mails, by these names.
pub static ODD: &[&str] = &[
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

/// How many they are.
pub const ODDITIES: usize = 9;
const _: () = assert!(ODD.len() == ODDITIES);

/// The numbers that [`ODD`] has among a protocol's events; one that is not there does not compile.
pub const fn odd_among(events: &[&str]) -> [u8; ODDITIES] {
    let (mut all, mut i) = ([0; ODDITIES], 0);
    while i < ODDITIES {
        all[i] = event_at(events, ODD[i]);
        i += 1;
    }
    all
}

/// What lines raised: bits of [`ODD`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Raised(u32);

impl Raised {
    fn set(&mut self, odd: u8) {
        self.0 |= 1 << odd;
    }

    /// Numbers of [`ODD`].
    pub fn all(self) -> impl Iterator<Item = usize> {
        (0..ODDITIES).filter(move |i| self.0 >> i & 1 == 1)
    }
}

const fn several(name: &'static str, aliases: &'static [&'static str], dirs: u8) -> BufferDef {
    BufferDef { name, aliases, modifiers: &[], dirs, progress: 0, kind: BufferKind::Multi }
}

const fn one(name: &'static str, dirs: u8) -> BufferDef {
    BufferDef { kind: BufferKind::Single, ..several(name, &[], dirs) }
}

/// How many buffers a mail has.
pub const BUFFERS: usize = 11;

/// Buffers of mails, in the order in which [`Letter::buffer`] counts them.
pub const fn buffers(dirs: u8) -> [BufferDef; BUFFERS] {
    [
        several("file.data", &["file_data"], dirs),
        several("file.name", &[], dirs),
        one("email.from", dirs),
        one("email.to", dirs),
        one("email.cc", dirs),
        one("email.subject", dirs),
        one("email.date", dirs),
        one("email.message_id", dirs),
        one("email.x_mailer", dirs),
        several("email.received", &[], dirs),
        several("email.url", &[], dirs),
    ]
}

/// Tags of the `email.*` buffers, from the third on.
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

/// What a transaction keeps of a mail.
#[derive(Debug, Default)]
pub struct Letter {
    pub(crate) list: Entries,
    /// First bytes of the first attachments.
    data: [PBuf; BODIES],
    /// Attachments begun, and ended.
    bodies: u8,
    closed: u8,
    stage: Stage,
}

impl Letter {
    /// Gives back what it holds.
    pub fn free(&mut self, pool: &mut BytePool) {
        self.list.free(pool);
        for b in &mut self.data {
            b.free(pool);
        }
    }

    /// Bytes of the attachment begun last.
    fn body(&mut self, bytes: &[u8], cx: &mut AppCx<'_>) {
        let Some(to) = usize::from(self.bodies).checked_sub(1).and_then(|i| self.data.get_mut(i)) else {
            return;
        };
        let room = BODY_MAX.saturating_sub(to.len());
        let _ = to.extend(cx.pool, bytes.get(..room).unwrap_or(bytes));
    }

    /// Changes when more of the mail is worth a look.
    fn mark(&self) -> (u8, usize, Stage) {
        let at = usize::from(self.bodies).saturating_sub(1);
        (self.closed, self.data.get(at).map_or(0, |d| d.len() / BODY_STEP), self.stage)
    }

    /// The buffer at that place of [`buffers`]. `over`: nothing more will come.
    pub fn buffer<'a>(&'a self, place: u8, over: bool, at: BufferAt<'a>) -> Buffer<'a> {
        let BufferAt { index, pool, .. } = at;
        let late = if over { Buffer::Absent } else { Buffer::NotYet };
        match place {
            0 => {
                let Some(d) = self.data.get(index as usize).filter(|d| !d.is_empty()) else {
                    return Buffer::Absent;
                };
                let closed = index < u32::from(self.closed);
                if closed || d.len() >= BODY_STEP {
                    Buffer::Data { bytes: d.get(pool), offset: 0, end: closed }
                } else {
                    Buffer::Absent
                }
            }
            1 => self.list.nth(pool, tag::ATTACHMENT, index).map_or(Buffer::Absent, Buffer::whole),
            n => {
                let Some(t) = EMAIL_TAGS.get(usize::from(n - 2)) else { return Buffer::Absent };
                let multi = matches!(*t, tag::RECEIVED | tag::URL);
                match self.list.nth(pool, *t, index) {
                    Some(v) if multi || index == 0 => Buffer::whole(v),
                    _ if multi || index > 0 => Buffer::Absent,
                    _ => late,
                }
            }
        }
    }

    /// Ends the object being written and writes `email` beside it: with the contents of its own that an output ends.
    pub fn log_beside(&self, pool: &BytePool, out: &mut dyn crate::event::Fields) {
        out.end_object();
        out.begin_object("email");
        log::email(self, pool, out);
    }
}
