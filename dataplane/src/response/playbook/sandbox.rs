//! Commands of playbooks: words and an event go in, whether it worked comes out. No shell, nothing of our environment, no more
//! rights than there are, bounded time, memory and files, a network only where that is asked for.
//!
//! This program calls itself ([`enter`]) between two steps: limits that a process sets for itself hold for what it becomes.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// What the environment of a command has.
const ENVIRONMENT: [(&str, &str); 2] = [("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LANG", "C.UTF-8")];
/// Bytes of what a command says that are kept.
const SAID: usize = 512;
/// Memory, size of a file, open files.
const MEMORY: u64 = 1 << 30;
const FILE: u64 = 64 << 20;
const FILES: u64 = 64;
/// Exit code of [`enter`] when the command was not begun.
const NOT_BEGUN: u8 = 126;

/// Runs a command: `words`, the first of which is a program with its path. `event` is its standard input.
///
/// # Errors
/// It could not begin, took too long, or failed; with what it said.
pub fn run(words: &[String], event: &[u8], timeout: Duration, network: bool) -> Result<(), String> {
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut c = Command::new(own);
    c.arg("sandboxed")
        .arg(if network { "network" } else { "no-network" })
        .arg(timeout.as_secs().max(1).to_string());
    c.args(words);
    c.env_clear().envs(ENVIRONMENT).current_dir("/").process_group(0);
    c.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = c.spawn().map_err(|e| e.to_string())?;
    let said = feed(&mut child, event);
    let until = Instant::now() + timeout;
    let ended = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
            _ => break None,
        }
    };
    // What it started ends with it.
    if let Ok(pid) = i32::try_from(child.id()) {
        let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
    }
    let _ = child.wait();
    let said = said.recv_timeout(Duration::from_millis(200)).unwrap_or_default();
    let said: String =
        String::from_utf8_lossy(&said).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match ended {
        Some(s) if s.success() => Ok(()),
        Some(s) => Err(format!("{s}: {}", said.trim())),
        None => Err(format!("it was ended after {} s", timeout.as_secs_f64())),
    }
}

/// Hands the event over, and listens to what is said, on threads: neither may hold anybody up.
fn feed(child: &mut Child, event: &[u8]) -> std::sync::mpsc::Receiver<Vec<u8>> {
    let (tx, rx) = std::sync::mpsc::channel();
    if let Some(mut to) = child.stdin.take() {
        let event = event.to_vec();
        // Who does not read it is ended by the time.
        let _ = std::thread::Builder::new().name("event".into()).spawn(move || to.write_all(&event));
    }
    if let Some(mut from) = child.stderr.take() {
        let _ = std::thread::Builder::new().name("said".into()).spawn(move || {
            let (mut kept, mut part) = (Vec::new(), [0; 512]);
            while let Ok(n @ 1..) = from.read(&mut part) {
                kept.extend_from_slice(&part[..n.min(SAID - kept.len())]);
            }
            let _ = tx.send(kept);
        });
    }
    rx
}

/// The step in between: limits what this process may do, and becomes the command. `args`: `network` or `no-network`, seconds,
/// words.
pub fn enter(args: &[OsString]) -> ExitCode {
    let fail = |what: &str, e: &dyn std::fmt::Display| {
        eprintln!("{what}: {e}");
        ExitCode::from(NOT_BEGUN)
    };
    let [network, seconds, program, rest @ ..] = args else { return fail("sandboxed", &"words are missing") };
    let seconds: u64 = seconds.to_str().and_then(|s| s.parse().ok()).unwrap_or(5);
    let limits = [
        (Resource::RLIMIT_CPU, seconds),
        (Resource::RLIMIT_AS, MEMORY),
        (Resource::RLIMIT_FSIZE, FILE),
        (Resource::RLIMIT_NOFILE, FILES),
        (Resource::RLIMIT_CORE, 0),
    ];
    for (what, n) in limits {
        if let Err(e) = setrlimit(what, n, n) {
            return fail("a limit", &e);
        }
    }
    #[cfg(target_os = "linux")]
    {
        use nix::sched::{CloneFlags, unshare};
        // Nothing outlives the sensor, however that ends.
        let alone = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL);
        if let Err(e) = alone.and_then(|()| nix::sys::prctl::set_no_new_privs()) {
            return fail("rights", &e);
        }
        if network != "network" {
            let alone = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC;
            // Who is not root needs a namespace of users for the others.
            if let Err(e) = unshare(alone).or_else(|_| unshare(CloneFlags::CLONE_NEWUSER | alone)) {
                return fail("a namespace without a network (say `network: yes` to do without)", &e);
            }
        }
    }
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let e = Command::new(program).args(rest).exec();
    fail(&program.to_string_lossy(), &e)
}
