//! Tests of budgeted streams: what passes through, what each end books, growth, and a
//! stream that is dropped at every point.

use std::pin::Pin;
use std::task::{Context, Poll};

use bursar::agent::{BudgetedStream, CallError, StreamUsage, agent_fn};
use bursar::budget::InvalidCall;
use bursar::testing::{Failure, Items, block_on, drop_after, next};
use bursar::usage::Outcome;
use bursar::{
    BudgetConstrained, BudgetManager, Call, Confidence, Limit, ModelPrice, PriceBook, Rate,
    Reservation, ReserveError, Usage, Usd,
};
use futures_core::Stream;

/// $10 a million tokens in and $20 out: a cent buys 1,000 in, or 500 out.
fn budget(limit: Usd) -> BudgetManager {
    BudgetManager::builder().prices(book()).limit("", Limit::spend(limit)).build().unwrap()
}

fn book() -> PriceBook {
    let rate = |text: &str| text.parse::<Rate>().unwrap();
    let mut book = PriceBook::empty();
    // It cannot reason: a stream of it that is cut costs what was seen. See `agent_cut`.
    book.insert(ModelPrice::new("acme", "big", rate("10"), rate("20")).reasons(false)).unwrap();
    book
}

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

/// 1,000 tokens in, at most 500 out: two cents.
fn hold(budget: &BudgetManager) -> Reservation {
    let call = budget.model("big").unwrap().estimate().input(1_000).max_output(500);
    budget.reserve("crawler", &call).unwrap()
}

/// Items that are the output tokens so far.
fn counts(counts: impl IntoIterator<Item = u64>) -> Items<u64, Failure> {
    Items::new(counts.into_iter().map(Ok))
}

fn show(output: &u64, usage: &mut StreamUsage) {
    usage.used(Usage::tokens(1_000, *output));
}

type Got = Vec<Result<u64, String>>;

fn drain<S, E>(stream: &mut S) -> Got
where
    S: Stream<Item = Result<u64, CallError<E>>> + Unpin,
    E: std::error::Error + 'static,
{
    let mut got = Vec::new();
    block_on(async {
        while let Some(item) = next(stream).await {
            got.push(item.map_err(|error| error.to_string()));
        }
    });
    got
}

#[test]
fn items_pass_through_untouched_and_the_end_books_what_was_seen() {
    let budget = budget(Usd::dollars(1));
    let mut stream = BudgetedStream::new(hold(&budget), counts([100, 200, 250]).after(2), show);
    assert_eq!(drain(&mut stream), [Ok(100), Ok(200), Ok(250)]);
    let receipt = stream.receipt().unwrap();
    assert_eq!((receipt.cost, receipt.confidence), (usd("0.015"), Confidence::Estimated));
    assert_eq!((budget.spent(), budget.held()), (receipt.cost, Usd::ZERO));
    drop(stream);
    assert_eq!(budget.spent(), usd("0.015"), "booked once");
}

/// litellm PR #33736: a client that disconnects pays nothing.
#[test]
fn a_stream_dropped_after_its_nth_poll_books_what_was_seen() {
    for polls in 0..9 {
        let budget = budget(Usd::dollars(1));
        let stream = BudgetedStream::new(hold(&budget), counts([100, 200, 400]).after(1), show);
        let mut stream = Some(stream);
        let _ = drop_after(
            std::future::poll_fn(|context| {
                let _ = Pin::new(stream.as_mut().unwrap()).poll_next(context);
                Poll::<()>::Pending
            }),
            polls,
        );
        drop(stream);
        // Each item takes two polls. Nothing seen yet: lost as a whole.
        let spent = match polls {
            0 => usd("0"),
            1 => usd("0.02"),
            2..=3 => usd("0.012"),
            4..=5 => usd("0.014"),
            _ => usd("0.018"),
        };
        assert_eq!((budget.spent(), budget.held()), (spent, Usd::ZERO), "{polls}");
    }
}

#[test]
fn the_providers_bill_is_the_last_word() {
    let budget = budget(Usd::dollars(1));
    let show = |output: &u64, usage: &mut StreamUsage| match output {
        7 => usage.bill(Usage::tokens(900, 300)),
        output => usage.used(Usage::tokens(1_000, *output)),
    };
    let mut stream = BudgetedStream::new(hold(&budget), counts([100, 7]), show);
    assert_eq!(drain(&mut stream), [Ok(100), Ok(7)]);
    let receipt = stream.receipt().unwrap();
    assert_eq!((receipt.cost, receipt.confidence), (usd("0.015"), Confidence::Exact));
}

