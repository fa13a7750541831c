//! The numbers that [`scan`](super::scan) looks up, read from `weights.txt` when the crate is
//! compiled. `benches/calibrate.rs` measures and writes them.

use super::scan::{SHAPES, TABLE_LEN};

/// The letters a to z, and one for all letters with an accent.
const LETTERS: usize = 27;

/// How often a token begins at the second letter of a pair: row after row.
pub(super) static PAIR: [u16; LETTERS * LETTERS] = numbers(0);
/// The factor of a letter's place in the word.
pub(super) static SHAPE: [u16; SHAPES] = numbers(PAIR.len());
/// How often a token begins at anything else, in 1/256.
pub(super) static TABLE: [u16; TABLE_LEN] = numbers(PAIR.len() + SHAPES);
/// The strangeness of English.
pub(super) const STRANGENESS_AT_START: u16 = numbers::<1>(PAIR.len() + SHAPES + TABLE_LEN)[0];
/// Where the levels of strangeness begin.
pub(super) const LEVELS: [u16; 5] = numbers(PAIR.len() + SHAPES + TABLE_LEN + 1);

/// The numbers of the file from the one at `first` on. Lines that begin with `#` are comments.
const fn numbers<const N: usize>(first: usize) -> [u16; N] {
    let text = include_bytes!("weights.txt");
    let (mut numbers, mut number) = ([0; N], 0);
    let (mut at, mut is_comment) = (0, false);
    while at < text.len() {
        is_comment = text[at] == b'#' || (is_comment && text[at] != b'\n');
        if !is_comment && text[at].is_ascii_digit() {
            if number >= first && number < first + N {
                numbers[number - first] = numbers[number - first] * 10 + (text[at] - b'0') as u16;
            }
            number += !text[at + 1].is_ascii_digit() as usize;
        }
        at += 1;
    }
    assert!(number >= first + N);
    numbers
}
