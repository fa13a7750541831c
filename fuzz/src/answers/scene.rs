//! [`Scene`]: an answer or a stream of any API form, made of a fuzzer's bytes.
//!
//! Each is right at first; then, by chance, a field is left out, zeroed, contradicted, repeated, or
//! given another of its names.

use serde_json::{Value, json};

/// Draws numbers from a fuzzer's bytes; zero when the bytes are used up.
pub struct Draws<'d> {
    bytes: &'d [u8],
}

impl<'d> Draws<'d> {
    pub fn of(bytes: &'d [u8]) -> Draws<'d> {
        Draws { bytes }
    }

    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *first
    }

    pub fn below(&mut self, end: u8) -> u8 {
        self.byte() % end
    }

    /// True once in `many` draws.
    pub fn one_in(&mut self, many: u8) -> bool {
        self.below(many) == many - 1
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[usize::from(self.byte()) % from.len()]
    }

    /// 1 to about a quarter of a million.
    fn tokens(&mut self) -> u64 {
        let scale = [1, 1, 10, 100, 1_000][usize::from(self.below(5))];
        (u64::from(self.byte()) + 1) * scale
    }

    /// Part of a whole, often nothing.
    fn part(&mut self, whole: u64) -> u64 {
        if self.below(2) == 0 { 0 } else { whole * u64::from(self.byte()) / 300 }
    }
}

/// How an answer is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Body,
    Events,
    Lines,
    Array,
}

/// One answer, one stream, or several.
#[derive(Clone, Debug)]
pub struct Scene {
    pub shape: Shape,
    pub frames: Vec<Value>,
    /// Zeros in this form, which change nothing behind the others.
    pub zeros: Option<Value>,
    /// Frames that change nothing if they come again.
    pub repeats: Vec<usize>,
    /// In which order an object's names are written.
    pub order: u64,
    /// The end is missing.
    pub is_cut: bool,
}

impl Scene {
    pub fn of(bytes: &[u8]) -> Scene {
        let draws = &mut Draws::of(bytes);
        let order = u64::from(draws.byte());
        let form = [chat, responses, messages, gemini, bedrock, cohere, ollama, realtime, others]
            [usize::from(draws.below(9))];
        let mut scene = form(draws);
        scene.order = order;
        // The connection breaks.
        if scene.zeros.is_some() && draws.one_in(8) {
            scene.frames.pop();
            (scene.zeros, scene.is_cut) = (None, true);
            scene.repeats.clear();
        }
        if scene.shape != Shape::Body && scene.shape != Shape::Array {
            scene.shape = [Shape::Events, Shape::Lines, Shape::Array][usize::from(draws.below(3))];
            if scene.shape == Shape::Lines && scene.frames.len() == 1 {
                scene.shape = Shape::Events; // one line would be a body
            }
        }
        scene
    }

    fn body(body: Value) -> Scene {
        Scene {
            shape: Shape::Body,
            frames: vec![body],
            zeros: None,
            repeats: Vec::new(),
            order: 0,
            is_cut: false,
        }
    }

    fn stream(frames: Vec<Value>, zeros: Value) -> Scene {
        Scene {
            shape: Shape::Events,
            frames,
            zeros: Some(zeros),
            repeats: Vec::new(),
            order: 0,
            is_cut: false,
        }
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        let written = self.frames.iter().map(|frame| written(frame, self.order));
        match self.shape {
            Shape::Body => text.extend(written),
            Shape::Lines => written.for_each(|line| text += &(line + "\n")),
            Shape::Array => text += &format!("[{}]", written.collect::<Vec<_>>().join(", ")),
            Shape::Events => {
                written.for_each(|line| text += &format!("data: {line}\n\n"));
                text += if self.is_cut { "" } else { "data: [DONE]\n\n" };
            }
        }
        text
    }
}

