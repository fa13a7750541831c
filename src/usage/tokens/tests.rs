//! Owns the tests of token counting.
