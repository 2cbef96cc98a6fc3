//! PostgreSQL, frontend/backend protocol 3 (PostgreSQL documentation, "Frontend/Backend Protocol"): a transaction a
//! request with all that the server answers, up to its readiness or to the next request for a credential.
//!
//! In: the bytes of a connection. Out: transactions with what rules and records show of them. Rows and copied data are
//! counted, not kept; of texts [`TEXT_MAX`] bytes are. A server that accepts encryption changes the flow to TLS.
//! Keyword and record as in Suricata 8 (rules/pgsql-keywords). As there, messages of the extended query protocol and
//! what the server says to them are passed over.

mod log;
mod server;
#[cfg(test)]
mod tests;

use self::server::Answer;
use super::entries::Entries;
use super::hosted::{Protocol, Transactions, make};
use super::octets::Octets;
use super::ration::Ration;
use super::skip::Skip;
use super::txs::Tx;
use super::{
    AppConfig, AppCx, AppProto, Buffer, BufferAt, BufferDef, BufferKind, Input, LOG_WHOLE, OVER_TCP, Outcome,
    Probe, ProtoDef, Recognise, TxIdx, TxView, Verdict, buffer_at, event_at,
};
use crate::Dir;
use crate::Dir::{ToClient, ToServer};
use crate::app::plain::{be32, yes_if};
use crate::event::Fields;
use crate::pool::{BytePool, PBuf};

/// Longest message that is waited for whole; of longer ones the beginning is read.
const WHOLE_MAX: usize = 64 << 10;
/// Bytes of a query that are kept.
const TEXT_MAX: usize = 64 << 10;
/// The type and the length of a message.
const HEAD: usize = 5;
/// As much of a message as says how large what it carries is.
const ROW: usize = 7;

/// Codes in the place of a version (SSLRequest, GSSENCRequest, CancelRequest).
const CANCEL: u32 = 80_877_102;
const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;

const B_QUERY: u8 = buffer_at(BUFFERS, "pgsql.query");

static BUFFERS: &[BufferDef] = &[BufferDef {
    name: "pgsql.query",
    aliases: &[],
    modifiers: &[],
    dirs: Dir::ToServer.bit(),
    progress: 1,
    kind: BufferKind::Single,
}];

const EV_MANY: u8 = event_at(EVENTS, "too_many_transactions");
const EV_REQUEST: u8 = event_at(EVENTS, "malformed_request");
const EV_RESPONSE: u8 = event_at(EVENTS, "malformed_response");
const EV_LENGTH: u8 = event_at(EVENTS, "invalid_length");

static EVENTS: &[&str] =
    &["invalid_length", "malformed_request", "malformed_response", "too_many_transactions"];

/// `pgsql`.
pub static PGSQL: ProtoDef = ProtoDef {
    name: "pgsql",
    over: OVER_TCP,
    buffers: BUFFERS,
    events: EVENTS,
    recognise: Recognise {
        probes: &[Probe { over: OVER_TCP, ports: &[5432], probe: probe_pgsql, dirs: 3, min_bytes: 0 }],
        ..Recognise::NONE
    },
    parser: Some(make::<Pgsql>),
    record: "pgsql",
    bounded: true,
    ..ProtoDef::NONE
};

fn probe_pgsql(b: &[u8], dir: Dir) -> Verdict {
    if b.is_empty() {
        return Verdict::Unsure;
    }
    let known = match dir {
        ToServer => {
            if let (Some(len), Some(code)) = (be32(b, 0), be32(b, 4)) {
                // Also a request of that form which there is none of: the parser tells of it. Suricata does not know a flow
                // by its request for GSS.
                if matches!(code, CANCEL | SSL) || (len == 8 && b.len() == 8 && code != GSS) {
                    return yes_if(len == 8 || len == 16);
                }
                if code >> 16 == 3 && (9..=10_000).contains(&len) {
                    return Verdict::Yes;
                }
            } else if b.len() < HEAD {
                return Verdict::Unsure;
            }
            b.first().is_some_and(|k| is_request(*k))
        }
        ToClient => {
            if matches!(b, [b'S' | b'N']) {
                return Verdict::Yes;
            }
            if b.len() < HEAD {
                return Verdict::Unsure;
            }
            b.first().is_some_and(|k| server::is_answer(*k))
        }
    };
    yes_if(known && be32(b, 1).is_some_and(|n| (4..=1 << 20).contains(&n)))
}

