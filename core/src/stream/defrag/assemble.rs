//! From all fragments of a datagram to the datagram: their bytes in order behind the headers of one of them.

use super::{Datagram, Defrag, FEW, MAX_DATAGRAM, NIL};
use crate::packet::checksum;
use crate::pool::PBuf;

impl Defrag {
    /// Whether the fragments lie without a hole from the start.
    pub(super) fn complete(&mut self, id: u32) -> bool {
        let t = self.trackers.get(id);
        // Cheap and nearly always decisive: too few bytes to fill the range.
        if t.held < t.top {
            return false;
        }
        let (mut end, mut at, mut steps) = (0, t.first, 0);
        while at != NIL {
            let f = self.frags.get(at);
            steps += 1;
            if !f.x.skip {
                if f.x.off > end {
                    self.stats.steps += u64::from(steps);
                    if steps > FEW {
                        self.trackers.get_mut(id).vain += 1;
                    }
                    return false;
                }
                end = end.max(f.x.end());
            }
            at = f.next;
        }
        self.stats.steps += u64::from(steps);
        self.trackers.get(id).first != NIL
    }

    /// Copies the fragments together; `None` when the bytes do not fit.
    pub(super) fn assemble(&mut self, id: u32) -> Option<Datagram> {
        let t = self.trackers.get(id);
        let (first, top, v6) = (t.first, t.top, t.key.v6);
        let head_of = self.headers(first)?;
        let h = self.frags.get(head_of);
        let (head, l3_off, l3_len, nh_off, nh, link) =
            (h.head as usize, h.l3_off as usize, h.l3_len as usize, h.nh_off as usize, h.nh, h.link);
        let mut buf = PBuf::new();
        // Others give way for the whole, too. Each of them cost its sender a packet, so this is bounded by what came.
        while buf.resize(&mut self.bytes, head + top as usize).is_err() {
            if !self.evict(id) {
                return None;
            }
        }
        self.bytes_into(&buf, 0, head_of, 0, head);
        let mut len = 0u32;
        let mut at = first;
        let mut ended_at: Option<u32> = None;
        // Ranges that fragments gave away to some behind them: the first few.
        let mut gaps = [(0, 0); 8];
        while at != NIL {
            let f = self.frags.get(at);
            let (x, more, next, skip_head) = (f.x, f.more, f.next, f.head as usize);
            let behind = ended_at.is_some_and(|off| x.off > off);
            if !x.skip && x.trim < x.len {
                let from = x.off + x.trim;
                if behind {
                    // Data behind the last fragment's beginning is not part of the datagram; at the same place it is. But what
                    // an earlier fragment gave away to this one nobody else has.
                    for gap in &gaps {
                        let (a, b) = (gap.0.max(from), gap.1.min(x.end()));
                        if a < b {
                            let skip = skip_head + (a - x.off) as usize;
                            self.bytes_into(&buf, head + a as usize, at, skip, (b - a) as usize);
                        }
                    }
                } else {
                    if let Some(gap) = gaps.iter_mut().find(|g| g.0 == g.1).filter(|_| from > len) {
                        *gap = (len, from);
                    }
                    let to = head + from as usize;
                    self.bytes_into(&buf, to, at, skip_head + x.trim as usize, (x.len - x.trim) as usize);
                    len = if x.off == 0 { x.len } else { len.max(x.end()) };
                    ended_at = (!more).then_some(x.off);
                }
            }
            at = next;
        }
        buf.truncate(head + len as usize);
        let total = (head - l3_off) as u32 + len;
        let fits = if v6 { total - 40 } else { total } <= MAX_DATAGRAM;
        let patched = fits
            && buf
                .get_mut(&mut self.bytes)
                .get_mut(l3_off..)
                .and_then(|ip| if v6 { patch_v6(ip, total, nh_off, nh) } else { patch_v4(ip, total, l3_len) })
                .is_some();
        if !patched {
            buf.free(&mut self.bytes);
            return None;
        }
        Some(Datagram { buf, l3_off: l3_off as u32, link })
    }

    /// The fragment whose headers the datagram gets: of those at offset 0 the last in order.
    fn headers(&self, first: u32) -> Option<u32> {
        let (mut at, mut found) = (first, None);
        while at != NIL {
            let f = self.frags.get(at);
            if f.x.off > 0 {
                break;
            }
            if !f.x.skip && f.x.trim < f.x.len {
                found = Some(at);
            }
            at = f.next;
        }
        found
    }

    /// Copies `len` bytes of a fragment's bytes from `from` into `buf` at `to`.
    fn bytes_into(&mut self, buf: &PBuf, to: usize, frag: u32, from: usize, len: usize) {
        let src = self.frags.get(frag).bytes;
        self.bytes.copy_between(&src, from, buf, to, len);
    }
}

/// Length, fragment fields and checksum of an IPv4 header; the checksum keeps being as right or wrong as it was.
fn patch_v4(ip: &mut [u8], total: u32, hlen: usize) -> Option<()> {
    let header = ip.get_mut(..hlen.max(20))?;
    let good = checksum::header_is_good(header);
    header.get_mut(2..4)?.copy_from_slice(&(total as u16).to_be_bytes());
    header.get_mut(6..8)?.copy_from_slice(&[0, 0]);
    if good {
        header.get_mut(10..12)?.copy_from_slice(&[0, 0]);
        let sum = checksum::internet(header);
        header.get_mut(10..12)?.copy_from_slice(&sum.to_be_bytes());
    }
    Some(())
}

/// Length of an IPv6 header, and the protocol where the fragment header was named.
fn patch_v6(ip: &mut [u8], total: u32, nh_off: usize, nh: u8) -> Option<()> {
    ip.get_mut(4..6)?.copy_from_slice(&(total.checked_sub(40)? as u16).to_be_bytes());
    *ip.get_mut(nh_off)? = nh;
    Some(())
}
