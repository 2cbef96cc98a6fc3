//! What was read of a body, in one form whoever read it: to compare readers.

use tidegate_core::ai::json::{Field, Visit, Word};

use crate::typed::{Body, Content, Loose, Text};

/// Numbers of the paths, with their values one after the other.
#[derive(Default, Debug, PartialEq, Clone)]
pub struct Read {
    pub texts: Vec<u8>,
    /// Field and end of each text; a text that is a number or a word is as it is written.
    pub ends: Vec<(Field, u32)>,
}

impl Read {
    pub fn clear(&mut self) {
        self.texts.clear();
        self.ends.clear();
    }

    fn whole(&mut self, f: Field) {
        self.ends.push((f, self.texts.len() as u32));
    }

    fn add(&mut self, f: Field, text: &str) {
        self.texts.extend_from_slice(text.as_bytes());
        self.whole(f);
    }

    /// The values by field, in order within one: members of an object come in any order.
    pub fn by_field(&self) -> Vec<(Field, String)> {
        let mut from = 0;
        let mut all: Vec<(Field, String)> = Vec::new();
        for (f, to) in &self.ends {
            let t = &self.texts[from as usize..*to as usize];
            // Numbers are compared as numbers.
            let t = String::from_utf8_lossy(t).into_owned();
            let number = (12..=15).contains(f).then(|| t.parse::<f64>().ok()).flatten();
            all.push((*f, number.map_or(t, |n| n.to_string())));
            from = *to;
        }
        all.sort_by_key(|e| e.0);
        all
    }
}

impl Visit for Read {
    fn open(&mut self, _: Field) {}
    fn close(&mut self, _: Field) {}
    fn text(&mut self, _: Field, bytes: &[u8]) {
        self.texts.extend_from_slice(bytes);
    }
    fn text_end(&mut self, f: Field) {
        self.whole(f);
    }
    fn number(&mut self, f: Field, text: &[u8]) {
        // An identifier that is a number is none that is asked for.
        if f != 2 {
            self.texts.extend_from_slice(text);
            self.whole(f);
        }
    }
    fn word(&mut self, f: Field, word: Word) {
        match word {
            Word::True => self.add(f, "true"),
            Word::False => self.add(f, "false"),
            Word::Null => {}
        }
    }
}

/// What serde read, in the same form.
pub fn of<'a, T: Text<'a>>(b: &Body<T>) -> Read {
    let mut r = Read::default();
    let mut add = |f, t: Option<&T>| {
        if let Some(t) = t {
            r.add(f, t.get());
        }
    };
    add(1, b.model.as_ref());
    if let Some(Loose::Text(t)) = &b.id {
        add(2, Some(t));
    }
    for m in b.messages.iter().flatten() {
        add(3, m.role.as_ref());
        match &m.content {
            Some(Content::Text(t)) => add(4, Some(t)),
            Some(Content::Parts(p)) => p.iter().for_each(|p| add(4, p.text.as_ref())),
            None => {}
        }
    }
    if let Some(Content::Text(t)) = &b.prompt {
        add(5, Some(t));
    }
    for c in b.choices.iter().flatten() {
        for said in [&c.message, &c.delta].into_iter().flatten() {
            add(6, said.content.as_ref());
        }
        add(7, c.finish_reason.as_ref());
    }
    if let Some(Content::Text(t)) = b.message.as_ref().and_then(|m| m.content.as_ref()) {
        add(6, Some(t));
    }
    add(6, b.delta.as_ref().and_then(|d| d.text.as_ref()));
    for f in b.tools.iter().flatten().filter_map(|t| t.function.as_ref()) {
        add(8, f.name.as_ref());
        add(9, f.description.as_ref());
    }
    add(10, b.method.as_ref());
    if let Some(s) = b.stream {
        r.add(11, if s { "true" } else { "false" });
    }
    let usage = b.usage.as_ref();
    let numbers = [
        (12, b.max_tokens.map(|n| n.to_string())),
        (13, b.temperature.map(|n| n.to_string())),
        (14, usage.and_then(|u| u.prompt_tokens).map(|n| n.to_string())),
        (15, usage.and_then(|u| u.completion_tokens).map(|n| n.to_string())),
    ];
    for (f, n) in numbers {
        if let Some(n) = n {
            r.add(f, &n);
        }
    }
    r
}
