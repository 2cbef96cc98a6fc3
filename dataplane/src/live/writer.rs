//! The thread that writes what workers say: chunks of whole lines go in, files come out.
//!
//! An output that fails is told at once and then every minute, with the number of events lost so far; they are counted by
//! class, and the program's exit code says so at the end. Chunks are taken from workers whatever happens to outputs. A file
//! that was deleted is made anew; what was written since it was last seen, a second ago at most, is lost and counted as well.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::chunk::{Channel, Chunk, Class, Lent};
use super::files::{self, Stored};
use super::stories::{Shared, Stories};
use crate::config::Outputs;
use crate::eve::{OutputError, ROOM};
use crate::lines::{Failure, LineFile};

/// Where chunks of one output go.
pub trait Outlet: Send {
    /// What messages call it.
    fn name(&self) -> String;
    /// Takes a chunk, whole or up to a border. Who wants the bytes for longer clones them, which copies nothing.
    fn send(&mut self, chunk: &Chunk) -> Result<(), Failure>;
    /// Begins anew, after what was written was moved away. When that fails, it goes on as before.
    fn reopen(&mut self) -> std::io::Result<()>;
    /// What was written since this was last asked can be found by nobody: the file was deleted.
    fn gone(&mut self) -> bool {
        false
    }
    /// Asked once a second: something is wrong that a write would not say.
    fn check(&mut self) -> std::io::Result<()>;
    /// A chunk for it is lost.
    fn lost(&mut self, _chunk: &Chunk) {}
    /// Nothing more comes: writes what was kept back.
    fn finish(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Outlet for LineFile {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn send(&mut self, chunk: &Chunk) -> Result<(), Failure> {
        self.write(&chunk.bytes, |n| chunk.border(n))
    }

    fn reopen(&mut self) -> std::io::Result<()> {
        self.open_again()
    }

    fn gone(&mut self) -> bool {
        LineFile::gone(self)
    }

    fn check(&mut self) -> std::io::Result<()> {
        if self.is_due() { self.reopen() } else { Ok(()) }
    }
}

/// What went wrong, for all to see.
#[derive(Debug, Default)]
pub struct Losses {
    /// Events that were not written, by [`Class`].
    pub lost: [AtomicU64; Class::COUNT],
    /// Writes that failed.
    pub errors: AtomicU64,
}

impl Losses {
    /// All classes together.
    pub fn events(&self) -> u64 {
        self.lost.iter().map(|n| n.load(Ordering::Relaxed)).sum()
    }
}

/// Who is told whether files could be opened anew.
pub type Reply = Box<dyn FnOnce(Result<(), String>) + Send>;

/// That files be opened anew: whoever wants it and waits goes in, the thread that has the files answers.
#[derive(Default)]
pub struct Wish {
    made: AtomicBool,
    replies: Mutex<Vec<Reply>>,
}

impl std::fmt::Debug for Wish {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wish").field("made", &self.made).finish_non_exhaustive()
    }
}

impl Wish {
    pub fn make(&self, reply: Option<Reply>) {
        if let Ok(mut r) = self.replies.lock() {
            r.extend(reply);
        }
        self.made.store(true, Ordering::Release);
    }

    /// Whether it was made since it was last asked.
    pub fn is_made(&self) -> bool {
        self.made.swap(false, Ordering::AcqRel)
    }

    /// Tells all who wait.
    pub fn done(&self, result: &Result<(), String>) {
        let replies = self.replies.lock().map(|mut r| std::mem::take(&mut *r)).unwrap_or_default();
        replies.into_iter().for_each(|r| r(result.clone()));
    }
}

/// `n` answers that become one: all that went wrong.
pub fn joined(n: usize, reply: Option<Reply>) -> Vec<Option<Reply>> {
    let state = Arc::new(Mutex::new((n, Vec::new(), reply)));
    let one = || -> Option<Reply> {
        let state = state.clone();
        Some(Box::new(move |r| {
            let Ok(mut s) = state.lock() else { return };
            s.0 -= 1;
            s.1.extend(r.err());
            if s.0 == 0
                && let Some(reply) = s.2.take()
            {
                reply(if s.1.is_empty() { Ok(()) } else { Err(s.1.join("; ")) });
            }
        }))
    };
    (0..n).map(|_| one()).collect()
}

/// What the writer is asked for from outside.
#[derive(Default)]
struct Wishes {
    stop: AtomicBool,
    reopen: Wish,
}

/// See the module.
pub struct Writer {
    wishes: Arc<Wishes>,
    pub losses: Arc<Losses>,
    /// Counters of `incident` events; none when no output wants them.
    pub stories: Option<Shared>,
    /// Counters of stored files; none when there are none.
    pub files: Option<files::Shared>,
    thread: JoinHandle<Option<String>>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("losses", &self.losses).finish_non_exhaustive()
    }
}

