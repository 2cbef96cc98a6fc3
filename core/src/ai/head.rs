//! What the heads of messages say of a call: status, software, credential, headers of MCP.

use super::call::{Call, Credential, Tag};
use super::dialect::{Known, Route, Wire};
use crate::Dir;
use crate::app::bodies::{BodyCx, Cut, Head, Origin};
use crate::app::grpc;
use crate::pool::BytePool;

/// A target without scheme, authority, query and fragment.
pub(super) fn path(target: &[u8]) -> &[u8] {
    let from = match target.windows(3).position(|w| w == b"://") {
        Some(n) if !target.starts_with(b"/") => {
            let rest = &target[n + 3..];
            n + 3 + rest.iter().position(|c| *c == b'/').unwrap_or(rest.len())
        }
        _ => 0,
    };
    let p = &target[from..];
    &p[..p.iter().position(|c| matches!(c, b'?' | b'#')).unwrap_or(p.len())]
}

fn query(target: &[u8]) -> &[u8] {
    target.iter().position(|c| *c == b'?').map_or(&[], |n| &target[n + 1..])
}

/// How a message of that `Content-Type` is cut.
pub(super) fn cut(kind: &[u8]) -> Cut {
    let is = |name: &str| kind.get(..name.len()).is_some_and(|k| k.eq_ignore_ascii_case(name.as_bytes()));
    if is("text/event-stream") {
        Cut::Sse
    } else if ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"]
        .into_iter()
        .any(is)
    {
        Cut::Lines
    } else if is("application/grpc") {
        Cut::Grpc
    } else if is("application/vnd.amazon.eventstream") {
        Cut::EventStream
    } else {
        Cut::Any
    }
}

fn credential(head: &dyn Head, pool: &BytePool) -> Credential {
    let field = |name| head.field(Dir::ToServer, name, pool).filter(|v| !v.is_empty());
    if let Some(v) = field("authorization") {
        let is = |k: &str| v.get(..k.len()).is_some_and(|p| p.eq_ignore_ascii_case(k.as_bytes()));
        return if is("bearer") {
            Credential::Bearer
        } else if is("basic") {
            Credential::Basic
        } else if is("aws4-") {
            Credential::Signature
        } else {
            Credential::Other
        };
    }
    if ["x-api-key", "api-key", "x-goog-api-key", "ocp-apim-subscription-key", "x-auth-token"]
        .into_iter()
        .any(|n| field(n).is_some())
    {
        return Credential::ApiKey;
    }
    let named = |pair: &[u8]| {
        ["key", "api_key", "api-key", "apikey", "token", "access_token"].iter().any(|n| {
            pair.get(..n.len()).is_some_and(|k| k.eq_ignore_ascii_case(n.as_bytes()))
                && pair.get(n.len()) == Some(&b'=')
                && pair.len() > n.len() + 1
        })
    };
    if field(":path").is_some_and(|p| query(p).split(|c| *c == b'&').any(named)) {
        return Credential::Query;
    }
    if field("cookie").is_some() { Credential::Cookie } else { Credential::None }
}

/// A request begins.
pub(super) fn request(call: &mut Call, o: &Origin<'_>, (route, known): (&Route, Known), cx: &mut BodyCx<'_>) {
    call.created = cx.now;
    call.credential = credential(o.head, cx.pool);
    for (name, tag) in [
        (":path", Tag::Path),
        (":method", Tag::Method),
        ("mcp-session-id", Tag::Session),
        ("mcp-protocol-version", Tag::ProtocolVersion),
        ("mcp-method", Tag::ClaimedMethod),
        ("mcp-name", Tag::ClaimedTool),
    ] {
        keep(call, o.head, (Dir::ToServer, name), tag, cx);
    }
    model_of_query(call, o.head, cx);
    if let Some((from, to)) = known.name
        && let Some(target) = o.head.field(Dir::ToServer, ":path", cx.pool)
        && let Some(name) = path(target).get(from..to)
    {
        cx.scratch.clear();
        unescape(name, cx.scratch);
        let tag = if route.collection { Tag::Collection } else { Tag::Model };
        call.note(cx.pool, tag, cx.scratch.as_slice());
    }
}

/// The model that a query names (`?model=`).
fn model_of_query(call: &mut Call, head: &dyn Head, cx: &mut BodyCx<'_>) {
    cx.scratch.clear();
    let target = head.field(Dir::ToServer, ":path", cx.pool).unwrap_or(b"");
    if let Some(name) = query(target).split(|c| *c == b'&').find_map(|p| p.strip_prefix(b"model=")) {
        unescape(name, cx.scratch);
        call.note(cx.pool, Tag::Model, cx.scratch.as_slice());
    }
}

