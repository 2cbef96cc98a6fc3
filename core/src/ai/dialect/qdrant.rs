//! Qdrant's REST interface.

use super::{Dialect, F, Route, at};

const fn on(method: &'static str, path: &'static str, operation: &'static str) -> Route {
    Route {
        method,
        path,
        operation,
        collection: true,
        request: const {
            &[&[
                at("points[].payload.*", F::Document),
                at("query", F::Prompt),
                at("query.text", F::Prompt),
                at("points", F::Proof),
                at("vector", F::Proof),
                at("limit", F::Proof),
            ]]
        },
        answer: const { &[&[at("result[].payload.*", F::Content), at("status.error", F::ErrorText)]] },
        ..Route::POST
    }
}

pub static QDRANT: Dialect = Dialect {
    name: "qdrant",
    routes: &[
        on("PUT", "*/collections/{}/points", "upsert"),
        on("POST", "*/collections/{}/points/search", "query"),
        on("POST", "*/collections/{}/points/query", "query"),
        on("POST", "*/collections/{}/points/scroll", "query"),
        on("POST", "*/collections/{}/points/recommend", "query"),
        on("POST", "*/collections/{}/points/count", "query"),
        on("POST", "*/collections/{}/points/delete", "delete"),
        on("PUT", "*/collections/{}", "create_collection"),
        on("DELETE", "*/collections/{}", "delete_collection"),
        on("POST", "*/collections/{}/snapshots", "snapshot"),
        on("GET", "*/collections/{}/snapshots", "snapshot"),
        Route {
            method: "GET",
            path: "/collections",
            operation: "list_collections",
            answer: &[&[at("result.collections[].name", F::Listed)]],
            proof: &[F::Listed],
            ..Route::POST
        },
    ],
};
