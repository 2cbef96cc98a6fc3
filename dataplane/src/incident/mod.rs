//! Incidents: events that tell one story about one host, put together.
//!
//! In: lines of EVE JSON, as they are written or read back. Out: stories, through a callback, whenever one grew past a
//! step or ended; `eve/incident.rs` writes them as `incident` events. Owns a table of fixed size. Nothing here runs on the
//! path of a packet: the writer of a sensor calls it, the reader of a capture, and `tidegate mcp` on what lies on disk.
//!
//! A story begins with a finding: an alert, a denied or watched decision of a policy, a service that answers strangers.
//! Calls of models join the story that their flow belongs to. `finding.rs` says which host a finding is about.

mod ask;
mod finding;
mod mask;
mod story;

use std::collections::HashMap;
use std::sync::Arc;

use tidegate_core::engine::{Clock, NEAR};
use tidegate_core::rules::ir::AddrSet;

pub use ask::{Question, questions};
pub use finding::{Finding, Home, Kind, nanoseconds};
pub use mask::masked;
pub use story::{Step, Story};

/// How large the table is, and when a story is over.
#[derive(Clone, Debug)]
pub struct IncidentSettings {
    /// Hosts with an open story at a time.
    pub hosts: usize,
    /// Steps of a story that are kept.
    pub steps: usize,
    /// A story without events for so long is over, nanoseconds of the events' time.
    pub idle: u64,
    /// `HOME_NET`; without it private addresses are home.
    pub home: Option<Arc<AddrSet>>,
}

impl Default for IncidentSettings {
    fn default() -> Self {
        IncidentSettings { hosts: 1024, steps: 32, idle: 600 * 1_000_000_000, home: None }
    }
}

/// Why a story is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// It has twice the steps of the last time.
    Grown,
    /// Nothing happened for as long as the settings say.
    Idle,
    /// Another host needed its place.
    Evicted,
    /// No more events come.
    End,
}

impl Occasion {
    pub const fn name(self) -> &'static str {
        match self {
            Occasion::Grown => "grown",
            Occasion::Idle => "idle",
            Occasion::Evicted => "evicted",
            Occasion::End => "end",
        }
    }
}

/// What became of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Stories begun.
    pub opened: u64,
    /// `incident` events.
    pub told: u64,
    /// Stories that gave way to those of other hosts.
    pub evicted: u64,
    /// Steps that found no room in their story.
    pub steps_left_out: u64,
}

/// Who is told of a story: the story, why, and the open stories of its peers.
pub type Tell<'a> = dyn FnMut(&Story, Occasion, &[String]) + 'a;

/// See the module.
#[derive(Debug)]
pub struct Incidents {
    settings: IncidentSettings,
    /// In no order; at most `settings.hosts`.
    stories: Vec<Story>,
    /// Where a host's story is among them.
    by_host: HashMap<String, usize>,
    /// No story is over before this time.
    next_idle: u64,
    /// The time of the events, which one wrong event does not move.
    clock: Clock,
    pub counts: Counts,
}

impl Incidents {
    pub fn new(settings: IncidentSettings) -> Incidents {
        Incidents {
            settings,
            stories: Vec::new(),
            by_host: HashMap::new(),
            next_idle: u64::MAX,
            clock: Clock::default(),
            counts: Counts::default(),
        }
    }

    /// Takes a line of EVE JSON, with or without its end. What is no event of interest is passed over.
    pub fn line(&mut self, line: &[u8], tell: &mut Tell<'_>) {
        if !finding::may_matter(line) {
            return;
        }
        // Lines are this program's own; one that a full disk cut is no event.
        if let Ok(event) = serde_json::from_slice(line) {
            self.event(&event, tell);
        }
    }

