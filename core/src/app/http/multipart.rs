//! `multipart/form-data` uploads (RFC 7578): body bytes of a request in, files out.
//!
//! A small window of the body is kept: a part's header until it is whole, then only what may be the start of a
//! boundary.

use super::{Tx, body, buffers, events, text};
use crate::Dir;
use crate::app::AppCx;
use crate::pool::{BytePool, PBuf};

/// Longest boundary accepted.
const MAX_BOUNDARY: usize = 200;
/// Longest header of a part.
const MAX_HEADER: usize = 16 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum At {
    /// Before a boundary; nothing to keep.
    #[default]
    Between,
    /// Right after a boundary: the last one or a header?
    AfterBoundary,
    Header,
    File,
    Over,
}

/// State of an upload.
#[derive(Clone, Copy, Debug, Default)]
pub struct Multipart {
    /// `--` and the boundary.
    mark: PBuf,
    window: PBuf,
    at: At,
    /// Bytes given to the file that is open.
    given: u64,
    /// `file.data` has all that it sees.
    pub quiet: bool,
    /// File bytes of all parts, for `file.data`, and where those that are over end in them (`u32`s, little endian).
    data: PBuf,
    ends: PBuf,
}

impl Multipart {
    pub fn free(&mut self, pool: &mut BytePool) {
        self.mark.free(pool);
        self.window.free(pool);
        self.data.free(pool);
        self.ends.free(pool);
    }

    /// The bytes of file number `index` and whether it is over. Files without bytes do not count.
    pub fn file<'p>(&self, index: u32, pool: &'p BytePool) -> (&'p [u8], bool) {
        let ends = self.ends.get(pool).as_chunks::<4>().0;
        let end = |i: usize| ends.get(i).map(|e| u32::from_le_bytes(*e) as usize);
        let i = index as usize;
        let from = i.checked_sub(1).map_or(Some(0), end);
        let data = self.data.get(pool);
        let bytes = from.and_then(|f| data.get(f..end(i).unwrap_or(data.len()))).unwrap_or(&[]);
        (bytes, i < ends.len())
    }
}

/// Whether a boundary is usable.
pub fn fits(boundary: &[u8]) -> bool {
    boundary.len() < MAX_BOUNDARY
}

/// Takes the boundary from the request's `Content-Type`.
pub fn start(tx: &mut Tx, cx: &mut AppCx<'_>) {
    let Some((v, _)) = tx.msg[0].headers.get(cx.pool, b"content-type") else { return };
    let mut mark = [b'-'; MAX_BOUNDARY + 2];
    let b = text::parameter(v, b"boundary=").unwrap_or(&[]);
    let n = b.len().min(MAX_BOUNDARY);
    mark[2..2 + n].copy_from_slice(&b[..n]);
    if tx.multipart.mark.extend(cx.pool, &mark[..2 + n]).is_err() {
        tx.multipart.at = At::Over;
    }
}

/// Reads the next bytes of the body.
pub fn feed(tx: &mut Tx, mut bytes: &[u8], cx: &mut AppCx<'_>) {
    while !bytes.is_empty() && tx.multipart.at != At::Over {
        let n = bytes.len().min(8 << 10);
        if tx.multipart.window.extend(cx.pool, &bytes[..n]).is_err() {
            tx.multipart.at = At::Over;
            close(tx, true, cx);
            return;
        }
        bytes = &bytes[n..];
        while step(tx, cx) {}
    }
}

/// The body is over.
pub fn end(tx: &mut Tx, cx: &mut AppCx<'_>) {
    if tx.multipart.at == At::File {
        let n = tx.multipart.window.len();
        give(tx, n, cx);
        close(tx, true, cx);
    }
    tx.multipart.at = At::Over;
    tx.multipart.window.free(cx.pool);
}

fn close(tx: &mut Tx, truncated: bool, cx: &mut AppCx<'_>) {
    let m = &mut tx.multipart;
    let end = m.data.len() as u32;
    if m.ends.get(cx.pool).last_chunk::<4>().map_or(0, |e| u32::from_le_bytes(*e)) < end {
        let _full = m.ends.extend(cx.pool, &end.to_le_bytes());
    }
    if let Some(f) = tx.msg[0].body.file.take() {
        cx.files.close(cx.pool, f, truncated);
    }
}

