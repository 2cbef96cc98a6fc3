//! Amazon Bedrock's runtime (service model bedrock-runtime, 2023-09-30): invoke and converse, whole and as frames of
//! `application/vnd.amazon.eventstream`, whose `chunk` frames have JSON in base64.

use super::super::json::Path;
use super::{Dialect, F, Route, anthropic, at};

pub static BEDROCK: Dialect = Dialect {
    name: "aws.bedrock",
    routes: &[
        Route { path: "*/model/{}/invoke", ..INVOKE },
        Route { path: "*/model/{}/invoke-with-response-stream", streams: true, ..INVOKE },
        Route { path: "*/model/{}/converse", ..CONVERSE },
        Route { path: "*/model/{}/converse-stream", streams: true, ..CONVERSE },
        Route { path: "*/model/{}/count-tokens", operation: "count_tokens", ..CONVERSE },
        Route { path: "*/guardrail/{-}/version/{-}/apply", operation: "moderation", ..CONVERSE },
    ],
};

/// Models have their makers' JSON.
const INVOKE: Route = Route {
    operation: "chat",
    request: &[
        anthropic::REQUEST,
        &[
            at("inputText", F::Prompt),
            at("prompt", F::Prompt),
            at("message", F::Prompt),
            at("texts[]", F::Prompt),
            at("textGenerationConfig.maxTokenCount", F::MaxTokens),
            at("textGenerationConfig.temperature", F::Temperature),
            at("max_gen_len", F::MaxTokens),
        ],
    ],
    answer: &[
        anthropic::ANSWER,
        &[
            at("outputText", F::Content),
            at("generation", F::Content),
            at("completion", F::Content),
            at("results[].outputText", F::Content),
            at("results[].completionReason", F::Finish),
            at("outputs[].text", F::Content),
            at("inputTextTokenCount", F::Input),
            at("prompt_token_count", F::Input),
            at("generation_token_count", F::Output),
            at("completionReason", F::Finish),
            at("message", F::ErrorText),
            at("bytes", F::Nested),
        ],
    ],
    proof: &[F::Role, F::Prompt, F::Content],
    ..Route::POST
};

const CONVERSE: Route = Route {
    operation: "chat",
    request: &[&[
        at("messages[]", F::Message),
        at("messages[].role", F::Role),
        at("messages[].content[].text", F::Text),
        at("messages[].content[].toolResult.content[].text", F::ToolResult),
        at("messages[].content[].toolResult.content[].json!", F::ToolResult),
        at("system[].text", F::System),
        at("inferenceConfig.maxTokens", F::MaxTokens),
        at("inferenceConfig.temperature", F::Temperature),
        at("toolConfig.tools[]", F::ToolDefined),
        at("toolConfig.tools[].toolSpec.name", F::ToolName),
        at("toolConfig.tools[].toolSpec.description", F::ToolDescription),
        at("content[].text.text", F::Prompt),
    ]],
    answer: &[ANSWER],
    proof: &[F::Role, F::Prompt, F::Content],
    ..Route::POST
};

const ANSWER: &[Path] = &[
    at("output.message.content[].text", F::Content),
    at("output.message.content[].reasoningContent.reasoningText.text", F::Reasoning),
    at("output.message.content[].toolUse.name", F::CallName),
    at("output.message.content[].toolUse.input!", F::CallArguments),
    at("stopReason", F::Finish),
    at("usage.inputTokens", F::Input),
    at("usage.outputTokens", F::Output),
    at("usage.cacheReadInputTokens", F::CacheRead),
    at("usage.cacheWriteInputTokens", F::CacheCreation),
    at("inputTokens", F::Input),
    at("delta.text", F::Content),
    at("delta.reasoningContent.text", F::Reasoning),
    at("delta.toolUse.input", F::CallArguments),
    at("start.toolUse.name", F::CallName),
    at("message", F::ErrorText),
];
