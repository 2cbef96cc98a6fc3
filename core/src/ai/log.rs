//! The EVE `ai` record; names are those of OpenTelemetry's conventions where it has one.

use sha2::{Digest, Sha256};

use super::call::{Call, Tag};
use super::secret::{Kind, Law};
use crate::event::Fields;
use crate::pool::BytePool;

/// Most names of one kind in a record.
const NAMES: usize = 64;

pub(super) fn write(c: &Call, pool: &BytePool, out: &mut dyn Fields) {
    out.str("provider", c.provider);
    if let Some(name) = c.short(pool, Tag::ServerName) {
        let shown = |v| core::str::from_utf8(v).unwrap_or("?");
        match c.short(pool, Tag::ServerVersion) {
            Some(v) => out.fmt("server", format_args!("{} {}", shown(name), shown(v))),
            None => out.bytes("server", name),
        }
    } else if !c.software.is_empty() {
        out.str("server", c.software);
    } else if let Some(v) = c.short(pool, Tag::Server) {
        out.bytes("server", v);
    }
    if !c.operation.is_empty() {
        out.str("operation", c.operation);
    }
    out.fmt("carrier", format_args!("{}{}", c.carrier.name(), c.framing));
    request(c, pool, out);
    answer(c, pool, out);
    usage(c, out);
    timing(c, out);
    if let Some(p) = c.confidence() {
        out.f64("confidence", p);
        out.u64("low_tokens", u64::from(c.logprobs.2));
    }
    risk(c, out);
    tools(c, pool, out);
    rpc(c, pool, out);
    if out.wants("content") {
        content(c, pool, out);
    } else if out.wants("content.hash") {
        hashes(c, pool, out);
    }
}

fn text(out: &mut dyn Fields, key: &str, v: Option<&[u8]>) {
    if let Some(v) = v {
        out.bytes(key, v);
    }
}

fn count(out: &mut dyn Fields, key: &str, v: Option<u64>) {
    if let Some(v) = v {
        out.u64(key, v);
    }
}

fn request(c: &Call, pool: &BytePool, out: &mut dyn Fields) {
    out.begin_object("request");
    text(out, "method", c.short(pool, Tag::Method));
    text(out, "path", c.short(pool, Tag::Path).map(super::head::path));
    text(out, "model", c.short(pool, Tag::Model));
    text(out, "collection", c.short(pool, Tag::Collection));
    if let Some(s) = c.stream {
        out.bool("stream", s);
    }
    count(out, "max_tokens", c.max_tokens);
    if let Some(t) = c.temperature {
        out.f64("temperature", t);
    }
    count(out, "messages", Some(u64::from(c.message_count)).filter(|n| *n > 0));
    count(out, "tools", Some(u64::from(c.tools_defined)).filter(|n| *n > 0));
    count(out, "prompt_bytes", Some(c.prompt.bytes).filter(|n| *n > 0));
    out.str("credential", c.credential.name());
    out.end_object();
}

fn answer(c: &Call, pool: &BytePool, out: &mut dyn Fields) {
    out.begin_object("response");
    text(out, "id", c.short(pool, Tag::Id));
    text(out, "model", c.short(pool, Tag::AnswerModel));
    count(out, "status", Some(u64::from(c.status)).filter(|n| *n > 0));
    c.head.log(pool, Tag::Finish as u8, "finish_reasons", out);
    count(out, "completion_bytes", Some(c.completion.bytes + c.others).filter(|n| *n > 0));
    text(out, "error_type", c.short(pool, Tag::ErrorType));
    c.head.log(pool, Tag::Listed as u8, "models", out);
    out.end_object();
}

fn usage(c: &Call, out: &mut dyn Fields) {
    let u = &c.usage;
    let all = [
        ("input_tokens", c.input_tokens()),
        ("output_tokens", u.output),
        ("cache_read_input_tokens", u.cache_read),
        ("cache_creation_input_tokens", u.cache_creation),
        ("reasoning_output_tokens", u.reasoning),
    ];
    if all.iter().any(|(_, v)| v.is_some()) {
        out.begin_object("usage");
        for (key, v) in all {
            count(out, key, v);
        }
        out.end_object();
    }
}

fn ms(ns: u64) -> f64 {
    // To the microsecond: more is not in a capture.
    (ns / 1000) as f64 / 1000.0
}

fn timing(c: &Call, out: &mut dyn Fields) {
    let Some(whole) = c.over.checked_sub(c.created).filter(|_| c.over > 0) else { return };
    out.begin_object("timing");
    if let Some(t) = c.ttft() {
        out.f64("ttft_ms", ms(t));
    }
    out.f64("duration_ms", ms(whole));
    if c.chunks > 1 {
        out.u64("chunks", u64::from(c.chunks));
        let span = c.last.saturating_sub(c.first);
        out.f64("itl_ms", ms(span / u64::from(c.chunks - 1)));
        if let Some(n) = c.usage.output.filter(|n| *n > 1 && span > 0) {
            out.f64("tokens_per_s", (n as f64 * 1e12 / span as f64) as u64 as f64 / 1000.0);
        }
    }
    out.end_object();
}

