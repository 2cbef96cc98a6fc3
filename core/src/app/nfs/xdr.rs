//! Calls and replies of NFS as they are on the wire (RFC 4506, RFC 5531, RFC 1094, RFC 1813, RFC 7530, RFC 8881). In: bytes.
//! Out: what of them matters here.

use crate::app::plain::{be32, be64};
use crate::keyed::Sip13;

/// Reads one value after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Xdr<'b> {
    b: &'b [u8],
}

impl<'b> Xdr<'b> {
    pub(super) fn new(b: &'b [u8]) -> Self {
        Xdr { b }
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        let v = be32(self.b, 0)?;
        self.b = self.b.get(4..)?;
        Some(v)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        let v = be64(self.b, 0)?;
        self.b = self.b.get(8..)?;
        Some(v)
    }

    pub(super) fn skip(&mut self, n: usize) -> Option<()> {
        self.b = self.b.get(n..)?;
        Some(())
    }

    pub(super) fn fixed(&mut self, n: usize) -> Option<&'b [u8]> {
        let v = self.b.get(..n)?;
        self.b = self.b.get(n..)?;
        Some(v)
    }

    /// A value of variable length, filled up to a multiple of four.
    pub(super) fn opaque(&mut self) -> Option<&'b [u8]> {
        let len = self.u32()? as usize;
        let v = self.b.get(..len)?;
        // The filling of the last value of a message may be missing.
        self.b = self.b.get(len.checked_next_multiple_of(4)?..).unwrap_or(&[]);
        Some(v)
    }

    /// The same where not all of it may be here: its length, and what is here.
    pub(super) fn partial(&mut self) -> Option<(u64, &'b [u8])> {
        let len = self.u32()? as usize;
        let v = self.b.get(..len).unwrap_or(self.b);
        self.b = self.b.get(len.checked_next_multiple_of(4)?..).unwrap_or(&[]);
        Some((len as u64, v))
    }

    /// A set of attributes, by bits.
    fn bitmap(&mut self) -> Option<()> {
        let n = self.u32()? as usize;
        self.skip(n.checked_mul(4)?)
    }

    /// Attributes of version 4.
    fn attributes(&mut self) -> Option<()> {
        self.bitmap()?;
        self.opaque().map(drop)
    }
}

/// Who calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Creds<'b> {
    pub(super) flavor: u32,
    /// Of `UNIX`.
    pub(super) machine: &'b [u8],
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// A call's head (RFC 5531 9), and its arguments.
pub(super) fn call(m: &[u8]) -> Option<(Creds<'_>, Xdr<'_>)> {
    let mut x = Xdr::new(m.get(24..)?);
    let mut creds = Creds { flavor: x.u32()?, ..Creds::default() };
    let mut body = Xdr::new(x.opaque()?);
    if creds.flavor == 1 {
        let _stamp = body.u32()?;
        let len = body.u32()? as usize;
        creds.machine = body.fixed(len)?;
        // As in Suricata, which does not step over what fills the name up: right only for names of whole words.
        (creds.uid, creds.gid) = (body.u32()?, body.u32()?);
    }
    let _flavor = x.u32()?;
    let _verifier = x.opaque()?;
    Some((creds, x))
}

/// A reply's head: whether the call was denied, and the results.
pub(super) fn reply(m: &[u8]) -> Option<(u32, Option<Xdr<'_>>)> {
    let mut x = Xdr::new(m.get(8..)?);
    let state = x.u32()?;
    if state != 0 {
        return Some((state, None));
    }
    let _flavor = x.u32()?;
    let _verifier = x.opaque()?;
    let accepted = x.u32()? == 0;
    Some((state, accepted.then_some(x)))
}

/// Attributes of version 3 that may be there.
pub(super) fn post_attributes(x: &mut Xdr<'_>) -> Option<()> {
    if x.u32()? != 0 { x.skip(84) } else { Some(()) }
}

