//! Community ID version 1 (github.com/corelight/community-id-spec): a flow's addresses, ports and protocol go
//! in, the same text comes out of every tool that follows it, whichever side it saw first.

use sha1::{Digest, Sha1};
use tidegate_core::packet::Addr;

use super::json::base64_into;

/// The 5-tuple that is hashed.
#[derive(Clone, Copy, Debug)]
pub struct Tuple {
    pub src: Addr,
    pub dst: Addr,
    pub v6: bool,
    pub proto: u8,
    /// Ports; for ICMP the type, and the type that answers it.
    pub sp: u16,
    pub dp: u16,
}

/// Appends `1:…` to `out`.
pub fn append(out: &mut Vec<u8>, t: &Tuple, seed: u16) {
    let len = if t.v6 { 16 } else { 4 };
    let (a, b) = (&t.src.0[..len], &t.dst.0[..len]);
    let straight = a < b || (a == b && t.sp < t.dp);
    let (first, second, sp, dp) = if straight { (a, b, t.sp, t.dp) } else { (b, a, t.dp, t.sp) };
    let mut h = Sha1::new();
    h.update(seed.to_be_bytes());
    h.update(first);
    h.update(second);
    h.update([t.proto, 0]);
    h.update(sp.to_be_bytes());
    h.update(dp.to_be_bytes());
    out.extend_from_slice(b"1:");
    base64_into(out, &h.finalize());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(src: [u8; 4], dst: [u8; 4], proto: u8, sp: u16, dp: u16) -> String {
        let mut out = Vec::new();
        let t = Tuple { src: Addr::v4(src), dst: Addr::v4(dst), v6: false, proto, sp, dp };
        append(&mut out, &t, 0);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn examples_of_the_specification() {
        let want = "1:LQU9qZlK+B5F3KDmev6m5PMibrg=";
        assert_eq!(id([128, 232, 110, 120], [66, 35, 250, 204], 6, 34855, 80), want);
        assert_eq!(id([66, 35, 250, 204], [128, 232, 110, 120], 6, 80, 34855), want);
        assert_eq!(id([192, 168, 1, 52], [8, 8, 8, 8], 17, 54585, 53), "1:d/FP5EW3wiY1vCndhwleRRKHowQ=");
        assert_eq!(id([192, 168, 0, 89], [192, 168, 0, 1], 1, 8, 0), "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=");
    }
}
