//! Cipher suites: their number on the wire in, how their records are protected out.
//!
//! Source: the registry "TLS Cipher Suites" of IANA (RFC 8446 B.4, RFC 5288, RFC 5289, RFC 7905, RFC 5246 A.5). Key exchange and
//! signatures do not matter here, as the secrets are given.

/// How a record is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bulk {
    Gcm128,
    Gcm256,
    ChaCha,
    /// With the hash of its MAC.
    Cbc128(Mac),
    Cbc256(Mac),
}

/// The hash of a suite's MAC, where it has one apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mac {
    Sha1,
    Sha256,
    Sha384,
}

impl Mac {
    pub(super) const fn len(self) -> usize {
        match self {
            Mac::Sha1 => 20,
            Mac::Sha256 => 32,
            Mac::Sha384 => 48,
        }
    }
}

/// The hash that keys are derived with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha384,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suite {
    pub(super) bulk: Bulk,
    pub(super) hash: Hash,
}

impl Suite {
    /// `None`: records of that suite are not read (RC4, 3DES, CCM, Camellia, ARIA, no encryption).
    pub(super) const fn of(number: u16) -> Option<Suite> {
        use Bulk::{Cbc128, Cbc256, ChaCha, Gcm128, Gcm256};
        use Hash::{Sha256, Sha384};
        let (bulk, hash) = match number {
            0x1301 | 0x009c | 0x009e | 0x00a8 | 0xc02b | 0xc02f | 0xc02d | 0xc031 => (Gcm128, Sha256),
            0x1302 | 0x009d | 0x009f | 0x00a9 | 0xc02c | 0xc030 | 0xc02e | 0xc032 => (Gcm256, Sha384),
            0x1303 | 0xcca8..=0xccae => (ChaCha, Sha256),
            0x002f | 0x0033 | 0x008c | 0xc004 | 0xc009 | 0xc00e | 0xc013 | 0xc035 => {
                (Cbc128(Mac::Sha1), Sha256)
            }
            0x0035 | 0x0039 | 0x008d | 0xc005 | 0xc00a | 0xc00f | 0xc014 | 0xc036 => {
                (Cbc256(Mac::Sha1), Sha256)
            }
            0x003c | 0x0067 | 0x00ae | 0xc023 | 0xc025 | 0xc027 | 0xc029 | 0xc037 => {
                (Cbc128(Mac::Sha256), Sha256)
            }
            0x003d | 0x006b => (Cbc256(Mac::Sha256), Sha256),
            0x00af | 0xc024 | 0xc026 | 0xc028 | 0xc02a | 0xc038 => (Cbc256(Mac::Sha384), Sha384),
            _ => return None,
        };
        Some(Suite { bulk, hash })
    }

    /// Bytes of its key.
    pub(super) const fn key_len(self) -> usize {
        match self.bulk {
            Bulk::Gcm128 | Bulk::Cbc128(_) => 16,
            Bulk::Gcm256 | Bulk::Cbc256(_) | Bulk::ChaCha => 32,
        }
    }
}
