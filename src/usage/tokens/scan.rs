//! [`Scan`]: the walk over a text that [`Heuristic`](super::Heuristic) counts with: what stands at each
//! character, and how often a token begins in such a place.
//!
//! The rules of splitting that all current vocabularies share decide what is distinguished: a space
//! belongs to the word after it, a word never spans a change from lower to upper case, digits go by
//! threes, punctuation swallows the line break behind it. What they leave open (where a long word is
//! cut) is a table of letter pairs. No step takes anything back, so a longer text never counts less.

use super::weights::{LEVELS, PAIR, SHAPE, STRANGENESS_AT_START, TABLE};

/// One token, in the unit of the weights.
pub(super) const ONE: u64 = 256;

/// What a character is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CharKind {
    Start,
    Space,
    Newline,
    Tab,
    Digit,
    Lower,
    Upper,
    Accented,
    Punctuation,
    Greek,
    Cyrillic,
    Hebrew,
    Arabic,
    Indic,
    Thai,
    Hiragana,
    Katakana,
    Han,
    Hangul,
    Script,
    Mark,
    CjkMark,
    Sign,
    Emoji,
    Rare,
}

use CharKind::*;

/// The row and the column of letters with accents in the table of pairs.
const ACCENTED: usize = 26;

/// What an accent adds to the strangeness: English has hardly any.
const ACCENT_STRANGENESS: u32 = 200;

/// How many kinds there are.
const KINDS: usize = Rare as usize + 1;

/// One character in its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) kind: CharKind,
    pub(super) feature: Feature,
}

/// The place in the tables that says how often a token begins here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Feature {
    /// A letter inside a word: the product of what its place says and what its pair says.
    Letter { shape: usize, from: usize, to: usize },
    /// Anything else: an entry of the flat table.
    Other(usize),
}

/// The state of the walk.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    /// The character before, its kind, and the kind before the run that it belongs to.
    last: char,
    prev: CharKind,
    before_run: CharKind,
    /// Characters of one kind in a row so far (letters of all cases are one kind here).
    run: usize,
    /// Letters since the word began, or since it changed to upper case.
    word: usize,
    /// Whether the word follows something else than a space; whether it began in upper case.
    glued: bool,
    capital: bool,
    /// The letter before, as a row of the table of pairs.
    from: usize,
    /// How unlike English the letter pairs of late were: a running mean of their weights.
    pub(super) strangeness: u32,
}

impl Scan {
    pub(super) fn new() -> Scan {
        Scan {
            last: '\0',
            prev: Start,
            before_run: Start,
            run: 0,
            word: 0,
            glued: false,
            capital: false,
            from: 0,
            strangeness: STRANGENESS_AT_START as u32,
        }
    }

    /// Takes the next character.
    pub(super) fn step(&mut self, character: char) -> Step {
        let kind = CharKind::of(character);
        let feature = match kind {
            Lower | Upper | Accented => self.letter(character, kind),
            Digit => Feature::Other(self.digit()),
            Start | Space | Newline | Tab => Feature::Other(self.white_space(kind)),
            Punctuation => Feature::Other(self.punctuation(character)),
            _ if kind.is_script() => Feature::Other(self.script(kind)),
            _ => Feature::Other(self.sign(character, kind)),
        };
        self.advance(character, kind);
        Step { kind, feature }
    }

    fn advance(&mut self, character: char, kind: CharKind) {
        if kind == self.prev || (kind.is_letter() && self.prev.is_letter()) {
            self.run += 1;
            self.word += 1;
        } else {
            self.before_run = self.prev;
            self.run = 1;
            self.word = 1;
        }
        self.prev = kind;
        self.last = character;
    }

    fn letter(&mut self, character: char, kind: CharKind) -> Feature {
        let to = letter_index(character, kind);
        let from = std::mem::replace(&mut self.from, to);
        if !self.prev.is_letter() {
            return Feature::Other(self.first_letter(kind));
        }
        if kind == Upper {
            if self.prev == Upper {
                let place = self.run.min(6);
                return Feature::Other(CAPITALS + 1 + usize::from(self.glued) * 7 + place);
            }
            // camelCase: a word begins within the word.
            self.word = 0;
            self.glued = true;
            self.capital = true;
            return Feature::Other(CAPITALS);
        }
        let level = LEVELS.iter().filter(|&&bound| self.strangeness >= u32::from(bound)).count();
        let accent = if to == ACCENTED { ACCENT_STRANGENESS } else { 0 };
        let strange = pair(from, to) + accent;
        self.strangeness = self.strangeness - (self.strangeness >> 6) + (strange << 3);
        let word = usize::from(self.glued) * 2 + usize::from(self.capital);
        Feature::Letter { shape: (word * 6 + level) * 9 + length_class(self.word), from, to }
    }

