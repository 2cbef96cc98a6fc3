//! Packets of hosts on their way to files: hosts and frames go in, files of pcap come out, each for a time and of a bounded
//! size. Owns the open files and tells workers whose frames to copy.

use std::io::{BufWriter, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::desk::Desk;
use super::tap::{Captured, Shared};
use crate::eve::Told;
use crate::live::worker::Mailbox;

const SECOND: u64 = 1_000_000_000;
/// Captures at once.
const MOST: usize = 16;
/// Largest file, bytes.
const LARGEST: u64 = 64 << 20;
/// After its end a capture waits for frames that are on their way, ns.
const LINGER: u64 = SECOND / 4;

struct Open {
    number: u32,
    host: IpAddr,
    until: u64,
    file: BufWriter<std::fs::File>,
    path: PathBuf,
    packets: u64,
    bytes: u64,
    playbook: String,
    error: Option<std::io::Error>,
}

/// See the module.
pub struct Captures {
    folder: PathBuf,
    workers: Vec<Arc<Mailbox>>,
    shared: Arc<Shared>,
    open: Vec<Open>,
    next: u32,
}

impl Captures {
    /// Files go to `folder`.
    pub fn new(folder: PathBuf, workers: Vec<Arc<Mailbox>>, shared: Arc<Shared>) -> Captures {
        Captures { folder, workers, shared, open: Vec::new(), next: 1 }
    }

    /// Captures the packets of a host from now on; one that is captured already, for longer.
    pub fn begin(&mut self, host: IpAddr, span: u64, playbook: &str, now: u64, desk: &Desk) {
        let until = now.saturating_add(span);
        let text = host.to_string();
        let tell = |action, error: &str, path: &str| {
            let words: &[_] = &[
                ("playbook", playbook),
                ("do", "capture"),
                ("host", &text),
                ("file", path),
                ("error", error),
            ];
            desk.tell(&Told { ts: now, action, block: None, words, numbers: &[] });
        };
        if let Some(o) = self.open.iter_mut().find(|o| o.host == host) {
            o.until = o.until.max(until);
        } else if self.open.len() >= MOST {
            return tell("failed", "16 hosts are captured already", "");
        } else {
            let name = format!("capture-{}-{}-{}.pcap", text.replace(':', "_"), now / SECOND, self.next);
            let path = self.folder.join(name);
            match create(&path) {
                Ok(file) => {
                    tell("capturing", "", &path.to_string_lossy());
                    let playbook = playbook.to_string();
                    let number = self.next;
                    self.open.push(Open {
                        number,
                        host,
                        until,
                        file,
                        path,
                        packets: 0,
                        bytes: 24,
                        playbook,
                        error: None,
                    });
                    self.next = self.next.wrapping_add(1);
                }
                Err(e) => return tell("failed", &e.to_string(), &path.to_string_lossy()),
            }
        }
        self.publish();
    }

    fn publish(&self) {
        let hosts = self.open.iter().map(|o| (o.host, o.number, o.until)).collect();
        let list = Arc::new(Captured { hosts, shared: self.shared.clone() });
        for w in &self.workers {
            drop(w.captured.force_push(list.clone()));
        }
    }

    /// A frame of a captured host. Files have times in microseconds.
    pub fn frame(&mut self, capture: u32, ts: u64, wire: u32, bytes: &[u8]) {
        let Some(o) = self.open.iter_mut().find(|o| o.number == capture) else { return };
        let len = bytes.len() as u64 + 16;
        if o.error.is_some() || o.bytes + len > LARGEST {
            return;
        }
        let head = [(ts / SECOND) as u32, (ts % SECOND / 1000) as u32, bytes.len() as u32, wire];
        let mut all = Vec::with_capacity(16);
        head.iter().for_each(|n| all.extend_from_slice(&n.to_le_bytes()));
        match o.file.write_all(&all).and_then(|()| o.file.write_all(bytes)) {
            Ok(()) => {
                o.packets += 1;
                o.bytes += len;
            }
            Err(e) => o.error = Some(e),
        }
    }

    /// Ends what is over.
    pub fn tick(&mut self, now: u64, desk: &Desk) {
        let over = |o: &Open| now >= o.until.saturating_add(LINGER) || o.error.is_some();
        if !self.open.iter().any(over) {
            return;
        }
        let (ended, open) = std::mem::take(&mut self.open).into_iter().partition(over);
        self.open = open;
        self.publish();
        ended.into_iter().for_each(|o: Open| o.end(now, desk));
    }

    /// Ends all.
    pub fn finish(&mut self, now: u64, desk: &Desk) {
        std::mem::take(&mut self.open).into_iter().for_each(|o| o.end(now, desk));
    }
}

impl Open {
    fn end(mut self, now: u64, desk: &Desk) {
        let error = self.error.take().or_else(|| self.file.flush().err()).map(|e| e.to_string());
        let (host, path) = (self.host.to_string(), self.path.to_string_lossy().into_owned());
        let action = if error.is_some() { "failed" } else { "captured" };
        let words: &[_] = &[
            ("playbook", &*self.playbook),
            ("do", "capture"),
            ("host", &host),
            ("file", &path),
            ("error", error.as_deref().unwrap_or("")),
        ];
        let numbers: &[_] = &[("packets", self.packets), ("bytes", self.bytes)];
        desk.tell(&Told { ts: now, action, block: None, words, numbers });
    }
}

/// A new file with the head of a capture of Ethernet frames.
fn create(path: &std::path::Path) -> std::io::Result<BufWriter<std::fs::File>> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    let mut out = BufWriter::new(file);
    out.write_all(&0xa1b2_c3d4u32.to_le_bytes())?;
    out.write_all(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
    out.write_all(&(256u32 << 10).to_le_bytes())?;
    out.write_all(&1u32.to_le_bytes())?;
    Ok(out)
}
