//! Cohere's API, version 2 (and chat of version 1).

use super::super::json::Path;
use super::{Dialect, F, Route, at, openai};

pub static COHERE: Dialect = Dialect {
    name: "cohere",
    routes: &[
        Route {
            path: "*/v2/chat",
            operation: "chat",
            request: &[COMMON, openai::MESSAGES],
            answer: &[ANSWER],
            proof: &[F::Role, F::Content],
            ..Route::POST
        },
        Route {
            path: "*/v1/chat",
            operation: "chat",
            request: &[COMMON, &[at("message", F::Prompt), at("preamble", F::System)]],
            answer: &[&[
                at("text", F::Content),
                at("generation_id", F::Id),
                at("finish_reason", F::Finish),
                at("meta.tokens.input_tokens", F::Input),
                at("meta.tokens.output_tokens", F::Output),
            ]],
            proof: &[F::Prompt],
            ..Route::POST
        },
        Route {
            path: "*/v2/embed",
            operation: "embeddings",
            request: &[COMMON, &[at("texts[]", F::Prompt)]],
            answer: &[&[at("id", F::Id), at("meta.billed_units.input_tokens", F::Input)]],
            proof: &[F::Prompt],
            ..Route::POST
        },
        Route {
            path: "*/v2/rerank",
            operation: "rerank",
            request: &[COMMON, &[at("query", F::Prompt), at("documents[]", F::Document)]],
            answer: &[&[at("id", F::Id)]],
            proof: &[F::Prompt],
            ..Route::POST
        },
    ],
};

const COMMON: &[Path] = &[
    at("model", F::Model),
    at("stream", F::Stream),
    at("max_tokens", F::MaxTokens),
    at("temperature", F::Temperature),
    at("documents[].data.*", F::Document),
    at("tools[]", F::ToolDefined),
    at("tools[].function.name", F::ToolName),
    at("tools[].function.description", F::ToolDescription),
];

const ANSWER: &[Path] = &[
    at("id", F::Id),
    at("finish_reason", F::Finish),
    at("message", F::ErrorText),
    at("message.content[].text", F::Content),
    at("message.tool_plan", F::Reasoning),
    at("message.tool_calls[].function.name", F::CallName),
    at("message.tool_calls[].function.arguments", F::CallArguments),
    at("usage.tokens.input_tokens", F::Input),
    at("usage.tokens.output_tokens", F::Output),
    at("delta.message.content.text", F::Content),
    at("delta.message.tool_plan", F::Reasoning),
    at("delta.message.tool_calls.function.name", F::CallName),
    at("delta.message.tool_calls.function.arguments", F::CallArguments),
    at("delta.finish_reason", F::Finish),
    at("delta.usage.tokens.input_tokens", F::Input),
    at("delta.usage.tokens.output_tokens", F::Output),
];
