//! Connections of a listener, each on a thread of its own, no more than so many at a time.

use std::io::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How long the accept loop rests when it cannot accept (no descriptors are left).
const REST: Duration = Duration::from_millis(100);

/// One connection's place among those that may be open.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Who takes connections.
pub struct Host<C> {
    /// Names its threads.
    pub name: &'static str,
    /// Connections at a time.
    pub most: usize,
    pub serve: fn(C, &super::control::Requests),
    /// Called for a connection too many, on the accepting thread: must not wait.
    pub refuse: fn(C),
}

impl<C: Send + 'static> Host<C> {
    /// Accepts for ever, on a thread of its own.
    pub fn start(
        self,
        mut accept: impl FnMut() -> Result<C> + Send + 'static,
        to: super::control::Requests,
    ) -> Result<()> {
        let open = Arc::new(AtomicUsize::new(0));
        let run = move || loop {
            let Ok(client) = accept() else {
                // Whoever waits in the queue waits on; without a rest this would be a busy loop.
                std::thread::sleep(REST);
                continue;
            };
            if open.fetch_add(1, Ordering::Relaxed) >= self.most {
                drop(Place(open.clone()));
                (self.refuse)(client);
                continue;
            }
            let (place, to, serve) = (Place(open.clone()), to.clone(), self.serve);
            // A client that cannot be served is no reason to stop serving.
            let _ = std::thread::Builder::new().name("client".into()).spawn(move || {
                let _place = place;
                serve(client, &to);
            });
        };
        std::thread::Builder::new().name(self.name.into()).spawn(run).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, channel};

    #[test]
    fn connections_are_limited_and_a_failing_accept_does_not_spin() {
        static REFUSED: AtomicUsize = AtomicUsize::new(0);
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let (open, waiting) = channel::<Receiver<()>>();
        let waiting = Mutex::new(waiting);
        let host: Host<Receiver<()>> = Host {
            name: "test",
            most: 3,
            serve: |c, _| {
                let _ = c.recv();
            },
            refuse: |_| {
                REFUSED.fetch_add(1, Ordering::Relaxed);
            },
        };
        let accept = move || {
            ASKED.fetch_add(1, Ordering::Relaxed);
            waiting.lock().unwrap().recv().map_err(std::io::Error::other)
        };
        host.start(accept, channel().0).unwrap();
        let clients: Vec<_> = (0..5)
            .map(|_| {
                let (tx, rx) = channel();
                open.send(rx).unwrap();
                tx
            })
            .collect();
        let until = std::time::Instant::now() + Duration::from_secs(5);
        while REFUSED.load(Ordering::Relaxed) < 2 && std::time::Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(REFUSED.load(Ordering::Relaxed), 2);
        drop(clients);
        // From now on accepting fails.
        drop(open);
        let before = ASKED.load(Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(350));
        assert!(ASKED.load(Ordering::Relaxed) - before <= 6);
    }
}
