//! [`EstimateError`], and the step from a request body to its [`Estimate`].

use std::sync::Arc;

use crate::usage::tokens::Heuristic;
use crate::usage::{Body, Bucket, Request, RequestError};

use super::book::UnknownModel;
use super::cost::PriceError;
use super::estimate::{Estimate, Further};
use super::model::Model;

impl Model {
    /// Bounds a call by the body of its request, in the form of any provider. Tokens are counted
    /// with the [`Heuristic`] for this model; for another counter, and for what a body cannot say,
    /// give a [`Request`] to [`estimate_of`](Model::estimate_of).
    ///
    /// The model is this one: the name in the body is not looked up. An answer without a cap is
    /// bounded by what the model can answer; then [`cap_is_assumed`](Estimate::cap_is_assumed) is
    /// true.
    ///
    /// ```
    /// use bursar::{PriceBook, Usd};
    ///
    /// let terra = PriceBook::builtin().find("gpt-6.1-terra")?;
    /// let body = r#"{"model": "gpt-6.1-terra", "max_completion_tokens": 800, "messages": [
    ///     {"role": "system", "content": "You are terse."},
    ///     {"role": "user", "content": "How high is the Zugspitze?"}]}"#;
    /// let call = terra.estimate_request(body)?;
    /// let cost = call.cost_at("2026-11-24T09:00:00Z".parse()?)?;
    /// assert!(cost < Usd::cents(1) && !call.cap_is_assumed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`RequestError`]: the body cannot be read, or nothing in it bounds a part of the input or
    /// the searches.
    pub fn estimate_request<'b>(
        &self,
        body: impl Into<Body<'b>>,
    ) -> Result<Estimate, RequestError> {
        self.estimate_of(&self.read_request(body)?)
    }

    /// [`Request::read`] for this model, with its [`Heuristic`]: the step before
    /// [`estimate_of`](Model::estimate_of), for what a body cannot say.
    ///
    /// # Errors
    ///
    /// As [`Request::read`].
    pub fn read_request<'b>(&self, body: impl Into<Body<'b>>) -> Result<Request, RequestError> {
        Request::read(body, self.id(), &Heuristic::for_model(self.id()))
    }

    /// Bounds a call by what its request says. Input that
    /// [is one prompt](Request::is_one_prompt) never counts as more than the model's context
    /// window: the provider refuses more.
    ///
    /// Fallback models that the request names are looked up in the price list in which this model
    /// was found, and their cost is held too: [`fallback_models`](Estimate::fallback_models).
    ///
    /// # Errors
    ///
    /// [`RequestError::Unseen`] and [`RequestError::UnboundedSearches`]: the request does not hold
    /// all that will be billed. [`RequestError::Fallback`]: a fallback model has no price.
    pub fn estimate_of(&self, request: &Request) -> Result<Estimate, RequestError> {
        let estimate = self.estimate_alone(request)?;
        if request.attempts.is_empty() {
            return Ok(estimate);
        }
        let further = request.attempts.iter().map(|attempt| {
            let unpriced = || RequestError::Fallback {
                field: attempt.field.clone(),
                model: attempt.model.clone(),
            };
            // `default` is not a name: Anthropic chooses the models.
            let named = Some(&attempt.model).filter(|name| *name != "default");
            let model = named.and_then(|name| self.find_beside(name)).ok_or_else(unpriced)?;
            let model = match self.auto_tier() {
                Some(tier) => model.with_auto_tier(tier),
                None => model,
            };
            let estimate = model.estimate_alone(&attempt.request)?;
            let (is_added, has_own_cap) = (attempt.is_added, attempt.has_own_cap);
            Ok(Further { estimate, is_added, has_own_cap })
        });
        Ok(estimate.with_further(further.collect::<Result<_, RequestError>>()?))
    }

    /// The same, without the fallback models.
    fn estimate_alone(&self, request: &Request) -> Result<Estimate, RequestError> {
        if let Some(field) = request.unseen.first() {
            return Err(RequestError::Unseen { field: field.clone() });
        }
        let searches = request.web_searches.ok_or(RequestError::UnboundedSearches)?;
        // A search in the web is the dearer one where the request allows both.
        let only_files = request.fees.searches_files && !request.fees.searches_web;
        let searched =
            if only_files { Bucket::FileSearchRequests } else { Bucket::WebSearchRequests };
        let window = self.price().context_window_tokens().filter(|_| request.is_one_prompt);
        let most = window.unwrap_or(u64::MAX);
        let estimate = self
            .estimate()
            .input(request.input.min(most))
            .input_audio(request.input_audio.min(most))
            .choices(request.choices)
            .count(searched, searches)
            .count(Bucket::CodeContainers, request.fees.containers)
            .count(Bucket::MapsRequests, request.fees.maps)
            .service(request.service.clone().unwrap_or_default())
            .regional(request.regional)
            .output_audio(request.output_audio)
            .reasoning_off(request.reasoning_off);
        let estimate = match request.max_output {
            Some(cap) => estimate.max_output(cap),
            None => estimate,
        };
        let estimate = match (&request.service, self.auto_tier()) {
            (None, Some(tier)) => estimate.auto_tier(tier.clone()),
            _ => estimate,
        };
        let marks = [
            (request.cache_write_5m, Bucket::CacheWrite5m),
            (request.cache_write_30m, Bucket::CacheWrite30m),
            (request.cache_write_1h, Bucket::CacheWrite1h),
            (request.cache_write_12h, Bucket::CacheWrite12h),
        ];
        let marked = marks.into_iter().filter(|(is_marked, _)| *is_marked);
        Ok(marked.fold(estimate, |estimate, (_, bucket)| estimate.cache_writes(bucket)))
    }
}

