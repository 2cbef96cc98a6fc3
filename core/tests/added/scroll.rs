//! A dialect as somebody adds one, for the test that a file and a line of the registry are all it takes. No service speaks
//! it.

use super::super::json::Path;
use super::{Dialect, F, Route, at};

pub static SCROLL: Dialect = Dialect {
    name: "scroll",
    routes: &[Route {
        path: "*/scroll/speak",
        operation: "chat",
        request: &[REQUEST],
        answer: &[&[at("said", F::Content), at("spent.in", F::Input), at("spent.out", F::Output)]],
        proof: &[F::Prompt],
        ..Route::POST
    }],
};

const REQUEST: &[Path] = &[at("voice", F::Model), at("ask", F::Prompt)];
