//! What genai's answers and errors cost.

use bursar::usage::Outcome;
use bursar::{Bill, Reservation, Usage};
use genai::adapter::AdapterKind;
use genai::chat::ChatResponse;
use genai::embed::EmbedResponse;
use genai::webc;

/// What the provider's own body says; what genai made of it, if its form is not known.
pub(crate) fn of_chat(hold: &Reservation, response: &ChatResponse) -> Outcome {
    let kind = response.model_iden.adapter_kind;
    let model = &response.provider_model_iden.model_name;
    of_body(hold, response.captured_raw_body.as_ref(), || {
        of_usage(&response.usage, kind).map(|bill| bill.model(model.as_str()))
    })
}

pub(crate) fn of_embeddings(hold: &Reservation, response: &EmbedResponse) -> Outcome {
    let kind = response.model_iden.adapter_kind;
    of_body(hold, response.captured_raw_body.as_ref(), || of_usage(&response.usage, kind))
}

fn of_body(
    hold: &Reservation,
    body: Option<&serde_json::Value>,
    otherwise: impl Fn() -> Option<Bill>,
) -> Outcome {
    let Some(body) = body else { return otherwise().into() };
    // If the body's usage is impossible, genai's counts are not used either.
    let is_silent = Bill::from_response(body) == Ok(None);
    match otherwise().filter(|_| is_silent) {
        Some(bill) => Outcome::Billed(bill),
        None => hold.judge(200, body),
    }
}

/// genai's counts: all input, all output, and parts of them. `None` if there are none, or if a part
/// is larger than its whole.
pub(crate) fn of_usage(usage: &genai::chat::Usage, kind: AdapterKind) -> Option<Bill> {
    let count = |count: Option<i32>| u64::try_from(count.unwrap_or(0)).ok();
    if usage.prompt_tokens.is_none() && usage.completion_tokens.is_none() {
        return None;
    }
    let details = usage.prompt_tokens_details.clone().unwrap_or_default();
    let by_life = details.cache_creation_details.clone().unwrap_or_default();
    let (cache_read, input_audio) = (count(details.cached_tokens)?, count(details.audio_tokens)?);
    let cache_write_1h = count(by_life.ephemeral_1h_tokens)?;
    let written = match details.cache_creation_tokens {
        Some(_) => count(details.cache_creation_tokens)?,
        None => cache_write_1h.checked_add(count(by_life.ephemeral_5m_tokens)?)?,
    };
    let shorter = written.checked_sub(cache_write_1h)?;
    let is_openai = matches!(kind, AdapterKind::OpenAI | AdapterKind::OpenAIResp);
    let output = usage.completion_tokens_details.clone().unwrap_or_default();
    let (reasoning, output_audio) = (count(output.reasoning_tokens)?, count(output.audio_tokens)?);
    let parts_in = cache_read.checked_add(input_audio)?.checked_add(written)?;
    Some(Bill::new(Usage {
        input_uncached: count(usage.prompt_tokens)?.checked_sub(parts_in)?,
        input_audio,
        cache_read,
        cache_write_5m: if is_openai { 0 } else { shorter },
        cache_write_30m: if is_openai { shorter } else { 0 },
        cache_write_1h,
        output: count(usage.completion_tokens)?
            .checked_sub(reasoning.checked_add(output_audio)?)?,
        reasoning,
        output_audio,
        ..Usage::NONE
    }))
}

/// What a failed chat has cost. genai wraps whatever fails once it has an answer, so that the
/// errors of making the request stand for a request that was not sent.
pub(crate) fn of_chat_error(hold: &Reservation, error: &genai::Error) -> Outcome {
    match error {
        genai::Error::Internal(_) | genai::Error::JsonValueExt(_) | genai::Error::SerdeJson(_) => {
            Outcome::Unsent
        }
        error => of_error(hold, error),
    }
}

/// What a failed call has cost.
pub(crate) fn of_error(hold: &Reservation, error: &genai::Error) -> Outcome {
    use genai::Error as E;
    match error {
        // An answer that genai could not read. Its body is there, and the provider has billed it.
        E::ChatResponseGeneration { response_body, .. } => hold.judge(200, &**response_body),
        E::ChatResponse { body, .. } => hold.judge(200, body), // an error event of a stream
        E::WebModelCall { webc_error, .. } | E::WebAdapterCall { webc_error, .. } => {
            of_web_error(hold, webc_error)
        }
        E::HttpError { status, body, .. } => hold.judge(status.as_u16(), body),
        E::WebStream { error, .. } => {
            if let Some(inner) = error.downcast_ref::<genai::Error>() {
                return of_error(hold, inner);
            }
            error.downcast_ref::<reqwest::Error>().map_or(Outcome::Lost, of_transport)
        }
        E::ChatReqHasNoMessages { .. }
        | E::LastChatMessageIsNotUser { .. }
        | E::MessageRoleNotSupported { .. }
        | E::MessageContentTypeNotSupported { .. }
        | E::JsonModeWithoutInstruction
        | E::RequiresApiKey { .. }
        | E::NoAuthResolver { .. }
        | E::NoAuthData { .. }
        | E::ModelMapperFailed { .. }
        | E::Resolver { .. }
        | E::AdapterNotSupported { .. }
        | E::CacheBreakpointNoEligibleContent { .. }
        | E::AdapterKindMismatch { .. } => Outcome::Unsent,
        _ => Outcome::Lost,
    }
}

