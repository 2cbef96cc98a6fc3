//! IP reputation: category files and reputation lists in, a table of address ranges with scores out.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::sets::{Range, addr_range};

/// Categories: short name to number (1 to 59).
pub type Categories = BTreeMap<String, u8>;

/// Greatest number of a category.
pub const MAX_CATEGORY: u8 = 59;
/// Greatest score.
pub const MAX_SCORE: u8 = 127;

/// Reads `number,short name,description` lines. Wrong ones are returned by number.
pub fn parse_categories(text: &str) -> (Categories, Vec<u32>) {
    let (mut out, mut wrong) = (Categories::new(), Vec::new());
    for (n, l) in text.lines().enumerate() {
        let l = l.trim();
        if l.is_empty() || l.starts_with('#') {
            continue;
        }
        let mut p = l.splitn(3, ',');
        match (p.next().and_then(|n| n.trim().parse().ok()), p.next().map(str::trim)) {
            (Some(id @ 1..=MAX_CATEGORY), Some(name)) if !name.is_empty() => {
                out.insert(name.to_string(), id);
            }
            _ => wrong.push(n as u32 + 1),
        }
    }
    (out, wrong)
}

/// Scores by address range. Ranges may nest; the narrowest that holds an address speaks for it.
#[derive(Debug, Default, Clone)]
pub struct Reputation {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

/// Elementary ranges of one family, sorted, with the scores that apply in each.
#[derive(Debug, Clone)]
struct Ranges<T> {
    /// First address of each elementary range, and the position of its scores (`u32::MAX`: none).
    starts: Vec<(T, u32)>,
    /// (category, score) lists, one after the other: (first, count) in `flat`.
    lists: Vec<(u32, u32)>,
    flat: Vec<(u8, u8)>,
}

impl<T> Default for Ranges<T> {
    fn default() -> Self {
        Ranges { starts: Vec::new(), lists: Vec::new(), flat: Vec::new() }
    }
}

impl<T: super::sets::Bound> Ranges<T> {
    fn build(mut entries: Vec<(T, T, u8, u8)>) -> Ranges<T> {
        // Every bound opens an elementary range.
        let mut cuts: Vec<T> = Vec::with_capacity(entries.len() * 2);
        for e in &entries {
            cuts.push(e.0);
            cuts.extend(e.1.next());
        }
        cuts.sort_unstable();
        cuts.dedup();
        // A stack of open ranges, outermost first: networks nest, they do not cross.
        entries.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        let mut out = Ranges::default();
        let mut open: Vec<(T, u8, u8)> = Vec::new();
        let mut next = entries.iter().peekable();
        for c in cuts {
            open.retain(|o| o.0 >= c);
            while let Some(e) = next.next_if(|e| e.0 == c) {
                open.push((e.1, e.2, e.3));
            }
            let mut scores: BTreeMap<u8, (T, u8)> = BTreeMap::new();
            for o in &open {
                let slot = scores.entry(o.1).or_insert((o.0, o.2));
                // The last opened is the narrowest, and of equal ones the last written.
                *slot = (o.0, o.2);
            }
            if scores.is_empty() {
                out.starts.push((c, u32::MAX));
                continue;
            }
            out.starts.push((c, out.lists.len() as u32));
            out.lists.push((out.flat.len() as u32, scores.len() as u32));
            out.flat.extend(scores.into_iter().map(|(k, v)| (k, v.1)));
        }
        out
    }

    fn get(&self, a: T, category: u8) -> Option<u8> {
        let i = self.starts.partition_point(|s| s.0 <= a).checked_sub(1)?;
        let &(first, count) = self.lists.get(self.starts.get(i)?.1 as usize)?;
        let scores = self.flat.get(first as usize..(first + count) as usize)?;
        scores.iter().find(|s| s.0 == category).map(|s| s.1)
    }
}

impl Reputation {
    /// Reads `address or network,category,score` lines of all files. Wrong lines come back as (file, line).
    pub fn parse(files: &[&str]) -> (Reputation, Vec<(u32, u32)>) {
        let (mut v4, mut v6, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
        for (f, text) in files.iter().enumerate() {
            for (n, l) in text.lines().enumerate() {
                let l = l.trim();
                if l.is_empty() || l.starts_with('#') {
                    continue;
                }
                match line(l) {
                    Some((Range::V4(a, b), c, s)) => v4.push((a, b, c, s)),
                    Some((Range::V6(a, b), c, s)) => v6.push((a, b, c, s)),
                    None => wrong.push((f as u32, n as u32 + 1)),
                }
            }
        }
        (Reputation { v4: Ranges::build(v4), v6: Ranges::build(v6) }, wrong)
    }

    /// Score of an IPv4 address in a category, 0 to 127.
    pub fn v4(&self, a: u32, category: u8) -> Option<u8> {
        self.v4.get(a, category)
    }

    pub fn v6(&self, a: u128, category: u8) -> Option<u8> {
        self.v6.get(a, category)
    }
}

fn line(l: &str) -> Option<(Range, u8, u8)> {
    let mut p = l.split(',').map(str::trim);
    let (a, c, s) = (p.next()?, p.next()?, p.next()?);
    let c = c.parse().ok().filter(|c| (1..=MAX_CATEGORY).contains(c))?;
    let s = s.parse().ok().filter(|s| *s <= MAX_SCORE)?;
    Some((addr_range(a)?, c, s))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use proptest::prelude::*;

    #[test]
    fn nested_networks() {
        let (c, wrong) = parse_categories("1,test,A test\n60,x,y\n2,b\n");
        assert_eq!((c["test"], c["b"], wrong.as_slice()), (1, 2, &[2][..]));
        let (r, wrong) =
            Reputation::parse(&["10.0.0.0/8,1,10\n10.1.0.0/16,1,20\n10.1.1.1,2,5\n::1,1,7\nbad\n"]);
        assert_eq!(wrong, [(0, 5)]);
        assert_eq!(r.v4(0x0a020202, 1), Some(10));
        assert_eq!(r.v4(0x0a010101, 1), Some(20));
        assert_eq!(r.v4(0x0a010101, 2), Some(5));
        assert_eq!(r.v4(0x0b000000, 1), None);
        assert_eq!((r.v6(1, 1), r.v6(2, 1)), (Some(7), None));
    }

    proptest! {
        #[test]
        fn narrowest_wins(nets in prop::collection::vec((any::<u8>(), 24u32..=32, 1u8..3, 0u8..=127), 0..12)) {
            let text: String = nets.iter().map(|(a, p, c, s)| format!("10.0.0.{a}/{p},{c},{s}\n")).collect();
            let (r, _) = Reputation::parse(&[&text]);
            for a in 0..=255u8 {
                for c in 1..3 {
                    let holds = |n: &&(u8, u32, u8, u8)| n.2 == c && (u32::from(n.0) >> (32 - n.1)) == (u32::from(a) >> (32 - n.1));
                    let want = nets.iter().enumerate().filter(|(_, n)| holds(n)).max_by_key(|(i, n)| (n.1, *i)).map(|(_, n)| n.3);
                    prop_assert_eq!(r.v4(0x0a000000 | u32::from(a), c), want);
                }
            }
        }
    }
}
