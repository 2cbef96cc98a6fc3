//! Tables of PCRE's behaviour, an oracle of position sets, and every pattern of the open rule sets.

use super::*;
use proptest::prelude::*;

fn flags(s: &str) -> Flags {
    let has = |c| s.contains(c);
    Flags {
        caseless: has('i'),
        dotall: has('s'),
        multiline: has('m'),
        extended: has('x'),
        anchored: has('A'),
        dollar_endonly: has('E'),
        ungreedy: has('G'),
    }
}

fn compile(p: &[u8], f: &str) -> Regex {
    Regex::compile(p, flags(f)).unwrap_or_else(|e| panic!("{}: {e}", String::from_utf8_lossy(p)))
}

fn spans(re: &Regex, hay: &[u8], cache: &mut Cache) -> Option<Vec<(isize, isize)>> {
    let mut caps = vec![0; 2 * (re.group_count() + 1)];
    match re.find_at(hay, 0, cache, &mut caps) {
        Outcome::Match(s, e) => {
            assert_eq!((s, e), (caps[0], caps[1]));
            Some(caps.chunks(2).map(|c| (c[0] as isize, c[1] as isize)).collect())
        }
        o => {
            assert_eq!(o, Outcome::NoMatch);
            None
        }
    }
}

type Case = (&'static [u8], &'static str, &'static [u8], Option<&'static [(isize, isize)]>);

