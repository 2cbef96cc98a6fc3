//! The captures of `tidegate run -r`, one after the other: a file, those of a folder, with `--pcap-file-recursive` those of the
//! folders in it, with `--pcap-file-continuous` also those that come later.
//!
//! In: the path and what was asked for. Out: a path at a time. It also removes captures that were read, where that is wanted.

use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::capture::{self, CaptureError};
use crate::config::{Delete, PcapFiles};

/// See the module.
pub(super) struct Feed {
    source: PathBuf,
    below: bool,
    continuous: bool,
    settings: PcapFiles,
    seen: HashSet<PathBuf>,
    queue: VecDeque<PathBuf>,
}

/// Time between two looks at whether to stop.
const NAP: Duration = Duration::from_millis(100);

impl Feed {
    pub(super) fn new(
        source: &Path,
        below: bool,
        continuous: bool,
        settings: PcapFiles,
    ) -> Result<Feed, String> {
        if (below || continuous) && !source.is_dir() {
            let which = if below { "recursive" } else { "continuous" };
            return Err(format!("--pcap-file-{which}: {} is no folder", source.display()));
        }
        let (seen, queue) = (HashSet::new(), VecDeque::new());
        let mut f = Feed { source: source.to_owned(), below, continuous, settings, seen, queue };
        f.look().map_err(|e| e.to_string())?;
        if f.queue.is_empty() && !continuous {
            let what = "an empty folder; captures (pcap, pcapng) are expected in it";
            return Err(format!("{}: {what}", source.display()));
        }
        Ok(f)
    }

    /// Puts captures that were not there before into the queue.
    fn look(&mut self) -> Result<(), CaptureError> {
        for path in capture::list(&self.source, self.below)? {
            let young = || {
                let changed = std::fs::metadata(&path).and_then(|m| m.modified()).ok();
                // A time to come is as good as none.
                changed
                    .and_then(|t| t.elapsed().ok())
                    .is_some_and(|age| age.as_secs() < self.settings.delay_s)
            };
            if self.seen.contains(&path) || (self.continuous && young()) {
                continue;
            }
            self.seen.insert(path.clone());
            self.queue.push_back(path);
        }
        Ok(())
    }

    /// The captures that are known and not yet read.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &PathBuf> {
        self.queue.iter()
    }

    /// How many captures there were so far.
    pub(super) fn count(&self) -> usize {
        self.seen.len()
    }

    /// The next capture. Without one, a continuous feed waits for it until `stop`.
    pub(super) fn next(&mut self, stop: &AtomicBool) -> Option<PathBuf> {
        loop {
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            if let Some(path) = self.queue.pop_front() {
                return Some(path);
            }
            if !self.continuous {
                return None;
            }
            let naps = (self.settings.poll_s * 1000 / 100).max(1);
            for _ in 0..naps {
                if stop.load(Ordering::Relaxed) {
                    return None;
                }
                std::thread::sleep(NAP);
            }
            if let Err(e) = self.look() {
                eprintln!("{e}");
            }
        }
    }

    /// Removes a capture that was read to its end, if that is wanted of it.
    pub(super) fn done(&self, path: &Path, alerts: u64) {
        let wanted = match self.settings.delete {
            Delete::No => false,
            Delete::All => true,
            Delete::NonAlerts => alerts == 0,
        };
        if wanted
            && path != Path::new("-")
            && let Err(e) = std::fs::remove_file(path)
        {
            eprintln!("{}: it cannot be removed: {e}", path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(delete: Delete) -> PcapFiles {
        PcapFiles { delete, poll_s: 0, delay_s: 0 }
    }

    #[test]
    fn folders_and_what_comes_later() {
        let dir = std::env::temp_dir().join(format!("tidegate-feed-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("in")).unwrap();
        for f in ["b.pcap", "a.pcap", "in/c.pcap"] {
            std::fs::write(dir.join(f), "x").unwrap();
        }
        let stop = AtomicBool::new(false);
        let all = |below: bool| -> Vec<PathBuf> {
            let mut f = Feed::new(&dir, below, false, settings(Delete::No)).unwrap();
            std::iter::from_fn(|| f.next(&stop)).collect()
        };
        let at = |names: &[&str]| names.iter().map(|n| dir.join(n)).collect::<Vec<_>>();
        assert_eq!(all(false), at(&["a.pcap", "b.pcap"]));
        assert_eq!(all(true), at(&["a.pcap", "b.pcap", "in/c.pcap"]));

        let mut f = Feed::new(&dir, false, true, settings(Delete::NonAlerts)).unwrap();
        assert_eq!(f.next(&stop), Some(dir.join("a.pcap")));
        f.done(&dir.join("a.pcap"), 0);
        assert_eq!(f.next(&stop), Some(dir.join("b.pcap")));
        f.done(&dir.join("b.pcap"), 1);
        assert!(!dir.join("a.pcap").exists() && dir.join("b.pcap").exists());
        std::fs::write(dir.join("d.pcap"), "x").unwrap();
        assert_eq!((f.next(&stop), f.count()), (Some(dir.join("d.pcap")), 3));
        stop.store(true, Ordering::Relaxed);
        assert_eq!(f.next(&stop), None);

        // One that is still being written waits.
        let young = PcapFiles { delay_s: 3600, ..settings(Delete::No) };
        assert_eq!(Feed::new(&dir, false, true, young).unwrap().waiting().count(), 0);
        assert!(Feed::new(&dir.join("b.pcap"), false, true, young).is_err());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
