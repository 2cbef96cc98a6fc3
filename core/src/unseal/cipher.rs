//! Records opened in place, with one direction's keys: bytes as on the wire in, where their contents lie out.
//!
//! Sources: RFC 8446 5.2 (TLS 1.3), RFC 5246 6.2.3 (TLS 1.2), RFC 5288 and 7905 (its AEADs), RFC 7366 (encrypt-then-MAC).
//! Whoever reads along is nobody's oracle, so that what fails need not take as long as what succeeds.

use core::ops::Range;

use aes::cipher::array::Array;
use aes::cipher::{BlockModeDecrypt, InnerIvInit, KeyInit};
use aes::{Aes128, Aes256};
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use chacha20poly1305::ChaCha20Poly1305;
use hmac::Hmac;
use sha1::Sha1;
use sha2::{Sha256, Sha384};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::derive::expand;
use super::suite::{Bulk, Mac, Suite};

/// Bytes of a record's header.
pub(super) const HEADER: usize = 5;
const TAG: usize = 16;
const BLOCK: usize = 16;

enum Keyed {
    Gcm128(Aes128Gcm),
    Gcm256(Aes256Gcm),
    ChaCha(ChaCha20Poly1305),
    Cbc128(Aes128, Mac),
    Cbc256(Aes256, Mac),
}

/// What of a record's form depends on its version and extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// As in the hellos; TLS 1.3 and its drafts are [`V13`].
    pub(super) version: u16,
    /// The MAC is over what is encrypted (RFC 7366).
    pub(super) mac_last: bool,
}

/// TLS 1.3.
pub(super) const V13: u16 = 0x0304;

/// The keys of one direction, and the number of its next record.
pub(super) struct Cipher {
    keyed: Keyed,
    rest: Rest,
    form: Form,
}

/// What is not inside the ciphers of the crates.
#[derive(Zeroize, ZeroizeOnDrop)]
struct Rest {
    /// Fixed part of nonces, or the chained block of TLS 1.0.
    iv: [u8; BLOCK],
    mac: [u8; 48],
    seq: u64,
}

impl Cipher {
    /// Of a traffic secret of TLS 1.3.
    pub(super) fn of_secret(suite: Suite, secret: &[u8]) -> Option<Cipher> {
        let (mut key, mut iv) = ([0; 32], [0; BLOCK]);
        let key = &mut key[..suite.key_len()];
        expand(suite.hash, secret, b"key", key)?;
        expand(suite.hash, secret, b"iv", &mut iv[..12])?;
        let c = Cipher::new(suite, Form { version: V13, mac_last: false }, key, (iv, &[]));
        key.zeroize();
        c
    }

    /// Of TLS 1.2 and before: `iv` is the part of the nonce that records do not say, or the first block that is chained.
    pub(super) fn new(
        suite: Suite,
        form: Form,
        key: &[u8],
        (iv, mac_key): ([u8; BLOCK], &[u8]),
    ) -> Option<Cipher> {
        let keyed = match suite.bulk {
            Bulk::Gcm128 => Keyed::Gcm128(Aes128Gcm::new_from_slice(key).ok()?),
            Bulk::Gcm256 => Keyed::Gcm256(Aes256Gcm::new_from_slice(key).ok()?),
            Bulk::ChaCha => Keyed::ChaCha(ChaCha20Poly1305::new_from_slice(key).ok()?),
            Bulk::Cbc128(mac) => Keyed::Cbc128(Aes128::new_from_slice(key).ok()?, mac),
            Bulk::Cbc256(mac) => Keyed::Cbc256(Aes256::new_from_slice(key).ok()?, mac),
        };
        let mut mac = [0; 48];
        mac.get_mut(..mac_key.len())?.copy_from_slice(mac_key);
        Some(Cipher { keyed, rest: Rest { iv, mac, seq: 0 }, form })
    }

    /// Opens a whole record in place. Where its contents lie; with TLS 1.3 its kind and padding stand behind them. `None`: it was
    /// not made with these keys, and may have been changed.
    pub(super) fn open(&mut self, record: &mut [u8]) -> Option<Range<usize>> {
        let header = *record.first_chunk::<HEADER>()?;
        let out = match &self.keyed {
            Keyed::Gcm128(c) => self.aead(c, header, record, self.form.version != V13),
            Keyed::Gcm256(c) => self.aead(c, header, record, self.form.version != V13),
            Keyed::ChaCha(c) => self.aead(c, header, record, false),
            Keyed::Cbc128(c, mac) => cbc(c, *mac, &mut self.rest, self.form, record),
            Keyed::Cbc256(c, mac) => cbc(c, *mac, &mut self.rest, self.form, record),
        }?;
        self.rest.seq = self.rest.seq.wrapping_add(1);
        Some(out)
    }

