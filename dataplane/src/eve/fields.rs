//! The [`Fields`] that protocols write their records to.

use std::fmt;
use std::io::Write;

use tidegate_core::event::Fields;

use super::json::Json;
use crate::config::eve::RecordSettings;

/// Writes a record into the event being built.
pub struct Record<'a> {
    pub out: &'a mut Json,
    pub settings: Option<&'a RecordSettings>,
}

impl Fields for Record<'_> {
    fn bytes(&mut self, key: &str, value: &[u8]) {
        self.out.string(key, value);
    }
    fn u64(&mut self, key: &str, value: u64) {
        self.out.uint(key, value);
    }
    fn i64(&mut self, key: &str, value: i64) {
        self.out.int(key, value);
    }
    fn f64(&mut self, key: &str, value: f64) {
        self.out.float(key, value);
    }
    fn bool(&mut self, key: &str, value: bool) {
        self.out.bool(key, value);
    }
    fn begin_object(&mut self, key: &str) {
        self.out.open(key);
    }
    fn end_object(&mut self) {
        self.out.close();
    }
    fn begin_array(&mut self, key: &str) {
        self.out.open_list(key);
    }
    fn end_array(&mut self) {
        self.out.close_list();
    }
    fn fmt(&mut self, key: &str, value: fmt::Arguments<'_>) {
        self.out.key(key);
        self.out.buf.push(b'"');
        let from = self.out.buf.len();
        // Writing to a Vec cannot fail.
        let _ = self.out.buf.write_fmt(value);
        // Formatted text is nearly always plain; what is not is written again, escaped.
        if self.out.buf[from..].iter().any(|&b| b < 32 || b == b'"' || b == b'\\') {
            let text = self.out.buf.split_off(from);
            self.out.buf.pop();
            self.out.quoted(&text);
        } else {
            self.out.buf.push(b'"');
        }
    }
    fn hex(&mut self, key: &str, value: &[u8]) {
        self.out.hex(key, value);
    }
    fn base64(&mut self, key: &str, value: &[u8]) {
        self.out.base64(key, value);
    }
    fn wants(&self, option: &str) -> bool {
        self.settings.map_or(option == "extended", |s| s.wants(option))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formatted_text_is_escaped_when_it_must_be() {
        let mut j = Json::default();
        let mut r = Record { out: &mut j, settings: None };
        r.fmt("a", format_args!("{}.{}", 1, 2));
        r.fmt("b", format_args!("say \"{}\"", "x\n"));
        assert_eq!(j.buf, br#""a":"1.2","b":"say \"x\n\"""#);
    }
}
