//! A protocol's record with its objects and lists laid flat: every value has a path, such as `answers.0.rrname`.

use std::io::Write as _;

use tidegate_core::event::{self, Fields, Nest};
use tidegate_dataplane::config::eve::RecordSettings;

/// A value; text lies in the record's bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    Text(u32, u32),
    U64(u64),
    I64(i64),
    F64(f64),
    Bool(bool),
}

#[derive(Clone, Copy, Debug)]
struct Field {
    path: (u32, u32),
    value: Value,
}

/// The values of one record, and the memory they lie in, which is kept for the next.
#[derive(Debug, Default)]
pub struct Record {
    bytes: Vec<u8>,
    fields: Vec<Field>,
    /// Where the path of what encloses the current place lies, and the number of the next item if it is a list.
    levels: Vec<((u32, u32), Option<u32>)>,
}

impl Record {
    /// Room that nearly every record fits in.
    pub fn new() -> Self {
        Record {
            bytes: Vec::with_capacity(32 << 10),
            fields: Vec::with_capacity(256),
            levels: Vec::with_capacity(16),
        }
    }

    /// Begins a record.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.fields.clear();
        self.levels.clear();
    }

    pub fn len(&self) -> usize {
        self.fields.len()
    }

    fn at(&self, (from, len): (u32, u32)) -> &[u8] {
        self.bytes.get(from as usize..(from + len) as usize).unwrap_or(&[])
    }

    /// Path, value, and the bytes of text.
    pub fn get(&self, i: usize) -> Option<(&[u8], Value, &[u8])> {
        let f = self.fields.get(i)?;
        let text = if let Value::Text(from, len) = f.value { self.at((from, len)) } else { &[] };
        Some((self.at(f.path), f.value, text))
    }

    /// The value at a path.
    pub fn find(&self, path: &[u8]) -> Option<(Value, &[u8])> {
        (0..self.len()).filter_map(|i| self.get(i)).find(|f| f.0 == path).map(|(_, v, t)| (v, t))
    }

    /// Text at a path; empty when there is none.
    pub fn text(&self, path: &str) -> &[u8] {
        self.find(path.as_bytes()).map_or(&[], |f| f.1)
    }

    /// Items of the list at `list` that have `key`, from the first on.
    pub fn items(&self, list: &str, key: &str) -> usize {
        let mut room = [0u8; 128];
        let has = |i: usize, room: &mut [u8; 128]| {
            let mut to = &mut room[..];
            // A path that does not fit is none.
            if write!(to, "{list}.{i}.{key}").is_err() {
                return false;
            }
            let n = 128 - to.len();
            self.find(&room[..n]).is_some()
        };
        (0..).take_while(|&i| has(i, &mut room)).count()
    }

    /// A number at a path; 0 when there is none.
    pub fn number(&self, path: &str) -> u64 {
        match self.find(path.as_bytes()) {
            Some((Value::U64(n), _)) => n,
            Some((Value::I64(n), _)) => u64::try_from(n).unwrap_or(0),
            Some((Value::Bool(b), _)) => u64::from(b),
            _ => 0,
        }
    }

    /// Writes the path of `key`, or of the next item of a list.
    fn path(&mut self, key: &str) -> (u32, u32) {
        let from = self.bytes.len();
        if let Some((outer, item)) = self.levels.last_mut() {
            let (outer, range) = (*outer, outer.0 as usize..(outer.0 + outer.1) as usize);
            let item = item.as_mut().map(|n| std::mem::replace(n, *n + 1));
            self.bytes.extend_from_within(range);
            if outer.1 > 0 {
                self.bytes.push(b'.');
            }
            match item {
                // Writing to a Vec cannot fail.
                Some(n) => drop(write!(self.bytes, "{n}")),
                None => self.bytes.extend_from_slice(key.as_bytes()),
            }
        } else {
            self.bytes.extend_from_slice(key.as_bytes());
        }
        (from as u32, (self.bytes.len() - from) as u32)
    }

    fn put(&mut self, key: &str, value: Value) {
        let path = self.path(key);
        self.fields.push(Field { path, value });
    }

    fn put_text(&mut self, key: &str, write: impl FnOnce(&mut Vec<u8>)) {
        let path = self.path(key);
        let from = self.bytes.len();
        write(&mut self.bytes);
        let value = Value::Text(from as u32, (self.bytes.len() - from) as u32);
        self.fields.push(Field { path, value });
    }

    fn begin(&mut self, key: &str, item: Option<u32>) {
        let path = self.path(key);
        self.levels.push((path, item));
    }
}

