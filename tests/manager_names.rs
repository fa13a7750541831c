//! Tests of `tag_for`, `account_for`, `max_accounts`, `max_children` and `forget`: names from
//! outside.

use std::time::Duration;

use bursar::budget::{AccountError, InvalidCall, RecordError};
use bursar::clock::{ManualClock, Timestamp};
use bursar::ledger::{Path, Scope};
use bursar::{BudgetManager, Estimate, Limit, Period, Policy, ReserveError, Usage, Usd};

fn fixed(cents: i64) -> Estimate {
    Estimate::fixed(Usd::cents(cents))
}

fn each_user_one_cent() -> BudgetManager {
    BudgetManager::builder().limit("user:*", Limit::spend(Usd::cents(1))).build().unwrap()
}

/// `budget.tag(&format!("user:{id}"))` with an empty id was the root of the tree: a call that carried
/// it passed the limits of every user.
#[test]
fn the_root_of_a_tag_tree_is_not_a_tag() {
    let budget = each_user_one_cent();
    for name in ["user:", "team:"] {
        let error = budget.tag(name).unwrap_err();
        assert!(matches!(error, AccountError::WrongTree(..)));
        let sentence = error.to_string();
        assert!(sentence.contains("the id after the `:` is empty"), "{sentence}");
        assert!(sentence.contains("tag_for"), "{sentence}");
    }
    let correction = bursar::budget::Correction::new(Usd::cents(1)).tag("user:");
    let adjusted = budget.adjust("a", correction, Timestamp::from_secs(0), "an invoice");
    assert!(matches!(adjusted, Err(RecordError::Account(AccountError::WrongTree(..)))));
    // A limit on the whole tree and a freeze of it name the root on purpose.
    budget.set_limit("user:", Limit::spend(Usd::dollars(1))).unwrap();
    budget.freeze("user:", "an audit").unwrap();
}

#[test]
fn an_empty_name_is_refused_wherever_it_is_written() {
    let budget = each_user_one_cent();
    for bad in ["user:/", "user:/x", "user:x/", "user:x//y", "user:/ ", ":", ":x", "/", "//", "a/"]
    {
        assert!(budget.tag(bad).is_err() && budget.account(bad).is_err(), "{bad}");
        assert!(budget.reserve(bad, &fixed(1)).is_err(), "{bad}");
        assert!(budget.freeze(bad, "x").is_err() && budget.thaw(bad).is_err(), "{bad}");
        assert!(budget.set_limit(bad, Limit::spend(Usd::ZERO)).is_err(), "{bad}");
        assert!(BudgetManager::builder().limit(bad, Limit::requests(1)).build().is_err(), "{bad}");
        assert!(BudgetManager::builder().max_children(bad, 1).build().is_err(), "{bad}");
        assert!(bad.parse::<Path>().is_err() && bad.parse::<Scope>().is_err(), "{bad}");
        let json = serde_json::to_string(bad).unwrap();
        assert!(serde_json::from_str::<Path>(&json).is_err(), "{bad}");
        assert!(serde_json::from_str::<Scope>(&json).is_err(), "{bad}");
        let policy = Policy::from_toml(&format!("[[limit]]\naccount = {json}\nspend = 1"));
        assert!(policy.unwrap_err().to_string().contains("is not an account path"), "{bad}");
        assert!(!budget.reserve(bad, &fixed(1)).unwrap_err().to_string().is_empty());
    }
    assert!(budget.tag_for("", "x").is_err() && budget.tag_for("a/b", "x").is_err());
    assert!(budget.account_for("user:", "x").is_err() && budget.account_for("a/", "x").is_err());
}

#[test]
fn any_id_is_limited_like_every_other() {
    let budget = each_user_one_cent();
    let support = budget.account("support").unwrap();
    let long = "x".repeat(10_000);
    for id in ["", "/", "*", "a/b", "user:", " ", "\n", "%", "\u{200b}", &long] {
        let user = budget.tag_for("user", id).unwrap();
        assert_eq!(user.remaining(), Some(Usd::cents(1)), "{id:?}");
        let refused = support.request(fixed(2)).tag(&user).reserve();
        assert!(matches!(refused, Err(ReserveError::Denied(_))), "{id:?}");
        assert_eq!(user.path().parent(), Path::new("user:").ok());
        assert_eq!(budget.tag_for("user:", id).unwrap().path(), user.path());
    }
    let west = budget.tag_for("team:blue", "west/1").unwrap();
    assert_eq!(west.path().as_str(), "team:blue/west%2F1");
    let customers = budget.account("customers").unwrap();
    let one = customers.child_for("a/b").unwrap();
    assert_eq!(one.path(), budget.account_for("customers", "a/b").unwrap().path());
    assert_eq!(budget.account_for("", "x").unwrap().path().as_str(), "x");
}

