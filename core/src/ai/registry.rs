//! The list of dialects. A new one adds its file and one line here.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::dialect::{self, Dialect, Route};

/// Every dialect, in the order in which they are asked.
static DIALECTS: &[&Dialect] = &[
    &dialect::openai::OPENAI,
    &dialect::anthropic::ANTHROPIC,
    &dialect::ollama::OLLAMA,
    &dialect::gemini::GEMINI,
    &dialect::bedrock::BEDROCK,
    &dialect::cohere::COHERE,
    &dialect::kserve::KSERVE,
    &dialect::tfserving::TFSERVING,
    &dialect::tgi::TGI,
    &dialect::llamacpp::LLAMACPP,
    &dialect::a2a::A2A,
    &dialect::jupyter::JUPYTER,
    &dialect::ray::RAY,
    &dialect::mlflow::MLFLOW,
    &dialect::chroma::CHROMA,
    &dialect::qdrant::QDRANT,
    &dialect::weaviate::WEAVIATE,
    &dialect::milvus::MILVUS,
    &dialect::comfyui::COMFYUI,
    &dialect::gradio::GRADIO,
    &dialect::s3::S3,
    #[cfg(test)]
    &dialect::scroll::SCROLL,
    // Takes any JSON that is posted.
    &dialect::rpc::RPC,
];

/// All routes with their dialect's name.
pub(super) fn routes() -> impl Iterator<Item = (&'static str, &'static Route)> {
    DIALECTS.iter().flat_map(|d| d.routes.iter().map(|r| (d.name, r)))
}

/// Each dialect's name with its requests, for documents.
pub(super) fn names() -> impl Iterator<Item = (&'static str, Vec<String>)> {
    let request = |r: &Route| {
        let method = match r.wire {
            dialect::Wire::Grpc => "gRPC",
            dialect::Wire::Socket => "WebSocket",
            dialect::Wire::Json if r.method.is_empty() => "any",
            dialect::Wire::Json => r.method,
        };
        format!("{method} `{}`", r.path)
    };
    DIALECTS.iter().map(move |d| {
        (if d.name.is_empty() { "mcp, a2a" } else { d.name }, d.routes.iter().map(request).collect())
    })
}

/// Each service with each operation that its calls can have; either may be empty.
pub(super) fn services() -> impl Iterator<Item = (&'static str, &'static str)> {
    routes().map(|(name, r)| (name, r.operation)).chain(dialect::rpc::services())
}
