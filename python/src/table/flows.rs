//! The table of flows: a row when a flow ends, with the statistics that were asked for.

use tidegate_core::Dir;
use tidegate_core::app::AppProto;
use tidegate_core::event::PacketSeen;
use tidegate_core::flow::{FlowView, flag, prefetch};
use tidegate_core::packet::L4;

use super::column::Kind;
use super::rows::{Ends, Rows, Spec};

/// What every row has.
const BASE: [Spec; 20] = [
    ("flow_id", Kind::U64),
    ("src_ip", Kind::Str),
    ("src_port", Kind::U16),
    ("dest_ip", Kind::Str),
    ("dest_port", Kind::U16),
    ("proto", Kind::Str),
    ("app_proto", Kind::Str),
    ("start", Kind::Time),
    ("end", Kind::Time),
    ("duration_ns", Kind::U64),
    ("pkts_toserver", Kind::U32),
    ("pkts_toclient", Kind::U32),
    ("bytes_toserver", Kind::U64),
    ("bytes_toclient", Kind::U64),
    ("state", Kind::Str),
    ("reason", Kind::Str),
    ("alerted", Kind::Bool),
    ("vlan", Kind::U16),
    ("tunnel", Kind::U8),
    ("first_packet", Kind::U64),
];

/// A group of statistics that can be asked for, and its columns.
pub struct Group {
    pub name: &'static str,
    pub about: &'static str,
    pub columns: &'static [Spec],
}

/// Places of the groups in [`GROUPS`].
const SIZES: usize = 0;
const IAT: usize = 1;
const FLAGS: usize = 2;
const PAYLOAD: usize = 3;
const FIRST: usize = 4;
const ENTROPY: usize = 5;

pub static GROUPS: [Group; 6] = [
    Group {
        name: "sizes",
        about: "smallest, mean, standard deviation and largest of frame sizes, of both directions and of each",
        columns: &[
            ("size_min", Kind::U32),
            ("size_mean", Kind::F64),
            ("size_std", Kind::F64),
            ("size_max", Kind::U32),
            ("size_min_toserver", Kind::U32),
            ("size_mean_toserver", Kind::F64),
            ("size_std_toserver", Kind::F64),
            ("size_max_toserver", Kind::U32),
            ("size_min_toclient", Kind::U32),
            ("size_mean_toclient", Kind::F64),
            ("size_std_toclient", Kind::F64),
            ("size_max_toclient", Kind::U32),
        ],
    },
    Group {
        name: "iat",
        about: "the same of the times between frames, in nanoseconds",
        columns: &[
            ("iat_min_ns", Kind::U64),
            ("iat_mean_ns", Kind::F64),
            ("iat_std_ns", Kind::F64),
            ("iat_max_ns", Kind::U64),
            ("iat_min_ns_toserver", Kind::U64),
            ("iat_mean_ns_toserver", Kind::F64),
            ("iat_std_ns_toserver", Kind::F64),
            ("iat_max_ns_toserver", Kind::U64),
            ("iat_min_ns_toclient", Kind::U64),
            ("iat_mean_ns_toclient", Kind::F64),
            ("iat_std_ns_toclient", Kind::F64),
            ("iat_max_ns_toclient", Kind::U64),
        ],
    },
    Group {
        name: "flags",
        about: "frames with each TCP flag, of each direction, and the window of the first frame",
        columns: &[
            ("fin_toserver", Kind::U32),
            ("syn_toserver", Kind::U32),
            ("rst_toserver", Kind::U32),
            ("psh_toserver", Kind::U32),
            ("ack_toserver", Kind::U32),
            ("urg_toserver", Kind::U32),
            ("ece_toserver", Kind::U32),
            ("cwr_toserver", Kind::U32),
            ("window_toserver", Kind::U16),
            ("fin_toclient", Kind::U32),
            ("syn_toclient", Kind::U32),
            ("rst_toclient", Kind::U32),
            ("psh_toclient", Kind::U32),
            ("ack_toclient", Kind::U32),
            ("urg_toclient", Kind::U32),
            ("ece_toclient", Kind::U32),
            ("cwr_toclient", Kind::U32),
            ("window_toclient", Kind::U16),
        ],
    },
    Group {
        name: "payload",
        about: "frames with payload and its bytes, of each direction",
        columns: &[
            ("payload_pkts_toserver", Kind::U32),
            ("payload_bytes_toserver", Kind::U64),
            ("payload_pkts_toclient", Kind::U32),
            ("payload_bytes_toclient", Kind::U64),
        ],
    },
    Group {
        name: "first",
        about: "of the first frames: size, direction (1 to the server, -1 to the client), nanoseconds since the one before",
        columns: &[
            ("first_sizes", Kind::U16s),
            ("first_directions", Kind::I8s),
            ("first_iat_ns", Kind::U32s),
        ],
    },
    Group {
        name: "entropy",
        about: "bits per byte of the payload, of each direction",
        columns: &[("entropy_toserver", Kind::F64), ("entropy_toclient", Kind::F64)],
    },
];

