//! Where rules and block lists come from: files go in, what workers are given comes out, at the start and at every reload.
//! All is read or nothing is changed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidegate_core::detect::Rules;

use super::blocklist::{BlockList, ListError};
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

/// Why rules were not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    #[error(transparent)]
    Blocks(#[from] ListError),
    #[error(transparent)]
    Load(#[from] load::LoadError),
    /// Some were refused, and [`RuleSource::strict`] is set; where the first is, and why.
    #[error("{count} rules were refused, the first: {first}")]
    Refused { count: usize, first: String },
    #[error("all {0} rules were refused")]
    AllRefused(usize),
    /// There were rules before. A file that is being written anew is empty for a moment.
    #[error("there is no rule in the files now; the rules in force stay (end the sensor to run without)")]
    Emptied,
    #[error("compiling the rules panicked")]
    Panicked,
}

/// `before`: the sets of the rules in force.
pub(super) fn compile(
    from: &RuleSource,
    settings: &Settings,
    before: Option<&Datasets>,
) -> Result<Compiled, ReloadError> {
    let blocks = BlockList::load(&from.block_lists)?;
    let files: Vec<load::Source> = from.files.iter().cloned().map(load::Source::Path).collect();
    let l = load::load_after(&files, settings, from.data_dir.as_deref(), before)?;
    if from.strict && !l.refused.is_empty() {
        let first = l.refused.first().map(|r| l.place(r)).unwrap_or_default();
        return Err(ReloadError::Refused { count: l.refused.len(), first });
    }
    if l.loaded == 0 && !l.refused.is_empty() {
        return Err(ReloadError::AllRefused(l.refused.len()));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    /// Why a reload of a file with this text fails.
    fn why(name: &str, text: Option<&str>, strict: bool) -> Option<ReloadError> {
        let file = std::env::temp_dir().join(format!("tidegate-reload-{}-{name}.rules", std::process::id()));
        if let Some(text) = text {
            std::fs::write(&file, text).expect("a file");
        }
        let settings = Settings::load(None, &Overrides::default()).expect("the built-in settings");
        let from = RuleSource { files: vec![file.clone()], block_lists: Vec::new(), data_dir: None, strict };
        let r = compile(&from, &settings, None).err();
        let _ = std::fs::remove_file(&file);
        r
    }

    #[test]
    fn reasons_are_kinds() {
        let (good, bad) =
            ("alert ip any any -> any any (sid:1;)\n", "alert ip any any -> any any (nonsense; sid:2;)\n");
        let mixed = format!("{good}{bad}");
        assert!(why("mixed", Some(&mixed), false).is_none());
        let e = why("strict", Some(&mixed), true);
        assert!(
            matches!(&e, Some(ReloadError::Refused { count: 1, first }) if first.contains(":2:")),
            "{e:?}"
        );
        assert!(matches!(why("all", Some(bad), false), Some(ReloadError::AllRefused(1))));
        let e = why("gone", None, false);
        assert!(matches!(e, Some(ReloadError::Load(load::LoadError::Read { .. }))), "{e:?}");
    }
}
