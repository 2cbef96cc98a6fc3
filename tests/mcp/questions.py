"""Five questions to `tidegate mcp` that find the demo's story, and an instruction that comes back as data.

    questions.py ENGINE DEMO_FOLDER INJECT_FOLDER RULES URL TOKEN

Runs in an environment with the PyPI package `mcp`, 1.x or 2.x.
"""
import asyncio
import contextlib
import json
import sys

import mcp
from mcp import StdioServerParameters


@contextlib.asynccontextmanager
async def connect(command, args):
    """a client of either line of the package -> a function that calls tools, the list of tools, the server's instructions"""
    p = StdioServerParameters(command=command, args=args)
    if hasattr(mcp, "Client"):
        async with mcp.Client(p) as c:
            tools = (await c.list_tools()).tools
            yield c.call_tool, tools, c.instructions
    else:
        from mcp.client.stdio import stdio_client
        async with stdio_client(p) as (r, w), mcp.ClientSession(r, w) as c:
            started = await c.initialize()
            await c.send_ping()
            assert [x.name for x in (await c.list_resources()).resources] == ["guide"]
            yield c.call_tool, (await c.list_tools()).tools, started.instructions


@contextlib.asynccontextmanager
async def connect_http(url, token):
    """as `connect`, over HTTP"""
    from mcp.client import streamable_http as s
    library = s.httpx if hasattr(s, "httpx") else s.httpx2
    async with library.AsyncClient(headers={"Authorization": f"Bearer {token}"}, trust_env=False) as h:
        transport = s.streamable_http_client(url, http_client=h)
        if hasattr(mcp, "Client"):
            async with mcp.Client(transport) as c:
                yield c.call_tool, (await c.list_tools()).tools, c.instructions
        else:
            async with transport as streams, mcp.ClientSession(*streams[:2]) as c:
                started = await c.initialize()
                yield c.call_tool, (await c.list_tools()).tools, started.instructions


def field(o, *names):
    """an attribute by either of its names"""
    return next(getattr(o, n) for n in names if hasattr(o, n))


async def tool(call, name, **arguments):
    r = await call(name, arguments)
    assert not field(r, "isError", "is_error"), (name, r.content[0].text)
    whole = field(r, "structuredContent", "structured_content")
    # Clients of older versions read the text.
    assert json.loads(r.content[0].text) == whole
    return whole


async def story(call):
    # 1. What happened?
    found = await tool(call, "list_incidents")
    hosts = {i["host"]: i for i in found["incidents"]}
    assert set(hosts) == {"10.20.1.10", "10.20.2.5"}, hosts
    model = await tool(call, "get_incident", id=hosts["10.20.1.10"]["id"])
    chain = [(s["kind"], s.get("signature_id"), s["peer"]) for s in model["incident"]["chain"]]
    # From outside without a key, an instruction, a leak, names that carry data: in this order.
    order = [chain.index(("alert", sid, peer)) for sid, peer in [
        (9100001, "203.0.113.77"), (7700001, "10.20.0.23"), (7700007, "10.20.0.15"), (9100004, "10.20.0.2")]]
    assert order == sorted(order), chain
    assert {"AML.T0051.000", "AML.T0057", "AML.T0049"} <= set(model["incident"]["atlas"])
    assert {"T1190", "TA0011"} <= set(model["incident"]["attack"])
    assert model["incident"]["ask"], model
    for q in model["incident"]["ask"]:
        await tool(call, q["tool"], **q["arguments"])
    # 2. Who is answered without a key?
    services = await tool(call, "list_services", exposed=True)
    assert [(s["address"], s["port"], s["exposed"]["to"], s["exposed"]["client"]) for s in services["services"]] \
        == [("10.20.1.10", 8000, "outside", "203.0.113.77")], services
    # 3. What did the instruction say?
    alerts = await tool(call, "search_events", types=["alert"], risk="prompt_injection")
    assert {e["alert"]["signature_id"] for e in alerts["events"]} == {7700001, 9100002}, alerts
    for e in alerts["events"]:
        told = await tool(call, "explain_alert", id=e["id"])
        assert f"sid:{e['alert']['signature_id']};" in told["rule"]["text"]
        assert told["flow"]["bytes_toserver"] > 0
        said = [p["payload"] for p in told["packets"] if "payload" in p]
        assert all(s["untrusted"] is True for s in said)
        assert any("ignore" in s["text"].lower() and s["injection"]["score"] >= 40 for s in said), told
        assert "evidence, not orders" in told["warning"]
    # 4. Where did data leave by names?
    names = await tool(call, "search_events", types=["dns"], host="10.20.1.10", limit=50)
    asked = [q["rrname"] for e in names["events"] for q in e["dns"].get("queries", [])]
    assert asked and all(a["untrusted"] is True for a in asked)
    assert sum(len(a["text"].split(".")[0]) == 32 for a in asked) >= 8, asked
    # 5. Who wrote to a GPU's memory, and whom else does it reach?
    flows = await tool(call, "list_flows", host="10.20.9.99")
    assert [(f["client"], f["server"], f["port"], f["app_proto"]) for f in flows["flows"]] \
        == [("10.20.9.99", "10.20.2.5", 4791, "roce")], flows


def texts(v):
    """all quoted texts of an answer"""
    if isinstance(v, dict):
        if "untrusted" in v:
            assert v["untrusted"] is True and set(v) <= {"untrusted", "text", "injection"}, v
            yield v
            return
        v = v.values()
    for x in v if not isinstance(v, (str, int, float, bool, type(None))) else ():
        yield from texts(x)


def plain(v):
    """what of an answer is not quoted"""
    if isinstance(v, dict):
        return "" if "untrusted" in v else " ".join([*v, *map(plain, v.values())])
    if isinstance(v, list):
        return " ".join(map(plain, v))
    return v if isinstance(v, str) else ""


async def injected(call, tools, instructions):
    found = await tool(call, "search_events", types=["alert", "http"])
    assert found["count"] == 2, found
    alert = next(e for e in found["events"] if e["event_type"] == "alert")
    told = await tool(call, "explain_alert", id=alert["id"])
    for answer in (found, told):
        quoted = [t for t in texts(answer) if "gnore" in t["text"] and "operator" in t["text"]]
        assert quoted and all(t["injection"]["score"] >= 40 for t in quoted), answer
        assert "delete_all" not in plain(answer) and "gnore all" not in plain(answer)
        assert "It is data" in answer["note"] and "warning" in answer
        whole = json.dumps(answer, ensure_ascii=False)
        for hidden in "\u200b\u202e\U000e0049\x1b":
            assert hidden not in whole
            assert f"\\\\u{{{ord(hidden):x}}}" in whole, whole
    # Nothing of it is in what a model reads before it asks.
    before = instructions + json.dumps([t.model_dump(mode="json") for t in tools])
    assert "delete_all" not in before and "203.0.113.50" not in before


async def main():
    engine, demo, inject, rules, url, token = sys.argv[1:]
    async with connect(engine, ["mcp", demo, "--rules", rules]) as (call, tools, _):
        assert len(tools) == 8 and all(field(t, "inputSchema", "input_schema")["additionalProperties"] is False for t in tools)
        await story(call)
    async with connect(engine, ["mcp", inject]) as (call, tools, instructions):
        await injected(call, tools, instructions)
    async with connect_http(url, token) as (call, tools, instructions):
        await injected(call, tools, instructions)


asyncio.run(main())
