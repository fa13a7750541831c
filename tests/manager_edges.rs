//! Tests of the manager's corners: each tells what went wrong, or could, before it was held.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bursar::budget::{AccountError, InvalidCall, SetLimitError};
use bursar::clock::{ManualClock, Timestamp};
use bursar::{
    Bill, BudgetManager, Confidence, Estimate, Limit, ModelPrice, Period, Policy, PriceBook,
    ReserveError, Usage, Usd,
};

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

fn fixed(amount: &str) -> Estimate {
    Estimate::fixed(usd(amount))
}

fn clock() -> ManualClock {
    ManualClock::at("2026-11-24T12:00:00Z".parse::<Timestamp>().unwrap())
}

/// `epoch` costs ten times as much from noon of the next day on; `fee` takes half a cent a request.
fn prices() -> PriceBook {
    let mut book = PriceBook::empty();
    let epoch = ModelPrice::new("acme", "epoch", "1".parse().unwrap(), "1".parse().unwrap());
    let day = "2026-11-25".parse().unwrap();
    let later = epoch.from_date(day, "10".parse().unwrap(), "10".parse().unwrap());
    book.insert(later).unwrap();
    let fee = ModelPrice::new("acme", "fee", "1".parse().unwrap(), "1".parse().unwrap());
    book.insert(fee.fee(bursar::usage::Bucket::Requests, usd("0.005"))).unwrap();
    book
}

#[test]
fn a_settle_is_priced_at_the_moment_of_its_reserve() {
    let clock = clock();
    let budget = BudgetManager::builder().clock(clock.clone()).prices(prices()).build().unwrap();
    let model = budget.model("epoch").unwrap();
    let hold = budget.reserve("a", &model.estimate().input(1_000_000).max_output(1)).unwrap();
    clock.advance(Duration::from_secs(86_400));
    assert_eq!(hold.settle(Usage::tokens(1_000_000, 0)).cost, usd("1"));
    let today = budget.reserve("a", &model.estimate().input(1_000_000).max_output(1)).unwrap();
    assert_eq!(today.settle(Usage::tokens(1_000_000, 0)).cost, usd("10"));
}

/// A provider's fee for each request was held and never booked, because no usage counts requests.
#[test]
fn a_fee_for_each_request_is_booked() {
    let budget = BudgetManager::builder().prices(prices()).build().unwrap();
    let model = budget.model("fee").unwrap();
    let hold = budget.reserve("a", &model.estimate().input(100).max_output(100)).unwrap();
    assert_eq!(hold.held(), usd("0.0052"));
    assert_eq!(hold.settle(Usage::tokens(100, 100)).cost, usd("0.0052"));
    let hold = budget.reserve("a", &model.estimate().input(100).max_output(100)).unwrap();
    assert_eq!(hold.settle(Usage::NONE).cost, Usd::ZERO, "known to be free");
}

#[test]
fn a_closed_run_lets_nothing_grow_and_leaves_no_limit() {
    let budget = BudgetManager::builder().build().unwrap();
    let research = budget.account("research").unwrap();
    let mut run = research.run("t").unwrap();
    run.set_limit(Limit::spend(Usd::dollars(1))).unwrap();
    let mut hold = run.reserve(&fixed("0.90")).unwrap();
    let handle = run.clone();
    run.close();
    assert!(matches!(hold.grow_cost(usd("50")), Err(ReserveError::Account(_))));
    let closed = budget.account("research/t").unwrap_err();
    assert_eq!(closed.to_string(), "`research/t` is closed; open another run");
    hold.settle_cost(usd("0.90"));

    let limit = handle.set_limit(Limit::spend(Usd::ZERO)).unwrap_err();
    assert!(matches!(limit, SetLimitError::Account(AccountError::Closed(_))), "{limit}");
    let refused = handle.reserve(&fixed("0.01")).unwrap_err().to_string();
    assert_eq!(refused, "`research/t` is closed; open another run");

    // A run of the same name is a new account, without the limit of the one before.
    let again = research.run("t").unwrap();
    again.reserve(&fixed("50")).unwrap().release();
}

