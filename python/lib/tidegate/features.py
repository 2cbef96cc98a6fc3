"""Features of flows by the names that other extractors give them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    import pyarrow

__all__ = ["FLAVOURS", "features"]

_NUMBERS = {"TCP": 6, "UDP": 17, "ICMP": 1, "IPv6-ICMP": 58, "SCTP": 132, "GRE": 47, "ESP": 50, "IGMP": 2}
_DIRECTIONS = (("src2dst", "_toserver"), ("dst2src", "_toclient"))
_FOUR = ("min", "mean", "std", "max")


class _Columns:
    """The flows with all statistics, and what is computed of them."""

    def __init__(self, flows: pyarrow.Table) -> None:
        import pyarrow
        import pyarrow.compute

        self.pa: Any = pyarrow
        self.pc: Any = pyarrow.compute
        self.flows = flows

    def get(self, name: str) -> Any:
        return self.flows[name]

    def number(self, name: str) -> Any:
        """As a float, 0 where there is nothing."""
        return self.pc.fill_null(self.pc.cast(self.get(name), self.pa.float64()), 0.0)

    def scaled(self, name: str, by: float) -> Any:
        return self.pc.divide(self.number(name), by)

    def time(self, name: str, per: int) -> Any:
        return self.pc.divide(self.pc.cast(self.get(name), self.pa.int64()), per)

    def sum(self, *names: str) -> Any:
        total = self.number(names[0])
        for n in names[1:]:
            total = self.pc.add(total, self.number(n))
        return total

    def ratio(self, above: Any, below: Any) -> Any:
        """0 where nothing is below."""
        one = self.pc.if_else(self.pc.equal(below, 0.0), 1.0, below)
        return self.pc.if_else(self.pc.equal(below, 0.0), 0.0, self.pc.divide(above, one))

    def whole(self, values: Any) -> Any:
        return self.pc.cast(values, self.pa.int64())

    def maker(self, mac: str) -> Any:
        """The first three bytes of an address of Ethernet."""
        return self.pc.utf8_slice_codeunits(self.get(mac), 0, 8)

    def protocol(self) -> Any:
        texts = self.get("proto").to_pylist()
        return self.pa.array([None if t is None else _NUMBERS.get(t) or int(t) if t in _NUMBERS or t.isdigit() else None for t in texts], self.pa.uint8())


def _nfstream(c: _Columns) -> dict[str, Any]:
    out: dict[str, Any] = {
        "id": c.get("flow_id"),
        "src_ip": c.get("src_ip"),
        "src_mac": c.get("src_mac"),
        "src_oui": c.maker("src_mac"),
        "src_port": c.get("src_port"),
        "dst_ip": c.get("dest_ip"),
        "dst_mac": c.get("dest_mac"),
        "dst_oui": c.maker("dest_mac"),
        "dst_port": c.get("dest_port"),
        "protocol": c.protocol(),
        "ip_version": c.get("ip_version"),
        "vlan_id": c.whole(c.number("vlan")),
        "tunnel_id": c.get("tunnel"),
    }
    both = (("bidirectional", ""), *_DIRECTIONS)
    for prefix, end in both:
        first, last = (f"first{end}", f"last{end}") if end else ("start", "end")
        out[f"{prefix}_first_seen_ms"] = c.time(first, 10**6)
        out[f"{prefix}_last_seen_ms"] = c.time(last, 10**6)
        out[f"{prefix}_duration_ms"] = c.pc.subtract(out[f"{prefix}_last_seen_ms"], out[f"{prefix}_first_seen_ms"])
        ends = [end] if end else ["_toserver", "_toclient"]
        out[f"{prefix}_packets"] = c.whole(c.sum(*(f"pkts{e}" for e in ends)))
        out[f"{prefix}_bytes"] = c.whole(c.sum(*(f"bytes{e}" for e in ends)))
    for prefix, end in both:
        for which in _FOUR:
            out[f"{prefix}_{'stddev' if which == 'std' else which}_ps"] = c.number(f"size_{which}{end}")
    for prefix, end in both:
        for which in _FOUR:
            out[f"{prefix}_{'stddev' if which == 'std' else which}_piat_ms"] = c.scaled(f"iat_{which}_ns{end}", 1e6)
    for prefix, end in both:
        ends = [end] if end else ["_toserver", "_toclient"]
        for flag in ("syn", "cwr", "ece", "urg", "ack", "psh", "rst", "fin"):
            out[f"{prefix}_{flag}_packets"] = c.whole(c.sum(*(f"{flag}{e}" for e in ends)))
    out["splt_direction"] = c.pa.array(
        [[0 if d > 0 else 1 for d in row] for row in c.get("first_directions").to_pylist()], c.pa.list_(c.pa.int8())
    )
    out["splt_ps"] = c.get("first_sizes")
    out["splt_piat_ms"] = c.pa.array(
        [[ns // 10**6 for ns in row] for row in c.get("first_iat_ns").to_pylist()], c.pa.list_(c.pa.int64())
    )
    out["application_name"] = c.get("app_proto")
    out["requested_server_name"] = c.get("server_name")
    for name in ("client_fingerprint", "server_fingerprint", "user_agent", "content_type"):
        out[name] = c.get(name)
    return out


def _cicflowmeter(c: _Columns) -> dict[str, Any]:
    fwd, bwd = "_toserver", "_toclient"
    pkts, byts = c.sum(f"pkts{fwd}", f"pkts{bwd}"), c.sum(f"payload_bytes{fwd}", f"payload_bytes{bwd}")
    seconds = c.scaled("duration_ns", 1e9)
    protocol = c.protocol()
    ids = zip(*(c.get(n).to_pylist() for n in ("src_ip", "dest_ip", "src_port", "dest_port")), protocol.to_pylist())
    out: dict[str, Any] = {
        "Flow ID": c.pa.array(["-".join(str(0 if part is None else part) for part in row) for row in ids], c.pa.string()),
        "Src IP": c.get("src_ip"),
        "Src Port": c.get("src_port"),
        "Dst IP": c.get("dest_ip"),
        "Dst Port": c.get("dest_port"),
        "Protocol": protocol,
        "Timestamp": c.get("start"),
        "Flow Duration": c.time("duration_ns", 1000),
        "Tot Fwd Pkts": c.get(f"pkts{fwd}"),
        "Tot Bwd Pkts": c.get(f"pkts{bwd}"),
        "TotLen Fwd Pkts": c.get(f"payload_bytes{fwd}"),
        "TotLen Bwd Pkts": c.get(f"payload_bytes{bwd}"),
    }
    orders = (("Max", "max"), ("Min", "min"), ("Mean", "mean"), ("Std", "std"))
    for way, end in (("Fwd", fwd), ("Bwd", bwd)):
        for theirs, ours in orders:
            out[f"{way} Pkt Len {theirs}"] = c.number(f"payload_size_{ours}{end}")
    out["Flow Byts/s"] = c.ratio(byts, seconds)
    out["Flow Pkts/s"] = c.ratio(pkts, seconds)
    times = (("Mean", "mean"), ("Std", "std"), ("Max", "max"), ("Min", "min"))
    for theirs, ours in times:
        out[f"Flow IAT {theirs}"] = c.scaled(f"iat_{ours}_ns", 1e3)
    for way, end in (("Fwd", fwd), ("Bwd", bwd)):
        gaps = c.pc.max_element_wise(c.pc.subtract(c.number(f"pkts{end}"), 1.0), 0.0)
        out[f"{way} IAT Tot"] = c.pc.multiply(c.scaled(f"iat_mean_ns{end}", 1e3), gaps)
        for theirs, ours in times:
            out[f"{way} IAT {theirs}"] = c.scaled(f"iat_{ours}_ns{end}", 1e3)
    for flag in ("PSH", "URG"):
        for way, end in (("Fwd", fwd), ("Bwd", bwd)):
            out[f"{way} {flag} Flags"] = c.get(f"{flag.lower()}{end}")
    for way, end in (("Fwd", fwd), ("Bwd", bwd)):
        out[f"{way} Header Len"] = c.get(f"header_bytes{end}")
    for way, end in (("Fwd", fwd), ("Bwd", bwd)):
        out[f"{way} Pkts/s"] = c.ratio(c.number(f"pkts{end}"), seconds)
    for theirs, ours in (("Min", "min"), ("Max", "max"), ("Mean", "mean"), ("Std", "std")):
        out[f"Pkt Len {theirs}"] = c.number(f"payload_size_{ours}")
    out["Pkt Len Var"] = c.pc.power(c.number("payload_size_std"), 2)
    for theirs, ours in (("FIN", "fin"), ("SYN", "syn"), ("RST", "rst"), ("PSH", "psh"), ("ACK", "ack"), ("URG", "urg"), ("CWE", "cwr"), ("ECE", "ece")):
        out[f"{theirs} Flag {'Count' if theirs == 'CWE' else 'Cnt'}"] = c.whole(c.sum(f"{ours}{fwd}", f"{ours}{bwd}"))
    out["Down/Up Ratio"] = c.ratio(c.number(f"pkts{bwd}"), c.number(f"pkts{fwd}"))
    out["Pkt Size Avg"] = c.ratio(byts, pkts)
    for way, end in (("Fwd", fwd), ("Bwd", bwd)):
        out[f"{way} Seg Size Avg"] = c.number(f"payload_size_mean{end}")
    for way, end in (("Fwd", fwd), ("Bwd", bwd)):
        bulks = c.number(f"bulk_count{end}")
        out[f"{way} Byts/b Avg"] = c.ratio(c.number(f"bulk_bytes{end}"), bulks)
        out[f"{way} Pkts/b Avg"] = c.ratio(c.number(f"bulk_pkts{end}"), bulks)
        out[f"{way} Blk Rate Avg"] = c.ratio(c.number(f"bulk_bytes{end}"), c.scaled(f"bulk_ns{end}", 1e9))
    for way, end in (("Fwd", fwd), ("Bwd", bwd)):
        out[f"Subflow {way} Pkts"] = c.ratio(c.number(f"pkts{end}"), c.number("subflows"))
        out[f"Subflow {way} Byts"] = c.ratio(c.number(f"payload_bytes{end}"), c.number("subflows"))
    for way, end in (("Fwd", fwd), ("Bwd", bwd)):
        out[f"Init {way} Win Byts"] = c.get(f"window{end}")
    out["Fwd Act Data Pkts"] = c.get(f"payload_pkts{fwd}")
    out["Fwd Seg Size Min"] = c.get(f"header_min{fwd}")
    for theirs, ours in (("Active", "active"), ("Idle", "idle")):
        for which, mine in times:
            out[f"{theirs} {which}"] = c.scaled(f"{ours}_{mine}_ns", 1e3)
    return out


#: Extractors whose names there are.
FLAVOURS: dict[str, Callable[[_Columns], dict[str, Any]]] = {"nfstream": _nfstream, "cicflowmeter": _cicflowmeter}


def features(flows: pyarrow.Table, flavour: str) -> pyarrow.Table:
    """The features of flows that have all statistics."""
    import pyarrow

    return pyarrow.table(FLAVOURS[flavour](_Columns(flows)))
