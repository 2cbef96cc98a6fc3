//! The configuration tree: YAML text goes in, [`Node`]s with text values come out.
//!
//! The files are YAML 1.1 as IDS users write them: every scalar is text here (`yes`, `80` and `"80"` are what
//! they look like), `include:` pulls in further files, and a key given again replaces the earlier one. Every
//! node remembers whether somebody read it, so that what nobody reads can be told to the user.

use std::cell::Cell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use saphyr_parser::{Event, Parser};

use super::shape::Shape;

/// One key of a mapping, or one item of a sequence (then `key` is its number).
#[derive(Clone, Debug, Default)]
pub struct Node {
    pub key: String,
    /// Text of a scalar; `None` for mappings, sequences and empty values.
    pub val: Option<String>,
    pub children: Vec<Node>,
    /// The children are items of a sequence.
    pub seq: bool,
    /// Dotted path from the top.
    pub path: String,
    /// File, line and column; `None` for what `--set` made.
    place: Place,
    /// Line and column of its key, of an item of a list its own.
    key_at: (usize, usize),
    pub(super) used: Cell<bool>,
    /// Nothing in it matters.
    pub(super) moot: Cell<bool>,
    /// An item of a list that is its name alone, and may have had settings.
    pub(super) bare: Cell<bool>,
    /// Line of the same key before it in the same mapping, whose value it took the place of.
    before: Option<usize>,
    /// What somebody took it for, and it is not.
    pub(super) wanted: Cell<Option<Shape>>,
}

/// File, line and column.
pub type Place = Option<(Arc<str>, usize, usize)>;

/// Why a configuration could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path}:{line}:{col}: {what}")]
    Syntax { path: PathBuf, line: usize, col: usize, what: String },
    #[error("{path}: included files nest deeper than {max} levels")]
    TooDeep { path: PathBuf, max: usize },
    #[error("{}{key}: {what}", place(.at))]
    Value { key: String, what: String, at: Place },
    #[error("{} settings have no effect, and --strict is given: {}", .0.len(), .0.join("; "))]
    Strict(Vec<String>),
    #[error("--set {0}: expected NAME=VALUE")]
    Set(String),
}

/// `file:line:column: `, when that is known.
fn place(at: &Place) -> String {
    at.as_ref().map_or(String::new(), |(file, line, col)| format!("{file}:{line}:{col}: "))
}

/// Deepest nesting of includes and of nodes.
const MAX_INCLUDES: usize = 16;
const MAX_DEPTH: usize = 128;
/// Most values of one file, those that aliases repeat included.
const MAX_VALUES: usize = 1 << 17;

impl Node {
    fn named(key: impl Into<String>) -> Self {
        Node { key: key.into(), ..Node::default() }
    }

    /// Reads a file and everything it includes.
    pub fn load(path: &Path) -> Result<Node, ConfigError> {
        let mut root = Node::default();
        root.load_into(path, 0)?;
        root.name_below();
        Ok(root)
    }

    /// Reads text; included files are looked for in `dir`.
    pub fn parse(text: &str, name: &Path, dir: &Path) -> Result<Node, ConfigError> {
        let mut root = Node::default();
        root.parse_into(text, name, dir, 0)?;
        root.name_below();
        Ok(root)
    }

    /// Gives everything below its path.
    fn name_below(&mut self) {
        for c in &mut self.children {
            c.path = if self.path.is_empty() { c.key.clone() } else { format!("{}.{}", self.path, c.key) };
            c.name_below();
        }
    }

    /// Its path, or that of the bare word `name` of a list.
    pub fn path_as(&self, name: &str) -> String {
        if self.key == name { self.path.clone() } else { format!("{}.{name}", self.path) }
    }

    /// What is told of its value: `path (file:line:column: what)`, without the place if `--set` made it.
    pub(super) fn odd(&self, what: &str) -> String {
        self.odd_as(&self.path, what)
    }

    /// As [`Node::odd`], under another name than its path.
    pub(super) fn odd_as(&self, name: &str, what: &str) -> String {
        format!("{name} ({}{what})", place(&self.place))
    }

    /// What is told of its name.
    pub(super) fn odd_name(&self, what: &str) -> String {
        let at = self.place.clone().map(|(file, _, _)| (file, self.key_at.0, self.key_at.1));
        format!("{} ({}{what})", self.path, place(&at))
    }

    /// An error about its value.
    pub fn wrong(&self, what: impl Into<String>) -> ConfigError {
        ConfigError::Value { key: self.path.clone(), what: what.into(), at: self.place.clone() }
    }

