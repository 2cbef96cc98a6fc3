//! JSON-RPC 2.0 at any path: the method says whether it is the Model Context Protocol (revisions 2024-11-05 to
//! 2026-07-28), the Agent2Agent protocol, or neither.

use super::super::json::Path;
use super::{Dialect, F, Route, at};

/// Asked last: any POST of JSON that no other dialect knows.
pub static RPC: Dialect = Dialect {
    name: "",
    routes: &[
        Route {
            path: "*",
            request: &[REQUEST],
            answer: &[ANSWER],
            proof: &[F::RpcKnown],
            json: true,
            ..Route::POST
        },
        // Answers, and requests of the server, by a stream of its own (2024-11-05 to 2025-11-25).
        Route { path: "*/sse", ..STREAM },
        Route { path: "*/mcp", ..STREAM },
    ],
};

const STREAM: Route = Route {
    method: "GET",
    answer: &[ANSWER, &[at("method", F::RpcMethod), at("jsonrpc", F::RpcVersion)]],
    proof: &[F::RpcKnown, F::ToolDefined],
    ..Route::POST
};

const REQUEST: &[Path] = &[
    at("jsonrpc", F::RpcVersion),
    at("method", F::RpcMethod),
    at("params.name", F::RpcTool),
    at("params.uri", F::RpcResource),
    at("params.arguments!", F::RpcArguments),
    at("params.id", F::Task),
    at("params.taskId", F::Task),
    at("params.message", F::Message),
    at("params.message.role", F::Role),
    at("params.message.parts[].text", F::Text),
    at("params.messages[]", F::Message),
    at("params.messages[].role", F::Role),
    at("params.messages[].content.text", F::Text),
    at("[].jsonrpc", F::RpcVersion),
    at("[].method", F::RpcMethod),
    at("[].params.name", F::RpcTool),
    at("[].params.uri", F::RpcResource),
    at("[].params.arguments!", F::RpcArguments),
];

const ANSWER: &[Path] = &[
    at("result.tools[]", F::ToolDefined),
    at("result.tools[].name", F::ToolName),
    at("result.tools[].description", F::ToolDescription),
    at("result.tools[].inputSchema.properties.*.description", F::ToolDescription),
    at("result.prompts[].description", F::ToolDescription),
    at("result.resources[].description", F::ToolDescription),
    at("result.instructions", F::ToolDescription),
    at("result.serverInfo.name", F::ServerName),
    at("result.serverInfo.version", F::ServerVersion),
    at("result.protocolVersion", F::ProtocolVersion),
    at("result.content[].text", F::RpcResult),
    at("result.contents[].text", F::RpcResult),
    at("result.messages[].content.text", F::RpcResult),
    at("result.id", F::Task),
    at("result.artifacts[].parts[].text", F::Content),
    at("result.artifact.parts[].text", F::Content),
    at("result.status.message.parts[].text", F::Content),
    at("result.parts[].text", F::Content),
    at("result.isError", F::ToolFailed),
    at("error.code", F::RpcError),
    at("error.message", F::ErrorText),
];

/// Methods of MCP with their operations.
const OF_MCP: &[(&str, &str)] = &[
    ("tools/call", "execute_tool"),
    ("tools/list", "list_tools"),
    ("initialize", ""),
    ("ping", ""),
    ("server/discover", ""),
    ("completion/complete", ""),
    ("logging/setLevel", ""),
    ("roots/list", ""),
    ("sampling/createMessage", "chat"),
    ("elicitation/create", ""),
    ("subscriptions/listen", ""),
];
/// Those of A2A.
const OF_A2A: &[(&str, &str)] = &[
    ("message/send", "invoke_agent"),
    ("message/stream", "invoke_agent"),
    ("SendMessage", "invoke_agent"),
    ("SendStreamingMessage", "invoke_agent"),
    ("GetTask", ""),
    ("ListTasks", ""),
    ("CancelTask", ""),
    ("SubscribeToTask", ""),
    ("GetExtendedAgentCard", ""),
    ("agent/getAuthenticatedExtendedCard", ""),
    ("tasks/resubscribe", ""),
];

/// Services and operations that methods are of.
pub fn services() -> impl Iterator<Item = (&'static str, &'static str)> {
    let of = |name: &'static str| move |m: &(&'static str, &'static str)| (name, m.1);
    OF_MCP.iter().map(of("mcp")).chain(OF_A2A.iter().map(of("a2a")))
}

/// What a method is of: the dialect and the operation. `mcp`: the request has headers of MCP.
pub fn method(name: &[u8], mcp: bool) -> Option<(&'static str, &'static str)> {
    let find = |list: &[(&'static str, &'static str)]| {
        list.iter().find(|(n, _)| n.as_bytes() == name).map(|(_, o)| *o)
    };
    let starts = |p: &str| name.starts_with(p.as_bytes());
    if let Some(o) = find(OF_MCP) {
        return Some(("mcp", o));
    }
    if let Some(o) = find(OF_A2A) {
        return Some(("a2a", o));
    }
    if starts("tools/") || starts("resources/") || starts("prompts/") || starts("notifications/") {
        return Some(("mcp", ""));
    }
    // Both have tasks.
    if starts("tasks/") {
        return Some((if mcp { "mcp" } else { "a2a" }, ""));
    }
    let config = name.windows(22).any(|w| w == b"PushNotificationConfig");
    config.then_some(("a2a", ""))
}
