//! A small crate for the list of the public interface: what is exported.

mod inner;
pub mod open;

pub use inner::{Hidden, Node as Point};
pub use open::Shared;

#[cfg(feature = "extra")]
pub fn extra<T: Into<String>>(mut name: T) -> Result<(), String>
where
    T: Clone,
{
    todo!()
}

pub(crate) fn own() {}

#[cfg(test)]
pub fn in_tests() {}

forward!(Point);
