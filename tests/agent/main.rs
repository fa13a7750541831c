//! The wrapper around agents, by theme: how each call ends and what it books (`ends`), refusals and
//! what helps against them (`refusals`), models that are chosen and tasks that are shortened
//! (`saving`), the cache (`cache`), layers (`layers`), 64 tasks at once (`crowd`), and what a user
//! may do with the type (`manners`). `kit` has the prices and the agents of all of them.

mod kit;

mod cache;
mod crowd;
mod ends;
mod layers;
mod manners;
mod refusals;
mod saving;
