//! [`Filters`]: which models the limits with `only_model` count. Limits with the same pattern share a
//! filter.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use super::ModelId;
use super::limit::ModelPattern;

/// Which models a pattern matches, by the model's number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Filter {
    pattern: ModelPattern,
    matches: Vec<bool>,
    /// How many limits use it.
    users: u32,
}

/// All filters, by slot. A filter is freed with its last limit.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(from = "Vec<Option<Filter>>")]
pub(super) struct Filters {
    slots: Vec<Option<Filter>>,
    free: BTreeSet<u32>,
    by_pattern: HashMap<ModelPattern, u32>,
}

impl From<Vec<Option<Filter>>> for Filters {
    fn from(slots: Vec<Option<Filter>>) -> Filters {
        let mut filters = Filters { slots, ..Filters::default() };
        for (place, slot) in (0..).zip(&filters.slots) {
            match slot {
                Some(filter) => {
                    filters.by_pattern.insert(filter.pattern.clone(), place);
                }
                None => {
                    filters.free.insert(place);
                }
            }
        }
        filters
    }
}

impl Serialize for Filters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.slots.serialize(serializer)
    }
}

impl Filters {
    #[inline]
    pub(super) fn lets_through(&self, filter: u32, model: ModelId) -> bool {
        let filter = self.slots.get(filter as usize).and_then(Option::as_ref);
        filter.is_some_and(|own| own.matches.get(model.0 as usize).copied().unwrap_or(false))
    }

    /// Finds or makes the filter of a pattern for one more limit. `models` are the names of all
    /// models by number. `None` if there are 2^32 filters.
    pub(super) fn take(&mut self, pattern: &ModelPattern, models: &[Arc<str>]) -> Option<u32> {
        let known = self.by_pattern.get(pattern).copied();
        if let Some(place) = known {
            let filter = self.slots.get_mut(place as usize)?.as_mut()?;
            filter.users = filter.users.saturating_add(1);
            return Some(place);
        }
        let place = match self.free.pop_first() {
            Some(place) => place,
            None => u32::try_from(self.slots.len()).ok()?,
        };
        // Number 0 stands for a call without a model, which no pattern matches.
        let named = models.iter().skip(1).map(|name| pattern.matches(name));
        let matches = std::iter::once(false).chain(named).collect();
        let filter = Some(Filter { pattern: pattern.clone(), matches, users: 1 });
        match self.slots.get_mut(place as usize) {
            Some(slot) => *slot = filter,
            None => self.slots.push(filter),
        }
        self.by_pattern.insert(pattern.clone(), place);
        Some(place)
    }

    /// Releases a filter for one limit.
    pub(super) fn give_back(&mut self, place: u32) {
        let Some(slot) = self.slots.get_mut(place as usize) else { return };
        let Some(filter) = slot else { return };
        filter.users = filter.users.saturating_sub(1);
        if filter.users == 0 {
            self.by_pattern.remove(&filter.pattern);
            *slot = None;
            self.free.insert(place);
        }
    }

    /// Adds the model with the next number to all filters.
    pub(super) fn name_model(&mut self, name: &str) {
        for filter in self.slots.iter_mut().flatten() {
            filter.matches.push(filter.pattern.matches(name));
        }
    }

    /// Checks the number of limits of each filter against a recount.
    pub(super) fn check(&self, used: &HashMap<u32, u32>) -> Result<(), String> {
        for (place, slot) in (0..).zip(&self.slots) {
            let users = used.get(&place).copied();
            match (slot, users) {
                (None, None) => {}
                (Some(filter), users) if Some(filter.users) == users => {}
                _ => return Err(format!("filter {place} is of {users:?} limits: {slot:?}")),
            }
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.slots.iter().flatten().count()
    }
}
