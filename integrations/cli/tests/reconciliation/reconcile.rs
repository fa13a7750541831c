//! Tests of comparisons: a ledger next to an invoice, and what differs booked as a correction.

use std::fmt::Write;

use bursar::budget::Correction;
use bursar::clock::{ManualClock, Timestamp};
use bursar::ledger::{Posting, PostingKind};
use bursar::price::Date;
use bursar::{BudgetManager, Estimate, Usage, Usd};
use bursar_cli::{Columns, Comparison, Invoice, Presence, write_csv};
use proptest::prelude::*;

use crate::invoices::fixture;
use crate::{Booked, Folder, book, booked, charges, clock, open};

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

/// A ledger with calls of three models on two days, and a tool.
fn ledger(folder: &Folder) -> (BudgetManager, ManualClock) {
    let clock = clock();
    let budget = open(folder, &clock);
    let call = |model: &str, usage: Usage| {
        let model = budget.model(model).unwrap();
        budget.account("acme/crawler").unwrap().record(usage).model(&model).book().unwrap();
    };
    call("gpt-6.1-terra", Usage { cache_read: 1_000, ..Usage::tokens(2_000, 500) });
    call("gpt-6.1-terra", Usage::tokens(1_000, 100));
    call("claude-haiku-4-5", Usage::tokens(50_000, 16_000));
    let tool = budget.reserve("acme/crawler", &Estimate::fixed(Usd::cents(1))).unwrap();
    tool.settle_cost(Usd::cents(1));
    clock.set("2026-11-25T00:00:01Z".parse().unwrap());
    call("gpt-6-luna", Usage::tokens(8_000, 90));
    (budget, clock)
}

fn compare(folder: &Folder, name: &str) -> Comparison {
    Invoice::read(fixture(name)).unwrap().compare(charges(folder)).unwrap()
}

/// A charge of that model on the first day of the invoices.
fn charge(model: &str, cost: Usd) -> Posting {
    let at = "2026-11-24T12:00:00Z".parse().unwrap();
    Posting {
        at,
        reserved_at: at,
        account: bursar::Path::root(),
        tags: Vec::new(),
        model: model.into(),
        kind: PostingKind::Settled,
        cost: cost.pico(),
        usage: Usage::NONE,
        confidence: bursar::usage::Confidence::Reported,
        why: None,
    }
}

/// OpenRouter bills its fee, and the provider of the key the call.
#[test]
fn a_call_with_ones_own_key_costs_what_both_bill() {
    let header = "generation_id,created_at,cost_total,cost_web_search,byok_usage_inference,tokens_prompt,\
                  tokens_completion,tokens_cached,model_permaslug";
    let row = |cost, own| {
        format!("gen-1,2026-11-24 10:00:00.000,{cost},0,{own},10,20,0,anthropic/claude-3.5-haiku")
    };
    let model = "openrouter/anthropic/claude-3-5-haiku";
    for (rows, has) in [
        (vec![row("0.0019", "0.0342")], "0.0361"),
        (vec![row("0", "0.0361")], "0.0361"),
        (vec![row("0.0361", "")], "0.0361"),
        (vec![row("0.0019", "0.0342"), row("0.25", "0")], "0.2861"),
    ] {
        let invoice = Invoice::read(format!("{header}\n{}\n", rows.join("\n")).as_bytes()).unwrap();
        let comparison = invoice.compare([Ok(charge(model, usd("0.0361")))]).unwrap();
        assert_eq!(comparison.rows.len(), 1, "{comparison:?}");
        assert_eq!(comparison.total.invoice.cost, Some(usd(has)));
        assert_eq!(comparison.correction(), usd(has).checked_sub(usd("0.0361")).unwrap());
    }
    // An export from before there were own keys.
    let old = format!("{header}\n{}\n", row("0.0361", "0"));
    let old = old.replace(",byok_usage_inference", "").replace(",0,0,10", ",0,10");
    let comparison = Invoice::read(old.as_bytes()).unwrap();
    let comparison = comparison.compare([Ok(charge(model, usd("0.0361")))]).unwrap();
    assert_eq!(comparison.correction(), Usd::ZERO);
}

