//! One message of SMB 1 (MS-CIFS 2.2.3) or SMB 2 and 3 (MS-SMB2 2.2.1). In: its bytes. Out: what of it matters here.

/// A message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record<'b> {
    pub(super) version: u8,
    pub(super) response: bool,
    /// What an answer shares with its request.
    pub(super) id: u64,
    pub(super) what: What<'b>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum What<'b> {
    /// Connects to a share; `wide`: its name is UTF-16.
    Tree {
        path: &'b [u8],
        wide: bool,
    },
    /// Signs in.
    Setup(&'b [u8]),
    /// Writes to a pipe, or what may be one.
    Pipe(&'b [u8]),
    /// The answer to a connection: whether to the share of pipes.
    Answer {
        pipe: bool,
    },
    Other,
}

fn le16(b: &[u8], at: usize) -> Option<usize> {
    b.get(at..)?.first_chunk::<2>().map(|v| usize::from(u16::from_le_bytes(*v)))
}

fn le32(b: &[u8], at: usize) -> Option<usize> {
    b.get(at..)?.first_chunk::<4>().map(|v| u32::from_le_bytes(*v) as usize)
}

impl<'b> Record<'b> {
    pub(super) fn read(b: &'b [u8]) -> Option<Record<'b>> {
        match b.get(..4)? {
            b"\xffSMB" => one(b),
            b"\xfeSMB" => two(b),
            _ => None,
        }
    }
}

fn one(b: &[u8]) -> Option<Record<'_>> {
    let (command, flags, flags2) = (*b.get(4)?, *b.get(9)?, le16(b, 10)?);
    let response = flags & 0x80 != 0;
    // Process and multiplex numbers.
    let id = (le16(b, 26)? as u64) << 16 | le16(b, 30)? as u64;
    let words = usize::from(*b.get(32)?) * 2;
    let data = 35 + words;
    let count = le16(b, 33 + words)?;
    let bytes = b.get(data..).map(|d| d.get(..count).unwrap_or(d)).unwrap_or(&[]);
    let wide = flags2 & 0x8000 != 0;
    let what = match (command, response) {
        (0x75, false) => tree_one(b, bytes, data, wide).unwrap_or(What::Other),
        (0x75, true) => What::Answer { pipe: bytes.starts_with(b"IPC\0") },
        (0x73, false) => What::Setup(bytes),
        // A transaction's data lie where its words say; a pipe's transaction has the function 0x26.
        (0x25, false) => le16(b, 33 + 24).and_then(|at| b.get(at..)).map_or(What::Other, What::Pipe),
        (0x2f, false) => le16(b, 33 + 22).and_then(|at| b.get(at..)).map_or(What::Other, What::Pipe),
        _ => What::Other,
    };
    Some(Record { version: 1, response, id, what })
}

/// Password, path, service.
fn tree_one<'b>(b: &[u8], bytes: &'b [u8], data: usize, wide: bool) -> Option<What<'b>> {
    let password = le16(b, 33 + 6)?;
    // Text of two bytes a character begins at an even place of the message.
    let odd = usize::from(wide && (data + password) & 1 == 1);
    let rest = bytes.get(password + odd..)?;
    let end =
        if wide { 2 * rest.chunks_exact(2).position(|c| c == [0, 0])? } else { memchr::memchr(0, rest)? };
    Some(What::Tree { path: rest.get(..end)?, wide })
}

fn two(b: &[u8]) -> Option<Record<'_>> {
    let (command, flags) = (le16(b, 12)?, le32(b, 16)?);
    let response = flags & 1 != 0;
    let id = u64::from_le_bytes(*b.get(24..)?.first_chunk::<8>()?);
    let span = |at: usize, len: usize| b.get(at..at.checked_add(len)?);
    let body = 64;
    let what = match (command, response) {
        (1, false) => span(le16(b, body + 12)?, le16(b, body + 14)?).map(What::Setup),
        (3, false) => {
            span(le16(b, body + 4)?, le16(b, body + 6)?).map(|path| What::Tree { path, wide: true })
        }
        (3, true) => Some(What::Answer { pipe: *b.get(body + 2)? == 2 }),
        (9, false) => b.get(le16(b, body + 2)?..).map(What::Pipe),
        (11, false) if le32(b, body + 4)? == 0x0011_c017 => b.get(le32(b, body + 24)?..).map(What::Pipe),
        _ => None,
    };
    Some(Record { version: 2, response, id, what: what.unwrap_or(What::Other) })
}
