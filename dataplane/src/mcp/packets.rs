//! Packets of a flow, as a model may read them.
//!
//! In: the ends and the time of a flow, and captures. Out: a few packets with times, directions, flags, and their payload as
//! quoted text. Captures are read through their decoder from the beginning, within a budget of bytes and time.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidegate_core::packet::{Addr, Decoder, MAX_PER_FRAME, Packet, PacketBuf};

use super::quote::Quoter;
use crate::capture::Capture;
use crate::incident::nanoseconds;

/// Packets of one answer.
const MOST: usize = 24;
/// How long captures are searched.
const PATIENCE: Duration = Duration::from_secs(10);
/// Around the times that events say.
const AROUND: u64 = 2_000_000_000;
/// Behind the last event of which the end is not known.
const AFTER: u64 = 60_000_000_000;
/// Captures that are looked at, the newest of a folder.
const CAPTURES: usize = 64;

/// A flow to be found.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    ends: [(IpAddr, u16); 2],
    proto: u8,
    from: u64,
    to: u64,
}

impl Wanted {
    /// The flow of an event: its ends, from its beginning, as far as it says, to some time after it.
    pub fn of(e: &Value) -> Option<Wanted> {
        let end = |ip: &str, port: &str| {
            let port = e[port].as_u64().and_then(|p| u16::try_from(p).ok()).unwrap_or(0);
            Some((e[ip].as_str()?.parse().ok()?, port))
        };
        let at = nanoseconds(e["timestamp"].as_str()?)?;
        let from = e["flow"]["start"].as_str().and_then(nanoseconds).unwrap_or(at);
        Some(Wanted {
            ends: [end("src_ip", "src_port")?, end("dest_ip", "dest_port")?],
            proto: number(e["proto"].as_str()?)?,
            from: from.min(at).saturating_sub(AROUND),
            to: at.saturating_add(AFTER),
        })
    }

    fn has(&self, p: &Packet<'_>) -> bool {
        let end = |a: &Addr, port: u16| (address(a, p.is_ipv6()), port);
        let (src, dst) = (end(&p.src, p.sp), end(&p.dst, p.dp));
        let [a, b] = self.ends;
        let ports = self.proto == 6 || self.proto == 17;
        let same = |x: (IpAddr, u16), y: (IpAddr, u16)| x.0 == y.0 && (!ports || x.1 == y.1);
        p.has_ip()
            && p.proto == self.proto
            && ((same(src, a) && same(dst, b)) || (same(src, b) && same(dst, a)))
    }
}

fn number(name: &str) -> Option<u8> {
    (0..=255u8).find(|n| crate::eve::protocol(*n) == Some(name)).or_else(|| name.parse().ok())
}

fn address(a: &Addr, v6: bool) -> IpAddr {
    let [w, x, y, z, ..] = a.0;
    if v6 { IpAddr::from(a.0) } else { IpAddr::from([w, x, y, z]) }
}

/// What was found.
pub struct Found {
    pub packets: Vec<Value>,
    /// Why there are no more, or none.
    pub said: Vec<String>,
}

/// Captures beside events, and those that were named.
pub fn captures(folders: &[PathBuf], named: &[PathBuf]) -> Vec<PathBuf> {
    let is_capture = |p: &PathBuf| {
        let end = p.extension().and_then(|e| e.to_str()).unwrap_or_default();
        matches!(end, "pcap" | "pcapng" | "cap") && p.is_file()
    };
    let beside = folders.iter().filter(|f| f.is_dir()).filter_map(|f| std::fs::read_dir(f).ok());
    let mut found: Vec<PathBuf> = beside.flatten().flatten().map(|e| e.path()).filter(is_capture).collect();
    found.sort_by_key(|p| std::cmp::Reverse(p.metadata().and_then(|m| m.modified()).ok()));
    found.truncate(CAPTURES);
    named.iter().cloned().chain(found).collect()
}

/// Looks a flow's packets up.
pub fn find(files: &[PathBuf], w: &Wanted, q: &mut Quoter) -> Found {
    let mut out = Found { packets: Vec::new(), said: Vec::new() };
    if files.is_empty() {
        out.said.push(
            "no packets were kept: start the server with --capture FILE, or alert with `packet: yes`".into(),
        );
    }
    let until = Instant::now() + PATIENCE;
    for f in files {
        if !out.packets.is_empty() {
            break;
        }
        if let Err(e) = search(f, w, q, &mut out, until) {
            out.said.push(format!("{}: {e}", f.display()));
        }
    }
    out
}

