//! Weaviate's REST and GraphQL interfaces.

use super::{Dialect, F, Route, at};

pub static WEAVIATE: Dialect = Dialect {
    name: "weaviate",
    routes: &[
        Route {
            path: "*/v1/objects",
            operation: "upsert",
            request: &[&[at("class", F::Collection), at("properties.*", F::Document)]],
            proof: &[F::Collection],
            ..Route::POST
        },
        Route {
            path: "*/v1/batch/objects",
            operation: "upsert",
            request: &[&[at("objects[].class", F::Collection), at("objects[].properties.*", F::Document)]],
            proof: &[F::Collection],
            ..Route::POST
        },
        Route {
            path: "*/v1/graphql",
            operation: "query",
            request: &[&[at("query", F::Prompt)]],
            answer: &[&[at("data.Get.*[].*", F::Content), at("errors[].message", F::ErrorText)]],
            proof: &[F::Prompt],
            ..Route::POST
        },
        Route {
            method: "GET",
            path: "*/v1/schema",
            operation: "list_collections",
            answer: &[&[at("classes[].class", F::Listed)]],
            proof: &[F::Listed],
            ..Route::POST
        },
    ],
};
