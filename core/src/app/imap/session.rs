//! The talk of client and server: lines, the literals between their parts, and which answer is whose.

use super::command::{self, Kind, Literal};
use super::{
    B_FILE, EV_COMMAND, EV_COUNT, EV_IDLE, EV_LITERAL, EV_LONG, EV_MANY, EV_RESPONSE, EV_STARTTLS, EV_TAG,
    EV_UNKNOWN, Exchange, F_COMMAND, F_DATA, F_RESPONSE, MAIL_EVENTS, T_ARG, T_COMMAND, T_DATA, T_STATUS,
    T_TAG, T_TEXT,
};
use crate::Dir;
use crate::Dir::{ToClient, ToServer};
use crate::app::hosted::Transactions;
use crate::app::mail::{Mime, Place, Raised};
use crate::app::ration::Ration;
use crate::app::txs::TxHandle;
use crate::app::{AppCx, AppProto, Input, Outcome, TxIdx};
use crate::pool::PBuf;

/// Longest piece of a line that is looked at; of a longer line the first piece is kept, and the end of the last.
const LINE_MAX: usize = 4096;
/// Longest line of a client (RFC 7162 4).
const REQUEST_MAX: u32 = 8192;
/// Bytes of a line's end in which its literal is looked for.
const TAIL: usize = 32;
/// Bytes of an argument that comes as a literal.
const ARGUMENT_MAX: usize = 4096;

/// What a literal is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Use {
    #[default]
    Nothing,
    Argument,
    Mail,
}

/// One direction.
#[derive(Debug, Default)]
struct Side {
    /// Bytes of the literal that are still to come, and what it is for.
    left: u64,
    size: u64,
    what: Use,
    /// The transaction that the lines belong to, while there is more to come of it.
    current: TxHandle,
    /// The mail being read, and its number + 1.
    mail: TxHandle,
    mail_id: u64,
    mime: Mime,
    /// The rest of the line is passed over: bytes are missing.
    lost: bool,
    /// Bytes of a long line so far, and the last of them.
    long: u32,
    tail: [u8; TAIL],
}

/// What the flow keeps.
#[derive(Debug, Default)]
pub struct State {
    sides: [Side; 2],
    /// An argument that comes as a literal.
    argument: PBuf,
    /// The client waits for the server's consent to its literal.
    offered: bool,
    /// Numbers + 1 of the commands that authenticate, wait for news, change to TLS.
    sasl: u64,
    idle: u64,
    tls: u64,
    waiting: u32,
    ration: Ration,
    /// What follows is compressed.
    over: bool,
}

impl State {
    /// Gives back what it holds.
    pub(super) fn free(&mut self, cx: &mut AppCx<'_>) {
        self.argument.free(cx.pool);
        for side in &mut self.sides {
            side.mime.free(cx);
        }
    }

    /// Transaction `id` goes.
    pub(super) fn forget(&mut self, id: u64, cx: &mut AppCx<'_>) {
        for side in &mut self.sides {
            if side.mail_id == id + 1 {
                side.mail_id = 0;
                side.mime.free(cx);
            }
        }
    }
}

/// One call of the parser: a flow's state, its transactions, and what the engine lends.
pub(super) struct Session<'a, 'f, 'c> {
    pub(super) s: &'a mut State,
    pub(super) flow: &'a mut Transactions<'f, Exchange>,
    pub(super) cx: &'a mut AppCx<'c>,
    /// What follows STARTTLS.
    pub(super) tls: Option<AppProto>,
    /// How many commands may wait.
    pub(super) most: u32,
}

