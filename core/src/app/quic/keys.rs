//! Protection of Initial packets (RFC 9001 5, RFC 9369 3.3): its keys follow from the connection's number, so that everyone
//! on the way can read them.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::aes::cipher::BlockCipherEncrypt;
use aes_gcm::{Aes128Gcm, aes::Aes128};
use hkdf::Hkdf;
use sha2::Sha256;

use super::packet::{Q050, V2};
use crate::Dir;

/// Salts of the first version (and the last drafts of it), of the second, of older drafts, of Google's `Q050`.
const SALTS: [[u8; 20]; 5] = [
    [
        0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc,
        0xbb, 0x7f, 0x0a,
    ],
    [
        0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9,
        0xbd, 0x2e, 0xd9,
    ],
    [
        0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43,
        0x90, 0xa8, 0x99,
    ],
    [
        0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7, 0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65, 0xbe,
        0xf9, 0xf5, 0x02,
    ],
    [
        0x50, 0x45, 0x74, 0xef, 0xd0, 0x66, 0xfe, 0x2f, 0x9d, 0x94, 0x5c, 0xfc, 0xdb, 0xd3, 0xa7, 0xf0, 0xd3,
        0xb5, 0x6b, 0x45,
    ],
];

/// The salt of a version; `None`: its packets cannot be read.
fn salt(version: u32) -> Option<&'static [u8; 20]> {
    SALTS.get(match version {
        1 | 0xff00_0021 | 0xff00_0022 => 0,
        V2 => 1,
        0xff00_001d..=0xff00_0020 => 2,
        // Facebook's implementation uses the drafts' under names of its own.
        0xff00_0017..=0xff00_001c | 0xface_b002 => 3,
        Q050 => 4,
        _ => return None,
    })
}

pub(super) fn is_known(version: u32) -> bool {
    salt(version).is_some()
}

/// The keys of one direction.
struct Keys {
    key: [u8; 16],
    iv: [u8; 12],
    header: [u8; 16],
}

/// HKDF-Expand-Label of TLS 1.3 (RFC 8446 7.1), with no context.
fn expand(secret: &Hkdf<Sha256>, label: &[u8], out: &mut [u8]) -> Option<()> {
    let len = (out.len() as u16).to_be_bytes();
    let name = [b"tls13 ".len() as u8 + label.len() as u8];
    secret.expand_multi_info(&[&len, &name, b"tls13 ", label, &[0]], out).ok()
}

impl Keys {
    /// Of packets that `from` sends, in the connection that its client first called `id`.
    fn new(version: u32, id: &[u8], from: Dir) -> Option<Keys> {
        let initial = Hkdf::<Sha256>::new(Some(salt(version)?), id);
        let mut secret = [0; 32];
        expand(&initial, if from == Dir::ToServer { b"client in" } else { b"server in" }, &mut secret)?;
        let secret = Hkdf::<Sha256>::from_prk(&secret).ok()?;
        let labels: [&[u8]; 3] = if version == V2 {
            [b"quicv2 key", b"quicv2 iv", b"quicv2 hp"]
        } else {
            [b"quic key", b"quic iv", b"quic hp"]
        };
        let mut k = Keys { key: [0; 16], iv: [0; 12], header: [0; 16] };
        expand(&secret, labels[0], &mut k.key)?;
        expand(&secret, labels[1], &mut k.iv)?;
        expand(&secret, labels[2], &mut k.header)?;
        Some(k)
    }
}

/// Opens a packet in place; its number stands at `at`. Which bytes are its frames; `None`: it is not of this connection.
pub(super) fn open(
    packet: &mut [u8],
    at: usize,
    (version, id, from): (u32, &[u8], Dir),
) -> Option<core::ops::Range<usize>> {
    let keys = Keys::new(version, id, from)?;
    // The mask comes from bytes behind the longest possible packet number (RFC 9001 5.4.2).
    let sample: [u8; 16] = packet.get(at + 4..at + 20)?.try_into().ok()?;
    let mut mask = sample.into();
    Aes128::new(&keys.header.into()).encrypt_block(&mut mask);
    let first = packet.first_mut()?;
    *first ^= mask[0] & 15;
    let number_len = usize::from(*first & 3) + 1;
    let mut nonce = keys.iv;
    let number = packet.get_mut(at..at + number_len)?;
    for (b, m) in number.iter_mut().zip(mask.iter().skip(1)) {
        *b ^= m;
    }
    // Of an Initial packet's number the bytes in the packet are all that are not zero.
    for (n, b) in nonce.iter_mut().rev().zip(number.iter().rev()) {
        *n ^= b;
    }
    let (head, sealed) = packet.split_at_mut(at + number_len);
    let end = sealed.len().checked_sub(16)?;
    let (body, tag) = sealed.split_at_mut(end);
    let tag: [u8; 16] = (&*tag).try_into().ok()?;
    let cipher = Aes128Gcm::new(&keys.key.into());
    cipher.decrypt_inout_detached(&nonce.into(), head, body.into(), &tag.into()).ok()?;
    Some(at + number_len..at + number_len + end)
}
