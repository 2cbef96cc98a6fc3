//! What playbooks do: events of the tap go in, orders to the desk, files of packets, and jobs for the senders come out.
//!
//! One thread judges and orders, so that a block follows its event at once; what may take long (webhooks, commands, messages)
//! has a few threads of its own behind a bounded queue. What finds no place there is told as failed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tidegate_core::response::Target;

use super::{Action, Playbooks, Run, Todo, sandbox, send};
use crate::eve::Told;
use crate::response::captures::Captures;
use crate::response::order::Order;
use crate::response::tap::{Item, Shared, What};
use crate::response::{Caller, Desk, Role};

const SECOND: u64 = 1_000_000_000;
/// Between two looks at the time.
const REST: Duration = Duration::from_millis(50);
/// How long the thread may take to end.
const ENDING: Duration = Duration::from_secs(2);
/// Jobs that wait, and threads that do them.
const JOBS: usize = 256;
const SENDERS: usize = 4;

/// Something that may take long.
struct Job {
    playbook: String,
    action: Action,
    words: Vec<String>,
    event: Arc<[u8]>,
}

/// See the module.
pub struct Responder {
    desk: Arc<Desk>,
    playbooks: Playbooks,
    shared: Arc<Shared>,
    captures: Captures,
    jobs: SyncSender<Job>,
    /// Runs beyond a playbook's limit since it was told.
    limited: Vec<u64>,
    missed: [u64; 2],
    told: u64,
}