/// An invoice writes a model for people, and a ledger as the call did.
#[test]
fn a_display_name_is_the_model_that_was_called() {
    let csv = "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd\n\
               2026-11-24,Claude Haiku 3.5,Default,crawler,message,≤ 200k,output,0.03\n";
    let invoice = Invoice::read(csv.as_bytes()).unwrap();
    let charges = [Ok(charge("anthropic/claude-3-5-haiku-latest", Usd::cents(3)))];
    let comparison = invoice.compare(charges).unwrap();
    assert!(comparison.rows.len() == 1 && comparison.correction().is_zero(), "{comparison:?}");
    assert_eq!(comparison.rows[0].presence, Presence::InBoth);
    assert!(comparison.unmatched_on_invoice.is_empty());
}

#[test]
fn tokens_are_compared_by_day_and_model() {
    let folder = Folder::new("tokens");
    let _budget = ledger(&folder);
    let comparison = compare(&folder, "openai-usage.csv");
    let [terra, luna] = &comparison.rows[..] else { panic!("{comparison:?}") };
    assert_eq!((&*terra.model, terra.presence), ("openai/gpt-6.1-terra", Presence::InBoth));
    assert_eq!(
        terra.billed_as.iter().map(|name| &**name).collect::<Vec<_>>(),
        ["gpt-6.1-terra-2026-09-01"]
    );
    assert!(
        terra.sides.difference.input_tokens == Some(0)
            && terra.sides.difference.cached_tokens == Some(0)
    );
    assert_eq!(
        terra.sides.difference.requests,
        Some(1),
        "the invoice has three calls, the ledger two"
    );
    assert_eq!(luna.sides.difference.output_tokens, Some(10));
    assert_eq!(
        (luna.day, luna.correction()),
        (day("2026-11-25"), Usd::ZERO),
        "it says nothing of costs"
    );
    assert!(!comparison.agrees());
    assert_eq!((comparison.other_providers.charges, comparison.other_days.charges), (2, 0));
    assert_eq!(
        comparison.to_string(),
        "\
Ledger and OpenAI's usage export: 2026-11-24 to 2026-11-26, UTC

2026-11-24               input   invoice   differs    output   invoice   differs
gpt-6.1-terra            4,000     4,000         =       600       600         =

2026-11-25               input   invoice   differs    output   invoice   differs
gpt-6-luna               8,000     8,000         =        90       100       +10

total                   12,000    12,000         =       690       700       +10
not compared: 2 charges of other providers or of no model, $0.14
"
    );
}

#[test]
fn costs_are_compared_and_what_differs_is_booked() {
    let folder = Folder::new("costs");
    let (budget, clock) = ledger(&folder);
    clock.set("2026-12-01T10:00:00Z".parse().unwrap());
    let comparison = compare(&folder, "openai-costs.csv");
    let spent = budget.spent();
    assert_eq!(comparison.unmatched_on_invoice[0].name.as_ref(), "web search tool calls");
    assert_eq!(comparison.correction_on(day("2026-11-24")), comparison.correction());
    assert_eq!(comparison.correction_on(day("2026-11-25")), Usd::ZERO);
    assert_eq!(comparison.other_days.charges, 1, "the invoice ends before the second day");
    assert_eq!(
        comparison.to_string(),
        "\
Ledger and OpenAI's cost export: 2026-11-23 to 2026-11-24, UTC

2026-11-24                                    ledger   invoice   differs       %
gpt-6.1-terra                               $0.00605     $0.01 +$0.00395   +65.2
web search tool calls                              -     $0.02    +$0.02

total                                       $0.00605     $0.03   +$0.024    +395
`web search tool calls` is on the invoice alone
not compared: 2 charges of other providers or of no model, $0.14
not compared: 1 charge on other days, $0.000845
"
    );

    for line in &comparison.rows {
        let correction = Correction::new(line.correction()).model(&line.model);
        budget.adjust("acme", correction, line.about(), "OpenAI's invoice of November").unwrap();
    }
    assert_eq!(Some(budget.spent()), spent.checked_add(comparison.correction()));
    let after = compare(&folder, "openai-costs.csv");
    assert!(after.agrees(), "{after}");
    assert_eq!(after.correction(), Usd::ZERO);
    assert!(after.unmatched_on_invoice.is_empty(), "{after}");
    // The file and its exports keep why.
    let why = |charge: &Posting| charge.why.as_deref() == Some("OpenAI's invoice of November");
    let booked: Vec<Posting> = charges(&folder).map(Result::unwrap).filter(why).collect();
    assert_eq!(booked.len(), 2);
    assert!(booked.iter().all(|charge| charge.kind == PostingKind::Adjusted));
    let mut csv = Vec::new();
    write_csv(charges(&folder), &mut csv).unwrap();
    let csv = String::from_utf8(csv).unwrap();
    assert!(csv.contains(
        "2026-11-24,2026-12-01T10:00:00Z,2026-11-24T12:00:00Z,acme,,openai/web search tool calls,"
    ));
    assert_eq!(csv.matches("OpenAI's invoice of November").count(), 2);
}

