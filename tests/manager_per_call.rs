//! Tests of `Limit::per_call`, a cap for each call that counts nothing.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bursar::clock::ManualClock;
use bursar::ledger::Retry;
use bursar::{
    Alert, Bill, BudgetManager, Estimate, Limit, Model, ModelPrice, Policy, PriceBook,
    ReserveError, Usage, Usd,
};

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

fn fixed(amount: &str) -> Estimate {
    Estimate::fixed(usd(amount))
}

/// `acme/small` and `acme/large`: a dollar for a million tokens of input, ten for one of output.
fn prices() -> PriceBook {
    let mut book = PriceBook::empty();
    for id in ["small", "large"] {
        let price = ModelPrice::new("acme", id, "1".parse().unwrap(), "10".parse().unwrap());
        book.insert(price).unwrap();
    }
    book
}

struct World {
    budget: BudgetManager,
    alerts: Arc<Mutex<Vec<Alert>>>,
    clock: ManualClock,
}

fn world(limits: &[(&str, Limit)]) -> World {
    let clock = ManualClock::at("2026-11-24T12:00:00Z".parse().unwrap());
    let alerts = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&alerts);
    let builder = BudgetManager::builder()
        .clock(clock.clone())
        .prices(prices())
        .on_alert(move |alert| kept.lock().unwrap().push(alert.clone()));
    let with = |builder: bursar::budget::Builder, (to, limit): &(&str, Limit)| {
        builder.limit(*to, limit.clone())
    };
    let budget = limits.iter().fold(builder, with).build().unwrap();
    World { budget, alerts, clock }
}

impl World {
    fn model(&self, id: &str) -> Model {
        self.budget.model(id).unwrap()
    }

    fn alerts(&self) -> Vec<String> {
        self.alerts.lock().unwrap().drain(..).map(|alert| alert.to_string()).collect()
    }
}

/// `ReserveError` as (who has the limit, asked), of one that can never pass.
fn never(refused: Result<bursar::Reservation, ReserveError>) -> (String, String) {
    let error = refused.unwrap_err();
    let denied = error.denied().unwrap_or_else(|| panic!("{error}"));
    assert_eq!(denied.retry, Retry::Never, "{error}");
    assert_eq!((denied.spent, denied.held), (Usd::ZERO.into(), Usd::ZERO.into()));
    (denied.account.to_string(), denied.asked.to_string())
}

#[test]
fn each_call_is_measured_alone() {
    let w = world(&[("", Limit::per_call(usd("0.50")))]);
    let a = w.budget.account("a").unwrap();
    let held: Vec<_> = (0..50).map(|_| a.reserve(&fixed("0.50")).unwrap()).collect();
    held.into_iter().for_each(|hold| drop(hold.settle_cost(usd("0.50"))));
    assert_eq!(never(a.reserve(&fixed("0.51"))), (String::new(), "$0.51".to_owned()));
    assert!(a.reserve(&fixed("0")).is_ok());
    assert_eq!(a.spent(), usd("25"));
    assert_eq!((a.remaining(), a.money_left().len()), (None, 0), "it is no money to share");
    assert_eq!(w.alerts(), [""; 0]);
    // It goes with its limit, and changes with it.
    w.budget.set_limit("", Limit::per_call(usd("1"))).unwrap();
    assert!(a.reserve(&fixed("0.51")).is_ok());
    w.budget.lift_limit("", &Limit::per_call(Usd::ZERO)).unwrap();
    assert!(a.reserve(&fixed("5")).is_ok());
    w.budget.set_limit("", Limit::per_call(Usd::ZERO)).unwrap();
    assert!(a.reserve(&fixed("0")).is_ok() && a.reserve(&fixed("0.01")).is_err());
}

#[test]
fn it_is_for_accounts_patterns_tags_and_models() {
    let w = world(&[
        ("team/*", Limit::per_call(usd("0.30"))),
        ("user:*", Limit::per_call(usd("0.20"))),
        ("", Limit::per_call(usd("0.10")).only_model("acme/small")),
    ]);
    let (team, writer) =
        (w.budget.account("team").unwrap(), w.budget.account("team/writer").unwrap());
    let user = w.budget.tag_for("user", "ada").unwrap();
    assert!(team.reserve(&fixed("9")).is_ok(), "the pattern means its children");
    assert_eq!(never(writer.reserve(&fixed("0.31"))).0, "team/writer");
    assert!(writer.reserve(&fixed("0.30")).is_ok());
    assert_eq!(never(writer.request(fixed("0.21")).tag(&user).reserve()).0, "user:ada");
    assert!(writer.request(fixed("0.20")).tag(&user).reserve().is_ok());
    let (small, large) = (w.model("small"), w.model("large"));
    let call = |model: &Model| model.estimate().input(150_000).max_output(0);
    assert_eq!(never(writer.reserve(&call(&small))).0, "");
    assert!(writer.reserve(&call(&large)).is_ok());
    // The first alternative that fits.
    let hold = writer.request(call(&small)).or(call(&large)).reserve().unwrap();
    assert_eq!(hold.alternative(), 1);
}

