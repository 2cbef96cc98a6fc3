//! SMB 1 (MS-CIFS 2.2.4, MS-SMB 2.2.4). In: a message, whose commands may be a chain. Out: each as a [`Record`].

use super::record::{Data, Fid, ONE_HEAD, Record, Text, What, le16, le32, le64, some, span};

/// Commands of a chain that are looked at.
const CHAIN: usize = 8;

/// A command of a message: its words and bytes lie in `b`, which places in the message are counted from.
#[derive(Clone, Copy)]
struct Block<'b> {
    b: &'b [u8],
    /// Where the words begin, and their length in bytes.
    words: usize,
    len: usize,
    /// Where the bytes begin.
    bytes: usize,
    count: usize,
    wide: bool,
    session: u32,
}

impl<'b> Block<'b> {
    fn at(b: &'b [u8], at: usize, wide: bool, session: u32) -> Option<Block<'b>> {
        let len = usize::from(*b.get(at)?) * 2;
        let words = at + 1;
        let count = usize::from(le16(b, words + len)?);
        Some(Block { b, words, len, bytes: words + len + 2, count, wide, session })
    }

    fn w8(&self, at: usize) -> Option<u8> {
        if at < self.len { self.b.get(self.words + at).copied() } else { None }
    }

    fn w16(&self, at: usize) -> Option<u16> {
        if at + 2 <= self.len { le16(self.b, self.words + at) } else { None }
    }

    fn w32(&self, at: usize) -> Option<u32> {
        if at + 4 <= self.len { le32(self.b, self.words + at) } else { None }
    }

    fn w64(&self, at: usize) -> Option<u64> {
        if at + 8 <= self.len { le64(self.b, self.words + at) } else { None }
    }

    fn bytes(&self) -> &'b [u8] {
        some(self.b, self.bytes, self.count)
    }

    fn fid(&self, at: usize) -> Option<Fid> {
        self.w16(at).map(|f| self.fid_of(f))
    }

    fn fid_of(&self, f: u16) -> Fid {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&f.to_le_bytes());
        bytes[2..6].copy_from_slice(&self.session.to_be_bytes());
        Fid { bytes, len: 6 }
    }

    /// A text at that place of the message, ended by zero, and the place behind it.
    fn text(&self, at: usize) -> Option<(Text<'b>, usize)> {
        if !self.wide {
            let (bytes, next) = ascii(self.b, at)?;
            return Some((Text { bytes, wide: false }, next));
        }
        // Texts of two bytes a character begin at an even place of the message.
        let at = at.next_multiple_of(2);
        let rest = self.b.get(at..)?;
        let n = rest.chunks_exact(2).position(|c| c == [0, 0]).map_or(rest.len() & !1, |n| 2 * n);
        Some((Text { bytes: rest.get(..n)?, wide: true }, at + n + 2))
    }
}

/// A text of one byte a character that is ended by zero, and the place behind it.
fn ascii(b: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = b.get(at..)?;
    let n = memchr::memchr(0, rest).unwrap_or(rest.len());
    Some((rest.get(..n)?, at + n + 1))
}

pub(super) fn each<'b>(b: &'b [u8], mut f: impl FnMut(Record<'b>)) -> Option<()> {
    let (flags, flags2) = (*b.get(9)?, le16(b, 10)?);
    let response = flags & 0x80 != 0;
    let (pid, uid) = (u32::from(le16(b, 26)?), u32::from(le16(b, 28)?));
    let status = if response { le32(b, 5)? } else { 0 };
    let dos = flags2 & 0x4000 == 0 && status != 0;
    let mut r = Record {
        version: 1,
        response,
        command: u16::from(*b.get(4)?),
        id: u64::from(pid << 16 | u32::from(le16(b, 30)?)),
        session: u64::from(pid << 16 | uid),
        tree: u32::from(le16(b, 24)?),
        status,
        dos,
        what: What::Other,
    };
    let session = pid << 16 | uid;
    let mut at = ONE_HEAD;
    for n in 0..CHAIN {
        let block = Block::at(b, at, flags2 & 0x8000 != 0, session);
        let failed = response
            && status != 0
            && !matches!((r.command, status), (0x73, 0xc000_0016) | (0x25 | 0x2e, 0x8000_0005));
        let what = block
            .filter(|_| !failed)
            .map(|k| if response { answer(r.command, k) } else { request(r.command, k) });
        r.what = match what {
            Some(w) => w.unwrap_or(What::Malformed),
            None if failed => What::Other,
            None if n > 0 => break,
            None => return None,
        };
        f(r);
        let chained = matches!(r.command, 0x24 | 0x2d | 0x2e | 0x2f | 0x73 | 0x74 | 0x75 | 0xa2);
        let next = block.filter(|_| chained).and_then(|k| Some((k.w8(0)?, usize::from(k.w16(2)?))));
        match next {
            Some((command, offset)) if command != 0xff && offset > at => {
                (r.command, at) = (u16::from(command), offset);
            }
            _ => break,
        }
    }
    Some(())
}

