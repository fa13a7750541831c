//! Tests of `PriceBook::price_bill` and of booking bills: the cost, whose price applies, the doubts
//! and their alerts.

use std::sync::{Arc, Mutex};

use bursar::budget::Correction;
use bursar::clock::{ManualClock, Timestamp};
use bursar::price::{PricedBill, Terms};
use bursar::usage::{Doubt, ModelUsage};
use bursar::{
    Alert, Bill, BudgetManager, Confidence, Estimate, Limit, Model, ModelPrice, Period, PriceBook,
    Service, Usage, Usd,
};

fn start() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

/// The built-in list; a list with some providers more; and prices of one's own.
fn prices() -> PriceBook {
    let mut book = PriceBook::builtin();
    let list = r#"
        [meta]
        as_of = "2026-11-20"
        [[model]]
        provider = "azure"
        id = "gpt-4o"
        [[model.price]]
        input = "2.5"
        output = "10"
        [[model]]
        provider = "azure"
        id = "model-router-2025-11-18"
        [[model.price]]
        input = "20"
        output = "20"
        [[model]]
        provider = "openrouter"
        id = "openrouter/auto"
        [[model.price]]
        input = "20"
        output = "20"
        [[model]]
        provider = "bedrock"
        id = "arn:aws:bedrock:us-east-1:123456789012:default-prompt-router/anthropic.claude:1"
        [[model.price]]
        input = "20"
        output = "20"
        [[model]]
        provider = "zero"
        id = "owl"
        [[model.price]]
        input = "0"
        output = "0"
    "#;
    book.merge(&PriceBook::from_toml(list).unwrap());
    let rate = |text: &str| text.parse().unwrap();
    for (provider, id, input, output) in [
        ("azure", "prod-chat", "1", "4"),
        ("azure", "prod-mini", "0.1", "0.4"),
        ("vllm", "our-qwen", "0.2", "0.3"),
        ("openai", "ft:gpt-4o:acme", "3", "12"),
        ("openrouter", "auto", "30", "30"),
    ] {
        book.insert(ModelPrice::new(provider, id, rate(input), rate(output))).unwrap();
    }
    book.insert(ModelPrice::free("ollama", "llama3.1")).unwrap();
    book
}

fn price(bill: &Bill, asked: &[&str]) -> PricedBill {
    let book = prices();
    let asked: Vec<Model> = asked.iter().map(|name| book.find(name).unwrap()).collect();
    book.price_bill(bill, &asked, &Terms::default(), start())
}

/// A million tokens in, so that a cost is a rate.
fn million() -> Usage {
    Usage::tokens(1_000_000, 0)
}

fn doubts(priced: &PricedBill) -> Vec<&'static str> {
    let kind = |doubt: &Doubt| match doubt {
        Doubt::OtherModel { .. } => "other",
        Doubt::UnpricedPart { .. } => "part",
        Doubt::StatedCost { .. } => "stated",
        Doubt::Missing { .. } => "missing",
        other => panic!("{other:?}"),
    };
    let mut kinds: Vec<&str> = priced.doubts.iter().map(kind).collect();
    if priced.unpriced.is_some() {
        kinds.push("unpriced");
    }
    kinds
}

