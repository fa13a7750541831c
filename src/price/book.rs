//! [`PriceBook`]: finds the price that belongs to a model's name.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::catalogue;
use super::date::Date;
use super::invalid::InvalidPrice;
use super::model::{Model, ModelPrice};
use super::names::{shorter, slips};

/// The prices that are known, by name. Cheap to clone.
///
/// A model is asked for as `provider/id` or as `id`, and found by, in this order: its exact name,
/// an exact alias, the same after a version or date is taken off (`-v1:0`, `-20251101`), and at
/// last the names that [`PriceBook::alias`] has added. A name that only begins like a known one is
/// not found, nor one with another region in front (`eu.`): a price of another version or region
/// would be a wrong price.
///
/// A name without a provider is a model of its maker, or one that you or this crate's own list have
/// written down. What a **public list** has only of resellers (OpenRouter, a cloud, a host of open
/// models) is not found by the name alone, because each has a price of its own: the error lists
/// them, and `provider/id` finds the one that is meant. The maker of a model is known by the
/// beginning of its name (`gemini…` is Google's), or else it is the only provider who lists it.
///
/// Books are merged in an order: built-in, then a public list, then your own. Each price replaces
/// that of the same provider and id, and says [where it was read](ModelPrice::read_in):
///
/// ```
/// use bursar::{ModelPrice, PriceBook};
///
/// let list = r#"{"gpt-5": {"litellm_provider": "openai", "mode": "chat",
///     "input_cost_per_token": 1.25e-06, "output_cost_per_token": 1e-05}}"#;
/// let mut mine = PriceBook::empty();
/// mine.insert(ModelPrice::new("azure", "gpt-5", "1".parse()?, "8".parse()?).source("contract"))?;
///
/// let mut book = PriceBook::builtin();
/// book.merge(&PriceBook::from_list(list)?.book);
/// book.merge(&mine);
/// assert_eq!(book.find("gpt-5")?.price().read_in(), Some("LiteLLM's list"));
/// assert_eq!(book.find("azure/gpt-5")?.price().read_in(), Some("contract"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A name without its provider keeps its meaning: what it found before a merge, it finds after it,
/// at the newest price of that provider.
///
/// ```
/// use bursar::{ModelPrice, PriceBook};
///
/// let mut book = PriceBook::builtin();
/// assert_eq!(&**book.find("claude-opus-4-1")?.name(), "anthropic/claude-opus-4-1");
///
/// let refused = book.find("claude-opus-4-9").unwrap_err();
/// assert!(refused.to_string().contains("insert a `ModelPrice`"));
///
/// book.insert(ModelPrice::free("ollama", "qwen3:8b"))?;
/// assert!(book.find("qwen3:8b")?.price().is_free());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct PriceBook(Arc<Pages>);

#[derive(Clone, Default)]
struct Pages {
    prices: Vec<Arc<ModelPrice>>,
    /// Places in `prices`, the latest last.
    by_id: HashMap<Arc<str>, Vec<usize>>,
    by_alias: HashMap<Arc<str>, Vec<usize>>,
    nicknames: HashMap<Arc<str>, usize>,
    /// Which model is meant by a name that several providers have.
    meant: HashMap<Arc<str>, usize>,
    as_of: Option<Date>,
}

impl PriceBook {
    /// The list that comes with this version, of about a hundred models. It is read once.
    pub fn builtin() -> PriceBook {
        catalogue::builtin()
    }

    /// A book without a price.
    pub fn empty() -> PriceBook {
        PriceBook::default()
    }

    /// The names under which a book looks for a model that it does not have under `name` itself: without
    /// the version, then without the date. For programs that match names of their own by the same rule.
    ///
    /// ```
    /// let names: Vec<&str> = bursar::PriceBook::shorter_names("gpt-6-luna-2026-09-01").collect();
    /// assert_eq!(names, ["gpt-6-luna"]);
    /// ```
    pub fn shorter_names(name: &str) -> impl Iterator<Item = &str> {
        shorter(name)
    }

