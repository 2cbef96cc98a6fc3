"""Events: what an engine says of traffic, one class for each kind, with EVE's fields."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Dict, List, Optional, Tuple, cast

__all__ = ["Alert", "Anomaly", "Dns", "Drop", "Event", "File", "Flow", "Http", "Record", "Tls"]


class Event:
    """An event. ``line`` is its EVE line, as the command writes it; it is only taken apart when a field is asked for.

    >>> event = make_event('{"timestamp":"2024-05-01T10:00:00.250000+0000","event_type":"dns","src_ip":"10.0.0.1"}')
    >>> event.kind, event.src_ip, event.timestamp.microsecond
    ('dns', '10.0.0.1', 250000)
    """

    __slots__ = ("_eve", "kind", "line")

    def __init__(self, kind: str, line: str) -> None:
        #: EVE's ``event_type``.
        self.kind = kind
        #: The line of JSON.
        self.line = line
        self._eve: Optional[Dict[str, Any]] = None

    @property
    def eve(self) -> Dict[str, Any]:
        """All fields, as a dict."""
        if self._eve is None:
            self._eve = cast(Dict[str, Any], json.loads(self.line))
        return self._eve

    def __getitem__(self, name: str) -> Any:
        return self.eve[name]

    def get(self, name: str, default: Any = None) -> Any:
        """A field, or ``default``."""
        return self.eve.get(name, default)

    @property
    def timestamp(self) -> datetime:
        """When it was seen."""
        return datetime.strptime(self.eve["timestamp"], "%Y-%m-%dT%H:%M:%S.%f%z")

    @property
    def flow_id(self) -> Optional[int]:
        return self.eve.get("flow_id")

    @property
    def packet(self) -> Optional[int]:
        """Number of the packet in its capture, from 1."""
        return self.eve.get("pcap_cnt")

    @property
    def src_ip(self) -> Optional[str]:
        return self.eve.get("src_ip")

    @property
    def src_port(self) -> Optional[int]:
        return self.eve.get("src_port")

    @property
    def dest_ip(self) -> Optional[str]:
        return self.eve.get("dest_ip")

    @property
    def dest_port(self) -> Optional[int]:
        return self.eve.get("dest_port")

    @property
    def proto(self) -> Optional[str]:
        return self.eve.get("proto")

    @property
    def app_proto(self) -> Optional[str]:
        return self.eve.get("app_proto")

    def _body(self) -> Dict[str, Any]:
        return cast(Dict[str, Any], self.eve.get(self.kind, {}))

    def _about(self) -> str:
        return ""

    def _ends(self) -> str:
        def end(ip: Optional[str], port: Optional[int]) -> str:
            host = f"[{ip}]" if ip and ":" in ip else str(ip)
            return host if port is None else f"{host}:{port}"

        if self.src_ip is None:
            return ""
        return f"{end(self.src_ip, self.src_port)} → {end(self.dest_ip, self.dest_port)}"

    def __repr__(self) -> str:
        parts = [type(self).__name__ if type(self) is not Event else self.kind, self._ends(), self._about()]
        return f"<{' '.join(p for p in parts if p)}>"

    def _repr_html_(self) -> str:
        from html import escape

        return f"<b>{escape(repr(self)[1:-1])}</b><pre>{escape(json.dumps(self.eve, indent=2))}</pre>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Event) and self.line == other.line

    def __hash__(self) -> int:
        return hash(self.line)


class Alert(Event):
    """A rule matched."""

    __slots__ = ()

    @property
    def sid(self) -> int:
        return int(self._body()["signature_id"])

    @property
    def gid(self) -> int:
        return int(self._body()["gid"])

    @property
    def rev(self) -> int:
        return int(self._body()["rev"])

    @property
    def signature(self) -> str:
        """``msg`` of the rule."""
        return str(self._body()["signature"])

    @property
    def category(self) -> str:
        return str(self._body()["category"])

    @property
    def severity(self) -> int:
        """1 is the most severe."""
        return int(self._body()["severity"])

    @property
    def action(self) -> str:
        """``allowed`` or ``blocked``."""
        return str(self._body()["action"])

    def _about(self) -> str:
        return f"{self.sid} {self.signature!r}"


class Flow(Event):
    """A flow ended."""

    __slots__ = ()

    @property
    def packets(self) -> Tuple[int, int]:
        """To the server, to the client."""
        return self._body()["pkts_toserver"], self._body()["pkts_toclient"]

    @property
    def bytes(self) -> Tuple[int, int]:
        """To the server, to the client."""
        return self._body()["bytes_toserver"], self._body()["bytes_toclient"]

    @property
    def state(self) -> str:
        return str(self._body()["state"])

    @property
    def reason(self) -> str:
        """Why it ended."""
        return str(self._body()["reason"])

    @property
    def alerted(self) -> bool:
        return bool(self._body()["alerted"])

    def _about(self) -> str:
        return f"{self.proto} {self.app_proto or ''} {sum(self.packets)} packets"


class Record(Event):
    """A protocol's record; ``fields`` are those of the protocol."""

    __slots__ = ()

    @property
    def fields(self) -> Dict[str, Any]:
        return self._body()

    def __repr__(self) -> str:
        return f"<{self.kind} {self._ends()} {self._about()}".rstrip() + ">"


