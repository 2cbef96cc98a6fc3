//! What a flow's commands and replies mean for each other: which reply answers which command, what was sent unasked,
//! and the state of the connection. Pieces of values go in; transactions are written to.

use super::resp::{Kind, Piece};
use super::{
    Auth, COMMAND_ROOM, EV_PENDING, EV_UNASKED, Flow, LIVE_MAX, PENDING_MAX, REPLY_ROOM, Reply, Special,
    State, UNASKED_MAX, commands,
};
use crate::Dir;
use crate::app::{AppCx, TxIdx};

impl State {
    /// A message from the client begins.
    fn begin_command(&mut self, flow: &mut Flow<'_>, inline: bool, cx: &mut AppCx<'_>) {
        self.begun = 0;
        self.open[0] = true;
        let room = self.pending < PENDING_MAX && flow.live() < LIVE_MAX;
        self.command = if room { flow.open(cx.now) } else { None };
        match self.command {
            Some(tx) => {
                let own = &mut flow.get(tx).own;
                own.inline = inline;
                own.auth = [self.auth; 2];
                own.resp3 = self.resp3;
            }
            None => {
                if let Some(tx) = self.youngest.or_else(|| flow.last()) {
                    flow.get(tx).common.raise(EV_PENDING, Dir::ToServer);
                }
            }
        }
    }

    fn word(&mut self, flow: &mut Flow<'_>, bytes: u64, cx: &mut AppCx<'_>) {
        self.begun += 1;
        let Some(tx) = self.command else { return };
        let own = &mut flow.get(tx).own;
        if self.begun > 1 {
            own.args = own.args.saturating_add(1);
            own.arg_bytes = own.arg_bytes.saturating_add(bytes);
        }
        if cx.shown {
            own.words.begin(cx.pool, COMMAND_ROOM);
        }
    }

    fn word_bytes(&mut self, flow: &mut Flow<'_>, bytes: &[u8], cx: &mut AppCx<'_>) {
        if let Some(tx) = self.command
            && cx.shown
        {
            flow.get(tx).own.words.add(cx.pool, bytes, COMMAND_ROOM);
        }
    }

    /// The command is whole: what is to follow it?
    fn end_command(&mut self, flow: &mut Flow<'_>, cx: &mut AppCx<'_>) {
        self.open[0] = false;
        let skipped = self.skip > 0;
        self.skip = self.skip.saturating_sub(1);
        let mut awaited = u32::from(!(self.silent || skipped || self.copying));
        let Some(tx) = self.command.take() else {
            match self.youngest {
                Some(y) if awaited > 0 => flow.get(y).own.unseen += 1,
                _ => self.unseen += u64::from(awaited),
            }
            return;
        };
        let t = flow.get(tx);
        t.own.words.raise_first(cx.pool);
        let name = t.own.words.first(cx.pool);
        let arg = |n: usize| t.own.words.nth(cx.pool, n + 1).unwrap_or(&[]);
        let is = |n: usize, word: &str| arg(n).eq_ignore_ascii_case(word.as_bytes());
        t.own.special = match name {
            b"AUTH" => Special::Auth,
            b"HELLO" if (1..6).any(|n| is(n, "AUTH")) => Special::Auth,
            b"HELLO" => Special::Hello,
            b"RESET" => Special::Reset,
            b"MONITOR" => Special::Monitor,
            b"SYNC" | b"PSYNC" => Special::Sync,
            n if commands::subscribes(n) => Special::Subscribe,
            _ => Special::No,
        };
        if t.own.special == Special::Subscribe && awaited > 0 {
            awaited = t.own.args.max(1);
        }
        if name == b"CLIENT" && is(0, "REPLY") {
            if is(1, "ON") {
                self.silent = false;
                awaited = 1;
            } else if is(1, "OFF") {
                self.silent = true;
                awaited = 0;
            } else if is(1, "SKIP") && awaited > 0 {
                self.skip = 1;
                awaited = 0;
            }
        }
        t.own.awaited = awaited;
        t.own.quiet = (t.own.inline || awaited == 0) && !self.ration.take(false, cx.now);
        t.common.advance(Dir::ToServer, 1);
        if awaited == 0 || self.lost[1] {
            t.own.done = true;
            t.common.advance(Dir::ToClient, 1);
            return;
        }
        self.pending += 1;
        self.youngest = Some(tx);
        if self.oldest.is_none() {
            self.oldest = Some(tx);
        }
    }

    /// The oldest command has its reply.
    fn answered(&mut self, flow: &mut Flow<'_>, tx: TxIdx) {
        let t = flow.get(tx);
        t.own.done = true;
        t.common.advance_both(1);
        t.common.touch(Dir::ToClient);
        self.unseen += t.own.unseen;
        self.pending = self.pending.saturating_sub(1);
        let mut next = flow.after(tx);
        while let Some(n) = next
            && flow.peek(n).own.awaited == 0
        {
            next = flow.after(n);
        }
        // One that is still being read is not whole, so nothing can answer it.
        self.oldest = next;
        if next.is_none() {
            self.youngest = None;
        }
    }