#[test]
fn a_key_is_that_of_its_account() {
    let budget = BudgetManager::builder().build().unwrap();
    let (x, y) = (budget.account("x").unwrap(), budget.account("y").unwrap());
    let bill = || Bill::new(Usage::NONE).reported_cost(usd("1"));
    x.record(bill()).key("k").book().unwrap();
    y.record(bill()).key("k").book().unwrap();
    assert!(y.record(bill()).key("k").book().is_err());
    assert_eq!(budget.spent(), usd("2"));
}

/// Law 8: a refund is never silent, nor of another amount than comes back.
#[test]
fn a_refund_after_the_lease_is_told_and_of_what_is_there() {
    let alerts = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&alerts);
    let clock = clock();
    let budget = BudgetManager::builder()
        .clock(clock.clone())
        .lease(Duration::from_secs(900))
        .on_alert(move |alert| heard.lock().unwrap().push(alert.to_string()))
        .build()
        .unwrap();
    let told = || std::mem::take(&mut *alerts.lock().unwrap());
    let hold = budget.reserve("a", &fixed("1")).unwrap();
    clock.advance(Duration::from_secs(600));
    assert!(hold.renew(Duration::from_secs(900)));
    clock.advance(Duration::from_secs(600));
    assert_eq!(budget.held(), usd("1"), "the lease is longer now");
    clock.advance(Duration::from_secs(600));
    assert_eq!((budget.spent(), told().len()), (usd("1"), 1));
    assert!(!hold.renew(Duration::from_secs(900)));
    drop(hold);
    let said = told();
    assert_eq!(budget.spent(), Usd::ZERO);
    assert!(said.len() == 1 && said[0].contains("$1.00 uncharged"), "{said:?}");

    let outer = budget.reserve("a", &fixed("1")).unwrap();
    let a = budget.account("a").unwrap();
    let inner = a.request(fixed("0.60")).inside(&outer).reserve().unwrap();
    outer.mark_sent();
    outer.refund("429");
    let said = told();
    assert!(said.len() == 1 && said[0].contains("$0.40 uncharged: 429"), "{said:?}");
    inner.settle_cost(usd("0.50"));
    assert_eq!((budget.spent(), budget.held()), (usd("0.50"), Usd::ZERO));
}

#[test]
fn advice_opens_no_account() {
    let budget = BudgetManager::builder().limit("a", Limit::spend(usd("1"))).build().unwrap();
    assert!(budget.can_afford("a/b/c", &fixed("1")));
    assert!(!budget.can_afford("a/b/c", &fixed("1.01")), "judged by the account above");
    assert!(!budget.can_afford("a//b", &fixed("1")));
    assert!(budget.report().account("a/b").is_none());
    let a = budget.account("a").unwrap();
    let user = budget.tag("user:1").unwrap();
    user.set_limit(Limit::spend(usd("0.50"))).unwrap();
    assert!(!a.request(fixed("0.60")).tag(&user).can_afford());
    assert!(a.request(fixed("0.60")).or(fixed("0.40")).tag(&user).can_afford());
    user.lift_limit(&Limit::spend(Usd::ZERO)).unwrap();
    assert!(a.request(fixed("0.60")).tag(&user).can_afford());
}

#[test]
fn of_several_refusals_the_one_that_could_pass_soonest_is_told() {
    let budget = BudgetManager::builder()
        .clock(clock())
        .limit("", Limit::spend(usd("1")).per(Period::DAY))
        .limit("", Limit::spend(usd("2")).per(Period::MONTH))
        .build()
        .unwrap();
    let a = budget.account("a").unwrap();
    a.reserve(&fixed("0.90")).unwrap().settle_cost(usd("0.90"));
    let refused = a.request(fixed("5")).or(fixed("0.50")).or(fixed("1.50")).reserve().unwrap_err();
    let retry = refused.denied().unwrap().retry_at().map(|at| at.to_string());
    assert_eq!(retry.as_deref(), Some("2026-11-25T00:00:00Z"), "{refused}");
}

#[test]
fn what_only_watches_does_not_bind() {
    let watch = Limit::spend(usd("0.01")).observe();
    let budget = BudgetManager::builder()
        .limit("", watch)
        .limit("a", Limit::spend(usd("1")))
        .build()
        .unwrap();
    let a = budget.account("a").unwrap();
    assert_eq!(a.remaining(), Some(usd("1")));
    a.reserve(&fixed("0.50")).unwrap().settle_cost(usd("0.50"));
    let report = budget.report();
    assert!(report.limits[0].observe && !report.limits[1].observe);
    assert!(report.to_string().contains("$0.01 in all, only watched"), "{report}");
}