#[test]
fn the_bytes_of_a_provider_are_metered_as_they_come() {
    let events = [
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Twelve ",
        "letters\"}}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":900,",
        "\"completion_tokens\":300,\"total_tokens\":1200}}\n\ndata: [DONE]\n\n",
    ];
    let stream = |budget: &BudgetManager, events: &[&'static str]| {
        let items = Items::<_, Failure>::new(events.iter().map(|event| Ok(*event)));
        BudgetedStream::new(hold(budget), items, |event: &&str, usage: &mut StreamUsage| {
            usage.push(event);
        })
    };
    let whole = budget(Usd::dollars(1));
    let mut answer = stream(&whole, &events);
    block_on(async { while next(&mut answer).await.is_some() {} });
    let receipt = answer.receipt().unwrap();
    assert_eq!((receipt.cost, receipt.confidence), (usd("0.015"), Confidence::Exact));

    let cut = budget(Usd::dollars(1));
    let mut answer = stream(&cut, &events);
    block_on(async {
        for _ in 0..2 {
            next(&mut answer).await.unwrap().unwrap();
        }
    });
    assert_eq!(answer.seen(), Usage::tokens(1_000, 2));
    drop(answer);
    assert_eq!((cut.spent(), cut.held()), (usd("0.01004"), Usd::ZERO));
}

#[test]
fn a_hold_that_is_outgrown_grows_in_chunks_until_the_money_ends() {
    // Two cents are held; one more buys 500 tokens: one chunk of 400, then what is needed.
    let budget = budget(Usd::cents(3));
    let items = counts([500, 600, 900, 950, 1_000, 1_010, 1_020]);
    let mut stream = BudgetedStream::new(hold(&budget), items, show).growing_by(400);
    let mut seen = Vec::new();
    let refused = block_on(async {
        loop {
            match next(&mut stream).await.unwrap() {
                Ok(item) => seen.push((item, budget.held())),
                Err(error) => break error,
            }
        }
    });
    let grown = usd("0.028");
    let (two, none) = (Usd::cents(2), Usd::ZERO);
    let (more, all) = (usd("0.029"), usd("0.03"));
    let kept_up = [(500, two), (600, grown), (900, grown), (950, more), (1_000, all)];
    assert_eq!(seen, [&kept_up[..], &[(1_010, none)]].concat());
    assert!(refused.refused().and_then(ReserveError::denied).is_some(), "{refused}");
    assert!(block_on(next(&mut stream)).is_none());
    // What came is booked, to the token: 1,000 in and 1,010 out.
    assert_eq!((budget.spent(), budget.held()), (usd("0.0302"), Usd::ZERO));
    assert_eq!(stream.size_hint(), (0, Some(0)));
}

