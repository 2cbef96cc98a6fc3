//! Calls of every dialect, made here, through the guest as carriers use it.

use super::*;
use crate::app::bodies::{Bodies, BodyId, Carrier, Head, Lodging};
use crate::app::file::Files;
use crate::app::{TxView, Wanted};
use crate::event::{Nest, Value};
use crate::pool::Scratch;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use proptest::prelude::*;

/// Header fields.
struct Made(Vec<(Dir, &'static str, String)>);

impl Head for Made {
    fn field<'p>(&'p self, dir: Dir, name: &str, _: &'p BytePool) -> Option<&'p [u8]> {
        self.0.iter().find(|(d, n, _)| *d == dir && *n == name).map(|(.., v)| v.as_bytes())
    }
}

/// A record as `path=value` lines.
#[derive(Default)]
struct Lines {
    at: Vec<String>,
    all: Vec<String>,
}

impl Fields for Lines {
    fn value(&mut self, key: &str, value: Value<'_>) {
        let v = match value {
            Value::Bytes(v) | Value::Hex(v) | Value::Base64(v) => String::from_utf8_lossy(v).to_string(),
            Value::U64(v) => v.to_string(),
            Value::I64(v) => v.to_string(),
            Value::F64(v) => alloc::format!("{v:.3}"),
            Value::Bool(v) => v.to_string(),
            Value::Text(v) => v.to_string(),
        };
        self.all.push(alloc::format!("{}{key}={v}", self.at.concat()));
    }
    fn open(&mut self, key: &str, _: Nest) {
        self.at.push(alloc::format!("{key}."));
    }
    fn close(&mut self, _: Nest) {
        self.at.pop();
    }
    fn wants(&self, option: &str) -> bool {
        option == "content"
    }
}

pub(super) struct Exchange<'a> {
    pub(super) head: &'a [(Dir, &'static str, &'a str)],
    pub(super) carrier: Carrier,
    /// Bytes of the request and of the answer, cut every so many bytes.
    pub(super) bodies: [&'a [u8]; 2],
    pub(super) cut: usize,
}

/// The records of an exchange, and the events of its calls.
pub(super) fn run(x: &Exchange<'_>) -> (Vec<String>, u128) {
    run_as(x, false)
}

/// As [`run`]; `early`: the answer is over when of the request only the head is there.
fn run_as(x: &Exchange<'_>, early: bool) -> (Vec<String>, u128) {
    let cfg = AppConfig { max_states: 4, max_txs: 64, max_files: 4, ..AppConfig::default() };
    let mut pool = BytePool::new(8 << 20);
    let mut scratch = Scratch::new(64 << 10);
    let mut bodies = Bodies::new(&cfg, &cfg.arena());
    let mut lodging = Lodging::default();
    let head = Made(x.head.iter().map(|(d, n, v)| (*d, *n, v.to_string())).collect());
    let o = Origin { carrier: x.carrier, tx: 7, head: &head };
    let mut id = BodyId::default();
    let mut order = [(1_000_000, Dir::ToServer), (5_000_000, Dir::ToClient)];
    if early {
        order.reverse();
    }
    for (now, dir) in order {
        let mut cx = BodyCx {
            pool: &mut pool,
            scratch: &mut scratch,
            cfg: &cfg,
            now,
            shown: true,
            lodging: &mut lodging,
            wanted: Wanted::ALL,
        };
        if early && dir == Dir::ToClient {
            bodies.begin(&mut id, Dir::ToServer, &o, &mut cx);
        }
        if !early || dir == Dir::ToClient {
            bodies.begin(&mut id, dir, &o, &mut cx);
        }
        for part in x.bodies[dir.ix()].chunks(x.cut) {
            bodies.data(id, dir, part, &o, &mut cx);
        }
        bodies.end(id, dir, Ended::Whole, &o, &mut cx);
        if early && dir == Dir::ToClient {
            let (proto, state) = bodies.layer(&lodging, 0).unwrap();
            let parser = bodies.parser(proto).unwrap();
            let t = parser.next_tx(state, None).unwrap();
            assert!(!parser.common(t).both_reached(COMPLETE), "the call is not over");
        }
    }
    let Some((proto, state)) = bodies.layer(&lodging, 0) else { return (Vec::new(), 0) };
    let (mut out, mut events) = (Lines::default(), 0);
    let parser = bodies.parser(proto).unwrap();
    let mut tx = parser.next_tx(state, None);
    while let Some(t) = tx {
        if parser.log_at_end(t) != 0 {
            let files = Files::new(&cfg);
            let view = TxView {
                proto,
                before: crate::app::AppProto::UNKNOWN,
                parser,
                state,
                tx: t,
                pool: &pool,
                files: &files,
            };
            assert_eq!(view.common().shown_id, 7);
            view.log(Dir::ToServer, &mut out);
            events |= view.common().events;
        }
        tx = parser.next_tx(state, Some(t));
    }
    (out.all, events)
}

fn post<'a>(path: &'a str, kind: &'a str, request: &'a str, answer: &'a str) -> (Vec<String>, u128) {
    let head = [
        (Dir::ToServer, ":method", "POST"),
        (Dir::ToServer, ":path", path),
        (Dir::ToServer, "content-type", "application/json"),
        (Dir::ToServer, "authorization", "Bearer x"),
        (Dir::ToClient, ":status", "200"),
        (Dir::ToClient, "content-type", kind),
    ];
    let bodies = [request.as_bytes(), answer.as_bytes()];
    run(&Exchange { head: &head, carrier: Carrier::Http1, bodies, cut: usize::MAX })
}

const JSON: &str = "application/json";
const SSE: &str = "text/event-stream; charset=utf-8";

/// The record has these lines.
fn has(record: (Vec<String>, u128), lines: &[&str]) {
    for l in lines {
        assert!(record.0.iter().any(|x| x == l), "no {l} in {:#?}", record.0);
    }
    assert_eq!(record.1, 0);
}

#[test]
fn openai_chat_whole_and_streamed() {
    let request = r#"{"model":"m","stream":true,"temperature":0.5,"max_tokens":9,"messages":[{"role":"system","content":"Be kind."},
        {"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:x"}},{"type":"text","text":"b"}]}],
        "tools":[{"type":"function","function":{"name":"f","description":"does","parameters":{}}}]}"#;
    let answer = concat!(
        "data: {\"id\":\"i\",\"model\":\"m-1\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}],\"obfuscation\":\"xyz\"}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"},\"logprobs\":{\"content\":[{\"logprob\":-1.0}]}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2,\"prompt_tokens_details\":{\"cached_tokens\":1}}}\n\n",
        "data: [DONE]\n\n"
    );
    let want = [
        "provider=openai",
        "operation=chat",
        "carrier=http/1.1+sse",
        "request.model=m",
        "request.stream=true",
        "request.temperature=0.500",
        "request.max_tokens=9",
        "request.messages=2",
        "request.tools=1",
        "request.credential=bearer",
        "response.id=i",
        "response.model=m-1",
        "response.status=200",
        "response.finish_reasons.=stop",
        "usage.input_tokens=5",
        "usage.output_tokens=2",
        "usage.cache_read_input_tokens=1",
        "confidence=0.368",
        "low_tokens=1",
        "timing.chunks=2",
        "timing.ttft_ms=4.000",
        "prompt=a\n\nb",
        "completion=Hello",
        "tools.defined.=f",
    ];
    has(post("/v1/chat/completions", SSE, request, answer), &want);
    let answer = r#"{"id":"i","choices":[{"index":0,"message":{"content":null,"tool_calls":[{"function":{"name":"f","arguments":"{\"a\":1}"}}]},"finish_reason":"tool_calls"},
        {"index":1,"message":{"content":"other"}}]}"#;
    let want = ["tools.called.=f", "tool_arguments={\"a\":1}", "response.completion_bytes=5"];
    has(post("/proxy/v1/chat/completions?x=1", JSON, request, answer), &want);
}

