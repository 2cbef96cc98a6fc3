//! Policies of files: YAML goes in, the tables of [`tidegate_core::policy`] come out, or the place and reason why not.
//!
//! [`tree`] reads YAML with the place of every value, [`mod@read`] is the language, `fits` refuses lines that no flow fits, `behind`
//! finds those that others leave nothing to, [`flows`] reads flows that are written as text.

mod behind;
mod fits;
pub mod flows;
mod read;
pub mod tree;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidegate_core::policy::{Policy, Source, Wrong as Contradiction};

pub use behind::behind;
pub(crate) use read::CREDENTIALS;
pub use read::source;
use tree::Node;

/// Why a policy cannot be used: `FILE:LINE:COLUMN: what was found, and what was expected`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    #[error("{}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{}:{line}:{column}: {what}", path.display())]
    Wrong { path: PathBuf, line: u32, column: u32, what: String },
    /// The policy as a whole.
    #[error("{}: {what}", path.display())]
    Whole { path: PathBuf, what: String },
}

impl From<PolicyError> for String {
    fn from(e: PolicyError) -> String {
        e.to_string()
    }
}

/// Reads a file without compiling it.
///
/// # Errors
/// [`PolicyError`] names the place.
pub fn read(path: &Path) -> Result<Source, PolicyError> {
    let bytes = std::fs::read(path).map_err(|source| PolicyError::Read { path: path.into(), source })?;
    parse(&String::from_utf8_lossy(&bytes), path)
}

/// As [`read()`], from text; `path` is its name, and files that it names are looked for beside it.
///
/// # Errors
/// [`PolicyError`] names the place.
pub fn parse(text: &str, path: &Path) -> Result<Source, PolicyError> {
    let tree = Node::parse(text).map_err(|w| w.of(path))?;
    read::source(&tree, path)
}

/// Compiles what was read.
///
/// # Errors
/// When it is too large ([`PolicyError::Whole`]), or contradicts itself.
pub fn compile(source: &Source, path: &Path) -> Result<Arc<Policy>, PolicyError> {
    let policy = Policy::new(source);
    policy.map(Arc::new).map_err(|e| match (&e, e.to_string()) {
        (Contradiction::Twice { place: (line, column), .. }, what) if *line > 0 => {
            PolicyError::Wrong { path: path.into(), line: *line, column: *column, what }
        }
        (_, what) => PolicyError::Whole { path: path.into(), what },
    })
}

/// Reads and compiles a file.
///
/// # Errors
/// [`PolicyError`] names the place.
pub fn load(path: &Path) -> Result<Arc<Policy>, PolicyError> {
    compile(&read(path)?, path)
}
