//! A push reader of JSON (RFC 8259) that keeps nothing: bytes go in as they come, and what lies at the paths of a
//! [`Schema`] is told, strings unescaped, piece by piece. All else is skipped.
//!
//! Owns a fixed state of some hundred bytes, so that a message can be read over many packets without memory.

use alloc::vec;
use alloc::vec::Vec;

/// What a path means, for who asked. 0 is nothing.
pub type Field = u8;

const NIL: u16 = u16::MAX;
/// Marks a frame of the stack as a list.
const LIST: u16 = 1 << 15;
/// Levels of a schema.
const LEVELS: usize = 14;
/// Longest key that is compared.
const KEY: usize = 40;
/// Levels beyond which [`Reader::too_deep`] is told.
const DEEP: u32 = 32;

/// A path of interest: keys separated by dots, `[]` for the members of a list, `*` for any key; and what it means. A path
/// that ends in `!` is told as it stands in the text, when it is an object or a list.
pub type Path = (&'static str, Field);

#[derive(Debug, Clone)]
struct Node {
    key: &'static str,
    field: Field,
    raw: bool,
    /// First child and next sibling; the member of a list has no key and is apart.
    child: u16,
    next: u16,
    member: u16,
    /// The child for any key.
    any: u16,
}

/// Paths of interest as a tree.
#[derive(Debug, Clone)]
pub struct Schema {
    nodes: Vec<Node>,
}

impl Schema {
    /// # Panics
    /// When the paths are too deep: they are constants of the program.
    pub fn new<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Schema {
        let mut s = Schema { nodes: vec![Node::new("")] };
        for (path, field) in paths {
            let (path, raw) = path.strip_suffix('!').map_or((*path, false), |p| (p, true));
            let mut at = 0;
            let mut levels = 0;
            for part in path.split('.') {
                let key = part.trim_end_matches("[]");
                if !key.is_empty() {
                    at = s.child(at, key);
                    levels += 1;
                }
                for _ in 0..(part.len() - key.len()) / 2 {
                    at = s.member(at);
                    levels += 1;
                }
            }
            assert!(levels < LEVELS, "{path}");
            let n = &mut s.nodes[usize::from(at)];
            (n.field, n.raw) = (*field, raw);
        }
        s
    }

    fn push(&mut self, key: &'static str) -> u16 {
        self.nodes.push(Node::new(key));
        self.nodes.len() as u16 - 1
    }

    fn child(&mut self, of: u16, key: &'static str) -> u16 {
        if key == "*" {
            if self.nodes[usize::from(of)].any == NIL {
                let n = self.push(key);
                self.nodes[usize::from(of)].any = n;
            }
            return self.nodes[usize::from(of)].any;
        }
        let mut at = self.nodes[usize::from(of)].child;
        while at != NIL {
            if self.nodes[usize::from(at)].key == key {
                return at;
            }
            at = self.nodes[usize::from(at)].next;
        }
        let n = self.push(key);
        self.nodes[usize::from(n)].next = self.nodes[usize::from(of)].child;
        self.nodes[usize::from(of)].child = n;
        n
    }

    fn member(&mut self, of: u16) -> u16 {
        if self.nodes[usize::from(of)].member == NIL {
            let n = self.push("");
            self.nodes[usize::from(of)].member = n;
        }
        self.nodes[usize::from(of)].member
    }

    fn node(&self, n: u16) -> Option<&Node> {
        self.nodes.get(usize::from(n))
    }

    /// Whether anything below it is asked for.
    pub(super) fn has_children(&self, n: u16) -> bool {
        self.node(n).is_some_and(|n| n.child != NIL)
    }

    pub(super) fn find(&self, of: u16, key: &[u8]) -> u16 {
        let Some(n) = self.node(of) else { return NIL };
        let mut at = n.child;
        while let Some(c) = self.node(at) {
            if c.key.as_bytes() == key {
                return at;
            }
            at = c.next;
        }
        n.any
    }

    pub(super) fn field(&self, n: u16) -> Field {
        self.node(n).map_or(0, |n| n.field)
    }
}

impl Node {
    fn new(key: &'static str) -> Node {
        Node { key, field: 0, raw: false, child: NIL, next: NIL, member: NIL, any: NIL }
    }
}

/// A value that is a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    True,
    False,
    Null,
}

