//! The pattern language of STIX 2.1 (chapter 9): text goes in, a tree of comparisons comes out. Bounded depth.

/// Deepest nesting of brackets.
const MAX_DEPTH: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    One(Comparison),
    And(Vec<Pattern>),
    Or(Vec<Pattern>),
    /// Observations with AND or FOLLOWEDBY between them.
    Sequence(Vec<Pattern>),
    /// An observation with WITHIN, REPEATS or START … STOP.
    Qualified(Box<Pattern>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Equal,
    NotEqual,
    Order,
    In,
    Like,
    Matches,
    Subset,
    Superset,
    Exists,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Comparison {
    /// `file:hashes.SHA-256`: without quotes.
    pub path: String,
    pub op: Op,
    pub negated: bool,
    pub values: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Sign(&'static str),
}

const SIGNS: [&str; 13] = ["!=", "<>", "<=", ">=", "==", "=", "<", ">", "[", "]", "(", ")", ","];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while let Some(c) = rest.chars().next() {
        if let Some(sign) = SIGNS.iter().find(|s| rest.starts_with(**s)) {
            out.push(Token::Sign(sign));
            rest = &rest[sign.len()..];
        } else if c == '\'' {
            let (value, after) = quoted(rest)?;
            out.push(Token::Text(value));
            rest = after;
        } else {
            let (word, after) = word(rest)?;
            out.push(Token::Word(word));
            rest = after;
        }
        rest = rest.trim_start();
    }
    Ok(out)
}

/// `'…'`, with `\'` and `\\` in it.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let (mut value, mut chars) = (String::new(), text.char_indices().skip(1));
    while let Some((i, c)) = chars.next() {
        match c {
            '\\' => value.extend(chars.next().map(|c| c.1)),
            '\'' => return Ok((value, &text[i + 1..])),
            c => value.push(c),
        }
    }
    Err("a string without its end".into())
}

/// A word, a number, or a path with quoted parts and places (`a:b.'c d'[0].e`).
fn word(text: &str) -> Result<(String, &str), String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match c {
            '\'' if out.ends_with('.') => {
                let (part, after) = quoted(rest)?;
                out += &part;
                rest = after;
            }
            '[' if out.contains(':') => {
                let Some(end) = rest.find(']') else { return Err("`[` without its `]`".into()) };
                out += &rest[..=end];
                rest = &rest[end + 1..];
            }
            c if c.is_whitespace() || "[]()=<>!,'".contains(c) => break,
            c => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    if out.is_empty() {
        Err(format!("unexpected `{}`", rest.chars().next().unwrap_or(' ')))
    } else {
        Ok((out, rest))
    }
}

struct Reader {
    tokens: std::vec::IntoIter<Token>,
    next: Option<Token>,
    depth: usize,
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Pattern, String> {
        let mut tokens = tokens(text)?.into_iter();
        let next = tokens.next();
        let mut r = Reader { tokens, next, depth: 0 };
        let p = r.observations()?;
        match r.next {
            None => Ok(p),
            Some(t) => Err(format!("expected the end, not {t:?}")),
        }
    }
}

/// One of many, or itself.
fn joined(mut all: Vec<Pattern>, of: fn(Vec<Pattern>) -> Pattern) -> Pattern {
    if all.len() == 1 { all.remove(0) } else { of(all) }
}

impl Reader {
    fn step(&mut self) -> Option<Token> {
        let next = self.tokens.next();
        std::mem::replace(&mut self.next, next)
    }

    fn is(&self, word: &str) -> bool {
        match &self.next {
            Some(Token::Word(w)) => w == word,
            Some(Token::Sign(s)) => *s == word,
            _ => false,
        }
    }

    fn take(&mut self, word: &str) -> bool {
        let is = self.is(word);
        if is {
            self.step();
        }
        is
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        if self.take(sign) { Ok(()) } else { Err(format!("expected `{sign}`, not {:?}", self.next)) }
    }

