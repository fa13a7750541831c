//! [`Answer`]: collects the counts of one answer, from one event or many, and makes its bill.

use super::content::{Content, Progress};
use super::doubt::Doubt;
use super::envelope::Envelope;
use super::error::UsageError;
use super::names::Field;
use super::paid_tools::PaidTools;
use super::raw::{Iteration, RawUsage};
use super::rules::{Api, Resolved, Side, resolve};
use super::{Bill, ModelUsage, Service, Usage};
use crate::clock::Timestamp;
use crate::money::Usd;

/// The state of one answer while it is read.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) id: Option<u64>,
    raw: RawUsage,
    resolved: Resolved,
    model: Option<String>,
    service: Option<Service>,
    pub(super) tools: PaidTools,
    /// The text of the answer, up to its last counts.
    pub(super) content: Content,
    progress: Progress,
    /// The output count came before any output: Anthropic's first event.
    pub(super) is_placeholder: bool,
    /// The counts are of a part of the answer.
    pub(super) is_of_a_part: bool,
    is_speech: bool,
}

impl Answer {
    /// Merges one event of this answer. Returns `false` if the event has no usage.
    ///
    /// # Errors
    /// If a field is not a count and nothing else can be used, or if the counts are larger than any
    /// call's can be. The answer then stays as it was.
    pub(super) fn take(&mut self, envelope: &Envelope<'_>) -> Result<bool, UsageError> {
        // The counts of this event.
        let raw = envelope.raw()?;
        let raw = match raw {
            // Bedrock's metrics repeat the usage object where there is one.
            None if !self.counts_output() => envelope.metrics()?,
            raw => raw,
        };
        let Some(raw) = raw else { return Ok(false) };
        // Merge them, and take them back if the sum is impossible.
        let before = self.raw.clone();
        let was_placeholder = self.is_placeholder;
        envelope.add_tools(&mut self.tools)?;
        if let Some(model) = envelope.model() {
            self.content.count_for(&model);
            self.model = Some(model);
        }
        self.is_speech |= envelope.is_kind("speech.audio.done");
        self.merge(raw, envelope.is_kind("message_start"));
        self.resolve();
        if let Err(error) = self.check() {
            self.raw = before;
            self.is_placeholder = was_placeholder;
            self.resolve();
            return Err(error);
        }
        self.id = self.id.or(envelope.id());
        self.service = envelope.service().or(self.service.take());
        Ok(true)
    }

    fn merge(&mut self, raw: RawUsage, is_start: bool) {
        if is_start && self.counts_output() {
            return; // sent twice: what came after the first is the truth
        }
        if is_start {
            self.is_placeholder = true;
        } else if self.is_placeholder && raw.has(Field::Output) {
            self.raw.drop_output();
            self.is_placeholder = false;
        }
        self.raw.merge(raw);
    }

    /// Resolves the counts into buckets. Call it again after adding tools.
    pub(super) fn resolve(&mut self) {
        let attempt = self.stated_by_attempts();
        let raw = attempt.unwrap_or(&self.raw);
        let mut resolved = resolve(raw, self.api(), self.model.as_deref());
        resolved.is_estimated |= attempt.is_some();
        let usage = &mut resolved.usage;
        self.tools.fill(usage, self.model.as_deref());
        if self.tools.shows_image() && raw.get(Field::OutputImage).is_none() {
            // The answer does not split the output; the image is the dearer part.
            usage.output_image = std::mem::take(&mut usage.output);
            resolved.is_estimated = true;
        }
        if self.is_speech {
            usage.output_audio =
                usage.output_audio.saturating_add(std::mem::take(&mut usage.output));
        }
        self.resolved = resolved;
    }

    /// The counts of the last attempt, where the top level has none that repeats them.
    fn stated_by_attempts(&self) -> Option<&RawUsage> {
        if self.raw.has_tokens() {
            return None;
        }
        let is_attempt = |it: &&Iteration| matches!(&*it.kind, "message" | "fallback_message");
        Some(&self.raw.iterations.iter().rfind(is_attempt)?.usage)
    }

    fn api(&self) -> Api {
        self.raw.hints.api(self.model.as_deref())
    }

    /// True if the output has to be estimated from the text.
    pub(super) fn needs_text(&self) -> bool {
        self.resolved.output != Side::Known
            || self.is_placeholder
            || self.resolved.input == Side::KnownIfEmpty
    }

    /// True if the last counts include an output.
    pub(super) fn counts_output(&self) -> bool {
        self.raw.has_output() && !self.is_placeholder
    }

    /// True if the last counts had an output, or a total that leaves one.
    pub(super) fn accounts_for_output(&self) -> bool {
        !self.is_placeholder && (self.raw.has_output() || self.resolved.usage.output_tokens() > 0)
    }