/// Takes what lies at the paths of a schema.
pub trait Visit {
    /// An object or list begins or ends.
    fn open(&mut self, f: Field);
    fn close(&mut self, f: Field);
    /// Part of a string, and its end.
    fn text(&mut self, f: Field, bytes: &[u8]);
    fn text_end(&mut self, f: Field);
    /// A number as it is written.
    fn number(&mut self, f: Field, text: &[u8]);
    fn word(&mut self, f: Field, word: Word);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum State {
    /// A value is expected; after `[` it may be the end of the list.
    #[default]
    Value,
    First,
    /// A key is expected, or the end of the object.
    Key,
    InKey,
    Colon,
    InText,
    /// In a number or word.
    Plain,
    /// After a value.
    After,
    /// In an object or list that nobody asks for, outside and inside its strings.
    Skip,
    SkipText,
    SkipEscape,
    /// In a string nobody asks for.
    PassText,
    PassEscape,
    /// The value is whole.
    Done,
    Broken,
}

/// Reads one value.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    state: State,
    levels: u8,
    /// Nodes of the open objects and lists that somebody asks for.
    stack: [u16; LEVELS],
    /// Node of the value at hand.
    node: u16,
    /// Open objects and lists of what is skipped.
    skipped: u32,
    /// What is skipped is told as it stands.
    raw: bool,
    deep: bool,
    /// In an escape: its place (1: after the backslash, 2 to 5: digits of `\u`), digits so far, first half of a pair.
    escape: u8,
    code: u16,
    high: u16,
    /// A key or a number that came in parts.
    held: [u8; KEY],
    have: u8,
}

impl Default for Reader {
    fn default() -> Self {
        Reader {
            state: State::Value,
            levels: 0,
            stack: [NIL; LEVELS],
            node: 0,
            skipped: 0,
            raw: false,
            deep: false,
            escape: 0,
            code: 0,
            high: 0,
            held: [0; KEY],
            have: 0,
        }
    }
}

const fn is_space(c: u8) -> bool {
    matches!(c, b' ' | b'\t' | b'\n' | b'\r')
}

impl Reader {
    /// What was read so far is no JSON.
    pub fn is_broken(&self) -> bool {
        self.state == State::Broken
    }

    /// Something was read, and it is not whole.
    pub fn is_open(&self) -> bool {
        !matches!(self.state, State::Done | State::Broken) && (self.state != State::Value || self.levels > 0)
    }

    /// Objects and lists lay deeper in each other than 32 levels.
    pub fn too_deep(&self) -> bool {
        self.deep
    }

    /// Reads on.
    pub fn feed(&mut self, schema: &Schema, bytes: &[u8], out: &mut impl Visit) {
        let mut at = 0;
        while let Some(&c) = bytes.get(at) {
            let rest = &bytes[at..];
            at += match self.state {
                State::InText => self.text(schema, rest, out),
                State::InKey => self.key(schema, rest),
                State::Skip | State::SkipText | State::SkipEscape => self.skip(schema, rest, out),
                State::PassText | State::PassEscape => self.pass(rest),
                State::Plain => self.plain(schema, rest, out),
                State::Broken => return,
                _ if is_space(c) => 1,
                // A byte order mark before the value.
                State::Value if self.levels == 0 && matches!(c, 0xef | 0xbb | 0xbf) => 1,
                _ => {
                    self.structure(schema, c, out);
                    usize::from(self.state != State::Plain)
                }
            };
        }
    }

    /// Nothing follows: a number at the top has no other end.
    pub fn end(&mut self, schema: &Schema, out: &mut impl Visit) {
        if self.state == State::Plain {
            self.plain_end(schema, out);
        }
    }

    fn structure(&mut self, schema: &Schema, c: u8, out: &mut impl Visit) {
        match (self.state, c) {
            (State::First, b']') | (State::After, b']') => self.shut(schema, LIST, out),
            (State::Key | State::After, b'}') => self.shut(schema, 0, out),
            (State::Value | State::First, b'{' | b'[') => self.enter(schema, c == b'[', out),
            (State::Value | State::First, b'"') => {
                self.escape = 0;
                self.high = 0;
                self.state = if schema.field(self.node) == 0 { State::PassText } else { State::InText };
            }
            // `NaN` and `Infinity` are no JSON, but what many servers read (Python's `json` does).
            (State::Value | State::First, b'-' | b'0'..=b'9' | b't' | b'f' | b'n' | b'N' | b'I') => {
                self.have = 0;
                self.state = State::Plain;
            }
            (State::Key, b'"') => {
                self.have = 0;
                self.escape = 0;
                self.high = 0;
                self.state = State::InKey;
            }
            (State::Colon, b':') => self.state = State::Value,
            (State::After, b',') => {
                let top = self.stack[usize::from(self.levels) - 1];
                if top & LIST != 0 {
                    self.node = schema.node(top & !LIST).map_or(NIL, |n| n.member);
                    self.state = State::Value;
                } else {
                    self.state = State::Key;
                }
            }
            // What follows the value is somebody else's.
            (State::Done, _) => {}
            _ => self.state = State::Broken,
        }
    }

