//! A small crate for the list of the public interface: what is private, exported elsewhere.

use std::fmt;

#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Node<'a, T> {
    pub name: &'a str,
    rest: T,
}

impl<'a, T> Node<'a, T> {
    pub const MOST: u64 = 7;

    #[must_use]
    pub fn with(mut self, name: &'a str, at_most: impl Fn(&T) -> u64 + Send + 'static, and: Option<Vec<(u8, u16)>>) -> Self {
        todo!()
    }

    pub async fn wait(&mut self) -> T {
        todo!()
    }

    fn secret(&self) {}
}

impl<T> fmt::Display for Node<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl<T> Secret for Node<'_, T> {}

trait Secret {}

wrapped! {
    /// Inside a macro that adds to it.
    pub struct Hidden(#[pin] pub u8, u16);
}
