//! Owns a journal that fails, and what becomes of calls then.