/// Growth beyond what was asked for is for whoever asks for it. Law 3: what came is booked, and the
/// limit that had no room for it is overrun.
#[test]
fn a_stream_that_outgrows_its_hold_says_so_and_is_not_cut() {
    let limit = Limit::spend(Usd::cents(2));
    let overruns = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let heard = std::sync::Arc::clone(&overruns);
    let budget = BudgetManager::builder().prices(book()).limit("", limit).on_alert(move |alert| {
        assert!(matches!(alert, bursar::Alert::Overrun { .. }), "{alert}");
        heard.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    });
    let budget = budget.build().unwrap();
    let mut stream = BudgetedStream::new(hold(&budget), counts([500, 510]), show);
    block_on(next(&mut stream)).unwrap().unwrap();
    assert!(!stream.is_outgrown());
    block_on(next(&mut stream)).unwrap().unwrap();
    assert_eq!((stream.is_outgrown(), budget.held()), (true, Usd::cents(2)));
    assert_eq!(drain(&mut stream), []);
    assert!(!stream.is_outgrown(), "nothing is held any more");
    assert_eq!((budget.spent(), budget.held()), (usd("0.0202"), Usd::ZERO));
    assert_eq!(overruns.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[test]
fn an_error_of_the_stream_passes_through_and_what_came_before_is_booked() {
    let budget = budget(Usd::dollars(1));
    let items = Items::new([Ok(100), Err(Failure::new("broken pipe"))]);
    let mut stream = BudgetedStream::new(hold(&budget), items, show);
    assert_eq!(drain(&mut stream), [Ok(100), Err("broken pipe".to_owned())]);
    assert_eq!((budget.spent(), budget.held()), (usd("0.012"), Usd::ZERO));
}

/// It is polled once for each time that it is: no buffering, no reading ahead.
#[test]
fn backpressure_is_that_of_the_stream_inside() {
    struct Counted(std::rc::Rc<std::cell::Cell<u32>>);
    impl Stream for Counted {
        type Item = Result<u64, Failure>;
        fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            self.0.set(self.0.get() + 1);
            Poll::Ready(Some(Ok(self.0.get().into())))
        }
    }
    let budget = budget(Usd::dollars(1));
    let polls = std::rc::Rc::new(std::cell::Cell::new(0));
    let mut stream = BudgetedStream::new(hold(&budget), Counted(polls.clone()), show);
    assert_eq!(polls.get(), 0);
    for turn in 1..=5 {
        assert_eq!(block_on(next(&mut stream)).unwrap().unwrap(), turn);
        assert_eq!(u64::from(polls.get()), turn);
    }
}

/// An agent whose answer is a stream: the stream has the call's hold, outlives the call, and settles
/// when it ends. At every moment one call is held, and one in flight.
#[test]
fn an_answer_that_is_a_stream_settles_when_it_ends() {
    for read in 0..4 {
        let budget = BudgetManager::builder()
            .prices(book())
            .limit("", Limit::spend(Usd::cents(9)))
            .limit("", Limit::in_flight(1))
            .limit("", Limit::requests(2));
        let budget = budget.build().unwrap();
        let agent = streamer(&budget);
        let reply = block_on(agent.run(String::new())).unwrap();
        assert_eq!((reply.receipt.is_none(), reply.cost), (true, Usd::ZERO));
        let mut stream = reply.output;
        assert_eq!((budget.spent(), budget.held()), (Usd::ZERO, Usd::cents(2)));
        let again = block_on(agent.run(String::new())).unwrap_err();
        let limit = &again.refused().and_then(ReserveError::denied).unwrap().limit;
        assert_eq!(limit.to_string(), "1 calls in flight", "the stream is still under way");
        block_on(async {
            for _ in 0..read {
                next(&mut stream).await;
            }
        });
        let receipt = stream.receipt().map(|receipt| (receipt.cost, receipt.held));
        assert_eq!(receipt, (read == 3).then_some((usd("0.014"), Usd::cents(2))));
        drop(stream);
        // Sent, and nothing of the answer was read: lost as a whole.
        let spent = usd(["0.02", "0.012", "0.014", "0.014"][read]);
        assert_eq!((budget.spent(), budget.held()), (spent, Usd::ZERO), "{read}");
        let requests = budget.report().accounts[0].requests;
        assert_eq!(requests, 1, "one call, whoever has its hold");
    }
}

type Streamed = BudgetedStream<Items<u64, Failure>, fn(&u64, &mut StreamUsage)>;

/// Its call takes two polls. A task of `fail` fails before its answer begins, one of `late` after.
fn streamer(
    budget: &BudgetManager,
) -> BudgetConstrained<
    impl bursar::Agent<Task = String, Output = Streamed, Error = CallError<Failure>> + use<>,
> {
    let estimate = budget.model("big").unwrap().estimate().input(1_000).max_output(500);
    let agent = agent_fn(
        "streamer",
        move |_: &String| estimate.clone(),
        |call: Call<String>| async move {
            next(&mut counts([0]).after(1)).await;
            if call.task() == "fail" {
                return Err(CallError::Agent(Failure::new("fail")));
            }
            let stream = call.stream(counts([100, 200]), show as fn(&u64, &mut StreamUsage))?;
            match &**call.task() {
                "late" => Err(CallError::Agent(Failure::new("late"))),
                "again" => Ok(call.stream(counts([]), show as fn(&u64, &mut StreamUsage))?),
                _ => Ok(stream),
            }
        },
    )
    .outcome(|result| match result {
        Ok(_) => Outcome::Billed(Usage::tokens(1, 1).into()), // nobody looks at it
        Err(CallError::Agent(failure)) if failure.why == "fail" => Outcome::Free,
        Err(_) => Outcome::Lost,
    })
    .streamed();
    BudgetConstrained::new(agent, budget.account("crawler").unwrap())
}

#[test]
fn a_hold_is_handed_over_once_and_ends_once() {
    let budget = budget(Usd::dollars(1));
    let agent = streamer(&budget);
    let run = |task: &str| {
        let before = budget.spent();
        let error = block_on(agent.run(task.to_owned())).unwrap_err();
        assert_eq!(budget.held(), Usd::ZERO, "{task}");
        (budget.spent().checked_sub(before).unwrap(), error)
    };
    assert_eq!(run("fail").0, Usd::ZERO, "the call's own error is the call's own bill");
    assert_eq!(run("late").0, Usd::cents(2), "the stream was dropped, and is lost");
    let (cost, error) = run("again");
    let CallError::Agent(CallError::Refused(error)) = error else { panic!("{error}") };
    assert_eq!((cost, error), (Usd::cents(2), ReserveError::Invalid(InvalidCall::NoHold)));

    // Cancelled after each of its polls: before the first, while it is called, with its stream.
    for (polls, cost) in [Usd::ZERO, Usd::cents(2), Usd::cents(2)].into_iter().enumerate() {
        let before = budget.spent();
        drop(drop_after(agent.run(String::new()), polls));
        assert_eq!(budget.spent().checked_sub(before), Some(cost), "{polls}");
        assert_eq!(budget.held(), Usd::ZERO);
    }
}

#[test]
fn a_call_without_a_hold_of_its_own_has_no_stream() {
    let kept = std::sync::Arc::new(std::sync::Mutex::new(None));
    for streamed in [false, true] {
        let budget = budget(Usd::dollars(1));
        let keep = std::sync::Arc::clone(&kept);
        let agent = agent_fn(
            "keeper",
            |_: &u32| bursar::Estimate::fixed(Usd::cents(1)),
            move |call: Call<u32>| {
                *keep.lock().unwrap() = Some(call.clone());
                let inner = call.inner(0).stream(counts([]), show).map(drop);
                assert_eq!(inner, Err(ReserveError::Invalid(InvalidCall::NoHold)));
                let own = if streamed { Ok(()) } else { call.stream(counts([]), show).map(drop) };
                async move { own }
            },
        );
        let agent = if streamed { agent.streamed() } else { agent };
        let agent = BudgetConstrained::new(agent, budget.account("keeper").unwrap());
        assert_eq!(block_on(agent.run(0)).is_ok(), streamed);
        // Whoever keeps the call keeps no hold.
        assert_eq!((budget.spent(), budget.held()), (Usd::cents(1), Usd::ZERO));
        let call = kept.lock().unwrap().take().unwrap();
        assert!(call.stream(counts([]), show).is_err());
    }
    // Outside of any budget there is nothing to book, and the same agent works.
    let mut free = Call::new(0).stream(counts([100]), show).unwrap();
    assert_eq!(drain(&mut free), [Ok(100)]);
    assert_eq!((free.seen(), free.receipt().is_none()), (Usage::tokens(1_000, 100), true));
}

/// The call's hold grows under the stream, as any hold does.
#[test]
fn a_streamed_call_grows_where_it_is_told_to() {
    let budget = budget(Usd::cents(3));
    let estimate = budget.model("big").unwrap().estimate().input(1_000).max_output(500);
    let agent = agent_fn(
        "grower",
        move |_: &u32| estimate.clone(),
        |call: Call<u32>| async move {
            let stream = call.stream(counts([600, 1_001]), show)?;
            Ok::<_, ReserveError>(stream.growing_by(500))
        },
    )
    .streamed();
    let agent = BudgetConstrained::new(agent, budget.account("grower").unwrap());
    let mut stream = block_on(agent.run(0)).unwrap().output;
    block_on(next(&mut stream)).unwrap().unwrap();
    assert_eq!(budget.held(), Usd::cents(3));
    let rest = drain(&mut stream);
    assert_eq!((rest.len(), rest[1].is_err()), (2, true), "{rest:?}");
    assert_eq!((budget.spent(), budget.held()), (usd("0.03002"), Usd::ZERO));
}

#[test]
fn a_stream_that_panics_books_what_was_seen() {
    struct Falls(bool);
    impl Stream for Falls {
        type Item = Result<u64, Failure>;
        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            if self.0 {
                std::panic::resume_unwind(Box::new("fell over"));
            }
            self.0 = true;
            Poll::Ready(Some(Ok(100)))
        }
    }
    let budget = budget(Usd::dollars(1));
    let stream = BudgetedStream::new(hold(&budget), Falls(false), show);
    let fallen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let mut stream = stream;
        drain(&mut stream)
    }));
    assert!(fallen.is_err());
    assert_eq!((budget.spent(), budget.held()), (usd("0.012"), Usd::ZERO));
}
