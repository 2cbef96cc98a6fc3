//! The [`Fields`] that protocols write their records to, within bounds: a message of a few bytes may name thousands of
//! values (a DNS answer whose names point to each other), and its record must not cost more than others.

use std::fmt;
use std::io::Write;

use tidegate_core::event::{Fields, Nest, Value};

use super::json::Json;
use crate::config::eve::RecordSettings;

/// Text of one record. What comes after it is left out, and the record says `"truncated_record":true`.
const RECORD: usize = 128 << 10;
/// Bytes of one value before escaping.
const VALUE: usize = 16 << 10;
/// The same where the content of messages is asked for: all that is kept of a prompt, in a conversation.
const CONTENT_RECORD: usize = 8 << 20;
const CONTENT_VALUE: usize = 1 << 20;

/// Writes a record into the event being built.
pub struct Record<'a> {
    out: &'a mut Json,
    settings: Option<&'a RecordSettings>,
    /// Length of `out` at which the record is full.
    full: usize,
    /// Most bytes of one value.
    value: usize,
    /// Open objects and lists that are left out.
    skipped: u32,
    /// Something was left out.
    cut: bool,
}

impl<'a> Record<'a> {
    pub fn new(out: &'a mut Json, settings: Option<&'a RecordSettings>) -> Record<'a> {
        let content = settings.is_some_and(|s| s.wants("content"));
        let (record, value) = if content { (CONTENT_RECORD, CONTENT_VALUE) } else { (RECORD, VALUE) };
        let full = out.buf.len() + record;
        Record { out, settings, full, value, skipped: 0, cut: false }
    }

    /// Whether a value is written; values are not when there is too much already.
    fn room(&mut self) -> bool {
        let fits = self.skipped == 0 && self.out.buf.len() < self.full;
        self.cut |= !fits;
        fits
    }

    /// As much of a value as is shown.
    fn part<'v>(&mut self, value: &'v [u8]) -> &'v [u8] {
        self.cut |= value.len() > self.value;
        let mut n = value.len().min(self.value);
        // Not within a character.
        while n < value.len() && n > 0 && value[n] & 0xc0 == 0x80 && n + 4 > self.value {
            n -= 1;
        }
        &value[..n]
    }

    fn text(&mut self, key: &str, value: fmt::Arguments<'_>) {
        self.out.key(key);
        self.out.buf.push(b'"');
        let from = self.out.buf.len();
        // Writing to a Vec cannot fail.
        let _ = self.out.buf.write_fmt(value);
        // Formatted text is nearly always short and plain; what is not is written again, cut and escaped.
        let text = &self.out.buf[from..];
        if text.len() > self.value || text.iter().any(|&b| b < 32 || b == b'"' || b == b'\\') {
            let text = self.out.buf.split_off(from);
            self.out.buf.pop();
            let text = self.part(&text);
            self.out.quoted(text);
        } else {
            self.out.buf.push(b'"');
        }
    }

    /// Says whether something was left out; the record ends here.
    pub fn end(self) {
        if self.cut {
            self.out.bool("truncated_record", true);
        }
    }
}

impl Fields for Record<'_> {
    fn value(&mut self, key: &str, value: Value<'_>) {
        if !self.room() {
            return;
        }
        match value {
            Value::Bytes(v) => {
                let v = self.part(v);
                self.out.string(key, v);
            }
            Value::U64(v) => self.out.uint(key, v),
            Value::I64(v) => self.out.int(key, v),
            Value::F64(v) => self.out.float(key, v),
            Value::Bool(v) => self.out.bool(key, v),
            Value::Text(v) => self.text(key, v),
            Value::Hex(v) => {
                let v = self.part(v);
                self.out.hex(key, v);
            }
            Value::Base64(v) => {
                let v = self.part(v);
                self.out.base64(key, v);
            }
        }
    }
    fn open(&mut self, key: &str, nest: Nest) {
        match nest {
            _ if !self.room() => self.skipped += 1,
            Nest::Object => self.out.open(key),
            Nest::List => self.out.open_list(key),
        }
    }
    fn close(&mut self, nest: Nest) {
        match nest {
            _ if self.skipped > 0 => self.skipped -= 1,
            Nest::Object => self.out.close(),
            Nest::List => self.out.close_list(),
        }
    }
    fn wants(&self, option: &str) -> bool {
        self.settings.map_or(option == "extended", |s| s.wants(option))
    }
    fn limit(&self, option: &str) -> Option<u64> {
        self.settings.and_then(|s| s.limit(option))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formatted_text_is_escaped_when_it_must_be() {
        let mut j = Json::default();
        let mut r = Record::new(&mut j, None);
        r.fmt("a", format_args!("{}.{}", 1, 2));
        r.fmt("b", format_args!("say \"{}\"", "x\n"));
        r.end();
        assert_eq!(j.buf, br#""a":"1.2","b":"say \"x\n\"""#);
    }

    /// A record of thousands of answers is cut, is JSON still, and says so.
    #[test]
    fn records_are_bounded() {
        for size in [1, 200, VALUE, 3 * VALUE] {
            let mut j = Json::default();
            j.open("");
            j.open("dns");
            let mut r = Record::new(&mut j, None);
            r.begin_array("answers");
            for _ in 0..20_000 {
                r.begin_object("");
                // The value that grows most when it is escaped, and one of whole characters.
                r.bytes("rrname", &vec![1; size]);
                r.bytes("text", "\u{1f30a}".repeat(size / 4).as_bytes());
                r.fmt("f", format_args!("{}", "\"".repeat(size)));
                r.begin_array("deep");
                r.u64("", 7);
                r.end_array();
                r.end_object();
            }
            r.end_array();
            r.u64("after", 1);
            r.end();
            j.close();
            j.close();
            assert!(j.buf.len() < RECORD + 7 * VALUE, "{size}: {}", j.buf.len());
            let text = String::from_utf8(j.buf).expect("whole characters");
            assert!(text.ends_with(r#"],"truncated_record":true}}"#), "{}", &text[text.len() - 60..]);
            let balance = |open, close| text.matches(open).count() == text.matches(close).count();
            assert!(balance('{', '}') && balance('[', ']') && !text.contains("{}"));
        }
    }
}
