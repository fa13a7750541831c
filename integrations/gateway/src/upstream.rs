//! [`Upstream`]: the client that calls the providers, and which headers it passes on.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header, request::Parts};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring;

use crate::options::{Options, StartError};
use crate::refusal::Refusal;
use crate::route::{Provider, target};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Headers that speak of one connection only.
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What a client shows to say who it is.
const CREDENTIALS: [&str; 2] = ["authorization", "x-api-key"];

pub(crate) struct Upstream {
    client: Client<HttpsConnector<HttpConnector>, Body>,
    openai: Side,
    anthropic: Side,
}

/// One provider.
struct Side {
    base: String,
    /// What is shown in place of the client's credentials; `None` passes those on.
    credentials: Option<HeaderMap>,
}

impl Upstream {
    pub(crate) fn new(options: &Options) -> Result<Upstream, StartError> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let https = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(Arc::new(ring::default_provider()))
            .map_err(|error| StartError::new("TLS", error))?
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let side = |base: &str, name: &'static str, prefix: &str, key: &Option<String>| {
            base.parse::<Uri>().map_err(|error| StartError::new(base, error))?;
            let mut credentials = HeaderMap::new();
            if let Some(key) = key {
                let mut value = HeaderValue::try_from(format!("{prefix}{key}"))
                    .map_err(|error| StartError::new("a provider's key", error))?;
                value.set_sensitive(true);
                credentials.insert(name, value);
            }
            let credentials = options.keys.as_ref().map(|_| credentials);
            Ok::<_, StartError>(Side { base: base.to_owned(), credentials })
        };
        let Options { openai_base_url, openai_api_key, .. } = options;
        let Options { anthropic_base_url, anthropic_api_key, .. } = options;
        Ok(Upstream {
            client: Client::builder(TokioExecutor::new()).build(https),
            openai: side(openai_base_url, "authorization", "Bearer ", openai_api_key)?,
            anthropic: side(anthropic_base_url, "x-api-key", "", anthropic_api_key)?,
        })
    }

    /// The request as the provider will see it, but for its body.
    pub(crate) fn request(
        &self,
        provider: Provider,
        head: &Parts,
    ) -> Result<Request<Body>, Refusal> {
        let side = match provider {
            Provider::OpenAi => &self.openai,
            Provider::Anthropic => &self.anthropic,
        };
        let uri = target(provider, &side.base, &head.uri).parse::<Uri>().map_err(Refusal::bad)?;
        let mut headers = head.headers.clone();
        strip_hop_by_hop(&mut headers);
        headers.remove(header::HOST);
        let own = headers.keys().filter(|name| name.as_str().starts_with("x-bursar-")).cloned();
        for name in own.collect::<Vec<_>>() {
            headers.remove(name);
        }
        if let Some(credentials) = &side.credentials {
            CREDENTIALS.iter().for_each(|name| _ = headers.remove(*name));
            headers.extend(credentials.clone());
        }
        let mut request = Request::new(Body::empty());
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// A request whose answer the gateway will read: with this body, and not to be compressed.
    pub(crate) fn metered(
        &self,
        provider: Provider,
        head: &Parts,
        body: Bytes,
    ) -> Result<Request<Body>, Refusal> {
        let mut request = self.request(provider, head)?;
        debug_assert_eq!(request.method(), Method::POST);
        request.headers_mut().remove(header::CONTENT_LENGTH);
        let identity = HeaderValue::from_static("identity");
        request.headers_mut().insert(header::ACCEPT_ENCODING, identity);
        *request.body_mut() = Body::from(body);
        Ok(request)
    }

    /// Sends it. The headers of the answer are fit to travel on.
    pub(crate) async fn send(&self, request: Request<Body>) -> Result<Response<Body>, Error> {
        let mut response = self.client.request(request).await?;
        strip_hop_by_hop(response.headers_mut());
        Ok(response.map(Body::new))
    }
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named: Vec<String> =
        named.flat_map(|list| list.split(',').map(|name| name.trim().to_owned())).collect();
    for name in named.iter().map(String::as_str).chain(HOP_BY_HOP) {
        headers.remove(name);
    }
}
