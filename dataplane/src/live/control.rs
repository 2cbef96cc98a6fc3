//! Control over a Unix socket: one JSON object a line in, one a line out. Only the owner may connect (mode 0600).
//!
//! `{"command":"stats"}`, `reload-rules`, `flows` (`"max": N`), `ports`, `offload`, `reopen-logs`, `save-datasets`,
//! `shutdown`,
//! `inject-fault` (`"worker": N`, `"station": "burst"`), `block` and `mark` (`"kind": "host"`, `"target": "10.0.0.5"`, `"for": "15m"`,
//! `"reason"`), `tls-secret` (`"line"`: one of a key log), `undo` (`"number": N`, or kind and target), `blocks`. Replies have `return`: `OK` or `NOK`.

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::CharIndices;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use tidegate_core::Dir;
use tidegate_core::engine::Engine;
use tidegate_core::unseal::TlsSecret;

use super::manager::{Request, failed};
use super::serve::Host;
use super::worker::{Fault, FlowList};
use crate::eve::Json;
use crate::response::order;

/// Where requests go.
pub type Requests = Sender<Request>;

/// Longest command, bytes.
const LONGEST: u64 = 4096;
/// Clients at a time.
const CLIENTS: usize = 32;
/// How long a client may say nothing.
const IDLE: Duration = Duration::from_secs(600);
/// How long a client may take to read a reply.
const SLOW: Duration = Duration::from_secs(10);
/// How long a client waits for a reply (compiling rules may take a while).
const PATIENCE: Duration = Duration::from_secs(120);

/// The socket, removed when dropped.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
    /// Removes it where this process may not, when its standard input ends.
    sweeper: Option<Child>,
}

impl Socket {
    /// For a process that is about to give up its rights: leaves the removal to a child that keeps them. `program` is
    /// called with `control-sweeper PATH`, see [`sweep`].
    pub fn keep_removable(&mut self, program: &Path) -> std::io::Result<()> {
        use std::os::unix::process::CommandExt;
        let mut c = Command::new(program);
        c.arg("control-sweeper").arg(&self.path);
        c.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // What interrupts this process from the terminal is not for it.
        c.process_group(0);
        self.sweeper = Some(c.spawn()?);
        Ok(())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = std::fs::remove_file(&self.path);
        if let Some(mut s) = self.sweeper.take() {
            drop(s.stdin.take());
            let _ = s.wait();
        }
    }
}

/// Waits for the end of `input`, then removes the socket at `path`, if it is still the one that was there at first.
pub fn sweep(path: &Path, input: &mut dyn Read) {
    let number = || std::fs::symlink_metadata(path).ok().map(|m| (m.dev(), m.ino()));
    let first = number();
    // An error is an end as well.
    let _ = std::io::copy(input, &mut std::io::sink());
    if is_socket(path) && number() == first {
        let _ = std::fs::remove_file(path);
    }
}

fn is_socket(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket())
}

fn taken(what: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::AddrInUse, what.to_owned())
}

/// An error when there is something at `path` that is no socket.
pub fn gives_way(path: &Path) -> std::io::Result<()> {
    if std::fs::symlink_metadata(path).is_ok() && !is_socket(path) {
        return Err(taken("there is something else than a socket already; it is left alone"));
    }
    Ok(())
}

/// Listens at `path` on a thread of its own. A socket that nobody listens on gives way; anything else does not.
pub fn listen(path: &Path, to: Requests) -> std::io::Result<Socket> {
    gives_way(path)?;
    if std::fs::symlink_metadata(path).is_ok() {
        if UnixStream::connect(path).is_ok() {
            return Err(taken("somebody listens there already"));
        }
        // Left over from before.
        std::fs::remove_file(path)?;
    }
    // Nobody else can connect between the two steps: the folder of the temporary name is the owner's alone.
    let dir = path.with_extension(format!("{}.d", std::process::id()));
    std::fs::create_dir(&dir)?;
    let inside = dir.join("socket");
    let made = (|| -> std::io::Result<UnixListener> {
        std::fs::set_permissions(&dir, Permissions::from_mode(0o700))?;
        let listener = UnixListener::bind(&inside)?;
        std::fs::set_permissions(&inside, Permissions::from_mode(0o600))?;
        // Unlike a renaming, this replaces nothing that came meanwhile.
        std::fs::hard_link(&inside, path)?;
        Ok(listener)
    })();
    let _ = std::fs::remove_file(&inside);
    let _ = std::fs::remove_dir(&dir);
    let listener = made?;
    let host = Host { name: "control", most: CLIENTS, serve, refuse };
    host.start(move || listener.accept().map(|c| c.0), to)?;
    Ok(Socket { path: path.to_owned(), sweeper: None })
}

