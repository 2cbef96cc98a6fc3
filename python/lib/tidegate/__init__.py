"""Tidegate: packets, flows, protocol records and alerts of captures and interfaces; phrases and rules on text.

>>> import tidegate
>>> for event in tidegate.demo():
...     if event.kind == "alert":
...         print(event.sid, event.signature)
...         break
9100001 AI model server used from outside without a key
"""

from ._tidegate import __version__
from .capture import STATISTICS, TABLES, Capture, Table, demo, read
from .engine import Engine, Live, Packet, Stream, Verdict, decode, live
from .errors import (
    CaptureError,
    ConfigError,
    PatternError,
    Refusal,
    RuleError,
    TidegateError,
    TidegateWarning,
)
from .events import (
    Ai,
    Alert,
    Anomaly,
    AnyEvent,
    Dns,
    Drop,
    Event,
    File,
    Flow,
    Grpc,
    Http,
    Nccl,
    Nvme,
    OtherEvent,
    OtherRecord,
    Record,
    Redis,
    Roce,
    Tls,
    WebSocket,
)
from .phrases import PHRASES
from .risk import Reason, Risk, classify, classify_batch
from .rules import Rule, Rules
from .scan import GUARD, Match, PatternSet, Scanner

__all__ = [
    "GUARD",
    "PHRASES",
    "STATISTICS",
    "TABLES",
    "Ai",
    "Alert",
    "Anomaly",
    "AnyEvent",
    "Capture",
    "CaptureError",
    "ConfigError",
    "Dns",
    "Drop",
    "Engine",
    "Event",
    "File",
    "Flow",
    "Grpc",
    "Http",
    "Live",
    "Match",
    "Nccl",
    "Nvme",
    "OtherEvent",
    "OtherRecord",
    "Packet",
    "PatternError",
    "PatternSet",
    "Reason",
    "Record",
    "Redis",
    "Refusal",
    "Risk",
    "Roce",
    "Rule",
    "RuleError",
    "Rules",
    "Scanner",
    "Table",
    "TidegateError",
    "TidegateWarning",
    "Tls",
    "Stream",
    "Verdict",
    "WebSocket",
    "__version__",
    "classify",
    "classify_batch",
    "decode",
    "demo",
    "live",
    "read",
]
