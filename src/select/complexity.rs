//! [`Complexity`]: how hard a task is, given by the caller or guessed from its text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::parse::{ParseError, named};

/// How hard a task is.
///
/// It decides how much quality is worth, see [`CostBias`](super::CostBias): by default a simple or
/// unknown task takes the cheapest model, a complex one the best.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Complexity {
    /// Any model will do.
    Simple,
    /// Quality and price count alike.
    Medium,
    /// The best model is worth its price.
    Complex,
    /// Not known.
    #[default]
    Unknown,
}

impl Complexity {
    /// Every one, in order.
    const ALL: [Complexity; 4] =
        [Complexity::Simple, Complexity::Medium, Complexity::Complex, Complexity::Unknown];

    /// Guesses from the words of a task. It cannot see how hard a problem is, only how it is put;
    /// where you know better (a classifier, the kind of the agent), say that instead.
    ///
    /// It looks at the first 600 and the last 300 characters, where instructions stand, and adds:
    ///
    /// | sign | points |
    /// |---|---|
    /// | a verb of making, proving or judging (*design, refactor, beweise, диагноз, 证明*), two at most | +2 each |
    /// | a verb of restating (*translate, summarise, extrahiere, переведи, 翻译*), two at most | −2 each |
    /// | a fenced block of code | +1 |
    /// | three list items or more | +1 |
    /// | three questions or more | +1 |
    ///
    /// No sign at all is [`Unknown`](Complexity::Unknown); below zero is simple, zero or one
    /// medium, more is complex. The words are in English, German, French, Spanish, Italian,
    /// Russian, Chinese, Japanese, Korean, Arabic and Hindi; in other languages only the last three
    /// signs are seen, and with none of them the answer is unknown.
    ///
    /// ```
    /// use bursar::select::Complexity;
    ///
    /// assert_eq!(Complexity::guess("Translate this into French: good day"), Complexity::Simple);
    /// assert_eq!(Complexity::guess("Refactor the parser"), Complexity::Complex);
    /// assert_eq!(Complexity::guess("Übersetze die Analyse"), Complexity::Medium);
    /// assert_eq!(Complexity::guess("What is the capital of France?"), Complexity::Unknown);
    /// ```
    pub fn guess(task: &str) -> Complexity {
        let text = ends(task).to_lowercase();
        let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
        let signs = [
            (2, count(&text, &words, HARD).min(2)),
            (-2, count(&text, &words, EASY).min(2)),
            (1, i32::from(text.contains("```"))),
            (1, i32::from(text.lines().filter(|line| is_item(line)).count() >= 3)),
            (1, i32::from(text.chars().filter(|c| ['?', '？', '؟'].contains(c)).count() >= 3)),
        ];
        if signs.iter().all(|(_, times)| *times == 0) {
            return Complexity::Unknown;
        }
        match signs.iter().map(|(points, times)| points * times).sum::<i32>() {
            ..0 => Complexity::Simple,
            0..=1 => Complexity::Medium,
            2.. => Complexity::Complex,
        }
    }

    /// The complexity as a word: `simple`, …
    pub const fn as_str(self) -> &'static str {
        match self {
            Complexity::Simple => "simple",
            Complexity::Medium => "medium",
            Complexity::Complex => "complex",
            Complexity::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Complexity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// By its name, as [`as_str`](Complexity::as_str) and serde have it.
impl FromStr for Complexity {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Complexity, ParseError> {
        named(text, "a complexity", &Complexity::ALL, Complexity::as_str)
    }
}

/// The first 600 and the last 300 characters.
fn ends(task: &str) -> String {
    let Some((cut, _)) = task.char_indices().nth(600) else { return task.to_owned() };
    let (head, rest) = task.split_at(cut);
    let tail = rest.char_indices().nth_back(299).map_or(rest, |(from, _)| &rest[from..]);
    format!("{head}\n{tail}")
}

/// How many of the signs are there.
fn count(text: &str, words: &[&str], signs: Signs) -> i32 {
    let begun = signs.stems.iter().filter(|stem| words.iter().any(|word| word.starts_with(**stem)));
    let within = signs.within.iter().filter(|piece| text.contains(**piece));
    i32::try_from(begun.count() + within.count()).unwrap_or(i32::MAX)
}

/// A line that begins with a bullet or a number.
fn is_item(line: &str) -> bool {
    let line = line.trim_start();
    let rest = line.trim_start_matches(|c: char| c.is_numeric());
    let is_numbered = rest.len() < line.len() && rest.starts_with(['.', ')', '、', '．']);
    is_numbered || line.starts_with("- ") || line.starts_with("* ") || line.starts_with("• ")
}

#[derive(Clone, Copy)]
struct Signs {
    /// Beginnings of words.
    stems: &'static [&'static str],
    /// Pieces of text, in scripts that do not part words or that put letters before a stem.
    within: &'static [&'static str],
}