    /// Inserts a price, replacing the one of the same provider and id, which is returned. From now
    /// on it counts as [your own](ModelPrice::is_own), wherever it came from.
    ///
    /// # Errors
    /// [`InvalidPrice`] if the price contradicts itself or lacks what every price needs.
    pub fn insert(&mut self, price: ModelPrice) -> Result<Option<Arc<ModelPrice>>, InvalidPrice> {
        self.insert_listed(price.owned(true))
    }

    /// Inserts a price of a list, which is not the user's own.
    pub(super) fn insert_listed(
        &mut self,
        price: ModelPrice,
    ) -> Result<Option<Arc<ModelPrice>>, InvalidPrice> {
        if let Some(why) = price.invalid() {
            return Err(InvalidPrice { model: price.name().clone(), why });
        }
        Ok(Arc::make_mut(&mut self.0).put(Arc::new(price)))
    }

    /// Puts in all prices of another book, over those of the same provider and id. Each price
    /// still says where it was [read](ModelPrice::read_in), and is that of one book alone.
    ///
    /// Names, context window, longest answer and retirement stay where the other book does not give
    /// them. A name that found a model of one provider does not find that
    /// of another from now on.
    pub fn merge(&mut self, other: &PriceBook) {
        let pages = Arc::make_mut(&mut self.0);
        // All of them before the first price comes in, which would have a say in the next.
        for price in &other.0.prices {
            pages.keep_meanings(price);
        }
        for price in &other.0.prices {
            let is_free = |name: &str| other.0.exactly_in(price.provider(), name).is_none();
            let price = match pages.same_as(price) {
                Some(place) => Arc::new(price.described_like(&pages.prices[place], is_free)),
                None => price.clone(),
            };
            pages.put(price);
        }
        for (nickname, place) in &other.0.nicknames {
            if let Some(place) = pages.same_as(&other.0.prices[*place]) {
                pages.nicknames.insert(nickname.clone(), place);
            }
        }
        for (name, place) in &other.0.meant {
            if let Some(place) = pages.same_as(&other.0.prices[*place]) {
                pages.meant.entry(name.clone()).or_insert(place);
            }
        }
        pages.as_of = pages.as_of.max(other.0.as_of);
    }

    /// Lets a model be found by another name too. A name that the book knows otherwise keeps its
    /// meaning.
    ///
    /// # Errors
    /// [`UnknownModel`] if the book has no price for `target`.
    pub fn alias(&mut self, name: &str, target: &str) -> Result<(), UnknownModel> {
        let place = self.0.place(target).map_err(|miss| self.unknown(target, miss))?;
        Arc::make_mut(&mut self.0).nicknames.insert(name.into(), place);
        Ok(())
    }

    /// Finds a model by `provider/id` or `id`.
    ///
    /// # Errors
    /// [`UnknownModel`] if the book has no price for it, or if several providers have one.
    pub fn find(&self, name: &str) -> Result<Model, UnknownModel> {
        match self.0.place(name) {
            Ok(place) => Ok(Model::new(self.0.prices[place].clone()).in_book(self)),
            Err(miss) => Err(self.unknown(name, miss)),
        }
    }

    /// Finds a model among those of one provider only.
    ///
    /// # Errors
    /// [`UnknownModel`] if the book has no price for it.
    pub fn find_in(&self, provider: &str, name: &str) -> Result<Model, UnknownModel> {
        match self.0.in_provider(provider, name) {
            Some(place) => Ok(Model::new(self.0.prices[place].clone()).in_book(self)),
            None => Err(self.unknown(&format!("{provider}/{name}"), Vec::new())),
        }
    }

    /// Finds the model that answered: among those of the provider that was asked, or else anywhere.
    ///
    /// # Errors
    /// As [`PriceBook::find`].
    pub fn find_from(&self, provider: &str, name: &str) -> Result<Model, UnknownModel> {
        match self.0.in_provider(provider, name) {
            Some(place) => Ok(Model::new(self.0.prices[place].clone()).in_book(self)),
            None => self.find(name),
        }
    }