/// JSON with the names of each object in an order of its own.
fn written(value: &Value, order: u64) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            let key = |name: &str| {
                name.bytes()
                    .fold(order, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
            };
            fields.sort_by_key(|(name, _)| if order == 0 { 0 } else { key(name) });
            let field =
                |(name, value): (&String, &Value)| format!("\"{name}\": {}", written(value, order));
            format!("{{{}}}", fields.into_iter().map(field).collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            let items = items.iter().map(|item| written(item, order));
            format!("[{}]", items.collect::<Vec<_>>().join(", "))
        }
        plain => plain.to_string(),
    }
}

/// Sets a field by its path; objects on the way are made.
fn set(value: &mut Value, path: &str, to: Value) {
    let at = path.split('.').fold(value, |value, key| &mut value[key]);
    *at = to;
}

fn set_count(value: &mut Value, path: &str, count: u64) {
    if count > 0 {
        set(value, path, json!(count));
    }
}

/// Changes some number of a usage object, or none.
fn spoil(usage: &mut Value, draws: &mut Draws<'_>) {
    for _ in 0..[0, 0, 1, 1, 2, 3][usize::from(draws.below(6))] {
        let mut paths = Vec::new();
        numbers(usage, String::new(), &mut paths);
        if paths.is_empty() {
            return;
        }
        let path = &paths[usize::from(draws.byte()) % paths.len()];
        let found = path.split('/').skip(1).fold(&*usage, |value, key| match value {
            Value::Array(items) => &items[key.parse::<usize>().unwrap_or(0)],
            value => &value[key],
        });
        let count = found.as_u64().unwrap_or(0);
        let is_cost = path.contains("cost");
        let to = match draws.below(8) {
            0 | 1 => Value::Null,
            2 | 3 => json!(0),
            4 => json!(count / 2),
            5 if !is_cost => json!(count * 2 + 1),
            6 if !is_cost => {
                draws.pick(&[&json!(-1), &json!(1.5), &json!("many"), &json!(1e13)]).clone()
            }
            7 => {
                usage["mystery_tokens"] = json!(count);
                continue;
            }
            _ => continue,
        };
        *usage.pointer_mut(path).expect("it was found there") = to;
    }
}

fn numbers(value: &Value, path: String, paths: &mut Vec<String>) {
    match value {
        Value::Number(_) => paths.push(path),
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| numbers(value, format!("{path}/{name}"), paths));
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(at, item)| numbers(item, format!("{path}/{at}"), paths));
        }
        _ => {}
    }
}

/// Dollars with up to six places, never zero.
fn dollars(draws: &mut Draws<'_>) -> f64 {
    (draws.tokens() * 10) as f64 / 1e6
}

fn cost(usage: &mut Value, draws: &mut Draws<'_>) {
    match draws.below(8) {
        0 => usage["cost"] = json!(dollars(draws)),
        1 => usage["cost"] = json!(dollars(draws).to_string()),
        2 => {
            usage["cost"] = json!(dollars(draws));
            usage["is_byok"] = json!(draws.below(2) == 0);
            set(usage, "cost_details.upstream_inference_cost", json!(dollars(draws)));
        }
        3 => {
            usage["cost"] = json!(dollars(draws));
            usage["is_byok"] = json!(true);
        }
        _ => {}
    }
}

fn id(draws: &mut Draws<'_>) -> Value {
    if draws.below(2) == 0 { json!("answer-1") } else { Value::Null }
}

/// An object without its nulls.
fn without_nulls(mut value: Value) -> Value {
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, value| !value.is_null());
    }
    value
}

