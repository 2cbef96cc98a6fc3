//! `pcap-log`: packets as they arrived, into files that tcpdump, Wireshark and this program read.
//!
//! In: the frames of each burst, and what the engine says of them. Out: files of pcap with times in nanoseconds. [`pick`]
//! decides which frames, [`files`] writes and rotates, [`live`] takes frames from workers to a thread that writes.

pub mod files;
#[cfg(unix)]
pub mod live;
pub mod pick;

use std::path::Path;

use tidegate_core::engine::Frame;

use crate::config::pcaplog::PcapLogSettings;
use crate::eve::OutputError;
use files::Files;
use pick::Picker;

/// Picks and writes at once, for captures.
#[derive(Debug)]
pub struct PcapLog {
    pub picker: Picker,
    files: Files,
}

impl PcapLog {
    /// Files go to `dir`, or where the settings say. `depth`: bytes of a stream that are looked at; 0: all.
    pub fn new(s: &PcapLogSettings, dir: &Path, depth: u64) -> PcapLog {
        PcapLog { picker: Picker::new(s, depth), files: Files::new(s, dir, 1, 1) }
    }

    /// The engine has seen these frames: writes those that are picked.
    pub fn frames(&mut self, frames: &[Frame<'_>]) {
        for f in frames.iter().filter(|f| self.picker.picks(f)) {
            self.files.write(f.ts, f.link, f.wire_len() as u32, f.data);
        }
        self.picker.clear();
    }

    /// Writes out what is left; the first error, if there was one.
    pub fn finish(&mut self) -> Result<(), OutputError> {
        self.files.finish()
    }

    /// Counters for `stats` records. What is still collected is written first, so that it counts.
    pub fn counters(&mut self) -> [(&'static str, u64); 2] {
        self.files.flush();
        [("pcap_log.packets", self.files.packets), ("pcap_log.bytes", self.files.bytes)]
    }
}
