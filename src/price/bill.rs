//! [`PricedBill`]: the cost of a [`Bill`], and the model whose price was used.

use crate::clock::Timestamp;
use crate::money::Usd;
use crate::usage::{Bill, Confidence, Doubt, Usage};

use super::answered::{PriceBasis, price_basis};
use super::book::PriceBook;
use super::cost::Terms;
use super::model::Model;

/// The cost of a [`Bill`], made by [`PriceBook::price_bill`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PricedBill {
    /// What the call cost. If the bill is [unpriced](PricedBill::unpriced), the part that has a
    /// price, which is a lower bound.
    pub cost: Usd,
    /// How sure the cost is; never surer than the bill.
    pub confidence: Confidence,
    /// The cost of all usage by the price book, at the prices of `model` and of the other parts;
    /// `None` if a part has no price. It differs from `cost` if the provider's stated cost was
    /// used.
    pub computed: Option<Usd>,
    /// The model whose price was used. With a stated cost: the model that answered if the book has
    /// it, else the one that was asked.
    pub model: Option<Model>,
    /// Why there is no price, and the remedy. The confidence is then [`Confidence::Assumed`].
    pub unpriced: Option<String>,
    /// The doubts of the bill, and those about its price.
    pub doubts: Vec<Doubt>,
}

impl PriceBook {
    /// Prices a bill. Settling a hold, recording a call and repricing a log all use this method.
    ///
    /// `asked` are the models that the request named: the requested one first, then its fallbacks.
    /// `terms` are those of the request; the service tier and region in the bill override them.
    /// Prices are those of the moment `at`.
    ///
    /// **A cost that the provider states** wins over a computed one and is all of the cost, as
    /// [`Reported`](Confidence::Reported). There are two exceptions. A stated zero is ignored for a
    /// call with usage of a model that has a price: many relays state zero for what they do not
    /// price. And a price that [you wrote down](super::ModelPrice::is_own) wins over it, with a
    /// [`Doubt::StatedCost`], if the bill has usage.
    ///
    /// **The price is that of the model that answered**, if the answer may name another than was
    /// asked: a dated form or an alias of it, a model that the request named, one of the attempts
    /// that the answer lists ([`Bill::fell_back`]), or the choice of a router. A router is
    /// requested by a name such as `openrouter/auto`, Azure's `model-router` or the ARN of a prompt
    /// router of Bedrock's. Otherwise:
    ///
    /// | price of the requested model | name in the answer | the price used | confidence | doubt |
    /// |---|---|---|---|---|
    /// | yours | has a price of yours, at the same provider | that of the name | that of the bill | [`OtherModel`](Doubt::OtherModel) |
    /// | yours | any other, in the book or not | yours | that of the bill | `OtherModel` |
    /// | a list's | has a price | the dearer of the two for this usage | [`Estimated`](Confidence::Estimated) | `OtherModel` |
    /// | a list's | is not in the book | none: the cost is at least that of the requested model | [`Assumed`](Confidence::Assumed) | – ([`unpriced`](PricedBill::unpriced)) |
    /// | none requested | has a price | that of the name | that of the bill | – |
    ///
    /// **What the provider does not bill** ([`Bill::unbilled_since`]) costs nothing, whatever cost
    /// is stated.
    ///
    /// **What other models used** ([`Bill::extra`]) is priced at each one's own price. A part whose
    /// model is not named or has no price is charged at the dearer of the models that were
    /// requested and that answered: `Estimated`, with a [`Doubt::UnpricedPart`]. Each part is
    /// rounded on its own, as it is billed.
    ///
    /// ```
    /// use bursar::price::Terms;
    /// use bursar::usage::Doubt;
    /// use bursar::{Bill, Confidence, PriceBook, Usage};
    ///
    /// let book = PriceBook::builtin();
    /// let asked = [book.find("gpt-4o")?];
    /// let at = "2026-11-24T09:00:00Z".parse()?;
    ///
    /// // A relay answers with a cheaper model and does not say why.
    /// let bill = Bill::new(Usage::tokens(1_000_000, 0)).model("gpt-4o-mini");
    /// let priced = book.price_bill(&bill, &asked, &Terms::default(), at);
    /// assert_eq!(priced.cost, "2.5".parse()?);
    /// assert_eq!(priced.confidence, Confidence::Estimated);
    /// assert!(matches!(priced.doubts[..], [Doubt::OtherModel { .. }]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn price_bill(
        &self,
        bill: &Bill,
        asked: &[Model],
        terms: &Terms,
        at: Timestamp,
    ) -> PricedBill {
        let terms = terms.billed(bill.service.as_ref(), bill.regional);
        let (terms, model) = (&*terms, asked.first());
        if let Some(cost) = fast_price(bill, model, terms, at) {
            let (confidence, model) = (bill.confidence, model.cloned());
            let computed = Some(cost);
            return PricedBill {
                cost,
                confidence,
                computed,
                model,
                unpriced: None,
                doubts: Vec::new(),
            };
        }
        let basis = price_basis(self, asked, bill);
        Pricing { book: self, bill, asked: model, basis, terms, at }.price()
    }
}

