//! Files in transactions: `filename`, `fileext`, `filemagic`, `filesize`, `filemd5`/`sha1`/`sha256`, `filestore`.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::content::{plain, unescape};
use super::{Arg, Keyword, parts};
use crate::Dir;
use crate::rules::build::{Builder, Pending};
use crate::rules::ir::{BufferRef, FileMatch, FileScope, Match, Post};
use crate::rules::num;
use crate::rules::refuse::{Fault, RefusalKind, Res, bad, unsupported};

pub static KEYWORDS: &[Keyword] = &[
    Keyword::new("filename", |b, a| text(b, a, "file.name", false)).quoted().negatable(),
    Keyword::new("fileext", |b, a| text(b, a, "file.name", true)).quoted().negatable(),
    Keyword::new("filemagic", filemagic).quoted().negatable(),
    Keyword::flag("file.magic", magic),
    Keyword::flag("file_magic", magic),
    Keyword::new("filesize", filesize),
    Keyword::new("filemd5", |b, a| hashes(b, a, 16)).negatable(),
    Keyword::new("filesha1", |b, a| hashes(b, a, 20)).negatable(),
    Keyword::new("filesha256", |b, a| hashes(b, a, 32)).negatable(),
    Keyword::new("filestore", filestore).optional(),
];

/// Buffer `file.magic`.
fn magic(b: &mut Builder<'_, '_>, _: &Arg<'_>) -> Res {
    needs_files(b, "file.magic")?;
    b.stick(Pending::of(BufferRef::Magic))
}

/// A caseless content of it.
fn filemagic(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    needs_files(b, "filemagic")?;
    let mut c = plain(unescape(a.bytes)?, a.negated);
    c.nocase = true;
    let list = b.list_of_all(BufferRef::Magic);
    b.push_to(list, Match::Content(c));
    Ok(())
}

/// A caseless content of the file's name; an extension is the end of the name after a dot.
fn text(b: &mut Builder<'_, '_>, a: &Arg<'_>, buffer: &str, ext: bool) -> Res {
    let index = b.index;
    let Some(info) = index.buffer(buffer) else { return unsupported(buffer) };
    let mut bytes = Vec::new();
    if ext {
        bytes.push(b'.');
    }
    bytes.extend(unescape(a.bytes)?);
    let mut c = plain(bytes, a.negated);
    c.nocase = true;
    c.endswith = ext;
    let list = b.list_of(info)?;
    b.push_to(list, Match::Content(c));
    Ok(())
}

/// Files exist where a protocol has `file.data`.
pub(super) fn needs_files(b: &mut Builder<'_, '_>, what: &str) -> Res {
    let index = b.index;
    match index.buffer("file.data").or_else(|| index.buffer("file.name")) {
        Some(info) => b.require_protos(&info.protos(), what),
        None => unsupported("a protocol with files"),
    }
}

fn filesize(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    needs_files(b, "filesize")?;
    let test = num::int_test(a.text()?, u64::MAX)?;
    b.rule.files.push(FileMatch::Size(test));
    Ok(())
}

fn hashes(b: &mut Builder<'_, '_>, a: &Arg<'_>, len: usize) -> Res {
    needs_files(b, "the hash")?;
    let path = a.text()?;
    let data = (b.env.loader)(path).map_err(|e| Fault::new(RefusalKind::File, format!("{path}: {e}")))?;
    let mut list: Vec<Vec<u8>> = Vec::new();
    for (n, line) in data.split(|c| *c == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        match crate::rules::dataset::unhex(line.get(..len * 2).unwrap_or(line)) {
            Some(d) if d.len() == len => list.push(d),
            _ => {
                let why = format!("{path}: line {} has no hash of {len} bytes", n + 1);
                return Err(Fault::new(RefusalKind::File, why));
            }
        }
    }
    list.sort_unstable();
    list.dedup();
    let digests = Arc::new(list.concat());
    b.rule.files.push(FileMatch::Hash { len: len as u8, negated: a.negated, digests });
    Ok(())
}

fn filestore(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    needs_files(b, "filestore")?;
    let (mut dirs, mut scope) = (0, FileScope::File);
    if a.given {
        let mut p = parts(a.text()?);
        dirs = match p.next().unwrap_or("") {
            "request" | "to_server" => Dir::ToServer.bit(),
            "response" | "to_client" => Dir::ToClient.bit(),
            "both" => Dir::ToServer.bit() | Dir::ToClient.bit(),
            d => return bad(format!("\"{d}\" is not request, response or both")),
        };
        scope = match p.next() {
            None | Some("file") => FileScope::File,
            Some("tx") => FileScope::Tx,
            Some("ssn" | "flow") => FileScope::Flow,
            Some(s) => return bad(format!("\"{s}\" is not file, tx or flow")),
        };
    }
    // Only a file can be stored: the rule waits for one, whatever else it asks.
    b.rule.files.push(FileMatch::Any);
    b.rule.post.push(Post::FileStore { dirs, scope });
    Ok(())
}
