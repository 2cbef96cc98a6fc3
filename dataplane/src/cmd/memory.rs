//! `--memory`: a size in words goes in, bytes that this machine can have come out.

use crate::config::yaml;

/// What `--memory` says, for `engines` engines.
pub fn parse(text: &str, engines: u64) -> Result<u64, String> {
    let bytes = yaml::size(text).ok_or_else(|| {
        format!("--memory {text}: not a size (a number, then nothing, kb, mb, gb, KiB, MiB or GiB)")
    })?;
    within(text, bytes, engines, installed())
}

fn within(text: &str, bytes: u64, engines: u64, machine: Option<u64>) -> Result<u64, String> {
    let most = machine.unwrap_or(isize::MAX as u64 / 4);
    match bytes.checked_mul(engines.max(1)) {
        Some(all) if all <= most => Ok(bytes),
        _ => {
            let each = if engines > 1 { format!(" for each of {engines} workers") } else { String::new() };
            Err(format!("--memory {text}{each}: this machine has {} MiB", most >> 20))
        }
    }
}

/// Bytes of memory and swap; `None` where nobody says.
fn installed() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kib = |name: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(name))?;
        line.trim_start_matches(':').trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    Some((kib("MemTotal")? + kib("SwapTotal").unwrap_or(0)) << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_the_machine_has_is_refused() {
        let gib = 1 << 30;
        assert_eq!(within("2gb", 2 * gib, 2, Some(4 * gib)), Ok(2 * gib));
        let e = within("2gb", 2 * gib, 3, Some(4 * gib)).unwrap_err();
        assert_eq!(e, "--memory 2gb for each of 3 workers: this machine has 4096 MiB");
        assert!(within("x", u64::MAX, 2, None).is_err());
        for wrong in ["99999gb", "", "much", "-1", "99999999999999999gb"] {
            assert!(parse(wrong, 1).unwrap_err().starts_with(&format!("--memory {wrong}")), "{wrong}");
        }
    }
}
