//! What is weak or wrong about proposals of version 2 (RFC 7296 3.3, RFC 8247, IANA's transforms): events.

use super::message::{Proposal, proposals};
use super::{
    EV_INVALID, EV_MULTIPLE, EV_NO_AUTH, EV_NO_DH, EV_NO_ENC, EV_UNKNOWN, EV_WEAK_AUTH, EV_WEAK_DH,
    EV_WEAK_ENC, EV_WEAK_PRF,
};

const ENC: u8 = 1;
const PRF: u8 = 2;
const AUTH: u8 = 3;
const DH: u8 = 4;
const ESN: u8 = 5;

/// Events about a security association, a bit each; `answer`: the server's choice.
pub fn judge(body: &[u8], answer: bool) -> u128 {
    let (mut events, mut count) = (0u128, 0);
    for p in proposals(body, false) {
        count += 1;
        events |= one(&p);
    }
    // A server chooses one.
    if answer && count > 1 {
        events |= 1 << EV_MULTIPLE;
    }
    if count == 0 {
        events |= 1 << EV_INVALID;
    }
    events
}

fn one(p: &Proposal<'_>) -> u128 {
    let mut events = 0u128;
    let (mut dh, mut auth, mut aead) = (false, false, false);
    for t in p.transforms(false) {
        let ev = match (t.kind, t.id) {
            // DES and what is of its time, and none at all.
            (ENC, 1..=9 | 11) => Some(EV_WEAK_ENC),
            (ENC, 14..=16 | 18..=20 | 25..=28) => {
                aead = true;
                None
            }
            (ENC, 12 | 13 | 23 | 24) => None,
            (PRF, 0) | (DH, 0) => Some(EV_INVALID),
            (PRF, 1 | 2) => Some(EV_WEAK_PRF),
            (PRF, 3..=9) => None,
            (AUTH, 0) => None,
            (AUTH, n @ 1..=14) => {
                auth = true;
                // MD5, SHA-1, DES and KPDK.
                matches!(n, 1..=4 | 6 | 7).then_some(EV_WEAK_AUTH)
            }
            (DH, n) if n == 1 || n == 2 || n == 5 || (14..=37).contains(&n) => {
                dh = true;
                // Fewer than 2048 bits.
                matches!(n, 1 | 2 | 5 | 22).then_some(EV_WEAK_DH)
            }
            (ESN, 0 | 1) => None,
            _ => Some(EV_UNKNOWN),
        };
        events |= ev.map_or(0, |ev| 1 << ev);
    }
    if !dh {
        events |= 1 << EV_NO_DH;
    }
    // Without an integrity algorithm only what has its own will do.
    if !auth && !aead {
        events |= 1 << EV_NO_AUTH;
    }
    // AH does not encrypt (3.3.1).
    if p.protocol == 2 {
        events |= 1 << EV_NO_ENC;
    }
    events
}
