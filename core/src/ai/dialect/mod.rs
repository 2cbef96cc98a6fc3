//! Dialects of AI services: which requests are theirs, and what the paths of their JSON mean.
//!
//! One file each, constant data; [`registry`](super) lists them.

pub mod a2a;
pub mod anthropic;
pub mod bedrock;
pub mod chroma;
pub mod cohere;
pub mod comfyui;
pub mod gemini;
pub mod gradio;
pub mod jupyter;
pub mod kserve;
pub mod llamacpp;
pub mod milvus;
pub mod mlflow;
pub mod ollama;
pub mod openai;
pub mod qdrant;
pub mod ray;
pub mod rpc;
pub mod s3;
#[cfg(test)]
#[path = "../../../tests/added/scroll.rs"]
pub mod scroll;
pub mod tfserving;
pub mod tgi;
pub mod weaviate;

use super::json::Path;

/// What lies at a path of a request or an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum F {
    None,
    // Requests.
    Model,
    Stream,
    MaxTokens,
    Temperature,
    /// A message: its text is what lies within.
    Message,
    Role,
    /// Text of the message at hand; a part of it, if there are several.
    Text,
    /// Text that is a message of the user, of the system.
    Prompt,
    System,
    ToolDefined,
    ToolName,
    ToolDescription,
    /// A result that a tool gave, told to the model.
    ToolResult,
    /// Text that a store is given, or a model besides the question.
    Document,
    Collection,
    // Answers.
    Id,
    AnswerModel,
    /// One of several answers: its number.
    Choice,
    Content,
    Reasoning,
    Finish,
    CallName,
    CallArguments,
    Input,
    Output,
    CacheRead,
    CacheCreation,
    ReasoningTokens,
    ErrorType,
    ErrorText,
    LogProb,
    // Remote procedure calls in JSON.
    RpcVersion,
    RpcMethod,
    RpcTool,
    RpcResource,
    RpcArguments,
    RpcError,
    RpcResult,
    /// The method is one of a dialect.
    RpcKnown,
    Task,
    ServerName,
    ServerVersion,
    ProtocolVersion,
    ToolFailed,
    /// Kind of an event: says what a text that follows is.
    Kind,
    /// JSON in base64.
    Nested,
    /// Something that a service has: a model, a collection.
    Listed,
    /// Proves the dialect, and says nothing more.
    Proof,
}

impl F {
    const LAST: F = F::Proof;

    /// The field of that number.
    pub fn of(n: u8) -> F {
        ALL.get(usize::from(n)).copied().unwrap_or(F::None)
    }
}

/// All fields, by their number.
static ALL: [F; F::LAST as usize + 1] = [
    F::None,
    F::Model,
    F::Stream,
    F::MaxTokens,
    F::Temperature,
    F::Message,
    F::Role,
    F::Text,
    F::Prompt,
    F::System,
    F::ToolDefined,
    F::ToolName,
    F::ToolDescription,
    F::ToolResult,
    F::Document,
    F::Collection,
    F::Id,
    F::AnswerModel,
    F::Choice,
    F::Content,
    F::Reasoning,
    F::Finish,
    F::CallName,
    F::CallArguments,
    F::Input,
    F::Output,
    F::CacheRead,
    F::CacheCreation,
    F::ReasoningTokens,
    F::ErrorType,
    F::ErrorText,
    F::LogProb,
    F::RpcVersion,
    F::RpcMethod,
    F::RpcTool,
    F::RpcResource,
    F::RpcArguments,
    F::RpcError,
    F::RpcResult,
    F::RpcKnown,
    F::Task,
    F::ServerName,
    F::ServerVersion,
    F::ProtocolVersion,
    F::ToolFailed,
    F::Kind,
    F::Nested,
    F::Listed,
    F::Proof,
];

const _: () = {
    let mut i = 0;
    while i < ALL.len() {
        assert!(ALL[i] as usize == i);
        i += 1;
    }
};

/// A path of a dialect.
pub const fn at(path: &'static str, f: F) -> Path {
    (path, f as u8)
}

/// A dialect: its name in records, and its requests.
#[derive(Debug)]
pub struct Dialect {
    pub name: &'static str,
    pub routes: &'static [Route],
}

/// What the bytes of a route's messages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// JSON over HTTP.
    Json,
    /// Protocol buffers over gRPC; keys of paths are numbers of fields.
    Grpc,
    /// JSON in the messages of a WebSocket.
    Socket,
}

/// Requests of one kind.
#[derive(Debug)]
pub struct Route {
    /// HTTP's method; empty: any.
    pub method: &'static str,
    /// The path without its query, by segments. `*` in front: whatever comes before, at the end: whatever follows; `{}`: one
    /// segment, or the rest of it up to what follows, which is a name (of several the first); `{-}`: one segment.
    pub path: &'static str,
    pub wire: Wire,
    pub operation: &'static str,
    pub request: &'static [&'static [Path]],
    pub answer: &'static [&'static [Path]],
    /// One of these has to be seen, or the call is none of the dialect's. Empty: the path proves it.
    pub proof: &'static [F],
    /// Answers come in pieces unless the request says otherwise.
    pub streams: bool,
    /// The name in the path is that of a collection, not of a model.
    pub collection: bool,
    /// Requests say that they are JSON.
    pub json: bool,
    /// A header field that requests have; empty: none.
    pub header: &'static str,
    /// What the name in the path must be.
    pub named: Option<fn(&[u8]) -> bool>,
}

impl Route {
    /// A POST with nothing known of its JSON.
    pub const POST: Route = Route {
        method: "POST",
        path: "",
        wire: Wire::Json,
        operation: "",
        request: &[],
        answer: &[],
        proof: &[],
        streams: false,
        collection: false,
        json: false,
        header: "",
        named: None,
    };
}

