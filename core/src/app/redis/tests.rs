use super::*;
use crate::app::bench::Bench;
use alloc::string::String;
use alloc::vec::Vec;
use proptest::prelude::*;

const TS: Dir = Dir::ToServer;
const TC: Dir = Dir::ToClient;

/// A command as clients send it.
fn cmd(words: &[&str]) -> Vec<u8> {
    let mut v = alloc::format!("*{}\r\n", words.len()).into_bytes();
    for w in words {
        v.extend(alloc::format!("${}\r\n{w}\r\n", w.len()).bytes());
    }
    v
}

fn texts(values: Vec<(u64, Vec<u8>)>) -> Vec<(u64, String)> {
    values.into_iter().map(|(i, v)| (i, String::from_utf8_lossy(&v).into_owned())).collect()
}

fn of(b: &mut Bench, name: &str, dir: Dir) -> Vec<(u64, String)> {
    texts(b.values(buffer_at(BUFFERS, name), dir))
}

fn int(b: &Bench, id: u64, name: &str, dir: Dir) -> Option<u64> {
    b.parser.int(b.st, b.tx(id), IntAt { local: int_at(INTS, name), dir, index: 0, pool: &b.pool })
}

/// A record as text, with content and without.
fn record(b: &Bench, id: u64, content: bool) -> String {
    struct Out(String, bool);
    impl Fields for Out {
        fn value(&mut self, key: &str, value: crate::event::Value<'_>) {
            use crate::event::Value::*;
            let text = match value {
                Bytes(v) => String::from_utf8_lossy(v).into_owned(),
                U64(v) => alloc::format!("{v}"),
                Bool(v) => alloc::format!("{v}"),
                Text(v) => alloc::format!("{v}"),
                v => alloc::format!("{v:?}"),
            };
            self.0 += &alloc::format!("{key}={text} ");
        }
        fn open(&mut self, key: &str, _: crate::event::Nest) {
            self.0 += &alloc::format!("{key}[ ");
        }
        fn close(&mut self, _: crate::event::Nest) {
            self.0 += "] ";
        }
        fn wants(&self, option: &str) -> bool {
            option == "content" && self.1
        }
    }
    let mut out = Out(String::new(), content);
    let tx = b.tx(id);
    let view = TxView {
        before: crate::app::AppProto::UNKNOWN,
        proto: crate::app::AppProto::by_name("redis").unwrap(),
        parser: &*b.parser,
        state: b.st,
        tx,
        pool: &b.pool,
        files: &b.files,
    };
    b.parser.log(&view, TS, &mut out);
    out.0
}

#[test]
fn commands_keys_and_replies() {
    let mut b = Bench::new(&REDIS);
    b.feed(TS, &cmd(&["set", "cache:1", "v"]));
    b.feed(TS, &cmd(&["MGET", "a", "b"]));
    b.feed(TS, &cmd(&["EVAL", "return 1", "1", "k", "arg"]));
    b.feed(TC, b"+OK\r\n*2\r\n$1\r\nx\r\n$-1\r\n-ERR no such thing\r\n");
    let s = |v: &[(u64, &str)]| v.iter().map(|(i, t)| (*i, String::from(*t))).collect::<Vec<_>>();
    assert_eq!(of(&mut b, "redis.command", TS), s(&[(0, "SET"), (1, "MGET"), (2, "EVAL")]));
    assert_eq!(of(&mut b, "redis.key", TS), s(&[(0, "cache:1"), (1, "a"), (1, "b"), (2, "k")]));
    assert_eq!(of(&mut b, "redis.args", TS).len(), 8);
    assert_eq!(of(&mut b, "redis.reply", TC), s(&[(0, "OK"), (1, "x")]));
    assert_eq!(of(&mut b, "redis.error", TC), s(&[(2, "ERR no such thing")]));
    assert_eq!(int(&b, 1, "redis.args_count", TS), Some(2));
    assert_eq!(int(&b, 1, "redis.reply_type", TC), Some(Kind::Array as u64));
    assert_eq!(int(&b, 1, "redis.reply_length", TC), Some(1));
    assert_eq!(b.parser.common(b.tx(2)).steps(), [1, 1]);
    assert_eq!(
        record(&b, 0, false),
        "command=SET args_count=2 args_bytes=8 reply=status reply_bytes=2 auth=none resp=2 "
    );
    assert_eq!(
        record(&b, 1, true),
        "command=MGET args_count=2 args_bytes=2 args[ =a =b ] reply=array reply_bytes=1 reply_count=2 \
         reply_content[ =x ] auth=none resp=2 "
    );
    assert!(record(&b, 2, false).contains("error=ERR "));
    b.close();
}

