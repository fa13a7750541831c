//! [`Bound`]: an upper bound of the tokens of a text under `o200k_base` and `cl100k_base`, without a
//! vocabulary.
//!
//! It holds for any text, adversarial text too, and rests on four facts (`tests/proof.rs` checks what
//! they require of the two vocabularies):
//!
//! 1. Both vocabularies cut a text into pieces by rule (words, groups of three digits, runs of
//!    punctuation, white space) before they look for tokens. Where the two rules differ, the bound
//!    counts every cut that either of them makes.
//! 2. A piece that is a token is one token. [`Known`] lists the common ones.
//! 3. Byte-pair encoding ends when no two neighbours in a piece make a token together. So a piece
//!    that is not a token is bounded by its longest division in which no two neighbours do
//!    ([`Division::longest`]).
//! 4. A text never has more tokens than bytes. That bounds all text beyond ASCII, except two-byte
//!    letters that both vocabularies have ([`WHOLE`]): if such a letter is cut in two, one half is
//!    joined to its neighbour, so that cut was counted already.

use super::known::{self, Known};

/// The bound of a text, by kind of character, because other vocabularies differ by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bound {
    /// Tokens of ASCII text, digits left out.
    pub(super) ascii: u64,
    /// Bytes of ASCII text, digits left out.
    pub(super) ascii_bytes: u64,
    /// Tokens of digits, in groups of three.
    pub(super) digits: u64,
    /// Digits.
    pub(super) digit_bytes: u64,
    /// Tokens beyond ASCII.
    pub(super) other: u64,
    /// Bytes beyond ASCII.
    pub(super) other_bytes: u64,
}

impl Bound {
    /// Computes the bound in one pass.
    pub(super) fn of(text: &str) -> Bound {
        let known = Known::get();
        let (text, bound) = (text.as_bytes(), Bound::default());
        let mut walk = PieceWalk { text, at: 0, known, bound, plain: false };
        while let Some(&byte) = walk.text.get(walk.at) {
            walk.step(byte);
        }
        walk.bound
    }

    /// The bound under the two vocabularies that it is proven for.
    pub(super) fn total(self) -> u64 {
        self.ascii.saturating_add(self.digits).saturating_add(self.other)
    }
}

struct PieceWalk<'t> {
    text: &'t [u8],
    at: usize,
    known: &'static Known,
    bound: Bound,
    /// Whether the last piece was a safe word that is one token after at most a space, so that a
    /// contraction after it adds one token.
    plain: bool,
}

