//! From pieces of JSON to the words of a call.

use super::buffers::{EV_DEEP, EV_JSON, EV_TRUNCATED};
use super::call::{Call, Role, SHORT_MAX, TOOL_MAX, Tag};
use super::dialect::{F, Kind, Wire, Words, rpc};
use super::head::number;
use super::json::{Field, Visit, Word};
use super::{Reading, Schemas, json};
use crate::Dir;
use crate::app::bodies::{BodyCx, Ended, Piece};
use crate::app::txs::Tx;
use crate::pool::{BytePool, PBuf};

/// What ends a stream of events, and is no JSON.
const DONE: &[u8] = b"[DONE]";
/// Longest value in base64.
const NESTED_MAX: usize = 64 << 10;
/// Longest value that is a name: of kinds of events no more is looked at.
const NAME_MAX: usize = 64;
/// The piece at hand is something else.
const OTHER: u8 = u8::MAX;

/// Takes part of a message.
pub(super) fn piece(
    tx: &mut Tx<Call>,
    r: &mut Reading,
    schemas: &Schemas,
    dir: Dir,
    piece: Piece<'_>,
    cx: &mut BodyCx<'_>,
) {
    match piece {
        Piece::Whole(bytes) if says_nothing(bytes, tx, schemas, dir) => {}
        // None that is not the mark begins as it does.
        Piece::Whole(bytes) if bytes.first() != DONE.first() => {
            feed(tx, r, schemas, dir, bytes, cx);
            whole(tx, r, schemas, dir, cx);
        }
        Piece::Whole(bytes) => {
            self::piece(tx, r, schemas, dir, Piece::Bytes(bytes), cx);
            self::piece(tx, r, schemas, dir, Piece::End, cx);
        }
        Piece::Bytes(bytes) => {
            let mut rest = bytes;
            while r.lead != OTHER {
                let at = usize::from(r.lead);
                match (rest.first(), DONE.get(at)) {
                    (None, _) => return,
                    (Some(c), Some(want)) if c == want => {
                        r.lead += 1;
                        rest = &rest[1..];
                    }
                    _ => {
                        // What was taken for the mark is fed after all.
                        r.lead = OTHER;
                        feed(tx, r, schemas, dir, &DONE[..at], cx);
                    }
                }
            }
            feed(tx, r, schemas, dir, rest, cx);
        }
        Piece::End => {
            if usize::from(r.lead) < DONE.len() {
                feed(tx, r, schemas, dir, &DONE[..usize::from(r.lead)], cx);
            }
            whole(tx, r, schemas, dir, cx);
        }
    }
}

/// A line that is too short for an object with a member, and not news if it is no JSON: to read it would change nothing,
/// and there may be one every other byte.
fn says_nothing(line: &[u8], tx: &Tx<Call>, schemas: &Schemas, dir: Dir) -> bool {
    const SHORTEST: usize = br#"{"":1}"#.len();
    let harmless =
        || !tx.own.proven || tx.common.was_raised(EV_JSON, dir) || line.iter().all(u8::is_ascii_digit);
    line.len() < SHORTEST
        && schemas.route.wire == Wire::Json
        && schemas.of[dir.ix()].asks_members_alone()
        && harmless()
}

/// The message is over.
pub(super) fn end(
    tx: &mut Tx<Call>,
    r: &mut Reading,
    schemas: &Schemas,
    dir: Dir,
    _: Ended,
    cx: &mut BodyCx<'_>,
) {
    whole(tx, r, schemas, dir, cx);
    let c = &tx.own;
    if [c.prompt, c.completion, c.reasoning, c.arguments].iter().any(|t| t.cut) {
        tx.common.raise(EV_TRUNCATED, dir);
    }
}

fn feed(tx: &mut Tx<Call>, r: &mut Reading, schemas: &Schemas, dir: Dir, bytes: &[u8], cx: &mut BodyCx<'_>) {
    #[cfg(test)]
    crate::app::entries::work::add(bytes.len());
    let schema = &schemas.of[dir.ix()];
    let mut to = Teller::new(tx, &mut r.words, &mut r.held, schemas, cx);
    if schemas.route.wire == Wire::Grpc {
        r.proto.feed(schema, bytes, &mut to);
    } else {
        r.json.feed(schema, bytes, &mut to);
    }
    if r.words.nested {
        nested(tx, r, schemas, dir, cx);
    }
}

