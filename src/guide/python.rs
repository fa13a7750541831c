//! The page of Python that the project grew from, next to its Rust: the last step of [the
//! guide](super).
//!
//! The page had five pieces and a sum. Here is each of them in a few lines, what goes wrong with it
//! under load, and what to write instead.
//!
//! # 1. A budget for each agent
//!
//! ```python
//! class BudgetManager:
//!     def can_afford(self, agent_id, estimated_tokens):
//!         with self._lock:
//!             spent = sum(b.total_cost for b in self.budgets.values())
//!             return spent + estimated_tokens / 1000 * self.input_cost <= self.total_budget
//!
//!     def record_usage(self, agent_id, input_tokens, output_tokens):
//!         with self._lock:
//!             self.budgets[agent_id].total_cost += (
//!                 input_tokens / 1000 * self.input_cost + output_tokens / 1000 * self.output_cost)
//! ```
//!
//! Two agents that ask at once can both afford the last dollar. The output is not in the estimate,
//! and an agent has no limit of its own. Here, one step asks and takes:
//!
//! ```
//! use bursar::{BudgetManager, Limit, Usage, Usd};
//!
//! let budget = BudgetManager::builder()
//!     .limit("", Limit::spend(Usd::dollars(10)))
//!     .limit("*", Limit::spend(Usd::dollars(2))) // each agent
//!     .build()?;
//! let call = budget.model("gpt-6.1-terra")?.estimate().input(1_200).max_output(800);
//!
//! let hold = budget.reserve("researcher", &call)?; // or a refusal, which says why
//! let receipt = hold.settle(Usage::tokens(1_150, 340)); // what the answer says
//! assert!(receipt.cost > Usd::ZERO);
//! println!("{}", budget.report());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # 2. A cache of results
//!
//! ```python
//! class ResultCache:
//!     def get(self, input_data):
//!         key = hashlib.md5(str(sorted(input_data.items())).encode()).hexdigest()
//!         result, timestamp = self.cache.get(key, (None, 0))
//!         return result if time.time() - timestamp < self.ttl else None
//! ```
//!
//! It grows for ever, and a hundred equal questions at once are a hundred calls. Here the cache is
//! bounded, the questions wait for one answer, and what was saved is counted:
//!
//! ```
//! use std::time::Duration;
//!
//! use bursar::cache::{Computed, Namespace, ResultCache};
//! use bursar::testing::block_on;
//! use bursar::Usd;
//!
//! # async fn ask(_: &str) -> std::io::Result<Computed<String>> {
//! #     Ok(Computed::new("Paris".to_owned(), Usd::cents(2)))
//! # }
//! let cache = ResultCache::builder().max_entries(10_000).ttl(Duration::from_secs(3_600)).build();
//! let space = Namespace::tenant("acme").with("model", "gpt-6.1-terra");
//! let question = "What is the capital of France?";
//! for _ in 0..2 {
//!     let answer = block_on(cache.get_or_run(space.key(question)?, ask(question)))?;
//!     assert_eq!(*answer.value, "Paris");
//! }
//! assert_eq!(cache.stats().saved, Usd::cents(2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # 3. The cheaper model where it will do
//!
//! ```python
//! class ModelSelector:
//!     def select_model(self, task_complexity):
//!         return "gpt-4" if task_complexity == "complex" else "gpt-3.5-turbo"
//! ```
//!
//! The prices stand beside it and are not looked at. Here they are, with the money that is left:
//!
//! ```
//! use bursar::select::{Candidate, Complexity, ModelSelector, Requirements};
//! use bursar::{BudgetManager, Usd};
//!
//! let budget = BudgetManager::new(Usd::dollars(10))?;
//! let (sol, luna) = (budget.model("gpt-6.1-sol")?, budget.model("gpt-6-luna")?);
//! let selector =
//!     ModelSelector::new().candidate(Candidate::new(&sol, 95)).candidate(Candidate::new(&luna, 60));
//! assert_eq!(selector.select(Complexity::Simple)?.name(), luna.name());
//!
//! let researcher = budget.account("researcher")?;
//! let requirements = Requirements::new(Complexity::Complex).money_left(researcher.money_left());
//! let ranking = selector.rank(|model| model.estimate().input(9_000).max_output(4_000), &requirements)?;
//! let hold = researcher.request_ranked(&ranking).reserve()?; // the first that fits
//! assert_eq!(hold.model().map(|model| model.name()), Some(sol.name()));
//! # hold.release();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # 4. Less context
//!
//! ```python
//! def trim_context(messages, max_tokens=2000):
//!     trimmed, total = [], 0
//!     for message in reversed(messages):
//!         total += len(message["content"]) // 4
//!         if total > max_tokens:
//!             break
//!         trimmed.insert(0, message)
//!     return trimmed
//! ```
//!
//! The instructions go first, and a tool's result may stay without its call, which every provider
//! refuses. Here both are kept:
//!
//! ```
//! use bursar::context::openai;
//! use bursar::trim_context;
//! use serde_json::json;
//!
//! let mut messages = vec![json!({"role": "system", "content": "You are terse."})];
//! messages.extend((0..400).map(|n| json!({"role": "user", "content": format!("Line {n}.")})));
//! let chat = openai(&messages);
//! let trimmed = trim_context(&chat, 2_000)?;
//! assert!(trimmed.tokens() <= 2_000);
//! assert_eq!(trimmed.render()[0], messages[0]);
//! # Ok::<(), bursar::context::TrimError>(())
//! ```
//!
//! # 5. An agent that keeps to its budget
//!
//! ```python
//! class BudgetConstrainedAgent:
//!     async def execute(self, task):
//!         tokens = len(str(task)) // 4
//!         if not self.budget_manager.can_afford(self.agent_id, tokens):
//!             raise Exception("Budget exceeded")
//!         result = await self.agent.execute(task)
//!         self.budget_manager.record_usage(self.agent_id, tokens, tokens // 2)
//!         return result
//! ```
//!
//! It books its own estimate, and nothing if the call fails or is cancelled. Here the bill is
//! booked, and a reply that was lost is not free:
//!
//! ```
//! use bursar::agent::agent_fn;
//! use bursar::testing::block_on;
//! use bursar::{Bill, BudgetConstrained, BudgetManager, Call, Usage, Usd};
//!
//! # async fn chat(_: &str, _: u64) -> std::io::Result<(String, Usage)> {
//! #     Ok(("Paris".to_owned(), Usage::tokens(1_150, 340)))
//! # }
//! let budget = BudgetManager::new(Usd::dollars(10))?;
//! let terra = budget.model("gpt-6.1-terra")?;
//! let agent = agent_fn(
//!     "researcher",
//!     move |task: &String| terra.estimate().input(1_200 + task.len() as u64).max_output(800),
//!     |call: Call<String>| async move {
//!         chat(call.task(), call.max_output_tokens().unwrap_or(800)).await
//!     },
//! )
//! .bill(|(_, usage): &(String, Usage)| Some(Bill::new(*usage)));
//!
//! let researcher = BudgetConstrained::new(agent, budget.account("researcher")?);
//! let reply = block_on(researcher.run("the capital of France".to_owned()))?;
//! assert_eq!((reply.output.0.as_str(), budget.spent()), ("Paris", reply.cost));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The sum
//!
//! ```python
//! per_agent = 100 * 1000 / 1000 * 0.002   # 100 tasks a day of 1,000 tokens: $0.20
//! month = per_agent * 5 * 3 * 30          # five agents, three times for overhead: $90
//! ```
//!
//! ```
//! use bursar::plan::Agents;
//! use bursar::{ModelPrice, Plan, PriceBook, Rate, Usd};
//!
//! let rate: Rate = "2".parse()?; // dollars for a million tokens
//! let mut book = PriceBook::empty();
//! book.insert(ModelPrice::new("page", "model", rate, rate))?;
//! let agents = Agents::new("agents", 5).tasks_per_day(100).tokens(800, 200);
//! let plan = Plan::builder()
//!     .agents(agents.model(&book.find("model")?, 1))
//!     .overhead("3".parse()?)
//!     .build("2026-11-24T00:00:00Z".parse()?)?;
//! assert_eq!(plan.month().expected, Usd::dollars(90));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
