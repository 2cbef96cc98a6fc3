//! MLflow's tracking server and registry (REST API 2.0).

use super::{Dialect, F, Route, at};

const fn call(method: &'static str, path: &'static str, operation: &'static str) -> Route {
    Route {
        method,
        path,
        operation,
        request: const {
            &[&[
                at("name", F::Model),
                at("source", F::Document),
                at("run_id", F::Task),
                at("artifact_location", F::Document),
            ]]
        },
        answer: const {
            &[&[
                at("error_code", F::ErrorType),
                at("message", F::ErrorText),
                at("registered_models[].name", F::Listed),
            ]]
        },
        ..Route::POST
    }
}

pub static MLFLOW: Dialect = Dialect {
    name: "mlflow",
    routes: &[
        call("POST", "*/api/2.0/mlflow/registered-models/create", "create_model"),
        call("DELETE", "*/api/2.0/mlflow/registered-models/delete", "delete_model"),
        call("GET", "*/api/2.0/mlflow/registered-models/search", "list_models"),
        call("GET", "*/api/2.0/mlflow/registered-models/get", "show_model"),
        call("POST", "*/api/2.0/mlflow/model-versions/create", "create_model"),
        call("POST", "*/api/2.0/mlflow/model-versions/transition-stage", "update_model"),
        call("GET", "*/api/2.0/mlflow/model-versions/{-}", "show_model"),
        call("", "*/api/2.0/mlflow/{-}/{-}", ""),
        call("PUT", "*/api/2.0/mlflow-artifacts/artifacts/*", "push_model"),
        call("GET", "*/api/2.0/mlflow-artifacts/artifacts/*", "pull_model"),
        call("GET", "*/get-artifact", "pull_model"),
        call("GET", "*/model-versions/get-artifact", "pull_model"),
    ],
};
