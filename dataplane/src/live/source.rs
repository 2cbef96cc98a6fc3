//! Where rules and block lists come from: files go in, what workers are given comes out, at the start and at every reload.
//! All is read or nothing is changed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidegate_core::detect::Rules;

use super::blocklist::{BlockList, ListError};
use crate::config::Settings;
use crate::config::logging::Level;
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
    /// What is told of it, as at the start.
    pub told: Vec<(Level, String)>,
}

/// Where rules come from, to be read again.
#[derive(Clone, Debug, Default)]
pub struct RuleSource {
    pub files: Vec<PathBuf>,
    pub block_lists: Vec<PathBuf>,
    pub data_dir: Option<PathBuf>,
    /// A set with any refused rule is refused whole (`--init-errors-fatal`).
    pub strict: bool,
    /// So is one with anything that was done without (`--strict`).
    pub strict_notes: bool,
    /// How many `-v`.
    pub verbose: u8,
    /// Files that were not there at the start either, and are done without since.
    pub missing: Vec<PathBuf>,
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
    /// A file that the configuration names was there, and cannot be read now.
    #[error("{0}; it was there before, and the rules in force stay")]
    Missing(String),
    /// Something was done without, and [`RuleSource::strict_notes`] is set.
    #[error("{0}, and --strict is given")]
    Without(String),
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
    if let Some(gone) = l.missing.iter().find(|m| !from.missing.contains(m)) {
        let name = gone.display().to_string();
        // The note goes on with what the start does without it.
        let note = l.notes.iter().find(|n| n.starts_with(&name)).and_then(|n| n.split("; ").next());
        return Err(ReloadError::Missing(note.unwrap_or(&name).to_string()));
    }
    if from.strict_notes
        && let Some(first) = l.notes.first()
    {
        return Err(ReloadError::Without(first.clone()));
    }
    if from.strict && !l.refused.is_empty() {
        let first = l.refused.first().map(|r| l.place(r)).unwrap_or_default();
        return Err(ReloadError::Refused { count: l.refused.len(), first });
    }
    if l.loaded == 0 && !l.refused.is_empty() {
        return Err(ReloadError::AllRefused(l.refused.len()));
    }
    let mut told: Vec<_> = l.notes.iter().map(|n| (Level::Warning, n.clone())).collect();
    told.extend(l.told(from.verbose));
    Ok(Compiled {
        told,
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
        let from = RuleSource { files: vec![file.clone()], strict, ..RuleSource::default() };
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

    /// What the start says of rules and files, a reload says; what was there at the start is not done without later.
    #[test]
    fn a_reload_tells_and_refuses_what_the_start_does() {
        let dir = std::env::temp_dir().join(format!("tidegate-reload-says-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).unwrap();
        write(
            "a.rules",
            "alert ip any any -> any any (sid:1;)\nalert ip any any -> any any (nonsense; sid:2;)\n",
        );
        write("t.config", "suppress gen_id 1, sig_id 1\nsuppress gen_id one\n");
        write("c.config", "config classification: a,b,1\nconfig nonsense\n");
        write("r.config", "config reference: a http://a\nconfig nonsense\n");
        write("categories.txt", "1,a,b\nnonsense\n");
        write("list.txt", "10.0.0.1,1,5\nnonsense\n");
        let at = |name: &str| dir.join(name).display().to_string();
        let yaml = format!(
            "threshold-file: {}\nclassification-file: {}\nreference-config-file: {}\nreputation-categories-file: {}\n\
             reputation-files: [{}]\n",
            at("t.config"),
            at("c.config"),
            at("r.config"),
            at("categories.txt"),
            at("list.txt")
        );
        let settings = Settings::parse(&yaml, &Overrides::default()).unwrap();
        let mut from = RuleSource { files: vec![dir.join("a.rules")], ..RuleSource::default() };
        let c = compile(&from, &settings, None).unwrap();
        let said = c.told.iter().map(|t| t.1.as_str()).collect::<Vec<_>>().join("\n");
        for told in [
            format!("refused: {}:2:", at("a.rules")),
            format!("{}:2:", at("t.config")),
            format!("{}:2: expected `config classification: name,description,priority`", at("c.config")),
            format!("{}:2: expected `config reference: name prefix`", at("r.config")),
            format!("{}:2: expected number from 1 to 59,name,description", at("categories.txt")),
            format!("{}:2: expected address,category,score", at("list.txt")),
        ] {
            assert!(said.contains(&told), "{told}\n---\n{said}");
        }
        from.strict_notes = true;
        assert!(matches!(compile(&from, &settings, None), Err(ReloadError::Without(_))));
        from.strict_notes = false;
        for name in ["t.config", "c.config", "r.config"] {
            std::fs::rename(dir.join(name), dir.join("away")).unwrap();
            let e = compile(&from, &settings, None).err().unwrap();
            assert!(matches!(&e, ReloadError::Missing(m) if m.starts_with(&at(name))), "{name}: {e:?}");
            // Where the start did without it, a reload does, too.
            let known = RuleSource { missing: vec![dir.join(name)], ..from.clone() };
            compile(&known, &settings, None).unwrap();
            std::fs::rename(dir.join("away"), dir.join(name)).unwrap();
        }
        // So is a feed, or it is somebody's error page: what it knew stays.
        for (name, text) in
            [("i.txt", "203.0.113.9\n"), ("i.txt", "<html>no</html>\n"), ("i.txt", "# none\n"), ("i.txt", "")]
        {
            write(name, text);
            let known = Settings { intel: vec![dir.join(name)], ..settings.clone() };
            let r = compile(&from, &known, None);
            if text.starts_with('2') {
                assert_eq!(r.unwrap().rules.intel.map(|i| i.len()), Some(1));
                continue;
            }
            let e = r.err().unwrap();
            assert!(matches!(&e, ReloadError::Load(load::LoadError::Intel(_))), "{text}: {e:?}");
            let told = e.to_string();
            assert!(told.starts_with(&at(name)) && told.contains("no value in it can be used"), "{told}");
            assert_eq!(told.contains("`<html>no</html>`"), text.starts_with('<'), "{told}");
        }
        // Beside others it is told.
        std::fs::create_dir_all(dir.join("feeds")).unwrap();
        write("feeds/a.txt", "203.0.113.9\n");
        write("feeds/README", "what this is\n");
        let known = Settings { intel: vec![dir.join("feeds")], ..settings.clone() };
        let c = compile(&from, &known, None).unwrap();
        assert!(c.told.iter().any(|t| t.1.starts_with(&at("feeds/README"))), "{:?}", c.told);
        write("feeds/a.txt", "nothing\n");
        assert!(compile(&from, &known, None).is_err());
        // A policy that is being written anew is empty for a moment.
        write("p.yaml", "# nothing\n");
        let empty = Settings { policy: Some(dir.join("p.yaml")), ..settings.clone() };
        let e = compile(&from, &empty, None).err().unwrap();
        assert!(matches!(&e, ReloadError::Load(load::LoadError::Policy(_))), "{e:?}");
        std::fs::remove_file(dir.join("list.txt")).unwrap();
        assert!(matches!(compile(&from, &settings, None), Err(ReloadError::Load(_))));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
