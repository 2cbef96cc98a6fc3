//! Bodies to read: those of a file, or made here.
//!
//! The file has for each body its kind (one byte: `q` request, `a` answer, `e` event of a stream), its length (four bytes,
//! least significant first) and its bytes; `benches/ai.py` makes it of captures.

/// Bodies of one kind.
pub struct Set {
    pub name: &'static str,
    pub bodies: Vec<Vec<u8>>,
}

/// # Panics
/// When the file is not as it should be.
pub fn of_file(path: &str) -> Vec<Set> {
    let all = std::fs::read(path).expect("the file of bodies");
    let mut sets = names();
    let mut rest = &all[..];
    while let [kind, a, b, c, d, tail @ ..] = rest {
        let (body, next) = tail.split_at(u32::from_le_bytes([*a, *b, *c, *d]) as usize);
        let place = b"qae".iter().position(|k| k == kind).expect("a kind");
        sets[place].bodies.push(body.to_vec());
        rest = next;
    }
    sets
}

fn names() -> Vec<Set> {
    ["requests", "answers", "events"].map(|name| Set { name, bodies: Vec::new() }).into()
}

/// Bodies as clients and servers of models write them.
pub fn made() -> Vec<Set> {
    let mut sets = names();
    for n in 0..200 {
        let text = words(n, 20 + n % 60);
        sets[0].bodies.push(
            format!(
                r#"{{"messages":[{{"role":"system","content":"You are a helpful assistant."}},{{"role":"user","content":"{text}\n\nIn \"{n}\" words."}}],"model":"small-chat-{}","max_tokens":{},"temperature":0.7,"stream":{},"tools":[{{"type":"function","function":{{"name":"weather","description":"The weather of a place","parameters":{{"type":"object","properties":{{"place":{{"type":"string"}}}},"required":["place"]}}}}}}]}}"#,
                n % 3,
                64 + n,
                n % 2 == 0,
            )
            .into_bytes(),
        );
        sets[1].bodies.push(
            format!(
                r#"{{"id":"chatcmpl-{n:08x}","object":"chat.completion","created":1795307362,"model":"small-chat","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}","refusal":null}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":{n},"completion_tokens":{},"total_tokens":{}}},"system_fingerprint":null}}"#,
                n + 5,
                2 * n + 5,
            )
            .into_bytes(),
        );
        for word in text.split(' ').take(20) {
            sets[2].bodies.push(
                format!(
                    r#"{{"id":"chatcmpl-{n:08x}","object":"chat.completion.chunk","created":1795307362,"model":"small-chat","choices":[{{"index":0,"delta":{{"content":" {word}"}},"logprobs":null,"finish_reason":null}}]}}"#
                )
                .into_bytes(),
            );
        }
    }
    sets
}

/// Requests with a prompt of 200 KB: words alone, as those of the captures, and a text of short lines, some with quotes.
pub fn long() -> [Set; 2] {
    let of = |name, line: fn(usize) -> String| {
        let mut text = String::new();
        let mut n = 0;
        while text.len() < 200 << 10 {
            text += &line(n);
            n += 1;
        }
        let body = format!(
            r#"{{"model":"small-chat","messages":[{{"role":"user","content":"{text}"}}],"stream":false}}"#
        );
        Set { name, bodies: vec![body.into_bytes()] }
    };
    [
        of("200 KB prompt", |n| words(n, 14) + " "),
        of("200 KB prompt in lines", |n| words(n, 14) + if n % 5 == 0 { " \\\"so\\\"\\n" } else { ".\\n" }),
    ]
}

fn words(seed: usize, n: usize) -> String {
    const WORDS: [&str; 16] = [
        "the",
        "model",
        "answers",
        "questions",
        "about",
        "rivers",
        "and",
        "their",
        "sources",
        "in",
        "short",
        "sentences",
        "which",
        "nobody",
        "reads",
        "twice",
    ];
    let mut r = seed as u64 * 2 + 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        r ^= r << 13;
        r ^= r >> 7;
        r ^= r << 17;
        WORDS[(r % 16) as usize]
    };
    (0..n).map(|_| next()).collect::<Vec<_>>().join(" ")
}