fn text(draws: &mut Draws<'_>) -> &'static str {
    ["Hello there, how are you?", ""][usize::from(draws.below(4) / 3)]
}

/// The counts of chat completions.
fn chat_usage(model: &str, draws: &mut Draws<'_>) -> Value {
    let (prompt, completion) = (draws.tokens(), draws.tokens());
    let read = draws.part(prompt / 3);
    let write = draws.part(prompt / 3);
    let reasoning = if model == "sonar-pro" { 0 } else { draws.part(completion / 2) };
    let mut usage = json!({"prompt_tokens": prompt, "completion_tokens": completion});
    let reads = [
        "prompt_tokens_details.cached_tokens",
        "prompt_cache_hit_tokens",
        "cached_tokens",
        "cache_read_input_tokens",
    ];
    set_count(&mut usage, draws.pick(&reads), read);
    let writes = [
        "prompt_tokens_details.cache_write_tokens",
        "prompt_tokens_details.cache_creation_tokens",
        "prompt_cache_write_tokens",
        "cache_creation_input_tokens",
    ];
    set_count(&mut usage, draws.pick(&writes), write);
    if model == "gpt-5-mini" {
        set_count(&mut usage, "prompt_tokens_details.audio_tokens", draws.part(prompt / 4));
        set_count(&mut usage, "completion_tokens_details.audio_tokens", draws.part(completion / 3));
    }
    set_count(&mut usage, "completion_tokens_details.reasoning_tokens", reasoning);
    match draws.below(4) {
        0 if usage["completion_tokens_details"]["audio_tokens"].is_null() => {
            usage["total_tokens"] = json!(prompt + completion + reasoning);
        }
        0..=2 => usage["total_tokens"] = json!(prompt + completion),
        _ => {}
    }
    match draws.below(12) {
        0 if reasoning == 0 => {
            set(&mut usage, "completion_tokens_details.image_tokens", json!(completion))
        }
        1 => usage["prompt_audio_seconds"] = json!(9),
        _ => {}
    }
    match model {
        "grok-4" if draws.below(2) == 0 => {
            usage["cost_in_usd_ticks"] = json!(draws.tokens() * 1_000)
        }
        "grok-4" => {}
        "sonar-pro" => {
            usage["search_context_size"] = json!("low");
            usage["cost"] = json!({"request_cost": 0.006, "total_cost": dollars(draws)});
        }
        _ => cost(&mut usage, draws),
    }
    spoil(&mut usage, draws);
    usage
}

fn chat(draws: &mut Draws<'_>) -> Scene {
    let model = draws.pick(&[
        "gpt-5-mini",
        "claude-sonnet-4-5",
        "deepseek-v4-pro",
        "kimi-k2.5",
        "grok-4",
        "sonar-pro",
    ]);
    let usage = chat_usage(model, draws);
    if draws.below(8) == 7 {
        let usage = json!({"prompt_tokens": usage["prompt_tokens"], "total_tokens": usage["prompt_tokens"]});
        return Scene::body(json!({"object": "list", "model": "text-embedding-3-small",
            "data": [{"object": "embedding", "embedding": [0.5]}], "usage": without_nulls(usage)}));
    }
    let id = id(draws);
    if draws.below(2) == 0 {
        let message = json!({"role": "assistant", "content": text(draws)});
        let body = |usage, id: &Value| {
            without_nulls(
                json!({"id": id, "object": "chat.completion", "model": model, "usage": usage,
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}),
            )
        };
        if draws.below(4) != 3 {
            return Scene::body(body(usage, &id));
        }
        let more = chat_usage(model, draws);
        let other = if id.is_null() { Value::Null } else { json!("answer-2") };
        let mut scene = Scene::stream(vec![body(usage, &id), body(more, &other)], json!({}));
        if !id.is_null() {
            scene.repeats = vec![0, 1];
        }
        scene.zeros = None;
        return scene;
    }
    let chunk = |fields: Value| {
        let mut chunk =
            json!({"id": id, "object": "chat.completion.chunk", "model": model, "choices": []});
        fields
            .as_object()
            .into_iter()
            .flatten()
            .for_each(|(name, value)| chunk[name] = value.clone());
        without_nulls(chunk)
    };
    let said = json!([{"index": 0, "delta": {"content": text(draws)}, "finish_reason": null}]);
    let stop = json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]);
    let mut frames = vec![chunk(json!({"choices": said, "usage": null}))];
    let running = draws.below(5) == 4 && usage["prompt_tokens"].is_u64();
    if running {
        // Counts in each chunk, which grow.
        let prompt = usage["prompt_tokens"].as_u64().unwrap_or(0);
        let so_far =
            json!({"prompt_tokens": prompt, "completion_tokens": 1, "total_tokens": prompt + 1});
        frames[0]["usage"] = so_far;
    }
    let place = draws.below(4);
    let last = match place {
        0 => {
            let choice =
                json!([{"index": 0, "delta": {}, "finish_reason": "stop", "usage": usage}]);
            chunk(json!({"choices": choice}))
        }
        1 => chunk(json!({"choices": stop, "x_groq": {"id": "req_1", "usage": usage}})),
        _ => {
            frames.push(chunk(json!({"choices": stop})));
            chunk(json!({"usage": usage}))
        }
    };
    frames.push(last);
    // Counts and cost in frames of their own, in this order or the other.
    if place > 1 && usage["cost"].is_number() && draws.below(2) == 0 {
        let mut counts = usage.clone();
        let mut costs = json!({});
        for name in ["cost", "is_byok", "cost_details"] {
            costs[name] = counts[name].take();
        }
        let mut parts = [without_nulls(counts), without_nulls(costs)];
        parts.rotate_left(usize::from(draws.below(2)));
        frames.pop();
        frames.extend(parts.map(|usage| chunk(json!({"usage": usage}))));
    }
    // A later chunk names some of the fields again.
    if draws.below(4) == 3 {
        let name = draws.pick(&["prompt_tokens", "completion_tokens", "total_tokens"]);
        let subset = without_nulls(json!({name: usage[name]}));
        frames.push(chunk(json!({"usage": subset})));
    }
    let zeros = json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0});
    let mut scene = Scene::stream(frames, chunk(json!({"usage": zeros})));
    scene.repeats = vec![scene.frames.len() - 1];
    scene
}

