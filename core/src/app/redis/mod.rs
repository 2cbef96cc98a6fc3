//! Redis and Valkey (RESP2, RESP3, inline commands): one transaction a command with its reply, and one for each
//! message that a server sends unasked. What is kept of arguments and replies is bounded; bytes beyond it are counted.
//! Three bytes can be an inline command or a message, so records of these, and of commands without a reply, are rationed
//! ([`Ration`]).

mod commands;
mod log;
mod resp;
mod session;
#[cfg(test)]
mod tests;
mod words;

use self::commands::Keys;
use self::resp::{KINDS, Kind, Reader, Stop};
use self::words::{Room, Words};
use super::hosted::{Protocol, Transactions, make};
use super::plain::{start, yes_if};
use super::ration::Ration;
use super::txs::Tx;
use super::{
    AppConfig, AppCx, Buffer, BufferAt, BufferDef, BufferKind, Input, IntAt, IntDef, LOG_WHOLE, OVER_TCP,
    Outcome, Probe, ProtoDef, Recognise, Seen, TxIdx, TxView, Verdict,
};
use crate::Dir;
use crate::app::{buffer_at, event_at, int_at};
use crate::event::Fields;
use crate::pool::BytePool;

/// Commands that may wait for their reply; further ones are counted without a transaction, so that replies stay theirs.
const PENDING_MAX: u32 = 1024;
/// Live transactions of a flow, those included that are done and wait for the end of the segment.
const LIVE_MAX: u32 = 2 * PENDING_MAX;
/// Replies of a flow that nobody asked for and that have a transaction.
const UNASKED_MAX: u8 = 64;
/// What is kept of a command's words, and of the strings of a reply.
const COMMAND_ROOM: Room = Room { words: 64, each: 4096, all: 16 << 10 };
const REPLY_ROOM: Room = Room { words: 32, each: 1024, all: 8 << 10 };

const B_COMMAND: u8 = buffer_at(BUFFERS, "redis.command");
const B_KEY: u8 = buffer_at(BUFFERS, "redis.key");
const B_ARGS: u8 = buffer_at(BUFFERS, "redis.args");
const B_REPLY: u8 = buffer_at(BUFFERS, "redis.reply");

const fn buffer(name: &'static str, dirs: u8, kind: BufferKind) -> BufferDef {
    BufferDef { name, aliases: &[], modifiers: &[], dirs, progress: 0, kind }
}

static BUFFERS: &[BufferDef] = &[
    buffer("redis.command", 1, BufferKind::Single),
    buffer("redis.key", 1, BufferKind::Multi),
    buffer("redis.args", 1, BufferKind::Multi),
    buffer("redis.reply", 2, BufferKind::Multi),
    buffer("redis.error", 2, BufferKind::Single),
];

const I_COUNT: u8 = int_at(INTS, "redis.args_count");
const I_TYPE: u8 = int_at(INTS, "redis.reply_type");
const I_LENGTH: u8 = int_at(INTS, "redis.reply_length");

