//! Tests of the whole parser: flows go in as lists of segments, transactions come out as text.

use super::*;
use crate::app::TxView;
use crate::app::bench::Bench;
use crate::event::{Nest, Value};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use proptest::prelude::*;

/// Collects a record as `key=value` words.
#[derive(Default)]
struct Words(String);

impl Words {
    fn add(&mut self, key: &str, value: &str) {
        self.0.push_str(&format!("{key}={value} "));
    }
}

impl Fields for Words {
    fn value(&mut self, key: &str, value: Value<'_>) {
        match value {
            Value::Bytes(v) | Value::Hex(v) | Value::Base64(v) => {
                self.add(key, &v.escape_ascii().to_string())
            }
            Value::U64(v) => self.add(key, &v.to_string()),
            Value::I64(v) => self.add(key, &v.to_string()),
            Value::F64(v) => self.add(key, &v.to_string()),
            Value::Bool(v) => self.add(key, &v.to_string()),
            Value::Text(v) => self.add(key, &v.to_string()),
        }
    }
    fn open(&mut self, key: &str, nest: Nest) {
        self.add(key, if nest == Nest::Object { "{" } else { "[" });
    }
    fn close(&mut self, nest: Nest) {
        self.0.push_str(if nest == Nest::Object { "} " } else { "] " });
    }
}

fn cfg() -> AppConfig {
    AppConfig { max_states: 4, max_txs: 64, max_files: 64, file_md5: true, ..AppConfig::default() }
}

/// A flow whose unconsumed bytes are held as the engine does.
struct Flow {
    b: Bench<Http>,
    left: [Vec<u8>; 2],
    over: bool,
    failed_here: u32,
}

impl Flow {
    fn new(cfg: AppConfig) -> Self {
        let b = Bench::of(Box::new(Http::new(&cfg)), cfg);
        Flow { b, left: Default::default(), over: false, failed_here: 0 }
    }

    fn give(&mut self, dir: Dir, data: &[u8], gap: u32, eof: bool) {
        if self.over {
            return;
        }
        let mut left = core::mem::take(&mut self.left[dir.ix()]);
        if gap > 0 {
            left.clear();
        }
        left.extend_from_slice(data);
        match self.b.give(Input { dir, data: &left, gap, eof, datagram: false }) {
            Outcome::Consumed { bytes, .. } => {
                assert!(bytes <= left.len());
                left.drain(..bytes);
                self.left[dir.ix()] = left;
            }
            // All was taken.
            Outcome::FailedHere => self.failed_here += 1,
            _ => self.over = true,
        }
    }

    /// Everything that can be seen of the flow.
    fn dump(&mut self) -> String {
        let b = &mut self.b;
        let mut out = String::new();
        for tx in b.live() {
            let c = b.parser.common(tx);
            let id = c.id;
            out.push_str(&format!("tx {id} {:?} ", c.steps()));
            for (i, e) in events::NAMES.iter().enumerate() {
                if c.events >> i & 1 == 1 {
                    out.push_str(&format!("!{e} "));
                }
            }
            let mut w = Words::default();
            let view = TxView {
                before: crate::app::AppProto::UNKNOWN,
                proto: super::super::AppProto::by_name("http").unwrap(),
                parser: &*b.parser,
                state: b.st,
                tx,
                pool: &b.pool,
                files: &b.files,
            };
            view.log(Dir::ToServer, &mut w);
            out.push_str(&w.0);
            for head in c.files {
                for f in b.files.chain(head) {
                    let v = b.files.view(f);
                    out.push_str(&format!(
                        "\n  file {} {} {} {:?}",
                        v.name(&b.pool).escape_ascii(),
                        v.size(),
                        v.state().name(),
                        v.md5()
                    ));
                }
            }
            out.push('\n');
            for dir in Dir::BOTH {
                for (n, d) in buffers::DEFS.iter().enumerate() {
                    for index in 0..8 {
                        let v = b.parser.buffer(
                            b.st,
                            tx,
                            BufferAt { local: n as u8, dir, index, pool: &b.pool, scratch: &mut b.scratch },
                        );
                        if let Buffer::Data { bytes, offset, end } = v {
                            out.push_str(&format!(
                                "  {} {dir:?} {index} {offset} {end} [{}]\n",
                                d.name,
                                bytes.escape_ascii()
                            ));
                        }
                    }
                }
            }
        }
        out
    }