/// Pattern, flags, text, and the spans that Python's `re` gives (3.11; group semantics equal to PCRE's
/// for these).
const PYTHON: &[Case] = &[
    (b"(a+)(b+)?", "", b"xxaab aa", Some(&[(2, 5), (2, 4), (4, 5)])),
    (b"(?i)AbC", "", b"xxaBcx", Some(&[(2, 5)])),
    (b"a(?i:b)c", "", b"abC aBc", Some(&[(4, 7)])),
    (b"(\x5cw+)\x5cs\x5c1", "", b"foo bar bar baz", Some(&[(4, 11), (4, 7)])),
    (b"(?P<q>[\x22\x5c']).*?(?P=q)", "s", b"x \x22it's\x22 y", Some(&[(2, 8), (2, 3)])),
    (b"foo(?=bar)", "", b"foobaz foobar", Some(&[(7, 10)])),
    (b"foo(?!bar)", "", b"foobar foobaz", Some(&[(7, 10)])),
    (b"(?<=ab|cd)x", "", b"acx cdx", Some(&[(6, 7)])),
    (b"(?<!a)b", "", b"abbb", Some(&[(2, 3)])),
    (b"^(?:(a)|b)*$", "", b"abab", Some(&[(0, 4), (2, 3)])),
    (b"(a|ab)(c|bcd)(d*)", "", b"abcd", Some(&[(0, 4), (0, 1), (1, 4), (4, 4)])),
    (b"(a*)*", "", b"aab", Some(&[(0, 2), (2, 2)])),
    (b"(a*)+b", "", b"aab", Some(&[(0, 3), (2, 2)])),
    (b"(?:a|b*)*c", "", b"abbac", Some(&[(0, 5)])),
    (b"x*?y", "", b"xxxy", Some(&[(0, 4)])),
    (b"<.+?>", "", b"<a><b>", Some(&[(0, 3)])),
    (b"<.+>", "", b"<a><b>", Some(&[(0, 6)])),
    (b"[^\x5cr\x5cn]{2,4}?;", "", b"abcdef;", Some(&[(2, 7)])),
    (b"\x5cd{3,}", "", b"12 1234", Some(&[(3, 7)])),
    (b"^b$", "m", b"a\x0ab\x0ac", Some(&[(2, 3)])),
    (b"a.b", "", b"a\x0ab a-b", Some(&[(4, 7)])),
    (b"a.b", "s", b"a\x0ab", Some(&[(0, 3)])),
    (b"\x5cbfoo\x5cb", "", b"xfoo foo", Some(&[(5, 8)])),
    (b"\x5cBoo", "", b"oo foo", Some(&[(4, 6)])),
    (b"[\x5cx80-\x5cxff]+", "", b"ab\x90\xff\x7f", Some(&[(2, 4)])),
    (b"[]a]+", "", b"x]a]", Some(&[(1, 4)])),
    (b"[^]a]+", "", b"]axy]", Some(&[(2, 4)])),
    (b"(a)(b)?(c)", "", b"ac", Some(&[(0, 2), (0, 1), (-1, -1), (1, 2)])),
    (b"(?:(a)|(b)|(c))+", "", b"abc", Some(&[(0, 3), (0, 1), (1, 2), (2, 3)])),
    (b"(?=(a+))a*b\x5c1", "", b"baaabac", Some(&[(3, 6), (3, 4)])),
    (b"(?!x(y))x(.)", "", b"xyxz", Some(&[(2, 4), (-1, -1), (3, 4)])),
    (b"(a)?(?(1)b|c)", "", b"ac ab", Some(&[(1, 2), (-1, -1)])),
    (b"(<)?\x5cw+(?(1)>|$)", "", b"<ab x <cd>", Some(&[(6, 10), (6, 7)])),
    (b"a b # c\x5cn d", "x", b"abd", Some(&[(0, 2)])),
    (b"(?:ab){2,3}", "", b"ababababab", Some(&[(0, 6)])),
    (b"(?:ab){2,3}?", "", b"ababababab", Some(&[(0, 4)])),
    (b"(?:a?){3}a{3}", "", b"aaa", Some(&[(0, 3)])),
    (b"(.*?)(\x5cd+)$", "", b"abc 123", Some(&[(0, 7), (0, 4), (4, 7)])),
    (b"(.*)(\x5cd+)$", "", b"abc 123", Some(&[(0, 7), (0, 6), (6, 7)])),
    (b"^\x5cs*$", "", b"  ", Some(&[(0, 2)])),
    (b"$", "", b"ab\x0a", Some(&[(2, 2)])),
    (b"b$", "", b"ab\x0a", Some(&[(1, 2)])),
    (b"\x5cx41\x5c101\x5c0", "", b"xAA\x00", Some(&[(1, 4)])),
    (b"a{x}", "", b"a{x}", Some(&[(0, 4)])),
    (b"(?s:.)\x5cn.", "", b"\x0a\x0ax", Some(&[(0, 3)])),
    (b"((a)|b)+", "", b"ab", Some(&[(0, 2), (1, 2), (0, 1)])),
    (b"(a(b(c(d)?)?)?)", "", b"abcx", Some(&[(0, 3), (0, 3), (1, 3), (2, 3), (-1, -1)])),
    (b"(?:(?=a)a|b)+c", "", b"abac", Some(&[(0, 4)])),
    (b"(?<=(a))b", "", b"ab", Some(&[(1, 2), (0, 1)])),
    (b"(\x5cw)\x5c1+", "i", b"abBbc", Some(&[(1, 4), (1, 2)])),
    (b"(?i)stra[^e]e", "", b"STRASE", Some(&[(0, 6)])),
    (b"[a-c\x5cd_-]+", "", b"zz-_9c", Some(&[(2, 6)])),
    (b"(?:x|y(?=z))+z", "", b"xyxyz", Some(&[(2, 5)])),
    (b"(a+|b+)+c", "", b"aabbc", Some(&[(0, 5), (2, 4)])),
    (b"(?:a+){2,}b", "", b"aaab", Some(&[(0, 4)])),
    (b"\x5cA\x5cd+\x5cZ", "", b"12", Some(&[(0, 2)])),
    (b"(?>a+)b", "", b"aaab", Some(&[(0, 4)])),
    (b"(?>a|ab)c", "", b"abc", None),
    (b"a++ab|x", "", b"aaabx", Some(&[(4, 5)])),
    (b"(?:ab?)*+b", "", b"abab b", Some(&[(1, 2)])),
    (b"\x22(?>[^\x22\x5c\x5c]+|\x5c\x5c.)*\x22", "", b"x \x22a\x5c\x22b\x22 y", Some(&[(2, 8)])),
    (b"(a?)*?b", "", b"aab", Some(&[(0, 3), (1, 2)])),
    (b"(|a)+b", "", b"aab", Some(&[(0, 3), (2, 2)])),
    (b"(|a)*b", "", b"aab", Some(&[(0, 3), (2, 2)])),
    (b"(?:foo|bar|)z", "", b"barz", Some(&[(0, 4)])),
    (b"(?m:^x)", "", b"a\x0ax", Some(&[(2, 3)])),
    (b".{3}(?<=abc)d", "", b"xabcd", Some(&[(1, 5)])),
    (b"\x5cw+(?<!\x5cd)!", "", b"ab1! abc!", Some(&[(5, 9)])),
];

