//! The talk of client and server: commands, replies, and the lines of a mail between them.

use super::{
    B_FILE, EV_BDAT_LEN, EV_DATA_REJECTED, EV_DUPLICATE, EV_INVALID_REPLY, EV_NO_WELCOME, EV_PIPELINE,
    EV_TLS_REJECTED, EV_TRUNCATED, EV_UNPARSABLE, F_COMMAND, F_DATA, F_RESPONSE, MAIL_EVENTS, Mail, RCPT,
};
use crate::Dir;
use crate::app::hosted::Transactions;
use crate::app::mail::{Mime, Place, Raised};
use crate::app::{AppCx, AppProto, Input, Outcome, TxIdx};
use crate::pool::PBuf;

/// Longest line kept; what goes beyond is cut off or passed on in pieces.
const LINE_MAX: usize = 4096;
/// Codes of replies (RFC 5321 4.2.3 and extensions); others raise an event.
const REPLIES: [u16; 26] = [
    211, 214, 220, 221, 235, 250, 251, 252, 334, 354, 421, 450, 451, 452, 455, 500, 501, 502, 503, 504, 550,
    551, 552, 553, 554, 555,
];
/// Commands waiting for their reply.
const QUEUE: usize = 32;

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

/// What the flow keeps.
#[derive(Debug, Default)]
pub struct State {
    /// Number + 1 of the transaction being written.
    current: u64,
    /// The same of the one that was written last.
    last: u64,
    mode: Mode,
    bdat_left: u64,
    bdat_last: bool,
    mime: Mime,
    helo: PBuf,
    /// The client has said its name.
    named: bool,
    queue: [Command; QUEUE],
    waiting: usize,
    greeted: bool,
    /// The bytes of a chunk ended in the middle of a line.
    bdat_open: bool,
    /// The server takes commands before it has answered those before.
    pipelining: bool,
    /// The rest of a line that was too long is skipped.
    skipping: [bool; 2],
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

/// One call of the parser: a session's state, its mails, and what the engine lends.
pub(super) struct Session<'a, 'f, 'c> {
    pub(super) state: &'a mut State,
    pub(super) flow: &'a mut Transactions<'f, Mail>,
    pub(super) cx: &'a mut AppCx<'c>,
    /// What follows STARTTLS.
    pub(super) tls: Option<AppProto>,
}

impl State {
    /// Gives back what it holds.
    pub(super) fn free(&mut self, cx: &mut AppCx<'_>) {
        self.mime.free(cx);
        self.helo.free(cx.pool);
    }

    /// Transaction `id` goes.
    pub(super) fn forget(&mut self, id: u64, cx: &mut AppCx<'_>) {
        if self.current == id + 1 {
            self.current = 0;
            self.mime.free(cx);
        }
    }
}

