"""Events: what an engine says of traffic, one class for each kind, with EVE's fields."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Callable, Dict, List, Literal, Optional, Tuple, Union, cast

__all__ = ["Alert", "Anomaly", "AnyEvent", "Dns", "Drop", "Event", "File", "Flow", "Http", "OtherEvent", "OtherRecord", "Record", "Tls"]


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
        """Number of the flow, if it belongs to one."""
        return self.eve.get("flow_id")

    @property
    def packet(self) -> Optional[int]:
        """Number of the packet in its capture, from 1."""
        return self.eve.get("pcap_cnt")

    @property
    def src_ip(self) -> Optional[str]:
        """Address it came from."""
        return self.eve.get("src_ip")

    @property
    def src_port(self) -> Optional[int]:
        """Port it came from, where there are ports."""
        return self.eve.get("src_port")

    @property
    def dest_ip(self) -> Optional[str]:
        """Address it went to."""
        return self.eve.get("dest_ip")

    @property
    def dest_port(self) -> Optional[int]:
        """Port it went to, where there are ports."""
        return self.eve.get("dest_port")

    @property
    def proto(self) -> Optional[str]:
        """Transport protocol: ``TCP``, ``UDP``, …"""
        return self.eve.get("proto")

    @property
    def app_proto(self) -> Optional[str]:
        """Application protocol, if it is known."""
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
        parts = [type(self).__name__ if type(self) not in (Event, OtherEvent) else self.kind, self._ends(), self._about()]
        return f"<{' '.join(p for p in parts if p)}>"

    def _repr_html_(self) -> str:
        from html import escape

        return f"<b>{escape(repr(self)[1:-1])}</b><pre>{escape(json.dumps(self.eve, indent=2))}</pre>"

    def __reduce__(self) -> Tuple[Any, ...]:
        return make, (self.kind, self.line)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Event) and self.line == other.line

    def __hash__(self) -> int:
        return hash(self.line)


class Alert(Event):
    """A rule matched."""

    __slots__ = ()
    kind: Literal["alert"]

    @property
    def sid(self) -> int:
        """Number of the rule."""
        return int(self._body()["signature_id"])

    @property
    def gid(self) -> int:
        """Group of the rule's number."""
        return int(self._body()["gid"])

    @property
    def rev(self) -> int:
        """Revision of the rule."""
        return int(self._body()["rev"])

    @property
    def signature(self) -> str:
        """``msg`` of the rule."""
        return str(self._body()["signature"])

    @property
    def category(self) -> str:
        """Text of the rule's ``classtype``."""
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
    kind: Literal["flow"]

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
        """How far it got: ``new``, ``established``, ``closed``, ``bypassed``."""
        return str(self._body()["state"])

    @property
    def reason(self) -> str:
        """Why it ended."""
        return str(self._body()["reason"])

    @property
    def alerted(self) -> bool:
        """Whether a rule matched in it."""
        return bool(self._body()["alerted"])

    def _about(self) -> str:
        return f"{self.proto} {self.app_proto or ''} {sum(self.packets)} packets"


class Record(Event):
    """A protocol's record; ``fields`` are those of the protocol."""

    __slots__ = ()

    @property
    def fields(self) -> Dict[str, Any]:
        """All fields of the record, by EVE's names."""
        return self._body()

    def __repr__(self) -> str:
        return f"<{self.kind} {self._ends()} {self._about()}".rstrip() + ">"


class OtherRecord(Record):
    """A record of a protocol that has no class of its own."""

    __slots__ = ()
    kind: Literal["ftp", "ftp_data", "mdns", "smtp", "ssh"]


