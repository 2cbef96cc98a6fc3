//! POP3 (RFC 1939, RFC 2449, RFC 2595, RFC 5034): a transaction a command with its response; the greeting is a response
//! without one.
//!
//! In: lines of both sides. Out: transactions that keep commands, arguments and responses, of longer ones a beginning
//! ([`Entries`] bounds them). After a successful STLS the flow changes to TLS. Events and record as in Suricata 8.

use super::entries::Entries;
use super::hosted::{Protocol, Transactions, make};
use super::plain::{is, start, start_nocase, yes_if};
use super::ration::Ration;
use super::txs::Tx;
use super::{
    AppConfig, AppCx, AppProto, Buffer, BufferAt, Input, LOG_WHOLE, OVER_TCP, Outcome, Probe, ProtoDef,
    Recognise, Seen, TxIdx, TxView, Verdict, event_at,
};
use crate::Dir;
use crate::Dir::{ToClient, ToServer};
use crate::event::Fields;
use crate::pool::BytePool;

/// Longest command and first line of a response (RFC 2449 4); credentials may be longer (RFC 5034 4).
const COMMAND_MAX: usize = 255;
const RESPONSE_MAX: usize = 512;
/// Longest line that is looked at; the rest of it is passed over.
const LINE_MAX: usize = 4096;
/// Lines of a response that a record shows.
const SHOWN_MAX: usize = 1024;

const EV_MANY: u8 = event_at(EVENTS, "too_many_transactions");
const EV_REQUEST: u8 = event_at(EVENTS, "request_too_long");
const EV_COUNT: u8 = event_at(EVENTS, "incorrect_argument_count");
const EV_UNKNOWN: u8 = event_at(EVENTS, "unknown_command");
const EV_RESPONSE: u8 = event_at(EVENTS, "response_too_long");

static EVENTS: &[&str] = &[
    "too_many_transactions",
    "request_too_long",
    "incorrect_argument_count",
    "unknown_command",
    "response_too_long",
];

/// `pop3`.
pub static POP3: ProtoDef = ProtoDef {
    name: "pop3",
    over: OVER_TCP,
    events: EVENTS,
    recognise: Recognise {
        patterns: &[start(b"+OK ", ToClient, OVER_TCP), start_nocase(b"USER ", ToServer, OVER_TCP)],
        probes: &[Probe { over: OVER_TCP, ports: &[110], probe: probe_pop3, dirs: 1, min_bytes: 4 }],
        confirm: Some(confirm_pop3),
        ..Recognise::NONE
    },
    parser: Some(make::<Pop3>),
    record: "pop3",
    bounded: true,
    ..ProtoDef::NONE
};

/// A client's `USER` is also how FTP begins: the server decides.
fn confirm_pop3(_: &[u8], seen: &Seen) -> Verdict {
    yes_if(seen.pattern.dir == ToClient || is(seen.other, "pop3"))
}

/// Commands with the fewest and the most arguments they have.
const COMMANDS: &[(&[u8], usize, usize)] = &[
    (b"USER", 1, usize::MAX),
    (b"PASS", 1, usize::MAX),
    (b"APOP", 2, 2),
    (b"AUTH", 1, 2),
    (b"CAPA", 0, 0),
    (b"QUIT", 0, 0),
    (b"STAT", 0, 0),
    (b"LIST", 0, 1),
    (b"RETR", 1, 1),
    (b"DELE", 1, 1),
    (b"NOOP", 0, 0),
    (b"RSET", 0, 0),
    (b"UIDL", 0, 1),
    (b"TOP", 2, 2),
    (b"STLS", 0, 0),
    (b"UTF8", 0, 0),
    (b"LANG", 0, 1),
];

fn known(word: &[u8]) -> Option<&'static (&'static [u8], usize, usize)> {
    COMMANDS.iter().find(|c| c.0.eq_ignore_ascii_case(word))
}

/// A client's first command.
fn probe_pop3(b: &[u8], _: Dir) -> Verdict {
    let word = b.get(..4).unwrap_or(b);
    let whole = b.get(4).is_none_or(|c| matches!(c, b' ' | b'\r' | b'\n'));
    yes_if(whole && word != b"LANG" && word != b"UTF8" && known(word).is_some())
}

/// What a command means for what follows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Other,
    Tls,
    /// The server may ask for more.
    Credentials,
}

const T_COMMAND: u8 = 1;
const T_ARG: u8 = 2;
const T_HEADER: u8 = 3;
const T_DATA: u8 = 4;

