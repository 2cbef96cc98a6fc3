//! JSON of datasets: just enough to find a value and to keep the object around it as text.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::dataset::{Entry, JsonKeys, key};
use super::ir::DatasetType;

/// Deepest nesting that is read.
const MAX_DEPTH: u32 = 32;

enum Json<'t> {
    Object(Vec<(String, Json<'t>)>),
    Array(Vec<Json<'t>>),
    String(String),
    /// Number, `true`, `false` or `null` as written.
    Plain(&'t str),
}

impl Json<'_> {
    /// The value at a path of keys with dots between them.
    fn at(&self, path: &str) -> Option<&Self> {
        path.split('.').try_fold(self, |v, k| match v {
            Json::Object(m) => m.iter().find(|e| e.0 == k).map(|e| &e.1),
            _ => None,
        })
    }

    fn remove(&mut self, path: &str) {
        let (head, rest) = path.split_once('.').map_or((path, None), |(h, r)| (h, Some(r)));
        let Json::Object(m) = self else { return };
        match rest {
            None => m.retain(|e| e.0 != head),
            Some(r) => {
                if let Some(e) = m.iter_mut().find(|e| e.0 == head) {
                    e.1.remove(r);
                }
            }
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Json::Object(m) => {
                out.push('{');
                for (i, (k, v)) in m.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    quote(k, out);
                    out.push(':');
                    v.write(out);
                }
                out.push('}');
            }
            Json::Array(a) => {
                out.push('[');
                for (i, v) in a.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    v.write(out);
                }
                out.push(']');
            }
            Json::String(s) => quote(s, out),
            Json::Plain(p) => out.push_str(p),
        }
    }
}