/// Time between two looks at empty queues.
const REST: Duration = Duration::from_millis(2);
/// Time between two looks at what no write says.
const CHECK: Duration = Duration::from_secs(1);
/// Time between two messages about the same trouble.
const AGAIN: Duration = Duration::from_secs(60);
/// A writer that panicked as often as this writes nothing any more.
const PANICS: u32 = 8;

impl Writer {
    /// Opens the outputs' files in `dir` and starts the thread. `append`: what is in the files stays.
    pub fn start(
        outputs: &Outputs,
        dir: &Path,
        append: bool,
        channels: Vec<Arc<Channel>>,
    ) -> Result<Writer, OutputError> {
        let mut outlets: Vec<Box<dyn Outlet>> = Vec::new();
        let shared = Shared::default();
        for log in outputs.logs() {
            let file = LineFile::open_in(dir, log.file(), append, log.rotate())
                .map_err(|source| OutputError { path: dir.join(log.file()), source })?;
            outlets.push(match log.stories() {
                Some(i) => Box::new(Stories::new(file, log.lines(false, ROOM), i.clone(), shared.clone())),
                None => Box::new(file),
            });
        }
        let stored = files::Shared::default();
        if let Some(s) = &outputs.store {
            let made = Stored::create(s, dir, stored.clone());
            outlets.push(Box::new(made.map_err(|source| OutputError { path: dir.join(&s.dir), source })?));
        }
        let w =
            Writer::with(outlets, channels).map_err(|source| OutputError { path: dir.to_owned(), source })?;
        let stories = outputs.logs().any(|log| log.stories().is_some()).then_some(shared);
        let files = outputs.store.as_ref().map(|_| stored);
        Ok(Writer { stories, files, ..w })
    }

    /// As [`Writer::start`], with outlets by number of output.
    pub fn with(outlets: Vec<Box<dyn Outlet>>, channels: Vec<Arc<Channel>>) -> std::io::Result<Writer> {
        let (wishes, losses) = (Arc::<Wishes>::default(), Arc::<Losses>::default());
        let mut w = Work {
            outlets: outlets.into_iter().map(Served::new).collect(),
            channels,
            wishes: wishes.clone(),
            losses: losses.clone(),
            lent: Vec::new(),
            hand: None,
            first: None,
            checked: Instant::now(),
        };
        let thread = std::thread::Builder::new().name("writer".into()).spawn(move || w.run())?;
        Ok(Writer { wishes, losses, stories: None, files: None, thread })
    }

    /// Opens the files anew, after they were moved away; `reply` is told how that went.
    pub fn reopen(&self, reply: Option<Reply>) {
        self.wishes.reopen.make(reply);
    }

    /// Writes what is left and ends. What went wrong, if anything ever did.
    pub fn finish(self) -> Result<(), String> {
        self.wishes.stop.store(true, Ordering::Release);
        match self.thread.join() {
            Ok(None) => Ok(()),
            Ok(Some(first)) => Err(format!("{first}; {} events were lost", self.losses.events())),
            Err(_) => Err("the writer of events panicked".into()),
        }
    }
}

/// When trouble was told.
#[derive(Debug, Default)]
struct Told {
    last: Option<Instant>,
    /// The last write failed.
    failing: bool,
    /// Files could not be opened anew.
    moved: bool,
}

struct Served {
    outlet: Box<dyn Outlet>,
    told: Told,
    /// Events written since the file was last seen in its folder, by [`Class`].
    unseen: [u64; Class::COUNT],
}

impl Served {
    fn new(outlet: Box<dyn Outlet>) -> Served {
        Served { outlet, told: Told::default(), unseen: [0; Class::COUNT] }
    }

    /// What is in a file that was deleted is lost. The text that says so.
    fn look(&mut self, losses: &Losses) -> Option<String> {
        let unseen = std::mem::take(&mut self.unseen);
        if !self.outlet.gone() {
            return None;
        }
        for (lost, n) in losses.lost.iter().zip(unseen) {
            lost.fetch_add(n, Ordering::Relaxed);
        }
        losses.errors.fetch_add(1, Ordering::Relaxed);
        let n: u64 = unseen.iter().sum();
        Some(format!(
            "{}: the file was deleted; what was written to it is lost, {n} events of late",
            self.outlet.name()
        ))
    }
}

