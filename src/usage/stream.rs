//! Owns [`UsageMeter`]: the running usage of one answer that comes as a stream.

use super::body::{Api, Body, Envelope, possible, trimmed};
use super::error::UsageError;
use super::frames::{Frame, Frames};
use super::heard::Heard;
use super::json::Json;
use super::{Bill, Service, Usage, anthropic};

/// Meters one streamed answer: what has been used so far, and the bill when it ends or is cut.
///
/// It takes the bytes of the stream in any chunks, or events that somebody else has cut out, of
/// all the providers that [`Bill::from_response`] reads. Cumulative counts replace earlier ones.
/// The text that comes is counted, never kept.
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
/// // The connection breaks before the usage comes: 14 letters are about 4 tokens.
/// let bill = meter.finish().expect("something came");
/// assert_eq!((bill.usage.input_uncached, bill.usage.output), (1_200, 4));
/// assert_eq!(bill.confidence, Confidence::Estimated);
/// # Ok::<(), bursar::usage::UsageError>(())
/// ```
#[derive(Debug, Default)]
pub struct UsageMeter {
    api: Option<Api>,
    expected_input: u64,
    output_cap: Option<u64>,
    frames: Frames,
    events: u64,
    /// The provider's last word.
    counted: Option<Bill>,
    /// `counted` is of a part of the answer only.
    is_of_a_part: bool,
    /// The output in `counted` was written down before there was any: Anthropic's first event.
    is_placeholder: bool,
    anthropic: anthropic::Said,
    /// What came after the provider's last word.
    since: Heard,
    has_ended: bool,
    is_garbled: bool,
    model: Option<String>,
    service: Option<Service>,
}

impl UsageMeter {
    /// A meter that recognises by itself whose stream it is.
    pub fn new() -> UsageMeter {
        UsageMeter::default()
    }

    /// A meter of a stream of this form.
    pub fn of(api: Api) -> UsageMeter {
        UsageMeter { api: Some(api), ..UsageMeter::default() }
    }

    /// The input tokens to bill if the stream is cut before the provider says how many they were;
    /// none unless told, [`Usage::MAX_COUNT`] at most.
    #[must_use]
    pub fn with_expected_input(mut self, tokens: u64) -> UsageMeter {
        self.expected_input = tokens.min(Usage::MAX_COUNT);
        self
    }

    /// The output tokens that were set aside; see [`UsageMeter::outgrown_by`].
    #[must_use]
    pub fn with_output_cap(mut self, tokens: u64) -> UsageMeter {
        self.output_cap = Some(tokens);
        self
    }