/// Without its end.
fn bare(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

impl Session<'_, '_, '_> {
    pub(super) fn bytes(&mut self, input: Input<'_>) -> Outcome {
        let dir = input.dir;
        if self.s.over {
            return Outcome::Consumed { bytes: input.data.len(), need: 0 };
        }
        if input.gap > 0 {
            self.gap(dir, u64::from(input.gap));
        }
        let mut at = 0;
        while let Some(rest) = input.data.get(at..).filter(|r| !r.is_empty()) {
            if self.flow.is_full() {
                return Outcome::Full { bytes: at };
            }
            if self.s.sides[dir.ix()].left > 0 {
                let used = self.literal(dir, rest, input.eof);
                if used == 0 {
                    break;
                }
                at += used;
                continue;
            }
            let window = rest.get(..LINE_MAX).unwrap_or(rest);
            let (line, used, whole) = match memchr::memchr(b'\n', window) {
                Some(n) => (bare(window.get(..n).unwrap_or(&[])), n + 1, true),
                None if window.len() == LINE_MAX => (window, LINE_MAX, false),
                None => break,
            };
            at += used;
            if self.line(dir, line, whole) {
                return Outcome::Change { bytes: at, to: self.tls };
            }
            if self.s.over {
                at = input.data.len();
            }
        }
        if input.eof {
            self.mail_over(dir, true);
        }
        Outcome::Consumed { bytes: at, need: 0 }
    }

    /// Bytes are missing: of a literal, or of lines.
    fn gap(&mut self, dir: Dir, gap: u64) {
        let side = &mut self.s.sides[dir.ix()];
        if side.left > gap {
            side.left -= gap;
            return;
        }
        side.lost = side.left < gap;
        (side.left, side.long, side.what) = (0, 0, Use::Nothing);
        let current = core::mem::take(&mut side.current);
        self.mail_over(dir, true);
        self.s.argument.free(self.cx.pool);
        if let Some(tx) = self.flow.resolve(current) {
            self.flow.get(tx).common.advance(dir, 1);
        }
    }

    /// The transaction that the lines of a direction belong to.
    fn current(&self, dir: Dir) -> Option<TxIdx> {
        self.flow.resolve(self.s.sides[dir.ix()].current)
    }

    /// The mail being read in a direction.
    fn read_mail(&self, dir: Dir) -> Option<TxIdx> {
        let side = &self.s.sides[dir.ix()];
        if side.mail_id == 0 { None } else { self.flow.resolve(side.mail) }
    }

    /// A line without its end, or (not `whole`) a piece of one. Returns whether TLS begins.
    fn line(&mut self, dir: Dir, line: &[u8], whole: bool) -> bool {
        let side = &mut self.s.sides[dir.ix()];
        if side.lost {
            side.lost = !whole;
            return false;
        }
        let before = side.long;
        side.long = if whole { 0 } else { before.saturating_add(line.len() as u32) };
        if !whole || before > 0 {
            // The literal of a long line is seen in its end alone.
            let new = line.get(line.len().saturating_sub(TAIL)..).unwrap_or(line);
            side.tail.rotate_left(new.len());
            if let Some(to) = side.tail.get_mut(TAIL - new.len()..) {
                to.copy_from_slice(new);
            }
        }
        let tail = side.tail;
        let change = before == 0 && {
            self.cx.frames.whole(if dir == ToServer { F_COMMAND } else { F_RESPONSE }, line);
            match dir {
                ToServer => {
                    self.client(line);
                    false
                }
                ToClient => self.server(line),
            }
        };
        if before > 0 && dir == ToServer && before.saturating_add(line.len() as u32) > REQUEST_MAX {
            self.raise_once(EV_LONG);
        }
        if whole {
            self.line_over(dir, if before > 0 { &tail } else { line });
        }
        change
    }

    fn raise_once(&mut self, ev: u8) {
        if let Some(tx) = self.current(ToServer) {
            let c = &mut self.flow.get(tx).common;
            if c.events >> ev & 1 == 0 {
                c.raise(ev, ToServer);
            }
        }
    }

    /// A line has ended: a literal follows, or what it belongs to is whole.
    fn line_over(&mut self, dir: Dir, end: &[u8]) {
        let Some(tx) = self.current(dir) else { return };
        match command::literal(end) {
            Literal::Of { size, waits, marker } => {
                let own = &self.flow.peek(tx).own;
                let before = end.get(..end.len() - marker).unwrap_or(&[]);
                let what = match dir {
                    ToServer if own.kind == Kind::Append && own.args >= u16::from(own.mailbox) => Use::Mail,
                    ToServer => Use::Argument,
                    ToClient if command::announces_mail(before) => Use::Mail,
                    ToClient => Use::Nothing,
                };
                self.s.offered |= dir == ToServer && waits;
                let side = &mut self.s.sides[dir.ix()];
                (side.left, side.size, side.what) = (size, size, what);
                if size == 0 {
                    self.literal_over(dir);
                }
            }
            not => {
                if not == Literal::Invalid {
                    self.flow.get(tx).common.raise(EV_LITERAL, dir);
                }
                self.s.sides[dir.ix()].current = TxHandle::default();
                match dir {
                    ToServer => self.asked(tx),
                    ToClient => self.answered(tx),
                }
            }
        }
    }

    /// Bytes of a literal. Returns how many are done with; 0: there must be more.
    fn literal(&mut self, dir: Dir, rest: &[u8], eof: bool) -> usize {
        let s = &mut *self.s;
        let side = &mut s.sides[dir.ix()];
        s.offered &= dir == ToClient;
        let rest = rest.get(..usize::try_from(side.left).unwrap_or(usize::MAX)).unwrap_or(rest);
        let mut used = rest.len();
        match side.what {
            Use::Nothing => {}
            Use::Argument => {
                let room = ARGUMENT_MAX.saturating_sub(s.argument.len());
                let _ = s.argument.extend(self.cx.pool, rest.get(..room).unwrap_or(rest));
            }
            Use::Mail => {
                let whole = rest.len() as u64 == side.left || eof;
                let window = rest.get(..LINE_MAX).unwrap_or(rest);
                let (line, eol) = match memchr::memchr(b'\n', window) {
                    Some(n) => {
                        let line = window.get(..n).unwrap_or(&[]);
                        (bare(line), n + 1 - bare(line).len())
                    }
                    None if window.len() == LINE_MAX || whole => (window, 0),
                    None => return 0,
                };
                used = line.len() + eol;
                if side.left == side.size {
                    self.mail_begins(dir, rest);
                }
                self.mail(dir, |mime, place, cx| mime.line(line, eol as u8, place, cx));
            }
        }
        let side = &mut self.s.sides[dir.ix()];
        side.left = side.left.saturating_sub(used as u64);
        if side.left == 0 {
            self.literal_over(dir);
        }
        used
    }

    fn literal_over(&mut self, dir: Dir) {
        self.mail_over(dir, false);
        let what = core::mem::take(&mut self.s.sides[dir.ix()].what);
        if dir == ToServer
            && let Some(tx) = self.current(dir)
        {
            let own = &mut self.flow.get(tx).own;
            own.args = own.args.saturating_add(1);
            if what == Use::Argument && self.cx.shown && !own.credentials {
                own.letter.list.push_from(self.cx.pool, T_ARG, &self.s.argument, ARGUMENT_MAX);
            }
        }
        if dir == ToServer {
            self.s.argument.free(self.cx.pool);
        }
    }

    /// The mail of a literal begins: a transaction, with the words of the command that it belongs to.
    fn mail_begins(&mut self, dir: Dir, rest: &[u8]) {
        let size = self.s.sides[dir.ix()].size;
        let of = self.current(dir);
        let Some(tx) = self.flow.open(self.cx.now) else { return };
        if let Some(of) = of {
            for tag in [T_TAG, T_COMMAND, T_ARG] {
                let own = &self.flow.peek(of).own;
                // Of the arguments only a mailbox that stands first.
                let wanted = tag != T_ARG || (dir == ToServer && own.mailbox == 1);
                if let Some(v) = own.texts().nth(self.cx.pool, tag, 0).filter(|_| wanted) {
                    self.cx.scratch.clear();
                    self.cx.scratch.extend(v);
                    let value = self.cx.scratch.as_slice();
                    self.flow.get(tx).own.letter.list.push(self.cx.pool, tag, value);
                }
            }
        }
        let mailbox = of.map_or(0, |of| self.flow.peek(of).own.mailbox);
        let t = self.flow.get(tx);
        t.own.mail = Some((dir, size));
        t.own.mailbox = if mailbox == 1 && dir == ToServer { 1 } else { 0 };
        t.common.settle(dir.flip());
        let id = t.common.id;
        let side = &mut self.s.sides[dir.ix()];
        (side.mail, side.mail_id) = (self.flow.handle(tx), id + 1);
        if self.cx.frames.wanted() {
            self.cx.frames.begin(F_DATA, rest, Some(size));
            self.cx.frames.of_tx(id);
        }
    }

    /// What the mail reader is given.
    fn mail(
        &mut self,
        dir: Dir,
        read: impl FnOnce(&mut Mime, &mut Place<'_>, &mut AppCx<'_>) -> (Raised, bool),
    ) {
        let Some(tx) = self.read_mail(dir) else { return };
        let side = &mut self.s.sides[dir.ix()];
        let inspected = self.cx.wanted.has(B_FILE);
        let t = self.flow.get(tx);
        let (id, letter) = (t.common.id, &mut t.own.letter);
        let mut place = Place { letter, files: &mut t.common.files[dir.ix()], id, dir, inspected };
        let (raised, more) = read(&mut side.mime, &mut place, self.cx);
        if more {
            t.common.touch(dir);
        }
        for ev in raised.all().filter_map(|i| MAIL_EVENTS.get(i)) {
            if t.common.events >> ev & 1 == 0 {
                t.common.raise(*ev, dir);
            }
        }
    }

    /// The mail being read in that direction, if there is one, is over.
    fn mail_over(&mut self, dir: Dir, truncated: bool) {
        let Some(tx) = self.read_mail(dir) else { return };
        self.mail(dir, |mime, place, cx| (mime.end(truncated, place, cx), true));
        let c = &mut self.flow.get(tx).common;
        c.advance_both(1);
        c.touch(dir);
        self.s.sides[dir.ix()].mail_id = 0;
    }

    /// A transaction whose like there may be too many of.
    fn odd(&mut self, ev: Option<u8>, dir: Dir) -> Option<TxIdx> {
        let tx = self.flow.open(self.cx.now)?;
        let t = self.flow.get(tx);
        t.own.quiet = !self.s.ration.take(true, self.cx.now);
        t.common.settle(dir.flip());
        if let Some(ev) = ev.filter(|_| !t.own.quiet) {
            t.common.raise(ev, dir);
        }
        Some(tx)
    }

    /// A line of the client, or its first piece.
    fn client(&mut self, line: &[u8]) {
        if let Some(tx) = self.current(ToServer) {
            // Behind a literal.
            self.arguments(tx, line);
            return;
        }
        if self.s.sasl > 0 {
            // Credentials are base64 (RFC 9051 6.2.2); what has blanks is a command, whatever became of them.
            if !line.contains(&b' ') {
                return;
            }
            self.s.sasl = 0;
        }
        if line.is_empty() {
            return;
        }
        let mut early = false;
        if self.s.idle > 0 {
            self.s.idle = 0;
            if line.eq_ignore_ascii_case(b"DONE") {
                return;
            }
            early = true;
        }
        let (tag, rest) = command::word(line);
        let (word, mut rest) = command::word(rest);
        if !command::is_tag(tag) || word.is_empty() {
            if let Some(tx) = self.odd(Some(EV_COMMAND), ToServer) {
                self.flow.get(tx).common.advance_both(1);
            }
            return;
        }
        let Some(tx) = self.ask() else { return };
        let uid = word.eq_ignore_ascii_case(b"UID");
        let mut name = word;
        if uid {
            (name, rest) = command::word(rest);
        }
        let known = command::known(name);
        let t = self.flow.get(tx);
        let texts = &mut t.own.letter.list;
        texts.push(self.cx.pool, T_TAG, tag);
        let prefix = if uid { &b"UID "[..] } else { b"" };
        texts.push_parts(self.cx.pool, T_COMMAND, [prefix, known.map_or(name, |k| k.name)]);
        let id = t.common.id + 1;
        if let Some(k) = known {
            t.own.kind = k.kind;
            t.own.mailbox = k.mailbox;
            t.own.credentials = matches!(k.kind, Kind::Login | Kind::Authenticate);
        } else if !name.first().is_some_and(|c| c.eq_ignore_ascii_case(&b'X')) {
            t.own.quiet = !self.s.ration.take(true, self.cx.now);
            if !t.own.quiet {
                t.common.raise(EV_UNKNOWN, ToServer);
            }
        }
        if early {
            t.common.raise(EV_IDLE, ToServer);
        }
        if self.s.tls > 0 {
            t.common.raise(EV_STARTTLS, ToServer);
        }
        match t.own.kind {
            Kind::StartTls => self.s.tls = id,
            Kind::Idle => self.s.idle = id,
            Kind::Authenticate => self.s.sasl = id,
            _ => {}
        }
        self.s.sides[0].current = self.flow.handle(tx);
        self.arguments(tx, rest);
    }

    /// A command waits for its answer.
    fn ask(&mut self) -> Option<TxIdx> {
        let tx = self.flow.open(self.cx.now)?;
        let t = self.flow.get(tx);
        t.own.asked = true;
        t.own.waits = true;
        self.flow.wait(tx);
        self.s.waiting += 1;
        if self.s.waiting > self.most
            && let Some(oldest) = self.flow.waiting(|_| true)
        {
            self.flow.get(oldest).common.raise(EV_MANY, ToServer);
            self.finish(oldest);
        }
        Some(tx)
    }

    /// Arguments of a command, or of a part of one. Of those that authenticate only the mechanism is kept.
    fn arguments(&mut self, tx: TxIdx, text: &[u8]) {
        let end = match command::literal(text) {
            Literal::Of { marker, .. } => text.len() - marker,
            _ => text.len(),
        };
        for argument in command::arguments(text.get(..end).unwrap_or(text)) {
            let own = &mut self.flow.get(tx).own;
            let secret = own.credentials && (own.kind != Kind::Authenticate || own.args > 0);
            own.args = own.args.saturating_add(1);
            if self.cx.shown && !secret {
                own.letter.list.push(self.cx.pool, T_ARG, argument);
            }
        }
    }

    /// A command is whole.
    fn asked(&mut self, tx: TxIdx) {
        let t = self.flow.get(tx);
        let texts = t.own.texts();
        let name = texts.nth(self.cx.pool, T_COMMAND, 0).unwrap_or(&[]);
        let (uid, name) = name.strip_prefix(b"UID ").map_or((0, name), |n| (1, n));
        if let Some(k) = command::known(name) {
            // `UID EXPUNGE` has what `EXPUNGE` has not (RFC 9051 6.4.9).
            let uid = if k.name == b"EXPUNGE" { uid } else { 0 };
            if t.own.args < k.least.saturating_add(uid) || t.own.args > k.most.saturating_add(uid) {
                t.common.raise(EV_COUNT, ToServer);
            }
        }
        t.common.advance(ToServer, 1);
    }

    fn finish(&mut self, tx: TxIdx) {
        let t = self.flow.get(tx);
        if core::mem::take(&mut t.own.waits) {
            self.flow.answered(tx);
            self.s.waiting = self.s.waiting.saturating_sub(1);
        }
        let t = self.flow.get(tx);
        t.common.advance_both(1);
        let id = t.common.id + 1;
        let s = &mut *self.s;
        for at in [&mut s.sasl, &mut s.idle, &mut s.tls] {
            if *at == id {
                *at = 0;
            }
        }
    }

    /// A line of the server, or its first piece. Returns whether TLS begins.
    fn server(&mut self, line: &[u8]) -> bool {
        if let Some(tx) = self.current(ToClient) {
            self.keep(tx, T_DATA, line);
            return false;
        }
        let (tag, rest) = command::word(line);
        match tag {
            b"" => {}
            b"+" => self.s.offered = false,
            b"*" => self.untagged(rest),
            tag => return self.tagged(tag, rest),
        }
        false
    }

    fn keep(&mut self, tx: TxIdx, tag: u8, text: &[u8]) {
        if self.cx.shown {
            self.flow.get(tx).own.letter.list.push(self.cx.pool, tag, text);
        }
    }

    /// Data of the server, or a status that is no command's own.
    fn untagged(&mut self, rest: &[u8]) {
        let (word, text) = command::word(rest);
        let fetched = command::word(text).0.eq_ignore_ascii_case(b"FETCH");
        let status =
            [&b"OK"[..], b"NO", b"BAD", b"BYE", b"PREAUTH"].iter().any(|w| word.eq_ignore_ascii_case(w));
        let whose = self.flow.waiting(|t| fetched && t.own.kind == Kind::Fetch);
        let Some(tx) = whose.or_else(|| self.flow.waiting(|_| true)) else {
            // The greeting, or news that nobody asked for.
            let Some(tx) = self.odd(None, ToClient) else { return };
            if status {
                self.keep(tx, T_STATUS, word);
                self.keep(tx, T_TEXT, text);
                self.finish(tx);
            } else {
                self.keep(tx, T_DATA, rest);
                self.s.sides[1].current = self.flow.handle(tx);
            }
            return;
        };
        self.keep(tx, T_DATA, rest);
        if !status {
            self.s.sides[1].current = self.flow.handle(tx);
        }
    }

    /// Data of the server is whole.
    fn answered(&mut self, tx: TxIdx) {
        if !self.flow.peek(tx).own.asked {
            self.finish(tx);
        }
    }

    /// The end of the answer to a command. Returns whether TLS begins.
    fn tagged(&mut self, tag: &[u8], rest: &[u8]) -> bool {
        let (word, text) = command::word(rest);
        let [ok, no, bad] = [&b"OK"[..], b"NO", b"BAD"].map(|w| word.eq_ignore_ascii_case(w));
        if !(command::is_tag(tag) && (ok || no || bad)) {
            if let Some(tx) = self.odd(Some(EV_RESPONSE), ToClient) {
                self.flow.get(tx).common.advance_both(1);
            }
            return false;
        }
        let pool = &*self.cx.pool;
        let its = self.flow.waiting(|t| t.own.texts().nth(pool, T_TAG, 0) == Some(tag));
        let Some(tx) = its else {
            if let Some(tx) = self.odd(Some(EV_TAG), ToClient) {
                self.keep(tx, T_STATUS, word);
                self.keep(tx, T_TEXT, text);
                self.flow.get(tx).common.advance_both(1);
            }
            return false;
        };
        self.keep(tx, T_STATUS, word);
        self.keep(tx, T_TEXT, text);
        let kind = self.flow.peek(tx).own.kind;
        self.finish(tx);
        if self.s.offered && self.current(ToServer) == Some(tx) {
            // The literal was refused: it will not come (RFC 9051 4.3).
            let client = &mut self.s.sides[0];
            (client.current, client.left, client.what) = (TxHandle::default(), 0, Use::Nothing);
            self.s.offered = false;
        }
        self.s.over |= ok && kind == Kind::Compress;
        ok && kind == Kind::StartTls
    }
}
