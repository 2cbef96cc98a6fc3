//! Rules: text goes in, their meaning ([`ir::Rule`]) or the reason of a refusal comes out. Owns nothing that
//! outlives loading.
//!
//! The way of a rule: [`source`] finds its lines and options, [`header`] reads the part before the parenthesis,
//! [`index`] finds each keyword, `keyword/…` writes its meaning into the [`build::Builder`], [`check`] looks at the
//! whole.
//!
//! ```
//! use tidegate_core::rules::{Env, SetStore, Classification, References, Vars, parse_source};
//! let (vars, classes, refs, rep) = (Vars::default(), Classification::default(), References::default(), Default::default());
//! let mut load = |path: &str| Err(format!("{path}: no files here"));
//! let mut sets = SetStore::default();
//! let mut env = Env::new(&vars, &classes, &refs, &rep, &mut load, &mut sets);
//! let out = parse_source(b"alert tcp any any -> any 80 (msg:\"x\"; content:\"abc\"; nocase; sid:1;)\n", 0, &mut env);
//! assert_eq!((out.rules.len(), out.refused.len()), (1, 0));
//! ```

mod build;
mod check;
pub mod dataset;
pub mod env;
mod header;
mod index;
pub mod ir;
mod json;
mod keyword;
pub(crate) mod names;
pub mod notyet;
mod num;
pub mod refuse;
pub mod reputation;
pub mod sets;
pub mod source;
#[cfg(test)]
mod tests;
pub mod threshold_file;
mod unfit;
mod values;

pub use dataset::{HashSet, LoadedSet, SetStore};
pub use env::{Classification, Env, References};
pub use index::Index;
pub use ir::RuleMeta;
pub use keyword::list::{Listed, all as all_keywords};
pub use refuse::{Refusal, RefusalKind};
pub use reputation::{Categories, Reputation};
pub use sets::Vars;
pub(crate) use source::place;
pub use source::{Parsed, drop_duplicates, never_replaced, never_set, never_stored, parse_source};
pub use unfit::never_fits;