/// What is wrong with the call. Places are offsets in the decoded text; the text itself is not shown.
fn risk(c: &Call, out: &mut dyn Fields) {
    let mut all = c.verdicts[0];
    all.merge(&c.verdicts[1]);
    if all.score == 0 {
        return;
    }
    out.begin_object("risk");
    out.u64("score", u64::from(all.score));
    if all.families != 0 {
        out.begin_array("families");
        all.families().for_each(|f| out.str("", f.name()));
        out.end_array();
    }
    leaked(c, out);
    if c.verdicts[0].score > 0 && c.verdicts[0].score >= c.verdicts[1].score {
        out.begin_object("where");
        out.u64("message", u64::from(c.worst.0));
        out.str("role", c.worst.1.name());
        out.end_object();
    }
    out.begin_array("why");
    for e in all.evidence.iter().filter(|e| e.weight > 0) {
        out.begin_object("");
        let family = super::risk::Family::ALL.into_iter().find(|f| e.families & f.bit() != 0);
        out.str("what", family.map_or("words", super::risk::Family::name));
        out.u64("from", u64::from(e.from));
        out.u64("to", u64::from(e.to));
        out.f64("weight", f64::from(e.weight) / 10.0);
        out.end_object();
    }
    out.end_array();
    out.end_object();
}

/// What kinds of secrets and personal data were found, and what rules they fall under; never the data.
fn leaked(c: &Call, out: &mut dyn Fields) {
    if c.leaks.kinds == 0 {
        return;
    }
    let mut laws = 0;
    out.begin_array("data");
    for kind in Kind::ALL.into_iter().filter(|k| c.leaks.kinds >> *k as u16 & 1 != 0) {
        laws |= kind.laws();
        out.str("", kind.name());
    }
    out.end_array();
    if laws != 0 {
        out.begin_array("laws");
        Law::ALL.into_iter().filter(|l| laws & *l as u8 != 0).for_each(|l| out.str("", l.name()));
        out.end_array();
    }
}

fn tools(c: &Call, pool: &BytePool, out: &mut dyn Fields) {
    let lists = [
        ("called", Tag::Called),
        ("defined", Tag::Defined),
        ("answered", Tag::Answered),
        ("changed", Tag::Changed),
    ];
    if lists.iter().all(|(_, t)| c.tools.all(pool, *t as u8).next().is_none()) {
        return;
    }
    out.begin_object("tools");
    for (key, tag) in lists {
        c.tools.log(pool, tag as u8, key, out);
    }
    out.end_object();
}

fn rpc(c: &Call, pool: &BytePool, out: &mut dyn Fields) {
    if c.provider == "mcp" {
        out.begin_object("mcp");
        text(out, "method", c.short(pool, Tag::RpcMethod));
        text(out, "tool", c.short(pool, Tag::RpcTool));
        text(out, "resource", c.short(pool, Tag::RpcResource));
        text(out, "session", c.short(pool, Tag::Session));
        text(out, "protocol_version", c.short(pool, Tag::ProtocolVersion));
        if c.tool_failed {
            out.bool("failed", true);
        }
        if c.header_mismatch {
            out.bool("header_mismatch", true);
        }
        out.end_object();
    } else if c.provider == "a2a" {
        out.begin_object("a2a");
        text(out, "method", c.short(pool, Tag::RpcMethod));
        text(out, "task_id", c.short(pool, Tag::Task));
        out.end_object();
    }
    if c.short(pool, Tag::Service).is_some() {
        out.begin_object("rpc");
        text(out, "service", c.short(pool, Tag::Service));
        text(out, "method", c.short(pool, Tag::ServiceMethod));
        count(out, "status", c.rpc_status);
        out.end_object();
    }
}

fn content(c: &Call, pool: &BytePool, out: &mut dyn Fields) {
    if c.message_count > 0 {
        out.begin_array("messages");
        for m in c.messages(pool) {
            out.begin_object("");
            out.str("role", m.role.name());
            out.bytes("content", c.text(pool, m));
            out.end_object();
        }
        out.end_array();
        text(out, "prompt", c.prompt(pool));
    }
    text(out, "error", c.short(pool, Tag::ErrorText));
    text(out, "completion", Some(c.completion.kept.get(pool)).filter(|t| !t.is_empty()));
    text(out, "reasoning", Some(c.reasoning.kept.get(pool)).filter(|t| !t.is_empty()));
    text(out, "tool_arguments", Some(c.arguments.kept.get(pool)).filter(|t| !t.is_empty()));
    let results = c.tools.all(pool, Tag::Result as u8).take(NAMES);
    let mut any = false;
    for r in results {
        if !any {
            out.begin_array("tool_results");
            any = true;
        }
        out.bytes("", r);
    }
    if any {
        out.end_array();
    }
}

/// Digests and lengths in place of texts.
fn hashes(c: &Call, pool: &BytePool, out: &mut dyn Fields) {
    let mut one = |key: &str, text: &[u8]| {
        if !text.is_empty() {
            out.begin_object(key);
            out.hex("sha256", &Sha256::digest(text));
            out.u64("bytes", text.len() as u64);
            out.end_object();
        }
    };
    one("prompt", c.prompt(pool).unwrap_or(&[]));
    one("completion", c.completion.kept.get(pool));
}
