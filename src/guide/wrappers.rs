#![doc = include_str!("wrappers/README.md")]
#![allow(unused_imports, reason = "the names that the text links to")]

use crate::agent::{Agent, BoxAgent, BudgetConstrained};