/// A million names from outside were a million accounts.
#[test]
fn names_from_outside_open_no_more_accounts_than_they_may() {
    let budget = BudgetManager::builder().max_accounts(6).max_children("user:", 2).build().unwrap();
    let (ada, _bob) = (budget.tag_for("user", "ada").unwrap(), budget.tag("user:bob").unwrap());
    let before = budget.report();
    for refused in [budget.tag_for("user", "eve").map(drop), budget.tag("user:eve/x").map(drop)] {
        let error = refused.unwrap_err();
        let AccountError::TooMany { below, most, .. } = &error else { panic!("{error}") };
        assert_eq!((below.clone(), *most), (Path::new("user:").ok(), 2));
        assert!(error.to_string().contains("`Builder::max_children`"), "{error}");
    }
    assert!(budget.tag_for("user", "ada").is_ok(), "it is open");
    // The root, `user:`, two users: two more places.
    let error = budget.reserve("a/b/c", &fixed(1)).unwrap_err();
    assert!(matches!(error, ReserveError::Account(AccountError::TooMany { below: None, .. })));
    assert_eq!(budget.report().accounts, before.accounts, "nothing was opened on the way");
    assert!(error.to_string().contains("there are 6 accounts and tags"), "{error}");
    let run = budget.account("a").unwrap().run("1").unwrap();
    assert!(budget.account("b").is_err() && budget.account_for("a", "x").is_err());
    assert!(budget.set_limit("b", Limit::requests(1)).is_err() && budget.freeze("b", "x").is_err());
    assert!(budget.set_limit("b/*", Limit::requests(1)).is_ok(), "a pattern opens nothing");
    // Places come back.
    run.close();
    ada.forget().unwrap();
    budget.tag_for("user", "eve").unwrap();
    budget.account("a").unwrap().run("2").unwrap().close();
}

#[test]
fn a_number_for_a_parent_that_is_not_there_yet_counts_too() {
    let budget = BudgetManager::builder().max_children("x", 0).max_children("", 1).build().unwrap();
    assert!(budget.account("x/y").is_err());
    assert!(budget.report().account("x").is_none(), "nothing was opened on the way");
    assert!(budget.account("x").is_ok());
    assert!(budget.account("z").is_err());
}

#[test]
fn a_tag_that_is_forgotten_leaves_its_sums() {
    let clock = ManualClock::at("2026-11-24T12:00:00Z".parse().unwrap());
    let budget = BudgetManager::builder()
        .clock(clock)
        .limit("user:", Limit::spend(Usd::dollars(1)).per(Period::DAY))
        .limit("user:", Limit::requests(100))
        .limit("user:*", Limit::spend(Usd::cents(50)).per(Period::DAY))
        .build()
        .unwrap();
    let support = budget.account("support").unwrap();
    let luna = budget.model("gpt-6-luna").unwrap();
    let ada = budget.tag_for("user", "ada@acme.org").unwrap();
    ada.set_limit(Limit::spend(Usd::cents(40))).unwrap();
    budget.set_limit("user:ada@acme.org/*", Limit::requests(5)).unwrap();
    let phone = budget.tag("user:ada@acme.org/phone").unwrap();
    let hold = support.request(fixed(20)).tag(&ada).reserve().unwrap();
    hold.settle_cost(Usd::cents(10));
    let usage = Usage::tokens(1_000, 100);
    support.record(usage).model(&luna).tag(&phone).book().unwrap();
    let before = budget.report();

    let open = support.request(fixed(5)).tag(&phone).reserve().unwrap();
    let error = ada.forget().unwrap_err();
    assert_eq!(
        error.to_string(),
        "`user:ada@acme.org` has 1 call under way; forget it when they have ended"
    );
    assert_eq!(budget.report().limits.len(), before.limits.len(), "nothing has changed");
    open.release();
    ada.freeze("a dispute").unwrap();
    ada.forget().unwrap();

    let after = budget.report();
    let users = |report: &bursar::Report| {
        let users = report.account("user:").unwrap();
        (users.spent, users.requests, users.usage)
    };
    assert_eq!(users(&after), users(&before));
    assert_eq!(after.account("").unwrap().spent, before.account("").unwrap().spent);
    assert_eq!(after.models, before.models);
    let of_all = |report: &bursar::Report| {
        let all = report.limits.iter().filter(|limit| limit.account.as_str() == "user:");
        all.map(|limit| (limit.spent, limit.held)).collect::<Vec<_>>()
    };
    assert_eq!(of_all(&after), of_all(&before));
    let text = format!("{after} {}", serde_json::to_string(&after).unwrap());
    assert!(!text.contains("ada"), "the name is still there: {text}");

    // The handles refuse, and say so.
    let refused = support.request(fixed(1)).tag(&ada).reserve().unwrap_err();
    assert_eq!(refused, ReserveError::Invalid(InvalidCall::TagForgotten));
    let recorded = support.record(usage).model(&luna).tag(&phone).book().unwrap_err();
    assert_eq!(recorded, RecordError::Invalid(InvalidCall::TagForgotten));
    assert_eq!(
        ada.forget().unwrap_err().to_string(),
        "`user:ada@acme.org` has been forgotten; ask for the tag again"
    );
    assert_eq!((ada.spent(), ada.remaining()), (Usd::ZERO, None));
    // The name is free again, and its tag new.
    let again = budget.tag_for("user", "ada@acme.org").unwrap();
    assert_eq!((again.spent(), again.remaining()), (Usd::ZERO, Some(Usd::cents(50))));
    assert!(support.request(fixed(1)).tag(&again).reserve().is_ok());
}

