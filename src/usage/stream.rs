//! [`UsageMeter`]: reads the usage of a streamed answer, or of a session of several answers.

use std::collections::BTreeSet;

use super::answer::{Answer, add_tokens};
use super::body::{Body, trimmed};
use super::content::{Content, Progress};
use super::envelope::Envelope;
use super::error::UsageError;
use super::frames::{Frame, Frames};
use super::json::Json;
use super::paid_tools::{PaidTools, hashed};
use super::{Bill, Confidence, Doubt, ModelUsage, Service, Usage};

/// Meters one streamed answer: what has been used so far, and the bill when it ends or is cut.
///
/// It takes the bytes of the stream in any chunks, or whole events, from all the providers that
/// [`Bill::from_response`] reads. Cumulative counts replace earlier ones. The text is counted and
/// not kept.
///
/// ```
/// use bursar::{Confidence, UsageMeter};
///
/// let mut meter = UsageMeter::new().with_expected_input(1_200);
/// for chunk in [
///     "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Twelve ",
///     "letters\"}}]}\n\n",
/// ] {
///     meter.push(chunk.as_bytes())?;
/// }
/// // The connection breaks before the usage comes: two words are about 2 tokens.
/// let bill = meter.finish().expect("something came");
/// assert_eq!((bill.usage.input_uncached, bill.usage.output), (1_200, 2));
/// assert_eq!(bill.confidence, Confidence::Estimated);
/// # Ok::<(), bursar::usage::UsageError>(())
/// ```
#[derive(Debug, Default)]
pub struct UsageMeter {
    expected_input: u64,
    frames: Frames,
    events: u64,
    /// The answers with counts; the last one may go on.
    answers: Vec<Answer>,
    /// What was counted before these: the sum.
    folded: Option<Bill>,
    /// What other models used beside the answers.
    extra: Vec<ModelUsage>,
    transcripts: BTreeSet<u64>,
    transcriber: Option<String>,
    /// Doubts that belong to no answer: of transcriptions, and of events that could not be read.
    other_doubts: Vec<Doubt>,
    /// The counts of a transcription are not exact.
    is_transcript_estimated: bool,
    /// What came after the last counts.
    since: Content,
    tools: PaidTools,
    progress: Progress,
    has_ended: bool,
    /// The last answer is over, and how much text had come by then: more of it is another's.
    closed_at: Option<u64>,
    /// The last counts came at the end of their answer, and how much text had come by then.
    final_at: Option<u64>,
    /// Why an event after the last counts could not be read.
    garbled: Option<Doubt>,
    /// Why the counts of a whole answer could not be read, though those of others could.
    lost: Option<Doubt>,
    /// The ids of whole answers that had a text and stated no usage; `None` of one without an id.
    uncounted: BTreeSet<Option<u64>>,
    model: Option<String>,
    service: Option<Service>,
}

/// How many answers of one session are kept apart, to recognise one that is repeated.
const APART: usize = 256;

impl UsageMeter {
    /// A meter that recognises the API form of its stream.
    pub fn new() -> UsageMeter {
        UsageMeter::default()
    }

    /// The input tokens to bill if the stream is cut before the provider says how many they were; 0
    /// by default, [`Usage::MAX_COUNT`] at most.
    #[must_use]
    pub fn with_expected_input(mut self, tokens: u64) -> UsageMeter {
        self.expected_input = tokens.min(Usage::MAX_COUNT);
        self
    }

