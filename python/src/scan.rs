//! Text and bytes: patterns, phrases and rules searched in what the caller has.
//!
//! Databases are immutable and shared; what a scan writes to comes from a pool, so threads do not wait for each other.

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use tidegate_core::engine::{ScanStream, Scanner as RuleEngine};
use tidegate_core::sig::regex::Flags;
use tidegate_core::sig::text::{Normalise, Scanner as Phrases, TextBuilder, TextScratch};
use tidegate_core::sig::{Set, SetBuilder, SetScratch, Stream};

use crate::errors;
use crate::held::{Held, guarded};
use crate::rules::{Compiled, RuleSetHandle};

/// Id, start and end of a match.
type Hit = (u32, u64, u64);
/// Bytes of a stream of phrases that are looked at again with what follows.
const REACH: usize = 4 << 10;

/// Things that threads take turns with.
pub struct Pool<T>(Mutex<Vec<T>>);

impl<T> Pool<T> {
    pub fn new() -> Self {
        Pool(Mutex::new(Vec::new()))
    }

    /// Runs `f` with a thing from the pool, or a new one. Call it without the interpreter.
    pub fn with<R>(&self, make: impl FnOnce() -> T, f: impl FnOnce(&mut T) -> R) -> R {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut t = kept.unwrap_or_else(make);
        let out = f(&mut t);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(t);
        out
    }
}

/// What is searched: bytes as they are, or a string whose places are counted in characters.
pub enum Text<'py> {
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

/// Bytes between places whose characters are counted once for all matches.
const BLOCK: usize = 256;

/// Places in characters instead of bytes. Costs by the text and by the matches, never by their product: characters
/// are counted once up to every block, and for each match from its block on.
pub fn in_characters(text: &[u8], hits: &mut [Hit]) {
    let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(text.len());
    let Some(last) = hits.iter().map(|h| at(h.1.max(h.2))).max() else { return };
    if text.is_ascii() {
        return;
    }
    let starts = |part: &[u8]| part.iter().filter(|&&b| b & 0xc0 != 0x80).count() as u64;
    let mut before = Vec::with_capacity(last / BLOCK + 1);
    let mut sum = 0;
    before.push(sum);
    for block in text[..last].chunks_exact(BLOCK) {
        sum += starts(block);
        before.push(sum);
    }
    let characters = |n: usize| before[n / BLOCK] + starts(&text[n / BLOCK * BLOCK..n]);
    for (_, start, end) in hits {
        *start = characters(at(*start));
        *end = characters(at(*end)).max(*start);
    }
}