#[test]
fn a_call_is_shortened_to_it() {
    let w = world(&[("", Limit::per_call(usd("0.05")))]);
    let (a, small) = (w.budget.account("a").unwrap(), w.model("small"));
    let call = small.estimate().input(10_000).max_output(8_000); // $0.01 + $0.08
    let error = a.reserve(&call).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`a` asks for $0.09, but the limit of the whole budget is $0.05 per call; as asked it can \
         never pass unless the limit is raised; with a cap of 4,000 output tokens it passes now",
    );
    let hold = a.request(call.clone()).at_least(100).reserve().unwrap();
    assert_eq!((hold.max_output_tokens(), hold.held()), (4_000, usd("0.05")));
    assert_eq!(never(a.request(call).at_least(4_100).reserve()).1, "$0.051");
}

#[test]
fn growth_counts_with_what_is_held() {
    let w = world(&[("", Limit::per_call(usd("0.05")))]);
    let (a, small) = (w.budget.account("a").unwrap(), w.model("small"));
    let mut hold = a.reserve(&small.estimate().input(10_000).max_output(3_000)).unwrap(); // $0.04
    let error = hold.grow_output(1_001).unwrap_err();
    let denied = error.denied().unwrap();
    assert_eq!((denied.asked, denied.retry), (usd("0.05001").into(), Retry::Never));
    assert_eq!(denied.max_output_tokens, Some(1_000));
    hold.grow_output(1_000).unwrap();
    assert!(hold.grow_cost(usd("0.000001")).is_err());
    hold.grow_cost(Usd::ZERO).unwrap();
    assert_eq!(hold.held(), usd("0.05"));
    drop(hold.settle(Usage::tokens(10_000, 4_000)));
    assert_eq!(w.alerts(), [""; 0]);
}

#[test]
fn a_call_inside_another_is_measured_by_itself() {
    let w = world(&[
        ("team", Limit::per_call(usd("1"))),
        ("team/critic", Limit::per_call(usd("0.20"))),
    ]);
    let (team, critic) =
        (w.budget.account("team").unwrap(), w.budget.account("team/critic").unwrap());
    let mut outer = team.reserve(&fixed("0.90")).unwrap();
    assert_eq!(never(critic.request(fixed("0.21")).inside(&outer).reserve()).0, "team/critic");
    let mut inner = critic.request(fixed("0.20")).inside(&outer).reserve().unwrap();
    assert!(inner.grow_cost(usd("0.01")).is_err());
    // More than the outer hold has left, and still no more than one call may have.
    let writer = w.budget.account("team/writer").unwrap();
    assert!(writer.request(fixed("1")).inside(&outer).reserve().is_ok());
    assert_eq!(never(writer.request(fixed("1.01")).inside(&outer).reserve()).1, "$1.01");
    assert!(outer.grow_cost(usd("0.31")).is_err(), "it holds $0.70 itself");
    assert!(outer.grow_cost(usd("0.30")).is_ok());
}

#[test]
fn a_call_never_waits_for_it() {
    let w = world(&[("", Limit::per_call(usd("0.05"))), ("", Limit::spend(usd("0.10")))]);
    let (a, small) = (w.budget.account("a").unwrap(), w.model("small"));
    let mut context = Context::from_waker(Waker::noop());
    let wait = Duration::from_secs(60);
    let mut waits = Box::pin(a.request(fixed("0.06")).wait(wait));
    let Poll::Ready(refused) = waits.as_mut().poll(&mut context) else { panic!("it waits") };
    assert_eq!(never(refused).1, "$0.06");
    // It waits for the other limit, and comes out shortened to this one.
    let (one, _two) = (a.reserve(&fixed("0.05")).unwrap(), a.reserve(&fixed("0.05")).unwrap());
    let call = small.estimate().input(10_000).max_output(8_000);
    let mut waits = Box::pin(a.request(call).at_least(4_000).wait(wait));
    assert!(waits.as_mut().poll(&mut context).is_pending());
    one.release();
    let Poll::Ready(Ok(hold)) = waits.as_mut().poll(&mut context) else { panic!("it waits on") };
    assert_eq!(hold.max_output_tokens(), 4_000);
}

