//! SMTP (RFC 5321, RFC 3030, RFC 3207): commands and replies go in; one transaction a mail comes out, with its
//! envelope, the header fields and URLs of the message, and its attachments as files.

mod mime;

use alloc::boxed::Box;

use self::mime::Mime;
use super::entries::Entries;
use super::plain::SMTP_BEGINS;
use super::txs::{TxList, Txs};
use super::{
    AppConfig, AppCx, AppProto, Buffer, BufferDef, BufferKind, Input, OVER_TCP, Outcome, Parser, ProtoDef,
    StateId, TxCommon, TxIdx, TxView,
};
use crate::Dir;
use crate::event::Fields;
use crate::pool::{BytePool, PBuf, Scratch, Slab};

/// Longest line kept; what goes beyond is cut off or passed on in pieces.
const LINE_MAX: usize = 4096;
/// Longest command and reply without an event (RFC 5321 4.5.3.1, without the line end).
const COMMAND_MAX: usize = 510;
/// Bytes of an attachment that `file.data` sees, and the step in which it grows.
const BODY_MAX: usize = 100_000;
const BODY_STEP: usize = 32_768;
/// Attachments of a mail that `file.data` sees.
const BODIES: usize = 4;
/// Commands waiting for their reply.
const QUEUE: usize = 32;

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

const EV_INVALID_REPLY: u8 = 0;
const EV_UNMATCHED_REPLY: u8 = 1;
const EV_COMMAND_LEN: u8 = 2;
const EV_REPLY_LEN: u8 = 3;
const EV_BDAT_LEN: u8 = 5;
const EV_NO_WELCOME: u8 = 6;
const EV_TLS_REJECTED: u8 = 7;
const EV_DATA_REJECTED: u8 = 8;
pub(crate) const EV_BAD_BASE64: u8 = 11;
pub(crate) const EV_BAD_QP: u8 = 12;
pub(crate) const EV_LONG_LINE: u8 = 13;
pub(crate) const EV_LONG_ENC_LINE: u8 = 14;
pub(crate) const EV_LONG_BOUNDARY: u8 = 17;
pub(crate) const EV_LONG_FILENAME: u8 = 18;
const EV_DUPLICATE: u8 = 20;
const EV_UNPARSABLE: u8 = 21;
const EV_TRUNCATED: u8 = 22;

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

const B_HELO: u8 = 0;
const B_FROM: u8 = 1;
const B_RCPT: u8 = 2;
const B_FILE: u8 = 3;
const B_FILE_NAME: u8 = 4;

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
];

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
    aliases: &[],
    over: OVER_TCP,
    buffers: BUFFERS,
    ints: &[],
    events: EVENTS,
    recognise: SMTP_BEGINS,
    parser: Some(make),
    record: "smtp",
};

/// One mail, or the commands before and after one.
#[derive(Debug, Default)]
pub(crate) struct Mail {
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