/// What is asked for: a bit for each of [`GROUPS`], and how many first frames.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    pub groups: u8,
    pub first: usize,
}

impl Asked {
    fn has(self, group: usize) -> bool {
        self.groups >> group & 1 == 1
    }

    /// The columns of the table.
    pub fn specs(self) -> Vec<Spec> {
        let groups = GROUPS.iter().enumerate().filter(|(i, _)| self.has(*i));
        BASE.into_iter().chain(groups.flat_map(|(_, g)| g.columns.iter().copied())).collect()
    }
}

/// Count, sum, sum of squares and bounds of a value.
#[derive(Clone, Copy, Default)]
struct Moments {
    n: u64,
    sum: u64,
    squares: u128,
    min: u64,
    max: u64,
}

impl Moments {
    fn with(self, o: Moments) -> Moments {
        match (self.n, o.n) {
            (0, _) => o,
            (_, 0) => self,
            _ => Moments {
                n: self.n + o.n,
                sum: self.sum.wrapping_add(o.sum),
                squares: self.squares.wrapping_add(o.squares),
                min: self.min.min(o.min),
                max: self.max.max(o.max),
            },
        }
    }

    /// Smallest, mean, deviation of the sample, largest; nothing where nothing was counted.
    fn fill(&self, rows: &mut Rows) {
        if self.n == 0 {
            (0..4).for_each(|_| rows.next().null());
            return;
        }
        let n = self.n as f64;
        let mean = self.sum as f64 / n;
        // Exact up to here: n times the squares less the square of the sum.
        let spread = u128::from(self.n)
            .saturating_mul(self.squares)
            .saturating_sub(u128::from(self.sum).saturating_mul(u128::from(self.sum)));
        let std = if self.n > 1 { (spread as f64 / (n * (n - 1.0))).sqrt() } else { 0.0 };
        rows.next().number(self.min);
        rows.next().float(mean);
        rows.next().float(std);
        rows.next().number(self.max);
    }
}

/// Times between frames. Small, because every frame of a capture comes by.
#[derive(Clone, Copy, Default)]
struct Gaps {
    squares: u128,
    /// Their sum is the time from the first to the last frame, except where time went back.
    sum: u64,
    min: u64,
    max: u64,
    /// Time of the last frame.
    last: u64,
}

impl Gaps {
    /// A frame at `ts`, the first or a further one; the time since the one before.
    #[inline]
    fn add(&mut self, ts: u64, first: bool) -> u64 {
        let last = std::mem::replace(&mut self.last, ts);
        if first {
            self.min = u64::MAX;
            return 0;
        }
        let gap = ts.saturating_sub(last);
        self.min = self.min.min(gap);
        self.max = self.max.max(gap);
        self.sum = self.sum.wrapping_add(gap);
        self.squares = self.squares.wrapping_add(u128::from(gap) * u128::from(gap));
        gap
    }

    /// Of `frames` frames.
    fn moments(&self, frames: u64) -> Moments {
        let n = frames.saturating_sub(1);
        Moments { n, sum: self.sum, squares: self.squares, min: self.min, max: self.max }
    }
}

