//! pcapng (draft-ietf-opsawg-pcapng): several sections and interfaces, both byte orders, enhanced, simple and
//! obsolete packet blocks, time resolution and offset of each interface.

use super::{MAX_RECORD, Meta, Step};

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
/// Decryption Secrets Block; its secrets of TLS, in the form of a key log.
const SECRETS: u32 = 10;
const TLS_KEY_LOG: u32 = 0x544c_534b;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// Most interfaces of a section; a capture with more is taken as damaged.
const MAX_INTERFACES: usize = 65_536;

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: u16,
    snaplen: u32,
    resolution: u8,
    /// Seconds to add.
    offset: i64,
}

#[derive(Debug)]
pub(super) struct PcapNg {
    big: bool,
    interfaces: Vec<Interface>,
    /// Key logs of blocks, until somebody takes them.
    pub(super) secrets: Vec<u8>,
}

pub(super) fn is_section(magic: [u8; 4]) -> bool {
    u32::from_be_bytes(magic) == SECTION
}

impl PcapNg {
    pub(super) fn new() -> Self {
        PcapNg { big: false, interfaces: Vec::new(), secrets: Vec::new() }
    }

    fn u16(&self, b: &[u8], at: usize) -> u16 {
        let Some(&w) = b.get(at..).and_then(|b| b.first_chunk::<2>()) else { return 0 };
        if self.big { u16::from_be_bytes(w) } else { u16::from_le_bytes(w) }
    }

    fn u32(&self, b: &[u8], at: usize) -> u32 {
        let Some(&w) = b.get(at..).and_then(|b| b.first_chunk::<4>()) else { return 0 };
        if self.big { u32::from_be_bytes(w) } else { u32::from_le_bytes(w) }
    }

    pub(super) fn step(&mut self, b: &[u8]) -> Step {
        if b.len() < 12 {
            return Step::Need(12);
        }
        let section = b.first_chunk().is_some_and(|&m| is_section(m));
        if section {
            // The byte order of a section is known only inside its header.
            let mark = [b[8], b[9], b[10], b[11]];
            self.big = u32::from_be_bytes(mark) == BYTE_ORDER;
            if !self.big && u32::from_le_bytes(mark) != BYTE_ORDER {
                return Step::Damaged("a section without its byte order mark");
            }
        }
        let size = self.u32(b, 4) as usize;
        if size < 12 || !size.is_multiple_of(4) || size > MAX_RECORD {
            return Step::Damaged("a block with an impossible length");
        }
        if b.len() < size {
            return Step::Need(size);
        }
        let block = &b[..size];
        if self.u32(block, size - 4) as usize != size {
            return Step::Damaged("a block whose two lengths differ");
        }
        let body = &block[8..size - 4];
        let step = match self.u32(block, 0) {
            _ if section => self.section(body),
            INTERFACE => self.interface(body),
            ENHANCED_PACKET => self.packet(body, self.u32(body, 0)),
            OBSOLETE_PACKET => self.packet(body, u32::from(self.u16(body, 0))),
            SIMPLE_PACKET => self.simple(body),
            SECRETS => self.secrets(body),
            _ => Ok(None),
        };
        match step {
            Ok(None) => Step::Skip { size },
            Ok(Some(meta)) => Step::Frame { size, meta: Meta { at: meta.at + 8, ..meta } },
            Err(what) => Step::Damaged(what),
        }
    }

    fn section(&mut self, body: &[u8]) -> Result<Option<Meta>, &'static str> {
        if body.len() < 16 {
            return Err("a section header that is too short");
        }
        if self.u16(body, 4) != 1 {
            return Err("a section of an unknown version");
        }
        self.interfaces.clear();
        Ok(None)
    }

    fn secrets(&mut self, body: &[u8]) -> Result<Option<Meta>, &'static str> {
        if body.len() < 8 {
            return Err("a block of secrets that is too short");
        }
        let (kind, len) = (self.u32(body, 0), self.u32(body, 4) as usize);
        let text = body.get(8..).and_then(|b| b.get(..len)).ok_or("secrets longer than their block")?;
        if kind == TLS_KEY_LOG {
            self.secrets.extend_from_slice(text);
            self.secrets.push(b'\n');
        }
        Ok(None)
    }

    fn interface(&mut self, body: &[u8]) -> Result<Option<Meta>, &'static str> {
        if body.len() < 8 {
            return Err("an interface description that is too short");
        }
        if self.interfaces.len() >= MAX_INTERFACES {
            return Err("too many interfaces");
        }
        let mut i =
            Interface { link: self.u16(body, 0), snaplen: self.u32(body, 4), resolution: 6, offset: 0 };
        let mut options = &body[8..];
        while options.len() >= 4 {
            let (code, len) = (self.u16(options, 0), usize::from(self.u16(options, 2)));
            let Some(value) = options.get(4..4 + len) else {
                return Err("an interface option that is too long");
            };
            match (code, value) {
                (0, _) => break,
                (9, &[r]) => i.resolution = r,
                (14, &[a, b, c, d, e, f, g, h]) => {
                    let w = [a, b, c, d, e, f, g, h];
                    i.offset = if self.big { i64::from_be_bytes(w) } else { i64::from_le_bytes(w) };
                }
                _ => {}
            }
            options = options.get((4 + len).next_multiple_of(4)..).unwrap_or(&[]);
        }
        self.interfaces.push(i);
        Ok(None)
    }

    /// Enhanced and obsolete packets differ only in their first word.
    fn packet(&self, body: &[u8], interface: u32) -> Result<Option<Meta>, &'static str> {
        if body.len() < 20 {
            return Err("a packet block that is too short");
        }
        let i = self
            .interfaces
            .get(interface as usize)
            .ok_or("a packet of an interface that was not described")?;
        let caplen = self.u32(body, 12) as usize;
        if caplen > body.len() - 20 {
            return Err("a packet longer than its block");
        }
        let ticks = u64::from(self.u32(body, 4)) << 32 | u64::from(self.u32(body, 8));
        Ok(Some(Meta {
            at: 20,
            len: caplen,
            link: i.link,
            ts_ns: nanoseconds(ticks, i.resolution, i.offset),
            wire_len: self.u32(body, 16),
        }))
    }

    /// A simple packet belongs to the first interface and has no time.
    fn simple(&self, body: &[u8]) -> Result<Option<Meta>, &'static str> {
        let i = self.interfaces.first().ok_or("a packet of an interface that was not described")?;
        let Some(room) = body.len().checked_sub(4) else {
            return Err("a packet block that is too short");
        };
        let wire_len = self.u32(body, 0);
        let kept = if i.snaplen == 0 { wire_len } else { wire_len.min(i.snaplen) } as usize;
        if kept > room {
            return Err("a packet longer than its block");
        }
        Ok(Some(Meta { at: 4, len: kept, link: i.link, ts_ns: 0, wire_len }))
    }
}

/// Ticks of `resolution` (a negative power of ten, or of two with the top bit) as nanoseconds since the epoch.
fn nanoseconds(ticks: u64, resolution: u8, offset: i64) -> u64 {
    let power = u32::from(resolution & 0x7f);
    let per_second =
        if resolution & 0x80 != 0 { 2u128.checked_pow(power) } else { 10u128.checked_pow(power) };
    let Some(per_second) = per_second else { return 0 };
    let ns = (u128::from(ticks) * 1_000_000_000 / per_second) as i128;
    let ns = ns + i128::from(offset) * 1_000_000_000;
    u64::try_from(ns.max(0)).unwrap_or(u64::MAX)
}
