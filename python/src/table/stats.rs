//! Statistics of flows: packets of a flow go in; columns of ended flows come out, some flows at a time, so that a column
//! is filled in one go.

use tidegate_core::Dir;
use tidegate_core::event::PacketSeen;
use tidegate_core::flow::prefetch;
use tidegate_core::packet::L4;

use super::column::{Column, Kind};
use super::more::{More, MoreSide};
use super::rows::Spec;

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
const TIMES: usize = 6;
const HEADERS: usize = 7;
const PAYLOADS: usize = 8;
const ACTIVITY: usize = 9;
const BULKS: usize = 10;
const SUBFLOWS: usize = 11;
/// Of the flow, not of its packets: these columns come first.
pub const ENDS: usize = 12;
pub const NAMES: usize = 13;
const OF_FLOW: [usize; 2] = [ENDS, NAMES];
/// Those that [`More`] counts.
const OF_MORE: u16 = 1 << TIMES | 1 << HEADERS | 1 << PAYLOADS | 1 << ACTIVITY | 1 << BULKS | 1 << SUBFLOWS;

pub static GROUPS: [Group; 14] = [
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
            ("first_sizes", Kind::U32s),
            ("first_directions", Kind::I8s),
            ("first_iat_ns", Kind::U64s),
        ],
    },
    Group {
        name: "entropy",
        about: "bits per byte of the payload, of each direction",
        columns: &[("entropy_toserver", Kind::F64), ("entropy_toclient", Kind::F64)],
    },
    Group {
        name: "times",
        about: "times of the first and the last frame of each direction",
        columns: &[
            ("first_toserver", Kind::Time),
            ("last_toserver", Kind::Time),
            ("first_toclient", Kind::Time),
            ("last_toclient", Kind::Time),
        ],
    },
    Group {
        name: "headers",
        about: "bytes of transport headers of each direction, and of the shortest",
        columns: &[
            ("header_bytes_toserver", Kind::U64),
            ("header_min_toserver", Kind::U64),
            ("header_bytes_toclient", Kind::U64),
            ("header_min_toclient", Kind::U64),
        ],
    },
    Group {
        name: "payload_sizes",
        about: "smallest, mean, deviation and largest of payload sizes (0 counts), of both directions and of each",
        columns: &[
            ("payload_size_min", Kind::U64),
            ("payload_size_mean", Kind::F64),
            ("payload_size_std", Kind::F64),
            ("payload_size_max", Kind::U64),
            ("payload_size_min_toserver", Kind::U64),
            ("payload_size_mean_toserver", Kind::F64),
            ("payload_size_std_toserver", Kind::F64),
            ("payload_size_max_toserver", Kind::U64),
            ("payload_size_min_toclient", Kind::U64),
            ("payload_size_mean_toclient", Kind::F64),
            ("payload_size_std_toclient", Kind::F64),
            ("payload_size_max_toclient", Kind::U64),
        ],
    },
    Group {
        name: "activity",
        about: "the same of times of activity, which 5 s of silence end, and of that silence, in nanoseconds",
        columns: &[
            ("active_min_ns", Kind::U64),
            ("active_mean_ns", Kind::F64),
            ("active_std_ns", Kind::F64),
            ("active_max_ns", Kind::U64),
            ("idle_min_ns", Kind::U64),
            ("idle_mean_ns", Kind::F64),
            ("idle_std_ns", Kind::F64),
            ("idle_max_ns", Kind::U64),
        ],
    },
    Group {
        name: "bulks",
        about: "bulks of each direction (four packets with payload or more, within 1 s each): how many, packets, bytes, time",
        columns: &[
            ("bulk_count_toserver", Kind::U64),
            ("bulk_pkts_toserver", Kind::U64),
            ("bulk_bytes_toserver", Kind::U64),
            ("bulk_ns_toserver", Kind::U64),
            ("bulk_count_toclient", Kind::U64),
            ("bulk_pkts_toclient", Kind::U64),
            ("bulk_bytes_toclient", Kind::U64),
            ("bulk_ns_toclient", Kind::U64),
        ],
    },
    Group {
        name: "subflows",
        about: "parts of the flow that 1 s of silence parts",
        columns: &[("subflows", Kind::U64)],
    },
    Group {
        name: "ends",
        about: "MAC addresses of the first frame, version of IP",
        columns: &[("src_mac", Kind::Str), ("dest_mac", Kind::Str), ("ip_version", Kind::U8)],
    },
    Group {
        name: "names",
        about: "what records say: server name, user agent, content type, fingerprints (JA3 where the configuration asks for it, HASSH)",
        columns: &[
            ("server_name", Kind::Str),
            ("user_agent", Kind::Str),
            ("content_type", Kind::Str),
            ("client_fingerprint", Kind::Str),
            ("server_fingerprint", Kind::Str),
        ],
    },
];

/// What is asked for: a bit for each of [`GROUPS`], and how many first frames.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    pub groups: u16,
    pub first: usize,
}