    /// All prices, in the order in which they first came in.
    pub fn iter(&self) -> impl Iterator<Item = &ModelPrice> {
        self.0.prices.iter().map(|price| &**price)
    }

    /// How many models have a price.
    pub fn len(&self) -> usize {
        self.0.prices.len()
    }

    /// True without a price.
    pub fn is_empty(&self) -> bool {
        self.0.prices.is_empty()
    }

    /// When the list was compiled; `None` for a book made by hand.
    pub fn as_of(&self) -> Option<Date> {
        self.0.as_of
    }

    pub(super) fn set_as_of(&mut self, date: Date) {
        Arc::make_mut(&mut self.0).as_of = Some(date);
    }

    /// The price of the same provider and id.
    pub(super) fn same_as(&self, price: &ModelPrice) -> Option<&ModelPrice> {
        self.0.same_as(price).map(|place| &*self.0.prices[place])
    }

    /// Says which model is meant by a name that several providers have.
    pub(super) fn mean(&mut self, name: &str, provider: &str, id: &str) {
        if let Some(place) = self.0.exactly_in(provider, id) {
            Arc::make_mut(&mut self.0).meant.insert(name.into(), place);
        }
    }

    fn unknown(&self, name: &str, offered: Vec<usize>) -> UnknownModel {
        let is_ambiguous = !offered.is_empty();
        let candidates = if is_ambiguous { offered } else { self.0.nearest(name) };
        UnknownModel {
            name: name.chars().take(80).collect(),
            candidates: candidates.iter().map(|p| self.0.prices[*p].name().clone()).collect(),
            is_ambiguous,
            as_of: self.0.as_of,
        }
    }
}

impl fmt::Debug for PriceBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let as_of = self.0.as_of.map(|date| date.to_string());
        f.debug_struct("PriceBook").field("models", &self.len()).field("as_of", &as_of).finish()
    }
}

impl Pages {
    fn put(&mut self, price: Arc<ModelPrice>) -> Option<Arc<ModelPrice>> {
        let known = self.same_as(&price);
        let place = known.unwrap_or(self.prices.len());
        let old = known.map(|place| std::mem::replace(&mut self.prices[place], price.clone()));
        match &old {
            Some(old) => {
                for alias in old.aliases() {
                    if let Some(places) = self.by_alias.get_mut(alias) {
                        places.retain(|other| *other != place);
                    }
                }
            }
            None => {
                self.by_id.entry(price.id().into()).or_default().push(place);
                self.prices.push(price.clone());
            }
        }
        for alias in price.aliases() {
            self.by_alias.entry(alias.into()).or_default().push(place);
        }
        old
    }

    fn same_as(&self, price: &ModelPrice) -> Option<usize> {
        let same = |place: &&usize| self.prices[**place].provider() == price.provider();
        self.by_id.get(price.id())?.iter().find(same).copied()
    }

    /// Notes what the names of a price mean now, if that is a model of another provider.
    fn keep_meanings(&mut self, price: &ModelPrice) {
        for name in price.aliases().chain([price.id()]) {
            if let Ok(place) = self.place(name) {
                if self.prices[place].provider() != price.provider() {
                    self.meant.entry(name.into()).or_insert(place);
                }
            }
        }
    }

    /// The place of a price, or the places of all that could be meant.
    fn place(&self, name: &str) -> Result<usize, Vec<usize>> {
        let scoped = name.split_once('/');
        let scope = |exact: &str| self.exactly_in(scoped?.0, exact);
        if let Some(place) = scoped.and_then(|(_, id)| scope(id)) {
            return Ok(place);
        }
        if let Some(place) = self.anywhere(name)? {
            return Ok(place);
        }
        if let Some(place) = scoped.and_then(|(_, id)| shorter(id).find_map(scope)) {
            return Ok(place);
        }
        for form in shorter(name) {
            if let Some(place) = self.anywhere(form)? {
                return Ok(place);
            }
        }
        self.nicknames.get(name).copied().ok_or_else(|| self.resold(name))
    }

