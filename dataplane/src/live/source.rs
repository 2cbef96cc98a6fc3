//! Where rules and block lists come from: files go in, what workers are given comes out, at the start and at every reload.
//! All is read or nothing is changed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidegate_core::detect::RuleSet;
use tidegate_core::rules::SetStore;

use super::blocklist::BlockList;
use crate::config::Settings;
use crate::load;

/// What is compiled and read, with what is told of it.
pub struct Rules {
    pub set: Arc<RuleSet>,
    pub sets: SetStore,
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

pub(super) fn compile(from: &RuleSource, settings: &Settings) -> Result<Rules, String> {
    let blocks = BlockList::load(&from.block_lists).map_err(|e| e.to_string())?;
    let l = load::load(&from.files, settings, from.data_dir.as_deref())?;
    if from.strict && !l.refused.is_empty() {
        let first = l.refused.first().map(|r| l.place(r)).unwrap_or_default();
        return Err(format!("{} rules were refused, the first: {first}", l.refused.len()));
    }
    if l.loaded == 0 && !l.refused.is_empty() {
        return Err(format!("all {} rules were refused", l.refused.len()));
    }
    Ok(Rules {
        loaded: l.loaded as u64,
        refused: l.refused.len() as u64,
        skipped: l.skipped as u64,
        took: l.took,
        set: Arc::new(l.set),
        sets: l.sets,
        blocks: Arc::new(blocks),
    })
}
