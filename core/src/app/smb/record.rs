//! One message of SMB 1 (MS-CIFS 2.2.3) or SMB 2 and 3 (MS-SMB2 2.2.1). In: its bytes, of reads and writes of files at least
//! those before the data. Out: what of it matters here.

use super::{one, two};

/// Bytes of a message that says where its data begin.
pub(super) const TWO_HEAD: usize = 64;
pub(super) const ONE_HEAD: usize = 32;

/// What names an open file: in version 2 by 16 bytes, in version 1 by two and the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fid {
    pub(super) bytes: [u8; 16],
    pub(super) len: u8,
}

/// A text: in UTF-16, or one byte a character.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Text<'b> {
    pub(super) bytes: &'b [u8],
    pub(super) wide: bool,
}

/// A message, or one command of several in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'b> {
    pub(super) version: u8,
    pub(super) response: bool,
    pub(super) command: u16,
    /// What an answer shares with its request.
    pub(super) id: u64,
    pub(super) session: u64,
    pub(super) tree: u32,
    pub(super) status: u32,
    /// The status is a class and a code of DOS.
    pub(super) dos: bool,
    pub(super) what: What<'b>,
}

/// Bytes of a file or a pipe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Data<'b> {
    pub(super) fid: Fid,
    pub(super) offset: u64,
    /// Bytes that the message says it has.
    pub(super) len: u64,
    /// Those that are here.
    pub(super) bytes: &'b [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What<'b> {
    /// Names of dialects, each after a byte 2 and ended by 0.
    Dialects(&'b [u8]),
    /// Numbers of dialects, and who asks.
    Negotiate {
        dialects: &'b [u8],
        guid: &'b [u8],
    },
    /// The dialect of that place.
    Chosen {
        index: u16,
        guid: &'b [u8],
    },
    Negotiated {
        dialect: u16,
        guid: &'b [u8],
        max_read: u32,
        max_write: u32,
    },
    /// Signs in; what the host says of itself.
    Setup {
        blob: &'b [u8],
        os: Text<'b>,
        lm: Text<'b>,
    },
    Tree {
        path: Text<'b>,
        service: &'b [u8],
    },
    /// Kind of the share, or the service that was found.
    TreeAnswer {
        kind: u8,
        service: &'b [u8],
    },
    TreeGone,
    Create {
        name: Text<'b>,
        disposition: u32,
        options: u32,
    },
    /// Created, accessed, modified, changed: 100 ns since 1601.
    Created {
        fid: Fid,
        times: [u64; 4],
        size: u64,
    },
    Close(Fid),
    Read {
        fid: Fid,
        offset: u64,
        len: u64,
    },
    ReadAnswer(Data<'b>),
    Write(Data<'b>),
    /// A call in a pipe, and the answer.
    Pipe {
        fid: Fid,
        bytes: &'b [u8],
    },
    PipeAnswer(&'b [u8]),
    Ioctl {
        function: u32,
        fid: Fid,
        bytes: &'b [u8],
    },
    /// `from` is empty where the file is named by its number.
    Rename {
        fid: Fid,
        from: Text<'b>,
        to: Text<'b>,
    },
    /// Delete it when it is closed, or not; `sub`, `level`: how version 1 says so.
    Disposition {
        fid: Fid,
        name: Text<'b>,
        delete: bool,
        sub: u16,
        level: u16,
    },
    Other,
    /// What its command needs is not there.
    Malformed,
}

pub(super) fn le16(b: &[u8], at: usize) -> Option<u16> {
    b.get(at..)?.first_chunk::<2>().map(|v| u16::from_le_bytes(*v))
}

pub(super) fn le32(b: &[u8], at: usize) -> Option<u32> {
    b.get(at..)?.first_chunk::<4>().map(|v| u32::from_le_bytes(*v))
}

pub(super) fn le64(b: &[u8], at: usize) -> Option<u64> {
    b.get(at..)?.first_chunk::<8>().map(|v| u64::from_le_bytes(*v))
}

/// `len` bytes from `at` on.
pub(super) fn span(b: &[u8], at: usize, len: usize) -> Option<&[u8]> {
    b.get(at..at.checked_add(len)?)
}

/// At most `len` bytes from `at` on.
pub(super) fn some(b: &[u8], at: usize, len: usize) -> &[u8] {
    let rest = b.get(at..).unwrap_or(&[]);
    rest.get(..len).unwrap_or(rest)
}

/// Calls `f` with each command of a message. `None`: it is no message of SMB, or too short for one.
pub(super) fn each<'b>(b: &'b [u8], f: impl FnMut(Record<'b>)) -> Option<()> {
    match b.get(..4)? {
        b"\xffSMB" => one::each(b, f),
        b"\xfeSMB" => two::each(b, f),
        // Encrypted, or compressed.
        b"\xfdSMB" | b"\xfcSMB" => Some(()),
        _ => None,
    }
}

/// How much of a message is to be read before the data of a file that it carries, if it carries one and nothing else.
pub(super) fn before_data(b: &[u8]) -> Option<usize> {
    match b.get(..4)? {
        b"\xffSMB" => one::before_data(b),
        b"\xfeSMB" => two::before_data(b),
        _ => None,
    }
}