/// Law 3, and whose price it is: asked, answered, the rate that was taken, the model of that rate.
#[test]
fn the_price_is_that_of_what_answered_where_that_may_answer() {
    use Confidence::{Assumed, Estimated, Exact};
    for (asked, answered, rate, of, confidence, doubt) in [
        // The same model, by another of its names.
        ("gpt-4o", "gpt-4o", "2.5", "openai/gpt-4o", Exact, &[][..]),
        ("gpt-4o", "openai/gpt-4o", "2.5", "openai/gpt-4o", Exact, &[]),
        ("gpt-4o", "gpt-4o-2024-08-06", "2.5", "openai/gpt-4o", Exact, &[]),
        ("gpt-4o", "gpt-4o-2031-01-01", "2.5", "openai/gpt-4o", Exact, &[]),
        (
            "gemini-2.5-flash",
            "models/gemini-2.5-flash",
            "0.3",
            "google/gemini-2.5-flash",
            Exact,
            &[],
        ),
        // A reseller's model, by the name that its maker gives it: not at the maker's price.
        (
            "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "claude-sonnet-4-5-20250929",
            "6.6",
            "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            Exact,
            &[],
        ),
        (
            "groq/openai/gpt-oss-120b",
            "gpt-oss-120b",
            "0.15",
            "groq/openai/gpt-oss-120b",
            Exact,
            &[],
        ),
        // A dated form with a price of its own.
        ("gpt-4o", "gpt-4o-2024-05-13", "5", "openai/gpt-4o-2024-05-13", Exact, &[]),
        // Another model, for no stated reason: the dearer of the two.
        ("gpt-4o", "gpt-4o-mini", "2.5", "openai/gpt-4o", Estimated, &["other"]),
        ("gpt-4o-mini", "gpt-4o", "2.5", "openai/gpt-4o", Estimated, &["other"]),
        ("gpt-4o-2024-05-13", "gpt-4o", "5", "openai/gpt-4o-2024-05-13", Estimated, &["other"]),
        ("gpt-4o", "claude-opus-4-8", "5", "anthropic/claude-opus-4-8", Estimated, &["other"]),
        // Not in the book: at least the price of the requested model.
        ("gpt-4o", "gpt-9-nova", "2.5", "openai/gpt-4o", Assumed, &["unpriced"]),
        // A router says what it has chosen.
        (
            "openrouter/openrouter/auto",
            "openai/gpt-4o-mini",
            "0.15",
            "openai/gpt-4o-mini",
            Exact,
            &[],
        ),
        ("openrouter/auto", "openai/gpt-4o-mini", "0.15", "openai/gpt-4o-mini", Exact, &[]),
        (
            "azure/model-router-2025-11-18",
            "gpt-4o-mini-2024-07-18",
            "0.15",
            "openai/gpt-4o-mini",
            Exact,
            &[],
        ),
        ("azure/model-router-2025-11-18", "gpt-4o-2024-08-06", "2.5", "azure/gpt-4o", Exact, &[]),
        (
            "bedrock/arn:aws:bedrock:us-east-1:123456789012:default-prompt-router/anthropic.claude:1",
            "us.anthropic.claude-haiku-4-5-20251001-v1:0",
            "1.1",
            "bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0",
            Exact,
            &[],
        ),
        // A price of one's own stays.
        ("azure/prod-chat", "gpt-4o-2024-11-20", "1", "azure/prod-chat", Exact, &["other"]),
        ("azure/prod-chat", "gpt-4o-mini", "1", "azure/prod-chat", Exact, &["other"]),
        ("azure/prod-chat", "gpt-9-nova", "1", "azure/prod-chat", Exact, &["other"]),
        ("vllm/our-qwen", "Qwen/Qwen3-235B-A22B", "0.2", "vllm/our-qwen", Exact, &["other"]),
        ("ollama/llama3.1", "llama-3.1-8b-instant", "0", "ollama/llama3.1", Exact, &["other"]),
        ("ft:gpt-4o:acme", "gpt-4o-mini", "3", "openai/ft:gpt-4o:acme", Exact, &["other"]),
        // Unless there is another of one's own for what answered.
        ("azure/prod-chat", "prod-mini", "0.1", "azure/prod-mini", Exact, &["other"]),
        // A router of one's own that chose a model that is not in the book.
        ("openrouter/auto", "acme/secret", "30", "openrouter/auto", Exact, &["other"]),
    ] {
        let priced = price(&Bill::new(million()).model(answered), &[asked]);
        let model = priced.model.as_ref().map(|model| model.to_string());
        assert_eq!(priced.cost, usd(rate), "{asked} -> {answered}");
        assert_eq!(model.as_deref(), Some(of), "{asked} -> {answered}");
        assert_eq!(priced.confidence, confidence, "{asked} -> {answered}");
        assert_eq!(doubts(&priced), doubt, "{asked} -> {answered}");
    }
}

