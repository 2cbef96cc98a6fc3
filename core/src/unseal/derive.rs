//! Keys of records out of secrets: HKDF-Expand-Label (RFC 8446 7.1) and the PRF of TLS 1.2 and before (RFC 5246 5, RFC 2246 5).

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha384};

use super::suite::Hash;

/// HKDF-Expand-Label with an empty context. `None`: the secret is too short for the hash.
pub(super) fn expand(hash: Hash, secret: &[u8], label: &[u8], out: &mut [u8]) -> Option<()> {
    let len = (out.len() as u16).to_be_bytes();
    let name = [b"tls13 ".len() as u8 + label.len() as u8];
    let info: [&[u8]; 5] = [&len, &name, b"tls13 ", label, &[0]];
    match hash {
        Hash::Sha256 => Hkdf::<Sha256>::from_prk(secret).ok()?.expand_multi_info(&info, out).ok(),
        Hash::Sha384 => Hkdf::<Sha384>::from_prk(secret).ok()?.expand_multi_info(&info, out).ok(),
    }
}

/// Mixes P_hash (RFC 5246 5) into `out`.
fn p_hash<M: Mac + KeyInit>(secret: &[u8], seed: &[&[u8]], out: &mut [u8]) -> Option<()> {
    let mac = |parts: &[&[u8]]| {
        let mut m = <M as KeyInit>::new_from_slice(secret).ok()?;
        parts.iter().for_each(|p| m.update(p));
        Some(m.finalize().into_bytes())
    };
    let mut a = mac(seed)?;
    for chunk in out.chunks_mut(M::output_size()) {
        let mut m = <M as KeyInit>::new_from_slice(secret).ok()?;
        m.update(&a);
        seed.iter().for_each(|p| m.update(p));
        for (to, from) in chunk.iter_mut().zip(m.finalize().into_bytes()) {
            *to ^= from;
        }
        a = mac(&[&a])?;
    }
    Some(())
}

/// "key expansion" of a master secret into `out`, which is zeros. `old`: TLS 1.1 and before, whose PRF is of MD5 and SHA-1.
pub(super) fn key_block(
    (hash, old): (Hash, bool),
    master: &[u8],
    (client, server): (&[u8], &[u8]),
    out: &mut [u8],
) -> Option<()> {
    let seed: [&[u8]; 3] = [b"key expansion", server, client];
    if old {
        let half = master.len().div_ceil(2);
        p_hash::<Hmac<md5::Md5>>(master.get(..half)?, &seed, out)?;
        return p_hash::<Hmac<Sha1>>(master.get(master.len() - half..)?, &seed, out);
    }
    match hash {
        Hash::Sha256 => p_hash::<Hmac<Sha256>>(master, &seed, out),
        Hash::Sha384 => p_hash::<Hmac<Sha384>>(master, &seed, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8448 3: the server's handshake traffic secret and the key and IV that follow from it.
    #[test]
    fn keys_of_the_published_handshake() {
        let secret = [
            0xb6, 0x7b, 0x7d, 0x69, 0x0c, 0xc1, 0x6c, 0x4e, 0x75, 0xe5, 0x42, 0x13, 0xcb, 0x2d, 0x37, 0xb4,
            0xe9, 0xc9, 0x12, 0xbc, 0xde, 0xd9, 0x10, 0x5d, 0x42, 0xbe, 0xfd, 0x59, 0xd3, 0x91, 0xad, 0x38,
        ];
        let (mut key, mut iv) = ([0; 16], [0; 12]);
        expand(Hash::Sha256, &secret, b"key", &mut key).unwrap();
        expand(Hash::Sha256, &secret, b"iv", &mut iv).unwrap();
        assert_eq!(
            key,
            [0x3f, 0xce, 0x51, 0x60, 0x09, 0xc2, 0x17, 0x27, 0xd0, 0xf2, 0xe4, 0xe8, 0x6e, 0xe4, 0x03, 0xbc]
        );
        assert_eq!(iv, [0x5d, 0x31, 0x3e, 0xb2, 0x67, 0x12, 0x76, 0xee, 0x13, 0x00, 0x0b, 0x30]);
    }
}
