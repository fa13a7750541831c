//! A budget around a trait of one's own: `cargo run --example own_agent`.
//!
//! `Tool` stands for the trait of a framework or of your own code. It is not changed: one function
//! turns whatever implements it into an agent.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;

use bursar::agent::{OnRefusal, agent_fn};
use bursar::testing::block_on;
use bursar::usage::Outcome;
use bursar::{Agent, BudgetConstrained, BudgetManager, Call, Limit, Model, Usage, Usd};

/// The trait as it was found.
trait Tool: Send + Sync {
    fn name(&self) -> &str;
    fn call(&self, prompt: String, model: &str, max_tokens: u64) -> Answering;
}

type Answering = Pin<Box<dyn Future<Output = Result<Answer, HttpError>> + Send>>;

struct Answer {
    text: String,
    prompt_tokens: u64,
    completion_tokens: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("the server answered {status}")]
struct HttpError {
    status: u16,
}

/// All that a budget has to know of it.
fn with_budget(
    tool: impl Tool,
    model: Model,
) -> impl Agent<Task = String, Output = Answer, Error = HttpError> {
    let name = tool.name().to_owned();
    let estimate = move |prompt: &String| {
        let tokens = prompt.len() as u64; // a token has at least one byte
        model.estimate().input(tokens).max_output(400)
    };
    let execute = move |call: Call<String>| {
        // Both were chosen by the budget: a cheaper model and a shorter output when money is short.
        let model = call.model().map_or("gpt-6.1-terra", |model| model.id());
        let max_tokens = call.max_output_tokens().unwrap_or(400);
        tool.call(call.task().clone(), model, max_tokens)
    };
    agent_fn(name, estimate, execute).outcome(|result| match result {
        Ok(answer) => {
            let usage = Usage::tokens(answer.prompt_tokens, answer.completion_tokens);
            Outcome::Billed(usage.into())
        }
        Err(error) if error.status < 500 => Outcome::Free,
        Err(_) => Outcome::Lost, // charged as held
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let budget =
        BudgetManager::builder().limit("", Limit::spend("0.006".parse::<Usd>()?)).build()?;
    let (terra, luna) = (budget.model("gpt-6.1-terra")?, budget.model("gpt-6-luna")?);
    let writer = BudgetConstrained::new(with_budget(Poet, terra), budget.account("poet")?)
        .on_refusal(OnRefusal::Shorten { at_least: 200 })
        .on_refusal(OnRefusal::FallTo(luna));

    for theme in ["owls", "rain", "debts", "ledgers", "kings", "harbours", "snow", "the end"] {
        let task = format!("A poem about {theme}, please.");
        println!("left: {}", writer.countdown(&task)?);
        match block_on(writer.run(task)) {
            Ok(reply) => println!("  {} for {}", reply.output.text, reply.cost),
            Err(error) => println!("  no poem about {theme}: {error}"),
        }
    }
    println!("\n{}", budget.report());
    Ok(())
}

/// An implementation as it was found. It fails now and then, as servers do.
struct Poet;

impl Tool for Poet {
    fn name(&self) -> &str {
        "poet"
    }

    fn call(&self, prompt: String, model: &str, max_tokens: u64) -> Answering {
        let text = format!("{model} wrote at most {max_tokens} tokens");
        let (prompt_tokens, completion_tokens) = (prompt.len() as u64 / 4, max_tokens.min(260));
        Box::pin(async move {
            match prompt.contains("debts") {
                true => Err(HttpError { status: 429 }),
                false => Ok(Answer { text, prompt_tokens, completion_tokens }),
            }
        })
    }
}
