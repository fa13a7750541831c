//! Owns [`Walk`]: the way through a conversation, newest first, that decides what stays.

use std::collections::HashSet;

use super::cut::Cut;
use super::error::TrimError;
use super::items::Items;
use super::message::{Grouping, Message, Messages, Piece};
use super::unit::{Found, Side, Unit, end_of, ending_at, is_plain_user, is_system};
use super::{ContextTrimmer, Oversize, Rules};

/// What was chosen.
#[derive(Clone, Debug)]
pub(super) struct Picked {
    /// In order.
    pub(super) kept: Vec<usize>,
    /// In order.
    pub(super) cuts: Vec<Cut>,
    /// Of all that is kept, and what is around the request.
    pub(super) tokens: u64,
    /// Before which of the kept a summary belongs, if something fell out there, and who speaks
    /// before and behind it.
    pub(super) gap: Option<Gap>,
}

/// A place among what is kept where something fell out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gap {
    pub(super) before: usize,
    pub(super) closes: Option<Side>,
    pub(super) opens: Option<Side>,
}

/// A conversation on its way through a trimmer.
pub(super) struct Walk<'a, C: ?Sized> {
    trimmer: &'a ContextTrimmer,
    messages: &'a C,
    rules: Rules,
    items: Option<Items>,
}

/// What must stay, in order, and what it counts.
struct Pins {
    units: Vec<Unit>,
    tokens: u64,
}

/// What a walk has chosen, newest first.
struct Swept {
    units: Vec<Unit>,
    cuts: Vec<Cut>,
    tokens: u64,
    /// Whether nothing that could be sent fell out.
    whole: bool,
}

