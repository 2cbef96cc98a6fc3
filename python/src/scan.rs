//! Text and bytes: patterns, phrases and rules searched in what the caller has.
//!
//! Databases are immutable and shared; what a scan writes to comes from a pool, so threads do not wait for each other.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use tidegate_core::engine::{ScanStream, Scanner as RuleEngine};
use tidegate_core::sig::regex::Flags;
use tidegate_core::sig::text::{Normalise, Scanner as Phrases, TextBuilder, TextScratch};
use tidegate_core::sig::{Set, SetBuilder, SetScratch, Stream};

use crate::errors;
use crate::events::entered;
use crate::rules::{Compiled, RuleSetHandle};

/// Id, start and end of a match.
type Hit = (u32, u64, u64);
/// Bytes of a stream of phrases that are looked at again with what follows.
const REACH: usize = 4 << 10;

/// Things that threads take turns with.
struct Pool<T>(Mutex<Vec<T>>);

impl<T> Pool<T> {
    fn new() -> Self {
        Pool(Mutex::new(Vec::new()))
    }

    /// Runs `f` with a thing from the pool, or a new one. Call it without the interpreter.
    fn with<R>(&self, make: impl FnOnce() -> T, f: impl FnOnce(&mut T) -> R) -> R {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut t = kept.unwrap_or_else(make);
        let out = f(&mut t);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(t);
        out
    }
}

/// What is searched: bytes as they are, or a string whose places are counted in characters.
enum Text<'py> {
    Str(Bound<'py, PyString>),
    Bytes(Bound<'py, PyBytes>),
}

// Not derived: that makes an exception for each kind a text is not.
impl<'py> FromPyObject<'_, 'py> for Text<'py> {
    type Error = PyErr;

    fn extract(text: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(b) = text.cast::<PyBytes>() {
            return Ok(Text::Bytes(b.to_owned()));
        }
        Ok(Text::Str(text.cast::<PyString>()?.to_owned()))
    }
}

impl Text<'_> {
    fn bytes(&self) -> PyResult<&[u8]> {
        match self {
            Text::Str(s) => Ok(s.to_str()?.as_bytes()),
            Text::Bytes(b) => Ok(b.as_bytes()),
        }
    }

    fn is_str(&self) -> bool {
        matches!(self, Text::Str(_))
    }
}

/// Places in characters instead of bytes.
fn in_characters(text: &[u8], hits: &mut [Hit]) {
    if hits.is_empty() || text.is_ascii() {
        return;
    }
    let starts = |part: &[u8]| part.iter().filter(|&&b| b & 0xc0 != 0x80).count() as u64;
    for (_, start, end) in hits {
        let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(text.len());
        let (s, e) = (at(*start), at(*end));
        *start = starts(&text[..s]);
        *end = *start + starts(text.get(s..e).unwrap_or_default());
    }
}

