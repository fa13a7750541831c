//! Tests of the `agents` example: the whole story over HTTP on the loopback, and what both
//! sides say that it costs.

use bursar::{Quantity, Usd};

#[path = "../main.rs"]
#[allow(dead_code, missing_docs)]
mod agents;

use agents::{Story, audit::audit, story};

fn money(quantity: Quantity) -> Usd {
    match quantity {
        Quantity::Money(amount) => amount,
        Quantity::Count(_) => unreachable!("all limits of the story are on money"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_report_is_the_servers_bill() {
    let Story { mission, report, books } = story().await.unwrap();
    let (table, is_equal) = audit(&report, &books);
    assert!(is_equal, "{table}");

    // All of it is on one account and known; nothing is held or assumed.
    let billed: u128 = books.lines.iter().map(|line| line.picodollars).sum();
    let team = report.account("team").unwrap();
    assert_eq!((team.spent.pico(), team.held), (billed as i128, Usd::ZERO));
    assert_eq!((team.assumed, team.open_calls), (Usd::ZERO, 0));
    assert!(team.spent > Usd::cents(4) && team.spent <= Usd::cents(6));
    for limit in &report.limits {
        assert!(money(limit.peak) <= money(limit.amount), "{} is never over", limit.account);
    }

    // The stream that was hung up on is an estimate by its name, and right by its counts.
    let critic = report.account("team/critic").unwrap();
    assert_eq!(team.estimated, critic.estimated);
    let cut = books.lines.iter().filter(|line| line.tokens[3] == 6).map(|line| line.picodollars);
    assert_eq!(cut.sum::<u128>() as i128, critic.estimated.pico());

    // Each worker was refused, and the critic once; none of that came to the server.
    assert_eq!(mission.refusals.len(), 4, "{:?}", mission.refusals);
    for (refusal, of) in mission.refusals.iter().zip(["history", "price", "upkeep", "critic"]) {
        assert!(refusal.contains(of) && refusal.contains("left"), "{refusal}");
    }
    assert_eq!(books.lines.len() as u64, team.requests);

    // The 429 is billed nothing, the 500 is, and its passage was asked for again.
    let free = books.lines.iter().filter(|line| line.picodollars == 0).count();
    assert_eq!(free, 1);
    let (history, upkeep) = ("team/workers/history", "team/workers/upkeep");
    let [history, upkeep] = [history, upkeep].map(|path| report.account(path).unwrap());
    assert_eq!(upkeep.requests, history.requests);
    let notes = |of: &str| mission.told.iter().filter(|line| line.contains(of)).count();
    assert_eq!((notes("history: note"), notes("upkeep: note")), (4, 3), "with one refused each");

    // First the model that was wanted, then the cheaper one.
    assert!(mission.told.iter().any(|line| line.starts_with("price: note 1 by gpt-6.1-sol")));
    assert!(mission.told.iter().any(|line| line.starts_with("price: note 2 by gpt-6.1-terra")));

    // The last answer is whole, and paid from what was kept.
    let (text, reason, is_wrap_up) = mission.answer;
    assert!(text.ends_with("That is all.") && is_wrap_up, "{text}");
    assert_eq!(reason.as_deref(), Some("end_turn"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_runs_are_the_same() {
    let (one, other) = (story().await.unwrap(), story().await.unwrap());
    assert_eq!(one.mission.told, other.mission.told);
    // How much the workers held at the same time is the one thing that their order decides.
    let sums = |story: &Story| {
        let accounts = story.report.accounts.iter();
        accounts.map(|a| (a.account.clone(), a.spent, a.usage, a.requests)).collect::<Vec<_>>()
    };
    assert_eq!(sums(&one), sums(&other));
    assert_eq!(one.report.models, other.report.models);
    assert_eq!(one.books.by_model(), other.books.by_model());
}
