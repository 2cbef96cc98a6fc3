//! What rules can name of a call: buffers, numbers, events, and their values.

use super::COMPLETE;
use super::call::{Call, Message, Role, Tag, Text};
use super::risk::Family;
use crate::Dir;
use crate::app::txs::Tx;
use crate::app::{Buffer, BufferAt, BufferDef, BufferKind, IntAt, IntDef, buffer_at, event_at, int_at};
use crate::pool::BytePool;

pub(super) static EVENTS: &[&str] = &["malformed_json", "too_deep", "truncated", "gap", "tool_changed"];
pub(super) const EV_JSON: u8 = event_at(EVENTS, "malformed_json");
pub(super) const EV_DEEP: u8 = event_at(EVENTS, "too_deep");
pub(super) const EV_TRUNCATED: u8 = event_at(EVENTS, "truncated");
pub(super) const EV_TOOL: u8 = event_at(EVENTS, "tool_changed");
pub(super) const EV_GAP: u8 = event_at(EVENTS, "gap");

const fn b(name: &'static str, dirs: u8, kind: BufferKind) -> BufferDef {
    BufferDef { name, aliases: &[], modifiers: &[], dirs, progress: 0, kind }
}

const TS: u8 = Dir::ToServer.bit();
const TC: u8 = Dir::ToClient.bit();

pub(super) static BUFFERS: &[BufferDef] = &[
    b("ai.provider", TS | TC, BufferKind::Single),
    b("ai.operation", TS | TC, BufferKind::Single),
    b("ai.model", TS, BufferKind::Single),
    b("ai.prompt", TS, BufferKind::Multi),
    b("ai.system", TS, BufferKind::Multi),
    b("ai.server", TC, BufferKind::Single),
    b("ai.response_model", TC, BufferKind::Single),
    b("ai.completion", TC, BufferKind::Streaming),
    b("ai.reasoning", TC, BufferKind::Streaming),
    b("ai.error", TC, BufferKind::Single),
    b("ai.finish_reason", TC, BufferKind::Multi),
    b("ai.credential", TS | TC, BufferKind::Single),
    b("ai.tool.name", TS | TC, BufferKind::Multi),
    b("ai.tool.arguments", TS | TC, BufferKind::Streaming),
    b("ai.tool.result", TS | TC, BufferKind::Multi),
    b("ai.tool.description", TS | TC, BufferKind::Multi),
    b("mcp.method", TS, BufferKind::Single),
    b("mcp.tool", TS, BufferKind::Single),
    b("mcp.session", TS, BufferKind::Single),
];

const PROVIDER: u8 = buffer_at(BUFFERS, "ai.provider");
const OPERATION: u8 = buffer_at(BUFFERS, "ai.operation");
const MODEL: u8 = buffer_at(BUFFERS, "ai.model");
const PROMPT: u8 = buffer_at(BUFFERS, "ai.prompt");
const SYSTEM: u8 = buffer_at(BUFFERS, "ai.system");
const SERVER: u8 = buffer_at(BUFFERS, "ai.server");
const ANSWER_MODEL: u8 = buffer_at(BUFFERS, "ai.response_model");
const COMPLETION: u8 = buffer_at(BUFFERS, "ai.completion");
const REASONING: u8 = buffer_at(BUFFERS, "ai.reasoning");
const ERROR: u8 = buffer_at(BUFFERS, "ai.error");
const FINISH: u8 = buffer_at(BUFFERS, "ai.finish_reason");
const CREDENTIAL: u8 = buffer_at(BUFFERS, "ai.credential");
const TOOL_NAME: u8 = buffer_at(BUFFERS, "ai.tool.name");
const ARGUMENTS: u8 = buffer_at(BUFFERS, "ai.tool.arguments");
const TOOL_RESULT: u8 = buffer_at(BUFFERS, "ai.tool.result");
const DESCRIPTION: u8 = buffer_at(BUFFERS, "ai.tool.description");
const MCP_METHOD: u8 = buffer_at(BUFFERS, "mcp.method");
const MCP_TOOL: u8 = buffer_at(BUFFERS, "mcp.tool");
const MCP_SESSION: u8 = buffer_at(BUFFERS, "mcp.session");

const fn i(name: &'static str, dirs: u8) -> IntDef {
    IntDef { name, aliases: &[], dirs, progress: COMPLETE, multi: false, values: &[] }
}

pub(super) static INTS: &[IntDef] = &[
    i("ai.messages", TS),
    i("ai.stream", TS),
    i("ai.status", TC),
    i("ai.tokens.input", TC),
    i("ai.tokens.output", TC),
    i("ai.ttft", TC),
    i("ai.confidence", TC),
    IntDef { progress: 0, ..i("ai.risk", TS | TC) },
    IntDef { name: "ai.family", aliases: &[], dirs: TS | TC, progress: 0, multi: true, values: FAMILIES },
];

/// Families of risk, by their number.
const FAMILIES: &[(&str, u64)] = &{
    let mut all = [("", 0); Family::ALL.len()];
    let mut i = 0;
    while i < all.len() {
        all[i] = (Family::ALL[i].name(), i as u64);
        i += 1;
    }
    all
};