/// One client too many.
fn refuse(mut client: UnixStream) {
    let _ = client.set_nonblocking(true);
    let text = failed(&format!("{CLIENTS} clients are connected already"));
    let _ = client.write_all(text.as_bytes()).and_then(|()| client.write_all(b"\n"));
}

/// The next line, without its end; `None` when there is none. A line that is too long is `Err`, once.
fn next_line(from: &mut impl BufRead) -> Option<Result<Vec<u8>, ()>> {
    let mut line = Vec::new();
    from.by_ref().take(LONGEST).read_until(b'\n', &mut line).ok().filter(|&n| n > 0)?;
    if line.last() == Some(&b'\n') || (line.len() as u64) < LONGEST {
        return Some(Ok(line));
    }
    // The rest of it is no command of its own.
    loop {
        let mut more = Vec::new();
        from.by_ref().take(LONGEST).read_until(b'\n', &mut more).ok().filter(|&n| n > 0)?;
        if more.last() == Some(&b'\n') {
            return Some(Err(()));
        }
    }
}

fn serve(client: UnixStream, to: &Requests) {
    let _ = client.set_read_timeout(Some(IDLE));
    let _ = client.set_write_timeout(Some(SLOW));
    let Ok(mut out) = client.try_clone() else { return };
    let mut lines = BufReader::new(client);
    while let Some(line) = next_line(&mut lines) {
        let reply = match line {
            Ok(line) if line.iter().all(u8::is_ascii_whitespace) => continue,
            Ok(line) => answer(&line, to),
            Err(()) => failed(&format!("a command is a line of at most {LONGEST} bytes")),
        };
        if out.write_all(reply.as_bytes()).and_then(|()| out.write_all(b"\n")).is_err() {
            return;
        }
    }
}

fn answer(line: &[u8], to: &Requests) -> String {
    let Some(members) = object(line) else { return failed("a JSON object with a \"command\" is expected") };
    let word = |k: &str| members.iter().find(|m| m.0 == k).map(|m| m.1.as_str());
    let number = |k: &str, or: usize| match word(k) {
        None => Ok(or),
        Some(v) => v.parse().map_err(|_| format!("{k}: `{v}` is not a number from 0 on")),
    };
    if let Some(e) = word("command").and_then(|c| unknown(c, &members)) {
        return failed(&e);
    }
    let (tx, rx) = channel();
    let request = match word("command") {
        Some("reload-rules") => Request::Reload(Some(tx)),
        Some("stats") => Request::Stats(tx),
        Some("flows") => match number("max", 100) {
            Ok(most) => Request::Flows(most.min(100_000), tx),
            Err(e) => return failed(&e),
        },
        Some("ports") => Request::Ports(tx),
        Some("offload") => Request::Offload(tx),
        Some("save-datasets") => Request::SaveDatasets(tx),
        Some("reopen-logs") => Request::ReopenLogs(Some(tx)),
        Some("inject-fault") => {
            match (Fault::from_name(word("station").unwrap_or("burst")), number("worker", 0)) {
                (Some(f), Ok(worker)) => Request::Fault(worker, f, tx),
                (None, _) => return failed("no such station"),
                (_, Err(e)) => return failed(&e),
            }
        }
        Some("blocks") => Request::Blocks(tx),
        Some(what @ ("block" | "mark" | "undo")) => {
            let others: Vec<_> = members.iter().filter(|m| m.0 != "command").cloned().collect();
            match order::read(what, &others) {
                Ok(order) => Request::Order(Box::new(order), tx),
                Err(e) => return failed(&e),
            }
        }
        Some("tls-secret") => match TlsSecret::parse(word("line").unwrap_or("")) {
            Ok(Some(s)) => Request::Secrets(vec![s], Some(tx)),
            Ok(None) => {
                return failed("no secret of TLS records: a line of a key log is expected in \"line\"");
            }
            Err(e) => return failed(&e.to_string()),
        },
        Some("shutdown") => Request::Shutdown(Some(tx)),
        Some(other) => return failed(&format!("no such command: {other}")),
        None => return failed("no \"command\""),
    };
    if to.send(request).is_err() {
        return failed("shutting down");
    }
    rx.recv_timeout(PATIENCE).unwrap_or_else(|_| failed("no answer"))
}