    fn close(mut self) {
        self.b.end();
        let http = &self.b.parser;
        assert_eq!((http.flows.used(), http.txs.used()), (0, 0));
    }
}

/// One exchange in segments of `cut` bytes, both directions ended.
fn exchange(request: &[u8], response: &[u8], cut: usize) -> String {
    let mut b = Flow::new(cfg());
    for part in request.chunks(cut) {
        b.give(Dir::ToServer, part, 0, false);
    }
    for part in response.chunks(cut) {
        b.give(Dir::ToClient, part, 0, false);
    }
    b.give(Dir::ToServer, b"", 0, true);
    b.give(Dir::ToClient, b"", 0, true);
    let d = b.dump();
    b.close();
    d
}

fn has(dump: &str, line: &str) {
    assert!(dump.contains(line), "no {line:?} in\n{dump}");
}

const GET: &[u8] = b"GET /a//b/../c%41?x=%20y HTTP/1.1\r\nHost: Www.Example.com:8080\r\nUser-Agent: ua\r\nCookie: c=1\r\n\r\n";

#[test]
fn a_plain_exchange() {
    let d = exchange(
        GET,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: s\r\nContent-Type: text/html; x=y\r\n\r\nhello",
        10_000,
    );
    has(
        &d,
        "tx 0 [5, 5] hostname=www.example.com http_port=8080 url=/a//b/../c%41?x=%20y http_user_agent=ua http_content_type=text/html http_method=GET protocol=HTTP/1.1 status=200 length=5",
    );
    has(&d, "file /a/cA 5 CLOSED");
    has(&d, "http.uri ToServer 0 0 true [/a/cA?x= y]");
    has(&d, "http.uri.raw ToServer 0 0 true [/a//b/../c%41?x=%20y]");
    has(&d, "http.header ToServer 0 0 true [Host: Www.Example.com:8080\\r\\nUser-Agent: ua\\r\\n]");
    has(&d, "http.header_names ToServer 0 0 true [\\r\\nHost\\r\\nUser-Agent\\r\\nCookie\\r\\n\\r\\n]");
    has(&d, "http.host ToServer 0 0 true [www.example.com]");
    has(&d, "http.host.raw ToServer 0 0 true [Www.Example.com:8080]");
    has(&d, "http.cookie ToServer 0 0 true [c=1]");
    has(&d, "http.request_header ToServer 2 0 true [Cookie: c=1]");
    has(&d, "http.start ToClient 0 0 true [HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n");
    has(&d, "http.response_body ToClient 0 0 true [hello]");
    has(&d, "file.data ToClient 0 0 true [hello]");
    has(&d, "http.stat_msg ToClient 0 0 true [OK]");
    has(&d, "http.server ToClient 0 0 true [s]");
}

#[test]
fn chunks_with_junk() {
    let d = exchange(
        GET,
        b"HTTP/1.1 200 ok\r\nTransfer-Encoding: x-chunked\r\n\r\n\t3 ;e\r\nabcjunk\r\n\r\n 02\r\nde\r\n0\r\nT: r\r\n\r\n",
        10_000,
    );
    has(&d, "!response_abnormal_transfer_encoding");
    has(&d, "!response_chunk_extension");
    has(&d, "http.response_body ToClient 0 0 true [abcde]");
    let d = exchange(GET, b"HTTP/1.1 200 ok\r\nTransfer-Encoding: chunked\r\n\r\nplain text", 10_000);
    has(&d, "!invalid_response_chunk_len");
    has(&d, "http.response_body ToClient 0 0 true [plain text]");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let d = exchange(
        b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\nHEAD /2 HTTP/1.1\r\nHost: h\r\n\r\nGET /3 HTTP/1.1\r\nHost: h\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ok\r\nContent-Length: 1\r\n\r\nAHTTP/1.1 201 ok\r\nContent-Length: 9\r\n\r\nHTTP/1.1 204 no\r\n\r\n",
        10_000,
    );
    has(&d, "tx 0 [5, 5] hostname=h url=/1 http_method=GET protocol=HTTP/1.1 status=200 length=1");
    has(&d, "tx 1 [5, 5] hostname=h url=/2 http_method=HEAD protocol=HTTP/1.1 status=201 length=0");
    has(&d, "tx 2 [5, 5] hostname=h url=/3 http_method=GET protocol=HTTP/1.1 status=204 length=0");
}

