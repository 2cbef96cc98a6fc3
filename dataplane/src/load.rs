//! Loading of rules: files or text and settings go in, a compiled [`RuleSet`] comes out, with the place and the
//! reason of every refusal.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_core::detect::{RuleSet, Rules};
use tidegate_core::policy::Policy;
use tidegate_core::rules::{
    Classification, Env, References, Refusal, RefusalKind, Reputation, SetStore, Vars, dataset,
    drop_duplicates, never_fits, never_replaced, never_set, never_stored, parse_source,
    reputation::parse_categories, threshold_file,
};

use crate::analysis::Analysis;
use crate::config::Settings;
use crate::config::logging::Level;
use crate::sets::Datasets;
use crate::{lists, secret};

/// Where rules come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file, or a folder whose `*.rules` files are read in order of name.
    Path(PathBuf),
    /// Text, and the name by which messages speak of it.
    Text { name: String, text: Vec<u8> },
}

/// Refused rules told without `-v`.
const REFUSALS_SHOWN: usize = 10;

/// Prefix of the name of a rule set that is part of the program.
const BUILTIN: &str = "builtin:";

/// The rule sets that are part of the program: names of their files and texts.
pub fn builtin(name: &str) -> Option<&'static [(&'static str, &'static str)]> {
    (name == "builtin:ai").then_some(tidegate_core::ai::rules::ALL)
}

/// Whether a rules path names a rule set of the program, which is no file.
pub fn is_builtin(path: &Path) -> bool {
    path.to_str().is_some_and(|p| p.starts_with(BUILTIN))
}