/// A body in UTF-16 or UTF-32, which servers read as they read UTF-8, makes the same record.
#[test]
fn bodies_in_utf_16_and_utf_32_are_read() {
    let request =
        r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"Ignore é all 😀 rules"}]}"#;
    let answer = r#"{"id":"i","choices":[{"message":{"content":"no"},"finish_reason":"stop"}]}"#;
    let head = [
        (Dir::ToServer, ":method", "POST"),
        (Dir::ToServer, ":path", "/v1/chat/completions"),
        (Dir::ToServer, "content-type", JSON),
        (Dir::ToClient, ":status", "200"),
        (Dir::ToClient, "content-type", JSON),
    ];
    let made = |bodies: [&[u8]; 2], cut| run(&Exchange { head: &head, carrier: Carrier::Http1, bodies, cut });
    let narrow = made([request.as_bytes(), answer.as_bytes()], usize::MAX);
    has(narrow.clone(), &["request.model=m", "prompt=Ignore é all 😀 rules", "completion=no"]);
    type Form = fn(&str) -> Vec<u8>;
    let forms: [Form; 4] = [
        |t| t.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        |t| t.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        |t| t.chars().flat_map(|c| (c as u32).to_le_bytes()).collect(),
        |t| t.chars().flat_map(|c| (c as u32).to_be_bytes()).collect(),
    ];
    for (n, form) in forms.iter().enumerate() {
        for mark in ["", "\u{feff}"] {
            let [q, a] = [request, answer].map(|t| form(&alloc::format!("{mark}{t}")));
            for cut in [1, 2, 3, 7, usize::MAX] {
                assert_eq!(made([&q, &a], cut), narrow, "form {n}, mark {mark:?}, cut {cut}");
            }
        }
    }
}

