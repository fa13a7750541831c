//! Tests of the span of a call, and of the events.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use bursar::agent::BudgetConstrained;
use bursar::agent::testing::{ScriptedAgent, block_on};
use bursar::{Bill, BudgetManager, Estimate, Limit, Usage, Usd};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

type Fields = BTreeMap<String, String>;

/// Keeps what it is told. A span is its place in `spans`, from 1.
#[derive(Default)]
struct Kept {
    spans: Vec<Span>,
    events: Vec<Fields>,
}

#[derive(Default)]
struct Span {
    fields: Fields,
    entered: usize,
    open: usize,
}

#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Kept>>);

struct Into<'a>(&'a mut Fields);

impl Visit for Into<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl Recorder {
    fn span<R>(&self, id: &Id, change: impl FnOnce(&mut Span) -> R) -> R {
        let place = usize::try_from(id.into_u64()).unwrap() - 1;
        change(&mut self.0.lock().unwrap().spans[place])
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "bursar"
    }
    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut span = Span { open: 1, ..Span::default() };
        attributes.record(&mut Into(&mut span.fields));
        let mut kept = self.0.lock().unwrap();
        kept.spans.push(span);
        Id::from_u64(kept.spans.len() as u64)
    }
    fn record(&self, id: &Id, values: &Record<'_>) {
        self.span(id, |span| values.record(&mut Into(&mut span.fields)));
    }
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::from([("level".to_owned(), event.metadata().level().to_string())]);
        event.record(&mut Into(&mut fields));
        if let Some(parent) = event.parent() {
            fields.insert("span".to_owned(), parent.into_u64().to_string());
        }
        self.0.lock().unwrap().events.push(fields);
    }
    fn enter(&self, id: &Id) {
        self.span(id, |span| span.entered += 1);
    }
    fn exit(&self, _: &Id) {}
    fn clone_span(&self, id: &Id) -> Id {
        self.span(id, |span| span.open += 1);
        id.clone()
    }
    fn try_close(&self, id: Id) -> bool {
        self.span(&id, |span| span.open -= 1);
        false
    }
}

fn record(work: impl FnOnce()) -> Kept {
    let _alone = crate::alone();
    let recorder = Recorder::default();
    tracing::subscriber::with_default(recorder.clone(), work);
    std::mem::take(&mut *recorder.0.lock().unwrap())
}

#[track_caller]
fn assert_fields(fields: &Fields, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        assert_eq!(fields.get(*name).map(String::as_str), Some(*value), "{name} of {fields:?}");
    }
}

#[test]
fn a_call_is_a_span_with_the_names_of_opentelemetry() {
    let kept = record(|| {
        let budget = BudgetManager::new(Usd::dollars(1)).unwrap();
        let terra = budget.model("gpt-6.1-terra").unwrap();
        let account = budget.account("research/crawler").unwrap();
        let hold = account.reserve(&terra.estimate().input(1_200).max_output(800)).unwrap();
        block_on(hold.sending(async {}));
        let usage = Usage { cache_read: 100, reasoning: 40, ..Usage::tokens(1_050, 300) };
        hold.settle(Bill::new(usage));
    });
    let [span] = &kept.spans[..] else { panic!("{} spans", kept.spans.len()) };
    let cost = span.fields.get("bursar.cost_usd").unwrap().parse::<Usd>().unwrap();
    assert!(cost > Usd::ZERO);
    assert_fields(
        &span.fields,
        &[
            ("otel.name", "chat gpt-6.1-terra"),
            ("otel.kind", "client"),
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.provider.name", "openai"),
            ("gen_ai.request.model", "gpt-6.1-terra"),
            ("gen_ai.request.max_tokens", "800"),
            ("gen_ai.response.model", "gpt-6.1-terra"),
            ("gen_ai.usage.input_tokens", "1150"),
            ("gen_ai.usage.output_tokens", "340"),
            ("gen_ai.usage.cache_read.input_tokens", "100"),
            ("gen_ai.usage.cache_write.input_tokens", "0"),
            ("gen_ai.usage.reasoning.output_tokens", "40"),
            ("bursar.account", "research/crawler"),
            ("bursar.confidence", "exact"),
            ("bursar.outcome", "settled"),
        ],
    );
    assert_eq!((span.entered > 0, span.open), (true, 0), "entered while it ran, and closed");
    assert_fields(&kept.events[0], &[("message", "settled"), ("level", "DEBUG"), ("span", "1")]);
}

#[test]
fn a_lost_call_and_a_released_one_say_so() {
    let kept = record(|| {
        let budget = BudgetManager::new(Usd::dollars(1)).unwrap();
        let tool = Estimate::fixed(Usd::cents(1));
        budget.reserve("tool", &tool).unwrap().release();
        let lost = budget.reserve("tool", &tool).unwrap();
        lost.mark_sent();
        drop(lost);
    });
    assert_fields(&kept.spans[0].fields, &[("bursar.outcome", "released")]);
    let lost = [("bursar.outcome", "assumed"), ("bursar.cost_usd", "0.01")];
    assert_fields(&kept.spans[1].fields, &lost);
    assert!(!kept.spans[1].fields.contains_key("gen_ai.operation.name"), "a tool is no chat");
}

#[test]
fn refusals_alerts_and_plain_records_are_events() {
    let kept = record(|| {
        let budget = BudgetManager::builder()
            .limit("", Limit::spend(Usd::dollars(1)).alert_at([50]))
            .build()
            .unwrap();
        budget.reserve("a", &Estimate::fixed(Usd::dollars(2))).unwrap_err();
        let luna = budget.model("gpt-6-luna").unwrap();
        let spent = Usage::tokens(3_000_000, 0);
        budget.account("a").unwrap().record(spent).model(&luna).book().unwrap();
    });
    assert!(kept.spans.is_empty(), "a refused call is no call");
    assert_fields(&kept.events[0], &[("message", "refused"), ("level", "INFO"), ("account", "a")]);
    assert!(kept.events[0]["error"].contains("$2.00"), "{:?}", kept.events[0]);
    let alert = [("kind", "threshold"), ("level", "WARN"), ("account", "")];
    assert_fields(&kept.events[1], &alert);
    assert!(kept.events[1]["message"].contains("50 %"), "{:?}", kept.events[1]);
    assert_fields(&kept.events[2], &[("message", "recorded"), ("account", "a")]);
}

#[test]
fn an_agent_runs_inside_the_span_of_its_call() {
    let kept = record(|| {
        let budget = BudgetManager::new(Usd::dollars(1)).unwrap();
        let luna = budget.model("gpt-6-luna").unwrap();
        let agent = ScriptedAgent::new("writer", luna.estimate().input(100).max_output(100))
            .reply("text", Usage::tokens(90, 10));
        let writer = BudgetConstrained::new(agent, budget.account("writer").unwrap());
        block_on(writer.run("task".to_owned())).unwrap();
    });
    assert!(kept.spans[0].entered > 0);
    assert_fields(&kept.spans[0].fields, &[("bursar.account", "writer")]);
    assert_eq!(kept.spans[0].open, 0);
}