/// What the thread has.
struct Work {
    outlets: Vec<Served>,
    channels: Vec<Arc<Channel>>,
    wishes: Arc<Wishes>,
    losses: Arc<Losses>,
    /// Written chunks whose bytes somebody still holds, with the number of their channel.
    lent: Vec<(usize, Lent)>,
    /// The chunk being written, with the number of its channel.
    hand: Option<(usize, Chunk)>,
    /// The first thing that went wrong.
    first: Option<String>,
    checked: Instant,
}

impl Work {
    fn run(&mut self) -> Option<String> {
        let mut panics = 0;
        while catch_unwind(AssertUnwindSafe(|| self.serve(panics < PANICS))).is_err() {
            // What was in hand is lost; the rest goes on.
            panics += 1;
            self.losses.errors.fetch_add(1, Ordering::Relaxed);
            let n = self.losses.events();
            if let Some((from, chunk)) = self.hand.take() {
                self.lose(&chunk);
                self.put_back(from, chunk);
            }
            let what = format!("the writer of events panicked; {} events are lost", self.losses.events() - n);
            eprintln!("tidegate: {what}");
            self.first.get_or_insert(what);
        }
        self.first.take()
    }

    /// Until the end. `write`: or only take chunks away.
    fn serve(&mut self, write: bool) {
        loop {
            // Asked before the queues: what was said before the stop is written.
            let last = self.wishes.stop.load(Ordering::Acquire);
            if self.wishes.reopen.is_made() {
                self.reopen();
            }
            if self.checked.elapsed() >= CHECK {
                self.checked = Instant::now();
                self.check();
            }
            let mut any = false;
            for from in 0..self.channels.len() {
                while let Some(chunk) = self.channels[from].next() {
                    any = true;
                    self.hand = Some((from, chunk));
                    self.send(write);
                    if let Some((from, chunk)) = self.hand.take() {
                        self.put_back(from, chunk);
                    }
                }
            }
            let channels = &self.channels;
            let lent = std::mem::take(&mut self.lent);
            self.lent.extend(
                lent.into_iter().filter_map(|(c, l)| channels[c].take_back(l).map(|still| (c, still))),
            );
            if !any {
                if last {
                    return self.finish();
                }
                std::thread::sleep(REST);
            }
        }
    }

    /// Lets outputs write what they kept back.
    fn finish(&mut self) {
        self.look();
        for s in &mut self.outlets {
            if let Err(e) = s.outlet.finish() {
                self.losses.errors.fetch_add(1, Ordering::Relaxed);
                let text = format!("{}: {e}: the last stories are not written", s.outlet.name());
                eprintln!("tidegate: {text}");
                self.first.get_or_insert(text);
            }
        }
    }

    /// Writes the chunk in hand.
    fn send(&mut self, write: bool) {
        let Some((_, chunk)) = &self.hand else { return };
        let Some(s) = self.outlets.get_mut(chunk.output).filter(|_| write) else {
            return count(&self.losses, chunk, 0);
        };
        let sent = s.outlet.send(chunk);
        let whole = sent.as_ref().map_or_else(|e| e.whole, |()| chunk.bytes.len());
        let (all, rest) = (chunk.after(0), chunk.after(whole));
        s.unseen.iter_mut().zip(all.iter().zip(rest)).for_each(|(n, (all, rest))| *n += all - rest);
        match sent {
            Ok(()) if s.told.failing => {
                s.told = Told { moved: s.told.moved, ..Told::default() };
                let n = self.losses.events();
                eprintln!("tidegate: {}: written again; {n} events were lost", s.outlet.name());
            }
            Ok(()) => {}
            Err(Failure { whole, source }) => {
                s.told.failing = true;
                self.losses.errors.fetch_add(1, Ordering::Relaxed);
                count(&self.losses, chunk, whole);
                let text = format!("{}: {source}", s.outlet.name());
                let n = self.losses.events();
                tell(&mut s.told, &format!("{text}: events cannot be written; {n} lost so far"));
                self.first.get_or_insert(text);
            }
        }
    }

    fn lose(&mut self, chunk: &Chunk) {
        if let Some(s) = self.outlets.get_mut(chunk.output) {
            s.outlet.lost(chunk);
        }
        count(&self.losses, chunk, 0);
    }

