"""Engines: packets in hand, and interfaces."""

from __future__ import annotations

import time
from enum import IntEnum
from ipaddress import ip_address
from typing import Any, AsyncIterator, Callable, Iterable, Iterator, Mapping

from ._tidegate import EngineHandle, LiveRun, decode as _decode
from .errors import ConfigError, TidegateError
from .events import AnyEvent, make
from .rules import Rules, handle_of, memory_of

__all__ = ["Engine", "Live", "Packet", "Stream", "Verdict", "decode", "live"]

#: LINKTYPE_ETHERNET.
ETHERNET = 1


class Verdict(IntEnum):
    """What is to become of a packet."""

    FORWARD = 0
    DROP = 1
    #: Drop it, and answer with a reset or "unreachable".
    REJECT = 2
    #: Forward it; no more of its flow needs inspection.
    BYPASS = 3


_VERDICTS = list(Verdict)


def as_bytes(frame: Any) -> bytes:
    """The bytes of a frame: ``bytes`` as they are; a memoryview, an array of NumPy or a packet of Scapy as a copy,
    because they might change while they are inspected."""
    if isinstance(frame, bytes):
        return frame
    try:
        return memoryview(frame).tobytes()
    except TypeError:
        pass
    # A packet of Scapy; not a list of numbers, nor a number.
    if hasattr(type(frame), "__bytes__"):
        return bytes(frame)
    raise TypeError(f"bytes are wanted (or a memoryview, an array of NumPy, a packet of Scapy), not {type(frame).__name__}")


def _time_of(frame: Any, now: int) -> int:
    # Scapy's packets know when they were captured.
    at = getattr(frame, "time", None)
    return now if at is None or callable(at) else int(float(at) * 1e9)


def _ns(at: int | float | None) -> int:
    """Nanoseconds since 1970; of a ``float`` seconds, of None now."""
    return time.time_ns() if at is None else at if isinstance(at, int) else int(at * 1e9)


