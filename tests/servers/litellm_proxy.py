"""LiteLLM's proxy with mock answers, asked by the `openai` client (which the same package brings): chat whole and streamed,
models, a wrong key."""
import os
import sys

import kit

CONFIG = """
model_list:
  - {model_name: tide-chat, litellm_params: {model: openai/gpt-4o-mini, api_key: sk-none, mock_response: "High water at “noon”, 潮."}}
  - {model_name: tide-busy, litellm_params: {model: openai/gpt-4o-mini, api_key: sk-none, mock_response: "litellm.RateLimitError"}}
general_settings: {master_key: sk-right}
litellm_settings: {telemetry: false, num_retries: 0}
router_settings: {num_retries: 0, disable_cooldowns: true}
"""


def serve(host, port, folder):
    config = os.path.join(folder, "config.yaml")
    with open(config, "w") as f:
        f.write(CONFIG)
    command = os.path.join(os.path.dirname(sys.executable), "litellm")
    os.execv(command, [command, "--config", config, "--host", host, "--port", str(port), "--telemetry", "False"])


def shows(headers):
    """whether an answer says that it is LiteLLM's"""
    return any(k in headers for k in ("x-litellm-version", "x-litellm-call-id"))


def drive(host, port, _):
    import openai

    kit.log_requests()
    url = f"http://{host}:{port}/v1"
    client = openai.OpenAI(api_key="sk-right", base_url=url, max_retries=0)
    texts = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "When is high water?"}]
    common = {"request__credential": "bearer", "messages": texts, "prompt": texts[-1]["content"], "server": "litellm"}
    for _ in range(3):
        r = client.chat.completions.create(model="tide-chat", messages=texts, temperature=0.0)
        kit.ai("openai", "chat", **common, request__model="tide-chat", completion=r.choices[0].message.content, response__model=r.model,
               response__id=r.id, response__finish_reasons=[r.choices[0].finish_reason], usage__input_tokens=r.usage.prompt_tokens,
               usage__output_tokens=r.usage.completion_tokens, request__temperature=0)
    parts = list(client.chat.completions.create(model="tide-chat", messages=texts, stream=True, stream_options={"include_usage": True}))
    said = "".join(c.choices[0].delta.content or "" for c in parts if c.choices)
    usage = next(c.usage for c in reversed(parts) if c.usage)
    kit.ai("openai", "chat", **common, request__model="tide-chat", completion=said, response__model=parts[-1].model, request__stream=True,
           response__id=parts[-1].id, usage__input_tokens=usage.prompt_tokens, usage__output_tokens=usage.completion_tokens, carrier="http/1.1+sse")
    raw = client.models.with_raw_response.list()
    listed = [m.id for m in raw.parse()]
    kit.ai("openai", "list_models", response__models=listed, server="litellm" if shows(raw.headers) else raw.headers.get("server"))
    for key, model in (("sk-wrong", "tide-chat"), ("sk-right", "tide-busy")):
        asked = {**common, "request__model": model}
        try:
            openai.OpenAI(api_key=key, base_url=url, max_retries=0).chat.completions.create(model=model, messages=texts)
        except openai.APIStatusError as e:
            if not shows(e.response.headers):
                asked["server"] = e.response.headers.get("server")
            kit.ai("openai", "chat", **asked, response__status=e.status_code, completion=None)


if __name__ == "__main__":
    kit.main(serve, drive)
