//! The example: an agent that asks until its money has ended, and the report.
//!
//! `cargo run -p bursar-genai --example budgeted` talks to a server of its own on the loopback.
//! `cargo run -p bursar-genai --features genai/rustls-tls --example budgeted -- gpt-6-luna` talks to
//! the provider of that model, with the key that genai finds in the environment.

use bursar::{BudgetManager, Limit, Period, Usd};
use bursar_genai::{BudgetedClient, Error};
use bursar_stand_in::{Answer, StandIn, Tokens};
use futures_util::StreamExt;
use genai::chat::{ChatMessage, ChatOptions, ChatRequest, ChatStreamEvent};
use genai::resolver::{AuthData, Endpoint, ServiceTargetResolver};
use genai::{Client, ServiceTarget};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let answer = Answer::text("It is 2,962 metres high.").usage(Tokens::new(40, 12));
    let server = StandIn::start().await.always(answer);
    let (model, client) = match std::env::args().nth(1) {
        Some(model) => (model, Client::new()?),
        None => ("gpt-6-luna".to_owned(), client_of(&server)?),
    };

    // These lines are all that the budget takes.
    let budget = BudgetManager::builder()
        .limit("", Limit::spend(Usd::dollars(1)).per(Period::MONTH))
        .limit("guides/*", Limit::spend("0.0002".parse()?))
        .build()?;
    let client = BudgetedClient::new(client, &budget, budget.account("guides/alps")?);

    let options = ChatOptions::default().with_max_tokens(300);
    let mut talk = ChatRequest::from_system("You are a terse guide.");
    loop {
        talk = talk.append_message(ChatMessage::user("How high is the Zugspitze?"));
        let response = match client.exec_chat_stream(&model, talk.clone(), Some(&options)).await {
            Ok(response) => response,
            Err(Error::Refused(refusal)) => {
                println!("\nNo more: {refusal}.\n\n{}", budget.report());
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let mut stream = response.stream;
        let mut text = String::new();
        while let Some(event) = stream.next().await {
            if let ChatStreamEvent::Chunk(chunk) = event? {
                text.push_str(&chunk.content);
            }
        }
        let cost = stream.receipt().map(|receipt| receipt.cost.exact());
        println!("{text} ({})", cost.map_or("free".to_owned(), |cost| format!("${cost}")));
        talk = talk.append_message(ChatMessage::assistant(text));
    }
}

/// genai's client, pointed at the server on the loopback.
fn client_of(server: &StandIn) -> Result<Client, genai::Error> {
    let url = format!("{}/", server.url());
    let to_server = move |mut target: ServiceTarget| {
        target.endpoint = Endpoint::from_owned(url.clone());
        target.auth = AuthData::from_single("key");
        Ok(target)
    };
    let resolver = ServiceTargetResolver::from_resolver_fn(to_server);
    Client::builder().with_service_target_resolver(resolver).build()
}
