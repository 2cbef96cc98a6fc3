//! Block lists: networks whose packets stay, whatever rules say.
//!
//! In: files with an address or network a line, addresses of packets. Out: whether a packet is from or to a listed network,
//! without allocating or waiting, and the fewest prefixes that say the same, for hardware. Only a frame's outermost IP header
//! counts: hardware sees no other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use tidegate_core::rules::sets::{Bound, normalise};

/// An address and how many of its leading bits count; the others are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    pub addr: IpAddr,
    pub bits: u8,
}

/// What is wrong with a list.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    #[error("{}: {source}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{}:{line}:{column}: {what}", path.display())]
    Line {
        path: PathBuf,
        /// From 1; the column in characters.
        line: usize,
        column: usize,
        what: String,
    },
}

/// Networks to look addresses up in.
#[derive(Debug, Default)]
pub struct BlockList {
    v4: Table<u32>,
    v6: Table<u128>,
    /// Lines of the files that name something.
    written: usize,
}

/// An address of one family as a number.
trait Address: Bound {
    const BITS: u32;
    /// The leading 16 bits.
    fn top(self) -> usize;
    /// The size of the largest aligned block that begins here, as a number of bits that do not count.
    fn zeros(self) -> u32;
    /// The last address of the block that begins here and leaves so many bits open.
    fn last(self, open: u32) -> Self;
    fn network(self, bits: u8) -> Network;
}

impl Address for u32 {
    const BITS: u32 = 32;
    fn top(self) -> usize {
        (self >> 16) as usize
    }
    fn zeros(self) -> u32 {
        self.trailing_zeros()
    }
    fn last(self, open: u32) -> u32 {
        self | u32::MAX.checked_shr(32 - open).unwrap_or(0)
    }
    fn network(self, bits: u8) -> Network {
        Network { addr: IpAddr::V4(Ipv4Addr::from(self)), bits }
    }
}

impl Address for u128 {
    const BITS: u32 = 128;
    fn top(self) -> usize {
        (self >> 112) as usize
    }
    fn zeros(self) -> u32 {
        self.trailing_zeros()
    }
    fn last(self, open: u32) -> u128 {
        self | u128::MAX.checked_shr(128 - open).unwrap_or(0)
    }
    fn network(self, bits: u8) -> Network {
        Network { addr: IpAddr::V6(Ipv6Addr::from(self)), bits }
    }
}

/// Sorted, disjoint ranges, and where those of each 65,536th of all addresses begin.
#[derive(Debug)]
struct Table<T> {
    ranges: Vec<(T, T)>,
    /// By leading 16 bits: the first range that ends there or later. Empty without ranges.
    first: Vec<u32>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table { ranges: Vec::new(), first: Vec::new() }
    }
}

impl<T: Address> Table<T> {
    fn new(mut ranges: Vec<(T, T)>) -> Table<T> {
        normalise(&mut ranges);
        let mut first = Vec::new();
        if !ranges.is_empty() {
            let mut at = 0;
            first.extend((0..=1usize << 16).map(|top| {
                while ranges.get(at).is_some_and(|r| r.1.top() < top) {
                    at += 1;
                }
                at as u32
            }));
        }
        Table { ranges, first }
    }

    #[inline]
    fn has(&self, a: T) -> bool {
        let top = a.top();
        let (Some(&from), Some(&to)) = (self.first.get(top), self.first.get(top + 1)) else { return false };
        // The range that later addresses begin with may begin here.
        let to = (to as usize + 1).min(self.ranges.len());
        let Some(near) = self.ranges.get(from as usize..to) else { return false };
        near.get(near.partition_point(|r| r.1 < a)).is_some_and(|r| r.0 <= a)
    }

