//! [`Report`]: a snapshot of all accounts and limits at one moment, as data.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Core;
use super::books::Books;
use crate::clock::Timestamp;
use crate::ledger::{
    AccountView, Ledger, Limit, LimitView, Measure, ModelId, Path, Quantity, Scope, Totals,
};
use crate::money::Usd;
use crate::usage::{Confidence, Usage};

/// A budget as it stands at one moment.
///
/// With serde it is data for a machine; its `Display` is a table for a person, at 80 columns. A tag
/// tree repeats charges of the main tree, so that the two are never added.
///
/// ```
/// use bursar::{BudgetManager, Estimate, Usd};
///
/// let budget = BudgetManager::new(Usd::dollars(1))?;
/// budget.reserve("research/crawler", &Estimate::fixed(Usd::cents(30)))?.settle_cost(Usd::cents(25));
///
/// let report = budget.report();
/// println!("{report}");
/// let research = report.account("research").expect("it was charged");
/// assert_eq!((research.spent, research.requests), (Usd::cents(25), 1));
/// assert_eq!(report.limits[0].used_percent, 25);
/// let json = serde_json::to_string(&report)?;
/// # let _ = json;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// The moment.
    pub at: Timestamp,
    /// The day on which the newest price of the book was last checked, as `2026-11-20`.
    pub prices_as_of: Option<String>,
    /// How many days ago that was: prices change, and an old book says so.
    pub prices_age_days: Option<u64>,
    /// Every limit on every account that it is for, by account.
    pub limits: Vec<LimitReport>,
    /// The accounts of the main tree, each after the one above it.
    pub accounts: Vec<AccountReport>,
    /// The accounts of the tag trees.
    pub tags: Vec<AccountReport>,
    /// What was used of each model, over the main tree; the dearest first.
    pub models: Vec<ModelReport>,
    /// With a journal: what is held by calls that have no guard in this process.
    #[serde(default)]
    pub elsewhere: Option<HeldElsewhere>,
    /// With a journal: when this process last read the events of others, by its clock; see
    /// [`refresh_every`](super::Builder::refresh_every). It stays behind while the journal cannot
    /// be read.
    #[serde(default)]
    pub as_of: Option<Timestamp>,
}

/// What is held by calls of other processes, or of ones that have died.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HeldElsewhere {
    /// How many calls.
    pub calls: u64,
    /// How much.
    pub held: Usd,
    /// When the first of their leases ends: what a process that died has held is charged then.
    pub first_lease_ends: Timestamp,
}

/// One account, with everything below it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AccountReport {
    /// Its path; `""` is the root.
    pub account: Path,
    /// What is booked.
    pub spent: Usd,
    /// What is held for calls under way.
    pub held: Usd,
    /// The largest sum of the two so far.
    pub peak: Usd,
    /// The part of `spent` that is assumed: a hold was charged because its call was lost, or
    /// a bill had no price.
    pub assumed: Usd,
    /// The part of `spent` that comes from counts that were estimated.
    pub estimated: Usd,
    /// What a cache has saved.
    pub saved: Usd,
    /// Calls that were booked.
    pub requests: u64,
    /// What they used.
    pub usage: Usage,
    /// Calls under way.
    pub open_calls: u64,
    /// Why it is frozen, if it is itself.
    pub frozen: Option<Arc<str>>,
}

/// What was used of one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ModelReport {
    /// Its name, `provider/id`; `None` for calls without a model: tools, plain amounts.
    pub model: Option<Arc<str>>,
    /// Calls that were booked.
    pub requests: u64,
    /// What they used.
    pub usage: Usage,
    /// What they cost.
    pub cost: Usd,
    /// The part of `cost` that is assumed.
    pub assumed: Usd,
}

/// One limit on one account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LimitReport {
    /// The account.
    pub account: Path,
    /// What is limited.
    pub measure: Measure,
    /// The limit as words: `$20.00 per day (Europe/Berlin)`.
    pub limit: String,
    /// The accounts or the pattern that it was set for.
    pub scope: String,
    /// The period as words: `day (Europe/Berlin)`.
    pub period: String,
    /// The models that it counts; `None` for all.
    pub only_model: Option<String>,
    /// True if it only watches: it refuses nothing.
    pub observe: bool,
    /// The cap.
    pub amount: Quantity,
    /// What is spent in the present window.
    pub spent: Quantity,
    /// What is held in the present window.
    pub held: Quantity,
    /// What an ordinary call may still take; negative when overrun.
    pub available: Quantity,
    /// Spent and held, in percent of the cap, rounded down; 100 for a cap of zero.
    pub used_percent: u64,
    /// What was spent in the window before.
    pub previous_spent: Quantity,
    /// The largest sum of spent and held so far, in any window.
    pub peak: Quantity,
    /// When the present window began; `None` if the limit has no window of the calendar.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// When the present window ends; `None` if it has no end.
    pub resets_at: Option<Timestamp>,
}