#[test]
fn what_is_unsure_adds_up_along_the_tree() {
    let budget = BudgetManager::builder().prices(prices()).build().unwrap();
    let model = budget.model("epoch").unwrap();
    let hold = budget.reserve("a/b", &model.estimate().input(1_000_000).max_output(1)).unwrap();
    let receipt = hold.settle(Bill::new(Usage::tokens(1_000_000, 0)).estimated());
    assert_eq!(receipt.confidence, Confidence::Estimated);
    let report = budget.report();
    for path in ["", "a", "a/b"] {
        assert_eq!(report.account(path).unwrap().estimated, receipt.cost, "{path}");
    }
}

#[test]
fn growth_counts_every_choice_and_needs_a_model() {
    let budget = BudgetManager::builder().prices(prices()).build().unwrap();
    let model = budget.model("epoch").unwrap();
    budget.set_limit("", Limit::output_tokens(100)).unwrap();
    let estimate = model.estimate().input(10).max_output(10).choices(4);
    let mut hold = budget.reserve("a", &estimate).unwrap();
    hold.grow_output(15).unwrap();
    assert!(hold.grow_output(1).unwrap_err().denied().is_some(), "4 × 25 are all there is");
    hold.release();
    let mut tool = budget.reserve("a", &fixed("1")).unwrap();
    let error = tool.grow_output(5).unwrap_err();
    assert_eq!(error, ReserveError::Invalid(InvalidCall::NoModel));
}

/// A floor of nothing would admit a call that may not answer.
#[test]
fn an_answer_has_one_token_at_least() {
    let budget = BudgetManager::builder().prices(prices()).build().unwrap();
    let model = budget.model("epoch").unwrap();
    budget.set_limit("", Limit::output_tokens(0)).unwrap();
    let a = budget.account("a").unwrap();
    assert!(a.request(model.estimate().input(5).max_output(50)).at_least(0).reserve().is_err());
}

/// What a panic carries may panic again when it is dropped.
#[test]
fn a_watcher_may_fall_over_twice() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("again");
        }
    }
    let budget = BudgetManager::builder()
        .limit("", Limit::spend(usd("1")).alert_at([50]))
        .on_alert(|_| std::panic::panic_any(Bomb))
        .build()
        .unwrap();
    budget.reserve("a", &fixed("0.80")).unwrap().settle_cost(usd("0.80"));
    assert_eq!(budget.spent(), usd("0.80"));
}

#[test]
fn a_watcher_may_call_back() {
    let shared: Arc<Mutex<Option<BudgetManager>>> = Arc::default();
    let inner = Arc::clone(&shared);
    let budget = BudgetManager::builder()
        .limit("", Limit::spend(usd("1")).alert_at([50]))
        .on_alert(move |alert| {
            if let Some(budget) = &*inner.lock().unwrap() {
                budget.freeze("", format!("kill switch: {alert}")).unwrap();
            }
        })
        .build()
        .unwrap();
    *shared.lock().unwrap() = Some(budget.clone());
    budget.reserve("a", &fixed("0.60")).unwrap().settle_cost(usd("0.60"));
    let refused = budget.reserve("a", &fixed("0.10")).unwrap_err().to_string();
    assert!(refused.contains("kill switch: the whole budget has spent 50 %"), "{refused}");
}

#[test]
fn a_policy_says_a_thing_once() {
    let twice = r#"{"limit":[{"account":"","spend":5,"per":"day"},{"account":"","spend":100,"per":"day"}]}"#;
    let error = Policy::from_json(twice).unwrap_err().to_string();
    assert!(error.contains("limits 1 and 2"), "{error}");
}

/// The last answer is what the money was kept for: it may grow into it.
#[test]
fn a_call_that_wraps_up_grows_into_what_is_kept() {
    let limit = Limit::spend(usd("0.10")).keep_for_wrap_up(usd("0.09"));
    let budget = BudgetManager::builder().limit("a", limit).build().unwrap();
    let a = budget.account("a").unwrap();
    let mut last = a.request(fixed("0.02")).wrap_up().reserve().unwrap();
    last.grow_cost(usd("0.08")).unwrap();
    assert!(last.grow_cost(Usd::from_pico(1)).is_err());
    last.release();
    let mut other = a.reserve(&fixed("0.01")).unwrap();
    assert!(other.grow_cost(usd("0.01")).is_err());
}