impl<'a, C: Messages + ?Sized> Walk<'a, C> {
    pub(super) fn new(trimmer: &'a ContextTrimmer, messages: &'a C) -> Walk<'a, C> {
        let items = match messages.grouping() {
            Grouping::Exchanges => None,
            Grouping::Items { continued } => {
                Some(Items::of(messages, continued, trimmer.open_calls))
            }
        };
        Walk { trimmer, messages, rules: trimmer.rules.unwrap_or_else(|| messages.rules()), items }
    }

    /// What ends right before `end`, which is above zero.
    fn ending_at(&self, end: usize) -> Found {
        match &self.items {
            Some(items) => items.ending_at(end),
            None => ending_at(self.messages, end, self.trimmer.open_calls),
        }
    }

    /// The first place behind `index` where a unit may end that has it.
    fn end_of(&self, index: usize) -> usize {
        match &self.items {
            Some(items) => items.end_of(index),
            None => end_of(self.messages, index),
        }
    }

    /// Once as if all were to stay, and if it does not fit and something is to go first or a
    /// summary needs room, a second time with that.
    pub(super) fn pick(&self) -> Result<Picked, TrimError> {
        let trimmer = self.trimmer;
        let pins = self.pins()?;
        let room = trimmer.max_tokens.saturating_sub(pins.tokens);
        let second = trimmer.drop_duplicates
            || trimmer.fresh_exchanges < usize::MAX
            || trimmer.summary_tokens > 0;
        let first = self.sweep(&pins, room, false)?;
        if first.whole || !second {
            return self.finish(first);
        }
        let room = room.saturating_sub(trimmer.summary_tokens);
        self.finish(self.sweep(&pins, room, true)?)
    }

    fn pins(&self) -> Result<Pins, TrimError> {
        let mut pins = Pins { units: Vec::new(), tokens: self.trimmer.counting.per_request() };
        let len = self.messages.len();
        let leading = (0..len).take_while(|&index| is_system(self.messages, index)).count();
        let first_user = match self.trimmer.pin_first_user {
            true => (leading..len).find(|&index| is_plain_user(self.messages, index)),
            false => None,
        };
        let stored = self.items.as_ref().map(Items::stored).unwrap_or_default();
        match &self.trimmer.pin {
            None if !stored.is_empty() => {
                let mut pinned: Vec<usize> =
                    (0..leading).chain(first_user).chain(stored.iter().copied()).collect();
                pinned.sort_unstable();
                for index in pinned {
                    self.pin(index, &mut pins)?;
                }
            }
            None => {
                for index in (0..leading).chain(first_user) {
                    self.pin(index, &mut pins)?;
                }
            }
            Some(is_pinned) => {
                for index in 0..len {
                    let asked = || self.messages.at(index).is_some_and(|m| is_pinned(index, &m));
                    let has_to = index < leading || Some(index) == first_user;
                    if has_to || stored.binary_search(&index).is_ok() || asked() {
                        self.pin(index, &mut pins)?;
                    }
                }
            }
        }
        match pins.tokens <= self.trimmer.max_tokens {
            true => Ok(pins),
            false => Err(TrimError::PinnedTooLarge {
                pinned_tokens: pins.tokens,
                max_tokens: self.trimmer.max_tokens,
            }),
        }
    }

    /// Pins what that message belongs to.
    fn pin(&self, index: usize, pins: &mut Pins) -> Result<(), TrimError> {
        if pins.units.last().is_some_and(|unit| unit.has(index)) {
            return Ok(());
        }
        let orphan = TrimError::Unsendable { index, rule: "its tool call or result is not there" };
        // A result that is left out of the exchange just pinned needs no second look at it.
        if pins.units.last().is_some_and(|unit| index < unit.end) {
            return Err(orphan);
        }
        match self.ending_at(self.end_of(index)) {
            Found::Unit(unit) if unit.has(index) => {
                pins.tokens = pins.tokens.saturating_add(self.tokens(&unit));
                pins.units.push(Unit { required: true, ..unit });
                Ok(())
            }
            _ => Err(orphan),
        }
    }

    fn sweep(&self, pins: &Pins, room: u64, thrifty: bool) -> Result<Swept, TrimError> {
        let mut pinned = pins.units.iter().rev().peekable();
        let mut thrift = Thrift::new(self.trimmer, thrifty);
        let mut swept =
            Swept { units: Vec::new(), cuts: Vec::new(), tokens: pins.tokens, whole: true };
        let (mut left, mut end) = (room, self.messages.len());
        while end > 0 {
            let unit = match self.ending_at(end) {
                Found::Orphans(start) => {
                    end = start;
                    continue;
                }
                Found::Unit(unit) => unit,
            };
            end = unit.start;
            if let Some(unit) = pinned.next_if(|pin| pin.start == unit.start) {
                thrift.keep(self.messages, unit);
                swept.units.push(unit.clone());
                continue;
            }
            let newest = swept.units.is_empty();
            if !newest && thrift.goes_first(self.messages, &unit) {
                swept.whole = false;
                continue;
            }
            let unit = Unit { required: newest, ..unit };
            let Some(tokens) = self.tokens_up_to(&unit, left) else {
                swept.whole = false;
                self.oversize(unit, room, left, &mut swept)?;
                break;
            };
            left = left.saturating_sub(tokens);
            swept.tokens = swept.tokens.saturating_add(tokens);
            thrift.keep(self.messages, &unit);
            swept.units.push(unit);
        }
        swept.units.extend(pinned.cloned());
        Ok(swept)
    }

    /// Cuts what does not fit, if it would fit nowhere.
    fn oversize(
        &self,
        unit: Unit,
        room: u64,
        left: u64,
        swept: &mut Swept,
    ) -> Result<(), TrimError> {
        let useful = unit.required || left >= USEFUL_TOKENS;
        let wanted = self.trimmer.oversize == Oversize::Cut && useful;
        if wanted && (unit.required || self.tokens_up_to(&unit, room).is_none()) {
            if let Some((cuts, tokens)) = super::cut::fit(self.trimmer, self.messages, &unit, left)
            {
                swept.tokens = swept.tokens.saturating_add(tokens);
                swept.cuts = cuts;
                swept.units.push(unit);
                return Ok(());
            }
        }
        match unit.required {
            false => Ok(()),
            true => Err(TrimError::NewestTooLarge {
                index: unit.end.saturating_sub(1),
                tokens: self.tokens(&unit),
                room_tokens: room,
            }),
        }
    }

    fn finish(&self, swept: Swept) -> Result<Picked, TrimError> {
        let Swept { units, mut cuts, mut tokens, .. } = swept;
        let mut gone = Vec::new();
        let mut units = self.alternate(units, &mut gone)?;
        if self.rules.user_first {
            self.begin_with_user(&mut units, &mut gone)?;
        }
        for unit in &gone {
            // All cuts are of one unit.
            if cuts.first().is_some_and(|cut| unit.has(cut.message())) {
                tokens = tokens.saturating_sub(self.cut_tokens(unit, &cuts));
                cuts.clear();
            } else {
                tokens = tokens.saturating_sub(self.tokens(unit));
            }
        }
        let gap = gap(&units);
        let kept: Vec<usize> = units.iter().flat_map(Unit::indices).collect();
        for &index in &kept {
            if let Some(found) = self.messages.at(index).and_then(|message| message.wrong_form()) {
                return Err(TrimError::WrongForm { index, found });
            }
        }
        Ok(Picked { kept, cuts, tokens, gap })
    }

    /// Turns the units round, oldest first, without those that would break the turns where
    /// something fell out: the older of two, if it need not stay.
    fn alternate(
        &self,
        mut newest: Vec<Unit>,
        gone: &mut Vec<Unit>,
    ) -> Result<Vec<Unit>, TrimError> {
        if !self.rules.alternate {
            newest.reverse();
            return Ok(newest);
        }
        let mut kept: Vec<Unit> = Vec::with_capacity(newest.len());
        for older in newest {
            if !older.required && kept.last().is_some_and(|newer| self.is_conflict(&older, newer)) {
                gone.push(older);
                continue;
            }
            while let Some(newer) = kept.last().filter(|newer| self.is_conflict(&older, newer)) {
                if newer.required {
                    let rule = "user and model must take turns, and nothing that fits is between";
                    return Err(TrimError::Unsendable { index: newer.start, rule });
                }
                gone.extend(kept.pop());
            }
            kept.push(older);
        }
        kept.reverse();
        Ok(kept)
    }

    fn is_conflict(&self, older: &Unit, newer: &Unit) -> bool {
        older.end != newer.start && older.closes.is_some() && older.closes == newer.opens
    }

    /// Takes away what the model says before the user does, unless the user says nothing at all.
    fn begin_with_user(
        &self,
        units: &mut Vec<Unit>,
        gone: &mut Vec<Unit>,
    ) -> Result<(), TrimError> {
        let leads = |unit: &Unit| unit.opens == Some(Side::Model);
        let first_user = units.iter().position(|unit| unit.opens == Some(Side::User));
        let mut leading = units.iter().take(first_user.unwrap_or(units.len())).filter(|u| leads(u));
        let Some(first) = leading.next() else { return Ok(()) };
        let len = self.messages.len();
        if first_user.is_none() && !(0..len).any(|index| is_plain_user(self.messages, index)) {
            return Ok(());
        }
        if let Some(unit) = [first].into_iter().chain(leading).find(|unit| unit.required) {
            let rule = "a message of the user must be before it, and none is kept";
            return Err(TrimError::Unsendable { index: unit.start, rule });
        }
        let rest = units.split_off(first_user.unwrap_or(units.len()));
        let (leading, instructions) = units.drain(..).partition(leads);
        gone.extend::<Vec<Unit>>(leading);
        *units = instructions;
        units.extend(rest);
        Ok(())
    }

    fn tokens(&self, unit: &Unit) -> u64 {
        self.tokens_up_to(unit, u64::MAX).unwrap_or(u64::MAX)
    }

    fn tokens_up_to(&self, unit: &Unit, limit: u64) -> Option<u64> {
        let mut left = limit;
        for index in unit.indices() {
            let tokens = self.trimmer.counting.at(self.messages, index, left)?;
            left = left.checked_sub(tokens)?;
        }
        Some(limit.saturating_sub(left))
    }

    fn cut_tokens(&self, unit: &Unit, cuts: &[Cut]) -> u64 {
        super::cut::tokens(self.trimmer, self.messages, unit, cuts)
    }
}