/// The fast path: prices a bill that has only counts, of the requested model. `None` if anything
/// else has to be decided; then use [`PriceBook::price_bill`].
#[inline]
pub(crate) fn fast_price(
    bill: &Bill,
    asked: Option<&Model>,
    terms: &Terms,
    at: Timestamp,
) -> Option<Usd> {
    let asked = asked?;
    let plain = bill.reported_cost.is_none()
        && bill.extra.is_empty()
        && bill.doubts.is_empty()
        && bill.unbilled_since.is_none()
        && bill.model.as_deref().is_none_or(|name| asked.is_called(name));
    if plain { asked.price().cost(&bill.usage, terms, at).ok() } else { None }
}

/// A bill that is being priced.
struct Pricing<'a> {
    book: &'a PriceBook,
    bill: &'a Bill,
    asked: Option<&'a Model>,
    basis: PriceBasis,
    terms: &'a Terms,
    at: Timestamp,
}

/// The cost of a bill's usage by the price book.
struct Computed {
    /// The cost at the price of `model`; `None` if a part has no price.
    cost: Option<Usd>,
    /// The part of the cost that has a price.
    at_least: Usd,
    model: Option<Model>,
    /// Why there is no price.
    why: Option<String>,
    is_estimated: bool,
    doubts: Vec<Doubt>,
}