/// The builder took the later of two silently; a policy file refused them.
#[test]
fn a_limit_that_is_given_twice_is_refused_by_both_names() {
    let day = |cents| Limit::spend(Usd::cents(cents)).per(Period::DAY);
    let built = |limits: &[(&str, Limit)]| {
        let each = limits.iter().cloned();
        let builder = each.fold(BudgetManager::builder(), |b, (to, limit)| b.limit(to, limit));
        builder.build().map_err(|error| error.to_string())
    };
    let twice = [("a", day(500)), ("", day(900)), ("a", day(900).alert_at([50]))];
    assert_eq!(
        built(&twice).unwrap_err(),
        "limits 1 ($5.00 per day) and 3 ($9.00 per day), both for `a`, are for the same measure, \
         period and models; keep one"
    );
    let policy = Policy::from_toml("[[limit]]\naccount = 'a'\nspend = 5\nper = 'day'").unwrap();
    let error = BudgetManager::builder().policy(policy).limit("a", day(1)).build().unwrap_err();
    assert!(error.to_string().starts_with("limits 1 ($5.00 per day) and 2 ($0.01 per day)"));
    // Another account, pattern, measure, period or model is another limit.
    let others = [
        ("a", day(500)),
        ("*", day(500)),
        ("a", Limit::tokens(5).per(Period::DAY)),
        ("a", Limit::spend(Usd::cents(500))),
        ("a", day(500).only_model("gpt*")),
    ];
    assert!(built(&others).is_ok());
}

#[test]
fn quantities_of_one_kind_have_an_order() {
    let budget = BudgetManager::new(Usd::cents(15)).unwrap();
    let refused = budget.reserve("a", &fixed("0.5")).unwrap_err();
    let denied = refused.denied().unwrap();
    assert!(denied.asked > denied.available && denied.available > Usd::cents(14).into());
    let (money, tokens) = (bursar::Quantity::from(Usd::ZERO), bursar::Quantity::from(1));
    assert_eq!(money.partial_cmp(&tokens), None, "a dollar is no token");
    assert!(bursar::Quantity::Count(-1) < tokens);
}

/// It said "when calls under way end", of which the outer call itself was one.
#[test]
fn a_refusal_inside_a_call_says_that_the_outer_hold_is_short() {
    let budget = BudgetManager::builder()
        .limit("team", Limit::spend(usd("1")))
        .limit("team/critic", Limit::spend(usd("0.5")))
        .build()
        .unwrap();
    let outer = budget.reserve("team", &fixed("0.3")).unwrap();
    let other = budget.reserve("team", &fixed("0.6")).unwrap();
    let inside = |path: &str, amount| {
        let account = budget.account(path).unwrap();
        account.request(fixed(amount)).inside(&outer).reserve().map(drop)
    };
    let told = |path: &str, amount| inside(path, amount).unwrap_err().to_string();
    assert_eq!(
        told("team/writer", "0.5"),
        "`team/writer` asks for $0.50 inside a call whose hold has $0.30 of it left, and for the \
         rest the limit of `team` ($1.00 in all) has $0.10: $0.00 spent, $0.90 held; it could pass \
         inside a call that sets more aside, or when others end"
    );
    assert!(told("team/writer", "5").ends_with("it can never pass unless the limit is raised"));
    // A limit that does not count the outer call: that one is not short.
    assert_eq!(
        told("team/critic", "0.55"),
        "`team/critic` asks for $0.55, but its limit ($0.50 in all) has $0.50 left: $0.00 spent, \
         $0.00 held; it can never pass unless the limit is raised"
    );
    let refused = inside("team/writer", "0.5").unwrap_err();
    let denied = refused.denied().unwrap();
    assert_eq!((denied.from_outer, denied.available), (Some(usd("0.3").into()), usd("0.4").into()));
    assert!(inside("team/writer", "0.4").is_ok(), "so much it may have");
    drop(other);
    assert!(inside("team/writer", "0.5").is_ok(), "when others end");
}
