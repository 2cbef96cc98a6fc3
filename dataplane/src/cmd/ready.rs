//! What a run needs beside settings and rules, for `-T`: captures, interfaces, folders, a user. The arguments go in, the first
//! thing that would end the run comes out. Nothing is left behind, and what a running sensor has (its pidfile, its socket) may be
//! there: a test is mostly made beside it.

use std::fs::File;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use crate::capture::Capture;
use crate::config::engine::{Mode, room};
use crate::config::logging::Logging;
use crate::config::{Overrides, Settings};
use crate::context::Context;
use crate::eve::logs::Log;
use crate::keys;
use crate::lines::{with_time, writable};
use crate::secret;

use super::feed::Feed;
use super::{RunArgs, can_write, log_dir, run};

/// Whether a run could begin. `memory`: of an engine.
pub(super) fn check(
    args: &RunArgs,
    s: &Settings,
    memory: u64,
    context: Option<&Context>,
) -> Result<(), String> {
    let ips = args.simulate_ips || !args.live.inline.is_empty();
    let mode = Mode { ips, ignore_checksums: false, memory, secret: secret::CAPTURES };
    s.engine(mode).map_err(|e| format!("--memory: {e}"))?;
    room(memory)?;
    outputs(args, s)?;
    if let Some(path) = &args.pidfile {
        can_be_made(path).map_err(|e| format!("--pidfile: {}: {e}", path.display()))?;
    }
    if let Some(c) = context {
        crate::context::read::check(&s.context.files, args.read.is_none(), c)?;
    }
    match &args.read {
        Some(source) => captures(args, source, s),
        None => live(args),
    }
}

/// Whether files can be made where outputs and logs have theirs.
fn outputs(args: &RunArgs, s: &Settings) -> Result<(), String> {
    let dir = log_dir(args, s);
    can_write(&dir)?;
    let o = &s.outputs;
    for name in o.logs().map(Log::file) {
        // What a time in a name becomes is known when it is there.
        let path = with_time(name).map(|n| dir.join(n)).map_err(|e| e.to_string())?;
        writable(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    let names = o.logs().map(Log::file);
    let above = names.filter_map(|f| dir.join(f).parent().map(Path::to_owned));
    let mut folders: Vec<PathBuf> = above.collect();
    folders.extend(o.store.iter().map(|f| dir.join(&f.dir)));
    folders.extend(o.pcap_log.iter().filter_map(|p| p.dir.as_ref()).map(|d| dir.join(d)));
    let over = Overrides { set: &args.set, ips: args.simulate_ips };
    let logging = Logging::of(run::config_file(args), &over);
    let logs = args.log_dir.as_deref().or(logging.dir.as_deref()).unwrap_or(Path::new("."));
    for path in logging.files.iter().map(|f| logs.join(&f.path)) {
        writable(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        folders.extend(path.parent().map(Path::to_owned));
    }
    folders.sort();
    folders.dedup();
    // A time in the name of a folder is whatever day it is.
    folders.iter().filter(|f| **f != dir && !f.to_string_lossy().contains('%')).try_for_each(|f| can_write(f))
}

/// Whether a file can be made at `path`, or the one there written. One is made beside it and removed.
fn can_be_made(path: &Path) -> Result<(), String> {
    match std::fs::metadata(path) {
        Ok(m) if m.is_dir() => return Err("it is a folder".into()),
        Ok(m) if m.is_file() => {
            return File::options().write(true).open(path).map(drop).map_err(|e| e.to_string());
        }
        Ok(_) => return writable(path).map_err(|e| e.to_string()),
        Err(_) => {}
    }
    beside(path)
}

/// Whether the folder of `path` takes new names.
fn beside(path: &Path) -> Result<(), String> {
    let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let probe = dir.join(format!(".tidegate-{}", std::process::id()));
    let made = File::create_new(&probe);
    let _ = std::fs::remove_file(&probe);
    made.map(drop).map_err(|e| e.to_string())
}

fn captures(args: &RunArgs, source: &Path, s: &Settings) -> Result<(), String> {
    Feed::new(source, args.pcap_file_recursive, args.pcap_file_continuous, s.pcap_files)?;
    let kind = match std::fs::metadata(source) {
        // What comes by standard input or a pipe is gone when it is looked at.
        _ if source == Path::new("-") => return Ok(()),
        Ok(m) => m,
        Err(e) => return Err(format!("{}: {e}", source.display())),
    };
    if kind.is_file() {
        Capture::open(source).map_err(|e| e.of(source))?;
    }
    Ok(())
}

/// What of key logs is wrong: lines that cannot be read. Those of live sessions need not be there yet, and their last line may be
/// on its way.
pub(super) fn keys(args: &RunArgs, s: &Settings) -> Result<Vec<String>, String> {
    if args.read.is_some() {
        return Ok(keys::all(&s.keys.files)?.complaints);
    }
    let followed = keys::Followed::open(&s.keys.files, &mut |_| ())?;
    Ok(followed.complaints())
}

#[cfg(not(unix))]
fn live(_: &RunArgs) -> Result<(), String> {
    Ok(())
}

/// Whether an address can be listened on. One that somebody has is told: mostly it is the sensor that runs beside the test.
pub(super) fn can_listen(at: SocketAddr) -> Result<(), String> {
    match TcpListener::bind(at) {
        Err(e) if e.kind() == ErrorKind::AddrInUse => {
            eprintln!("{at}: {e}: a run needs that whoever has it has ended by then");
            Ok(())
        }
        r => r.map(drop).map_err(|e| format!("{at}: {e}")),
    }
}

#[cfg(unix)]
fn live(args: &RunArgs) -> Result<(), String> {
    let l = &args.live;
    if let Some(name) = &l.user {
        let known = nix::unistd::User::from_name(name)
            .map_err(|e| e.to_string())
            .and_then(|u| u.ok_or("no such user".into()));
        known.map_err(|e| format!("--user {name}: {e}"))?;
    }
    if let Some(at) = l.prometheus {
        can_listen(at).map_err(|e| format!("--prometheus: {e}"))?;
    }
    if let Some(path) = &l.control {
        let told = |e: String| format!("--control: {}: {e}", path.display());
        crate::live::control::gives_way(path).map_err(|e| told(e.to_string()))?;
        beside(path).map_err(told)?;
    }
    if l.dpdk.is_some() {
        return super::live::built_with_dpdk();
    }
    let pairs = super::live::pairs(l)?;
    #[cfg(target_os = "linux")]
    pairs
        .iter()
        .flat_map(|(a, b)| [a, b])
        .chain(&l.interface)
        .try_for_each(|i| crate::live::afpacket::interface(i).map(drop).map_err(|e| e.to_string()))?;
    #[cfg(not(target_os = "linux"))]
    let _ = pairs;
    Ok(())
}
