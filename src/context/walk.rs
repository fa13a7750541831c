//! [`Walk`]: goes through a conversation, newest first, and decides what is kept.

use super::cut::Cut;
use super::error::TrimError;
use super::items::Items;
use super::message::{Grouping, Message, Messages, Rules};
use super::unit::{Found, Side, Unit, end_of, ending_at, is_plain_user, is_system};
use super::{ContextTrimmer, Oversize};

/// What was chosen.
#[derive(Clone, Debug)]
pub(super) struct Picked {
    /// In order.
    pub(super) kept: Vec<usize>,
    pub(super) cut: Option<CutUnit>,
    /// Of all that is kept, and what is around the request.
    pub(super) tokens: u64,
}

/// What was cut to fit: at most one message or exchange.
#[derive(Clone, Debug)]
pub(super) struct CutUnit {
    pub(super) unit: Unit,
    /// In order.
    pub(super) cuts: Vec<Cut>,
    /// With the cuts.
    pub(super) tokens: u64,
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
    cut: Option<CutUnit>,
    tokens: u64,
}

impl<'a, C: Messages + ?Sized> Walk<'a, C> {
    pub(super) fn new(trimmer: &'a ContextTrimmer, messages: &'a C) -> Walk<'a, C> {
        let items = match messages.grouping() {
            Grouping::Exchanges => None,
            Grouping::Items { continued } => Some(Items::of(messages, continued)),
        };
        Walk { trimmer, messages, rules: trimmer.rules.unwrap_or_else(|| messages.rules()), items }
    }

    /// What ends right before `end`, which is above zero.
    fn ending_at(&self, end: usize) -> Found {
        match &self.items {
            Some(items) => items.ending_at(end),
            None => ending_at(self.messages, end),
        }
    }

    /// The first place behind `index` where a unit may end that has it.
    fn end_of(&self, index: usize) -> usize {
        match &self.items {
            Some(items) => items.end_of(index),
            None => end_of(self.messages, index),
        }
    }

    pub(super) fn pick(&self) -> Result<Picked, TrimError> {
        let pins = self.pins()?;
        let room = self.trimmer.max_tokens.saturating_sub(pins.tokens);
        self.finish(self.sweep(&pins, room)?)
    }

    fn pins(&self) -> Result<Pins, TrimError> {
        let mut pins = Pins { units: Vec::new(), tokens: self.trimmer.counting.per_request() };
        let len = self.messages.len();
        let leading = (0..len).take_while(|&index| is_system(self.messages, index)).count();
        let mut users = (leading..len).filter(|&index| is_plain_user(self.messages, index));
        let first_user = self.trimmer.pin_first_user.then(|| users.next()).flatten();
        let stored = self.items.as_ref().map(Items::stored).unwrap_or_default();
        let must_stay = |index: &usize| {
            *index < leading || Some(*index) == first_user || stored.binary_search(index).is_ok()
        };
        let pinned: Vec<usize> = match &self.trimmer.pin {
            None => {
                let mut pinned: Vec<usize> =
                    (0..leading).chain(first_user).chain(stored.iter().copied()).collect();
                pinned.sort_unstable();
                pinned
            }
            Some(is_pinned) => {
                let asked = |index| self.messages.at(index).is_some_and(|m| is_pinned(index, &m));
                (0..len).filter(|index| must_stay(index) || asked(*index)).collect()
            }
        };
        for index in pinned {
            self.pin(index, &mut pins)?;
        }
        let (pinned_tokens, max_tokens) = (pins.tokens, self.trimmer.max_tokens);
        if pinned_tokens > max_tokens {
            return Err(TrimError::PinnedTooLarge { pinned_tokens, max_tokens });
        }
        Ok(pins)
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

    fn sweep(&self, pins: &Pins, room: u64) -> Result<Swept, TrimError> {
        let mut pinned = pins.units.iter().rev().peekable();
        let mut swept = Swept { units: Vec::new(), cut: None, tokens: pins.tokens };
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
                swept.units.push(unit.clone());
                continue;
            }
            let unit = Unit { required: swept.units.is_empty(), ..unit };
            let Some(tokens) = self.tokens_up_to(&unit, left) else {
                self.oversize(unit, room, left, &mut swept)?;
                break;
            };
            left = left.saturating_sub(tokens);
            swept.tokens = swept.tokens.saturating_add(tokens);
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
            if let Some((cuts, tokens)) =
                super::cut::fit(&self.trimmer.counting, self.messages, &unit, left)
            {
                swept.tokens = swept.tokens.saturating_add(tokens);
                swept.units.push(unit.clone());
                swept.cut = Some(CutUnit { unit, cuts, tokens });
                return Ok(());
            }
        }
        if !unit.required {
            return Ok(());
        }
        let (index, tokens) = (unit.end.saturating_sub(1), self.tokens(&unit));
        Err(TrimError::NewestTooLarge { index, tokens, room_tokens: room })
    }

    fn finish(&self, swept: Swept) -> Result<Picked, TrimError> {
        let Swept { units, mut cut, mut tokens } = swept;
        let mut gone = Vec::new();
        let mut units = self.alternate(units, &mut gone)?;
        if self.rules.user_first {
            self.begin_with_user(&mut units, &mut gone)?;
        }
        for unit in &gone {
            let cut = cut.take_if(|cut| cut.unit.start == unit.start);
            tokens = tokens.saturating_sub(cut.map_or_else(|| self.tokens(unit), |cut| cut.tokens));
        }
        let kept: Vec<usize> = units.iter().flat_map(Unit::indices).collect();
        for &index in &kept {
            if let Some(found) = self.messages.at(index).and_then(|message| message.wrong_form()) {
                return Err(TrimError::WrongForm { index, found });
            }
        }
        Ok(Picked { kept, cut, tokens })
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
}

/// A message that need not stay is not cut to less than this.
const USEFUL_TOKENS: u64 = 64;
