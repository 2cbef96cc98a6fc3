//! What serde makes of a body: the fields that the paths of [`PATHS`] name, whatever else it has is passed over.
//!
//! `Text` is `String` (as clients and servers have it) or [`Lent`] (borrowed where nothing is escaped).

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use tidegate_core::ai::json::Path;

/// The same fields for the engine's reader; the numbers are places in [`Read`](crate::read::Read).
pub const PATHS: &[Path] = &[
    ("model", 1),
    ("id", 2),
    ("messages[].role", 3),
    ("messages[].content", 4),
    ("messages[].content[].text", 4),
    ("prompt", 5),
    ("choices[].message.content", 6),
    ("choices[].delta.content", 6),
    ("choices[].finish_reason", 7),
    ("message.content", 6),
    ("delta.text", 6),
    ("tools[].function.name", 8),
    ("tools[].function.description", 9),
    ("method", 10),
    ("stream", 11),
    ("max_tokens", 12),
    ("temperature", 13),
    ("usage.prompt_tokens", 14),
    ("usage.completion_tokens", 15),
];

/// A string of a body.
pub trait Text<'a>: Deserialize<'a> + From<&'a str> + From<String> {
    fn get(&self) -> &str;
}

impl Text<'_> for String {
    fn get(&self) -> &str {
        self
    }
}

/// A string that is borrowed if it can be: `Option<Cow>` never is.
pub struct Lent<'a>(Cow<'a, str>);

impl<'a> From<&'a str> for Lent<'a> {
    fn from(s: &'a str) -> Self {
        Lent(Cow::Borrowed(s))
    }
}

impl From<String> for Lent<'_> {
    fn from(s: String) -> Self {
        Lent(Cow::Owned(s))
    }
}

impl<'a> Text<'a> for Lent<'a> {
    fn get(&self) -> &str {
        &self.0
    }
}

impl<'a> Deserialize<'a> for Lent<'a> {
    fn deserialize<D: Deserializer<'a>>(d: D) -> Result<Self, D::Error> {
        struct Take;
        impl<'a> Visitor<'a> for Take {
            type Value = Lent<'a>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, s: &'a str) -> Result<Lent<'a>, E> {
                Ok(s.into())
            }
            fn visit_str<E>(self, s: &str) -> Result<Lent<'a>, E> {
                Ok(s.to_owned().into())
            }
        }
        d.deserialize_str(Take)
    }
}

#[derive(Deserialize)]
#[serde(bound = "T: Text<'de>")]
pub struct Body<T> {
    pub model: Option<T>,
    pub id: Option<Loose<T>>,
    pub messages: Option<Vec<Message<T>>>,
    pub prompt: Option<Content<T>>,
    pub choices: Option<Vec<Choice<T>>>,
    pub message: Option<Message<T>>,
    pub delta: Option<Delta<T>>,
    pub tools: Option<Vec<Tool<T>>>,
    pub method: Option<T>,
    pub stream: Option<bool>,
    pub max_tokens: Option<u64>,
    pub temperature: Option<f64>,
    pub usage: Option<Usage>,
}

#[derive(Deserialize)]
#[serde(bound = "T: Text<'de>")]
pub struct Message<T> {
    pub role: Option<T>,
    pub content: Option<Content<T>>,
}

#[derive(Deserialize)]
#[serde(bound = "T: Text<'de>")]
pub struct Delta<T> {
    pub text: Option<T>,
}

#[derive(Deserialize)]
#[serde(bound = "T: Text<'de>")]
pub struct Choice<T> {
    pub message: Option<Said<T>>,
    pub delta: Option<Said<T>>,
    pub finish_reason: Option<T>,
}

#[derive(Deserialize)]
#[serde(bound = "T: Text<'de>")]
pub struct Said<T> {
    pub content: Option<T>,
}

#[derive(Deserialize)]
#[serde(bound = "T: Text<'de>")]
pub struct Tool<T> {
    pub function: Option<Function<T>>,
}

#[derive(Deserialize)]
#[serde(bound = "T: Text<'de>")]
pub struct Function<T> {
    pub name: Option<T>,
    pub description: Option<T>,
}

#[derive(Deserialize)]
pub struct Usage {
    pub prompt_tokens: Option<u64>,
    pub completion_tokens: Option<u64>,
}

#[derive(Deserialize)]
#[serde(bound = "T: Text<'de>")]
pub struct Part<T> {
    pub text: Option<T>,
}

/// A text, or a list of parts: read by hand, since serde's untagged enumerations keep a copy of everything first.
pub enum Content<T> {
    Text(T),
    Parts(Vec<Part<T>>),
}

impl<'a, T: Text<'a>> Deserialize<'a> for Content<T> {
    fn deserialize<D: Deserializer<'a>>(d: D) -> Result<Self, D::Error> {
        struct Either<T>(std::marker::PhantomData<T>);
        impl<'a, T: Text<'a>> Visitor<'a> for Either<T> {
            type Value = Content<T>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text or a list of parts")
            }
            fn visit_borrowed_str<E>(self, s: &'a str) -> Result<Content<T>, E> {
                Ok(Content::Text(s.into()))
            }
            fn visit_str<E>(self, s: &str) -> Result<Content<T>, E> {
                Ok(Content::Text(s.to_owned().into()))
            }
            fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<Content<T>, A::Error> {
                let mut parts = Vec::new();
                while let Some(p) = seq.next_element()? {
                    parts.push(p);
                }
                Ok(Content::Parts(parts))
            }
        }
        d.deserialize_any(Either(std::marker::PhantomData))
    }
}

/// A string, or something else that nobody asks for (numbers of JSON-RPC are identifiers, too).
pub enum Loose<T> {
    Text(T),
    Other,
}

impl<'a, T: Text<'a>> Deserialize<'a> for Loose<T> {
    fn deserialize<D: Deserializer<'a>>(d: D) -> Result<Self, D::Error> {
        struct Either<T>(std::marker::PhantomData<T>);
        impl<'a, T: Text<'a>> Visitor<'a> for Either<T> {
            type Value = Loose<T>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("anything")
            }
            fn visit_borrowed_str<E>(self, s: &'a str) -> Result<Loose<T>, E> {
                Ok(Loose::Text(s.into()))
            }
            fn visit_str<E>(self, s: &str) -> Result<Loose<T>, E> {
                Ok(Loose::Text(s.to_owned().into()))
            }
            fn visit_u64<E>(self, _: u64) -> Result<Loose<T>, E> {
                Ok(Loose::Other)
            }
            fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Loose<T>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Loose::Other)
            }
        }
        d.deserialize_any(Either(std::marker::PhantomData))
    }
}