    /// The fewest networks that cover the ranges, in order.
    fn networks(&self, out: &mut Vec<Network>) {
        for &(lo, hi) in &self.ranges {
            let mut at = lo;
            loop {
                let mut open = at.zeros().min(T::BITS);
                while at.last(open) > hi {
                    open -= 1;
                }
                out.push(at.network((T::BITS - open) as u8));
                match at.last(open).next() {
                    Some(next) if next <= hi => at = next,
                    _ => break,
                }
            }
        }
    }
}

impl Network {
    /// Reads `10.0.0.0/8`, `192.0.2.1`, `2001:db8::/32`. Bits that do not count may be anything.
    pub fn parse(text: &str) -> Result<Network, String> {
        let (addr, bits) = match text.split_once('/') {
            None => (text, None),
            Some((a, b)) => (a, Some(b)),
        };
        let Ok(addr) = addr.parse::<IpAddr>() else {
            return Err(format!("`{text}` is neither an address nor a network"));
        };
        let most = if addr.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(b) => b
                .parse()
                .ok()
                .filter(|n| *n <= most && b.bytes().all(|c| c.is_ascii_digit()))
                .ok_or_else(|| format!("`{b}` is not a number of bits from 0 to {most}"))?,
        };
        let open = u32::from(most - bits);
        Ok(match addr {
            IpAddr::V4(a) => (u32::from(a) & !u32::MAX.checked_shr(32 - open).unwrap_or(0)).network(bits),
            IpAddr::V6(a) => (u128::from(a) & !u128::MAX.checked_shr(128 - open).unwrap_or(0)).network(bits),
        })
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.addr, self.bits)
    }
}

/// The networks of a list's text: one a line, and what follows `#` or `;` is for readers. `path` is for messages.
fn parse(text: &str, path: &Path, out: &mut Vec<Network>) -> Result<(), ListError> {
    for (n, line) in text.lines().enumerate() {
        let said = line.split(['#', ';']).next().unwrap_or("");
        let word = said.trim();
        if word.is_empty() {
            continue;
        }
        let wrong = |at: usize, what: String| ListError::Line {
            path: path.to_owned(),
            line: n + 1,
            column: said.get(..at).map_or(0, |s| s.chars().count()) + 1,
            what,
        };
        let begin = said.len() - said.trim_start().len();
        if let Some(gap) = word.find(char::is_whitespace) {
            let more = word[gap..].trim_start();
            let at = begin + word.len() - more.len();
            return Err(wrong(
                at,
                format!("one address or network a line is expected, not `{more}` as well"),
            ));
        }
        let at = |e: &str| {
            begin + if e.contains("number of bits") { word.find('/').map_or(0, |s| s + 1) } else { 0 }
        };
        out.push(Network::parse(word).map_err(|e| wrong(at(&e), e))?);
    }
    Ok(())
}

impl BlockList {
    /// Of these networks; they may overlap.
    pub fn new(networks: &[Network]) -> BlockList {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for n in networks {
            match n.addr {
                IpAddr::V4(a) => {
                    let a = u32::from(a);
                    v4.push((a, a.last(32 - u32::from(n.bits.min(32)))));
                }
                IpAddr::V6(a) => {
                    let a = u128::from(a);
                    v6.push((a, a.last(128 - u32::from(n.bits.min(128)))));
                }
            }
        }
        BlockList { v4: Table::new(v4), v6: Table::new(v6), written: networks.len() }
    }

    /// Reads all files; the first thing that is wrong is told by file, line and column.
    pub fn load(files: &[PathBuf]) -> Result<BlockList, ListError> {
        let mut all = Vec::new();
        for path in files {
            let text =
                std::fs::read(path).map_err(|source| ListError::Read { path: path.clone(), source })?;
            // Comments may be in any encoding; what matters is ASCII.
            parse(&String::from_utf8_lossy(&text), path, &mut all)?;
        }
        Ok(BlockList::new(&all))
    }

    pub fn is_empty(&self) -> bool {
        self.v4.ranges.is_empty() && self.v6.ranges.is_empty()
    }

