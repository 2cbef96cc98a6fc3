//! llama.cpp's server (tools/server/README.md): its own paths; what it shares with OpenAI is there.

use super::super::json::Path;
use super::{Dialect, F, Route, at};

pub static LLAMACPP: Dialect = Dialect {
    name: "llamacpp",
    routes: &[
        Route { path: "*/completion", operation: "text_completion", ..COMPLETION },
        Route {
            path: "*/infill",
            operation: "text_completion",
            request: &[&[
                at("input_prefix", F::Prompt),
                at("input_suffix", F::Prompt),
                at("prompt", F::Prompt),
            ]],
            ..COMPLETION
        },
        Route {
            path: "*/embedding",
            operation: "embeddings",
            request: &[&[at("content", F::Prompt), at("input", F::Prompt), at("input[]", F::Prompt)]],
            answer: &[],
            proof: &[F::Prompt],
            ..Route::POST
        },
        Route {
            path: "*/tokenize",
            operation: "count_tokens",
            request: &[&[at("content", F::Prompt), at("prompt", F::Prompt), at("model", F::Model)]],
            answer: &[&[at("count", F::Input)]],
            proof: &[F::Prompt],
            ..Route::POST
        },
        Route {
            method: "GET",
            path: "*/slots",
            operation: "list_slots",
            answer: &[&[
                at("[].id_task", F::Proof),
                at("[].params.model", F::AnswerModel),
                at("[].prompt", F::Content),
            ]],
            proof: &[F::Proof],
            ..Route::POST
        },
        Route {
            method: "GET",
            path: "*/props",
            operation: "show_model",
            answer: &[&[at("model_path", F::AnswerModel), at("total_slots", F::Proof)]],
            proof: &[F::Proof],
            ..Route::POST
        },
    ],
};

const COMPLETION: Route =
    Route { request: &[REQUEST], answer: &[ANSWER], proof: &[F::Prompt], ..Route::POST };

const REQUEST: &[Path] = &[
    at("prompt", F::Prompt),
    at("prompt[]", F::Prompt),
    at("model", F::Model),
    at("stream", F::Stream),
    at("n_predict", F::MaxTokens),
    at("temperature", F::Temperature),
];

const ANSWER: &[Path] = &[
    at("content", F::Content),
    at("model", F::AnswerModel),
    at("stop_type", F::Finish),
    at("tokens_evaluated", F::Input),
    at("tokens_predicted", F::Output),
    at("completion_probabilities[].logprob", F::LogProb),
    at("error.type", F::ErrorType),
    at("error.message", F::ErrorText),
];
