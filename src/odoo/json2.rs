//! `/json/2/<model>/<method>`: Odoo 19 and later. The key is a bearer token, the arguments are an
//! object, the answer is the bare value, and an error has a status and the same dict as ever.

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};

use super::fault::{Called, Fault, no_such_model, reason, sentence};
use super::{Error, Settings, jsonrpc};

const DATABASE: HeaderName = HeaderName::from_static("x-odoo-database");

pub(crate) struct Json2 {
    http: reqwest::Client,
    uid: i64,
    /// The database has answered: when it does no longer, it is away and not misspelt.
    proved: bool,
}

/// An HTTP client for Odoo: no redirects, since a key is not for whoever they lead to.
pub(crate) fn http(settings: &Settings, headers: HeaderMap) -> Result<reqwest::Client, Error> {
    crate::outbound::tls::install();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(settings.timeout)
        .connect_timeout(settings.connect_timeout)
        .default_headers(headers)
        .build()
        .map_err(|error| Error::Settings(format!("No HTTPS connection can be made: {error}.")))
}

impl Json2 {
    /// There is no login here: one call that everybody may make proves database and key.
    pub(crate) async fn connect(settings: &Settings) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Context {
            #[serde(default)]
            uid: i64,
        }
        let mut headers = HeaderMap::new();
        let bearer = format!("bearer {}", settings.api_key.expose_secret());
        let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| {
            Error::Settings("The API key has characters that no key has: copy it again.".into())
        })?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
        let database = HeaderValue::from_str(&settings.db).map_err(|_| {
            Error::Settings("The name of the database cannot be sent: correct ODOO_DB.".into())
        })?;
        headers.insert(DATABASE, database);
        let mut client = Self { http: http(settings, headers)?, uid: 0, proved: false };
        let called = Called { settings, model: "res.users", method: "context_get" };
        let answer = client.call(called, &json!({})).await?;
        let context: Context = super::client::decode(called, &answer)?;
        client.uid = context.uid;
        client.proved = true;
        Ok(client)
    }

    pub(crate) fn uid(&self) -> i64 {
        self.uid
    }

    /// Calls a model's method; the answer is its result as JSON text.
    pub(crate) async fn call(&self, called: Called<'_>, kwargs: &Value) -> Result<String, Error> {
        let Called { settings, model, method } = called;
        let url = settings.endpoint(&format!("/json/2/{model}/{method}"));
        let answer = read(settings, self.http.post(url).json(kwargs)).await?;
        if answer.status == 200 && answer.is_json {
            return Ok(answer.body);
        }
        Err(refusal(answer, called, self.proved))
    }
}

fn refusal(answer: Answer, called: Called<'_>, proved: bool) -> Error {
    let Called { settings, model, method } = called;
    let fault = if answer.is_json { serde_json::from_str(&answer.body).ok() } else { None };
    let Some(fault) = fault else {
        return match answer.status {
            413 => Error::TooLarge,
            // Odoo's own page for a database it cannot open; the model's absence is JSON.
            404 if proved => Error::DatabaseAway {
                url: settings.shown_url(),
                detail: format!("`{}` was there and is not served now", settings.db),
            },
            404 => Error::UnknownDatabase { db: settings.db.clone(), url: settings.shown_url() },
            _ => answer.not_odoo(settings),
        };
    };
    let Fault { name, message, .. } = &fault;
    match (answer.status, name.as_str()) {
        (401, _) => Error::AccessDenied { login: settings.login.clone() },
        (404, "werkzeug.exceptions.NotFound") if no_such_model(message, model) => {
            Error::UnknownModel { model: model.to_owned() }
        }
        (404, "werkzeug.exceptions.NotFound") => {
            Error::UnknownMethod { model: model.to_owned(), method: method.to_owned() }
        }
        (403, "werkzeug.exceptions.Forbidden") => {
            Error::AccessError { login: settings.login.clone(), sentence: sentence(message) }
        }
        (409, _) => Error::Conflict,
        (422, name) if name.starts_with("werkzeug.") => Error::BadArguments {
            model: model.to_owned(),
            method: method.to_owned(),
            detail: sentence(message).trim_end_matches('.').to_owned(),
        },
        _ => fault.into_error(called),
    }
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) is_json: bool,
    content_type: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn not_odoo(&self, settings: &Settings) -> Error {
        let detail =
            if self.content_type.is_empty() { "no content" } else { self.content_type.as_str() };
        Error::NotOdoo { url: settings.shown_url(), status: self.status, detail: detail.to_owned() }
    }
}

/// Sends a request and reads what comes, with what can go wrong on the way.
pub(crate) async fn read(
    settings: &Settings,
    request: reqwest::RequestBuilder,
) -> Result<Answer, Error> {
    let failed = |error: reqwest::Error| {
        let url = settings.shown_url();
        if error.is_connect() || error.is_builder() {
            Error::Unreachable { url, detail: reason(&error) }
        } else if error.is_timeout() {
            let seconds = settings.timeout.as_secs_f32();
            Error::Lost { url, detail: format!("no answer within {seconds} s") }
        } else {
            Error::Lost { url, detail: reason(&error) }
        }
    };
    let mut response = request.send().await.map_err(failed)?;
    let status = response.status().as_u16();
    let content_type = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
        .to_owned();
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if bytes.len() + chunk.len() > jsonrpc::MAX_BODY as usize {
            return Err(Error::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    let is_json = content_type == "application/json";
    Ok(Answer { status, is_json, content_type, body: String::from_utf8_lossy(&bytes).into_owned() })
}