const fn int(name: &'static str, dirs: u8, values: &'static [(&'static str, u64)]) -> IntDef {
    IntDef { name, aliases: &[], dirs, progress: 0, multi: false, values }
}

static INTS: &[IntDef] = &[
    int("redis.args_count", 1, &[]),
    int("redis.reply_type", 2, KINDS),
    int("redis.reply_length", 2, &[]),
    // To the server: before the command; to the client: after its reply.
    int("redis.auth", 3, &[("none", 0), ("required", 1), ("ok", 2), ("failed", 3)]),
];

const EV_COMMAND: u8 = event_at(EVENTS, "malformed_command");
const EV_REPLY: u8 = event_at(EVENTS, "malformed_reply");
const EV_PENDING: u8 = event_at(EVENTS, "too_many_transactions");
const EV_UNASKED: u8 = event_at(EVENTS, "unsolicited_reply");
const EV_GAP: u8 = event_at(EVENTS, "gap");

static EVENTS: &[&str] =
    &["malformed_command", "malformed_reply", "too_many_transactions", "unsolicited_reply", "gap"];

/// `redis`.
pub static REDIS: ProtoDef = ProtoDef {
    name: "redis",
    over: OVER_TCP,
    buffers: BUFFERS,
    ints: INTS,
    events: EVENTS,
    recognise: Recognise {
        patterns: &[
            start(b"*", Dir::ToServer, OVER_TCP),
            start(b"-NOAUTH ", Dir::ToClient, OVER_TCP),
            start(b"-DENIED Redis", Dir::ToClient, OVER_TCP),
            start(b"-WRONGPASS ", Dir::ToClient, OVER_TCP),
        ],
        probes: &[Probe { over: OVER_TCP, ports: &[6379, 26379], probe: probe_redis, dirs: 3, min_bytes: 0 }],
        confirm: Some(confirm_redis),
        first: 0,
    },
    parser: Some(make::<Redis>),
    record: "redis",
    ours: true,
    ..ProtoDef::NONE
};

/// `*N`, a line end, `$N`, a line end, and a letter: a command as clients send it.
fn confirm_redis(b: &[u8], seen: &Seen) -> Verdict {
    if seen.pattern.dir != seen.dir {
        // Against the flow's direction an array may be a reply as well: there the port decides.
        return if seen.ports[0] == 6379 { Verdict::Reversed } else { Verdict::No };
    }
    if seen.pattern.dir == Dir::ToClient {
        return Verdict::Yes;
    }
    let mut rest = b;
    for mark in [b'*', b'$'] {
        let Some((first, tail)) = rest.split_first() else { return Verdict::Unsure };
        let digits = tail.iter().take_while(|c| c.is_ascii_digit()).count();
        if *first != mark || digits > 7 || tail.first().is_some_and(|c| !matches!(c, b'1'..=b'9')) {
            return Verdict::No;
        }
        match tail.get(digits..) {
            Some([b'\r', b'\n', tail @ ..]) => rest = tail,
            Some([] | [b'\r']) => return Verdict::Unsure,
            _ => return Verdict::No,
        }
    }
    rest.first().map_or(Verdict::Unsure, |c| yes_if(c.is_ascii_alphabetic()))
}

/// On the server's port: inline commands, and replies of any kind.
fn probe_redis(b: &[u8], dir: Dir) -> Verdict {
    match dir {
        Dir::ToServer => {
            let n = b.iter().take_while(|c| c.is_ascii_alphabetic()).count();
            match b.get(n) {
                _ if n > 12 => Verdict::No,
                None => Verdict::Unsure,
                Some(b' ' | b'\r' | b'\n') => yes_if(commands::by_hand(b.get(..n).unwrap_or(&[]))),
                Some(_) => Verdict::No,
            }
        }
        Dir::ToClient => match b {
            [] => Verdict::Unsure,
            [b'+' | b'-', c, ..] if c.is_ascii_alphabetic() => Verdict::Likely,
            [b':' | b'$' | b'*' | b'%' | b'~' | b'>' | b'=' | b'!' | b'(' | b',' | b'|', c, ..] => {
                if c.is_ascii_digit() || *c == b'-' { Verdict::Likely } else { Verdict::No }
            }
            [b'_', b'\r', ..] | [b'#', b't' | b'f', ..] => Verdict::Likely,
            [_] => Verdict::Unsure,
            _ => Verdict::No,
        },
    }
}

/// State of the connection as to credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Auth {
    /// None was shown, and the server asked for none.
    #[default]
    None,
    /// The server refused a command because none was shown.
    Required,
    Ok,
    Failed,
}

impl Auth {
    const fn name(self) -> &'static str {
        match self {
            Auth::None => "none",
            Auth::Required => "required",
            Auth::Ok => "ok",
            Auth::Failed => "failed",
        }
    }
}

/// Commands that change what follows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Special {
    #[default]
    No,
    Auth,
    Hello,
    Reset,
    Monitor,
    /// Replication: what follows the reply is a copy of the data.
    Sync,
    Subscribe,
}