/// Why a call has no upper bound of its cost. Nothing has been held or sent.
///
/// An [`Agent`](crate::Agent) that cannot read its task says so with it: with `?` on what bursar
/// could not read, or in words of its own.
///
/// ```
/// use bursar::price::EstimateError;
///
/// let error = EstimateError::from("the page has no text");
/// assert_eq!(error.to_string(), "the page has no text");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EstimateError {
    /// The body of the request cannot be read, or does not bound what will be billed.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The request does not name its model. Where the URL does (Gemini, Bedrock, Azure), find the
    /// model by that name, and use [`Model::estimate_request`].
    #[error("the request names no model; add `model`")]
    NoModel,
    /// The book has no price of the model.
    #[error(transparent)]
    UnknownModel(#[from] UnknownModel),
    /// The model has no price for what may be used.
    #[error(transparent)]
    Price(#[from] PriceError),
    /// What an agent says.
    #[error("{0}")]
    Other(Arc<str>),
}

impl From<&str> for EstimateError {
    fn from(why: &str) -> EstimateError {
        EstimateError::Other(why.into())
    }
}

impl From<String> for EstimateError {
    fn from(why: String) -> EstimateError {
        EstimateError::Other(why.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::price::PriceBook;

    fn bound(model: &str, request: &Request) -> (u64, u64) {
        let model = PriceBook::builtin().find(model).unwrap();
        let estimate = model.estimate_of(request).unwrap();
        let bound = estimate.bound("2026-11-24T09:00:00Z".parse().unwrap()).unwrap();
        (bound.input, bound.cap)
    }

    fn read(body: &str) -> Request {
        Request::read(body, "gpt-6.1-terra", &Heuristic::new()).unwrap()
    }

    #[test]
    fn a_request_without_a_cap_is_bounded_by_the_model_and_says_so() {
        let model = PriceBook::builtin().find("gpt-6.1-terra").unwrap();
        let open = r#"{"messages": [{"role": "user", "content": "Hi"}]}"#;
        let estimate = model.estimate_request(open).unwrap();
        assert!(estimate.cap_is_assumed());
        assert_eq!(bound("gpt-6.1-terra", &read(open)).1, 128_000);

        let capped = r#"{"max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}"#;
        assert!(!model.estimate_request(capped).unwrap().cap_is_assumed());
        assert!(!Estimate::fixed(crate::Usd::cents(1)).cap_is_assumed());
    }

    #[test]
    fn one_prompt_is_no_longer_than_the_context_window() {
        let body = r#"{"max_output_tokens": 9, "input": "On?", "previous_response_id": "r"}"#;
        let request = read(body).with_unseen_input(u64::MAX);
        assert_eq!(bound("gpt-6.1-terra", &request), (1_050_000, 9));

        let body = r#"{"max_output_tokens": 9, "input": "On?", "tools": [{"type": "mcp"}]}"#;
        let request = read(body).with_unseen_input(2_000_000);
        assert!(bound("gpt-6.1-terra", &request).0 > 2_000_000, "the model may be asked again");
    }

    #[test]
    fn what_the_request_does_not_bound_is_an_error_that_names_the_remedy() {
        let model = PriceBook::builtin().find("claude-opus-4-8").unwrap();
        let body = r#"{"max_tokens": 9, "messages": [{"role": "user", "content": "News?"}],
            "tools": [{"type": "web_search_20250305", "name": "web_search"}]}"#;
        let error = model.estimate_request(body).unwrap_err();
        assert!(error.to_string().contains("`tools[0]`"), "{error}");
        let request = model.read_request(body).unwrap();
        let request = request.with_unseen_input(50_000);
        let error = model.estimate_of(&request).unwrap_err();
        assert!(error.to_string().contains("max_uses"), "{error}");
        assert!(model.estimate_of(&request.with_web_searches(3)).is_ok());
    }

    #[test]
    fn marks_tiers_and_regions_reach_the_price() {
        let model = PriceBook::builtin().find("claude-opus-4-8").unwrap();
        let at = "2026-11-24T09:00:00Z".parse().unwrap();
        let cost = |extra: &str| {
            let body = format!(
                r#"{{"max_tokens": 1, {extra} "messages": [{{"role": "user", "content": "{}"}}]}}"#,
                "word ".repeat(1_000)
            );
            model.estimate_request(&body).unwrap().cost_at(at).unwrap()
        };
        let plain = cost("");
        let marked = cost(r#""cache_control": {"type": "ephemeral"},"#);
        let longer = cost(r#""cache_control": {"type": "ephemeral", "ttl": "1h"},"#);
        assert!(plain < marked && marked < longer);
        assert!(cost(r#""inference_geo": "us","#) > plain);
        assert!(cost(r#""speed": "fast","#) > plain);
    }
}
