//! Ollama's own API (docs/api.md of github.com/ollama/ollama); answers are lines of JSON unless asked otherwise.

use super::super::json::Path;
use super::{Dialect, F, Route, at};

const fn manage(method: &'static str, path: &'static str, operation: &'static str) -> Route {
    Route {
        method,
        path,
        operation,
        request: const { &[MODEL] },
        answer: const { &[ERROR] },
        proof: &[F::Model],
        ..Route::POST
    }
}

pub static OLLAMA: Dialect = Dialect {
    name: "ollama",
    routes: &[
        Route {
            path: "*/api/chat",
            operation: "chat",
            request: &[COMMON, super::openai::MESSAGES],
            answer: &[ANSWER, ERROR],
            proof: &[F::Role, F::Content],
            streams: true,
            ..Route::POST
        },
        Route {
            path: "*/api/generate",
            operation: "text_completion",
            request: &[COMMON, &[at("prompt", F::Prompt), at("system", F::System)]],
            answer: &[ANSWER, ERROR],
            proof: &[F::Prompt, F::Model],
            streams: true,
            ..Route::POST
        },
        Route {
            path: "*/api/embed",
            operation: "embeddings",
            request: &[COMMON, &[at("input", F::Prompt), at("input[]", F::Prompt)]],
            answer: &[ANSWER, ERROR],
            proof: &[F::Prompt],
            ..Route::POST
        },
        Route {
            path: "*/api/embeddings",
            operation: "embeddings",
            request: &[COMMON, &[at("prompt", F::Prompt)]],
            answer: &[ANSWER, ERROR],
            proof: &[F::Prompt],
            ..Route::POST
        },
        Route {
            method: "GET",
            path: "*/api/tags",
            operation: "list_models",
            answer: &[&[at("models[].name", F::Listed), at("models[].digest", F::Proof)], ERROR],
            proof: &[F::Proof],
            ..Route::POST
        },
        Route {
            method: "GET",
            path: "*/api/ps",
            operation: "list_models",
            answer: &[&[at("models[].name", F::Listed), at("models[].size_vram", F::Proof)], ERROR],
            proof: &[F::Proof],
            ..Route::POST
        },
        manage("POST", "*/api/show", "show_model"),
        manage("POST", "*/api/copy", "copy_model"),
        manage("POST", "*/api/pull", "pull_model"),
        manage("POST", "*/api/push", "push_model"),
        manage("POST", "*/api/create", "create_model"),
        manage("DELETE", "*/api/delete", "delete_model"),
    ],
};

const MODEL: &[Path] = &[
    at("model", F::Model),
    at("name", F::Model),
    at("source", F::Model),
    at("stream", F::Stream),
    at("system", F::System),
];

const ERROR: &[Path] = &[at("error", F::ErrorText)];

const COMMON: &[Path] = &[
    at("model", F::Model),
    at("stream", F::Stream),
    at("options.num_predict", F::MaxTokens),
    at("options.temperature", F::Temperature),
    at("tools[]", F::ToolDefined),
    at("tools[].function.name", F::ToolName),
    at("tools[].function.description", F::ToolDescription),
];

const ANSWER: &[Path] = &[
    at("model", F::AnswerModel),
    at("response", F::Content),
    at("thinking", F::Reasoning),
    at("message.content", F::Content),
    at("message.thinking", F::Reasoning),
    at("message.tool_calls[].function.name", F::CallName),
    at("message.tool_calls[].function.arguments!", F::CallArguments),
    at("done_reason", F::Finish),
    at("prompt_eval_count", F::Input),
    at("eval_count", F::Output),
    at("logprobs[].logprob", F::LogProb),
];
