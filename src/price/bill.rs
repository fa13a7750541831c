//! [`PricedBill`]: what a [`Bill`] comes to, and at whose price.

use crate::clock::Timestamp;
use crate::money::Usd;
use crate::usage::{Bill, Confidence, Doubt, Usage};

use super::answered::{Payer, payer};
use super::book::PriceBook;
use super::cost::Terms;
use super::model::Model;

/// What a [`Bill`] comes to: made by [`PriceBook::price_bill`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PricedBill {
    /// What the call cost. If the bill is [unpriced](PricedBill::unpriced), the part that has a
    /// price, which is a lower bound.
    pub cost: Usd,
    /// How sure the cost is: never surer than the bill.
    pub confidence: Confidence,
    /// What all of the usage comes to by the price book, at the price of `model` and those of the
    /// other parts; `None` if a part has no price. It differs from `cost` where the provider's own
    /// cost was taken.
    pub computed: Option<Usd>,
    /// The model whose price was taken; where the provider's own cost was, the model that answered,
    /// if the book knows it, else the one that was asked.
    pub model: Option<Model>,
    /// Why it has no price, and how to mend it. The confidence is [`Confidence::Assumed`] then.
    pub unpriced: Option<String>,
    /// The doubts of the bill, and those that its price has raised.
    pub doubts: Vec<Doubt>,
}

impl PriceBook {
    /// What a bill comes to. This is the one place that decides it: settling a hold, recording a
    /// call and repricing a log all come here.
    ///
    /// `asked` are the models that the request named: the one that it asked first, then those to
    /// fall back to. `terms` are those that it asked for; what the bill says of its service tier and
    /// region goes before. Prices are those of the moment `at`.
    ///
    /// **A cost that the provider states** wins over a computed one and is all of the cost, as
    /// [`Reported`](Confidence::Reported). There are two exceptions. Zero is no statement about a
    /// call that used something of a model with a price: many relays state zero for what they do not
    /// price. And a price that [you wrote down](super::ModelPrice::is_own) goes before, with a
    /// [`Doubt::StatedCost`], if the bill counts anything.
    ///
    /// **The price is that of the model that answered**, if the answer may name another than was
    /// asked: a dated form or an alias of it, a model that the request named, one of the attempts
    /// that the answer lists ([`Bill::fell_back`]), or whatever a router has chosen. A router is
    /// asked by a name such as `openrouter/auto`, Azure's `model-router` or the ARN of a prompt
    /// router of Bedrock's. Otherwise:
    ///
    /// | price of the model that was asked | name in the answer | the price taken | confidence | doubt |
    /// |---|---|---|---|---|
    /// | yours | has a price of yours, at the same provider | that of the name | that of the bill | [`OtherModel`](Doubt::OtherModel) |
    /// | yours | any other, known or not | yours | that of the bill | `OtherModel` |
    /// | a list's | has a price | the dearer of the two for this usage | [`Estimated`](Confidence::Estimated) | `OtherModel` |
    /// | a list's | is not known | none: the cost is at least that of the model asked | [`Assumed`](Confidence::Assumed) | – ([`unpriced`](PricedBill::unpriced)) |
    /// | none was asked | has a price | that of the name | that of the bill | – |
    ///
    /// **What the provider does not bill** ([`Bill::unbilled_since`]) costs nothing, whatever is
    /// stated.
    ///
    /// **What other models used** ([`Bill::extra`]) is priced at each one's own price. A part whose
    /// model is not named or has no price costs what the dearer of the models that were asked and
    /// that answered takes for it: `Estimated`, with a [`Doubt::UnpricedPart`]. Each part is rounded
    /// by itself, as it is billed.
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
        if let Some(cost) = price_plainly(bill, model, terms, at) {
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
        let payer = payer(self, asked, bill);
        Pricing { book: self, bill, asked: model, payer, terms, at }.price()
    }
}

/// What a bill costs about which nothing has to be decided: counts of the model that was asked, and
/// nothing else. `None` says nothing: then [`PriceBook::price_bill`] has to look.
#[inline]
pub(crate) fn price_plainly(
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
    payer: Payer,
    terms: &'a Terms,
    at: Timestamp,
}

/// What the usage of a bill comes to by the price book.
struct Computed {
    /// The cost at the price of `model`; `None` if a part has no price.
    cost: Option<Usd>,
    /// The part that is known in any case.
    at_least: Usd,
    model: Option<Model>,
    /// Why the cost is not that of the call.
    why: Option<String>,
    is_estimated: bool,
    doubts: Vec<Doubt>,
}

