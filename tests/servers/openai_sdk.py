"""The `openai` client, plain and asynchronous, against a stand-in model on uvicorn: chat whole and streamed, tools, parts,
completions, embeddings, responses, models, errors; long answers come gzipped."""
import asyncio
import json

import kit
import model


def chunk(**more):
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "stand-in-1", **more}


def chat(body):
    """an answer to a chat, or its events"""
    last = body["messages"][-1]
    usage = {"prompt_tokens": model.tokens_of(body["messages"])}
    calls = None
    if body.get("tools") and last["role"] == "user":
        calls = [{"id": "call_1", "type": "function",
                  "function": {"name": body["tools"][0]["function"]["name"], "arguments": model.arguments()}}]
        text, finish = None, "tool_calls"
    else:
        text, finish = model.answer(model.text_of(last.get("content"))), "stop"
    usage["completion_tokens"] = model.count(text or model.arguments())
    usage["total_tokens"] = sum(usage.values())
    usage["prompt_tokens_details"] = {"cached_tokens": 2}
    if not body.get("stream"):
        message = {"role": "assistant", "content": text, "refusal": None, "tool_calls": calls}
        choices = [{"index": i, "message": message, "finish_reason": finish} for i in range(body.get("n") or 1)]
        return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "stand-in-1",
                "choices": choices, "usage": usage}
    events = [chunk(choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])]
    for part in model.pieces(text) if text else []:
        events.append(chunk(choices=[{"index": 0, "delta": {"content": part}, "finish_reason": None}]))
    for c in calls or []:
        whole = c["function"]["arguments"]
        for i, part in enumerate((whole[:7], whole[7:])):
            given = {**c, "function": {"name": c["function"]["name"], "arguments": part}} if i == 0 \
                else {"function": {"arguments": part}}
            events.append(chunk(choices=[{"index": 0, "delta": {"tool_calls": [{"index": 0, **given}]},
                                          "finish_reason": None}]))
    events.append(chunk(choices=[{"index": 0, "delta": {}, "finish_reason": finish}]))
    if (body.get("stream_options") or {}).get("include_usage"):
        events.append(chunk(choices=[], usage=usage))
    return [f"data: {json.dumps(e)}\n\n" for e in events] + ["data: [DONE]\n\n"]