    /// A reply is whole: whose is it?
    fn end_reply(&mut self, flow: &mut Flow<'_>, cx: &mut AppCx<'_>) {
        self.open[1] = false;
        let mut r = core::mem::take(&mut self.reply);
        let first = r.words.first(cx.pool);
        let confirms = commands::subscribes(first);
        let message = commands::is_message(first);
        let waits = |tx: TxIdx, flow: &Flow<'_>| flow.peek(tx).own.special == Special::Subscribe;
        let asked = self.oldest.filter(|_| self.unseen == 0);
        let pushed = match r.kind {
            Kind::Push => !(confirms && asked.is_some_and(|tx| waits(tx, flow))),
            Kind::Array => self.subscribed && (message || (confirms && asked.is_none())),
            _ => false,
        };
        if confirms {
            self.subscribed = true;
        }
        let waited = self.unseen > 0 || asked.is_some();
        if pushed || (!waited && (self.lost[0] || self.monitor)) {
            // Confirmations that nobody waits for and lines of MONITOR are too many and say nothing more.
            if message || (r.kind == Kind::Push && !confirms) {
                self.unasked(flow, &mut r, true, cx);
            }
        } else if self.unseen > 0 {
            self.unseen -= 1;
        } else if let Some(tx) = asked {
            self.answer(flow, tx, &mut r, cx);
        } else {
            self.unasked(flow, &mut r, false, cx);
        }
        r.words.free(cx.pool);
    }

    fn unasked(&mut self, flow: &mut Flow<'_>, r: &mut Reply, push: bool, cx: &mut AppCx<'_>) {
        if flow.live() >= LIVE_MAX {
            flow.raise(EV_PENDING, Dir::ToClient, cx.now);
        }
        if flow.live() >= LIVE_MAX || (!push && self.unasked >= UNASKED_MAX) {
            return;
        }
        let Some(tx) = flow.open(cx.now) else { return };
        self.unasked += u8::from(!push);
        if r.kind == Kind::Error {
            self.refused(r.words.first(cx.pool));
        }
        let t = flow.get(tx);
        t.own.push = push;
        t.own.quiet = push && !self.ration.take(true, cx.now);
        t.own.done = true;
        t.own.resp3 = self.resp3;
        t.own.auth = [self.auth; 2];
        // Servers that refuse a client say so before it asked.
        if !push && r.kind != Kind::Error {
            t.common.raise(EV_UNASKED, Dir::ToClient);
        }
        t.own.reply = core::mem::take(r);
        t.common.advance_both(1);
        // Nothing of it goes to the server.
        t.common.settle(Dir::ToServer);
    }

    /// The server asks for a credential.
    fn refused(&mut self, error: &[u8]) {
        if error.starts_with(b"NOAUTH") {
            self.auth = Auth::Required;
        }
    }

    fn answer(&mut self, flow: &mut Flow<'_>, tx: TxIdx, r: &mut Reply, cx: &mut AppCx<'_>) {
        let t = flow.get(tx);
        let failed = r.kind == Kind::Error;
        let text = r.words.first(cx.pool);
        if failed {
            self.refused(text);
        }
        match t.own.special {
            Special::Auth if !failed => self.auth = Auth::Ok,
            // No password is set, or the command was none: nothing was tried. Versions before 6 have no WRONGPASS.
            Special::Auth if text.starts_with(b"NOAUTH") => {}
            Special::Auth if text.starts_with(b"ERR") && !text.starts_with(b"ERR invalid password") => {}
            Special::Auth => self.auth = Auth::Failed,
            Special::Reset if !failed => {
                self.auth = Auth::None;
                self.resp3 = false;
                self.subscribed = false;
            }
            Special::Monitor if !failed => self.monitor = true,
            Special::Sync if text.starts_with(b"FULLRESYNC") || text.starts_with(b"CONTINUE") => {
                self.copying = true;
            }
            _ => {}
        }
        if t.own.words.first(cx.pool) == b"HELLO"
            && !failed
            && let Some(version) = t.own.words.nth(cx.pool, 1)
        {
            self.resp3 = version == b"3";
        }
        t.own.auth[1] = self.auth;
        t.own.resp3 = self.resp3;
        if t.own.reply.kind == Kind::Unknown {
            t.own.reply = core::mem::take(r);
        }
        t.own.awaited = t.own.awaited.saturating_sub(1);
        // An error ends a subscription to many channels at once.
        if t.own.awaited == 0 || failed {
            t.own.awaited = 0;
            self.answered(flow, tx);
        }
    }