impl Report {
    pub(super) fn of(core: &Core) -> Report {
        let checked = core.prices().as_of();
        // Under the lock: copy the figures of one instant.
        let (at, mut nodes, figures, names, (elsewhere, as_of)) = core.read(|ledger, now| {
            let nodes: Vec<Node> = ledger.accounts().map(|view| Node::of(&view)).collect();
            let figures: Vec<LimitFigures> =
                ledger.limits_at(now).map(|v| LimitFigures::of(&v)).collect();
            let names = names_of(ledger, &nodes);
            let others = (HeldElsewhere::of(core, ledger), core.books().map(Books::read_at));
            (now, nodes, figures, names, others)
        });
        // After it: sort, put into words, add up.
        nodes.sort_by_cached_key(|node| node.report.account.sort_key());
        let mut words = HashMap::new();
        let limits = figures.into_iter().map(|figures| figures.report(&mut words));
        let mut limits: Vec<LimitReport> = limits.collect();
        limits.sort_by_cached_key(|limit| limit.account.sort_key());
        let models = models_of(&nodes, &names);
        let all = add_upward(nodes);
        // Split by tree, and say how old the prices are.
        let (tags, accounts) = all.into_iter().partition(|account| account.account.is_tag());
        let prices_as_of = checked.map(|date| date.to_string());
        let prices_age_days = checked.map(|date| at.since(date.start()).as_secs() / 86_400);
        Report {
            at,
            prices_as_of,
            prices_age_days,
            limits,
            accounts,
            tags,
            models,
            elsewhere,
            as_of,
        }
    }

    /// The account of that path, with everything below it.
    pub fn account(&self, path: &str) -> Option<&AccountReport> {
        let mut all = self.accounts.iter().chain(&self.tags);
        all.find(|account| account.account.as_str() == path)
    }
}

impl HeldElsewhere {
    fn of(core: &Core, ledger: &Ledger) -> Option<HeldElsewhere> {
        let books = core.books()?;
        let others = ledger.holds().filter(|(hold, ..)| !books.has_guard(*hold));
        others.fold(None, |found: Option<HeldElsewhere>, (_, held, lease)| {
            let held = Usd::from_pico(held);
            Some(match found {
                None => HeldElsewhere { calls: 1, held, first_lease_ends: lease },
                Some(found) => HeldElsewhere {
                    calls: found.calls.saturating_add(1),
                    held: sum(found.held, held),
                    first_lease_ends: found.first_lease_ends.min(lease),
                },
            })
        })
    }
}

/// An account, and what was charged to it directly.
struct Node {
    report: AccountReport,
    direct: Vec<(ModelId, Totals)>,
}

impl Node {
    fn of(view: &AccountView<'_>) -> Node {
        let mut report = AccountReport {
            account: view.path.clone(),
            spent: Usd::from_pico(view.balance.spent),
            held: Usd::from_pico(view.balance.held),
            peak: Usd::from_pico(view.balance.peak),
            assumed: Usd::ZERO,
            estimated: Usd::ZERO,
            saved: Usd::from_pico(view.saved),
            requests: 0,
            usage: Usage::NONE,
            open_calls: u64::from(view.open_holds),
            frozen: view.frozen_why.cloned(),
        };
        for (_, totals) in view.direct {
            report.requests = report.requests.saturating_add(totals.requests);
            report.usage = report.usage.saturating_add(&totals.usage);
            let with = |confidence| Usd::from_pico(totals.cost_with(confidence));
            report.assumed = sum(report.assumed, with(Confidence::Assumed));
            report.estimated = sum(report.estimated, with(Confidence::Estimated));
        }
        Node { report, direct: view.direct.to_vec() }
    }
}

/// One limit as it stood under the lock: the words are made of it when the lock is free.
struct LimitFigures {
    account: Path,
    scope: Scope,
    limit: Arc<Limit>,
    spent: i128,
    held: i128,
    available: i128,
    used_percent: u64,
    previous_spent: i128,
    peak: i128,
    started_at: Option<Timestamp>,
    resets_at: Option<Timestamp>,
}

