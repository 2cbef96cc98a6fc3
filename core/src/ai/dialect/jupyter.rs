//! Jupyter Server: contents, kernels, sessions and terminals by REST, messages of kernels over WebSocket.

use super::{Dialect, F, Route, Wire, at};

const fn rest(
    method: &'static str,
    path: &'static str,
    operation: &'static str,
    proof: &'static [F],
) -> Route {
    Route {
        method,
        path,
        operation,
        answer: const {
            &[&[
                at("execution_state", F::Proof),
                at("[].execution_state", F::Proof),
                at("kernel.id", F::Proof),
                at("[].kernel.id", F::Proof),
                at("last_modified", F::Proof),
                at("message", F::ErrorText),
            ]]
        },
        request: const { &[&[at("content", F::Document), at("content.cells[].source", F::Document)]] },
        proof,
        ..Route::POST
    }
}

pub static JUPYTER: Dialect = Dialect {
    name: "jupyter",
    routes: &[
        rest("GET", "*/api/kernels", "list_kernels", &[F::Proof]),
        rest("POST", "*/api/kernels", "start_kernel", &[F::Proof]),
        rest("DELETE", "*/api/kernels/{-}", "stop_kernel", &[]),
        rest("POST", "*/api/sessions", "start_kernel", &[F::Proof]),
        rest("GET", "*/api/sessions", "list_kernels", &[F::Proof]),
        rest("PUT", "*/api/contents/{-}", "write_file", &[F::Proof]),
        rest("GET", "*/api/contents/{-}", "read_file", &[F::Proof]),
        rest("GET", "*/api/contents", "list_files", &[F::Proof]),
        rest("POST", "*/api/terminals", "open_terminal", &[]),
        Route {
            method: "GET",
            path: "*/api/kernels/{-}/channels",
            operation: "execute_code",
            wire: Wire::Socket,
            request: &[&[at("header.msg_type", F::RpcMethod), at("content.code", F::RpcArguments)]],
            answer: &[&[
                at("content.text", F::RpcResult),
                at("content.data.*", F::RpcResult),
                at("content.ename", F::ErrorType),
                at("content.evalue", F::ErrorText),
            ]],
            proof: &[F::RpcMethod],
            ..Route::POST
        },
    ],
};