/// The lease of a call has ended, its tag is forgotten, and then it reports back.
#[test]
fn a_late_settle_of_a_forgotten_tag_is_booked_on_the_rest_of_its_tree() {
    let clock = ManualClock::at("2026-11-24T12:00:00Z".parse().unwrap());
    let budget = BudgetManager::builder()
        .clock(clock.clone())
        .lease(Duration::from_secs(60))
        .build()
        .unwrap();
    let (support, ada) = (budget.account("support").unwrap(), budget.tag("user:ada").unwrap());
    let hold = support.request(fixed(20)).tag(&ada).reserve().unwrap();
    clock.advance(Duration::from_secs(61));
    assert_eq!(ada.spent(), Usd::cents(20), "assumed");
    ada.forget().unwrap();
    budget.tag("user:bob").unwrap(); // takes the free place
    hold.settle_cost(Usd::cents(5));
    let report = budget.report();
    assert_eq!(report.account("user:").unwrap().spent, Usd::cents(5));
    assert_eq!(report.account("user:bob").unwrap().spent, Usd::ZERO);
    assert_eq!(support.spent(), Usd::cents(5));
}

#[test]
fn an_account_can_be_forgotten_and_a_root_cannot() {
    let budget = BudgetManager::builder()
        .limit("customers/*", Limit::spend(Usd::cents(50)))
        .build()
        .unwrap();
    let acme = budget.account_for("customers", "Acme Inc").unwrap();
    acme.reserve(&fixed(30)).unwrap().settle_cost(Usd::cents(30));
    let hold = acme.reserve(&fixed(1)).unwrap();
    assert!(matches!(acme.forget(), Err(AccountError::InUse { calls: 1, .. })));
    drop(hold);
    acme.forget().unwrap();
    assert_eq!(budget.account("customers").unwrap().spent(), Usd::cents(30));
    assert!(!serde_json::to_string(&budget.report()).unwrap().contains("Acme"));
    assert!(acme.reserve(&fixed(1)).unwrap_err().to_string().contains("is closed"));
    let error = budget.account("").unwrap().forget().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the whole budget is the root of its tree; forget the accounts below it"
    );
}

/// A call that waits when its tag is forgotten is refused, not kept for ever.
#[test]
fn a_waiting_call_learns_that_its_tag_is_gone() {
    use std::task::{Context, Poll, Waker};
    let budget = BudgetManager::new(Usd::cents(10)).unwrap();
    let (support, ada) = (budget.account("support").unwrap(), budget.tag("user:ada").unwrap());
    let first = support.reserve(&fixed(10)).unwrap();
    let mut waits =
        std::pin::pin!(support.request(fixed(5)).tag(&ada).wait(Duration::from_secs(60)));
    let mut context = Context::from_waker(Waker::noop());
    assert!(waits.as_mut().poll(&mut context).is_pending());
    ada.forget().unwrap();
    let Poll::Ready(Err(error)) = waits.as_mut().poll(&mut context) else { panic!("it waits on") };
    assert_eq!(error, ReserveError::Invalid(InvalidCall::TagForgotten));
    drop(first);
}
