"""The Model Context Protocol's own SDK, server and client, over streamable HTTP: with the handshake of 2025-11-25 and without
a session as 2026-07-28 has it. The file works with the first and the second major version of the SDK."""
import asyncio
import json

import kit

try:
    from mcp.server import MCPServer
    NEW = True
except ImportError:
    from mcp.server.fastmcp import FastMCP as MCPServer
    NEW = False


def serve(host, port, _):
    more = {} if NEW else {"host": host, "port": port}
    server = MCPServer("tide tables", instructions="Ask for a harbour.", **more)

    @server.tool(description="Height of the tide at a place")
    def tide(place: str, hours: int = 1) -> str:
        return f"{place}: {hours} m, rising “fast”"

    @server.tool(description="Fails")
    def storm() -> str:
        raise ValueError("no data for 潮")

    @server.resource("tide://harbours")
    def harbours() -> str:
        return "Esbjerg\nHusum"

    @server.prompt(description="Asks for a forecast")
    def forecast(place: str) -> str:
        return f"What will the tide be at {place}?"

    server.run("streamable-http", **({"host": host, "port": port} if NEW else {}))


class Noted:
    """requests as the client's HTTP library is about to send them"""

    def __init__(self):
        self.requests = []

    async def sends(self, request):
        if request.method != "POST":
            return
        m = json.loads(request.content)
        params = m.get("params") or {}
        session = request.headers.get("mcp-session-id")
        note = {"mcp__method": m["method"], "request__path": request.url.path, "request__method": "POST"}
        if session:
            note["mcp__session"] = session
        if m["method"] in ("tools/call",):
            note["mcp__tool"] = params["name"]
            note["tools__called"] = [params["name"]]
            note["operation"] = "execute_tool"
        if m["method"] == "resources/read":
            note["mcp__resource"] = params["uri"]
        if m["method"] == "tools/list":
            note["operation"] = "list_tools"
        self.requests.append(note)

    def add(self, method, **fields):
        """more about the last request of that method: what came of it"""
        next(n for n in reversed(self.requests) if n["mcp__method"] == method).update(fields)

    def tell(self):
        for n in self.requests:
            kit.expect("ai", provider="mcp", **n)


def named(info):
    return f"{info.name} {info.version}".strip()


def texts(result):
    return [c.text for c in result.content]


async def talk(client, noted, listed, failed):
    tools = (await client.list_tools()).tools
    noted.add("tools/list", tools__defined=[t.name for t in tools])
    r = await client.call_tool("tide", {"place": "Husum", "hours": 3})
    noted.add("tools/call", tool_results=texts(r))
    r = await client.call_tool("storm", {})
    noted.add("tools/call", tool_results=texts(r), mcp__failed=getattr(r, failed))
    await client.list_resources()
    r = await client.read_resource("tide://harbours" if NEW else listed("tide://harbours"))
    noted.add("resources/read", tool_results=[c.text for c in r.contents])
    await client.list_prompts()
    r = await client.get_prompt("forecast", {"place": "Husum"})
    noted.add("prompts/get", tool_results=[m.content.text for m in r.messages])


async def new(url, mode, version):
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    noted = Noted()
    async with httpx2.AsyncClient(event_hooks={"request": [noted.sends]}, timeout=30) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            if mode == "legacy":
                noted.add("initialize", mcp__protocol_version=client.protocol_version, server=named(client.server_info))
            else:
                assert client.protocol_version == version
            await talk(client, noted, None, "is_error")
    noted.tell()


async def old(url):
    import httpx
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client
    from pydantic import AnyUrl

    noted = Noted()
    async with httpx.AsyncClient(event_hooks={"request": [noted.sends]}, timeout=30) as http:
        async with streamable_http_client(url, http_client=http) as (read, write, *_):
            async with ClientSession(read, write) as client:
                r = await client.initialize()
                noted.add("initialize", mcp__protocol_version=r.protocolVersion, server=named(r.serverInfo))
                await client.send_ping()
                await talk(client, noted, AnyUrl, "isError")
    noted.tell()


def drive(host, port, _):
    kit.log_requests()
    url = f"http://{host}:{port}/mcp"
    if NEW:
        asyncio.run(new(url, "legacy", None))
        asyncio.run(new(url, "2026-07-28", "2026-07-28"))
    else:
        asyncio.run(old(url))


if __name__ == "__main__":
    kit.main(serve, drive)
