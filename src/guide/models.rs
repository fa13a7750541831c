//! Models of your own, and other currencies: two more steps of [the guide](super).
//!
//! # Models of your own
//!
//! A server of your own, a fine-tune, a deployment at Azure, a router: the catalogue cannot know
//! what they cost you. Write a [`ModelPrice`] for each, with the provider's name in front, and put
//! it into the book that the manager gets:
//!
//! ```
//! use std::sync::{Arc, Mutex};
//!
//! use bursar::{Bill, BudgetManager, ModelPrice, PriceBook};
//!
//! let mut book = PriceBook::builtin();
//!
//! // vLLM on a machine that is paid for anyway: free, because you say so. Rented by the hour? Divide
//! // the rent by the tokens that it makes in an hour, and write that price down.
//! book.insert(ModelPrice::free("vllm", "qwen3-32b").max_output(8_192))?;
//!
//! // A fine-tune, under the name that the provider gave it, in dollars for a million tokens.
//! let tune = "ft:gpt-4.1-mini-2025-04-14:acme::8s2k";
//! book.insert(ModelPrice::new("openai", tune, "0.8".parse()?, "3.2".parse()?))?;
//!
//! // A deployment at Azure, under the name that you gave it and at the price of your contract. The
//! // alias is the name that its answers bear.
//! let deployment = ModelPrice::new("azure", "prod-chat", "1.8".parse()?, "7.2".parse()?);
//! book.insert(deployment.alias("gpt-4.1-2025-04-14"))?;
//!
//! // OpenRouter's name for a model of the catalogue: its price bounds the call, and what OpenRouter
//! // says that the call cost is booked.
//! book.alias("anthropic/claude-sonnet-4.5", "claude-sonnet-4-5")?;
//!
//! let alerts = Arc::new(Mutex::new(Vec::new()));
//! let raised = Arc::clone(&alerts);
//! let budget = BudgetManager::builder()
//!     .prices(book)
//!     .on_alert(move |alert| raised.lock().unwrap().push(alert.to_string()))
//!     .build()?;
//!
//! let cost = |asked: &str, answered: &str, stated: &str| {
//!     let call = budget.model(asked)?.estimate().input(1_200).max_output(800);
//!     let hold = budget.reserve("support", &call)?;
//!     let answer = format!(
//!         r#"{{"model": "{answered}", "choices": [{{"message": {{"content": "Yes."}}}}],
//!             "usage": {{"prompt_tokens": 1000, "completion_tokens": 500{stated}}}}}"#
//!     );
//!     let bill = Bill::from_response(&answer)?.expect("it has usage");
//!     Ok::<_, Box<dyn std::error::Error>>(hold.settle(bill).cost.to_string())
//! };
//! assert_eq!(cost(tune, tune, "")?, "$0.0024");
//! assert_eq!(cost("azure/prod-chat", "gpt-4.1-2025-04-14", "")?, "$0.0054");
//! let sonnet = "anthropic/claude-sonnet-4.5";
//! assert_eq!(cost(sonnet, sonnet, r#", "cost": 0.0099"#)?, "$0.0099");
//! assert!(alerts.lock().unwrap().is_empty());
//!
//! // An unexpected name: your price stays, and an alert names the model that answered.
//! assert_eq!(cost("vllm/qwen3-32b", "qwen3-235b-a22b", "")?, "$0.00");
//! let raised = alerts.lock().unwrap().join("\n");
//! assert!(raised.contains("vllm/qwen3-32b was asked and `qwen3-235b-a22b` answered"), "{raised}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A price that you wrote down goes before what a provider states, and before the catalogue's price
//! for the name in the answer. It gives way only to another price of yours at the same provider.
//! [`PriceBook::price_bill`] has the table. So write no price of your own for what OpenRouter
//! bills: give its names to models of the catalogue, or [load a list](crate::price) that has them.
//!
//! What a model without a price costs is never guessed: [`BudgetManager::model`] refuses its name
//! and says what to do. Its longest output is unknown too, unless you set it with
//! [`max_output`](ModelPrice::max_output) or each call names a cap.
//!
//! # Other currencies
//!
//! There are only dollars. No exchange rate is in the crate, and none is fetched: a rate that moves
//! would change what yesterday's calls cost. If a list is in another currency, or your budget is,
//! choose a rate, write it down once, and convert both at it:
//!
//! ```
//! use bursar::{BudgetManager, Limit, ModelPrice, Period, PriceBook, Rate, Usage, Usd};
//!
//! // Dollars for a thousandth of a euro: $1.16 for a euro, and 2 % for a worse day.
//! let milli_euro: Usd = "0.0011832".parse()?;
//! let euros = |thousandths: i128| milli_euro.checked_mul(thousandths).ok_or("too much money");
//!
//! // "€0.35 for a million tokens in, €1.10 out", says the list.
//! let (input, output) = (Rate::per_million(euros(350)?)?, Rate::per_million(euros(1_100)?)?);
//! let mut book = PriceBook::builtin();
//! let price = ModelPrice::new("vendor", "mistling-2", input, output);
//! book.insert(price.source("the vendor's list of November 2026, at $1.1832 for a euro"))?;
//!
//! // And €500 a month.
//! let budget = BudgetManager::builder()
//!     .prices(book)
//!     .limit("", Limit::spend(euros(500_000)?).per(Period::MONTH))
//!     .build()?;
//! assert_eq!(budget.account("")?.remaining(), Some("591.60".parse()?));
//!
//! let call = budget.model("mistling-2")?.estimate().input(1_000_000).max_output(100_000);
//! let receipt = budget.reserve("support", &call)?.settle(Usage::tokens(1_000_000, 100_000));
//! assert_eq!(receipt.cost, euros(460)?); // €0.35 and €0.11
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! All of it is exact: a rate is decimal text, and nothing passes through a float. When the rate
//! has moved too far, give the price new numbers from a day on, with
//! [`from_date`](ModelPrice::from_date): calls before that day keep what they cost. A report in
//! euros is the amounts of the [`Report`], divided by your rate where they are shown. What the bank
//! charges for the exchange is not in the ledger.

#![allow(unused_imports, reason = "the names that the text links to")]

use crate::budget::{BudgetManager, Report};
use crate::price::{ModelPrice, PriceBook};