/// Searches many texts, on `threads` threads.
fn hits_of_each<'t>(
    texts: &[(&'t [u8], bool)],
    threads: usize,
    scan: impl Fn(&'t [u8], &mut Vec<Hit>) + Sync,
) -> Vec<Vec<Hit>> {
    each(texts, threads, |text, is_str| {
        let mut hits = Vec::new();
        scan(text, &mut hits);
        if is_str {
            in_characters(text, &mut hits);
        }
        hits
    })
}

/// Does something with many texts, on `threads` threads; it is told whether a text is a string.
pub fn each<'t, R: Send>(
    texts: &[(&'t [u8], bool)],
    threads: usize,
    work: impl Fn(&'t [u8], bool) -> R + Sync,
) -> Vec<R> {
    let one = |&(text, is_str): &(&'t [u8], bool)| work(text, is_str);
    if threads < 2 || texts.len() < 2 * threads {
        return texts.iter().map(one).collect();
    }
    let part = texts.len().div_ceil(threads);
    std::thread::scope(|s| {
        let running: Vec<_> =
            texts.chunks(part).map(|c| s.spawn(|| c.iter().map(one).collect::<Vec<_>>())).collect();
        running.into_iter().flat_map(|t| t.join().unwrap_or_else(|p| resume_unwind(p))).collect()
    })
}

/// The bytes of texts and whether they are strings.
pub fn all<'a>(texts: &'a [Text<'_>]) -> PyResult<Vec<(&'a [u8], bool)>> {
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
        guarded(py, || {
            let mut hits = Vec::new();
            self.search(bytes, once, &mut hits);
            if is_str {
                in_characters(bytes, &mut hits);
            }
            hits
        })
    }

    fn scan_batch(
        &self,
        py: Python<'_>,
        texts: Vec<Text<'_>>,
        once: bool,
        threads: usize,
    ) -> PyResult<Vec<Vec<Hit>>> {
        let texts = all(&texts)?;
        guarded(py, || hits_of_each(&texts, threads, |t, hits| self.search(t, once, hits)))
    }

    /// Whether anything matches.
    fn any(&self, py: Python<'_>, text: Text<'_>) -> PyResult<bool> {
        let bytes = text.bytes()?;
        guarded(py, || {
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
        })
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
    state: Held<(Stream, tidegate_core::sig::Scratch)>,
}

#[pymethods]
impl PatternStream {
    #[new]
    fn new(set: Py<PatternSetHandle>) -> Self {
        let db = set.get().set.literals();
        let state = (Stream::new(db), tidegate_core::sig::Scratch::for_databases([db]));
        PatternStream { set, state: Held::new(state) }
    }

    fn feed(&self, py: Python<'_>, piece: &Bound<'_, PyBytes>) -> PyResult<Vec<Hit>> {
        let (bytes, set) = (piece.as_bytes(), self.set.get());
        self.state.work(py, |(stream, scratch)| {
            let mut hits = Vec::new();
            set.set.literals().scan_stream(stream, bytes, scratch, |id, end| {
                let len = set.lengths.get(id as usize).copied().unwrap_or(0);
                hits.push((id, end.saturating_sub(u64::from(len)), end));
                true
            });
            hits
        })
    }

    fn position(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.state.enter(py)?.0.position())
    }

    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        self.state.enter(py)?.0.reset();
        Ok(())
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

/// Phrases, and what counts as a match of one.
struct PhraseSearch {
    phrases: Phrases,
    normalise: Normalise,
    /// For each phrase whether its first and its last character are of words; empty when parts of words count.
    words: Vec<(bool, bool)>,
    pool: Pool<TextScratch>,
}

/// Whether a match is of whole words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    Yes,
    No,
    /// So far: the text ends with it.
    AtEnd,
}

impl PhraseSearch {
    /// Where phrases are, in whole words or not.
    fn places(&self, text: &[u8], hits: &mut Vec<Hit>) {
        self.pool.with(
            || TextScratch::for_scanner(&self.phrases),
            |s| {
                self.phrases.scan(text, s, |id, start, end| {
                    hits.push((id, start as u64, end as u64));
                    true
                });
            },
        );
    }

    fn whole(&self, text: &[u8], (id, start, end): Hit) -> Whole {
        let Some(&(first, last)) = self.words.get(id as usize) else { return Whole::Yes };
        let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(text.len());
        let (before, after) = (&text[..at(start)], &text[at(end)..]);
        let seen = |c: &char| !self.unseen(*c);
        // Not more than some characters before: those that are not seen may be many.
        let near = &before[before.len().saturating_sub(256)..];
        if first && String::from_utf8_lossy(near).chars().rev().find(seen).is_some_and(of_word) {
            return Whole::No;
        }
        if !last {
            return Whole::Yes;
        }
        let next = &after[..after.len().min(256)];
        let cut = std::str::from_utf8(next).is_err_and(|e| e.valid_up_to() == 0 && e.error_len().is_none());
        match String::from_utf8_lossy(next).chars().find(seen) {
            Some(_) if cut => Whole::AtEnd,
            Some(c) if of_word(c) => Whole::No,
            Some(_) => Whole::Yes,
            None => Whole::AtEnd,
        }
    }

    /// Nothing is compared of this character.
    fn unseen(&self, c: char) -> bool {
        let (mut nothing, mut bytes) = (true, [0; 4]);
        self.normalise
            .each(c.encode_utf8(&mut bytes).as_bytes(), |piece, _, _, _| nothing &= piece.is_empty());
        nothing
    }
}

fn of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

enum Search {
    Phrases(Box<PhraseSearch>),
    Rules(Arc<Compiled>, How, Pool<RuleEngine>),
}

impl Search {
    fn rule_engine(compiled: &Compiled, how: How) -> RuleEngine {
        RuleEngine::new(compiled.rules.clone(), how.normalise)
    }

    fn search(&self, text: &[u8], hits: &mut Vec<Hit>) {
        match self {
            Search::Phrases(p) => {
                p.places(text, hits);
                hits.retain(|h| p.whole(text, *h) != Whole::No);
            }
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
    #[pyo3(signature = (phrases, rules, normalise_by, whole_words))]
    fn new(
        py: Python<'_>,
        phrases: Option<Vec<String>>,
        rules: Option<&RuleSetHandle>,
        normalise_by: Vec<String>,
        whole_words: bool,
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
                let edges = |p: &String| {
                    let p = p.trim();
                    (p.chars().next().is_some_and(of_word), p.chars().next_back().is_some_and(of_word))
                };
                let words = if whole_words { list.iter().map(edges).collect() } else { Vec::new() };
                Search::Phrases(Box::new(PhraseSearch {
                    phrases: built,
                    normalise: n,
                    words,
                    pool: Pool::new(),
                }))
            }
            (None, Some(r)) => Search::Rules(r.compiled.clone(), How { normalise: n }, Pool::new()),
            (None, None) => return Err(errors::config(py, "phrases or rules are needed")),
        };
        Ok(ScannerHandle { search })
    }

    fn scan(&self, py: Python<'_>, text: Text<'_>) -> PyResult<Vec<Hit>> {
        let (bytes, is_str) = (text.bytes()?, text.is_str());
        guarded(py, || {
            let mut hits = Vec::new();
            self.search.search(bytes, &mut hits);
            if is_str {
                in_characters(bytes, &mut hits);
            }
            hits
        })
    }

    fn scan_batch(&self, py: Python<'_>, texts: Vec<Text<'_>>, threads: usize) -> PyResult<Vec<Vec<Hit>>> {
        let texts = all(&texts)?;
        guarded(py, || hits_of_each(&texts, threads, |t, hits| self.search.search(t, hits)))
    }
}

enum Going {
    /// The last bytes, what the stream has before them, and up to where matches were told.
    Phrases {
        carry: Vec<u8>,
        before: u64,
        /// Places in `carry` of matches that end where the text so far does: what comes may make them parts of words.
        undecided: Vec<Hit>,
    },
    Rules(ScanStream),
}

/// A text that comes in pieces. Places are bytes from its start.
#[pyclass(frozen, module = "tidegate._tidegate")]
pub struct TextStream {
    scanner: Py<ScannerHandle>,
    going: Held<Going>,
}

#[pymethods]
impl TextStream {
    #[new]
    fn new(py: Python<'_>, scanner: Py<ScannerHandle>) -> Self {
        let going = py.detach(|| match &scanner.get().search {
            Search::Phrases(_) => Going::Phrases { carry: Vec::new(), before: 0, undecided: Vec::new() },
            Search::Rules(c, n, pool) => {
                Going::Rules(pool.with(|| Search::rule_engine(c, *n), |s| s.stream()))
            }
        });
        TextStream { scanner, going: Held::new(going) }
    }

    /// What matches with the next piece and did not before.
    fn feed(&self, py: Python<'_>, piece: Text<'_>) -> PyResult<Vec<Hit>> {
        let (bytes, search) = (piece.bytes()?, &self.scanner.get().search);
        self.going.work(py, |going| feed(search, going, bytes, false))
    }

    /// What matches now that nothing follows: whole words at the end.
    fn finish(&self, py: Python<'_>) -> PyResult<Vec<Hit>> {
        let search = &self.scanner.get().search;
        self.going.work(py, |going| feed(search, going, &[], true))
    }

    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        match &mut *self.going.enter(py)? {
            Going::Phrases { carry, before, undecided } => {
                carry.clear();
                undecided.clear();
                *before = 0;
            }
            Going::Rules(s) => s.reset(),
        }
        Ok(())
    }
}

fn feed(search: &Search, going: &mut Going, piece: &[u8], last: bool) -> Vec<Hit> {
    let mut hits = Vec::new();
    match (search, going) {
        (Search::Phrases(p), Going::Phrases { carry, before, undecided }) => {
            let old = carry.len() as u64;
            carry.extend_from_slice(piece);
            p.places(carry, &mut hits);
            // What ends in the old bytes was told or dropped with them, but for what was not decided.
            hits.retain(|h| h.2 > old);
            let mut found = std::mem::take(undecided);
            found.append(&mut hits);
            for h in found {
                match p.whole(carry, h) {
                    Whole::Yes => hits.push(h),
                    Whole::AtEnd if last => hits.push(h),
                    Whole::AtEnd => undecided.push(h),
                    Whole::No => {}
                }
            }
            for h in &mut hits {
                h.1 += *before;
                h.2 += *before;
            }
            let mut cut = carry.len().saturating_sub(REACH);
            // Not in the middle of a character, nor behind what is not decided.
            while cut > 0 && carry.get(cut).is_some_and(|b| b & 0xc0 == 0x80) {
                cut -= 1;
            }
            let cut64 = cut as u64;
            undecided.retain_mut(|h| {
                h.1 = h.1.saturating_sub(cut64);
                h.2 = h.2.saturating_sub(cut64);
                h.2 > 0
            });
            carry.drain(..cut);
            *before += cut64;
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

#[cfg(test)]
mod tests {
    use super::{BLOCK, Hit, in_characters};
    use std::time::{Duration, Instant};

    #[test]
    fn places_are_counted_in_characters() {
        let text = "a\u{e9}\u{20ac}\u{1f600}".repeat(BLOCK);
        let places: Vec<usize> = text.char_indices().map(|(i, _)| i).chain([text.len()]).collect();
        let mut hits: Vec<Hit> =
            places.iter().map(|&end| (0, places[places.len() / 3].min(end) as u64, end as u64)).collect();
        in_characters(text.as_bytes(), &mut hits);
        for (i, h) in hits.iter().enumerate() {
            assert_eq!((h.1, h.2), ((places.len() / 3).min(i) as u64, i as u64));
        }
        let mut beyond = [(0, 3, 1), (0, 0, u64::MAX)];
        in_characters("\u{e9}\u{e9}".as_bytes(), &mut beyond);
        assert_eq!(beyond, [(0, 2, 2), (0, 0, 2)]);
    }

    /// A million matches in two megabytes: counted from the start for each, that takes minutes.
    #[test]
    fn many_matches_cost_no_more_each() {
        let text = "\u{e9}".repeat(1 << 20);
        let mut hits: Vec<Hit> = (0..1 << 20).map(|i| (0, 2 * i, 2 * i + 2)).collect();
        let began = Instant::now();
        in_characters(text.as_bytes(), &mut hits);
        assert!(hits.iter().enumerate().all(|(i, h)| (h.1, h.2) == (i as u64, i as u64 + 1)));
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
}