/// A reply, or a message of the server.
#[derive(Clone, Copy, Debug, Default)]
struct Reply {
    kind: Kind,
    words: Words,
    /// Bytes of its strings, and values in it if it is an aggregate.
    bytes: u64,
    values: u64,
}

/// A command and its reply.
#[derive(Debug, Default)]
pub struct Exchange {
    /// The command's name in capitals, and its arguments.
    words: Words,
    args: u32,
    arg_bytes: u64,
    reply: Reply,
    special: Special,
    /// Before the command, and after its reply.
    auth: [Auth; 2],
    resp3: bool,
    inline: bool,
    /// The server sent it unasked.
    push: bool,
    /// The reply that is awaited came, or none will.
    done: bool,
    /// Replies still to come.
    awaited: u32,
    /// Replies to commands behind this one that have no transaction.
    unseen: u64,
    /// It has no record.
    quiet: bool,
}

/// What the flow keeps.
#[derive(Debug, Default)]
pub struct State {
    readers: [Reader; 2],
    /// A message is under way.
    open: [bool; 2],
    /// Cannot be read any more, or ended: by its sender, or because it is not looked at any further.
    lost: [bool; 2],
    /// The command being read, if it has a transaction, and how many of its words have begun.
    command: Option<TxIdx>,
    begun: u64,
    /// The reply being read.
    reply: Reply,
    /// Inside an attribute of it: values missing when that ends. The string under way belongs to it.
    attribute: u64,
    aside: bool,
    /// The oldest command without its reply, and the youngest.
    oldest: Option<TxIdx>,
    youngest: Option<TxIdx>,
    pending: u32,
    /// Replies to come to commands without a transaction, before the one for `oldest`.
    unseen: u64,
    auth: Auth,
    resp3: bool,
    subscribed: bool,
    monitor: bool,
    /// The server copies its data to a replica.
    copying: bool,
    /// `CLIENT REPLY OFF`, and `SKIP`: commands without a reply.
    silent: bool,
    skip: u8,
    /// Replies that nothing was asked for, with a transaction.
    unasked: u8,
    ration: Ration,
}

/// The parser.
pub struct Redis;

type Flow<'a> = Transactions<'a, Exchange>;

impl Protocol for Redis {
    type State = State;
    type Own = Exchange;

    fn new(_: &AppConfig) -> Self {
        Redis
    }

    fn parse(&mut self, s: &mut State, flow: &mut Flow<'_>, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        let d = input.dir.ix();
        let all = Outcome::Consumed { bytes: input.data.len(), need: 0 };
        let copied = |s: &State| s.copying && input.dir == Dir::ToClient;
        if s.lost[d] || copied(s) {
            return all;
        }
        if input.gap > 0 && !s.readers[d].gap(u64::from(input.gap)) {
            s.lose(flow, input.dir, EV_GAP, cx);
            return all;
        }
        let mut at = 0;
        while let Some(rest) = input.data.get(at..) {
            if flow.is_full() {
                return Outcome::Full { bytes: at };
            }
            let before = s.readers[d].missing();
            let read = s.readers[d].next(rest, input.dir == Dir::ToServer);
            let (piece, used) = match read {
                Ok(r) => r,
                Err(Stop::Short) => break,
                Err(Stop::Broken) => {
                    let ev = if input.dir == Dir::ToServer { EV_COMMAND } else { EV_REPLY };
                    s.lose(flow, input.dir, ev, cx);
                    return all;
                }
            };
            at += used;
            match input.dir {
                Dir::ToServer => {
                    if s.client_piece(flow, piece, cx).is_err() {
                        s.lose(flow, input.dir, EV_COMMAND, cx);
                        return all;
                    }
                }
                Dir::ToClient => {
                    s.server_piece(flow, piece, before, cx);
                    if copied(s) {
                        return all;
                    }
                }
            }
        }
        if input.eof {
            s.end(flow, input.dir, cx);
        }
        Outcome::Consumed { bytes: at, need: 0 }
    }