    /// As [`Incidents::line`], for an event that was read already.
    pub fn event(&mut self, event: &serde_json::Value, tell: &mut Tell<'_>) {
        let home = Home(self.settings.home.as_deref());
        let Some(f) = Finding::of(event, home, &|host| self.by_host.contains_key(host)) else {
            return;
        };
        self.clock.see(f.ns);
        let now = self.clock.now();
        self.tick(now, tell);
        self.part(&f, tell);
        // A call belongs to the story of either of its ends.
        let ends = [Some(f.host.as_str()), f.peer.as_deref().filter(|_| f.kind == Kind::Call)];
        let mut places = ends.map(|h| self.by_host.get(h?).copied()).into_iter().flatten();
        let there = places.find(|&at| self.stories.get(at).is_some_and(|s| s.belongs(&f)));
        let at = match there {
            Some(at) => at,
            // A call alone is no story.
            None if f.kind == Kind::Call => return,
            None => {
                if self.stories.len() >= self.settings.hosts.max(1) {
                    self.evict(tell);
                }
                self.counts.opened += 1;
                self.by_host.insert(f.host.clone(), self.stories.len());
                self.stories.push(Story::new(&f));
                self.next_idle = self.next_idle.min(f.ns.min(now).saturating_add(self.settings.idle));
                self.stories.len() - 1
            }
        };
        let Some(story) = self.stories.get_mut(at) else { return };
        story.heard = now;
        if !story.add(f, self.settings.steps.max(1)) {
            self.counts.steps_left_out += 1;
        }
        if story.has_grown() {
            self.tell(at, Occasion::Grown, tell);
        }
    }

    /// Ends what has been quiet for too long at `now`, nanoseconds.
    pub fn tick(&mut self, now: u64, tell: &mut Tell<'_>) {
        let idle = self.settings.idle;
        if now <= self.next_idle {
            return;
        }
        // Of its own time and that of all events when it was heard of, the later one that is believed by now.
        let limit = now.saturating_add(NEAR);
        let over = |s: &Story| {
            let believed = [s.last, s.heard].into_iter().filter(|t| *t <= limit).max();
            believed.unwrap_or(s.last.min(s.heard)).saturating_add(idle)
        };
        while let Some(at) = self.stories.iter().position(|s| over(s) < now) {
            self.end(at, Occasion::Idle, tell);
        }
        let next = self.stories.iter().map(|s| s.last.min(s.heard).saturating_add(idle)).min();
        self.next_idle = next.unwrap_or(u64::MAX);
    }

    /// The host's own story is over when the finding came long after it, whatever the time of the others is.
    fn part(&mut self, f: &Finding, tell: &mut Tell<'_>) {
        let Some(&at) = self.by_host.get(&f.host).filter(|_| f.kind != Kind::Call) else { return };
        let last = self.stories.get(at).map_or(u64::MAX, |s| s.last);
        if last.saturating_add(self.settings.idle) < f.ns {
            self.end(at, Occasion::Idle, tell);
        }
    }

    /// Ends what has been quiet for too long, `since` nanoseconds after the last event came.
    pub fn quiet(&mut self, since: u64, tell: &mut Tell<'_>) {
        self.tick(self.clock.now().saturating_add(since), tell);
    }

    /// No more events come: every story is told.
    pub fn finish(&mut self, tell: &mut Tell<'_>) {
        // Each is told while the others are there, so that related ones are named.
        let mut order: Vec<(u64, u64)> = self.stories.iter().map(|s| (s.first, s.id)).collect();
        order.sort_unstable();
        for (_, id) in order {
            if let Some(at) = self.stories.iter().position(|s| s.id == id) {
                self.tell(at, Occasion::End, tell);
            }
        }
        self.stories.clear();
        self.by_host.clear();
        self.next_idle = u64::MAX;
    }

