//! Tests that a hold books what it was shown: bodies and streams alike, whole or cut.

use std::fs;

use bursar::agent::StreamHold;
use bursar::{Bill, BudgetManager, Confidence, Reservation, Usd};

fn reserve(budget: &BudgetManager) -> Reservation {
    let terra = budget.model("gpt-6.1-terra").unwrap();
    budget.reserve("crawler", &terra.estimate().input(1_200).max_output(800)).unwrap()
}

/// A body is read as a stream of one event: there is one reader of whatever comes.
#[test]
fn every_body_is_booked_as_if_it_had_been_read_whole() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/usage/bodies");
    let mut seen = 0;
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let text = fs::read_to_string(&file).unwrap();
        let bodies = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>();
        for body in bodies.map(|body| body.unwrap()) {
            let Some(bill) = Bill::from_response(&body).unwrap() else { continue };
            let budget = BudgetManager::new(Usd::dollars(1_000)).unwrap();
            let whole = reserve(&budget).settle(bill);
            for size in [7, usize::MAX] {
                let mut hold = StreamHold::new(reserve(&budget));
                for piece in body.to_string().as_bytes().chunks(size) {
                    hold.usage().push(piece);
                }
                let booked = hold.close().unwrap();
                let story = format!("{}: {body}", file.display());
                assert_eq!((booked.cost, booked.usage), (whole.cost, whole.usage), "{story}");
                assert_eq!(booked.confidence, whole.confidence, "{story}");
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn what_is_cut_is_booked_with_what_was_not_shown_and_once() {
    let budget = BudgetManager::new(Usd::dollars(1)).unwrap();
    let mut hold = StreamHold::new(reserve(&budget));
    hold.mark_sent();
    hold.usage()
        .push("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Twelve letters\"}}]}\n\n");
    assert_eq!(hold.seen().output_tokens(), 2);
    let receipt = hold.close().unwrap();
    assert_eq!(receipt.confidence, Confidence::Estimated);
    // 1,200 tokens in, and all 800 of the cap: the model may have reasoned.
    assert_eq!(receipt.cost, "0.0052".parse().unwrap());
    assert!(hold.close().is_some());
    drop(hold);
    assert_eq!((budget.spent(), budget.held()), ("0.0052".parse().unwrap(), Usd::ZERO));
}

#[test]
fn a_body_of_which_only_a_part_came_is_lost_if_it_was_sent() {
    let budget = BudgetManager::new(Usd::dollars(1)).unwrap();
    for (sent, spent) in [(false, Usd::ZERO), (true, "0.0055".parse().unwrap())] {
        let mut hold = StreamHold::new(reserve(&budget));
        if sent {
            hold.mark_sent();
        }
        hold.usage().push(r#"{"choices": [{"message": {"content": "Rain unt"#);
        assert!(hold.close().is_none());
        assert_eq!((budget.spent(), budget.held()), (spent, Usd::ZERO));
    }
}

#[test]
fn a_hold_keeps_up_with_what_is_seen_until_the_money_ends() {
    let budget = BudgetManager::new("0.0056".parse().unwrap()).unwrap();
    let mut hold = StreamHold::new(reserve(&budget)).growing_by(10);
    let event = |letters: usize| {
        let text = "letters ".repeat(letters);
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
    };
    hold.usage().push(event(10));
    assert_eq!(hold.keep_up(), Ok(()), "there is room for 800 tokens");
    hold.usage().push(event(2_000));
    assert!(hold.keep_up().unwrap_err().denied().is_some());
    let mut silent = StreamHold::new(reserve(&BudgetManager::new(Usd::dollars(1)).unwrap()));
    silent.usage().push(event(2_000));
    assert_eq!(silent.keep_up(), Ok(()), "it does not grow unless it is told to");
}

/// The hold of a failure: the body says what it costs, and without one the status.
#[test]
fn the_tab_of_a_failure_is_judged_by_its_status_and_body() {
    let overloaded = r#"{"error": {"message": "Slow down.", "type": "server_error"}}"#;
    let filtered = r#"{"error": {"message": "filtered", "code": "content_filter", "innererror": {
        "code": "ResponsibleAIPolicyViolation"}}}"#;
    let (nothing, input, all) = ("0", "0.0012", "0.0055");
    for (status, body, is_closed, cost) in [
        (503, overloaded, true, nothing),
        (503, overloaded, false, nothing),
        (504, overloaded, true, all),
        (429, "<html>", true, all),
        (429, "", true, all),
        (429, "", false, nothing), // nobody has read it
        (408, "", false, all),
        (503, "", false, all),
        (400, filtered, true, input),
    ] {
        let budget = BudgetManager::new(Usd::dollars(1)).unwrap();
        let mut hold = StreamHold::new(reserve(&budget)).answered(status);
        hold.mark_sent();
        for piece in body.as_bytes().chunks(9) {
            hold.usage().push(piece);
        }
        if is_closed {
            hold.close();
        }
        drop(hold);
        let expected = (cost.parse().unwrap(), Usd::ZERO);
        assert_eq!((budget.spent(), budget.held()), expected, "{status} {body}");
    }
}
