//! Bytes that rules replace in frames on their way (`replace`): places in frames go in while the engine looks at a burst; the
//! frames are changed before they are sent, and the checksums of UDP and TCP mended (RFC 1624).
//!
//! Owns a list of fixed size for one burst.

use tidegate_core::packet::{L4, Packet};

/// Most replacements of a burst, and bytes of all.
const MOST: usize = 256;
const ROOM: usize = 16 << 10;

#[derive(Clone, Copy, Debug)]
struct Place {
    /// Addresses of the bytes, and of the checksum that covers them and of what it is counted from; 0: none.
    at: usize,
    sum: usize,
    origin: usize,
    /// A sum of zero means that there is none.
    optional: bool,
    /// Where the new bytes begin, and how many they are.
    from: usize,
    len: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Replacing {
    /// Whoever sends the frames changes them.
    pub enabled: bool,
    places: Vec<Place>,
    bytes: Vec<u8>,
    /// Replacements that found no room, or lay in no frame of the burst (in fragments that were put together).
    pub missed: u64,
}

impl Replacing {
    /// `bytes` are to stand at the offset `at` of the packet's data.
    #[cold]
    pub fn add(&mut self, p: &Packet<'_>, at: usize, bytes: &[u8]) {
        if !self.enabled {
            return;
        }
        if self.places.len() >= MOST || self.bytes.len() + bytes.len() > ROOM {
            self.missed += 1;
            return;
        }
        let base = p.data.as_ptr() as usize;
        let l4 = base + p.l4_hdr.off as usize;
        let (sum, optional) = match p.l4 {
            L4::Tcp => (l4 + 16, false),
            L4::Udp => (l4 + 6, true),
            L4::Icmpv4 | L4::Icmpv6 => (l4 + 2, false),
            _ => (0, false),
        };
        let from = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.places.push(Place { at: base + at, sum, origin: l4, optional, from, len: bytes.len() });
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Changes `buf`, in which the frames lie, and forgets what was to be done; how many replacements were made.
    pub fn apply(&mut self, buf: &mut [u8]) -> u64 {
        let base = buf.as_ptr() as usize;
        let mut done = 0;
        for p in &self.places {
            let new = self.bytes.get(p.from..p.from + p.len).unwrap_or(&[]);
            let at = p.at.wrapping_sub(base);
            let Some(old) = at.checked_add(p.len).and_then(|end| buf.get_mut(at..end)) else {
                self.missed += 1;
                continue;
            };
            // Words are counted from the header on; a byte at an odd place is the low half of one.
            let odd = (p.at - p.origin) & 1;
            let mut change = 0i64;
            for (i, (o, n)) in old.iter_mut().zip(new).enumerate() {
                let shift = if (odd + i) & 1 == 0 { 8 } else { 0 };
                change += (i64::from(*n) - i64::from(*o)) << shift;
                *o = *n;
            }
            if p.sum != 0 {
                mend(buf, p.sum.wrapping_sub(base), change, p.optional);
            }
            done += 1;
        }
        self.places.clear();
        self.bytes.clear();
        done
    }
}

/// Adds the change of the covered words to the sum at `at`.
fn mend(buf: &mut [u8], at: usize, change: i64, optional: bool) {
    let Some(field) = at.checked_add(2).and_then(|end| buf.get_mut(at..end)) else { return };
    let old = u16::from_be_bytes([field[0], field[1]]);
    if optional && old == 0 {
        return;
    }
    // One's complement: modulo 65,535.
    let sum = (i64::from(!old) + change).rem_euclid(0xffff);
    let mut new = !(sum as u16);
    if optional && new == 0 {
        new = 0xffff;
    }
    field.copy_from_slice(&new.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_core::packet::checksum::verify_l4;
    use tidegate_core::packet::{Checksum, Decoder, MAX_PER_FRAME, PacketBuf};

    /// A frame of UDP or TCP with right checksums.
    fn frame(proto: u8, payload: &[u8]) -> Vec<u8> {
        let mut l4 = if proto == 17 {
            let len = (8 + payload.len()) as u16;
            [&[0x0f, 0xa0, 0, 53][..], &len.to_be_bytes(), &[0, 0]].concat()
        } else {
            vec![0x0f, 0xa0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 1, 0, 0, 0, 0, 0]
        };
        l4.extend(payload);
        let ends = [10, 0, 0, 1, 10, 0, 0, 2];
        let pseudo = [&ends[..], &[0, proto], &(l4.len() as u16).to_be_bytes(), &l4].concat();
        let sum = tidegate_core::packet::checksum::internet(&pseudo);
        let at = if proto == 17 { 6 } else { 16 };
        l4[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        let total = (20 + l4.len()) as u16;
        let mut ip = [&[0x45, 0][..], &total.to_be_bytes(), &[0, 1, 0, 0, 64, proto, 0, 0], &ends].concat();
        let sum = tidegate_core::packet::checksum::internet(&ip);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0][..], &ip, &l4].concat()
    }

    fn sum_of(frame: &[u8]) -> (Checksum, Vec<u8>) {
        let mut out = PacketBuf::new(MAX_PER_FRAME);
        Decoder::default().decode(frame, 1, 0, 1, &mut out);
        (verify_l4(&out[0]), out[0].payload().to_vec())
    }

    #[test]
    fn bytes_are_replaced_and_sums_stay_right() {
        for proto in [6, 17] {
            for (at, new) in
                [(0usize, &b"XY"[..]), (1, b"XYZ"), (3, b"\xff\xff"), (2, b"\0"), (0, b"abcdefgh")]
            {
                let mut buf = frame(proto, b"abcdefgh");
                assert_eq!(sum_of(&buf).0, Checksum::Good);
                let mut r = Replacing { enabled: true, ..Replacing::default() };
                {
                    let mut out = PacketBuf::new(MAX_PER_FRAME);
                    Decoder::default().decode(&buf, 1, 0, 1, &mut out);
                    r.add(&out[0], out[0].payload.off as usize + at, new);
                }
                assert_eq!(r.apply(&mut buf), 1);
                let mut want = b"abcdefgh".to_vec();
                want[at..at + new.len()].copy_from_slice(new);
                assert_eq!(sum_of(&buf), (Checksum::Good, want), "{proto} {at}");
                assert!(r.is_empty() && r.missed == 0);
            }
        }
        // A packet that lies elsewhere is not found.
        let other = frame(17, b"abcd");
        let mut out = PacketBuf::new(MAX_PER_FRAME);
        Decoder::default().decode(&other, 1, 0, 1, &mut out);
        let mut r = Replacing { enabled: true, ..Replacing::default() };
        r.add(&out[0], 42, b"x");
        assert_eq!((r.apply(&mut [0; 60]), r.missed), (0, 1));
    }
}
