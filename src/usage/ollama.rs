//! Owns the usage of Ollama: `prompt_eval_count` and `eval_count`, beside the text.

use super::counts::Count;
use super::error::UsageError;
use super::json::Json;
use super::{Bill, Usage};

/// The bill of the two counts; `None` if neither is there. (That of the prompt may be missing when
/// all of it was cached, and that of the output when something was embedded.)
pub(super) fn bill(
    prompt_eval_count: Option<Json<'_>>,
    eval_count: Option<Json<'_>>,
) -> Result<Option<Bill>, UsageError> {
    let (mut input, mut output) = (Count::default(), Count::default());
    if let Some(value) = prompt_eval_count {
        input.read("", "prompt_eval_count", value)?;
    }
    if let Some(value) = eval_count {
        output.read("", "eval_count", value)?;
    }
    if input.or(output).said().is_none() {
        return Ok(None);
    }
    Ok(Some(Bill::new(Usage::tokens(input.or_zero(), output.or_zero()))))
}