    /// Remembers how far the answer has come.
    pub(super) fn advance(&mut self, progress: Progress) {
        self.progress.is_filtered |= progress.is_filtered;
        self.progress.is_refused |= progress.is_refused;
    }

    /// Fails if the counts are larger than any call's can be, unless a cost is stated.
    fn check(&self) -> Result<(), UsageError> {
        let usage = &self.resolved.usage;
        if usage.is_possible() || self.raw.stated_cost().is_some() {
            return Ok(());
        }
        Err(UsageError::impossible(usage))
    }

    /// The usage so far, with an estimate for the text that came after the last counts.
    pub(super) fn usage(&self, since: &Content, expected_input: u64) -> Usage {
        self.estimate(since, expected_input).usage
    }

    fn estimate(&self, since: &Content, expected_input: u64) -> Estimated {
        let mut usage = self.resolved.usage;
        let mut estimated = Estimated::default();
        let is_empty = self.content.is_empty() && since.is_empty();
        // An output that is stated as zero is believed of an answer that was withheld.
        let is_withheld = self.progress.is_filtered && self.raw.has(Field::Output);
        let is_text_needed = self.resolved.output != Side::Known && !is_empty && !is_withheld;
        // The output, from the text if it was not counted.
        if is_text_needed || self.is_placeholder {
            let (output, reasoning) = self.text(since);
            if self.resolved.is_unsplit {
                // All that is known is the sum: the text is the output, the rest the input.
                let total = usage.input_uncached;
                usage.output = output.min(total);
                usage.reasoning = reasoning.min(total - usage.output);
                usage.input_uncached = total - usage.output - usage.reasoning;
            } else if self.is_placeholder {
                usage.output = usage.output.max(output);
                usage.reasoning = usage.reasoning.max(reasoning);
            } else {
                usage.output = output;
                usage.reasoning = reasoning;
            }
            estimated.misses_output = is_text_needed;
        } else if !since.is_empty() {
            let (output, reasoning) = since.tokens();
            add_tokens(&mut usage, output, reasoning);
        }
        // The input, from the hold if it was not counted.
        estimated.misses_input = match self.resolved.input {
            Side::Known => false,
            Side::KnownIfEmpty => usage.output_tokens() > 0 || !is_empty || self.states_nothing(),
            Side::Unknown => true,
        };
        if estimated.misses_input {
            usage.input_uncached = expected_input;
        }
        if !usage.is_possible() && self.resolved.usage.is_possible() {
            // Added text must not make a possible usage impossible.
            usage = self.resolved.usage;
            let (output, reasoning) = self.text(since);
            add_tokens(&mut usage, output, reasoning);
        }
        estimated.usage = usage;
        estimated
    }

    /// True if the answer states neither a count nor a cost above zero.
    fn states_nothing(&self) -> bool {
        self.raw.stated_cost().is_none_or(Usd::is_zero) && self.counts_nothing()
    }

    fn counts_nothing(&self) -> bool {
        !self.raw.has_counts() && self.raw.iterations.is_empty()
    }

    /// True if nothing of it can be used: a fee without what it is a fee of, a negative cost.
    pub(super) fn is_of_no_use(&self) -> bool {
        self.raw.stated_cost().is_none() && self.counts_nothing()
    }

    fn text(&self, since: &Content) -> (u64, u64) {
        let ((output, reasoning), (more, thoughts)) = (self.content.tokens(), since.tokens());
        (output.saturating_add(more), reasoning.saturating_add(thoughts))
    }

    /// The bill, with an estimate for the text that came after the last counts. `expected_input`
    /// replaces an input that was not counted, in tokens.
    pub(super) fn bill(&self, since: &Content, expected_input: u64) -> Bill {
        let estimated = self.estimate(since, expected_input);
        // What the answer states.
        let mut bill = Bill::new(estimated.usage);
        bill.model.clone_from(&self.model);
        let tier = self.raw.service.clone().or_else(|| self.service.clone());
        bill.service = if self.raw.is_fast { Some(Service::Fast) } else { tier };
        bill.regional = self.raw.regional;
        bill.reported_cost = self.raw.stated_cost();
        if !bill.usage.is_possible() {
            bill.usage = Usage::NONE;
            bill = bill.estimated();
        }
        // What makes it doubtful.
        for doubt in self.raw.doubts() {
            if !matches!(doubt, Doubt::UnknownField { .. }) {
                bill = bill.estimated();
            }
            bill = bill.doubt(doubt);
        }
        // A cost that is stated has everything in it.
        let unpriced = self.tools.unpriced().iter().filter(|_| bill.reported_cost.is_none());
        for what in unpriced.copied().collect::<Vec<_>>() {
            bill = bill.estimated().doubt(Doubt::Uncounted { what: what.into() });
        }
        let sides = [(estimated.misses_input, "input"), (estimated.misses_output, "output")];
        for (_, side) in sides.into_iter().filter(|(is_missing, _)| *is_missing) {
            bill = bill.estimated().doubt(Doubt::Missing { side: side.into() });
        }
        if let Some(what) = self.resolved.contradiction.clone() {
            bill = bill.doubt(Doubt::Contradiction { what });
        }
        if self.resolved.is_estimated || self.raw.is_rounded || self.is_placeholder {
            bill = bill.estimated();
        }
        // Providers' billing rules.
        bill = self.with_research(bill);
        bill = self.with_iterations(bill);
        // Only Anthropic's form has this reason to stop, whatever a relay has added to the counts.
        let is_billed = bill.reported_cost.is_some_and(|cost| !cost.is_zero());
        if self.progress.is_refused && bill.usage.output_tokens() == 0 && !is_billed {
            bill.unbilled_since = Some(FREE_REFUSALS);
        }
        bill
    }

