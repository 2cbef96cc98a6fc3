"""Exchanges of HTTP/1 with one thing out of the ordinary each. Out: (name, turns)."""
import gzip
import zlib

PORT = 80
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HOST = b"Host: a\r\n"

LINES = [
    b"GET / HTTP/1.1", b"GET  /  HTTP/1.1", b"GET\t/\tHTTP/1.1", b" GET / HTTP/1.1", b"\r\nGET / HTTP/1.1", b"get / http/1.1",
    b"GET / HTTP/1.0", b"GET / HTTP/0.9", b"GET / HTTP/2.0", b"GET / HTTP/9.9", b"GET / HTTP/1", b"GET / HTTP/1.1 ", b"GET / HTTP/11",
    b"GET / foo", b"FOO / HTTP/1.1", b"FOO / BAR", b"FOO /", b"GET", b"GET /", b"GET http://a/ HTTP/1.1", b"GET http://b/ HTTP/1.1",
    b"GET http://a:81/ HTTP/1.1", b"GET http://a:99999/ HTTP/1.1", b"GET //a/b HTTP/1.1", b"GET /%zz HTTP/1.1", b"GET /%2541 HTTP/1.1",
    b"GET /a b HTTP/1.1", b"GET /%u0041 HTTP/1.1", b"GET /\xc0\xaf HTTP/1.1", b"GET /a\0b HTTP/1.1", b"OPTIONS * HTTP/1.1",
    b"CONNECT a:443 HTTP/1.1", b"CONNECT a HTTP/1.1", b"CONNECT a:99999 HTTP/1.1", b"PUT / HTTP/1.1", b"POST / HTTP/1.1",
    b"GET http://[::1]/ HTTP/1.1", b"GET http://a@b/ HTTP/1.1", b"GET /" + b"a" * 9000 + b" HTTP/1.1",
]
FIELDS = [
    b"", b"Host: a\r\nHost: b\r\n", b"Host:\r\n", b"Host: a b\r\n", b"Host: [::1]\r\n", b"Host: a:0\r\n", b"Host: a:x\r\n", b"Host: @\r\n",
    b"Host: a:99999\r\n", HOST + b"Content-Length: x\r\n", HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n", HOST + b"Content-Length: -1\r\n",
    HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", HOST + b"Transfer-Encoding: foo\r\n", HOST + b"Transfer-Encoding: chunked, gzip\r\n",
    HOST + b" folded: x\r\n", HOST + b"X: a\r\n b\r\n", b" X: a\r\n" + HOST, HOST + b"X:a\n", HOST + b"X: a\rb: c\r\n", HOST + b": x\r\n", HOST + b"A b: c\r\n",
    HOST + b"X: \xff\xfe\r\n", HOST + b"Authorization: Basic xx\r\n", HOST + b"Authorization: Digest username=\"a\"\r\n", HOST + b"Authorization: Foo bar\r\n",
    HOST + b"Authorization: Basic\r\n", HOST + b"Expect: 100-continue\r\n", HOST + b"".join(b"X%d: y\r\n" % i for i in range(1100)),
]
BODIES = [
    (b"Content-Length: 5\r\n", b"hello"), (b"Content-Length: 3\r\n", b"hello"), (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
    (b"Transfer-Encoding: chunked\r\n", b"x\r\nhello\r\n0\r\n\r\n"), (b"Transfer-Encoding: chunked\r\n", b"5;ext=1\r\nhello\r\n0\r\n\r\n"),
    (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\nX: y\r\n\r\n"), (b"Transfer-Encoding: chunked\r\n", b"fffffffff\r\nhello"),
    (b"Transfer-Encoding: chunked\r\n", b"-5\r\nhello\r\n0\r\n\r\n"), (b"Transfer-Encoding: chunked\r\n", b" 5 \r\nhello\r\n0\r\n\r\n"), (b"", b"hello"),
]
STATUS = [
    b"HTTP/1.1 200 OK", b"HTTP/1.0 200 OK", b"HTTP/1.1 200", b"HTTP/1.1", b"HTTP/1.1 abc OK", b"HTTP/1.1 99 OK", b"HTTP/1.1 1000 OK",
    b"HTTP/1.1  200 OK", b"HTTP/3.1 200 OK", b"HTTX/1.1 200 OK", b" HTTP/1.1 200 OK", b"junk\r\nHTTP/1.1 200 OK", b"HTTP/1.1 204 No",
    b"HTTP/1.1 304 No", b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK", b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK",
    b"HTTP/1.1 101 S", b"HTTP/1.1 200 OK\0", b"\r\nHTTP/1.1 200 OK",
]
ANSWERS = [
    b"Content-Length: x\r\n", b"Content-Length: 2\r\nContent-Length: 3\r\n", b"Content-Length: -2\r\n", b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: foo\r\n", b"Transfer-Encoding: chunked, chunked\r\n", b" Transfer-Encoding: chunked\r\n",
    b"Content-Type: multipart/byteranges; boundary=x\r\n", b"Content-Encoding: foo\r\n", b"Content-Encoding: gzip, gzip, gzip\r\n",
    b"Content-Encoding: xgzip\r\n", b"X: a\r\n b\r\n", b" X: a\r\n", b"X: a\nY: b\r\n", b"X: a\r\r\n", b"X\r\n", b": x\r\n", b"A b: c\r\n", b"\1x: y\r\n", b"Ab : c\r\n",
    b"Content-Range: bytes 5-1/2\r\n", b"Content-Disposition: attachment; filename=\"" + b"f" * 5000 + b"\"\r\n", b"Content-Length: 5\r\n",
    b"Content-Length: 1\r\n", b"",
]
CHUNKS = [
    b"2\r\nok\r\n0\r\n\r\n", b"z\r\nok\r\n0\r\n\r\n", b"2;a=b\r\nok\r\n0\r\n\r\n", b"2\r\nok\r\n0\r\nA: b\r\n\r\n", b"2\r\nokok\r\n0\r\n\r\n",
    b"-2\r\nok\r\n0\r\n\r\n", b"\r\n2\r\nok\r\n0\r\n\r\n", b"ffffffffffffff\r\nok",
]
GZIP, ZLIB = gzip.compress(b"hello world " * 100, mtime=0), zlib.compress(b"hello world " * 100)
CODED = [
    ("no gzip", b"gzip", b"0123456789"), ("one byte", b"gzip", b"0"), ("no deflate", b"deflate", b"0123456789abc"), ("zlib as gzip", b"gzip", ZLIB),
    ("gzip", b"gzip", GZIP), ("nothing", b"gzip", b""), ("cut", b"gzip", GZIP[:15]), ("noise", b"gzip", bytes((i * 7919 + 13) % 251 for i in range(5000))),
    ("once instead of twice", b"gzip, gzip", GZIP), ("text", b"gzip", b"<html>hello world</html>" * 100), ("text as deflate", b"deflate", b"<html>hello</html>" * 100),
]


def cases():
    def short(b):
        return f"{b[:50]!r} {len(b)}"
    for line in LINES:
        yield "request line " + short(line), [(0, line + b"\r\n" + HOST + b"\r\n"), (1, OK)]
    for fields in FIELDS:
        yield "request fields " + short(fields), [(0, b"GET / HTTP/1.1\r\n" + fields + b"\r\n"), (1, OK)]
    for method in (b"POST", b"PUT", b"GET", b"HEAD"):
        for fields, body in BODIES:
            yield f"request body {method!r} {fields!r} {body!r}", [(0, method + b" / HTTP/1.1\r\n" + HOST + fields + b"\r\n" + body), (1, OK)]
    for line in STATUS:
        yield "status line " + short(line), [(0, GET), (1, line + b"\r\nContent-Length: 2\r\n\r\nok")]
    for fields in ANSWERS:
        yield "response fields " + short(fields), [(0, GET), (1, b"HTTP/1.1 200 OK\r\n" + fields + b"\r\nok")]
    for chunks in CHUNKS:
        for version in (b"1.1", b"1.0"):
            yield f"chunks {version!r} {chunks!r}", [(0, GET), (1, b"HTTP/" + version + b" 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)]
    for name, coding, body in CODED:
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: " + coding + b"\r\nContent-Length: %d\r\n\r\n" % len(body)
        yield "coding: " + name, [(0, GET), (1, head + body)]
    yield "a response alone", [(1, OK)]
    yield "two responses", [(0, GET), (1, OK + OK)]
    yield "pipeline", [(0, GET * 3), (1, OK * 3)]