    fn load_into(&mut self, path: &Path, level: usize) -> Result<(), ConfigError> {
        if level > MAX_INCLUDES {
            return Err(ConfigError::TooDeep { path: path.into(), max: MAX_INCLUDES });
        }
        let bytes = std::fs::read(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
        let text = String::from_utf8_lossy(&bytes);
        let dir = path.parent().unwrap_or(Path::new("."));
        self.parse_into(&text, path, dir, level)
    }

    fn parse_into(&mut self, text: &str, name: &Path, dir: &Path, level: usize) -> Result<(), ConfigError> {
        let syntax = |line, col, what: &str| ConfigError::Syntax {
            path: name.into(),
            line,
            col,
            what: what.to_string(),
        };
        let mut build = Build { file: name.display().to_string().into(), ..Build::default() };
        for ev in Parser::new_from_str(text) {
            let (ev, span) = ev.map_err(|e| syntax(e.marker().line(), e.marker().col() + 1, e.info()))?;
            (build.line, build.col) = (span.start.line(), span.start.col() + 1);
            build.event(ev).map_err(|what| syntax(span.start.line(), span.start.col() + 1, what))?;
            if build.done.is_some() {
                break;
            }
        }
        let Some(doc) = build.done else { return Ok(()) };
        if doc.seq || (doc.val.is_some() && doc.children.is_empty()) {
            return Err(syntax(1, 1, "expected a mapping of settings"));
        }
        self.merge(doc, dir, level)
    }

    /// Puts the children of `from` into `self`, following includes where they stand.
    fn merge(&mut self, from: Node, dir: &Path, level: usize) -> Result<(), ConfigError> {
        for mut child in from.children {
            if child.key == "include" {
                let files: Vec<String> = match child.val.take() {
                    Some(v) => vec![v],
                    None => child.children.into_iter().filter_map(|c| c.val).collect(),
                };
                for f in files {
                    self.load_into(&dir.join(f), level + 1)?;
                }
                continue;
            }
            let (val, place, key_at) = (child.val.take(), child.place.take(), child.key_at);
            let mut made = Node { val, seq: child.seq, place, key_at, ..Node::named(child.key.clone()) };
            made.merge(child, dir, level)?;
            match self.children.iter_mut().find(|c| c.key == made.key) {
                Some(old) => {
                    // What an included file says otherwise is meant to be so.
                    let file = |n: &Node| n.place.as_ref().map(|p| p.0.clone());
                    made.before = Some(old.key_at.0).filter(|_| file(old) == file(&made));
                    *old = made;
                }
                None => self.children.push(made),
            }
        }
        Ok(())
    }

    /// `--set a.b.1.c=value`: makes the path where it does not exist.
    pub fn set(&mut self, assignment: &str) -> Result<(), ConfigError> {
        let (path, value) =
            assignment.split_once('=').ok_or_else(|| ConfigError::Set(assignment.to_string()))?;
        let (path, value) = (path.trim(), value.trim());
        if path.is_empty() {
            return Err(ConfigError::Set(assignment.to_string()));
        }
        let mut node = &mut *self;
        for key in path.split('.') {
            let at = match node.children.iter().position(|c| c.key == key) {
                Some(at) => at,
                None => {
                    // A list item written as a bare word (`- alert`) gets the settings below that word.
                    if let Some(word) = node.val.take_if(|w| w == key) {
                        node.children.push(Node::named(word));
                    } else {
                        node.children.push(Node::named(key));
                    }
                    node.children.len() - 1
                }
            };
            node = &mut node.children[at];
        }
        node.val = Some(value.to_string());
        node.place = None;
        node.children.clear();
        self.name_below();
        Ok(())
    }

    /// The child called `key`.
    pub fn child(&self, key: &str) -> Option<&Node> {
        #[cfg(test)]
        asked::note(&self.path, key);
        let Some(c) = self.children.iter().find(|c| c.key == key) else {
            self.asked_below(key);
            return None;
        };
        c.used.set(true);
        Some(c)
    }

    /// The node at a dotted path.
    pub fn at(&self, path: &str) -> Option<&Node> {
        let mut n = self;
        for key in path.split('.') {
            n = n.child(key)?;
        }
        Some(n)
    }

    /// Text at a dotted path.
    pub fn text(&self, path: &str) -> Option<&str> {
        let n = self.at(path)?;
        n.asked_value();
        n.val.as_deref()
    }

    /// `true`/`false` at a dotted path; `None` when absent.
    pub fn flag(&self, path: &str) -> Result<Option<bool>, ConfigError> {
        self.parsed(path, truth, "neither yes nor no")
    }

    /// A number at a dotted path.
    pub fn number<T: std::str::FromStr>(&self, path: &str) -> Result<Option<T>, ConfigError> {
        self.parsed(path, |t| t.trim().parse().ok(), "not a number in range")
    }

    /// A size in bytes (`65536`, `64kb`, `1 MiB`) at a dotted path.
    pub fn size(&self, path: &str) -> Result<Option<u64>, ConfigError> {
        self.parsed(path, size, "not a size (a number, then nothing, kb, mb, gb, KiB, MiB or GiB)")
    }

    /// One of some words at a dotted path; `None` when absent.
    pub fn one_of(&self, path: &str, words: &[&'static str]) -> Result<Option<&'static str>, ConfigError> {
        let word = |t: &str| words.iter().find(|w| w.eq_ignore_ascii_case(t.trim())).copied();
        self.parsed(path, word, &format!("none of {}", words.join(", ")))
    }

    fn parsed<T>(
        &self,
        path: &str,
        read: impl Fn(&str) -> Option<T>,
        not: &str,
    ) -> Result<Option<T>, ConfigError> {
        let Some(n) = self.at(path) else { return Ok(None) };
        n.asked_value();
        match &n.val {
            None => Ok(None),
            Some(t) => read(t).map(Some).ok_or_else(|| n.wrong(format!("`{t}` is {not}"))),
        }
    }

    /// Items of a sequence as (name, settings): `- alert` and `- alert: {…}` both give `alert`.
    pub fn named_items(&self) -> impl Iterator<Item = (&str, &Node)> {
        let items = if self.asked_items() { &self.children[..] } else { &[] };
        items.iter().flat_map(|item| {
            item.used.set(true);
            let bare = item.children.is_empty().then_some(item).filter(|i| i.val.is_some());
            item.bare.set(bare.is_some());
            let below = item.children.iter().inspect(|c| c.used.set(true)).map(|c| (c.key.as_str(), c));
            bare.map(|i| (i.val.as_deref().unwrap_or(""), i)).into_iter().chain(below)
        })
    }

    /// Values in it, itself included.
    fn values(&self) -> usize {
        1 + self.children.iter().map(Node::values).sum::<usize>()
    }

    /// Marks it and everything below as read.
    pub fn accept(&self) {
        self.used.set(true);
        self.moot.set(true);
        self.children.iter().for_each(Node::accept);
    }

    /// Every value below that matters: scalars, and what is empty.
    pub fn leaves<'n>(&'n self, out: &mut Vec<&'n Node>) {
        for c in self.children.iter().filter(|c| !c.moot.get()) {
            if c.children.is_empty() { out.push(c) } else { c.leaves(out) }
        }
    }

    /// Whether somebody read it.
    pub fn is_used(&self) -> bool {
        self.used.get()
    }

    /// What is told of keys that a mapping has twice: the value before has no effect.
    pub fn twice(&self) -> Vec<String> {
        let below = self.children.iter().flat_map(Node::twice);
        let here = self
            .before
            .map(|line| self.odd_name(&format!("given twice, before in line {line}; this one holds")));
        here.into_iter().chain(below).collect()
    }

    /// The topmost nodes that nobody read.
    pub fn unread(&self) -> Vec<&Node> {
        let below = |c| if Node::is_used(c) { c.unread() } else { vec![c] };
        self.children.iter().flat_map(below).collect()
    }
}

/// Paths that anybody asked for, for the list in the documentation.
#[cfg(test)]
pub mod asked {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    thread_local! {
        pub static PATHS: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
    }

    pub fn note(above: &str, key: &str) {
        let path = if above.is_empty() { key.to_string() } else { format!("{above}.{key}") };
        PATHS.with(|p| p.borrow_mut().insert(path));
    }
}

/// A key with its line and column.
type Key = (String, usize, usize);

/// Builds one document from parser events.
#[derive(Default)]
struct Build {
    /// Where the parser is.
    file: Arc<str>,
    line: usize,
    col: usize,
    /// Open mappings and sequences: node, anchor, key waiting for its value.
    stack: Vec<(Node, usize, Option<Key>)>,
    anchors: HashMap<usize, Node>,
    /// Values so far, those that aliases repeat included.
    values: usize,
    done: Option<Node>,
}

impl Build {
    fn event(&mut self, ev: Event<'_>) -> Result<(), &'static str> {
        match ev {
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == saphyr_parser::ScalarStyle::Plain;
                let val =
                    if plain && (text.is_empty() || text == "~") { None } else { Some(text.into_owned()) };
                if let Some((node, _, key @ None)) = self.stack.last_mut()
                    && !node.seq
                {
                    *key = Some((val.unwrap_or_default(), self.line, self.col));
                    return Ok(());
                }
                self.value(Node { val, place: self.place(), ..Node::default() }, anchor)
            }
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                if self.stack.len() >= MAX_DEPTH {
                    return Err("nested too deeply");
                }
                let seq = matches!(ev, Event::SequenceStart(..));
                self.stack.push((Node { seq, place: self.place(), ..Node::default() }, anchor, None));
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some((node, anchor, _)) = self.stack.pop() else { return Err("unbalanced end") };
                self.value(node, anchor)
            }
            Event::Alias(id) => {
                // Counted before they are copied: aliases of aliases grow without bounds.
                let size = self.anchors.get(&id).map_or(1, Node::values);
                self.grow(size)?;
                let node = self.anchors.get(&id).cloned().unwrap_or_default();
                self.value(node, 0)
            }
            _ => Ok(()),
        }
    }

    fn place(&self) -> Place {
        Some((self.file.clone(), self.line, self.col))
    }

    fn grow(&mut self, by: usize) -> Result<(), &'static str> {
        self.values += by;
        if self.values > MAX_VALUES {
            Err("more than 131072 values, those that aliases repeat included")
        } else {
            Ok(())
        }
    }