/// Types of messages of clients.
const fn is_request(kind: u8) -> bool {
    matches!(
        kind,
        b'p' | b'Q' | b'X' | b'P' | b'B' | b'E' | b'D' | b'S' | b'C' | b'H' | b'F' | b'd' | b'c' | b'f'
    )
}

/// What a client asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Request {
    Ssl,
    Gss,
    Startup,
    Cancel,
    Password,
    SaslInitial,
    SaslResponse,
    Query,
    /// Data that follow a COPY.
    CopyIn,
    Terminate,
    /// Only an event.
    #[default]
    Broken,
}

/// Tags of [`Exchange::texts`] beside the codes of errors, which are capital letters.
const T_PARAMETER: u8 = 2;
const T_PASSWORD: u8 = 3;
const T_MECHANISM: u8 = 4;
const T_SASL: u8 = 5;
const T_STATUS: u8 = 6;
const T_FINAL: u8 = 7;
const T_COMMAND: u8 = 8;

/// A request and its answers.
#[derive(Debug, Default)]
pub struct Exchange {
    request: Request,
    texts: Entries,
    query: PBuf,
    version: [u16; 2],
    /// Process and key of a request to cancel.
    cancels: [u32; 2],
    /// Messages and bytes of copied data, and how it ended.
    copied: [u64; 2],
    copy_end: u8,
    answer: Answer,
    waits: bool,
}

/// What 'p' of a client carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Credential {
    #[default]
    Password,
    SaslInitial,
    SaslResponse,
}

/// What the flow keeps.
#[derive(Debug, Default)]
pub struct State {
    /// Bytes of a message that are not looked at, per direction.
    skip: Skip,
    /// One byte answers a request for encryption.
    byte_awaited: bool,
    credential: Credential,
    /// The server was ready once: from then on it says so after an error, too.
    ready: bool,
    /// Number of the transaction of copied data that is under way.
    copying: Option<u64>,
    /// Extended queries whose answers come before the next transaction's.
    unseen: u32,
    waiting: u32,
    /// How many may wait.
    most: u32,
    /// Of messages of five bytes that nothing answers.
    ration: Ration,
}

/// The parser.
pub struct Pgsql {
    tls: Option<AppProto>,
    waiting: u32,
}

type Flow<'a> = Transactions<'a, Exchange>;

/// How the reading of a message went on.
enum Step {
    /// That many bytes are done with.
    Used(usize),
    /// That many are needed.
    Need(usize),
    Tls,
    Gss,
    Broken(u8),
}

/// A transaction that has an event only.
fn broken(flow: &mut Flow<'_>, ev: u8, dir: Dir, now: u64) {
    if let Some(tx) = flow.open(now) {
        let t = flow.get(tx);
        t.own.request = Request::Broken;
        t.common.raise(ev, dir);
        t.common.advance_both(1);
        t.common.settle(dir.flip());
    }
}

impl State {
    /// A new request. Those without an answer are complete at once; of too many that wait the oldest gives up.
    fn ask(&mut self, flow: &mut Flow<'_>, request: Request, now: u64) -> Option<TxIdx> {
        let tx = flow.open(now)?;
        let t = flow.get(tx);
        t.own.request = request;
        t.common.advance(ToServer, 1);
        if matches!(request, Request::Terminate | Request::Cancel) {
            t.common.advance(ToClient, 1);
            t.common.settle(ToClient);
            return Some(tx);
        }
        t.own.waits = true;
        flow.wait(tx);
        self.waiting += 1;
        if self.waiting > self.most
            && let Some(oldest) = flow.waiting(|_| true)
        {
            flow.get(oldest).common.raise(EV_MANY, ToServer);
            self.finish(flow, oldest);
        }
        Some(tx)
    }

    /// A message that there is none of.
    fn strange(&mut self, flow: &mut Flow<'_>, ev: u8, dir: Dir, now: u64) {
        if self.ration.take(true, now) {
            broken(flow, ev, dir, now);
        }
    }

