//! What all patterns have in common: where a text has none of it, none of them is there, and filters need not look.
//!
//! In: the patterns, then a text block by block. Out: whether a block may have something. Lists of URLs have `://`; the rules
//! of a rule set have nothing in common, and no gate. Only speed depends on it.
use super::{build::Group, rank};
use alloc::vec::Vec;
use memchr::memmem::{Finder, find};

/// From so many patterns on filters cost more than a look for one literal.
const SOME: usize = 512;
/// Bytes of the shortest gate, and of the longest.
const BYTES: core::ops::RangeInclusive<usize> = 3..=8;
/// Longer patterns would keep the gate open for too long.
const LONGEST: usize = 512;
/// Eighths of a bit of a window (`rank`) above which a gate is there too often: one position in 262,144.
const COMMON: u32 = 14 * 8;

/// A literal that lies in every pattern of a database.
#[derive(Debug)]
pub(super) struct Gate {
    finder: Finder<'static>,
    /// So far from a gate a match may begin or end: bytes of the longest pattern.
    reach: usize,
}

impl Gate {
    /// The least likely literal that all of `groups` have, if they are many.
    pub(super) fn new(groups: &[Group<'_>]) -> Option<Gate> {
        if groups.len() < SOME {
            return None;
        }
        let longest = groups.iter().map(|g| g.pat.len()).max().filter(|n| *n <= LONGEST)?;
        let shortest = groups.iter().min_by_key(|g| g.pat.len())?.pat;
        // Letters of either case are not found by their bytes.
        let either = groups.iter().any(|g| g.caseless);
        let fits = |b: &u8| !either || !b.is_ascii_alphabetic();
        let mut all: Vec<&[u8]> = shortest.windows(*BYTES.start()).filter(|w| w.iter().all(fits)).collect();
        for g in groups {
            all.retain(|w| find(g.pat, w).is_some());
            if all.is_empty() {
                return None;
            }
        }
        let best = all.into_iter().min_by_key(|w| rank::window_cost(w))?;
        let best =
            grown(best, shortest, |w| w.iter().all(fits) && groups.iter().all(|g| find(g.pat, w).is_some()));
        (rank::window_cost(best) <= COMMON)
            .then(|| Gate { finder: Finder::new(best).into_owned(), reach: longest })
    }

    /// The gates of a text, from its start.
    pub(super) fn on<'a>(&'a self, text: &'a [u8]) -> Gates<'a> {
        Gates { gate: self, text, next: None }
    }

    pub(super) fn describe(&self) -> alloc::string::String {
        alloc::format!("where {:?} is near", alloc::string::String::from_utf8_lossy(self.finder.needle()))
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.finder.needle().len()
    }
}

/// `part` of `whole` with the bytes beside it for as long as it is `shared`.
fn grown<'a>(part: &[u8], whole: &'a [u8], shared: impl Fn(&[u8]) -> bool) -> &'a [u8] {
    let at = find(whole, part).unwrap_or(0);
    let (mut from, mut to) = (at, at + part.len());
    while to - from < *BYTES.end() {
        if whole.get(from..to + 1).is_some_and(&shared) {
            to += 1;
        } else if from > 0 && whole.get(from - 1..to).is_some_and(&shared) {
            from -= 1;
        } else {
            break;
        }
    }
    whole.get(from..to).unwrap_or_default()
}

/// The gates of one text.
pub(super) struct Gates<'a> {
    gate: &'a Gate,
    text: &'a [u8],
    /// The first at or behind the last place that was asked for; the end of addresses when there is none.
    next: Option<usize>,
}

impl Gates<'_> {
    /// Whether something of a match may lie in the text from `from` to `to`. Places are asked for in order.
    #[inline]
    pub(super) fn open(&mut self, from: usize, to: usize) -> bool {
        let from = from.saturating_sub(self.gate.reach);
        let next = match self.next {
            Some(n) if n >= from => n,
            _ => {
                let rest = self.text.get(from..).unwrap_or_default();
                self.gate.finder.find(rest).map_or(usize::MAX, |i| from + i)
            }
        };
        self.next = Some(next);
        next < to.saturating_add(self.gate.reach)
    }
}

