//! What an async caller may rely on: when a wrapper, a stream or a hold has ended, its charge is in
//! the file, and a future that is dropped before loses nothing.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bursar::agent::{BudgetedStream, StreamHold, StreamUsage};
use bursar::clock::ManualClock;
use bursar::journal::SqliteJournal;
use bursar::testing::{Failure, Items, ScriptedAgent, block_on, next};
use bursar::{
    Bill, BudgetConstrained, BudgetManager, Confidence, Estimate, Limit, ModelPrice, PriceBook,
    Rate, ReserveError, Usage, Usd,
};

use crate::Folder;

/// $10 a million tokens in and $20 out: a cent buys 1,000 in, or 500 out.
fn open(folder: &Folder, limit: Usd) -> BudgetManager {
    let rate = |text: &str| text.parse::<Rate>().unwrap();
    let mut book = PriceBook::empty();
    book.insert(ModelPrice::new("acme", "big", rate("10"), rate("20"))).unwrap();
    BudgetManager::builder()
        .prices(book)
        .limit("", Limit::spend(limit))
        .clock(ManualClock::at("2026-11-24T09:30:00Z".parse().unwrap()))
        .wait_for_disk(true)
        .journal(SqliteJournal::open(folder.file("budget.db")).unwrap())
        .build()
        .unwrap()
}

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

/// 1,000 tokens in, at most 500 out: two cents.
fn call(budget: &BudgetManager) -> Estimate {
    budget.model("big").unwrap().estimate().input(1_000).max_output(500)
}

/// What is in the file, by another process.
fn in_file(other: &BudgetManager) -> (Usd, Usd) {
    other.flush().unwrap();
    (other.spent(), other.held())
}

#[test]
fn what_a_wrapper_has_answered_is_in_the_file() {
    let folder = Folder::new("awaited");
    let (budget, other) = (open(&folder, Usd::dollars(1)), open(&folder, Usd::dollars(1)));
    let agent = ScriptedAgent::new("writer", call(&budget))
        .reply("with a bill", Usage::tokens(900, 300))
        .reply_without_bill("without")
        .fail_with_bill("refused late", Usage::tokens(900, 0))
        .fail_with_bill("refused at once", bursar::Bill::free())
        .fail("lost");
    let writer = BudgetConstrained::new(agent, budget.account("writer").unwrap());
    let run = || block_on(writer.run("a task".to_owned()));

    let reply = run().unwrap();
    assert_eq!((reply.cost, reply.receipt.unwrap().confidence), (usd("0.015"), Confidence::Exact));
    assert_eq!(in_file(&other), (usd("0.015"), Usd::ZERO));
    let reply = run().unwrap();
    assert_eq!(reply.receipt.unwrap().confidence, Confidence::Assumed);
    assert_eq!(in_file(&other), (usd("0.035"), Usd::ZERO));
    for spent in ["0.044", "0.044", "0.064"] {
        assert!(run().is_err());
        assert_eq!(in_file(&other), (usd(spent), Usd::ZERO));
    }
}

/// Dropped wherever it is: not sent, nothing; sent and answered, the bill, once.
#[test]
fn a_run_that_is_dropped_while_it_is_written_is_charged_once() {
    let folder = Folder::new("cancelled");
    let budget = open(&folder, Usd::dollars(1));
    let agent = ScriptedAgent::new("writer", call(&budget)).reply("done", Usage::tokens(900, 300));
    let writer = BudgetConstrained::new(agent, budget.account("writer").unwrap());
    let mut spent = Usd::ZERO;
    for round in 0..30 {
        let before = writer.get_ref().calls().len();
        let mut run = Box::pin(writer.run("a task".to_owned()));
        let mut polls = 0;
        // Even rounds end as soon as the agent has answered, odd ones after some polls.
        while writer.get_ref().calls().len() == before && (round % 2 == 0 || polls < round) {
            polls += 1;
            let _ = run.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            std::thread::yield_now();
        }
        let sent = writer.get_ref().calls().len() > before;
        drop(run);
        budget.flush().unwrap();
        budget.flush().unwrap(); // what an answer that nobody awaited has given back
        spent = spent.checked_add(if sent { usd("0.015") } else { Usd::ZERO }).unwrap();
        assert_eq!((budget.spent(), budget.held()), (spent, Usd::ZERO), "round {round}");
    }
}

fn show(output: &u64, usage: &mut StreamUsage) {
    usage.used(Usage::tokens(1_000, *output));
}

