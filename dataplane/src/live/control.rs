//! Control over a Unix socket: one JSON object a line in, one a line out. Only the owner may connect (mode 0600).
//!
//! `{"command":"stats"}`, `reload-rules`, `flows` (`"max": N`), `ports`, `offload`, `reopen-logs`, `shutdown`,
//! `inject-fault` (`"worker": N`). Replies have `return`: `OK` or `NOK`.

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use tidegate_core::Dir;
use tidegate_core::engine::Engine;

use super::manager::{Request, failed};
use super::worker::FlowList;
use crate::eve::Json;

/// Longest command, bytes.
const LONGEST: u64 = 4096;
/// How long a client waits for a reply (compiling rules may take a while).
const PATIENCE: Duration = Duration::from_secs(120);

/// The socket, removed when dropped.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
}

impl Drop for Socket {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Listens at `path` on a thread of its own.
pub fn listen(path: &Path, to: Sender<Request>) -> std::io::Result<Socket> {
    // One that nobody listens on is left over from before.
    if path.exists() && UnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    // Nobody else can connect between the two steps: the folder of the temporary name is the owner's alone.
    let dir = path.with_extension(format!("{}.d", std::process::id()));
    std::fs::create_dir(&dir)?;
    let made = (|| {
        std::fs::set_permissions(&dir, Permissions::from_mode(0o700))?;
        let inside = dir.join("socket");
        let listener = UnixListener::bind(&inside)?;
        std::fs::set_permissions(&inside, Permissions::from_mode(0o600))?;
        if path.exists() {
            return Err(std::io::Error::new(std::io::ErrorKind::AddrInUse, "somebody listens there already"));
        }
        std::fs::rename(&inside, path)?;
        Ok(listener)
    })();
    let _ = std::fs::remove_file(dir.join("socket"));
    let _ = std::fs::remove_dir(&dir);
    let listener = made?;
    std::thread::Builder::new().name("control".into()).spawn(move || {
        for client in listener.incoming().flatten() {
            let to = to.clone();
            // A client that cannot be served is no reason to stop serving.
            let _ = std::thread::Builder::new().name("client".into()).spawn(move || serve(client, &to));
        }
    })?;
    Ok(Socket { path: path.to_owned() })
}

fn serve(client: UnixStream, to: &Sender<Request>) {
    let Ok(mut out) = client.try_clone() else { return };
    let mut lines = BufReader::new(client);
    loop {
        let mut line = Vec::new();
        match lines.by_ref().take(LONGEST).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let reply = answer(&line, to);
        if out.write_all(reply.as_bytes()).and_then(|()| out.write_all(b"\n")).is_err() {
            return;
        }
    }
}

fn answer(line: &[u8], to: &Sender<Request>) -> String {
    let Some(members) = object(line) else { return failed("a JSON object with a \"command\" is expected") };
    let word = |k: &str| members.iter().find(|m| m.0 == k).map(|m| m.1.as_str());
    let number = |k: &str, or: usize| word(k).and_then(|v| v.parse().ok()).unwrap_or(or);
    let (tx, rx) = channel();
    let request = match word("command") {
        Some("reload-rules") => Request::Reload(Some(tx)),
        Some("stats") => Request::Stats(tx),
        Some("flows") => Request::Flows(number("max", 100).min(100_000), tx),
        Some("ports") => Request::Ports(tx),
        Some("offload") => Request::Offload(tx),
        Some("reopen-logs") => Request::ReopenLogs(Some(tx)),
        Some("inject-fault") => Request::Fault(number("worker", 0), tx),
        Some("shutdown") => Request::Shutdown(Some(tx)),
        Some(other) => return failed(&format!("no such command: {other}")),
        None => return failed("no \"command\""),
    };
    if to.send(request).is_err() {
        return failed("shutting down");
    }
    rx.recv_timeout(PATIENCE).unwrap_or_else(|_| failed("no answer"))
}

/// The members of a flat JSON object: names, and values as text. `None` when it is none.
fn object(text: &[u8]) -> Option<Vec<(String, String)>> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let mut rest = text.strip_prefix('{')?.strip_suffix('}')?.trim();
    let mut out = Vec::new();
    while !rest.is_empty() {
        let (name, after) = string(rest)?;
        let after = after.trim_start().strip_prefix(':')?.trim_start();
        let (value, after) = match string(after) {
            Some(v) => v,
            None => {
                let end = after.find([',', ' ', '\t']).unwrap_or(after.len());
                let word = &after[..end];
                let plain = matches!(word, "true" | "false" | "null") || word.parse::<f64>().is_ok();
                plain.then(|| (word.to_owned(), &after[end..]))?
            }
        };
        out.push((name, value));
        rest = after.trim_start();
        match rest.strip_prefix(',') {
            Some(r) if !r.trim().is_empty() => rest = r.trim_start(),
            Some(_) => return None,
            None if rest.is_empty() => {}
            None => return None,
        }
    }
    Some(out)
}