    fn deeper(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err("nested too deeply".into()) } else { Ok(()) }
    }

    fn observations(&mut self) -> Result<Pattern, String> {
        let mut any = vec![self.together()?];
        while self.take("OR") {
            any.push(self.together()?);
        }
        Ok(joined(any, Pattern::Or))
    }

    fn together(&mut self) -> Result<Pattern, String> {
        let mut all = vec![self.observation()?];
        while self.take("AND") || self.take("FOLLOWEDBY") {
            all.push(self.observation()?);
        }
        Ok(joined(all, Pattern::Sequence))
    }

    fn observation(&mut self) -> Result<Pattern, String> {
        self.deeper()?;
        let mut p = if self.take("(") {
            let p = self.observations()?;
            self.expect(")")?;
            p
        } else {
            self.expect("[")?;
            let p = self.either()?;
            self.expect("]")?;
            p
        };
        self.depth -= 1;
        while self.is("WITHIN") || self.is("REPEATS") || self.is("START") {
            // A number or a time, and words.
            while self.next.is_some() && !["OR", "AND", "FOLLOWEDBY", ")"].iter().any(|w| self.is(w)) {
                self.step();
            }
            p = Pattern::Qualified(Box::new(p));
        }
        Ok(p)
    }

    fn either(&mut self) -> Result<Pattern, String> {
        let mut any = vec![self.both()?];
        while self.take("OR") {
            any.push(self.both()?);
        }
        Ok(joined(any, Pattern::Or))
    }

    fn both(&mut self) -> Result<Pattern, String> {
        let mut all = vec![self.comparison()?];
        while self.take("AND") {
            all.push(self.comparison()?);
        }
        Ok(joined(all, Pattern::And))
    }

    fn comparison(&mut self) -> Result<Pattern, String> {
        if self.take("(") {
            self.deeper()?;
            let p = self.either()?;
            self.depth -= 1;
            self.expect(")")?;
            return Ok(p);
        }
        let mut negated = self.take("NOT");
        if self.take("EXISTS") {
            let Some(Token::Word(path)) = self.step() else {
                return Err("expected a path after EXISTS".into());
            };
            return Ok(Pattern::One(Comparison { path, op: Op::Exists, negated, values: Vec::new() }));
        }
        let Some(Token::Word(path)) = self.step() else { return Err("expected a path".into()) };
        if !path.contains(':') {
            return Err(format!("`{path}` is no path: expected TYPE:PROPERTY"));
        }
        negated ^= self.take("NOT");
        let op = match self.step() {
            Some(Token::Sign("=" | "==")) => Op::Equal,
            Some(Token::Sign("!=" | "<>")) => Op::NotEqual,
            Some(Token::Sign("<" | ">" | "<=" | ">=")) => Op::Order,
            Some(Token::Word(w)) => match w.as_str() {
                "IN" => Op::In,
                "LIKE" => Op::Like,
                "MATCHES" => Op::Matches,
                "ISSUBSET" => Op::Subset,
                "ISSUPERSET" => Op::Superset,
                w => return Err(format!("`{w}` is no comparison")),
            },
            t => return Err(format!("expected a comparison, not {t:?}")),
        };
        let mut values = Vec::new();
        if op == Op::In {
            self.expect("(")?;
            loop {
                values.push(self.value()?);
                if !self.take(",") {
                    break;
                }
            }
            self.expect(")")?;
        } else {
            values.push(self.value()?);
        }
        Ok(Pattern::One(Comparison { path, op, negated, values }))
    }

    /// A string, a number, a truth, or a constant with its kind before it (`t'…'`, `h'…'`).
    fn value(&mut self) -> Result<String, String> {
        match self.step() {
            Some(Token::Text(t)) => Ok(t),
            Some(Token::Word(w)) if matches!(w.as_str(), "t" | "h" | "b") => match self.step() {
                Some(Token::Text(t)) => Ok(t),
                t => Err(format!("expected a string after `{w}`, not {t:?}")),
            },
            Some(Token::Word(w)) => Ok(w),
            t => Err(format!("expected a value, not {t:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use super::*;

    fn values(text: &str) -> Result<Vec<String>, &'static str> {
        let p = Pattern::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        let shown = |(k, v): (Kind, String)| format!("{} {v}", k.name());
        p.values().map(|all| all.into_iter().map(shown).collect()).map_err(|e| e.1)
    }

    #[test]
    fn what_a_packet_can_say_is_taken() {
        for (text, want) in [
            ("[domain-name:value='x.example']", Ok(vec!["domain x.example"])),
            ("[ domain-name:value = 'it\\'s.example' ]", Ok(vec!["domain it's.example"])),
            ("[file:hashes.'SHA-256' = 'ab' OR file:hashes.sha256='cd']", Ok(vec!["sha256 ab", "sha256 cd"])),
            (
                "[file:hashes.MD5 = 'a' AND file:hashes.'SHA-1' = 'b' AND file:name = 'x']",
                Ok(vec!["md5 a", "sha1 b"]),
            ),
            (
                "[ipv4-addr:value IN ('192.0.2.1', '192.0.2.0/24')]",
                Ok(vec!["address 192.0.2.1", "network 192.0.2.0/24"]),
            ),
            ("[ipv4-addr:value ISSUBSET '192.0.2.0/24']", Ok(vec!["network 192.0.2.0/24"])),
            ("[domain-name:value LIKE '%.evil.test']", Ok(vec!["domain evil.test"])),
            ("[domain-name:value LIKE 'evil%']", Err("LIKE with a pattern that is no domain's end")),
            ("[a:b = 1] OR [url:value = 'http://x.test/']", Err(UNSEEN)),
            (
                "[url:value = 'http://x.test/'] OR ([domain-name:value = 'y.test'])",
                Ok(vec!["url http://x.test/", "domain y.test"]),
            ),
            (
                "[domain-name:value = 'a.test'] FOLLOWEDBY [domain-name:value = 'b.test']",
                Err("several observations that must come together"),
            ),
            ("[domain-name:value = 'a.test'] WITHIN 5 SECONDS", Err("a qualifier (WITHIN, REPEATS, START)")),
            (
                "[ipv4-addr:value = '1.2.3.4' AND network-traffic:dst_port = 443]",
                Err("AND of several conditions"),
            ),
            ("[domain-name:value != 'a.test']", Err("a comparison other than =, IN, LIKE and ISSUBSET")),
            ("[domain-name:value NOT = 'a.test']", Err("NOT")),
            ("[domain-name:value MATCHES '^a']", Err("MATCHES")),
            (
                "[network-traffic:extensions.'http-request-ext'.request_header.'User-Agent' = 'x']",
                Ok(vec!["user-agent x"]),
            ),
        ] {
            let got = values(text);
            let got = got.as_ref().map(|v| v.iter().map(String::as_str).collect()).map_err(|e| *e);
            assert_eq!(got, want, "{text}");
        }
    }

    #[test]
    fn damage_is_an_error() {
        for text in [
            "",
            "[",
            "[a]",
            "[a:b]",
            "[a:b = ]",
            "[a:b = 'x]",
            "a:b = 1",
            "[a:b = 1] x",
            "[a:b IN (1,]",
            "[a:b ? 1]",
        ] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
        assert!(Pattern::parse(&"(".repeat(10_000)).is_err());
        assert!(Pattern::parse(&format!("[{}", "(".repeat(10_000))).is_err());
    }
}
