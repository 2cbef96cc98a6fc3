//! Texts of our own making: kinds of attacks and of harmless texts, as grammars in several languages.
//!
//! In: `kinds/*.txt`. A line `@slot = this | that` says what may stand for `{slot}`; `[this|that]` is a choice on the
//! spot; `attack 90 aside: …` asks for ninety texts of a kind. `every.txt` has the kinds of all languages but English.
//! Out: texts with their labels, the same ones at each run.

use std::collections::{BTreeMap, BTreeSet};

const EVERY: &str = include_str!("kinds/every.txt");
const ENGLISH: &str = include_str!("kinds/en.txt");

macro_rules! languages {
    ($($l:literal)*) => { [$(($l, include_str!(concat!("kinds/", $l, ".txt")))),*] };
}

static LANGUAGES: [(&str, &str); 16] =
    languages!("ar" "de" "es" "fr" "hi" "id" "it" "ja" "ko" "pl" "pt" "ru" "th" "tr" "vi" "zh");

/// A text of our own.
pub struct Own {
    pub text: String,
    pub source: String,
    pub attack: bool,
}

/// All of them.
pub fn all() -> Vec<Own> {
    let mut out = Vec::new();
    Grammar::default().run("en", &[ENGLISH], &mut out);
    for (language, text) in LANGUAGES {
        Grammar::default().run(language, &[text, EVERY], &mut out);
    }
    out
}

/// Random numbers, the same at each run.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

#[derive(Default)]
struct Grammar<'a> {
    slots: BTreeMap<&'a str, Vec<&'a str>>,
}

/// Choices are parted by `|` outside of brackets.
fn choices(text: &str) -> Vec<&str> {
    let (mut all, mut from, mut depth) = (Vec::new(), 0, 0);
    for (i, c) in text.bytes().enumerate() {
        match c {
            b'[' => depth += 1,
            b']' => depth -= 1,
            b'|' if depth == 0 => {
                all.push(&text[from..i]);
                from = i + 1;
            }
            _ => {}
        }
    }
    all.push(&text[from..]);
    all
}

impl<'a> Grammar<'a> {
    fn run(mut self, language: &str, files: &[&'a str], out: &mut Vec<Own>) {
        let mut kinds = Vec::new();
        for l in files.iter().flat_map(|f| f.lines()).filter(|l| !l.is_empty() && !l.starts_with("# ")) {
            if let Some((name, text)) = l.strip_prefix('@').and_then(|l| l.split_once('=')) {
                self.slots.insert(name.trim(), choices(text).into_iter().map(str::trim).collect());
            } else {
                kinds.push(l.split_once(": ").unwrap_or_else(|| panic!("{language}: {l}")));
            }
        }
        let (mut random, mut known) = (Random(7), BTreeSet::new());
        for (head, body) in kinds {
            let mut head = head.split(' ');
            let attack = head.next() == Some("attack");
            let count: usize = head.next().and_then(|n| n.parse().ok()).expect("how many");
            let source = format!("own_{language}_{}", head.next().expect("a kind"));
            for _ in 0..count {
                let mut text = String::new();
                self.expand(body, &mut random, &mut text);
                let text = finish(&text, &mut random);
                if known.insert(text.clone()) {
                    out.push(Own { text, source: source.clone(), attack });
                }
            }
        }
    }

    fn expand(&self, text: &str, random: &mut Random, out: &mut String) {
        let mut rest = text;
        while let Some(at) = rest.find(['[', '{']) {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            let slot = rest[1..].find('}').map(|n| &rest[1..=n]);
            if rest.starts_with('[') {
                let mut depth = 0;
                let end = rest.bytes().position(|c| {
                    depth += i32::from(c == b'[') - i32::from(c == b']');
                    depth == 0
                });
                let end = end.unwrap_or_else(|| panic!("a bracket is open: {text}"));
                let all = choices(&rest[1..end]);
                self.expand(all[random.below(all.len())], random, out);
                rest = &rest[end + 1..];
            } else if let Some(slot) = slot.filter(|s| s.bytes().all(|c| c.is_ascii_alphanumeric())) {
                let all = self.slots.get(slot).unwrap_or_else(|| panic!("no slot {slot}"));
                self.expand(all[random.below(all.len())], random, out);
                rest = &rest[slot.len() + 2..];
            } else {
                out.push('{');
                rest = &rest[1..];
            }
        }
        out.push_str(rest);
    }
}

/// Spaces are put right, and letters are as people write them: with care, or not.
fn finish(text: &str, random: &mut Random) -> String {
    let mut out = String::new();
    for c in text.replace("\\n", "\n").chars() {
        match c {
            ' ' if out.is_empty() || out.ends_with(' ') => continue,
            '.' | ',' | '?' | '!' if out.ends_with(' ') => {
                out.pop();
            }
            _ => {}
        }
        out.push(c);
    }
    let out = out.trim().to_string();
    match random.below(10) {
        0 => out.to_lowercase(),
        1 if out.len() < 200 && random.below(3) == 0 => out.to_uppercase(),
        2 => out.trim_end_matches(['.', '?', '!']).to_string(),
        3..=5 => out,
        _ => {
            let mut chars = out.chars();
            chars.next().map_or(String::new(), |c| c.to_uppercase().collect::<String>() + chars.as_str())
        }
    }
}