    fn enter(&mut self, schema: &Schema, list: bool, out: &mut impl Visit) {
        let node = schema.node(self.node);
        let wanted =
            node.is_some_and(|n| if list { n.member != NIL } else { n.child != NIL || n.any != NIL });
        let raw = node.is_some_and(|n| n.raw);
        let field = schema.field(self.node);
        if raw
            || (!wanted && (field == 0 || usize::from(self.levels) >= LEVELS))
            || usize::from(self.levels) >= LEVELS
        {
            self.raw = raw;
            if raw {
                out.text(field, if list { b"[" } else { b"{" });
            }
            self.skipped = 1;
            self.state = State::Skip;
            return;
        }
        if field != 0 {
            out.open(field);
        }
        self.stack[usize::from(self.levels)] = self.node | if list { LIST } else { 0 };
        self.levels += 1;
        if list {
            self.node = node.map_or(NIL, |n| n.member);
            self.state = State::First;
        } else {
            self.state = State::Key;
        }
    }

    fn shut(&mut self, schema: &Schema, list: u16, out: &mut impl Visit) {
        let Some(top) = self.levels.checked_sub(1) else {
            self.state = State::Broken;
            return;
        };
        let node = self.stack[usize::from(top)];
        if node & LIST != list {
            self.state = State::Broken;
            return;
        }
        self.levels = top;
        let field = schema.field(node & !LIST);
        if field != 0 {
            out.close(field);
        }
        self.after();
    }

    fn after(&mut self) {
        self.state = if self.levels == 0 { State::Done } else { State::After };
    }

    /// Bytes of an escape; what it stands for, when it is whole.
    fn escaped(&mut self, c: u8) -> Option<u32> {
        if self.escape == 1 {
            let code = match c {
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'b' => 8,
                b'f' => 12,
                b'u' => {
                    self.escape = 2;
                    self.code = 0;
                    return None;
                }
                c => c,
            };
            self.escape = 0;
            return Some(u32::from(code));
        }
        let digit = (c as char).to_digit(16).unwrap_or(0) as u16;
        self.code = self.code << 4 | digit;
        self.escape += 1;
        if self.escape < 6 {
            return None;
        }
        self.escape = 0;
        match self.code {
            0xd800..=0xdbff => {
                let alone = core::mem::replace(&mut self.high, self.code);
                (alone != 0).then_some(0xfffd)
            }
            0xdc00..=0xdfff if self.high != 0 => {
                let high = u32::from(core::mem::take(&mut self.high)) - 0xd800;
                Some(0x1_0000 + (high << 10) + (u32::from(self.code) - 0xdc00))
            }
            0xdc00..=0xdfff => Some(0xfffd),
            c => Some(u32::from(c)),
        }
    }

    /// A string that somebody asks for.
    fn text(&mut self, schema: &Schema, rest: &[u8], out: &mut impl Visit) -> usize {
        let field = schema.field(self.node);
        if self.escape > 0 {
            if let Some(code) = self.escaped(rest[0]) {
                self.tell(field, code, out);
            }
            return 1;
        }
        let n = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
        if n > 0 {
            self.lone(field, out);
            out.text(field, &rest[..n]);
        }
        match rest.get(n) {
            None => n,
            Some(b'"') => {
                self.lone(field, out);
                out.text_end(field);
                self.after();
                n + 1
            }
            Some(_) => {
                self.escape = 1;
                n + 1
            }
        }
    }

    /// The first half of a pair without its second.
    fn lone(&mut self, field: Field, out: &mut impl Visit) {
        if core::mem::take(&mut self.high) != 0 {
            out.text(field, "\u{fffd}".as_bytes());
        }
    }

    fn tell(&mut self, field: Field, code: u32, out: &mut impl Visit) {
        // The first half of another pair stays where it is.
        if code != 0xfffd {
            self.lone(field, out);
        }
        let c = char::from_u32(code).unwrap_or('\u{fffd}');
        out.text(field, c.encode_utf8(&mut [0; 4]).as_bytes());
    }

    fn hold(&mut self, bytes: &[u8]) {
        for b in bytes {
            if let Some(place) = self.held.get_mut(usize::from(self.have)) {
                *place = *b;
            }
            self.have = self.have.saturating_add(1);
        }
    }

