//! The tasks of a day, the same on every run: repeats, easy ones, hard ones, long chats.

use bursar::usage::TokenCounter;
use bursar::usage::tokens::{Framing, Heuristic};
use serde_json::{Value, json};

/// One task: a chat whose last message is what to do.
#[derive(Clone)]
pub struct Task {
    /// In OpenAI's form.
    pub messages: Vec<Value>,
    /// Tokens that a model writes in answer, whichever it is.
    pub output: u64,
}

/// So many tasks out of 320 different ones, of which some are asked for often.
pub fn tasks(count: usize) -> Vec<Task> {
    let different: Vec<Task> = (0..320).map(task).collect();
    let mut dice = Dice(42);
    // The lower of two throws: low numbers come often, high ones seldom.
    let mut throw = || dice.below(320).min(dice.below(320));
    (0..count).map(|_| different[throw()].clone()).collect()
}

impl Task {
    /// What is to be done: the last message.
    pub fn instruction(&self) -> &str {
        self.messages.last().and_then(text).unwrap_or_default()
    }
}

/// The tokens of a chat, and a bound of them.
pub fn tokens(messages: &[Value]) -> (u64, u64) {
    let counter = Heuristic::new();
    let framed = Framing::OPENAI.per_request + Framing::OPENAI.per_message * messages.len() as u64;
    let texts = || messages.iter().filter_map(text);
    let count: u64 = texts().map(|text| counter.count(text)).sum();
    let bound: u64 = texts().map(|text| counter.upper_bound(text)).sum();
    (framed + count, framed + bound)
}

fn text(message: &Value) -> Option<&str> {
    message["content"].as_str()
}

fn task(number: usize) -> Task {
    let mut dice = Dice(number as u64 + 1);
    let (instruction, output) = match number % 10 {
        0..=3 => {
            (format!("Classify ticket {number}: the parcel came late and the box is wet."), 12)
        }
        4 | 5 => (format!("Summarise the minutes of meeting {number} in five lines."), 180),
        6 | 7 => (format!("Where is order {number}, and when will it come?"), 90),
        _ => (format!("Design a schema for warehouse {number} and analyse how it scales."), 1_400),
    };
    let mut messages = vec![json!({"role": "system", "content": SYSTEM})];
    for turn in 0..dice.below(12) {
        let said = SPOKEN[dice.below(SPOKEN.len())];
        messages.push(json!({"role": "user", "content": format!("{turn}: {said}")}));
        messages.push(json!({"role": "assistant", "content": format!("Noted. {said} {said}")}));
    }
    messages.push(json!({"role": "user", "content": instruction}));
    Task { messages, output }
}

const SYSTEM: &str = "You help the staff of a mail-order house. Answer in plain words, briefly, \
    and say so when you do not know. Never promise a refund.";

const SPOKEN: [&str; 4] = [
    "The customer called twice on Monday and once on Tuesday, each time about the same parcel.",
    "The depot in the north is closed until Thursday; everything goes through the second depot, \
     which adds a day to each delivery and two to those that leave after noon.",
    "We changed the label printer last week, and since then some codes cannot be read.",
    "The list of open orders is attached; the ones that are marked with a star are urgent.",
];

/// The same numbers on every machine (Knuth's MMIX generator).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        let (times, plus) = (6_364_136_223_846_793_005, 1_442_695_040_888_963_407);
        self.0 = self.0.wrapping_mul(times).wrapping_add(plus);
        (self.0 >> 33) as usize % sides
    }
}