/// A command and its response.
#[derive(Debug, Default)]
pub struct Exchange {
    texts: Entries,
    kind: Kind,
    asked: bool,
    /// A successful response has lines behind its first one.
    lines: bool,
    success: Option<bool>,
    waits: bool,
    /// It has no record and no events: a line of one byte is a command that there is none of.
    quiet: bool,
}

/// What the flow keeps.
#[derive(Debug, Default)]
pub struct State {
    /// The rest of a line is passed over, per direction.
    skipping: [bool; 2],
    waiting: u32,
    /// The server has asked for more credentials: the client's next line is no command.
    credentials: bool,
    /// The transaction whose response goes on; it is the one that has waited longest.
    inside: bool,
    /// How many commands may wait.
    most: u32,
    ration: Ration,
}

/// The parser.
pub struct Pop3 {
    tls: Option<AppProto>,
    waiting: u32,
}

type Flow<'a> = Transactions<'a, Exchange>;

impl State {
    fn ask(&mut self, flow: &mut Flow<'_>, now: u64) -> Option<TxIdx> {
        let tx = flow.open(now)?;
        let t = flow.get(tx);
        t.own.asked = true;
        t.own.waits = true;
        t.common.advance(ToServer, 1);
        flow.wait(tx);
        self.waiting += 1;
        if self.waiting > self.most
            && let Some(oldest) = flow.waiting(|_| true)
        {
            flow.get(oldest).common.raise(EV_MANY, ToServer);
            self.inside = false;
            self.finish(flow, oldest);
        }
        Some(tx)
    }

    fn finish(&mut self, flow: &mut Flow<'_>, tx: TxIdx) {
        if core::mem::take(&mut flow.get(tx).own.waits) {
            flow.answered(tx);
            self.waiting = self.waiting.saturating_sub(1);
        }
        flow.get(tx).common.advance_both(1);
    }

    /// A line of the client; `cut`: it goes on.
    fn command(&mut self, flow: &mut Flow<'_>, line: &[u8], cut: bool, cx: &mut AppCx<'_>) {
        let Some(tx) = self.ask(flow, cx.now) else { return };
        let t = flow.get(tx);
        if core::mem::take(&mut self.credentials) {
            t.own.kind = Kind::Credentials;
            t.own.texts.push(cx.pool, T_COMMAND, b"<SASL DATA>");
            return;
        }
        let mut words = line.split(|b| *b == b' ').filter(|w| !w.is_empty());
        let word = words.next().unwrap_or(&[]);
        let command = known(word);
        if cx.shown {
            t.own.texts.push(cx.pool, T_COMMAND, command.map_or(word, |c| c.0));
        }
        let mut count = 0;
        for arg in words {
            count += 1;
            if cx.shown {
                t.own.texts.push(cx.pool, T_ARG, arg);
            }
        }
        let is = |c: &[u8]| command.is_some_and(|k| k.0 == c);
        t.own.kind = match () {
            () if is(b"STLS") => Kind::Tls,
            () if is(b"AUTH") => Kind::Credentials,
            () => Kind::Other,
        };
        // Without an argument these list all there is (RFC 1939 5 and 7, RFC 5034 4).
        t.own.lines = is(b"CAPA") || is(b"RETR") || is(b"TOP") || is(b"LANG") && count == 0;
        t.own.lines |= count == 0 && (is(b"LIST") || is(b"UIDL") || is(b"AUTH"));
        match command {
            None => {
                t.own.quiet = !self.ration.take(true, cx.now);
                if !t.own.quiet {
                    t.common.raise(EV_UNKNOWN, ToServer);
                }
            }
            Some((_, least, most)) if count < *least || count > *most => t.common.raise(EV_COUNT, ToServer),
            Some(_) => {}
        }
        if (cut || line.len() + 2 > COMMAND_MAX) && !is(b"AUTH") {
            t.common.raise(EV_REQUEST, ToServer);
        }
    }