/// What a call of version 4 does, one operation after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op<'b> {
    Handle(&'b [u8]),
    /// A file is looked up or opened.
    Name(&'b [u8]),
    Create(&'b [u8]),
    Remove(&'b [u8]),
    Rename(&'b [u8], &'b [u8]),
    Read {
        offset: u64,
    },
    Write {
        offset: u64,
        stable: u32,
        len: u64,
        bytes: &'b [u8],
    },
    Commit,
    Close,
    Other(u32),
}

/// Operations of a call that are looked at.
const OPS: u32 = 32;

/// The arguments of a compound call (RFC 7530 15.2). Stops at what is not known.
pub(super) fn compound<'b>(x: &mut Xdr<'b>, mut each: impl FnMut(Op<'b>)) -> Option<()> {
    let _tag = x.opaque()?;
    let _minor = x.u32()?;
    for _ in 0..x.u32()?.min(OPS) {
        let op = x.u32()?;
        let Some(o) = operation(op, x)? else { break };
        each(o);
    }
    Some(())
}

/// `Some(None)`: not known, so that nothing behind it can be read.
fn operation<'b>(op: u32, x: &mut Xdr<'b>) -> Option<Option<Op<'b>>> {
    let sized = |x: &mut Xdr<'b>, n: usize| x.skip(n).map(|()| Op::Other(op));
    Some(Some(match op {
        3 | 52 | 58 => sized(x, 4)?,
        4 => sized(x, 20).map(|_| Op::Close)?,
        5 => sized(x, 12).map(|_| Op::Commit)?,
        6 => {
            match x.u32()? {
                // A link has its target, a device two numbers.
                5 => x.opaque().map(drop)?,
                3 | 4 => x.skip(8)?,
                _ => {}
            }
            let name = x.opaque()?;
            x.attributes()?;
            Op::Create(name)
        }
        7 | 30 | 57 => sized(x, 8)?,
        8 | 44 => sized(x, 16)?,
        9 => x.bitmap().map(|()| Op::Other(op))?,
        10 | 16 | 23 | 24 | 27 | 31 | 32 => Op::Other(op),
        11 | 33 => x.opaque().map(|_| Op::Other(op))?,
        15 => Op::Name(x.opaque()?),
        17 | 37 => x.attributes().map(|()| Op::Other(op))?,
        18 => return open(x),
        20 => sized(x, 20)?,
        21 => sized(x, 28)?,
        22 => Op::Handle(x.opaque()?),
        25 => {
            x.skip(16)?;
            let offset = x.u64()?;
            x.skip(4)?;
            Op::Read { offset }
        }
        26 => {
            x.skip(24)?;
            x.bitmap().map(|()| Op::Other(op))?
        }
        28 => Op::Remove(x.opaque()?),
        29 => Op::Rename(x.opaque()?, x.opaque()?),
        34 => {
            x.skip(16)?;
            x.attributes().map(|()| Op::Other(op))?
        }
        36 => sized(x, 16)?,
        38 => {
            x.skip(16)?;
            let (offset, stable) = (x.u64()?, x.u32()?);
            let (len, bytes) = x.partial()?;
            Op::Write { offset, stable, len, bytes }
        }
        53 => sized(x, 32)?,
        _ => return Some(None),
    }))
}

/// Share, owner, how it is created, and by what it is named (RFC 7530 16.16, RFC 8881 18.16).
fn open<'b>(x: &mut Xdr<'b>) -> Option<Option<Op<'b>>> {
    x.skip(12 + 8)?;
    let _owner = x.opaque()?;
    if x.u32()? == 1 {
        match x.u32()? {
            0 | 1 => x.attributes()?,
            2 => x.skip(8)?,
            _ => {
                x.skip(8)?;
                x.attributes()?;
            }
        }
    }
    Some(match x.u32()? {
        0 => Some(Op::Name(x.opaque()?)),
        1 => x.u32().map(|_| Op::Other(18)),
        2 => {
            x.skip(16)?;
            Some(Op::Name(x.opaque()?))
        }
        4 => Some(Op::Other(18)),
        _ => None,
    })
}

/// What a reply of version 4 has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Result4<'b> {
    Handle(&'b [u8]),
    Read {
        eof: bool,
        len: u64,
        bytes: &'b [u8],
    },
    /// An operation and its status.
    Status(u32, u32),
}

/// The results of a compound call. Stops at what is not known, and at the first that failed.
pub(super) fn results<'b>(x: &mut Xdr<'b>, mut each: impl FnMut(Result4<'b>)) -> Option<()> {
    let _status = x.u32()?;
    let _tag = x.opaque()?;
    for _ in 0..x.u32()?.min(OPS) {
        let (op, status) = (x.u32()?, x.u32()?);
        each(Result4::Status(op, status));
        if status != 0 {
            break;
        }
        match op {
            3 => x.skip(8)?,
            4 | 20 | 21 => x.skip(16)?,
            5 => x.skip(8)?,
            6 => {
                x.skip(20)?;
                x.bitmap()?;
            }
            9 => x.attributes()?,
            10 => each(Result4::Handle(x.opaque()?)),
            15 | 16 | 22 | 23 | 24 | 30 | 31 | 32 | 17 | 37 | 8 | 7 | 36 | 44 | 57 | 58 => {}
            18 => opened(x)?,
            25 => {
                let eof = x.u32()? != 0;
                let (len, bytes) = x.partial()?;
                each(Result4::Read { eof, len, bytes });
            }
            28 | 11 => x.skip(20)?,
            29 => x.skip(40)?,
            34 => x.bitmap()?,
            38 => x.skip(16)?,
            53 => x.skip(36)?,
            _ => break,
        }
    }
    Some(())
}

/// State, change, flags, attributes, delegation.
fn opened(x: &mut Xdr<'_>) -> Option<()> {
    x.skip(16 + 20 + 4)?;
    x.bitmap()?;
    let who = |x: &mut Xdr<'_>| {
        x.skip(12)?;
        x.opaque().map(drop)
    };
    match x.u32()? {
        1 => {
            x.skip(20)?;
            who(x)
        }
        2 => {
            x.skip(32)?;
            who(x)
        }
        3 => match x.u32()? {
            1 | 2 => x.skip(4),
            _ => Some(()),
        },
        _ => Some(()),
    }
}

/// IEEE's CRC-32, by which records show a handle.
pub(super) fn crc32(b: &[u8]) -> u32 {
    !b.iter().fold(u32::MAX, |c, b| {
        (0..8).fold(c ^ u32::from(*b), |c, _| if c & 1 == 1 { c >> 1 ^ 0xedb8_8320 } else { c >> 1 })
    })
}

/// Handles are told apart by a keyed hash: whoever writes chooses them, and would choose such as are alike. Never 0.
pub(super) fn hash(handle: &[u8], seed: u64) -> u64 {
    Sip13::new([seed, !seed]).text(handle, 0).max(1)
}
