//! What the models of the local provider say: always the same to the same prompt.

/// Where a model thinks on until its reader hangs up.
pub const PAUSE: &str = "…";

/// What is said to one prompt.
pub struct Script {
    pub text: String,
    /// The status with which the first request of this prompt fails.
    pub fails_with: Option<u16>,
}

impl Script {
    pub fn of(prompt: &str) -> Script {
        let starts = |with: &str| prompt.starts_with(with);
        let text = if starts("Plan") {
            "history, price, upkeep".to_owned()
        } else if starts("Note") {
            essay("The passage says that", 160)
        } else if starts("Review the notes on history") {
            // The verdict comes first. A provider runs ahead of its reader by what the network
            // buffers; this one waits, so that what was sent is what was read.
            format!("Every claim has its passage. Approved. {PAUSE} {}", essay("I liked", 200))
        } else if starts("Review") {
            essay("Revise: two claims lack a passage, namely that", 260)
        } else {
            essay("Buy the crane, and give it to the harbour museum:", 240) + " That is all."
        };
        let fails_with = match prompt {
            _ if starts("Note 2 on price") => Some(429),
            _ if starts("Note 1 on upkeep") => Some(500),
            _ => None,
        };
        Script { text, fails_with }
    }
}

/// That many words and a few more.
pub fn essay(begins: &str, words: usize) -> String {
    let about =
        "the crane of 1888 lifts nine tons and asks for a new roof every thirty years while";
    let more = about.split(' ').cycle().take(words);
    more.fold(begins.to_owned(), |text, word| text + " " + word) + "."
}
