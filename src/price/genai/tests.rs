//! Owns the tests of how genai-prices' list is read.
