//! An output that also writes what its events tell together: chunks of lines go in, the same lines and `incident` events
//! come out. Runs on the writer's thread, so no packet waits for it.

use std::io::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::chunk::Chunk;
use super::writer::Outlet;
use crate::eve::logs::{Lines, Said};
use crate::incident::{IncidentSettings, Incidents};
use crate::lines::{Failure, LineFile, last_line};

/// Bytes of `incident` events that wait for a disk that is full; later ones are lost and counted.
const WAITING: usize = 4 << 20;

/// Counters of all stories, for `stats`: opened, told, evicted, steps left out, lost.
pub type Shared = Arc<[AtomicU64; 5]>;

/// Names of [`Shared`].
pub const NAMES: [&str; 5] =
    ["incident.opened", "incident.told", "incident.evicted", "incident.steps_left_out", "incident.lost"];

/// See the module.
pub struct Stories {
    file: LineFile,
    incidents: Incidents,
    records: Box<dyn Lines>,
    /// Lines that are to be written.
    waiting: Vec<u8>,
    /// Stories written since the file was last seen in its folder.
    unseen: u64,
    shared: Shared,
    /// Time of the latest event, and when it came: silence ends stories, too.
    heard: Option<Instant>,
}

impl Stories {
    pub fn new(
        file: LineFile,
        records: Box<dyn Lines>,
        incidents: IncidentSettings,
        shared: Shared,
    ) -> Stories {
        Stories {
            file,
            incidents: Incidents::new(incidents),
            records,
            waiting: Vec::new(),
            unseen: 0,
            shared,
            heard: None,
        }
    }

    /// Lets the table say what it has to say.
    fn ask(&mut self, what: impl FnOnce(&mut Incidents, &mut crate::incident::Tell<'_>)) {
        let before = self.incidents.counts;
        let mut lost = 0;
        let (records, waiting) = (&mut self.records, &mut self.waiting);
        what(&mut self.incidents, &mut |story, why, related| {
            let text = records.record(&Said::Incident { story, why, related });
            if waiting.len() + text.len() < WAITING {
                waiting.extend_from_slice(text);
                waiting.push(b'\n');
            } else {
                lost += 1;
            }
        });
        let now = self.incidents.counts;
        let grew = [
            now.opened - before.opened,
            now.told - before.told,
            now.evicted - before.evicted,
            now.steps_left_out - before.steps_left_out,
            lost,
        ];
        for (to, n) in self.shared.iter().zip(grew) {
            to.fetch_add(n, Ordering::Relaxed);
        }
    }

    /// Writes the lines that wait. What a full disk does not take waits on.
    fn write(&mut self) -> std::result::Result<(), Error> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let lines = &self.waiting;
        let count = |to: usize| lines[..to].iter().filter(|&&b| b == b'\n').count() as u64;
        match self.file.write(lines, |n| last_line(lines, n)) {
            Ok(()) => {
                self.unseen += count(lines.len());
                self.waiting.clear();
            }
            Err(Failure { whole, source }) => {
                self.unseen += count(whole.min(lines.len()));
                self.waiting.drain(..whole);
                return Err(source);
            }
        }
        Ok(())
    }
}

impl Outlet for Stories {
    fn name(&self) -> String {
        self.file.name()
    }

    fn send(&mut self, chunk: &Chunk) -> std::result::Result<(), Failure> {
        self.file.send(chunk)?;
        self.ask(|table, tell| chunk.bytes.split(|&b| b == b'\n').for_each(|l| table.line(l, tell)));
        self.heard = Some(Instant::now());
        self.write().map_err(|source| Failure { whole: chunk.bytes.len(), source })
    }

    fn reopen(&mut self) -> Result<()> {
        self.file.reopen()
    }

    fn gone(&mut self) -> bool {
        let unseen = std::mem::take(&mut self.unseen);
        let gone = self.file.gone();
        if let (true, Some(lost)) = (gone, self.shared.last()) {
            lost.fetch_add(unseen, Ordering::Relaxed);
        }
        gone
    }

    fn check(&mut self) -> Result<()> {
        self.file.check()?;
        if let Some(heard) = self.heard {
            let since = u64::try_from(heard.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.ask(|table, tell| table.quiet(since, tell));
        }
        self.write()
    }

    fn finish(&mut self) -> Result<()> {
        self.ask(|table, tell| table.finish(tell));
        self.write()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::EveSettings;
    use crate::eve::EveLine;
    use crate::lines::tests::Small;
    use crate::live::chunk::{Channel, Class, Filling};
    use std::path::Path;

    const ALERT: &str = r#"{"timestamp":"2026-01-05T09:00:00.000000+0000","flow_id":7,"event_type":"alert","src_ip":"203.0.113.9","src_port":4000,"dest_ip":"10.0.0.5","dest_port":80,"proto":"TCP","alert":{"action":"allowed","gid":1,"signature_id":SID,"rev":1,"signature":"s","category":"","severity":2},"direction":"to_server"}"#;

    fn records() -> Box<dyn Lines> {
        Box::new(EveLine::new(EveSettings::empty("eve.json"), false))
    }

    fn chunk(sids: std::ops::Range<u32>, channel: &Channel) -> Chunk {
        let mut f = Filling::new(0, false);
        for sid in sids {
            f.keep(ALERT.replace("SID", &sid.to_string()).as_bytes(), Class::Alert, channel);
        }
        f.flush(channel);
        channel.next().unwrap()
    }

    #[test]
    fn stories_come_behind_their_events_and_wait_for_a_full_disk() {
        let small = Small::default();
        small.0.lock().unwrap().room = 1 << 20;
        let file = LineFile::new(Path::new("eve.json"), Box::new(small.clone()));
        let shared = Shared::default();
        let mut s = Stories::new(file, records(), IncidentSettings::default(), shared.clone());
        let channel = Channel::new();
        s.send(&chunk(1..3, &channel)).unwrap();
        let text = |small: &Small| String::from_utf8(small.0.lock().unwrap().bytes.clone()).unwrap();
        assert_eq!(text(&small).matches("\"event_type\":\"incident\"").count(), 1);
        // The chunk fits, the story does not.
        let next = chunk(3..5, &channel);
        small.0.lock().unwrap().room = next.bytes.len() + 10;
        let e = s.send(&next).unwrap_err();
        assert_eq!(e.whole, next.bytes.len(), "events are not told as lost");
        small.0.lock().unwrap().room = 1 << 20;
        s.finish().unwrap();
        let all = text(&small);
        assert_eq!(all.matches("\"event_type\":\"incident\"").count(), 3);
        assert!(all.lines().all(|l| serde_json::from_str::<serde_json::Value>(l).is_ok()), "{all}");
        assert_eq!(shared[0].load(Ordering::Relaxed), 1);
        assert_eq!(shared[1].load(Ordering::Relaxed), 3);
    }

    #[test]
    fn silence_ends_a_story() {
        let small = Small::default();
        small.0.lock().unwrap().room = 1 << 20;
        let file = LineFile::new(Path::new("eve.json"), Box::new(small.clone()));
        let settings = IncidentSettings { idle: 1, ..IncidentSettings::default() };
        let mut s = Stories::new(file, records(), settings, Shared::default());
        s.send(&chunk(1..2, &Channel::new())).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(2));
        // The file of the test is in memory, so nothing is wrong with it.
        s.check().unwrap();
        let all = String::from_utf8(small.0.lock().unwrap().bytes.clone()).unwrap();
        assert!(all.contains("\"told\":\"idle\""), "{all}");
    }
}