    fn free(&mut self, pool: &mut BytePool) {
        self.helo.free(pool);
        self.from.free(pool);
        self.list.free(pool);
        for b in &mut self.data {
            b.free(pool);
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Commands,
    Data,
    Bdat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Command {
    #[default]
    Other,
    StartTls,
    Data,
    /// The end of the mail's data.
    Dot,
}

#[derive(Debug, Default)]
struct State {
    txs: TxList,
    /// Number + 1 of the transaction being written.
    current: u64,
    mode: Mode,
    bdat_left: u64,
    bdat_last: bool,
    mime: Mime,
    helo: PBuf,
    queue: [Command; QUEUE],
    waiting: usize,
    greeted: bool,
    /// The rest of a line that was too long is skipped.
    skipping: [bool; 2],
}

/// The parser.
pub struct Smtp {
    states: Slab<State>,
    txs: Txs<Mail>,
    tls: Option<AppProto>,
}

fn make(cfg: &AppConfig) -> Box<dyn Parser> {
    Box::new(Smtp {
        states: Slab::new(cfg.max_states),
        txs: Txs::new(cfg.max_txs),
        tls: AppProto::by_name("tls"),
    })
}

/// A line and what follows it.
enum Cut<'a> {
    /// Without its end; length of the end.
    Line(&'a [u8], u8),
    /// The first [`LINE_MAX`] bytes of a longer line.
    Piece(&'a [u8]),
    More,
}

fn cut(b: &[u8], eof: bool) -> Cut<'_> {
    let window = b.get(..LINE_MAX).unwrap_or(b);
    match memchr::memchr(b'\n', window) {
        Some(n) => {
            let line = window.get(..n).unwrap_or(&[]);
            match line.strip_suffix(b"\r") {
                Some(l) => Cut::Line(l, 2),
                None => Cut::Line(line, 1),
            }
        }
        None if window.len() == LINE_MAX || (eof && !b.is_empty()) => Cut::Piece(window),
        None => Cut::More,
    }
}

fn word(line: &[u8], w: &[u8]) -> bool {
    line.get(..w.len()).is_some_and(|l| l.eq_ignore_ascii_case(w))
}

/// The argument of a command: blanks skipped, up to the next blank.
fn argument(line: &[u8], from: usize) -> &[u8] {
    let rest = line.get(from..).unwrap_or(&[]).trim_ascii_start();
    let n = rest.iter().position(|b| *b == b' ').unwrap_or(rest.len());
    rest.get(..n).unwrap_or(rest)
}

impl Smtp {
    /// The transaction being written, a new one if need be.
    fn current(&mut self, st: StateId, cx: &mut AppCx<'_>) -> Option<TxIdx> {
        let s = self.states.get_mut(st);
        if let Some(id) = s.current.checked_sub(1)
            && let Some(tx) = self.txs.find(&s.txs, id)
        {
            return Some(tx);
        }
        let tx = self.txs.open(&mut s.txs, cx.now)?;
        let t = self.txs.get_mut(tx);
        s.current = t.common.id + 1;
        t.own.helo = PBuf::default();
        cx.scratch.clear();
        cx.scratch.extend(s.helo.get(cx.pool));
        let _ = t.own.helo.extend(cx.pool, cx.scratch.as_slice());
        Some(tx)
    }

    fn raise(&mut self, st: StateId, ev: u8, dir: Dir, cx: &mut AppCx<'_>) {
        let s = self.states.get(st);
        let tx = s.current.checked_sub(1).and_then(|id| self.txs.find(&s.txs, id)).or(s.txs.last());
        if let Some(tx) = tx.or_else(|| self.current(st, cx)) {
            self.txs.get_mut(tx).common.raise(ev, dir);
        }
    }

    fn await_reply(&mut self, st: StateId, c: Command) {
        let s = self.states.get_mut(st);
        if let Some(slot) = s.queue.get_mut(s.waiting) {
            *slot = c;
            s.waiting += 1;
        }
    }

    fn command(&mut self, st: StateId, line: &[u8], cx: &mut AppCx<'_>) {
        if word(line, b"rset") {
            // Ends what was begun without beginning anything.
            self.await_reply(st, Command::Other);
            let s = self.states.get(st);
            if let Some(tx) = s.current.checked_sub(1).and_then(|id| self.txs.find(&s.txs, id)) {
                self.complete(st, tx);
            }
            return;
        }
        let Some(tx) = self.current(st, cx) else { return };
        if line.len() > COMMAND_MAX {
            self.raise(st, EV_COMMAND_LEN, Dir::ToServer, cx);
        }
        let t = self.txs.get_mut(tx);
        t.common.dirty[0] = true;
        let mut kind = Command::Other;
        if word(line, b"helo") || word(line, b"ehlo") {
            let arg = line.get(4..).unwrap_or(&[]).trim_ascii();
            let s = self.states.get_mut(st);
            s.helo.free(cx.pool);
            let _ = s.helo.extend(cx.pool, arg);
            t.own.helo.free(cx.pool);
            let _ = t.own.helo.extend(cx.pool, arg);
        } else if word(line, b"mail from") {
            let at = line.iter().position(|b| *b == b':').map_or(line.len(), |n| n + 1);
            let arg = argument(line, at);
            if t.own.from.is_empty() {
                let _ = t.own.from.extend(cx.pool, arg);
            } else {
                t.common.raise(EV_DUPLICATE, Dir::ToServer);
            }
        } else if word(line, b"rcpt to") {
            let at = line.iter().position(|b| *b == b':').map_or(line.len(), |n| n + 1);
            t.own.list.push(cx.pool, tag::RCPT, argument(line, at));
        } else if word(line, b"starttls") {
            kind = Command::StartTls;
        } else if line.eq_ignore_ascii_case(b"data") || word(line, b"data ") {
            kind = Command::Data;
            t.own.message = true;
            let s = self.states.get_mut(st);
            s.mode = Mode::Data;
            s.mime.free(cx);
        } else if word(line, b"bdat ") {
            let mut args = line.get(5..).unwrap_or(&[]).split(|b| *b == b' ').filter(|a| !a.is_empty());
            let size = args.next().map_or(0, decimal);
            let last = args.next().is_some_and(|a| a.trim_ascii().eq_ignore_ascii_case(b"last"));
            if size > u64::from(u32::MAX) {
                t.common.raise(EV_BDAT_LEN, Dir::ToServer);
            } else {
                if !t.own.message {
                    self.states.get_mut(st).mime.free(cx);
                }
                let t = self.txs.get_mut(tx);
                t.own.message = true;
                let s = self.states.get_mut(st);
                (s.mode, s.bdat_left, s.bdat_last) = (Mode::Bdat, size, last);
                if size == 0 {
                    s.mode = Mode::Commands;
                    if last {
                        self.message_over(st, tx, false, cx);
                    }
                }
            }
        } else if !line.is_empty()
            && !line.iter().all(|b| (32..127).contains(b) || *b == b'\t' || *b == b'\r')
        {
            t.common.raise(EV_UNPARSABLE, Dir::ToServer);
        }
        self.await_reply(st, kind);
    }

    fn complete(&mut self, st: StateId, tx: TxIdx) {
        let c = &mut self.txs.get_mut(tx).common;
        c.progress = [1; 2];
        c.dirty = [true; 2];
        self.states.get_mut(st).current = 0;
    }

    /// The mail's data ended.
    fn message_over(&mut self, st: StateId, tx: TxIdx, truncated: bool, cx: &mut AppCx<'_>) {
        let s = self.states.get_mut(st);
        let t = self.txs.get_mut(tx);
        s.mime.end(truncated, &mut t.own, cx);
        t.own.stage = s.mime.stage;
        s.mime.free(cx);
        s.mode = Mode::Commands;
        self.complete(st, tx);
    }

    /// A line of the message, without its end.
    fn message_line(&mut self, st: StateId, line: &[u8], eol: u8, cx: &mut AppCx<'_>) {
        let Some(tx) = self.current(st, cx) else { return };
        let s = self.states.get_mut(st);
        let t = self.txs.get_mut(tx);
        let before = (t.own.closed, step(&t.own), s.mime.stage);
        let id = t.common.id;
        let raised = s.mime.line(line, eol, &mut t.own, &mut t.common.files[0], id, cx);
        t.own.stage = s.mime.stage;
        if before != (t.own.closed, step(&t.own), s.mime.stage) {
            t.common.dirty[0] = true;
        }
        for ev in 0..EVENTS.len() as u8 {
            if raised.0 >> ev & 1 == 1 && t.common.events >> ev & 1 == 0 {
                t.common.raise(ev, Dir::ToServer);
            }
        }
    }

    fn client_bytes(&mut self, st: StateId, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        let mut at = 0;
        while at < input.data.len() {
            let rest = input.data.get(at..).unwrap_or(&[]);
            let mode = self.states.get(st).mode;
            if mode == Mode::Bdat {
                let left = self.states.get(st).bdat_left;
                let rest = rest.get(..usize::try_from(left).unwrap_or(usize::MAX)).unwrap_or(rest);
                let whole = rest.len() as u64 == left;
                let (line, eol, used) = match cut(rest, whole || input.eof) {
                    Cut::Line(l, e) => (l, e, l.len() + usize::from(e)),
                    Cut::Piece(p) => (p, 0, p.len()),
                    Cut::More => return Outcome::Consumed { bytes: at, need: 0 },
                };
                self.message_line(st, line, eol, cx);
                at += used;
                let s = self.states.get_mut(st);
                s.bdat_left = s.bdat_left.saturating_sub(used as u64);
                if s.bdat_left == 0 {
                    s.mode = Mode::Commands;
                    if s.bdat_last
                        && let Some(tx) = self.current(st, cx)
                    {
                        self.message_over(st, tx, false, cx);
                    }
                }
                continue;
            }
            match cut(rest, input.eof) {
                Cut::More => break,
                Cut::Line(line, eol) => {
                    at += line.len() + usize::from(eol);
                    let skip = core::mem::take(&mut self.states.get_mut(st).skipping[0]);
                    if mode == Mode::Commands {
                        if !skip {
                            self.command(st, line, cx);
                        }
                    } else if line == b"." && !skip {
                        if let Some(tx) = self.current(st, cx) {
                            self.message_over(st, tx, false, cx);
                        }
                        self.await_reply(st, Command::Dot);
                    } else {
                        // Dots at the start of a line are doubled (RFC 5321 4.5.2).
                        let line = if line.starts_with(b"..") && !skip { &line[1..] } else { line };
                        self.message_line(st, line, eol, cx);
                    }
                }
                Cut::Piece(piece) => {
                    at += piece.len();
                    let began = !core::mem::replace(&mut self.states.get_mut(st).skipping[0], true);
                    if mode == Mode::Commands {
                        if began {
                            self.command(st, piece, cx);
                            self.raise(st, EV_TRUNCATED, Dir::ToServer, cx);
                        }
                    } else {
                        self.message_line(st, piece, 0, cx);
                    }
                }
            }
        }
        Outcome::Consumed { bytes: at, need: 0 }
    }

    fn server_bytes(&mut self, st: StateId, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        let mut at = 0;
        while at < input.data.len() {
            match cut(input.data.get(at..).unwrap_or(&[]), input.eof) {
                Cut::More => break,
                Cut::Line(line, eol) => {
                    at += line.len() + usize::from(eol);
                    if core::mem::take(&mut self.states.get_mut(st).skipping[1]) {
                        continue;
                    }
                    if self.reply(st, line, cx) {
                        return Outcome::Change { bytes: at, to: self.tls };
                    }
                }
                Cut::Piece(piece) => {
                    at += piece.len();
                    if !core::mem::replace(&mut self.states.get_mut(st).skipping[1], true) {
                        self.reply(st, piece, cx);
                        self.raise(st, EV_TRUNCATED, Dir::ToClient, cx);
                    }
                }
            }
        }
        Outcome::Consumed { bytes: at, need: 0 }
    }

    /// A line of a reply. Returns whether TLS begins.
    fn reply(&mut self, st: StateId, line: &[u8], cx: &mut AppCx<'_>) -> bool {
        if line.len() > COMMAND_MAX {
            self.raise(st, EV_REPLY_LEN, Dir::ToClient, cx);
        }
        let code = match line {
            [a @ b'1'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', ..] => {
                u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0')
            }
            _ => {
                self.raise(st, EV_INVALID_REPLY, Dir::ToClient, cx);
                return false;
            }
        };
        if line.get(3) == Some(&b'-') {
            return false;
        }
        let s = self.states.get_mut(st);
        if !s.greeted {
            s.greeted = true;
            if code == 220 {
                return false;
            }
            self.raise(st, EV_NO_WELCOME, Dir::ToClient, cx);
        }
        let s = self.states.get_mut(st);
        if s.waiting == 0 {
            if code != 421 {
                self.raise(st, EV_UNMATCHED_REPLY, Dir::ToClient, cx);
            }
            return false;
        }
        let command = s.queue[0];
        s.queue.rotate_left(1);
        s.waiting -= 1;
        match command {
            Command::StartTls if code == 220 => {
                if let Some(tx) = s.current.checked_sub(1).and_then(|id| self.txs.find(&s.txs, id)) {
                    self.complete(st, tx);
                }
                return true;
            }
            Command::StartTls => self.raise(st, EV_TLS_REJECTED, Dir::ToClient, cx),
            Command::Data if code != 354 && s.mode == Mode::Data => {
                s.mode = Mode::Commands;
                self.raise(st, EV_DATA_REJECTED, Dir::ToClient, cx);
            }
            _ => {}
        }
        false
    }
}

/// How much of the attachments may be inspected: changes when more is worth a look.
fn step(m: &Mail) -> usize {
    let at = usize::from(m.bodies).saturating_sub(1);
    m.data.get(at).map_or(0, |d| d.len() / BODY_STEP)
}

fn decimal(b: &[u8]) -> u64 {
    b.iter()
        .take_while(|c| c.is_ascii_digit())
        .fold(0u64, |n, c| n.saturating_mul(10).saturating_add(u64::from(c - b'0')))
}

impl Parser for Smtp {
    fn open(&mut self, _: &mut AppCx<'_>) -> Option<StateId> {
        self.states.alloc()
    }

    fn close(&mut self, st: StateId, cx: &mut AppCx<'_>) {
        while let Some(first) = self.states.get(st).txs.first() {
            let id = self.txs.get(first).common.id;
            self.free_tx(st, id, cx);
        }
        let s = self.states.get_mut(st);
        s.mime.free(cx);
        s.helo.free(cx.pool);
        self.states.free(st);
    }

    fn parse(&mut self, st: StateId, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        if input.gap > 0 {
            // The rest of the line that the gap cut is of no use; a message goes on with what follows.
            self.states.get_mut(st).skipping[input.dir.ix()] = true;
            let s = self.states.get_mut(st);
            s.bdat_left =
                s.bdat_left.saturating_sub(u64::from(input.gap)).max(u64::from(s.mode == Mode::Bdat));
        }
        let out = match input.dir {
            Dir::ToServer => self.client_bytes(st, input, cx),
            Dir::ToClient => self.server_bytes(st, input, cx),
        };
        if input.eof && input.dir == Dir::ToServer {
            let s = self.states.get(st);
            if let Some(tx) = s.current.checked_sub(1).and_then(|id| self.txs.find(&s.txs, id))
                && s.mode != Mode::Commands
            {
                self.message_over(st, tx, true, cx);
            }
        }
        out
    }

    fn tx_bounds(&self, st: StateId) -> (u64, u64) {
        self.txs.bounds(&self.states.get(st).txs)
    }

    fn tx(&self, st: StateId, id: u64) -> Option<TxIdx> {
        self.txs.find(&self.states.get(st).txs, id)
    }

    fn common(&self, tx: TxIdx) -> &TxCommon {
        &self.txs.get(tx).common
    }

    fn common_mut(&mut self, tx: TxIdx) -> &mut TxCommon {
        &mut self.txs.get_mut(tx).common
    }

    fn complete_progress(&self, _: Dir) -> u8 {
        1
    }

    fn free_tx(&mut self, st: StateId, id: u64, cx: &mut AppCx<'_>) {
        let Some(tx) = self.tx(st, id) else { return };
        let s = self.states.get_mut(st);
        if s.current == id + 1 {
            s.current = 0;
            s.mime.free(cx);
        }
        for head in &mut self.txs.get_mut(tx).common.files {
            cx.files.free_chain(cx.pool, head);
        }
        if let Some(mut m) = self.txs.remove(&mut self.states.get_mut(st).txs, id, cx.pool) {
            m.free(cx.pool);
        }
    }

    fn buffer<'a>(
        &'a self,
        _: StateId,
        tx: TxIdx,
        local: u8,
        dir: Dir,
        index: u32,
        pool: &'a BytePool,
        _: &'a mut Scratch,
    ) -> Buffer<'a> {
        if dir != Dir::ToServer {
            return Buffer::Absent;
        }
        let t = self.txs.get(tx);
        let m = &t.own;
        let late = if t.common.progress[0] > 0 { Buffer::Absent } else { Buffer::NotYet };
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

    fn int(&self, _: StateId, _: TxIdx, _: u8, _: Dir, _: u32, _: &BytePool) -> Option<u64> {
        None
    }

    fn log(&self, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        let m = &self.txs.get(view.tx).own;
        let pool = view.pool;
        if !m.helo.is_empty() {
            out.bytes("helo", m.helo.get(pool));
        }
        if !m.from.is_empty() {
            out.bytes("mail_from", m.from.get(pool));
        }
        list(m, tag::RCPT, "rcpt_to", pool, out);
        if m.message {
            // The mail is an object of its own beside the session's.
            out.end_object();
            out.begin_object("email");
            email(m, pool, out);
        }
    }

    fn name(&self) -> &'static str {
        "smtp"
    }
}

fn list(m: &Mail, t: u8, key: &str, pool: &BytePool, out: &mut dyn Fields) {
    let mut open = false;
    for v in m.list.all(pool, t) {
        if !open {
            out.begin_array(key);
            open = true;
        }
        out.bytes("", v);
    }
    if open {
        out.end_array();
    }
}

/// Addresses of a field, one by one.
fn addresses(m: &Mail, t: u8, key: &str, pool: &BytePool, out: &mut dyn Fields) {
    let Some(v) = m.list.nth(pool, t, 0) else { return };
    out.begin_array(key);
    for a in v.split(|b| *b == b',') {
        out.bytes("", a.trim_ascii());
    }
    out.end_array();
}

/// Fields written when the configuration names them: tag, its option, its name in EVE.
const CUSTOM: &[(u8, &str, &str)] = &[
    (10, "custom.bcc", "bcc"),
    (9, "custom.reply-to", "reply_to"),
    (tag::SUBJECT, "custom.subject", "subject"),
    (tag::DATE, "custom.date", "date"),
    (tag::X_MAILER, "custom.x-mailer", "x_mailer"),
    (11, "custom.user-agent", "user_agent"),
    (12, "custom.x-originating-ip", "x_originating_ip"),
    (13, "custom.in-reply-to", "in_reply_to"),
    (14, "custom.references", "references"),
    (15, "custom.importance", "importance"),
    (16, "custom.priority", "priority"),
    (17, "custom.sensitivity", "sensitivity"),
    (18, "custom.organization", "organization"),
    (19, "custom.content-md5", "content_md5"),
    (tag::MESSAGE_ID, "custom.message-id", "message_id"),
];

fn email(m: &Mail, pool: &BytePool, out: &mut dyn Fields) {
    out.str("status", m.stage.name());
    if let Some(v) = m.list.nth(pool, tag::FROM, 0) {
        out.bytes("from", v);
    }
    addresses(m, tag::TO, "to", pool, out);
    addresses(m, tag::CC, "cc", pool, out);
    list(m, tag::ATTACHMENT, "attachment", pool, out);
    list(m, tag::URL, "url", pool, out);
    if out.wants("custom.received") {
        list(m, tag::RECEIVED, "received", pool, out);
    }
    for (t, option, key) in CUSTOM {
        if out.wants(option)
            && let Some(v) = m.list.nth(pool, *t, 0)
        {
            out.bytes(key, v);
        }
    }
}

#[cfg(test)]
mod tests;
