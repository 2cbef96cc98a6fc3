//! Milvus: RESTful interface, version 2, and gRPC (fields by number, milvus.proto).

use super::{Dialect, F, Route, Wire, at};

const fn rest(path: &'static str, operation: &'static str) -> Route {
    Route {
        path,
        operation,
        request: const {
            &[&[at("collectionName", F::Collection), at("data[].*", F::Document), at("filter", F::Prompt)]]
        },
        answer: const { &[&[at("data[].*", F::Content), at("message", F::ErrorText)]] },
        proof: &[F::Collection],
        ..Route::POST
    }
}

const fn grpc(path: &'static str, operation: &'static str) -> Route {
    Route {
        path,
        operation,
        wire: Wire::Grpc,
        request: const { &[&[at("3", F::Collection)]] },
        ..Route::POST
    }
}

pub static MILVUS: Dialect = Dialect {
    name: "milvus",
    routes: &[
        rest("*/v2/vectordb/entities/insert", "upsert"),
        rest("*/v2/vectordb/entities/upsert", "upsert"),
        rest("*/v2/vectordb/entities/search", "query"),
        rest("*/v2/vectordb/entities/query", "query"),
        rest("*/v2/vectordb/entities/get", "query"),
        rest("*/v2/vectordb/entities/delete", "delete"),
        rest("*/v2/vectordb/collections/create", "create_collection"),
        rest("*/v2/vectordb/collections/drop", "delete_collection"),
        Route { proof: &[], ..rest("*/v2/vectordb/collections/list", "list_collections") },
        grpc("/milvus.proto.milvus.MilvusService/Insert", "upsert"),
        grpc("/milvus.proto.milvus.MilvusService/Upsert", "upsert"),
        grpc("/milvus.proto.milvus.MilvusService/Search", "query"),
        grpc("/milvus.proto.milvus.MilvusService/Query", "query"),
        grpc("/milvus.proto.milvus.MilvusService/Delete", "delete"),
        grpc("/milvus.proto.milvus.MilvusService/CreateCollection", "create_collection"),
        grpc("/milvus.proto.milvus.MilvusService/DropCollection", "delete_collection"),
        Route { request: &[], ..grpc("/milvus.proto.milvus.MilvusService/{-}", "") },
    ],
};
