//! The guide: a budget for a small company of agents, step by step.
//!
//! Acme answers its customers with a support agent, and writes reports with a crew of researchers.
//! Each step goes on from the one before, shows code that is compiled and run with the crate's
//! tests, and ends with what comes out. It takes half an hour; the first three steps are enough to
//! start with.
//!
//! | | step | you meet |
//! |---|---|---|
//! | 1 | [The limits](#1-the-limits) | [`BudgetManager`], [`Limit`], [`Period`] |
//! | 2 | [One call](#2-one-call) | [`Model`], [`Estimate`], [`Reservation`], [`Receipt`] |
//! | 3 | [A refusal](#3-a-refusal) | [`ReserveError`], [`Denied`] |
//! | 4 | [A limit for each customer](#4-a-limit-for-each-customer) | [`Tag`], [`ReserveRequest`] |
//! | 5 | [The call itself](#5-the-call-itself) | [`Reservation::sending`], [`Bill::from_response`], lost replies |
//! | 6 | [A stream](#6-a-stream) | [`BudgetedStream`], [`Tally`] |
//! | 7 | [An agent](#7-an-agent) | [`agent_fn`], [`BudgetConstrained`], [`OnRefusal`], [`ResultCache`] |
//! | 8 | [A team](#8-a-team) | [`Call::inner`], [`Meter`] |
//! | 9 | [Waiting for room](#9-waiting-for-room) | [`ReserveRequest::wait`] |
//! | 10 | [Alerts, and the kill switch](#10-alerts-and-the-kill-switch) | [`Alert`], [`Observer`], [`BudgetManager::freeze`] |
//! | 11 | [A limit for each task](#11-a-limit-for-each-task) | [`Run`] |
//! | 12 | [The policy as a file](#12-the-policy-as-a-file) | [`Policy`] |
//! | 13 | [A ledger that survives](#13-a-ledger-that-survives) | feature `sqlite` |
//! | 14 | [The report](#14-the-report) | [`Report`] |
//! | 15 | [Eyes on the money](#15-eyes-on-the-money) | features `tracing` and `metrics` |
//! | 16 | [Testing your own agents](#16-testing-your-own-agents) | [`testing`] |
//! | 17 | [A wrapper in a struct](wrappers) | [`BoxAgent`] |
//! | 18 | [Models of your own](models#models-of-your-own) | [`ModelPrice`], [`PriceBook`] |
//! | 19 | [Other currencies](models#other-currencies) | dollars, and your rate |
//! | 20 | [The page of Python, next to its Rust](python) | all of it once more |
//!
//! # 1. The limits
//!
//! Accounts form a tree, and a call is charged to its account and to all above it. `""` is the
//! root: the company. `research/*` is a pattern: each child of `research` has that limit for
//! itself.
//!
//! ```
//! use bursar::{BudgetManager, Limit, Period, Usd};
//!
//! let budget = BudgetManager::builder()
//!     .limit("", Limit::spend(Usd::dollars(500)).per(Period::MONTH)) // the company
//!     .limit("", Limit::in_flight(8)) // at once
//!     .limit("research", Limit::spend(Usd::dollars(20)).per(Period::day_in("Europe/Berlin")?))
//!     .limit("research/*", Limit::spend(Usd::dollars(5)).per(Period::day_in("Europe/Berlin")?))
//!     .build()?;
//!
//! let crawler = budget.account("research/crawler")?;
//! assert_eq!(crawler.remaining(), Some(Usd::dollars(5))); // the tightest of the three on money
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A limit caps cost, [tokens](Limit::tokens), [input](Limit::input_tokens) or [output
//! tokens](Limit::output_tokens), [calls](Limit::requests) or [calls at once](Limit::in_flight);
//! over its lifetime, a period of the calendar in a time zone, or a [rolling
//! time](Period::rolling); for all models or [some](Limit::only_model). `budget` is cheap to
//! clone, and so are the handles that it gives out: keep them wherever you like.
//!
//! # 2. One call
//!
//! Money is *reserved* before a call and *settled* after it. The estimate is an upper bound: what
//! you send, and the most that the model may write. The book has the prices, with their dates.
//!
//! ```
//! use bursar::{BudgetManager, Usage, Usd};
//!
//! let budget = BudgetManager::new(Usd::dollars(500))?; // or the one of step 1
//! let support = budget.account("support")?;
//! let terra = budget.model("gpt-6.1-terra")?; // an unknown name is an error that names the nearest
//!
//! let hold = support.reserve(&terra.estimate().input(1_200).max_output(800))?;
//! assert_eq!(hold.held().to_string(), "$0.0055");
//! assert_eq!(hold.max_output_tokens(), 800); // what the request has to say
//!
//! // … the call …
//!
//! let receipt = hold.settle(Usage::tokens(1_150, 340)); // what the provider counted
//! assert_eq!(receipt.cost.to_string(), "$0.00285");
//! assert_eq!(support.spent(), receipt.cost);
//! assert_eq!(support.held(), Usd::ZERO);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `settle` cannot fail: the provider has sent its bill, and the truth is booked, whatever it is.
//! You have the request as JSON already? [`Model::estimate_request`] bounds it as it is. A search,
//! a sandbox, an image costs a plain amount: [`Estimate::fixed`], and
//! [`settle_cost`](Reservation::settle_cost).
//!
//! # 3. A refusal
//!
//! A call that does not fit is refused, and nothing is held. The refusal is a sentence, and the
//! same as data.
//!
//! ```
//! use bursar::{BudgetManager, Estimate, Limit, Period, ReserveError, Usd};
//! # let clock = bursar::testing::ManualClock::at("2026-11-24T12:00:00Z".parse()?);
//!
//! let budget = BudgetManager::builder()
//! #   .clock(clock)
//!     .limit("research", Limit::spend(Usd::dollars(1)).per(Period::day_in("Europe/Berlin")?))
//!     .build()?;
//! let crawler = budget.account("research/crawler")?;
//! crawler.reserve(&Estimate::fixed(Usd::cents(70)))?.settle_cost(Usd::cents(65));
//! let under_way = crawler.reserve(&Estimate::fixed(Usd::cents(20)))?;
//!
//! let refused = crawler.reserve(&Estimate::fixed(Usd::cents(50))).unwrap_err();
//! assert_eq!(
//!     refused.to_string(),
//!     "`research/crawler` asks for $0.50, but the limit of `research` ($1.00 per day \
//!      (Europe/Berlin)) has $0.15 left: $0.65 spent, $0.20 held; it could pass at \
//!      2026-11-24T23:00:00Z",
//! );
//!
//! // For a user, in your words:
//! let sorry = match &refused {
//!     ReserveError::Denied(why) => match why.retry_at() {
//!         Some(at) => format!("Our researchers have used up their day. Try again after {at}."),
//!         None => "Our researchers are busy. Try again in a moment.".to_owned(),
//!     },
//!     ReserveError::Frozen { why, .. } => format!("Research is closed: {why}."),
//!     _ => "Research does not answer just now.".to_owned(),
//! };
//! assert_eq!(
//!     sorry,
//!     "Our researchers have used up their day. Try again after 2026-11-24T23:00:00Z.",
//! );
//! # under_way.release();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Denied`] also has the numbers, and the largest output cap that would still fit;
//! [`at_least`](ReserveRequest::at_least) asks for that at once. [`quote`](Account::quote) says what a call
//! would hold and [`can_afford`](Account::can_afford) whether it would be admitted; both are advice
//! only: another call may take the money a moment later.
//!
//! # 4. A limit for each customer
//!
//! A customer is no part of the company's tree. A *tag* is an account in a tree of its own, and a
//! call is charged to both. [`tag_for`](BudgetManager::tag_for) takes any id that comes from
//! outside, whatever letters it has, and [`max_children`](crate::budget::Builder::max_children)
//! limits how many there can be. [`Limit::per_call`] caps each call of a customer.
//!
//! ```
//! use bursar::{BudgetManager, Limit, Period, Usage, Usd};
//!
//! let budget = BudgetManager::builder()
//!     .limit("", Limit::spend(Usd::dollars(500)).per(Period::MONTH))
//!     .limit("user:*", Limit::spend(Usd::cents(1)).per(Period::DAY)) // each for himself
//!     .limit("user:*", Limit::per_call(Usd::cents(1)))
//!     .max_children("user:", 100_000)
//!     .build()?;
//! let support = budget.account("support")?;
//! let call = budget.model("gpt-6.1-terra")?.estimate().input(1_200).max_output(800);
//!
//! let ask = |customer: &str| {
//!     let tag = budget.tag_for("user", customer)?;
//!     let hold = support.request(call.clone()).tag(&tag).reserve()?;
//!     hold.settle(Usage::tokens(1_150, 700));
//!     Ok::<_, Box<dyn std::error::Error>>(tag.remaining())
//! };
//! assert_eq!(ask("ada")?, Some("0.00535".parse()?));
//! let refused = ask("ada").unwrap_err().to_string();
//! assert!(refused.starts_with("`support` asks for $0.0055, but the limit of `user:ada`"));
//! assert!(ask("bob").is_ok()); // he has not asked yet
//! assert!(ask("../x:y, or nothing").is_ok()); // any text is a valid id
//! budget.tag_for("user", "bob")?.forget()?; // his spend stays in the sums, his name does not
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # 5. The call itself
//!
//! [`sending`](Reservation::sending) marks the hold when the request leaves. From then on a lost
//! reply is charged in full, because it has usually been billed: an error without a bill, a
//! timeout, a cancelled future, a panic. Before that, dropping the hold costs nothing.
//!
//! ```
//! use bursar::{Account, Bill, Confidence, Model, Receipt};
//! # use bursar::{BudgetManager, Usd};
//! # use bursar::testing::{block_on, drop_after};
//! # async fn post(_: &str, _: u64) -> std::io::Result<String> {
//! #     Ok(r#"{"model": "gpt-6.1-terra", "usage": {"prompt_tokens": 1150, "completion_tokens": 340}}"#.into())
//! # }
//!
//! async fn answer(
//!     support: &Account,
//!     terra: &Model,
//!     question: &str,
//! ) -> Result<Receipt, Box<dyn std::error::Error>> {
//!     let input = question.len() as u64; // a token has at least one byte
//!     let hold = support.reserve(&terra.estimate().input(input).max_output(800))?;
//!     let reply = hold.sending(post(question, hold.max_output_tokens())).await?;
//!     match Bill::from_response(&reply)? {
//!         Some(bill) => Ok(hold.settle(bill)), // the usage, as the provider says it
//!         None => Err("an answer without usage".into()), // the hold is dropped, and charged
//!     }
//! }
//!
//! # let budget = BudgetManager::new(Usd::dollars(1))?;
//! # let (support, terra) = (budget.account("support")?, budget.model("gpt-6.1-terra")?);
//! let receipt = block_on(answer(&support, &terra, "How do I reset my password?"))?;
//! assert_eq!(receipt.confidence, Confidence::Exact);
//! assert_eq!(receipt.cost.to_string(), "$0.00285");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A call that was never sent has no bill: [`release`] it. Where the provider answers with an error,
//! [`judge`] says by status and body whether that is free, and [`finish`] books it.
//!
//! [`judge`]: crate::Reservation::judge
//! [`finish`]: crate::Reservation::finish
//!
//! # 6. A stream
//!
//! A stream takes the hold with it: it settles when it ends, or is dropped midway, with what was
//! seen by then; a model that can reason is then charged the output cap, because what it has not
//! shown is billed too. The closure shows each item to a tally, which reads the events of all providers.
//!
//! ```
//! use bursar::agent::BudgetedStream;
//! use bursar::testing::{Items, block_on, next};
//! use bursar::{BudgetManager, Usd};
//!
//! let budget = BudgetManager::new(Usd::dollars(1))?;
//! let call = budget.model("gpt-6.1-terra")?.estimate().input(1_200).max_output(800);
//! let hold = budget.reserve("support", &call)?;
//!
//! // Stands for the body of a response: any `Stream` of `Result<impl AsRef<[u8]>, E>`.
//! let body = Items::new([
//!     Ok("data: {\"choices\": [{\"delta\": {\"content\": \"Click on\"}}]}\n\n"),
//!     Ok("data: {\"choices\": [{\"delta\": {\"content\": \" Forgotten.\"}}]}\n\n"),
//!     Ok("data: {\"choices\": [], \"usage\": {\"prompt_tokens\": 1150, \"completion_tokens\": 34}}\n\n"),
//!     Ok::<_, std::io::Error>("data: [DONE]\n\n"),
//! ]);
//! let mut answer = BudgetedStream::new(hold, body, |chunk, tally| tally.push(chunk));
//! block_on(async {
//!     while let Some(chunk) = next(&mut answer).await {
//!         let chunk = chunk?; // … and on to the customer …
//! #       let _ = chunk;
//!     }
//!     Ok::<_, bursar::agent::CallError<std::io::Error>>(())
//! })?;
//! assert_eq!(answer.receipt().map(|receipt| receipt.cost.to_string()).as_deref(), Some("$0.00132"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Give the provider the hold's [cap](Reservation::max_output_tokens), as ever, and ask it for
//! usage at the end if it has to be asked (`stream_options`). What outgrows its hold all the same
//! is booked in full, and an alert says so; with [`growing_by`](BudgetedStream::growing_by) the hold
//! grows, and when the money has ended the stream ends with the refusal. Inside an agent,
//! [`Call::stream`] hands the call's own hold to the stream. Passing bytes on without a `Stream`?
//! [`Tab`] is the same by hand.
//!
//! # 7. An agent
//!
//! [`BudgetConstrained`] does all of this around an agent. An agent says what a task may cost, how
//! it is done, and what the answer says that it has cost; [`agent_fn`] makes one out of closures.
//!
//! ```
//! use std::io;
//!
//! use bursar::agent::{OnRefusal, agent_fn};
//! use bursar::cache::Namespace;
//! use bursar::testing::block_on;
//! use bursar::{Bill, BudgetConstrained, BudgetManager, Call, ResultCache, Usage, Usd};
//!
//! # async fn chat(model: &str, _: &str, cap: u64) -> io::Result<(String, Usage)> {
//! #     Ok((format!("{model} wrote at most {cap} tokens"), Usage::tokens(1_150, cap.min(700))))
//! # }
//! let budget = BudgetManager::new(Usd::cents(1))?;
//! let (terra, luna) = (budget.model("gpt-6.1-terra")?, budget.model("gpt-6-luna")?);
//!
//! let agent = agent_fn(
//!     "support",
//!     move |question: &String| terra.estimate().input(1_200 + question.len() as u64).max_output(800),
//!     |call: Call<String>| async move {
//!         // What was admitted: the budget may have chosen less than the agent asked for.
//!         let model = call.model().map_or("gpt-6.1-terra", |model| model.id());
//!         chat(model, call.task(), call.max_output_tokens().unwrap_or(800)).await
//!     },
//! )
//! .bill(|(_, usage): &(String, Usage)| Some(Bill::new(*usage)));
//!
//! let support = BudgetConstrained::new(agent, budget.account("support")?)
//!     .cache(ResultCache::new(10_000), Namespace::tenant("acme").with("prompt", "v3"))
//!     .on_refusal(OnRefusal::Shorten { at_least: 300 }) // first a shorter answer,
//!     .on_refusal(OnRefusal::FallTo(luna)); // then a cheaper model
//!
//! let mut told = Vec::new();
//! for question in ["a password", "a password", "an invoice", "a refund"] {
//!     let reply = block_on(support.run(question.to_owned()))?;
//!     told.push(format!("{}: {}, saved {}", reply.output.0, reply.cost, reply.saved));
//! }
//! assert_eq!(told, [
//!     "gpt-6.1-terra wrote at most 800 tokens: $0.00465, saved $0.00",
//!     "gpt-6.1-terra wrote at most 800 tokens: $0.00, saved $0.00465",
//!     "gpt-6.1-terra wrote at most 767 tokens: $0.00465, saved $0.00",
//!     "gpt-6-luna wrote at most 800 tokens: $0.000465, saved $0.00",
//! ]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The output carries its usage, because the bill is read out of it: take the text from
//! `reply.output`, outside. The documentation of the wrapper is the table of [how a call
//! ends](BudgetConstrained#how-a-call-ends). It can also [choose the
//! model](BudgetConstrained::selector) by the task and the money left, and [shorten the
//! conversation](BudgetConstrained::trimmer). A trait of your own instead of closures: implement
//! [`Agent`], or see the example `own_agent`.
//!
//! # 8. A team
//!
//! A crew reserves for the whole report, and its members reserve inside that: what they use comes
//! out of the crew's hold and is booked once. So a crew that has begun can finish.
//!
//! ```
//! use bursar::agent::{CallError, agent_fn};
//! use bursar::testing::{Failure, ScriptedAgent, block_on};
//! use bursar::{BudgetConstrained, BudgetManager, Call, Estimate, Usage, Usd};
//!
//! let budget = BudgetManager::new(Usd::dollars(1))?;
//! let luna = budget.model("gpt-6-luna")?;
//! let member = |name: &str, output: u64| {
//!     // Stands for an agent of yours; each answers, and says what it has used.
//!     let agent = ScriptedAgent::new(name, luna.estimate().input(2_000).max_output(1_000))
//!         .reply("done", Usage::tokens(2_000, output));
//!     budget.account(&format!("research/{name}")).map(|to| BudgetConstrained::new(agent, to))
//! };
//! let (crawler, writer) = (member("crawler", 400)?, member("writer", 900)?);
//!
//! let crew = agent_fn(
//!     "crew",
//!     |_: &String| Estimate::fixed(Usd::cents(20)), // for the whole report
//!     |call: Call<String>| {
//!         let (crawler, writer) = (&crawler, &writer);
//!         async move {
//!             crawler.call(call.inner(format!("find sources on {}", call.task()))).await?;
//!             writer.call(call.inner("write it up".to_owned())).await?;
//!             Ok::<_, CallError<Failure>>("a report")
//!         }
//!     },
//! )
//! .metered(); // all that it costs, its members book
//!
//! let crew = BudgetConstrained::new(crew, budget.account("research")?);
//! let reply = block_on(crew.run("owls".to_owned()))?;
//! assert_eq!(reply.cost.to_string(), "$0.00105");
//! assert_eq!(budget.spent(), reply.cost); // what is left of the twenty cents went back
//! assert_eq!(budget.held(), Usd::ZERO);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! An agent that makes model calls of its own instead of having members takes them from its
//! [`Meter`]: `call.meter()`.
//!
//! # 9. Waiting for room
//!
//! A call need not be refused: it may stand in line, first come, first served, for each limit.
//!
//! ```
//! use std::time::Duration;
//!
//! use bursar::testing::{ManualClock, block_on};
//! use bursar::{BudgetManager, Estimate, Limit, Period, Usd};
//!
//! let clock = ManualClock::at("2026-11-24T22:59:00Z".parse()?);
//! let budget = BudgetManager::builder()
//!     .clock(clock.clone())
//!     .limit("research", Limit::spend(Usd::dollars(1)).per(Period::day_in("Europe/Berlin")?))
//!     .build()?;
//! let crawler = budget.account("research/crawler")?;
//! let search = Estimate::fixed(Usd::cents(60));
//! crawler.reserve(&search)?.settle_cost(Usd::cents(60));
//!
//! std::thread::scope(|threads| {
//!     let waits = || block_on(crawler.request(search.clone()).wait(Duration::from_secs(120)));
//!     let second = threads.spawn(waits); // in async code: `.wait(…).await`
//!     while budget.waiting() == 0 {
//!         std::thread::yield_now();
//!     }
//!     clock.advance(Duration::from_secs(60)); // midnight in Berlin: a new day, a new dollar
//!     let hold = second.join().expect("it does not panic");
//!     assert_eq!(hold.map(|hold| hold.held()), Ok(Usd::cents(60)));
//! });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What can never fit is refused at once. An agent in its wrapper waits with [`OnRefusal::Wait`].
//! And whoever must answer in any case asks for the part that a limit [keeps for wrapping
//! up](Limit::keep_for_wrap_up).
//!
//! # 10. Alerts, and the kill switch
//!
//! A threshold is told once in each window, after the lock is free. Freezing an account refuses
//! every new call of it and all below, at once; calls under way are still settled.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//!
//! use bursar::{BudgetManager, Estimate, Limit, Usd};
//!
//! let told = Arc::new(Mutex::new(Vec::new())); // or a pager
//! let tell = told.clone();
//! let budget = BudgetManager::builder()
//!     .limit("research", Limit::spend(Usd::dollars(1)).alert_at([50, 80, 95]))
//!     .on_alert(move |alert| tell.lock().unwrap().push(alert.to_string()))
//!     .build()?;
//!
//! let search = Estimate::fixed(Usd::cents(30));
//! for _ in 0..3 {
//!     budget.reserve("research/crawler", &search)?.settle_cost(Usd::cents(30));
//! }
//! assert_eq!(*told.lock().unwrap(), [
//!     "`research` has spent 50 % of its limit of $1.00 in all ($0.60)",
//!     "`research` has spent 80 % of its limit of $1.00 in all ($0.90)",
//! ]);
//!
//! budget.freeze("research", "it reads the same page over and over")?;
//! let refused = budget.reserve("research/crawler", &Estimate::fixed(Usd::cents(1))).unwrap_err();
//! assert_eq!(refused.to_string(), "`research` is frozen: it reads the same page over and over");
//! budget.thaw("research")?;
//! assert!(budget.reserve("research/crawler", &Estimate::fixed(Usd::cents(1))).is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! An [`Observer`] sees every call as well as every alert, and may freeze by itself: the example
//! `loop_guard` does, when an agent runs in circles.
//!
//! # 11. A limit for each task
//!
//! A *run* is an account for one task or session, with limits of its own. When it ends, its totals
//! stay with the account above, and its place is free.
//!
//! ```
//! use bursar::{BudgetManager, Estimate, Limit, Usd};
//!
//! let budget = BudgetManager::new(Usd::dollars(500))?;
//! let research = budget.account("research")?;
//!
//! let mut task = research.run("report-17")?;
//! task.set_limit(Limit::spend(Usd::cents(50)))?;
//! task.set_limit(Limit::requests(20))?; // and no more than twenty steps
//! task.reserve(&Estimate::fixed(Usd::cents(40)))?.settle_cost(Usd::cents(35));
//! let refused = task.reserve(&Estimate::fixed(Usd::cents(40))).unwrap_err();
//! assert_eq!(
//!     refused.to_string(),
//!     "`research/report-17` asks for $0.40, but its limit ($0.50 in all) has $0.15 left: \
//!      $0.35 spent, $0.00 held; it can never pass unless the limit is raised",
//! );
//! task.close(); // or dropped
//! assert_eq!(research.spent(), Usd::cents(35));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A run is used like any account; an agent in a wrapper takes a handle of its own:
//! `BudgetConstrained::new(agent, Account::clone(&task))`.
//!
//! # 12. The policy as a file
//!
//! Limits change without a release: in TOML, or in JSON.
//!
//! ```
//! use bursar::{BudgetManager, Limit, Period, Policy, Usd};
//!
//! let policy = Policy::from_toml(r#"
//!     [[limit]]
//!     account = ""
//!     spend = "500.00"
//!     per = "month"
//!     alert_at = [50, 80, 95]
//!
//!     [[limit]]
//!     account = "research/*"
//!     spend = "5.00"
//!     per = "day"
//!     time_zone = "Europe/Berlin"
//!
//!     [[limit]]
//!     account = "user:*"
//!     tokens = 200_000
//!     per = "rolling 60s"
//! "#)?;
//! let budget = BudgetManager::builder().policy(policy).build()?;
//!
//! // A running budget takes a new amount, and keeps what has been counted.
//! budget.set_limit("", Limit::spend(Usd::dollars(600)).per(Period::MONTH))?;
//! assert_eq!(budget.remaining(), Some(Usd::dollars(600)));
//!
//! // What is wrong is named, with the remedy.
//! let wrong = Policy::from_toml("[[limit]]\naccount = ''\nspend = 5\nper = 'fortnight'").unwrap_err();
//! assert!(wrong.to_string().contains("write lifetime, hour, day, week"), "{wrong}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! How much is enough? [`Plan`](crate::Plan) reckons it from the number of agents and tasks, and
//! gives the limits.
//!
//! # 13. A ledger that survives
//!
//! With the feature `sqlite`, the ledger is kept in a file: it goes on where it stopped, and all
//! processes of a machine that open the file share each limit exactly.
#![cfg_attr(feature = "sqlite", doc = "\n```")]
#![cfg_attr(not(feature = "sqlite"), doc = "\n```ignore")]
//! use bursar::journal::SqliteJournal;
//! use bursar::{BudgetManager, Estimate, Limit, Period, Usd};
//! # let file = std::env::temp_dir().join(format!("bursar-guide-{}.db", std::process::id()));
//! # let _ = std::fs::remove_file(&file);
//!
//! let open = || {
//!     BudgetManager::builder()
//!         .limit("", Limit::spend(Usd::dollars(500)).per(Period::MONTH))
//!         .journal(SqliteJournal::open(&file)?) // "budget.db"
//!         .build()
//! };
//!
//! let budget = open()?;
//! budget.reserve("support", &Estimate::fixed(Usd::cents(3)))?.settle_cost(Usd::cents(2));
//! drop(budget); // the process ends, kindly or not
//!
//! let budget = open()?;
//! assert_eq!(budget.spent(), Usd::cents(2));
//! # drop(budget);
//! # for end in ["", "-wal", "-shm"] { let _ = std::fs::remove_file(format!("{}{end}", file.display())); }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Anybody can look: `sqlite3 budget.db 'select * from spend_by_day'`. Only what can be refused waits
//! for the disk: `reserve`, the growth of a hold and a change of a limit. In async code,
//! [`reserve_async`](ReserveRequest::reserve_async) waits without blocking the thread. The end of a call is written
//! by another thread, some milliseconds later; [`flush`](BudgetManager::flush) and
//! [`flushed`](BudgetManager::flushed) wait for it, and so does every call with
//! [`wait_for_disk`](crate::budget::Builder::wait_for_disk).
//!
//! ## What survives
//!
//! A call that was admitted is in the journal before it is sent. A charge that was not written yet is
//! never lost as a whole: its hold is still there, and is charged in full, as assumed, when its
//! [lease](crate::budget::Builder::lease) ends (after 15 minutes). That is the most that "not written"
//! costs below.
//!
//! | what happens | what is lost |
//! |---|---|
//! | `main` returns, or a panic unwinds it | nothing: dropping the last handle of the budget waits for the journal, for 5 seconds at most |
//! | [`std::process::exit`], `panic = "abort"`, a budget in a `static` | as with `kill -9`; [`flush`](BudgetManager::flush) before |
//! | `kill -9`, out of memory, a closed terminal | of calls that ended in the last milliseconds, what their bills would have given back: their holds are charged in full. A call that was recorded without a hold, that late, is lost. With `wait_for_disk(true)`, nothing that was answered |
//! | a power cut | with `Durability::PowerLoss` the same as with `kill -9`; else perhaps the last transactions as well, with the reserves in them; never the file |
//! | the disk is full, the file is locked or read-only | nothing: calls are refused; charges wait in memory and are written as soon as they can be, and an alert is raised. If the process dies before that, their holds are charged in full |
//! | the file is moved, deleted or replaced under a running program | calls are refused and charges wait until it is back; after a restart what was held is charged in full, if the file that is there has it |
//! | a damaged file, one of a newer version, a clock that jumped back | opening refuses, and names the remedy |
//! | the log is damaged or removed | opening refuses if damage loses whole transactions after it. Damage in the last transaction, or a log that was cut off or removed while closed, looks like a process that died while writing: that loss goes unnoticed |
//!
//! # 14. The report
//!
//! One snapshot of everything: a table for people, serde for machines.
//!
//! ```
//! use bursar::{BudgetManager, Limit, Period, Usage, Usd};
//! # let clock = bursar::testing::ManualClock::at("2026-11-24T12:00:00Z".parse()?);
//!
//! let budget = BudgetManager::builder()
//! #   .clock(clock)
//!     .limit("", Limit::spend(Usd::dollars(500)).per(Period::MONTH))
//!     .limit("research", Limit::spend(Usd::cents(5)).per(Period::DAY))
//!     .build()?;
//! let call = budget.model("gpt-6.1-terra")?.estimate().input(1_200).max_output(800);
//! let ada = budget.tag("user:ada")?;
//! for account in ["support", "research/crawler", "research/writer"] {
//!     let hold = budget.account(account)?.request(call.clone()).tag(&ada).reserve()?;
//!     hold.settle(Usage::tokens(1_150, 340));
//! }
//! let under_way = budget.reserve("research/writer", &call)?;
//!
//! assert_eq!(format!("\n{}", budget.report()), r#"
//! Budget at 2026-11-24 12:00 UTC                           prices as of 2026-11-20
//!
//! LIMITS                                   used       spent       held        left
//! (all)                                      0%    $0.00855    $0.0055     $499.99
//!   ░░░░░░░░░░░░░░░░  $500.00 per month, until 2026-12-01 00:00 UTC
//! research                                  22%     $0.0057    $0.0055     $0.0388
//!   ███░░░░░░░░░░░░░  $0.05 per day, until 2026-11-25 00:00 UTC
//!
//! ACCOUNTS                calls      tokens      spent      held   assumed   saved
//! (all)                       3       4,470   $0.00855   $0.0055         -       -
//!   research                  2       2,980    $0.0057   $0.0055         -       -
//!     crawler                 1       1,490   $0.00285         -         -       -
//!     writer                  1       1,490   $0.00285   $0.0055         -       -
//!   support                   1       1,490   $0.00285         -         -       -
//!
//! TAGS                    calls      tokens      spent      held   assumed   saved
//! user:                       3       4,470   $0.00855         -         -       -
//! user:ada                    3       4,470   $0.00855         -         -       -
//!
//! MODELS                              calls         input        output       cost
//! openai/gpt-6.1-terra                    3         3,450         1,020   $0.00855
//! "#);
//! # under_way.release();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! As data: `report.account("research")`, and
//! [`LimitReport::forecast`](crate::budget::LimitReport::forecast), which says when a limit will
//! be reached at the present rate.
//!
//! # 15. Eyes on the money
//!
//! With the feature `tracing` each call has a span with OpenTelemetry's `gen_ai.*` names, and
//! refusals, bookings and alerts are events: install a subscriber, there is nothing to call. With
//! the feature `metrics`, an observer counts, and a report sets the gauges:
#![cfg_attr(feature = "metrics", doc = "\n```")]
#![cfg_attr(not(feature = "metrics"), doc = "\n```ignore")]
//! use bursar::telemetry::{MetricsObserver, publish};
//! use bursar::{BudgetManager, Limit, Usd};
//!
//! let budget = BudgetManager::builder()
//!     .limit("", Limit::spend(Usd::dollars(500)))
//!     .observer(MetricsObserver::new())
//!     .build()?;
//! publish(&budget.report()); // before each scrape
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`telemetry`](crate::telemetry) has the names of all of them.
//!
//! # 16. Testing your own agents
//!
//! [`testing`] is the kit with which this crate tests itself: agents and streams that follow a
//! script, a clock that you move, and futures dropped at the poll that you name. No network, no
//! sleeping.
//!
//! ```
//! use std::time::Duration;
//!
//! use bursar::testing::{ManualClock, ScriptedAgent, block_on, drop_after};
//! use bursar::{BudgetConstrained, BudgetManager, Limit, Period, Usage, Usd};
//!
//! let clock = ManualClock::at("2026-11-24T23:59:00Z".parse()?);
//! let budget = BudgetManager::builder()
//!     .clock(clock.clone())
//!     .limit("", Limit::spend(Usd::cents(1)).per(Period::DAY))
//!     .build()?;
//! let call = budget.model("gpt-6.1-terra")?.estimate().input(1_200).max_output(800);
//! let agent = ScriptedAgent::new("support", call).reply("done", Usage::tokens(1_150, 340)).hang();
//! let support = BudgetConstrained::new(agent, budget.account("support")?);
//!
//! block_on(support.run("a password".to_owned()))?;
//! assert!(drop_after(support.run("an invoice".to_owned()), 5).is_none()); // a timeout
//! assert_eq!(budget.spent().to_string(), "$0.00835"); // the second is charged as it was held
//!
//! assert!(block_on(support.run("a refund".to_owned())).is_err()); // the day is used up
//! clock.advance(Duration::from_secs(60));
//! assert!(block_on(support.run("a refund".to_owned())).is_ok()); // a new one
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where next
//!
//! - Your framework may have [an integration](crate#integrations) already.
//! - [`BudgetConstrained`] and [`Reservation`] have the tables of what each ending books.
//! - [`price`](crate::price) reads the public price lists, and takes prices of your own.
//! - [`select`](crate::select), [`cache`](crate::cache) and [`context`](crate::context) spend less,
//!   with the wrapper or without.
//! - ARCHITECTURE.md has the laws, and the reasons.
//!
//! [`release`]: Reservation::release

#![allow(unused_imports, reason = "the names that the text links to")]

pub mod models;
pub mod python;
pub mod wrappers;

use crate::agent::{
    Agent, BoxAgent, BudgetConstrained, BudgetedStream, Call, Meter, OnRefusal, Tab, Tally,
    agent_fn, testing,
};
use crate::budget::{
    Account, Alert, BudgetManager, Denied, Observer, Policy, Receipt, Report, Reservation,
    ReserveError, ReserveRequest, Run, Tag,
};
use crate::cache::ResultCache;
use crate::ledger::{Limit, Period};
use crate::price::{Estimate, Model, ModelPrice, PriceBook};
use crate::usage::Bill;