impl PieceWalk<'_> {
    fn step(&mut self, byte: u8) {
        let was_plain = std::mem::take(&mut self.plain);
        match byte {
            0x80.. => self.beyond_ascii(byte),
            b'0'..=b'9' => self.digits(),
            b'A'..=b'Z' | b'a'..=b'z' => self.word(self.at),
            _ if is_space(byte) => self.white_space(),
            b'\'' if was_plain && self.contraction() => {}
            _ => self.marks(self.at),
        }
    }

    fn beyond_ascii(&mut self, lead: u8) {
        let length = match lead {
            0xf0.. => 4,
            0xe0.. => 3,
            _ => 2,
        };
        let is_whole = length == 2 && {
            let code = usize::from(lead & 0x1f) << 6 | usize::from(self.ahead(1) & 0x3f);
            WHOLE.get(code / 64).is_some_and(|row| row >> (code % 64) & 1 == 1)
        };
        self.bound.other += if is_whole { 1 } else { length };
        self.bound.other_bytes += length;
        self.at += length as usize;
    }

    /// Every number of up to three digits is a token.
    fn digits(&mut self) {
        let end = self.end_of(self.at, |byte| byte.is_ascii_digit());
        let length = count(end - self.at);
        let is_alone = !self.touches_other(self.at, end);
        self.bound.digits += if is_alone { length.div_ceil(3) } else { length };
        self.bound.digit_bytes += length;
        self.at = end;
    }

    /// A word. `start` points to the white space before it if that belongs to the same piece.
    fn word(&mut self, start: usize) {
        let begin = start + usize::from(is_space(self.byte(start)));
        let end = self.end_of(begin, |byte| byte.is_ascii_alphabetic());
        let (piece, word) = (self.slice(start, end), self.slice(begin, end));
        let is_alone = begin > start || !is_mark(self.before(start));
        let is_open = self.touches_other(start, end) || has_hump(piece);
        let is_contracted = self.before(begin) == b'\'' && contraction_at_start(word) > 0;
        let (is_known, is_safe) = (self.known.has(piece), self.known.is_safe(word));
        let tokens = match is_open || is_contracted {
            false if is_known && is_alone => 1,
            false if is_safe => 1 + count(begin - start),
            _ => self.unknown_word(start, begin, end),
        };
        self.ascii(tokens, end);
        let is_after_space = begin == start || self.byte(start) == b' ';
        self.plain = tokens == 1 && is_safe && is_alone && is_after_space && !is_open;
    }

    /// The most tokens of a word that is not a known token. A mark before it was counted already,
    /// whether it belongs to the same piece or not.
    fn unknown_word(&self, start: usize, begin: usize, end: usize) -> u64 {
        let mark = usize::from(begin == start && is_mark(self.before(start)) && start > 0);
        let piece = self.slice(start - mark, end);
        // After `'s` one vocabulary begins a new piece, where it stands behind a word.
        let split = match self.before(begin) {
            b'\'' => 1 + contraction_at_start(self.slice(begin, end)),
            _ => 0,
        };
        let is_cut = |at: usize| at == mark || at == split || is_hump(piece, at);
        let is_open = self.touches_other(start, end);
        let parts = Division::longest(self.known, piece, is_cut, is_open);
        parts - count(mark).min(parts)
    }

    /// `'s` and similar after a plain word: one token.
    fn contraction(&mut self) -> bool {
        let end = self.end_of(self.at + 1, |byte| byte.is_ascii_alphabetic());
        let letters = self.slice(self.at + 1, end);
        let is_one = CONTRACTIONS.contains(&letters) && self.ahead(end - self.at) < 0x80;
        if is_one {
            self.ascii(1, end);
        }
        is_one
    }

    /// A run of marks, with the space before it and the line breaks behind it.
    fn marks(&mut self, start: usize) {
        let first = start + usize::from(is_space(self.byte(start)));
        let marks = self.end_of(first, is_mark);
        if marks == start + 1 && self.byte(marks).is_ascii_alphabetic() {
            return self.prefix(start);
        }
        let breaks = self.end_of(marks, is_break);
        if breaks > marks && self.byte(breaks) == b'/' {
            // One vocabulary continues the piece here; either may cut at each slash and line break.
            let end = self.end_of(breaks, |byte| is_mark(byte) || is_break(byte));
            let piece = self.slice(start, end);
            let is_cut = |at: usize| {
                at.checked_sub(1)
                    .and_then(|before| piece.get(before))
                    .is_some_and(|&b| b == b'/' || is_break(b))
            };
            let tokens = Division::longest(self.known, piece, is_cut, true);
            return self.ascii(tokens, end);
        }
        let piece = self.slice(start, breaks);
        let is_open = self.touches_other(start, breaks);
        let tokens = if !is_open && self.known.has(piece) {
            1
        } else {
            Division::longest(self.known, piece, |_| false, is_open)
        };
        self.ascii(tokens, breaks);
    }

    /// One mark and the word after it: one piece, unless the mark belongs to what is before. An
    /// unknown piece counts as the mark plus the word, because a token across both only lowers the
    /// count.
    fn prefix(&mut self, start: usize) {
        let (mark, before) = (self.byte(start), self.before(start));
        let end = self.end_of(start + 1, |byte| byte.is_ascii_alphabetic());
        let is_own =
            start == 0 || before.is_ascii_alphanumeric() || (is_break(before) && mark != b'/');
        let piece = self.slice(start, end);
        let is_known = is_own
            && mark != b'\''
            && self.known.has(piece)
            && !has_hump(piece)
            && !self.touches_other(start, end);
        self.ascii(1, if is_known { end } else { start + 1 });
    }

    fn white_space(&mut self) {
        let start = self.at;
        let end = self.end_of(start, is_space);
        let breaks = self.slice(start, end).iter().rposition(|&byte| is_break(byte));
        if let Some(at) = breaks {
            // Up to its last line break it is a piece of its own.
            let end = start + at + 1;
            return self.ascii(self.spaces(start, end), end);
        }
        let (last, next) = (end - 1, self.byte(end));
        if end == self.text.len() || next >= 0x80 {
            // The text after it may join the last space.
            return self.ascii(self.spaces(start, end) + u64::from(last > start), end);
        }
        if last > start {
            self.ascii(self.spaces(start, last), last);
        }
        match next {
            _ if next.is_ascii_alphabetic() => self.word(last),
            _ if is_mark(next) && self.byte(last) == b' ' => self.marks(last),
            _ => self.ascii(1, end),
        }
    }

    /// White space that is one piece, or a part of one.
    fn spaces(&self, start: usize, end: usize) -> u64 {
        let piece = self.slice(start, end);
        if self.known.has(piece) && !self.touches_other(start, end) {
            return 1;
        }
        let mut tokens = 0;
        for run in piece.chunk_by(|a, b| a == b) {
            // Up to this many in a row are one token.
            let longest = match run.first() {
                Some(b' ') => 79,
                Some(b'\t') => 20,
                Some(b'\n') => 10,
                _ => 1,
            };
            // Two neighbours together are longer than this; one more token where runs meet.
            tokens += 2 * count(run.len() / (longest + 1)) + 1;
            tokens += u64::from(run.len() < piece.len());
        }
        tokens.min(count(piece.len()))
    }

    fn ascii(&mut self, tokens: u64, end: usize) {
        self.bound.ascii += tokens;
        self.bound.ascii_bytes += count(end - self.at);
        self.at = end;
    }

    /// Whether the neighbours are beyond ASCII: they may belong to the same piece.
    fn touches_other(&self, start: usize, end: usize) -> bool {
        self.before(start) >= 0x80 || self.byte(end) >= 0x80
    }

    /// The byte before; 0 at the beginning.
    fn before(&self, at: usize) -> u8 {
        at.checked_sub(1).map_or(0, |at| self.byte(at))
    }

    fn end_of(&self, start: usize, belongs: impl Fn(u8) -> bool) -> usize {
        let rest = self.text.get(start..).unwrap_or_default();
        rest.iter().position(|&byte| !belongs(byte)).map_or(self.text.len(), |at| start + at)
    }

    /// 0 beyond the end.
    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    fn ahead(&self, by: usize) -> u8 {
        self.byte(self.at + by)
    }

    fn slice(&self, start: usize, end: usize) -> &[u8] {
        self.text.get(start..end).unwrap_or_default()
    }
}

