//! Tests of `quote`, of the output caps in refusals, and of `retry_after`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use bursar::clock::ManualClock;
use bursar::{
    BudgetManager, Estimate, Limit, Model, ModelPrice, Observer, Path, Period, PriceBook,
    Reservation, ReserveError, Usd,
};

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

fn fixed(amount: &str) -> Estimate {
    Estimate::fixed(usd(amount))
}

/// `acme/long` can answer with 128,000 tokens, ten dollars a million; `acme/open` has no known end.
fn prices() -> PriceBook {
    let mut book = PriceBook::empty();
    let price = |id| ModelPrice::new("acme", id, "1".parse().unwrap(), "10".parse().unwrap());
    book.insert(price("long").max_output(128_000)).unwrap();
    book.insert(price("open")).unwrap();
    book
}

#[derive(Default)]
struct Heard(AtomicU64);

impl Observer for Heard {
    fn on_reserve(&self, _: &Path, _: &Reservation) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn on_refuse(&self, _: &Path, _: &ReserveError) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn clock() -> ManualClock {
    ManualClock::at("2026-11-24T23:59:00Z".parse().unwrap())
}

fn budget(limits: &[(&str, Limit)]) -> (BudgetManager, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let builder = BudgetManager::builder().clock(clock()).prices(prices());
    let builder = builder.shared_observer(heard.clone());
    let all = limits.iter().fold(builder, |all, (to, limit)| all.limit(*to, limit.clone()));
    (all.build().unwrap(), heard)
}

fn call(model: &Model) -> Estimate {
    model.estimate().input(10_000).max_output(4_000) // $0.01 + $0.04
}

#[test]
fn a_quote_is_what_a_reserve_would_hold_and_changes_nothing() {
    let (budget, heard) = budget(&[
        ("a", Limit::spend(usd("0.10"))),
        ("user:*", Limit::output_tokens(3_000)),
        ("", Limit::per_call(usd("0.045"))),
    ]);
    let a = budget.account("a").unwrap();
    let user = budget.tag_for("user", "ada").unwrap();
    let (long, open) = (budget.model("long").unwrap(), budget.model("open").unwrap());
    for ask in [
        a.request(call(&long)),
        a.request(call(&long)).at_least(1),
        a.request(call(&long)).at_least(1).tag(&user),
        a.request(call(&long)).tag(&user),
        a.request(fixed("0.11")).or(fixed("0.05")).or(fixed("0.02")),
        a.request(long.estimate()).at_least(10),
        a.request(open.estimate()).at_least(10),
        a.request(fixed("0.045")).wrap_up(),
    ] {
        let before = budget.report();
        let quote = ask.quote();
        assert_eq!(ask.can_afford(), quote.is_ok());
        assert_eq!((budget.report(), heard.0.load(Ordering::Relaxed)), (before, 0));
        match (quote, ask.reserve()) {
            (Ok(quote), Ok(hold)) => {
                assert_eq!(quote.held, hold.held());
                assert_eq!(quote.max_output_tokens, hold.max_output_tokens());
                assert_eq!(quote.alternative, hold.alternative());
                hold.release();
            }
            (Err(quoted), Err(refused)) => assert_eq!(quoted, refused),
            (quote, hold) => panic!("{quote:?}, but {hold:?}"),
        }
        heard.0.store(0, Ordering::Relaxed);
    }
    assert!(a.quote(&long.estimate().input(1)).is_err());
    assert!(a.request(long.estimate()).at_least(10).quote().unwrap().cap_is_assumed);
    assert!(!a.quote(&fixed("0.01")).unwrap().cap_is_assumed);
}

#[test]
fn a_quote_of_the_whole_budget_asks_its_own_limits_and_opens_no_account() {
    let (budget, _) = budget(&[("", Limit::spend(usd("0.10"))), ("*", Limit::spend(usd("0.01")))]);
    let quote = budget.quote(&fixed("0.05")).unwrap();
    assert_eq!((quote.held, quote.max_output_tokens), (usd("0.05"), 0));
    assert!(matches!(budget.quote(&fixed("0.11")), Err(ReserveError::Denied(_))));
    assert!(budget.can_afford("nobody/yet", &fixed("0.05")));
    assert_eq!(budget.report().accounts.len(), 1, "the root alone");
    budget.freeze("", "an audit").unwrap();
    assert!(matches!(budget.quote(&fixed("0")), Err(ReserveError::Frozen { .. })));
    assert!(matches!(budget.quote(&fixed("-1")), Err(ReserveError::Price(_))));
}

/// Others wait: a quote says so, as a reserve would.
#[test]
fn a_quote_stands_behind_those_who_wait() {
    let (budget, _) = budget(&[("", Limit::spend(usd("0.10")))]);
    let a = budget.account("a").unwrap();
    let _held = a.reserve(&fixed("0.08")).unwrap();
    let mut waits = Box::pin(a.request(fixed("0.05")).wait(Duration::from_secs(60)));
    assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(matches!(a.quote(&fixed("0.01")), Err(ReserveError::Queued(_))));
    drop(waits);
    assert!(a.quote(&fixed("0.01")).is_ok());
}

/// It said "asks for $1.28", of which the caller knew nothing.
#[test]
fn a_refusal_says_that_an_output_was_assumed() {
    let (budget, _) = budget(&[("", Limit::spend(usd("1"))), ("b", Limit::requests(0))]);
    let (a, long) = (budget.account("a").unwrap(), budget.model("long").unwrap());
    let error = a.reserve(&long.estimate()).unwrap_err();
    assert_eq!(error.denied().unwrap().assumed_output_tokens, Some(128_000));
    assert_eq!(
        error.to_string(),
        "`a` asks for $1.28 (128,000 output tokens are assumed, because the request names no output \
         cap), but the limit of the whole budget ($1.00 in all) has $1.00 left: $0.00 spent, $0.00 \
         held; as asked it can never pass unless the limit is raised; with a cap of 100,000 output \
         tokens it passes now",
    );
    let body = r#"{"model": "long", "messages": [{"role": "user", "content": "Hi"}]}"#;
    let asked = a.reserve(&budget.estimate_request(body).unwrap()).unwrap_err();
    assert_eq!(asked.denied().unwrap().assumed_output_tokens, Some(128_000), "{asked}");
    // Not where it says nothing: a cap was named, a shorter output will do, no tokens are counted.
    let named = a.reserve(&long.estimate().max_output(128_000)).unwrap_err();
    assert_eq!(named.denied().unwrap().assumed_output_tokens, None);
    let shorter = a.request(long.estimate().input(2_000_000)).at_least(1).reserve().unwrap_err();
    assert_eq!(shorter.denied().unwrap().assumed_output_tokens, None);
    budget.set_limit("", Limit::spend(usd("100"))).unwrap();
    let one = budget.reserve("b", &long.estimate()).unwrap_err().to_string();
    assert!(one.starts_with("`b` asks for 1 requests, but its limit"), "{one}");
    // A wait ends with the same sentence.
    budget.set_limit("", Limit::spend(usd("1"))).unwrap();
    let waits = a.request(long.estimate()).wait(Duration::ZERO);
    let refused = bursar::testing::block_on(waits).unwrap_err();
    assert_eq!(refused.to_string(), error.to_string());
}

/// It said "it can never pass …; with a cap of 320 output tokens it could pass now".
#[test]
fn a_refusal_does_not_contradict_itself() {
    let (budget, _) = budget(&[("", Limit::spend(usd("0.02")))]);
    let (a, long) = (budget.account("a").unwrap(), budget.model("long").unwrap());
    let refusal = |estimate| a.reserve(&estimate).unwrap_err().to_string();
    assert!(refusal(call(&long)).ends_with(
        "as asked it can never pass unless the limit is raised; with a cap of 1,000 output tokens it \
         passes now"
    ));
    assert!(refusal(fixed("1")).ends_with("; it can never pass unless the limit is raised"));
    let held = a.reserve(&fixed("0.005")).unwrap();
    assert!(refusal(long.estimate().input(10_000).max_output(600)).ends_with(
        "it could pass when calls under way end; with a cap of 500 output tokens it passes now"
    ));
    drop(held);
}

#[test]
fn a_refusal_says_after_how_long_the_call_could_pass() {
    let minute = Period::rolling(Duration::from_secs(60));
    let (budget, _) = budget(&[
        ("day", Limit::spend(usd("1")).per(Period::DAY)),
        ("minute", Limit::requests(1).per(minute)),
        ("all", Limit::spend(usd("1"))),
    ]);
    let spend = |account: &str| {
        budget.reserve(account, &fixed("0.60")).unwrap().settle_cost(usd("0.60"));
        budget.reserve(account, &fixed("0.50")).unwrap_err().retry_after()
    };
    assert_eq!(spend("day"), Some(Duration::from_secs(60)), "tomorrow");
    assert_eq!(spend("minute"), Some(Duration::from_secs(61)), "a slot late");
    assert_eq!(spend("all"), None, "never");
    let _held = budget.reserve("held", &fixed("0")).unwrap();
    budget.set_limit("held", Limit::in_flight(1)).unwrap();
    assert_eq!(budget.reserve("held", &fixed("0")).unwrap_err().retry_after(), None, "who knows");
    budget.freeze("all", "an audit").unwrap();
    assert_eq!(budget.reserve("all", &fixed("0")).unwrap_err().retry_after(), None);
    // As data, with the moment that it is counted from.
    let error = budget.reserve("day", &fixed("0.50")).unwrap_err();
    let denied = error.denied().unwrap();
    assert_eq!(denied.retry_at().unwrap().since(denied.at), denied.retry_after().unwrap());
    let json = serde_json::to_value(denied).unwrap();
    assert_eq!(json["at"], "2026-11-24T23:59:00Z");
}