    /// Lines of the files that name a network.
    pub fn written(&self) -> usize {
        self.written
    }

    /// The fewest networks that say the same, those with most addresses first (IPv4 before IPv6).
    pub fn networks(&self) -> Vec<Network> {
        let mut v4 = Vec::new();
        self.v4.networks(&mut v4);
        let mut v6 = Vec::new();
        self.v6.networks(&mut v6);
        v4.sort_by_key(|n| n.bits);
        v6.sort_by_key(|n| n.bits);
        v4.append(&mut v6);
        v4
    }

    /// Whether an address is in a listed network.
    #[inline]
    pub fn has(&self, a: IpAddr) -> bool {
        match a {
            IpAddr::V4(a) => self.v4.has(u32::from(a)),
            IpAddr::V6(a) => self.v6.has(u128::from(a)),
        }
    }

    /// Whether a frame is from or to a listed network. `link`: its LINKTYPE_, Ethernet or raw IP.
    #[inline]
    pub fn meets(&self, frame: &[u8], link: u16) -> bool {
        let Some(ip) = network_header(frame, link) else { return false };
        match ip.first().map(|b| b >> 4) {
            Some(4) => match ip.get(12..20) {
                Some(&[a, b, c, d, e, f, g, h]) => {
                    self.v4.has(u32::from_be_bytes([a, b, c, d]))
                        || self.v4.has(u32::from_be_bytes([e, f, g, h]))
                }
                _ => false,
            },
            Some(6) if !self.v6.ranges.is_empty() => {
                let address = |at: usize| ip.get(at..at + 16).and_then(|b| b.try_into().ok());
                [8, 24].into_iter().filter_map(address).any(|a| self.v6.has(u128::from_be_bytes(a)))
            }
            _ => false,
        }
    }
}

/// Where a frame is from and to.
pub(crate) fn ends(frame: &[u8], link: u16) -> Option<(IpAddr, IpAddr)> {
    let ip = network_header(frame, link)?;
    match ip.first()? >> 4 {
        4 => {
            let a =
                |at: usize| ip.get(at..at + 4).and_then(|b| <[u8; 4]>::try_from(b).ok()).map(IpAddr::from);
            a(12).zip(a(16))
        }
        6 => {
            let a =
                |at: usize| ip.get(at..at + 16).and_then(|b| <[u8; 16]>::try_from(b).ok()).map(IpAddr::from);
            a(8).zip(a(24))
        }
        _ => None,
    }
}