const I_MESSAGES: u8 = int_at(INTS, "ai.messages");
const I_STREAM: u8 = int_at(INTS, "ai.stream");
const I_STATUS: u8 = int_at(INTS, "ai.status");
const I_INPUT: u8 = int_at(INTS, "ai.tokens.input");
const I_OUTPUT: u8 = int_at(INTS, "ai.tokens.output");
const I_TTFT: u8 = int_at(INTS, "ai.ttft");
const I_CONFIDENCE: u8 = int_at(INTS, "ai.confidence");
pub(super) const I_RISK: u8 = int_at(INTS, "ai.risk");
pub(super) const I_FAMILY: u8 = int_at(INTS, "ai.family");

/// Whether a message is instructions, not what a user or a document says.
const fn is_tool(r: Role) -> bool {
    matches!(r, Role::Tool | Role::Function)
}

pub(super) fn buffer<'a>(tx: &'a Tx<Call>, at: BufferAt<'a>) -> Buffer<'a> {
    let BufferAt { local, dir, index, pool, .. } = at;
    let c = &tx.own;
    let over = tx.common.progress(dir) >= COMPLETE;
    if !c.proven {
        return if over { Buffer::Absent } else { Buffer::NotYet };
    }
    let missing = if over { Buffer::Absent } else { Buffer::NotYet };
    let text = |t: &'static str| if t.is_empty() { missing } else { Buffer::whole(t.as_bytes()) };
    let one = |tag| c.short(pool, tag).map_or(missing, Buffer::whole);
    if index > 0 && BUFFERS.get(usize::from(local)).is_some_and(|b| !matches!(b.kind, BufferKind::Multi)) {
        return Buffer::Absent;
    }
    match local {
        PROVIDER => text(c.provider),
        OPERATION => text(c.operation),
        CREDENTIAL => text(c.credential.name()),
        MODEL => one(Tag::Model),
        SERVER if !c.software.is_empty() => text(c.software),
        SERVER => one(Tag::Server),
        ANSWER_MODEL => one(Tag::AnswerModel),
        ERROR => match one(Tag::ErrorText) {
            Buffer::Absent => one(Tag::ErrorType),
            b => b,
        },
        MCP_METHOD => one(Tag::RpcMethod),
        MCP_TOOL => one(Tag::RpcTool),
        MCP_SESSION => one(Tag::Session),
        PROMPT => spoken(c, pool, index, |r| !r.is_system()),
        SYSTEM => spoken(c, pool, index, Role::is_system),
        COMPLETION => growing(&c.completion, pool, over),
        REASONING => growing(&c.reasoning, pool, over),
        ARGUMENTS => growing(&c.arguments, pool, over),
        FINISH => listed(c.head.nth(pool, Tag::Finish as u8, index)),
        TOOL_NAME => {
            let tags = [Tag::Called, Tag::Defined];
            listed(tags.iter().flat_map(|t| c.tools.all(pool, *t as u8)).nth(index as usize))
        }
        TOOL_RESULT => match c.tools.nth(pool, Tag::Result as u8, index) {
            Some(v) => Buffer::whole(v),
            None => {
                let before = c.tools.all(pool, Tag::Result as u8).count() as u32;
                spoken(c, pool, index - before.min(index), is_tool)
            }
        },
        DESCRIPTION => listed(c.tools.nth(pool, Tag::Description as u8, index)),
        _ => Buffer::Absent,
    }
}

fn listed(v: Option<&[u8]>) -> Buffer<'_> {
    v.map_or(Buffer::Absent, Buffer::whole)
}

fn spoken<'a>(c: &Call, pool: &'a BytePool, index: u32, is: impl Fn(Role) -> bool) -> Buffer<'a> {
    let of = |m: &Message| is(m.role) && m.to > m.from;
    c.messages(pool).filter(of).nth(index as usize).map_or(Buffer::Absent, |m| Buffer::whole(c.text(pool, m)))
}

fn growing<'a>(t: &Text, pool: &'a BytePool, over: bool) -> Buffer<'a> {
    match (t.kept.is_empty(), over) {
        (true, true) => Buffer::Absent,
        (true, false) => Buffer::NotYet,
        (false, end) => Buffer::Data { bytes: t.kept.get(pool), offset: 0, end },
    }
}

pub(super) fn int(tx: &Tx<Call>, at: IntAt<'_>) -> Option<u64> {
    let c = &tx.own;
    if !c.proven || (at.index > 0 && at.local != I_FAMILY) {
        return None;
    }
    let verdict = &c.verdicts[at.dir.ix()];
    match at.local {
        I_MESSAGES => Some(u64::from(c.message_count)),
        I_STREAM => Some(u64::from(c.stream == Some(true))),
        I_STATUS if c.status != 0 => Some(u64::from(c.status)),
        I_INPUT => c.input_tokens(),
        I_OUTPUT => c.usage.output,
        I_TTFT => c.ttft().map(|ns| ns / 1_000_000),
        // Nothing is known before the first text is whole.
        I_RISK if verdict.score > 0 || tx.common.progress(at.dir) >= COMPLETE => {
            Some(u64::from(verdict.score))
        }
        I_FAMILY => verdict.families().nth(at.index as usize).map(|f| f as u64),
        // In hundredths.
        I_CONFIDENCE => c.confidence().map(|p| (p * 100.0) as u64),
        _ => None,
    }
}
