//! A wrapper in a struct: how to name and store a [`BudgetConstrained`], a step of
//! [the guide](super).
//!
//! An agent made from closures has a type without a name. [`BoxAgent`] hides it, so that a struct
//! can keep several agents of any make; it costs one allocation for each call:
//!
//! ```
//! use std::io;
//!
//! use bursar::agent::{BoxAgent, agent_fn};
//! use bursar::testing::block_on;
//! use bursar::{Agent, Bill, BudgetConstrained, BudgetManager, Call, Usage, Usd};
//!
//! /// Task, output and error: with them the type of every worker of the house can be written.
//! type Worker = BudgetConstrained<BoxAgent<String, (String, Usage), io::Error>>;
//!
//! struct Desk {
//!     researchers: Vec<Worker>,
//! }
//!
//! /// Without a box, for one kind of agent: its type is inferred where a `Queue` is made.
//! struct Queue<A: Agent> {
//!     worker: BudgetConstrained<A>,
//!     waiting: Vec<A::Task>,
//! }
//!
//! fn worker(budget: &BudgetManager, path: &str) -> Result<Worker, Box<dyn std::error::Error>> {
//!     let terra = budget.model("gpt-6.1-terra")?;
//!     let agent = agent_fn(
//!         path,
//!         move |_: &String| terra.estimate().input(1_200).max_output(800),
//!         |call: Call<String>| async { Ok((call.into_task(), Usage::tokens(1_150, 340))) },
//!     )
//!     .bill(|(_, usage): &(String, Usage)| Some(Bill::new(*usage)));
//!     Ok(BudgetConstrained::new(BoxAgent::new(agent), budget.account(path)?))
//! }
//!
//! let budget = BudgetManager::new(Usd::dollars(1))?;
//! let researchers = vec![worker(&budget, "research/crawler")?, worker(&budget, "research/reader")?];
//! let desk = Desk { researchers };
//! let queue = Queue { worker: worker(&budget, "support")?, waiting: vec!["a refund".to_owned()] };
//! block_on(desk.researchers[1].run("a password".to_owned()))?;
//! block_on(queue.worker.run(queue.waiting[0].clone()))?;
//! assert_eq!(budget.spent(), "0.0057".parse()?); // two calls
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A type of your own that implements [`Agent`] has a name already: `BudgetConstrained<Client>`.
//! Behind an `Arc`, all tasks of a server share one wrapper; [`BudgetConstrained::run`] takes
//! `&self`.

#![allow(unused_imports, reason = "the names that the text links to")]

use crate::agent::{Agent, BoxAgent, BudgetConstrained};
