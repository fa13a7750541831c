//! Tests of the manager's public face: how calls are asked for, admitted, refused and
//! ended, one story each.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bursar::budget::{InvalidCall, LostCall, RecordError};
use bursar::clock::{ManualClock, Timestamp};
use bursar::ledger::Retry;
use bursar::{
    Alert, Bill, BudgetManager, Confidence, Estimate, Limit, ModelPrice, Observer, Path, Period,
    PriceBook, Rate, Receipt, Reservation, ReserveError, Service, Usage, Usd,
};

const DAY: Duration = Duration::from_secs(86_400);

fn start() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

/// One dollar for all, prices that are easy to reckon with, a clock that stands.
struct World {
    budget: BudgetManager,
    clock: ManualClock,
    alerts: Arc<Mutex<Vec<Alert>>>,
}

fn world(limits: impl IntoIterator<Item = (&'static str, Limit)>) -> World {
    world_with(limits, |builder| builder)
}

fn world_with(
    limits: impl IntoIterator<Item = (&'static str, Limit)>,
    more: impl FnOnce(bursar::budget::Builder) -> bursar::budget::Builder,
) -> World {
    let clock = ManualClock::at(start());
    let alerts = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&alerts);
    let mut builder = BudgetManager::builder()
        .clock(clock.clone())
        .prices(prices())
        .on_alert(move |alert| heard.lock().unwrap().push(alert.clone()));
    for (account, limit) in limits {
        builder = builder.limit(account, limit);
    }
    World { budget: more(builder).build().unwrap(), clock, alerts }
}

/// `big` costs $10 a million tokens in and $20 out, `small` a tenth.
fn prices() -> PriceBook {
    let rate = |text: &str| text.parse::<Rate>().unwrap();
    let mut book = PriceBook::empty();
    book.insert(ModelPrice::new("acme", "big", rate("10"), rate("20"))).unwrap();
    book.insert(ModelPrice::new("acme", "small", rate("1"), rate("2"))).unwrap();
    book
}

fn cents(cents: i64) -> Estimate {
    Estimate::fixed(Usd::cents(cents))
}

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

impl World {
    fn spent_and_held(&self) -> (Usd, Usd) {
        (self.budget.spent(), self.budget.held())
    }

    fn alerts(&self) -> Vec<String> {
        self.alerts.lock().unwrap().drain(..).map(|alert| alert.to_string()).collect()
    }
}

#[test]
fn every_end_of_a_hold_books_what_its_table_says() {
    type End = fn(Reservation);
    let ends: &[(&str, End, i64)] = &[
        ("settled below the hold", |hold| drop(hold.settle_cost(Usd::cents(10))), 10),
        ("settled at the hold", |hold| drop(hold.settle_cost(Usd::cents(40))), 40),
        (
            "settled above the hold and the limit",
            |hold| drop(hold.settle_cost(Usd::cents(250))),
            250,
        ),
        ("settled at nothing", |hold| drop(hold.settle_cost(Usd::ZERO)), 0),
        ("settled at less than nothing", |hold| drop(hold.settle_cost(Usd::cents(-5))), 40),
        ("settled at an absurd amount", |hold| drop(hold.settle_cost(Usd::MAX)), 40),
        ("released", Reservation::release, 0),
        (
            "refunded after it was sent",
            |hold| {
                hold.mark_sent();
                hold.refund("429");
            },
            0,
        ),
        ("dropped unsent", drop, 0),
        (
            "dropped after it was sent",
            |hold| {
                hold.mark_sent();
                drop(hold);
            },
            40,
        ),
        (
            "lost in a panic",
            |hold| {
                hold.mark_sent();
                let agent = std::thread::spawn(move || {
                    let _hold = hold;
                    panic!("the agent fell over");
                });
                assert!(agent.join().is_err());
            },
            40,
        ),
    ];
    for (what, end, booked) in ends {
        let world = world([("", Limit::spend(Usd::dollars(1)))]);
        let hold = world.budget.reserve("agent", &cents(40)).unwrap();
        assert_eq!(world.spent_and_held(), (Usd::ZERO, Usd::cents(40)), "{what}");
        end(hold);
        assert_eq!(world.spent_and_held(), (Usd::cents(*booked), Usd::ZERO), "{what}");
    }
}

#[test]
fn a_lost_call_is_released_where_the_policy_says_so_and_the_refund_is_told() {
    let world =
        world_with([("", Limit::spend(Usd::dollars(1)))], |b| b.on_lost_call(LostCall::Release));
    let hold = world.budget.reserve("agent", &cents(40)).unwrap();
    hold.mark_sent();
    drop(hold);
    assert_eq!(world.spent_and_held(), (Usd::ZERO, Usd::ZERO));
    assert_eq!(
        world.alerts(),
        ["a call of `agent` that had been sent was released, $0.40 uncharged: its reply was lost"]
    );
}

#[test]
fn a_future_marks_its_call_as_sent_at_the_first_poll_and_not_before() {
    let world = world([("", Limit::spend(Usd::dollars(1)))]);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());

    let hold = world.budget.reserve("agent", &cents(40)).unwrap();
    drop(hold.sending(std::future::pending::<()>()));
    assert!(!hold.is_sent());
    drop(hold);
    assert_eq!(world.spent_and_held(), (Usd::ZERO, Usd::ZERO));

    let hold = world.budget.reserve("agent", &cents(40)).unwrap();
    {
        let mut call = std::pin::pin!(hold.sending(std::future::pending::<()>()));
        assert!(call.as_mut().poll(&mut context).is_pending());
    } // the future is cancelled here, as by a timeout
    drop(hold);
    assert_eq!(world.spent_and_held(), (Usd::cents(40), Usd::ZERO));
    let report = world.budget.report();
    assert_eq!(report.account("agent").unwrap().assumed, Usd::cents(40));
}