/// An invoice of whole days, and one whose lines have no model, can be made to agree too.
#[test]
fn an_invoice_without_models_is_compared_by_day() {
    let folder = Folder::new("by-day");
    let (budget, clock) = ledger(&folder);
    clock.set("2026-12-01T10:00:00Z".parse().unwrap());
    for (name, lines) in [("openai-costs-by-day.csv", 3), ("anthropic-costs.csv", 2)] {
        let comparison = compare(&folder, name);
        assert_eq!(comparison.rows.len(), lines, "{comparison}");
        assert!(
            comparison.unmatched_in_ledger.is_empty() && comparison.unmatched_on_invoice.is_empty()
        );
        for line in &comparison.rows {
            let correction = Correction::new(line.correction()).model(&line.model);
            budget.adjust("acme", correction, line.about(), name).unwrap();
        }
        let after = compare(&folder, name);
        assert!(after.agrees(), "{after}");
    }
    let shown = compare(&folder, "openai-costs-by-day.csv").to_string();
    assert!(shown.contains("(all models)"), "{shown}");
    let shown = compare(&folder, "anthropic-costs.csv").to_string();
    assert!(shown.contains("(no model)") && shown.contains("claude-haiku-4-5"), "{shown}");
}

/// A call whose lease had ended was charged at what it held; its late word takes that back.
#[test]
fn what_was_assumed_and_reversed_is_not_compared_twice() {
    let (folder, clock) = (Folder::new("reversed"), clock());
    let budget = open(&folder, &clock);
    let luna = budget.model("gpt-6-luna").unwrap();
    let hold = budget.reserve("acme", &luna.estimate().input(9_000).max_output(400)).unwrap();
    hold.mark_sent();
    clock.set("2026-11-25T09:30:00Z".parse().unwrap());
    budget.report(); // its lease has ended
    let cost = hold.settle(Usage::tokens(8_000, 100)).cost.exact();
    let csv = format!("day,model,calls,in,out,usd\n2026-11-24,gpt-6-luna,1,8000,100,{cost}\n");
    let columns = Columns::new("day").model("model").requests("calls").cost("usd");
    let columns = columns.input("in").output("out").provider("openai");
    let invoice = Invoice::read_columns(csv.as_bytes(), &columns).unwrap();
    let comparison = invoice.compare(charges(&folder)).unwrap();
    assert!(comparison.agrees() && comparison.rows.len() == 1, "{comparison}");
    assert_eq!(charges(&folder).count(), 3, "expired, reversed, settled");
}

