//! Classic pcap (draft-ietf-opsawg-pcap): micro- and nanoseconds, both byte orders, and the modified record
//! header of old Linux captures.

use super::{Meta, Step};

/// Length of the file header.
pub(super) const HEADER: usize = 24;
/// Most bytes a frame may have (libpcap's MAXIMUM_SNAPLEN).
const MAX_FRAME: usize = 262_144;

const MICRO: u32 = 0xa1b2_c3d4;
const NANO: u32 = 0xa1b2_3c4d;
/// Records have eight bytes more: interface index, protocol, packet type.
const MODIFIED: u32 = 0xa1b2_cd34;

#[derive(Debug)]
pub(super) struct Pcap {
    big: bool,
    /// Nanoseconds in one unit of the fraction.
    unit: u64,
    record: usize,
    link: u16,
    snaplen: usize,
}

fn is_known(magic: u32) -> bool {
    matches!(magic, MICRO | NANO | MODIFIED)
}

pub(super) fn is_magic(magic: [u8; 4]) -> bool {
    is_known(u32::from_be_bytes(magic)) || is_known(u32::from_le_bytes(magic))
}

impl Pcap {
    /// Reads the file header; `None` when it is not whole. Also says how long it is.
    pub(super) fn new(head: &[u8]) -> Option<(Pcap, usize)> {
        let h = head.first_chunk::<HEADER>()?;
        let big = is_known(u32::from_be_bytes([h[0], h[1], h[2], h[3]]));
        let mut p = Pcap { big, unit: 1000, record: 16, link: 0, snaplen: 0 };
        let magic = p.u32(h, 0);
        if magic == NANO {
            p.unit = 1;
        }
        if magic == MODIFIED {
            p.record = 24;
        }
        let snaplen = p.u32(h, 16) as usize;
        p.snaplen = if snaplen == 0 { MAX_FRAME } else { snaplen };
        // The upper half may hold the length of a frame check sequence.
        p.link = p.u32(h, 20) as u16;
        Some((p, HEADER))
    }

    fn u32(&self, b: &[u8], at: usize) -> u32 {
        let Some(&w) = b.get(at..).and_then(|b| b.first_chunk::<4>()) else { return 0 };
        if self.big { u32::from_be_bytes(w) } else { u32::from_le_bytes(w) }
    }

    /// Takes at most `max` whole records from `at` on; where it stopped. What is odd is left to [`Pcap::step`].
    pub(super) fn run(&self, buf: &[u8], mut at: usize, max: usize, out: &mut Vec<Meta>) -> usize {
        for _ in 0..max {
            let Some(h) = buf.get(at..).and_then(|b| b.first_chunk::<16>()) else { break };
            let [seconds, fraction, caplen, wire_len] = [0, 4, 8, 12].map(|i| {
                let w = [h[i], h[i + 1], h[i + 2], h[i + 3]];
                if self.big { u32::from_be_bytes(w) } else { u32::from_le_bytes(w) }
            });
            let (len, frame) = (caplen as usize, at + self.record);
            if len > MAX_FRAME || frame + len > buf.len() {
                break;
            }
            out.push(Meta {
                at: frame,
                len: len.min(self.snaplen),
                link: self.link,
                ts_ns: u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * self.unit,
                wire_len,
            });
            at = frame + len;
        }
        at
    }

    pub(super) fn step(&mut self, b: &[u8]) -> Step {
        if b.len() < self.record {
            return Step::Need(self.record);
        }
        let caplen = self.u32(b, 8) as usize;
        if caplen > MAX_FRAME {
            return Step::Damaged("a frame longer than 262144 bytes");
        }
        let size = self.record + caplen;
        if b.len() < size {
            return Step::Need(size);
        }
        let seconds = u64::from(self.u32(b, 0)) * 1_000_000_000;
        let meta = Meta {
            at: self.record,
            len: caplen.min(self.snaplen),
            link: self.link,
            ts_ns: seconds + u64::from(self.u32(b, 4)) * self.unit,
            wire_len: self.u32(b, 12),
        };
        Step::Frame { size, meta }
    }
}