#[test]
fn a_bill_is_booked_at_the_price_of_who_answered() {
    let price = |bill: Bill| {
        let world = world([("", Limit::spend(Usd::dollars(1)))]);
        let big = world.budget.model("big").unwrap();
        let hold =
            world.budget.reserve("a", &big.estimate().input(1_000).max_output(1_000)).unwrap();
        assert_eq!(hold.held(), usd("0.03"));
        let receipt = hold.settle(bill);
        (receipt.cost, receipt.confidence, world.alerts())
    };
    let usage = Usage::tokens(1_000, 100);
    let told = |bill: Bill| (price(bill.clone()).0, price(bill).1);
    assert_eq!(told(usage.into()), (usd("0.012"), Confidence::Exact));
    assert_eq!(told(Bill::new(usage).model("big")), (usd("0.012"), Confidence::Exact));
    assert_eq!(told(Bill::new(usage).model("acme/big")), (usd("0.012"), Confidence::Exact));
    assert_eq!(told(Bill::new(usage).model("small")), (usd("0.0012"), Confidence::Exact));
    assert_eq!(told(Bill::new(usage).estimated()), (usd("0.012"), Confidence::Estimated));
    let reported = Bill::new(usage).reported_cost(usd("0.0119"));
    assert_eq!(
        told(reported),
        (usd("0.012"), Confidence::Exact),
        "a price of one's own goes before"
    );

    // Law 3: what has no price is booked at the hold at least, and somebody is told.
    for (bill, words) in [
        (Bill::new(usage).service(Service::Priority), "priority"),
        (Bill::new(Usage { output_audio: 5, ..usage }), "audio"),
    ] {
        let (cost, confidence, alerts) = price(bill);
        assert_eq!((cost, confidence), (usd("0.03"), Confidence::Assumed));
        assert!(alerts.len() == 1 && alerts[0].contains(words), "{alerts:?}");
    }
    // The part that has a price may be more than the hold.
    let (cost, _, alerts) = price(Bill::new(Usage { output_audio: 5, ..Usage::tokens(9_000, 0) }));
    assert_eq!((cost, alerts.len()), (usd("0.09"), 1));
}

