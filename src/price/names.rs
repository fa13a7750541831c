//! Names of models and providers: versions and dates are stripped, near names found, the price
//! lists' names of providers mapped, and resold models recognised.

use super::date::Date;

/// What is left of a name without its version and its date, nearest first.
///
/// Only what is known to be no part of a model's name is taken off: `-2026-03-05`, `-20251101`,
/// `@20251101`, `-v1:0`. Never a mere prefix: `claude-opus-4` is not `claude-opus-4-9`
/// (genai-prices #471, tokscale #523). Nor a region in front (`eu.`, `us-gov.`): providers take from
/// nothing to 43 % more for one, and not the same for each model, so that the price of another
/// region would be a wrong price.
pub(super) fn shorter(name: &str) -> impl Iterator<Item = &str> {
    let unversioned = without_version(name);
    let undated = without_date(unversioned.unwrap_or(name));
    [unversioned, undated].into_iter().flatten()
}

/// Takes off `-v1:0`.
pub(super) fn without_version(name: &str) -> Option<&str> {
    let (rest, minor) = name.rsplit_once(':')?;
    let (rest, major) = rest.rsplit_once("-v")?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (is_number(major) && is_number(minor) && !rest.is_empty()).then_some(rest)
}

/// Takes off `-2026-03-05`, `-20260305`, `@20260305` and `@2026-03-05`.
pub(super) fn without_date(name: &str) -> Option<&str> {
    [10, 8].into_iter().find_map(|length| {
        let (rest, date) = name.split_at_checked(name.len().checked_sub(length)?)?;
        let rest = rest.strip_suffix(['-', '@'])?;
        (!rest.is_empty() && is_date(date)).then_some(rest)
    })
}

fn is_date(text: &str) -> bool {
    let dashed = match text.len() {
        8 if text.is_ascii() => format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..]),
        _ => text.to_owned(),
    };
    dashed.starts_with("20") && dashed.parse::<Date>().is_ok()
}

/// The provider that a price list calls `listed`, by the name that this crate's list gives it, so
/// that the prices of one provider meet whatever list they are from. One that no other list knows
/// under another name keeps its own.
///
/// Google's two services stay two: Vertex AI has prices of its own.
pub(super) fn provider(listed: &str) -> &str {
    match listed {
        "aws" | "bedrock_converse" => "bedrock",
        "azure_text" => "azure",
        "cohere_chat" => "cohere",
        "fireworks_ai" | "fireworks_ai-embedding-models" => "fireworks",
        "gemini" => "google",
        "moonshotai" => "moonshot",
        "text-completion-codestral" => "codestral",
        "text-completion-inception" => "inception",
        "text-completion-openai" => "openai",
        "together_ai" => "together",
        "voyageai" => "voyage",
        "x-ai" => "xai",
        _ if listed.starts_with("vertex_ai-") => "vertex_ai",
        _ => listed,
    }
}

/// The maker of a model, by the beginning of its name.
const MAKERS: &[(&str, &[&str])] = &[
    ("ai21", &["j2-", "jamba"]),
    ("anthropic", &["claude"]),
    ("bedrock", &["amazon.nova", "amazon.titan"]),
    ("codestral", &["codestral"]),
    ("cohere", &["c4ai", "command", "embed-", "parse-v", "rerank-"]),
    ("dashscope", &["qvq", "qwen", "qwq", "text-embedding-v"]),
    ("deepseek", &["deepseek"]),
    ("google", GOOGLE),
    ("inception", &["mercury"]),
    ("jina_ai", &["jina"]),
    ("meta_llama", &["codellama", "llama"]),
    ("minimax", &["minimax"]),
    ("mistral", MISTRAL),
    ("moonshot", &["kimi", "moonshot"]),
    ("openai", OPENAI),
    ("perplexity", &["pplx", "sonar"]),
    ("tencent", &["hunyuan", "hy3", "hy4"]),
    ("vertex_ai", GOOGLE),
    ("volcengine", &["doubao"]),
    ("voyage", &["rerank-", "voyage"]),
    ("xai", &["grok"]),
    ("xiaomi_mimo", &["mimo"]),
    ("zai", &["glm"]),
    ("zhipuai", &["glm"]),
];

const GOOGLE: &[&str] = &[
    "gemini",
    "gemma",
    "imagen",
    "learnlm",
    "lyria",
    "text-embedding-0",
    "text-embedding-large",
    "text-embedding-preview",
    "veo-",
];

const MISTRAL: &[&str] = &[
    "codestral",
    "devstral",
    "magistral",
    "ministral",
    "mistral",
    "mixtral",
    "open-mi",
    "pixtral",
    "voxtral",
];

const OPENAI: &[&str] = &[
    "babbage",
    "chatgpt",
    "codex",
    "computer-use",
    "dall-e",
    "davinci",
    "ft:",
    "gpt",
    "o1",
    "o3",
    "o4",
    "omni-moderation",
    "sora",
    "text-embedding-3",
    "text-embedding-ada",
    "tts-1",
    "whisper",
];