    fn put_back(&mut self, from: usize, chunk: Chunk) {
        if let Some(lent) = self.channels[from].give_back(chunk) {
            self.lent.push((from, lent));
        }
    }

    /// Whether files are where they were made. What was written to those that are not is lost, and they are made anew.
    fn look(&mut self) {
        for s in &mut self.outlets {
            let Some(mut text) = s.look(&self.losses) else { continue };
            let made = s.outlet.reopen();
            s.told.moved = made.is_err();
            text += &made
                .map_or_else(|e| format!("; none can be made: {e}"), |()| "; a new one is there now".into());
            tell(&mut s.told, &text);
            self.first.get_or_insert(text);
        }
    }

    fn reopen(&mut self) {
        self.look();
        let mut result = Ok(());
        for s in &mut self.outlets {
            match s.outlet.reopen() {
                Ok(()) => s.told.moved = false,
                Err(e) => {
                    s.told.moved = true;
                    let text = format!("{}: {e}", s.outlet.name());
                    let what = "it cannot be opened anew; events go on into the file that was moved away";
                    eprintln!("tidegate: {text}: {what}");
                    s.told.last = Some(Instant::now());
                    self.first.get_or_insert_with(|| text.clone());
                    result = result.and(Err(format!("{text}: {what}")));
                }
            }
        }
        self.wishes.reopen.done(&result);
    }

    /// Looks for what no write says, and tries again what failed.
    fn check(&mut self) {
        self.look();
        for s in &mut self.outlets {
            if s.told.moved {
                match s.outlet.reopen() {
                    Ok(()) => {
                        s.told = Told::default();
                        eprintln!("tidegate: {}: opened anew", s.outlet.name());
                    }
                    Err(e) => {
                        let text = format!("{}: {e}: it still cannot be opened anew", s.outlet.name());
                        tell(&mut s.told, &text);
                    }
                }
                continue;
            }
            if let Err(e) = s.outlet.check() {
                self.losses.errors.fetch_add(1, Ordering::Relaxed);
                let text = format!("{}: {e}", s.outlet.name());
                tell(&mut s.told, &text);
                self.first.get_or_insert(text);
            }
        }
    }
}

/// Counts the events of `chunk` behind its first `whole` bytes as lost.
fn count(losses: &Losses, chunk: &Chunk, whole: usize) {
    for (lost, n) in losses.lost.iter().zip(chunk.after(whole)) {
        lost.fetch_add(n, Ordering::Relaxed);
    }
}

/// Says `text` at once, and then not again for a minute.
fn tell(told: &mut Told, text: &str) {
    if told.last.is_none_or(|t| t.elapsed() >= AGAIN) {
        told.last = Some(Instant::now());
        eprintln!("tidegate: {text}");
    }
}

#[cfg(test)]
mod tests {
    use super::super::chunk::Filling;
    use super::*;
    use crate::lines::tests::Small;

    fn lines(from: usize, n: usize) -> Vec<String> {
        (from..from + n).map(|i| format!("{{\"n\":{i}}}")).collect()
    }

    fn say(c: &Channel, lines: &[String], class: Class) {
        let mut f = Filling::new(0, true);
        lines.iter().for_each(|l| f.keep(l.as_bytes(), class, c));
        f.flush(c);
    }