#[test]
fn the_first_alternative_that_fits_is_admitted() {
    let world = world([("", Limit::spend(Usd::cents(1)))]);
    let (big, small) = (world.budget.model("big").unwrap(), world.budget.model("small").unwrap());
    let agent = world.budget.account("agent").unwrap();
    let ask = |output| {
        agent
            .request(big.estimate().input(100).max_output(output))
            .or(small.estimate().input(100).max_output(output))
    };
    let hold = ask(400).reserve().unwrap();
    assert_eq!((hold.alternative(), hold.max_output_tokens()), (0, 400));
    hold.release();

    let hold = ask(4_000).reserve().unwrap();
    assert_eq!((hold.alternative(), hold.held()), (1, usd("0.0081")));
    hold.release();

    // $0.01 less $0.001 for the input leaves 450 tokens of the big one.
    let hold = ask(9_000).at_least(200).reserve().unwrap();
    assert_eq!((hold.alternative(), hold.max_output_tokens()), (0, 450));
    assert_eq!(hold.held(), Usd::cents(1));
    hold.release();

    let denied = ask(9_000).reserve().unwrap_err();
    let denied = denied.denied().unwrap();
    assert_eq!(denied.max_output_tokens, Some(4_950));
    assert_eq!(denied.retry, Retry::Never);
    assert_eq!(world.spent_and_held(), (Usd::ZERO, Usd::ZERO));
}

#[test]
fn a_refusal_is_a_sentence_and_data() {
    let day = Period::day_in("Europe/Berlin").unwrap();
    let world = world([
        ("", Limit::spend(Usd::dollars(100))),
        ("research", Limit::spend(Usd::dollars(1)).per(day)),
    ]);
    let crawler = world.budget.account("research/crawler").unwrap();
    crawler.reserve(&cents(70)).unwrap().settle_cost(Usd::cents(65));
    let held = crawler.reserve(&cents(20)).unwrap();
    let refused = crawler.reserve(&cents(50)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "`research/crawler` asks for $0.50, but the limit of `research` ($1.00 per day \
         (Europe/Berlin)) has $0.15 left: $0.65 spent, $0.20 held; it could pass at \
         2026-11-24T23:00:00Z"
    );
    let denied = refused.denied().unwrap();
    assert_eq!(denied.account, Path::new("research").unwrap());
    assert_eq!(denied.available, Usd::cents(15).into());

    // Law 11: the moment that it names is the moment at which it passes.
    drop(held);
    world.clock.set(Timestamp::from_micros(denied.retry_at().unwrap().as_micros() - 1));
    assert!(crawler.reserve(&cents(50)).is_err());
    world.clock.set(denied.retry_at().unwrap());
    crawler.reserve(&cents(50)).unwrap().release();
}

#[test]
fn a_call_is_charged_to_its_tags_too_and_the_report_does_not_add_them() {
    let world =
        world([("", Limit::spend(Usd::dollars(1))), ("user:*", Limit::spend(Usd::cents(30)))]);
    let (ann, team) =
        (world.budget.tag("user:ann").unwrap(), world.budget.tag("team:blue/west").unwrap());
    let agent = world.budget.account("agent").unwrap();
    agent.request(cents(20)).tag(&ann).tag(&team).reserve().unwrap().settle_cost(Usd::cents(20));
    assert_eq!((ann.spent(), team.spent()), (Usd::cents(20), Usd::cents(20)));
    let refused = agent.request(cents(20)).tag(&ann).reserve().unwrap_err();
    assert_eq!(refused.denied().unwrap().account.as_str(), "user:ann");
    agent.reserve(&cents(20)).unwrap().settle_cost(Usd::cents(20));

    let report = world.budget.report();
    assert_eq!(report.account("").unwrap().spent, Usd::cents(40));
    assert_eq!(report.account("team:blue").unwrap().spent, Usd::cents(20));
    assert!(report.accounts.iter().all(|account| !account.account.is_tag()));

    let two = world.budget.tag("user:bob").unwrap();
    let error = agent.request(cents(1)).tag(&ann).tag(&two).reserve().unwrap_err();
    assert_eq!(error, ReserveError::Invalid(InvalidCall::Tags));
    assert!(matches!(
        world.budget.reserve("user:ann", &cents(1)),
        Err(ReserveError::Account(_)) | Err(ReserveError::Invalid(_))
    ));
}