/// What is counted of a direction: two cache lines.
#[derive(Clone, Copy, Default)]
#[repr(C, align(64))]
struct Side {
    gaps: Gaps,
    size_sum: u64,
    size_squares: u64,
    /// Here the second line begins.
    flags: [u32; 8],
    payload_bytes: u64,
    pkts: u32,
    size_min: u32,
    size_max: u32,
    payload_pkts: u32,
    window: u16,
}

impl Side {
    fn sizes(&self) -> Moments {
        Moments {
            n: u64::from(self.pkts),
            sum: self.size_sum,
            squares: u128::from(self.size_squares),
            min: u64::from(self.size_min),
            max: u64::from(self.size_max),
        }
    }
}

/// Size, direction, time since the one before.
type First = (u16, i8, u32);

/// What is counted of a flow: five cache lines, three of which a packet changes.
#[derive(Default)]
#[repr(C)]
struct Stat {
    sides: [Side; 2],
    gaps: Gaps,
    /// Size, direction, time since the one before; in a box, so that all beside the sides is one cache line.
    first: Option<Box<Vec<First>>>,
    /// Payload bytes by value and direction.
    bytes: Option<Box<[[u32; 256]; 2]>>,
}

const _: () = assert!(size_of::<Stat>() == 320);

impl Stat {
    /// A new flow has the place.
    fn reset(&mut self) {
        self.sides = [Side::default(); 2];
        self.gaps = Gaps::default();
        (self.first, self.bytes) = (None, None);
    }

    /// Asks for what a packet changes; its direction is not known yet.
    #[inline]
    fn soon(&self) {
        for s in &self.sides {
            prefetch(&s.gaps);
            prefetch(&s.flags);
        }
        prefetch(&self.gaps);
    }

    #[inline]
    fn packet(&mut self, seen: &PacketSeen<'_>, asked: Asked) {
        let p = seen.packet;
        let size = u32::try_from(p.data.len()).unwrap_or(u32::MAX);
        let mut since = 0;
        let side = &mut self.sides[seen.dir.ix()];
        let opens = side.pkts == 0;
        if asked.has(IAT) || asked.has(FIRST) {
            side.gaps.add(p.ts, opens);
            since = self.gaps.add(p.ts, seen.new);
        }
        if opens {
            side.window = p.tcp.window;
            side.size_min = size;
        }
        side.size_min = side.size_min.min(size);
        side.size_max = side.size_max.max(size);
        side.size_sum = side.size_sum.wrapping_add(u64::from(size));
        side.size_squares = side.size_squares.wrapping_add(u64::from(size) * u64::from(size));
        side.pkts = side.pkts.wrapping_add(1);
        if p.l4 == L4::Tcp && asked.has(FLAGS) {
            for (i, n) in side.flags.iter_mut().enumerate() {
                *n += u32::from(p.tcp.flags >> i & 1);
            }
        }
        if p.payload.len > 0 {
            side.payload_pkts += 1;
            side.payload_bytes += u64::from(p.payload.len);
        }
        if asked.has(FIRST)
            && let first = self.first.get_or_insert_default()
            && first.len() < asked.first
        {
            let size = u16::try_from(p.data.len()).unwrap_or(u16::MAX);
            let dir = if seen.dir == Dir::ToServer { 1 } else { -1 };
            first.push((size, dir, u32::try_from(since).unwrap_or(u32::MAX)));
        }
        if asked.has(ENTROPY) && p.payload.len > 0 {
            let counts = self.bytes.get_or_insert_with(|| Box::new([[0; 256]; 2]));
            for &b in p.payload() {
                let n = &mut counts[seen.dir.ix()][usize::from(b)];
                *n = n.saturating_add(1);
            }
        }
    }

