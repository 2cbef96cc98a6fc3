//! Secrets of TLS sessions on their way to the workers: key logs and the control socket tell them, each worker is handed what it
//! has not been told yet as its mailbox has room.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use tidegate_core::unseal::TlsSecret;

use super::super::worker;
use super::{Manager, Request, end, failed, ok};

/// Most lots of secrets that wait for a worker; the oldest is given up, and counted.
const UNTOLD: usize = 1024;

impl Manager {
    /// Reads on in key logs, on a thread of its own.
    pub fn follow_keys(&mut self, to: &Sender<Request>) -> Result<(), String> {
        let Some(f) = self.followed.take() else { return Ok(()) };
        let to = to.clone();
        f.start(move |s| to.send(Request::Secrets(s, None)).is_ok()).map_err(|e| format!("--tls-keys: {e}"))
    }

    /// Takes secrets of TLS sessions for every worker.
    pub(super) fn secrets(&mut self, secrets: Vec<TlsSecret>, reply: Option<Sender<String>>) {
        let text = if self.settings.keys.is_on() {
            let mut j = ok();
            j.uint("secrets", secrets.len() as u64);
            let secrets = Arc::new(secrets);
            for p in &mut self.peers {
                if p.untold.len() == UNTOLD {
                    p.untold.pop_front();
                    self.secrets_lost += 1;
                }
                p.untold.push_back(secrets.clone());
            }
            self.tell_secrets();
            end(j)
        } else {
            failed("no room is taken for TLS sessions: --tls-keys, or tls-keys.enabled in the configuration")
        };
        if let Some(to) = reply {
            let _ = to.send(text);
        }
    }

    /// Hands secrets on to the workers whose mailboxes have room; the others get theirs later.
    pub(super) fn tell_secrets(&mut self) {
        for p in &mut self.peers {
            while let Some(s) = p.untold.front() {
                if p.mail.orders.push(worker::Order::Secrets(s.clone())).is_err() {
                    break;
                }
                p.untold.pop_front();
            }
        }
    }
}
