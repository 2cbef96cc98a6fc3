//! Anthropic's Messages API (version 2023-06-01), whole and as events.

use super::super::json::Path;
use super::{Dialect, F, Route, at};

pub static ANTHROPIC: Dialect = Dialect {
    name: "anthropic",
    routes: &[
        Route {
            path: "*/v1/messages",
            operation: "chat",
            request: &[REQUEST],
            answer: &[ANSWER],
            proof: &[F::Role, F::Content],
            ..Route::POST
        },
        Route {
            path: "*/v1/messages/count_tokens",
            operation: "count_tokens",
            request: &[REQUEST],
            answer: &[&[at("input_tokens", F::Input)]],
            proof: &[F::Role],
            ..Route::POST
        },
        Route {
            path: "*/v1/complete",
            operation: "text_completion",
            request: &[&[
                at("model", F::Model),
                at("prompt", F::Prompt),
                at("stream", F::Stream),
                at("max_tokens_to_sample", F::MaxTokens),
            ]],
            answer: &[&[
                at("completion", F::Content),
                at("stop_reason", F::Finish),
                at("model", F::AnswerModel),
                at("id", F::Id),
            ]],
            proof: &[F::Prompt],
            ..Route::POST
        },
    ],
};

pub(super) const REQUEST: &[Path] = &[
    at("model", F::Model),
    at("stream", F::Stream),
    at("max_tokens", F::MaxTokens),
    at("temperature", F::Temperature),
    at("system", F::System),
    at("system[].text", F::System),
    at("messages[]", F::Message),
    at("messages[].role", F::Role),
    at("messages[].content", F::Text),
    at("messages[].content[].text", F::Text),
    at("messages[].content[].content", F::ToolResult),
    at("messages[].content[].content[].text", F::ToolResult),
    at("tools[]", F::ToolDefined),
    at("tools[].name", F::ToolName),
    at("tools[].description", F::ToolDescription),
];

pub(super) const ANSWER: &[Path] = &[
    at("id", F::Id),
    at("model", F::AnswerModel),
    at("stop_reason", F::Finish),
    at("content[].text", F::Content),
    at("content[].thinking", F::Reasoning),
    at("content[].name", F::CallName),
    at("content[].input!", F::CallArguments),
    at("usage.input_tokens", F::Input),
    at("usage.output_tokens", F::Output),
    at("usage.cache_read_input_tokens", F::CacheRead),
    at("usage.cache_creation_input_tokens", F::CacheCreation),
    at("error.type", F::ErrorType),
    at("error.message", F::ErrorText),
    at("message.id", F::Id),
    at("message.model", F::AnswerModel),
    at("message.usage.input_tokens", F::Input),
    at("message.usage.output_tokens", F::Output),
    at("message.usage.cache_read_input_tokens", F::CacheRead),
    at("message.usage.cache_creation_input_tokens", F::CacheCreation),
    at("content_block.name", F::CallName),
    at("content_block.text", F::Content),
    at("delta.text", F::Content),
    at("delta.thinking", F::Reasoning),
    at("delta.partial_json", F::CallArguments),
    at("delta.stop_reason", F::Finish),
];