    fn key(&mut self, schema: &Schema, rest: &[u8]) -> usize {
        if self.escape > 0 {
            if let Some(code) = self.escaped(rest[0]) {
                let c = char::from_u32(code).unwrap_or('\u{fffd}');
                self.hold(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            return 1;
        }
        let n = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
        match rest.get(n) {
            Some(b'"') => {
                let of = self.stack[usize::from(self.levels) - 1];
                self.node = if self.have == 0 {
                    schema.find(of, &rest[..n])
                } else {
                    self.hold(&rest[..n]);
                    self.held.get(..usize::from(self.have)).map_or(NIL, |k| schema.find(of, k))
                };
                self.state = State::Colon;
                n + 1
            }
            Some(_) => {
                self.hold(&rest[..n]);
                self.escape = 1;
                n + 1
            }
            None => {
                self.hold(rest);
                n
            }
        }
    }

    /// A number, `true`, `false` or `null`.
    fn plain(&mut self, schema: &Schema, rest: &[u8], out: &mut impl Visit) -> usize {
        let stops = |c: &u8| is_space(*c) || matches!(c, b',' | b']' | b'}' | b':' | b'"' | b'[' | b'{');
        let n = rest.iter().position(stops).unwrap_or(rest.len());
        self.hold(&rest[..n]);
        if n < rest.len() {
            self.plain_end(schema, out);
        }
        n
    }

    fn plain_end(&mut self, schema: &Schema, out: &mut impl Visit) {
        let field = schema.field(self.node);
        let held = self.held;
        let text = held.get(..usize::from(self.have)).unwrap_or(&held);
        self.after();
        let word = match text {
            b"true" => Word::True,
            b"false" => Word::False,
            b"null" | b"NaN" | b"Infinity" | b"-Infinity" => Word::Null,
            [b'-' | b'0'..=b'9', ..] => {
                if field != 0 {
                    out.number(field, text);
                }
                return;
            }
            _ => {
                self.state = State::Broken;
                return;
            }
        };
        if field != 0 {
            out.word(field, word);
        }
    }

    /// An object or list that nobody looks into.
    fn skip(&mut self, schema: &Schema, rest: &[u8], out: &mut impl Visit) -> usize {
        let mut at = 0;
        while at < rest.len() {
            match self.state {
                State::SkipText => {
                    let Some(n) = memchr::memchr2(b'"', b'\\', &rest[at..]) else {
                        at = rest.len();
                        break;
                    };
                    self.state = if rest[at + n] == b'"' { State::Skip } else { State::SkipEscape };
                    at += n + 1;
                }
                State::SkipEscape => {
                    self.state = State::SkipText;
                    at += 1;
                }
                _ => {
                    let Some(n) = rest[at..].iter().position(|c| MARKS[usize::from(*c)]) else {
                        at = rest.len();
                        break;
                    };
                    at += n + 1;
                    match rest[at - 1] {
                        b'"' => self.state = State::SkipText,
                        b'{' | b'[' => {
                            self.skipped = self.skipped.saturating_add(1);
                            self.deep |= self.skipped > DEEP;
                        }
                        _ => {
                            self.skipped -= 1;
                            if self.skipped == 0 {
                                if self.raw {
                                    let field = schema.field(self.node);
                                    out.text(field, &rest[..at]);
                                    out.text_end(field);
                                    self.raw = false;
                                }
                                self.after();
                                return at;
                            }
                        }
                    }
                }
            }
        }
        if self.raw {
            out.text(schema.field(self.node), &rest[..at]);
        }
        at
    }

    /// A string that nobody asks for.
    fn pass(&mut self, rest: &[u8]) -> usize {
        if self.state == State::PassEscape {
            self.state = State::PassText;
            return 1;
        }
        match memchr::memchr2(b'"', b'\\', rest) {
            None => rest.len(),
            Some(n) if rest[n] == b'"' => {
                self.after();
                n + 1
            }
            Some(n) => {
                self.state = State::PassEscape;
                n + 1
            }
        }
    }
}

/// Bytes that mean something outside of strings while skipping.
static MARKS: [bool; 256] = {
    let mut m = [false; 256];
    m[b'"' as usize] = true;
    m[b'{' as usize] = true;
    m[b'}' as usize] = true;
    m[b'[' as usize] = true;
    m[b']' as usize] = true;
    m
};

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};
    use proptest::prelude::*;

    #[derive(Default)]
    struct Seen {
        all: Vec<String>,
        text: Vec<u8>,
    }

