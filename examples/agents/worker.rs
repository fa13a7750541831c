//! What a worker does: notes on passage after passage, until the money ends.

use std::fmt::Display;

use bursar::agent::CallError;
use bursar::{BudgetConstrained, Call};

use super::client::{HttpError, text_of};
use super::script;
use super::team::Chat;

/// What a worker has found, and why it stopped.
#[derive(Default)]
pub struct Work {
    pub told: Vec<String>,
    pub notes: Vec<String>,
    pub refusal: String,
}

pub async fn work(worker: BudgetConstrained<Chat>, call: Call<String>) -> Work {
    let (topic, mut work) = (call.task(), Work::default());
    while work.refusal.is_empty() {
        let passage = work.notes.len() + 1;
        let text = script::essay("In the archive stands that", 1_500);
        let prompt = format!("Note {passage} on {topic}: {text}");
        work.told.push(match worker.call(call.inner(prompt)).await {
            Ok(reply) => {
                let model = reply.receipt.and_then(|receipt| receipt.model);
                let model = model.as_ref().map_or("no model", |model| model.id());
                work.notes.push(text_of(&reply.output).0);
                format!("{topic}: note {passage} by {model}, {}", reply.cost)
            }
            // A 429 costs nothing, a 500 what the provider says when it is asked.
            Err(CallError::Agent(HttpError { status, .. })) if status > 0 => {
                format!("{topic}: the provider answered {status}; again")
            }
            Err(error) => {
                work.refusal = error.to_string();
                format!("{topic}: note {passage} refused\n  {}", cut(&error))
            }
        });
    }
    work
}

/// A refusal in lines that fit a terminal.
pub fn cut(refusal: &impl Display) -> String {
    refusal
        .to_string()
        .replace(" but the ", "\n  but the ")
        .replace(" but its", "\n  but its")
        .replace("; it", ";\n  it")
}