/// Law 3: the truth is booked, and a person learns of it, once for each call.
#[test]
fn a_bill_above_it_is_booked_and_raises_an_alert() {
    let w = world(&[
        ("a", Limit::per_call(usd("0.05"))),
        ("a", Limit::per_call(usd("0.04")).only_model("acme/small")),
    ]);
    let (a, small) = (w.budget.account("a").unwrap(), w.model("small"));
    a.reserve(&fixed("0.05")).unwrap().settle_cost(usd("0.07"));
    assert_eq!(
        w.alerts(),
        ["a call of `a` was billed $0.07, more than its limit of $0.05 per call"]
    );
    a.reserve(&fixed("0.05")).unwrap().settle_cost(usd("0.08"));
    assert_eq!(w.alerts().len(), 1, "each call");
    a.record(Usage::tokens(60_000, 0)).model(&small).book().unwrap();
    assert_eq!(w.alerts().len(), 2, "both limits");
    let hold = a.reserve(&small.estimate().input(10_000).max_output(1)).unwrap();
    hold.settle(Bill::new(Usage::tokens(45_000, 0)));
    assert_eq!(
        w.alerts(),
        ["a call of `a` was billed $0.045, more than its limit of $0.04 per call on acme/small"],
    );
    assert!(a.reserve(&fixed("0.05")).is_ok(), "nobody is refused for it");
    // By the last call of a run that has been closed.
    let mut run = a.run("1").unwrap();
    run.set_limit(Limit::per_call(usd("0.01"))).unwrap();
    let hold = run.reserve(&fixed("0.01")).unwrap();
    run.close();
    hold.settle_cost(usd("0.06"));
    assert_eq!(w.alerts().len(), 1, "the run's limit ended with it");
}

#[test]
fn one_that_only_watches_tells_of_each_call() {
    let w = world(&[("a", Limit::per_call(usd("0.05")).observe())]);
    let a = w.budget.account("a").unwrap();
    let mut hold = a.reserve(&fixed("0.06")).unwrap();
    assert_eq!(
        w.alerts(),
        ["a call of `a` holds $0.06, more than its limit of $0.05 per call, which only watches"]
    );
    hold.grow_cost(usd("0.01")).unwrap();
    assert_eq!(w.alerts().len(), 1);
    hold.settle_cost(usd("0.06"));
    assert_eq!(w.alerts(), [""; 0], "the alert was raised when it was admitted");
    drop(a.reserve(&fixed("0.05")).unwrap());
    w.clock.advance(Duration::from_secs(1));
    let team = a.reserve(&fixed("0.05")).unwrap();
    let _inner = a.request(fixed("0.07")).inside(&team).reserve().unwrap();
    assert_eq!(w.alerts().len(), 1);
}

#[test]
fn the_report_lists_it_without_amounts() {
    let w = world(&[("user:*", Limit::per_call(usd("0.50")).only_model("acme/*"))]);
    let ada = w.budget.tag("user:ada").unwrap();
    let a = w.budget.account("a").unwrap();
    a.request(fixed("0.40")).tag(&ada).reserve().unwrap().settle_cost(usd("0.40"));
    let report = w.budget.report();
    let limit = &report.limits[0];
    assert_eq!(limit.limit, "$0.50 per call on acme/*");
    assert_eq!((limit.amount, limit.available), (usd("0.50").into(), usd("0.50").into()));
    assert_eq!(
        (limit.spent, limit.held, limit.used_percent),
        (Usd::ZERO.into(), Usd::ZERO.into(), 0)
    );
    assert_eq!((limit.forecast(report.at), limit.resets_at), (None, None));
    let table = report.to_string();
    let row = table.lines().find(|line| line.starts_with("user:ada")).unwrap();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>(), ["user:ada", "-", "-", "-", "$0.50"]);
    let read: bursar::Report =
        serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!(read, report);
}

#[test]
fn a_policy_sets_it_and_a_second_one_is_a_mistake() {
    let policy = Policy::from_toml("[[limit]]\naccount = \"\"\nper_call = \"0.05\"").unwrap();
    let budget = BudgetManager::builder().policy(policy.clone()).build().unwrap();
    assert_eq!(never(budget.reserve("a", &fixed("0.06"))).1, "$0.06");
    assert_eq!(Policy::from_toml(&policy.to_toml()).unwrap(), policy);
    let twice =
        BudgetManager::builder().policy(policy).limit("", Limit::per_call(Usd::ZERO)).build();
    assert!(twice.unwrap_err().to_string().contains("keep one"));
}