    /// Counters under their names in `stats`.
    pub fn counters(&self) -> [(&'static str, u64); 4] {
        [
            ("incident.opened", self.counts.opened),
            ("incident.told", self.counts.told),
            ("incident.evicted", self.counts.evicted),
            ("incident.steps_left_out", self.counts.steps_left_out),
        ]
    }

    /// The story that was quiet longest makes room.
    fn evict(&mut self, tell: &mut Tell<'_>) {
        let oldest = self.stories.iter().enumerate().min_by_key(|(_, s)| (s.last, s.id)).map(|(at, _)| at);
        if let Some(at) = oldest {
            self.counts.evicted += 1;
            self.end(at, Occasion::Evicted, tell);
        }
    }

    fn end(&mut self, at: usize, why: Occasion, tell: &mut Tell<'_>) {
        self.tell(at, why, tell);
        let gone = self.stories.swap_remove(at);
        self.by_host.remove(&gone.host);
        if let Some(moved) = self.stories.get(at) {
            self.by_host.insert(moved.host.clone(), at);
        }
    }

    fn tell(&mut self, at: usize, why: Occasion, tell: &mut Tell<'_>) {
        let related = self.related(at);
        if let Some(s) = self.stories.get_mut(at) {
            s.revision += 1;
            self.counts.told += 1;
            tell(s, why, &related);
        }
    }

    /// Open stories of hosts that this one dealt with, and of those that dealt with it.
    fn related(&self, at: usize) -> Vec<String> {
        let Some(s) = self.stories.get(at) else { return Vec::new() };
        let touches = |o: &&Story| o.id != s.id && (s.has_peer(&o.host) || o.has_peer(&s.host));
        let mut ids: Vec<String> = self.stories.iter().filter(touches).map(Story::name).collect();
        ids.sort();
        ids.truncate(story::LISTED);
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(second: u64, src: &str, dst: &str, sid: u64, risk: &str) -> String {
        format!(
            r#"{{"timestamp":"2026-01-05T09:{:02}:{:02}.000000+0000","flow_id":{sid},"event_type":"alert","src_ip":"{src}","src_port":4000,"dest_ip":"{dst}","dest_port":80,"proto":"TCP","alert":{{"action":"allowed","gid":1,"signature_id":{sid},"rev":1,"signature":"s{sid}","category":"","severity":2,"metadata":{{"ai_risk":["{risk}"],"atlas":["AML.T0051"],"mitre_technique_id":["T1190"]}}}},"direction":"to_server"}}"#,
            second / 60,
            second % 60
        )
    }

    fn told(lines: &[String], settings: IncidentSettings) -> (Vec<(String, Occasion, usize)>, Counts) {
        let (mut table, mut out) = (Incidents::new(settings), Vec::new());
        let mut tell = |s: &Story, why, _: &[String]| out.push((s.host.clone(), why, s.steps().len()));
        lines.iter().for_each(|l| table.line(l.as_bytes(), &mut tell));
        table.finish(&mut tell);
        (out, table.counts)
    }

    #[test]
    fn steps_of_one_host_are_one_story_and_repetitions_are_counted() {
        let lines: Vec<String> =
            (0..8).map(|i| alert(i, "203.0.113.9", "10.0.0.5", 1 + i / 4, "recon")).collect();
        let (out, counts) = told(&lines, IncidentSettings::default());
        assert_eq!(out, [("10.0.0.5".into(), Occasion::Grown, 2), ("10.0.0.5".into(), Occasion::End, 2)]);
        assert_eq!((counts.opened, counts.told, counts.evicted), (1, 2, 0));
    }

    /// More hosts than there is room for.
    #[test]
    fn many_hosts_are_found_and_none_is_lost() {
        let host = |i: u64| format!("10.0.{}.{}", i / 250, i % 250);
        let lines: Vec<String> =
            (0..6000).map(|i| alert(i / 100, "203.0.113.9", &host(i / 2), 1 + i % 2, "recon")).collect();
        let (out, counts) = told(&lines, IncidentSettings::default());
        assert_eq!((counts.opened, counts.evicted), (3000, 3000 - 1024));
        // Each once when it grew and once when it went.
        assert_eq!(out.len(), 6000);
        assert!(out.iter().all(|(_, _, steps)| *steps == 2));
    }

    #[test]
    fn silence_ends_a_story_and_a_full_table_evicts_the_quietest() {
        let lines = [
            alert(0, "203.0.113.9", "10.0.0.5", 1, "recon"),
            alert(700, "203.0.113.9", "10.0.0.5", 2, "recon"),
            alert(701, "203.0.113.9", "10.0.0.6", 3, "recon"),
            alert(702, "203.0.113.9", "10.0.0.7", 4, "recon"),
        ];
        let (out, counts) = told(&lines, IncidentSettings { hosts: 2, ..IncidentSettings::default() });
        let short: Vec<_> = out.iter().map(|(h, w, _)| (h.as_str(), *w)).collect();
        assert_eq!(
            short,
            [
                ("10.0.0.5", Occasion::Idle),
                ("10.0.0.5", Occasion::Evicted),
                ("10.0.0.6", Occasion::End),
                ("10.0.0.7", Occasion::End)
            ]
        );
        assert_eq!(counts.evicted, 1);
    }

    /// The rule of the engine's clock (`docs/time.md`): what was far ahead alone moves nothing but its own story.
    #[test]
    fn one_wrong_time_ends_at_most_its_own_story() {
        let at = |i: u64, host: &str, sid| alert(i, "203.0.113.9", host, sid, "recon");
        let good: Vec<String> = (0..8).map(|i| at(i, "10.0.0.5", 1 + i / 4)).collect();
        for (wrong, place) in [("2126-", 0), ("2126-", 4), ("1999-", 0), ("1999-", 4)] {
            let mut lines = good.clone();
            lines.insert(place, at(3, "10.0.0.9", 9).replace("2026-", wrong));
            let (out, _) = told(&lines, IncidentSettings::default());
            let mut of: Vec<_> = out.iter().filter(|o| o.0 == "10.0.0.5").map(|o| (o.1, o.2)).collect();
            of.sort_by_key(|o| o.1);
            assert_eq!(of, [(Occasion::Grown, 2), (Occasion::End, 2)], "{wrong} {place}");
        }
    }

    #[test]
    fn a_clock_that_goes_on_later_ends_what_was_before() {
        let at = |i: u64, host: &str| alert(i, "203.0.113.9", host, i, "recon");
        let lines = [
            at(0, "10.0.0.5"),
            at(3000, "10.0.0.6"),
            at(3001, "10.0.0.6"),
            at(3002, "10.0.0.6"),
            at(3003, "10.0.0.6"),
        ];
        let (out, _) = told(&lines, IncidentSettings::default());
        let short: Vec<_> = out.iter().map(|(h, w, n)| (h.as_str(), *w, *n)).collect();
        assert_eq!(
            short,
            [
                ("10.0.0.6", Occasion::Grown, 2),
                ("10.0.0.5", Occasion::Idle, 1),
                ("10.0.0.6", Occasion::Grown, 4),
                ("10.0.0.6", Occasion::End, 4)
            ]
        );
    }

    /// Live, silence ends also the story of an event that came alone, whatever its time said.
    #[test]
    fn silence_ends_a_story_whose_time_was_not_believed() {
        let mut table = Incidents::new(IncidentSettings::default());
        let mut out = Vec::new();
        let mut tell = |s: &Story, why, _: &[String]| out.push((s.host.clone(), why));
        table.line(alert(0, "203.0.113.9", "10.0.0.5", 1, "recon").as_bytes(), &mut tell);
        table.line(alert(3000, "203.0.113.9", "10.0.0.6", 2, "recon").as_bytes(), &mut tell);
        table.quiet(601 * 1_000_000_000, &mut tell);
        out.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(out, [("10.0.0.5".into(), Occasion::Idle), ("10.0.0.6".into(), Occasion::Idle)]);
    }

    #[test]
    fn a_story_holds_so_many_steps_and_says_what_it_left_out() {
        let lines: Vec<String> = (0..50).map(|i| alert(i, "203.0.113.9", "10.0.0.5", i, "recon")).collect();
        let (out, counts) = told(&lines, IncidentSettings { steps: 10, ..IncidentSettings::default() });
        assert!(out.iter().all(|(_, _, steps)| *steps <= 10));
        assert_eq!(counts.steps_left_out, 40);
    }

    #[test]
    fn lines_that_are_no_events_change_nothing() {
        let whole = alert(1, "203.0.113.9", "10.0.0.5", 1, "recon");
        let mut lines: Vec<String> =
            (0..whole.len() - 1).filter_map(|n| whole.get(..n)).map(String::from).collect();
        lines.extend(
            ["", "null", "[]", r#"{"event_type":"alert"}"#, r#"{"event_type":"alert","src_ip":7}"#]
                .map(String::from),
        );
        lines.push(r#"{"event_type":"policy","timestamp":"x","src_ip":"y","policy":[]}"#.into());
        let (out, _) = told(&lines, IncidentSettings::default());
        assert!(out.is_empty(), "{out:?}");
    }
}
