"""What every server's file shares: where a client notes what it asked and was told, and how the file is started.

In: what a client's own objects say. Out: one JSON object a line on standard output, `{"event", "fields"}`; a field is a path
into the record that has to have that value, `null` says that it must not be there. Standard library only.
"""
import json
import logging
import sys


def expect(event, **fields):
    """a record that has to come; `__` in a name stands for the dot of a path"""
    wanted = {k.replace("__", "."): v for k, v in fields.items()}
    print(json.dumps({"event": event, "fields": wanted}), flush=True)


def ai(provider, operation, **fields):
    expect("ai", provider=provider, operation=operation, **fields)


class Requests(logging.Handler):
    """Requests as the client's HTTP library logs them: `http` records that have to come."""

    def emit(self, r):
        # httpx: method, URL, version, status, reason.
        if isinstance(r.args, tuple) and len(r.args) >= 4 and str(r.msg).startswith("HTTP Request"):
            method, url, _, status = r.args[:4]
            expect("http", http_method=str(method), url=url.raw_path.decode(), status=int(status))


def log_requests():
    for name in ("httpx", "httpx2"):
        log = logging.getLogger(name)
        log.setLevel(logging.INFO)
        log.propagate = False
        log.addHandler(Requests())


def main(serve, drive):
    """FILE serve|drive HOST PORT FOLDER"""
    what, host, port, folder = sys.argv[1:5]
    {"serve": serve, "drive": drive}[what](host, int(port), folder)