    /// The bill of an answer that others came after. If it had not ended by then, it was cut.
    pub(super) fn bill_before_others(&self, expected_input: u64) -> Bill {
        let bill = self.bill(&Content::default(), expected_input);
        if !self.is_of_a_part {
            return bill;
        }
        Bill { reported_cost: None, ..bill }.estimated().doubt(Doubt::CutShort)
    }

    /// Marks a bill of Perplexity's deep research: its citations and searches are billed, but not
    /// counted where no cost is stated.
    fn with_research(&self, bill: Bill) -> Bill {
        let named = self.model.as_deref().is_some_and(|model| model.contains("deep-research"));
        if self.api() != Api::Perplexity || !named || bill.reported_cost.is_some() {
            return bill;
        }
        let what = "the citations and searches of deep research".to_owned();
        bill.estimated().doubt(Doubt::Uncounted { what })
    }

    /// Adds what Anthropic's top level leaves out: what a compaction of the context used, what an
    /// advisor did, and the attempts that declined before a fallback.
    ///
    /// A declined attempt is billed if it has put anything out.
    /// (<https://docs.claude.com/en/docs/build-with-claude/server-side-fallback>, read 2026-11-24)
    fn with_iterations(&self, mut bill: Bill) -> Bill {
        let iterations = &self.raw.iterations;
        let last_fallback = iterations.iter().rposition(|it| it.kind == "fallback_message");
        bill.fell_back = last_fallback.is_some();
        for (at, iteration) in iterations.iter().enumerate() {
            let is_attempt = matches!(&*iteration.kind, "message" | "fallback_message");
            let is_declined = is_attempt
                && last_fallback.is_some_and(|last| at < last)
                && iteration.model.is_some()
                && iteration.model != self.model;
            let is_beside = matches!(&*iteration.kind, "compaction" | "advisor_message");
            if !is_attempt && !is_beside {
                // What this version does not know may be in the top level, or beside it.
                let what = format!("what `{}` in `usage.iterations` used", iteration.kind);
                bill = bill.estimated().doubt(Doubt::Uncounted { what });
            }
            if is_beside || (is_declined && iteration.usage.has_output()) {
                bill = self.with_iteration(bill, iteration);
            }
        }
        bill
    }

    fn with_iteration(&self, mut bill: Bill, iteration: &Iteration) -> Bill {
        let model = iteration.model.as_deref().or(self.model.as_deref());
        let resolved = resolve(&iteration.usage, self.api(), model);
        if resolved.is_estimated {
            bill = bill.estimated();
        }
        let is_own = iteration.model.is_none() || iteration.model == self.model;
        if is_own && iteration.kind == "compaction" {
            bill.usage = bill.usage.saturating_add(&resolved.usage);
            return bill;
        }
        if iteration.model.is_none() {
            bill = bill.estimated();
        }
        bill.extra.push(ModelUsage { model: iteration.model.clone(), usage: resolved.usage });
        bill
    }
}

/// When Anthropic stopped billing refusals before any output: 2026-06-02, by its release note of
/// that day. (<https://docs.claude.com/en/release-notes/api>)
const FREE_REFUSALS: Timestamp = Timestamp::from_secs(1_780_358_400);

/// The usage of an answer, and what had to be estimated of it.
#[derive(Default)]
struct Estimated {
    usage: Usage,
    misses_input: bool,
    misses_output: bool,
}

/// Adds tokens of text, up to the largest usage that a call can have: beyond it there is no price.
pub(super) fn add_tokens(usage: &mut Usage, output: u64, reasoning: u64) {
    let mut room = Usage::MAX_COUNT.saturating_sub(usage.total_tokens());
    for (bucket, tokens) in [(&mut usage.output, output), (&mut usage.reasoning, reasoning)] {
        let added = tokens.min(room);
        room -= added;
        *bucket = bucket.saturating_add(added);
    }
}
