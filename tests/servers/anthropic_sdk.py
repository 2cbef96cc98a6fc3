"""The `anthropic` client against a stand-in model on uvicorn: messages whole and streamed, tools and their results, thinking,
cached tokens, counts, errors."""
import json

import kit
import model


def usage(body, text):
    asked = model.tokens_of(body["messages"])
    return {"input_tokens": asked, "output_tokens": model.count(text), "cache_read_input_tokens": 3,
            "cache_creation_input_tokens": 4, "service_tier": "standard"}


def blocks(body):
    """what is answered, and why it ends"""
    last = body["messages"][-1]
    results = [p for p in last["content"] if p["type"] == "tool_result"] if isinstance(last["content"], list) else []
    if body.get("tools") and not results:
        return [{"type": "text", "text": "I look it up."},
                {"type": "tool_use", "id": "toolu_1", "name": body["tools"][0]["name"], "input": json.loads(model.arguments())}], "tool_use"
    said = [{"type": "text", "text": model.answer(model.text_of(last["content"]) or "nothing")}]
    if body.get("thinking"):
        said.insert(0, {"type": "thinking", "thinking": "Tides: moon → sea.", "signature": "c2ln"})
    return said, "end_turn"


def events(body):
    said, why = blocks(body)
    text = said[-1].get("text", "")
    u = usage(body, text)
    yield "message_start", {"message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "stand-in-2", "content": [],
                                        "stop_reason": None, "stop_sequence": None, "usage": {**u, "output_tokens": 1}}}
    yield "ping", {}
    for i, block in enumerate(said):
        kind = block["type"]
        empty = {"text": {**block, "text": ""}, "tool_use": {**block, "input": {}},
                 "thinking": {**block, "thinking": "", "signature": ""}}[kind]
        yield "content_block_start", {"index": i, "content_block": empty}
        if kind == "text":
            deltas = [{"type": "text_delta", "text": p} for p in model.pieces(block["text"])]
        elif kind == "thinking":
            deltas = [{"type": "thinking_delta", "thinking": p} for p in model.pieces(block["thinking"])]
            deltas += [{"type": "signature_delta", "signature": block["signature"]}]
        else:
            whole = json.dumps(block["input"])
            deltas = [{"type": "input_json_delta", "partial_json": p} for p in ("", whole[:9], whole[9:])]
        for d in deltas:
            yield "content_block_delta", {"index": i, "delta": d}
        yield "content_block_stop", {"index": i}
    yield "message_delta", {"delta": {"stop_reason": why, "stop_sequence": None}, "usage": {"output_tokens": u["output_tokens"]}}
    yield "message_stop", {}


def serve(host, port, _):
    import uvicorn
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse, StreamingResponse
    from starlette.routing import Route

    async def messages(request):
        body = await request.json()
        if body["model"] == "overloaded":
            return JSONResponse({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, 529)
        if body.get("stream"):
            lines = (f"event: {n}\ndata: {json.dumps({'type': n, **e}, ensure_ascii=False)}\n\n" for n, e in events(body))
            return StreamingResponse(lines, media_type="text/event-stream; charset=utf-8")
        said, why = blocks(body)
        return JSONResponse({"id": "msg_1", "type": "message", "role": "assistant", "model": "stand-in-2", "content": said,
                             "stop_reason": why, "stop_sequence": None, "usage": usage(body, said[-1].get("text", ""))})

    async def count(request):
        return JSONResponse({"input_tokens": model.tokens_of((await request.json())["messages"])})

    routes = [Route("/v1/messages", messages, methods=["POST"]), Route("/v1/messages/count_tokens", count, methods=["POST"])]
    uvicorn.run(Starlette(routes=routes), host=host, port=port, log_level="warning")


def asked(kwargs, shown):
    return {"request__model": kwargs["model"], "request__credential": shown, "request__max_tokens": kwargs.get("max_tokens"),
            "request__tools": len(kwargs.get("tools", [])) or None}


def told(m):
    """what the client made of a message"""
    texts = [b.text for b in m.content if b.type == "text"]
    calls = [b for b in m.content if b.type == "tool_use"]
    thought = [b.thinking for b in m.content if b.type == "thinking"]
    u = m.usage
    return {"response__id": m.id, "response__model": m.model, "response__finish_reasons": [m.stop_reason], "completion": "".join(texts),
            "reasoning": "".join(thought) or None, "tools__called": [c.name for c in calls] or None, "response__status": 200,
            "usage__input_tokens": u.input_tokens + u.cache_read_input_tokens + u.cache_creation_input_tokens,
            "usage__output_tokens": u.output_tokens, "usage__cache_read_input_tokens": u.cache_read_input_tokens}


TOOL = {"name": "get_weather", "description": "The weather of a place", "input_schema": {"type": "object", "properties": {}}}


def drive(host, port, _):
    import anthropic

    kit.log_requests()
    client = anthropic.Anthropic(api_key="sk-ant-x", base_url=f"http://{host}:{port}", max_retries=0)

    # Of several credentials the first counts.
    shown = "bearer" if any(k.lower() == "authorization" for k in client.auth_headers) else "api_key"

    def call(texts, **kwargs):
        """whole, then streamed; `texts`: role and text of each message, in the client's order"""
        kwargs = {"model": "stand-in-2", "max_tokens": 100, **kwargs}
        prompt = [t["content"] for t in texts if t["role"] != "system"][-1]
        m = client.messages.create(**kwargs)
        arguments = [json.dumps(b.input, ensure_ascii=False, separators=(",", ":")) for b in m.content if b.type == "tool_use"]
        kit.ai("anthropic", "chat", **asked(kwargs, shown), **told(m), carrier="http/1.1", messages=texts, prompt=prompt,
               tool_arguments="".join(arguments) or None)
        with client.messages.stream(**kwargs) as stream:
            parts = [e.partial_json for e in stream if e.type == "input_json"]
            m = stream.get_final_message()
        kit.ai("anthropic", "chat", **asked(kwargs, shown), **told(m), carrier="http/1.1+sse", messages=texts, request__stream=True,
               tool_arguments="".join(parts) or None)
        return m

    user = {"role": "user", "content": "What is a tide?"}
    call([user, {"role": "system", "content": "Be \"brief\"."}], messages=[user], system="Be \"brief\".")
    call([{"role": "user", "content": "One.\n\nTwo 潮."}], messages=[{"role": "user", "content": [{"type": "text", "text": "One."}, {"type": "text", "text": "Two 潮."}]}])
    call([user], messages=[user], thinking={"type": "enabled", "budget_tokens": 1024}, max_tokens=2000)
    m = call([user], messages=[user], tools=[TOOL])
    turn = [user, {"role": "assistant", "content": [b.model_dump() for b in m.content]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "21 °C"}]}]
    call([user, {"role": "assistant", "content": "I look it up."}, {"role": "tool", "content": "21 °C"}], messages=turn, tools=[TOOL])
    n = client.messages.count_tokens(model="stand-in-2", messages=[user])
    kit.ai("anthropic", "count_tokens", request__model="stand-in-2", usage__input_tokens=n.input_tokens, prompt=user["content"])
    try:
        client.messages.create(model="overloaded", max_tokens=5, messages=[user])
    except anthropic.APIStatusError as e:
        kit.ai("anthropic", "chat", request__model="overloaded", response__status=e.status_code,
               response__error_type=e.body["error"]["type"], error=e.body["error"]["message"], completion=None)


if __name__ == "__main__":
    kit.main(serve, drive)