#[test]
fn credentials_and_what_they_do() {
    let mut b = Bench::new(&REDIS);
    for (words, reply) in [
        (&["GET", "x"][..], "-NOAUTH Authentication required.\r\n"),
        (&["AUTH", "bad"], "-WRONGPASS invalid username-password pair or user is disabled.\r\n"),
        (
            &["HELLO", "3", "AUTH", "default", "secret"],
            "%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n",
        ),
        (&["CONFIG", "set", "requirepass", "hidden"], "+OK\r\n"),
    ] {
        b.feed(TS, &cmd(words));
        b.feed(TC, reply.as_bytes());
    }
    let auth = |id, dir| int(&b, id, "redis.auth", dir);
    assert_eq!([0, 1, 2, 3].map(|i| auth(i, TC)), [1, 3, 2, 2].map(Some));
    assert_eq!([0, 1, 2, 3].map(|i| auth(i, TS)), [0, 1, 3, 2].map(Some));
    assert!(record(&b, 0, true).contains("error=NOAUTH ") && record(&b, 0, true).contains("auth=required"));
    assert!(record(&b, 1, true).contains("args[ =(redacted) ]"));
    let hello = record(&b, 2, true);
    assert!(hello.contains("=3 =AUTH =(redacted) =(redacted) ]"), "{hello}");
    assert!(hello.contains("server=redis 7.0.15 auth=ok resp=3"), "{hello}");
    let config = record(&b, 3, true);
    assert!(config.contains("subcommand=SET") && !config.contains("hidden"), "{config}");
    b.close();
}

#[test]
fn inline_commands_and_refusals_before_them() {
    let mut b = Bench::new(&REDIS);
    b.feed(TC, b"-DENIED Redis is running in protected mode\r\n");
    b.feed(TS, b"\r\nping\r\nSET a  b\r\n");
    b.feed(TC, b"+PONG\r\n+OK\r\n");
    assert_eq!(of(&mut b, "redis.command", TS), [(1, "PING".into()), (2, "SET".into())]);
    assert_eq!(b.events(0), 0);
    assert!(record(&b, 0, false).starts_with("reply=error reply_bytes=41 error=DENIED auth=none"));
    assert!(
        record(&b, 2, false).contains("args_count=2 args_bytes=2")
            && record(&b, 2, false).contains("inline=true")
    );
    b.feed(TC, b":1\r\n");
    assert_eq!(b.events(3), 1 << EV_UNASKED);
    b.close();
}