#[test]
fn handles_of_another_budget_are_refused() {
    let (one, other) = (world([]), world([]));
    let agent = one.budget.account("agent").unwrap();
    let tag = other.budget.tag("user:1").unwrap();
    let outer = other.budget.reserve("agent", &cents(1)).unwrap();
    let foreign = Err(ReserveError::Invalid(InvalidCall::ForeignHandle));
    assert_eq!(agent.request(cents(1)).tag(&tag).reserve().map(|_| ()), foreign);
    assert_eq!(agent.request(cents(1)).inside(&outer).reserve().map(|_| ()), foreign);
    // A model is no more than a price and a name: another budget takes it, and gives it a number.
    let big = other.budget.model("big").unwrap();
    agent.reserve(&big.estimate().input(5).max_output(5)).unwrap().settle(Usage::tokens(5, 5));
    assert_eq!(one.budget.report().models[0].model.as_deref(), Some("acme/big"));
}

#[test]
fn what_is_kept_for_wrapping_up_is_there_at_the_end() {
    let limit = Limit::spend(Usd::dollars(1)).keep_for_wrap_up(Usd::cents(20));
    let world = world([("agent", limit)]);
    let agent = world.budget.account("agent").unwrap();
    assert_eq!(agent.remaining(), Some(Usd::cents(80)));
    agent.reserve(&cents(80)).unwrap().settle_cost(Usd::cents(80));
    assert!(!agent.can_afford(&cents(1)));
    assert!(agent.reserve(&cents(1)).is_err());
    agent.request(cents(20)).wrap_up().reserve().unwrap().settle_cost(Usd::cents(20));
    assert!(agent.request(cents(1)).wrap_up().reserve().is_err());
}

#[test]
fn an_inner_call_takes_its_money_out_of_the_outer_hold() {
    let world =
        world([("", Limit::spend(Usd::dollars(1))), ("team/a", Limit::spend(Usd::cents(50)))]);
    let team = world.budget.account("team").unwrap();
    let member = world.budget.account("team/a").unwrap();
    let outer = team.reserve(&cents(90)).unwrap();
    // The whole budget has ten cents left, and yet an inner call of forty passes.
    assert!(member.reserve(&cents(40)).is_err());
    let inner = member.request(cents(40)).inside(&outer).reserve().unwrap();
    assert_eq!(world.budget.held(), Usd::cents(90));
    inner.settle_cost(Usd::cents(30));
    assert_eq!(world.spent_and_held(), (Usd::cents(30), Usd::cents(60)));
    // The member's own limit of fifty still counts.
    assert!(member.request(cents(30)).inside(&outer).reserve().is_err());
    outer.settle_cost(Usd::cents(5));
    assert_eq!(world.spent_and_held(), (Usd::cents(35), Usd::ZERO));
    let requests = world.budget.report().account("").unwrap().requests;
    assert_eq!(requests, 1, "a call that makes calls of its own is none");
}

#[test]
fn a_hold_grows_as_long_as_there_is_room() {
    let world = world([("", Limit::spend(Usd::cents(5))), ("", Limit::requests(1))]);
    let big = world.budget.model("big").unwrap();
    let mut hold =
        world.budget.reserve("a", &big.estimate().input(1_000).max_output(1_000)).unwrap();
    hold.grow_output(1_000).unwrap();
    assert_eq!((hold.held(), hold.max_output_tokens()), (Usd::cents(5), 2_000));
    assert!(hold.grow_output(1).unwrap_err().denied().is_some());
    assert_eq!(hold.max_output_tokens(), 2_000);
    let receipt = hold.settle(Usage::tokens(1_000, 1_900));
    assert_eq!(world.spent_and_held(), (receipt.cost, Usd::ZERO));
}