#[test]
fn agrees_with_python() {
    let mut cache = Cache::default();
    for (p, f, hay, want) in PYTHON {
        let got = spans(&compile(p, f), hay, &mut cache);
        assert_eq!(
            got.as_deref(),
            *want,
            "{} on {}",
            String::from_utf8_lossy(p),
            String::from_utf8_lossy(hay)
        );
    }
}

/// Pattern, flags, text, span: what only PCRE has, by its manual.
type Span = (&'static [u8], &'static str, &'static [u8], Option<(usize, usize)>);

const PCRE: &[Span] = &[
    (b"\\h+\\H", "", b"a \t\xa0b", Some((1, 5))),
    (b"\\v", "", b"a\x0bb", Some((1, 2))),
    (b"a\\Rb", "", b"a\r\nb", Some((0, 4))),
    (b"\\R\\n", "", b"\r\n", None),
    (b"\\N+", "s", b"ab\nc", Some((0, 2))),
    (b"\\Qa.b\\E+", "", b"axb a.bbb", Some((4, 9))),
    (b"[\\Q]^\\E]+", "", b"x]^", Some((1, 3))),
    (b"\\Aab\\z", "", b"ab\n", None),
    (b"ab\\Z", "", b"ab\n", Some((0, 2))),
    (b"ab$", "E", b"ab\n", None),
    (b"^", "m", b"\n", Some((0, 0))),
    (b"\\n^", "m", b"\n", None),
    (b"b", "A", b"ab", None),
    (b"a+", "G", b"aaa", Some((0, 1))),
    (b"a+?", "G", b"aaa", Some((0, 3))),
    (b"(?U)a+", "", b"aaa", Some((0, 1))),
    (b"foo\\Kbar", "", b"xfoobar", Some((4, 7))),
    (b"(a)\\g1\\g{1}\\g{-1}", "", b"aaaa", Some((0, 4))),
    (b"(?<n>a)\\k<n>\\k{n}\\k'n'(?P=n)", "", b"aaaaa", Some((0, 5))),
    (b"(?'n'a)(?(<n>)b|c)", "", b"ab", Some((0, 2))),
    (b"(?|(a)|(b))\\1", "", b"abb", Some((1, 3))),
    (b"(?(?=a)ab|cd)", "", b"ad cd", Some((3, 5))),
    (b"(?(?!a)cd|ab)", "", b"ab", Some((0, 2))),
    (b"\\x{41}\\x4g", "", b"A\x04g", Some((0, 3))),
    (b"\\o{101}\\cA\\e", "", b"A\x01\x1b", Some((0, 3))),
    (b"[[:alpha:][:^print:]]+", "", b"1a\x00Z ", Some((1, 4))),
    (b"[[:upper:]]+", "i", b"aB", Some((0, 2))),
    (b"[\\w-.]+", "", b" a-.b", Some((1, 5))),
    (b"[a\\-z]+", "", b"b-", Some((1, 2))),
    (b"[^\\W_]+", "", b"_ab", Some((1, 3))),
    (b"a(?#comment)b", "", b"ab", Some((0, 2))),
    (b"a{2", "", b"a{2", Some((0, 3))),
    (b"x{,3}", "", b"x{,3}", Some((0, 5))),
    (b"(?:a(?i)b|c)C", "", b"aBC", Some((0, 3))),
    (b"(?:a(?i)b|c)d", "", b"Cd", Some((0, 2))),
    (b"(?^)A", "i", b"a", None),
    (b"\\Ga", "", b"ba", None),
    (b"\\s", "", b"\x0b", Some((0, 1))),
    (b"\\12", "", b"\n", Some((0, 1))),
    (b"(a)\\2|b()", "", b"b", Some((0, 1))),
    (b"[\\b]", "", b"\x08", Some((0, 1))),
    (b"(?:a|ab)++c", "", b"abc", None),
    (b"(?=ab)*abc", "", b"abc", Some((0, 3))),
    (b"a{0}b", "", b"ab", Some((1, 2))),
    (b"\\C\\x00", "", b"\n\x00", Some((0, 2))),
];

#[test]
fn agrees_with_the_manual() {
    let mut cache = Cache::default();
    for (p, f, hay, want) in PCRE {
        let got = match compile(p, f).find_at(hay, 0, &mut cache, &mut []) {
            Outcome::Match(s, e) => Some((s, e)),
            _ => None,
        };
        assert_eq!(got, *want, "{} on {hay:?}", String::from_utf8_lossy(p));
    }
}

#[test]
fn refuses_with_a_position() {
    for (p, at) in [
        (&b"a(b"[..], 3),
        (b"ab)", 2),
        (b"*a", 0),
        (b"a**", 2),
        (b"x[ab", 1),
        (b"[b-a]", 2),
        (b"a{3,2}", 1),
        (b"(a)\\2", 5),
        (b"\\u1234", 1),
        (b"\\p{L}", 1),
        (b"(?<=a+)b", 4),
        (b"a\\", 2),
        (b"(?R)", 2),
        (b"(?P=no)", 7),
        (b"\\x{100}", 7),
        (b"[[:wrong:]]", 1),
    ] {
        let e = Regex::compile(p, Flags::default()).expect_err(&String::from_utf8_lossy(p));
        assert_eq!(e.at, at, "{}: {e}", String::from_utf8_lossy(p));
    }
    assert!(Regex::compile(b"(((((a{100}){100}){100}){100}){100}){100}", Flags::default()).is_err());
    assert!(Regex::compile("(".repeat(5000).as_bytes(), Flags::default()).is_err());
}

#[test]
fn groups_have_names() {
    let re = compile(b"(?<key>\\w+)=(\\d+)(?P<tail>.)?", "");
    assert_eq!((re.group_count(), re.group_name(1), re.group_name(2)), (3, Some("key"), None));
    assert_eq!(re.group_index("tail"), Some(3));
    let mut caps = [0; 4];
    assert_eq!(re.find_at(b"; n=12", 0, &mut Cache::default(), &mut caps), Outcome::Match(2, 6));
    assert_eq!(caps, [2, 6, 2, 3]);
}

#[test]
fn searches_go_on_where_told() {
    let re = compile(b"(?<=a)b|^c", "");
    let mut c = Cache::default();
    assert_eq!(re.find_at(b"ab", 1, &mut c, &mut []), Outcome::Match(1, 2));
    assert_eq!(re.find_at(b"xc", 1, &mut c, &mut []), Outcome::NoMatch);
    assert_eq!(re.find_at(b"xc", 3, &mut c, &mut []), Outcome::NoMatch);
    assert_eq!(compile(b"b", "A").find_at(b"ab", 1, &mut c, &mut []), Outcome::Match(1, 2));
}

#[test]
fn required_literals() {
    let lit = |p: &[u8], f| compile(p, f).required_literal().map(|(b, f)| (b.to_vec(), f));
    assert_eq!(lit(b"a.*hello(?:x|y)", ""), Some((b"hello".to_vec(), false)));
    assert_eq!(lit(b"\\d(HELlo){2,}", "i"), Some((b"hello".to_vec(), true)));
    assert_eq!(lit(b"abc|def", ""), None);
    assert_eq!(lit(b"(?!nothere)a?", ""), None);
}

/// Patterns that take exponential or cubic time when tried naively, all regular: decided, and soon.
#[test]
fn catastrophes_are_decided() {
    let mut cache = Cache::default();
    let a = vec![b'a'; 20_000];
    for p in [
        &b"(a+)+$"[..],
        b"(a|a)*b",
        b"(a*)*b",
        b"a*a*a*a*b",
        b"(?:a?){30}a{30}b",
        b"(.*)(.*)(.*)x",
        b"(?:\\w+\\s?)+!",
        b"\\w+\\d+\\w+;",
        b"(?:(?:a|aa)+)+c",
    ] {
        let re = compile(p, "");
        let mut hay = a.clone();
        hay.push(b'-');
        assert_eq!(re.find_at(&hay, 0, &mut cache, &mut []), Outcome::NoMatch);
        hay.extend_from_slice(b"ab a1a; xc!");
        let want = &p[p.len() - 1..] != b"$";
        if want && p != b"(?:a?){30}a{30}b" && p != b"(?:(?:a|aa)+)+c" && p != b"\\w+\\d+\\w+;" {
            assert!(re.is_match(&hay, 0, &mut cache), "{}", String::from_utf8_lossy(p));
        }
    }
}

#[test]
fn other_catastrophes_hit_the_limit() {
    let mut cache = Cache::default();
    let hay = vec![b'a'; 5000];
    for p in [&b"(a+)+\\1b?(?=c)"[..], b"(?=(a+)+x)", b"(?:(a|a)*\\1)+b+"] {
        let re = compile(p, "s");
        let got = re.find_at(&hay, 0, &mut cache, &mut []);
        assert!(matches!(got, Outcome::LimitHit | Outcome::NoMatch), "{got:?}");
    }
}

#[test]
fn memory_stays_where_it_was_taken() {
    let mut cache = Cache::new(64, 256);
    let before = (cache.stack.as_ptr(), cache.stack.capacity());
    let hay = b"ab".repeat(5000);
    for p in [&b"(?:(a)(b))*c"[..], b"((a|b)+)+c", b"(\\w)(?=\\1)"] {
        let _ = compile(p, "").find_at(&hay, 0, &mut cache, &mut []);
    }
    assert_eq!(before, (cache.stack.as_ptr(), cache.stack.capacity()));
}

/// All end positions of `n` begun at `at`: the meaning of the regular subset, straight from the tree.
fn ends(n: &ast::Node, hay: &[u8], at: usize) -> Vec<usize> {
    use ast::Node;
    let mut v = match n {
        Node::Empty => vec![at],
        Node::Byte(_) | Node::ByteI(_) | Node::Set(_) => match (n.single(), hay.get(at)) {
            (Some(s), Some(&b)) if s.has(b) => vec![at + 1],
            _ => vec![],
        },
        Node::Cat(v) => v.iter().fold(vec![at], |from, n| {
            let mut to: Vec<usize> = from.iter().flat_map(|&p| ends(n, hay, p)).collect();
            to.sort_unstable();
            to.dedup();
            to
        }),
        Node::Alt(v) => v.iter().flat_map(|n| ends(n, hay, at)).collect(),
        Node::Group { node, .. } => ends(node, hay, at),
        Node::Assert(a) => {
            if backtrack::holds(*a, hay, 0, at) {
                vec![at]
            } else {
                vec![]
            }
        }
        Node::Repeat { node, min, max, .. } => {
            let mut out = vec![];
            let mut from = vec![at];
            let mut k = 0;
            loop {
                if k >= *min {
                    let fresh = from.iter().any(|p| !out.contains(p));
                    out.extend(&from);
                    if !fresh {
                        break;
                    }
                }
                if k >= *max || from.is_empty() {
                    break;
                }
                from = from.iter().flat_map(|&p| ends(node, hay, p)).collect();
                from.sort_unstable();
                from.dedup();
                k += 1;
            }
            out
        }
        _ => unreachable!("not in the subset"),
    };
    v.sort_unstable();
    v.dedup();
    v
}

/// Regular patterns over a few letters.
fn pattern() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => "[abc]",
        1 => Just("[ab]".to_owned()),
        1 => Just("[^a]".to_owned()),
        1 => Just(".".to_owned()),
        1 => Just("ab".to_owned()),
        1 => Just("^".to_owned()),
        1 => Just("$".to_owned()),
        1 => Just("\\b".to_owned()),
        1 => Just("".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|v| v.concat()),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|v| format!("({})", v.join("|"))),
            (inner, "[*+?]|\\{[0-2]\\}|\\{[0-2],\\}|\\{[01],[23]\\}", "\\??")
                .prop_map(|(p, q, l)| format!("(?:{p}){q}{l}")),
        ]
    })
}

