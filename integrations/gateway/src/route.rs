//! [`Route`]: which provider's API a request uses, and whether its call is metered.

use axum::http::{HeaderMap, Method, Uri, request::Parts};

/// Whose API, and so whose form of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    OpenAi,
    Anthropic,
}

/// What the gateway does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A call that costs money.
    Metered(Form),
    /// Costs nothing at the provider, and passes.
    Free,
    /// Its cost is not known here.
    Unknown,
}

/// The form of a metered call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// OpenAI's chat completions, and the completions before them.
    Chat,
    Completions,
    Responses,
    Embeddings,
    /// Anthropic's messages.
    Messages,
}

impl Form {
    /// The field that caps the answer, where a request names none.
    pub(crate) fn cap_field(self) -> Option<&'static str> {
        match self {
            Form::Chat => Some("max_completion_tokens"),
            Form::Completions | Form::Messages => Some("max_tokens"),
            Form::Responses => Some("max_output_tokens"),
            Form::Embeddings => None,
        }
    }

    /// Whether its streams say what they used only if the request asks for it.
    pub(crate) fn hides_usage(self) -> bool {
        matches!(self, Form::Chat | Form::Completions)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) provider: Provider,
    pub(crate) kind: Kind,
}

impl Route {
    pub(crate) fn of(head: &Parts) -> Route {
        let path = head.uri.path();
        let kind = match (&head.method, path) {
            (&Method::POST, "/v1/chat/completions") => Kind::Metered(Form::Chat),
            (&Method::POST, "/v1/completions") => Kind::Metered(Form::Completions),
            (&Method::POST, "/v1/responses") => Kind::Metered(Form::Responses),
            (&Method::POST, "/v1/embeddings") => Kind::Metered(Form::Embeddings),
            (&Method::POST, "/v1/messages") => Kind::Metered(Form::Messages),
            (&Method::POST, "/v1/messages/count_tokens") | (&Method::GET, "/v1/models") => {
                Kind::Free
            }
            (&Method::GET, path) if path.starts_with("/v1/models/") => Kind::Free,
            _ => Kind::Unknown,
        };
        Route { provider: provider(path, &head.headers), kind }
    }
}

/// Both providers have `/v1/models`; only Anthropic's SDKs name a version of the API.
fn provider(path: &str, headers: &HeaderMap) -> Provider {
    match path.starts_with("/v1/messages") || headers.contains_key("anthropic-version") {
        true => Provider::Anthropic,
        false => Provider::OpenAi,
    }
}

/// Where a request goes, below a provider's base URL. OpenAI's has the version in it already.
pub(crate) fn target(provider: Provider, base: &str, uri: &Uri) -> String {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let path = match provider {
        Provider::OpenAi => path.strip_prefix("/v1").unwrap_or(path),
        Provider::Anthropic => path,
    };
    format!("{}{path}", base.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn route(method: &str, path: &str, header: &str) -> Route {
        let request = Request::builder().method(method).uri(path).header(header, "x");
        Route::of(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn only_what_is_written_here_is_metered_or_free() {
        for (method, path, header, provider, kind) in [
            ("POST", "/v1/chat/completions", "a", Provider::OpenAi, Kind::Metered(Form::Chat)),
            (
                "POST",
                "/v1/messages?beta=true",
                "a",
                Provider::Anthropic,
                Kind::Metered(Form::Messages),
            ),
            ("GET", "/v1/chat/completions", "a", Provider::OpenAi, Kind::Unknown),
            ("POST", "/v1/chat/completions/", "a", Provider::OpenAi, Kind::Unknown),
            ("POST", "/v1/messages/batches", "a", Provider::Anthropic, Kind::Unknown),
            ("GET", "/v1/models/gpt-5", "a", Provider::OpenAi, Kind::Free),
            ("GET", "/v1/models", "anthropic-version", Provider::Anthropic, Kind::Free),
            ("DELETE", "/v1/models/gpt-5", "a", Provider::OpenAi, Kind::Unknown),
        ] {
            assert_eq!(route(method, path, header), Route { provider, kind }, "{method} {path}");
        }
    }

    #[test]
    fn a_base_url_may_end_in_a_slash_and_have_a_path() {
        let uri = "/v1/models?limit=1".parse().unwrap();
        let openai = target(Provider::OpenAi, "http://localhost:1/api/v1/", &uri);
        assert_eq!(openai, "http://localhost:1/api/v1/models?limit=1");
        let anthropic = target(Provider::Anthropic, "http://localhost:1", &uri);
        assert_eq!(anthropic, "http://localhost:1/v1/models?limit=1");
    }
}