#[test]
fn what_the_request_or_the_answer_names_may_answer() {
    let bill = Bill::new(million()).model("gpt-4o-mini");
    let named = price(&bill, &["gpt-4o", "claude-opus-4-8", "gpt-4o-mini"]);
    assert_eq!((named.cost, named.confidence), (usd("0.15"), Confidence::Exact));
    assert!(named.doubts.is_empty());
    // One's own price is no reason to price a fallback by it.
    let named = price(&bill, &["azure/prod-chat", "gpt-4o-mini"]);
    assert_eq!((named.cost, doubts(&named)), (usd("0.15"), vec![]));

    let mut bill = Bill::new(million()).model("claude-opus-4-8");
    bill.fell_back = true;
    let fallen = price(&bill, &["claude-fable-5"]);
    assert_eq!((fallen.cost, fallen.confidence), (usd("5"), Confidence::Exact));
    assert!(fallen.doubts.is_empty());
    bill.model = Some("nobody-knows".into());
    assert_eq!(doubts(&price(&bill, &["claude-fable-5"])), ["unpriced"]);

    // Without a model that was asked, the one of the bill is all there is.
    let alone = price(&Bill::new(million()).model("gpt-4o-mini"), &[]);
    assert_eq!((alone.cost, alone.confidence), (usd("0.15"), Confidence::Exact));
    assert_eq!(doubts(&price(&Bill::new(million()), &[])), ["unpriced"]);
}

/// The hold remembers what its request named: the whole way from a body to a receipt.
#[test]
fn a_fallback_that_the_request_names_is_booked_at_its_own_price() {
    let budget = BudgetManager::builder().clock(ManualClock::at(start())).build().unwrap();
    let body = r#"{"model": "openai/gpt-4o", "models": ["openai/gpt-4o", "openai/gpt-4o-mini"],
        "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]}"#;
    let estimate = budget.estimate_request(body).unwrap();
    let hold = budget.reserve("crawler", &estimate).unwrap();
    let receipt = hold.settle(Bill::new(million()).model("gpt-4o-mini"));
    assert_eq!((receipt.cost, receipt.confidence), (usd("0.15"), Confidence::Exact));
    // Without the list in the request, the reason for the other model is unknown.
    let estimate = budget.estimate_request(&body.replace("models", "user")).unwrap();
    let hold = budget.reserve("crawler", &estimate).unwrap();
    let receipt = hold.settle(Bill::new(million()).model("gpt-4o-mini"));
    assert_eq!((receipt.cost, receipt.confidence), (usd("2.5"), Confidence::Estimated));
}

/// The dearer of two is that of this usage: one is dearer in, the other out.
#[test]
fn the_dearer_of_two_is_dearer_for_this_usage() {
    let mut book = PriceBook::empty();
    let list = r#"
        [meta]
        as_of = "2026-11-20"
        [[model]]
        provider = "p"
        id = "in"
        [[model.price]]
        input = "9"
        output = "1"
        [[model]]
        provider = "p"
        id = "out"
        [[model.price]]
        input = "1"
        output = "9"
        batch = { input = "1", output = "4" }
    "#;
    book.merge(&PriceBook::from_toml(list).unwrap());
    let asked = [book.find("in").unwrap()];
    let price = |usage, service: Service| {
        let bill = Bill::new(usage).model("out").service(service);
        book.price_bill(&bill, &asked, &Terms::default(), start())
    };
    for (usage, cost, of) in [
        (Usage::tokens(1_000_000, 1_000), "9.001", "p/in"),
        (Usage::tokens(1_000, 1_000_000), "9.001", "p/out"),
    ] {
        let priced = price(usage, Service::Standard);
        assert_eq!(priced.cost, usd(cost));
        assert_eq!(&**priced.model.unwrap().name(), of);
    }
    // The requested model has no batch price, so which is dearer is unknown.
    let priced = price(million(), Service::Batch);
    assert_eq!((priced.cost, priced.confidence), (usd("9"), Confidence::Assumed));
    assert!(priced.unpriced.unwrap().contains("batch"));
}