/// What a path says of the call: where in it the name lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    pub name: Option<(usize, usize)>,
}

/// The last segment of a path.
pub fn last_of(path: &[u8]) -> &[u8] {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    path.rsplit(|c| *c == b'/').next().unwrap_or(path)
}

/// What the last segment of a route's paths is, if it is the same in all.
pub fn last_wanted(route: &Route) -> &'static [u8] {
    let last = last_of(route.path.as_bytes());
    if last.iter().any(|c| matches!(c, b'*' | b'{')) { &[] } else { last }
}

/// Of a route whose last segment is not the same in all paths: how the last one ends, and what the one before it is; empty:
/// anything.
pub fn ending_wanted(route: &Route) -> (&'static [u8], &'static [u8]) {
    let path = route.path.as_bytes();
    if path.ends_with(b"/*") || !last_wanted(route).is_empty() {
        return (&[], &[]);
    }
    let last = last_of(path);
    let tail = last.strip_prefix(b"{}").or(last.strip_prefix(b"{-}")).unwrap_or(&[]);
    let before = last_of(path.strip_suffix(last).unwrap_or(path));
    let open = before.iter().any(|c| matches!(c, b'*' | b'{'));
    (if tail.contains(&b'{') { &[] } else { tail }, if open { &[] } else { before })
}

/// Whether a request is of a route by its method and path; `path` has no query.
pub fn fits(route: &Route, method: &[u8], path: &[u8]) -> Option<Known> {
    if !route.method.is_empty() && method != route.method.as_bytes() {
        return None;
    }
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let Some(front) = route.path.strip_suffix("/*") else {
        return tail_fits(route, route.path, path, path.len());
    };
    // Whatever follows the front part.
    let ends = memchr::memchr_iter(b'/', path).filter(|n| *n > 0);
    ends.into_iter().find_map(|n| tail_fits(route, front, path, n))
}

/// Whether the first `end` bytes of a path are as the pattern says, compared from the end.
fn tail_fits(route: &Route, pattern: &'static str, path: &[u8], end: usize) -> Option<Known> {
    let open = pattern.starts_with('*');
    let mut p = pattern.trim_start_matches('*').as_bytes();
    let mut known = Known::default();
    let mut end = end;
    while !p.is_empty() {
        let slash = p.iter().rposition(|c| *c == b'/')?;
        let want = &p[slash + 1..];
        p = &p[..slash];
        let from = path.get(..end)?.iter().rposition(|c| *c == b'/')?;
        let have = &path[from + 1..end];
        match want.strip_prefix(b"{}") {
            Some(tail) => {
                let name = have.strip_suffix(tail).filter(|n| !n.is_empty())?;
                known.name = Some((from + 1, from + 1 + name.len()));
            }
            None if want == b"{-}" && !have.is_empty() => {}
            None if want != have => return None,
            None => {}
        }
        end = from;
    }
    let named = |is: fn(&[u8]) -> bool| known.name.is_some_and(|(a, b)| is(&path[a..b]));
    ((open || end == 0) && route.named.is_none_or(named)).then_some(known)
}

/// What a text without a name of its own is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    #[default]
    Content,
    Reasoning,
    Arguments,
    /// Sound in base64.
    Sound,
}

/// What is remembered between the values of a message.
#[derive(Clone, Copy, Debug, Default)]
pub struct Words {
    pub(super) role: u8,
    /// The message at hand began there among the texts; it has text already.
    pub(super) from: u32,
    pub(super) has_text: bool,
    pub(super) in_message: bool,
    /// The message at hand had results of tools, which are messages of their own.
    pub(super) had_result: bool,
    /// Number of the answer at hand.
    pub(super) choice: u32,
    /// The text at hand began a part.
    pub(super) part_open: bool,
    /// What the kind of the event says of its text.
    pub(super) kind: Kind,
    /// A value in base64 is whole.
    pub(super) nested: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(pattern: &'static str, path: &'static str) -> Option<Option<&'static str>> {
        let route = Route { path: pattern, ..Route::POST };
        // What is looked at first never refuses what fits.
        let last = last_wanted(&route);
        assert!(
            last.is_empty()
                || last == last_of(path.as_bytes())
                || fits(&route, b"POST", path.as_bytes()).is_none()
        );
        Some(fits(&route, b"POST", path.as_bytes())?.name.map(|(a, b)| &path[a..b]))
    }

    #[test]
    fn paths() {
        assert_eq!(model("*/chat/completions", "/v1/chat/completions"), Some(None));
        assert_eq!(model("*/chat/completions", "/chat/completions/"), Some(None));
        assert_eq!(model("*/chat/completions", "/v1/xchat/completions"), None);
        assert_eq!(model("/api/chat", "/x/api/chat"), None);
        assert_eq!(model("/api/chat", "/api/chat"), Some(None));
        assert_eq!(model("*/models/{}:generate", "/v1/models/gemini-2:generate"), Some(Some("gemini-2")));
        assert_eq!(model("*/models/{}:generate", "/v1/models/:generate"), None);
        assert_eq!(model("*/model/{}/invoke", "/model/a.b/invoke"), Some(Some("a.b")));
        assert_eq!(model("*/a/{}/b/{}", "/a/x/b/y"), Some(Some("x")));
        assert_eq!(model("*/a/{-}/b", "/a/x/b"), Some(None));
        assert_eq!(model("*/files/*", "/v/files/a/b"), Some(None));
        assert_eq!(model("*", "/x/y"), Some(None));
        assert_eq!(fits(&Route { path: "/", ..Route::POST }, b"GET", b"/"), None);
    }
}
