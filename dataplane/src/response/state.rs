//! What survives a restart: entries go in, a file of JSON that takes the old one's place whole comes out, and the other way
//! round. What is read is an order like any other: it is checked, bounded, and held against the allow list.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use tidegate_core::response::{Effect, LONGEST_REASON, MOST, Target};

use super::desk::Entry;
use super::order;
use crate::eve::Json;

/// Bytes of a file that are read at most.
const LARGEST: u64 = 16 << 20;
const SECOND: u64 = 1_000_000_000;

/// An entry of a file.
#[derive(Debug)]
pub struct Kept {
    pub effect: Effect,
    pub target: Target,
    pub until: u64,
    pub reason: String,
    pub by: String,
}

/// Writes all entries, to a file beside it first.
///
/// # Errors
/// Why the old file is still there.
pub fn write(path: &Path, entries: &[Entry]) -> std::io::Result<()> {
    let mut j = Json::default();
    j.open("");
    j.uint("version", 1);
    j.open_list("blocks");
    for e in entries {
        j.open("");
        j.word("effect", e.block.effect.name());
        j.word("kind", e.block.target.kind().name());
        j.string("target", e.block.target.text().as_bytes());
        j.uint("until", e.block.until / SECOND);
        j.string("reason", e.block.reason.as_bytes());
        j.string("by", e.by.as_bytes());
        j.close();
    }
    j.close_list();
    j.close();
    j.buf.push(b'\n');
    let new = path.with_extension(format!("{}.new", std::process::id()));
    let made = (|| {
        let mut f =
            std::fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
        f.write_all(&j.buf)?;
        f.sync_all()?;
        std::fs::rename(&new, path)
    })();
    if made.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    made
}

/// Reads a file; one that is not there has no entries. Entries that are wrong are left out and named.
///
/// # Errors
/// It cannot be read, or is no such file.
pub fn read(path: &Path, now: u64) -> Result<(Vec<Kept>, Vec<String>), String> {
    let wrong = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let text = match std::fs::metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok((Vec::new(), Vec::new())),
        Err(e) => return Err(wrong(&e)),
        Ok(m) if m.len() > LARGEST => return Err(wrong(&"larger than any state is (16 MB)")),
        Ok(_) => std::fs::read(path).map_err(|e| wrong(&e))?,
    };
    let all: serde_json::Value = serde_json::from_slice(&text).map_err(|e| wrong(&e))?;
    if all["version"] != 1 {
        return Err(wrong(&"expected an object with \"version\":1 and \"blocks\""));
    }
    let list = all["blocks"].as_array().ok_or_else(|| wrong(&"expected a list \"blocks\""))?;
    let (mut out, mut bad) = (Vec::new(), Vec::new());
    for (i, v) in list.iter().enumerate() {
        match entry(v, now) {
            Ok(Some(k)) if out.len() < MOST => out.push(k),
            Ok(Some(_)) => bad.push(format!("block {}: there are {MOST} already", i + 1)),
            Ok(None) => {}
            Err(e) => bad.push(format!("block {}: {e}", i + 1)),
        }
    }
    Ok((out, bad))
}

/// An entry; `None` when it is over.
fn entry(v: &serde_json::Value, now: u64) -> Result<Option<Kept>, String> {
    let text = |key: &str| v[key].as_str().ok_or_else(|| format!("`{key}` is missing"));
    let effect = match text("effect")? {
        "block" => Effect::Block,
        "mark" => Effect::Mark,
        other => return Err(format!("`{other}` is not an effect")),
    };
    let target = Target::parse(order::kind(text("kind")?)?, text("target")?)?;
    let until = v["until"].as_u64().ok_or("`until` is not a time in seconds")?;
    if until > now / SECOND + order::LONGEST {
        return Err("its end is more than 30 days away".into());
    }
    let (reason, by) = (text("reason")?, text("by")?);
    if reason.len() > LONGEST_REASON || by.len() > LONGEST_REASON {
        return Err(format!("a reason has at most {LONGEST_REASON} bytes"));
    }
    let until = until * SECOND;
    Ok((until > now).then(|| Kept { effect, target, until, reason: reason.into(), by: by.into() }))
}
