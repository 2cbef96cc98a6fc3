//! The Model Context Protocol over HTTP (revisions 2024-11-05 to 2026-07-28): JSON-RPC, answers whole or as events.

use super::super::json::Path;
use super::{Dialect, F, Route, at};

/// Paths are the operator's choice, so any POST of JSON may be one: the shape proves it.
pub static MCP: Dialect = Dialect {
    name: "mcp",
    routes: &[
        Route { path: "*/mcp", ..RPC },
        Route { path: "*/messages", ..RPC },
        Route { path: "*/message", ..RPC },
        Route { path: "*/sse", ..RPC },
    ],
};

const RPC: Route =
    Route { operation: "", request: &[REQUEST], answer: &[ANSWER], proof: &[F::RpcVersion], ..Route::POST };

const REQUEST: &[Path] = &[
    at("jsonrpc", F::RpcVersion),
    at("method", F::RpcMethod),
    at("params.name", F::RpcTool),
    at("params.uri", F::RpcResource),
    at("params.arguments!", F::RpcArguments),
    at("params.protocolVersion", F::Proof),
    at("[].jsonrpc", F::RpcVersion),
    at("[].method", F::RpcMethod),
    at("[].params.name", F::RpcTool),
    at("[].params.arguments!", F::RpcArguments),
];

const ANSWER: &[Path] = &[
    at("result.tools[]", F::ToolDefined),
    at("result.tools[].name", F::ToolName),
    at("result.tools[].description", F::ToolDescription),
    at("result.content[].text", F::RpcResult),
    at("result.contents[].text", F::RpcResult),
    at("result.messages[].content.text", F::RpcResult),
    at("error.code", F::RpcError),
    at("error.message", F::ErrorText),
];