class Http(Record):
    """A request and its response."""

    __slots__ = ()
    kind: Literal["http"]

    @property
    def method(self) -> Optional[str]:
        """Method of the request."""
        return self._body().get("http_method")

    @property
    def hostname(self) -> Optional[str]:
        """Host that was asked for."""
        return self._body().get("hostname")

    @property
    def url(self) -> Optional[str]:
        """What was asked for."""
        return self._body().get("url")

    @property
    def status(self) -> Optional[int]:
        """Status of the response, if one came."""
        return self._body().get("status")

    @property
    def user_agent(self) -> Optional[str]:
        """What the client says it is."""
        return self._body().get("http_user_agent")

    def _about(self) -> str:
        return f"{self.method} {self.hostname or ''}{self.url} {self.status or ''}".rstrip()


class Dns(Record):
    """A question or its answer."""

    __slots__ = ()
    kind: Literal["dns"]

    @property
    def is_response(self) -> bool:
        """Whether it is an answer."""
        return self._body().get("type") in ("response", "answer")

    @property
    def names(self) -> List[str]:
        """What was asked for."""
        return [q["rrname"] for q in self._body().get("queries", [])]

    @property
    def rcode(self) -> Optional[str]:
        """Result, of answers."""
        return self._body().get("rcode")

    @property
    def answers(self) -> List[Dict[str, Any]]:
        """Records of an answer."""
        return cast(List[Dict[str, Any]], self._body().get("answers", []))

    def _about(self) -> str:
        return f"{self._body().get('type')} {', '.join(self.names)}"


class Tls(Record):
    """A TLS handshake."""

    __slots__ = ()
    kind: Literal["tls"]

    @property
    def sni(self) -> Optional[str]:
        """Server name that the client asked for."""
        return self._body().get("sni")

    @property
    def version(self) -> Optional[str]:
        """Version of TLS."""
        return self._body().get("version")

    @property
    def subject(self) -> Optional[str]:
        """Whom the server's certificate is for."""
        return self._body().get("subject")

    @property
    def ja3(self) -> Optional[str]:
        """JA3 of the client, a hash, if asked for."""
        return cast(Dict[str, str], self._body().get("ja3", {})).get("hash")

    @property
    def ja4(self) -> Optional[str]:
        """JA4 of the client, if asked for."""
        return self._body().get("ja4")

    def _about(self) -> str:
        return f"{self.version or ''} {self.sni or ''}".strip()


class File(Event):
    """A file was transferred."""

    __slots__ = ()
    kind: Literal["fileinfo"]

    @property
    def filename(self) -> Optional[str]:
        """Name of the file."""
        return self._body().get("filename")

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return int(self._body().get("size", 0))

    def _about(self) -> str:
        return f"{self.filename} {self.size:,} bytes"


class Anomaly(Event):
    """Traffic that is damaged or contradicts itself."""

    __slots__ = ()
    kind: Literal["anomaly"]

    @property
    def event(self) -> Optional[str]:
        """Name of what was found."""
        return self._body().get("event")

    def _about(self) -> str:
        return str(self.event)


class Drop(Event):
    """A packet was dropped."""

    __slots__ = ()
    kind: Literal["drop"]

    @property
    def reason(self) -> Optional[str]:
        """Why."""
        return self._body().get("reason")


class OtherEvent(Event):
    """What has no class of its own: a half of a flow, a packet that belongs to an alert, counters."""

    __slots__ = ()
    kind: Literal["netflow", "packet", "stats"]


#: Every event that there is: a type checker knows by ``event.kind`` which one it has.
AnyEvent = Union[Alert, Anomaly, Dns, Drop, File, Flow, Http, OtherEvent, OtherRecord, Tls]

_CLASSES: Dict[str, Callable[[str, str], AnyEvent]] = {
    "alert": Alert,
    "flow": Flow,
    "http": Http,
    "dns": Dns,
    "tls": Tls,
    "fileinfo": File,
    "anomaly": Anomaly,
    "drop": Drop,
    "netflow": OtherEvent,
    "packet": OtherEvent,
    "stats": OtherEvent,
}


def make(kind: str, line: str) -> AnyEvent:
    """The event of a line."""
    return _CLASSES.get(kind, OtherRecord)(kind, line)


def make_event(line: str) -> AnyEvent:
    """An event of an EVE line from elsewhere."""
    return make(json.loads(line)["event_type"], line)
