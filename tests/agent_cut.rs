//! Tests of streams that are cut before their counts: hidden reasoning, the input that was not
//! counted, and the alerts.

use std::sync::{Arc, Mutex};

use bursar::agent::{BudgetedStream, StreamHold, StreamUsage};
use bursar::testing::{Failure, Items, block_on, next};
use bursar::usage::Doubt;
use bursar::{
    Bill, BudgetManager, Confidence, Estimate, ModelPrice, PriceBook, Rate, Receipt, Usage,
    UsageMeter, Usd,
};

/// $10 a million tokens in, $20 out.
fn budget() -> BudgetManager {
    let rate = |text: &str| text.parse::<Rate>().unwrap();
    let mut book = PriceBook::builtin();
    for (name, reasons) in [("thinker", true), ("talker", false)] {
        let price = ModelPrice::new("acme", name, rate("10"), rate("20")).reasons(reasons);
        book.insert(price).unwrap();
    }
    book.insert(ModelPrice::new("acme", "unknown", rate("10"), rate("20"))).unwrap();
    BudgetManager::builder().prices(book).build().unwrap()
}

const TEXT: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Twelve letters\"}}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";

fn call(budget: &BudgetManager, model: &str) -> Estimate {
    budget.model(model).unwrap().estimate().input(1_000).max_output(500)
}

/// The receipt of a stream that ends after these pieces.
fn ended(call: &Estimate, budget: &BudgetManager, pieces: &[&str]) -> Receipt {
    let mut hold = StreamHold::new(budget.reserve("crawler", call).unwrap());
    hold.mark_sent();
    for piece in pieces {
        hold.usage().push(piece);
    }
    hold.close().unwrap().clone()
}

/// The bill of the meter alone, without a hold: how much text came.
fn text() -> u64 {
    let mut meter = UsageMeter::new();
    meter.push(TEXT.as_bytes()).unwrap();
    meter.finish().unwrap().usage.output_tokens()
}

#[test]
fn a_model_that_can_reason_is_charged_the_cap_and_another_the_text() {
    let budget = budget();
    for (model, off, output) in [
        ("thinker", false, 500),
        ("unknown", false, 500),
        ("gpt-6.1-terra", false, 500),
        ("claude-opus-4-8", false, 500), // the request does not switch it off
        ("talker", false, text()),
        ("thinker", true, text()),
        ("unknown", true, text()),
        ("gpt-4o", false, text()),
        ("claude-3-5-haiku-latest", false, text()),
    ] {
        let call = call(&budget, model).reasoning_off(off);
        for pieces in [&[TEXT][..], &[TEXT, DONE]] {
            let receipt = ended(&call, &budget, pieces);
            let seen = (receipt.usage.input_tokens(), receipt.usage.output_tokens());
            assert_eq!(seen, (1_000, output), "{model} {off}");
            assert_eq!(receipt.confidence, Confidence::Estimated);
            assert!(receipt.cost <= receipt.held);
        }
    }
}

/// What was set aside for several choices, or grew, counts with all of it; what is outgrown is not
/// cut.
#[test]
fn the_cap_is_that_of_all_choices_and_of_all_growth() {
    let budget = budget();
    let three = call(&budget, "thinker").choices(3);
    assert_eq!(ended(&three, &budget, &[TEXT]).usage.output_tokens(), 1_500);

    let mut hold = budget.reserve("crawler", &call(&budget, "thinker")).unwrap();
    hold.grow_output(70).unwrap();
    let mut hold = StreamHold::new(hold);
    hold.usage().push(TEXT);
    assert_eq!(hold.close().unwrap().usage.output_tokens(), 570);

    let short = budget.model("thinker").unwrap().estimate().input(1_000).max_output(2);
    assert_eq!(ended(&short, &budget, &[TEXT]).usage.output_tokens(), text().max(2));
}

