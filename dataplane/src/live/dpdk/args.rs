//! Arguments of the EAL and of its devices.

use crate::dpdk::{DpdkError, Eal};

/// The CPUs that this process may use.
fn cpus() -> Vec<usize> {
    let Ok(set) = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)) else { return vec![0] };
    let list: Vec<usize> =
        (0..nix::sched::CpuSet::count()).filter(|&c| set.is_set(c).unwrap_or(false)).collect();
    if list.is_empty() { vec![0] } else { list }
}

/// Splits as a shell would, with both kinds of quotes.
fn words(text: &str) -> Vec<String> {
    let (mut out, mut word, mut any, mut quote) = (Vec::new(), String::new(), false, None);
    for c in text.chars() {
        match quote {
            Some(q) if c == q => quote = None,
            Some(_) => word.push(c),
            None if c == '\'' || c == '"' => (quote, any) = (Some(c), true),
            None if c.is_whitespace() => {
                if any || !word.is_empty() {
                    out.push(std::mem::take(&mut word));
                }
                any = false;
            }
            None => word.push(c),
        }
    }
    if any || !word.is_empty() {
        out.push(word);
    }
    out
}

/// The value of `key` in a device's arguments.
pub(super) fn device_arg<'a>(args: &'a str, key: &str) -> Option<&'a str> {
    args.split(',').find_map(|a| a.split_once('=').filter(|(k, _)| *k == key).map(|(_, v)| v))
}

/// Starts the EAL with lcores for `workers` lanes unless the arguments name some.
pub fn start_eal(eal: &str, workers: usize) -> Result<Eal, DpdkError> {
    let mut args = words(eal);
    let has = |names: &[&str]| {
        args.iter().any(|a| {
            names.iter().any(|n| a == n || (n.len() > 2 || !a.starts_with("--")) && a.starts_with(n))
        })
    };
    let mut more = Vec::new();
    if !has(&["-l", "-c", "--lcores", "-S", "-s"]) {
        let cpus = cpus();
        let all: Vec<String> = cpus.iter().map(usize::to_string).collect();
        let mut map = format!("--lcores=0@({})", all.join(","));
        for w in 0..workers.max(1) {
            map.push_str(&format!(",{}@{}", w + 1, cpus[w % cpus.len()]));
        }
        more.push(map);
    }
    if has(&["--no-huge"]) && !has(&["-m"]) {
        more.extend(["-m".into(), "512".into()]);
    }
    if !has(&["--log-level"]) {
        more.push("--log-level=lib.eal:warning".into());
    }
    args.extend(more);
    Eal::start(&args)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_split() {
        assert_eq!(words("a  'b c' d\"e f\"g ''"), ["a", "b c", "de fg", ""]);
        assert_eq!(device_arg("rx_pcap=a,tx_pcap=b", "tx_pcap"), Some("b"));
    }
}