impl Asked {
    pub fn has(self, group: usize) -> bool {
        self.groups >> group & 1 == 1
    }

    /// Every packet is counted.
    pub fn of_packets(self) -> bool {
        OF_FLOW.iter().fold(self.groups, |all, g| all & !(1 << g)) != 0
    }

    /// Its columns: those of the flow itself, then those that are counted.
    pub fn specs(self) -> impl Iterator<Item = Spec> {
        let of = move |flow: bool| {
            let groups = GROUPS.iter().enumerate();
            groups
                .filter(move |(i, _)| self.has(*i) && OF_FLOW.contains(i) == flow)
                .flat_map(|(_, g)| g.columns.iter().copied())
        };
        of(true).chain(of(false))
    }

    /// How many columns are of the flow itself.
    pub fn flow_columns(self) -> usize {
        OF_FLOW.iter().filter(|g| self.has(**g)).map(|g| GROUPS[*g].columns.len()).sum()
    }
}

/// Count, sum, sum of squares and bounds of a value.
#[derive(Clone, Copy, Default)]
pub struct Moments {
    n: u64,
    sum: u64,
    squares: u128,
    min: u64,
    max: u64,
}

impl Moments {
    pub fn add(&mut self, v: u64) {
        self.min = if self.n == 0 { v } else { self.min.min(v) };
        self.max = self.max.max(v);
        self.n += 1;
        self.sum = self.sum.wrapping_add(v);
        self.squares = self.squares.wrapping_add(u128::from(v) * u128::from(v));
    }

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

    /// Deviation of the sample.
    fn std(&self) -> f64 {
        if self.n < 2 {
            return 0.0;
        }
        let n = self.n as f64;
        // Exact up to here: n times the squares less the square of the sum.
        let spread = u128::from(self.n)
            .saturating_mul(self.squares)
            .saturating_sub(u128::from(self.sum).saturating_mul(u128::from(self.sum)));
        (spread as f64 / (n * (n - 1.0))).sqrt()
    }
}

/// Smallest, mean, deviation of the sample, largest; nothing where nothing was counted.
fn four(columns: &mut Columns<'_>, of: impl Iterator<Item = Moments>) {
    let of: Vec<Moments> = of.collect();
    let there: Vec<bool> = of.iter().map(|m| m.n > 0).collect();
    columns.next().numbers(of.iter().map(|m| m.min), Some(&there));
    columns.next().floats(of.iter().map(|m| m.sum as f64 / m.n.max(1) as f64), &there);
    columns.next().floats(of.iter().map(Moments::std), &there);
    columns.next().numbers(of.iter().map(|m| m.max), Some(&there));
}

/// Columns in turn.
struct Columns<'a> {
    left: std::slice::IterMut<'a, Column>,
    /// Takes what there is no column for, which does not happen.
    spare: Column,
}

