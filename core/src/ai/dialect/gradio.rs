//! Gradio apps: functions by their name or number.

use super::{Dialect, F, Route, at};

const fn run(path: &'static str, proof: &'static [F]) -> Route {
    Route {
        path,
        operation: "infer",
        request: const {
            &[&[
                at("data[]", F::Prompt),
                at("fn_index", F::Proof),
                at("session_hash", F::Proof),
                at("api_name", F::Proof),
            ]]
        },
        answer: const {
            &[&[
                at("data[]", F::Content),
                at("event_id", F::Id),
                at("error", F::ErrorText),
                at("output.data[]", F::Content),
            ]]
        },
        proof,
        ..Route::POST
    }
}

pub static GRADIO: Dialect = Dialect {
    name: "gradio",
    routes: &[
        run("*/gradio_api/call/{}", &[]),
        run("*/gradio_api/run/{}", &[]),
        run("*/gradio_api/queue/join", &[]),
        run("*/queue/join", &[F::Proof]),
        run("*/run/predict", &[F::Prompt, F::Proof]),
        run("*/api/predict", &[F::Proof]),
        Route {
            method: "GET",
            path: "*/config",
            operation: "show_version",
            answer: &[&[at("components[].type", F::Proof), at("version", F::ServerVersion)]],
            proof: &[F::Proof],
            ..Route::POST
        },
    ],
};
