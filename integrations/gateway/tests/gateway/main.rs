//! The gateway in front of a stand-in for the providers: what passes, what is booked, what is refused.

mod calls;
mod house;
mod refusals;