/// The provider's final counts are the truth, however large the cap is.
#[test]
fn final_counts_are_booked_as_they_are() {
    let budget = budget();
    let counts = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":900,\"completion_tokens\":30,\
                  \"total_tokens\":930}}\n\n";
    let receipt = ended(&call(&budget, "thinker"), &budget, &[TEXT, counts, DONE]);
    assert_eq!((receipt.usage, receipt.confidence), (Usage::tokens(900, 30), Confidence::Exact));
}

/// FINDINGS' story: 25 calls were billed $5.00, $0.017 was booked on a limit of $1.
#[test]
fn twenty_five_cut_calls_of_a_model_that_reasons_do_not_pass_a_limit_of_a_dollar() {
    let limited = {
        let rate = |text: &str| text.parse::<Rate>().unwrap();
        let mut book = PriceBook::empty();
        book.insert(ModelPrice::new("acme", "thinker", rate("1"), rate("20"))).unwrap();
        let limit = bursar::Limit::spend(Usd::dollars(1));
        BudgetManager::builder().prices(book).limit("", limit).build().unwrap()
    };
    // 10,000 tokens of reasoning, $0.20, and a few words before the client leaves.
    let call = limited.model("thinker").unwrap().estimate().input(100).max_output(10_000);
    let mut admitted = 0;
    for _ in 0..25 {
        let Ok(hold) = limited.reserve("crawler", &call) else { continue };
        admitted += 1;
        let items = Items::<_, Failure>::new([Ok(TEXT), Ok(TEXT)]);
        let show = |chunk: &&str, usage: &mut StreamUsage| usage.push(chunk);
        let mut stream = BudgetedStream::new(hold, items, show);
        block_on(next(&mut stream)).unwrap().unwrap();
    }
    // Each was billed $0.2001 at most, and as much is booked: law 1.
    assert_eq!(admitted, 4);
    assert_eq!(limited.spent(), "0.8004".parse().unwrap());
}

#[test]
fn input_that_nobody_counted_is_that_of_the_hold() {
    let budget = budget();
    // A stream.
    let hold = budget.reserve("crawler", &call(&budget, "talker")).unwrap();
    let items = Items::<_, Failure>::new([Ok(TEXT), Ok(TEXT)]);
    let show = |chunk: &&str, usage: &mut StreamUsage| usage.push(chunk);
    let mut stream = BudgetedStream::new(hold, items, show);
    block_on(next(&mut stream)).unwrap().unwrap();
    drop(stream);
    assert!(budget.spent() >= Usd::cents(1), "1,000 tokens in are a cent: {}", budget.spent());

    // A hold, counts that were passed in, and a bill with the doubt.
    let used = |usage: &mut StreamUsage| usage.used(Usage::tokens(0, 7));
    let push = |usage: &mut StreamUsage| usage.push(TEXT);
    for show in [&used as &dyn Fn(&mut StreamUsage), &push] {
        let mut hold =
            StreamHold::new(budget.reserve("crawler", &call(&budget, "talker")).unwrap());
        show(hold.usage());
        let usage = hold.close().unwrap().usage;
        assert_eq!(usage.input_tokens(), 1_000);
        assert!(usage.output_tokens() > 0);
    }
    let missing = Doubt::Missing { side: "input".to_owned() };
    let bill = Bill::new(Usage::tokens(0, 7)).doubt(missing.clone());
    let receipt = budget.reserve("crawler", &call(&budget, "talker")).unwrap().settle(bill.clone());
    assert_eq!(receipt.usage, Usage::tokens(1_000, 7));
    assert_eq!(receipt.confidence, Confidence::Estimated);
    let hold = budget.reserve("crawler", &call(&budget, "talker")).unwrap();
    assert_eq!(hold.settle(bill).usage, Usage::tokens(1_000, 7));

    // What was counted stays, and so does a cost that the provider states, unless the user has written
    // down a price.
    let counted = Bill::new(Usage::tokens(800, 7)).doubt(missing.clone());
    let receipt = budget.reserve("crawler", &call(&budget, "talker")).unwrap().settle(counted);
    assert_eq!(receipt.usage, Usage::tokens(800, 7));
    let stated = Bill::new(Usage::tokens(0, 7)).doubt(missing).reported_cost(Usd::cents(3));
    let receipt =
        budget.reserve("crawler", &call(&budget, "gpt-4o")).unwrap().settle(stated.clone());
    assert_eq!((receipt.cost, receipt.confidence), (Usd::cents(3), Confidence::Reported));
    let receipt = budget.reserve("crawler", &call(&budget, "talker")).unwrap().settle(stated);
    assert_eq!((receipt.cost, receipt.usage.input_tokens()), ("0.01014".parse().unwrap(), 1_000));
}