/// Before the first unit that is no instruction and has a hole before it.
fn gap(units: &[Unit]) -> Option<Gap> {
    let mut end = 0;
    let mut before: usize = 0;
    let mut closes = None;
    let mut hole = false;
    for unit in units {
        hole |= unit.start != end;
        if hole && unit.opens.is_some() {
            return Some(Gap { before, closes, opens: unit.opens });
        }
        (end, closes) = (unit.end, unit.closes);
        before = before.saturating_add(unit.indices().count());
    }
    None
}

/// A message that need not stay is not cut to less than this.
const USEFUL_TOKENS: u64 = 64;

/// Decides what goes first.
struct Thrift {
    duplicates: Option<HashSet<blake3::Hash>>,
    fresh_exchanges: usize,
}

impl Thrift {
    fn new(trimmer: &ContextTrimmer, thrifty: bool) -> Thrift {
        Thrift {
            duplicates: (thrifty && trimmer.drop_duplicates).then(HashSet::new),
            fresh_exchanges: if thrifty { trimmer.fresh_exchanges } else { usize::MAX },
        }
    }

    fn goes_first<C: Messages + ?Sized>(&self, messages: &C, unit: &Unit) -> bool {
        if unit.exchange && self.fresh_exchanges == 0 {
            return true;
        }
        let Some(seen) = &self.duplicates else { return false };
        !seen.is_empty() && digest(messages, unit).is_some_and(|digest| seen.contains(&digest))
    }

    fn keep<C: Messages + ?Sized>(&mut self, messages: &C, unit: &Unit) {
        if unit.exchange && self.fresh_exchanges < usize::MAX {
            self.fresh_exchanges = self.fresh_exchanges.saturating_sub(1);
        }
        if let Some(seen) = &mut self.duplicates {
            seen.extend(digest(messages, unit));
        }
    }
}

/// What a unit says, without its ids; `None` if it is too short to be told from another, or has
/// parts of which only the size is known: two pictures are not the same for being as large.
fn digest<C: Messages + ?Sized>(messages: &C, unit: &Unit) -> Option<blake3::Hash> {
    const SHORT_BYTES: usize = 200;
    let mut hasher = blake3::Hasher::new();
    let mut bytes: usize = 0;
    let mut is_known = true;
    for index in unit.indices() {
        let Some(message) = messages.at(index) else { continue };
        hasher.update(&[b'm', message.role() as u8]);
        message.each_piece(&mut |piece| match piece {
            Piece::Text(text) | Piece::Fixed(text) => {
                bytes = bytes.saturating_add(text.len());
                hasher.update(b"t").update(&text.len().to_le_bytes()).update(text.as_bytes());
            }
            Piece::Tokens(_) => is_known = false,
        });
    }
    (is_known && (unit.exchange || bytes >= SHORT_BYTES)).then(|| hasher.finalize())
}
