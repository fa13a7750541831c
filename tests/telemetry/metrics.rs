//! Tests of the counters and the gauges.

use std::collections::BTreeMap;

use bursar::telemetry::{MetricsObserver, publish};
use bursar::{BudgetManager, Estimate, Limit, Usage, Usd};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

/// What was told, as `name{label=value,…}`.
fn record(work: impl FnOnce()) -> BTreeMap<String, f64> {
    let _alone = crate::alone();
    let recorder = DebuggingRecorder::new();
    metrics::with_local_recorder(&recorder, work);
    let told = recorder.snapshotter().snapshot().into_vec().into_iter();
    told.map(|(key, _, _, value)| {
        let (_, key) = key.into_parts();
        let mut labels: Vec<_> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        labels.sort();
        let value = match value {
            DebugValue::Counter(count) => count as f64,
            DebugValue::Gauge(value) => value.into_inner(),
            DebugValue::Histogram(_) => unreachable!("there are none"),
        };
        (format!("{}{{{}}}", key.name(), labels.join(",")), value)
    })
    .collect()
}

#[test]
fn what_happens_is_counted_by_account_model_and_kind() {
    let told = record(|| {
        let budget = BudgetManager::builder()
            .limit("", Limit::spend(Usd::dollars(1)).alert_at([1]))
            .observer(MetricsObserver::new())
            .build()
            .unwrap();
        let luna = budget.model("gpt-6-luna").unwrap();
        let run = budget.account("acme/research/run-1").unwrap();
        let estimate = luna.estimate().input(100_000).max_output(1_000);
        let usage = Usage { cache_read: 50_000, ..Usage::tokens(50_000, 700) };
        let cost = run.reserve(&estimate).unwrap().settle(usage).cost;
        assert_eq!(cost.pico(), 6_050_000_000 - 200_000_000, "the counter below is this");
        run.reserve(&estimate).unwrap().release();
        run.reserve(&Estimate::fixed(Usd::dollars(2))).unwrap_err();
        run.note_saved(Usd::cents(3));
        run.reserve(&Estimate::fixed(Usd::cents(2))).unwrap().settle_cost(Usd::cents(2));
    });
    let luna = "account=acme/research,confidence=exact,model=openai/gpt-6-luna";
    let tokens = |kind| {
        format!("bursar_tokens_total{{account=acme/research,kind={kind},model=openai/gpt-6-luna}}")
    };
    let expected = [
        (format!("bursar_calls_total{{{luna}}}"), 1.0),
        (format!("bursar_spent_picodollars_total{{{luna}}}"), 5_850_000_000.0),
        (tokens("input_uncached"), 50_000.0),
        (tokens("cache_read"), 50_000.0),
        (tokens("output"), 700.0),
        ("bursar_reserved_total{account=acme/research}".to_owned(), 3.0),
        ("bursar_released_total{account=acme/research}".to_owned(), 1.0),
        ("bursar_refused_total{account=acme/research,reason=denied}".to_owned(), 1.0),
        ("bursar_saved_picodollars_total{account=acme/research}".to_owned(), 30_000_000_000.0),
        ("bursar_alerts_total{account=,kind=threshold}".to_owned(), 1.0),
    ];
    for (name, value) in expected {
        assert_eq!(told.get(&name), Some(&value), "{name} in {told:#?}");
    }
}

#[test]
fn the_depth_of_the_label_cuts_runs_off() {
    for (depth, label) in [(0, ""), (1, "acme"), (2, "acme/research"), (9, "acme/research/run-1")] {
        let told = record(|| {
            let observer = MetricsObserver::new().depth(depth);
            let budget = BudgetManager::builder().observer(observer).build().unwrap();
            budget
                .reserve("acme/research/run-1", &Estimate::fixed(Usd::cents(1)))
                .unwrap()
                .release();
        });
        assert_eq!(told.get(&format!("bursar_reserved_total{{account={label}}}")), Some(&1.0));
    }
}

#[test]
fn the_gauges_are_those_of_the_report() {
    let told = record(|| {
        let budget = BudgetManager::builder()
            .limit("", Limit::spend(Usd::dollars(4)))
            .limit("a", Limit::requests(10))
            .build()
            .unwrap();
        budget.reserve("a", &Estimate::fixed(Usd::cents(50))).unwrap().settle_cost(Usd::cents(50));
        let held = budget.reserve("a", &Estimate::fixed(Usd::cents(50))).unwrap();
        publish(&budget.report());
        held.release();
    });
    let expected = [
        ("bursar_spent_usd{account=a}", 0.5),
        ("bursar_held_usd{account=}", 0.5),
        ("bursar_saved_usd{account=a}", 0.0),
        ("bursar_limit_used_percent{account=,limit=$4.00 in all}", 25.0),
        ("bursar_limit_available{account=,limit=$4.00 in all}", 3.0),
        ("bursar_limit_available{account=a,limit=10 requests in all}", 8.0),
    ];
    for (name, value) in expected {
        assert_eq!(told.get(name), Some(&value), "{name} in {told:#?}");
    }
}
