#![doc = include_str!("models/README.md")]
#![allow(unused_imports, reason = "the names that the text links to")]

use crate::budget::{BudgetManager, Report};
use crate::price::{ModelPrice, PriceBook};
