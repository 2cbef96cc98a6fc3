//! The `redis` record. Arguments and the texts of replies are content: they are shown on request only, and what is a
//! credential never.

use super::commands;
use super::resp::Kind;
use super::{Exchange, Special};
use crate::event::Fields;
use crate::pool::BytePool;

/// Longest command name, subcommand, error word and version shown.
const NAME_MAX: usize = 64;

fn name(text: &[u8]) -> &[u8] {
    text.get(..NAME_MAX).unwrap_or(text)
}

impl Exchange {
    pub(super) fn log(&self, pool: &BytePool, out: &mut dyn Fields) {
        let content = out.wants("content");
        if !self.words.is_empty() {
            self.command(pool, content, out);
        }
        let r = &self.reply;
        if r.kind != Kind::Unknown {
            out.str("reply", r.kind.name());
            out.u64("reply_bytes", r.bytes);
            if r.kind.is_aggregate() {
                out.u64("reply_count", r.values);
            }
            let first = r.words.first(pool);
            if r.kind == Kind::Error {
                out.bytes("error", name(first.split(|b| *b == b' ').next().unwrap_or(&[])));
            } else if self.push {
                out.bytes("push", name(first));
            }
            if content && !r.words.is_empty() {
                out.begin_array("reply_content");
                r.words.all(pool).for_each(|w| out.bytes("", w));
                out.end_array();
            }
        }
        self.server(pool, out);
        out.str("auth", self.auth[1].name());
        out.u64("resp", if self.resp3 { 3 } else { 2 });
        if self.inline {
            out.bool("inline", true);
        }
    }

    fn command(&self, pool: &BytePool, content: bool, out: &mut dyn Fields) {
        let command = self.words.first(pool);
        out.bytes("command", name(command));
        if commands::has_subcommand(command)
            && let Some(sub) = self.words.nth(pool, 1)
            && sub.len() <= NAME_MAX
            && sub.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-'))
        {
            let mut text = [0; NAME_MAX];
            if let Some(t) = text.get_mut(..sub.len()) {
                t.copy_from_slice(sub);
                t.make_ascii_uppercase();
                out.bytes("subcommand", t);
            }
        }
        out.u64("args_count", u64::from(self.args));
        out.u64("args_bytes", self.arg_bytes);
        if !content || self.args == 0 {
            return;
        }
        out.begin_array("args");
        let mut before: [&[u8]; 2] = [command, &[]];
        for word in self.words.all(pool).skip(1) {
            if commands::is_secret(command, word, before) {
                out.str("", "(redacted)");
            } else {
                out.bytes("", word);
            }
            before = [word, before[0]];
        }
        out.end_array();
    }

    /// What the server says of itself in its answer to HELLO: a list of names and values.
    fn server(&self, pool: &BytePool, out: &mut dyn Fields) {
        let greets = matches!(self.special, Special::Hello | Special::Auth);
        if !greets || !matches!(self.reply.kind, Kind::Map | Kind::Array) {
            return;
        }
        let after = |key: &[u8]| {
            let mut words = self.reply.words.all(pool);
            words.find(|w| *w == key)?;
            words.next()
        };
        if let (Some(server), Some(version)) = (after(b"server"), after(b"version"))
            && let (Ok(s), Ok(v)) = (core::str::from_utf8(name(server)), core::str::from_utf8(name(version)))
        {
            out.fmt("server", format_args!("{s} {v}"));
        }
    }
}
