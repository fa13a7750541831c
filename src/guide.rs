#![doc = include_str!("guide/README.md")]
#![allow(unused_imports, reason = "the names that the text links to")]

pub mod laws;
pub mod models;
pub mod python;
pub mod wrappers;

use crate::agent::{
    Agent, BoxAgent, BudgetConstrained, BudgetedStream, Call, OnRefusal, StreamHold, StreamUsage,
    SubBudget, agent_fn, testing,
};
use crate::budget::{
    Account, Alert, BudgetManager, Denied, Observer, Policy, Receipt, Report, Reservation,
    ReserveError, ReserveRequest, Run, Tag,
};
use crate::cache::ResultCache;
use crate::ledger::{Limit, Period};
use crate::price::{Estimate, Model, ModelPrice, PriceBook};
use crate::usage::Bill;
