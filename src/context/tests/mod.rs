//! Owns the proofs of trimming.
