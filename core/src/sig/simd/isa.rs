//! Which instruction set databases are built for: the best of the machine, or the one that `TIDEGATE_ISA` names.
//!
//! In: the environment, read once. Out: a [`Level`]. A name that is none, or of a set that the machine does not have, is
//! told by [`instruction_set`]; what searches all the same has the best there is.
use super::Level;
use alloc::string::String;

/// The variable.
#[cfg(feature = "std")]
const NAME: &str = "TIDEGATE_ISA";

/// `TIDEGATE_ISA` names no instruction set of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsaError {
    given: String,
}

impl core::fmt::Display for IsaError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "TIDEGATE_ISA is {:?}, which is none of what this machine has:", self.given)?;
        Level::available().try_for_each(|l| write!(f, " {}", l.key()))
    }
}

impl core::error::Error for IsaError {}

/// The set that `name` names, of those of this machine.
#[cfg(any(feature = "std", test))]
fn named(name: &str) -> Result<Level, IsaError> {
    Level::available().find(|l| l.key() == name).ok_or_else(|| IsaError { given: name.into() })
}

#[cfg(feature = "std")]
fn chosen() -> Result<Level, IsaError> {
    static CHOSEN: std::sync::OnceLock<Result<Level, IsaError>> = std::sync::OnceLock::new();
    CHOSEN
        .get_or_init(|| match std::env::var_os(NAME) {
            Some(v) if !v.is_empty() => named(&v.to_string_lossy()),
            _ => Ok(Level::best()),
        })
        .clone()
}

#[cfg(not(feature = "std"))]
fn chosen() -> Result<Level, IsaError> {
    Ok(Level::best())
}

/// What databases are built for.
pub(in super::super) fn level() -> Level {
    chosen().unwrap_or_else(|_| Level::best())
}

/// The name of the instruction set that searches use: the best of this machine, or the one that the environment variable
/// `TIDEGATE_ISA` names: `scalar`, `ssse3`, `avx2`, `avx512` (with VBMI) or `neon`. It is read once.
///
/// # Errors
/// The variable names none of this machine. Searches then use the best.
pub fn instruction_set() -> Result<&'static str, IsaError> {
    chosen().map(Level::name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_machine() {
        for l in Level::available() {
            assert_eq!(named(l.key()), Ok(l));
        }
        let said = named("mmx").unwrap_err().to_string();
        assert!(said.starts_with("TIDEGATE_ISA is \"mmx\"") && said.contains("scalar"), "{said}");
        let other = if cfg!(target_arch = "x86_64") { "neon" } else { "avx2" };
        assert!(named(other).is_err());
    }
}
