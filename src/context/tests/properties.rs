//! Owns the properties of trimming, on generated conversations.
