//! Rules: text goes in, an immutable rule set comes out.

pub mod ir;
pub use ir::RuleMeta;
