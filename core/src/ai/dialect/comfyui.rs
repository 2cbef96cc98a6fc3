//! ComfyUI: graphs of nodes are run for whoever posts them.

use super::{Dialect, F, Route, at};

pub static COMFYUI: Dialect = Dialect {
    name: "comfyui",
    routes: &[
        Route {
            path: "*/prompt",
            operation: "submit_job",
            request: &[&[
                at("prompt.*.class_type", F::ToolName),
                at("prompt.*.inputs.text", F::Prompt),
                at("prompt.*.inputs.ckpt_name", F::Model),
            ]],
            answer: &[&[
                at("prompt_id", F::Task),
                at("error.type", F::ErrorType),
                at("error.message", F::ErrorText),
            ]],
            proof: &[F::ToolName],
            ..Route::POST
        },
        Route {
            method: "GET",
            path: "*/system_stats",
            operation: "show_version",
            answer: &[&[at("system.comfyui_version", F::ServerVersion)]],
            proof: &[F::ServerVersion],
            ..Route::POST
        },
    ],
};