fn quote(s: &str, out: &mut String) {
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if (c as u32) < 32 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blank(&mut self) {
        while self.byte().is_some_and(|c| c.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn eat(&mut self, c: u8) -> bool {
        self.blank();
        let hit = self.byte() == Some(c);
        self.at += usize::from(hit);
        hit
    }

    fn value(&mut self, depth: u32) -> Option<Json<'t>> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.blank();
        match self.byte()? {
            b'{' => {
                self.at += 1;
                let mut m = Vec::new();
                if self.eat(b'}') {
                    return Some(Json::Object(m));
                }
                loop {
                    self.blank();
                    let k = self.string()?;
                    if !self.eat(b':') {
                        return None;
                    }
                    m.push((k, self.value(depth + 1)?));
                    if self.eat(b'}') {
                        return Some(Json::Object(m));
                    }
                    if !self.eat(b',') {
                        return None;
                    }
                }
            }
            b'[' => {
                self.at += 1;
                let mut a = Vec::new();
                if self.eat(b']') {
                    return Some(Json::Array(a));
                }
                loop {
                    a.push(self.value(depth + 1)?);
                    if self.eat(b']') {
                        return Some(Json::Array(a));
                    }
                    if !self.eat(b',') {
                        return None;
                    }
                }
            }
            b'"' => self.string().map(Json::String),
            _ => {
                let rest = self.text.get(self.at..)?;
                let n = rest.bytes().take_while(|c| c.is_ascii_alphanumeric() || b"+-.".contains(c)).count();
                self.at += n;
                rest.get(..n).filter(|w| !w.is_empty()).map(Json::Plain)
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        if self.byte() != Some(b'"') {
            return None;
        }
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = self.text.get(self.at..)?;
            let c = rest.chars().next()?;
            self.at += c.len_utf8();
            match c {
                '"' => return Some(out),
                '\\' => {
                    let e = self.byte()?;
                    self.at += 1;
                    out.push(match e {
                        b'n' => '\n',
                        b't' => '\t',
                        b'r' => '\r',
                        b'b' => '\u{8}',
                        b'f' => '\u{c}',
                        b'u' => {
                            let mut n = u32::from_str_radix(self.text.get(self.at..self.at + 4)?, 16).ok()?;
                            self.at += 4;
                            if (0xd800..0xdc00).contains(&n) {
                                // The second half of a pair follows.
                                let low = self.text.get(self.at..self.at + 6)?.strip_prefix("\\u")?;
                                let low = u32::from_str_radix(low, 16).ok()?;
                                self.at += 6;
                                n = 0x10000 + ((n - 0xd800) << 10) + low.checked_sub(0xdc00)?;
                            }
                            char::from_u32(n)?
                        }
                        b'"' | b'\\' | b'/' => e as char,
                        _ => return None,
                    });
                }
                c => out.push(c),
            }
        }
    }
}

fn parse(text: &str) -> Option<Json<'_>> {
    let mut r = Reader { text, at: 0 };
    let v = r.value(0)?;
    r.blank();
    (r.at == text.len()).then_some(v)
}

/// The entries of a JSON dataset: an array of objects, or an object a line.
pub fn entries(kind: DatasetType, keys: &JsonKeys, data: &[u8], lines: bool) -> Result<Vec<Entry>, String> {
    let text = core::str::from_utf8(data).map_err(|e| e.to_string())?;
    let mut out = Vec::new();
    let mut one = |mut v: Json<'_>, n: usize| {
        let found = match v.at(&keys.value) {
            Some(Json::String(s)) => key(kind, s.as_bytes()),
            _ => None,
        };
        let Some(key) = found else {
            return Err(format!("entry {n} has no \"{}\" of the set's type", keys.value));
        };
        if keys.remove {
            v.remove(&keys.value);
        }
        let mut context = String::new();
        v.write(&mut context);
        out.push(Entry { key, reputation: 0, context: Some(context.into_boxed_str()) });
        Ok(())
    };
    if lines {
        for (n, l) in text.lines().enumerate().filter(|l| !l.1.trim().is_empty()) {
            let v = parse(l).ok_or_else(|| format!("line {}: not JSON", n + 1))?;
            one(v, n + 1)?;
        }
        return Ok(out);
    }
    let mut root = parse(text).ok_or_else(|| "not JSON".to_string())?;
    if !keys.array.is_empty() {
        for k in keys.array.split('.') {
            root = match root {
                Json::Object(m) => m.into_iter().find(|e| e.0 == k).map(|e| e.1),
                _ => None,
            }
            .ok_or_else(|| format!("no \"{}\"", keys.array))?;
        }
    }
    let Json::Array(a) = root else { return Err("the entries are not an array".to_string()) };
    for (n, v) in a.into_iter().enumerate() {
        one(v, n + 1)?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(value: &str, array: &str, remove: bool) -> JsonKeys {
        JsonKeys { context: "c".into(), value: value.into(), array: array.into(), remove }
    }

    #[test]
    fn finds_values() {
        let t =
            br#"{"info":{"threat":[{"host":{"fqdn":"a.b"},"n":1.5},{"host":{"fqdn":"\u00e9\n"},"x":null}]}}"#;
        let e = entries(DatasetType::String, &keys("host.fqdn", "info.threat", true), t, false).unwrap();
        assert_eq!(e[0].key, b"a.b");
        assert_eq!(e[0].context.as_deref(), Some(r#"{"host":{},"n":1.5}"#));
        assert_eq!(e[1].key, "\u{e9}\n".as_bytes());
        let e = entries(
            DatasetType::Ip,
            &keys("ip", "", false),
            b"{\"ip\":\"10.0.0.1\"}\n\n{\"ip\":\"::1\"}",
            true,
        );
        assert_eq!(e.unwrap().len(), 2);
        assert!(entries(DatasetType::Ip, &keys("ip", "", false), b"[{\"ip\":\"x\"}]", false).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(t in "[\\[\\]{}\",:\\\\u0-9a-f ]{0,60}") {
            let _ = entries(DatasetType::String, &keys("a", "", true), t.as_bytes(), false);
            let _ = entries(DatasetType::String, &keys("a.b", "", true), t.as_bytes(), true);
        }
    }
}