    /// A line of the server. Returns whether the flow changes to TLS.
    fn response(&mut self, flow: &mut Flow<'_>, line: &[u8], cut: bool, cx: &mut AppCx<'_>) -> bool {
        let waits = flow.waiting(|_| true);
        if self.inside
            && let Some(tx) = waits
        {
            if line == b"." && !cut {
                self.inside = false;
                self.finish(flow, tx);
            } else if cx.shown {
                // A dot before a dot is none of the line's (RFC 1939 3).
                let line = if line.starts_with(b"..") { line.get(1..).unwrap_or(line) } else { line };
                flow.get(tx).own.texts.push(cx.pool, T_DATA, line);
            }
            return false;
        }
        let (success, more, rest) = match line {
            [b'+', b'O', b'K', rest @ ..] => (true, false, rest),
            [b'-', b'E', b'R', b'R', rest @ ..] => (false, false, rest),
            [b'+'] => (true, true, &[][..]),
            [b'+', b' ', rest @ ..] => (true, true, rest),
            // What is no response belongs to none.
            _ => return false,
        };
        let Some(tx) = waits.or_else(|| flow.open(cx.now)) else { return false };
        let t = flow.get(tx);
        if !t.own.asked {
            // The greeting, or another word unasked.
            t.common.settle(ToServer);
        }
        t.own.success = Some(success);
        if cx.shown {
            let header = rest.strip_prefix(b" ").unwrap_or(rest);
            t.own.texts.push(cx.pool, T_HEADER, header);
        }
        if cut || line.len() + 2 > RESPONSE_MAX {
            t.common.raise(EV_RESPONSE, ToClient);
        }
        let kind = t.own.kind;
        if success && !more && t.own.lines {
            self.inside = true;
            return false;
        }
        self.credentials |= more && kind == Kind::Credentials;
        self.finish(flow, tx);
        success && kind == Kind::Tls
    }
}

impl Protocol for Pop3 {
    type State = State;
    type Own = Exchange;

    fn new(cfg: &AppConfig) -> Self {
        Pop3 { tls: AppProto::by_name("tls"), waiting: cfg.waiting("pop3") }
    }

    fn parse(&mut self, s: &mut State, flow: &mut Flow<'_>, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        let d = input.dir.ix();
        s.most = self.waiting;
        if input.gap > 0 {
            s.skipping[d] = true;
        }
        let mut at = 0;
        while let Some(rest) = input.data.get(at..).filter(|r| !r.is_empty()) {
            if flow.is_full() {
                return Outcome::Full { bytes: at };
            }
            let window = rest.get(..LINE_MAX).unwrap_or(rest);
            let (line, used, cut) = match memchr::memchr(b'\n', window) {
                Some(n) => (window.get(..n).unwrap_or(&[]), n + 1, false),
                None if window.len() == LINE_MAX => (window, LINE_MAX, true),
                None => break,
            };
            at += used;
            if core::mem::replace(&mut s.skipping[d], cut) {
                continue;
            }
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            match input.dir {
                ToServer => s.command(flow, line, cut, cx),
                ToClient => {
                    if s.response(flow, line, cut, cx) {
                        return Outcome::Change { bytes: at, to: self.tls };
                    }
                }
            }
        }
        Outcome::Consumed { bytes: at, need: 0 }
    }

    fn free(own: &mut Exchange, pool: &mut BytePool) {
        own.texts.free(pool);
    }

