//! `tidegate artifact`: what model files do when they are loaded.
//!
//! In: files, or standard input. Out: a line for each, as text or JSON. Owns one reader; no file is loaded or executed.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;

use tidegate_core::ai::artifact::{Artifact, Judgement, Verdict};

use super::{ArtifactArgs, WRONG_INPUT, answer};

/// Exit code when a file is malicious.
const MALICIOUS: u8 = 3;
/// Bytes that are read at once.
const PIECE: usize = 256 << 10;

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn json(file: &str, v: &Verdict<'_>) -> String {
    let imports: Vec<String> = v.imports().map(quoted).collect();
    format!(
        "{{\"file\":{},\"verdict\":\"{}\",\"format\":{},\"why\":{},\"imports\":[{}],\"risk\":{}}}\n",
        quoted(file),
        v.judgement.name(),
        quoted(v.format),
        quoted(v.why()),
        imports.join(","),
        v.risk
    )
}

fn text(file: &str, v: &Verdict<'_>) -> String {
    let format = if v.format.is_empty() { "-" } else { v.format };
    let why = if v.why().is_empty() { String::new() } else { format!("  {}", v.why()) };
    format!("{file}: {}  {format}{why}\n", v.judgement.name())
}

/// Reads one file to its end.
fn read(a: &mut Artifact, path: &Path, piece: &mut [u8]) -> std::io::Result<()> {
    a.reset();
    let mut from: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        a.named(path.as_os_str().as_encoded_bytes());
        Box::new(File::open(path)?)
    };
    loop {
        match from.read(piece) {
            Ok(0) => return Ok(()),
            Ok(n) => a.feed(piece.get(..n).unwrap_or(&[])),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

pub(super) fn main(args: &ArtifactArgs) -> ExitCode {
    let (mut a, mut piece) = (Artifact::new(), vec![0; PIECE]);
    let (mut malicious, mut unread, mut wrote) = (false, false, Ok(()));
    let mut to = std::io::BufWriter::new(std::io::stdout().lock());
    for path in &args.files {
        if let Err(e) = read(&mut a, path, &mut piece) {
            eprintln!("{}: {e}; the other files are read all the same", path.display());
            unread = true;
            continue;
        }
        let v = a.end();
        malicious |= v.judgement == Judgement::Malicious;
        let name = path.to_string_lossy();
        let line = if args.json { json(&name, &v) } else { text(&name, &v) };
        wrote = to.write_all(line.as_bytes());
        if wrote.is_err() {
            break;
        }
    }
    let wrote = answer::wrote(wrote.and_then(|()| to.flush()));
    let code = match (malicious, unread) {
        (true, _) => ExitCode::from(MALICIOUS),
        (_, true) => ExitCode::from(WRONG_INPUT),
        _ => ExitCode::SUCCESS,
    };
    answer::end(wrote.map(|()| (String::new(), code)))
}
