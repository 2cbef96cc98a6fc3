//! Headers of NVMe/TCP (NVM Express TCP Transport Specification 1.0) and what is read of commands and completions
//! (NVM Express Base Specification 2.0). Bytes in, numbers out; all numbers are little-endian.

use crate::Dir;
use crate::app::plain::{le16, le32};

/// The common header.
pub const COMMON: usize = 8;
/// Largest PDU that is believed: what a command can move at most is far less.
const PDU_MAX: u32 = 1 << 30;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    IcReq,
    IcResp,
    H2cTerm,
    C2hTerm,
    Command,
    Response,
    H2cData,
    C2hData,
    R2t,
}

/// What the common header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub kind: Kind,
    flags: u8,
    /// Bytes of the header, and of the whole PDU.
    pub header: usize,
    pub len: u32,
    /// Where data begins; 0: there is none.
    data_at: u8,
}

impl Head {
    /// Reads the common header of a PDU in direction `dir`; `None` when it cannot be one.
    pub fn read(b: &[u8], dir: Dir) -> Option<Head> {
        let [kind, flags, header, data_at, ..] = *b.first_chunk::<COMMON>()?;
        let len = le32(b, 4)?;
        let (kind, to, size, most) = match kind {
            0 => (Kind::IcReq, Dir::ToServer, 128, 128),
            1 => (Kind::IcResp, Dir::ToClient, 128, 128),
            2 => (Kind::H2cTerm, Dir::ToServer, 24, 152),
            3 => (Kind::C2hTerm, Dir::ToClient, 24, 152),
            4 => (Kind::Command, Dir::ToServer, 72, PDU_MAX),
            5 => (Kind::Response, Dir::ToClient, 24, 28),
            6 => (Kind::H2cData, Dir::ToServer, 24, PDU_MAX),
            7 => (Kind::C2hData, Dir::ToClient, 24, PDU_MAX),
            9 => (Kind::R2t, Dir::ToClient, 24, 28),
            _ => return None,
        };
        let whole = len >= size && len <= most && u32::from(data_at) <= len;
        let behind = data_at == 0 || u32::from(data_at) >= size;
        (to == dir && u32::from(header) == size && whole && behind && flags & 0xf0 == 0).then_some(Head {
            kind,
            flags,
            header: usize::from(header),
            len,
            data_at,
        })
    }

    /// The last data of its command.
    pub const fn last(&self) -> bool {
        self.flags & 4 != 0
    }

    /// The command succeeded, and no completion follows.
    pub const fn success(&self) -> bool {
        self.flags & 8 != 0
    }

    /// Bytes of data in the PDU, without its digest.
    pub const fn data(&self) -> u32 {
        if self.data_at == 0 {
            return 0;
        }
        let digest = if self.flags & 2 != 0 { 4 } else { 0 };
        self.len.saturating_sub(self.data_at as u32 + digest)
    }

    /// The data of a PDU that is there as a whole.
    pub fn data_of<'a>(&self, pdu: &'a [u8]) -> &'a [u8] {
        let from = usize::from(self.data_at);
        pdu.get(from..from + self.data() as usize).filter(|_| from > 0).unwrap_or(&[])
    }
}

/// Opcode of all commands of fabrics.
pub const FABRICS: u8 = 0x7f;
pub const CONNECT: u8 = 1;

/// A command (submission queue entry).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Command {
    pub opcode: u8,
    pub id: u16,
    /// Namespace; of a fabrics command its type.
    pub nsid: u32,
    /// Command double words 10 and 11, and 12.
    pub cdw10: u64,
    pub cdw12: u32,
}

impl Command {
    /// Reads the header of a command capsule.
    pub fn read(pdu: &[u8]) -> Option<Command> {
        let e = pdu.get(COMMON..COMMON + 64)?;
        let low = u64::from(le32(e, 40)?);
        Some(Command {
            opcode: *e.first()?,
            id: le16(e, 2)?,
            nsid: le32(e, 4)?,
            cdw10: u64::from(le32(e, 44)?) << 32 | low,
            cdw12: le32(e, 48)?,
        })
    }

    /// Type of a fabrics command.
    pub const fn fabrics(&self) -> Option<u8> {
        if self.opcode == FABRICS { Some(self.nsid as u8) } else { None }
    }

    pub const fn is_connect(&self) -> bool {
        matches!(self.fabrics(), Some(CONNECT))
    }

    /// The queue that a connect is about.
    pub const fn connects_queue(&self) -> u16 {
        (self.cdw10 >> 16) as u16
    }
}

/// A completion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    pub id: u16,
    /// Type and code of the status: `type << 8 | code`.
    pub status: u16,
    /// Double word 0.
    pub result: u32,
}

impl Completion {
    pub fn read(pdu: &[u8]) -> Option<Completion> {
        let e = pdu.get(COMMON..COMMON + 16)?;
        Some(Completion { id: le16(e, 12)?, status: le16(e, 14)? >> 1 & 0x7ff, result: le32(e, 0)? })
    }
}

/// Names of a connect's data: controller, subsystem, host.
pub fn connect_data(data: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let name = |at: usize| {
        let field = data.get(at..at + 256)?;
        Some(field.split(|b| *b == 0).next().unwrap_or(field))
    };
    Some((le16(data, 16)?, name(256)?, name(512)?))
}