fn search(path: &Path, w: &Wanted, q: &mut Quoter, out: &mut Found, until: Instant) -> Result<(), String> {
    let mut capture = Capture::open(path).map_err(|e| e.of(path))?;
    let decoder = Decoder::new(Default::default());
    let mut beyond = 0;
    while let Some(b) = capture.next_batch(256).map_err(|e| e.to_string())? {
        if Instant::now() > until {
            return Err(format!("searched for {} s only", PATIENCE.as_secs()));
        }
        for f in b.iter().filter(|f| f.ts_ns >= w.from && f.ts_ns <= w.to) {
            let mut packets = PacketBuf::new(MAX_PER_FRAME);
            decoder.decode(f.data, f.link, f.ts_ns, f.index, &mut packets);
            for p in packets.iter().filter(|p| w.has(p)) {
                if out.packets.len() < MOST {
                    out.packets.push(packet(p, q));
                } else {
                    beyond += 1;
                }
            }
        }
    }
    if beyond > 0 {
        out.said.push(format!("{beyond} more packets of the flow are in {}", path.display()));
    }
    Ok(())
}

/// One packet out of the bytes that an alert kept.
pub fn of_alert(e: &Value, q: &mut Quoter) -> Option<Value> {
    let data = unbase64(e["packet"].as_str()?)?;
    let link = e["packet_info"]["linktype"].as_u64().and_then(|l| u16::try_from(l).ok()).unwrap_or(1);
    let ts = e["timestamp"].as_str().and_then(nanoseconds).unwrap_or(0);
    let mut packets = PacketBuf::new(MAX_PER_FRAME);
    Decoder::new(Default::default()).decode(
        &data,
        link,
        ts,
        e["pcap_cnt"].as_u64().unwrap_or(0),
        &mut packets,
    );
    packets.iter().last().map(|p| packet(p, q))
}

fn packet(p: &Packet<'_>, q: &mut Quoter) -> Value {
    let end = |a: &Addr, port: u16| match port {
        0 => address(a, p.is_ipv6()).to_string(),
        port => std::net::SocketAddr::new(address(a, p.is_ipv6()), port).to_string(),
    };
    let time = jiff::Timestamp::from_nanosecond(i128::from(p.ts)).map(|t| t.to_string()).unwrap_or_default();
    let mut out =
        json!({"time": time, "from": end(&p.src, p.sp), "to": end(&p.dst, p.dp), "bytes": p.payload().len()});
    if p.index != 0 {
        out["number"] = p.index.into();
    }
    if p.proto == 6 {
        out["flags"] = flags(p.tcp.flags).into();
    }
    if !p.payload().is_empty() {
        out["payload"] = q.text(&String::from_utf8_lossy(p.payload()));
    }
    out
}

fn flags(bits: u8) -> String {
    const NAMES: [&str; 8] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];
    let set = NAMES.iter().enumerate().filter(|(i, _)| bits & (1 << i) != 0).map(|(_, n)| *n);
    set.collect::<Vec<_>>().join("+")
}

/// Bytes of base64 as events have it (RFC 4648 section 4).
fn unbase64(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.trim_end_matches('=').bytes().map(digit).collect();
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    for four in digits?.chunks(4) {
        let n = four.iter().fold(0, |n, d| n << 6 | d) << (6 * (4 - four.len()));
        out.extend(n.to_be_bytes().into_iter().skip(1).take(four.len() * 6 / 8));
    }
    Some(out)
}

const fn digit(b: u8) -> Option<u32> {
    Some(match b {
        b'A'..=b'Z' => b - b'A',
        b'a'..=b'z' => b - b'a' + 26,
        b'0'..=b'9' => b - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    } as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_events_is_read() {
        for bytes in [&b""[..], b"a", b"ab", b"abc", b"\xff\x00\xfe\x01", &[7; 100]] {
            let mut text = Vec::new();
            crate::eve::base64_into(&mut text, bytes);
            assert_eq!(unbase64(std::str::from_utf8(&text).unwrap()).as_deref(), Some(bytes));
        }
        assert_eq!(unbase64("a b"), None);
    }

    #[test]
    fn protocols_have_their_numbers() {
        assert_eq!((number("TCP"), number("UDP"), number("nothing")), (Some(6), Some(17), None));
        assert_eq!(flags(0x12), "SYN+ACK");
    }
}
