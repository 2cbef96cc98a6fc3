//! Model files in stores that speak S3: objects whose key ends as model files do.

use super::{Dialect, Route};

const fn object(method: &'static str, operation: &'static str) -> Route {
    Route { method, path: "*/{}", operation, header: "x-amz-date", named: Some(is_model), ..Route::POST }
}

pub static S3: Dialect = Dialect {
    name: "s3",
    routes: &[
        object("GET", "pull_model"),
        object("PUT", "push_model"),
        object("POST", "push_model"),
        object("DELETE", "delete_model"),
    ],
};

/// Whether a file's name is that of a model's.
pub fn is_model(name: &[u8]) -> bool {
    const ENDS: &[&str] = &[
        ".safetensors",
        ".gguf",
        ".ggml",
        ".pt",
        ".pth",
        ".ckpt",
        ".onnx",
        ".pkl",
        ".pickle",
        ".joblib",
        ".npz",
        ".npy",
        ".h5",
        ".keras",
        ".pb",
        ".tflite",
        ".mlmodel",
        ".engine",
        ".plan",
        ".nemo",
        ".bin",
    ];
    let tail =
        |e: &str| name.len() > e.len() && name[name.len() - e.len()..].eq_ignore_ascii_case(e.as_bytes());
    ENDS.iter().any(|e| tail(e))
}