    /// The server has answered.
    fn finish(&mut self, flow: &mut Flow<'_>, tx: TxIdx) {
        if flow.peek(tx).own.waits {
            flow.get(tx).own.waits = false;
            flow.answered(tx);
            self.waiting = self.waiting.saturating_sub(1);
        }
        let t = flow.get(tx);
        t.common.advance_both(1);
        t.common.touch(ToClient);
    }

    /// A message of a client that begins with its length: it opens a connection.
    fn opening(&mut self, flow: &mut Flow<'_>, rest: &[u8], cx: &mut AppCx<'_>) -> Step {
        let (Some(len), Some(code)) = (be32(rest, 0), be32(rest, 4)) else { return Step::Need(8) };
        let len = len as usize;
        if !(8..=WHOLE_MAX).contains(&len) {
            return Step::Broken(EV_LENGTH);
        }
        let Some(msg) = rest.get(..len) else { return Step::Need(len) };
        let mut o = Octets(msg.get(8..).unwrap_or(&[]));
        match code {
            SSL | GSS => {
                self.byte_awaited = true;
                self.ask(flow, if code == SSL { Request::Ssl } else { Request::Gss }, cx.now);
            }
            CANCEL => {
                if let Some(tx) = self.ask(flow, Request::Cancel, cx.now) {
                    flow.get(tx).own.cancels = [o.u32().unwrap_or(0), o.u32().unwrap_or(0)];
                }
            }
            _ if code >> 16 == 3 => {
                let Some(tx) = self.ask(flow, Request::Startup, cx.now) else { return Step::Used(len) };
                let own = &mut flow.get(tx).own;
                own.version = [(code >> 16) as u16, code as u16];
                while let Some(name) = o.zero_ended().filter(|n| !n.is_empty()) {
                    let Some(value) = o.zero_ended() else { break };
                    if cx.shown {
                        own.texts.push_parts(cx.pool, T_PARAMETER, [name, b"\0", value]);
                    }
                }
            }
            _ => self.strange(flow, EV_REQUEST, ToServer, cx.now),
        }
        Step::Used(len)
    }

    /// A message of a client.
    fn request(&mut self, flow: &mut Flow<'_>, rest: &[u8], cx: &mut AppCx<'_>) -> Step {
        if rest.first() == Some(&0) {
            return self.opening(flow, rest, cx);
        }
        let Some((kind, whole)) = head(rest) else { return Step::Need(HEAD) };
        if whole < HEAD {
            return Step::Broken(EV_LENGTH);
        }
        let wanted = match kind {
            b'Q' | b'p' => whole.min(WHOLE_MAX),
            _ => HEAD,
        };
        let Some(msg) = rest.get(..wanted) else { return Step::Need(wanted) };
        let body = msg.get(HEAD..).unwrap_or(&[]);
        self.skip.over(ToServer, whole - wanted);
        match kind {
            b'Q' => {
                if let Some(tx) = self.ask(flow, Request::Query, cx.now)
                    && cx.shown
                {
                    let text = body.strip_suffix(b"\0").unwrap_or(body);
                    // Without room there is no query to look at.
                    let _full = flow.get(tx).own.query.extend(cx.pool, text.get(..TEXT_MAX).unwrap_or(text));
                }
            }
            b'p' => self.credential(flow, body, cx),
            b'X' => {
                if self.ration.take(true, cx.now) {
                    self.ask(flow, Request::Terminate, cx.now);
                }
            }
            b'd' | b'c' | b'f' => self.copy(flow, kind, whole as u64 - HEAD as u64, cx.now),
            // An extended query has no transaction; its answers are nobody else's.
            b'S' | b'F' => self.unseen += u32::from(flow.waiting(|_| true).is_none()),
            k if is_request(k) => {}
            _ => self.strange(flow, EV_REQUEST, ToServer, cx.now),
        }
        Step::Used(wanted)
    }

