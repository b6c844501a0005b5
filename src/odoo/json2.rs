//! `/json/2/<model>/<method>`: Odoo 19 and later. The key is a bearer token, the arguments are an
//! object, and the answer is the bare value. An error has a status, and the same dict as over
//! `/jsonrpc`.

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::call::Call;
use super::fault::{Fault, detail, no_such_model, sentence};
use super::transport::{TextResponse, Transport};
use super::{Error, Settings};

const DATABASE: HeaderName = HeaderName::from_static("x-odoo-database");

pub(super) struct Json2 {
    transport: Transport,
    uid: i64,
}

impl Json2 {
    /// There is no login here: one call that every user may make proves database and key.
    pub(super) async fn connect(settings: &Settings) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Context {
            #[serde(default)]
            uid: i64,
        }
        let transport = Transport::new(settings, headers(settings)?)?;
        let mut client = Self { transport, uid: 0 };
        let call = Call { settings, model: "res.users", method: "context_get" };
        let result = client.call(call, &json!({})).await?;
        let context: Context = call.read(&result)?;
        client.uid = context.uid;
        Ok(client)
    }

    pub(super) fn uid(&self) -> i64 {
        self.uid
    }

    /// Calls a model's method; answers its result as JSON text.
    pub(super) async fn call(&self, call: Call<'_>, kwargs: &Value) -> Result<String, Error> {
        let Call { settings, model, method } = call;
        let path = format!("/json/2/{model}/{method}");
        let answer = self.transport.post(settings, &path, kwargs).await?;
        let is_value = answer.is_json() && serde_json::from_str::<IgnoredAny>(&answer.body).is_ok();
        if answer.status == 200 && is_value {
            return Ok(answer.body);
        }
        Err(refusal(&answer, call))
    }
}

fn headers(settings: &Settings) -> Result<HeaderMap, Error> {
    let bearer = format!("bearer {}", settings.api_key.expose_secret());
    let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| {
        Error::Settings("The API key has characters that no key has: copy it again.".into())
    })?;
    bearer.set_sensitive(true);
    let database = HeaderValue::from_str(&settings.db).map_err(|_| {
        Error::Settings("The name of the database cannot be sent: correct ODOO_DB.".into())
    })?;
    Ok(HeaderMap::from_iter([(AUTHORIZATION, bearer), (DATABASE, database)]))
}

fn refusal(answer: &TextResponse, call: Call<'_>) -> Error {
    let Call { settings, model, method } = call;
    let fault = if answer.is_json() { Fault::of_odoo(&answer.body) } else { None };
    let Some(fault) = fault else {
        return match answer.status {
            413 => Error::TooLarge,
            // Odoo's own page for a database that it cannot open; an unknown model is JSON.
            404 => Error::UnknownDatabase { db: settings.db.clone(), url: settings.shown_url() },
            _ => answer.not_odoo(settings),
        };
    };
    let Fault { name, message, .. } = &fault;
    match (answer.status, name.as_str()) {
        (401, _) if is_without_key(message) => Error::KeyStripped { url: settings.shown_url() },
        (401, _) => Error::AccessDenied { login: settings.login.clone() },
        // Any exception while the key is checked becomes this, with nothing said: a wrong key is a
        // 401.
        (_, "odoo.exceptions.AccessDenied") => {
            Error::KeyUnchecked { url: settings.shown_url(), detail: detail(&sentence(message)) }
        }
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
            detail: detail(&sentence(message)),
        },
        (429 | 502..=504, name) if name.starts_with("werkzeug.") => answer.not_odoo(settings),
        _ => fault.into_error(call),
    }
}

/// Whether a 401 says that no key came. All of Odoo's sentences for that name the header.
fn is_without_key(message: &str) -> bool {
    message.contains("not authenticated") || message.contains("Authorization")
}
