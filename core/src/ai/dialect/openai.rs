//! OpenAI's API (github.com/openai/openai-openapi), and what vLLM, SGLang, LiteLLM, LM Studio, llama.cpp and NIM add to it.

use super::super::json::Path;
use super::{Dialect, F, Route, Wire, at};

pub static OPENAI: Dialect = Dialect {
    name: "openai",
    routes: &[
        Route {
            path: "*/chat/completions",
            operation: "chat",
            request: &[COMMON, MESSAGES],
            answer: &[ANSWER, CHAT],
            proof: &[F::Role, F::Content],
            ..Route::POST
        },
        Route {
            path: "*/completions",
            operation: "text_completion",
            request: &[COMMON, PROMPT],
            answer: &[ANSWER, COMPLETION],
            proof: &[F::Prompt],
            ..Route::POST
        },
        Route {
            path: "*/embeddings",
            operation: "embeddings",
            request: &[COMMON, INPUT],
            answer: &[ANSWER],
            proof: &[F::Prompt, F::Input],
            ..Route::POST
        },
        Route {
            path: "*/responses",
            operation: "chat",
            request: &[COMMON, RESPONSES],
            answer: &[ANSWER, RESPONSE],
            proof: &[F::Prompt, F::Role, F::Content],
            ..Route::POST
        },
        Route {
            method: "GET",
            path: "*/realtime",
            operation: "realtime",
            wire: Wire::Socket,
            request: &[REALTIME],
            answer: &[
                RESPONSE,
                &[
                    at("session.model", F::AnswerModel),
                    at("error.message", F::ErrorText),
                    at("error.type", F::ErrorType),
                ],
            ],
            proof: &[F::Kind],
            ..Route::POST
        },
        Route {
            path: "*/images/generations",
            operation: "generate_content",
            request: &[COMMON, PROMPT],
            answer: &[ANSWER],
            proof: &[F::Prompt],
            ..Route::POST
        },
        Route {
            path: "*/threads/{-}/messages",
            operation: "create_message",
            request: &[&[at("role", F::Role), at("content", F::Prompt), at("content[].text", F::Prompt)]],
            answer: &[&[at("id", F::Id)]],
            proof: &[F::Prompt],
            ..Route::POST
        },
        Route {
            path: "*/threads/{-}/runs",
            operation: "chat",
            request: &[COMMON, &[at("instructions", F::System), at("assistant_id", F::Proof)]],
            answer: &[ANSWER, RESPONSE],
            proof: &[F::Proof],
            ..Route::POST
        },
        Route {
            path: "*/fine_tuning/jobs",
            operation: "create_model",
            request: &[COMMON],
            answer: &[ANSWER],
            proof: &[F::Model],
            ..Route::POST
        },
        Route {
            path: "*/rerank",
            operation: "rerank",
            request: &[
                COMMON,
                &[
                    at("query", F::Prompt),
                    at("documents[]", F::Document),
                    at("documents[].text", F::Document),
                ],
            ],
            answer: &[ANSWER],
            proof: &[F::Prompt],
            ..Route::POST
        },
        Route {
            path: "*/moderations",
            operation: "moderation",
            request: &[COMMON, INPUT],
            answer: &[ANSWER],
            proof: &[F::Prompt],
            ..Route::POST
        },
        Route {
            method: "GET",
            path: "*/v1/models",
            operation: "list_models",
            answer: &[ANSWER, MODELS],
            proof: &[F::Listed],
            ..Route::POST
        },
        Route {
            method: "GET",
            path: "*/v1/models/{}",
            operation: "show_model",
            answer: &[ANSWER, &[at("owned_by", F::Proof)]],
            proof: &[F::Proof],
            ..Route::POST
        },
    ],
};

const COMMON: &[Path] = &[
    at("model", F::Model),
    at("stream", F::Stream),
    at("max_tokens", F::MaxTokens),
    at("max_completion_tokens", F::MaxTokens),
    at("max_output_tokens", F::MaxTokens),
    at("temperature", F::Temperature),
    at("tools[]", F::ToolDefined),
    at("tools[].function.name", F::ToolName),
    at("tools[].function.description", F::ToolDescription),
    at("tools[].name", F::ToolName),
    at("tools[].description", F::ToolDescription),
];

pub(super) const MESSAGES: &[Path] = &[
    at("messages[]", F::Message),
    at("messages[].role", F::Role),
    at("messages[].content", F::Text),
    at("messages[].content[]", F::Text),
    at("messages[].content[].text", F::Text),
];