/// A counted repeat costs a few steps a byte where there is no match, not one for each count.
#[test]
fn counted_repeats_cost_by_bytes() {
    let hay = vec![b'a'; 20_000];
    for p in ["a{1,1000}[^a]", "(x|a{1,1000}?)[^a]$", "a{2,900}b{0,500}[^ab]"] {
        let re = Regex::compile(p.as_bytes(), Flags::default()).unwrap();
        let mut cache = Cache::default();
        assert_eq!(re.find_at(&hay, 0, &mut cache, &mut []), Outcome::NoMatch, "{p}");
        assert!(cache.pike.moved < 16 * hay.len() as u64, "{p}: {} steps", cache.pike.moved);
        // The match itself is that of the exact way.
        let at = [&hay[..1500], b"c"].concat();
        let Outcome::Match(_, end) = re.find_at(&at, 0, &mut cache, &mut []) else { panic!("{p}: no match") };
        assert_eq!(end, 1501, "{p}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// Both engines find a match exactly when there is one, where the leftmost begins, and end it at
    /// an end that exists.
    #[test]
    fn equals_the_oracle(p in pattern(), hay in "[abc\n ]{0,12}", f in prop_oneof![Just(""), Just("i"), Just("m"), Just("sG")]) {
        let hay = hay.as_bytes();
        let tree = parse::parse(p.as_bytes(), flags(f)).unwrap();
        let re = compile(p.as_bytes(), f);
        let mut cache = Cache::default();
        let want = (0..=hay.len()).find(|&s| !ends(&tree.node, hay, s).is_empty());
        let mut caps = vec![0; 2 * (re.group_count() + 1)];
        let got = match re.find_at(hay, 0, &mut cache, &mut caps) {
            Outcome::Match(s, e) => {
                prop_assert!(ends(&tree.node, hay, s).contains(&e));
                for c in caps.chunks(2) {
                    prop_assert!(c[0] == usize::MAX || c[0] <= c[1] && c[1] <= hay.len());
                }
                Some(s)
            }
            o => {
                prop_assert_eq!(o, Outcome::NoMatch);
                None
            }
        };
        prop_assert_eq!(got, want);
        let simulated = pike::search(&re.prog, &re.start, hay, (0, 0), &mut cache.pike);
        prop_assert_eq!(simulated.map(|m| m.0), want);
        if let Some((s, e)) = simulated {
            prop_assert!(ends(&tree.node, hay, s).contains(&e));
        }
    }

    /// Every end of every match, in order, once.
    #[test]
    fn all_ends_equal_the_oracle(
        ps in prop::collection::vec(pattern(), 1..4),
        hay in "[abc\n ]{0,12}",
        f in prop_oneof![Just(""), Just("i"), Just("m"), Just("sG"), Just("A")],
    ) {
        let hay = hay.as_bytes();
        let mut automata = Automata::new();
        let mut want = vec![];
        for (i, p) in ps.iter().enumerate() {
            automata.add(p.as_bytes(), flags(f)).unwrap();
            let tree = parse::parse(p.as_bytes(), flags(f)).unwrap();
            let last = if f == "A" { 0 } else { hay.len() };
            want.extend((0..=last).flat_map(|s| ends(&tree.node, hay, s)).map(|e| (e, i as u32)));
        }
        want.sort_unstable();
        want.dedup();
        let active: Vec<u32> = (0..ps.len() as u32).collect();
        let mut states = States::default();
        let mut got = vec![];
        automata.ends(&active, hay, &mut states, |one, end| {
            got.push((end, one));
            true
        });
        prop_assert!(got.is_sorted_by_key(|m| m.0));
        got.sort_unstable();
        prop_assert_eq!(got, want);
    }

    /// Without loops over what may be empty the two engines agree on the end as well.
    #[test]
    fn engines_agree(p in "(\\(?[abc]([*+?]|\\{1,3\\}|\\{2\\})?[?]?){1,5}\\|?[ab]*[.][?]?", hay in "[abc]{0,14}") {
        let Ok(re) = Regex::compile(p.as_bytes(), Flags::default()) else { return Ok(()) };
        let mut cache = Cache::default();
        let a = match re.find_at(hay.as_bytes(), 0, &mut cache, &mut []) {
            Outcome::Match(s, e) => Some((s, e)),
            _ => None,
        };
        prop_assert_eq!(pike::search(&re.prog, &re.start, hay.as_bytes(), (0, 0), &mut cache.pike), a);
    }

    /// Any bytes as a pattern compile or are refused, and what compiles runs.
    #[test]
    fn any_pattern_any_text(
        p in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..24),
            "[a(|)*+?{}1,3\\\\dwbKGRQE\\[\\]:^$.?=!<>iP&-]{0,24}".prop_map(String::into_bytes),
        ],
        hay in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        if let Ok(re) = Regex::compile(&p, Flags::default()) {
            let mut cache = Cache::new(512, 512);
            let mut caps = [0; 9];
            let _ = re.find_at(&hay, 0, &mut cache, &mut caps);
        }
    }
}