/// True if a provider resells the model of another maker, at its own price, which does not apply to
/// the bare name. A name without a known maker's beginning is its provider's own, unless it names
/// the maker (`openai/gpt-5` of OpenRouter).
pub(super) fn is_resold(provider: &str, id: &str) -> bool {
    let model = id.to_ascii_lowercase();
    let mut makers = MAKERS.iter().filter(|(_, own)| own.iter().any(|own| model.starts_with(own)));
    let is_own = |maker: &str| maker == provider;
    match makers.next() {
        _ if id.contains('/') => true,
        None => false,
        Some((first, _)) => !is_own(first) && !makers.any(|(maker, _)| is_own(maker)),
    }
}

/// True for a model that searches the web at each call, for a fee that its answers do not count:
/// OpenAI's search models of chat completions, and Perplexity's Sonar but for deep research, which
/// counts its searches.
pub(super) fn searches_at_each_call(id: &str) -> bool {
    let model = id.rsplit('/').next().unwrap_or(id);
    let is_sonar = model.starts_with("sonar");
    model.contains("-search-preview")
        || model.contains("-search-api")
        || is_sonar && !model.contains("deep-research") && !model.ends_with("-chat")
}

/// How many letters differ, if that is few enough for a slip of the pen.
pub(super) fn slips(asked: &str, known: &str) -> Option<usize> {
    const LONGEST: usize = 80;
    let most = 2 + asked.len() / 6;
    if asked.len() > LONGEST || known.len() > LONGEST || asked.len().abs_diff(known.len()) > most {
        return None;
    }
    let known: Vec<u8> = known.bytes().map(|byte| byte.to_ascii_lowercase()).collect();
    // One row of the edit distance: from what was asked so far to each beginning of the known name.
    let mut row: Vec<usize> = (0..=known.len()).collect();
    for (index, letter) in asked.bytes().map(|byte| byte.to_ascii_lowercase()).enumerate() {
        let mut diagonal = index;
        row[0] = index + 1;
        for (place, other) in known.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[place + 1];
            row[place + 1] = replaced.min(diagonal + 1).min(row[place] + 1);
        }
    }
    row.last().copied().filter(|distance| *distance <= most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_versions_and_dates_are_taken_off() {
        for (name, expected) in [
            ("gpt-5", vec![]),
            ("gpt-5-2025-08-07", vec!["gpt-5"]),
            ("claude-x-20251101", vec!["claude-x"]),
            ("claude-x@20251101", vec!["claude-x"]),
            ("claude-x@2025-11-01", vec!["claude-x"]),
            ("claude-x-20251101-v1:0", vec!["claude-x-20251101", "claude-x"]),
            ("nova-pro-v1:0", vec!["nova-pro"]),
            ("us.nova-pro-v1:0", vec!["us.nova-pro"]),
            ("claude-x-20251399", vec![]),
            ("claude-x-19991101", vec![]),
            ("claude-x@latest", vec![]),
            ("gpt-4-0613", vec![]),
            ("claude-opus-4-9", vec![]),
            ("model-v2", vec![]),
            ("model:free", vec![]),
            ("model-vision:free", vec![]),
            ("model-v1:free", vec![]),
            ("-20251101", vec![]),
            ("us.", vec![]),
            ("usual.model", vec![]),
        ] {
            assert_eq!(shorter(name).collect::<Vec<_>>(), expected, "{name}");
        }
    }

    #[test]
    fn a_model_is_resold_by_all_but_its_maker() {
        for (provider, id, expected) in [
            ("openai", "gpt-5", false),
            ("azure", "gpt-5", true),
            ("openrouter", "openai/gpt-5", true),
            ("perplexity", "openai/gpt-5.1", true),
            ("perplexity", "sonar", false),
            ("dashscope", "qwen3-max", false),
            ("dashscope", "kimi-k2.7-code", true),
            ("mistral", "glm-5-2", true),
            ("bedrock", "amazon.nova-pro-v1:0", false),
            ("bedrock", "anthropic.claude-opus-5", false), // Bedrock's own form
            ("groq", "llama-3.3-70b-versatile", true),
            ("kyma", "gemini-3-flash", true),
            ("kyma", "Kimi-K3", true),
            ("minimax", "MiniMax-M3", false),
            ("google", "text-embedding-004", false),
            ("groq", "whisper-large-v3", true),
            ("acme", "owl", false),
            ("databricks", "databricks-gemini-3-flash", false), // Databricks' own form
        ] {
            assert_eq!(is_resold(provider, id), expected, "{provider}/{id}");
        }
        assert!(MAKERS.windows(2).all(|two| two[0].0 < two[1].0), "in order, each once");
    }

    #[test]
    fn near_names_are_few_slips_away() {
        assert_eq!(slips("gpt-5", "gpt-5"), Some(0));
        assert_eq!(slips("GPT-9", "gpt-5"), Some(1));
        assert_eq!(slips("claude-sonnet-4.5", "claude-sonnet-4-5"), Some(1));
        assert_eq!(slips("kitten", "sitting"), Some(3));
        assert_eq!(slips("gpt-5", "grok-4"), None);
        assert_eq!(slips("", "gpt"), None);
    }

    proptest! {
        #[test]
        fn no_name_panics(name in "\\PC{0,40}", known in "\\PC{0,40}") {
            prop_assert!(shorter(&name).all(|form| !form.is_empty() && form.len() < name.len()));
            let _ = slips(&name, &known);
        }

        #[test]
        fn no_dated_name_panics(name in "(us\\.|é)?[a-z]{0,3}[-@é]?(20[0-9-]{6,8}|é)?(-v1:0)?") {
            let _ = shorter(&name).count();
        }
    }
}
