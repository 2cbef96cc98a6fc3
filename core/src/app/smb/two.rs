//! SMB 2 and 3 (MS-SMB2 2.2). In: a message, which may have several commands. Out: each as a [`Record`].

use super::record::{Data, Fid, Record, TWO_HEAD, Text, What, le16, le32, le64, some, span};

/// Commands of one message that are looked at.
const COMMANDS: usize = 128;
/// A call through a pipe and its answer in one (MS-FSCC 2.3).
const TRANSCEIVE: u32 = 0x0011_c017;

fn fid(b: &[u8], at: usize) -> Option<Fid> {
    Some(Fid { bytes: *b.get(at..)?.first_chunk::<16>()?, len: 16 })
}

fn wide(bytes: &[u8]) -> Text<'_> {
    Text { bytes, wide: true }
}

pub(super) fn each<'b>(b: &'b [u8], mut f: impl FnMut(Record<'b>)) -> Option<()> {
    let mut rest = b;
    for _ in 0..COMMANDS {
        let next = le32(rest, 20)? as usize;
        let whole = if next >= TWO_HEAD { rest.get(..next).unwrap_or(rest) } else { rest };
        f(one(whole)?);
        match rest.get(next..).filter(|r| next >= TWO_HEAD && r.starts_with(b"\xfeSMB")) {
            Some(r) => rest = r,
            None => break,
        }
    }
    Some(())
}

fn one(b: &[u8]) -> Option<Record<'_>> {
    b.get(..TWO_HEAD)?;
    let (command, flags) = (le16(b, 12)?, le32(b, 16)?);
    let response = flags & 1 != 0;
    // A message about a request that goes on has the number of that instead of a tree.
    let tree = if flags & 2 != 0 { 0 } else { le32(b, 36)? };
    let status = if response { le32(b, 8)? } else { 0 };
    let failed = response && status != 0 && !matches!((command, status), (8 | 11, 0x8000_0005) | (1, _));
    let what = if failed { Some(What::Other) } else { body(command, response, b) };
    Some(Record {
        version: 2,
        response,
        command,
        id: le64(b, 24)?,
        session: le64(b, 40)?,
        tree,
        status,
        dos: false,
        what: what.unwrap_or(What::Malformed),
    })
}

fn body(command: u16, response: bool, b: &[u8]) -> Option<What<'_>> {
    if response { answer(command, b) } else { request(command, b) }
}

const AT: usize = TWO_HEAD;

fn request(command: u16, b: &[u8]) -> Option<What<'_>> {
    let at16 = |at: usize| le16(b, AT + at).map(usize::from);
    Some(match command {
        0 => What::Negotiate { dialects: span(b, AT + 36, at16(2)? * 2)?, guid: span(b, AT + 12, 16)? },
        1 => What::Setup { blob: some(b, at16(12)?, at16(14)?), os: Text::default(), lm: Text::default() },
        3 => What::Tree { path: wide(span(b, at16(4)?, at16(6)?)?), service: &[] },
        4 => What::TreeGone,
        5 => What::Create {
            name: wide(span(b, at16(44)?, at16(46)?)?),
            disposition: le32(b, AT + 36)?,
            options: le32(b, AT + 40)?,
        },
        6 => What::Close(fid(b, AT + 8)?),
        8 => What::Read { fid: fid(b, AT + 16)?, offset: le64(b, AT + 8)?, len: u64::from(le32(b, AT + 4)?) },
        9 => {
            let len = le32(b, AT + 4)?;
            What::Write(Data {
                fid: fid(b, AT + 16)?,
                offset: le64(b, AT + 8)?,
                len: u64::from(len),
                bytes: some(b, at16(2)?, len as usize),
            })
        }
        11 => ioctl(b)?,
        17 => set_info(b)?,
        _ => What::Other,
    })
}

fn ioctl(b: &[u8]) -> Option<What<'_>> {
    let (function, fid) = (le32(b, AT + 4)?, fid(b, AT + 8)?);
    let bytes = some(b, le32(b, AT + 24)? as usize, le32(b, AT + 28)? as usize);
    Some(if function == TRANSCEIVE {
        What::Pipe { fid, bytes }
    } else {
        What::Ioctl { function, fid, bytes }
    })
}

fn set_info(b: &[u8]) -> Option<What<'_>> {
    let (kind, class) = (*b.get(AT + 2)?, *b.get(AT + 3)?);
    let data = some(b, usize::from(le16(b, AT + 8)?), le32(b, AT + 4)? as usize);
    let fid = fid(b, AT + 16)?;
    Some(match (kind, class) {
        (1, 0x0a) => {
            What::Rename { fid, from: Text::default(), to: wide(span(data, 20, le32(data, 16)? as usize)?) }
        }
        (1, 0x0d | 0x40) => What::Disposition {
            fid,
            name: Text::default(),
            delete: data.first()? & 1 != 0,
            sub: u16::from(kind),
            level: u16::from(class),
        },
        _ => What::Other,
    })
}

fn answer(command: u16, b: &[u8]) -> Option<What<'_>> {
    Some(match command {
        0 => What::Negotiated {
            dialect: le16(b, AT + 4)?,
            guid: span(b, AT + 8, 16)?,
            max_read: le32(b, AT + 32)?,
            max_write: le32(b, AT + 36)?,
        },
        3 => What::TreeAnswer { kind: *b.get(AT + 2)?, service: &[] },
        5 => What::Created {
            fid: fid(b, AT + 64)?,
            times: [le64(b, AT + 8)?, le64(b, AT + 16)?, le64(b, AT + 24)?, le64(b, AT + 32)?],
            size: le64(b, AT + 48)?,
        },
        8 => {
            let len = le32(b, AT + 4)?;
            let bytes = some(b, usize::from(*b.get(AT + 2)?), len as usize);
            What::ReadAnswer(Data { len: u64::from(len), bytes, ..Data::default() })
        }
        11 => {
            let function = le32(b, AT + 4)?;
            let bytes = some(b, le32(b, AT + 32)? as usize, le32(b, AT + 36)? as usize);
            if function == TRANSCEIVE { What::PipeAnswer(bytes) } else { What::Other }
        }
        _ => What::Other,
    })
}

pub(super) fn before_data(b: &[u8]) -> Option<usize> {
    let (command, flags, next) = (le16(b, 12)?, le32(b, 16)?, le32(b, 20)?);
    if next != 0 {
        return None;
    }
    let at = match (command, flags & 1) {
        (9, 0) => usize::from(le16(b, AT + 2)?).max(AT + 48),
        (8, 1) if le32(b, 8)? == 0 => usize::from(*b.get(AT + 2)?).max(AT + 16),
        _ => return None,
    };
    Some(at)
}