#[test]
fn what_does_not_match_is_said_on_both_sides() {
    let folder = Folder::new("unmatched");
    let _budget = ledger(&folder);
    let csv = "day,model,cost\n2026-11-24,terra,0.01\n2026-11-24,gpt-7-nova,0.20\n2026-11-25,gpt-6-luna,0.000845\n";
    let columns = Columns::new("day").model("model").cost("cost").provider("openai");
    let invoice = Invoice::read_columns(csv.as_bytes(), &columns).unwrap();
    let comparison = invoice.compare(charges(&folder)).unwrap();
    let found: Vec<(&str, Presence)> =
        comparison.rows.iter().map(|l| (&*l.model, l.presence)).collect();
    assert_eq!(
        found,
        [
            ("openai/gpt-6.1-terra", Presence::InLedger),
            ("openai/gpt-7-nova", Presence::OnInvoice),
            ("openai/terra", Presence::OnInvoice),
            ("openai/gpt-6-luna", Presence::InBoth),
        ]
    );
    let shown = comparison.to_string();
    for said in [
        "`gpt-7-nova` is on the invoice alone",
        "`openai/gpt-6.1-terra` is in the ledger alone",
        "if two of these are one model, say so: `Invoice::same_model`",
    ] {
        assert!(shown.contains(said), "{shown}");
    }
    let told = invoice
        .clone()
        .same_model("terra", "openai/gpt-6.1-terra")
        .compare(charges(&folder))
        .unwrap();
    assert_eq!(told.rows[0].presence, Presence::InBoth);
    assert_eq!(told.unmatched_in_ledger.len(), 0);

    let all = invoice.any_provider().compare(charges(&folder)).unwrap();
    assert_eq!(all.other_providers.charges, 0);
    let models: Vec<&str> = all.rows.iter().map(|line| &*line.model).collect();
    assert!(models.contains(&"anthropic/claude-haiku-4-5") && models.contains(&""), "{models:?}");
    assert!(all.to_string().contains("(no model)"), "{all}");
}

#[test]
fn a_table_has_80_columns_whatever_is_in_it() {
    let mut csv = "d,m,i,o,c\n".to_owned();
    for n in 0..120 {
        let name = "研究-model-with-a-name-that-nobody-can-remember".repeat(1 + n % 3);
        let amount = 10_u64.pow(u32::try_from(n % 15).unwrap());
        writeln!(csv, "2026-11-{:02},{name}{n},{amount},{amount},{amount}", 1 + n % 28).unwrap();
    }
    let columns = || Columns::new("d").model("m");
    for columns in [
        columns().cost("c"),
        columns().cost("c").input("i").output("o"),
        columns().input("i").output("o"),
        Columns::new("d").cost("c").provider("acme"),
    ] {
        let invoice = Invoice::read_columns(csv.as_bytes(), &columns).unwrap();
        let shown = invoice.compare([]).unwrap().to_string();
        for line in shown.lines().filter(|line| !line.starts_with(['`', ' '])) {
            let wide = line.chars().filter(|letter| ['研', '究'].contains(letter)).count();
            assert!(line.chars().count() + wide <= 80, "{line}");
        }
        let rows =
            shown.lines().filter(|line| line.contains("研究") && !line.starts_with('`')).count();
        assert!(rows <= 40, "{rows}");
    }
}

#[test]
fn a_comparison_is_data_for_a_machine() {
    let folder = Folder::new("data");
    let _budget = ledger(&folder);
    let data = serde_json::to_value(compare(&folder, "openai-costs.csv")).unwrap();
    let line = &data["rows"][0];
    assert_eq!(line["day"], "2026-11-24");
    assert_eq!(line["model"], "openai/gpt-6.1-terra");
    assert_eq!(line["billed_as"][0], "gpt-6.1-terra-2026-09-01");
    assert_eq!(line["presence"], "in_both");
    assert_eq!(line["invoice"]["cost"], "0.01");
    assert!(line["invoice"]["input_tokens"].is_null() && line["ledger"]["input_tokens"] == 4_000);
    let cost = |side: &str| usd(line[side]["cost"].as_str().unwrap());
    assert_eq!(cost("invoice").checked_sub(cost("ledger")), Some(cost("difference")));
    let points = line["basis_points"].as_i64().unwrap();
    let exact = cost("difference").pico() * 10_000;
    assert!(
        (exact - i128::from(points) * cost("ledger").pico()).abs() * 2 <= cost("ledger").pico()
    );
}