/// What a request says of reasoning reaches the end of its stream.
#[test]
fn a_request_that_switches_reasoning_off_is_charged_its_text() {
    let budget = budget();
    let body = |model: &str, more: &str| {
        let body = format!(
            r#"{{"model": "{model}", "max_tokens": 500, {more}
            "messages": [{{"role": "user", "content": "Hi"}}]}}"#
        );
        budget.estimate_request(&body).unwrap()
    };
    for (model, more, output) in [
        ("gpt-6.1-terra", "", 500),
        ("gpt-6.1-terra", r#""reasoning_effort": "low","#, 500),
        ("gpt-6.1-terra", r#""reasoning_effort": "none","#, text()),
        ("claude-opus-5", "", 500),
        ("claude-opus-5", r#""thinking": {"type": "disabled"},"#, text()),
        ("claude-opus-4-8", "", text()),
        ("claude-opus-4-8", r#""thinking": {"type": "adaptive"},"#, 500),
    ] {
        let receipt = ended(&body(model, more), &budget, &[TEXT]);
        assert_eq!(receipt.usage.output_tokens(), output, "{model} {more}");
    }
    // It is off for the model that was asked, and not for one that takes its place.
    let terra = budget.model("gpt-6.1-terra").unwrap();
    let other = body("claude-opus-4-8", "").with_model(&terra);
    assert_eq!(ended(&other, &budget, &[TEXT]).usage.output_tokens(), 500);
    let same = body("claude-opus-4-8", "");
    let same = same.with_model(&budget.model("claude-opus-4-8").unwrap());
    assert_eq!(ended(&same, &budget, &[TEXT]).usage.output_tokens(), text());
}

/// With a list of alternatives the model that was admitted counts.
#[test]
fn the_alternative_that_was_admitted_says_whether_it_reasons() {
    let budget = budget();
    budget.set_limit("crawler", bursar::Limit::spend("0.02".parse().unwrap())).unwrap();
    let dear = call(&budget, "thinker").max_output(50_000);
    let account = budget.account("crawler").unwrap();
    let hold = account.request(dear).or(call(&budget, "talker")).reserve().unwrap();
    assert_eq!(hold.alternative(), 1);
    let mut hold = StreamHold::new(hold);
    hold.usage().push(TEXT);
    assert_eq!(hold.close().unwrap().usage.output_tokens(), text());
}

/// There is one alert.
#[test]
fn a_bill_of_a_cut_stream_says_that_it_was_cut() {
    let mut meter = UsageMeter::new();
    meter.push(TEXT.as_bytes()).unwrap();
    assert!(meter.finish().unwrap().doubts.contains(&Doubt::CutShort));

    let seen = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&seen);
    let budget = BudgetManager::builder()
        .on_alert(move |alert| heard.lock().unwrap().push(alert.to_string()))
        .build()
        .unwrap();
    let receipt = ended(&call(&budget, "gpt-6.1-terra"), &budget, &[TEXT]);
    assert_eq!(receipt.confidence, Confidence::Estimated);
    let alerts = seen.lock().unwrap();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert!(alerts[0].contains(&Doubt::CutShort.to_string()), "{alerts:?}");
}
