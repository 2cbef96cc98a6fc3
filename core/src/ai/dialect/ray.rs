//! Ray's dashboard: jobs and Serve.

use super::{Dialect, F, Route, at};

const fn job(method: &'static str, path: &'static str, operation: &'static str) -> Route {
    Route {
        method,
        path,
        operation,
        request: const { &[&[at("entrypoint", F::RpcArguments), at("submission_id", F::Task)]] },
        answer: const {
            &[&[
                at("submission_id", F::Task),
                at("job_id", F::Task),
                at("status", F::Finish),
                at("ray_version", F::Proof),
                at("logs", F::RpcResult),
                at("[].submission_id", F::Listed),
            ]]
        },
        proof: &[F::RpcArguments, F::Task, F::Proof, F::Listed],
        ..Route::POST
    }
}

pub static RAY: Dialect = Dialect {
    name: "ray",
    routes: &[
        job("POST", "*/api/jobs", "submit_job"),
        job("GET", "*/api/jobs", "list_jobs"),
        job("GET", "*/api/jobs/{-}", "show_job"),
        job("POST", "*/api/jobs/{-}/stop", "stop_job"),
        Route { proof: &[], ..job("GET", "*/api/jobs/{-}/logs", "show_job") },
        job("GET", "*/api/version", "show_version"),
        Route { proof: &[], ..job("PUT", "*/api/serve/applications", "submit_job") },
        Route { proof: &[], ..job("GET", "*/api/serve/applications", "list_models") },
    ],
};