    /// `explicit`: eight bytes of the nonce stand before the contents.
    fn aead<C>(&self, c: &C, header: [u8; HEADER], record: &mut [u8], explicit: bool) -> Option<Range<usize>>
    where
        C: AeadInOut<NonceSize = aes::cipher::consts::U12, TagSize = aes::cipher::consts::U16>,
    {
        let seq = self.rest.seq.to_be_bytes();
        let mut nonce: [u8; 12] = *self.rest.iv.first_chunk()?;
        let begin = if explicit {
            nonce[4..].copy_from_slice(record.get(HEADER..HEADER + 8)?);
            HEADER + 8
        } else {
            nonce[4..].iter_mut().zip(seq).for_each(|(n, s)| *n ^= s);
            HEADER
        };
        let end = record.len().checked_sub(TAG).filter(|e| *e >= begin)?;
        let mut full = [0; 8 + HEADER];
        let aad: &[u8] = if self.form.version == V13 {
            &header
        } else {
            full[..8].copy_from_slice(&seq);
            full[8..11].copy_from_slice(&header[..3]);
            full[11..].copy_from_slice(&((end - begin) as u16).to_be_bytes());
            &full
        };
        let (body, tag) = record.get_mut(begin..)?.split_at_mut(end - begin);
        let tag: [u8; TAG] = (&*tag).try_into().ok()?;
        c.decrypt_inout_detached(&Array(nonce), aad, body.into(), &Array(tag)).ok()?;
        Some(begin..end)
    }
}

/// A record of a block cipher (RFC 5246 6.2.3.2), MAC and padding verified.
fn cbc<C>(c: &C, mac: Mac, rest: &mut Rest, form: Form, record: &mut [u8]) -> Option<Range<usize>>
where
    C: aes::cipher::BlockCipherDecrypt<BlockSize = aes::cipher::consts::U16>,
{
    let mut end = record.len();
    if form.mac_last {
        end = end.checked_sub(mac.len()).filter(|e| *e >= HEADER)?;
        let (said, sealed) = (record.get(end..)?, record.get(HEADER..end)?);
        is_mac(mac, rest, (&record[..3], sealed), said)?;
    }
    // TLS 1.0 goes on from the record before.
    let (begin, iv) = if form.version <= 0x0301 {
        (HEADER, rest.iv)
    } else {
        (HEADER + BLOCK, *record.get(HEADER..)?.first_chunk::<BLOCK>()?)
    };
    let sealed = record.get_mut(begin..end)?;
    let last = *sealed.last_chunk::<BLOCK>()?;
    let (blocks, odd) = Array::slice_as_chunks_mut(sealed);
    if !odd.is_empty() {
        return None;
    }
    cbc::Decryptor::inner_iv_init(c, &Array(iv)).decrypt_blocks(blocks);
    rest.iv = last;
    let padding = usize::from(*sealed.last()?);
    let body = sealed.len().checked_sub(padding + 1)?;
    if sealed.get(body..)?.iter().any(|b| usize::from(*b) != padding) {
        return None;
    }
    let body = if form.mac_last {
        body
    } else {
        let body = body.checked_sub(mac.len())?;
        let said: [u8; 48] = {
            let mut s = [0; 48];
            s[..mac.len()].copy_from_slice(sealed.get(body..body + mac.len())?);
            s
        };
        let (head, contents) = record.split_at(begin);
        is_mac(mac, rest, (&head[..3], contents.get(..body)?), &said[..mac.len()])?;
        body
    };
    Some(begin..begin + body)
}

/// Whether `said` is the MAC of a record: its number, kind and version (`head`), length and bytes.
fn is_mac(mac: Mac, rest: &Rest, (head, bytes): (&[u8], &[u8]), said: &[u8]) -> Option<()> {
    fn check<M: hmac::Mac + KeyInit>(key: &[u8], parts: [&[u8]; 4], said: &[u8]) -> Option<()> {
        let mut m = <M as KeyInit>::new_from_slice(key).ok()?;
        parts.iter().for_each(|p| m.update(p));
        m.verify_slice(said).ok()
    }
    let (seq, len) = (rest.seq.to_be_bytes(), (bytes.len() as u16).to_be_bytes());
    let (key, parts) = (rest.mac.get(..mac.len())?, [&seq[..], head, &len, bytes]);
    match mac {
        Mac::Sha1 => check::<Hmac<Sha1>>(key, parts, said),
        Mac::Sha256 => check::<Hmac<Sha256>>(key, parts, said),
        Mac::Sha384 => check::<Hmac<Sha384>>(key, parts, said),
    }
}