/// Why nothing was loaded at all. A wrong rule is no such error: it is refused by itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A file of rules, of reputations or of their categories cannot be read.
    #[error("{}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// A dataset of the configuration cannot be read, or has a value that is none of its type.
    #[error("datasets.{name}: {}: {reason}", path.display())]
    Dataset { name: String, path: PathBuf, reason: String },
    #[error(transparent)]
    Intel(#[from] crate::intel::IntelError),
    #[error(transparent)]
    Policy(#[from] crate::policy::PolicyError),
    #[error(transparent)]
    Entropy(#[from] secret::NoEntropy),
    /// The environment asks for an instruction set that is not there.
    #[error(transparent)]
    Isa(#[from] tidegate_core::sig::IsaError),
}

impl LoadError {
    fn read(path: &Path, source: std::io::Error) -> LoadError {
        LoadError::Read { path: path.to_owned(), source }
    }
}

impl From<LoadError> for String {
    fn from(e: LoadError) -> String {
        e.to_string()
    }
}

/// A rule set with the story of its loading.
#[derive(Debug)]
pub struct Loaded {
    /// The rules with their sets, as engines take them.
    pub rules: Rules,
    /// The same sets, to be asked and changed by name.
    pub sets: Arc<Datasets>,
    pub sources: Vec<PathBuf>,
    pub loaded: usize,
    /// Refused rules: reading, checking, compiling.
    pub refused: Vec<Refused>,
    /// Left out because the rule itself says it does not apply here (`requires`).
    pub skipped: usize,
    pub warnings: Vec<Refused>,
    /// What rules are made of, when the settings ask for it.
    pub analysis: Vec<Analysis>,
    /// What else is to be told: lists and limits that could not be read and were done without.
    pub notes: Vec<String>,
    /// Files that the configuration names, that could not be read, and that were done without; `notes` say so.
    pub missing: Vec<PathBuf>,
    /// Files of datasets outside of the data folder that rules name, where the configuration allows them.
    pub outside: Vec<String>,
    pub took: Duration,
}

/// One refusal, in words.
#[derive(Debug, Clone)]
pub struct Refused {
    pub file: u32,
    pub line: u32,
    pub column: u32,
    pub sid: Option<u32>,
    pub kind: RefusalKind,
    /// The keyword at fault, if it is one.
    pub keyword: Option<String>,
    /// The keyword and the reason.
    pub text: String,
}

impl Refused {
    /// It names a part of a loaded rule that has no effect.
    pub fn without_effect(&self) -> bool {
        self.kind == RefusalKind::Unsupported
    }

    /// Short text that equal reasons share: the kind, and the keyword where there is one.
    pub fn label(&self) -> String {
        match &self.keyword {
            Some(k) => format!("{} ({k})", self.kind.name()),
            None => self.kind.name().to_string(),
        }
    }
}

/// Equal texts counted, most frequent first.
fn count<'t>(texts: impl Iterator<Item = &'t str>) -> Vec<(String, usize)> {
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    texts.for_each(|t| *count.entry(t).or_default() += 1);
    let mut list: Vec<_> = count.into_iter().map(|(k, n)| (k.to_string(), n)).collect();
    list.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    list
}

impl Loaded {
    /// `file:line:column: sid: reason`
    pub fn place(&self, r: &Refused) -> String {
        let file = self.sources.get(r.file as usize).map_or("?".into(), |p| p.display().to_string());
        match r.sid {
            Some(sid) => format!("{file}:{}:{}: sid {sid}: {}", r.line, r.column, r.text),
            None => format!("{file}:{}:{}: {}", r.line, r.column, r.text),
        }
    }

    /// What people are told of it, as long as `verbose` (how many `-v`) does not ask for all: rules that were refused, parts of
    /// rules that have no effect; with more, what is odd.
    pub fn told(&self, verbose: u8) -> Vec<(Level, String)> {
        let most = if verbose > 0 { usize::MAX } else { REFUSALS_SHOWN };
        let shown = self.refused.iter().take(most);
        let mut out: Vec<_> = shown.map(|r| (Level::Error, format!("refused: {}", self.place(r)))).collect();
        if self.refused.len() > most {
            let more = self.refused.len() - most;
            let text = format!("refused: {more} more; -v shows them, `tidegate rules check` counts them");
            out.push((Level::Error, text));
        }
        let parts = self.without_effect().into_iter();
        out.extend(parts.map(|(part, n)| {
            let at = self.warnings.iter().find(|w| w.without_effect() && w.text == part);
            let at = at.and_then(|w| Some((self.sources.get(w.file as usize)?.display(), w.line)));
            let first = if n == 1 { "" } else { "the first at " };
            let at = at.map_or(String::new(), |(file, line)| format!(" ({first}{file}:{line})"));
            (Level::Warning, format!("{n} rule{}: {part}{at}", if n == 1 { "" } else { "s" }))
        }));
        if verbose > 1 {
            out.extend(self.warnings.iter().map(|r| (Level::Warning, format!("odd: {}", self.place(r)))));
        }
        out
    }

    /// Refusals counted by reason, most frequent first.
    pub fn by_reason(&self) -> Vec<(String, usize)> {
        let labels: Vec<String> = self.refused.iter().map(Refused::label).collect();
        count(labels.iter().map(String::as_str))
    }

    /// Parts of loaded rules that have no effect here, with the number of rules that have them, most frequent first.
    pub fn without_effect(&self) -> Vec<(String, usize)> {
        count(self.warnings.iter().filter(|w| w.without_effect()).map(|w| w.text.as_str()))
    }
}

/// The rule files that a path names: itself, or the `*.rules` files of a folder in order of name.
pub fn files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut out = Vec::new();
    for e in std::fs::read_dir(path)? {
        let p = e?.path();
        // A link that leads nowhere is an error when it is read, not passed over.
        if !p.is_dir() && p.extension().is_some_and(|x| x == "rules") {
            out.push(p);
        }
    }
    if out.is_empty() {
        return Err(std::io::Error::new(std::io::ErrorKind::NotFound, "no *.rules file in the folder"));
    }
    out.sort();
    Ok(out)
}

fn refused(r: &Refusal) -> Refused {
    let text = match &r.keyword {
        Some(k) => format!("{k}: {}", r.reason),
        None => r.reason.clone(),
    };
    Refused {
        file: r.file,
        line: r.line,
        column: r.column,
        sid: r.sid,
        kind: r.kind,
        keyword: r.keyword.clone(),
        text,
    }
}

/// Reads and compiles the rules of `paths`. A file that cannot be read is an error; a wrong rule is not.
pub fn load(paths: &[PathBuf], s: &Settings, data_dir: Option<&Path>) -> Result<Loaded, LoadError> {
    let sources: Vec<Source> = paths.iter().cloned().map(Source::Path).collect();
    load_sources(&sources, s, data_dir)
}

/// As [`load`], from files, folders and text.
pub fn load_sources(from: &[Source], s: &Settings, data_dir: Option<&Path>) -> Result<Loaded, LoadError> {
    load_after(from, s, data_dir, None)
}

/// As [`load_sources`], in the place of rules whose sets are `before`: those that are read from the same values again
/// keep what was added to them and taken out of them since.
pub fn load_after(
    from: &[Source],
    s: &Settings,
    data_dir: Option<&Path>,
    before: Option<&Datasets>,
) -> Result<Loaded, LoadError> {
    let start = Instant::now();
    tidegate_core::sig::instruction_set()?;
    let vars = Vars {
        addresses: s.address_groups.iter().cloned().collect(),
        ports: s.port_groups.iter().cloned().collect(),
    };
    let mut sources = Vec::new();
    let mut texts: Vec<Option<&[u8]>> = Vec::new();
    let mut on_disk = Vec::new();
    for f in from {
        match f {
            Source::Path(p) if is_builtin(p) => {
                let Some(set) = p.to_str().and_then(builtin) else {
                    let e = std::io::Error::new(
                        std::io::ErrorKind::NotFound,
                        "no such rule set; there is builtin:ai",
                    );
                    return Err(LoadError::read(p, e));
                };
                for (file, text) in set {
                    texts.push(Some(text.as_bytes()));
                    sources.push(p.join(file));
                }
            }
            Source::Path(p) => {
                let found = files(p).map_err(|e| LoadError::read(p, e))?;
                texts.resize(texts.len() + found.len(), None);
                on_disk.extend(found.iter().cloned());
                sources.extend(found);
            }
            Source::Text { name, text } => {
                texts.push(Some(text));
                sources.push(PathBuf::from(name));
            }
        }
    }
    let (mut notes, mut missing) = (Vec::new(), Vec::new());
    if let Some(d) = data_dir.filter(|d| !d.is_dir()) {
        notes.push(format!("{}: there is no such folder for files that rules name", d.display()));
    }
    let mut list = |named: &Option<PathBuf>, beside| {
        read_list(named.as_deref(), &on_disk, beside, &mut notes, &mut missing)
    };
    let classes = list(&s.classification_file, "classification.config");
    let references = list(&s.reference_config_file, "reference.config");
    let classes = match classes {
        None => lists::classification(),
        Some((file, text)) => {
            let (classes, wrong) = Classification::parse(&text);
            notes.extend(left_out(&file, &wrong, Classification::EXPECTED));
            classes
        }
    };
    let references = match references {
        None => lists::references(),
        Some((file, text)) => {
            let (references, wrong) = References::parse(&text);
            notes.extend(left_out(&file, &wrong, References::EXPECTED));
            references
        }
    };
    let reputation = match &s.reputation.categories {
        None => BTreeMap::new(),
        Some(p) => {
            let text = std::fs::read(p).map_err(|e| LoadError::read(p, e))?;
            let (categories, wrong) = parse_categories(&String::from_utf8_lossy(&text));
            notes.extend(left_out(p, &wrong, CATEGORY));
            categories
        }
    };
    let mut dirs: Vec<PathBuf> = data_dir.map(Path::to_path_buf).into_iter().collect();
    dirs.extend(on_disk.iter().filter_map(|f| f.parent().map(Path::to_path_buf)));
    dirs.push(PathBuf::from("."));
    dirs.dedup();
    let outside = RefCell::new(Vec::new());
    let note = |name: &str| {
        let mut known = outside.borrow_mut();
        if s.datasets.allow_absolute && name.starts_with('/') && !known.iter().any(|k| k == name) {
            known.push(name.to_string());
        }
    };
    let mut loader = |name: &str| -> Result<Vec<u8>, String> {
        note(name);
        let mut last = format!("{name}: not found");
        for d in &dirs {
            match std::fs::read(d.join(name)) {
                Ok(b) => return Ok(b),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => last = format!("{name}: {e}"),
            }
        }
        Err(last)
    };
    let mut sets = configured_sets(s)?;
    let mut env = Env::new(&vars, &classes, &references, &reputation, &mut loader, &mut sets);
    env.may_save = s.datasets.allow_write;
    env.save_anywhere = s.datasets.allow_absolute;
    let (mut rules, mut no, mut warn, mut no_limits) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (i, f) in sources.iter().enumerate() {
        let text = match texts.get(i).copied().flatten() {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(std::fs::read(f).map_err(|e| LoadError::read(f, e))?),
        };
        let p = parse_source(&text, i as u32, &mut env);
        rules.extend(p.rules);
        no.extend(p.refused);
        warn.extend(p.warnings);
    }
    // A file may have all its rules commented out; that none of them has any is told. `-S /dev/null` is a way to have none.
    let named = sources.iter().find(|f| f.as_path() != Path::new("/dev/null"));
    if let Some(f) = named.filter(|_| rules.is_empty() && no.is_empty()) {
        let more = if sources.len() > 1 { " and the other files" } else { "" };
        notes.push(format!("{}: there are no rules in it{more}", f.display()));
    }
    drop_duplicates(&mut rules, &mut no);
    warn.extend(never_set(&rules));
    warn.extend(never_fits(&rules));
    if !s.app.file_tap {
        warn.extend(never_stored(&rules));
    }
    if !s.replaces {
        warn.extend(never_replaced(&rules));
    }
    if let Some(f) = &s.threshold_file {
        match std::fs::read(f) {
            Ok(text) => {
                let number = sources.len() as u32;
                sources.push(f.clone());
                let (lines, wrong) = threshold_file::parse(&String::from_utf8_lossy(&text), number, &vars);
                no_limits.extend(wrong);
                no_limits.extend(threshold_file::apply(&lines, &mut rules, number));
            }
            Err(e) => {
                notes.push(format!("{}: {e}; no limits are set from it", f.display()));
                missing.push(f.clone());
            }
        }
    }
    let skipped = no.iter().filter(|r| r.kind == RefusalKind::Requires).count();
    no.retain(|r| r.kind != RefusalKind::Requires);
    let read = rules.len();
    let analysis = if s.analyse { rules.iter().map(Analysis::of).collect() } else { Vec::new() };
    let mut lists = Vec::new();
    for f in &s.reputation.files {
        let text = std::fs::read(f).map_err(|e| LoadError::read(f, e))?;
        lists.push(String::from_utf8_lossy(&text).into_owned());
    }
    let lists: Vec<&str> = lists.iter().map(String::as_str).collect();
    let (scores, wrong) = Reputation::parse(&lists);
    for (file, line) in wrong {
        let name = s.reputation.files.get(file as usize).map(|f| f.display().to_string()).unwrap_or_default();
        notes.push(format!("{name}:{line}: expected address,category,score; the line is left out"));
    }
    let set = RuleSet::compile_with(rules, &reputation, scores, s.action_order);
    let mut all: Vec<Refused> = no.iter().map(refused).collect();
    all.extend(set.refused().iter().map(refused));
    let loaded = read - set.refused().len();
    let warnings = warn.iter().map(refused).collect();
    for r in no_limits.iter().map(refused) {
        let file = sources.get(r.file as usize).map(|p| p.display().to_string()).unwrap_or_default();
        let sid = r.sid.map(|s| format!("sid {s}: ")).unwrap_or_default();
        notes.push(format!("{file}:{}:{}: {sid}{}; the limit is not set", r.line, r.column, r.text));
    }
    let set = Arc::new(set);
    // Back to where it came from; else into the first of the folders.
    sets.place_saves(|f| {
        note(f);
        let there = dirs.iter().map(|d| d.join(f)).find(|p| p.exists());
        let new = || dirs.first().map_or_else(|| PathBuf::from(f), |d| d.join(f));
        there.unwrap_or_else(new).display().to_string()
    });
    let sets = Arc::new(Datasets::new(&set, &sets, secret::random()?, before));
    let intel = if s.intel.is_empty() { None } else { Some(crate::intel::load(&s.intel)?) };
    if let Some(l) = &intel {
        notes.extend(l.of_use(&s.intel)?);
    }
    let intel = intel.map(|l| l.intel);
    let policy = s.policy.as_deref().map(|p| policy(p, &mut notes)).transpose()?;
    let rules = sets.rules(set).with_policy(policy).with_intel(intel);
    let took = start.elapsed();
    let outside = outside.take();
    Ok(Loaded {
        rules,
        sets,
        sources,
        loaded,
        refused: all,
        skipped,
        warnings,
        analysis,
        notes,
        missing,
        outside,
        took,
    })
}

/// A policy; of lines that never decide there are notes.
fn policy(path: &Path, notes: &mut Vec<String>) -> Result<Arc<Policy>, LoadError> {
    let source = crate::policy::read(path)?;
    notes.extend(crate::policy::behind(&source, path));
    Ok(crate::policy::compile(&source, path)?)
}

/// The datasets of the configuration, which rules use by name.
fn configured_sets(s: &Settings) -> Result<SetStore, LoadError> {
    let mut sets = SetStore::default();
    for d in &s.datasets.sets {
        let wrong = |f: &Path, e: &dyn std::fmt::Display| LoadError::Dataset {
            name: d.name.clone(),
            path: f.to_owned(),
            reason: e.to_string(),
        };
        let text = match (d.load.as_ref(), d.state.as_ref()) {
            (Some(f), _) => std::fs::read(f).map_err(|e| wrong(f, &e))?,
            (None, Some(f)) => match std::fs::read(f) {
                Ok(text) => text,
                // A state file comes into being when it is saved.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
                Err(e) => return Err(wrong(f, &e)),
            },
            (None, None) => Vec::new(),
        };
        let save = d.save.as_ref().or(d.state.as_ref()).map(|f| f.display().to_string());
        let source = dataset::Source {
            kind: d.kind,
            reputation: false,
            format: dataset::Format::Csv,
            json: &dataset::JsonKeys::default(),
            save: save.as_deref(),
            memcap: d.memcap,
            hashsize: d.hashsize,
        };
        let from = d.load.as_ref().or(d.state.as_ref());
        let from = from.map_or_else(|| PathBuf::from(&d.name), Clone::clone);
        sets.add(&d.name, &source, &text).map_err(|e| wrong(&from, &e))?;
    }
    Ok(sets)
}

/// The list named in the configuration, else the one that lies beside the rules, with its file. A named one that is not there is
/// told and done without.
fn read_list(
    named: Option<&Path>,
    sources: &[PathBuf],
    beside: &str,
    notes: &mut Vec<String>,
    missing: &mut Vec<PathBuf>,
) -> Option<(PathBuf, String)> {
    let read = |p: &Path| std::fs::read(p).map(|b| String::from_utf8_lossy(&b).into_owned());
    if let Some(p) = named {
        match read(p) {
            Ok(text) => return Some((p.to_owned(), text)),
            Err(e) => {
                notes.push(format!("{}: {e}; the built-in list is used", p.display()));
                missing.push(p.to_owned());
            }
        }
    }
    let there = sources.first()?.with_file_name(beside);
    read(&there).ok().map(|text| (there, text))
}

/// What a line of the categories of reputation is.
const CATEGORY: &str = "number from 1 to 59,name,description";

/// What is told of lines that are not what was expected.
fn left_out<'l>(file: &'l Path, wrong: &'l [u32], expected: &'l str) -> impl Iterator<Item = String> + 'l {
    wrong
        .iter()
        .map(move |line| format!("{}:{line}: expected {expected}; the line is left out", file.display()))
}
