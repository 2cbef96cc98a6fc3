//! The end that a user or a service manager asks for while captures are read.
//!
//! In: signals, and the source of a capture. Out: whether to stop, and the bytes of sources that make wait (standard input,
//! named pipes), whose end that is. Owns the thread that takes signals. Also: signals that ask for something else and would end
//! a program that does not know them.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::consts::signal::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};

use crate::capture::{Capture, CaptureError};

/// Milliseconds between two looks at whether to stop.
const LOOK: u16 = 200;

/// What was asked for by a signal before anybody could do it.
#[derive(Default)]
pub(super) struct Early {
    /// SIGUSR1: that files be opened anew.
    pub reopen: Arc<AtomicBool>,
    /// SIGUSR2: that rules be read anew.
    pub reload: Arc<AtomicBool>,
}

impl Early {
    /// From now on SIGUSR1 and SIGUSR2 do not end the program, also while rules are loaded, which may take long.
    pub fn take() -> Early {
        let e = Early::default();
        // Without a handler the signal ends the program, which is no reason to refuse to run.
        let _ = signal_hook::flag::register(SIGUSR1, e.reopen.clone());
        let _ = signal_hook::flag::register(SIGUSR2, e.reload.clone());
        e
    }
}

/// Becomes true when somebody wants an end: SIGINT, SIGTERM or SIGHUP. The next one does not wait for what is being written.
pub(super) fn interrupts() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    // Without a handler a signal just ends the program, which is no reason to refuse to run.
    if let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2])
    {
        std::thread::spawn(move || {
            for signal in signals.forever() {
                if let SIGUSR1 | SIGUSR2 = signal {
                    let (name, what) = match signal {
                        SIGUSR1 => ("SIGUSR1", "files are opened anew"),
                        _ => ("SIGUSR2", "rules are reloaded"),
                    };
                    eprintln!("{name}: {what} only where traffic is live; captures are read on");
                    continue;
                }
                if flag.swap(true, Ordering::Relaxed) {
                    eprintln!("interrupted again: what was not written yet is lost");
                    std::process::exit(128 + signal);
                }
            }
        });
    }
    stop
}

/// Whether a source may make wait for its bytes.
pub(super) fn may_wait(path: &Path) -> bool {
    path == Path::new("-") || std::fs::metadata(path).is_ok_and(|m| !m.is_file())
}

/// Opens a capture; one that makes wait ends when `stop` says so.
pub(super) fn open(path: &Path, stop: &Arc<AtomicBool>) -> Result<Capture, CaptureError> {
    if !may_wait(path) {
        return Capture::open(path);
    }
    // Not by the standard library's own buffer: what lies in that is not seen from outside.
    let source = match path == Path::new("-") {
        true => io::stdin().as_fd().try_clone_to_owned().map(File::from),
        false => File::open(path),
    };
    let source = source.map_err(|source| CaptureError::Open { path: path.to_owned(), source })?;
    Capture::from_reader(Box::new(Waiting { source, stop: stop.clone() }))
}

/// A source that is only read when it has something.
struct Waiting<S> {
    source: S,
    stop: Arc<AtomicBool>,
}

impl<S: Read + AsFd> Read for Waiting<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while !self.stop.load(Ordering::Relaxed) {
            let mut fds = [PollFd::new(self.source.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, PollTimeout::from(LOOK)) {
                Ok(0) | Err(nix::Error::EINTR) => {}
                Ok(_) => return self.source.read(buf),
                Err(e) => return Err(e.into()),
            }
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_source_that_makes_wait_is_read_until_it_is_to_stop() {
        let (source, mut pipe) = io::pipe().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let mut w = Waiting { source, stop: stop.clone() };
        pipe.write_all(b"abc").unwrap();
        let mut buf = [0; 8];
        assert_eq!(w.read(&mut buf).unwrap(), 3);
        std::thread::scope(|s| {
            let quiet = s.spawn(|| w.read(&mut [0; 8]).unwrap());
            stop.store(true, Ordering::Relaxed);
            assert_eq!(quiet.join().unwrap(), 0);
        });
        drop(pipe);
    }
}
