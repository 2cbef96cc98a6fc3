//! Intelligence of files: lists, CSV, MISP events and feeds, STIX bundles, Suricata datasets and Zeek intel files go in; the
//! tables of [`tidegate_core::intel`] come out, with a report of what was in each file and what of it cannot be used.
//!
//! A file's format is known by what is in it. Warning lists of MISP are read first: what they name is held back.

mod list;
mod misp;
mod stix;
mod warning;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tidegate_core::intel::{About, Builder, Intel, Kind, Refused, Tlp};

use crate::secret;
use warning::Warnings;

/// Why intelligence was not loaded at all. An indicator that cannot be used is no such error: it is counted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IntelError {
    #[error("{}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// JSON that is cut off or damaged, or of a format that is not known.
    #[error("{}:{line}:{column}: {what}", path.display())]
    Wrong { path: PathBuf, line: usize, column: usize, what: String },
    /// A file or folder that was asked for has nothing that can be looked for.
    #[error("{}: no value in it can be used; expected addresses, names, URLs, digests and the like (docs/intel.md){why}", path.display())]
    Nothing { path: PathBuf, why: String },
    #[error(transparent)]
    Entropy(#[from] secret::NoEntropy),
}

impl From<IntelError> for String {
    fn from(e: IntelError) -> String {
        e.to_string()
    }
}

/// What was in a file.
#[derive(Debug, Default)]
pub struct FileReport {
    pub path: PathBuf,
    pub format: &'static str,
    /// What there is, in the file's own words.
    pub seen: BTreeMap<String, u64>,
    /// Indicators taken.
    pub taken: BTreeMap<Kind, u64>,
    /// What cannot be used: what it is, and why.
    pub unused: BTreeMap<(String, &'static str), u64>,
    /// Indicators that warning lists hold back, by list.
    pub held: BTreeMap<String, u64>,
    /// The first values that are malformed.
    pub wrong: Vec<String>,
}

impl FileReport {
    fn see(&mut self, what: &str) {
        *self.seen.entry(what.to_string()).or_default() += 1;
    }

    fn unused(&mut self, what: &str, why: &'static str) {
        *self.unused.entry((what.to_string(), why)).or_default() += 1;
    }

    /// All indicators taken.
    pub fn all(&self) -> u64 {
        self.taken.values().sum()
    }

    /// Nothing in it has a use: no indicator, none that a warning list holds back, and it is no such list.
    fn is_useless(&self) -> bool {
        self.taken.is_empty() && self.held.is_empty() && self.format != warning::FORMAT
    }

    /// What is in it instead.
    fn why(&self) -> String {
        let unused = self.unused.iter().map(|((what, why), n)| format!("{n} of {what}: {why}"));
        let wrong = self.wrong.first().map(|w| format!("for example {w}"));
        let all: Vec<String> = unused.chain(wrong).collect();
        if all.is_empty() { String::new() } else { format!("; it has {}", all.join(", ")) }
    }
}

/// Tables with the story of their loading.
#[derive(Debug)]
pub struct Loaded {
    pub intel: Arc<Intel>,
    pub files: Vec<FileReport>,
    /// Indicators that were there more than once.
    pub twice: usize,
    pub took: Duration,
}

/// Malformed values that are told.
const WRONG_TOLD: usize = 5;
/// Characters of a value that are told: a file may be one long line.
const SHOWN: usize = 80;
const MALFORMED: &str = "malformed";
const NO_TIME: &str = "malformed: when it expires is no time";
const NO_PERCENT: &str = "no number from 0 to 100, so the indicator is taken without it";
const NO_TLP: &str = "not a word of TLP, so the indicator is taken without it";

/// A value of a file as messages have it.
fn shown(value: &str) -> String {
    let text: String = value.chars().take(SHOWN + 1).flat_map(char::escape_debug).collect();
    if value.chars().nth(SHOWN).is_some() { cut(&text, SHOWN) } else { text }
}

/// The beginning of a text.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into(),
    }
}

/// An indicator on its way.
#[derive(Clone, Copy, Debug)]
struct Item<'a> {
    kind: Kind,
    value: &'a str,
    /// Number of what is said of it.
    about: u32,
    confidence: Option<u8>,
    until: Option<u32>,
}

/// Where indicators of a file go.
struct Sink<'w> {
    builder: Builder,
    warnings: &'w Warnings,
    report: FileReport,
}

