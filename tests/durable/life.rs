//! The stories of one file over several lives of a process.

use std::time::Duration;

use bursar::agent::testing::{ScriptedAgent, block_on};
use bursar::budget::LostCall;
use bursar::clock::ManualClock;
use bursar::journal::{Durability, SqliteJournal};
use bursar::{
    Alert, Bill, BudgetConstrained, BudgetManager, Confidence, Estimate, Limit, Period, Usage, Usd,
};
use rusqlite::Connection;
use std::future::Future;
use std::sync::{Arc, Mutex};

use crate::Folder;

fn clock() -> ManualClock {
    ManualClock::at("2026-11-24T09:30:00Z".parse().unwrap())
}

fn open(folder: &Folder, clock: &ManualClock) -> BudgetManager {
    BudgetManager::builder()
        .limit("", Limit::spend(Usd::dollars(10)).per(Period::MONTH).alert_at([50]))
        .limit("user:*", Limit::spend(Usd::dollars(3)))
        .clock(clock.clone())
        .wait_for_disk(true)
        .journal(SqliteJournal::open(folder.file("budget.db")).unwrap())
        .build()
        .unwrap()
}

#[test]
fn a_monthly_limit_goes_on_after_a_restart() {
    let (folder, clock) = (Folder::new("restart"), clock());
    let budget = open(&folder, &clock);
    let hold = budget.reserve("research/crawler", &Estimate::fixed(Usd::dollars(6))).unwrap();
    assert_eq!(budget.held(), Usd::dollars(6));
    assert_eq!(hold.settle_cost(Usd::dollars(4)).cost, Usd::dollars(4));
    let luna = budget.model("gpt-6-luna").unwrap();
    let hold = budget.reserve("writer", &luna.estimate().input(9_000).max_output(400)).unwrap();
    let spent = hold.settle(Usage::tokens(8_000, 100)).cost.checked_add(Usd::dollars(4)).unwrap();
    let before = budget.report();
    drop(budget);

    let budget = open(&folder, &clock);
    assert_eq!(budget.spent(), spent);
    let after = budget.report();
    assert_eq!((after.limits, after.accounts), (before.limits, before.accounts));
    assert_eq!(after.models, before.models);
    assert!(budget.reserve("research", &Estimate::fixed(Usd::dollars(6))).is_err());
    clock.advance(Duration::from_secs(7 * 86_400));
    assert!(budget.reserve("research", &Estimate::fixed(Usd::dollars(6))).is_ok());
}

#[test]
fn all_that_a_guard_can_do_is_written() {
    let (folder, clock) = (Folder::new("guard"), clock());
    let budget = open(&folder, &clock);
    let account = budget.account("a/b").unwrap();
    let user = budget.tag("user:42").unwrap();
    let fixed = |cents| Estimate::fixed(Usd::cents(cents));

    account.request(fixed(10)).tag(&user).reserve().unwrap().release();
    drop(account.reserve(&fixed(10)).unwrap());
    let lost = account.request(fixed(11)).tag(&user).reserve().unwrap();
    lost.mark_sent();
    drop(lost);
    let mut outer = account.reserve(&fixed(50)).unwrap();
    outer.grow_cost(Usd::cents(20)).unwrap();
    account.request(fixed(30)).inside(&outer).reserve().unwrap().settle_cost(Usd::cents(25));
    outer.settle_cost(Usd::cents(40));
    let luna = budget.model("gpt-6-luna").unwrap();
    account.record(Usage::tokens(100, 10)).model(&luna).key("once").book().unwrap();
    assert!(account.record(Usage::tokens(100, 10)).model(&luna).key("once").book().is_err());
    // Without a key each is a call of its own, however equal.
    for _ in 0..2 {
        account.record(Usage::tokens(100, 10)).model(&luna).book().unwrap();
    }
    assert_eq!(budget.report().account("a/b").unwrap().requests, 5);
    account.run("task").unwrap().close();
    account.note_saved(Usd::cents(1));
    account.freeze("enough").unwrap();
    budget.flush().unwrap();
    let before = budget.report();
    assert_eq!(user.spent(), Usd::cents(11));
    drop((account, user, luna, budget));

    let budget = open(&folder, &clock);
    assert_eq!(budget.report().accounts, before.accounts);
    assert_eq!(budget.report().tags, before.tags);
    assert!(budget.reserve("a/b", &fixed(1)).unwrap_err().to_string().contains("enough"));
}