/// The ledger's own charges as a provider would have billed them.
fn as_invoice(charges: &[Posting], provider: &str) -> Vec<(i64, String, i64, i64, i64, Usd)> {
    let theirs = charges.iter().filter(|charge| charge.model.starts_with(&format!("{provider}/")));
    let row = |charge: &Posting| {
        let start = Date::of(charge.reserved_at).start().as_micros() / 1_000_000;
        let id = charge.model.split_once('/').unwrap().1.to_owned();
        let count = |count: u64| i64::try_from(count).unwrap();
        let usage = &charge.usage;
        let (input, output) = (count(usage.input_tokens()), count(usage.output_tokens()));
        let cost = Usd::from_pico(charge.cost);
        (start, id, input, count(usage.cache_read_tokens()), output, cost)
    };
    theirs.map(row).collect()
}

/// As OpenAI writes it: a dated name, an amount of 28 decimals; or what it calls usage.
fn openai_costs(rows: &[(i64, String, i64, i64, i64, Usd)]) -> String {
    let mut csv = "start_time,amount_value,amount_currency,line_item\n".to_owned();
    for (start, id, _, _, _, cost) in rows {
        let amount = cost.exact().to_string();
        let amount = if amount.contains('.') { amount + "0000" } else { amount };
        writeln!(csv, "{start},{amount},usd,\"{id}-2026-09-01, input\"").unwrap();
    }
    csv
}

fn openai_usage(rows: &[(i64, String, i64, i64, i64, Usd)]) -> String {
    let mut csv =
        "start_time,num_model_requests,model,input_tokens,output_tokens,input_cached_tokens\n"
            .to_owned();
    for (start, id, input, cached, output, _) in rows {
        let requests = i64::from(*input + *output > 0);
        writeln!(csv, "{start},{requests},{id},{input}.0,{output}.0,{cached}.0").unwrap();
    }
    csv
}

fn few() -> ProptestConfig {
    ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(few())]

    /// A ledger agrees with itself; what is changed in one row is what differs, and nothing else.
    #[test]
    fn a_ledger_agrees_with_its_own_invoice(
        all in prop::collection::vec(booked(), 1..30),
        changed in any::<prop::sample::Index>(),
        by in -1_000_000_000_000_i64..1_000_000_000_000,
        more in 1_i64..1_000_000,
    ) {
        let (folder, clock) = (Folder::new("itself"), clock());
        let budget = open(&folder, &clock);
        let first = Booked::Recorded { account: 0, model: 0, input: 10, output: 3 };
        for one in std::iter::once(&first).chain(&all) {
            book(&budget, &clock, one);
        }
        budget.flush().unwrap();
        let booked: Vec<Posting> = charges(&folder).map(Result::unwrap).collect();
        let mut rows = as_invoice(&booked, "openai");
        let against = |csv: String| Invoice::read(csv.as_bytes()).unwrap().compare(charges(&folder)).unwrap();
        let same = against(openai_costs(&rows));
        prop_assert!(same.agrees(), "{same}");
        prop_assert_eq!(same.correction(), Usd::ZERO);
        let mut usage = against(openai_usage(&rows));
        for line in &mut usage.rows {
            line.sides.difference.requests = None; // a call without tokens is none here
        }
        prop_assert!(usage.agrees(), "{usage}");

        let row = changed.index(rows.len());
        let (day, id) = (Date::of(Timestamp::from_secs(rows[row].0)), rows[row].1.clone());
        let by = Usd::from_pico(by.into());
        rows[row].5 = rows[row].5.checked_add(by).unwrap();
        rows[row].2 += more;
        let differs = against(openai_costs(&rows));
        prop_assert_eq!(differs.correction(), by);
        prop_assert_eq!(differs.correction_on(day), by);
        for line in &differs.rows {
            let meant = line.day == day && *line.model == *format!("openai/{id}");
            prop_assert_eq!(line.correction(), if meant { by } else { Usd::ZERO });
        }
        let differs = against(openai_usage(&rows));
        prop_assert_eq!(differs.total.difference.input_tokens, Some(more));

        // What differs is booked, if the account can bear it, and then they agree.
        let line = Correction::new(by).model(&format!("openai/{id}"));
        if budget.adjust("acme", line, day.start(), "an invoice").is_ok() {
            let after = against(openai_costs(&rows));
            prop_assert!(after.agrees(), "{after}");
        }
    }
}
