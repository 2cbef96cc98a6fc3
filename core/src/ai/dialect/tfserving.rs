//! TensorFlow Serving: REST of versions and labels, and gRPC (fields by number, prediction_service.proto).

use super::{Dialect, F, Route, Wire, at};

const fn rest(path: &'static str) -> Route {
    Route {
        path,
        operation: "infer",
        request: const {
            &[&[
                at("signature_name", F::Proof),
                at("instances", F::Proof),
                at("inputs", F::Proof),
                at("examples", F::Proof),
            ]]
        },
        answer: const {
            &[&[
                at("predictions", F::Proof),
                at("outputs", F::Proof),
                at("results", F::Proof),
                at("error", F::ErrorText),
            ]]
        },
        proof: &[F::Proof],
        ..Route::POST
    }
}

const fn grpc(path: &'static str, operation: &'static str) -> Route {
    Route { path, operation, wire: Wire::Grpc, request: const { &[&[at("1.1", F::Model)]] }, ..Route::POST }
}

pub static TFSERVING: Dialect = Dialect {
    name: "tfserving",
    routes: &[
        rest("*/v1/models/{}/versions/{-}:predict"),
        rest("*/v1/models/{}/versions/{-}:classify"),
        rest("*/v1/models/{}/versions/{-}:regress"),
        rest("*/v1/models/{}/labels/{-}:predict"),
        rest("*/v1/models/{}:classify"),
        rest("*/v1/models/{}:regress"),
        grpc("/tensorflow.serving.PredictionService/Predict", "infer"),
        grpc("/tensorflow.serving.PredictionService/Classify", "infer"),
        grpc("/tensorflow.serving.PredictionService/Regress", "infer"),
        grpc("/tensorflow.serving.PredictionService/GetModelMetadata", "show_model"),
        grpc("/tensorflow.serving.ModelService/GetModelStatus", "show_model"),
        grpc("/tensorflow.serving.ModelService/HandleReloadConfigRequest", "load_model"),
        Route { request: &[], ..grpc("/tensorflow.serving.PredictionService/{-}", "") },
    ],
};