/// The patterns of a rule file: the text between the quotes of `pcre`, unescaped as rules are.
fn patterns_of(text: &[u8]) -> Vec<(Vec<u8>, String)> {
    let mut out = Vec::new();
    for line in text.split(|&b| b == b'\n') {
        if line.first() == Some(&b'#') {
            continue;
        }
        let mut rest = line;
        while let Some(i) = memchr::memmem::find(rest, b"pcre:") {
            rest = &rest[i + 5..];
            let body = rest.trim_ascii_start();
            let body = body.strip_prefix(b"!").unwrap_or(body).trim_ascii_start();
            let Some(body) = body.strip_prefix(b"\"/") else { continue };
            // The option ends at the first `;` that no backslash precedes.
            let end = (0..body.len()).find(|&i| body[i] == b';' && (i == 0 || body[i - 1] != b'\\'));
            let Some(end) = end else { continue };
            let whole = body[..end].trim_ascii_end();
            let Some(slash) = whole.iter().rposition(|&b| b == b'/') else { continue };
            let letters = String::from_utf8_lossy(&whole[slash + 1..]);
            let letters: String = letters.split([',', '"']).next().unwrap_or("").into();
            let mut p = Vec::new();
            let mut it = whole[..slash].iter().peekable();
            while let Some(&b) = it.next() {
                if b == b'\\' && matches!(it.peek(), Some(b';' | b'"' | b':')) {
                    continue;
                }
                p.push(b);
                if b == b'\\' {
                    p.extend(it.next());
                }
            }
            out.push((p, letters));
        }
    }
    out
}