/// The outermost IP header: behind Ethernet with any tags, MPLS labels or PPPoE, or at once.
#[inline]
fn network_header(frame: &[u8], link: u16) -> Option<&[u8]> {
    match link {
        1 => {}
        12 | 14 | 101 | 228 | 229 => return Some(frame),
        _ => return None,
    }
    let mut at = 12;
    loop {
        match *frame.get(at..at + 2)? {
            [0x08, 0x00] | [0x86, 0xdd] => return frame.get(at + 2..),
            [0x81, 0x00] | [0x88, 0xa8] | [0x91, 0x00] | [0x92, 0x00] | [0x93, 0x00] => at += 4,
            [0x88, 0x47 | 0x48] => {
                at += 2;
                // The last label says so (RFC 3032).
                while frame.get(at + 2)? & 1 == 0 {
                    at += 4;
                }
                return frame.get(at + 4..);
            }
            // Session stage, PPP's protocol IPv4 or IPv6 (RFC 2516).
            [0x88, 0x64] => {
                return match *frame.get(at + 8..at + 10)? {
                    [0x00, 0x21 | 0x57] => frame.get(at + 10..),
                    _ => None,
                };
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(text: &str) -> Result<BlockList, String> {
        let mut all = Vec::new();
        parse(text, Path::new("bad.txt"), &mut all).map_err(|e| e.to_string())?;
        Ok(BlockList::new(&all))
    }

    #[test]
    fn lists_are_read() {
        let l = list(
            "# from somewhere\r\n\r\n10.0.0.0/8 ; SBL1\r\n  192.0.2.7\t# a host\n10.1.2.3\n2001:db8::/32\n2001:db8::5\n",
        )
        .unwrap();
        assert_eq!(l.written(), 5);
        let said: Vec<String> = l.networks().iter().map(Network::to_string).collect();
        assert_eq!(said, ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"], "narrower ones are in wider ones");
        for (a, yes) in [
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("9.255.255.255", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::", false),
            ("::ffff:10.0.0.1", false),
        ] {
            assert_eq!(l.has(a.parse().unwrap()), yes, "{a}");
        }
        assert!(list("").unwrap().is_empty() && !list("").unwrap().has("1.2.3.4".parse().unwrap()));
        let l = list("0.0.0.0/1\n128.0.0.0/1\n::/0").unwrap();
        assert_eq!(l.networks().iter().map(Network::to_string).collect::<Vec<_>>(), ["0.0.0.0/0", "::/0"]);
        assert!(l.has("255.255.255.255".parse().unwrap()) && l.has("::".parse().unwrap()));
        // Bits behind the prefix do not count.
        assert_eq!(Network::parse("10.9.8.7/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(Network::parse("2001:db8::1/0").unwrap().to_string(), "::/0");
    }

    #[test]
    fn what_is_wrong_is_told_by_place() {
        for (text, said) in [
            ("10.0.0.0/8\nhost.example\n", "bad.txt:2:1: `host.example` is neither an address nor a network"),
            ("# é\n  10.0.0.0/33", "bad.txt:2:12: `33` is not a number of bits from 0 to 32"),
            ("::1/+8", "bad.txt:1:5: `+8` is not a number of bits from 0 to 128"),
            ("1.2.3.4/", "bad.txt:1:9: `` is not a number of bits from 0 to 32"),
            (
                "1.2.3.4 5.6.7.8",
                "bad.txt:1:9: one address or network a line is expected, not `5.6.7.8` as well",
            ),
            ("1.2.3", "bad.txt:1:1: `1.2.3` is neither an address nor a network"),
            ("\t1.2.3.4-1.2.3.9", "bad.txt:1:2: `1.2.3.4-1.2.3.9` is neither an address nor a network"),
        ] {
            assert_eq!(list(text).unwrap_err(), said);
        }
        let missing = BlockList::load(&[PathBuf::from("/no/such/list")]).unwrap_err().to_string();
        assert!(missing.starts_with("/no/such/list: "), "{missing}");
    }

    #[test]
    fn frames_are_looked_up_by_their_outermost_header() {
        let l = list("10.9.0.0/16\n2001:db8::/32").unwrap();
        let v4 = |src: [u8; 4], dst: [u8; 4]| {
            let mut ip = vec![0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0, 0];
            ip.extend(src);
            ip.extend(dst);
            ip
        };
        let mut v6 = vec![0x60, 0, 0, 0, 0, 0, 17, 64];
        v6.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        v6.extend([0; 16]);
        let with = |head: &[u8], ip: &[u8]| [&[0u8; 12], head, ip].concat();
        let (from, to, other) =
            (v4([10, 9, 1, 1], [1; 4]), v4([1; 4], [10, 9, 1, 1]), v4([1; 4], [10, 8, 1, 1]));
        for (ip, yes) in [(&from, true), (&to, true), (&other, false)] {
            for head in [
                &[8u8, 0][..],
                &[0x81, 0, 0, 5, 8, 0],
                &[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0],
                &[0x88, 0x47, 0, 1, 0, 64, 0, 2, 1, 64],
                &[0x88, 0x64, 0x11, 0, 0, 1, 0, 22, 0, 0x21],
            ] {
                let f = with(head, ip);
                assert_eq!(l.meets(&f, 1), yes, "{head:x?}");
                for cut in 0..f.len() {
                    assert!(!l.meets(&f[..cut], 1) || yes && cut >= f.len() - 4, "nothing is made up");
                }
            }
            assert_eq!(l.meets(ip, 101), yes);
        }
        assert!(l.meets(&with(&[0x86, 0xdd], &v6), 1) && l.meets(&v6, 229));
        assert!(!l.meets(&with(&[8, 6], &from), 1), "ARP");
        assert!(!l.meets(&from, 147), "a link that is not known");
    }

    /// Networks that overlap, touch and nest: few leading bits vary.
    fn networks() -> impl Strategy<Value = Vec<Network>> {
        let bits4 = prop_oneof![0..=32u8, Just(32), 14..20u8];
        let bits6 = prop_oneof![0..=128u8, Just(128), 14..20u8, 62..66u8];
        let few = |n: u128| (n & 0x7) | (n >> 3 & 0x7) << 14 | (n >> 6 & 0x3) << 30;
        let v4 =
            (any::<u128>(), bits4).prop_map(move |(a, b)| (IpAddr::V4(Ipv4Addr::from(few(a) as u32)), b));
        let v6 = (any::<u128>(), bits6).prop_map(move |(a, b)| {
            (IpAddr::V6(Ipv6Addr::from(few(a) | few(a >> 20) << 48 | few(a >> 40) << 96)), b)
        });
        prop::collection::vec(prop_oneof![v4, v6], 0..40).prop_map(|all| {
            all.into_iter().map(|(a, b)| Network::parse(&format!("{a}/{b}")).unwrap()).collect()
        })
    }

    fn covers(n: &Network, a: IpAddr) -> bool {
        match (n.addr, a) {
            (IpAddr::V4(n4), IpAddr::V4(a)) => {
                n.bits == 0 || (u32::from(n4) ^ u32::from(a)) >> (32 - u32::from(n.bits)) == 0
            }
            (IpAddr::V6(n6), IpAddr::V6(a)) => {
                n.bits == 0 || (u128::from(n6) ^ u128::from(a)) >> (128 - u32::from(n.bits)) == 0
            }
            _ => false,
        }
    }

    proptest! {
        /// The table, and the networks that are given to hardware, say what the list says: at all bounds and beside them.
        #[test]
        fn as_a_plain_search(list in networks(), more in prop::collection::vec(any::<u128>(), 8)) {
            let l = BlockList::new(&list);
            let out = l.networks();
            let mut asked: Vec<IpAddr> = Vec::new();
            for n in &list {
                match n.addr {
                    IpAddr::V4(a) => {
                        let a = u32::from(a);
                        let last = a.last(32 - u32::from(n.bits));
                        asked.extend([a, a.wrapping_sub(1), last, last.wrapping_add(1)].map(|a| IpAddr::V4(a.into())));
                    }
                    IpAddr::V6(a) => {
                        let a = u128::from(a);
                        let last = a.last(128 - u32::from(n.bits));
                        asked.extend([a, a.wrapping_sub(1), last, last.wrapping_add(1)].map(|a| IpAddr::V6(a.into())));
                    }
                }
            }
            asked.extend(more.iter().flat_map(|&a| [IpAddr::V4((a as u32).into()), IpAddr::V6(a.into())]));
            for a in asked {
                let yes = list.iter().any(|n| covers(n, a));
                prop_assert_eq!(l.has(a), yes, "{}", a);
                prop_assert_eq!(out.iter().filter(|n| covers(n, a)).count(), usize::from(yes), "{}", a);
            }
            prop_assert!(out.len() <= list.len());
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9a-f:./#; \t\né]{0,60}", frame in prop::collection::vec(any::<u8>(), 0..80)) {
            let l = list(&text).unwrap_or_default();
            for link in [1, 101, 147] {
                l.meets(&frame, link);
            }
        }
    }
}
