//! Chroma's server, versions 1 and 2 of its API.

use super::{Dialect, F, Route, at};

const fn post(path: &'static str, operation: &'static str) -> Route {
    Route {
        path,
        operation,
        collection: true,
        request: const {
            &[&[
                at("documents[]", F::Document),
                at("query_texts[]", F::Prompt),
                at("ids", F::Proof),
                at("embeddings", F::Proof),
                at("query_embeddings", F::Proof),
                at("n_results", F::Proof),
                at("where", F::Proof),
            ]]
        },
        answer: const {
            &[&[
                at("documents[][]", F::Content),
                at("documents[]", F::Content),
                at("error", F::ErrorType),
                at("message", F::ErrorText),
            ]]
        },
        ..Route::POST
    }
}

pub static CHROMA: Dialect = Dialect {
    name: "chroma",
    routes: &[
        post("*/collections/{}/add", "upsert"),
        post("*/collections/{}/upsert", "upsert"),
        post("*/collections/{}/update", "upsert"),
        post("*/collections/{}/query", "query"),
        post("*/collections/{}/get", "query"),
        post("*/collections/{}/delete", "delete"),
        Route { method: "GET", ..post("*/collections/{}/count", "query") },
        Route {
            path: "*/api/v2/tenants/{-}/databases/{-}/collections",
            operation: "create_collection",
            request: &[&[at("name", F::Collection)]],
            ..Route::POST
        },
        Route {
            method: "GET",
            path: "*/api/v2/tenants/{-}/databases/{-}/collections",
            operation: "list_collections",
            answer: &[&[at("[].name", F::Listed)]],
            ..Route::POST
        },
        Route {
            path: "*/api/v1/collections",
            operation: "create_collection",
            request: &[&[at("name", F::Collection)]],
            ..Route::POST
        },
        Route { method: "GET", path: "*/api/v2/heartbeat", ..Route::POST },
        Route { method: "GET", path: "*/api/v1/heartbeat", ..Route::POST },
        Route {
            method: "DELETE",
            path: "*/databases/{-}/collections/{}",
            operation: "delete_collection",
            collection: true,
            ..Route::POST
        },
    ],
};