/// Searches many texts, on `threads` threads.
fn each<'t>(
    texts: &[(&'t [u8], bool)],
    threads: usize,
    scan: impl Fn(&'t [u8], &mut Vec<Hit>) + Sync,
) -> Vec<Vec<Hit>> {
    let one = |&(text, is_str): &(&'t [u8], bool)| {
        let mut hits = Vec::new();
        scan(text, &mut hits);
        if is_str {
            in_characters(text, &mut hits);
        }
        hits
    };
    if threads < 2 || texts.len() < 2 * threads {
        return texts.iter().map(one).collect();
    }
    let part = texts.len().div_ceil(threads);
    std::thread::scope(|s| {
        let running: Vec<_> =
            texts.chunks(part).map(|c| s.spawn(|| c.iter().map(one).collect::<Vec<_>>())).collect();
        running.into_iter().flat_map(|t| t.join().unwrap_or_default()).collect()
    })
}

/// The bytes of texts and whether they are strings.
fn all<'a>(texts: &'a [Text<'_>]) -> PyResult<Vec<(&'a [u8], bool)>> {
    texts.iter().map(|t| Ok((t.bytes()?, t.is_str()))).collect()
}

/// Literals and regular expressions in bytes.
#[pyclass(frozen, module = "tidegate._tidegate")]
pub struct PatternSetHandle {
    // In a box for its alignment.
    set: Box<Set>,
    /// Length of each literal; 0 for a regex, of which only the end is known.
    lengths: Vec<u32>,
    pool: Pool<SetScratch>,
}

#[pymethods]
impl PatternSetHandle {
    /// `patterns`: bytes, whether it is a regex, whether case is ignored.
    #[new]
    fn new(py: Python<'_>, patterns: Vec<(Vec<u8>, bool, bool)>) -> PyResult<Self> {
        let made = py.detach(|| {
            let mut b = SetBuilder::new();
            for (i, (p, regex, caseless)) in patterns.iter().enumerate() {
                let r = if *regex {
                    b.add_regex(p, Flags { caseless: *caseless, ..Flags::default() }, i as u32)
                } else {
                    b.add(p, *caseless, i as u32)
                };
                r.map_err(|e| (i, e.why.to_string()))?;
            }
            Ok(b.build())
        });
        let set = made.map_err(|e: (usize, String)| errors::raise(py, "PatternError", (e.1, e.0)))?;
        let lengths = patterns.iter().map(|(p, regex, _)| if *regex { 0 } else { p.len() as u32 }).collect();
        Ok(PatternSetHandle { set: Box::new(set), lengths, pool: Pool::new() })
    }

    fn scan(&self, py: Python<'_>, text: Text<'_>, once: bool) -> PyResult<Vec<Hit>> {
        let (bytes, is_str) = (text.bytes()?, text.is_str());
        Ok(py.detach(|| {
            let mut hits = Vec::new();
            self.search(bytes, once, &mut hits);
            if is_str {
                in_characters(bytes, &mut hits);
            }
            hits
        }))
    }

    fn scan_batch(
        &self,
        py: Python<'_>,
        texts: Vec<Text<'_>>,
        once: bool,
        threads: usize,
    ) -> PyResult<Vec<Vec<Hit>>> {
        let texts = all(&texts)?;
        Ok(py.detach(|| each(&texts, threads, |t, hits| self.search(t, once, hits))))
    }

    /// Whether anything matches.
    fn any(&self, py: Python<'_>, text: Text<'_>) -> PyResult<bool> {
        let bytes = text.bytes()?;
        Ok(py.detach(|| {
            let mut any = false;
            self.pool.with(
                || SetScratch::for_set(&self.set),
                |s| {
                    self.set.scan(bytes, s, |_, _| {
                        any = true;
                        false
                    })
                },
            );
            any
        }))
    }

    fn describe(&self) -> String {
        self.set.describe()
    }

    fn memory(&self) -> usize {
        self.set.memory_bytes()
    }
}

impl PatternSetHandle {
    fn search(&self, bytes: &[u8], once: bool, hits: &mut Vec<Hit>) {
        let told = |id: u32, end: usize| {
            let len = self.lengths.get(id as usize).copied().unwrap_or(0);
            let end = end as u64;
            (id, if len == 0 { end } else { end.saturating_sub(u64::from(len)) }, end)
        };
        self.pool.with(
            || SetScratch::for_set(&self.set),
            |s| {
                let on_match = |id: u32, end: usize| {
                    hits.push(told(id, end));
                    true
                };
                if once { self.set.scan_once(bytes, s, on_match) } else { self.set.scan(bytes, s, on_match) }
            },
        );
    }
}

/// Literals in bytes that come in pieces.
#[pyclass(frozen, module = "tidegate._tidegate")]
pub struct PatternStream {
    set: Py<PatternSetHandle>,
    state: Mutex<(Stream, tidegate_core::sig::Scratch)>,
}

#[pymethods]
impl PatternStream {
    #[new]
    fn new(set: Py<PatternSetHandle>) -> Self {
        let db = set.get().set.literals();
        let state = (Stream::new(db), tidegate_core::sig::Scratch::for_databases([db]));
        PatternStream { set, state: Mutex::new(state) }
    }

    fn feed(&self, py: Python<'_>, piece: &Bound<'_, PyBytes>) -> Vec<Hit> {
        let (bytes, set) = (piece.as_bytes(), self.set.get());
        let mut state = entered(py, &self.state);
        let state = &mut *state;
        py.detach(|| {
            let mut hits = Vec::new();
            let (stream, scratch) = state;
            set.set.literals().scan_stream(stream, bytes, scratch, |id, end| {
                let len = set.lengths.get(id as usize).copied().unwrap_or(0);
                hits.push((id, end.saturating_sub(u64::from(len)), end));
                true
            });
            hits
        })
    }

    fn position(&self, py: Python<'_>) -> u64 {
        entered(py, &self.state).0.position()
    }

    fn reset(&self, py: Python<'_>) {
        entered(py, &self.state).0.reset();
    }
}

/// What is done to text before it is compared: the names that Python uses.
fn normalise(py: Python<'_>, names: &[String]) -> PyResult<Normalise> {
    let mut n = Normalise::NONE;
    for name in names {
        match name.as_str() {
            "case" => n.case = true,
            "compatible" => n.compatible = true,
            "lookalikes" => n.homoglyphs = true,
            "marks" => n.marks = true,
            "invisible" => n.invisible = true,
            "spaces" => n.spaces = true,
            other => {
                return Err(errors::config(
                    py,
                    format!(
                        "normalise {other}: there is case, compatible, lookalikes, marks, invisible, spaces"
                    ),
                ));
            }
        }
    }
    Ok(n)
}

/// How scanners of rules are made.
#[derive(Clone, Copy)]
struct How {
    normalise: Normalise,
}

enum Search {
    Phrases(Box<Phrases>, Pool<TextScratch>),
    Rules(Arc<Compiled>, How, Pool<RuleEngine>),
}

impl Search {
    fn rule_engine(compiled: &Compiled, how: How) -> RuleEngine {
        RuleEngine::new(compiled.rules.clone(), how.normalise)
    }

    fn search(&self, text: &[u8], hits: &mut Vec<Hit>) {
        match self {
            Search::Phrases(p, pool) => pool.with(
                || TextScratch::for_scanner(p),
                |s| {
                    p.scan(text, s, |id, start, end| {
                        hits.push((id, start as u64, end as u64));
                        true
                    });
                },
            ),
            Search::Rules(c, n, pool) => pool.with(
                || Search::rule_engine(c, *n),
                |s| {
                    s.scan(text, |m| {
                        hits.push((m.rule.sid, m.start, m.end));
                        true
                    });
                },
            ),
        }
    }
}

/// Phrases or rules in text.
#[pyclass(frozen, module = "tidegate._tidegate")]
pub struct ScannerHandle {
    search: Search,
}

#[pymethods]
impl ScannerHandle {
    /// Of phrases when `phrases` is given, else of `rules`.
    #[new]
    #[pyo3(signature = (phrases, rules, normalise_by))]
    fn new(
        py: Python<'_>,
        phrases: Option<Vec<String>>,
        rules: Option<&RuleSetHandle>,
        normalise_by: Vec<String>,
    ) -> PyResult<Self> {
        let n = normalise(py, &normalise_by)?;
        let search = match (phrases, rules) {
            (Some(list), _) => {
                let made = py.detach(|| {
                    let mut b = TextBuilder::new(n);
                    for (i, p) in list.iter().enumerate() {
                        b.add(p, i as u32).map_err(|e| (i, e.to_string()))?;
                    }
                    Ok(b.build())
                });
                let built =
                    made.map_err(|e: (usize, String)| errors::raise(py, "PatternError", (e.1, e.0)))?;
                Search::Phrases(Box::new(built), Pool::new())
            }
            (None, Some(r)) => Search::Rules(r.compiled.clone(), How { normalise: n }, Pool::new()),
            (None, None) => return Err(errors::config(py, "phrases or rules are needed")),
        };
        Ok(ScannerHandle { search })
    }

    fn scan(&self, py: Python<'_>, text: Text<'_>) -> PyResult<Vec<Hit>> {
        let (bytes, is_str) = (text.bytes()?, text.is_str());
        Ok(py.detach(|| {
            let mut hits = Vec::new();
            self.search.search(bytes, &mut hits);
            if is_str {
                in_characters(bytes, &mut hits);
            }
            hits
        }))
    }

    fn scan_batch(&self, py: Python<'_>, texts: Vec<Text<'_>>, threads: usize) -> PyResult<Vec<Vec<Hit>>> {
        let texts = all(&texts)?;
        Ok(py.detach(|| each(&texts, threads, |t, hits| self.search.search(t, hits))))
    }
}

enum Going {
    /// The last bytes, what the stream has before them, and up to where matches were told.
    Phrases {
        carry: Vec<u8>,
        before: u64,
    },
    Rules(ScanStream),
}

/// A text that comes in pieces. Places are bytes from its start.
#[pyclass(frozen, module = "tidegate._tidegate")]
pub struct TextStream {
    scanner: Py<ScannerHandle>,
    going: Mutex<Going>,
}

#[pymethods]
impl TextStream {
    #[new]
    fn new(py: Python<'_>, scanner: Py<ScannerHandle>) -> Self {
        let going = py.detach(|| match &scanner.get().search {
            Search::Phrases(..) => Going::Phrases { carry: Vec::new(), before: 0 },
            Search::Rules(c, n, pool) => {
                Going::Rules(pool.with(|| Search::rule_engine(c, *n), |s| s.stream()))
            }
        });
        TextStream { scanner, going: Mutex::new(going) }
    }

    /// What matches with the next piece and did not before.
    fn feed(&self, py: Python<'_>, piece: Text<'_>) -> PyResult<Vec<Hit>> {
        let (bytes, search) = (piece.bytes()?, &self.scanner.get().search);
        let mut going = entered(py, &self.going);
        let going = &mut *going;
        Ok(py.detach(|| feed(search, going, bytes)))
    }

    fn reset(&self, py: Python<'_>) {
        match &mut *entered(py, &self.going) {
            Going::Phrases { carry, before } => {
                carry.clear();
                *before = 0;
            }
            Going::Rules(s) => s.reset(),
        }
    }
}

fn feed(search: &Search, going: &mut Going, piece: &[u8]) -> Vec<Hit> {
    let mut hits = Vec::new();
    match (search, going) {
        (Search::Phrases(..), Going::Phrases { carry, before }) => {
            let old = carry.len() as u64;
            carry.extend_from_slice(piece);
            search.search(carry, &mut hits);
            // What ends in the old bytes was told with them.
            hits.retain(|h| h.2 > old);
            for h in &mut hits {
                h.1 += *before;
                h.2 += *before;
            }
            let mut cut = carry.len().saturating_sub(REACH);
            // Not in the middle of a character.
            while cut > 0 && carry.get(cut).is_some_and(|b| b & 0xc0 == 0x80) {
                cut -= 1;
            }
            carry.drain(..cut);
            *before += cut as u64;
        }
        (Search::Rules(c, n, pool), Going::Rules(stream)) => pool.with(
            || Search::rule_engine(c, *n),
            |s| {
                s.feed(stream, piece, |m| {
                    hits.push((m.rule.sid, m.start, m.end));
                    true
                });
            },
        ),
        _ => {}
    }
    hits
}