#[test]
fn a_hold_of_a_process_that_died_is_charged_when_its_lease_ends() {
    let (folder, clock) = (Folder::new("lease"), clock());
    let budget = open(&folder, &clock);
    let hold = budget.reserve("a", &Estimate::fixed(Usd::dollars(2))).unwrap();
    std::mem::forget(hold); // as if the process had been killed
    drop(budget);

    let alerts = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&alerts);
    let budget = BudgetManager::builder()
        .clock(clock.clone())
        .on_alert(move |alert: &Alert| heard.lock().unwrap().push(alert.to_string()))
        .wait_for_disk(true)
        .journal(SqliteJournal::open(folder.file("budget.db")).unwrap())
        .build()
        .unwrap();
    assert_eq!((budget.held(), budget.spent()), (Usd::dollars(2), Usd::ZERO));
    let own = budget.reserve("b", &Estimate::fixed(Usd::cents(1))).unwrap();
    let report = budget.report();
    let elsewhere = report.elsewhere.as_ref().unwrap();
    assert_eq!((elsewhere.calls, elsewhere.held), (1, Usd::dollars(2)));
    assert!(report.to_string().contains("$2.00 is held by 1 call of other processes"), "{report}");
    own.release();
    clock.advance(Duration::from_secs(15 * 60 + 1));
    assert_eq!((budget.held(), budget.spent()), (Usd::ZERO, Usd::dollars(2)));
    budget.flush().unwrap();
    let told = "a call of `a` never reported back; its hold of $2.00 has been charged";
    assert_eq!(*alerts.lock().unwrap(), [told]);
    assert_eq!(budget.report().account("a").unwrap().assumed, Usd::dollars(2));
}

