//! `tidegate classify`: how much texts look like attacks on a model.
//!
//! In: lines of JSON with `id` and `text`, or plain text. Out: a line of JSON each, with `id`, `score`, `families` and
//! `why`, the places that say so. Owns nothing beyond one judge.

use std::io::{BufRead, Write};
use std::process::ExitCode;

use tidegate_core::ai::json::{Field, Reader, Schema, Visit, Word};
use tidegate_core::ai::risk::{Family, Risk, Verdict};

use super::{ClassifyArgs, PARTLY, answer};

/// Longest line that is read, bytes.
const LINE: usize = 64 << 20;

/// A line as it came.
#[derive(Default)]
struct Asked {
    id: Option<Id>,
    text: Option<Vec<u8>>,
    held: Vec<u8>,
}

/// An identifier is given back as it was written.
enum Id {
    Text(Vec<u8>),
    Plain(Vec<u8>),
}

impl Visit for Asked {
    fn open(&mut self, _: Field) {}
    fn close(&mut self, _: Field) {}
    fn text(&mut self, _: Field, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }
    fn text_end(&mut self, f: Field) {
        let value = std::mem::take(&mut self.held);
        match f {
            1 => self.id = Some(Id::Text(value)),
            _ => self.text = Some(value),
        }
    }
    fn number(&mut self, f: Field, text: &[u8]) {
        if f == 1 {
            self.id = Some(Id::Plain(text.to_vec()));
        }
    }
    fn word(&mut self, _: Field, _: Word) {}
}

fn quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for c in String::from_utf8_lossy(text).chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            c if c < ' ' => out.extend_from_slice(format!("\\u{:04x}", c as u32).as_bytes()),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

/// One verdict as a line of JSON.
fn line(out: &mut Vec<u8>, id: &Id, v: &Verdict) {
    out.extend_from_slice(b"{\"id\":");
    match id {
        Id::Text(t) => quoted(out, t),
        Id::Plain(n) => out.extend_from_slice(n),
    }
    out.extend_from_slice(format!(",\"score\":{},\"families\":[", v.score).as_bytes());
    for (i, f) in v.families().enumerate() {
        out.extend_from_slice(if i == 0 { b"\"" } else { b",\"" });
        out.extend_from_slice(f.name().as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(b"],\"why\":[");
    for (i, e) in v.evidence.iter().filter(|e| e.weight > 0).enumerate() {
        let what = Family::ALL.into_iter().find(|f| e.families & f.bit() != 0).map_or("words", Family::name);
        let comma = if i == 0 { "" } else { "," };
        let weight = f64::from(e.weight) / 10.0;
        out.extend_from_slice(
            format!("{comma}{{\"what\":\"{what}\",\"from\":{},\"to\":{},\"weight\":{weight}}}", e.from, e.to)
                .as_bytes(),
        );
    }
    out.extend_from_slice(b"]}\n");
}

pub(super) fn main(args: &ClassifyArgs) -> ExitCode {
    let code = |all| if all { ExitCode::SUCCESS } else { ExitCode::from(PARTLY) };
    match classify(args) {
        Ok(all) => code(all),
        Err(Stopped::Reading(e)) => answer::end(Err(format!("standard input: {e}"))),
        Err(Stopped::Writing(e)) => {
            answer::end(answer::wrote(Err(e)).map(|()| (String::new(), ExitCode::SUCCESS)))
        }
    }
}

/// Why not all lines were judged.
enum Stopped {
    Reading(std::io::Error),
    Writing(std::io::Error),
}

/// Whether every line could be read.
fn classify(args: &ClassifyArgs) -> Result<bool, Stopped> {
    let (mut risk, mut out) = (Risk::default(), Vec::new());
    let mut to = std::io::BufWriter::new(std::io::stdout().lock());
    let mut from = std::io::BufReader::new(std::io::stdin().lock());
    if !args.jsonl {
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut from, &mut text).map_err(Stopped::Reading)?;
        line(&mut out, &Id::Plain(b"0".to_vec()), &risk.classify(&text));
        to.write_all(&out).map_err(Stopped::Writing)?;
        to.flush().map_err(Stopped::Writing)?;
        return Ok(true);
    }
    let schema = Schema::new(&[("id", 1), ("text", 2)]);
    let (mut row, mut number, mut all) = (Vec::new(), 0u64, true);
    loop {
        row.clear();
        number += 1;
        if std::io::Read::take(&mut from, LINE as u64)
            .read_until(b'\n', &mut row)
            .map_err(Stopped::Reading)?
            == 0
        {
            break;
        }
        if row.trim_ascii().is_empty() {
            continue;
        }
        let (mut asked, mut r) = (Asked::default(), Reader::default());
        r.feed(&schema, &row, &mut asked);
        r.end(&schema, &mut asked);
        let Some(text) = asked.text.filter(|_| !r.is_broken() && !r.is_open()) else {
            eprintln!("standard input:{number}: expected a line {{\"id\": …, \"text\": \"…\"}}; left out");
            all = false;
            continue;
        };
        let id = asked.id.unwrap_or_else(|| Id::Plain((number - 1).to_string().into_bytes()));
        out.clear();
        line(&mut out, &id, &risk.classify(&text));
        to.write_all(&out).map_err(Stopped::Writing)?;
        // Whoever waits for an answer before the next question gets it.
        if from.buffer().is_empty() {
            to.flush().map_err(Stopped::Writing)?;
        }
    }
    to.flush().map_err(Stopped::Writing)?;
    Ok(all)
}