#[test]
fn a_stated_cost_wins_unless_it_is_no_statement_or_the_price_is_ones_own() {
    use Confidence::{Estimated, Exact, Reported};
    let bill = || Bill::new(million());
    for (what, bill, asked, cost, confidence, doubt) in [
        ("stated", bill().reported_cost(usd("2.4")), Some("gpt-4o"), "2.4", Reported, &[][..]),
        ("stated nothing", bill().reported_cost(Usd::ZERO), Some("gpt-4o"), "2.5", Exact, &[]),
        (
            "stated nothing of an estimate",
            bill().reported_cost(Usd::ZERO).estimated(),
            Some("gpt-4o"),
            "2.5",
            Estimated,
            &[],
        ),
        ("free", Bill::free(), Some("gpt-4o"), "0", Reported, &[]),
        ("free of one's own", Bill::free(), Some("azure/prod-chat"), "0", Reported, &[]),
        ("free of no model", Bill::free(), None, "0", Reported, &[]),
        ("not billed", bill().unbilled(), Some("gpt-4o"), "0", Exact, &[]),
        ("not billed, own", bill().unbilled(), Some("azure/prod-chat"), "0", Exact, &[]),
        (
            "not billed by the rule, and stated all the same",
            bill().reported_cost(usd("9")).unbilled(),
            Some("gpt-4o"),
            "0",
            Exact,
            &[],
        ),
        ("own", bill().reported_cost(usd("0.9")), Some("azure/prod-chat"), "1", Exact, &["stated"]),
        (
            "own, and nothing is counted",
            Bill::new(Usage::NONE).reported_cost(usd("0.9")),
            Some("azure/prod-chat"),
            "0.9",
            Reported,
            &[],
        ),
        (
            "own, the same",
            bill().reported_cost(usd("1")),
            Some("azure/prod-chat"),
            "1",
            Reported,
            &[],
        ),
        ("own, nothing", bill().reported_cost(Usd::ZERO), Some("azure/prod-chat"), "1", Exact, &[]),
        (
            "free by one's own price",
            bill().reported_cost(usd("0.1")),
            Some("ollama/llama3.1"),
            "0",
            Exact,
            &["stated"],
        ),
        ("a list's zero", bill().reported_cost(Usd::ZERO), Some("zero/owl"), "0", Reported, &[]),
        // Where the stated cost counts, prices do not matter.
        (
            "another model",
            bill().model("gpt-4o-mini").reported_cost(usd("0.16")),
            Some("gpt-4o"),
            "0.16",
            Reported,
            &[],
        ),
        (
            "nothing of another model",
            bill().model("gpt-4o-mini").reported_cost(Usd::ZERO),
            Some("gpt-4o"),
            "2.5",
            Estimated,
            &["other"],
        ),
        (
            "unknown, of no model",
            bill().model("x/y").reported_cost(Usd::ZERO),
            None,
            "0",
            Reported,
            &[],
        ),
        (
            "an extra part is in the stated cost",
            bill().extra(ModelUsage::new("gpt-4o-mini", million())).reported_cost(usd("2.6")),
            Some("gpt-4o"),
            "2.6",
            Reported,
            &[],
        ),
    ] {
        let priced = price(&bill, asked.as_slice());
        assert_eq!((priced.cost, priced.confidence), (usd(cost), confidence), "{what}");
        assert_eq!(doubts(&priced), doubt, "{what}");
    }
    let negative = price(&bill().reported_cost(usd("-1")), &["gpt-4o"]);
    assert_eq!((negative.cost, negative.confidence), (usd("2.5"), Confidence::Assumed));
    assert!(negative.unpriced.unwrap().contains("negative"));
    // What the user's price lacks, the provider's statement says.
    let audio = Bill::new(Usage { output_audio: 5, ..million() }).reported_cost(usd("0.7"));
    let priced = price(&audio, &["azure/prod-chat"]);
    assert_eq!((priced.cost, priced.confidence), (usd("0.7"), Confidence::Reported));
}