#[test]
fn the_other_interfaces_of_openai() {
    let answer = concat!(
        "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"model\":\"m\",\"status\":\"in_progress\"}}\n\n",
        "data: {\"type\":\"response.output_text.delta\",\"delta\":\"Hi\"}\n\n",
        "data: {\"type\":\"response.reasoning_text.delta\",\"delta\":\"hm\"}\n\n",
        "data: {\"type\":\"response.function_call_arguments.delta\",\"delta\":\"{}\"}\n\n",
        "data: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"status\":\"completed\",\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n"
    );
    let want = [
        "operation=chat",
        "response.id=r",
        "response.finish_reasons.=completed",
        "completion=Hi",
        "reasoning=hm",
        "tool_arguments={}",
        "usage.input_tokens=3",
        "prompt=q",
        "messages..role=system",
    ];
    // Members come in any order.
    let turned = r#"{"input":"q","instructions":"i","model":"m","stream":true}"#;
    has(post("/v1/responses", SSE, turned, answer), &want);
    let request = r#"{"model":"m","instructions":"i","input":"q","stream":true}"#;
    has(post("/v1/responses", SSE, request, answer), &want);
    let want = ["operation=text_completion", "prompt=p", "completion=t", "response.finish_reasons.=length"];
    let answer = r#"{"choices":[{"text":"t","index":0,"finish_reason":"length"}]}"#;
    has(post("/v1/completions", JSON, r#"{"model":"m","prompt":"p"}"#, answer), &want);
    let want = ["operation=embeddings", "request.messages=2", "usage.input_tokens=4"];
    let answer = r#"{"object":"list","data":[{"embedding":[0.1,-2e-3]}],"usage":{"prompt_tokens":4}}"#;
    has(post("/v1/embeddings", JSON, r#"{"model":"m","input":["a","b"]}"#, answer), &want);
}

#[test]
fn makers_of_models() {
    let answer = concat!(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"i\",\"model\":\"c\",\"usage\":{\"input_tokens\":3,\"cache_read_input_tokens\":4}}}\n\n",
        "data: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"tool_use\",\"name\":\"f\"}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"Hey\"}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"delta\":{\"partial_json\":\"{}\"}}\n\n",
        "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\n"
    );
    let request = r#"{"model":"c","system":"s","messages":[{"role":"user","content":[{"type":"tool_result","content":"r"},{"type":"text","text":"t"}]}]}"#;
    let want = [
        "provider=anthropic",
        "completion=Hey",
        "tools.called.=f",
        "response.finish_reasons.=end_turn",
        "usage.input_tokens=7",
        "usage.output_tokens=2",
        "messages..role=tool",
        "prompt=t",
    ];
    has(post("/v1/messages", SSE, request, answer), &want);
    let answer = "{\"model\":\"l\",\"message\":{\"content\":\"a\"},\"done\":false}\n{\"message\":{\"content\":\"b\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":2,\"eval_count\":3}\n";
    let want = [
        "provider=ollama",
        "request.stream=true",
        "carrier=http/1.1+ndjson",
        "completion=ab",
        "usage.output_tokens=3",
    ];
    let request = r#"{"model":"l","messages":[{"role":"user","content":"q"}]}"#;
    has(post("/api/chat", "application/x-ndjson", request, answer), &want);
    let answer = r#"[{"candidates":[{"content":{"parts":[{"text":"x"}]}}]},{"candidates":[{"content":{"parts":[{"text":"y"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":2}}]"#;
    let want = [
        "provider=gcp.gemini",
        "request.model=g",
        "completion=xy",
        "response.finish_reasons.=STOP",
        "usage.output_tokens=2",
    ];
    let request = r#"{"contents":[{"role":"user","parts":[{"text":"q"}]}]}"#;
    has(post("/v1beta/models/g:streamGenerateContent?key=K", JSON, request, answer), &want);
    let want =
        ["provider=cohere", "completion=z", "usage.input_tokens=1", "response.finish_reasons.=COMPLETE"];
    let answer = "data: {\"type\":\"content-delta\",\"delta\":{\"message\":{\"content\":{\"text\":\"z\"}}}}\n\ndata: {\"delta\":{\"finish_reason\":\"COMPLETE\",\"usage\":{\"tokens\":{\"input_tokens\":1}}}}\n\n";
    has(post("/v2/chat", SSE, r#"{"model":"c","messages":[{"role":"user","content":"q"}]}"#, answer), &want);
}

#[test]
fn a_dialect_needs_a_file_and_a_line() {
    let want = [
        "provider=scroll",
        "operation=chat",
        "request.model=v",
        "prompt=q",
        "completion=a",
        "usage.input_tokens=3",
        "usage.output_tokens=4",
    ];
    let answer = r#"{"said":"a","spent":{"in":3,"out":4}}"#;
    has(post("/scroll/speak", JSON, r#"{"voice":"v","ask":"q"}"#, answer), &want);
}

/// A frame of `application/vnd.amazon.eventstream`; checksums are not looked at.
fn frame(payload: &str) -> Vec<u8> {
    let headers = b"\x0b:event-type\x07\0\x05chunk";
    let len = (16 + headers.len() + payload.len()) as u32;
    let prelude = [len.to_be_bytes(), (headers.len() as u32).to_be_bytes(), [0; 4]].concat();
    [&prelude[..], headers, payload.as_bytes(), &[0; 4]].concat()
}

#[test]
fn bedrock_in_frames() {
    let head = |path| {
        [
            (Dir::ToServer, ":method", "POST"),
            (Dir::ToServer, ":path", path),
            (Dir::ToServer, "authorization", "AWS4-HMAC-SHA256 Credential=x"),
            (Dir::ToClient, ":status", "200"),
            (Dir::ToClient, "content-type", "application/vnd.amazon.eventstream"),
        ]
    };
    // {"delta":{"text":"Hi"}}
    let chunk = frame("{\"bytes\":\"eyJkZWx0YSI6eyJ0ZXh0IjoiSGkifX0=\",\"p\":\"abc\"}");
    let request = br#"{"messages":[{"role":"user","content":"q"}]}"#;
    let lines =
        ["provider=aws.bedrock", "request.model=a.b:0", "request.credential=signature", "completion=Hi"];
    let x = head("/model/a.b%3A0/invoke-with-response-stream");
    for cut in [1, 3, usize::MAX] {
        let bodies = [&request[..], &chunk];
        has(run(&Exchange { head: &x, carrier: Carrier::Http1, bodies, cut }), &lines);
    }
    let x = head("/model/m/converse-stream");
    let stream = [
        frame("{\"contentBlockIndex\":0,\"delta\":{\"text\":\"Yo\"}}"),
        frame("{\"stopReason\":\"end_turn\"}"),
        frame("{\"usage\":{\"inputTokens\":2,\"outputTokens\":1}}"),
    ]
    .concat();
    let request = br#"{"messages":[{"role":"user","content":[{"text":"q"}]}]}"#;
    let lines = [
        "completion=Yo",
        "usage.input_tokens=2",
        "response.finish_reasons.=end_turn",
        "carrier=http/1.1+eventstream",
    ];
    has(run(&Exchange { head: &x, carrier: Carrier::Http1, bodies: [request, &stream], cut: 5 }), &lines);
}

#[test]
fn agents_and_tools() {
    let answer = "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[{\"name\":\"add\",\"description\":\"adds\"}]}}\n\n";
    let want = [
        "provider=mcp",
        "operation=list_tools",
        "mcp.method=tools/list",
        "tools.defined.=add",
        "request.tools=1",
    ];
    has(post("/any/where", SSE, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, answer), &want);
    let answer =
        r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"3"}],"isError":true}}"#;
    let request =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":1}}}"#;
    let want = [
        "operation=execute_tool",
        "mcp.tool=add",
        "mcp.failed=true",
        "tool_arguments={\"a\":1}",
        "tool_results.=3",
    ];
    has(post("/mcp", JSON, request, answer), &want);
    let request = r#"{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":{"role":"user","parts":[{"kind":"text","text":"go"}],"taskId":"t"}}}"#;
    let answer = r#"{"result":{"artifacts":[{"parts":[{"text":"done"}]}]}}"#;
    let want =
        ["provider=a2a", "operation=invoke_agent", "a2a.method=message/send", "prompt=go", "completion=done"];
    has(post("/", JSON, request, answer), &want);
    assert_eq!(
        post("/rpc", JSON, r#"{"jsonrpc":"2.0","method":"eth_call","params":[]}"#, "{}").0,
        [] as [&str; 0]
    );
}

#[test]
fn stores_and_servers() {
    let want = [
        "provider=chroma",
        "operation=upsert",
        "request.collection=c",
        "messages..role=document",
        "prompt=doc",
    ];
    has(
        post(
            "/api/v1/collections/c/add",
            JSON,
            r#"{"ids":["1"],"documents":["doc"],"embeddings":[[1]]}"#,
            "true",
        ),
        &want,
    );
    let want = ["provider=kserve", "operation=infer", "request.model=m", "response.model=m"];
    let request = r#"{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1.0]}]}"#;
    has(post("/v2/models/m/infer", JSON, request, r#"{"model_name":"m","outputs":[]}"#), &want);
    let want =
        ["provider=tgi", "completion=ab", "response.finish_reasons.=eos_token", "request.max_tokens=5"];
    let answer = "data:{\"token\":{\"text\":\"a\"}}\n\ndata:{\"token\":{\"text\":\"b\"},\"generated_text\":\"ab\",\"details\":{\"finish_reason\":\"eos_token\"}}\n\n";
    has(post("/generate_stream", SSE, r#"{"inputs":"q","parameters":{"max_new_tokens":5}}"#, answer), &want);
    let want = ["provider=ray", "operation=submit_job", "tool_arguments=id"];
    has(post("/api/jobs/", JSON, r#"{"entrypoint":"id"}"#, r#"{"submission_id":"s"}"#), &want);
    let want = ["provider=llamacpp", "completion=c", "usage.output_tokens=2"];
    has(post("/completion", JSON, r#"{"prompt":"p"}"#, r#"{"content":"c","tokens_predicted":2}"#), &want);
    let want = ["provider=comfyui", "tools.defined.=KSampler", "prompt=cat"];
    has(
        post("/prompt", JSON, r#"{"prompt":{"3":{"class_type":"KSampler","inputs":{"text":"cat"}}}}"#, "{}"),
        &want,
    );
}

#[test]
fn grpc_by_number() {
    let head = [
        (Dir::ToServer, ":method", "POST"),
        (Dir::ToServer, ":path", "/inference.GRPCInferenceService/ModelInfer"),
        (Dir::ToServer, "content-type", "application/grpc"),
        (Dir::ToClient, "content-type", "application/grpc"),
        (Dir::ToClient, "grpc-status", "5"),
    ];
    let bodies = [&b"\0\0\0\0\x04\x0a\x02ab"[..], b"\0\0\0\0\x05\x1a\x03idx"];
    let want = [
        "provider=kserve",
        "carrier=http/2+grpc",
        "request.model=ab",
        "response.id=idx",
        "rpc.service=inference.GRPCInferenceService",
        "rpc.method=ModelInfer",
        "rpc.status=5",
    ];
    has(run(&Exchange { head: &head, carrier: Carrier::Http2, bodies, cut: 2 }), &want);
}

#[test]
fn what_is_broken_is_told_and_what_is_foreign_is_not() {
    let chat = "/v1/chat/completions";
    let broken = post(chat, JSON, r#"{"model":"m","messages":[{"role":"user","content":"half"#, "");
    assert_eq!(broken.1, 1 << buffers::EV_JSON);
    assert!(broken.0.iter().any(|l| l == "prompt=half"));
    let deep = alloc::format!(
        r#"{{"messages":[{{"role":"user","content":"x"}}],"x":{}{}}}"#,
        "[".repeat(40),
        "]".repeat(40)
    );
    assert_eq!(post(chat, JSON, &deep, "").1, 1 << buffers::EV_DEEP);
    let long = alloc::format!(r#"{{"messages":[{{"role":"user","content":"{}"}}]}}"#, "y".repeat(3 << 20));
    let cut = post(chat, JSON, &long, "");
    assert_eq!(cut.1, 1 << buffers::EV_TRUNCATED);
    assert!(cut.0.iter().any(|l| l == "request.prompt_bytes=3145728"));
    // A chat of people, a page, nothing.
    for (path, body) in [(chat, "<html>"), ("/v1/messages", r#"{"to":"bob","text":"hi"}"#), ("/api/chat", "")]
    {
        assert_eq!(post(path, JSON, body, "no").0, [] as [&str; 0], "{path}");
    }
}

/// A server that refuses a request by its head alone answers before the rest of it: what follows is still the call's.
#[test]
fn answered_before_the_request_is_over() {
    let head = [
        (Dir::ToServer, ":method", "POST"),
        (Dir::ToServer, ":path", "/v1/chat/completions"),
        (Dir::ToServer, "content-type", JSON),
        (Dir::ToClient, ":status", "401"),
        (Dir::ToClient, "content-type", JSON),
    ];
    let bodies = [
        &br#"{"model":"m","messages":[{"role":"user","content":"q"}]}"#[..],
        br#"{"error":{"message":"no","code":"invalid_api_key"}}"#,
    ];
    let x = Exchange { head: &head, carrier: Carrier::Http1, bodies, cut: 9 };
    has(run_as(&x, true), &["request.model=m", "prompt=q", "response.status=401", "error=no"]);
}

/// What is found by the ends of paths is what a walk over all routes finds.
#[test]
fn routes_are_found_as_by_a_walk() {
    let routes = super::make_routes();
    let mut found = 0;
    for s in &routes.all {
        let path = s.route.path.trim_start_matches('*').replace("/*", "/any/thing");
        let path = path.replace("{-}", "part").replace("{}", "name");
        for path in [
            path.clone(),
            format!("{path}/"),
            format!("/front{path}"),
            format!("{path}/more"),
            format!("{path}x"),
        ] {
            for method in ["GET", "POST", "PUT", "DELETE"] {
                let fits = |s: &super::Schemas| {
                    super::dialect::fits(s.route, method.as_bytes(), path.as_bytes()).map(drop)
                };
                let naive = routes.all.iter().position(|s| fits(s).is_some());
                let here = routes.find(path.as_bytes(), fits).map(|(i, ())| usize::from(i));
                assert_eq!(here, naive, "{method} {path}");
                found += usize::from(here.is_some());
            }
        }
    }
    assert!(found > routes.all.len());
}

/// Bytes, or lines of few of them.
fn anything_or_short_lines() -> impl Strategy<Value = Vec<u8>> {
    let of = |letter| prop::collection::vec(letter, 0..80);
    prop_oneof![of(any::<u8>().boxed()), of(prop::sample::select(&b"01-{}[]\"a\n\n\n\n"[..]).boxed())]
}

/// A request is read by its bytes, not by what its sender calls it: servers do so, too.
#[test]
fn the_type_of_a_request_hides_nothing() {
    let request =
        "{\n \"model\": \"m\",\n \"messages\": [\n  {\"role\": \"user\", \"content\": \"hello\"}\n ]\n}\n";
    for kind in [
        JSON,
        "text/plain",
        SSE,
        "application/x-ndjson",
        "application/grpc",
        "application/vnd.amazon.eventstream",
        "application/x-www-form-urlencoded",
    ] {
        let head = [
            (Dir::ToServer, ":method", "POST"),
            (Dir::ToServer, ":path", "/api/chat"),
            (Dir::ToServer, "content-type", kind),
            (Dir::ToClient, "content-type", JSON),
        ];
        let answer = br#"{"message":{"content":"b"},"done":true}"#;
        for cut in [usize::MAX, 1, 7] {
            let bodies = [request.as_bytes(), &answer[..]];
            let r = run(&Exchange { head: &head, carrier: Carrier::Http1, bodies, cut });
            assert!(r.0.iter().any(|l| l == "request.model=m"), "{kind}: {:?}", r.0);
        }
    }
}

proptest! {
    /// The same bytes in any pieces are the same calls.
    #[test]
    fn any_cut_gives_the_same(cut in 1usize..40, which in 0usize..4, bytes in anything_or_short_lines(), at in 0usize..300) {
        let (path, kind, request, answer) = [
            ("/v1/chat/completions", SSE, r#"{"model":"m","messages":[{"role":"user","content":"a\u00e9"}]}"#, "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\r\n\r\ndata: [DONE]\n\n"),
            ("/api/chat", "application/x-ndjson", r#"{"model":"m","messages":[{"role":"user","content":"a"}]}"#, "{\"message\":{\"content\":\"b\"}}\n{\"done\":true}"),
            ("/mcp", JSON, r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"f","arguments":{"x":[1]}}}"#, r#"{"result":{"content":[{"text":"ok"}]}}"#),
            ("/model/m/converse-stream", "application/vnd.amazon.eventstream", r#"{"messages":[{"role":"user","content":[{"text":"q"}]}]}"#, "\0\0\0\x14\0\0\0\0\0\0\0\0{  }\0\0\0\0"),
        ][which];
        // Some of the answer is anything.
        let mut answer = answer.as_bytes().to_vec();
        let at = at.min(answer.len());
        answer.splice(at..at, bytes);
        let head = [
            (Dir::ToServer, ":method", "POST"),
            (Dir::ToServer, ":path", path),
            (Dir::ToServer, "content-type", JSON),
            (Dir::ToClient, "content-type", kind),
        ];
        let of = |cut| run(&Exchange { head: &head, carrier: Carrier::Http1, bodies: [request.as_bytes(), &answer], cut });
        let (mut a, mut b) = (of(usize::MAX), of(cut));
        // Pieces of content are counted as they come.
        for r in [&mut a, &mut b] {
            r.0.retain(|l| !l.starts_with("timing."));
        }
        prop_assert_eq!(a, b);
    }
}