/// As without a journal, and on one thread, which nothing may block: the hold grows by a chunk, then
/// by what is needed, until the money ends.
#[tokio::test(flavor = "current_thread")]
async fn a_stream_grows_and_ends_in_the_file() {
    let folder = Folder::new("stream");
    let (budget, other) = (open(&folder, Usd::cents(3)), open(&folder, Usd::cents(3)));
    let hold =
        budget.account("crawler").unwrap().request(call(&budget)).reserve_async().await.unwrap();
    let items = [500, 600, 900, 950, 1_000, 1_010, 1_020].map(Ok::<u64, Failure>);
    let mut stream = BudgetedStream::new(hold, Items::new(items), show).growing_by(400);
    let mut seen = Vec::new();
    let refused = loop {
        match next(&mut stream).await.unwrap() {
            Ok(item) => seen.push(item),
            Err(error) => break error,
        }
    };
    assert_eq!(seen, [500, 600, 900, 950, 1_000, 1_010]);
    assert!(refused.refused().and_then(ReserveError::denied).is_some(), "{refused}");
    assert_eq!(stream.receipt().unwrap().held, Usd::cents(3));
    assert_eq!(in_file(&other), (usd("0.0302"), Usd::ZERO));
    assert!(next(&mut stream).await.is_none());
}

/// A stream that is dropped at any point, while it grows or its end is written, books what was seen.
#[test]
fn a_stream_that_is_dropped_while_it_is_written_books_what_was_seen() {
    for polls in 0..8 {
        let folder = Folder::new(&format!("stream-{polls}"));
        let budget = open(&folder, Usd::dollars(1));
        let hold = budget.reserve("crawler", &call(&budget)).unwrap();
        let items = [100, 600, 1_400].map(Ok::<u64, Failure>);
        let mut stream = BudgetedStream::new(hold, Items::new(items), show);
        let mut seen = 0;
        for _ in 0..polls {
            use futures_core::Stream;
            let mut context = Context::from_waker(Waker::noop());
            match Pin::new(&mut stream).poll_next(&mut context) {
                Poll::Ready(Some(Ok(output))) => seen = output,
                Poll::Ready(Some(Err(error))) => panic!("{error}"),
                Poll::Ready(None) | Poll::Pending => {}
            }
        }
        drop(stream);
        budget.flush().unwrap();
        let spent = match (polls, seen) {
            (0, _) => Usd::ZERO,
            (_, output) => usd("0.01").checked_add(usd(&format!("{}e-5", output * 2))).unwrap(),
        };
        assert_eq!((budget.spent(), budget.held()), (spent, Usd::ZERO), "{polls}");
    }
}

#[test]
fn a_tab_is_closed_and_kept_up_without_blocking() {
    let folder = Folder::new("hold");
    let (budget, other) = (open(&folder, Usd::cents(3)), open(&folder, Usd::cents(3)));
    let mut hold = budget.reserve("crawler", &call(&budget)).unwrap();
    block_on(hold.grow_output_async(100)).unwrap();
    assert_eq!((hold.max_output_tokens(), hold.held()), (600, usd("0.022")));
    let refused = block_on(hold.grow_output_async(1_000)).unwrap_err();
    assert!(refused.denied().is_some());
    let mut hold = StreamHold::new(hold).growing_by(100);
    hold.usage().used(Usage::tokens(1_000, 650));
    block_on(hold.keep_up_async()).unwrap();
    assert_eq!(in_file(&other), (Usd::ZERO, usd("0.024")));
    hold.usage().used(Usage::tokens(1_000, 2_000));
    assert!(block_on(hold.keep_up_async()).is_err());
    let receipt = hold.close().unwrap();
    assert_eq!((receipt.cost, receipt.held), (Usd::cents(5), usd("0.024")));
    budget.flush().unwrap();
    assert_eq!(in_file(&other), (Usd::cents(5), Usd::ZERO));
}

/// What is doubtful about a bill raises its alert once it is written: of a settle that blocks, of
/// one that is awaited and of one that nobody awaits.
#[test]
fn doubts_raise_one_alert_with_a_journal_too() {
    let folder = Folder::new("doubts");
    let raised = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&raised);
    let rate = |text: &str| text.parse::<Rate>().unwrap();
    let mut book = PriceBook::empty();
    book.insert(ModelPrice::new("acme", "big", rate("10"), rate("20"))).unwrap();
    let budget = BudgetManager::builder()
        .prices(book)
        .clock(ManualClock::at("2026-11-24T09:30:00Z".parse().unwrap()))
        .on_alert(move |alert| heard.lock().unwrap().push(alert.kind()))
        .wait_for_disk(true)
        .journal(SqliteJournal::open(folder.file("budget.db")).unwrap())
        .build()
        .unwrap();
    let hold = || budget.reserve("writer", &call(&budget)).unwrap();
    let bill = || Bill::new(Usage::tokens(1_000, 0)).reported_cost(usd("0.5"));
    assert_eq!(hold().settle(bill()).cost, usd("0.01"));
    assert_eq!(hold().settle(bill()).cost, usd("0.01"));
    drop(hold().settle(bill()));
    budget.flush().unwrap();
    let big = budget.model("big").unwrap();
    budget.account("writer").unwrap().record(bill()).model(&big).book().unwrap();
    drop(budget);
    assert_eq!(*raised.lock().unwrap(), ["doubtful"; 4]);
}
