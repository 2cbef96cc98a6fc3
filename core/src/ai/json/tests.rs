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

    /// Whole messages, read many bytes at once where they lie whole in sight, against the same byte by byte.
    #[test]
    fn many_bytes_at_once_are_read_as_one_by_one(
        values in prop::collection::vec((member(), space()), 0..12),
        pad in 0usize..80,
        at in 0usize..600,
    ) {
        let members: Vec<String> = values.iter().map(|(m, s)| m.replace('~', s)).collect();
        let t = alloc::format!("{{{}}}{}", members.join(","), " ".repeat(pad));
        let (a, b) = t.as_bytes().split_at(at.min(t.len()));
        let whole = read(&[t.as_bytes()]);
        let bytes: Vec<&[u8]> = t.as_bytes().chunks(1).collect();
        prop_assert_eq!(&read(&bytes), &whole, "{}", t);
        prop_assert_eq!(&read(&[a, b]), &whole, "{}", t);
    }

    #[test]
    fn wide_text_is_read_as_narrow(
        values in prop::collection::vec((member(), space()), 0..12),
        at in 0usize..1200,
    ) {
        let members: Vec<String> = values.iter().map(|(m, s)| m.replace('~', s)).collect();
        reads_wide_as_narrow(&alloc::format!("{{{}}}", members.join(",")), at)?;
    }
}

/// A text as bytes of UTF-16 or UTF-32.
fn widened(text: &str, four: bool, big: bool) -> Vec<u8> {
    let ordered = |mut b: Vec<u8>| {
        if big {
            b.reverse();
        }
        b
    };
    if four {
        text.chars().flat_map(|c| ordered((c as u32).to_le_bytes().to_vec())).collect()
    } else {
        text.encode_utf16().flat_map(|u| ordered(u.to_le_bytes().to_vec())).collect()
    }
}

/// Text of two and four bytes a character, either end first, with a mark and without, is told as the same text in UTF-8 is,
/// wherever the bytes are cut.
fn reads_wide_as_narrow(text: &str, at: usize) -> Result<(), TestCaseError> {
    let narrow = read(&[text.as_bytes()]);
    for (four, big, mark) in (0..8).map(|n| (n & 1 > 0, n & 2 > 0, n & 4 > 0)) {
        let marked = alloc::format!("{}{text}", if mark { "\u{feff}" } else { "" });
        let t = widened(&marked, four, big);
        let (a, b) = t.split_at(at.min(t.len()));
        let bytes: Vec<&[u8]> = t.chunks(1).collect();
        prop_assert_eq!(&read(&[&t]), &narrow, "{} {} {} {}", text, four, big, mark);
        prop_assert_eq!(&read(&[a, b]), &narrow, "{} {} {} {}", text, four, big, mark);
        prop_assert_eq!(&read(&bytes), &narrow, "{} {} {} {}", text, four, big, mark);
    }
    Ok(())
}

#[test]
fn utf_16_and_utf_32_are_read() {
    for t in [
        r#"{"model":"mé潮😀","messages":[{"content":"a\n\ud83d\ude00"}],"n":12}"#,
        "{}",
        "[]",
        " {\"n\":1}",
        "12",
        "{\"n\":1 2}",
        "{\"model\":\"cut",
    ] {
        reads_wide_as_narrow(t, 3).unwrap();
    }
    // A digit alone says no form before its end.
    assert_eq!(read(&[b"7"]), read(&[b"7", b""]));
    // Halves without the other, and what is no character.
    let lone: Vec<u8> = "{\"model\":\""
        .encode_utf16()
        .chain([0xd83d, 0x78, 0xde00, 0xd83d, 0xd83d, 0xde00])
        .chain("\"}".encode_utf16())
        .flat_map(u16::to_be_bytes)
        .collect();
    assert_eq!(read(&[&lone]).0, ["1=\u{fffd}x\u{fffd}\u{fffd}\u{1f600}"]);
    let none =
        [widened("{\"model\":\"", true, false), vec![0, 0, 0x11, 0], widened("\"}", true, false)].concat();
    assert_eq!(read(&[&none]).0, ["1=\u{fffd}"]);
    // The next message may be written in another form.
    let (schema, mut r, mut seen) = (Schema::new(PATHS), Reader::default(), Seen::default());
    for t in [widened("{\"n\":1}", false, false), b"{\"n\":2}".to_vec(), widened("{\"n\":3}", true, true)] {
        r.feed(&schema, &t, &mut seen);
        r.end(&schema, &mut seen);
        r.renew();
    }
    assert_eq!(seen.all, ["5:1", "5:2", "5:3"]);
}

fn space() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "", " ", "  ", "\n\t "])
}

/// A text of a string, escapes and halves of pairs in it.
fn inside() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "tide",
        " and ",
        "ø",
        "潮",
        "\\n",
        "\\\"",
        "\\\\",
        "\\u00e9",
        "\\ud83d\\ude00",
        "\\ud83d",
        "\\ude00",
        "\\u4f6",
        "{",
        "]",
        "a text that is longer than a block of bytes, and a little more than two of them, as they say",
    ]);
    prop::collection::vec(parts, 0..14).prop_map(|p| p.concat())
}

/// A member of an object; `~` is where spaces may be.
fn member() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        prop::sample::select(vec!["model", "n", "args", "map", "lists", "messages", "content", "other"])
            .prop_map(String::from),
        inside(),
    ];
    let plain = prop::sample::select(vec![
        "1",
        "-12.5e+7",
        "true",
        "null",
        "NaN",
        "-Infinity",
        "nul",
        "1795307362",
        "{}",
        "[]",
    ]);
    let value = prop_oneof![
        inside().prop_map(|t| alloc::format!("\"{t}\"")),
        plain.prop_map(String::from),
        inside().prop_map(|t| alloc::format!("[{{~\"content\"~:~\"{t}\"~,\"z\":[1]~}}~,~\"{t}\"~]")),
        inside().prop_map(|t| alloc::format!(
            "{{\"k\":~{{\"x\":\"{t}\"~}}~,\"{t}\"~:{{\"y\":[{{\"{t}\":0}}]}}}}"
        )),
        inside().prop_map(|t| alloc::format!("[[\"{t}\",~1~],[~\"b\"~]]")),
    ];
    (key, value).prop_map(|(k, v)| alloc::format!("~\"{k}\"~:~{v}~"))
}