#[test]
fn what_other_models_used_is_priced_at_their_own_prices() {
    use Confidence::{Assumed, Estimated, Exact};
    let nameless = |usage| {
        let mut part = ModelUsage::new("", usage);
        part.model = None;
        part
    };
    let audio = Usage { output_audio: 5, ..Usage::NONE };
    for (what, asked, answered, extra, cost, confidence, doubt) in [
        (
            "known",
            "gpt-4o",
            "gpt-4o",
            ModelUsage::new("gpt-4o-mini", million()),
            "2.65",
            Exact,
            &[][..],
        ),
        ("the same", "gpt-4o", "gpt-4o", ModelUsage::new("gpt-4o", million()), "5", Exact, &[]),
        ("nothing of unknown", "gpt-4o", "gpt-4o", nameless(Usage::NONE), "2.5", Exact, &[]),
        ("nameless", "gpt-4o", "gpt-4o", nameless(million()), "5", Estimated, &["part"]),
        ("unknown", "gpt-4o", "gpt-4o", ModelUsage::new("x", million()), "5", Estimated, &["part"]),
        (
            "no rate",
            "gpt-4o",
            "gpt-4o",
            ModelUsage::new("gpt-4o-mini", audio),
            "2.5",
            Assumed,
            &["part", "unpriced"],
        ),
        // The dearer of asked and answered, as for the answer itself.
        (
            "unknown of two",
            "gpt-4o-mini",
            "gpt-4o",
            nameless(million()),
            "5",
            Estimated,
            &["other", "part"],
        ),
        (
            "of one's own",
            "azure/prod-chat",
            "azure/prod-chat",
            nameless(million()),
            "2",
            Estimated,
            &["part"],
        ),
        // The provider that was asked, where it has the model.
        (
            "azure's",
            "azure/prod-chat",
            "prod-chat",
            ModelUsage::new("gpt-4o", million()),
            "3.5",
            Exact,
            &[],
        ),
        (
            "nobody knows",
            "gpt-4o",
            "gpt-9-nova",
            ModelUsage::new("gpt-4o-mini", million()),
            "2.65",
            Assumed,
            &["unpriced"],
        ),
    ] {
        let bill = Bill::new(million()).model(answered).extra(extra);
        let priced = price(&bill, &[asked]);
        assert_eq!((priced.cost, priced.confidence), (usd(cost), confidence), "{what}");
        assert_eq!(doubts(&priced), doubt, "{what}");
    }
    let nobody = Bill::new(million()).model("x/y").extra(nameless(million()));
    let priced = price(&nobody, &[]);
    assert_eq!((priced.cost, doubts(&priced)), (Usd::ZERO, vec!["unpriced"]));
    // An attempt that was declined, priced as itself.
    let mut bill = Bill::new(million()).model("claude-opus-4-8");
    bill = bill.extra(ModelUsage::new("claude-fable-5", Usage::tokens(0, 1_000_000)));
    bill.fell_back = true;
    let priced = price(&bill, &["claude-fable-5"]);
    assert_eq!((priced.cost, priced.confidence), (usd("55"), Exact));
}