/// A JSON string at the front, and what follows it.
fn string(text: &str) -> Option<(String, &str)> {
    let mut chars = text.strip_prefix('"')?.char_indices();
    let mut out = String::new();
    while let Some((i, c)) = chars.next() {
        match c {
            '"' => return Some((out, &text[i + 2..])),
            '\\' => match chars.next()?.1 {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => out.push('\r'),
                'b' => out.push('\u{8}'),
                'f' => out.push('\u{c}'),
                'u' => {
                    let mut code = 0;
                    for _ in 0..4 {
                        code = code * 16 + chars.next()?.1.to_digit(16)?;
                    }
                    out.push(char::from_u32(code)?);
                }
                c @ ('"' | '\\' | '/') => out.push(c),
                _ => return None,
            },
            c if c < ' ' => return None,
            c => out.push(c),
        }
    }
    None
}

/// Writes flows of an engine into a list's room; runs on the worker, so it neither allocates nor takes long.
pub(super) fn flow_list(e: &Engine, l: &mut FlowList) {
    let room = l.text.capacity();
    let mut j = Json { buf: std::mem::take(&mut l.text), ..Json::default() };
    let most = l.most;
    l.total = e.each_flow(&mut |n, f| {
        // What is left must hold the longest object.
        if n >= most || room - j.buf.len() < 384 {
            return false;
        }
        let k = f.key();
        j.open("");
        j.uint("flow_id", f.id());
        j.addr("src_ip", &k.src, k.v6);
        j.uint("src_port", u64::from(k.sp));
        j.addr("dest_ip", &k.dst, k.v6);
        j.uint("dest_port", u64::from(k.dp));
        j.uint("proto", u64::from(k.proto));
        j.word("state", f.state().name());
        j.uint("pkts_toserver", u64::from(f.pkts(Dir::ToServer)));
        j.uint("pkts_toclient", u64::from(f.pkts(Dir::ToClient)));
        j.uint("bytes_toserver", f.bytes(Dir::ToServer));
        j.uint("bytes_toclient", f.bytes(Dir::ToClient));
        j.close();
        true
    });
    l.text = j.buf;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        let m = object(br#" {"command": "flows", "max":5 , "x":"a\"\u0041\n"} "#).unwrap();
        assert_eq!(
            m,
            [("command", "flows"), ("max", "5"), ("x", "a\"A\n")]
                .map(|(a, b)| (a.to_string(), b.to_string()))
        );
        for wrong in
            ["", "{", "[]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\":[1]}", "{\"a\":\"\\x\"}", "{a:1}"]
        {
            assert_eq!(object(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(object(b"{}"), Some(vec![]));
    }

    #[test]
    fn only_the_owner_may_connect() {
        let dir = std::env::temp_dir().join(format!("tidegate-control-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("s");
        let (tx, rx) = channel();
        let socket = listen(&path, tx.clone()).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(listen(&path, tx).is_err(), "somebody listens");
        let answerer = std::thread::spawn(move || match rx.recv().unwrap() {
            Request::Stats(r) => r.send("{}".into()).unwrap(),
            r => panic!("{r:?}"),
        });
        let mut c = UnixStream::connect(&path).unwrap();
        c.write_all(b"{\"command\":\"stats\"}\n{\"command\":\"dance\"}\nnonsense\n").unwrap();
        let replies: Vec<String> = BufReader::new(&c).lines().take(3).map(|l| l.unwrap()).collect();
        assert_eq!(replies[0], "{}");
        assert!(replies[1].contains("NOK") && replies[2].contains("NOK"), "{replies:?}");
        answerer.join().unwrap();
        drop(socket);
        assert!(!path.exists());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
