//! Whether files that are named are files of events: paths go in, the first that is none comes out, with what it is. A search through
//! any other file finds nothing, which reads like an answer.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde_json::Value;

/// Lines of which one is an event. The first may have lost its beginning.
const LINES: usize = 16;
/// Bytes that are looked at.
const BYTES: u64 = 8 << 20;

/// How captures begin: pcap in both orders of bytes, with micro- and nanoseconds; pcapng.
const CAPTURES: [[u8; 4]; 5] = [
    [0xd4, 0xc3, 0xb2, 0xa1],
    [0xa1, 0xb2, 0xc3, 0xd4],
    [0x4d, 0x3c, 0xb2, 0xa1],
    [0xa1, 0xb2, 0x3c, 0x4d],
    [0x0a, 0x0d, 0x0d, 0x0a],
];

/// Checks what is named: folders are searched for files by their names, files are to have events. An empty file has none yet.
///
/// # Errors
/// What is not there, cannot be read, or is something else.
pub fn is_events(path: &Path) -> Result<(), String> {
    let fail = |e: std::io::Error| format!("{}: {e}", path.display());
    if std::fs::metadata(path).map_err(fail)?.is_dir() {
        return Ok(());
    }
    let mut from = BufReader::new(File::open(path).map_err(fail)?.take(BYTES));
    let head = from.fill_buf().map_err(fail)?.get(..8).unwrap_or_default().to_vec();
    let (mut line, mut first) = (Vec::new(), head.clone());
    // Some begin with the end of a line.
    let is_capture = head.get(..4).is_some_and(|h| CAPTURES.iter().any(|c| c == h));
    for n in 0..if is_capture { 0 } else { LINES } {
        line.clear();
        if from.read_until(b'\n', &mut line).map_err(fail)? == 0 {
            break;
        }
        let event = serde_json::from_slice::<Value>(&line).is_ok_and(|v| v["event_type"].is_string());
        // A sensor may be writing its first line.
        if event || (n == 0 && line.starts_with(b"{\"timestamp\"") && !line.ends_with(b"\n")) {
            return Ok(());
        }
        if first.trim_ascii().is_empty() {
            first.clone_from(&line);
        }
    }
    if first.trim_ascii().is_empty() && !is_capture {
        return Ok(());
    }
    Err(format!(
        "{}:1:1: {}; expected lines of JSON with `event_type`, as eve.json has them",
        path.display(),
        what(&first)
    ))
}

/// What a file that begins so is.
fn what(first: &[u8]) -> &'static str {
    const PACKED: [&[u8]; 5] = [
        &[0x1f, 0x8b],
        &[0x28, 0xb5, 0x2f, 0xfd],
        &[0x04, 0x22, 0x4d, 0x18],
        &[0xfd, b'7', b'z', b'X'],
        b"BZh",
    ];
    if CAPTURES.iter().any(|c| first.starts_with(c)) {
        "this is a capture, which `tidegate run -r` makes events of"
    } else if PACKED.iter().any(|p| first.starts_with(p)) {
        "this is compressed; decompress it first"
    } else if first.starts_with(b"{") {
        "there are no events in it"
    } else {
        "this is no file of events"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_something_else_are_named_as_what_they_are() {
        let dir = std::env::temp_dir().join(format!("tidegate-is-events-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let event = b"{\"timestamp\":\"x\",\"event_type\":\"flow\"}\n".as_slice();
        let cut = [b"imestamp\":\"x\"}\n".as_slice(), event].concat();
        let path = dir.join("f");
        let check = |text: &[u8]| {
            std::fs::write(&path, text).unwrap();
            is_events(&path)
        };
        for good in [event, b"", b"\n", &cut, b"{\"timestamp\":\"20"] {
            assert_eq!(check(good), Ok(()), "{good:?}");
        }
        for (bad, said) in [
            (&b"\xd4\xc3\xb2\xa1\x02\0\x04\0"[..], "this is a capture"),
            (b"\x0a\x0d\x0d\x0a\x1c\0\0\0", "this is a capture"),
            (b"\x1f\x8b\x08", "this is compressed"),
            (b"{\"a\": 1}\n", "there are no events in it"),
            (b"hello\n", "this is no file of events"),
            (b"[]", "this is no file of events"),
        ] {
            let e = check(bad).unwrap_err();
            assert!(e.starts_with(&format!("{}:1:1: {said}", path.display())), "{e}");
            assert!(e.ends_with("expected lines of JSON with `event_type`, as eve.json has them"), "{e}");
        }
        assert_eq!(is_events(&dir), Ok(()));
        assert!(is_events(&dir.join("none")).unwrap_err().contains("No such file"));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
