//! How both protocols reach Odoo: a bounded POST, and what can go wrong on the way.

use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Serialize;
use url::Url;

use super::{Error, Settings};
use crate::outbound::headers::redirect_target;
use crate::outbound::http::{HttpError, Options, Response, client, exchange};
use crate::outbound::shown_url;

/// Bytes of one request or answer: half of what Odoo takes by default.
const MAX_BODY: usize = 64 * 1024 * 1024;

const JSON: &str = "application/json";

/// The connection to one Odoo.
pub(super) struct Transport {
    http: reqwest::Client,
}

/// A complete answer.
pub(super) struct TextResponse {
    pub(super) status: u16,
    /// Without parameters; empty where there is none.
    content_type: String,
    /// Where a redirect leads, without what may be secret in it.
    target: Option<String>,
    pub(super) body: String,
}

impl Transport {
    /// A connection on which every request has `headers`.
    ///
    /// No proxy: Odoo is on the local network.
    pub(super) fn new(settings: &Settings, headers: HeaderMap) -> Result<Self, Error> {
        let http = client(Options {
            timeout: settings.timeout,
            connect_timeout: Some(settings.connect_timeout),
            pool_idle_timeout: None,
            uses_proxy: false,
            headers,
            authorities: settings.authorities.clone(),
        });
        let http = http.map_err(|failure| {
            Error::Settings(format!("TLS cannot be set up on this machine: {failure}."))
        })?;
        Ok(Self { http })
    }

    /// Posts `body` as JSON to `path` below Odoo's address.
    pub(super) async fn post(
        &self,
        settings: &Settings,
        path: &str,
        body: &impl Serialize,
    ) -> Result<TextResponse, Error> {
        let body = serde_json::to_vec(body).expect("what is sent is JSON");
        if body.len() > MAX_BODY {
            return Err(Error::TooLarge);
        }
        let url = settings.endpoint(path);
        let request = self.http.post(&url).header(CONTENT_TYPE, JSON).body(body);
        let Response { status, headers, body } =
            exchange(request, MAX_BODY).await.map_err(|error| failed(error, settings))?;
        let content_type = headers
            .get(CONTENT_TYPE)
            .and_then(|value: &HeaderValue| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        let target = Url::parse(&url).ok().and_then(|url| redirect_target(&url, &headers));
        let target = target.map(|mut target| {
            target.set_query(None);
            target.set_fragment(None);
            shown_url(&target)
        });
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(TextResponse { status: status.as_u16(), content_type, target, body })
    }
}

impl TextResponse {
    /// Whether the body is JSON, as its type says.
    pub(super) fn is_json(&self) -> bool {
        self.content_type == JSON
    }

    /// The error for an answer that no Odoo gives.
    pub(super) fn not_odoo(&self, settings: &Settings) -> Error {
        let detail = match &self.target {
            Some(target) => format!("to {target}"),
            None if self.content_type.is_empty() => "no content".to_owned(),
            None => self.content_type.clone(),
        };
        Error::NotOdoo { url: settings.shown_url(), status: self.status, detail }
    }
}

fn failed(failure: HttpError, settings: &Settings) -> Error {
    let url = settings.shown_url();
    match failure {
        HttpError::Connect { reason } => Error::Unreachable { url, detail: reason },
        HttpError::Tls(problem) => {
            let remedy = problem.remedy("ODOO_CA_FILE");
            Error::Tls { url, cause: problem.to_string(), remedy }
        }
        HttpError::TimedOut => {
            let seconds = settings.timeout.as_secs_f32();
            Error::Lost { url, detail: format!("no answer within {seconds} s") }
        }
        HttpError::Broken { reason } => Error::Lost { url, detail: reason },
        HttpError::TooLarge { .. } => Error::TooLarge,
    }
}