/// What each command takes beside `command`; orders look at theirs themselves.
const MEMBERS: [(&str, &[&str]); 11] = [
    ("reload-rules", &[]),
    ("stats", &[]),
    ("flows", &["max"]),
    ("ports", &[]),
    ("offload", &[]),
    ("save-datasets", &[]),
    ("reopen-logs", &[]),
    ("inject-fault", &["station", "worker"]),
    ("tls-secret", &["line"]),
    ("blocks", &[]),
    ("shutdown", &[]),
];

/// What is wrong with the members of a command: one that it does not know, which whoever wrote it meant something by, or one
/// that is there twice.
fn unknown(command: &str, members: &[(String, String)]) -> Option<String> {
    let names = || members.iter().map(|m| m.0.as_str());
    let twice = names().enumerate().find(|(i, n)| names().take(*i).any(|o| o == *n));
    if let Some((_, name)) = twice {
        return Some(format!("\"{name}\" is there twice"));
    }
    let takes = MEMBERS.iter().find(|m| m.0 == command)?.1;
    let other = names().find(|n| *n != "command" && !takes.contains(n))?;
    let takes = match takes {
        [] => "nothing".to_string(),
        _ => takes.iter().map(|t| format!("\"{t}\"")).collect::<Vec<_>>().join(", "),
    };
    Some(format!("{command}: unknown member \"{other}\"; beside \"command\" it takes {takes}"))
}