#[test]
fn the_file_can_be_asked_in_sql() {
    let (folder, clock) = (Folder::new("sql"), clock());
    let budget = open(&folder, &clock);
    let luna = budget.model("gpt-6-luna").unwrap();
    let user = budget.tag("user:42").unwrap();
    let account = budget.account("writer").unwrap();
    let estimate = luna.estimate().input(9_000).max_output(400);
    let receipt = account.request(estimate).tag(&user).reserve().unwrap().settle(Usage {
        cache_read: 500,
        reasoning: 7,
        ..Usage::tokens(8_000, 100)
    });
    budget.adjust("writer", Usd::cents(3), clock_now(&clock), "invoice 17").unwrap();
    let too_much = budget.adjust("writer", Usd::dollars(-1), clock_now(&clock), "a mistake");
    assert!(too_much.is_err());
    assert_eq!(receipt.confidence, Confidence::Exact);

    let file = Connection::open(folder.file("budget.db")).unwrap();
    type Line = (String, String, String, String, String, i64, i64, i64);
    let line: Line = file
        .query_row(
            "SELECT at, account, tags, model, cost, input_uncached, cache_read, reasoning \
             FROM charges WHERE kind = 'settled'",
            [],
            |row| {
                Ok((
                    row.get(0)?,
                    row.get(1)?,
                    row.get(2)?,
                    row.get(3)?,
                    row.get(4)?,
                    row.get(5)?,
                    row.get(6)?,
                    row.get(7)?,
                ))
            },
        )
        .unwrap();
    assert_eq!(line.0, "2026-11-24T09:30:00.000000Z");
    assert_eq!((&*line.1, &*line.2, &*line.3), ("writer", "[\"user:42\"]", "openai/gpt-6-luna"));
    assert_eq!(line.4.parse::<Usd>().unwrap(), receipt.cost);
    assert_eq!((line.5, line.6, line.7), (8_000, 500, 7));
    let adjusted: (String, String) = file
        .query_row("SELECT cost, why FROM charges WHERE kind = 'adjusted'", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!(adjusted, ("0.03".to_owned(), "invoice 17".to_owned()));
    let (day, calls): (String, i64) = file
        .query_row("SELECT day, calls FROM spend_by_day", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!((&*day, calls), ("2026-11-24", 1));
}

fn clock_now(clock: &ManualClock) -> bursar::clock::Timestamp {
    use bursar::clock::Clock;
    clock.now()
}

#[test]
fn a_late_word_takes_the_assumed_charge_back() {
    let (folder, clock) = (Folder::new("late"), clock());
    let budget = open(&folder, &clock);
    let hold = budget.reserve("a", &Estimate::fixed(Usd::dollars(2))).unwrap();
    clock.advance(Duration::from_secs(3_600));
    assert_eq!(budget.spent(), Usd::dollars(2));
    hold.settle_cost(Usd::cents(50));
    assert_eq!(budget.spent(), Usd::cents(50));
    let file = Connection::open(folder.file("budget.db")).unwrap();
    let mut ask = file.prepare("SELECT kind, cost FROM charges ORDER BY id").unwrap();
    let lines = ask.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let lines: Vec<(String, String)> = lines.map(Result::unwrap).collect();
    let wanted = [("expired", "2"), ("reversed", "-2"), ("settled", "0.5")];
    assert_eq!(lines, wanted.map(|(kind, cost)| (kind.to_owned(), cost.to_owned())));
}

/// By policy the hold of a process that died is given back; a call of this one is still booked.
#[test]
fn a_policy_gives_back_what_a_dead_process_held() {
    let (folder, clock) = (Folder::new("policy"), clock());
    std::mem::forget(open(&folder, &clock).reserve("a", &Estimate::fixed(Usd::dollars(2))));
    let budget = BudgetManager::builder()
        .clock(clock.clone())
        .on_lost_call(LostCall::Release)
        .wait_for_disk(true)
        .journal(SqliteJournal::open(folder.file("budget.db")).unwrap())
        .build()
        .unwrap();
    let own = budget.reserve("b", &Estimate::fixed(Usd::dollars(1))).unwrap();
    clock.advance(Duration::from_secs(15 * 60 + 1));
    assert_eq!((budget.held(), budget.spent()), (Usd::ZERO, Usd::dollars(1)));
    own.settle_cost(Usd::cents(3));
    assert_eq!((budget.held(), budget.spent()), (Usd::ZERO, Usd::cents(3)));
}

/// Old events are forgotten, old charges stay, and what is opened again is the same.
#[test]
fn a_long_life_is_kept_short() {
    let (folder, clock) = (Folder::new("compact"), clock());
    let budget = BudgetManager::builder()
        .clock(clock.clone())
        .wait_for_disk(true)
        .journal(SqliteJournal::open(folder.file("budget.db")).unwrap())
        .build()
        .unwrap();
    let account = budget.account("a").unwrap();
    for _ in 0..16_000 {
        account.reserve(&Estimate::fixed(Usd::cents(2))).unwrap().settle_cost(Usd::cents(1));
    }
    let before = budget.report();
    drop((account, budget));
    let file = Connection::open(folder.file("budget.db")).unwrap();
    let count = |table: &str| -> i64 {
        file.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!(count("charges"), 16_000);
    assert!(count("events") <= 22_001, "{} events are kept", count("events"));
    assert_eq!(count("snapshots"), 2);
    let options = SqliteJournal::options().durability(Durability::PowerLoss);
    let budget = BudgetManager::builder()
        .clock(clock)
        .wait_for_disk(true)
        .journal(options.open(folder.file("budget.db")).unwrap())
        .build()
        .unwrap();
    assert_eq!(budget.spent(), Usd::dollars(160));
    assert_eq!(budget.report().accounts, before.accounts);
}

/// A call waits for room that another process makes, or its time is up.
#[test]
fn a_call_waits_for_room() {
    let (folder, clock) = (Folder::new("wait"), clock());
    let (here, there) = (open(&folder, &clock), open(&folder, &clock));
    let hold = there.reserve("a", &Estimate::fixed(Usd::dollars(8))).unwrap();
    let account = here.account("b").unwrap();
    let wait =
        |secs| account.request(Estimate::fixed(Usd::dollars(5))).wait(Duration::from_secs(secs));
    let done = std::thread::scope(|scope| {
        let waits = scope.spawn(|| block_on(wait(60)));
        while here.waiting() == 0 {
            std::thread::yield_now();
        }
        hold.settle_cost(Usd::dollars(1));
        clock.advance(Duration::from_secs(2)); // it looks again
        waits.join().unwrap()
    });
    assert_eq!(done.unwrap().held(), Usd::dollars(5));
    let refused = block_on(account.request(Estimate::fixed(Usd::dollars(11))).wait(Duration::ZERO));
    assert!(refused.unwrap_err().denied().is_some());
    here.flush().unwrap();
    assert_eq!(here.held(), Usd::ZERO);
}

/// Async callers get the same without blocking their thread: one thread runs both sides here.
#[tokio::test(flavor = "current_thread")]
async fn what_is_awaited_is_written() {
    let (folder, clock) = (Folder::new("async"), clock());
    let budget = open(&folder, &clock);
    let account = budget.account("a").unwrap();
    let ask = || account.request(Estimate::fixed(Usd::cents(10)));
    let calls = (0..32)
        .map(|_| async { ask().reserve_async().await.unwrap().settle(Bill::new(Usage::NONE)) });
    for call in calls.map(Box::pin).collect::<Vec<_>>() {
        assert_eq!(call.await.confidence, Confidence::Assumed); // no model, no price
    }
    // Asked for, and given up before the answer came: nothing is held.
    for _ in 0..20 {
        let mut asked = Box::pin(ask().reserve_async());
        let waker = std::task::Waker::noop();
        let _ = asked.as_mut().poll(&mut std::task::Context::from_waker(waker));
        drop(asked);
    }
    budget.flush().unwrap();
    budget.flush().unwrap(); // what the answers that nobody awaited gave back
    assert_eq!((budget.spent(), budget.held()), (Usd::cents(320), Usd::ZERO));

    let luna = budget.model("gpt-6-luna").unwrap();
    let agent = ScriptedAgent::new("writer", luna.estimate().input(1_200).max_output(800))
        .reply("done", Usage::tokens(1_000, 100));
    let writer = BudgetConstrained::new(agent, budget.account("writer").unwrap());
    let reply = writer.run("a task".to_owned()).await.unwrap();
    assert_eq!(budget.account("writer").unwrap().spent(), reply.cost);
    drop((account, writer, luna, budget));
    let budget = open(&folder, &clock);
    assert_eq!(budget.account("writer").unwrap().spent(), reply.cost);
}