/// A value is JSON in base64: it is read by the same schema.
fn nested(tx: &mut Tx<Call>, r: &mut Reading, schemas: &Schemas, dir: Dir, cx: &mut BodyCx<'_>) {
    cx.scratch.clear();
    let (mut bits, mut have) = (0u32, 0);
    for c in r.held.get(cx.pool) {
        let Some(v) = base64(*c) else { continue };
        bits = bits << 6 | u32::from(v);
        have += 6;
        if have >= 8 {
            have -= 8;
            cx.scratch.push((bits >> have) as u8);
        }
    }
    r.held.truncate(0);
    let schema = &schemas.of[dir.ix()];
    // The teller writes to the pool; what is decoded lies in the scratch.
    let BodyCx { pool, scratch, now, .. } = cx;
    let (call, proof) = (&mut tx.own, schemas.route.proof);
    let mut to = Teller { call, words: &mut r.words, held: &mut r.held, pool, now: *now, proof };
    let mut json = json::Reader::default();
    json.feed(schema, scratch.as_slice(), &mut to);
    json.end(schema, &mut to);
    r.words.nested = false;
}

const fn base64(c: u8) -> Option<u8> {
    match c {
        b'A'..=b'Z' => Some(c - b'A'),
        b'a'..=b'z' => Some(c - b'a' + 26),
        b'0'..=b'9' => Some(c - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// A piece is whole: the next is read from its start.
fn whole(tx: &mut Tx<Call>, r: &mut Reading, schemas: &Schemas, dir: Dir, cx: &mut BodyCx<'_>) {
    // Its own state is as long as that many bytes of a message.
    #[cfg(test)]
    crate::app::entries::work::add(size_of::<Reading>() / 16);
    let schema = &schemas.of[dir.ix()];
    let mut to = Teller::new(tx, &mut r.words, &mut r.held, schemas, cx);
    r.json.end(schema, &mut to);
    // A value that was cut off counts as far as it came.
    to.cut_off();
    let (broken, deep) = if schemas.route.wire == Wire::Grpc {
        let ended = r.proto.is_broken() || r.proto.is_open();
        r.proto = Default::default();
        (ended, false)
    } else {
        let ended = (r.json.is_broken() || r.json.is_open(), r.json.too_deep());
        r.json.renew();
        ended
    };
    if tx.own.proven && broken {
        tx.common.raise(EV_JSON, dir);
    }
    if tx.own.proven && deep {
        tx.common.raise(EV_DEEP, dir);
    }
    r.held.truncate(0);
    r.lead = 0;
    r.words = Words::default();
}

/// Notes what a schema's paths have.
struct Teller<'a> {
    call: &'a mut Call,
    words: &'a mut Words,
    held: &'a mut PBuf,
    pool: &'a mut BytePool,
    now: u64,
    proof: &'static [F],
}

impl<'a> Teller<'a> {
    fn new(
        tx: &'a mut Tx<Call>,
        words: &'a mut Words,
        held: &'a mut PBuf,
        schemas: &Schemas,
        cx: &'a mut BodyCx<'_>,
    ) -> Teller<'a> {
        Teller { call: &mut tx.own, words, held, pool: cx.pool, now: cx.now, proof: schemas.route.proof }
    }

    fn prove(&mut self, f: F) {
        self.call.proven |= self.proof.contains(&f);
    }

    /// A text of the request goes on.
    fn spoken(&mut self, bytes: &[u8]) {
        let (call, w) = (&mut *self.call, &mut *self.words);
        if !w.part_open {
            w.part_open = true;
            if !w.in_message {
                w.from = call.prompt.kept.len() as u32;
            } else if w.has_text {
                // Parts of a message are read with an empty line between them.
                call.prompt.push(self.pool, b"\n\n");
            }
        }
        w.has_text = true;
        call.prompt.push(self.pool, bytes);
    }

    /// A text that is a message by itself is whole.
    fn said(&mut self, role: Role) {
        if !self.words.part_open && !self.words.in_message {
            self.words.from = self.call.prompt.kept.len() as u32;
        }
        self.call.message(self.pool, role, self.words.from);
        self.words.from = self.call.prompt.kept.len() as u32;
        self.words.has_text = false;
        self.words.part_open = false;
    }

    /// What the model says goes on.
    fn answered(&mut self, f: F, bytes: &[u8]) {
        let f = match (f, self.words.kind) {
            (F::Content, Kind::Arguments) => F::CallArguments,
            (F::Content, Kind::Reasoning) => F::Reasoning,
            (F::Content, Kind::Sound) => return,
            _ => f,
        };
        if !self.words.part_open {
            self.words.part_open = true;
            self.call.content(self.now);
        }
        match f {
            F::Reasoning => self.call.reasoning.push(self.pool, bytes),
            F::CallArguments => self.call.arguments.push(self.pool, bytes),
            // Of several answers the first is the completion.
            _ if self.words.choice == 0 => self.call.completion.push(self.pool, bytes),
            _ => self.call.others += bytes.len() as u64,
        }
    }

    /// The message was cut off inside a value.
    fn cut_off(&mut self) {
        if self.words.in_message || (self.words.part_open && self.words.has_text) {
            let role = if self.words.in_message { Role::numbered(self.words.role) } else { Role::User };
            self.said(role);
            self.words.in_message = false;
        }
    }

    /// A short value is whole. It lies in the pool that it is copied to, so it is taken out first; most are names.
    fn short(&mut self, f: F) {
        let held = self.held.get(self.pool);
        if let Some(held) = held.get(..NAME_MAX.min(held.len())).filter(|_| held.len() <= NAME_MAX) {
            let mut value = [0; NAME_MAX];
            let n = held.len();
            value[..n].copy_from_slice(held);
            self.value(f, &value[..n]);
        } else {
            let mut value = [0; SHORT_MAX];
            let n = held.len().min(SHORT_MAX);
            value[..n].copy_from_slice(&held[..n]);
            self.value(f, &value[..n]);
        }
    }

    fn value(&mut self, f: F, v: &[u8]) {
        #[cfg(test)]
        crate::app::entries::work::add(v.len());
        let (call, pool) = (&mut *self.call, &mut *self.pool);
        match f {
            F::Model => call.note(pool, Tag::Model, v),
            F::AnswerModel => call.note(pool, Tag::AnswerModel, v),
            F::Id => call.note(pool, Tag::Id, v),
            // A state on the way to the end is no reason of it.
            F::Finish if matches!(v, b"in_progress" | b"queued") => {}
            F::Finish => call.add(pool, Tag::Finish, v),
            F::ErrorType => call.note(pool, Tag::ErrorType, v),
            F::ErrorText => call.note(pool, Tag::ErrorText, v),
            F::Role => self.words.role = Role::of(v) as u8,
            F::Kind => {
                let v = v.get(..NAME_MAX).unwrap_or(v);
                let has = |w: &str| v.windows(w.len()).any(|p| p == w.as_bytes());
                self.words.kind = if has("arguments") {
                    Kind::Arguments
                } else if has("reasoning") {
                    Kind::Reasoning
                } else if has("audio.delta") || has("image") {
                    Kind::Sound
                } else {
                    Kind::Content
                };
            }
            F::CallName => {
                call.tool(pool, Tag::Called, v);
                if call.arguments.bytes > 0 {
                    call.arguments.push(pool, b"\n");
                }
            }
            F::ToolName => call.tool(pool, Tag::Defined, v),
            F::RpcMethod => {
                call.note(pool, Tag::RpcMethod, v);
                let mcp = call.short(pool, Tag::Session).or(call.short(pool, Tag::ProtocolVersion)).is_some();
                if self.proof.contains(&F::RpcKnown)
                    && let Some((dialect, operation)) = rpc::method(v, mcp)
                {
                    call.provider = dialect;
                    call.operation = operation;
                    call.proven = true;
                }
            }
            F::RpcTool => {
                call.note(pool, Tag::RpcTool, v);
                call.tool(pool, Tag::Called, v);
            }
            F::RpcResource => call.note(pool, Tag::RpcResource, v),
            F::Listed => call.add(pool, Tag::Listed, v),
            F::Collection => call.note(pool, Tag::Collection, v),
            F::ServerName => call.note(pool, Tag::ServerName, v),
            F::ServerVersion => call.note(pool, Tag::ServerVersion, v),
            F::ProtocolVersion => call.note(pool, Tag::ProtocolVersion, v),
            F::Task => call.note(pool, Tag::Task, v),
            F::Stream => call.stream = Some(v == b"true"),
            _ => {}
        }
    }

    /// A long text about a tool.
    fn long(&mut self, tag: Tag) {
        let held = core::mem::take(self.held);
        let call = &mut *self.call;
        call.tool_from(self.pool, tag, &held);
        *self.held = held;
    }
}

const fn is_long(f: F) -> bool {
    matches!(f, F::ToolDescription | F::RpcResult)
}

impl Visit for Teller<'_> {
    fn open(&mut self, f: Field) {
        let f = F::of(f);
        match f {
            F::Message => {
                self.words.in_message = true;
                self.words.role = 0;
                self.words.has_text = false;
                self.words.part_open = false;
                self.words.from = self.call.prompt.kept.len() as u32;
            }
            F::ToolDefined => {
                self.call.tools_defined = self.call.tools_defined.saturating_add(1);
                self.call.tool(self.pool, Tag::Begun, b"");
            }
            // A list or object where a text may stand says nothing by itself.
            _ => return,
        }
        self.prove(f);
    }

    fn close(&mut self, f: Field) {
        if F::of(f) == F::Message {
            let empty = !self.words.has_text && self.words.from > 0 && self.words.had_result;
            if !empty {
                self.said(Role::numbered(self.words.role));
            }
            self.words.in_message = false;
            self.words.had_result = false;
        }
    }

    fn text(&mut self, f: Field, bytes: &[u8]) {
        #[cfg(test)]
        crate::app::entries::work::add(bytes.len());
        let f = F::of(f);
        match f {
            F::Text | F::Prompt | F::System | F::ToolResult | F::Document => self.spoken(bytes),
            F::Content | F::Reasoning | F::CallArguments => self.answered(f, bytes),
            F::RpcArguments => self.call.arguments.push(self.pool, bytes),
            _ => {
                let most = match f {
                    F::Nested => NESTED_MAX,
                    f if is_long(f) => TOOL_MAX,
                    _ => SHORT_MAX,
                };
                let room = most.saturating_sub(self.held.len());
                let _full = self.held.extend(self.pool, &bytes[..bytes.len().min(room)]);
            }
        }
    }

    fn text_end(&mut self, f: Field) {
        let f = F::of(f);
        self.prove(f);
        match f {
            F::Prompt => self.said(Role::User),
            F::System => self.said(Role::System),
            F::Document => self.said(Role::Document),
            F::Nested => {
                self.words.nested = true;
                return;
            }
            F::ToolResult => {
                self.said(Role::Tool);
                self.words.had_result = true;
            }
            F::Text | F::Content | F::Reasoning | F::CallArguments => self.words.part_open = false,
            F::RpcArguments => {}
            F::ToolDescription => self.long(Tag::Description),
            F::RpcResult => self.long(Tag::Result),
            _ => self.short(f),
        }
        self.held.truncate(0);
    }

    fn number(&mut self, f: Field, text: &[u8]) {
        let f = F::of(f);
        self.prove(f);
        let whole = number(text);
        let c = &mut *self.call;
        match f {
            F::MaxTokens => c.max_tokens = whole,
            F::Temperature => c.temperature = real(text),
            F::Choice => self.words.choice = whole.unwrap_or(0) as u32,
            F::Input => c.usage.input = whole.or(c.usage.input),
            F::Output => c.usage.output = whole.or(c.usage.output),
            F::CacheRead => c.usage.cache_read = whole,
            F::CacheCreation => c.usage.cache_creation = whole,
            F::ReasoningTokens => c.usage.reasoning = whole,
            F::RpcError | F::ErrorType => c.note(self.pool, Tag::ErrorType, text),
            F::LogProb => {
                if let Some(p) = real(text).filter(|p| *p <= 0.0) {
                    c.logprobs.0 += p;
                    c.logprobs.1 += 1;
                    // The logarithm of one half.
                    c.logprobs.2 += u32::from(p < -core::f64::consts::LN_2);
                }
            }
            _ => {}
        }
    }

    fn word(&mut self, f: Field, word: Word) {
        let f = F::of(f);
        match (f, word) {
            (F::Stream, Word::True) => self.call.stream = Some(true),
            (F::Stream, Word::False) => self.call.stream = Some(false),
            (F::ToolFailed, Word::True) => self.call.tool_failed = true,
            (_, Word::Null) => return,
            _ => {}
        }
        self.prove(f);
    }
}

/// A number with a fraction.
fn real(text: &[u8]) -> Option<f64> {
    core::str::from_utf8(text).ok()?.parse().ok()
}
