//! `/jsonrpc`: Odoo 14 and later, until 22. One JSON-RPC method `call`, whose named parameters say
//! which service, which of its methods, and the arguments in a list, key included.
//!
//! The envelopes are jsonrpsee's. They travel as all else does, through [`Transport`]: jsonrpsee's
//! own HTTP client would be a second stack of TLS, limits and errors beside it, and its errors say
//! less about what was lost on the way.

use http::HeaderMap;
use jsonrpsee::core::{JsonRawValue, to_json_raw_value};
use jsonrpsee::types::{ErrorObject, Id, Request, Response, ResponsePayload};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::call::Call;
use super::fault::{Fault, sentence};
use super::transport::{TextResponse, Transport};
use super::{Error, Settings};

pub(super) struct JsonRpc {
    transport: Transport,
    uid: i64,
}

impl JsonRpc {
    /// Logs in, which proves database, login and key.
    pub(super) async fn connect(settings: &Settings) -> Result<Self, Error> {
        let mut client = Self { transport: Transport::new(settings, HeaderMap::new())?, uid: 0 };
        let call = Call { settings, model: "common", method: "login" };
        let key = settings.api_key.expose_secret();
        let args = json!([settings.db, settings.login, key]);
        let result = client.send(call, "common", "login", args).await?;
        // `false` is a refusal; Odoo answers nothing else but an id.
        match serde_json::from_str(&result) {
            Ok(Value::Number(uid)) => client.uid = uid.as_i64().unwrap_or_default(),
            Ok(Value::Bool(false)) => {
                return Err(Error::AccessDenied { login: settings.login.clone() });
            }
            _ => return Err(call.unreadable("a login that is no number")),
        }
        Ok(client)
    }

    /// The version, which is told without a login.
    pub(super) async fn version(settings: &Settings) -> Result<String, Error> {
        let client = Self { transport: Transport::new(settings, HeaderMap::new())?, uid: 0 };
        let call = Call { settings, model: "common", method: "version" };
        client.send(call, "common", "version", json!([])).await
    }

    pub(super) fn uid(&self) -> i64 {
        self.uid
    }

    /// Calls a model's method; answers its result as JSON text.
    pub(super) async fn call(&self, call: Call<'_>, kwargs: &Value) -> Result<String, Error> {
        let Call { settings, model, method } = call;
        let mut kwargs = kwargs.clone();
        // A method of records takes their ids as its first argument, not by name.
        let args = match kwargs.as_object_mut().and_then(|names| names.remove("ids")) {
            Some(ids) => json!([ids]),
            None => json!([]),
        };
        let key = settings.api_key.expose_secret();
        let args = json!([settings.db, self.uid, key, model, method, args, kwargs]);
        self.send(call, "object", "execute_kw", args).await
    }

    async fn send(
        &self,
        call: Call<'_>,
        service: &str,
        method: &str,
        args: Value,
    ) -> Result<String, Error> {
        let params = json!({ "service": service, "method": method, "args": args });
        let params = to_json_raw_value(&params).expect("a JSON value");
        // One exchange has one request, so that any id will do.
        let request = Request::borrowed("call", Some(&params), Id::Number(1));
        let answer = self.transport.post(call.settings, "/jsonrpc", &request).await?;
        result(&answer, call)
    }
}

/// The result in an answer, as JSON text.
fn result(answer: &TextResponse, call: Call<'_>) -> Result<String, Error> {
    match answer.status {
        200 => {}
        413 => return Err(Error::TooLarge),
        _ => return Err(answer.not_odoo(call.settings)),
    }
    match serde_json::from_str::<Response<'_, &JsonRawValue>>(&answer.body) {
        Ok(response) => match response.payload {
            ResponsePayload::Success(result) => Ok(result.get().to_owned()),
            ResponsePayload::Error(error) => Err(refusal(&error, call)),
        },
        // A method that returns None gives neither `result` nor `error`; the calls made here never
        // do.
        Err(_) if is_envelope(&answer.body) => Err(call.unreadable("it returned nothing")),
        Err(_) => Err(answer.not_odoo(call.settings)),
    }
}

fn is_envelope(body: &str) -> bool {
    serde_json::from_str::<Value>(body).is_ok_and(|body| body.get("jsonrpc").is_some())
}

fn refusal(error: &ErrorObject<'_>, call: Call<'_>) -> Error {
    let data = error.data().map_or("", JsonRawValue::get);
    match serde_json::from_str::<Fault>(data) {
        Ok(fault) => fault.into_error(call),
        Err(_) => Error::Server {
            name: format!("JSON-RPC error {}", error.code()),
            sentence: sentence(error.message()),
        },
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    #[tokio::test]
    async fn https_to_a_port_nobody_listens_on_is_unreachable() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("https://{}", free.local_addr().expect("its address"));
        drop(free);
        let key = SecretString::from("key");
        let settings = Settings::new(url.parse().expect("an address"), "db", "login", key);
        let error = JsonRpc::connect(&settings).await.err().expect("nobody listens");
        assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    }
}
