//! [`Items`]: which items of OpenAI's Responses API have to be kept together.

use std::collections::{HashMap, HashSet};

use super::message::{Bond, Message, Messages, Role};
use super::unit::{Found, Side, Unit};

/// A list of items, divided into parts that are kept or dropped as a whole. One part holds
/// - a call and its output, with all that is between them: "No tool output found for function call
///   …", "No tool call found for function call output …" (the API's error messages);
/// - a `reasoning` item and all items of the model behind it up to the next one, with their
///   outputs: "Item … of type 'reasoning' was provided without its required following item", and the
///   same of a `function_call` or `message` "without its required 'reasoning' item".
pub(super) struct Items {
    /// In order, without gaps.
    parts: Vec<Part>,
    /// Outputs of calls that the provider keeps and that are not in the list. In order.
    stored: Vec<usize>,
}

struct Part {
    start: usize,
    end: usize,
    /// `None` if no item of it can be sent.
    unit: Option<Unit>,
}

/// The properties of an item that decide what it is kept with.
struct Item {
    role: Role,
    bond: Bond,
    calls: usize,
    brings_results: bool,
    /// It is a call without an output, or an output without a call.
    is_unmatched: bool,
}

impl Items {
    /// Reads the ids of all items, without counting their tokens. `continued`: outputs may answer
    /// calls that the provider keeps.
    pub(super) fn of<C: Messages + ?Sized>(messages: &C, continued: bool) -> Items {
        // What belongs together, item by item.
        let mut reading = Reading::default();
        for index in 0..messages.len() {
            if let Some(message) = messages.at(index) {
                reading.item(index, &message);
            }
        }
        let Reading { mut items, mut bound, open, stored, .. } = reading;
        // Calls without an output, and outputs without a call.
        for index in open.into_values().flatten() {
            if let Some(item) = items.get_mut(index) {
                item.is_unmatched = true;
            }
        }
        let stored: Vec<usize> = stored.into_iter().filter(|_| continued).collect();
        for index in &stored {
            if let Some(item) = items.get_mut(*index) {
                item.is_unmatched = false;
            }
        }
        let len = items.len();
        bound.resize(len, false);
        // A part ends where no item is bound to the one before it.
        let mut parts = Vec::new();
        let mut start: usize = 0;
        for end in 1..=len {
            if bound.get(end).copied().unwrap_or(false) {
                continue;
            }
            let unit = unit(&items, start, end);
            parts.push(Part { start, end, unit });
            start = end;
        }
        Items { parts, stored }
    }

    /// The part that ends at this index.
    pub(super) fn ending_at(&self, end: usize) -> Found {
        let part = self.parts.get(self.parts.partition_point(|part| part.end < end));
        match part {
            Some(Part { unit: Some(unit), .. }) => Found::Unit(unit.clone()),
            Some(part) => Found::Orphans(part.start),
            None => Found::Orphans(0),
        }
    }

    /// The end of the part with this item.
    pub(super) fn end_of(&self, index: usize) -> usize {
        let part = self.parts.get(self.parts.partition_point(|part| part.end <= index));
        part.map_or(index.saturating_add(1), |part| part.end)
    }

    /// The outputs that have to stay, because the provider keeps their calls.
    pub(super) fn stored(&self) -> &[usize] {
        &self.stored
    }
}

/// What has been read of a list so far.
#[derive(Default)]
struct Reading {
    items: Vec<Item>,
    /// Whether an item belongs to the one before it.
    bound: Vec<bool>,
    /// The calls without an output so far, newest last, by id.
    open: HashMap<String, Vec<usize>>,
    called: HashSet<String>,
    stored: Vec<usize>,
    /// The newest reference to an item that the provider keeps; the list does not say which kind it
    /// is.
    reference: Option<usize>,
    /// The newest `reasoning` item of the model's turn.
    thought: Option<usize>,
}

impl Reading {
    /// Reads the next item, and binds it to the items that it must be kept with.
    fn item(&mut self, index: usize, message: &impl Message) {
        let (role, bond) = (message.role(), message.bond());
        let mut item = Item { role, bond, calls: 0, brings_results: false, is_unmatched: false };
        // An item of the model stays with the reasoning before it.
        let is_model = role == Role::Assistant;
        let follows = self.items.last().is_some_and(|before| before.bond == Bond::Next);
        self.bound.push(is_model && follows);
        if matches!(bond, Bond::Turn | Bond::Unknown) {
            self.thought.into_iter().for_each(|thought| self.bind(thought, index));
        }
        // Its own reasoning, or the end of the turn.
        match role {
            Role::User | Role::System => self.thought = None,
            Role::Assistant if matches!(bond, Bond::Next | Bond::Unknown) => {
                self.thought = Some(index);
            }
            Role::Assistant | Role::Tool => {}
        }
        // Its calls wait for their outputs.
        if is_model {
            message.each_call(&mut |id| {
                item.calls = item.calls.saturating_add(1);
                self.called.insert(id.to_owned());
                self.open.entry(id.to_owned()).or_default().push(index);
            });
            if bond == Bond::Unknown {
                self.reference = Some(index);
            }
        }
        // An output stays with its call.
        if role == Role::Tool {
            item.brings_results = true;
            let mut ids = Vec::new();
            message.each_result(&mut |id| ids.push(id.to_owned()));
            for id in ids {
                let call = self.open.get_mut(&id).and_then(Vec::pop);
                let is_new = !self.called.contains(&id);
                match call.or(self.reference.filter(|_| is_new)) {
                    Some(call) => self.bind(call, index),
                    None => {
                        item.is_unmatched = true;
                        if is_new {
                            self.stored.push(index);
                        }
                    }
                }
            }
        }
        self.items.push(item);
    }

    /// Binds two items together, with all between them.
    fn bind(&mut self, first: usize, last: usize) {
        let between = self.bound.get_mut(first.saturating_add(1)..=last);
        between.into_iter().flatten().for_each(|bound| *bound = true);
    }
}

/// The items of a part that can be sent; `None` if there are none.
fn unit(items: &[Item], start: usize, end: usize) -> Option<Unit> {
    let part = items.get(start..end)?;
    let has_reasoned = part.iter().any(|item| item.bond == Bond::Next);
    let mut without = Vec::new();
    // Backwards, because the first of two `reasoning` items needs the second. `is_followed`: the
    // next item is the model's and stays. `is_needed`: a later item needs the `reasoning` item
    // before it.
    let (mut is_followed, mut is_needed) = (false, false);
    for (index, item) in (start..end).zip(part).rev() {
        let is_unanswered = item.calls > 0 && item.is_unmatched;
        let is_idle = item.bond == Bond::Next && !is_followed;
        // Which of the other items the model needs is unknown.
        if (is_unanswered && has_reasoned) || (is_idle && is_needed) {
            return None;
        }
        if is_unanswered || is_idle || (item.brings_results && item.is_unmatched) {
            without.push(index);
            is_followed &= item.role == Role::Tool;
            continue;
        }
        is_followed = item.role == Role::Assistant;
        is_needed = match item.bond {
            Bond::Turn => true,
            Bond::Next => false,
            Bond::None | Bond::Unknown => is_needed && item.role != Role::User,
        };
    }
    without.reverse();
    let mut kept = (start..end)
        .zip(part)
        .filter(|(index, _)| without.binary_search(index).is_err())
        .map(|(_, item)| item);
    let first = kept.next()?;
    let last = kept.next_back().unwrap_or(first);
    Some(Unit {
        without,
        opens: Side::of(first.role),
        closes: Side::of(last.role),
        end,
        ..Unit::alone(start)
    })
}