/// The members of a flat JSON object: names, and values as text. One that is `null` is not there. `None` when it is none.
pub(crate) fn object(text: &[u8]) -> Option<Vec<(String, String)>> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let mut rest = text.strip_prefix('{')?.strip_suffix('}')?.trim();
    let mut out = Vec::new();
    while !rest.is_empty() {
        let (name, after) = string(rest)?;
        let after = after.trim_start().strip_prefix(':')?.trim_start();
        let (value, after) = match string(after) {
            Some((text, after)) => (Some(text), after),
            None => {
                let end = after.find([',', ' ', '\t']).unwrap_or(after.len());
                let word = &after[..end];
                let plain = matches!(word, "true" | "false" | "null") || word.parse::<f64>().is_ok();
                plain.then(|| ((word != "null").then(|| word.to_owned()), &after[end..]))?
            }
        };
        out.extend(value.map(|v| (name, v)));
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

fn four(digits: &mut CharIndices<'_>) -> Option<u32> {
    (0..4).try_fold(0, |code, _| Some(code * 16 + digits.next()?.1.to_digit(16)?))
}

/// The character behind `\u`: four digits, or a pair of surrogates with eight (RFC 8259, 7).
fn escaped(chars: &mut CharIndices<'_>) -> Option<char> {
    let first = four(chars)?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first);
    }
    if !(chars.next()?.1 == '\\' && chars.next()?.1 == 'u') {
        return None;
    }
    let second = four(chars)?;
    let low = (0xdc00..0xe000).contains(&second).then(|| second - 0xdc00)?;
    char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + low)
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
                'u' => out.push(escaped(&mut chars)?),
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

    /// Programs that write JSON write what is beyond ASCII like that, and `null` for what they do not say.
    #[test]
    fn pairs_of_surrogates_are_one_character_and_null_is_nothing() {
        let m = object(br#"{"reason":"\ud83d\ude00 \u00fc","for":null,"kind":"null"}"#).unwrap();
        assert_eq!(m, [("reason".into(), "\u{1f600} \u{fc}".into()), ("kind".into(), "null".into())]);
        for half in [r"\ud83d", r"\ude00", r"\ude00\ud83d", r"\ud83d\u0041", r"\ud83dx", r"\ud83d\n"] {
            assert_eq!(object(format!("{{\"a\":\"{half}\"}}").as_bytes()), None, "{half}");
        }
    }

    /// Nothing reaches the manager then.
    #[test]
    fn members_that_a_command_does_not_know_are_refused() {
        let (tx, rx) = channel();
        let to: Requests = tx;
        for (line, why) in [
            (
                r#"{"command":"reload-rules","rules":"x"}"#,
                r#"unknown member \"rules\"; beside \"command\" it takes nothing"#,
            ),
            (
                r#"{"command":"flows","most":1}"#,
                r#"unknown member \"most\"; beside \"command\" it takes \"max\""#,
            ),
            (r#"{"command":"shutdown","now":true}"#, r#"unknown member \"now\""#),
            (r#"{"command":"inject-fault","workers":1}"#, r#"it takes \"station\", \"worker\""#),
            (r#"{"command":"stats","command":"shutdown"}"#, r#"\"command\" is there twice"#),
            (r#"{"command":"flows","max":"all"}"#, "max: `all` is not a number"),
            (r#"{"command":"flows","max":-1}"#, "max: `-1` is not a number"),
        ] {
            let reply = answer(line.as_bytes(), &to);
            assert!(reply.contains("NOK") && reply.contains(why), "{line}: {reply}");
        }
        assert!(rx.try_recv().is_err());
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

    fn place(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("tidegate-control-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn a_long_line_is_one_error_and_the_next_one_is_served() {
        let dir = place("long");
        let (tx, rx) = channel();
        let _socket = listen(&dir.join("s"), tx).unwrap();
        let answerer = std::thread::spawn(move || match rx.recv().unwrap() {
            Request::Stats(r) => r.send("{}".into()).unwrap(),
            r => panic!("{r:?}"),
        });
        let mut c = UnixStream::connect(dir.join("s")).unwrap();
        let command = "{\"command\":\"shutdown\"}";
        let long = " ".repeat(LONGEST as usize - 3) + &command.repeat(500) + "\n";
        c.write_all(long.as_bytes()).unwrap();
        c.write_all(b"{\"command\":\"stats\"}\n").unwrap();
        c.shutdown(std::net::Shutdown::Write).unwrap();
        let replies: Vec<String> = BufReader::new(&c).lines().map(|l| l.unwrap()).collect();
        assert_eq!(replies.len(), 2, "{replies:?}");
        assert!(replies[0].contains("at most 4096 bytes") && replies[1] == "{}", "{replies:?}");
        answerer.join().unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn clients_are_limited() {
        let dir = place("many");
        let (tx, _rx) = channel();
        let _socket = listen(&dir.join("s"), tx).unwrap();
        let mut clients: Vec<UnixStream> =
            (0..CLIENTS).map(|_| UnixStream::connect(dir.join("s")).unwrap()).collect();
        // Each is served: it gets its error.
        for c in &mut clients {
            c.write_all(b"x\n").unwrap();
            BufReader::new(&*c).read_line(&mut String::new()).unwrap();
        }
        let mut reply = String::new();
        UnixStream::connect(dir.join("s")).unwrap().read_to_string(&mut reply).unwrap();
        assert!(reply.contains("clients are connected already"), "{reply}");
        clients.clear();
        // One that left makes room.
        for _ in 0..100 {
            let mut c = UnixStream::connect(dir.join("s")).unwrap();
            let _ = c.write_all(b"x\n");
            reply.clear();
            let _ = BufReader::new(&c).read_line(&mut reply);
            if reply.contains("a JSON object") {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(reply.contains("a JSON object"), "{reply}");
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn only_a_socket_gives_way() {
        let dir = place("taken");
        let path = dir.join("important");
        std::fs::write(&path, "precious").unwrap();
        let (tx, _rx) = channel();
        let e = listen(&path, tx.clone()).unwrap_err();
        assert!(e.to_string().contains("left alone"), "{e}");
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
        std::os::unix::fs::symlink("nowhere", dir.join("link")).unwrap();
        assert!(listen(&dir.join("link"), tx.clone()).is_err());
        // A socket that nobody listens on is replaced.
        drop(UnixListener::bind(dir.join("old")).unwrap());
        drop(listen(&dir.join("old"), tx).unwrap());
        assert!(!dir.join("old").exists());
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn the_sweeper_removes_its_socket_and_no_other() {
        let dir = place("sweep");
        let path = dir.join("s");
        std::fs::write(dir.join("file"), "x").unwrap();
        sweep(&dir.join("file"), &mut std::io::empty());
        assert!(dir.join("file").exists());
        let _old = UnixListener::bind(&path).unwrap();
        // Another program's socket came in its place meanwhile.
        struct Meanwhile(PathBuf);
        impl Read for Meanwhile {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                std::fs::rename(&self.0, self.0.with_extension("moved"))?;
                UnixListener::bind(&self.0).map(|_| 0)
            }
        }
        sweep(&path, &mut Meanwhile(path.clone()));
        assert!(path.exists());
        sweep(&path, &mut std::io::empty());
        assert!(!path.exists());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