    impl Visit for Seen {
        fn open(&mut self, f: Field) {
            self.all.push(alloc::format!("{f}("));
        }
        fn close(&mut self, f: Field) {
            self.all.push(alloc::format!("){f}"));
        }
        fn text(&mut self, _: Field, bytes: &[u8]) {
            self.text.extend_from_slice(bytes);
        }
        fn text_end(&mut self, f: Field) {
            let t = String::from_utf8_lossy(&core::mem::take(&mut self.text)).to_string();
            self.all.push(alloc::format!("{f}={t}"));
        }
        fn number(&mut self, f: Field, text: &[u8]) {
            self.all.push(alloc::format!("{f}:{}", String::from_utf8_lossy(text)));
        }
        fn word(&mut self, f: Field, word: Word) {
            self.all.push(alloc::format!("{f}:{word:?}"));
        }
    }

    const PATHS: &[Path] = &[
        ("model", 1),
        ("messages[]", 2),
        ("messages[].content", 3),
        ("messages[].content[].text", 4),
        ("n", 5),
        ("args!", 6),
        ("map.*.x", 7),
        ("lists[][]", 8),
    ];

    fn read(parts: &[&[u8]]) -> (Vec<String>, bool, bool) {
        let schema = Schema::new(PATHS);
        let (mut r, mut seen) = (Reader::default(), Seen::default());
        for p in parts {
            r.feed(&schema, p, &mut seen);
        }
        r.end(&schema, &mut seen);
        (seen.all, r.is_broken(), r.is_open())
    }

    fn all(text: &str) -> Vec<String> {
        let (all, broken, open) = read(&[text.as_bytes()]);
        assert!(!broken && !open, "{text}");
        all
    }

    #[test]
    fn tells_what_is_asked_for() {
        let t = r#" {"x":{"model":"no","y":["\"]"]},"model":"m\u00e9\n\ud83d\ude00","messages":[{"content":"a"},
            {"role":"u","content":[{"type":"text","text":"b"},{"text":"c"}]}],"n":-1.5e3,"args":{"a":[1,"}"]},
            "map":{"k":{"x":true}},"lists":[["p"],["q","r"]],"\u006eo":1,"\u006e":null} "#;
        let want = [
            "1=mé\n😀",
            "2(",
            "3=a",
            ")2",
            "2(",
            "3(",
            "4=b",
            "4=c",
            ")3",
            ")2",
            "5:-1.5e3",
            "6={\"a\":[1,\"}\"]}",
            "7:True",
            "8=p",
            "8=q",
            "8=r",
            "5:Null",
        ];
        assert_eq!(all(t), want);
        assert_eq!(all(r#"{"args":"plain"}"#), ["6=plain"]);
        assert_eq!(
            all(r#"{"model":"\ud800x\udc00\ud800\ud800\udc00"}"#),
            ["1=\u{fffd}x\u{fffd}\u{fffd}\u{10000}"]
        );
        assert_eq!(all("12 "), [] as [&str; 0]);
    }

    #[test]
    fn broken_and_cut_off() {
        for t in ["{]", "{\"model\" 1}", "{\"n\":nul}", "}", "{\"n\":1 2}"] {
            assert!(read(&[t.as_bytes()]).1, "{t}");
        }
        for t in ["{", "{\"model\":\"a", "{\"messages\":[", "{\"x\":[[\"", "{\"n\":"] {
            assert!(read(&[t.as_bytes()]).2, "{t}");
        }
        let deep = alloc::format!("{{\"x\":{}{}}}", "[".repeat(1000), "]".repeat(1000));
        let schema = Schema::new(PATHS);
        let mut r = Reader::default();
        r.feed(&schema, deep.as_bytes(), &mut Seen::default());
        assert!(r.too_deep() && !r.is_broken() && !r.is_open());
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same(
            parts in prop::collection::vec(prop::sample::select(vec![
                "{", "}", "[", "]", ",", ":", "\"model\"", "\"messages\"", "\"content\"", "\"text\"", "\"n\"", "\"args\"",
                "\"a\\u00e9\\ud83d\\ude00\\\\\"", "\"", "\\", "12", "true", "null", " ", "x", "{\"messages\":[{\"content\":\"",
                "{\"model\":\"", "{\"args\":{\"b\":",
            ]), 0..30),
            at in 0usize..300,
        ) {
            let t = parts.concat();
            let (a, b) = t.as_bytes().split_at(at.min(t.len()));
            let whole = read(&[t.as_bytes()]);
            let bytes: Vec<&[u8]> = t.as_bytes().chunks(1).collect();
            prop_assert_eq!(&whole, &read(&[a, b]));
            prop_assert_eq!(&whole, &read(&bytes));
        }
    }
}
