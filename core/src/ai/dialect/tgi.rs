//! Text Generation Inference 3.3 (`/generate` and its stream); SGLang's own `/generate` has the same path and other names.

use super::super::json::Path;
use super::{Dialect, F, Route, at};

pub static TGI: Dialect = Dialect {
    name: "tgi",
    routes: &[
        Route {
            path: "*/generate",
            operation: "text_completion",
            request: &[REQUEST],
            answer: &[&[
                at("generated_text", F::Content),
                at("text", F::Content),
                at("[].generated_text", F::Content),
                at("details.finish_reason", F::Finish),
                at("details.generated_tokens", F::Output),
                at("details.input_length", F::Input),
                at("details.tokens[].logprob", F::LogProb),
                at("meta_info.id", F::Id),
                at("meta_info.prompt_tokens", F::Input),
                at("meta_info.completion_tokens", F::Output),
                at("meta_info.finish_reason.type", F::Finish),
                at("error", F::ErrorText),
                at("error_type", F::ErrorType),
            ]],
            proof: &[F::Prompt],
            ..Route::POST
        },
        Route {
            path: "*/generate_stream",
            operation: "text_completion",
            request: &[REQUEST],
            answer: &[&[
                at("token.text", F::Content),
                at("token.logprob", F::LogProb),
                at("details.finish_reason", F::Finish),
                at("details.generated_tokens", F::Output),
                at("details.input_length", F::Input),
                at("error", F::ErrorText),
                at("error_type", F::ErrorType),
            ]],
            proof: &[F::Prompt],
            streams: true,
            ..Route::POST
        },
        Route {
            method: "GET",
            path: "*/info",
            operation: "show_model",
            answer: &[&[at("model_id", F::AnswerModel), at("max_batch_total_tokens", F::Proof)]],
            proof: &[F::Proof],
            ..Route::POST
        },
    ],
};

const REQUEST: &[Path] = &[
    at("inputs", F::Prompt),
    at("text", F::Prompt),
    at("text[]", F::Prompt),
    at("model", F::Model),
    at("stream", F::Stream),
    at("parameters.max_new_tokens", F::MaxTokens),
    at("parameters.temperature", F::Temperature),
    at("sampling_params.max_new_tokens", F::MaxTokens),
    at("sampling_params.temperature", F::Temperature),
];