const PROMPT: &[Path] = &[at("prompt", F::Prompt), at("prompt[]", F::Prompt), at("suffix", F::Prompt)];

const INPUT: &[Path] = &[at("input", F::Prompt), at("input[]", F::Prompt), at("input[].text", F::Prompt)];

const RESPONSES: &[Path] = &[
    at("instructions", F::System),
    at("input", F::Prompt),
    at("input[]", F::Message),
    at("input[].role", F::Role),
    at("input[].content", F::Text),
    at("input[].content[].text", F::Text),
    at("input[].output", F::ToolResult),
];

const ANSWER: &[Path] = &[
    at("id", F::Id),
    at("model", F::AnswerModel),
    at("usage.prompt_tokens", F::Input),
    at("usage.completion_tokens", F::Output),
    at("usage.input_tokens", F::Input),
    at("usage.output_tokens", F::Output),
    at("usage.prompt_tokens_details.cached_tokens", F::CacheRead),
    at("usage.input_tokens_details.cached_tokens", F::CacheRead),
    at("usage.completion_tokens_details.reasoning_tokens", F::ReasoningTokens),
    at("usage.output_tokens_details.reasoning_tokens", F::ReasoningTokens),
    at("error", F::ErrorText),
    at("error.type", F::ErrorType),
    at("error.code", F::ErrorType),
    at("error.message", F::ErrorText),
    at("detail", F::ErrorText),
];

const CHAT: &[Path] = &[
    at("choices[].index", F::Choice),
    at("choices[].finish_reason", F::Finish),
    at("choices[].message.content", F::Content),
    at("choices[].message.content[].text", F::Content),
    at("choices[].message.refusal", F::Content),
    at("choices[].message.reasoning", F::Reasoning),
    at("choices[].message.reasoning_content", F::Reasoning),
    at("choices[].message.tool_calls[].function.name", F::CallName),
    at("choices[].message.tool_calls[].function.arguments", F::CallArguments),
    at("choices[].message.function_call.name", F::CallName),
    at("choices[].message.function_call.arguments", F::CallArguments),
    at("choices[].delta.content", F::Content),
    at("choices[].delta.refusal", F::Content),
    at("choices[].delta.reasoning", F::Reasoning),
    at("choices[].delta.reasoning_content", F::Reasoning),
    at("choices[].delta.tool_calls[].function.name", F::CallName),
    at("choices[].delta.tool_calls[].function.arguments", F::CallArguments),
    at("choices[].delta.function_call.name", F::CallName),
    at("choices[].delta.function_call.arguments", F::CallArguments),
    at("choices[].logprobs.content[].logprob", F::LogProb),
];

const COMPLETION: &[Path] = &[
    at("choices[].index", F::Choice),
    at("choices[].finish_reason", F::Finish),
    at("choices[].text", F::Content),
    at("choices[].logprobs.token_logprobs[]", F::LogProb),
];

/// The Responses API, whole and as events.
const RESPONSE: &[Path] = &[
    at("status", F::Finish),
    at("output[].content[].text", F::Content),
    at("output[].summary[].text", F::Reasoning),
    at("output[].name", F::CallName),
    at("output[].arguments", F::CallArguments),
    at("type", F::Kind),
    at("delta", F::Content),
    at("item.name", F::CallName),
    at("response.id", F::Id),
    at("response.model", F::AnswerModel),
    at("response.status", F::Finish),
    at("response.usage.input_tokens", F::Input),
    at("response.usage.output_tokens", F::Output),
    at("response.usage.input_tokens_details.cached_tokens", F::CacheRead),
    at("response.usage.output_tokens_details.reasoning_tokens", F::ReasoningTokens),
    at("response.error.code", F::ErrorType),
    at("response.error.message", F::ErrorText),
];

const MODELS: &[Path] = &[at("data[].id", F::Listed), at("data[].owned_by", F::Proof)];

/// What a client says over the realtime interface.
const REALTIME: &[Path] = &[
    at("type", F::Kind),
    at("item", F::Message),
    at("item.role", F::Role),
    at("item.content[].text", F::Text),
    at("item.content[].transcript", F::Text),
    at("item.output", F::ToolResult),
    at("session.model", F::Model),
    at("session.instructions", F::System),
    at("session.tools[]", F::ToolDefined),
    at("session.tools[].name", F::ToolName),
    at("session.tools[].description", F::ToolDescription),
    at("response.instructions", F::System),
];
