//! What feature extractors for flows count beside sizes and times: headers, payload, activity, bulks, subflows. Definitions
//! are CICFlowMeter's: a flow is idle after 5 s of silence, a subflow ends after 1 s, a bulk is four or more packets with
//! payload in one direction that follow each other within 1 s, with none of the other direction between.

use tidegate_core::Dir;
use tidegate_core::event::PacketSeen;

use super::stats::Moments;

const SECOND: u64 = 1_000_000_000;
const IDLE: u64 = 5 * SECOND;
/// Packets that make a bulk.
const BULK: u64 = 4;

/// Bulks of a direction, and the run of packets that may become one.
#[derive(Clone, Copy, Default)]
pub struct Bulks {
    pub count: u64,
    pub pkts: u64,
    pub bytes: u64,
    pub ns: u64,
    run_pkts: u64,
    run_bytes: u64,
    run_start: u64,
    run_last: u64,
}

impl Bulks {
    fn packet(&mut self, ts: u64, bytes: u64) {
        if self.run_pkts == 0 || ts.saturating_sub(self.run_last) > SECOND {
            (self.run_pkts, self.run_bytes, self.run_start, self.run_last) = (1, bytes, ts, ts);
            return;
        }
        self.run_pkts += 1;
        self.run_bytes += bytes;
        if self.run_pkts == BULK {
            self.count += 1;
            self.pkts += self.run_pkts;
            self.bytes += self.run_bytes;
            self.ns += ts.saturating_sub(self.run_start);
        } else if self.run_pkts > BULK {
            self.pkts += 1;
            self.bytes += bytes;
            self.ns += ts.saturating_sub(self.run_last);
        }
        self.run_last = ts;
    }

    /// The other direction spoke.
    fn end(&mut self) {
        self.run_pkts = 0;
    }
}

/// Of one direction.
#[derive(Clone, Copy, Default)]
pub struct MoreSide {
    /// Times of the first and the last packet; of no packet 0.
    pub first: u64,
    pub last: u64,
    pub pkts: u64,
    /// Bytes of transport headers, and of the shortest.
    pub headers: u64,
    pub header_min: u64,
    /// Sizes of payload, of packets without any too.
    pub payload: Moments,
    pub bulks: Bulks,
}

/// Of a flow.
#[derive(Clone, Copy, Default)]
pub struct More {
    pub sides: [MoreSide; 2],
    pub active: Moments,
    pub idle: Moments,
    pub subflows: u64,
    active_since: u64,
    last: u64,
}

impl More {
    pub fn packet(&mut self, seen: &PacketSeen<'_>) {
        let p = seen.packet;
        let silence = p.ts.saturating_sub(self.last);
        if self.subflows == 0 {
            (self.subflows, self.active_since) = (1, p.ts);
        } else {
            self.subflows += u64::from(silence > SECOND);
            if silence > IDLE {
                self.active.add(self.last.saturating_sub(self.active_since));
                self.idle.add(silence);
                self.active_since = p.ts;
            }
        }
        self.last = p.ts;
        let payload = u64::from(p.payload.len);
        let header = u64::from(p.l4_hdr.len);
        let s = &mut self.sides[seen.dir.ix()];
        if s.pkts == 0 {
            (s.first, s.header_min) = (p.ts, header);
        }
        s.last = p.ts;
        s.pkts += 1;
        s.headers += header;
        s.header_min = s.header_min.min(header);
        s.payload.add(payload);
        if payload > 0 {
            s.bulks.packet(p.ts, payload);
            let other = if seen.dir == Dir::ToServer { Dir::ToClient } else { Dir::ToServer };
            self.sides[other.ix()].bulks.end();
        }
    }

    /// The flow is over: what it did last counts as activity.
    pub fn ended(&mut self) {
        if self.subflows > 0 && self.last > self.active_since {
            self.active.add(self.last - self.active_since);
        }
    }
}
