//! What the tests share: rig's clients of the stand-in, and a budget that remembers.
#![allow(dead_code)]

use std::sync::{Arc, Mutex};

use bursar::{
    Account, BudgetManager, Confidence, Limit, Observer, Path, Receipt, Reservation, Usd,
};
use bursar_rig::Budget;
use bursar_stand_in::{StandIn, Tokens};
use rig::completion::CompletionRequest;
use rig::http_client::ReqwestClient;
use rig::providers::anthropic::{Anthropic, wire::AnthropicConfig};
use rig::providers::openai::{OpenAI, OpenAIConfig};

pub const TERRA: &str = "gpt-6.1-terra";
/// One that cannot reason.
pub const MINI: &str = "gpt-4o-mini";
pub const HAIKU: &str = "claude-haiku-4-5";
pub const TOKENS: Tokens = Tokens::new(90, 40).cached(60).reasoning(20);

/// A client with connections of its own: a test's runtime ends with the test.
pub fn http() -> ReqwestClient {
    ReqwestClient::from(rig::rig_reqwest::reqwest::Client::new())
}

pub fn openai(server: &StandIn) -> OpenAI {
    OpenAIConfig::new("key").with_base_url(server.url()).connect(http())
}

pub fn anthropic(server: &StandIn) -> Anthropic {
    AnthropicConfig::new("key").with_base_url(server.root()).connect(http())
}

pub fn ask() -> CompletionRequest {
    CompletionRequest::new("Will it rain in Berlin today?").max_tokens(200)
}

/// What has been held and booked, in its order.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<(Vec<Usd>, Vec<Receipt>)>>);

impl Seen {
    pub fn held(&self) -> Vec<Usd> {
        self.0.lock().unwrap().0.clone()
    }

    pub fn receipts(&self) -> Vec<Receipt> {
        self.0.lock().unwrap().1.clone()
    }

    pub fn confidences(&self) -> Vec<Confidence> {
        self.receipts().iter().map(|receipt| receipt.confidence).collect()
    }
}

impl Observer for Seen {
    fn on_reserve(&self, _: &Path, hold: &Reservation) {
        self.0.lock().unwrap().0.push(hold.held());
    }

    fn on_settle(&self, _: &Path, receipt: &Receipt) {
        self.0.lock().unwrap().1.push(receipt.clone());
    }
}

/// A budget of so much, and an account of it.
pub struct Books {
    pub manager: BudgetManager,
    pub account: Account,
    pub seen: Seen,
}

impl Books {
    pub fn of(total: Usd) -> Books {
        let seen = Seen::default();
        let manager = BudgetManager::builder().limit("", Limit::spend(total));
        let manager = manager.observer(seen.clone()).build().unwrap();
        let account = manager.account("research/crawler").unwrap();
        Books { manager, account, seen }
    }

    pub fn budget(&self) -> Budget {
        Budget::new(&self.manager, &self.account)
    }

    /// What is spent in picodollars, when nothing is held any more.
    pub fn spent(&self) -> i128 {
        assert_eq!(self.manager.held(), Usd::ZERO, "a hold is left");
        assert_eq!(self.manager.spent(), self.account.spent());
        self.account.spent().pico()
    }
}