/// Parts up to this length, in bytes, are looked up in pairs. Pairs with a longer part are assumed
/// to be allowed, which can only raise the bound.
const SHORT: usize = 4;

/// The most parts of a prefix, by the length of its last part: 1 to 4, or longer. 0 if no division
/// ends in such a part.
type Most = [u64; SHORT + 1];

#[derive(Default)]
struct Division {
    /// For the prefix that ends one byte ago, two bytes ago, …
    ago: [Most; SHORT + 1],
    /// The largest of all earlier prefixes.
    earlier: u64,
    /// The largest of all prefixes.
    any: u64,
    /// The last eight bytes.
    key: u64,
}

impl Division {
    /// The most parts into which a piece can be divided so that no two neighbours together are a
    /// known token, except at places where `is_cut` allows two pieces. Open: it is a part of a piece,
    /// whose first and last token may reach out of it; those are counted where they begin, or with
    /// the text that they reach into.
    fn longest(known: &Known, piece: &[u8], is_cut: impl Fn(usize) -> bool, is_open: bool) -> u64 {
        let mut division = Division::default();
        for (at, &byte) in piece.iter().enumerate() {
            let end = at + 1;
            division.key = known::with(division.key, byte);
            let mut is_token = [false; 2 * SHORT + 1];
            for (length, is_token) in is_token.iter_mut().enumerate().take(end + 1).skip(2) {
                let bits = 64 - 8 * length;
                *is_token = known.has_key(u128::from(division.key << bits >> bits));
            }
            let mut now = Most::default();
            for length in 1..=SHORT.min(end) {
                let begin = end - length;
                let can_begin = u64::from(begin == 0 || is_open);
                now[length - 1] =
                    division.after(begin, length, &is_token, is_cut(begin)).max(can_begin);
            }
            if end > SHORT {
                division.earlier = division.ago[SHORT].into_iter().fold(division.earlier, u64::max);
                now[SHORT] = division.earlier + 1;
            }
            division.any = now.into_iter().fold(division.any, u64::max);
            division.ago.rotate_right(1);
            division.ago[0] = now;
        }
        if is_open { division.any } else { division.ago[0].into_iter().fold(0, u64::max) }
    }

