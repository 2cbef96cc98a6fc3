//! What an engine costs to make and to free, for programs that make many of them: `engines [count]`.
//!
//! Prints, for some sizes of memory and with and without rules, the least, the median and the worst time of one engine, in
//! microseconds, and what resident memory grew by over all of them.

use std::time::Instant;

use tidegate_core::engine::Engine;
use tidegate_dataplane::config::Settings;
use tidegate_dataplane::config::engine::Mode;
use tidegate_dataplane::{load, secret};

/// Resident memory of this process, KiB.
fn resident() -> Result<u64, Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|l| l.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: usize = std::env::args().nth(1).map_or(Ok(1000), |t| t.parse())?;
    let settings = Settings::load(None, &Default::default())?;
    for rules in [None, Some("builtin:ai")] {
        let paths: Vec<_> = rules.iter().map(std::path::PathBuf::from).collect();
        let loaded = load::load(&paths, &settings, None)?;
        for megabytes in [8u64, 64, 256, 1024] {
            let mode = Mode {
                ips: false,
                ignore_checksums: false,
                memory: megabytes << 20,
                secret: secret::random()?,
            };
            let one = || -> Result<f64, Box<dyn std::error::Error>> {
                let start = Instant::now();
                drop(Engine::new(settings.engine(mode)?, loaded.rules.clone()));
                Ok(start.elapsed().as_secs_f64() * 1e6)
            };
            one()?;
            let before = resident()?;
            let mut times = (0..count).map(|_| one()).collect::<Result<Vec<_>, _>>()?;
            times.sort_by(f64::total_cmp);
            println!(
                "rules {}, {megabytes} MiB: {:.0} / {:.0} / {:.0} us, resident {:+} KiB after {count}",
                rules.unwrap_or("none"),
                times[0],
                times[count / 2],
                times[count - 1],
                resident()? as i64 - before as i64
            );
        }
    }
    Ok(())
}