fn of_web_error(hold: &Reservation, error: &webc::Error) -> Outcome {
    match error {
        webc::Error::ResponseFailedStatus { status, body, .. } => hold.judge(status.as_u16(), body),
        webc::Error::Reqwest(error) => of_transport(error),
        _ => Outcome::Lost,
    }
}

fn of_transport(error: &reqwest::Error) -> Outcome {
    if error.is_connect() || error.is_builder() { Outcome::Unsent } else { Outcome::Lost }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn hold() -> Reservation {
        let budget = bursar::BudgetManager::new(bursar::Usd::dollars(1)).unwrap();
        let call = budget.model("gpt-5").unwrap().estimate().input(10).max_output(10);
        budget.reserve("", &call).unwrap()
    }

    fn of(usage: Value, kind: AdapterKind) -> Option<Usage> {
        let usage: genai::chat::Usage = serde_json::from_value(usage).unwrap();
        of_usage(&usage, kind).map(|bill| bill.usage)
    }

    #[test]
    fn parts_are_taken_out_of_their_wholes() {
        let usage = json!({
            "prompt_tokens": 3_500,
            "prompt_tokens_details": {"cached_tokens": 2_000, "cache_creation_tokens": 500,
                "cache_creation_details": {"ephemeral_5m_tokens": 400, "ephemeral_1h_tokens": 100}},
            "completion_tokens": 120, "completion_tokens_details": {"reasoning_tokens": 20},
        });
        let parts = Usage {
            cache_read: 2_000,
            cache_write_1h: 100,
            reasoning: 20,
            ..Usage::tokens(1_000, 100)
        };
        let anthropic = Usage { cache_write_5m: 400, ..parts };
        assert_eq!(of(usage.clone(), AdapterKind::Anthropic), Some(anthropic));
        let openai = Usage { cache_write_30m: 400, ..parts };
        assert_eq!(of(usage, AdapterKind::OpenAIResp), Some(openai));

        let audio = json!({"prompt_tokens": 90, "prompt_tokens_details": {"audio_tokens": 60},
            "completion_tokens": 9, "completion_tokens_details": {"audio_tokens": 4}});
        let parts = Usage { input_audio: 60, output_audio: 4, ..Usage::tokens(30, 5) };
        assert_eq!(of(audio, AdapterKind::OpenAI), Some(parts));
    }

    #[test]
    fn what_cannot_be_counts_no_bill() {
        let impossible = [
            json!({}),
            json!({"prompt_tokens": -1, "completion_tokens": 3}),
            json!({"prompt_tokens": 5, "completion_tokens": -3}),
            json!({"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 6}}),
            json!({"completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 6}}),
            json!({"prompt_tokens": 50, "prompt_tokens_details": {"cache_creation_tokens": 9,
                "cache_creation_details": {"ephemeral_1h_tokens": 10}}}),
        ];
        for usage in impossible {
            assert_eq!(of(usage.clone(), AdapterKind::Anthropic), None, "{usage}");
        }
    }

    #[test]
    fn an_answer_that_genai_cannot_read_is_billed_by_its_body() {
        let error = |body: Value| genai::Error::ChatResponseGeneration {
            model_iden: genai::ModelIden::new(AdapterKind::OpenAI, "gpt-5"),
            request_payload: Box::new(Value::Null),
            response_body: Box::new(body),
            cause: "strange".to_owned(),
        };
        let body = json!({"choices": 7, "usage": {"prompt_tokens": 5, "completion_tokens": 3}});
        let hold = hold();
        let billed = Outcome::Billed(Usage::tokens(5, 3).into());
        assert_eq!(of_chat_error(&hold, &error(body)), billed);
        assert_eq!(of_chat_error(&hold, &error(json!("not captured"))), Outcome::Lost);
    }

    #[test]
    fn what_was_not_sent_is_free() {
        let model_iden = genai::ModelIden::new(AdapterKind::OpenAI, "gpt-5");
        let hold = hold();
        assert_eq!(of_error(&hold, &genai::Error::RequiresApiKey { model_iden }), Outcome::Unsent);
        let odd = genai::Error::Internal("cannot parse url".to_owned());
        assert_eq!(of_chat_error(&hold, &odd), Outcome::Unsent);
        assert_eq!(of_error(&hold, &odd), Outcome::Lost);
    }
}
