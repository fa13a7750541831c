//! [`DOCUMENTED`]: what failed calls cost, by provider and status, with the source of each row.

use std::ops::RangeInclusive;

use super::FailedCall::{self, Free, Input, Lost};
use super::form::{ErrorBody, ErrorForm, Why};

/// One row: the cost of an error in the provider's own form, before any output.
struct FailureRule {
    provider: &'static str,
    statuses: RangeInclusive<u16>,
    /// If set, the row is for errors of this kind alone.
    why: Option<Why>,
    what: FailedCall,
}

/// The providers' documents, read on 2026-11-30. The first matching row counts.
const DOCUMENTED: &[FailureRule] = &[
    // developers.openai.com/api/docs/guides/flex-processing: a 429 "Resource Unavailable" is not
    // charged. Its 500 and 502 are not documented.
    rule("openai", 429..=429, Free),
    // ai.google.dev/gemini-api/docs/billing, "Am I charged for failed requests?": not if it fails
    // with a 400 or 500 error. 408, 499 and 504 may be timeouts of a call that went on.
    rule("google", 400..=407, Free),
    rule("google", 409..=498, Free),
    rule("google", 500..=503, Free),
    // MicrosoftDocs/azure-docs, openai/how-to/manage-costs.md, "HTTP Error response code and billing
    // status": charged if the service has processed the request, such as a 400 by the content filter
    // or for the input limit, or a 408; not charged if not, such as 401 and 429. concepts/
    // content-filter.md says of the filtered prompt that it is charged.
    filtered("azure", Why::ContentFilter),
    filtered("azure", Why::TooLong),
    rule("azure", 401..=401, Free),
    rule("azure", 429..=429, Free),
    // openrouter.ai/docs/guides/features/zero-completion-insurance: no charge for an answer without
    // output whose finish reason is an error, for all models and providers.
    rule("openrouter", 400..=599, Free),
    // novita.ai/docs/guides/llm-billing, "HTTP status codes": charged are 200 and 499.
    rule("novita", 499..=499, Lost),
    rule("novita", 400..=498, Free),
    rule("novita", 500..=500, Free),
    rule("novita", 503..=504, Free),
    // fal.ai/docs/model-apis/faq, "Do you charge for failed requests?": never for 500 and above; a
    // 422 may be charged if a runner had spent time on it.
    rule("fal", 422..=422, Lost),
    rule("fal", 500..=599, Free),
    // docs.x.ai/docs/models, "Usage Guidelines Violation Fee": $0.05 a request.
    FailureRule { provider: "xai", statuses: 400..=403, why: Some(Why::Guidelines), what: Lost },
];

/// Where nothing is documented: the provider rejected the request (4xx), or turned it away before
/// any work (503: RFC 9110 §15.6.4; 529: platform.claude.com/docs/en/api/errors).
const STANDARD: &[FailureRule] = &[
    rule("", 400..=407, Free),
    rule("", 409..=498, Free),
    rule("", 503..=503, Free),
    rule("", 529..=529, Free),
];

const fn rule(
    provider: &'static str,
    statuses: RangeInclusive<u16>,
    what: FailedCall,
) -> FailureRule {
    FailureRule { provider, statuses, why: None, what }
}

const fn filtered(provider: &'static str, why: Why) -> FailureRule {
    FailureRule { provider, statuses: 400..=400, why: Some(why), what: Input }
}

/// The provider that answered: the requested one if the error has its form, else the one whose form
/// it is, if proxies do not write that form.
pub(super) fn answering<'a>(asked: Option<&'a str>, error: &ErrorBody) -> Option<&'a str> {
    match asked {
        // Only Azure adds an inner error, and its deployments are often priced as OpenAI's models.
        _ if error.hint == "azure" => Some("azure"),
        Some(provider) if owns(provider, error.form) => Some(provider),
        Some(_) if !error.form.is_distinct() => None,
        _ => Some(error.hint),
    }
}

/// The cost of an error of this provider.
pub(super) fn cost(provider: &str, status: u16, error: &ErrorBody) -> FailedCall {
    let fits = |rule: &&FailureRule| {
        rule.statuses.contains(&status) && rule.why.is_none_or(|why| error.why == Some(why))
    };
    let documented = DOCUMENTED.iter().filter(|rule| rule.provider == provider).find(fits);
    documented.or_else(|| STANDARD.iter().find(fits)).map_or(Lost, |rule| rule.what)
}

/// The cost of a failure of this provider whose body was not read.
pub(super) fn cost_unread(provider: &str, status: u16) -> FailedCall {
    let is_lost = |rule: &FailureRule| {
        rule.provider == provider && rule.what != Free && rule.statuses.contains(&status)
    };
    let is_rejection = STANDARD.iter().any(|rule| rule.statuses.contains(&status)) && status < 500;
    if is_rejection && !DOCUMENTED.iter().any(is_lost) { Free } else { Lost }
}

/// The table's name for a provider; price lists and clients have other names for some.
pub(super) fn known_as(provider: &str) -> &str {
    match provider {
        "gemini" => "google",
        "azure_ai" | "azure_openai" | "azure_text" => "azure",
        "aws" | "bedrock_converse" => "bedrock",
        "cohere_chat" => "cohere",
        "fal_ai" => "fal",
        "mistralai" => "mistral",
        "x-ai" => "xai",
        _ if provider.starts_with("vertex_ai") => "vertex_ai",
        _ => provider,
    }
}

/// Whether a provider writes its errors in this form. An unknown provider may use any.
fn owns(provider: &str, form: ErrorForm) -> bool {
    match provider {
        "openai" => matches!(form, ErrorForm::OpenAi),
        "anthropic" => matches!(form, ErrorForm::Anthropic),
        "google" => matches!(form, ErrorForm::Google),
        "vertex_ai" => matches!(form, ErrorForm::Google | ErrorForm::Anthropic),
        "azure" => matches!(form, ErrorForm::OpenAi | ErrorForm::Message),
        "bedrock" => matches!(form, ErrorForm::Message | ErrorForm::Anthropic | ErrorForm::OpenAi),
        "openrouter" => matches!(form, ErrorForm::OpenRouter | ErrorForm::OpenAi),
        "cohere" => matches!(form, ErrorForm::Message),
        "mistral" => matches!(form, ErrorForm::Mistral | ErrorForm::Detail | ErrorForm::Message),
        "ollama" => matches!(form, ErrorForm::Text | ErrorForm::OpenAi),
        "xai" => matches!(form, ErrorForm::Text | ErrorForm::OpenAi),
        "novita" => matches!(form, ErrorForm::Message | ErrorForm::OpenAi | ErrorForm::OpenRouter),
        "fal" | "voyage" => matches!(form, ErrorForm::Detail),
        "deepseek" | "groq" | "moonshot" | "zai" | "minimax" => matches!(form, ErrorForm::OpenAi),
        _ => true,
    }
}