impl Columns<'_> {
    fn next(&mut self) -> &mut Column {
        self.left.next().unwrap_or(&mut self.spare)
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

/// Of the first frames: size, direction, time since the one before.
#[derive(Default)]
struct First(Vec<(u32, i8, u64)>);

/// What is counted of a flow: five cache lines, three of which a packet changes.
#[derive(Default)]
#[repr(C)]
pub struct Stat {
    sides: [Side; 2],
    gaps: Gaps,
    /// In a box, so that all beside the sides is one cache line.
    first: Option<Box<First>>,
    extra: Option<Box<Extra>>,
}

/// What is seldom asked for.
#[derive(Default)]
struct Extra {
    /// Payload bytes by value and direction.
    bytes: Option<Box<[[u32; 256]; 2]>>,
    more: More,
}

const _: () = assert!(size_of::<Stat>() == 320);

impl Stat {
    /// A new flow has the place.
    pub fn reset(&mut self) {
        self.sides = [Side::default(); 2];
        self.gaps = Gaps::default();
        (self.first, self.extra) = (None, None);
    }

    /// Asks for what a packet changes; its direction is not known yet.
    #[inline]
    pub fn soon(&self) {
        for s in &self.sides {
            prefetch(&s.gaps);
            prefetch(&s.flags);
        }
        prefetch(&self.gaps);
    }

    #[inline]
    pub fn packet(&mut self, seen: &PacketSeen<'_>, asked: Asked) {
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
            && let first = &mut self.first.get_or_insert_default().0
            && first.len() < asked.first
        {
            let dir = if seen.dir == Dir::ToServer { 1 } else { -1 };
            first.push((size, dir, since));
        }
        if asked.groups & OF_MORE != 0 {
            self.extra.get_or_insert_default().more.packet(seen);
        }
        if asked.has(ENTROPY) && p.payload.len > 0 {
            let extra = self.extra.get_or_insert_default();
            let counts = extra.bytes.get_or_insert_with(|| Box::new([[0; 256]; 2]));
            for &b in p.payload() {
                let n = &mut counts[seen.dir.ix()][usize::from(b)];
                *n = n.saturating_add(1);
            }
        }
    }

    fn bytes(&self) -> Option<&[[u32; 256]; 2]> {
        self.extra.as_ref().and_then(|e| e.bytes.as_deref())
    }

    fn more(&self) -> More {
        self.extra.as_ref().map_or_else(More::default, |e| e.more)
    }

    fn first(&self) -> &[(u32, i8, u64)] {
        self.first.as_deref().map_or(&[], |f| f.0.as_slice())
    }

    /// What was counted, as the flow has ended: only live flows are to hold memory.
    pub fn take(&mut self) -> Stat {
        let mut extra = self.extra.take();
        if let Some(e) = &mut extra {
            e.more.ended();
        }
        Stat { sides: self.sides, gaps: self.gaps, first: self.first.take(), extra }
    }
}

/// Fills the columns of what is asked for with ended flows, a row each.
pub fn fill(of: &[Stat], columns: &mut [Column], asked: Asked) {
    let mut columns = Columns { left: columns.iter_mut(), spare: Column::new(Kind::U64) };
    let cs = &mut columns;
    if asked.has(SIZES) {
        four(cs, of.iter().map(|s| s.sides[0].sizes().with(s.sides[1].sizes())));
        for d in 0..2 {
            four(cs, of.iter().map(|s| s.sides[d].sizes()));
        }
    }
    if asked.has(IAT) {
        let frames = |s: &Side| u64::from(s.pkts);
        four(cs, of.iter().map(|s| s.gaps.moments(frames(&s.sides[0]) + frames(&s.sides[1]))));
        for d in 0..2 {
            four(cs, of.iter().map(|s| s.sides[d].gaps.moments(frames(&s.sides[d]))));
        }
    }
    if asked.has(FLAGS) {
        for d in 0..2 {
            for f in 0..8 {
                cs.next().numbers(of.iter().map(|s| u64::from(s.sides[d].flags[f])), None);
            }
            cs.next().numbers(of.iter().map(|s| u64::from(s.sides[d].window)), None);
        }
    }
    if asked.has(PAYLOAD) {
        for d in 0..2 {
            cs.next().numbers(of.iter().map(|s| u64::from(s.sides[d].payload_pkts)), None);
            cs.next().numbers(of.iter().map(|s| s.sides[d].payload_bytes), None);
        }
    }
    if asked.has(FIRST) {
        let sizes = cs.next();
        of.iter().for_each(|s| sizes.list_u32(s.first().iter().map(|f| f.0)));
        let directions = cs.next();
        of.iter().for_each(|s| directions.list_i8(s.first().iter().map(|f| f.1)));
        let gaps = cs.next();
        of.iter().for_each(|s| gaps.list_u64(s.first().iter().map(|f| f.2)));
    }
    if asked.has(ENTROPY) {
        for d in 0..2 {
            let column = cs.next();
            for s in of {
                match s.bytes().and_then(|b| entropy(&b[d])) {
                    Some(e) => column.float(e),
                    None => column.null(),
                }
            }
        }
    }
    if asked.groups & OF_MORE != 0 {
        fill_more(&of.iter().map(Stat::more).collect::<Vec<_>>(), cs, asked);
    }
}

/// The same for what [`More`] counts.
fn fill_more(of: &[More], cs: &mut Columns<'_>, asked: Asked) {
    let each = |f: fn(&MoreSide) -> u64, d: usize| of.iter().map(move |m| f(&m.sides[d]));
    let there = |d: usize| of.iter().map(|m| m.sides[d].pkts > 0).collect::<Vec<_>>();
    for d in (0..2).filter(|_| asked.has(TIMES)) {
        for f in [(|s| s.first) as fn(&MoreSide) -> u64, |s| s.last] {
            let column = cs.next();
            for (t, there) in each(f, d).zip(there(d)) {
                column.maybe(there.then_some(t));
            }
        }
    }
    for d in (0..2).filter(|_| asked.has(HEADERS)) {
        cs.next().numbers(each(|s| s.headers, d), None);
        cs.next().numbers(each(|s| s.header_min, d), Some(&there(d)));
    }
    if asked.has(PAYLOADS) {
        four(cs, of.iter().map(|m| m.sides[0].payload.with(m.sides[1].payload)));
        for d in 0..2 {
            four(cs, of.iter().map(|m| m.sides[d].payload));
        }
    }
    if asked.has(ACTIVITY) {
        four(cs, of.iter().map(|m| m.active));
        four(cs, of.iter().map(|m| m.idle));
    }
    for d in (0..2).filter(|_| asked.has(BULKS)) {
        cs.next().numbers(each(|s| s.bulks.count, d), None);
        cs.next().numbers(each(|s| s.bulks.pkts, d), None);
        cs.next().numbers(each(|s| s.bulks.bytes, d), None);
        cs.next().numbers(each(|s| s.bulks.ns, d), None);
    }
    if asked.has(SUBFLOWS) {
        cs.next().numbers(of.iter().map(|m| m.subflows), None);
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
