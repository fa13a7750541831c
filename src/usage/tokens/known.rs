//! [`Known`]: ASCII tokens that `o200k_base` and `cl100k_base` share. [`Bound`](super::bound::Bound)
//! looks them up.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::LazyLock;

/// The tokens, one a line, in order: how many characters the token shares with the one before, as a
/// letter (`a` for none), and the rest. A capital letter marks a safe word. Written by the test
/// `write_known` (`tests/proof.rs` has the command); do not edit by hand. The vocabularies are OpenAI's (MIT).
static LIST: &str = include_str!("known.txt");

/// The longest token in the list, in bytes. Longer ones would only make the bound tighter.
pub(super) const LONGEST: usize = 16;

static KNOWN: LazyLock<Known> = LazyLock::new(Known::read);

/// A set of tokens.
///
/// Each is in both vocabularies, and the bound needs no more: a piece that is a token is one token,
/// and two neighbours in a piece never make a token together, because byte-pair encoding would have
/// merged them. A missing token only makes the bound looser.
///
/// The bytes of a token are one number. A safe word is in the set twice, with [`SAFE`] and without.
pub(super) struct Known(HashSet<u128, BuildHasherDefault<Fold>>);

/// Set in the key of a safe word. The bytes of a key are ASCII, so the bit is free.
const SAFE: u128 = 1 << 127;

impl Known {
    /// Read at the first call, in a few milliseconds, and kept: 2 MB.
    pub(super) fn get() -> &'static Known {
        &KNOWN
    }

    fn read() -> Known {
        let mut known = HashSet::default();
        each(|token, is_safe| {
            known.insert(key(token));
            if is_safe {
                known.insert(key(token) | SAFE);
            }
        });
        Known(known)
    }

    /// True if these bytes are a listed token. `false` does not mean that they are not a token.
    #[inline]
    pub(super) fn has(&self, bytes: &[u8]) -> bool {
        bytes.len() < 2 || (bytes.len() <= LONGEST && self.has_key(key(bytes)))
    }

    /// [`has`](Known::has), for 2 to [`LONGEST`] bytes, packed into a number.
    #[inline]
    pub(super) fn has_key(&self, key: u128) -> bool {
        self.0.contains(&key)
    }

    /// True if the word is one token in any context, plus at most one for an ASCII character right
    /// before it and one for a contraction (`'s`) right after it.
    #[inline]
    pub(super) fn is_safe(&self, word: &[u8]) -> bool {
        word.len() <= LONGEST && self.has_key(key(word) | SAFE)
    }
}

/// Calls `take` with each token of the list, and whether it is a safe word.
pub(super) fn each(mut take: impl FnMut(&[u8], bool)) {
    let mut token = Vec::new();
    for line in LIST.split('\n').filter(|line| !line.is_empty()) {
        let is_safe = next(&mut token, line.as_bytes());
        take(&token, is_safe);
    }
}

/// Decodes a line of the list; `token` is that of the line before. True if it is a safe word.
fn next(token: &mut Vec<u8>, line: &[u8]) -> bool {
    let Some((&first, rest)) = line.split_first() else { return false };
    let shared = first.to_ascii_lowercase().saturating_sub(b'a');
    token.truncate(usize::from(shared));
    let mut rest = rest.iter();
    while let Some(&byte) = rest.next() {
        token.push(match byte {
            b'\\' => match rest.next() {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                _ => b'\\',
            },
            byte => byte,
        });
    }
    first.is_ascii_uppercase()
}

fn key(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |key, &byte| key << 8 | u128::from(digit(byte)))
}

/// A key with one byte more behind it.
#[inline]
pub(super) fn with(key: u64, byte: u8) -> u64 {
    key << 8 | u64::from(digit(byte))
}

/// No token in the list holds a zero byte, which would be lost at the head of a number.
#[inline]
fn digit(byte: u8) -> u8 {
    if byte == 0 { 0xff } else { byte }
}

/// Multiplies and folds: the keys are numbers, and the set never grows by what a text holds.
#[derive(Default)]
pub(super) struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(u64::from(byte)));
    }

    fn write_u64(&mut self, key: u64) {
        let product = (self.0 ^ key).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ (product >> 32);
    }

    fn write_u128(&mut self, key: u128) {
        if key >> 64 != 0 {
            self.write_u64((key >> 64) as u64);
        }
        self.write_u64(key as u64);
    }
}
