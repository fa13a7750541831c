//! A small crate for the list of the public interface: an open module.

use super::inner::*;

pub trait Shared: Send {
    type Item: Send;

    fn needed(&self) -> u64;

    fn given(&self) -> u64 {
        7
    }
}

impl<T> Shared for Node<'_, T> {
    type Item = T;

    fn needed(&self) -> u64 {
        7
    }
}

impl<S: Shared> Shared for &S {
    type Item = S::Item;
}

pub enum Kind {
    None,
    #[cfg(feature = "extra")]
    Some(u8, String),
    Named { at: u64 },
}

#[doc(hidden)]
pub struct NotSeen;

macro_rules! units {
    ($($(#[$doc:meta])* $unit:ident, $field:ident, $text:literal;)*) => {
        #[derive(Clone, Copy)]
        pub enum Unit {
            $($(#[$doc])* $unit,)*
        }

        impl Unit {
            pub const ALL: &'static [Unit] = &[$(Unit::$unit),*];

            pub fn text(self) -> &'static str {
                match self {
                    $(Unit::$unit => $text,)*
                }
            }
        }

        pub struct Counts {
            $($(#[$doc])* pub $field: u64,)*
        }
    };
}

units! {
    /// From midnight on.
    Day, days, "d (UTC)";
    Hour, hours, "h";
}