/// Fills a record, of which `settings` choose the optional parts.
pub struct Writer<'a> {
    pub record: &'a mut Record,
    pub settings: Option<&'a RecordSettings>,
}

impl Record {
    fn add(&mut self, key: &str, value: event::Value<'_>) {
        use event::Value as V;
        match value {
            V::Bytes(v) => self.put_text(key, |b| b.extend_from_slice(v)),
            V::U64(v) => self.put(key, Value::U64(v)),
            V::I64(v) => self.put(key, Value::I64(v)),
            V::F64(v) => self.put(key, Value::F64(v)),
            V::Bool(v) => self.put(key, Value::Bool(v)),
            // Writing to a Vec cannot fail.
            V::Text(v) => self.put_text(key, |b| drop(b.write_fmt(v))),
            V::Hex(v) => self.put_text(key, |b| v.iter().for_each(|v| drop(write!(b, "{v:02x}")))),
            V::Base64(v) => self.put_text(key, |b| base64(b, v)),
        }
    }
}

impl Fields for Writer<'_> {
    fn value(&mut self, key: &str, value: event::Value<'_>) {
        self.record.add(key, value);
    }
    fn open(&mut self, key: &str, nest: Nest) {
        self.record.begin(key, (nest == Nest::List).then_some(0));
    }
    fn close(&mut self, _: Nest) {
        self.record.levels.pop();
    }
    fn wants(&self, option: &str) -> bool {
        option == "extended" || self.settings.is_some_and(|s| s.wants(option))
    }
    fn limit(&self, option: &str) -> Option<u64> {
        self.settings.and_then(|s| s.limit(option))
    }
}

fn base64(to: &mut Vec<u8>, value: &[u8]) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for c in value.chunks(3) {
        let n = c.iter().fold(0, |n, &v| n << 8 | u32::from(v)) << (8 * (3 - c.len()));
        for i in 0..4 {
            let digit = DIGITS[(n >> (18 - 6 * i)) as usize & 63];
            to.push(if i <= c.len() { digit } else { b'=' });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_objects_and_lists() {
        let mut record = Record::new();
        record.clear();
        let mut r = Writer { record: &mut record, settings: None };
        r.str("host", "h");
        r.begin_object("a");
        r.u64("n", 7);
        r.begin_array("list");
        r.begin_object("");
        r.hex("h", &[0, 255]);
        r.end_object();
        r.bytes("", b"x\0y");
        r.end_array();
        r.fmt("f", format_args!("{}-{}", 1, 2));
        r.end_object();
        r.bool("b", true);
        for (bytes, text) in [(&b""[..], ""), (b"a", "YQ=="), (b"ab", "YWI="), (b"abc", "YWJj")] {
            r.base64(&format!("e{}", bytes.len()), bytes);
            assert_eq!(r.record.text(&format!("e{}", bytes.len())), text.as_bytes());
        }
        let r = &record;
        let all: Vec<_> = (0..7).map(|i| String::from_utf8_lossy(r.get(i).unwrap().0).into_owned()).collect();
        assert_eq!(all, ["host", "a.n", "a.list.0.h", "a.list.1", "a.f", "b", "e0"]);
        assert_eq!(
            (r.text("a.list.0.h"), r.text("a.list.1"), r.text("a.f")),
            (&b"00ff"[..], &b"x\0y"[..], &b"1-2"[..])
        );
        assert_eq!((r.number("a.n"), r.number("b"), r.number("none"), r.text("none")), (7, 1, 0, &b""[..]));
    }
}
