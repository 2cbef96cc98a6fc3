//! Gemini and Vertex AI (googleapis/python-genai): JSON, whole, as events, or as one list that streams.

use super::super::json::Path;
use super::{Dialect, F, Route, at};

pub static GEMINI: Dialect = Dialect {
    name: "gcp.gemini",
    routes: &[
        Route { path: "*/models/{}:generateContent", operation: "chat", ..CHAT },
        Route { path: "*/models/{}:streamGenerateContent", operation: "chat", streams: true, ..CHAT },
        Route { path: "*/models/{}:countTokens", operation: "count_tokens", ..CHAT },
        Route {
            path: "*/models/{}:embedContent",
            operation: "embeddings",
            request: &[&[at("content.parts[].text", F::Prompt)]],
            answer: &[ANSWER],
            proof: &[F::Prompt],
            ..Route::POST
        },
        Route {
            path: "*/models/{}:batchEmbedContents",
            operation: "embeddings",
            request: &[&[at("requests[].content.parts[].text", F::Prompt)]],
            answer: &[ANSWER],
            proof: &[F::Prompt],
            ..Route::POST
        },
        Route {
            method: "GET",
            path: "*/v1beta/models",
            operation: "list_models",
            answer: &[&[at("models[].name", F::Listed), at("models[].supportedGenerationMethods", F::Proof)]],
            proof: &[F::Listed],
            ..Route::POST
        },
    ],
};

const CHAT: Route =
    Route { request: &[REQUEST], answer: &[ANSWER], proof: &[F::Text, F::Content], ..Route::POST };

const REQUEST: &[Path] = &[
    at("contents[]", F::Message),
    at("contents[].role", F::Role),
    at("contents[].parts[].text", F::Text),
    at("contents[].parts[].functionResponse.response!", F::ToolResult),
    at("contents.parts[].text", F::Prompt),
    at("systemInstruction.parts[].text", F::System),
    at("systemInstruction.parts.text", F::System),
    at("system_instruction.parts[].text", F::System),
    at("system_instruction.parts.text", F::System),
    at("generationConfig.maxOutputTokens", F::MaxTokens),
    at("generationConfig.temperature", F::Temperature),
    at("tools[].functionDeclarations[]", F::ToolDefined),
    at("tools[].functionDeclarations[].name", F::ToolName),
    at("tools[].functionDeclarations[].description", F::ToolDescription),
];

const ANSWER: &[Path] = &[
    at("candidates[].index", F::Choice),
    at("candidates[].content.parts[].text", F::Content),
    at("candidates[].content.parts[].functionCall.name", F::CallName),
    at("candidates[].content.parts[].functionCall.args!", F::CallArguments),
    at("candidates[].finishReason", F::Finish),
    at("candidates[].logprobsResult.chosenCandidates[].logProbability", F::LogProb),
    at("usageMetadata.promptTokenCount", F::Input),
    at("usageMetadata.candidatesTokenCount", F::Output),
    at("usageMetadata.cachedContentTokenCount", F::CacheRead),
    at("usageMetadata.thoughtsTokenCount", F::ReasoningTokens),
    at("modelVersion", F::AnswerModel),
    at("responseId", F::Id),
    at("totalTokens", F::Input),
    at("error.status", F::ErrorType),
    at("error.message", F::ErrorText),
    at("[].candidates[].index", F::Choice),
    at("[].candidates[].content.parts[].text", F::Content),
    at("[].candidates[].content.parts[].functionCall.name", F::CallName),
    at("[].candidates[].content.parts[].functionCall.args!", F::CallArguments),
    at("[].candidates[].finishReason", F::Finish),
    at("[].usageMetadata.promptTokenCount", F::Input),
    at("[].usageMetadata.candidatesTokenCount", F::Output),
    at("[].usageMetadata.cachedContentTokenCount", F::CacheRead),
    at("[].usageMetadata.thoughtsTokenCount", F::ReasoningTokens),
    at("[].modelVersion", F::AnswerModel),
    at("[].responseId", F::Id),
    at("[].error.status", F::ErrorType),
    at("[].error.message", F::ErrorText),
];