impl Pricing<'_> {
    fn price(self) -> PricedBill {
        // What the usage costs by the book.
        let computed = self.compute();
        let bill = self.bill;
        let known = computed.cost;
        let mut priced = PricedBill {
            cost: known.unwrap_or(computed.at_least),
            confidence: bill.confidence,
            computed: known,
            model: computed.model.clone(),
            unpriced: None,
            doubts: bill.doubts.clone(),
        };
        // Whether a stated cost, or a price of the user's, counts.
        let stated = bill.reported_cost.filter(|cost| self.is_usable(*cost, known));
        let own = computed.model.as_ref().is_some_and(|model| model.price().is_own())
            && !bill.total_usage().is_none();
        // Which of them wins.
        match (stated, known) {
            _ if bill.is_unbilled(self.at) => {
                if bill.extra.iter().all(|part| part.usage.is_none()) {
                    priced.confidence = Confidence::Exact;
                }
                computed.apply_to(&mut priced);
            }
            (Some(cost), _) if cost.is_negative() => {
                let cost = cost.exact();
                let why = format!("the cost of {cost} is negative; settle with what was billed");
                priced.cost = computed.at_least;
                priced.confidence = Confidence::Assumed;
                priced.unpriced = Some(why);
            }
            (Some(stated), Some(cost)) if own && stated != cost => {
                add(&mut priced.doubts, Doubt::StatedCost { stated });
                computed.apply_to(&mut priced);
            }
            (Some(cost), _) => {
                priced.cost = cost;
                priced.confidence = Confidence::Reported;
                priced.model = self.basis.answered().or(self.asked).cloned();
            }
            (None, _) => computed.apply_to(&mut priced),
        }
        priced
    }

    /// True if a stated cost counts. Zero does not for a call with usage of a model that has a
    /// price.
    fn is_usable(&self, stated: Usd, computed: Option<Usd>) -> bool {
        let costs = |model: &&Model| !model.price().is_free();
        let has_price = || self.basis.models().chain(self.asked).any(|model| costs(&model));
        stated != Usd::ZERO
            || computed == Some(Usd::ZERO)
            || self.bill.total_usage().is_none()
            || !has_price()
    }

    fn compute(&self) -> Computed {
        let usage = &self.bill.usage;
        // The answer itself.
        let mut computed = match &self.basis {
            _ if self.bill.is_unbilled(self.at) => {
                let model = self.basis.answered().or(self.asked);
                Computed { cost: Some(Usd::ZERO), why: None, ..self.dearest(&Usage::NONE, model) }
            }
            PriceBasis::One(model) | PriceBasis::Own { model, .. } => self.dearest(usage, [model]),
            PriceBasis::Dearer(asked, answered) => {
                Computed { is_estimated: true, ..self.dearest(usage, [asked, answered]) }
            }
            PriceBasis::Unknown(why) => {
                let why = Some(why.clone());
                Computed { cost: None, why, ..self.dearest(usage, self.asked) }
            }
        };
        self.doubt_model(&mut computed);
        // What other models used for it.
        let terms = self.terms;
        for extra in self.bill.extra.iter().filter(|extra| !extra.usage.is_none()) {
            let own = extra.model.as_deref().and_then(|name| self.find(name));
            let own = own.and_then(|model| model.price().cost(&extra.usage, terms, self.at).ok());
            match own {
                Some(cost) => computed.add(Some(cost), cost, None),
                None => self.add_unpriced(&extra.usage, extra.model.as_deref(), &mut computed),
            }
        }
        computed
    }

    /// Adds a doubt if an unexpected model answered.
    fn doubt_model(&self, computed: &mut Computed) {
        let doubtful = !self.bill.is_unbilled(self.at)
            && matches!(self.basis, PriceBasis::Own { .. } | PriceBasis::Dearer(..));
        let (Some(asked), Some(answered)) = (self.asked, &self.bill.model) else { return };
        if let (true, Some(model)) = (doubtful, &computed.model) {
            let (asked, priced_as) = (asked.name().to_string(), model.name().to_string());
            let answered = answered.clone();
            add(&mut computed.doubts, Doubt::OtherModel { asked, answered, priced_as });
        }
    }

    /// Adds a part without a price of its own.
    fn add_unpriced(&self, usage: &Usage, name: Option<&str>, computed: &mut Computed) {
        let part = self.dearest(usage, self.asked.into_iter().chain(self.basis.models()));
        let no_price = "a part of the answer has no price; name the model in the bill";
        let why = part.why.or_else(|| part.model.is_none().then(|| no_price.to_owned()));
        computed.is_estimated = true;
        computed.add(part.cost, part.at_least, why);
        if let Some(priced_as) = part.model {
            let model = name.map(str::to_owned);
            let priced_as = priced_as.name().to_string();
            add(&mut computed.doubts, Doubt::UnpricedPart { model, priced_as });
        }
    }

    /// The cost of a usage at the dearest of some models. If one of them has no price, the dearest
    /// is unknown, and so is the cost.
    fn dearest<'m>(&self, usage: &Usage, models: impl IntoIterator<Item = &'m Model>) -> Computed {
        let (mut at_least, mut dearest, mut why) = (Usd::ZERO, None, None);
        for model in models {
            let known = match model.price().cost(usage, self.terms, self.at) {
                Ok(cost) => cost,
                Err(error) => {
                    why.get_or_insert(error.to_string());
                    model.price().known_cost(usage, self.terms, self.at)
                }
            };
            if dearest.is_none() || known >= at_least {
                at_least = known;
                dearest = Some(model);
            }
        }
        let cost = (why.is_none() && dearest.is_some()).then_some(at_least);
        let model = dearest.cloned();
        Computed { cost, at_least, model, why, is_estimated: false, doubts: Vec::new() }
    }

    /// The model of a part of the answer.
    fn find(&self, name: &str) -> Option<Model> {
        let nearest = self.basis.answered().or(self.asked);
        let called = |model: &&Model| model.is_called(name);
        if let Some(model) = self.basis.models().chain(self.asked).find(called) {
            return Some(model.clone());
        }
        match nearest {
            Some(model) => self.book.find_from(model.price().provider(), name).ok(),
            None => self.book.find(name).ok(),
        }
    }
}

impl Computed {
    fn add(&mut self, cost: Option<Usd>, at_least: Usd, why: Option<String>) {
        let sum = |one: Usd, other: Usd| Usd::from_pico(one.pico().saturating_add(other.pico()));
        self.at_least = sum(self.at_least, at_least);
        self.cost = self.cost.zip(cost).map(|(all, part)| sum(all, part));
        self.why = self.why.take().or(why);
    }

    /// Uses the computed cost; without one the bill is unpriced.
    fn apply_to(self, priced: &mut PricedBill) {
        self.doubts.into_iter().for_each(|doubt| add(&mut priced.doubts, doubt));
        if self.why.is_some() {
            priced.cost = self.at_least;
            priced.confidence = Confidence::Assumed;
            priced.unpriced = self.why;
        } else if self.is_estimated {
            priced.confidence = priced.confidence.max(Confidence::Estimated);
        }
    }
}

fn add(doubts: &mut Vec<Doubt>, doubt: Doubt) {
    if !doubts.contains(&doubt) {
        doubts.push(doubt);
    }
}