#[test]
fn subscriptions_and_pushes() {
    let mut b = Bench::new(&REDIS);
    b.feed(TS, &cmd(&["SUBSCRIBE", "a", "b"]));
    b.feed(TC, b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    assert_eq!(b.parser.common(b.tx(0)).steps(), [1, 0]);
    b.feed(TC, b"*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n");
    assert_eq!(b.parser.common(b.tx(0)).steps(), [1, 1]);
    assert_eq!(
        record(&b, 1, false),
        "reply=array reply_bytes=10 reply_count=3 push=message auth=none resp=2 "
    );
    b.feed(TS, &cmd(&["PING"]));
    b.feed(TC, b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n+PONG\r\n");
    assert!(record(&b, 3, false).contains("push=invalidate"));
    assert!(record(&b, 2, false).contains("command=PING") && record(&b, 2, false).contains("reply=status"));
    b.close();
}

#[test]
fn commands_without_replies_and_replication() {
    let mut b = Bench::new(&REDIS);
    b.feed(TS, &[cmd(&["CLIENT", "REPLY", "SKIP"]), cmd(&["SET", "a", "b"]), cmd(&["GET", "a"])].concat());
    b.feed(TC, b"$1\r\nb\r\n");
    assert_eq!([0, 1, 2].map(|i| record(&b, i, false).contains("reply=")), [false, false, true]);
    b.feed(TS, &cmd(&["PSYNC", "?", "-1"]));
    b.feed(TC, b"+FULLRESYNC 0123 0\r\n$5\r\nREDIS\x01\x02 no resp at all");
    b.feed(TS, &cmd(&["REPLCONF", "ACK", "0"]));
    assert_eq!(b.events(3), 0);
    assert_eq!([3, 4].map(|i| b.parser.common(b.tx(i)).steps()), [[1, 1]; 2]);
    b.close();
}

#[test]
fn attributes_are_no_reply() {
    let mut b = Bench::new(&REDIS);
    b.feed(TS, &cmd(&["GET", "a"]));
    b.feed(TC, b"|1\r\n+ttl\r\n%1\r\n+a\r\n:3\r\n$1\r\nx\r\n");
    assert_eq!(of(&mut b, "redis.reply", TC), [(0, "x".into())]);
    assert!(record(&b, 0, false).contains("reply=bulk reply_bytes=1"));
    b.close();
}

/// Beyond the limit commands have no transaction, and the replies behind them still find theirs.
#[test]
fn replies_find_their_commands_in_long_pipelines() {
    let mut b = Bench::new(&REDIS);
    b.cfg.max_txs = 256;
    let n = 300;
    let mut all = Vec::new();
    for i in 0..n {
        all.extend(cmd(&["ECHO", &alloc::format!("{i}")]));
    }
    b.feed(TS, &all);
    let with = b.live().len() as u64;
    assert_eq!(with, 256);
    let replies: Vec<u8> = (0..n).flat_map(|i| alloc::format!("+{i}\r\n").into_bytes()).collect();
    b.feed(TC, &replies);
    let st = b.st;
    for tx in b.live() {
        let id = b.parser.common(tx).id;
        let r = record(&b, id, true);
        assert!(
            r.contains(&alloc::format!("args[ ={id} ]"))
                && r.contains(&alloc::format!("reply_content[ ={id} ]")),
            "{r}"
        );
        b.with(|p, cx| p.free_tx(st, tx, cx));
    }
    b.feed(TS, &cmd(&["ECHO", "last"]));
    b.feed(TC, b"+last\r\n");
    assert!(record(&b, with, true).contains("reply_content[ =last ]"));
    b.close();
}

#[test]
fn what_is_broken_is_told_and_the_rest_goes_on() {
    let mut b = Bench::new(&REDIS);
    b.feed(TS, &cmd(&["GET", "a"]));
    b.feed(TC, b"HTTP/1.1 400 Bad Request\r\n");
    b.feed(TS, &cmd(&["GET", "b"]));
    assert_eq!(b.events(0), 1 << EV_REPLY);
    assert_eq!([0, 1].map(|i| b.parser.common(b.tx(i)).steps()), [[1, 1]; 2]);
    b.feed(TS, b"*1\r\nno\r\n");
    assert!(b.events(2) & 1 << EV_COMMAND != 0);
    b.close();
    // A hole inside a string is bridged, another one ends the direction.
    let mut b = Bench::new(&REDIS);
    b.feed(TS, b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$10\r\n012");
    b.give(Input { dir: TS, data: b"6789\r\n", gap: 3, eof: false, datagram: false });
    b.feed(TC, b"+OK\r\n");
    assert!(record(&b, 0, true).contains("args[ =a =0126789 ]") && b.events(0) == 0);
    b.give(Input { dir: TS, data: b"GET", gap: 9, eof: false, datagram: false });
    assert_eq!((b.events(0), b.events(1)), (0, 1 << EV_GAP));
    // What is only an event has no record, so none more or less for how the bytes were cut.
    assert_eq!(b.parser.log_due(b.tx(1)), 0);
    b.close();
}

/// Beyond a stream's depth one side is silent while the other goes on: that is no fault of either.
#[test]
fn one_direction_ends_before_the_other() {
    let mut b = Bench::new(&REDIS);
    b.feed(TS, &cmd(&["GET", "a"]));
    b.give(Input { dir: TS, data: b"*1\r\n$4\r\nPI", gap: 0, eof: true, datagram: false });
    b.feed(TC, b"+1\r\n+2\r\n+3\r\n");
    assert_eq!(of(&mut b, "redis.reply", TC), [(0, "1".into())]);
    assert_eq!((b.live().len(), b.events(0), b.events(1)), (2, 0, 0));
    assert_eq!(b.parser.common(b.tx(1)).steps(), [1, 1]);
    b.close();
    let mut b = Bench::new(&REDIS);
    b.feed(TS, &cmd(&["GET", "a"]));
    b.give(Input { dir: TC, data: b"$9\r\n01", gap: 0, eof: true, datagram: false });
    b.feed(TS, &cmd(&["GET", "b"]));
    assert_eq!([0, 1].map(|i| b.parser.common(b.tx(i)).steps()), [[1, 1]; 2]);
    b.close();
}

/// What three bytes can do has a bounded number of records, and no command its reply wrong.
#[test]
fn floods_of_the_smallest_things_are_rationed() {
    for (dir, bytes, most) in
        [(TS, &b"A\r\n"[..], 256), (TC, b">1\r\n+a\r\n", 128), (TC, b"_\r\n", usize::from(UNASKED_MAX))]
    {
        let mut b = Bench::new(&REDIS);
        b.feed(TS, &cmd(&["CLIENT", "REPLY", "OFF"]));
        let (st, mut recorded) = (b.st, 0);
        for _ in 0..40 {
            b.feed(dir, &bytes.repeat(50));
            for tx in b.live() {
                recorded += usize::from(b.parser.log_due(tx) != 0);
                b.with(|p, cx| p.free_tx(st, tx, cx));
            }
        }
        assert!((most / 2..=most + 1).contains(&recorded), "{recorded} of {most}");
        b.close();
    }
}

#[test]
fn recognised_by_what_is_said() {
    use crate::app::recognise::{Progress, Recogniser};
    let r = Recogniser::new(&AppConfig::default());
    let look = |bytes: &[u8], dir, port| {
        let found = r.look(
            OVER_TCP,
            bytes,
            dir,
            [40000, port],
            crate::app::AppProto::UNKNOWN,
            &mut Progress::default(),
        );
        found.map(|f| f.proto.name())
    };
    assert_eq!(look(b"*1\r\n$4\r\nPING\r\n", TS, 7777), Some("redis"));
    assert_eq!(look(b"*1\r\n$4\r\n", TS, 6379), None);
    assert_eq!(look(b"*1\r\nPING\r\n", TS, 6379), None);
    assert_eq!(look(b"ping\r\n", TS, 6379), Some("redis"));
    assert_eq!(look(b"ping\r\n", TS, 7777), None);
    assert_eq!(look(b"hello there", TS, 6379), Some("redis"));
    assert_eq!(look(b"\x01\x02\x03", TS, 6379), None);
    assert_eq!(look(b"-NOAUTH Authentication required.\r\n", TC, 7777), Some("redis"));
    assert_eq!(look(b"+PONG\r\n", TC, 6379), Some("redis"));
    assert_eq!(look(b"+OK\r\n", TC, 7777), None);
}

fn client() -> Vec<u8> {
    [
        cmd(&["HELLO", "3", "AUTH", "default", "pw"]),
        cmd(&["SET", "key:1", &"v".repeat(5000)]),
        b"ping\r\nclient reply skip\r\n".to_vec(),
        cmd(&["MSET", "a", "1", "b", "2"]),
        cmd(&["SUBSCRIBE", "ch"]),
        cmd(&["XREAD", "COUNT", "1", "STREAMS", "s1", "s2", "0", "0"]),
    ]
    .concat()
}

const SERVER: &[u8] = b"%1\r\n$6\r\nserver\r\n$5\r\nredis\r\n+OK\r\n|1\r\n+a\r\n*1\r\n:1\r\n+PONG\r\n>3\r\n$9\r\nsubscribe\r\n$2\r\nch\r\n:1\r\n\
>3\r\n$7\r\nmessage\r\n$2\r\nch\r\n=6\r\ntxt:hi\r\n*2\r\n*2\r\n$1\r\na\r\n_\r\n!5\r\nERR x\r\n-WRONGTYPE Operation\r\n";

fn seen(b: &mut Bench) -> (Vec<(u64, Vec<u8>)>, Vec<String>) {
    let ids: Vec<u64> = b.live().into_iter().map(|t| b.parser.common(t).id).collect();
    let records = ids.iter().map(|i| record(b, *i, true)).collect();
    (b.everything(&REDIS), records)
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(cuts in proptest::collection::vec(1usize..60, 1..8)) {
        let c = client();
        let mut whole = Bench::new(&REDIS);
        whole.feed(TS, &c);
        whole.feed(TC, SERVER);
        let mut cut = Bench::new(&REDIS);
        prop_assert_eq!(cut.feed_cut(TS, &c, &cuts), 0);
        prop_assert_eq!(cut.feed_cut(TC, SERVER, &cuts), 0);
        prop_assert_eq!(seen(&mut cut), seen(&mut whole));
        cut.close();
        whole.close();
    }

    #[test]
    fn never_panics(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
        gap in 0u32..20,
    ) {
        let mut b = Bench::new(&REDIS);
        let (mut c, mut s) = (client(), SERVER.to_vec());
        for (i, v) in changes {
            let n = i.index(c.len() + s.len());
            if n < c.len() { c[n] = v } else { s[n - c.len()] = v }
        }
        let half = c.len() / 2;
        b.feed(TS, &c[..half]);
        b.feed(TC, &s[..s.len() / 2]);
        b.give(Input { dir: TS, data: &c[half..], gap, eof: false, datagram: false });
        b.feed(TC, &s[s.len() / 2..]);
        b.feed(TC, &bytes);
        b.feed(TS, &bytes);
        seen(&mut b);
        b.close();
    }
}