    fn free(own: &mut Exchange, pool: &mut BytePool) {
        own.words.free(pool);
        own.reply.words.free(pool);
    }

    fn forget(s: &mut State, tx: &Tx<Exchange>, _: &mut AppCx<'_>) {
        // A flow that ends gives back what still waits.
        if tx.own.awaited > 0 {
            s.oldest = None;
            s.youngest = None;
        }
        if !tx.own.done && tx.own.awaited == 0 {
            s.command = None;
        }
    }

    fn close(s: &mut State, cx: &mut AppCx<'_>) {
        s.reply.words.free(cx.pool);
    }

    fn buffer<'a>(&'a self, tx: &'a Tx<Exchange>, at: BufferAt<'a>) -> Buffer<'a> {
        let BufferAt { local, dir, index, pool, .. } = at;
        let own = &tx.own;
        let index = index as usize;
        let missing = if tx.common.progress(dir) > 0 { Buffer::Absent } else { Buffer::NotYet };
        // Nothing is shown before it is whole.
        if tx.common.progress(dir) == 0 {
            return missing;
        }
        let found = match local {
            B_COMMAND if index == 0 => own.words.nth(pool, 0),
            B_KEY => own.key(pool, index),
            B_ARGS => own.words.nth(pool, index + 1),
            B_REPLY if own.reply.kind != Kind::Error => own.reply.words.nth(pool, index),
            B_COMMAND | B_REPLY => None,
            _ if index == 0 && own.reply.kind == Kind::Error => own.reply.words.nth(pool, 0),
            _ => None,
        };
        found.map_or(missing, Buffer::whole)
    }

    fn int(&self, tx: &Tx<Exchange>, at: IntAt<'_>) -> Option<u64> {
        let own = &tx.own;
        let answered = own.reply.kind != Kind::Unknown;
        let commanded = tx.common.progress(Dir::ToServer) > 0 && !own.words.is_empty();
        match at.local {
            I_COUNT => commanded.then_some(u64::from(own.args)),
            I_TYPE => answered.then_some(own.reply.kind as u64),
            I_LENGTH => answered.then_some(own.reply.bytes),
            _ if at.dir == Dir::ToServer => commanded.then_some(own.auth[0] as u64),
            _ => answered.then_some(own.auth[1] as u64),
        }
    }

    fn log(&self, tx: &Tx<Exchange>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        tx.own.log(view.pool, out);
    }

    fn log_due(&self, tx: &Tx<Exchange>) -> u8 {
        if tx.common.both_reached(Self::COMPLETE) && !tx.own.quiet { LOG_WHOLE } else { 0 }
    }

    fn log_at_end(&self, tx: &Tx<Exchange>) -> u8 {
        if tx.own.quiet { 0 } else { LOG_WHOLE }
    }
}

impl Exchange {
    /// The key of that number.
    fn key<'a>(&self, pool: &'a BytePool, index: usize) -> Option<&'a [u8]> {
        let arg = |n: usize| self.words.nth(pool, n + 1);
        let kept = usize::from(self.words.len()).saturating_sub(1);
        match commands::keys(self.words.first(pool)) {
            Keys::None => None,
            Keys::At(n) => arg(usize::from(n)).filter(|_| index == 0),
            Keys::Two => arg(index).filter(|_| index < 2),
            Keys::All => arg(index),
            Keys::ButLast => arg(index).filter(|_| index as u64 + 1 < u64::from(self.args)),
            Keys::Pairs => arg(index.saturating_mul(2)),
            Keys::Counted(at) => {
                let at = usize::from(at);
                let n = core::str::from_utf8(arg(at)?).ok()?.parse::<usize>().ok()?;
                arg(at.saturating_add(1).saturating_add(index)).filter(|_| index < n)
            }
            Keys::Streams => {
                let from = (0..kept).find(|n| arg(*n).is_some_and(|a| a.eq_ignore_ascii_case(b"STREAMS")))?;
                arg(from + 1 + index).filter(|_| index < (kept - from - 1) / 2)
            }
        }
    }
}