    fn value(&mut self, mut node: Node, anchor: usize) -> Result<(), &'static str> {
        self.grow(1)?;
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.stack.last_mut() {
            None => self.done = Some(node),
            Some((parent, _, key)) => {
                let (name, line, col) = if parent.seq {
                    let (line, col) = node.place.as_ref().map_or((0, 0), |p| (p.1, p.2));
                    (parent.children.len().to_string(), line, col)
                } else {
                    key.take().ok_or("a mapping used as a key")?
                };
                (node.key, node.key_at) = (name, (line, col));
                parent.children.push(node);
            }
        }
        Ok(())
    }
}

/// The YAML 1.1 spellings of truth; `None` for anything else.
pub fn truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "yes" | "true" | "on" | "enabled" => Some(true),
        "0" | "no" | "false" | "off" | "disabled" => Some(false),
        _ => None,
    }
}

/// Bytes of `65536`, `100 KiB`, `1mb`, `1.5gb`.
pub fn size(text: &str) -> Option<u64> {
    let t = text.trim();
    let end = t.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(t.len());
    let (digits, unit) = t.split_at(end);
    let unit: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" => 1,
        "kb" | "kib" => 1 << 10,
        "mb" | "mib" => 1 << 20,
        "gb" | "gib" => 1 << 30,
        _ => return None,
    };
    if let Ok(n) = digits.parse::<u64>() {
        return n.checked_mul(unit);
    }
    let n = digits.parse::<f64>().ok()? * unit as f64;
    (n < 9e18).then_some(n as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Node {
        Node::parse(text, Path::new("t.yaml"), Path::new(".")).unwrap()
    }

    #[test]
    fn yaml_1_1_scalars_stay_text() {
        let t = tree("%YAML 1.1\n---\na:\n  b: yes\n  c: 0x10\n  d: \"80\"\n  e:\n  f: ~\nlist: [x, y]\n");
        assert_eq!(t.flag("a.b").unwrap(), Some(true));
        assert_eq!(t.text("a.c"), Some("0x10"));
        assert_eq!(t.number::<u16>("a.d").unwrap(), Some(80));
        assert_eq!(t.text("a.e"), None);
        assert!(t.at("a.f").is_some());
        assert_eq!(t.text("list.1"), Some("y"));
    }

    #[test]
    fn list_items_with_and_without_settings() {
        let t =
            tree("types:\n  - alert\n  - http: {extended: yes}\n  - dns:\n  - tls:\n      extended: no\n");
        let names: Vec<_> = t.at("types").unwrap().named_items().map(|(n, _)| n).collect();
        assert_eq!(names, ["alert", "http", "dns", "tls"]);
    }

    #[test]
    fn keys_that_a_mapping_has_twice_are_told() {
        let t = tree("a: {x: 1, y: 2, x: 3}\nb: [1, 1]\na:\n  z: 4\n");
        assert_eq!(t.twice(), ["a (t.yaml:3:1: given twice, before in line 1; this one holds)"]);
        assert_eq!((t.text("a.z"), t.text("a.x")), (Some("4"), None));
        assert_eq!(tree("a: {x: 1, y: 2, x: 3}").twice().len(), 1);
    }

    #[test]
    fn set_reaches_into_lists_and_makes_paths() {
        let mut t = tree(
            "outputs:\n  - fast: {enabled: no}\n  - eve-log:\n      types:\n        - alert\n        - anomaly\n",
        );
        t.set("outputs.1.eve-log.types.1.anomaly.types.stream=yes").unwrap();
        t.set("stream.reassembly.depth = 1MB").unwrap();
        t.set("outputs.0.fast.enabled=yes").unwrap();
        assert_eq!(t.flag("outputs.1.eve-log.types.1.anomaly.types.stream").unwrap(), Some(true));
        assert_eq!(t.size("stream.reassembly.depth").unwrap(), Some(1 << 20));
        assert_eq!(t.flag("outputs.0.fast.enabled").unwrap(), Some(true));
        assert_eq!(t.at("outputs.1.eve-log.types").unwrap().named_items().count(), 2);
        assert!(t.set("novalue").is_err());
    }

    #[test]
    fn a_key_given_again_replaces_the_earlier_one() {
        let t = tree("a: {x: 1, y: 2}\na: {x: 3}\n");
        assert_eq!(t.text("a.x"), Some("3"));
        assert_eq!(t.text("a.y"), None);
    }

    #[test]
    fn anchors_repeat_a_value() {
        let t = tree("a: &n [1, 2]\nb: *n\n");
        assert_eq!(t.text("b.1"), Some("2"));
    }

    #[test]
    fn aliases_are_bounded() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_string();
        for i in 1..12 {
            let list = vec![format!("*a{}", i - 1); 10].join(", ");
            text += &format!("a{i}: &a{i} [{list}]\n");
        }
        let start = std::time::Instant::now();
        let e = Node::parse(&text, Path::new("bomb.yaml"), Path::new(".")).unwrap_err();
        assert!(e.to_string().starts_with("bomb.yaml:6:"), "{e}");
        assert!(e.to_string().contains("values"), "{e}");
        assert!(start.elapsed().as_secs() < 5);
    }

    #[test]
    fn sizes() {
        for (t, n) in [("1", 1), ("100 KiB", 102_400), ("1mb", 1 << 20), ("1.5kb", 1536), (" 2GB ", 2 << 30)]
        {
            assert_eq!(size(t), Some(n), "{t}");
        }
        for t in ["", "x", "1 parsec", "-1", "99999999999999999999gb"] {
            assert_eq!(size(t), None, "{t}");
        }
    }

    #[test]
    fn what_nobody_reads_is_listed_once_at_the_top() {
        let t = tree("a: {x: 1, y: {p: 1, q: 2}}\nb: [1, 2]\n");
        t.text("a.x");
        assert_eq!(t.unread().iter().map(|n| n.path.as_str()).collect::<Vec<_>>(), ["a.y", "b"]);
    }

    #[test]
    fn errors_name_the_place() {
        let e = Node::parse("a: [1\nb: }\n", Path::new("bad.yaml"), Path::new(".")).unwrap_err();
        assert!(e.to_string().starts_with("bad.yaml:"), "{e}");
        assert!(Node::parse("- a\n", Path::new("bad.yaml"), Path::new(".")).is_err());
    }

    #[test]
    fn includes_are_followed_and_loops_end() {
        let dir = std::env::temp_dir().join(format!("tidegate-yaml-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("a.yaml"), "x: 1\ninclude: b.yaml\nz: 3\nw:\n  include: c.yaml\n").unwrap();
        std::fs::write(dir.join("b.yaml"), "x: 2\ny: 2\nz: 2\n").unwrap();
        std::fs::write(dir.join("c.yaml"), "in: c\n").unwrap();
        let t = Node::load(&dir.join("a.yaml")).unwrap();
        assert_eq!((t.text("x"), t.text("y"), t.text("z")), (Some("2"), Some("2"), Some("3")));
        assert_eq!(t.text("w.in"), Some("c"));
        std::fs::write(dir.join("b.yaml"), "include: b.yaml\n").unwrap();
        assert!(matches!(Node::load(&dir.join("a.yaml")), Err(ConfigError::TooDeep { .. })));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