#[test]
fn a_run_ends_and_leaves_its_totals_above() {
    let world = world([]);
    let research = world.budget.account("research").unwrap();
    for round in 0..3 {
        let mut run = research.run("task").unwrap();
        assert!(research.run("task").is_err(), "two runs of one name");
        run.set_limit(Limit::spend(Usd::cents(50))).unwrap();
        let late = run.reserve(&cents(40)).unwrap();
        assert!(run.reserve(&cents(20)).is_err());
        let handle = run.clone();
        run.close();
        assert!(matches!(handle.reserve(&cents(1)), Err(ReserveError::Account(_))));
        assert_eq!(research.held(), Usd::cents(40), "its hold is waited for");
        late.settle_cost(Usd::cents(30));
        assert_eq!(research.spent(), Usd::cents(30 * (round + 1)));
    }
    let report = world.budget.report();
    assert!(report.account("research/task").is_none());
    assert!(report.limits.is_empty(), "a run's limits end with it: {:?}", report.limits);
    assert_eq!(report.account("research").unwrap().requests, 3);
}

#[test]
fn a_frozen_account_refuses_and_settles() {
    let world = world([]);
    let crawler = world.budget.account("research/crawler").unwrap();
    let mut hold = crawler.reserve(&cents(10)).unwrap();
    world.budget.freeze("research", "spends too fast").unwrap();
    let refused = crawler.reserve(&cents(1)).unwrap_err();
    assert_eq!(refused.to_string(), "`research` is frozen: spends too fast");
    assert!(matches!(hold.grow_cost(Usd::cents(1)), Err(ReserveError::Frozen { .. })));
    assert!(crawler.request(cents(1)).wrap_up().reserve().is_err());
    hold.settle_cost(Usd::cents(10));
    assert_eq!(crawler.spent(), Usd::cents(10));
    assert!(
        world.budget.report().to_string().contains("frozen: research, because spends too fast")
    );
    world.budget.thaw("research").unwrap();
    crawler.reserve(&cents(1)).unwrap().release();
}

#[test]
fn a_recorded_call_is_booked_once_and_whatever_the_limits_say() {
    let world = world([("", Limit::spend(Usd::cents(1)))]);
    let agent = world.budget.account("agent").unwrap();
    let big = world.budget.model("big").unwrap();
    let usage = Usage::tokens(1_000, 1_000);
    let receipt = agent.record(usage).model(&big).key("a").book().unwrap();
    assert_eq!((receipt.cost, world.budget.spent()), (Usd::cents(3), Usd::cents(3)));
    assert_eq!(
        world.alerts(),
        ["the whole budget is over its limit of $0.01 in all: $0.03 is spent or held; calls are \
          refused until there is room"]
    );
    let again = agent.record(usage).model(&big).key("a").book();
    assert_eq!(again.unwrap_err(), RecordError::AlreadyBooked("a".into()));
    world.clock.advance(DAY);
    agent.record(usage).model(&big).key("a").book().unwrap();
    assert_eq!(world.budget.spent(), Usd::cents(6));

    // Unknown is not free, and not silent: no price, no hold, so nothing but the alert.
    let receipt = agent.record(Bill::new(usage).model("huge")).book().unwrap();
    assert_eq!((receipt.cost, receipt.confidence), (Usd::ZERO, Confidence::Assumed));
    assert!(world.alerts()[0].contains("could not be priced"));
}

#[test]
fn a_lease_that_ends_is_charged_and_the_late_word_books_the_difference() {
    let world = world_with([("", Limit::spend(Usd::dollars(1)))], |b| b.lease(DAY));
    let hold = world.budget.reserve("agent", &cents(40)).unwrap();
    world.clock.advance(DAY);
    assert_eq!(world.spent_and_held(), (Usd::cents(40), Usd::ZERO));
    assert_eq!(
        world.alerts(),
        ["a call of `agent` never reported back; its hold of $0.40 has been charged"]
    );
    let receipt = hold.settle_cost(Usd::cents(15));
    assert_eq!((receipt.cost, world.budget.spent()), (Usd::cents(15), Usd::cents(15)));
}