/// A billing rule holds from its day on, and for the answer itself; no other name is doubted where
/// nothing is billed.
#[test]
fn what_a_provider_does_not_bill_is_free_from_the_day_of_its_rule() {
    for (since, extra, cost, confidence) in [
        ("2026-06-02T00:00:00Z", None, "0", Confidence::Exact),
        ("2026-11-24T12:00:00Z", None, "0", Confidence::Exact),
        ("2026-11-24T12:00:01Z", None, "2.5", Confidence::Estimated),
        ("2026-06-02T00:00:00Z", Some("gpt-4o-mini"), "0.15", Confidence::Exact),
        ("2026-06-02T00:00:00Z", Some("x"), "2.5", Confidence::Estimated),
    ] {
        let mut bill = Bill::new(million()).model("gpt-4o-mini");
        bill.unbilled_since = Some(since.parse().unwrap());
        if let Some(model) = extra {
            bill = bill.extra(ModelUsage::new(model, million()));
        }
        let priced = price(&bill, &["gpt-4o"]);
        assert_eq!((priced.cost, priced.confidence), (usd(cost), confidence), "{since} {extra:?}");
    }
}

/// Only what a user wrote is the user's own: a merge keeps it, a list over it ends it.
#[test]
fn a_price_is_ones_own_by_how_it_came_into_the_book() {
    let own = |book: &PriceBook, name| book.find(name).unwrap().price().is_own();
    let mut book = PriceBook::builtin();
    assert!(!own(&book, "gpt-5"));
    let list = r#"{"gpt-5": {"litellm_provider": "openai", "mode": "chat",
        "input_cost_per_token": 1.25e-06, "output_cost_per_token": 1e-05}}"#;
    let list = PriceBook::from_list(list).unwrap().book;
    assert!(!own(&list, "gpt-5"));
    let mut mine = PriceBook::empty();
    mine.insert(list.find("gpt-5").unwrap().price().clone()).unwrap();
    assert!(own(&mine, "gpt-5"));
    book.merge(&mine);
    assert!(own(&book, "gpt-5"));
    book.merge(&list);
    assert!(!own(&book, "gpt-5"));
    let file =
        "[[model]]\nprovider = \"p\"\nid = \"m\"\n[[model.price]]\ninput = \"1\"\noutput = \"1\"\n";
    assert!(own(&PriceBook::from_toml(file).unwrap(), "m"));
    let dated = format!("[meta]\nas_of = \"2026-11-20\"\n{file}");
    assert!(!own(&PriceBook::from_toml(&dated).unwrap(), "m"));
    let budget = BudgetManager::new(Usd::dollars(1)).unwrap();
    budget.insert_price(ModelPrice::free("p", "m")).unwrap();
    assert!(budget.model("m").unwrap().price().is_own());
}

/// A budget, a clock, and the alerts.
struct World {
    budget: BudgetManager,
    clock: ManualClock,
    alerts: Arc<Mutex<Vec<Alert>>>,
}

impl World {
    fn new(limits: impl IntoIterator<Item = (&'static str, Limit)>, now: &str) -> World {
        let clock = ManualClock::at(now.parse().unwrap());
        let alerts = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&alerts);
        let mut builder = BudgetManager::builder()
            .clock(clock.clone())
            .prices(prices())
            .on_alert(move |alert| heard.lock().unwrap().push(alert.clone()));
        for (account, limit) in limits {
            builder = builder.limit(account, limit);
        }
        World { budget: builder.build().unwrap(), clock, alerts }
    }

    fn alerts(&self) -> Vec<Alert> {
        std::mem::take(&mut *self.alerts.lock().unwrap())
    }

    fn sentences(&self) -> Vec<String> {
        self.alerts().iter().map(ToString::to_string).collect()
    }
}

fn noon() -> World {
    World::new([("", Limit::spend(Usd::dollars(100)))], "2026-11-24T12:00:00Z")
}