/// Every `pcre` of the open rule sets compiles, all of them in a moment, and one worker's default cache
/// can simulate all but a few.
#[test]
#[ignore = "needs ../shared"]
fn shared_open_rules_compile() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let mut files = vec![root.join("rules/et-open/et-open.rules")];
    assert!(files[0].exists(), "{}", files[0].display());
    let mut dirs = vec![root.join("conformance/tests")];
    while let Some(d) = dirs.pop() {
        for e in std::fs::read_dir(d).into_iter().flatten().flatten() {
            let p = e.path();
            if p.is_dir() {
                dirs.push(p);
            } else if p.extension().is_some_and(|x| x == "rules") {
                files.push(p);
            }
        }
    }
    let (mut all, mut bad, mut large, mut memory) = (0, Vec::new(), 0, 0);
    let cache = Cache::default();
    let mut spent = std::time::Duration::ZERO;
    for f in files {
        for (p, letters) in patterns_of(&std::fs::read(&f).unwrap_or_default()) {
            all += 1;
            let t = std::time::Instant::now();
            let r = Regex::compile(&p, flags(&letters));
            spent += t.elapsed();
            match r {
                Ok(re) => {
                    memory += re.memory();
                    large +=
                        usize::from(re.prog.regular && re.prog.state_count as usize > cache.pike.states());
                }
                Err(e) => bad.push(format!("{}: {} {e}", f.display(), String::from_utf8_lossy(&p))),
            }
        }
    }
    eprintln!("{all} patterns, {spent:?}, {memory} bytes, {large} beyond the simulation");
    assert!(all > 2000);
    assert!(bad.is_empty(), "{} refused:\n{}", bad.len(), bad.join("\n"));
}