#[rustfmt::skip]
const HARD: Signs = Signs {
    stems: &[
        "prove", "proof", "design", "architect", "refactor", "debug", "optimi", "analy", "derive",
        "strateg", "implement", "diagnos", "evaluat", "negotiat", "investigat",
        "beweis", "entwirf", "entwerf", "entwickl", "begründ", "untersuch",
        "démontr", "prouve", "conçoi", "concevoir", "implément",
        "demuestr", "demostr", "diseñ", "dimostr", "progett",
        "докаж", "спроект", "проанализ", "анализ", "оптимиз", "разработ", "диагн",
    ],
    within: &[
        "证明", "设计", "設計", "分析", "优化", "重构", "推导", "証明", "最適化", "実装",
        "증명", "설계", "분석", "최적화", "صمم", "حلل", "أثبت", "सिद्ध", "विश्लेषण",
    ],
};

#[rustfmt::skip]
const EASY: Signs = Signs {
    stems: &[
        "translat", "summar", "classif", "extract", "rephras", "categor", "transcri", "spellcheck",
        "übersetz", "zusammenfass", "zusammen", "klassifizier", "extrahier",
        "tradui", "résum", "extrai", "traduc", "resum", "clasific", "extrae", "riassum",
        "перевед", "перевод", "резюмир", "извлек", "классифиц", "перескаж",
    ],
    within: &[
        "翻译", "总结", "摘要", "提取", "分类", "翻訳", "要約", "抽出", "分類",
        "번역", "요약", "추출", "분류", "ترجم", "لخص", "अनुवाद", "सारांश",
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_signs_are_read_in_many_languages() {
        use Complexity::{Complex, Medium, Simple, Unknown};
        for (task, expected) in [
            ("Translate `good morning` into Welsh.", Simple),
            ("Summarise the following minutes:\nWe met at noon.", Simple),
            ("Fasse den Text zusammen.", Simple),
            ("Traduis cette phrase.", Simple),
            ("Traduce esta frase al inglés", Simple),
            ("Переведи это письмо", Simple),
            ("请翻译这句话", Simple),
            ("この文を要約してください", Simple),
            ("이 문장을 번역해 주세요", Simple),
            ("من فضلك ترجم هذه الجملة", Simple),
            ("इस वाक्य का अनुवाद करें", Simple),
            ("Design a rate limiter for three regions", Complex),
            ("Beweise, dass es unendlich viele Primzahlen gibt", Complex),
            ("Démontre le théorème", Complex),
            ("Diseña una base de datos", Complex),
            ("Докажи теорему", Complex),
            ("证明这个定理", Complex),
            ("データベースを設計してください", Complex),
            ("데이터베이스를 설계해 주세요", Complex),
            ("Summarise this design", Medium),
            ("What does this do?\n```\nlet x = 1;\n```", Medium),
            ("Buy:\n- milk\n- bread\n3. tea", Medium),
            ("Who? When? Where?", Medium),
            ("What is the capital of France?", Unknown),
            ("Mikä on Suomen pääkaupunki?", Unknown),
            ("", Unknown),
        ] {
            assert_eq!(Complexity::guess(task), expected, "{task}");
        }
    }

    #[test]
    fn what_is_pasted_between_the_instructions_is_not_read() {
        let pasted = "the design of the proof ".repeat(200);
        let filler = "lorem ipsum ".repeat(60);
        let task = format!("Translate: {filler}{pasted}{filler}");
        assert_eq!(Complexity::guess(&task), Complexity::Simple);
        let last = format!("{filler}{filler}\nRefactor this.");
        assert_eq!(Complexity::guess(&last), Complexity::Complex);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,1200}") {
            let _ = Complexity::guess(&text);
        }
    }
}