/// Hands the first `n` bytes of the window to the file.
fn give(tx: &mut Tx, n: usize, cx: &mut AppCx<'_>) {
    let mut at = 0;
    let mut part = [0u8; 512];
    while at < n {
        let m = (n - at).min(part.len());
        let Some(src) = tx.multipart.window.get(cx.pool).get(at..at + m) else { break };
        part[..m].copy_from_slice(src);
        if let Some(f) = tx.msg[0].body.file {
            cx.files.append(cx.pool, f, &part[..m]);
        }
        if cx.wanted.has(buffers::FILE_DATA) && !tx.multipart.quiet {
            let _fits = tx.multipart.data.extend(cx.pool, &part[..m]);
        }
        at += m;
    }
    tx.multipart.given += n as u64;
}

/// Does what the window allows; `false` when more bytes are needed.
fn step(tx: &mut Tx, cx: &mut AppCx<'_>) -> bool {
    let window = tx.multipart.window.get(cx.pool);
    let mark = tx.multipart.mark.get(cx.pool);
    let mark_len = mark.len();
    match tx.multipart.at {
        At::Over => false,
        At::Between => match text::find(window, mark) {
            Some(p) => {
                tx.multipart.window.drain_front(cx.pool, p + mark_len);
                tx.multipart.at = At::AfterBoundary;
                true
            }
            None => {
                let n = window.len().saturating_sub(mark_len.saturating_sub(1));
                tx.multipart.window.drain_front(cx.pool, n);
                false
            }
        },
        At::AfterBoundary => {
            let Some(two) = window.get(..2) else { return false };
            if two == b"--" {
                tx.multipart.at = At::Over;
                return false;
            }
            let n = if two == b"\r\n" { 2 } else { 0 };
            tx.multipart.window.drain_front(cx.pool, n);
            tx.multipart.at = At::Header;
            true
        }
        At::Header => {
            let found = if window.starts_with(b"\r\n") { Some(0) } else { text::find(window, b"\r\n\r\n") };
            let Some(p) = found else {
                if window.len() > MAX_HEADER {
                    tx.raise(events::MULTIPART_GENERIC_ERROR, Dir::ToServer);
                    tx.multipart.at = At::Between;
                    return true;
                }
                return false;
            };
            let header = &window[..p];
            let skip = if p == 0 { 2 } else { p + 4 };
            let mut invalid = false;
            let mut name = None;
            for line in lines(header) {
                match memchr::memchr(b':', line) {
                    None => invalid = true,
                    Some(c) if c + 1 == line.len() => invalid = true,
                    Some(c) if line[..c].eq_ignore_ascii_case(b"content-disposition") => {
                        name = text::parameter(&line[c + 1..], b"filename=").or(name);
                    }
                    Some(_) => {}
                }
            }
            cx.scratch.clear();
            let is_file = name.is_some();
            cx.scratch.extend(name.unwrap_or(&[]));
            if invalid {
                tx.raise(events::MULTIPART_INVALID_HEADER, Dir::ToServer);
            }
            tx.multipart.window.drain_front(cx.pool, skip);
            if is_file {
                tx.msg[0].body.file = body::open(tx, Dir::ToServer, None, cx);
                tx.multipart.given = 0;
                tx.multipart.at = At::File;
            } else {
                tx.multipart.at = At::Between;
            }
            true
        }
        At::File => match text::find(window, mark) {
            Some(p) => {
                // The line end before the boundary belongs to the boundary.
                give(tx, p.saturating_sub(2), cx);
                if tx.multipart.given == 0 {
                    tx.raise(events::MULTIPART_NO_FILEDATA, Dir::ToServer);
                }
                close(tx, false, cx);
                tx.multipart.window.drain_front(cx.pool, p + mark_len);
                tx.multipart.at = At::AfterBoundary;
                true
            }
            None => {
                let n = window.len().saturating_sub(mark_len + 2);
                give(tx, n, cx);
                tx.multipart.window.drain_front(cx.pool, n);
                false
            }
        },
    }
}

/// Lines of a part's header.
fn lines(mut s: &[u8]) -> impl Iterator<Item = &[u8]> {
    core::iter::from_fn(move || {
        if s.is_empty() {
            return None;
        }
        let n = text::find(s, b"\r\n");
        let line = &s[..n.unwrap_or(s.len())];
        s = n.map_or(&[], |n| &s[n + 2..]);
        Some(line)
    })
}
