//! Community ID version 1 (github.com/corelight/community-id-spec): a flow's addresses, ports and protocol go
//! in, the same text comes out of every tool that follows it, whichever side it saw first.

use sha1::{Digest, Sha1};
use tidegate_core::packet::Addr;

use super::json::base64_into;

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// The 5-tuple that is hashed.
#[derive(Clone, Copy, Debug)]
pub struct Tuple {
    pub src: Addr,
    pub dst: Addr,
    pub v6: bool,
    pub proto: u8,
    /// Ports; for ICMP `sp` is the type, and the code in its lower half. Of protocols without ports they say nothing.
    pub sp: u16,
    pub dp: u16,
}

/// The type that answers one of ICMP, or that it answers. These are the specification's, which are fewer than those that
/// make flows: all others go one way.
fn answer(proto: u8, kind: u8) -> Option<u8> {
    Some(match (proto, kind) {
        (ICMP, 0) => 8,
        (ICMP, 8) => 0,
        (ICMP, 9 | 13 | 15 | 17) | (ICMPV6, 128 | 130 | 133 | 135 | 139 | 144) => kind + 1,
        (ICMP, 10 | 14 | 16 | 18) | (ICMPV6, 129 | 131 | 134 | 136 | 140 | 145) => kind - 1,
        _ => return None,
    })
}

/// What is hashed as ports, if anything, and whether there is only one way to look at it.
fn ports(t: &Tuple) -> (Option<(u16, u16)>, bool) {
    match t.proto {
        ICMP | ICMPV6 => {
            let [kind, code] = t.sp.to_be_bytes();
            let back = answer(t.proto, kind);
            (Some((kind.into(), back.unwrap_or(code).into())), back.is_none())
        }
        6 | 17 | 132 => (Some((t.sp, t.dp)), false),
        _ => (None, false),
    }
}

/// Appends `1:…` to `out`.
pub fn append(out: &mut Vec<u8>, t: &Tuple, seed: u16) {
    let len = if t.v6 { 16 } else { 4 };
    let (a, b) = (&t.src.0[..len], &t.dst.0[..len]);
    let (ports, one_way) = ports(t);
    let straight = one_way || a < b || (a == b && ports.is_some_and(|(sp, dp)| sp < dp));
    let (first, second) = if straight { (a, b) } else { (b, a) };
    let mut h = Sha1::new();
    h.update(seed.to_be_bytes());
    h.update(first);
    h.update(second);
    h.update([t.proto, 0]);
    if let Some((sp, dp)) = ports {
        let (sp, dp) = if straight { (sp, dp) } else { (dp, sp) };
        h.update(sp.to_be_bytes());
        h.update(dp.to_be_bytes());
    }
    out.extend_from_slice(b"1:");
    base64_into(out, &h.finalize());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(t: &Tuple) -> String {
        let mut out = Vec::new();
        append(&mut out, t, 0);
        String::from_utf8(out).unwrap()
    }

    fn id(src: [u8; 4], dst: [u8; 4], proto: u8, sp: u16, dp: u16) -> String {
        of(&Tuple { src: Addr::v4(src), dst: Addr::v4(dst), v6: false, proto, sp, dp })
    }

    fn icmp(src: [u8; 4], dst: [u8; 4], kind: u8, code: u8) -> String {
        id(src, dst, 1, u16::from_be_bytes([kind, code]), 0)
    }

    const A: [u8; 4] = [192, 168, 0, 89];
    const B: [u8; 4] = [192, 168, 0, 1];

    #[test]
    fn examples_of_the_specification() {
        let want = "1:LQU9qZlK+B5F3KDmev6m5PMibrg=";
        assert_eq!(id([128, 232, 110, 120], [66, 35, 250, 204], 6, 34855, 80), want);
        assert_eq!(id([66, 35, 250, 204], [128, 232, 110, 120], 6, 80, 34855), want);
        assert_eq!(id([192, 168, 1, 52], [8, 8, 8, 8], 17, 54585, 53), "1:d/FP5EW3wiY1vCndhwleRRKHowQ=");
        let echo = "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=";
        assert_eq!([icmp(A, B, 8, 0), icmp(B, A, 0, 0)], [echo; 2]);
        assert_eq!(icmp(A, B, 20, 0), "1:3o2RFccXzUgjl7zDpqmY7yJi8rI=");
        assert_eq!(icmp(A, B, 20, 1), "1:tz/fHIDUHs19NkixVVoOZywde+I=");
    }

    /// What the reference implementation (communityid 1.5 for Python) says of what goes one way, or has no ports.
    #[test]
    fn one_way_and_without_ports() {
        assert_eq!(icmp(B, A, 20, 0), "1:xka8imJTHE0ZCHTDqMsnK5QKoh8=");
        assert_eq!(icmp(B, B, 20, 0), "1:cz3Tfh+7OHoc8hK/BY+swzOEWqI=");
        assert_eq!(icmp(A, B, 3, 3), "1:dPRpNwuTNOTQEtM23HPAdlCnrwc=");
        assert_eq!(id(A, B, 50, 7, 8), "1:T6+YmcTY4u33JpFNwAtdJl5CNBs=");
        assert_eq!(id(B, A, 41, 0, 0), "1:tUZvIct24byl6miyF12DZwyAbWM=");
    }

    /// All types of ICMP and ICMPv6 with three codes each, both ways, against the digest of what the same implementation
    /// says of them.
    #[test]
    fn every_type() {
        let six = |text: &str| Addr(text.parse::<std::net::Ipv6Addr>().unwrap().octets());
        let ends6 = [six("fe80::200:86ff:fe05:80da"), six("fe80::260:97ff:fe07:69ea")];
        for (proto, [a, b], want) in [
            (ICMP, [Addr::v4(A), Addr::v4(B)], "2fbb3075be559de101cc8a02d0349bd34a405657"),
            (ICMPV6, ends6, "6f60b66bc6f603b536f60a6f2de9ba61b27b6598"),
        ] {
            let mut all = Sha1::new();
            for (kind, code) in (0..=255).flat_map(|kind| [(kind, 0), (kind, 1), (kind, 5)]) {
                for (src, dst) in [(a, b), (b, a)] {
                    let sp = u16::from_be_bytes([kind, code]);
                    all.update(of(&Tuple { src, dst, v6: proto == ICMPV6, proto, sp, dp: 0 }));
                }
            }
            let digest: String = all.finalize().iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(digest, want, "{proto}");
        }
    }
}