    /// The resellers that public lists name for a model.
    fn resold(&self, name: &str) -> Vec<usize> {
        let forms = std::iter::once(name).chain(shorter(name));
        let mut places = forms.flat_map(|form| [self.by_id.get(form), self.by_alias.get(form)]);
        places.find_map(|places| places.filter(|p| !p.is_empty()).cloned()).unwrap_or_default()
    }

    fn in_provider(&self, provider: &str, name: &str) -> Option<usize> {
        std::iter::once(name).chain(shorter(name)).find_map(|form| self.exactly_in(provider, form))
    }

    fn exactly_in(&self, provider: &str, name: &str) -> Option<usize> {
        [&self.by_id, &self.by_alias].into_iter().find_map(|index| {
            let theirs = |place: &&usize| self.prices[**place].provider() == provider;
            index.get(name)?.iter().rev().find(theirs).copied()
        })
    }

    /// The model that is meant by exactly that id or alias, or else that of the one provider who has
    /// it; an error if several have.
    fn anywhere(&self, name: &str) -> Result<Option<usize>, Vec<usize>> {
        if let Some(place) = self.meant.get(name) {
            // The provider is meant: it may have a model of exactly that name by now.
            let provider = self.prices[*place].provider();
            return Ok(self.exactly_in(provider, name).or(Some(*place)));
        }
        for index in [&self.by_id, &self.by_alias] {
            let places = index.get(name).into_iter().flatten().copied();
            let places: Vec<usize> = places.filter(|place| !self.prices[*place].resold).collect();
            let provider = |place: &usize| self.prices[*place].provider();
            match places.split_last() {
                None => {}
                Some((last, rest)) if rest.iter().all(|p| provider(p) == provider(last)) => {
                    return Ok(Some(*last));
                }
                Some(_) => return Err(places),
            }
        }
        Ok(None)
    }

    /// At most three models whose names are few slips away.
    fn nearest(&self, name: &str) -> Vec<usize> {
        let id = name.split_once('/').map_or(name, |(_, id)| id);
        let mut near: Vec<(usize, usize)> = Vec::new();
        for (place, price) in self.prices.iter().enumerate() {
            let names = price.aliases().chain([price.id()]);
            let by_id = names.filter_map(|known| slips(id, known)).min();
            let distance = by_id.into_iter().chain(slips(name, price.name())).min();
            near.extend(distance.map(|distance| (distance, place)));
        }
        near.sort_unstable();
        near.into_iter().take(3).map(|(_, place)| place).collect()
    }
}

/// The book has no one price for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownModel {
    name: String,
    candidates: Vec<Arc<str>>,
    /// Several providers offer such a model, or public lists have it only of resellers.
    pub(super) is_ambiguous: bool,
    as_of: Option<Date>,
}

impl UnknownModel {
    /// Those that could be meant, as `provider/id`: all that have exactly that name, or at most
    /// three whose names are near.
    pub fn candidates(&self) -> &[Arc<str>] {
        &self.candidates
    }
}

impl fmt::Display for UnknownModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let candidates = self.candidates.join("`, `");
        if self.is_ambiguous && self.candidates.len() == 1 {
            return write!(
                f,
                "`{}` is listed only by a provider that resells it at a price of its own; \
                 name it if you mean that one: `{candidates}`",
                self.name
            );
        }
        if self.is_ambiguous {
            return write!(
                f,
                "`{}` is offered by several providers at prices of their own; \
                 name one of them: `{candidates}`",
                self.name
            );
        }
        write!(f, "no price is known for `{}`; ", self.name)?;
        f.write_str("insert a `ModelPrice` for it, or load a newer price list")?;
        if let Some(date) = self.as_of {
            write!(f, " (this one is of {date})")?;
        }
        if !candidates.is_empty() {
            write!(f, "; did you mean `{candidates}`?")?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownModel {}
