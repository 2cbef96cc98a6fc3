//! JSON-RPC 2.0 as the Model Context Protocol uses it: one message a line in, one a line out.
//!
//! Versions 2024-11-05, 2025-03-26 (which has batches) and 2025-06-18. A line that cannot be read is answered with an error
//! and the next one is read: no input ends the server but the end of its input.

use std::io::{BufRead, Read, Write};

use serde_json::{Value, json};

use super::Sources;
use super::tools::{self, Context};

/// Longest message, bytes.
const LONGEST: u64 = 1 << 20;
/// Messages of a batch.
const BATCH: usize = 64;
/// Versions of the protocol, the newest first.
const VERSIONS: [&str; 3] = ["2025-06-18", "2025-03-26", "2024-11-05"];

const PARSE: i64 = -32700;
const INVALID: i64 = -32600;
const NO_METHOD: i64 = -32601;
const PARAMS: i64 = -32602;
const NO_RESOURCE: i64 = -32002;

/// How to use the tools; the same words for every client, nothing of the traffic in them.
const GUIDE: &str = include_str!("guide.md");
const GUIDE_URI: &str = "tidegate://guide";

/// See the module.
pub struct Server {
    context: Context,
}

/// Why a request is refused.
struct Refused(i64, String);

impl Server {
    pub fn new(sources: Sources) -> Server {
        Server { context: Context::new(sources) }
    }

    /// Answers messages until the input ends or nobody takes answers.
    pub fn serve(&mut self, input: &mut impl BufRead, output: &mut impl Write) -> std::io::Result<()> {
        let mut line = Vec::new();
        loop {
            line.clear();
            if input.by_ref().take(LONGEST).read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            let whole = line.ends_with(b"\n") || (line.len() as u64) < LONGEST;
            let reply = if whole {
                self.message(&line)
            } else {
                skip_line(input)?;
                Some(error(&Value::Null, &Refused(INVALID, format!("a message has at most {LONGEST} bytes"))))
            };
            if let Some(r) = reply {
                writeln!(output, "{r}")?;
                output.flush()?;
            }
        }
    }

    /// The answer to a message; none to notifications, responses, and lines without anything.
    pub fn message(&mut self, text: &[u8]) -> Option<Value> {
        if text.trim_ascii().is_empty() {
            return None;
        }
        match serde_json::from_slice::<Value>(text) {
            Ok(Value::Array(batch)) if batch.is_empty() || batch.len() > BATCH => {
                let what = format!("a batch has from 1 to {BATCH} messages");
                Some(error(&Value::Null, &Refused(INVALID, what)))
            }
            Ok(Value::Array(batch)) => {
                let replies: Vec<Value> = batch.iter().filter_map(|m| self.one(m)).collect();
                (!replies.is_empty()).then_some(Value::Array(replies))
            }
            Ok(message) => self.one(&message),
            Err(e) => {
                let what = format!("not JSON: line {}, column {}", e.line(), e.column());
                Some(error(&Value::Null, &Refused(PARSE, what)))
            }
        }
    }

    fn one(&mut self, m: &Value) -> Option<Value> {
        let invalid = |what: &str| Some(error(&Value::Null, &Refused(INVALID, what.into())));
        let Some(object) = m.as_object() else { return invalid("a message is an object") };
        let id = object.get("id");
        let Some(method) = object.get("method") else {
            // A response: this server asks nothing, so it belongs to no question.
            let response = object.contains_key("result") || object.contains_key("error");
            return if response { None } else { invalid("a message has a method") };
        };
        if object.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return invalid("\"jsonrpc\" is \"2.0\"");
        }
        let Some(method) = method.as_str() else { return invalid("a method is a text") };
        // Notifications want no answer, whatever they are.
        let id = id?;
        if !(id.is_string() || id.is_number()) {
            return invalid("an id is a text or a number");
        }
        let empty = json!({});
        let params = object.get("params").unwrap_or(&empty);
        Some(match self.request(method, params) {
            Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
            Err(refused) => error(id, &refused),
        })
    }

    fn request(&mut self, method: &str, params: &Value) -> Result<Value, Refused> {
        if !params.is_object() {
            return Err(Refused(PARAMS, "params is an object".into()));
        }
        match method {
            "initialize" => Ok(initialize(params)),
            "ping" => Ok(json!({})),
            "tools/list" => Ok(json!({"tools": tools::list(&self.context)})),
            "tools/call" => self.call(params),
            "resources/list" => Ok(json!({"resources": [{"uri": GUIDE_URI, "name": "guide",
                "description": "How to use the tools, and how to read what they give", "mimeType": "text/markdown"}]})),
            "resources/templates/list" => Ok(json!({"resourceTemplates": []})),
            "resources/read" if params["uri"] == GUIDE_URI => {
                Ok(json!({"contents": [{"uri": GUIDE_URI, "mimeType": "text/markdown", "text": GUIDE}]}))
            }
            "resources/read" => Err(Refused(NO_RESOURCE, format!("the only resource is {GUIDE_URI}"))),
            _ => Err(Refused(NO_METHOD, "no such method".into())),
        }
    }

    fn call(&mut self, params: &Value) -> Result<Value, Refused> {
        let name = params["name"].as_str().unwrap_or_default();
        let empty = json!({});
        let arguments = params.get("arguments").filter(|a| !a.is_null()).unwrap_or(&empty);
        let Some(tool) = tools::by_name(&self.context, name) else {
            let names = tools::names(&self.context).join(", ");
            return Err(Refused(PARAMS, format!("no such tool; there are {names}")));
        };
        // A tool that fails says so in its result, so that a model can read why and ask better.
        Ok(match (tool.call)(&mut self.context, arguments) {
            Ok(value) => {
                json!({"content": [{"type": "text", "text": value.to_string()}], "structuredContent": value, "isError": false})
            }
            Err(why) => json!({"content": [{"type": "text", "text": why}], "isError": true}),
        })
    }
}

