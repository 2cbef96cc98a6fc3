//! KServe's protocols, version 1 and 2 (Open Inference Protocol), and what Triton adds: REST and gRPC. Names of gRPC's
//! fields are their numbers (grpc_predict_v2.proto).

use super::{Dialect, F, Route, at};

const fn get(path: &'static str, operation: &'static str) -> Route {
    Route { method: "GET", path, operation, answer: const { &[ERROR] }, ..Route::POST }
}

const fn grpc(path: &'static str, operation: &'static str) -> Route {
    Route {
        path,
        operation,
        wire: super::Wire::Grpc,
        request: const { &[&[at("1", F::Model)]] },
        answer: const { &[&[at("1", F::AnswerModel), at("3", F::Id)]] },
        ..Route::POST
    }
}

const ERROR: &[super::super::json::Path] = &[at("error", F::ErrorText)];

pub static KSERVE: Dialect = Dialect {
    name: "kserve",
    routes: &[
        Route { path: "*/v2/models/{}/infer", ..INFER },
        Route { path: "*/v2/models/{}/versions/{-}/infer", ..INFER },
        Route { path: "*/v2/models/{}/generate", streams: false, ..GENERATE },
        Route { path: "*/v2/models/{}/generate_stream", streams: true, ..GENERATE },
        Route { path: "*/v1/models/{}:predict", ..PREDICT },
        Route { path: "*/v1/models/{}:explain", ..PREDICT },
        Route {
            path: "*/v2/repository/index",
            operation: "list_models",
            answer: &[&[at("[].name", F::Listed)], ERROR],
            ..Route::POST
        },
        Route {
            path: "*/v2/repository/models/{}/load",
            operation: "load_model",
            answer: &[ERROR],
            ..Route::POST
        },
        Route {
            path: "*/v2/repository/models/{}/unload",
            operation: "unload_model",
            answer: &[ERROR],
            ..Route::POST
        },
        get("*/v2/models/{}", "show_model"),
        get("*/v2/models/{}/ready", "show_model"),
        get("*/v2/models/{}/config", "show_model"),
        get("*/v2/models/{}/stats", "show_model"),
        get("*/v2/health/live", ""),
        get("*/v2/health/ready", ""),
        grpc("/inference.GRPCInferenceService/ModelInfer", "infer"),
        Route {
            answer: &[&[at("1", F::ErrorText), at("2.1", F::AnswerModel), at("2.3", F::Id)]],
            ..grpc("/inference.GRPCInferenceService/ModelStreamInfer", "infer")
        },
        grpc("/inference.GRPCInferenceService/ModelReady", "show_model"),
        grpc("/inference.GRPCInferenceService/ModelMetadata", "show_model"),
        grpc("/inference.GRPCInferenceService/ModelConfig", "show_model"),
        grpc("/inference.GRPCInferenceService/ModelStatistics", "show_model"),
        Route {
            request: &[],
            answer: &[&[at("1.1", F::Listed)]],
            ..grpc("/inference.GRPCInferenceService/RepositoryIndex", "list_models")
        },
        Route {
            request: &[&[at("2", F::Model)]],
            answer: &[],
            ..grpc("/inference.GRPCInferenceService/RepositoryModelLoad", "load_model")
        },
        Route {
            request: &[&[at("2", F::Model)]],
            answer: &[],
            ..grpc("/inference.GRPCInferenceService/RepositoryModelUnload", "unload_model")
        },
        Route { request: &[], answer: &[], ..grpc("/inference.GRPCInferenceService/{-}", "") },
    ],
};

const INFER: Route = Route {
    operation: "infer",
    request: &[&[at("id", F::Id), at("inputs[].data[]", F::Prompt), at("inputs[].name", F::Proof)]],
    answer: &[&[
        at("model_name", F::AnswerModel),
        at("id", F::Id),
        at("outputs[].name", F::Proof),
        at("error", F::ErrorText),
    ]],
    ..Route::POST
};

const GENERATE: Route = Route {
    operation: "text_completion",
    request: &[&[
        at("text_input", F::Prompt),
        at("parameters.max_tokens", F::MaxTokens),
        at("max_tokens", F::MaxTokens),
    ]],
    answer: &[&[at("text_output", F::Content), at("model_name", F::AnswerModel), at("error", F::ErrorText)]],
    proof: &[F::Prompt],
    ..Route::POST
};

const PREDICT: Route = Route {
    operation: "infer",
    request: &[&[at("instances[]", F::Prompt), at("instances", F::Proof), at("inputs", F::Proof)]],
    answer: &[&[at("predictions", F::Proof), at("outputs", F::Proof), at("error", F::ErrorText)]],
    proof: &[F::Proof, F::Prompt],
    ..Route::POST
};
