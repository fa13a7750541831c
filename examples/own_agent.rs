//! A budget around a trait of your own: `cargo run --example own_agent`.
//!
//! `Tool` stands for the trait of a framework or of your own code. A tool goes into `with_budget`, and a
//! tool comes out: the code that uses it does not change.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;

use bursar::agent::{CallError, OnRefusal};
use bursar::price::EstimateError;
use bursar::testing::block_on;
use bursar::usage::Outcome;
use bursar::{Account, Agent, BudgetConstrained, BudgetManager, Call, Estimate, Model, Usage, Usd};

/// The trait as it was found.
trait Tool: Send + Sync {
    fn name(&self) -> &str;
    fn call(&self, request: Request) -> Answering<'_>;
}

struct Request {
    prompt: String,
    model: String,
    max_tokens: u64,
}

type Answering<'a> = Pin<Box<dyn Future<Output = Result<Answer, ToolError>> + Send + 'a>>;

struct Answer {
    text: String,
    prompt_tokens: u64,
    completion_tokens: u64,
}

#[derive(Debug, thiserror::Error)]
enum ToolError {
    #[error("the server answered {0}")]
    Status(u16),
    #[error("{0}")]
    Other(String),
}

/// A tool with a budget is a tool. A refusal is an error of the tool, and nothing is sent.
fn with_budget(tool: impl Tool, account: Account, model: Model, cheaper: Model) -> impl Tool {
    BudgetConstrained::new(Priced { tool, model }, account)
        .on_refusal(OnRefusal::Shorten { at_least: 200 })
        .on_refusal(OnRefusal::FallTo(cheaper))
}

impl<T: Tool> Tool for BudgetConstrained<Priced<T>> {
    fn name(&self) -> &str {
        self.get_ref().name()
    }

    fn call(&self, request: Request) -> Answering<'_> {
        Box::pin(async move {
            match self.run(request).await {
                Ok(reply) => Ok(reply.output),
                Err(CallError::Agent(error)) => Err(error),
                Err(refused) => Err(ToolError::Other(refused.to_string())),
            }
        })
    }
}

/// What a budget has to know of a tool: the most that a call costs, and what it did cost.
struct Priced<T> {
    tool: T,
    model: Model,
}

impl<T: Tool> Agent for Priced<T> {
    type Task = Request;
    type Output = Answer;
    type Error = ToolError;

    fn name(&self) -> &str {
        self.tool.name()
    }

    fn estimate(&self, request: &Request) -> Result<Estimate, EstimateError> {
        let tokens = request.prompt.len() as u64; // a token has at least one byte
        Ok(self.model.estimate().input(tokens).max_output(request.max_tokens))
    }

    async fn execute(&self, call: Call<Request>) -> Result<Answer, ToolError> {
        // Both were chosen by the budget: a cheaper model and a shorter output when money is short.
        let model = call.model().unwrap_or(&self.model).id().to_owned();
        let max_tokens = call.max_output_tokens();
        let asked = call.into_task();
        let max_tokens = max_tokens.unwrap_or(asked.max_tokens);
        self.tool.call(Request { model, max_tokens, ..asked }).await
    }

    fn outcome(&self, result: &Result<Answer, ToolError>) -> Outcome {
        match result {
            Ok(answer) => {
                let usage = Usage::tokens(answer.prompt_tokens, answer.completion_tokens);
                Outcome::Billed(usage.into())
            }
            Err(ToolError::Status(status)) if *status < 500 => Outcome::Free,
            Err(_) => Outcome::Lost, // charged as held
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let budget = BudgetManager::new("0.006".parse::<Usd>()?)?;
    let (terra, luna) = (budget.model("gpt-6.1-terra")?, budget.model("gpt-6-luna")?);
    let poet = with_budget(Poet, budget.account("poet")?, terra, luna);

    // The code that uses a tool, unchanged.
    for theme in ["owls", "rain", "debts", "ledgers", "kings", "harbours", "snow", "the end"] {
        let prompt = format!("A poem about {theme}, please.");
        let request = Request { prompt, model: "gpt-6.1-terra".to_owned(), max_tokens: 400 };
        match block_on(poet.call(request)) {
            Ok(answer) => println!("{}", answer.text),
            Err(error) => println!("no poem about {theme}: {error}"),
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

    fn call(&self, request: Request) -> Answering<'_> {
        let Request { prompt, model, max_tokens } = request;
        let text = format!("{model} wrote at most {max_tokens} tokens");
        let (prompt_tokens, completion_tokens) = (prompt.len() as u64 / 4, max_tokens.min(260));
        Box::pin(async move {
            if prompt.contains("debts") {
                return Err(ToolError::Status(429));
            }
            Ok(Answer { text, prompt_tokens, completion_tokens })
        })
    }
}
