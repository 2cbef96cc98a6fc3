//! Dialects of AI services: which requests are theirs, and what the paths of their JSON mean.
//!
//! One file each, constant data; [`registry`](super) lists them.

pub mod anthropic;
pub mod mcp;
pub mod ollama;
pub mod openai;

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
    Task,
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
    F::Task,
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

/// Requests of one kind.
#[derive(Debug)]
pub struct Route {
    /// HTTP's method; empty: any.
    pub method: &'static str,
    /// The path without its query, by segments. `*` in front: whatever comes before; `{}`: one segment, or the rest of it
    /// up to what follows, which is the model's name.
    pub path: &'static str,
    pub operation: &'static str,
    pub request: &'static [&'static [Path]],
    pub answer: &'static [&'static [Path]],
    /// One of these has to be seen, or the call is none of the dialect's. Empty: the path proves it.
    pub proof: &'static [F],
    /// Answers come in pieces unless the request says otherwise.
    pub streams: bool,
}

impl Route {
    /// A POST with nothing known of its JSON.
    pub const POST: Route = Route {
        method: "POST",
        path: "",
        operation: "",
        request: &[],
        answer: &[],
        proof: &[],
        streams: false,
    };
}

/// What a path says of the call: where in it the model's name lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    pub model: Option<(usize, usize)>,
}

/// Whether a request is of a route; `path` has no query.
pub fn fits(route: &Route, method: &[u8], path: &[u8]) -> Option<Known> {
    if !route.method.is_empty() && method != route.method.as_bytes() {
        return None;
    }
    let open = route.path.starts_with('*');
    let pattern = route.path.trim_start_matches('*').as_bytes();
    let path = path.strip_suffix(b"/").unwrap_or(path);
    // From the end: what comes before may be anything.
    let mut known = Known::default();
    let (mut p, mut end) = (pattern, path.len());
    while !p.is_empty() {
        let slash = p.iter().rposition(|c| *c == b'/')?;
        let want = &p[slash + 1..];
        p = &p[..slash];
        let from = path[..end].iter().rposition(|c| *c == b'/')?;
        let have = &path[from + 1..end];
        match want.strip_prefix(b"{}") {
            Some(tail) => {
                let name = have.strip_suffix(tail).filter(|n| !n.is_empty())?;
                known.model = Some((from + 1, from + 1 + name.len()));
            }
            None if want != have => return None,
            None => {}
        }
        end = from;
    }
    (open || end == 0).then_some(known)
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(pattern: &'static str, path: &'static str) -> Option<Option<&'static str>> {
        let route = Route { path: pattern, ..Route::POST };
        Some(fits(&route, b"POST", path.as_bytes())?.model.map(|(a, b)| &path[a..b]))
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
        assert_eq!(fits(&Route { path: "/", ..Route::POST }, b"GET", b"/"), None);
    }
}
