//! [`Cut`]: where the middle of a text is cut out.

use super::count::Counting;
use super::message::{Message, Messages, Piece};
use super::unit::Unit;

/// What stands where something was cut out.
pub(super) const MARK: &str = "\n[… cut to fit …]\n";

/// Where a text of a kept message is cut. It is cut between characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    message: usize,
    text: usize,
    head_end: usize,
    tail_start: usize,
}

impl Cut {
    /// The index of the message.
    pub fn message(&self) -> usize {
        self.message
    }

    /// The text without its middle, a mark in its place.
    pub(super) fn apply(&self, text: &str) -> String {
        let head = text.get(..self.head_end).unwrap_or_default();
        let tail = text.get(self.tail_start..).unwrap_or_default();
        [head, MARK, tail].concat()
    }
}

/// A text that may be cut.
struct Atom {
    message: usize,
    text: usize,
    tokens: u64,
}

/// Cuts the longest texts of a unit, all to the same length, until it has at most `max_tokens`.
/// Returns the cuts and the tokens that it then has; `None` if that cannot be done.
pub(super) fn fit<C: Messages + ?Sized>(
    counting: &Counting,
    messages: &C,
    unit: &Unit,
    max_tokens: u64,
) -> Option<(Vec<Cut>, u64)> {
    let (atoms, fixed) = atoms(counting, messages, unit);
    let mut left = max_tokens.checked_sub(fixed)?;
    let level = level(&atoms, left);
    let mut cuts = Vec::new();
    let mut of_message = atoms.iter().peekable();
    for index in unit.indices() {
        let Some(message) = messages.at(index) else { continue };
        let mut number = 0;
        let mut failed = false;
        message.each_piece(&mut |piece| {
            let Piece::Text(text) = piece else { return };
            let atom = of_message.next_if(|atom| atom.message == index && atom.text == number);
            number = number.saturating_add(1);
            let Some(atom) = atom.filter(|_| !failed) else { return };
            if atom.tokens <= level {
                left = left.saturating_sub(atom.tokens);
                return;
            }
            match shorten(counting, text, atom, level) {
                Some((cut, tokens)) => {
                    left = left.saturating_sub(tokens);
                    cuts.push(cut);
                }
                None => failed = true,
            }
        });
        if failed {
            return None;
        }
    }
    Some((cuts, max_tokens.saturating_sub(left)))
}

/// The cuts of one message, among all.
pub(super) fn of_message(cuts: &[Cut], index: usize) -> &[Cut] {
    let start = cuts.partition_point(|cut| cut.message < index);
    let end = cuts.partition_point(|cut| cut.message <= index);
    cuts.get(start..end).unwrap_or_default()
}

/// The cut of one text, among those of its message.
pub(super) fn of_text(cuts: &[Cut], text: usize) -> Option<&Cut> {
    let found = cuts.binary_search_by_key(&text, |cut| cut.text);
    found.ok().and_then(|at| cuts.get(at))
}

/// The texts of a unit, and the tokens of all the rest.
fn atoms<C: Messages + ?Sized>(counting: &Counting, messages: &C, unit: &Unit) -> (Vec<Atom>, u64) {
    let mut atoms = Vec::new();
    let mut fixed: u64 = 0;
    for index in unit.indices() {
        let Some(message) = messages.at(index) else { continue };
        fixed = fixed.saturating_add(counting.around(&message));
        let mut number = 0;
        message.each_piece(&mut |piece| match piece {
            Piece::Text(text) => {
                let tokens = counting.text(text);
                atoms.push(Atom { message: index, text: number, tokens });
                number = number.saturating_add(1);
            }
            Piece::Fixed(text) => fixed = fixed.saturating_add(counting.text(text)),
            Piece::Tokens(tokens) => fixed = fixed.saturating_add(tokens),
        });
    }
    (atoms, fixed)
}

/// The tokens to which each text is cut so that all together are at most `room`.
fn level(atoms: &[Atom], room: u64) -> u64 {
    let mut tokens: Vec<u64> = atoms.iter().map(|atom| atom.tokens).collect();
    tokens.sort_unstable();
    let mut left = room;
    let mut count = u64::try_from(tokens.len()).unwrap_or(u64::MAX);
    for small in tokens {
        let share = left.checked_div(count).unwrap_or(0);
        if small > share {
            return share;
        }
        left = left.saturating_sub(small);
        count = count.saturating_sub(1);
    }
    u64::MAX
}

/// Guesses by the share of the bytes, and takes off until it fits: the first guess is near, and
/// each later one takes off more than the one before.
fn shorten(counting: &Counting, text: &str, atom: &Atom, level: u64) -> Option<(Cut, u64)> {
    let mark = counting.text(MARK);
    let mut keep = portion(text.len(), level.saturating_sub(mark), atom.tokens);
    let mut step: usize = 1;
    loop {
        let half = keep / 2;
        let is_boundary = |at: &usize| text.is_char_boundary(*at);
        let head_end = (0..=half).rev().find(is_boundary).unwrap_or(0);
        let mut tail = text.len().saturating_sub(half)..text.len();
        let tail_start = tail.find(is_boundary).unwrap_or(text.len());
        let cut = Cut { message: atom.message, text: atom.text, head_end, tail_start };
        let left = cut.apply(text);
        let tokens = counting.text(&left);
        if tokens <= level {
            return Some((cut, tokens));
        }
        if keep == 0 {
            return None;
        }
        keep = portion(keep, level, tokens).saturating_sub(step);
        step = step.saturating_mul(2);
    }
}

/// `bytes × part ÷ whole`, rounded down.
fn portion(bytes: usize, part: u64, whole: u64) -> usize {
    let product = u128::try_from(bytes).unwrap_or(u128::MAX).saturating_mul(u128::from(part));
    let share = product.checked_div(u128::from(whole)).unwrap_or(0);
    usize::try_from(share).unwrap_or(bytes).min(bytes)
}
