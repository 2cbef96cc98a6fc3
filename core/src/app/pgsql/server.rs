//! What servers say: messages go in, the transaction that waits for them is written to.

use super::{
    Credential, EV_LENGTH, EV_RESPONSE, Flow, HEAD, ROW, State, Step, T_COMMAND, T_FINAL, T_STATUS,
    WHOLE_MAX, head,
};
use crate::Dir::ToClient;
use crate::app::AppCx;
use crate::app::octets::Octets;
use crate::app::plain::{be16, be32};

/// All that a server said to a request, beside its texts.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub ssl: Option<bool>,
    /// The kind of the last message about credentials.
    pub auth: Option<u32>,
    pub salt: [u8; 4],
    /// Process and key of the connection.
    pub key: Option<[u32; 2]>,
    pub fields: Option<u16>,
    /// Rows and the bytes of their values.
    pub rows: [u64; 2],
    /// Columns of what is copied in and out; messages and bytes of what is copied out.
    pub copy_in: Option<u16>,
    pub copy_out: Option<u16>,
    pub copied: [u64; 2],
}

/// Types of messages of servers.
pub(super) const fn is_answer(kind: u8) -> bool {
    matches!(
        kind,
        b'R' | b'K'
            | b'S'
            | b'Z'
            | b'T'
            | b'D'
            | b'C'
            | b'E'
            | b'N'
            | b'A'
            | b'1'
            | b'2'
            | b'3'
            | b'n'
            | b's'
            | b't'
            | b'I'
            | b'H'
            | b'G'
            | b'W'
            | b'd'
            | b'c'
            | b'V'
            | b'v'
    )
}

impl State {
    /// A message of the server.
    pub(super) fn answer(&mut self, flow: &mut Flow<'_>, rest: &[u8], cx: &mut AppCx<'_>) -> Step {
        if self.byte_awaited {
            self.byte_awaited = false;
            if let Some(step) = self.encryption(flow, rest) {
                return step;
            }
        }
        let Some((kind, whole)) = head(rest) else { return Step::Need(HEAD) };
        if whole < HEAD {
            return Step::Broken(EV_LENGTH);
        }
        let wanted = match kind {
            b'R' | b'S' | b'K' | b'E' | b'N' | b'C' => whole.min(WHOLE_MAX),
            b'D' | b'T' => whole.min(ROW),
            b'G' | b'H' | b'W' => whole.min(ROW + 1),
            _ => HEAD,
        };
        let Some(msg) = rest.get(..wanted) else { return Step::Need(wanted) };
        self.skip.over(ToClient, whole - wanted);
        if is_answer(kind) {
            self.message(flow, kind, msg, whole, cx);
        } else {
            self.strange(flow, EV_RESPONSE, ToClient, cx.now);
        }
        Step::Used(wanted)
    }

    /// The byte that answers a request for encryption. `None`: it is none.
    fn encryption(&mut self, flow: &mut Flow<'_>, rest: &[u8]) -> Option<Step> {
        let byte = *rest.first()?;
        if !matches!(byte, b'S' | b'N' | b'G') {
            return None;
        }
        if let Some(tx) = flow.waiting(|_| true) {
            flow.get(tx).own.answer.ssl = Some(byte != b'N');
            self.finish(flow, tx);
        }
        Some(match byte {
            b'S' => Step::Tls,
            b'G' => Step::Gss,
            _ => Step::Used(1),
        })
    }

    fn message(&mut self, flow: &mut Flow<'_>, kind: u8, msg: &[u8], whole: usize, cx: &mut AppCx<'_>) {
        let waits = flow.waiting(|_| true).filter(|_| self.unseen == 0);
        if kind == b'Z' {
            self.ready = true;
            match waits {
                Some(tx) => self.finish(flow, tx),
                None => self.unseen = self.unseen.saturating_sub(1),
            }
            return;
        }
        // What is said unasked has no transaction.
        let Some(tx) = waits else { return };
        let body = msg.get(HEAD..).unwrap_or(&[]);
        let own = &mut flow.get(tx).own;
        let a = &mut own.answer;
        let mut ends = false;
        match kind {
            b'R' => {
                let auth = be32(body, 0).unwrap_or(u32::MAX);
                a.auth = Some(auth);
                if let (5, Some(salt)) = (auth, body.get(4..8).and_then(|s| s.first_chunk::<4>())) {
                    a.salt = *salt;
                }
                if auth == 12 && cx.shown {
                    own.texts.push(cx.pool, T_FINAL, body.get(4..).unwrap_or(&[]));
                }
                self.credential = match auth {
                    10 => Credential::SaslInitial,
                    11 => Credential::SaslResponse,
                    _ => Credential::Password,
                };
                // All but these two ask for another message of the client.
                ends = !matches!(auth, 0 | 12);
            }
            b'S' if cx.shown => {
                own.texts.push(cx.pool, T_STATUS, body);
            }
            b'K' => {
                let mut o = Octets(body);
                a.key = o.u32().zip(o.u32()).map(|(p, k)| [p, k]);
            }
            b'E' | b'N' => {
                let mut o = Octets(body);
                while let Some(code) = o.u8().filter(|c| *c != 0) {
                    let Some(text) = o.zero_ended() else { break };
                    if cx.shown && code.is_ascii_uppercase() {
                        own.texts.push(cx.pool, code, text);
                    }
                }
                // Before the first readiness an error ends the connection.
                ends = kind == b'E' && !self.ready;
            }
            b'C' if cx.shown => {
                own.texts.push(cx.pool, T_COMMAND, body.strip_suffix(b"\0").unwrap_or(body));
            }
            b'T' => a.fields = be16(body, 0),
            b'D' => {
                // The length counts itself, the number of columns, and a length for each of them.
                let columns = usize::from(be16(body, 0).unwrap_or(0));
                a.rows[0] += 1;
                a.rows[1] = a.rows[1].saturating_add(whole.saturating_sub(ROW + 4 * columns) as u64);
            }
            b'G' | b'W' => {
                a.copy_in = be16(body, 1);
                ends = true;
            }
            b'H' => a.copy_out = be16(body, 1),
            b'd' => {
                a.copied[0] += 1;
                a.copied[1] = a.copied[1].saturating_add((whole - HEAD) as u64);
            }
            _ => {}
        }
        if ends {
            self.finish(flow, tx);
        }
    }
}