impl Sink<'_> {
    fn about(&mut self, a: &About) -> u32 {
        self.builder.about(a)
    }

    /// Counts what is wrong, and tells the first of it with its place.
    fn wrong(&mut self, what: &str, why: &'static str, told: impl FnOnce() -> String) {
        self.report.unused(what, why);
        if self.report.wrong.len() < WRONG_TOLD {
            self.report.wrong.push(told());
        }
    }

    /// A confidence in words of a file.
    fn percent(&mut self, text: &str, place: &str) -> Option<u8> {
        let n = text.parse().ok().filter(|n| *n <= 100);
        if n.is_none() && !text.is_empty() {
            self.wrong("confidence", NO_PERCENT, || format!("{place}: `{}`", shown(text)));
        }
        n
    }

    fn tlp(&mut self, text: &str, place: &str) -> Option<Tlp> {
        let tlp = Tlp::by_name(text);
        if tlp.is_none() && !text.is_empty() {
            self.wrong("tlp", NO_TLP, || format!("{place}: `{}`", shown(text)));
        }
        tlp
    }

    fn add(&mut self, i: Item<'_>) {
        if let Some(list) = self.warnings.holds(i.kind, i.value) {
            match self.report.held.get_mut(list) {
                Some(n) => *n += 1,
                None => drop(self.report.held.insert(list.to_string(), 1)),
            }
            return;
        }
        match self.builder.add(i.kind, i.value.as_bytes(), i.about, i.confidence, i.until) {
            Ok(()) => *self.report.taken.entry(i.kind).or_default() += 1,
            Err(Refused::Malformed) => self.wrong(i.kind.name(), MALFORMED, || {
                format!("`{}` is not of type {}", shown(i.value), i.kind.name())
            }),
            Err(Refused::Full) => self.report.unused(i.kind.name(), "there is no room for more"),
        }
    }
}

/// What a file is.
enum Content {
    Json(Value),
    Text(String),
}

/// The files of `paths`, folders in order of name.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, IntelError> {
    let mut out = Vec::new();
    for p in paths {
        if !p.is_dir() {
            out.push(p.clone());
            continue;
        }
        let read = |source| IntelError::Read { path: p.clone(), source };
        let mut found = Vec::new();
        for e in std::fs::read_dir(p).map_err(read)? {
            let path = e.map_err(read)?.path();
            let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
            if path.is_file() && !hidden {
                found.push(path);
            }
        }
        // The events of a feed come by its manifest.
        if let Some(m) = found.iter().find(|f| f.file_name().is_some_and(|n| n == "manifest.json")) {
            found = vec![m.clone()];
        }
        found.sort();
        out.extend(found);
    }
    Ok(out)
}

fn content(path: &Path) -> Result<Content, IntelError> {
    let bytes = std::fs::read(path).map_err(|source| IntelError::Read { path: path.into(), source })?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    if bytes.trim_ascii_start().first() == Some(&b'{') {
        let json = serde_json::from_slice(bytes).map_err(|e| IntelError::Wrong {
            path: path.into(),
            line: e.line(),
            column: e.column(),
            what: e.to_string(),
        })?;
        return Ok(Content::Json(json));
    }
    Ok(Content::Text(String::from_utf8_lossy(bytes).into_owned()))
}

/// The source's name: its file.
fn source_of(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
}

/// Reads files and folders.
///
/// # Errors
/// [`IntelError`], when a file cannot be read or its JSON is none, or is of no known format.
pub fn load(paths: &[PathBuf]) -> Result<Loaded, IntelError> {
    let start = Instant::now();
    let mut warnings = Warnings::default();
    let (mut all, mut reports) = (Vec::new(), Vec::new());
    for path in files(paths)? {
        match content(&path)? {
            Content::Json(v) if warning::is(&v) => reports.push(warnings.read(&path, &v)),
            // Text is read again when its turn comes, so that only one file is in memory.
            Content::Text(_) => all.push((path, None)),
            Content::Json(v) => all.push((path, Some(v))),
        }
    }
    let mut sink = Sink { builder: Builder::default(), warnings: &warnings, report: FileReport::default() };
    for (path, json) in all {
        sink.report = FileReport { path: path.clone(), ..FileReport::default() };
        let c = json.map_or_else(|| content(&path), |v| Ok(Content::Json(v)))?;
        match c {
            Content::Json(v) if stix::is(&v) => stix::read(&v, &path, &mut sink),
            Content::Json(v) if misp::is_event(&v) => misp::read(&v, &path, &mut sink),
            Content::Json(v) if misp::is_manifest(&v) => misp::feed(&v, &path, &mut sink)?,
            Content::Json(_) => {
                let what =
                    "JSON that is none of: a STIX bundle, a MISP event, a MISP manifest, a MISP warning list"
                        .into();
                return Err(IntelError::Wrong { path, line: 1, column: 1, what });
            }
            Content::Text(t) => list::read(&t, &path, &mut sink),
        }
        reports.push(std::mem::take(&mut sink.report));
    }
    let (intel, twice) = sink.builder.build(secret::random()?);
    Ok(Loaded { intel: Arc::new(intel), files: reports, twice, took: start.elapsed() })
}