    fn first_letter(&mut self, kind: CharKind) -> usize {
        self.glued = self.prev != Space;
        self.capital = kind == Upper;
        match self.prev {
            Punctuation if self.run > 1 => AFTER_PUNCTUATION + punctuation_index(self.last) * 3 + 2,
            Punctuation => {
                let column = usize::from(!self.before_run.is_letter());
                AFTER_PUNCTUATION + punctuation_index(self.last) * 3 + column
            }
            Space if self.run > 1 => FIRST_LETTER + Start as usize * 2,
            prev => FIRST_LETTER + prev as usize * 2 + usize::from(self.capital),
        }
    }

    fn digit(&self) -> usize {
        match self.prev {
            Digit if self.word % 3 == 0 => DIGIT + KINDS,
            Digit => DIGIT + KINDS + 1,
            Space if self.run > 1 => DIGIT + KINDS + 2,
            prev => DIGIT + prev as usize,
        }
    }

    fn white_space(&self, kind: CharKind) -> usize {
        let row = match kind {
            Space => 0,
            Newline => 1,
            _ => 2,
        };
        if kind == self.prev {
            let place = match self.run {
                0..=3 => self.run.saturating_sub(1),
                4..=7 => 3,
                8..=15 => 4,
                16..=31 => 5,
                _ => 6,
            };
            return SPACE_RUN + row * 8 + place;
        }
        if kind == Newline && self.prev == Space && self.run > 1 {
            return SPACE_RUN + row * 8 + 7;
        }
        SPACE + row * KINDS + self.prev as usize
    }

    fn punctuation(&self, character: char) -> usize {
        let column = match self.prev {
            Lower | Upper | Accented => 0,
            Digit => 1,
            Space if self.run == 1 => 2,
            Space | Newline | Tab | Start => 3,
            Punctuation if character == self.last => match self.run {
                1 => 5,
                2..=3 => 6,
                _ => 7,
            },
            Punctuation if self.run == 1 => 8,
            Punctuation => 9,
            _ => 4,
        };
        PUNCTUATION + punctuation_index(character) * 10 + column
    }

    fn script(&self, kind: CharKind) -> usize {
        let column = match self.prev {
            prev if prev == kind => match self.word {
                0..=3 => self.word + 1,
                4..=5 => 5,
                6..=8 => 6,
                _ => 7,
            },
            Space if self.run == 1 => 0,
            prev if prev.is_script() => 8,
            Punctuation | Mark | CjkMark if self.run == 1 => 9,
            _ => 1,
        };
        SCRIPT + kind as usize * 10 + column
    }

    fn sign(&self, character: char, kind: CharKind) -> usize {
        let column = match self.prev {
            prev if prev == kind && character == self.last => 0,
            prev if prev == kind => 1,
            Space => 2,
            _ => 3,
        };
        SIGN + kind as usize * 4 + column
    }
}

// Where the parts of the flat table begin.
/// The first letter of a word: by the kind before, small or capital.
pub(super) const FIRST_LETTER: usize = 0;
/// The same after punctuation: by the mark; after a word, after something else, after a run.
pub(super) const AFTER_PUNCTUATION: usize = FIRST_LETTER + KINDS * 2;
/// A capital inside a word: after a small letter; in a run of capitals, by place.
pub(super) const CAPITALS: usize = AFTER_PUNCTUATION + 32 * 3;
/// A digit: by the kind before; the fourth, seventh, …; the others; the first after many spaces.
pub(super) const DIGIT: usize = CAPITALS + 15;
/// White space (space, line break, tab and others): by the kind before.
pub(super) const SPACE: usize = DIGIT + KINDS + 3;
/// White space in a run: by place; a line break after several spaces.
pub(super) const SPACE_RUN: usize = SPACE + 3 * KINDS;
/// Punctuation: by the mark; by what is before.
pub(super) const PUNCTUATION: usize = SPACE_RUN + 3 * 8;
/// A letter of another script: by the kind; by its place in the word.
pub(super) const SCRIPT: usize = PUNCTUATION + 32 * 10;
/// Signs: by the kind; the same again, another of the kind, after a space, after anything else.
pub(super) const SIGN: usize = SCRIPT + KINDS * 10;
/// The length of the flat table.
pub(super) const TABLE_LEN: usize = SIGN + KINDS * 4;
/// The length of the table of places in a word: (glued, capital, level of strangeness, letters).
pub(super) const SHAPES: usize = 2 * 2 * 6 * 9;