class Stream:
    """A stream without packets: bytes of each direction in order, in the clear. Made by :meth:`Engine.stream`.

    It is a flow of its own, and leads to the same events as packets with its bytes would; rules on packets are not
    asked. In a ``with`` block it ends with the block. Times are as in :meth:`Engine.process`.
    """

    def __init__(
        self, engine: Engine, client: tuple[str, int], server: tuple[str, int], tag: str | bytes, at: int | float | None
    ) -> None:
        self._engine = engine
        named = tag.encode() if isinstance(tag, str) else as_bytes(tag)
        ends = [(ip_address(address), port) for address, port in (client, server)]
        self._number = engine._engine.open_stream(ends[0], ends[1], named, _ns(at))
        engine._tell()

    def _feed(self, to_server: bool, data: Any, at: int | float | None) -> Verdict:
        verdict = _VERDICTS[self._engine._engine.feed(self._number, to_server, as_bytes(data), _ns(at))]
        self._engine._tell()
        return verdict

    def to_server(self, data: Any, time: int | float | None = None) -> Verdict:
        """The next bytes from the client. Gives what is to become of them, and so of the connection."""
        return self._feed(True, data, time)

    def to_client(self, data: Any, time: int | float | None = None) -> Verdict:
        """The next bytes from the server."""
        return self._feed(False, data, time)

    def close(self, time: int | float | None = None) -> None:
        """Ends it: what is left is inspected, and its flow is reported."""
        self._engine._engine.close_stream(self._number, _ns(time))
        self._engine._tell()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Engine:
    """Inspects packets that you have, and says what to do with each. One thread at a time works in it; others wait.

    ``inline``: verdicts are obeyed, so rules that drop do. Events go to ``on_event`` as they happen, or wait for
    :meth:`events`. In a ``with`` block all flows end with the block. ``memory`` is bytes, or ``"256mb"``. ``secret``: 16 bytes that key the hash tables, to get the same output for the same frames again,
    flow numbers included; random by default, and to be left so for live traffic.

    >>> import tidegate
    >>> rules = tidegate.Rules(text='drop udp any any -> any 53 (msg:"dns"; sid:1;)')
    >>> engine = tidegate.Engine(rules, inline=True)
    >>> engine.process([DNS_FRAME])
    [<Verdict.DROP: 1>]
    >>> [event.sid for event in engine.events() if event.kind == "alert"]
    [1]
    """

    def __init__(
        self,
        rules: Rules | None = None,
        *,
        memory: int | str = 256 << 20,
        inline: bool = False,
        ignore_checksums: bool | None = None,
        on_event: Callable[[AnyEvent], object] | None = None,
        secret: bytes | None = None,
    ) -> None:
        self._engine = EngineHandle(handle_of(rules), memory_of(memory), inline, ignore_checksums, secret)
        self._on_event = on_event
        self._rules = rules
        self._inline = inline

    def tls_secret(self, line: str) -> None:
        """Tells a secret of a TLS session, as a line of a key log (``SSLKEYLOGFILE``, RFC 9850): what the session protects is
        inspected like clear traffic.

        The rules of the engine need the setting ``tls-keys.enabled``; without it this is a :class:`ConfigError`, as is a line
        that cannot be read. Packets that came up to ``tls-keys.wait`` (2000 ms) before are read too.

        >>> import tidegate
        >>> rules = tidegate.Rules(settings={"tls-keys.enabled": True})
        >>> engine = tidegate.Engine(rules)
        >>> engine.tls_secret("CLIENT_RANDOM " + "01" * 32 + " " + "02" * 48)
        """
        if not self._engine.tls_secret(line):
            raise ConfigError("the engine has no room for TLS sessions: the setting tls-keys.enabled makes some")

    def process(
        self, frames: Iterable[Any], times: Iterable[float] | int | None = None, *, link: int = ETHERNET
    ) -> list[Verdict]:
        """Inspects frames (``bytes``, ``memoryview``, arrays of NumPy, packets of Scapy) in order and gives a verdict for
        each.

        ``times``: nanoseconds since 1970 as ``int``, one for all or one each; ``float`` are seconds. Without, that of
        Scapy's packets, or now.
        """
        given = list(frames)
        data = [as_bytes(f) for f in given]
        stamps: list[int]
        if times is None:
            now = time.time_ns()
            stamps = [_time_of(f, now) for f in given]
        elif isinstance(times, int):
            stamps = [times]
        else:
            stamps = [t if isinstance(t, int) else int(t * 1e9) for t in times]
            if len(stamps) != len(data):
                raise ValueError(f"{len(data)} frames, {len(stamps)} times")
        verdicts = [_VERDICTS[v] for v in self._engine.process(data, stamps, link)]
        self._tell()
        return verdicts

    def stream(
        self,
        client: tuple[str, int],
        server: tuple[str, int],
        *,
        tag: str | bytes = b"",
        time: int | float | None = None,
    ) -> Stream:
        """Opens a stream whose bytes you have in the clear (a hook in a TLS library, a proxy, a log of an agent) between
        two ends, ``(address, port)``. ``tag``, up to 256 bytes, comes back in every event of its flow: a process, a
        container, a user, a tenant.

        >>> import tidegate
        >>> rules = tidegate.Rules(text='alert http any any -> any any (http.uri; content:"/admin"; sid:1;)')
        >>> engine = tidegate.Engine(rules)
        >>> with engine.stream(("10.0.0.1", 4000), ("10.0.0.2", 443), tag="pid 4711") as stream:
        ...     stream.to_server(b"GET /admin HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n")
        <Verdict.FORWARD: 0>
        >>> [(event.kind, event.tag) for event in engine.events() if event.kind == "alert"]
        [('alert', 'pid 4711')]
        """
        return Stream(self, client, server, tag, time)

    def _tell(self) -> None:
        if self._on_event is not None:
            for kind, line in self._engine.take():
                self._on_event(make(kind, line))

    def events(self) -> list[AnyEvent]:
        """The events since the last call."""
        return [make(kind, line) for kind, line in self._engine.take()]

    def tick(self, now: int | None = None) -> None:
        """Lets time pass without packets (nanoseconds since 1970; default: now): idle flows end."""
        self._engine.tick(time.time_ns() if now is None else now)
        self._tell()

    def finish(self) -> None:
        """Ends all flows, which brings their events."""
        self._engine.finish()
        self._tell()

    def swap_rules(self, rules: Rules | None) -> None:
        """Goes on with other rules; flows stay."""
        self._engine.swap_rules(handle_of(rules))
        self._rules = rules

    def block_flow(self, flow_id: int) -> bool:
        """Drops every further packet of a flow (inline engines). False: there is no such flow."""
        return self._engine.block_flow(flow_id)

    def set_blocks(
        self,
        blocks: Iterable[tuple[str, str, int | float]],
        *,
        never: Mapping[str, Iterable[str]] | None = None,
    ) -> list[tuple[int, str]]:
        """Drops what meets one of ``blocks`` from the next packet on (inline engines), in the place of what was blocked
        before: ``(kind, target, until)``, of the kind ``host``, ``network``, ``flow``, ``domain``, ``model`` or ``tool``. Each is
        undone by itself when packets or ticks come to its time (nanoseconds since 1970; ``float``: seconds). ``never`` is what may not be blocked, by ``addresses``,
        ``domains``, ``models`` and ``tools``. Gives the places of those that it refused, with the reasons.

        >>> import tidegate
        >>> engine = tidegate.Engine(inline=True)
        >>> engine.set_blocks([("network", "10.0.0.0/8", 2e9), ("domain", "evil.example", 2e9)], never={"addresses": ["10.0.0.1"]})
        [(0, '10.0.0.1 may never be blocked')]
        """
        entries = [(kind, target, _ns(until)) for kind, target, until in blocks]
        listed = [(kind, entry) for kind, all in (never or {}).items() for entry in all]
        return self._engine.set_blocks(entries, listed)

    def bypass_flow(self, flow_id: int) -> bool:
        """Inspects no further packet of a flow. False: there is no such flow."""
        return self._engine.bypass_flow(flow_id)

    @property
    def stats(self) -> dict[str, int]:
        """Counters, by EVE's names."""
        return self._engine.stats()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        # After an error there may be nothing left to end.
        if error is None:
            self.finish()

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("an Engine has flows under way and cannot be copied or sent; make one in each process")

    def __repr__(self) -> str:
        rules = "no rules" if self._rules is None else f"{len(self._rules):,} rules"
        try:
            packets = self.stats.get("decoder.pkts", 0)
        except TidegateError:
            return f"<Engine: {rules}, broken>"
        return f"<Engine: {rules}, {'inline, ' if self._inline else ''}{packets:,} packets>"