/// The ledger, the receipt and the alert say the same as the price.
#[test]
fn a_settled_bill_is_booked_as_it_is_priced_and_raises_its_alert() {
    let world = noon();
    let asked = world.budget.model("gpt-4o").unwrap();
    let call = asked.estimate().input(1_000_000).max_output(1_000);
    let hold = world.budget.reserve("a", &call).unwrap();
    let bill = Bill::new(million())
        .model("gpt-4o-mini")
        .extra(ModelUsage::new("gpt-4o-mini", Usage::tokens(0, 1_000_000)));
    let receipt = hold.settle(bill);
    assert_eq!((receipt.cost, receipt.confidence), (usd("3.1"), Confidence::Estimated));
    assert_eq!(receipt.usage, Usage::tokens(1_000_000, 1_000_000), "of all models");
    assert_eq!(receipt.computed, Some(usd("3.1")));
    let [alert] = &world.alerts()[..] else { panic!("one alert") };
    assert_eq!((alert.kind(), alert.account().as_str(), alert.at()), ("doubtful", "a", start()));
    assert_eq!(
        alert.to_string(),
        "a call of `a` was charged $3.10, and may be billed differently: openai/gpt-4o was asked \
         and `gpt-4o-mini` answered, and the answer does not say why; the price is that of \
         openai/gpt-4o; if both names mean one model, give its price the other name with \
         `ModelPrice::alias`"
    );
    let text = serde_json::to_string(alert).unwrap();
    assert!(
        text.contains(r#""alert":"doubtful""#) && text.contains(r#""doubt":"other_model""#),
        "{text}"
    );
    let report = world.budget.report();
    assert_eq!(report.account("a").unwrap().spent, usd("3.1"));

    // A bill without a doubt raises no alert.
    world.budget.reserve("a", &call).unwrap().settle(Bill::new(million()).model("gpt-4o"));
    assert!(world.alerts().is_empty());

    // Law 3: an unknown name is booked at the hold, or at what was asked if that is more.
    for (usage, cost) in [(Usage::tokens(10, 10), "2.51"), (Usage::tokens(3_000_000, 0), "7.5")] {
        let hold = world.budget.reserve("a", &call).unwrap();
        let receipt = hold.settle(Bill::new(usage).model("gpt-9-nova"));
        assert_eq!((receipt.cost, receipt.confidence), (usd(cost), Confidence::Assumed));
        assert_eq!(world.alerts()[0].kind(), "unpriced");
    }
}

/// The reader's doubts and those of the price raise alerts alike, for a hold and for a record.
#[test]
fn every_doubt_raises_one_alert_for_each_bill() {
    let world = noon();
    let side = Doubt::Missing { side: "input".into() };
    let bill = || {
        let bill = Bill::new(million()).doubt(side.clone()).doubt(side.clone()).estimated();
        bill.reported_cost(usd("0.5"))
    };
    let chat = world.budget.model("azure/prod-chat").unwrap();
    let call = chat.estimate().input(1_000_000).max_output(10);
    world.budget.reserve("a", &call).unwrap().settle(bill());
    world.budget.account("a").unwrap().record(bill()).model(&chat).book().unwrap();
    let raised: Vec<Doubt> = world
        .alerts()
        .into_iter()
        .map(|alert| match alert {
            Alert::Doubtful { doubt, cost, .. } => {
                assert_eq!(cost, usd("1"));
                doubt
            }
            other => panic!("{other}"),
        })
        .collect();
    let stated = Doubt::StatedCost { stated: usd("0.5") };
    assert_eq!(raised, [side.clone(), stated.clone(), side, stated]);
}

/// Field names come from outside: each raises one alert, and only a thousand names do.
#[test]
fn an_unread_field_raises_one_alert_for_each_name() {
    let world = noon();
    let account = world.budget.account("a").unwrap();
    let model = world.budget.model("gpt-4o").unwrap();
    let record = |field: String| {
        let bill = Bill::new(Usage::tokens(1, 1)).doubt(Doubt::UnknownField { field });
        account.record(bill).model(&model).book().unwrap();
    };
    for field in ["usage.video_tokens", "usage.video_tokens", "usage.taste_tokens"] {
        record(field.to_owned());
    }
    let raised = world.sentences();
    assert_eq!(raised.len(), 2, "{raised:?}");
    assert!(
        raised[0].contains("`usage.video_tokens`") && raised[1].contains("`usage.taste_tokens`")
    );
    (0..1_200).for_each(|field| record(format!("usage.f{field}")));
    assert_eq!(world.alerts().len(), 998);
    let other = noon();
    let bill = Bill::new(Usage::NONE).doubt(Doubt::UnknownField { field: "usage.f1".into() });
    other.budget.account("a").unwrap().record(bill).model(&model).book().unwrap();
    assert_eq!(other.alerts().len(), 1, "each manager counts for itself");
}

/// $0.201 passed a limit of a cent on `gpt-6*`, because only the bill named the model.
#[test]
fn a_model_that_only_the_bill_names_counts_in_limits_for_models() {
    let limit = || Limit::spend(Usd::cents(1)).only_model("gpt-6*");
    let luna = || Bill::new(Usage::tokens(1_000_000, 10_000)).model("gpt-6-luna");
    let spent = |world: &World| {
        let report = world.budget.report();
        report.limits.first().unwrap().spent.to_string()
    };
    let refused = |world: &World| {
        let luna = world.budget.model("gpt-6-luna").unwrap();
        let call = luna.estimate().input(10).max_output(10);
        assert!(world.budget.reserve("a", &call).is_err());
    };

    let world = World::new([("", limit())], "2026-11-24T12:00:00Z");
    let receipt = world.budget.account("a").unwrap().record(luna()).book().unwrap();
    assert!(receipt.cost > Usd::cents(1));
    assert_eq!(world.alerts().len(), 1, "it is over");
    assert_eq!(spent(&world), receipt.cost.to_string());
    refused(&world);

    // A hold of no model, settled with a bill that names one.
    let world = World::new([("", limit())], "2026-11-24T12:00:00Z");
    let hold = world.budget.reserve("a", &Estimate::fixed(Usd::dollars(1))).unwrap();
    let receipt = hold.settle(luna());
    assert_eq!(spent(&world), receipt.cost.to_string());
    assert_eq!(world.alerts().len(), 1);
    refused(&world);

    // A correction that names the model by its id alone.
    let world = World::new([("", limit())], "2026-11-24T12:00:00Z");
    let more = Correction::new(Usd::cents(2)).model("gpt-6-luna-2026-10-01");
    world.budget.adjust("a", more, start(), "an invoice").unwrap();
    assert_eq!(spent(&world), "$0.02");
    refused(&world);

    // The model that was asked goes before that of the bill.
    let world = World::new([("", limit())], "2026-11-24T12:00:00Z");
    let terra = world.budget.model("gpt-4o").unwrap();
    world.budget.account("a").unwrap().record(luna()).model(&terra).book().unwrap();
    assert_eq!(spent(&world), "$0.00");
}

/// Reserved $9 at 23:59 and settled $50 at 00:01, at a limit of $10 a day: there was no alert.
#[test]
fn a_bill_of_yesterday_tells_of_yesterday() {
    let limit = Limit::spend(Usd::dollars(10)).per(Period::DAY).alert_at([80]);
    let world = World::new([("acme", limit)], "2026-11-24T23:59:00Z");
    let hold = world.budget.reserve("acme", &Estimate::fixed(Usd::dollars(9))).unwrap();
    world.clock.set("2026-11-25T00:01:00Z".parse().unwrap());
    hold.settle_cost(Usd::dollars(50));
    let alerts = world.alerts();
    let text = serde_json::to_string(&alerts).unwrap();
    assert_eq!(text.matches(r#""window":"2026-11-24T00:00:00Z""#).count(), 2, "{text}");
    assert_eq!(
        alerts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "`acme` has spent 80 % of its limit of $10.00 per day ($50.00) in the window that began \
             2026-11-24T00:00:00Z",
            "`acme` was over its limit of $10.00 per day in the window that began \
             2026-11-24T00:00:00Z: $50.00 was spent or held",
        ]
    );
    world.budget.adjust("acme", Usd::dollars(1), start(), "an invoice").unwrap();
    assert!(world.alerts().is_empty(), "once");
    world.budget.reserve("acme", &Estimate::fixed(Usd::dollars(10))).unwrap().release();
}
