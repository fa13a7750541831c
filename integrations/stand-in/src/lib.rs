//! Owns the stand-in: a local server that speaks the providers' wire formats and keeps its own bill.
