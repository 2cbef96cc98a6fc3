//! The secret that keys the hash tables of engines: from the system's entropy, or by choice.
//!
//! Live engines, and those of the C library and of Python, take [`random`]. Runs over captures take [`CAPTURES`], so
//! that a capture gives the same output each time.

use tidegate_core::Secret;

/// The secret of runs over captures. It is published, so it must never key an engine of live traffic.
pub const CAPTURES: Secret = Secret::fixed(0);

/// The system gives no random bytes.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no random bytes from the system: {0}")]
pub struct NoEntropy(getrandom::Error);

impl From<NoEntropy> for String {
    fn from(e: NoEntropy) -> String {
        e.to_string()
    }
}

/// 128 bits of the system's entropy.
pub fn random() -> Result<Secret, NoEntropy> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(NoEntropy)?;
    Ok(Secret::random(bytes))
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_secrets_differ() {
        let (a, b) = (super::random().unwrap(), super::random().unwrap());
        assert_ne!(a.word(*b"test    "), b.word(*b"test    "));
    }
}