fn request(command: u16, k: Block<'_>) -> Option<What<'_>> {
    Some(match command {
        0x72 => What::Dialects(k.bytes()),
        0x73 => setup(k)?,
        0x75 => tree(k)?,
        0x71 => What::TreeGone,
        0xa2 => What::Create {
            name: name(k, usize::from(k.w16(5)?))?,
            disposition: k.w32(35)?,
            options: k.w32(39)?,
        },
        0x04 => What::Close(k.fid(0)?),
        0x2e => What::Read {
            fid: k.fid(4)?,
            offset: u64::from(k.w32(6)?) | u64::from(k.w32(20).unwrap_or(0)) << 32,
            len: u64::from(k.w16(10)?),
        },
        0x2f => {
            let len = usize::from(k.w16(20)?) | usize::from(k.w16(18)?) << 16;
            What::Write(Data {
                fid: k.fid(4)?,
                offset: u64::from(k.w32(6)?) | u64::from(k.w32(24).unwrap_or(0)) << 32,
                len: len as u64,
                bytes: some(k.b, usize::from(k.w16(22)?), len),
            })
        }
        0x0b => {
            let len = usize::from(k.w16(2)?);
            What::Write(Data {
                fid: k.fid(0)?,
                offset: u64::from(k.w32(4)?),
                len: len as u64,
                bytes: some(k.b, k.bytes + 3, len),
            })
        }
        // Sub-command 0x26: a call through a named pipe.
        0x25 if k.w16(28) == Some(0x26) => {
            What::Pipe { fid: k.fid(30)?, bytes: some(k.b, usize::from(k.w16(24)?), usize::from(k.w16(22)?)) }
        }
        0x32 => trans2(k)?,
        0x07 => {
            let (from, next) = k.text(k.bytes + 1)?;
            let (to, _) = k.text(next + 1)?;
            What::Rename { fid: Fid::default(), from, to }
        }
        _ => What::Other,
    })
}

/// The name of a file to be opened, of `len` bytes.
fn name(k: Block<'_>, len: usize) -> Option<Text<'_>> {
    let at = if k.wide { k.bytes.next_multiple_of(2) } else { k.bytes };
    let bytes = some(k.b, at, len);
    Some(Text { bytes: if k.wide { bytes } else { bytes.split(|b| *b == 0).next()? }, wide: k.wide })
}

/// Blob, system, LAN manager; without a blob first passwords, name and domain.
fn setup(k: Block<'_>) -> Option<What<'_>> {
    let (blob, at) = if k.len == 24 {
        let n = usize::from(k.w16(14)?);
        (some(k.b, k.bytes, n), k.bytes + n)
    } else {
        let at = k.bytes + usize::from(k.w16(14)?) + usize::from(k.w16(16)?);
        let (_, at) = k.text(at)?;
        let (_, at) = k.text(at)?;
        (&[][..], at)
    };
    Some(hosts(k, blob, at))
}

fn hosts<'b>(k: Block<'b>, blob: &'b [u8], at: usize) -> What<'b> {
    let (os, at) = k.text(at).unwrap_or_default();
    let (lm, _) = k.text(at).filter(|_| at > 0).unwrap_or_default();
    What::Setup { blob, os, lm }
}

/// Password, path, service.
fn tree(k: Block<'_>) -> Option<What<'_>> {
    let (path, at) = k.text(k.bytes + usize::from(k.w16(6)?))?;
    let service = ascii(k.b, at).map_or(&[][..], |s| s.0);
    Some(What::Tree { path, service })
}

fn trans2(k: Block<'_>) -> Option<What<'_>> {
    let sub = k.w16(28)?;
    if !matches!(sub, 6 | 8) {
        return Some(What::Other);
    }
    let parameters = usize::from(k.w16(20)?);
    let data = some(k.b, usize::from(k.w16(24)?), usize::from(k.w16(22)?));
    let (fid, name, level) = if sub == 8 {
        (k.fid_of(le16(k.b, parameters)?), Text::default(), le16(k.b, parameters + 2)?)
    } else {
        (Fid::default(), k.text(parameters + 6)?.0, le16(k.b, parameters)?)
    };
    Some(match level {
        // Disposition, by the numbers of CIFS and of what is passed through.
        0x102 | 1013 => What::Disposition { fid, name, delete: *data.first()? != 0, sub, level },
        1010 => {
            let to = Text { bytes: span(data, 12, le32(data, 8)? as usize)?, wide: k.wide };
            What::Rename { fid, from: name, to }
        }
        _ => What::Other,
    })
}

fn answer(command: u16, k: Block<'_>) -> Option<What<'_>> {
    Some(match command {
        0x72 => {
            // With extended security the bytes begin with who answers.
            let extended = k.len >= 34 && k.w32(19)? & 0x8000_0000 != 0;
            let guid = if extended { some(k.b, k.bytes, 16) } else { &[] };
            What::Chosen { index: k.w16(0)?, guid }
        }
        0x73 => {
            let n = if k.len >= 8 { usize::from(k.w16(6)?) } else { 0 };
            hosts(k, some(k.b, k.bytes, n), k.bytes + n)
        }
        0x75 => What::TreeAnswer { kind: 0, service: ascii(k.b, k.bytes)?.0 },
        0xa2 => What::Created {
            fid: k.fid(5)?,
            times: [k.w64(11)?, k.w64(19)?, k.w64(27)?, k.w64(35)?],
            size: k.w64(55)?,
        },
        0x2e => {
            let len = usize::from(k.w16(10)?) | usize::from(k.w16(14)?) << 16;
            let bytes = some(k.b, usize::from(k.w16(12)?), len);
            What::ReadAnswer(Data { len: len as u64, bytes, ..Data::default() })
        }
        0x25 => match k.w16(14) {
            Some(at) => What::PipeAnswer(some(k.b, usize::from(at), usize::from(k.w16(12)?))),
            None => What::Other,
        },
        _ => What::Other,
    })
}

pub(super) fn before_data(b: &[u8]) -> Option<usize> {
    let k = Block::at(b, ONE_HEAD, false, 0)?;
    let response = b.get(9)? & 0x80 != 0;
    // One that is followed by another command is read whole.
    if k.w8(0)? != 0xff {
        return None;
    }
    let at = match (*b.get(4)?, response) {
        (0x2f, false) => k.w16(22)?,
        (0x2e, true) if le32(b, 5)? == 0 => k.w16(12)?,
        _ => return None,
    };
    Some(usize::from(at).max(k.bytes))
}
