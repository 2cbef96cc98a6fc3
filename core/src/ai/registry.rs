//! The list of dialects. A new one adds its file and one line here.

use super::dialect::{self, Dialect, Route};

/// Every dialect, in the order in which they are asked.
static DIALECTS: &[&Dialect] =
    &[&dialect::openai::OPENAI, &dialect::anthropic::ANTHROPIC, &dialect::ollama::OLLAMA, &dialect::mcp::MCP];

/// All routes with their dialect's name.
pub(super) fn routes() -> impl Iterator<Item = (&'static str, &'static Route)> {
    DIALECTS.iter().flat_map(|d| d.routes.iter().map(|r| (d.name, r)))
}