    /// A direction cannot be read on; `ev` says why: on what was being read or waits for its answer, else on a transaction
    /// of its own. Which others still live depends on how the bytes were cut.
    pub(super) fn lose(&mut self, flow: &mut Flow<'_>, dir: Dir, ev: u8, cx: &mut AppCx<'_>) {
        let about = if dir == Dir::ToServer { self.command } else { self.oldest };
        match about {
            Some(tx) => flow.get(tx).common.raise(ev, dir),
            None => {
                if let Some(tx) = flow.open(cx.now) {
                    let t = flow.get(tx);
                    t.own.done = true;
                    t.own.quiet = true;
                    t.common.raise(ev, dir);
                    t.common.advance_both(1);
                    t.common.settle(dir.flip());
                }
            }
        }
        self.end(flow, dir, cx);
    }

    /// Nothing more comes of a direction.
    pub(super) fn end(&mut self, flow: &mut Flow<'_>, dir: Dir, cx: &mut AppCx<'_>) {
        self.lost[dir.ix()] = true;
        self.open[dir.ix()] = false;
        if dir == Dir::ToServer {
            if let Some(tx) = self.command.take() {
                let t = flow.get(tx);
                t.own.done = true;
                t.common.advance_both(1);
            }
            return;
        }
        self.reply.words.free(cx.pool);
        self.reply = Reply::default();
        self.attribute = 0;
        // Nothing answers what waits.
        let mut at = self.oldest.take();
        while let Some(tx) = at {
            let t = flow.get(tx);
            if t.own.awaited > 0 {
                t.own.awaited = 0;
                t.own.done = true;
                t.common.advance_both(1);
            }
            at = flow.after(tx);
        }
        self.youngest = None;
        self.pending = 0;
    }

    pub(super) fn client_piece(
        &mut self,
        flow: &mut Flow<'_>,
        piece: Piece<'_>,
        cx: &mut AppCx<'_>,
    ) -> Result<(), ()> {
        match piece {
            Piece::Inline(line) => {
                let mut words = line.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty()).peekable();
                if words.peek().is_some() {
                    self.begin_command(flow, true, cx);
                    for w in words {
                        self.word(flow, w.len() as u64, cx);
                        self.word_bytes(flow, w, cx);
                    }
                }
            }
            Piece::Many(Kind::Array, n) if !self.open[0] => {
                if n > 0 {
                    self.begin_command(flow, false, cx);
                }
            }
            Piece::Begin(Kind::Bulk, n) if self.open[0] => self.word(flow, n, cx),
            Piece::Bytes(b) => self.word_bytes(flow, b, cx),
            Piece::Nothing => {}
            // An array of no words is nothing to servers.
            Piece::Line(Kind::Null, _) if !self.open[0] => {}
            _ => return Err(()),
        }
        if self.open[0] && self.readers[0].between() {
            self.end_command(flow, cx);
        }
        Ok(())
    }

    /// `before`: values that the message lacked before the piece.
    pub(super) fn server_piece(
        &mut self,
        flow: &mut Flow<'_>,
        piece: Piece<'_>,
        before: u64,
        cx: &mut AppCx<'_>,
    ) {
        // What an attribute says of a reply is no part of it.
        if matches!(piece, Piece::Line(..) | Piece::Begin(..) | Piece::Many(..)) {
            self.aside = self.attribute > 0 && before > self.attribute;
            if !self.aside {
                self.attribute = 0;
            }
        }
        let r = &mut self.reply;
        let top = r.kind == Kind::Unknown;
        match piece {
            Piece::Nothing | Piece::Inline(_) => {}
            _ if self.aside => {}
            Piece::Many(Kind::Attribute, _) => {
                self.open[1] = true;
                if top {
                    self.attribute = before.max(1);
                }
            }
            Piece::Line(kind, text) => {
                self.open[1] = true;
                if r.kind == Kind::Unknown {
                    r.kind = kind;
                }
                r.bytes += text.len() as u64;
                if cx.shown && kind != Kind::Null {
                    r.words.push(cx.pool, text, REPLY_ROOM);
                }
            }
            Piece::Begin(kind, n) => {
                self.open[1] = true;
                if r.kind == Kind::Unknown {
                    r.kind = kind;
                }
                r.bytes = r.bytes.saturating_add(n);
                if cx.shown {
                    r.words.begin(cx.pool, REPLY_ROOM);
                }
                // The answer to SYNC is a file without the end of a string.
                let asked = self.oldest.filter(|_| self.unseen == 0 && top);
                if asked.is_some_and(|tx| flow.peek(tx).own.special == Special::Sync) {
                    self.copying = true;
                }
            }
            Piece::Bytes(b) => {
                if cx.shown {
                    r.words.add(cx.pool, b, REPLY_ROOM);
                }
            }
            Piece::Many(kind, n) => {
                self.open[1] = true;
                if r.kind == Kind::Unknown {
                    r.kind = kind;
                    r.values = n;
                }
            }
        }
        if self.open[1] && (self.readers[1].between() || self.copying) {
            self.end_reply(flow, cx);
        }
    }
}