#[test]
fn uploads() {
    let body = b"--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nv\r\n--X\r\nContent-Disposition: form-data; name=\"f\"; filename=\"up.txt\"\r\nContent-Type: text/plain\r\n\r\nfile one\r\n--X\r\nContent-Disposition: form-data; filename=two\r\n\r\n2\r\n--X--\r\n";
    let mut req = format!(
        "POST /u HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=X\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    req.extend(body);
    for cut in [1, 3, 1000] {
        let d = exchange(&req, b"HTTP/1.1 200 ok\r\n\r\n", cut);
        has(&d, "file up.txt 8 CLOSED");
        has(&d, "file two 1 CLOSED");
        has(&d, "file.data ToServer 0 0 true [file one]");
        has(&d, "file.data ToServer 1 0 true [2]");
        has(&d, "file.name ToServer 1 0 true [two]");
    }
    let d = exchange(b"PUT /p/x.bin HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", b"", 1000);
    has(&d, "file /p/x.bin 3 CLOSED");
    has(&d, "file.data ToServer 0 0 true [abc]");
}

#[test]
fn a_gap_in_a_body_and_what_follows() {
    let mut b = Flow::new(cfg());
    b.give(Dir::ToServer, b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n", 0, false);
    b.give(Dir::ToClient, b"HTTP/1.1 200 ok\r\nContent-Length: 10\r\n\r\nabc", 0, false);
    b.give(Dir::ToClient, b"z", 6, false);
    b.give(Dir::ToClient, b"HTTP/1.1 200 ok\r\nContent-Length: 1\r\n\r\n.", 0, false);
    let d = b.dump();
    has(&d, "file /1 10 TRUNCATED");
    has(&d, "file /2 1 CLOSED");
    b.close();
}

/// A stream that ends before the last chunk leaves no whole file; of a known length, Suricata calls it one.
#[test]
fn a_body_that_is_cut_short() {
    for (body, state) in [
        ("Content-Length: 4\r\n\r\nabc", "3 CLOSED"),
        ("Content-Length: 3\r\n\r\nabc", "3 CLOSED"),
        ("\r\nabc", "3 CLOSED"),
        ("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "3 CLOSED"),
        ("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", "3 CLOSED"),
        ("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "3 TRUNCATED"),
        ("Transfer-Encoding: chunked\r\n\r\n3\r\nabc", "3 TRUNCATED"),
        ("Transfer-Encoding: chunked\r\n\r\n4\r\nabc", "3 TRUNCATED"),
    ] {
        let d = exchange(GET, format!("HTTP/1.1 200 ok\r\n{body}").as_bytes(), 1000);
        has(&d, state);
        let request = format!("PUT /x.bin HTTP/1.1\r\nHost: h\r\n{body}");
        if !body.starts_with('\r') {
            has(&exchange(request.as_bytes(), b"", 1000), state);
        }
    }
}

#[test]
fn connect_and_upgrade_change_the_protocol() {
    let mut b = Flow::new(cfg());
    b.give(Dir::ToServer, b"CONNECT h.example:443 HTTP/1.1\r\nHost: h.example:443\r\n\r\n\x16\x03", 0, false);
    let data = b"HTTP/1.1 200 ok\r\n\r\n\x16\x03";
    let input = Input { dir: Dir::ToClient, data, gap: 0, eof: false, datagram: false };
    assert_eq!(b.b.give(input), Outcome::Change { bytes: 19, to: None });
    has(&b.dump(), "tx 0 [5, 5] hostname=h.example http_port=443 url=h.example:443 http_method=CONNECT");
    b.close();
}

#[test]
fn odd_requests() {
    let d = exchange(b"GET /old\r\n", b"plain old text", 1000);
    has(&d, "http.response_body ToClient 0 0 true [plain old text]");
    has(&d, "url=/old http_method=GET");
    let d = exchange(b"GET /x\r\nHost: h\r\n\r\n", b"HTTP/1.1 200 ok\r\n\r\n", 1000);
    has(&d, "!request_line_missing_protocol");
    has(&d, "hostname=h");
    let d = exchange(b"  GET\t/a b HTTP/1.1\nHost: h\n\n", b"", 1000);
    has(&d, "!method_delim_non_compliant");
    has(&d, "!request_line_leading_whitespace");
    has(&d, "http.uri ToServer 0 0 true [/a b]");
    let d = exchange(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nxlogin=foo&p", b"", 1000);
    has(&d, "!request_body_unexpected");
    has(&d, "http.request_body ToServer 0 0 true [xlogin=foo&p]");
    let d = exchange(b"", b"HTTP/1.1 200 ok\r\nContent-Length: 0\r\n\r\n", 1000);
    has(&d, "!unable_to_match_response_to_request");
    has(&d, "url=/libhtp::request_uri_not_seen");
}

/// More requests than may wait end the direction, with an event, and only that one.
#[test]
fn too_many_transactions_are_told() {
    let mut c = cfg();
    c.http.max_tx = 3;
    let mut f = Flow::new(c);
    f.give(Dir::ToServer, &b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n".repeat(4), 0, false);
    assert_eq!((f.failed_here, f.over), (1, false));
    let dump = f.dump();
    assert_eq!(dump.matches("!too_many_transactions").count(), 1, "{dump}");
    f.give(Dir::ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, false);
    has(&f.dump(), "tx 0 [5, 5]");
    let long = [b"HTTP/1.1 200 OK\r\nX: ", &[b'x'; 2 * FIELD_LIMIT][..]].concat();
    f.give(Dir::ToClient, &long, 0, false);
    assert!(f.over, "both directions failed");
    f.close();
}

#[test]
fn a_body_limit_is_kept() {
    let mut c = cfg();
    c.http.response_body_limit = 8;
    let mut b = Flow::new(c);
    b.give(Dir::ToServer, GET, 0, false);
    b.give(Dir::ToClient, b"HTTP/1.1 200 ok\r\n\r\n0123456789", 0, false);
    b.give(Dir::ToClient, b"more", 0, true);
    let d = b.dump();
    has(&d, "http.response_body ToClient 0 0 true [01234567]");
    has(&d, "length=14");
    has(&d, "8 TRUNCATED");
    b.close();
}

/// What is seen of an answer with these codings and this body.
fn coded(cfg: AppConfig, codings: &str, body: &[u8]) -> String {
    let mut b = Flow::new(cfg);
    b.give(Dir::ToServer, GET, 0, false);
    let head =
        format!("HTTP/1.1 200 ok\r\nContent-Encoding: {codings}\r\nContent-Length: {}\r\n\r\n", body.len());
    b.give(Dir::ToClient, &[head.as_bytes(), body].concat(), 0, false);
    let d = b.dump();
    b.close();
    d
}

#[test]
fn what_is_wrong_with_answers() {
    assert!(!coded(cfg(), "gzip", b"").contains('!'));
    has(&coded(cfg(), "gzip", b"this is no gzip at all"), "!gzip_decompression_failed");
    has(&exchange(b"GET / HTTP/1.1\r\nHost:\r\n\r\n", b"", 1000), "!request_header_host_invalid");
    let answer = |field: &str| {
        exchange(GET, format!("HTTP/1.1 200 OK\r\n{field}\r\nContent-Length: 0\r\n\r\n").as_bytes(), 1000)
    };
    assert!(!answer("Name: value").contains("!response_header_invalid"));
    assert!(!answer("no colon").contains("!response_header_invalid"));
    for field in ["two words: v", "After : v", ": v", "\x01n: v"] {
        has(&answer(field), "!response_header_invalid");
    }
}

#[test]
fn bodies_by_brotli_zstd_and_lzma() {
    let br = b"\x8b\x08\x80\x68\x65\x6c\x6c\x6f\x20\x68\x65\x6c\x6c\x6f\x20\x62\x72\x6f\x74\x6c\x69\x03";
    let lzma = b"\x5d\x00\x00\x80\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00\x34\x19\x49\xee\x8d\xe9\x45\xbf\xb8\x17\xdd\xf7\xcf\x70\x38\xff\xff\xdd\x10\x00\x00";
    for name in ["br", "BR", "none, br"] {
        has(&coded(cfg(), name, br), "[hello hello brotli]");
    }
    let zstd = b"\x28\xb5\x2f\xfd\x00\x58\x81\x00\x00\x68\x65\x6c\x6c\x6f\x20\x68\x65\x6c\x6c\x6f\x20\x7a\x73\x74\x64";
    for name in ["zstd", "ZSTD", "none, zstd"] {
        has(&coded(cfg(), name, zstd), "[hello hello zstd]");
    }
    for name in ["lzma", "lzma, none"] {
        has(&coded(cfg(), name, lzma), "[hello hello lzma]");
    }
    // Not the outermost coding: what it was put around is not undone.
    let inside = coded(cfg(), "none, lzma", lzma);
    has(&inside, "!response_too_many_lzma_layers");
    assert!(!inside.contains("[hello hello"));
    let mut off = cfg();
    off.http.lzma_enabled = false;
    assert!(!coded(off, "lzma", lzma).contains("[hello hello"));
}

/// Pieces that HTTP/1 traffic of all kinds is made of.
fn piece(request: bool) -> impl Strategy<Value = Vec<u8>> {
    let common: Vec<&[u8]> = vec![
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b"\0",
        b"Host: h\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: 3\r\nContent-Length: 4\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Encoding: gzip, deflate\r\n",
        b"Content-Encoding: br\r\n",
        b"Content-Encoding: lzma\r\n",
        b" folded\r\n",
        b"NoColon\r\n",
        b"\r\n\r\n",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"hello",
        b"\x1f\x8b\x08\0\0\0\0\0\0\0\x4b\x4c\x4a\x06\0",
        b"Content-Type: multipart/form-data; boundary=X\r\n",
        b"--X\r\nContent-Disposition: form-data; filename=f\r\n\r\n",
        b"\r\n--X--",
    ];
    let req: Vec<&[u8]> = vec![
        b"GET / HTTP/1.1\r\n",
        b"POST /p HTTP/1.1\r\n",
        b"GET /\r\n",
        b"CONNECT h:1 HTTP/1.1\r\n",
        b"FOO / HTTP/1.0\r\n",
        b"Expect: 100-continue\r\n",
    ];
    let res: Vec<&[u8]> = vec![
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.0 304 x\n",
        b"HTTP/1.1 101 x\r\nUpgrade: h2c\r\n",
        b"junk\r\n",
    ];
    let mut all = common;
    all.extend(if request { req } else { res });
    proptest::sample::select(all).prop_map(|s| s.to_vec())
}

fn stream(request: bool) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(
        prop_oneof![8 => piece(request), 1 => proptest::collection::vec(any::<u8>(), 0..12)],
        0..24,
    )
    .prop_map(|v| v.concat())
}

#[test]
fn what_follows_a_hole_in_front_of_a_response_is_its_body() {
    let mut b = Flow::new(cfg());
    b.give(Dir::ToServer, b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n", 0, false);
    b.give(Dir::ToClient, b"\r\n\r\nbody-attack-marker", 300, false);
    b.give(Dir::ToClient, b"", 0, true);
    let seen = b.dump();
    assert!(seen.contains("body-attack-marker"), "{seen}");
    b.close();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]
    #[test]
    fn any_cut_reads_the_same(request in stream(true), response in stream(false),
                              start in any::<bool>(), cut in 1usize..40) {
        let head: &[u8] = if start { b"POST /p HTTP/1.1\r\n" } else { b"" };
        let request = [head, &request[..]].concat();
        let head: &[u8] = if start { b"HTTP/1.1 200 OK\r\n" } else { b"" };
        let response = [head, &response[..]].concat();
        prop_assert_eq!(exchange(&request, &response, cut), exchange(&request, &response, 1 << 20));
    }

    #[test]
    fn any_order_never_panics(parts in proptest::collection::vec(
        (any::<bool>(), stream(true), 0u32..40, any::<bool>()), 0..12)) {
        let mut b = Flow::new(cfg());
        for (to_server, data, gap, free) in parts {
            let dir = if to_server { Dir::ToServer } else { Dir::ToClient };
            b.give(dir, &data, if gap < 4 { gap } else { 0 }, gap == 39);
            if free {
                let st = b.b.st;
                if let Some(low) = b.b.parser.next_tx(st, None) {
                    b.b.with(|h, cx| h.free_tx(st, low, cx));
                }
            }
        }
        let _ = b.dump();
        b.close();
    }
}
