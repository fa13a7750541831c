//! The cost scenario of the document that the project grew from, done for real: 5 agents, 100
//! tasks a day, 1,000 tokens a task, $0.002 per 1,000 tokens.

use std::time::Duration;

use bursar::clock::ManualClock;
use bursar::{BudgetManager, Limit, ModelPrice, Period, PriceBook, Rate, Usage, Usd};

#[test]
fn five_agents_cost_a_dollar_a_day_and_ninety_a_month_with_threefold_overhead() {
    let rate: Rate = "2".parse().unwrap(); // dollars per million: $0.002 per 1,000
    let mut prices = PriceBook::empty();
    prices.insert(ModelPrice::new("seed", "model", rate, rate)).unwrap();
    let clock = ManualClock::at("2026-11-01T00:00:00Z".parse().unwrap());
    let budget = BudgetManager::builder()
        .clock(clock.clone())
        .prices(prices)
        .limit("", Limit::spend(Usd::dollars(3)).per(Period::DAY))
        .limit("", Limit::spend(Usd::dollars(90)).per(Period::MONTH))
        .build()
        .unwrap();
    let model = budget.model("model").unwrap();
    let task = model.estimate().input(800).max_output(200);
    let agents = [1, 2, 3, 4, 5].map(|n| budget.account(&format!("agent-{n}")).unwrap());

    let day = |overhead: u32| {
        let before = budget.spent();
        for agent in &agents {
            for _ in 0..100 * overhead {
                agent.reserve(&task).unwrap().settle(Usage::tokens(800, 200));
            }
        }
        clock.advance(Duration::from_secs(86_400));
        budget.spent().checked_sub(before).unwrap()
    };
    assert_eq!(day(1), Usd::dollars(1), "a day without overhead");
    for _ in 2..=30 {
        assert_eq!(day(3), Usd::dollars(3), "context sharing and coordination: three times");
    }
    assert_eq!(budget.spent(), Usd::dollars(1 + 29 * 3));
    for agent in &agents {
        assert_eq!(agent.spent(), Usd::cents(20 + 29 * 60));
    }

    // A day more than was planned is refused by the day's limit, not by arithmetic in prose.
    for _ in 0..3 {
        for agent in &agents {
            (0..100)
                .for_each(|_| drop(agent.reserve(&task).unwrap().settle(Usage::tokens(800, 200))));
        }
    }
    assert!(agents[0].reserve(&task).is_err());
}