/// The version that the client asks for, if it is known, else the newest.
fn initialize(params: &Value) -> Value {
    let asked = params["protocolVersion"].as_str().unwrap_or_default();
    let version = VERSIONS.into_iter().find(|v| *v == asked).unwrap_or(VERSIONS[0]);
    json!({
        "protocolVersion": version,
        "capabilities": {"tools": {"listChanged": false}, "resources": {"subscribe": false, "listChanged": false}},
        "serverInfo": {"name": "tidegate", "title": "Tidegate", "version": env!("CARGO_PKG_VERSION")},
        "instructions": GUIDE,
    })
}

fn error(id: &Value, r: &Refused) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": r.0, "message": r.1}})
}

/// Reads to the end of a line that is too long.
fn skip_line(input: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let buf = input.fill_buf()?;
        let (used, end) = match buf.iter().position(|&b| b == b'\n') {
            Some(at) => (at + 1, true),
            None => (buf.len(), buf.is_empty()),
        };
        input.consume(used);
        if end {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(text: &str) -> Vec<Value> {
        let mut out = Vec::new();
        Server::new(Sources::default()).serve(&mut text.as_bytes(), &mut out).unwrap();
        String::from_utf8(out).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }

    #[test]
    fn versions_are_agreed_on() {
        for (asked, given) in [
            ("2024-11-05", "2024-11-05"),
            ("2025-03-26", "2025-03-26"),
            ("2025-06-18", "2025-06-18"),
            ("2099-01-01", "2025-06-18"),
        ] {
            let r = ask(&format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{"protocolVersion":"{asked}"}}}}"#
            ));
            assert_eq!(r[0]["result"]["protocolVersion"], given);
            assert_eq!(r[0]["result"]["serverInfo"]["name"], "tidegate");
        }
    }

    #[test]
    fn input_that_is_wrong_is_answered_and_the_next_line_is_read() {
        let long = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#, "x".repeat(LONGEST as usize));
        let lines = [
            "{",
            "[]",
            "7",
            "null",
            "\"x\"",
            "{}",
            "[1]",
            r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"nothing"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"nothing"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///etc/passwd"}}"#,
            "\u{0}\u{1}",
            &long,
        ];
        for l in lines {
            let r = ask(&format!("{l}\n{{\"jsonrpc\":\"2.0\",\"id\":\"last\",\"method\":\"ping\"}}\n"));
            assert_eq!(r.len(), 2, "{l:.60}: {r:?}");
            let wrong = if r[0].is_array() { &r[0][0] } else { &r[0] };
            assert!(wrong["error"]["code"].is_i64(), "{l:.60}: {r:?}");
            assert_eq!(r[1], json!({"jsonrpc": "2.0", "id": "last", "result": {}}));
        }
        // Deep nesting is refused by the reader, not by the stack.
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(ask(&deep)[0]["error"]["code"], PARSE);
    }

    #[test]
    fn notifications_and_responses_have_no_answer_and_batches_have_one() {
        let quiet = [
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            "",
            "  ",
            r#"[{"jsonrpc":"2.0","method":"notifications/cancelled"}]"#,
        ];
        for l in quiet {
            assert!(ask(l).is_empty(), "{l}");
        }
        let r = ask(
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"tools/list"}]"#,
        );
        assert_eq!(r[0].as_array().map(Vec::len), Some(2));
    }
}