def response(body):
    """an answer of the Responses API, or its events"""
    asked = body["input"] if isinstance(body["input"], str) else model.text_of(body["input"][-1]["content"])
    text = model.answer(asked)
    usage = {"input_tokens": model.count(asked), "input_tokens_details": {"cached_tokens": 0},
             "output_tokens": model.count(text), "output_tokens_details": {"reasoning_tokens": 3}}
    usage["total_tokens"] = usage["input_tokens"] + usage["output_tokens"]
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": text, "annotations": []}]}
    whole = {"id": "resp_1", "object": "response", "created_at": 1700000000, "model": "stand-in-1", "status": "completed",
             "output": [item], "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "usage": usage}
    if not body.get("stream"):
        return whole
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    events = [{"type": "response.created", "response": begun},
              {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": [], "status": "in_progress"}},
              {"type": "response.content_part.added", **at, "part": {"type": "output_text", "text": "", "annotations": []}}]
    events += [{"type": "response.output_text.delta", **at, "delta": p, "logprobs": []} for p in model.pieces(text)]
    events += [{"type": "response.output_text.done", **at, "text": text, "logprobs": []},
               {"type": "response.content_part.done", **at, "part": item["content"][0]},
               {"type": "response.output_item.done", "output_index": 0, "item": item},
               {"type": "response.completed", "response": whole}]
    return [f"event: {e['type']}\ndata: {json.dumps({**e, 'sequence_number': i})}\n\n" for i, e in enumerate(events)]


def serve(host, port, _):
    import uvicorn
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.gzip import GZipMiddleware
    from starlette.responses import JSONResponse, StreamingResponse
    from starlette.routing import Route

    def sent(r):
        return StreamingResponse(iter(r), media_type="text/event-stream") if isinstance(r, list) else JSONResponse(r)

    def refused(status, kind, message):
        return JSONResponse({"error": {"message": message, "type": kind, "param": None, "code": kind}}, status)

    def guarded(f):
        async def inner(request):
            if request.headers.get("authorization") != "Bearer sk-right":
                return refused(401, "invalid_api_key", "Incorrect API key provided")
            body = await request.json() if request.method == "POST" else {}
            if body.get("model") == "too-many":
                return refused(429, "rate_limit_exceeded", "Slow down")
            return sent(f(body, request))
        return inner

    def completion(body, _):
        text = model.answer(body["prompt"])
        return {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "stand-in-1",
                "choices": [{"index": 0, "text": text, "finish_reason": "length", "logprobs": None}],
                "usage": {"prompt_tokens": model.count(body["prompt"]), "completion_tokens": model.count(text),
                          "total_tokens": 0}}

    def embeddings(body, _):
        n = sum(model.count(t) for t in body["input"])
        data = [{"object": "embedding", "index": i, "embedding": [0.5, -0.25]} for i, _ in enumerate(body["input"])]
        return {"object": "list", "data": data, "model": "stand-in-embed", "usage": {"prompt_tokens": n, "total_tokens": n}}

    def one(_, request):
        return {"id": request.path_params["name"], "object": "model", "created": 1, "owned_by": "tidegate"}

    def models(*_):
        return {"object": "list", "data": [{"id": n, "object": "model", "created": 1, "owned_by": "tidegate"}
                                           for n in ("stand-in-1", "stand-in-embed")]}

    routes = [Route("/v1/chat/completions", guarded(lambda b, _: chat(b)), methods=["POST"]),
              Route("/v1/responses", guarded(lambda b, _: response(b)), methods=["POST"]),
              Route("/v1/completions", guarded(completion), methods=["POST"]),
              Route("/v1/embeddings", guarded(embeddings), methods=["POST"]),
              Route("/v1/models", guarded(models)), Route("/v1/models/{name}", guarded(one))]
    app = Starlette(routes=routes, middleware=[Middleware(GZipMiddleware, minimum_size=1500)])
    uvicorn.run(app, host=host, port=port, log_level="warning")


TOOL = {"type": "function", "function": {"name": "get_weather", "description": "The weather of a place",
                                         "parameters": {"type": "object", "properties": {"place": {"type": "string"}}}}}


def asked(kwargs):
    """what a call of the client says of its request"""
    messages = kwargs.get("messages", [])
    texts = [{"role": m["role"], "content": model.text_of(m.get("content"))} for m in messages]
    return {"request__model": kwargs["model"], "request__messages": len(messages), "messages": texts,
            "prompt": texts[-1]["content"], "request__temperature": kwargs.get("temperature"),
            "request__max_tokens": kwargs.get("max_tokens"), "request__credential": "bearer",
            "request__tools": len(kwargs.get("tools", [])) or None}


def used(u, names=("prompt_tokens", "completion_tokens")):
    return {"usage__input_tokens": getattr(u, names[0]), "usage__output_tokens": getattr(u, names[1])} if u else {}


def told(r):
    """what the client made of an answer to a chat"""
    first = r.choices[0]
    calls = first.message.tool_calls or []
    return {"response__id": r.id, "response__model": r.model, "response__status": 200, "completion": first.message.content,
            "response__finish_reasons": [first.finish_reason], "carrier": "http/1.1", **used(r.usage),
            "tools__called": [c.function.name for c in calls] or None,
            "tool_arguments": "".join(c.function.arguments for c in calls) or None}


def streamed(stream):
    """what the client made of the events of a chat"""
    text, calls, arguments, usage, finish = "", [], "", None, None
    for c in stream:
        usage = c.usage or usage
        for choice in c.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
            for t in choice.delta.tool_calls or []:
                calls += [t.function.name] if t.function.name else []
                arguments += t.function.arguments or ""
    return {"response__id": c.id, "response__model": c.model, "response__status": 200, "completion": text or None,
            "response__finish_reasons": [finish], "carrier": "http/1.1+sse", "request__stream": True, **used(usage),
            "tools__called": calls or None, "tool_arguments": arguments or None}


def chats(client):
    user = {"role": "user", "content": "What is a tide?"}

    def plain(**kwargs):
        r = client.chat.completions.create(**kwargs)
        kit.ai("openai", "chat", **asked(kwargs), **told(r))
        return r

    plain(model="stand-in-1", messages=[{"role": "system", "content": "Be \"brief\"."}, user], temperature=0.5, max_tokens=64)
    # Long, with letters of two to four bytes; the answer is long enough to be compressed.
    plain(model="stand-in-1", messages=[{"role": "user", "content": "høj æ 潮 😀 \t\"x\"\n" * 6000}], n=8)
    plain(model="stand-in-1", messages=[{"role": "user", "content": [
        {"type": "text", "text": "What is on it?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0K"}},
        {"type": "text", "text": "In two words."}]}])
    for options in ({"include_usage": True}, None):
        kwargs = {"model": "stand-in-1", "messages": [user]}
        more = {"stream_options": options} if options else {}
        kit.ai("openai", "chat", **asked(kwargs), **streamed(client.chat.completions.create(**kwargs, stream=True, **more)))
    weather = {"role": "user", "content": "How warm is Århus?"}
    kwargs = {"model": "stand-in-1", "messages": [weather], "tools": [TOOL]}
    kit.ai("openai", "chat", **asked(kwargs), **streamed(client.chat.completions.create(**kwargs, stream=True)))
    r = plain(**kwargs)
    call = r.choices[0].message
    turn = [weather, {"role": "assistant", "content": None, "tool_calls": [c.model_dump() for c in call.tool_calls]},
            {"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": "21 °C"}]
    plain(model="stand-in-1", messages=turn, tools=[TOOL])


def others(client):
    kwargs = {"model": "stand-in-1", "prompt": "Once upon a time", "max_tokens": 5}
    r = client.completions.create(**kwargs)
    kit.ai("openai", "text_completion", request__model="stand-in-1", prompt=kwargs["prompt"], completion=r.choices[0].text,
           request__max_tokens=5, response__finish_reasons=["length"], **used(r.usage))
    texts = ["low water", "high water ≈ flood"]
    r = client.embeddings.create(model="stand-in-embed", input=texts)
    kit.ai("openai", "embeddings", request__model="stand-in-embed", request__messages=2, prompt=texts[-1],
           response__model=r.model, usage__input_tokens=r.usage.prompt_tokens)
    said = "Tell me of 潮汐."
    r = client.responses.create(model="stand-in-1", instructions="Be brief.", input=said, max_output_tokens=99)
    common = {"request__model": "stand-in-1", "response__model": "stand-in-1", "response__id": "resp_1", "response__finish_reasons": ["completed"],
              # In the order in which the client writes them.
              "messages": [{"role": "user", "content": said}, {"role": "system", "content": "Be brief."}], "prompt": said}
    names = ("input_tokens", "output_tokens")
    kit.ai("openai", "chat", **{**common, "response__id": r.id, "response__model": r.model}, completion=r.output_text,
           request__max_tokens=99, usage__reasoning_output_tokens=r.usage.output_tokens_details.reasoning_tokens,
           **used(r.usage, names))
    text, last = "", None
    for e in client.responses.create(model="stand-in-1", instructions="Be brief.", input=said, stream=True):
        text += e.delta if e.type == "response.output_text.delta" else ""
        last = e
    kit.ai("openai", "chat", **common, completion=text, request__stream=True, carrier="http/1.1+sse",
           **used(last.response.usage, names))
    listed = [m.id for m in client.models.list()]
    kit.ai("openai", "list_models", request__path="/v1/models", response__models=listed)
    kit.ai("openai", "show_model", request__path=f"/v1/models/{client.models.retrieve('stand-in-1').id}")


def errors(url):
    import openai

    for key, name in (("sk-wrong", "stand-in-1"), ("sk-right", "too-many")):
        client = openai.OpenAI(api_key=key, base_url=url, max_retries=0)
        kwargs = {"model": name, "messages": [{"role": "user", "content": "?"}]}
        try:
            client.chat.completions.create(**kwargs)
        except openai.APIStatusError as e:
            kit.ai("openai", "chat", **asked(kwargs), response__status=e.status_code, response__error_type=e.code,
                   error=e.body["message"], completion=None)


async def many(url):
    """calls at the same time, over as many connections as the client likes"""
    import openai

    client = openai.AsyncOpenAI(api_key="sk-right", base_url=url)

    async def one(i):
        kwargs = {"model": "stand-in-1", "messages": [{"role": "user", "content": f"Number {i}, please. " * i}]}
        r = await client.chat.completions.create(**kwargs)
        kit.ai("openai", "chat", **asked(kwargs), **told(r))

    await asyncio.gather(*(one(i) for i in range(1, 25)))
    await client.close()


def drive(host, port, _):
    import openai

    kit.log_requests()
    url = f"http://{host}:{port}/v1"
    client = openai.OpenAI(api_key="sk-right", base_url=url)
    chats(client)
    others(client)
    client.close()
    errors(url)
    asyncio.run(many(url))


if __name__ == "__main__":
    kit.main(serve, drive)
