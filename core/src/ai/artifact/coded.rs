//! A level that is coded as a whole (gzip, zlib, bzip2, LZMA): bytes go in, what they decode to goes to the level below.

use super::*;

impl Level {
    pub(super) fn inflated(&mut self, data: &[u8], below: &mut [Level], rep: &mut Report) -> usize {
        if !self.gzip.body {
            self.gzip.body = true;
            Below(below).begin(b"", rep);
        }
        let n = self.inflate.feed(data, &mut Below(below), rep);
        if self.inflate.done || self.inflate.failed {
            if self.inflate.failed {
                rep.find(Judgement::Unreadable, "compressed data that cannot be inflated", &[]);
            }
            Below(below).end(rep);
            self.gzip.body = false;
            self.kind = Kind::Plain;
            self.carving = true;
        }
        n
    }

    pub(super) fn bunzip(&mut self, data: &[u8], below: &mut [Level], rep: &mut Report) -> usize {
        if !self.gzip.body {
            self.gzip.body = true;
            Below(below).begin(b"", rep);
        }
        self.bzip2.as_mut().map_or(data.len(), |b| b.feed(data, &mut Below(below), rep))
    }

    pub(super) fn unlzma(&mut self, data: &[u8], below: &mut [Level], rep: &mut Report) -> usize {
        if !self.gzip.body {
            self.gzip.body = true;
            Below(below).begin(b"", rep);
        }
        let Some(l) = &mut self.lzma else { return data.len() };
        let (mut rest, mut out) = (data, [0; 1024]);
        loop {
            let (status, n) = l.decode(&mut rest, &mut out);
            push(below, rep, out.get(..n).unwrap_or(&[]));
            let spent = rep.grew(n);
            match status {
                LzmaStatus::NeedsInput if !spent => return data.len(),
                LzmaStatus::MoreOutput if !spent => {}
                _ => {
                    if status == LzmaStatus::Failed {
                        rep.find(Judgement::Unreadable, "compressed data that cannot be decoded", &[]);
                    } else if !spent && l.was_cut() {
                        rep.find(
                            Judgement::Unreadable,
                            "LZMA with more than its dictionary of memory allows",
                            &[],
                        );
                    }
                    Below(below).end(rep);
                    self.gzip.body = false;
                    self.kind = Kind::Plain;
                    self.carving = true;
                    return data.len() - rest.len();
                }
            }
        }
    }

    pub(super) fn gunzip(&mut self, data: &[u8], below: &mut [Level], rep: &mut Report) -> usize {
        if self.gzip.body {
            let n = self.inflated(data, below, rep);
            if !self.gzip.body && !self.inflate.failed {
                // Eight bytes of checksum and size, then perhaps another member.
                self.kind = Kind::Gzip;
                self.gzip = Gzip { at: 1000, flags: 0, left: 8, body: false };
            }
            return n;
        }
        let Some(&b) = data.first() else { return 0 };
        let g = &mut self.gzip;
        let at = g.at;
        g.at += 1;
        match at {
            0 if b != 0x1f => {
                self.kind = Kind::Plain;
                self.carving = true;
                return 1;
            }
            0..=2 | 4..=8 => {}
            3 => g.flags = b,
            9 => g.at = 10,
            10.. if at >= 1000 => {
                g.left -= 1;
                if g.left == 0 {
                    g.at = 0;
                }
                return 1;
            }
            // The length of the extra field, the field, a name and a comment that end with 0, a checksum.
            10 => g.left = u32::from(b),
            11 => {
                g.left |= u32::from(b) << 8;
                g.at = if g.left > 0 { 12 } else { 13 };
            }
            12 => {
                g.left -= 1;
                g.at = if g.left > 0 { 12 } else { 13 };
            }
            13 => g.at = if b == 0 { 14 } else { 13 },
            14 => g.at = if b == 0 { 15 } else { 14 },
            _ => {}
        }
        // Which parts there are.
        loop {
            let (bit, from, to) = match self.gzip.at {
                10 => (4, 10, 13),
                13 => (8, 13, 14),
                14 => (16, 14, 15),
                15 => (2, 15, 17),
                17 => {
                    self.inflate.reset(false);
                    self.gzip.body = true;
                    Below(below).begin(b"", rep);
                    break;
                }
                _ => break,
            };
            if self.gzip.flags & bit != 0 {
                self.gzip.at = from;
                break;
            }
            self.gzip.at = to;
        }
        1
    }
}