    /// The most parts if a part of this length follows the prefix that ends at `begin`.
    fn after(&self, begin: usize, length: usize, is_token: &[bool], is_cut: bool) -> u64 {
        if begin == 0 {
            return 0;
        }
        let allowed = |last: usize| is_cut || last > SHORT || !is_token[last + length];
        let before = self.ago[length - 1].iter().enumerate();
        let most = before.filter(|(last, _)| allowed(last + 1)).map(|(_, &parts)| parts).max();
        most.filter(|&parts| parts > 0).map_or(0, |parts| parts + 1)
    }
}

/// White space as Unicode has it, within ASCII.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' ')
}

const fn is_break(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// Punctuation, signs and control characters.
const fn is_mark(byte: u8) -> bool {
    byte < 0x80 && !byte.is_ascii_alphanumeric() && !is_space(byte)
}

/// Where `o200k_base` cuts a word: before a capital letter behind a small one.
fn is_hump(piece: &[u8], at: usize) -> bool {
    let pair = at.checked_sub(1).and_then(|before| piece.get(before..=at));
    matches!(pair, Some([small, capital]) if small.is_ascii_lowercase() && capital.is_ascii_uppercase())
}

fn has_hump(piece: &[u8]) -> bool {
    (1..piece.len()).any(|at| is_hump(piece, at))
}

const CONTRACTIONS: [&[u8]; 7] = [b"s", b"t", b"re", b"ve", b"m", b"ll", b"d"];

/// How many letters behind an apostrophe `cl100k_base` takes for a contraction.
fn contraction_at_start(word: &[u8]) -> usize {
    let begins = |short: &&&[u8]| {
        word.get(..short.len()).is_some_and(|start| start.eq_ignore_ascii_case(short))
    };
    CONTRACTIONS.iter().find(begins).map_or(0, |short| short.len())
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// A bit for each character of two bytes, by its code: it is a token in both vocabularies. Written by
/// the test `write_known`.
#[rustfmt::skip]
pub(super) static WHOLE: [u64; 32] = [
    0x0000000000000000, 0x0000000000000000, 0xfeffffff00040001, 0x3f7fffff80cb629f,
    0x000308008a0b20aa, 0x5402882a8a0a2014, 0x0001000200000000, 0x0000000000000000,
    0x000000000a000000, 0x0020000002000000, 0x0000000000000000, 0x0000000000000000,
    0x0000000000000003, 0x0000000000000000, 0xbfbef00000000000, 0x00000000000012ff,
    0xffffa0dfe99f0004, 0x000000000042fbff, 0x0000000000000000, 0x0000000000000000,
    0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x00000705429b0000,
    0x07ffffa800001000, 0x400000000007c3fe, 0x0000820000000000, 0x0000000000001000,
    0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
];