impl Feature {
    /// How often a token begins in this place, in 1/256.
    pub(super) fn weight(self) -> u64 {
        match self {
            Feature::Letter { shape, from, to } => {
                let shape = SHAPE.get(shape).copied().map_or(256, u64::from);
                (shape * u64::from(pair(from, to))) >> 8
            }
            Feature::Other(index) => TABLE.get(index).copied().map_or(ONE, u64::from),
        }
    }
}

impl CharKind {
    fn of(character: char) -> CharKind {
        match u32::from(character) {
            0x20 => Space,
            0x0a | 0x0d => Newline,
            0x09 | 0x0b | 0x0c | 0xa0 => Tab,
            0x30..=0x39 => Digit,
            0x41..=0x5a => Upper,
            0x61..=0x7a => Lower,
            0x21..=0x7e => Punctuation,
            0..=0x7f => Rare,
            code => CharKind::of_code(code),
        }
    }

    /// The kind of a character beyond ASCII, by Unicode's blocks.
    fn of_code(code: u32) -> CharKind {
        match code {
            0xaa | 0xb5 | 0xba | 0xc0..=0xd6 | 0xd8..=0xf6 | 0xf8..=0x24f => Accented,
            0x300..=0x36f | 0x1e00..=0x1eff => Accented,
            0x80..=0xff | 0x2000..=0x206f | 0x20a0..=0x20cf => Mark,
            0x370..=0x3ff | 0x1f00..=0x1fff => Greek,
            0x400..=0x52f => Cyrillic,
            0x590..=0x5ff => Hebrew,
            0x600..=0x77f | 0x8a0..=0x8ff | 0xfb50..=0xfdff | 0xfe70..=0xfeff => Arabic,
            0x900..=0xdff => Indic,
            0xe00..=0xe7f => Thai,
            0x3040..=0x309f => Hiragana,
            0x30a0..=0x30ff | 0xff66..=0xff9f => Katakana,
            0x3400..=0x9fff | 0xf900..=0xfaff => Han,
            0xac00..=0xd7a3 | 0x1100..=0x11ff | 0x3130..=0x318f => Hangul,
            0x3000..=0x303f | 0xff01..=0xff65 => CjkMark,
            0x530..=0x58f | 0xe80..=0x1dff | 0xa000..=0xabff => Script,
            0x2070..=0x2fff => Sign,
            0x1f000..=0x1faff => Emoji,
            _ => Rare,
        }
    }

    pub(super) const fn is_digit(self) -> bool {
        matches!(self, Digit)
    }

    /// Whether it belongs to Latin text or code.
    pub(super) const fn is_latin(self) -> bool {
        (self as usize) < Greek as usize
    }

    /// Whether it belongs to Chinese, Japanese or Korean.
    pub(super) const fn is_east_asian(self) -> bool {
        matches!(self, Hiragana | Katakana | Han | Hangul | CjkMark)
    }

    const fn is_letter(self) -> bool {
        matches!(self, Lower | Upper | Accented)
    }

    const fn is_script(self) -> bool {
        self as usize >= Greek as usize && self as usize <= Script as usize
    }
}

/// The weight of a pair of letters, in a unit of its own: large where tokens often begin.
fn pair(from: usize, to: usize) -> u32 {
    PAIR.get(from * (ACCENTED + 1) + to).copied().map_or(0, u32::from)
}

/// 0 to 25 for a to z in either case, 26 for a letter with an accent.
fn letter_index(character: char, kind: CharKind) -> usize {
    let code = u32::from(character);
    let index = match kind {
        Lower => code.wrapping_sub(0x61),
        Upper => code.wrapping_sub(0x41),
        _ => return ACCENTED,
    };
    (index as usize).min(ACCENTED)
}

/// 0 to 31 for the punctuation of ASCII, in its order.
fn punctuation_index(character: char) -> usize {
    let code = u32::from(character);
    let index = match code {
        0x21..=0x2f => code - 0x21,
        0x3a..=0x40 => code - 0x3a + 15,
        0x5b..=0x60 => code - 0x5b + 22,
        _ => code.wrapping_sub(0x7b).wrapping_add(28),
    };
    index.min(31) as usize
}

fn length_class(letters: usize) -> usize {
    match letters {
        0..=5 => letters,
        6..=7 => 6,
        8..=10 => 7,
        _ => 8,
    }
}