impl LimitFigures {
    fn of(view: &LimitView<'_>) -> LimitFigures {
        LimitFigures {
            account: view.account.clone(),
            scope: view.scope.clone(),
            limit: Arc::clone(view.limit),
            spent: view.spent,
            held: view.held,
            available: view.available(),
            used_percent: view.used_percent(),
            previous_spent: view.previous_spent,
            peak: view.peak,
            started_at: view.started_at,
            resets_at: view.resets_at,
        }
    }

    /// Puts a limit into words, once for all the accounts that it is for.
    fn report(self, known: &mut HashMap<*const Limit, Words>) -> LimitReport {
        let (limit, measure) = (&self.limit, self.limit.measure());
        let quantity = |value| measure.quantity(value);
        // The text of a rule is made once for all its accounts.
        let words = known.entry(Arc::as_ptr(limit)).or_insert_with(|| Words {
            limit: limit.to_string(),
            scope: self.scope.to_string(),
            period: limit.period().to_string(),
            only_model: limit.only_models().map(|pattern| pattern.to_string()),
        });
        let Words { limit: name, scope, period, only_model } = words.clone();
        LimitReport {
            measure,
            limit: name,
            scope,
            period,
            only_model,
            observe: limit.is_observing(),
            amount: limit.amount(),
            spent: quantity(self.spent),
            held: quantity(self.held),
            available: quantity(self.available),
            used_percent: self.used_percent,
            previous_spent: quantity(self.previous_spent),
            peak: quantity(self.peak),
            started_at: self.started_at,
            resets_at: self.resets_at,
            account: self.account,
        }
    }
}

/// A limit in words.
#[derive(Clone)]
struct Words {
    limit: String,
    scope: String,
    period: String,
    only_model: Option<String>,
}

fn names_of(ledger: &Ledger, nodes: &[Node]) -> HashMap<ModelId, Arc<str>> {
    let used = nodes.iter().flat_map(|node| &node.direct).map(|(model, _)| *model);
    used.filter_map(|model| Some((model, Arc::clone(ledger.model_name(model)?)))).collect()
}

fn models_of(nodes: &[Node], names: &HashMap<ModelId, Arc<str>>) -> Vec<ModelReport> {
    let mut found: HashMap<ModelId, ModelReport> = HashMap::new();
    let main = nodes.iter().filter(|node| !node.report.account.is_tag());
    for (model, totals) in main.flat_map(|node| &node.direct) {
        let entry = found.entry(*model).or_insert_with(|| ModelReport {
            model: names.get(model).filter(|name| !name.is_empty()).cloned(),
            requests: 0,
            usage: Usage::NONE,
            cost: Usd::ZERO,
            assumed: Usd::ZERO,
        });
        entry.requests = entry.requests.saturating_add(totals.requests);
        entry.usage = entry.usage.saturating_add(&totals.usage);
        entry.cost = sum(entry.cost, Usd::from_pico(totals.total_cost()));
        let assumed = Usd::from_pico(totals.cost_with(Confidence::Assumed));
        entry.assumed = sum(entry.assumed, assumed);
    }
    let mut models: Vec<ModelReport> = found.into_values().collect();
    models
        .sort_by(|one, other| other.cost.cmp(&one.cost).then_with(|| one.model.cmp(&other.model)));
    models
}

/// Adds to each account what is below it. They come sorted, each after the one above it.
fn add_upward(nodes: Vec<Node>) -> Vec<AccountReport> {
    let mut reports: Vec<AccountReport> = nodes.into_iter().map(|node| node.report).collect();
    // The place of the account above each: the last of those before it that it lies in.
    let mut parents = Vec::with_capacity(reports.len());
    let mut above: Vec<usize> = Vec::new();
    for (place, report) in reports.iter().enumerate() {
        while let Some(top) = above.last().copied() {
            let top = &reports[top].account;
            if report.account.is_tag() == top.is_tag() && report.account.is_within(top) {
                break;
            }
            above.pop();
        }
        parents.push(above.last().copied());
        above.push(place);
    }
    for place in (0..reports.len()).rev() {
        let (before, rest) = reports.split_at_mut(place);
        let parent = parents[place].and_then(|parent| before.get_mut(parent));
        let (Some(above), Some(below)) = (parent, rest.first()) else { continue };
        above.requests = above.requests.saturating_add(below.requests);
        above.usage = above.usage.saturating_add(&below.usage);
        above.open_calls = above.open_calls.saturating_add(below.open_calls);
        above.assumed = sum(above.assumed, below.assumed);
        above.estimated = sum(above.estimated, below.estimated);
        above.saved = sum(above.saved, below.saved);
    }
    reports
}

/// Parts of what the ledger has added without an overflow.
fn sum(one: Usd, other: Usd) -> Usd {
    one.checked_add(other).unwrap_or(Usd::MAX)
}