/// A number from here on is no time in seconds (the year 10000) but one in milliseconds (1978).
const MILLISECONDS: i64 = 253_402_300_800;
/// Nor can it be those from here on.
const NO_NUMBER: i64 = MILLISECONDS * 1000;

/// When an indicator expires, seconds: RFC 3339, a date, or a number of seconds or milliseconds. `None`: never. Times that
/// the tables cannot hold are as good as never, and those before the epoch are over.
///
/// # Errors
/// It is no time. It must not pass for never.
fn expiry(text: &str) -> Result<Option<u32>, NoTime> {
    let text = text.trim();
    if matches!(text, "" | "0" | "-") || text.eq_ignore_ascii_case("never") {
        return Ok(None);
    }
    let seconds = match text.parse::<i64>() {
        Ok(n) if (0..MILLISECONDS).contains(&n) => n,
        Ok(n) if (0..NO_NUMBER).contains(&n) => n / 1000,
        Ok(_) => return Err(NoTime),
        Err(_) => written(text).ok_or(NoTime)?,
    };
    Ok(u32::try_from(seconds.max(1)).ok())
}

/// What expires at no time that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NoTime;

/// Seconds of a time or a date in words; without an offset it is UTC.
fn written(text: &str) -> Option<i64> {
    if let Ok(t) = text.parse::<jiff::Timestamp>() {
        return Some(t.as_second());
    }
    // The last day of the year 9999 is a usual way to say never, and is no instant everywhere on the earth.
    let civil: jiff::civil::DateTime = text.trim_end_matches(['Z', 'z']).parse().ok()?;
    // A date alone is its end.
    let more = if text.contains(':') { 0 } else { 86_399 };
    let utc = civil.to_zoned(jiff::tz::TimeZone::UTC);
    Some(utc.map_or(i64::MAX, |z| z.timestamp().as_second() + more))
}

impl Loaded {
    /// Whether each of `paths`, which were loaded, is of use; notes about files of folders that are not. A feed that became
    /// somebody's error page must not pass for one that knows of nothing.
    ///
    /// # Errors
    /// [`IntelError::Nothing`].
    pub fn of_use(&self, paths: &[PathBuf]) -> Result<Vec<String>, IntelError> {
        let mut notes = Vec::new();
        for p in paths {
            let mine: Vec<&FileReport> = self.files.iter().filter(|f| f.path.starts_with(p)).collect();
            let useless: Vec<&FileReport> = mine.iter().copied().filter(|f| f.is_useless()).collect();
            if useless.len() == mine.len() {
                let why = mine.iter().map(|f| f.why()).find(|w| !w.is_empty()).unwrap_or_default();
                return Err(IntelError::Nothing { path: p.clone(), why });
            }
            notes.extend(useless.iter().map(|f| {
                format!("{}: no value in it can be used{}; the other files are", f.path.display(), f.why())
            }));
        }
        Ok(notes)
    }

    /// What was loaded, in words.
    pub fn report(&self) -> String {
        let mut t = String::new();
        let list = |all: &mut dyn Iterator<Item = (String, u64)>| {
            all.map(|(k, n)| format!("{k} {n}")).collect::<Vec<_>>().join(", ")
        };
        for f in &self.files {
            let _ = writeln!(t, "{}: {}", f.path.display(), f.format);
            let _ = writeln!(t, "  has       {}", list(&mut f.seen.iter().map(|(k, n)| (k.clone(), *n))));
            if !f.taken.is_empty() {
                let _ = writeln!(
                    t,
                    "  taken     {}",
                    list(&mut f.taken.iter().map(|(k, n)| (k.name().into(), *n)))
                );
            }
            for ((what, why), n) in &f.unused {
                let _ = writeln!(t, "  not used  {what} {n}: {why}");
            }
            for (name, n) in &f.held {
                let _ = writeln!(t, "  held back {n}: {name}");
            }
            for w in &f.wrong {
                let _ = writeln!(t, "  for example {w}");
            }
        }
        let i = &self.intel;
        let kinds = Kind::ALL.iter().zip(i.counts()).filter(|(_, n)| *n > 0);
        let kinds = list(&mut kinds.map(|(k, n)| (k.name().to_string(), n as u64)));
        let _ = writeln!(t, "indicators  {} ({kinds})", i.len());
        let _ = writeln!(t, "twice       {}", self.twice);
        let _ = writeln!(t, "tables      {} bytes", i.bytes());
        let _ = writeln!(t, "took        {:.2} s", self.took.as_secs_f64());
        t
    }
}