#[cfg(test)]
mod tests {
    use crate::sig::{Builder, Database, Scratch, Stream};
    use alloc::{format, vec::Vec};
    use proptest::prelude::*;
    use std::sync::OnceLock;

    /// 600 patterns with a literal in common, at different places.
    fn patterns() -> Vec<Vec<u8>> {
        let head = |i: usize| ["http", "https", "ftp", "x"][i % 4];
        (0..600)
            .map(|i| format!("{}://host{}.example/{}", head(i), i * 7 % 600, i % 3).into_bytes())
            .collect()
    }

    fn database(caseless: bool) -> &'static [Database<'static>] {
        static BOTH: [OnceLock<Vec<Database<'static>>>; 2] = [OnceLock::new(), OnceLock::new()];
        BOTH[usize::from(caseless)].get_or_init(|| {
            let mut b = Builder::new();
            for (i, p) in patterns().iter().enumerate() {
                b.add(p, caseless, i as u32).unwrap();
            }
            b.variants()
        })
    }

    fn found(db: &Database<'_>, text: &[u8]) -> Vec<(u64, u32)> {
        let mut out = Vec::new();
        db.scan(text, &mut Scratch::new(), |id, end| {
            out.push((end as u64, id));
            true
        });
        out.sort_unstable();
        out
    }

    #[test]
    fn it_is_what_all_have() {
        for db in database(false) {
            assert!(db.describe().contains("where \"://host\" is near"), "{}", db.describe());
        }
        for db in database(true) {
            assert!(db.describe().contains("where \"://\" is near"), "{}", db.describe());
        }
        // Nothing in common; something that is everywhere; too few.
        for make in
            [|i: usize| format!("{:09}", i * 0x3af_2d1b % 999_999_937), |i: usize| format!("{i} the {i}")]
        {
            let mut b = Builder::new();
            (0..600).for_each(|i| b.add(make(i).as_bytes(), false, i as u32).unwrap());
            assert!(!b.build().describe().contains("is near"));
        }
        let mut b = Builder::new();
        patterns().iter().take(100).for_each(|p| b.add(p, false, 1).unwrap());
        assert!(!b.build().describe().contains("is near"));
    }

    /// A text without a gate costs no candidate.
    #[test]
    fn nothing_is_looked_at_far_from_a_gate() {
        let text = b"host7.example/1 host14.example/2 http host21.example/0 ".repeat(200);
        for db in database(false) {
            assert_eq!(db.work(&text).candidates, 0, "{db:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Whatever the text and however it is cut, what is found is what each pattern alone is found to be.
        #[test]
        fn all_is_found(
            parts in prop::collection::vec((0usize..12, 0usize..600), 1..60),
            cut in any::<prop::sample::Index>(),
            caseless in any::<bool>(),
        ) {
            let all = patterns();
            let mut text = Vec::new();
            for (kind, i) in parts {
                match kind {
                    0..=3 => text.extend_from_slice(&all[i]),
                    4 => text.extend_from_slice(&all[i].to_ascii_uppercase()),
                    5 => text.extend_from_slice(all[i].get(..i % 20).unwrap_or_default()),
                    6 => text.extend_from_slice(b"://"),
                    _ => text.extend((0..i * 5).map(|n| b"prose and host1.example/1 "[n % 26])),
                }
            }
            let folded = if caseless { text.to_ascii_lowercase() } else { text.clone() };
            let mut want = Vec::new();
            for (id, p) in all.iter().enumerate() {
                let ends = memchr::memmem::find_iter(&folded, p).map(|at| ((at + p.len()) as u64, id as u32));
                want.extend(ends);
            }
            want.sort_unstable();
            for db in database(caseless) {
                prop_assert_eq!(&found(db, &text), &want, "{:?}", &db);
                let (mut s, mut scratch, mut cutted) = (Stream::new(db), Scratch::new(), Vec::new());
                let at = cut.index(text.len() + 1);
                for piece in [&text[..at], &text[at..]] {
                    db.scan_stream(&mut s, piece, &mut scratch, |id, end| {
                        cutted.push((end, id));
                        true
                    });
                }
                cutted.sort_unstable();
                prop_assert_eq!(&cutted, &want, "{:?}", &db);
            }
        }
    }
}
