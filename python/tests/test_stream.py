"""Streams without packets: what packets with the same bytes would bring, with a tag of the caller's."""

from __future__ import annotations

import pytest

import tidegate

CLIENT, SERVER = ("10.0.0.1", 4000), ("10.0.0.2", 80)
GET = b"GET /secret HTTP/1.1\r\nHost: h\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def test_events_carry_the_tag() -> None:
    rules = tidegate.Rules(text='alert http any any -> any any (http.uri; content:"/secret"; sid:1;)')
    engine = tidegate.Engine(rules)
    with engine.stream(CLIENT, SERVER, tag="pid 4711", time=1.5) as stream:
        assert stream.to_server(GET[:7], 1.5) is tidegate.Verdict.FORWARD
        stream.to_server(memoryview(GET)[7:], 1.6)
        stream.to_client(OK, 1.7)
    events = engine.events()
    assert {e.kind for e in events} >= {"alert", "http", "flow", "fileinfo"}
    assert {e.tag for e in events} == {"pid 4711"}
    (http,) = (e for e in events if e.kind == "http")
    assert isinstance(http, tidegate.Http) and http.url == "/secret"


def test_inline_verdicts() -> None:
    rules = tidegate.Rules(text='drop http any any -> any any (http.uri; content:"/secret"; sid:1;)')
    stream = tidegate.Engine(rules, inline=True).stream(("::1", 1), ("::2", 80))
    assert stream.to_server(GET) is tidegate.Verdict.DROP


def test_wrong_calls() -> None:
    engine = tidegate.Engine(None)
    for client, tag in [(("::1", 1), b""), (CLIENT, b"x" * 257)]:
        with pytest.raises(tidegate.ConfigError):
            engine.stream(client, SERVER, tag=tag)
    with pytest.raises(ValueError):
        engine.stream(("a name", 1), SERVER)
    stream = engine.stream(CLIENT, SERVER)
    with pytest.raises(tidegate.ConfigError, match="open already"):
        engine.stream(CLIENT, SERVER)
    stream.close()
    with pytest.raises(tidegate.ConfigError, match="closed"):
        stream.to_client(b"x")
    with pytest.raises(TypeError):
        engine.stream(CLIENT, SERVER).to_server("text")