    fn wait(what: impl Fn() -> bool) {
        let until = Instant::now() + Duration::from_secs(10);
        while !what() {
            assert!(Instant::now() < until, "waited in vain");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_full_disk_is_counted_by_class_and_lines_stay_whole() {
        let small = Small::default();
        small.0.lock().unwrap().room = 100;
        let c = Arc::new(Channel::new());
        let w = Writer::with(
            vec![Box::new(LineFile::new(Path::new("eve.json"), Box::new(small.clone())))],
            vec![c.clone()],
        )
        .unwrap();
        say(&c, &lines(10, 20), Class::Flow);
        wait(|| w.losses.events() > 0);
        say(&c, &lines(30, 5), Class::Alert);
        wait(|| w.losses.lost[Class::Alert as usize].load(Ordering::Relaxed) == 5);
        small.0.lock().unwrap().room = 10_000;
        say(&c, &lines(40, 5), Class::Alert);
        let losses = w.losses.clone();
        let e = w.finish().unwrap_err();
        assert!(e.starts_with("eve.json: ") && e.ends_with("14 events were lost"), "{e}");
        // 11 lines of 9 bytes fit.
        let text = String::from_utf8(small.0.lock().unwrap().bytes.clone()).unwrap();
        let want = [lines(10, 11), lines(40, 5)].concat().join("\n") + "\n";
        assert_eq!(text, want);
        assert_eq!(losses.lost[Class::Flow as usize].load(Ordering::Relaxed), 9);
    }

    #[test]
    fn a_writer_that_panics_says_so_and_goes_on() {
        let small = Small::default();
        {
            let mut h = small.0.lock().unwrap();
            (h.room, h.panics) = (10_000, true);
        }
        let c = Arc::new(Channel::new());
        let w = Writer::with(
            vec![Box::new(LineFile::new(Path::new("eve.json"), Box::new(small.clone())))],
            vec![c.clone()],
        )
        .unwrap();
        say(&c, &lines(10, 3), Class::Record);
        wait(|| w.losses.events() == 3);
        say(&c, &lines(20, 2), Class::Record);
        let e = w.finish().unwrap_err();
        assert!(e.contains("panicked") && e.ends_with("3 events were lost"), "{e}");
        let bytes = small.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).bytes.clone();
        assert_eq!(String::from_utf8(bytes).unwrap(), lines(20, 2).join("\n") + "\n");
    }

    #[test]
    fn a_deleted_file_and_one_that_cannot_be_opened_anew_are_told() {
        let dir = std::env::temp_dir().join(format!("tidegate-writer-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("eve.json");
        let c = Arc::new(Channel::new());
        let file = LineFile::open(&path, true).unwrap();
        let w = Writer::with(vec![Box::new(file)], vec![c.clone()]).unwrap();
        let reopen = |w: &Writer| {
            let (tx, rx) = std::sync::mpsc::channel();
            w.reopen(Some(Box::new(move |r| tx.send(r).unwrap())));
            rx.recv_timeout(Duration::from_secs(5)).unwrap()
        };
        reopen(&w).unwrap();
        // Seen there with this in it: that is whoever deletes it to lose.
        say(&c, &lines(70, 4), Class::Record);
        wait(|| std::fs::read(&path).is_ok_and(|b| b.len() == 36));
        let lost = || w.losses.lost[Class::Alert as usize].load(Ordering::Relaxed);
        // The writer may look just between: then they are all in the new file.
        for told in 1..=10 {
            std::thread::sleep(2 * CHECK);
            std::fs::remove_file(&path).unwrap();
            say(&c, &lines(80, 3), Class::Alert);
            wait(|| path.exists() && w.losses.errors.load(Ordering::Relaxed) == told);
            if lost() > 0 {
                break;
            }
            wait(|| std::fs::read(&path).is_ok_and(|b| b.len() == 27));
        }
        assert_eq!(lost(), 3);
        assert_eq!(w.losses.events(), 3);
        std::fs::rename(&dir, dir.with_extension("away")).unwrap();
        let e = reopen(&w).unwrap_err();
        assert!(e.contains("cannot be opened anew"), "{e}");
        say(&c, &lines(1, 1), Class::Flow);
        let e = w.finish().unwrap_err();
        assert!(e.contains("the file was deleted") && e.ends_with("; 3 events were lost"), "{e}");
        let away = dir.with_extension("away");
        assert_eq!(std::fs::read(away.join("eve.json")).unwrap(), b"{\"n\":1}\n", "events went on");
        std::fs::remove_dir_all(&away).unwrap();
    }

    #[test]
    fn what_is_in_a_file_that_is_deleted_before_the_end_is_lost() {
        let dir = std::env::temp_dir().join(format!("tidegate-writer-end-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("eve.json");
        let c = Arc::new(Channel::new());
        let file = LineFile::open(&path, true).unwrap();
        let w = Writer::with(vec![Box::new(file)], vec![c.clone()]).unwrap();
        std::fs::remove_file(&path).unwrap();
        say(&c, &lines(1, 2), Class::Alert);
        let e = w.finish().unwrap_err();
        assert!(e.ends_with("; 2 events were lost"), "{e}");
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn several_answers_become_one() {
        let (tx, rx) = std::sync::mpsc::channel();
        let all = joined(2, Some(Box::new(move |r| tx.send(r).unwrap())));
        for (n, reply) in all.into_iter().flatten().enumerate() {
            assert!(rx.try_recv().is_err(), "too early");
            reply(if n == 0 { Err("no room".into()) } else { Ok(()) });
        }
        assert_eq!(rx.try_recv().unwrap(), Err("no room".to_string()));
    }
}