    /// Reads the next bytes of the stream, cut anywhere.
    ///
    /// An event of more than 16 MiB is skipped; nothing longer than one event is kept.
    ///
    /// # Errors
    ///
    /// The first error in the events that end in these bytes. The meter goes on without the events
    /// that it could not read; unless the provider's counts come later, its bill is estimated.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), UsageError> {
        self.read(|frames, each| frames.push(bytes, each))
    }

    /// Reads one event: the JSON behind `data:`, a line of JSON, or a payload of Bedrock.
    ///
    /// # Errors
    ///
    /// As [`UsageMeter::push`].
    pub fn event<'b>(&mut self, event: impl Into<Body<'b>>) -> Result<(), UsageError> {
        match event.into().0 {
            Json::Text(text) => self.frame(Frame::Data(text)),
            tree => self.payload(tree),
        }
    }

    /// The usage so far: the provider's counts, and an estimate of the text that came after them.
    pub fn seen(&self) -> Usage {
        let mut usage = self.folded.as_ref().map_or(Usage::NONE, |bill| bill.usage);
        match self.answers.split_last() {
            Some((last, before)) => {
                let none = Content::default();
                for answer in before {
                    usage = usage.saturating_add(&answer.usage(&none, 0));
                }
                usage.saturating_add(&last.usage(&self.since, self.expected_input))
            }
            None if self.since.is_empty() => usage,
            None => {
                usage.input_uncached = usage.input_uncached.saturating_add(self.expected_input);
                let (output, reasoning) = self.since.tokens();
                add_tokens(&mut usage, output, reasoning);
                usage
            }
        }
    }

    /// The bill, when the stream has ended or was cut.
    ///
    /// If the provider's final counts came, they are the bill. Otherwise it is what
    /// [`UsageMeter::seen`] answers, marked as estimated, with the doubt
    /// [`CutShort`](super::Doubt::CutShort): text that was not shown is in neither. `None` if
    /// neither text nor counts came.
    pub fn finish(mut self) -> Option<Bill> {
        // An error leaves its mark: the bill is estimated.
        let _ = self.read(Frames::end);
        self.total()
    }

    /// Reads the events that `cut` hands out. Returns their first error.
    fn read(
        &mut self,
        cut: impl FnOnce(&mut Frames, &mut dyn FnMut(Frame<'_>)),
    ) -> Result<(), UsageError> {
        let mut frames = std::mem::take(&mut self.frames);
        let mut first = Ok(());
        cut(&mut frames, &mut |frame| keep_first(&mut first, self.frame(frame)));
        self.frames = frames;
        first
    }

    /// The bill as of now.
    fn total(&self) -> Option<Bill> {
        let mut sum = self.folded.clone();
        let last = self.answers.len().saturating_sub(1);
        for (at, answer) in self.answers.iter().enumerate() {
            let bill = if at == last {
                self.bill_of_last(answer)
            } else {
                answer.bill_before_others(self.expected_input)
            };
            sum = Some(added(sum, bill));
        }
        let is_final = self.answers.last().is_some_and(|answer| {
            let is_whole = self.has_ended || !answer.is_of_a_part;
            !answer.is_placeholder && is_whole && self.since.is_empty()
        });
        let mut bill = match sum {
            Some(bill) if is_final && self.garbled.is_none() => bill,
            // What a part cost is not what the whole costs. An end that came makes it the whole, even
            // if its counts could not be read.
            Some(bill) => {
                let doubt = if is_final { self.garbled.clone() } else { None };
                let has_ended = self.has_ended || self.closed_at.is_some();
                let is_over = (has_ended && self.since.is_empty())
                    || self.final_at == Some(self.since.mark());
                let reported_cost = bill.reported_cost.filter(|_| is_over);
                let bill = Bill { reported_cost, ..bill }.estimated();
                bill.doubt(doubt.unwrap_or(Doubt::CutShort))
            }
            None if !self.since.is_empty() => {
                let mut usage = self.seen();
                self.tools.fill(&mut usage, self.model.as_deref());
                Bill::new(usage).estimated().doubt(Doubt::CutShort)
            }
            // Only a transcription was counted.
            None if !self.extra.is_empty() => Bill::new(Usage::NONE),
            None => return None,
        };
        bill.model = bill.model.or_else(|| self.model.clone());
        bill.service = bill.service.or_else(|| self.service.clone());
        if self.is_transcript_estimated || self.extra.iter().any(|extra| extra.model.is_none()) {
            bill = bill.estimated();
        }
        bill = self.other_doubts.iter().cloned().fold(bill, Bill::doubt);
        if let Some(doubt) = &self.lost {
            bill = bill.estimated().doubt(doubt.clone());
        }
        let is_counted =
            |id: &Option<u64>| id.is_some() && self.answers.iter().any(|answer| answer.id == *id);
        if !self.answers.is_empty() && !self.uncounted.iter().all(is_counted) {
            bill = bill.estimated().doubt(Doubt::Missing { side: "output".to_owned() });
        }
        bill.extra.extend(self.extra.iter().cloned());
        Some(bill)
    }

    /// The bill of the last answer, with the tools that ran after its counts.
    fn bill_of_last(&self, answer: &Answer) -> Bill {
        if self.tools.is_empty() {
            return answer.bill(&self.since, self.expected_input);
        }
        let mut answer = answer.clone();
        answer.tools.join(self.tools.clone());
        answer.resolve();
        answer.bill(&self.since, self.expected_input)
    }

    /// The bill of a whole stream at once; `None` if the text is not a stream.
    pub(super) fn read_whole(text: &[u8]) -> Option<Result<Option<Bill>, UsageError>> {
        let mut meter = UsageMeter::new();
        let mut read = meter.push(text);
        keep_first(&mut read, meter.read(Frames::end));
        let is_stream = meter.events > 0 || meter.frames.is_between_objects();
        is_stream.then(|| meter.or_error(read))
    }

    /// The bill of all events in an array.
    pub(super) fn read_items(events: Json<'_>) -> Result<Option<Bill>, UsageError> {
        let (mut meter, mut read) = (UsageMeter::new(), Ok(()));
        for event in events.items() {
            keep_first(&mut read, meter.payload(event?));
        }
        meter.or_error(read)
    }

    /// The bill of one event of a session.
    pub(super) fn read_event(event: Json<'_>) -> Result<Option<Bill>, UsageError> {
        let mut meter = UsageMeter::new();
        let read = meter.payload(event);
        meter.or_error(read)
    }

    /// The bill, if there is any: what was counted is not lost to an event that cannot be read.
    fn or_error(self, read: Result<(), UsageError>) -> Result<Option<Bill>, UsageError> {
        match (read, self.answers.is_empty()) {
            (Err(error), true) => Err(error),
            _ => Ok(self.finish()),
        }
    }

    fn frame(&mut self, frame: Frame<'_>) -> Result<(), UsageError> {
        self.events = self.events.saturating_add(1);
        let Frame::Data(data) = frame else {
            self.garbled = Some(Doubt::CutShort);
            return Err(UsageError::EventTooLong { limit: Frames::MAX_EVENT });
        };
        match trimmed(data) {
            b"[DONE]" => {
                self.has_ended = true;
                self.closed_at = Some(self.since.mark());
                Ok(())
            }
            object @ [b'{', ..] => self.payload(Json::Text(object)),
            events @ [b'[', b'{', ..] => {
                Json::Text(events).items().try_for_each(|event| self.payload(event?))
            }
            _ => Ok(()), // keeping the connection alive
        }
    }

    fn payload(&mut self, event: Json<'_>) -> Result<(), UsageError> {
        let progress = self.since.add_event(event);
        let read = self.counts(event, progress);
        self.has_ended |= progress.has_ended;
        if let Err(error) = &read {
            self.garbled = Some(Doubt::from(error));
        }
        read
    }

    fn counts(&mut self, event: Json<'_>, progress: Progress) -> Result<(), UsageError> {
        let envelope = Envelope::open(event)?;
        self.progress.is_filtered |= progress.is_filtered;
        self.progress.is_refused |= progress.is_refused;
        if envelope.is_transcription() {
            return self.transcription(event, &envelope);
        }
        self.note_session(event, &envelope);
        if let Some(model) = envelope.model().filter(|_| self.model.is_none()) {
            self.since.count_for(&model);
            self.model = Some(model);
        }
        self.service = self.service.take().or_else(|| envelope.service());
        let is_last = envelope.is_last(progress.has_ended) || envelope.is_kind("message_stop");
        // Whose counts they are.
        let at = self.answer_of(&envelope);
        let mut answer = match at {
            Some(at) => self.answers.remove(at),
            None => Answer::default(),
        };
        let taken = answer.take(&envelope);
        if taken.is_err() {
            self.note_doubts(envelope.unknown_fields());
        }
        if !matches!(taken, Ok(true)) {
            // A stream that is cut later has run its tools all the same.
            let mut tools = PaidTools::default();
            envelope.add_tools(&mut tools)?;
            let is_uncounted = matches!(taken, Ok(false)) && envelope.is_whole_body();
            if is_uncounted && self.uncounted.len() < APART {
                let mut text = Content::default();
                text.add_whole(event);
                if !text.is_empty() || !tools.is_empty() {
                    self.uncounted.insert(envelope.id());
                }
            }
            self.tools.join(tools);
            match (at, &taken) {
                (Some(at), _) => self.answers.insert(at, answer),
                // Later counts are of other answers.
                (None, Err(error)) if envelope.is_whole() => self.lost = Some(Doubt::from(error)),
                (None, _) => {}
            }
            if is_last {
                self.closed_at = Some(self.since.mark());
            }
            return taken.map(drop);
        }
        if let Some(before) = self.answers.last_mut().filter(|_| at.is_none()) {
            // The one before may have been cut; this one has not ended yet.
            before.is_of_a_part &= !std::mem::take(&mut self.has_ended);
            self.closed_at = None;
        }
        // What came before belongs to it.
        answer.tools.join(std::mem::take(&mut self.tools));
        answer.advance(std::mem::take(&mut self.progress));
        answer.is_of_a_part = progress.goes_on && !progress.has_ended;
        if answer.accounts_for_output() || answer.needs_text() {
            answer.content.append(std::mem::take(&mut self.since));
        }
        if answer.needs_text() && answer.content.is_empty() && envelope.is_whole() {
            answer.content.add_whole(event);
        }
        answer.resolve();
        self.garbled = None;
        let is_closed = is_last || self.closed_at.is_some();
        self.closed_at = is_closed.then(|| self.since.mark());
        let is_final = is_closed || self.has_ended || progress.has_ended || envelope.is_whole();
        self.final_at = is_final.then(|| self.since.mark());
        self.answers.push(answer);
        self.fold()
    }

    /// Which of the answers an event belongs to; `None` if it begins another.
    ///
    /// Answers of one id are one. Without an id, a chunk belongs to the last answer, and a whole
    /// answer is one of its own.
    fn answer_of(&self, envelope: &Envelope<'_>) -> Option<usize> {
        let last = self.answers.len().checked_sub(1)?;
        let id = envelope.id();
        if let Some(same) = self.answers.iter().rposition(|it| it.id.is_some() && it.id == id) {
            return Some(same);
        }
        let is_first = envelope.is_kind("message_start");
        if is_first || envelope.is_whole() || (id.is_some() && self.answers[last].id.is_some()) {
            return None;
        }
        let is_over = self.closed_at.is_some_and(|mark| mark != self.since.mark());
        (!is_over).then_some(last)
    }

    /// Remembers the models of a realtime session.
    fn note_session(&mut self, event: Json<'_>, envelope: &Envelope<'_>) {
        if !envelope.is_kind("session.created") && !envelope.is_kind("session.updated") {
            return;
        }
        let Some(session) = event.field("session") else { return };
        let transcription = session
            .field("input_audio_transcription")
            .or_else(|| session.field("audio")?.field("input")?.field("transcription"));
        let name = |object: Json<'_>| object.field("model")?.string().map(Into::into);
        self.transcriber = transcription.and_then(name).or(self.transcriber.take());
        self.model = name(session).or(self.model.take());
    }

    /// Adds the transcription of a user's speech, under its own model.
    fn transcription(
        &mut self,
        event: Json<'_>,
        envelope: &Envelope<'_>,
    ) -> Result<(), UsageError> {
        let mut answer = Answer::default();
        if !answer.take(envelope)? {
            return Ok(());
        }
        let item = event.field("item_id").and_then(Json::string);
        if item.is_some_and(|item| !self.transcripts.insert(hashed(&item))) {
            return Ok(());
        }
        let bill = answer.bill(&Content::default(), 0);
        self.is_transcript_estimated |= bill.confidence != Confidence::Exact;
        self.note_doubts(bill.doubts);
        self.extra.push(ModelUsage { model: self.transcriber.clone(), usage: bill.usage });
        Ok(())
    }

    /// Keeps doubts that belong to no answer, each once.
    fn note_doubts(&mut self, doubts: Vec<Doubt>) {
        for doubt in doubts {
            if self.other_doubts.len() < APART && !self.other_doubts.contains(&doubt) {
                self.other_doubts.push(doubt);
            }
        }
    }

    /// Keeps the session's bill possible, and its memory bounded.
    fn fold(&mut self) -> Result<(), UsageError> {
        if self.answers.len() > 1 {
            let sum = self.seen();
            if !sum.is_possible() {
                self.answers.pop();
                return Err(UsageError::impossible(&sum));
            }
        }
        if self.answers.len() > APART {
            let bill = self.answers.remove(0).bill_before_others(self.expected_input);
            self.folded = Some(added(self.folded.take(), bill));
        }
        Ok(())
    }
}

fn keep_first(first: &mut Result<(), UsageError>, read: Result<(), UsageError>) {
    if first.is_ok() {
        *first = read;
    }
}

/// Adds the bill of an answer to that of the answers before it.
fn added(sum: Option<Bill>, bill: Bill) -> Bill {
    let Some(mut sum) = sum else { return bill };
    if let (Some(cost), None) | (None, Some(cost)) = (sum.reported_cost, bill.reported_cost) {
        let what = format!("one answer states a cost of {}, and another none", cost.exact());
        sum = sum.estimated().doubt(Doubt::Contradiction { what });
    }
    sum.reported_cost =
        sum.reported_cost.zip(bill.reported_cost).and_then(|(a, b)| a.checked_add(b));
    sum.confidence = sum.confidence.max(bill.confidence);
    sum.fell_back |= bill.fell_back;
    sum.extra.extend(bill.extra);
    for doubt in bill.doubts {
        sum = sum.doubt(doubt);
    }
    if sum.service != bill.service || sum.regional != bill.regional {
        sum.confidence = sum.confidence.max(Confidence::Estimated);
    }
    match (sum.unbilled_since, bill.unbilled_since) {
        // The sum is unbilled only if both are.
        (Some(_), None) => {
            sum = Bill { usage: bill.usage, model: bill.model, unbilled_since: None, ..sum };
        }
        (None, Some(_)) => {}
        _ if bill.model.is_none() || bill.model == sum.model || sum.model.is_none() => {
            sum.usage = sum.usage.saturating_add(&bill.usage);
            sum.model = sum.model.or(bill.model);
        }
        _ => sum.extra.push(ModelUsage { model: bill.model, usage: bill.usage }),
    }
    sum
}
