//! The Agent2Agent protocol 0.3 and 1.0 over REST and gRPC; its JSON-RPC is told from MCP's by the method ([`rpc`](super::rpc)).

use super::super::json::Path;
use super::{Dialect, F, Route, Wire, at};

const fn rest(path: &'static str) -> Route {
    Route {
        path,
        operation: "invoke_agent",
        request: const { &[REQUEST] },
        answer: const { &[ANSWER] },
        proof: &[F::Prompt, F::Role, F::Task],
        ..Route::POST
    }
}

pub static A2A: Dialect = Dialect {
    name: "a2a",
    routes: &[
        rest("*/message:send"),
        rest("*/message:stream"),
        rest("*/v1/message:send"),
        Route { request: &[], proof: &[], ..rest("*/tasks/{-}:cancel") },
        Route { request: &[], proof: &[], ..rest("*/tasks/{-}:subscribe") },
        Route {
            method: "GET",
            path: "*/.well-known/agent-card.json",
            operation: "agent_card",
            answer: &[&[
                at("skills[].name", F::ToolName),
                at("skills[].description", F::ToolDescription),
                at("skills[]", F::ToolDefined),
            ]],
            proof: &[F::ToolDefined],
            ..Route::POST
        },
        Route {
            path: "/lf.a2a.v1.A2AService/{-}",
            operation: "invoke_agent",
            wire: Wire::Grpc,
            ..Route::POST
        },
        Route { path: "/a2a.v1.A2AService/{-}", operation: "invoke_agent", wire: Wire::Grpc, ..Route::POST },
    ],
};

const REQUEST: &[Path] = &[
    at("message", F::Message),
    at("message.role", F::Role),
    at("message.parts[].text", F::Text),
    at("message.content[].text", F::Text),
    at("message.taskId", F::Task),
];

const ANSWER: &[Path] = &[
    at("task.id", F::Task),
    at("task.artifacts[].parts[].text", F::Content),
    at("task.status.message.parts[].text", F::Content),
    at("message.parts[].text", F::Content),
    at("msg.parts[].text", F::Content),
    at("artifactUpdate.artifact.parts[].text", F::Content),
];