impl Pricing<'_> {
    fn price(self) -> PricedBill {
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
        let stated = bill.reported_cost.filter(|cost| self.is_a_statement(*cost, known));
        // Of a call that nobody has counted, its price says nothing.
        let own = computed.model.as_ref().is_some_and(|model| model.price().is_own())
            && !bill.total_usage().is_none();
        match (stated, known) {
            _ if bill.is_unbilled(self.at) => {
                if bill.extra.iter().all(|part| part.usage.is_none()) {
                    priced.confidence = Confidence::Exact;
                }
                computed.settle_for(&mut priced);
            }
            (Some(cost), _) if cost.is_negative() => {
                let cost = cost.exact();
                let why = format!("the cost of {cost} is negative; settle with what was billed");
                (priced.cost, priced.confidence) = (computed.at_least, Confidence::Assumed);
                priced.unpriced = Some(why);
            }
            (Some(stated), Some(cost)) if own && stated != cost => {
                add(&mut priced.doubts, Doubt::StatedCost { stated });
                computed.settle_for(&mut priced);
            }
            (Some(cost), _) => {
                (priced.cost, priced.confidence) = (cost, Confidence::Reported);
                priced.model = self.payer.answered().or(self.asked).cloned();
            }
            (None, _) => computed.settle_for(&mut priced),
        }
        priced
    }

    /// True if a cost says what the provider bills. Zero does not, where something was used of a
    /// model that has a price.
    fn is_a_statement(&self, stated: Usd, computed: Option<Usd>) -> bool {
        let costs = |model: &&Model| !model.price().is_free();
        let has_price = || self.payer.models().chain(self.asked).any(|model| costs(&model));
        stated != Usd::ZERO
            || computed == Some(Usd::ZERO)
            || self.bill.total_usage().is_none()
            || !has_price()
    }

    fn compute(&self) -> Computed {
        let usage = &self.bill.usage;
        let mut computed = match &self.payer {
            _ if self.bill.is_unbilled(self.at) => {
                let model = self.payer.answered().or(self.asked);
                Computed { cost: Some(Usd::ZERO), why: None, ..self.dearest(&Usage::NONE, model) }
            }
            Payer::One(model) | Payer::Own { model, .. } => self.dearest(usage, [model]),
            Payer::Dearer(asked, answered) => {
                Computed { is_estimated: true, ..self.dearest(usage, [asked, answered]) }
            }
            Payer::Unknown(why) => {
                let why = Some(why.clone());
                Computed { cost: None, why, ..self.dearest(usage, self.asked) }
            }
        };
        self.doubt_answer(&mut computed);
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

    /// Another name answered than may.
    fn doubt_answer(&self, computed: &mut Computed) {
        let doubtful = !self.bill.is_unbilled(self.at)
            && matches!(self.payer, Payer::Own { .. } | Payer::Dearer(..));
        let (Some(asked), Some(answered)) = (self.asked, &self.bill.model) else { return };
        if let (true, Some(model)) = (doubtful, &computed.model) {
            let (asked, priced_as) = (asked.name().to_string(), model.name().to_string());
            let answered = answered.clone();
            add(&mut computed.doubts, Doubt::OtherModel { asked, answered, priced_as });
        }
    }

    /// Adds a part whose own price is not known.
    fn add_unpriced(&self, usage: &Usage, name: Option<&str>, computed: &mut Computed) {
        let part = self.dearest(usage, self.asked.into_iter().chain(self.payer.models()));
        let nobody = "a part of the answer has no price; name the model in the bill";
        let why = part.why.or_else(|| part.model.is_none().then(|| nobody.to_owned()));
        computed.is_estimated = true;
        computed.add(part.cost, part.at_least, why);
        if let Some(priced_as) = part.model {
            let model = name.map(str::to_owned);
            let priced_as = priced_as.name().to_string();
            add(&mut computed.doubts, Doubt::UnpricedPart { model, priced_as });
        }
    }

    /// What the dearest of some models takes for a usage. Without a price of every one nobody knows
    /// which is the dearest.
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
                (at_least, dearest) = (known, Some(model));
            }
        }
        let cost = (why.is_none() && dearest.is_some()).then_some(at_least);
        let model = dearest.cloned();
        Computed { cost, at_least, model, why, is_estimated: false, doubts: Vec::new() }
    }

    /// The model of a part of the answer.
    fn find(&self, name: &str) -> Option<Model> {
        let nearest = self.payer.answered().or(self.asked);
        let called = |model: &&Model| model.is_called(name);
        if let Some(model) = self.payer.models().chain(self.asked).find(called) {
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

    /// The computed cost is the one that counts, or the bill has no price.
    fn settle_for(self, priced: &mut PricedBill) {
        self.doubts.into_iter().for_each(|doubt| add(&mut priced.doubts, doubt));
        if self.why.is_some() {
            (priced.cost, priced.confidence) = (self.at_least, Confidence::Assumed);
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