/// `%2F` and the like.
fn unescape(s: &[u8], out: &mut crate::pool::Scratch) {
    let hex = |c: u8| (c as char).to_digit(16).map(|d| d as u8);
    let mut at = 0;
    while let Some(&c) = s.get(at) {
        let pair = s.get(at + 1).copied().and_then(hex).zip(s.get(at + 2).copied().and_then(hex));
        match pair {
            Some((a, b)) if c == b'%' => {
                out.push(a << 4 | b);
                at += 3;
            }
            _ => {
                out.push(c);
                at += 1;
            }
        }
    }
}

/// Keeps a header field of the request.
fn keep(call: &mut Call, head: &dyn Head, (dir, name): (Dir, &str), tag: Tag, cx: &mut BodyCx<'_>) {
    // The value lies in the pool that it is copied to: it passes through the scratch.
    cx.scratch.clear();
    if let Some(v) = head.field(dir, name, cx.pool) {
        cx.scratch.extend(v);
        call.note(cx.pool, tag, cx.scratch.as_slice());
    }
}

/// An answer begins.
pub(super) fn answer(call: &mut Call, o: &Origin<'_>, cx: &mut BodyCx<'_>) {
    let status = o.head.field(Dir::ToClient, ":status", cx.pool);
    call.status = status.and_then(number).unwrap_or(0) as u16;
    keep(call, o.head, (Dir::ToClient, "server"), Tag::Server, cx);
    keep(call, o.head, (Dir::ToClient, "mcp-session-id"), Tag::Session, cx);
    if o.head.field(Dir::ToClient, "x-litellm-call-id", cx.pool).is_some()
        || o.head.field(Dir::ToClient, "x-litellm-version", cx.pool).is_some()
    {
        call.software = "litellm";
    }
}

/// A message is over.
pub(super) fn over(call: &mut Call, route: &Route, dir: Dir, o: &Origin<'_>, cx: &mut BodyCx<'_>) {
    if dir == Dir::ToServer {
        call.asked = cx.now;
        let claims = |tag, what| {
            let (said, is) = (call.short(cx.pool, tag), call.short(cx.pool, what));
            matches!((said, is), (Some(a), Some(b)) if a != b)
        };
        call.header_mismatch =
            claims(Tag::ClaimedMethod, Tag::RpcMethod) || claims(Tag::ClaimedTool, Tag::RpcTool);
        return;
    }
    call.over = cx.now;
    if route.wire == Wire::Grpc
        && let Some(path) = o.head.field(Dir::ToServer, ":path", cx.pool)
        && let Some((service, method)) = grpc::parts(path)
    {
        let at = service.len() + 1;
        cx.scratch.clear();
        cx.scratch.extend(service);
        cx.scratch.push(b'/');
        cx.scratch.extend(method);
        let both = cx.scratch.as_slice();
        call.note(cx.pool, Tag::Service, &both[..at - 1]);
        call.note(cx.pool, Tag::ServiceMethod, &both[at..]);
    }
    call.rpc_status = grpc::status(o, cx.pool);
}

/// What a server is called: host and path of the request, cut.
pub(super) struct ServerName {
    host: [u8; 128],
    path: [u8; 128],
    len: [usize; 2],
}

impl ServerName {
    pub(super) fn get(&self) -> [&[u8]; 2] {
        [self.host.get(..self.len[0]).unwrap_or(&[]), self.path.get(..self.len[1]).unwrap_or(&[])]
    }
}

pub(super) fn server(o: &Origin<'_>, pool: &BytePool) -> ServerName {
    let mut s = ServerName { host: [0; 128], path: [0; 128], len: [0; 2] };
    let field = |name| o.head.field(Dir::ToServer, name, pool).unwrap_or(b"");
    let host = Some(field(":authority")).filter(|h| !h.is_empty()).unwrap_or_else(|| field("host"));
    for ((to, len), from) in
        [&mut s.host, &mut s.path].into_iter().zip(&mut s.len).zip([host, path(field(":path"))])
    {
        *len = from.len().min(to.len());
        to.iter_mut().zip(from).for_each(|(t, f)| *t = *f);
    }
    s
}

/// A decimal number.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.len() < 20 && text.iter().all(u8::is_ascii_digit);
    digits.then(|| text.iter().fold(0, |n, c| n * 10 + u64::from(c - b'0')))
}