class Http(Record):
    """A request and its response."""

    __slots__ = ()

    @property
    def method(self) -> Optional[str]:
        return self._body().get("http_method")

    @property
    def hostname(self) -> Optional[str]:
        return self._body().get("hostname")

    @property
    def url(self) -> Optional[str]:
        return self._body().get("url")

    @property
    def status(self) -> Optional[int]:
        return self._body().get("status")

    @property
    def user_agent(self) -> Optional[str]:
        return self._body().get("http_user_agent")

    def _about(self) -> str:
        return f"{self.method} {self.hostname or ''}{self.url} {self.status or ''}".rstrip()


class Dns(Record):
    """A question or its answer."""

    __slots__ = ()

    @property
    def is_response(self) -> bool:
        return self._body().get("type") in ("response", "answer")

    @property
    def names(self) -> List[str]:
        """What was asked for."""
        return [q["rrname"] for q in self._body().get("queries", [])]

    @property
    def rcode(self) -> Optional[str]:
        return self._body().get("rcode")

    @property
    def answers(self) -> List[Dict[str, Any]]:
        return cast(List[Dict[str, Any]], self._body().get("answers", []))

    def _about(self) -> str:
        return f"{self._body().get('type')} {', '.join(self.names)}"


class Tls(Record):
    """A TLS handshake."""

    __slots__ = ()

    @property
    def sni(self) -> Optional[str]:
        return self._body().get("sni")

    @property
    def version(self) -> Optional[str]:
        return self._body().get("version")

    @property
    def subject(self) -> Optional[str]:
        return self._body().get("subject")

    @property
    def ja3(self) -> Optional[str]:
        return cast(Dict[str, str], self._body().get("ja3", {})).get("hash")

    @property
    def ja4(self) -> Optional[str]:
        return self._body().get("ja4")

    def _about(self) -> str:
        return f"{self.version or ''} {self.sni or ''}".strip()


class File(Event):
    """A file was transferred."""

    __slots__ = ()

    @property
    def filename(self) -> Optional[str]:
        return self._body().get("filename")

    @property
    def size(self) -> int:
        return int(self._body().get("size", 0))

    def _about(self) -> str:
        return f"{self.filename} {self.size:,} bytes"


class Anomaly(Event):
    """Traffic that is damaged or contradicts itself."""

    __slots__ = ()

    @property
    def event(self) -> Optional[str]:
        return self._body().get("event")

    def _about(self) -> str:
        return str(self.event)


class Drop(Event):
    """A packet was dropped."""

    __slots__ = ()

    @property
    def reason(self) -> Optional[str]:
        return self._body().get("reason")


_CLASSES = {
    "alert": Alert,
    "flow": Flow,
    "http": Http,
    "dns": Dns,
    "tls": Tls,
    "fileinfo": File,
    "anomaly": Anomaly,
    "drop": Drop,
    "netflow": Event,
    "packet": Event,
    "stats": Event,
}


def make(kind: str, line: str) -> Event:
    """The event of a line."""
    return _CLASSES.get(kind, Record)(kind, line)


def make_event(line: str) -> Event:
    """An event of an EVE line from elsewhere."""
    return make(json.loads(line)["event_type"], line)