#[test]
fn limits_are_changed_and_lifted_at_run_time() {
    let world = world([("", Limit::spend(Usd::dollars(1)).alert_at([50, 90]))]);
    world.budget.reserve("a", &cents(60)).unwrap().settle_cost(Usd::cents(60));
    assert_eq!(world.alerts().len(), 1);
    world.budget.set_limit("", Limit::spend(Usd::cents(65)).alert_at([50, 90])).unwrap();
    assert_eq!(world.alerts().len(), 1, "ninety percent is newly crossed, fifty has fired");
    assert!(world.budget.reserve("a", &cents(10)).is_err());
    world.budget.lift_limit("", &Limit::spend(Usd::ZERO)).unwrap();
    assert!(world.budget.lift_limit("", &Limit::spend(Usd::ZERO)).is_err());
    world.budget.reserve("a", &cents(500)).unwrap().release();
    assert_eq!(world.budget.remaining(), None);
}

#[test]
fn nonsense_is_refused_with_a_sentence_and_changes_nothing() {
    let world = world([("", Limit::spend(Usd::dollars(1)))]);
    let before = world.budget.report();
    for (estimate, words) in [
        (Estimate::fixed(Usd::cents(-1)), "from zero"),
        (Estimate::fixed(Usd::MAX), "hundred billion"),
    ] {
        let error = world.budget.reserve("", &estimate).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let big = world.budget.model("big").unwrap();
    for estimate in [
        big.estimate().input(u64::MAX).max_output(1),
        big.estimate().input(1).max_output(u64::MAX),
        big.estimate().input(1).max_output(5).choices(u64::MAX),
    ] {
        assert!(world.budget.reserve("", &estimate).is_err(), "{estimate:?}");
    }
    let uncapped = world.budget.reserve("", &big.estimate().input(5)).unwrap_err().to_string();
    assert!(uncapped.contains("cap"), "{uncapped}");
    assert!(world.budget.account("a//b").is_err());
    assert!(world.budget.account("user:1").is_err());
    assert!(world.budget.tag("user").is_err());
    assert!(world.budget.set_limit("a/**", Limit::tokens(1)).is_err());
    assert!(BudgetManager::new(Usd::cents(-1)).is_err());
    let report = world.budget.report();
    assert_eq!((report.accounts, report.limits), (before.accounts, before.limits));
}

#[test]
fn unknown_is_not_free() {
    let world = world([]);
    let error = world.budget.model("bigger").unwrap_err().to_string();
    assert!(error.contains("bigger") && error.contains("acme/big"), "{error}");
    let big = world.budget.model("big").unwrap();
    let error = world.budget.reserve("a", &big.estimate().max_output(1).service(Service::Batch));
    assert!(matches!(error, Err(ReserveError::Price(_))));
    // Free is a price that someone wrote down; it passes a limit that is spent out (law 2).
    world.budget.insert_price(ModelPrice::free("local", "llama")).unwrap();
    world.budget.set_limit("", Limit::spend(Usd::ZERO)).unwrap();
    let llama = world.budget.model("llama").unwrap();
    let hold = world.budget.reserve("a", &llama.estimate().input(5).max_output(5)).unwrap();
    assert_eq!(hold.settle(Usage::tokens(5, 5)).cost, Usd::ZERO);
    assert!(world.budget.reserve("a", &big.estimate().input(5).max_output(5)).is_err());
}

#[derive(Default)]
struct Watcher {
    reserved: AtomicUsize,
    refused: AtomicUsize,
    settled: AtomicUsize,
    released: AtomicUsize,
}

impl Observer for Watcher {
    fn on_reserve(&self, account: &Path, hold: &Reservation) {
        assert_eq!((account.as_str(), hold.held()), ("agent", Usd::cents(40)));
        self.reserved.fetch_add(1, Ordering::SeqCst);
    }

    fn on_refuse(&self, _: &Path, error: &ReserveError) {
        assert!(error.denied().is_some());
        self.refused.fetch_add(1, Ordering::SeqCst);
        panic!("a watcher that panics loses no charge");
    }

    fn on_settle(&self, _: &Path, receipt: &Receipt) {
        assert_eq!(receipt.cost, Usd::cents(40));
        self.settled.fetch_add(1, Ordering::SeqCst);
        panic!("a watcher that panics loses no charge");
    }

    fn on_release(&self, _: &Path, amount: Usd) {
        assert_eq!(amount, Usd::cents(40));
        self.released.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_watcher_sees_everything_and_may_panic() {
    let watcher = Arc::new(Watcher::default());
    let world =
        world_with([("", Limit::spend(Usd::dollars(1)))], |b| b.shared_observer(watcher.clone()));
    let reserve = || world.budget.reserve("agent", &cents(40));
    let (one, two) = (reserve().unwrap(), reserve().unwrap());
    assert!(reserve().is_err());
    one.settle_cost(Usd::cents(40));
    two.release();
    let seen = [&watcher.reserved, &watcher.refused, &watcher.settled, &watcher.released];
    assert_eq!(seen.map(|count| count.load(Ordering::SeqCst)), [2, 1, 1, 1]);
}

#[test]
fn handles_and_guards_go_anywhere() {
    fn anywhere<T: Send + Sync + 'static>() {}
    anywhere::<BudgetManager>();
    anywhere::<bursar::Account>();
    anywhere::<bursar::Tag>();
    anywhere::<bursar::Model>();
    anywhere::<bursar::Run>();
    anywhere::<Reservation>();
    anywhere::<ReserveError>();
    anywhere::<Receipt>();
    assert!(size_of::<ReserveError>() <= 64, "an error that is cheap to hand up");
}

#[test]
fn the_report_is_data_and_a_table_of_80_columns() {
    let world = world([
        ("", Limit::spend(Usd::dollars(1)).per(Period::MONTH)),
        ("research/*", Limit::tokens(200_000).per(Period::rolling(Duration::from_secs(60)))),
    ]);
    let big = world.budget.model("big").unwrap();
    let crawler = world.budget.account("research/crawler").unwrap();
    crawler
        .reserve(&big.estimate().input(1_000).max_output(900))
        .unwrap()
        .settle(Usage::tokens(1_000, 900));
    crawler.note_saved(Usd::cents(2));
    let lost = crawler.reserve(&cents(3)).unwrap();
    lost.mark_sent();
    drop(lost);
    let _open = crawler.reserve(&cents(7)).unwrap();
    let report = world.budget.report();
    let table = report.to_string();
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    assert_eq!(table, include_str!("data/report.txt"), "{table}");
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<bursar::Report>(&json).unwrap(), report);
    let root = report.account("").unwrap();
    assert_eq!((root.requests, root.open_calls), (2, 1));
    assert_eq!((root.spent, root.held, root.assumed), (usd("0.058"), usd("0.07"), usd("0.03")));
}

#[test]
fn a_price_book_that_has_grown_old_says_so() {
    let clock = ManualClock::at("2027-02-28T00:00:00Z".parse().unwrap());
    let budget = BudgetManager::builder().clock(clock).build().unwrap();
    let table = budget.report().to_string();
    assert!(table.contains("prices as of 2026-11-20: 100 days old, load newer"), "{table}");
    let recent = "2026-12-01T00:00:00Z".parse().unwrap();
    let budget = BudgetManager::builder().clock(ManualClock::at(recent)).build().unwrap();
    assert_eq!(budget.report().prices_age_days, Some(11));
}

/// Law 6: a clock that is set back opens no new window, and gives no old one back.
#[test]
fn time_never_goes_back() {
    let world = world([("", Limit::spend(Usd::dollars(1)).per(Period::DAY))]);
    world.budget.reserve("a", &cents(60)).unwrap().settle_cost(Usd::cents(60));
    world.clock.set("2026-11-23T12:00:00Z".parse().unwrap());
    assert!(world.budget.reserve("a", &cents(60)).is_err(), "yesterday is over");
    assert_eq!(world.budget.report().at, start());
    world.clock.set("2026-11-25T00:00:00Z".parse().unwrap());
    world.budget.reserve("a", &cents(60)).unwrap().settle_cost(Usd::cents(60));
    world.clock.set("1970-01-01T00:00:00Z".parse().unwrap());
    assert!(world.budget.reserve("a", &cents(60)).is_err());
    world.clock.set(Timestamp::MAX);
    world.budget.reserve("a", &cents(60)).unwrap().release();
}