    fn fill(&self, rows: &mut Rows, asked: Asked) {
        let [a, b] = &self.sides;
        if asked.has(SIZES) {
            let (a, b) = (a.sizes(), b.sizes());
            [a.with(b), a, b].iter().for_each(|m| m.fill(rows));
        }
        if asked.has(IAT) {
            let (there, back) = (u64::from(a.pkts), u64::from(b.pkts));
            let all = self.gaps.moments(there + back);
            [all, a.gaps.moments(there), b.gaps.moments(back)].iter().for_each(|m| m.fill(rows));
        }
        for s in &self.sides {
            if asked.has(FLAGS) {
                s.flags.iter().for_each(|n| rows.next().number(u64::from(*n)));
                rows.next().number(u64::from(s.window));
            }
        }
        for s in &self.sides {
            if asked.has(PAYLOAD) {
                rows.next().number(u64::from(s.payload_pkts));
                rows.next().number(s.payload_bytes);
            }
        }
        if asked.has(FIRST) {
            let first = self.first.as_deref().map_or(&[][..], Vec::as_slice);
            rows.next().list_u16(first.iter().map(|f| f.0));
            rows.next().list_i8(first.iter().map(|f| f.1));
            rows.next().list_u32(first.iter().map(|f| f.2));
        }
        if asked.has(ENTROPY) {
            for d in 0..2 {
                match self.bytes.as_ref().and_then(|b| entropy(&b[d])) {
                    Some(e) => rows.next().float(e),
                    None => rows.next().null(),
                }
            }
        }
    }
}

/// Shannon's, bits per byte; nothing of no bytes.
fn entropy(counts: &[u32; 256]) -> Option<f64> {
    let total: f64 = counts.iter().map(|&n| f64::from(n)).sum();
    if total == 0.0 {
        return None;
    }
    let bits = |n: f64| n / total * (total / n).log2();
    Some(counts.iter().filter(|&&n| n > 0).map(|&n| bits(f64::from(n))).sum())
}

/// Fills the table of flows.
pub struct Flows {
    asked: Asked,
    /// Statistics by the place of the flow, and the mask that gives it.
    stats: Vec<Stat>,
    places: usize,
}

impl Flows {
    /// `places`: how many flows there can be, rounded up to a power of two.
    pub fn new(asked: Asked, places: usize) -> Flows {
        // All of it at once: what is not touched costs nothing, and what grows is copied.
        let stats = Vec::with_capacity(if asked.groups == 0 { 0 } else { places });
        Flows { asked, stats, places }
    }

    /// The place of a flow that ended.
    fn place(&self, flow: u64) -> usize {
        (flow & (self.places as u64).saturating_sub(1)) as usize
    }

    #[inline]
    pub fn soon(&self, place: usize) {
        if let Some(s) = self.stats.get(place) {
            s.soon();
        }
    }

    #[inline]
    pub fn packet(&mut self, seen: &PacketSeen<'_>) {
        let at = seen.place;
        if at >= self.stats.len() {
            self.stats.resize_with(at + 1, Stat::default);
        }
        let stat = &mut self.stats[at];
        if seen.new {
            stat.reset();
        }
        stat.packet(seen, self.asked);
    }

    pub fn flow(&mut self, f: &FlowView<'_>, rows: &mut Rows) {
        rows.next().number(f.id());
        Ends::of_flow(f, false).fill(rows);
        match f.extra.app {
            AppProto::UNKNOWN => rows.next().null(),
            p => rows.next().text(p.name()),
        }
        rows.next().number(f.start());
        rows.next().number(f.last());
        rows.next().number(f.last().saturating_sub(f.start()));
        for d in Dir::BOTH {
            rows.next().number(u64::from(f.pkts(d)));
        }
        for d in Dir::BOTH {
            rows.next().number(f.bytes(d));
        }
        rows.next().text(f.state().name());
        rows.next().text(f.reason().name());
        rows.next().number(u64::from(f.has(flag::ALERTED)));
        let k = f.key();
        rows.next().maybe((k.vlans > 0).then_some(u64::from(k.vlan[0])));
        rows.next().number(u64::from(k.recursion));
        rows.next().number(f.cold.first_index);
        if self.asked.groups != 0 {
            let at = self.place(f.id());
            match self.stats.get_mut(at) {
                Some(s) => {
                    s.fill(rows, self.asked);
                    // Not kept for the next flow there: only live ones are to hold memory.
                    (s.first, s.bytes) = (None, None);
                }
                None => Stat::default().fill(rows, self.asked),
            }
        }
        rows.end();
    }
}
