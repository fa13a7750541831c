//! [`Options`]: the command line of the gateway.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bursar::budget::LostCall;
use bursar::clock::Clock;
use bursar::{BudgetManager, Limit, Observer, Policy, PriceBook, Usd};
use clap::Parser;

/// A local proxy that keeps programs in any language inside a budget.
#[derive(Clone, Debug, Parser)]
#[command(name = "bursar-gateway")]
pub struct Options {
    /// Where to listen.
    #[arg(long, env = "BURSAR_LISTEN", default_value = "127.0.0.1:4141")]
    pub listen: SocketAddr,

    /// A limit on everything together, in dollars, for as long as the gateway runs.
    #[arg(long, value_name = "USD")]
    pub spend: Option<Usd>,

    /// Limits: a policy file in TOML.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,

    /// Prices beside the built-in ones: LiteLLM's list, genai-prices', or bursar's own TOML.
    #[arg(long, value_name = "FILE")]
    pub prices: Option<PathBuf>,

    /// The gateway's own keys, in TOML: `[[key]]` with `key`, `account` and perhaps `tags`.
    #[arg(long, value_name = "FILE")]
    pub keys: Option<PathBuf>,

    /// OpenAI, or a server that speaks its API.
    #[arg(
        long,
        value_name = "URL",
        env = "BURSAR_OPENAI_BASE_URL",
        default_value = "https://api.openai.com/v1"
    )]
    pub openai_base_url: String,

    /// Anthropic, or a server that speaks its API.
    #[arg(
        long,
        value_name = "URL",
        env = "BURSAR_ANTHROPIC_BASE_URL",
        default_value = "https://api.anthropic.com"
    )]
    pub anthropic_base_url: String,

    /// With --keys: what the gateway shows OpenAI in place of a client's key.
    #[arg(long, value_name = "KEY", env = "OPENAI_API_KEY", hide_env_values = true)]
    pub openai_api_key: Option<String>,

    /// With --keys: what the gateway shows Anthropic in place of a client's key.
    #[arg(long, value_name = "KEY", env = "ANTHROPIC_API_KEY", hide_env_values = true)]
    pub anthropic_api_key: Option<String>,

    /// Shorten an answer that does not fit, if this many output tokens are left for it.
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u64).range(1..))]
    pub shorten: Option<u64>,

    /// Input to allow for what a request names and does not hold: a stored conversation, a file, a
    /// provider's tool. Without it such a request is refused.
    #[arg(long, value_name = "TOKENS")]
    pub unseen_input: Option<u64>,

    /// Pass on what the gateway cannot meter. It is not counted.
    #[arg(long)]
    pub allow_unmetered: bool,

    /// Charge nothing for a call whose answer was lost (an error page, a timeout, a broken
    /// connection), instead of what was held for it.
    #[arg(long)]
    pub release_lost: bool,
}

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub struct StartError {
    what: String,
    why: Box<dyn std::error::Error + Send + Sync>,
}

impl StartError {
    /// What failed, and why.
    pub(crate) fn new(
        what: impl Into<String>,
        why: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> StartError {
        StartError { what: what.into(), why: why.into() }
    }
}

impl Options {
    /// The budget that the options describe, on this clock, with this observer.
    ///
    /// # Errors
    /// [`StartError`] if a file cannot be read or makes no sense.
    pub fn budget(
        &self,
        clock: Arc<dyn Clock>,
        observer: impl Observer,
    ) -> Result<BudgetManager, StartError> {
        let lost = if self.release_lost { LostCall::Release } else { LostCall::ChargeHold };
        let mut budget =
            BudgetManager::builder().clock(clock).observer(observer).on_lost_call(lost);
        if let Some(file) = &self.policy {
            let policy = Policy::from_toml(&read(file)?);
            budget = budget.policy(policy.map_err(|error| wrong(file, error))?);
        }
        if let Some(amount) = self.spend {
            budget = budget.limit("", Limit::spend(amount));
        }
        if let Some(file) = &self.prices {
            let loaded = PriceBook::from_list(read(file)?).map_err(|error| wrong(file, error))?;
            let mut book = PriceBook::builtin();
            book.merge(&loaded.book);
            budget = budget.prices(book);
        }
        budget.build().map_err(|error| StartError::new("the limits", error))
    }
}

pub(crate) fn read(file: &Path) -> Result<String, StartError> {
    fs::read_to_string(file).map_err(|error| wrong(file, error))
}

pub(crate) fn wrong(
    file: &Path,
    why: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StartError {
    StartError::new(file.display().to_string(), why)
}
