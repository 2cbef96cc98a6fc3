//! Where rules and block lists come from: files go in, what workers are given comes out, at the start and at every reload.
//! All is read or nothing is changed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidegate_core::detect::Rules;

use super::blocklist::BlockList;
use crate::config::Settings;
use crate::load;
use crate::sets::Datasets;

/// What is compiled and read, with what is told of it.
pub struct Compiled {
    pub rules: Rules,
    pub sets: Arc<Datasets>,
    pub blocks: Arc<BlockList>,
    pub loaded: u64,
    pub refused: u64,
    pub skipped: u64,
    pub took: Duration,
}

/// Where rules come from, to be read again.
#[derive(Clone, Debug)]
pub struct RuleSource {
    pub files: Vec<PathBuf>,
    pub block_lists: Vec<PathBuf>,
    pub data_dir: Option<PathBuf>,
    /// A set with any refused rule is refused whole.
    pub strict: bool,
}

/// `before`: the sets of the rules in force.
pub(super) fn compile(
    from: &RuleSource,
    settings: &Settings,
    before: Option<&Datasets>,
) -> Result<Compiled, String> {
    let blocks = BlockList::load(&from.block_lists).map_err(|e| e.to_string())?;
    let files: Vec<load::Source> = from.files.iter().cloned().map(load::Source::Path).collect();
    let l = load::load_after(&files, settings, from.data_dir.as_deref(), before)?;
    if from.strict && !l.refused.is_empty() {
        let first = l.refused.first().map(|r| l.place(r)).unwrap_or_default();
        return Err(format!("{} rules were refused, the first: {first}", l.refused.len()));
    }
    if l.loaded == 0 && !l.refused.is_empty() {
        return Err(format!("all {} rules were refused", l.refused.len()));
    }
    Ok(Compiled {
        loaded: l.loaded as u64,
        refused: l.refused.len() as u64,
        skipped: l.skipped as u64,
        took: l.took,
        rules: l.rules,
        sets: l.sets,
        blocks: Arc::new(blocks),
    })
}