/// A responder's thread.
#[derive(Debug)]
pub struct Handle {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Handle {
    /// What was seen so far is dealt with; then the thread ends. A disk that hangs holds nobody up for longer than [`ENDING`].
    pub fn finish(&mut self) {
        self.stop.store(true, Ordering::Release);
        let Some(t) = self.thread.take() else { return };
        t.thread().unpark();
        let until = Instant::now() + ENDING;
        while !t.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Responder {
    /// Starts the thread, and those of the senders.
    ///
    /// # Errors
    /// There can be no more threads.
    pub fn start(
        desk: Arc<Desk>,
        playbooks: Playbooks,
        shared: Arc<Shared>,
        captures: Captures,
    ) -> std::io::Result<Handle> {
        let (tx, rx) = sync_channel(JOBS);
        let rx = Arc::new(Mutex::new(rx));
        for _ in 0..SENDERS {
            let (rx, desk) = (rx.clone(), desk.clone());
            std::thread::Builder::new().name("send".into()).spawn(move || senders(&rx, &desk))?;
        }
        let limited = vec![0; playbooks.all().len()];
        let mut r =
            Responder { desk, playbooks, shared, captures, jobs: tx, limited, missed: [0; 2], told: 0 };
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = stop.clone();
        let thread = std::thread::Builder::new().name("response".into()).spawn(move || r.run(&stopping))?;
        Ok(Handle { stop, thread: Some(thread) })
    }

    fn run(&mut self, stop: &AtomicBool) {
        self.shared.read_here();
        loop {
            let last = stop.load(Ordering::Acquire);
            while let Some(item) = self.shared.next() {
                self.see(&item);
                self.shared.give_back(item);
            }
            let now = crate::live::now_ns();
            self.captures.tick(now, &self.desk);
            self.tell(now, last);
            if last {
                self.captures.finish(now, &self.desk);
                return;
            }
            std::thread::park_timeout(REST);
        }
    }

    fn see(&mut self, item: &Item) {
        if let What::Frame { capture, wire } = item.what {
            return self.captures.frame(capture, item.ts, wire, &item.bytes);
        }
        let Ok(event) = serde_json::from_slice::<Value>(&item.bytes) else { return };
        let runs = self.playbooks.see(&event, item.ts);
        if runs.is_empty() {
            return;
        }
        let now = crate::live::now_ns();
        let text: Arc<[u8]> = item.bytes.as_slice().into();
        for r in &runs {
            self.act(r, &event, &text, now);
        }
    }

    /// Does what a playbook says.
    fn act(&mut self, run: &Run, event: &Value, text: &Arc<[u8]>, now: u64) {
        if run.limited {
            self.limited[run.playbook] += 1;
            return;
        }
        let Some(p) = self.playbooks.all().get(run.playbook).cloned() else { return };
        let who = Caller { name: format!("playbook {}", p.name), role: Role::Admin };
        let reason = reason(event, &p.name);
        for t in &run.todo {
            if p.dry_run {
                tell(&self.desk, "dry_run", &p.name, &describe(t, &p.actions), "", now);
                continue;
            }
            match t {
                Todo::Set { effect, target, span } => {
                    let reason = reason.clone();
                    let order = Order::Set { effect: *effect, target: target.clone(), span: *span, reason };
                    // The desk tells of it, whatever comes of it.
                    let _ = self.desk.order(&who, "playbook", &order, now);
                }
                Todo::Capture { target, span } => {
                    if let Target::Net(n) = target {
                        self.captures.begin(n.addr(), *span, &p.name, now, &self.desk);
                    }
                }
                Todo::Missing { .. } => {
                    tell(
                        &self.desk,
                        "failed",
                        &p.name,
                        &describe(t, &p.actions),
                        "the event does not have it",
                        now,
                    );
                }
                Todo::Send { action, words } => {
                    let Some(a) = p.actions.get(*action) else { continue };
                    let job = Job {
                        playbook: p.name.clone(),
                        action: a.clone(),
                        words: words.clone(),
                        event: text.clone(),
                    };
                    if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
                        self.jobs.try_send(job)
                    {
                        let what = describe(t, &p.actions);
                        tell(&self.desk, "failed", &p.name, &what, "too much is waiting to be sent", now);
                    }
                }
            }
        }
    }

    /// Tells once a second what was not done.
    fn tell(&mut self, now: u64, last: bool) {
        if !last && now.saturating_sub(self.told) < SECOND {
            return;
        }
        self.told = now;
        for (p, n) in self.playbooks.all().iter().zip(&mut self.limited) {
            let n = std::mem::take(n);
            if n > 0 {
                let words: &[_] = &[("playbook", p.name.as_str())];
                self.desk.tell(&Told {
                    ts: now,
                    action: "limited",
                    block: None,
                    words,
                    numbers: &[("count", n)],
                });
            }
        }
        self.desk.keys_evicted(self.playbooks.keys_evicted());
        for (i, what) in ["events", "frames"].into_iter().enumerate() {
            let n = self.shared.missed[i].load(Ordering::Relaxed);
            let new = n - std::mem::replace(&mut self.missed[i], n);
            if new > 0 {
                let words: &[_] = &[("what", what)];
                self.desk.tell(&Told {
                    ts: now,
                    action: "missed",
                    block: None,
                    words,
                    numbers: &[("count", new)],
                });
            }
        }
    }
}

/// Why something is blocked, in words.
fn reason(event: &Value, playbook: &str) -> String {
    let what = event["alert"]["signature"].as_str().or(event["policy"]["reason"].as_str()).unwrap_or("");
    let text: String = format!("{playbook}: {what}").chars().filter(|c| !c.is_control()).collect();
    let end =
        text.char_indices().map(|(i, c)| i + c.len_utf8()).take_while(|e| *e <= 256).last().unwrap_or(0);
    text[..end].to_string()
}

/// What is to be done, in words.
pub fn describe(t: &Todo, actions: &[Action]) -> String {
    match t {
        Todo::Set { effect, target, span } => {
            format!("{} {} {} for {}s", effect.name(), target.kind().name(), target.text(), span / SECOND)
        }
        Todo::Capture { target, span } => format!("capture {} for {}s", target.text(), span / SECOND),
        Todo::Missing { action } => actions.get(*action).map_or("", Action::name).to_string(),
        Todo::Send { action, words } => match actions.get(*action) {
            Some(Action::Webhook { at, .. }) => format!("webhook http://{}:{}{}", at.host, at.port, at.path),
            Some(Action::Nats { at, .. }) => format!("nats {at} {}", words.join(" ")),
            Some(a) => format!("{} {}", a.name(), words.join(" ")),
            None => String::new(),
        },
    }
}

fn tell(desk: &Desk, action: &'static str, playbook: &str, what: &str, error: &str, now: u64) {
    let words: &[_] = &[("playbook", playbook), ("do", what), ("error", error)];
    desk.tell(&Told { ts: now, action, block: None, words, numbers: &[] });
}

/// Does jobs until there can be no more.
fn senders(jobs: &Mutex<Receiver<Job>>, desk: &Desk) {
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        let done = match &job.action {
            Action::Webhook { at, timeout } => send::webhook(at, &job.event, *timeout),
            Action::Command { timeout, network, .. } => {
                sandbox::run(&job.words, &job.event, *timeout, *network)
            }
            Action::Nats { at, .. } => {
                send::nats(*at, job.words.first().map_or("", String::as_str), &job.event)
            }
            Action::Set { .. } | Action::Capture { .. } => Ok(()),
        };
        let what = describe(&Todo::Send { action: 0, words: job.words }, std::slice::from_ref(&job.action));
        let (action, error) = match done {
            Ok(()) => ("ran", String::new()),
            Err(e) => ("failed", e),
        };
        tell(desk, action, &job.playbook, &what, &error, crate::live::now_ns());
    }
}