    /// Takes in the next bytes of the stream, cut anywhere.
    ///
    /// An event of more than 16 MiB is passed over; nothing longer than one event is kept.
    ///
    /// # Errors
    ///
    /// The first error in the events that end in these bytes. The meter goes on without the events
    /// that it could not read; unless the provider's counts come later, its bill is estimated.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), UsageError> {
        let mut frames = std::mem::take(&mut self.frames);
        let mut read = Ok(());
        frames.push(bytes, &mut |frame| {
            let one = self.frame(frame);
            if read.is_ok() {
                read = one;
            }
        });
        self.frames = frames;
        read
    }

    /// Takes in one event: what stands behind `data:`, a line of JSON, a payload of Bedrock.
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

    /// What has been used so far: the provider's counts, and an estimate of the text that came
    /// after them.
    pub fn seen(&self) -> Usage {
        let mut usage = match &self.counted {
            Some(bill) => bill.usage,
            None if self.since.is_silent() => return Usage::NONE,
            None => Usage::tokens(self.expected_input, 0),
        };
        // The text adds no more than makes a possible call of it: what is impossible has no price.
        let mut room = Usage::MAX_COUNT.saturating_sub(usage.total_tokens());
        let mut add = |bucket: &mut u64, tokens: u64| {
            let added = tokens.min(room);
            room = room.saturating_sub(added);
            *bucket = bucket.saturating_add(added);
        };
        let known = if self.is_placeholder { usage.output } else { 0 };
        add(&mut usage.output, self.since.output.tokens().saturating_sub(known));
        add(&mut usage.reasoning, self.since.reasoning.tokens());
        usage
    }

    /// By how many tokens the output has outgrown its cap; zero if it has not, or has none.
    pub fn outgrown_by(&self) -> u64 {
        self.output_cap.map_or(0, |cap| self.seen().output_tokens().saturating_sub(cap))
    }

    /// The bill, when the stream has ended or was cut.
    ///
    /// If the provider's final counts came, they are the bill. Otherwise it is what
    /// [`UsageMeter::seen`] says, marked as estimated. `None` if neither text nor counts came.
    pub fn finish(mut self) -> Option<Bill> {
        let mut frames = std::mem::take(&mut self.frames);
        frames.end(&mut |frame| {
            // An error leaves its mark: the bill is estimated.
            let _ = self.frame(frame);
        });
        let seen = self.seen();
        let is_final = !self.is_placeholder
            && !self.is_garbled
            && (self.has_ended || !self.is_of_a_part)
            && self.since.is_silent();
        let mut bill = match self.counted.take() {
            Some(bill) if is_final => bill,
            // What a part cost is not what the whole costs.
            Some(bill) => Bill { usage: seen, reported_cost: None, ..bill }.estimated(),
            None if self.since.is_silent() => return None,
            None => Bill::new(seen).estimated(),
        };
        bill.model = bill.model.or(self.model);
        bill.service = bill.service.or(self.service);
        Some(bill)
    }

    /// The bill of a whole stream at once; `None` if the text is no stream.
    pub(super) fn read_whole(
        api: Option<Api>,
        text: &[u8],
    ) -> Option<Result<Option<Bill>, UsageError>> {
        let mut meter = UsageMeter { api, ..UsageMeter::default() };
        let mut read = meter.push(text);
        let mut frames = std::mem::take(&mut meter.frames);
        frames.end(&mut |frame| {
            let one = meter.frame(frame);
            if read.is_ok() {
                read = one;
            }
        });
        meter.frames = frames;
        let is_stream = meter.events > 0 || meter.frames.is_between_objects();
        is_stream.then(|| read.map(|()| meter.finish()))
    }

    /// The bill of all events in an array.
    pub(super) fn read_items(
        api: Option<Api>,
        events: Json<'_>,
    ) -> Result<Option<Bill>, UsageError> {
        let mut meter = UsageMeter { api, ..UsageMeter::default() };
        events.items(|event| meter.payload(event))?;
        Ok(meter.finish())
    }

    fn frame(&mut self, frame: Frame<'_>) -> Result<(), UsageError> {
        self.events = self.events.saturating_add(1);
        let Frame::Data(data) = frame else {
            self.is_garbled = true;
            return Err(UsageError::EventTooLong { limit: Frames::MAX_EVENT });
        };
        match trimmed(data) {
            b"[DONE]" => {
                self.has_ended = true;
                Ok(())
            }
            object @ [b'{', ..] => self.payload(Json::Text(object)),
            _ => Ok(()), // keeping the connection alive
        }
    }

    fn payload(&mut self, event: Json<'_>) -> Result<(), UsageError> {
        let heard = Heard::of(event);
        self.since.hear(&heard);
        self.has_ended |= heard.has_ended;
        let read = self.counts(event, &heard);
        if read.is_err() {
            self.is_garbled = true;
        }
        read
    }

    fn counts(&mut self, event: Json<'_>, heard: &Heard) -> Result<(), UsageError> {
        let envelope = Envelope::open(event)?;
        if self.model.is_none() {
            self.model = envelope.model();
        }
        if self.service.is_none() {
            self.service = envelope.service();
        }
        let Some(mut bill) = envelope.bill(self.api, &mut self.anthropic)? else { return Ok(()) };
        match &self.counted {
            // A realtime session answers many times, and counts each answer by itself.
            Some(before) if envelope.is_kind("response.done") => {
                bill = sum(before, bill);
                possible(&bill)?;
            }
            // Gemini names its searches in one event only.
            Some(before) => {
                let searches = &mut bill.usage.web_search_requests;
                *searches = (*searches).max(before.usage.web_search_requests);
            }
            None => {}
        }
        self.counted = Some(bill);
        self.is_of_a_part = heard.goes_on && !heard.has_ended;
        self.is_placeholder = envelope.is_kind("message_start");
        self.is_garbled = false;
        if !self.is_placeholder {
            self.since = Heard::default();
        }
        Ok(())
    }
}

/// One bill of two answers of one session.
fn sum(before: &Bill, bill: Bill) -> Bill {
    Bill {
        usage: before.usage.saturating_add(&bill.usage),
        reported_cost: before
            .reported_cost
            .zip(bill.reported_cost)
            .and_then(|(a, b)| a.checked_add(b)),
        confidence: before.confidence.max(bill.confidence),
        ..bill
    }
}
