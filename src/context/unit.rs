//! [`Unit`]: messages that are kept or dropped together, and how it is found in a list.

use std::collections::HashMap;

use super::message::{Message, Messages, Role};

/// A message, or a call of tools with all its results.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Results among the others that answer no call: they fall out. In order.
    pub(super) without: Vec<usize>,
    /// Whether it must stay.
    pub(super) required: bool,
    /// Who speaks at its beginning and at its end; `None` for instructions.
    pub(super) opens: Option<Side>,
    pub(super) closes: Option<Side>,
}

/// The speaker of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    User,
    Model,
}

impl Side {
    /// `None` for instructions.
    pub(super) fn of(role: Role) -> Option<Side> {
        match role {
            Role::System => None,
            Role::User | Role::Tool => Some(Side::User),
            Role::Assistant => Some(Side::Model),
        }
    }
}

/// What ends right before an index of a list.
#[derive(Debug)]
pub(super) enum Found {
    Unit(Unit),
    /// From this place on, nothing that can be sent.
    Orphans(usize),
}

impl Unit {
    /// One message by itself, of any role.
    pub(super) fn alone(index: usize) -> Unit {
        Unit {
            start: index,
            end: index.saturating_add(1),
            without: Vec::new(),
            required: false,
            opens: None,
            closes: None,
        }
    }

    pub(super) fn indices(&self) -> impl DoubleEndedIterator<Item = usize> {
        (self.start..self.end).filter(|index| self.without.binary_search(index).is_err())
    }

    pub(super) fn has(&self, index: usize) -> bool {
        (self.start..self.end).contains(&index) && self.without.binary_search(&index).is_err()
    }
}

/// What ends right before `end`, which is above zero.
pub(super) fn ending_at<C: Messages + ?Sized>(messages: &C, end: usize) -> Found {
    let last = end.saturating_sub(1);
    if brings_results(messages, last) {
        return exchange(messages, end);
    }
    if calls(messages, last) {
        return Found::Orphans(last);
    }
    let side = Side::of(role(messages, last));
    Found::Unit(Unit { opens: side, closes: side, ..Unit::alone(last) })
}

/// The first place at or behind `index` where a unit may end that has it.
pub(super) fn end_of<C: Messages + ?Sized>(messages: &C, index: usize) -> usize {
    let mut end = index.saturating_add(1);
    if calls(messages, index) || brings_results(messages, index) {
        while brings_results(messages, end) {
            end = end.saturating_add(1);
        }
    }
    end
}

/// True for a message of the user that brings no results.
pub(super) fn is_plain_user<C: Messages + ?Sized>(messages: &C, index: usize) -> bool {
    role(messages, index) == Role::User && !brings_results(messages, index)
}

pub(super) fn is_system<C: Messages + ?Sized>(messages: &C, index: usize) -> bool {
    messages.at(index).is_some_and(|message| message.role() == Role::System)
}

/// The run of results before `end`, and the call before it.
fn exchange<C: Messages + ?Sized>(messages: &C, end: usize) -> Found {
    let mut start = end.saturating_sub(1);
    while start > 0 && brings_results(messages, start.saturating_sub(1)) {
        start = start.saturating_sub(1);
    }
    let head = start.saturating_sub(1);
    if start == 0 || !calls(messages, head) {
        return Found::Orphans(start);
    }
    let (without, unanswered) = unmatched(messages, head, end);
    if unanswered > 0 {
        return Found::Orphans(head);
    }
    let (opens, closes) = (Some(Side::Model), Some(Side::User));
    Found::Unit(Unit { end, without, opens, closes, ..Unit::alone(head) })
}

/// Which messages behind a call are not wholly answers to it, and how many calls have none. Ids are
/// matched one to one: of several results of one call the first counts.
fn unmatched<C: Messages + ?Sized>(messages: &C, head: usize, end: usize) -> (Vec<usize>, usize) {
    let Some(call) = messages.at(head) else { return (Vec::new(), 0) };
    let mut open: HashMap<&str, usize> = HashMap::new();
    let mut unanswered: usize = 0;
    call.each_call(&mut |id| {
        let count = open.entry(id).or_default();
        *count = count.saturating_add(1);
        unanswered = unanswered.saturating_add(1);
    });
    let mut without = Vec::new();
    for index in head.saturating_add(1)..end {
        let Some(message) = messages.at(index) else { break };
        let mut taken = Vec::new();
        let mut fits = true;
        message.each_result(&mut |id| match open.get_mut(id).filter(|count| **count > 0) {
            Some(count) => {
                *count = count.saturating_sub(1);
                taken.push(id);
            }
            None => fits = false,
        });
        if fits && !taken.is_empty() {
            unanswered = unanswered.saturating_sub(taken.len());
            continue;
        }
        for id in taken {
            if let Some(count) = open.get_mut(id) {
                *count = count.saturating_add(1);
            }
        }
        without.push(index);
    }
    (without, unanswered)
}

fn role<C: Messages + ?Sized>(messages: &C, index: usize) -> Role {
    messages.at(index).map_or(Role::System, |message| message.role())
}

/// A message in the role of a tool brings results even if it does not say of which call.
fn brings_results<C: Messages + ?Sized>(messages: &C, index: usize) -> bool {
    messages.at(index).is_some_and(|message| match message.role() {
        Role::Tool => true,
        Role::User => {
            let mut some = false;
            message.each_result(&mut |_| some = true);
            some
        }
        Role::Assistant | Role::System => false,
    })
}

fn calls<C: Messages + ?Sized>(messages: &C, index: usize) -> bool {
    messages.at(index).is_some_and(|message| {
        let mut some = false;
        if message.role() == Role::Assistant {
            message.each_call(&mut |_| some = true);
        }
        some
    })
}