class Packet:
    """A decoded packet. ``inner`` is the one inside of it, if it is a tunnel.

    >>> import tidegate
    >>> packet = tidegate.decode(DNS_FRAME)
    >>> packet.layers
    ['ethernet', 'ipv4', 'udp']
    >>> packet.dest_port, len(packet.payload)
    (53, 29)
    """

    def __init__(self, fields: dict[str, Any], inner: Packet | None) -> None:
        #: Everything that was found.
        self.fields = fields
        self.inner = inner

    @property
    def layers(self) -> list[str]:
        """Names of the layers, from the outermost, those of inner packets too."""
        f = self.fields
        own = [*f["link_layers"], f["network"], f["transport"]]
        names = [name for name in own if name]
        return names if self.inner is None else names + self.inner.layers

    def __getattr__(self, name: str) -> Any:
        # Not there yet while a copy is made.
        if name == "fields":
            raise AttributeError(name)
        try:
            return self.fields[name]
        except KeyError:
            if name in ("tcp", "icmp", "roce", "fragment"):
                return None
            raise AttributeError(name) from None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.fields]

    def __repr__(self) -> str:
        f = self.fields
        ends = "" if f["src_ip"] is None else f" {f['src_ip']}:{f['src_port']} → {f['dest_ip']}:{f['dest_port']}"
        return f"<Packet {' / '.join(self.layers)}{ends}, {f['size']} bytes>"


def decode(frame: Any, *, link: int = ETHERNET) -> Packet:
    """Takes a frame apart; see :class:`Packet`. Any bytes give one, perhaps with ``events`` that say what is wrong.
    ``link`` is the LINKTYPE_ number of the frame's kind; one that is not known is a :class:`ConfigError`."""
    packet: Packet | None = None
    for fields in reversed(_decode(as_bytes(frame), link)):
        packet = Packet(fields, packet)
    if packet is None:
        raise ValueError("nothing to decode")
    return packet


class Live:
    """Events of an interface as they happen: iterate it, or ``async for``. See :func:`live`."""

    def __init__(self, run: LiveRun, interface: str, seconds: float | None) -> None:
        self._run = run
        self._interface = interface
        self._until = None if seconds is None else time.monotonic() + seconds
        self._stopped = False

    def __enter__(self) -> Live:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.stop()

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a Live listens on an interface and cannot be copied or sent; make one in each process")

    def stop(self) -> None:
        """Ends the iteration after what is at hand; also from another thread."""
        self._stopped = True

    def _over(self) -> bool:
        return self._stopped or (self._until is not None and time.monotonic() >= self._until)

    def __iter__(self) -> Iterator[AnyEvent]:
        while not self._over():
            for kind, line in self._run.poll(100):
                yield make(kind, line)
        for kind, line in self._run.finish():
            yield make(kind, line)

    async def __aiter__(self) -> AsyncIterator[AnyEvent]:
        # Half of the time that importing the package would take, and few need it.
        import asyncio

        while not self._over():
            for kind, line in await asyncio.to_thread(self._run.poll, 100):
                yield make(kind, line)
        for kind, line in await asyncio.to_thread(self._run.finish):
            yield make(kind, line)

    @property
    def dropped(self) -> int:
        """Packets that the kernel had no room for."""
        return self._run.dropped()[1]

    @property
    def stats(self) -> dict[str, int]:
        """Counters, by EVE's names."""
        return self._run.stats()

    def __repr__(self) -> str:
        return f"<Live {self._interface}>"


def live(
    interface: str,
    rules: Rules | None = None,
    *,
    filter: str | None = None,
    memory: int | str = 256 << 20,
    ignore_checksums: bool | None = True,
    seconds: float | None = None,
) -> Live:
    """Events of a Linux interface, for ``seconds`` or until :meth:`Live.stop`, which the end of a ``with`` block calls.
    ``filter`` is tcpdump's language. Needs ``CAP_NET_RAW``.

    Checksums are not minded by default: those of packets that this machine sends are put in by its card.

    .. code-block:: python

        with tidegate.live("eth0", rules, filter="tcp port 80") as events:
            for event in events:
                print(event)
    """
    return Live(LiveRun(handle_of(rules), interface, filter, memory_of(memory), ignore_checksums), interface, seconds)
