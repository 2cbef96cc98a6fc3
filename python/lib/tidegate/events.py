"""Events: what an engine says of traffic, one class for each kind, with EVE's fields."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Callable, Dict, List, Literal, Optional, Tuple, Union, cast

__all__ = [
    "Ai",
    "Alert",
    "Anomaly",
    "AnyEvent",
    "Dns",
    "Drop",
    "Event",
    "File",
    "Flow",
    "Grpc",
    "Http",
    "Nccl",
    "Nvme",
    "OtherEvent",
    "OtherRecord",
    "Record",
    "Redis",
    "Roce",
    "Tls",
    "WebSocket",
]


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
    def tag(self) -> Optional[str]:
        """What the caller calls the stream that it is of (:meth:`tidegate.Engine.stream`)."""
        return self.eve.get("tag")

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
    kind: Literal[
        "bittorrent_dht",
        "dcerpc",
        "dhcp",
        "dnp3",
        "enip",
        "ftp",
        "ftp_data",
        "ike",
        "imap",
        "krb5",
        "ldap",
        "mdns",
        "modbus",
        "mqtt",
        "nfs",
        "ntp",
        "pgsql",
        "pop3",
        "quic",
        "rdp",
        "rfb",
        "sip",
        "smb",
        "smtp",
        "snmp",
        "ssh",
        "tftp",
    ]


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


class Ai(Record):
    """A call of a model, a tool or an AI service, and its answer.

    >>> call = make_event('{"event_type":"ai","ai":{"provider":"openai","operation":"chat","request":{"model":"m"},'
    ...     '"response":{"status":200},"usage":{"input_tokens":4,"output_tokens":9},"timing":{"ttft_ms":31.5}}}')
    >>> call.model, call.tokens, call.ttft_ms, call.completion
    ('m', (4, 9), 31.5, None)
    """

    __slots__ = ()
    kind: Literal["ai"]

    def _of(self, group: str) -> Dict[str, Any]:
        return cast(Dict[str, Any], self._body().get(group, {}))

    @property
    def provider(self) -> str:
        """Whose interface it is: ``openai``, ``anthropic``, ``mcp``, …"""
        return str(self._body()["provider"])

    @property
    def operation(self) -> Optional[str]:
        """What was asked for: ``chat``, ``embeddings``, …"""
        return self._body().get("operation")

    @property
    def carrier(self) -> str:
        """What carried it, with the framing of what is streamed: ``http/1.1``, ``http/2``, …"""
        return str(self._body()["carrier"])

    @property
    def server(self) -> Optional[str]:
        """Software that answered, as far as it said so."""
        return self._body().get("server")

    @property
    def model(self) -> Optional[str]:
        """Model that was asked for."""
        return self._of("request").get("model")

    @property
    def response_model(self) -> Optional[str]:
        """Model that answered."""
        return self._of("response").get("model")

    @property
    def stream(self) -> Optional[bool]:
        """Whether the answer was to come in pieces."""
        return self._of("request").get("stream")

    @property
    def status(self) -> Optional[int]:
        """Status of the response, if one came."""
        return self._of("response").get("status")

    @property
    def error_type(self) -> Optional[str]:
        """Kind of the error that the service answered with."""
        return self._of("response").get("error_type")

    @property
    def finish_reasons(self) -> List[str]:
        """Why the answer ended."""
        return cast(List[str], self._of("response").get("finish_reasons", []))

    @property
    def tokens(self) -> Tuple[Optional[int], Optional[int]]:
        """Tokens of the prompt and of the answer, as the service counted them."""
        usage = self._of("usage")
        return usage.get("input_tokens"), usage.get("output_tokens")

    @property
    def ttft_ms(self) -> Optional[float]:
        """Milliseconds from the end of the request to the first piece of the answer."""
        return self._of("timing").get("ttft_ms")

    @property
    def duration_ms(self) -> Optional[float]:
        """Milliseconds that the call took."""
        return self._of("timing").get("duration_ms")

    @property
    def tools(self) -> List[str]:
        """Names of the tools that the model called."""
        return cast(List[str], self._of("tools").get("called", []))

    @property
    def risk(self) -> Optional[int]:
        """How much its texts look like an attack, 0 to 100; nothing where it was not asked for or there is no risk."""
        return self._of("risk").get("score")

    @property
    def families(self) -> List[str]:
        """Kinds of attacks that its texts look like."""
        return cast(List[str], self._of("risk").get("families", []))

    def _text(self, name: str) -> Optional[str]:
        # With `content: hash` there is an object instead.
        value = self._body().get(name)
        return value if isinstance(value, str) else None

    @property
    def prompt(self) -> Optional[str]:
        """The last message of the request, where content is on (:meth:`tidegate.Capture.calls`)."""
        return self._text("prompt")

    @property
    def completion(self) -> Optional[str]:
        """Text of the answer, where content is on."""
        return self._text("completion")

    @property
    def reasoning(self) -> Optional[str]:
        """What the model thought, where content is on and the wire has it."""
        return self._text("reasoning")

    @property
    def messages(self) -> List[Dict[str, str]]:
        """Messages of the request (``role``, ``content``), where content is on."""
        return cast(List[Dict[str, str]], self._body().get("messages", []))

    def _about(self) -> str:
        parts = (self.provider, self.operation, self.model, self.status)
        return " ".join(str(p) for p in parts if p is not None)


class Redis(Record):
    """A Redis command and its reply."""

    __slots__ = ()
    kind: Literal["redis"]

    @property
    def command(self) -> Optional[str]:
        """Name of the command."""
        return self._body().get("command")

    @property
    def subcommand(self) -> Optional[str]:
        """Name of what the command does, of those that do several things (``CONFIG SET``)."""
        return self._body().get("subcommand")

    @property
    def args(self) -> List[str]:
        """Arguments, where content is on (``- redis: {content: yes}``); secrets are not among them."""
        return cast(List[str], self._body().get("args", []))

    @property
    def reply(self) -> Optional[str]:
        """Type of the reply, if one came."""
        return self._body().get("reply")

    @property
    def error(self) -> Optional[str]:
        """First word of an error, such as ``NOAUTH``."""
        return self._body().get("error")

    @property
    def auth(self) -> Optional[str]:
        """Whether the client had said who it is, as far as it is known."""
        return self._body().get("auth")

    def _about(self) -> str:
        return " ".join(p for p in (self.command, self.subcommand, self.error) if p)


class Grpc(Record):
    """A call of a gRPC service that has no record of its own."""

    __slots__ = ()
    kind: Literal["grpc"]

    @property
    def service(self) -> Optional[str]:
        """Name of the service, with its package."""
        return self._body().get("service")

    @property
    def method(self) -> Optional[str]:
        """What was called."""
        return self._body().get("method")

    @property
    def status(self) -> Optional[int]:
        """``grpc-status`` of the answer, 0 is success; nothing if none came."""
        return self._body().get("status")

    @property
    def messages(self) -> Tuple[int, int]:
        """Messages to the server, to the client."""
        return self._body()["request"]["messages"], self._body()["response"]["messages"]

    @property
    def bytes(self) -> Tuple[int, int]:
        """Bytes of messages to the server, to the client."""
        return self._body()["request"]["bytes"], self._body()["response"]["bytes"]

    def _about(self) -> str:
        return f"{self.service}/{self.method} {'' if self.status is None else self.status}".rstrip()


class WebSocket(Record):
    """A message of a WebSocket connection."""

    __slots__ = ()
    kind: Literal["websocket"]

    @property
    def opcode(self) -> str:
        """``text``, ``binary``, ``ping``, …"""
        return str(self._body()["opcode"])

    @property
    def payload(self) -> Optional[str]:
        """What it says, where content or ``payload-printable`` is on."""
        return self._body().get("payload_printable")

    def _about(self) -> str:
        return self.opcode


class Nvme(Record):
    """An NVMe/TCP command with its completion, or the totals of a connection."""

    __slots__ = ()
    kind: Literal["nvme"]

    @property
    def command(self) -> Optional[str]:
        """Name of the command."""
        return self._body().get("command")

    @property
    def status(self) -> Optional[int]:
        """Status of the completion, 0 is success; nothing if none came."""
        return self._body().get("status")

    @property
    def host_nqn(self) -> Optional[str]:
        """Who connects."""
        return self._body().get("host_nqn")

    @property
    def subsystem_nqn(self) -> Optional[str]:
        """What it connects to."""
        return self._body().get("subsystem_nqn")

    @property
    def connection(self) -> Optional[Dict[str, Any]]:
        """Totals, of the record that a connection ends with."""
        return self._body().get("connection")

    def _about(self) -> str:
        return "connection" if self.connection is not None else f"{self.command or self._body().get('opcode')}"


class Roce(Record):
    """An RDMA packet (RoCEv2) that asks for memory or is refused, or the totals of a flow."""

    __slots__ = ()
    kind: Literal["roce"]

    @property
    def operation(self) -> Optional[str]:
        """What the packet does."""
        return self._body().get("operation")

    @property
    def queue_pair(self) -> Optional[int]:
        """Queue pair that it is for."""
        return self._body().get("queue_pair")

    @property
    def remote_key(self) -> Optional[int]:
        """Key of the memory that it asks for."""
        return self._body().get("remote_key")

    @property
    def nak(self) -> Optional[str]:
        """Why it was refused."""
        return self._body().get("nak")

    @property
    def totals(self) -> Optional[Dict[str, int]]:
        """Totals, of the record that a flow ends with."""
        return self._body().get("totals")

    def _about(self) -> str:
        return "totals" if self.totals is not None else f"{self.operation} {self.nak or ''}".rstrip()


class Nccl(Record):
    """A connection of NCCL's bootstrap: who joins a job of GPUs."""

    __slots__ = ()
    kind: Literal["nccl"]

    @property
    def rank(self) -> Optional[int]:
        """Rank of who connects."""
        return self._body().get("rank")

    @property
    def ranks(self) -> Optional[int]:
        """Ranks of the job."""
        return self._body().get("ranks")

    @property
    def listens(self) -> Optional[str]:
        """Address and port where the rank listens."""
        return self._body().get("listens")

    def _about(self) -> str:
        return f"rank {self.rank} of {self.ranks}"


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
AnyEvent = Union[
    Ai,
    Alert,
    Anomaly,
    Dns,
    Drop,
    File,
    Flow,
    Grpc,
    Http,
    Nccl,
    Nvme,
    OtherEvent,
    OtherRecord,
    Redis,
    Roce,
    Tls,
    WebSocket,
]

_CLASSES: Dict[str, Callable[[str, str], AnyEvent]] = {
    "alert": Alert,
    "flow": Flow,
    "http": Http,
    "dns": Dns,
    "tls": Tls,
    "ai": Ai,
    "redis": Redis,
    "grpc": Grpc,
    "websocket": WebSocket,
    "nvme": Nvme,
    "roce": Roce,
    "nccl": Nccl,
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