    fn buffer<'a>(&'a self, _: &'a Tx<Exchange>, _: BufferAt<'a>) -> Buffer<'a> {
        Buffer::Absent
    }

    fn log(&self, tx: &Tx<Exchange>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        let (own, pool) = (&tx.own, view.pool);
        if own.asked {
            out.begin_object("request");
            out.bytes("command", own.texts.nth(pool, T_COMMAND, 0).unwrap_or(&[]));
            own.texts.log(pool, T_ARG, "args", out);
            out.end_object();
        }
        if let Some(success) = own.success {
            out.begin_object("response");
            out.bool("success", success);
            out.str("status", if success { "OK" } else { "ERR" });
            out.bytes("header", own.texts.nth(pool, T_HEADER, 0).unwrap_or(&[]));
            let mut lines = own.texts.all(pool, T_DATA).take(SHOWN_MAX).peekable();
            if lines.peek().is_some() {
                out.begin_array("data");
                lines.for_each(|l| out.bytes("", l));
                out.end_array();
            }
            out.end_object();
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
mod tests {
    use super::*;
    use crate::app::bench::Bench;
    use crate::app::shown::{cut_is_whole, events, mutated, record};
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const TALK: &[(Dir, &[u8])] = &[
        (ToClient, b"+OK ready\r\n"),
        (ToServer, b"capa\r\n"),
        (ToClient, b"+OK list\r\nUSER\r\nSASL PLAIN XOAUTH2\r\n..dot\r\n.\r\n"),
        (ToServer, b"AUTH XOAUTH2\r\n"),
        (ToClient, b"+ \r\n"),
        (ToServer, b"dXNlcj1j\r\n"),
        (ToClient, b"+OK Welcome.\r\n"),
        (ToServer, b"LIST 1\r\nLIST\r\n"),
        (ToClient, b"+OK 1 5\r\n+OK 1 messages\r\n1 5\r\n.\r\n"),
        (ToServer, b"DELE 9\r\n"),
        (ToClient, b"-ERR no such message\r\n"),
        (ToServer, b"QUIT\r\n"),
    ];

    #[test]
    fn commands_and_responses() {
        let mut b = Bench::new(&POP3);
        for (dir, bytes) in TALK {
            b.feed(*dir, bytes);
        }
        let all = [
            "response{ success=true status=OK header=ready }",
            "request{ command=CAPA } response{ success=true status=OK header=list data[ USER SASL PLAIN XOAUTH2 .dot ] }",
            "request{ command=AUTH args[ XOAUTH2 ] } response{ success=true status=OK header= }",
            "request{ command=<SASL DATA> } response{ success=true status=OK header=Welcome. }",
            "request{ command=LIST args[ 1 ] } response{ success=true status=OK header=1 5 }",
            "request{ command=LIST } response{ success=true status=OK header=1 messages data[ 1 5 ] }",
            "request{ command=DELE args[ 9 ] } response{ success=false status=ERR header=no such message }",
            "request{ command=QUIT }",
        ];
        for (i, text) in all.iter().enumerate() {
            assert_eq!(record(&b, &POP3, i as u64), *text);
            assert_eq!(events(&b, &POP3, i as u64), [""; 0]);
            assert_eq!(b.parser.common(b.tx(i as u64)).steps(), [1, u8::from(i < 7)]);
        }
        assert_eq!(b.live().len(), all.len());
        b.close();
    }

    #[test]
    fn encryption() {
        let mut b = Bench::new(&POP3);
        b.feed(ToServer, b"STLS\r\n");
        assert!(matches!(b.feed(ToClient, b"-ERR no\r\n"), Outcome::Consumed { .. }));
        b.feed(ToServer, b"stls\r\n");
        let out = b.feed(ToClient, b"+OK go\r\n");
        assert_eq!(out, Outcome::Change { bytes: 8, to: AppProto::by_name("tls") });
        b.close();
    }

    #[test]
    fn every_event() {
        let mut b = Bench::new(&POP3);
        b.feed(ToServer, b"RETR\r\nXYZZY\r\n");
        b.feed(ToServer, &[b"PASS ", &[b'x'; 9000][..], b"\r\n"].concat());
        b.feed(ToClient, b"-ERR\r\n-ERR\r\n");
        b.feed(ToClient, &[b"+OK ", &[b'x'; 600][..], b"\r\n"].concat());
        let all = [0, 1, 2].map(|i| events(&b, &POP3, i));
        assert_eq!(all[0], ["incorrect_argument_count"]);
        assert_eq!(all[1], ["unknown_command"]);
        assert_eq!(all[2], ["request_too_long", "response_too_long"]);
        b.close();
        let cfg = AppConfig { max_txs: 1000, ..AppConfig::default() };
        let mut b = Bench::of((POP3.parser.unwrap())(&cfg), cfg);
        for _ in 0..=AppConfig::default().waiting("pop3") {
            b.feed(ToServer, b"NOOP\r\n");
        }
        assert_eq!(events(&b, &POP3, 0), ["too_many_transactions"]);
        b.close();
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same(cuts in proptest::collection::vec(1usize..12, 1..8)) {
            cut_is_whole(&POP3, TALK, &cuts);
        }

        #[test]
        fn never_panics(
            tail in proptest::collection::vec(any::<u8>(), 0..200),
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
            gap in 0u32..3,
        ) {
            mutated(&POP3, TALK, &changes, gap, &tail);
        }
    }

    #[test]
    fn what_is_long_is_kept_in_part() {
        let mut b = Bench::new(&POP3);
        b.feed(ToServer, b"RETR 1\r\n");
        b.feed(ToClient, b"+OK\r\n");
        let line: Vec<u8> = [&[b'y'; 70][..], b"\r\n"].concat();
        for _ in 0..2000 {
            b.feed(ToClient, &line);
        }
        b.feed(ToClient, b".\r\n");
        assert_eq!(b.parser.common(b.tx(0)).steps(), [1, 1]);
        assert!(record(&b, &POP3, 0).len() < 40_000);
        b.close();
    }
}
