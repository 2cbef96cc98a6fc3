"""The `ollama` client against a stand-in model on uvicorn: lines of JSON, whole and streamed, tools, models."""
import json

import kit
import model


def serve(host, port, _):
    import uvicorn
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse, StreamingResponse
    from starlette.routing import Route

    def say(body, said, asked):
        """an answer of several lines, or one"""
        head = {"model": body["model"], "created_at": "2026-01-01T00:00:00Z"}
        text = model.answer(asked)
        end = {"done": True, "done_reason": "stop", "prompt_eval_count": model.count(asked), "eval_count": model.count(text),
               "total_duration": 1000, "load_duration": 1, "prompt_eval_duration": 2, "eval_duration": 3}
        if not body.get("stream", True):
            return JSONResponse({**head, **said(text), **end})
        lines = [{**head, **said(p), "done": False} for p in model.pieces(text)] + [{**head, **said(""), **end}]
        return StreamingResponse((json.dumps(line) + "\n" for line in lines), media_type="application/x-ndjson")

    async def chat(request):
        body = await request.json()
        asked = body["messages"][-1]["content"]
        if body.get("tools"):
            call = {"function": {"name": body["tools"][0]["function"]["name"], "arguments": json.loads(model.arguments())}}
            return JSONResponse({"model": body["model"], "created_at": "2026-01-01T00:00:00Z", "done": True, "done_reason": "stop",
                                 "message": {"role": "assistant", "content": "", "tool_calls": [call]},
                                 "prompt_eval_count": 4, "eval_count": 1})
        return say(body, lambda t: {"message": {"role": "assistant", "content": t}}, asked)

    async def generate(request):
        body = await request.json()
        return say(body, lambda t: {"response": t}, body["prompt"])

    async def embed(request):
        body = await request.json()
        return JSONResponse({"model": body["model"], "embeddings": [[0.5, 0.25]] * len(body["input"]), "prompt_eval_count": 5})

    async def tags(_):
        return JSONResponse({"models": [{"name": "stand-in:1b", "model": "stand-in:1b", "digest": "ab" * 32, "size": 1,
                                         "modified_at": "2026-01-01T00:00:00Z", "details": {"family": "tide"}}]})

    async def missing(request):
        name = (await request.json()).get("model")
        return JSONResponse({"error": f"model '{name}' not found"}, 404)

    routes = [Route("/api/chat", chat, methods=["POST"]), Route("/api/generate", generate, methods=["POST"]),
              Route("/api/embed", embed, methods=["POST"]), Route("/api/tags", tags),
              Route("/api/show", missing, methods=["POST"]), Route("/api/delete", missing, methods=["DELETE"])]
    uvicorn.run(Starlette(routes=routes), host=host, port=port, log_level="warning")


def drive(host, port, _):
    import ollama

    kit.log_requests()
    client = ollama.Client(host=f"http://{host}:{port}")
    texts = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why is the sea salt? 潮"}]
    common = {"request__model": "stand-in:1b", "request__credential": "none"}
    told = lambda r: {"usage__input_tokens": r.prompt_eval_count, "usage__output_tokens": r.eval_count,
                      "response__finish_reasons": [r.done_reason], "response__model": r.model}
    r = client.chat("stand-in:1b", messages=texts, options={"temperature": 0.25, "num_predict": 12})
    kit.ai("ollama", "chat", **common, messages=texts, completion=r.message.content, request__stream=False, **told(r),
           request__temperature=0.25, request__max_tokens=12, prompt=texts[-1]["content"])
    parts = list(client.chat("stand-in:1b", messages=texts, stream=True))
    kit.ai("ollama", "chat", **common, messages=texts, completion="".join(p.message.content for p in parts), request__stream=True,
           carrier="http/1.1+ndjson", **told(parts[-1]))
    tool = {"type": "function", "function": {"name": "get_weather", "description": "d", "parameters": {"type": "object", "properties": {}}}}
    r = client.chat("stand-in:1b", messages=texts, tools=[tool])
    kit.ai("ollama", "chat", **common, messages=texts, tools__called=[c.function.name for c in r.message.tool_calls], completion=None,
           request__tools=1, **told(r))
    r = client.generate("stand-in:1b", "Say \"tide\"")
    kit.ai("ollama", "text_completion", **common, prompt="Say \"tide\"", completion=r.response, **told(r))
    parts = list(client.generate("stand-in:1b", "Say it again", stream=True))
    kit.ai("ollama", "text_completion", **common, prompt="Say it again", completion="".join(p.response for p in parts), **told(parts[-1]))
    r = client.embed("stand-in:1b", ["a b", "c d e"])
    kit.ai("ollama", "embeddings", **common, request__messages=2, usage__input_tokens=r.prompt_eval_count, prompt="c d e")
    kit.ai("ollama", "list_models", response__models=[m.model for m in client.list().models])
    for operation, call in (("show_model", client.show), ("delete_model", client.delete)):
        try:
            call("nobody:7b")
        except ollama.ResponseError as e:
            kit.ai("ollama", operation, request__model="nobody:7b", response__status=e.status_code, error=e.error)


if __name__ == "__main__":
    kit.main(serve, drive)