impl Session<'_, '_, '_> {
    pub(super) fn bytes(&mut self, input: Input<'_>) -> Outcome {
        // Rules see a command (a mail with the one behind it), the reply to a command; the greeting together with the first reply.
        self.cx.due = 0;
        if input.gap > 0 {
            // The rest of the line that the gap cut is of no use; a message goes on with what follows.
            let s = &mut *self.state;
            s.skipping[input.dir.ix()] = true;
            s.bdat_left =
                s.bdat_left.saturating_sub(u64::from(input.gap)).max(u64::from(s.mode == Mode::Bdat));
        }
        let out = match input.dir {
            Dir::ToServer => self.client_bytes(input),
            Dir::ToClient => self.server_bytes(input),
        };
        if input.eof
            && input.dir == Dir::ToServer
            && self.state.mode != Mode::Commands
            && let Some(tx) = self.begun()
        {
            self.message_over(tx, true);
        }
        out
    }

    /// The transaction being written.
    fn begun(&self) -> Option<TxIdx> {
        self.state.current.checked_sub(1).and_then(|id| self.flow.find(id))
    }

    /// The transaction being written, a new one if need be.
    fn current(&mut self) -> Option<TxIdx> {
        if let Some(tx) = self.begun() {
            return Some(tx);
        }
        let tx = self.flow.open(self.cx.now)?;
        let t = self.flow.get(tx);
        self.state.current = t.common.id + 1;
        self.state.last = self.state.current;
        // There is no reply yet for rules on replies.
        t.common.settle(Dir::ToClient);
        t.own.helo = PBuf::default();
        self.cx.scratch.clear();
        self.cx.scratch.extend(self.state.helo.get(self.cx.pool));
        let _ = t.own.helo.extend(self.cx.pool, self.cx.scratch.as_slice());
        Some(tx)
    }

    fn raise(&mut self, ev: u8, dir: Dir) {
        let tx = self.begun().or(self.flow.last());
        if let Some(tx) = tx.or_else(|| self.current()) {
            self.flow.get(tx).common.raise(ev, dir);
        }
    }

    /// A line is a frame of the mail that it belongs to or follows.
    fn frame(&mut self, local: u8, line: &[u8]) {
        if !self.cx.frames.wanted() {
            return;
        }
        self.cx.frames.whole(local, line);
        // The mail may be over and gone.
        if let Some(id) = self.state.current.max(self.state.last).checked_sub(1) {
            self.cx.frames.of_tx(id);
        }
    }

    /// A mail begins with what follows, if it does.
    fn data_frame(&mut self, before: Mode, rest: &[u8]) {
        if self.cx.frames.wanted() && before == Mode::Commands && self.state.mode != Mode::Commands {
            self.cx.frames.begin(F_DATA, rest, None);
            if let Some(tx) = self.begun() {
                self.cx.frames.of_tx(self.flow.peek(tx).common.id);
            }
        }
    }

    /// What follows these commands waits for their reply (RFC 2920, 3.1).
    fn is_early(&self) -> bool {
        let last = self.state.waiting.checked_sub(1).and_then(|n| self.state.queue.get(n));
        matches!(last, Some(Command::Data | Command::StartTls))
    }

    fn await_reply(&mut self, c: Command) {
        if self.is_early() {
            self.raise(EV_PIPELINE, Dir::ToServer);
        }
        if let Some(slot) = self.state.queue.get_mut(self.state.waiting) {
            *slot = c;
            self.state.waiting += 1;
        }
    }

    fn command(&mut self, line: &[u8]) {
        self.cx.due |= Dir::ToServer.bit();
        if word(line, b"rset") {
            // Ends what was begun without beginning anything.
            self.await_reply(Command::Other);
            if let Some(tx) = self.begun() {
                self.complete(tx);
            }
            return;
        }
        let Some(tx) = self.current() else { return };
        if !self.state.greeted {
            self.raise(EV_NO_WELCOME, Dir::ToServer);
        }
        // What goes on in a chunk's last line is beyond the chunk.
        if core::mem::take(&mut self.state.bdat_open) {
            self.raise(EV_BDAT_LEN, Dir::ToServer);
        }
        let t = self.flow.get(tx);
        t.common.touch(Dir::ToServer);
        let mut kind = Command::Other;
        if word(line, b"helo") || word(line, b"ehlo") {
            let arg = argument(line, 4);
            if core::mem::replace(&mut self.state.named, true) {
                t.common.raise(EV_DUPLICATE, Dir::ToServer);
            }
            self.state.helo.free(self.cx.pool);
            let _ = self.state.helo.extend(self.cx.pool, arg);
            t.own.helo.free(self.cx.pool);
            let _ = t.own.helo.extend(self.cx.pool, arg);
        } else if word(line, b"mail from") {
            let at = line.iter().position(|b| *b == b':').map_or(line.len(), |n| n + 1);
            let arg = argument(line, at);
            if t.own.from.is_empty() {
                let _ = t.own.from.extend(self.cx.pool, arg);
            } else {
                t.common.raise(EV_DUPLICATE, Dir::ToServer);
            }
        } else if word(line, b"rcpt to") {
            let at = line.iter().position(|b| *b == b':').map_or(line.len(), |n| n + 1);
            t.own.letter.list.push(self.cx.pool, RCPT, argument(line, at));
        } else if word(line, b"starttls") {
            kind = Command::StartTls;
        } else if line.eq_ignore_ascii_case(b"data") || word(line, b"data ") {
            kind = Command::Data;
            t.own.message = true;
            self.state.mode = Mode::Data;
            self.state.mime.free(self.cx);
        } else if word(line, b"bdat ") {
            let mut args = line.get(5..).unwrap_or(&[]).split(|b| *b == b' ').filter(|a| !a.is_empty());
            let size = args.next().map_or(0, decimal);
            let last = args.next().is_some_and(|a| a.trim_ascii().eq_ignore_ascii_case(b"last"));
            if size <= u64::from(u32::MAX) {
                if !t.own.message {
                    self.state.mime.free(self.cx);
                }
                let t = self.flow.get(tx);
                t.own.message = true;
                (self.state.mode, self.state.bdat_left, self.state.bdat_last) = (Mode::Bdat, size, last);
                if size == 0 {
                    self.state.mode = Mode::Commands;
                    if last {
                        self.message_over(tx, false);
                    }
                }
            }
        }
        self.await_reply(kind);
    }

    fn complete(&mut self, tx: TxIdx) {
        let c = &mut self.flow.get(tx).common;
        c.advance_both(1);
        c.touch_both();
        self.state.current = 0;
    }

    /// What the mail reader is given, with the mail's transaction.
    fn mail(
        &mut self,
        tx: TxIdx,
        read: impl FnOnce(&mut Mime, &mut Place<'_>, &mut AppCx<'_>) -> (Raised, bool),
    ) {
        let inspected = self.cx.wanted.has(B_FILE);
        let t = self.flow.get(tx);
        let id = t.common.id;
        let letter = &mut t.own.letter;
        let mut place = Place { letter, files: &mut t.common.files[0], id, dir: Dir::ToServer, inspected };
        let (raised, more) = read(&mut self.state.mime, &mut place, self.cx);
        if more {
            t.common.touch(Dir::ToServer);
        }
        for ev in raised.all().filter_map(|i| MAIL_EVENTS.get(i)) {
            if t.common.events >> ev & 1 == 0 {
                t.common.raise(*ev, Dir::ToServer);
            }
        }
    }

    /// The mail's data ended.
    fn message_over(&mut self, tx: TxIdx, truncated: bool) {
        self.mail(tx, |mime, place, cx| (mime.end(truncated, place, cx), false));
        self.state.mode = Mode::Commands;
        self.complete(tx);
    }

    /// A line of the message, without its end.
    fn message_line(&mut self, line: &[u8], eol: u8) {
        let Some(tx) = self.current() else { return };
        if !self.state.pipelining && self.state.mode == Mode::Data && self.is_early() {
            let again = line.eq_ignore_ascii_case(b"data");
            self.raise(if again { EV_UNPARSABLE } else { EV_PIPELINE }, Dir::ToServer);
        }
        self.mail(tx, |mime, place, cx| mime.line(line, eol, place, cx));
    }

    fn client_bytes(&mut self, input: Input<'_>) -> Outcome {
        let mut at = 0;
        while at < input.data.len() {
            let rest = input.data.get(at..).unwrap_or(&[]);
            let mode = self.state.mode;
            if mode == Mode::Bdat {
                let left = self.state.bdat_left;
                let rest = rest.get(..usize::try_from(left).unwrap_or(usize::MAX)).unwrap_or(rest);
                let whole = rest.len() as u64 == left;
                let (line, eol, used) = match cut(rest, whole || input.eof) {
                    Cut::Line(l, e) => (l, e, l.len() + usize::from(e)),
                    Cut::Piece(p) => (p, 0, p.len()),
                    Cut::More => return Outcome::Consumed { bytes: at, need: 0 },
                };
                self.message_line(line, eol);
                at += used;
                self.state.bdat_left = self.state.bdat_left.saturating_sub(used as u64);
                if self.state.bdat_left == 0 {
                    self.state.bdat_open = eol == 0;
                    self.cx.frames.end(F_DATA, input.data.get(at..).unwrap_or(&[]));
                    self.state.mode = Mode::Commands;
                    if self.state.bdat_last
                        && let Some(tx) = self.current()
                    {
                        self.message_over(tx, false);
                    }
                }
                continue;
            }
            match cut(rest, input.eof) {
                Cut::More => break,
                Cut::Line(line, eol) => {
                    let used = line.len() + usize::from(eol);
                    at += used;
                    let skip = core::mem::take(&mut self.state.skipping[0]);
                    if mode == Mode::Commands {
                        if !skip {
                            self.command(line);
                            let (line, next) = rest.split_at_checked(used).unwrap_or((line, &[]));
                            self.frame(F_COMMAND, line);
                            self.data_frame(mode, next);
                        }
                    } else if line == b"." && !skip {
                        self.cx.frames.end(F_DATA, rest);
                        if let Some(tx) = self.current() {
                            self.message_over(tx, false);
                        }
                        self.await_reply(Command::Dot);
                    } else {
                        // Dots at the start of a line are doubled (RFC 5321 4.5.2).
                        let line = if line.starts_with(b"..") && !skip { &line[1..] } else { line };
                        self.message_line(line, eol);
                    }
                }
                Cut::Piece(piece) => {
                    at += piece.len();
                    let began = !core::mem::replace(&mut self.state.skipping[0], true);
                    if mode == Mode::Commands {
                        if began {
                            self.command(piece);
                            self.raise(EV_TRUNCATED, Dir::ToServer);
                        }
                    } else {
                        self.message_line(piece, 0);
                    }
                }
            }
        }
        Outcome::Consumed { bytes: at, need: 0 }
    }

    fn server_bytes(&mut self, input: Input<'_>) -> Outcome {
        let mut at = 0;
        while at < input.data.len() {
            let rest = input.data.get(at..).unwrap_or(&[]);
            match cut(rest, input.eof) {
                Cut::More => break,
                Cut::Line(line, eol) => {
                    let used = line.len() + usize::from(eol);
                    at += used;
                    if core::mem::take(&mut self.state.skipping[1]) {
                        continue;
                    }
                    self.frame(F_RESPONSE, rest.get(..used).unwrap_or(line));
                    if self.reply(line) {
                        return Outcome::Change { bytes: at, to: self.tls };
                    }
                }
                Cut::Piece(piece) => {
                    at += piece.len();
                    if !core::mem::replace(&mut self.state.skipping[1], true) {
                        self.reply(piece);
                        self.raise(EV_TRUNCATED, Dir::ToClient);
                    }
                }
            }
        }
        Outcome::Consumed { bytes: at, need: 0 }
    }

    /// A line of a reply. Returns whether TLS begins.
    fn reply(&mut self, line: &[u8]) -> bool {
        let text = line.get(4..).unwrap_or(&[]).trim_ascii();
        self.state.pipelining |= line.starts_with(b"250") && text.eq_ignore_ascii_case(b"pipelining");
        let code = match line {
            [a @ b'1'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', ..] => {
                u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0')
            }
            _ => 0,
        };
        let known = REPLIES.contains(&code);
        if !known {
            self.raise(EV_INVALID_REPLY, Dir::ToClient);
        }
        if code == 0 {
            return false;
        }
        if line.get(3) == Some(&b'-') {
            return false;
        }
        if !self.state.greeted {
            self.state.greeted = true;
            if code == 220 {
                return false;
            }
        }
        if self.state.waiting == 0 {
            return false;
        }
        self.cx.due |= Dir::ToClient.bit();
        if let Some(tx) = self.begun() {
            self.flow.get(tx).common.touch(Dir::ToClient);
        }
        let command = self.state.queue[0];
        self.state.queue.rotate_left(1);
        self.state.waiting -= 1;
        match command {
            Command::StartTls if code == 220 => {
                if let Some(tx) = self.begun() {
                    self.complete(tx);
                }
                return true;
            }
            Command::StartTls if known => self.raise(EV_TLS_REJECTED, Dir::ToClient),
            Command::Data if code != 354 && self.state.mode == Mode::Data => {
                self.state.mode = Mode::Commands;
                self.raise(EV_DATA_REJECTED, Dir::ToClient);
            }
            _ => {}
        }
        false
    }
}

fn decimal(b: &[u8]) -> u64 {
    b.iter()
        .take_while(|c| c.is_ascii_digit())
        .fold(0u64, |n, c| n.saturating_mul(10).saturating_add(u64::from(c - b'0')))
}
