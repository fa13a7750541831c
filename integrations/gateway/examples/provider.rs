//! A provider for the SDKs' tests: prints its base URL, then what it has billed (in picodollars) and
//! how many requests it has seen, for each line that it reads.

use bursar_stand_in::{Answer, Seen, StandIn, Tokens};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let provider = StandIn::start().await.answering(answer);
    println!("{}", provider.root());
    let mut lines = BufReader::new(stdin()).lines();
    while lines.next_line().await?.is_some() {
        println!("{} {}", provider.bill(), provider.requests().len());
    }
    Ok(())
}

/// The weather, in as many steps as the request asks for.
fn answer(seen: &Seen) -> Answer {
    let body = seen.body.to_string();
    let has_result = body.contains("tool_call_id") || body.contains("tool_result");
    let tokens = Tokens::new(31, 12).cached(9);
    match () {
        () if body.contains("Break.") => Answer::error(500),
        () if body.contains("Slow down.") => Answer::error(429).header("retry-after", "0"),
        () if seen.body.get("tools").is_some() && !has_result => {
            Answer::tool("weather", json!({"city": "Ulm"})).usage(tokens)
        }
        () => Answer::text("Rain until noon.").usage(tokens),
    }
}
