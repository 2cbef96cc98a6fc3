"""Tidegate: packets, flows, protocol records and alerts of captures and interfaces; phrases and rules on text.

>>> import tidegate
>>> for event in tidegate.read(DEMO, RULES):
...     if event.kind == "alert":
...         print(event.sid, event.signature)
...         break
9100001 AI model server used from outside without a key
"""

from ._tidegate import __version__
from .capture import STATISTICS, Capture, Table, read
from .engine import Engine, Live, Packet, Verdict, decode, live
from .errors import (
    CaptureError,
    ConfigError,
    PatternError,
    Refusal,
    RuleError,
    TidegateError,
    TidegateWarning,
)
from .events import Alert, Anomaly, Dns, Drop, Event, File, Flow, Http, Record, Tls
from .rules import Rule, Rules
from .scan import GUARD, Match, PatternSet, Scanner

__all__ = [
    "GUARD",
    "STATISTICS",
    "Alert",
    "Anomaly",
    "Capture",
    "CaptureError",
    "ConfigError",
    "Dns",
    "Drop",
    "Engine",
    "Event",
    "File",
    "Flow",
    "Http",
    "Live",
    "Match",
    "Packet",
    "PatternError",
    "PatternSet",
    "Record",
    "Refusal",
    "Rule",
    "RuleError",
    "Rules",
    "Scanner",
    "Table",
    "TidegateError",
    "TidegateWarning",
    "Tls",
    "Verdict",
    "__version__",
    "decode",
    "live",
    "read",
]