    fn credential(&mut self, flow: &mut Flow<'_>, body: &[u8], cx: &mut AppCx<'_>) {
        let request = match self.credential {
            Credential::Password => Request::Password,
            Credential::SaslInitial => Request::SaslInitial,
            Credential::SaslResponse => Request::SaslResponse,
        };
        let Some(tx) = self.ask(flow, request, cx.now).filter(|_| cx.shown) else { return };
        let texts = &mut flow.get(tx).own.texts;
        match request {
            Request::Password => {
                texts.push(cx.pool, T_PASSWORD, body.strip_suffix(b"\0").unwrap_or(body));
            }
            Request::SaslInitial => {
                let mut o = Octets(body);
                let Some(mechanism) = o.zero_ended() else { return };
                texts.push(cx.pool, T_MECHANISM, mechanism);
                // A length of -1: nothing is said yet.
                let n = o.u32().unwrap_or(0);
                if n != u32::MAX {
                    texts.push(cx.pool, T_SASL, o.0.get(..n as usize).unwrap_or(o.0));
                }
            }
            _ => {
                texts.push(cx.pool, T_SASL, body);
            }
        }
    }

    /// Data that the client copies, or their end: a transaction of their own.
    fn copy(&mut self, flow: &mut Flow<'_>, kind: u8, bytes: u64, now: u64) {
        let under_way = self.copying.and_then(|id| flow.find(id));
        let Some(tx) = under_way.or_else(|| self.ask(flow, Request::CopyIn, now)) else { return };
        self.copying = (kind == b'd').then(|| flow.peek(tx).common.id);
        let own = &mut flow.get(tx).own;
        if kind == b'd' {
            own.copied[0] += 1;
            own.copied[1] = own.copied[1].saturating_add(bytes);
        } else {
            own.copy_end = kind;
        }
    }
}

/// Type of a message, and its bytes with it.
fn head(b: &[u8]) -> Option<(u8, usize)> {
    Some((*b.first()?, be32(b, 1)? as usize + 1))
}

impl Protocol for Pgsql {
    type State = State;
    type Own = Exchange;

    fn new(cfg: &AppConfig) -> Self {
        Pgsql { tls: AppProto::by_name("tls"), waiting: cfg.waiting("pgsql") }
    }

    fn parse(&mut self, s: &mut State, flow: &mut Flow<'_>, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        let dir = input.dir;
        s.most = self.waiting;
        if !s.skip.gap(dir, input.gap) {
            return Outcome::Failed;
        }
        let mut at = 0;
        while let Some(rest) = input.data.get(at..).filter(|r| !r.is_empty()) {
            let passed = s.skip.take(dir, rest.len());
            if passed > 0 {
                at += passed;
                continue;
            }
            if flow.is_full() {
                return Outcome::Full { bytes: at };
            }
            let step = match dir {
                ToServer => s.request(flow, rest, cx),
                ToClient => s.answer(flow, rest, cx),
            };
            match step {
                Step::Used(n) => at += n,
                Step::Need(need) => return Outcome::Consumed { bytes: at, need },
                Step::Tls => return Outcome::Change { bytes: at + 1, to: self.tls },
                Step::Gss => return Outcome::Opaque { bytes: at + 1 },
                Step::Broken(ev) => {
                    broken(flow, ev, dir, cx.now);
                    return Outcome::Failed;
                }
            }
        }
        Outcome::Consumed { bytes: at, need: 0 }
    }

    fn free(own: &mut Exchange, pool: &mut BytePool) {
        own.texts.free(pool);
        own.query.free(pool);
    }

    fn buffer<'a>(&'a self, tx: &'a Tx<Exchange>, at: BufferAt<'a>) -> Buffer<'a> {
        let found = at.local == B_QUERY && at.index == 0 && tx.own.request == Request::Query;
        if found { Buffer::whole(tx.own.query.get(at.pool)) } else { Buffer::Absent }
    }

    fn log(&self, tx: &Tx<Exchange>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        out.u64("tx_id", tx.common.id + 1);
        tx.own.log(view.pool, out);
    }

    fn log_due(&self, tx: &Tx<Exchange>) -> u8 {
        if tx.common.both_reached(Self::COMPLETE) { self.log_at_end(tx) } else { 0 }
    }

    fn log_at_end(&self, tx: &Tx<Exchange>) -> u8 {
        if tx.own.request == Request::Broken { 0 } else { LOG_WHOLE }
    }
}