fn responses_usage(draws: &mut Draws<'_>) -> Value {
    let (input, output) = (draws.tokens(), draws.tokens());
    let mut usage = json!({"input_tokens": input, "output_tokens": output, "total_tokens": input + output,
        "input_tokens_details": {"cached_tokens": draws.part(input / 3)},
        "output_tokens_details": {"reasoning_tokens": draws.part(output)}});
    let write = draws.part(input / 3);
    set_count(&mut usage, "input_tokens_details.cache_write_tokens", write);
    if write > 0 && draws.below(2) == 0 {
        let long = draws.part(write);
        let split = json!({"ttl_30m_tokens": write - long, "ttl_12h_tokens": long});
        set(&mut usage, "input_tokens_details.cache_write_tokens_details", split);
    }
    spoil(&mut usage, draws);
    usage
}

fn responses(draws: &mut Draws<'_>) -> Scene {
    let id = id(draws);
    let said = text(draws);
    let mut items =
        vec![json!({"type": "message", "content": [{"type": "output_text", "text": said}]})];
    for _ in 0..draws.below(3) {
        items.push(draws.pick(&[
            &json!({"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}}),
            &json!({"type": "file_search_call", "status": "completed", "id": "fs"}),
            &json!({"type": "code_interpreter_call", "status": "completed", "container_id": "c1"}),
            &json!({"type": "reasoning", "summary": []}),
        ]).clone());
    }
    let answer = |id: &Value, usage: Value| {
        without_nulls(
            json!({"id": id, "object": "response", "status": "completed", "model": "gpt-5-mini",
            "output": items, "usage": usage}),
        )
    };
    let usage = responses_usage(draws);
    if draws.below(2) == 0 {
        return Scene::body(answer(&id, usage));
    }
    let kind = draws.pick(&["response.completed", "response.incomplete", "response.failed"]);
    let end = |id: &Value, usage: Value| json!({"type": kind, "response": answer(id, usage)});
    let delta = json!({"type": "response.output_text.delta", "delta": said});
    let mut frames = vec![delta.clone(), end(&id, usage)];
    let mut scene_id = id.clone();
    if draws.below(2) == 0 {
        let other = if id.is_null() { Value::Null } else { json!("answer-2") };
        frames.extend([delta, end(&other, responses_usage(draws))]);
        scene_id = other;
    }
    let zeros = json!({"input_tokens": 0, "output_tokens": 0, "total_tokens": 0});
    let mut zero = end(&scene_id, zeros);
    zero["response"]["output"] = json!([]);
    let mut scene = Scene::stream(frames, zero);
    if !id.is_null() {
        scene.repeats = vec![1, scene.frames.len() - 1];
    }
    scene
}

fn messages_usage(draws: &mut Draws<'_>) -> Value {
    let output = draws.tokens();
    let mut usage = json!({"input_tokens": draws.tokens(), "output_tokens": output});
    match draws.below(4) {
        0 => {}
        1 => {
            usage["cache_creation_input_tokens"] = json!(0);
            usage["cache_read_input_tokens"] = json!(draws.tokens());
            usage["input_tokens"] = json!(draws.part(100));
        }
        _ => {
            let write = draws.tokens();
            usage["cache_creation_input_tokens"] = json!(write);
            usage["cache_read_input_tokens"] = json!(draws.tokens());
            if draws.below(2) == 0 {
                let hour = draws.part(write);
                usage["cache_creation"] = json!({"ephemeral_5m_input_tokens": write - hour, "ephemeral_1h_input_tokens": hour});
            }
        }
    }
    set_count(&mut usage, "output_tokens_details.thinking_tokens", draws.part(output));
    set_count(&mut usage, "server_tool_use.web_search_requests", draws.part(9));
    usage
}

fn messages(draws: &mut Draws<'_>) -> Scene {
    let id = id(draws);
    let said = text(draws);
    let mut usage = messages_usage(draws);
    let model = "claude-opus-4-8";
    if draws.one_in(4) {
        let mut attempt = |kind: &str, model: Option<&str>| {
            let written = draws.part(500);
            without_nulls(json!({"type": kind, "model": model, "input_tokens": draws.tokens(),
                "output_tokens": written, "cache_read_input_tokens": draws.part(5_000)}))
        };
        let first = match attempt("", None)["output_tokens"].as_u64().unwrap_or(0) % 3 {
            0 => attempt("message", Some("claude-fable-5")),
            1 => attempt("compaction", None),
            _ => attempt("advisor_message", Some("claude-fable-5")),
        };
        let is_fallback = first["type"] == "message";
        let mut own = json!({"type": if is_fallback { "fallback_message" } else { "message" }});
        if is_fallback {
            own["model"] = json!(model);
        }
        for name in [
            "input_tokens",
            "output_tokens",
            "cache_creation_input_tokens",
            "cache_read_input_tokens",
        ] {
            own[name] = usage[name].clone();
        }
        usage["iterations"] = json!([first, without_nulls(own)]);
    } else {
        cost(&mut usage, draws);
        spoil(&mut usage, draws);
    }
    let content = |said: &str| match said {
        "" => json!([]),
        said => json!([{"type": "text", "text": said}]),
    };
    let body = |id: &Value, usage: Value, said: &str, stop: &str| {
        without_nulls(json!({"id": id, "type": "message", "role": "assistant", "model": model,
            "content": content(said), "stop_reason": stop, "usage": usage}))
    };
    match draws.below(8) {
        0 => {
            let usage = json!({"input_tokens": draws.tokens(), "output_tokens": 0});
            let mut refused = body(&id, usage.clone(), "", "refusal");
            if draws.below(2) == 0 {
                return Scene::body(refused);
            }
            refused["stop_reason"] = Value::Null;
            let end = json!({"type": "message_delta", "delta": {"stop_reason": "refusal"}, "usage": usage});
            let frames = vec![json!({"type": "message_start", "message": refused}), end];
            return Scene { zeros: None, ..Scene::stream(frames, json!({})) };
        }
        1 => {
            let other = if id.is_null() { Value::Null } else { json!("answer-2") };
            let more = body(&other, messages_usage(draws), said, "end_turn");
            let mut scene =
                Scene::stream(vec![body(&id, usage, said, "end_turn"), more], json!({}));
            if !id.is_null() {
                scene.repeats = vec![0, 1];
            }
            scene.zeros = None;
            return scene;
        }
        2 | 3 => return Scene::body(body(&id, usage, said, "end_turn")),
        _ => {}
    }
    let mut start = usage.clone();
    start["output_tokens"] = json!(1);
    for name in [
        "iterations",
        "output_tokens_details",
        "server_tool_use",
        "cost",
        "is_byok",
        "cost_details",
        "mystery_tokens",
    ] {
        start.as_object_mut().expect("it is one").remove(name);
    }
    let mut end = usage;
    match draws.below(4) {
        0 => {} // everything again, cumulative
        1 => {
            // Zero input in the end, where the start was right.
            let names = ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"];
            let fields = end.as_object_mut().expect("it is one");
            names.iter().for_each(|name| drop(fields.remove(*name)));
            fields.remove("cache_creation");
            fields.insert("input_tokens".to_owned(), json!(0));
        }
        2 => {
            // The output alone.
            let names = [
                "input_tokens",
                "cache_creation_input_tokens",
                "cache_read_input_tokens",
                "cache_creation",
            ];
            let fields = end.as_object_mut().expect("it is one");
            names.iter().for_each(|name| drop(fields.remove(*name)));
        }
        _ => start = json!({"input_tokens": 0, "output_tokens": 0}),
    }
    let start =
        without_nulls(json!({"id": id, "type": "message", "role": "assistant", "model": model,
        "content": [], "usage": start}));
    let frames = vec![
        json!({"type": "message_start", "message": start}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": said}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": end}),
        json!({"type": "message_stop"}),
    ];
    let zeros = json!({"type": "message_delta", "delta": {}, "usage": {"input_tokens": 0, "output_tokens": 0}});
    let mut scene = Scene::stream(frames, zeros);
    scene.repeats = vec![2];
    scene
}

fn gemini(draws: &mut Draws<'_>) -> Scene {
    let model = draws.pick(&["gemini-2.5-flash", "gemini-3-flash-preview"]);
    let (prompt, candidates) = (draws.tokens(), draws.tokens());
    let (read, thoughts, tools) = (draws.part(prompt / 2), draws.part(5_000), draws.part(200));
    let mut usage = json!({"promptTokenCount": prompt, "candidatesTokenCount": candidates});
    set_count(&mut usage, "cachedContentTokenCount", read);
    set_count(&mut usage, "thoughtsTokenCount", thoughts);
    set_count(&mut usage, "toolUsePromptTokenCount", tools);
    if draws.below(3) == 0 {
        let audio = draws.part(prompt - read);
        usage["promptTokensDetails"] = json!([{"modality": "TEXT", "tokenCount": prompt - audio}, {"modality": "AUDIO", "tokenCount": audio}]);
    }
    if draws.below(4) != 3 {
        usage["totalTokenCount"] = json!(prompt + candidates + thoughts + tools);
    }
    spoil(&mut usage, draws);
    let mut candidate = json!({"content": {"role": "model", "parts": [{"text": text(draws)}]}, "finishReason": "STOP"});
    match draws.below(6) {
        0 => {
            candidate["groundingMetadata"] =
                json!({"webSearchQueries": ["a price", "b price", "a price"]});
        }
        1 => {
            let maps =
                json!({"uri": "https://maps.example/1", "title": "Cafe", "placeId": "places/1"});
            candidate["groundingMetadata"] = json!({"groundingChunks": [{"maps": maps}]});
        }
        _ => {}
    }
    let id = id(draws);
    let frame = |candidate: Value, usage: Value| {
        without_nulls(
            json!({"responseId": id, "modelVersion": model, "candidates": [candidate], "usageMetadata": usage}),
        )
    };
    match draws.below(4) {
        0 => {
            let usage = json!({"promptTokenCount": prompt, "totalTokenCount": prompt});
            return Scene::body(
                json!({"modelVersion": model, "promptFeedback": {"blockReason": "SAFETY"},
                "usageMetadata": usage}),
            );
        }
        1 => return Scene::body(frame(candidate, usage)),
        _ => {}
    }
    let early = json!({"promptTokenCount": prompt, "totalTokenCount": prompt});
    let mut first = candidate.clone();
    first.as_object_mut().expect("it is one").remove("finishReason");
    first.as_object_mut().expect("it is one").remove("groundingMetadata");
    let frames = vec![frame(first, early), frame(candidate, usage)];
    let zeros = json!({"promptTokenCount": 0, "candidatesTokenCount": 0, "totalTokenCount": 0});
    let mut scene = Scene::stream(
        frames,
        without_nulls(json!({"responseId": id, "modelVersion": model, "usageMetadata": zeros})),
    );
    if !id.is_null() {
        scene.repeats = vec![1];
    }
    scene
}

fn bedrock(draws: &mut Draws<'_>) -> Scene {
    let (input, output) = (draws.tokens(), draws.tokens());
    let is_inside = draws.one_in(4);
    let read = draws.part(input / 2);
    let write = draws.part(input / 2);
    let cache = if is_inside { 0 } else { read + write };
    let mut usage = json!({"inputTokens": input, "outputTokens": output, "totalTokens": input + output + cache});
    set_count(&mut usage, "cacheReadInputTokens", read);
    set_count(&mut usage, "cacheWriteInputTokens", write);
    if write > 0 && draws.below(2) == 0 {
        let hour = draws.part(write);
        usage["cacheDetails"] =
            json!([{"ttl": "1h", "inputTokens": hour}, {"ttl": "5m", "inputTokens": write - hour}]);
    }
    spoil(&mut usage, draws);
    let said = text(draws);
    if draws.below(2) == 0 {
        return Scene::body(
            json!({"output": {"message": {"role": "assistant", "content": [{"text": said}]}},
            "stopReason": "end_turn", "usage": usage, "metrics": {"latencyMs": 9}}),
        );
    }
    let frames = vec![
        json!({"messageStart": {"role": "assistant"}}),
        json!({"contentBlockDelta": {"delta": {"text": said}, "contentBlockIndex": 0}}),
        json!({"messageStop": {"stopReason": "end_turn"}}),
        json!({"metadata": {"usage": usage, "metrics": {"latencyMs": 9}}}),
    ];
    let zeros = json!({"inputTokens": 0, "outputTokens": 0, "totalTokens": 0});
    Scene::stream(frames, json!({"metadata": {"usage": zeros}}))
}

fn cohere(draws: &mut Draws<'_>) -> Scene {
    let mut units =
        json!({"input_tokens": draws.tokens() as f64, "output_tokens": draws.tokens() as f64});
    let said = text(draws);
    match draws.below(5) {
        0 => {
            return Scene::body(
                json!({"id": "r", "results": [{"index": 0, "relevance_score": 0.9}],
                "meta": {"billed_units": {"search_units": draws.tokens()}}}),
            );
        }
        1 => {
            let mut units = json!({"input_tokens": draws.tokens()});
            if draws.below(2) == 0 {
                units["image_tokens"] = json!(draws.tokens());
                units["images"] = json!(2);
            }
            return Scene::body(
                json!({"id": "e", "embeddings": {"float": []}, "meta": {"billed_units": units}}),
            );
        }
        2 | 3 => {
            spoil(&mut units, draws);
            return Scene::body(json!({"id": "c", "message": {"role": "assistant",
                "content": [{"type": "text", "text": said}]}, "finish_reason": "COMPLETE",
                "usage": {"billed_units": units}}));
        }
        _ => spoil(&mut units, draws),
    }
    let frames = vec![
        json!({"type": "message-start", "id": "c"}),
        json!({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": said}}}}),
        json!({"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": {"billed_units": units}}}),
    ];
    let zeros = json!({"billed_units": {"input_tokens": 0, "output_tokens": 0}});
    Scene::stream(frames, json!({"type": "message-end", "delta": {"usage": zeros}}))
}

fn ollama(draws: &mut Draws<'_>) -> Scene {
    let mut counts = json!({"prompt_eval_count": draws.tokens(), "eval_count": draws.tokens()});
    spoil(&mut counts, draws);
    let said = text(draws);
    let mut end =
        json!({"model": "llama3.2", "message": {"role": "assistant", "content": ""}, "done": true});
    for name in ["prompt_eval_count", "eval_count"] {
        end[name] = counts[name].take();
    }
    let mut end = without_nulls(end);
    if draws.below(2) == 0 {
        end["message"]["content"] = json!(said);
        return Scene::body(end);
    }
    let first = json!({"model": "llama3.2", "message": {"role": "assistant", "content": said}, "done": false});
    let zeros = json!({"model": "llama3.2", "done": true, "prompt_eval_count": 0, "eval_count": 0});
    Scene::stream(vec![first, end], zeros)
}

fn realtime(draws: &mut Draws<'_>) -> Scene {
    let ids = draws.below(2) == 0;
    let mut frames = Vec::new();
    for number in 0..=draws.below(3) {
        let (input, output) = (draws.tokens(), draws.tokens());
        let audio = draws.part(input / 2);
        let cached_audio = draws.part(audio);
        let cached = draws.part((input - audio) / 2) + cached_audio;
        let spoken = draws.part(output);
        let mut usage = json!({"total_tokens": input + output, "input_tokens": input, "output_tokens": output,
            "input_token_details": {"text_tokens": input - audio, "audio_tokens": audio, "cached_tokens": cached,
                "cached_tokens_details": {"text_tokens": cached - cached_audio, "audio_tokens": cached_audio}},
            "output_token_details": {"text_tokens": output - spoken, "audio_tokens": spoken}});
        if draws.one_in(4) {
            usage["input_tokens"] = Value::Null;
        }
        let id = if ids { json!(format!("resp-{number}")) } else { Value::Null };
        let answer =
            without_nulls(json!({"object": "realtime.response", "id": id, "status": "completed",
            "output": [], "usage": without_nulls(usage)}));
        frames.push(json!({"type": "response.done", "response": answer}));
    }
    let repeats = if ids { (0..frames.len()).collect() } else { Vec::new() };
    if draws.one_in(3) {
        frames.push(json!({"type": "conversation.item.input_audio_transcription.completed", "item_id": "i",
            "transcript": "hello", "usage": {"type": "tokens", "total_tokens": 43, "input_tokens": 29,
            "output_tokens": 14, "input_token_details": {"text_tokens": 29, "audio_tokens": 0}}}));
    }
    let zeros = json!({"object": "realtime.response", "usage": {"total_tokens": 0, "input_tokens": 0, "output_tokens": 0}});
    let zeros = json!({"type": "response.done", "response": zeros});
    Scene { repeats, ..Scene::stream(frames, zeros) }
}

/// The AI SDK's names, codex's, and Bedrock's metrics beside a stream.
fn others(draws: &mut Draws<'_>) -> Scene {
    let (input, output) = (draws.tokens(), draws.tokens());
    let read = draws.part(input);
    match draws.below(3) {
        0 => {
            let mut usage = json!({"inputTokens": input, "outputTokens": output, "totalTokens": input + output,
                "inputTokenDetails": {"noCacheTokens": input - read, "cacheReadTokens": read}});
            set_count(&mut usage, "outputTokenDetails.reasoningTokens", draws.part(output));
            Scene::body(json!({"model": "deepseek-v4-pro", "usage": usage}))
        }
        1 => {
            let mut usage = json!({"input_tokens": input, "cached_input_tokens": read, "output_tokens": output});
            set_count(&mut usage, "reasoning_output_tokens", draws.part(output));
            let frames = vec![
                json!({"type": "thread.started", "thread_id": "t"}),
                json!({"type": "turn.completed", "usage": usage}),
            ];
            Scene { zeros: None, ..Scene::stream(frames, json!({})) }
        }
        _ => {
            let mut metrics = json!({"inputTokenCount": input, "outputTokenCount": output, "invocationLatency": 900});
            spoil(&mut metrics, draws);
            let frames = vec![
                json!({"object": "chat.completion.chunk", "model": "moonshotai.kimi-k2.5",
                    "choices": [{"index": 0, "delta": {"content": text(draws)}, "finish_reason": null}]}),
                json!({"object": "chat.completion.chunk", "model": "moonshotai.kimi-k2.5",
                    "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
                    "amazon-bedrock-invocationMetrics": metrics}),
            ];
            Scene { zeros: None, ..Scene::stream(frames, json!({})) }
        }
    }
}
