//! `/jsonrpc`: Odoo 14 and later, until 22. One JSON-RPC method `call`, whose named parameters say
//! which service, which of its methods, and the arguments in a list, key included.

use http_body_util::LengthLimitError;
use jsonrpsee::core::client::{ClientT, Error as RpcError};
use jsonrpsee::core::params::ObjectParams;
use jsonrpsee::core::{JsonRawValue, http_helpers::HttpError};
use jsonrpsee::http_client::transport::Error as TransportError;
use jsonrpsee::http_client::{
    HttpBackend, HttpClient, HttpClientBuilder, RpcService, RpcServiceBuilder,
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::fault::{Called, Fault, reason};
use super::{Error, Settings};

/// Bytes of one question or answer: half of what Odoo takes by itself.
pub(crate) const MAX_BODY: u32 = 64 * 1024 * 1024;

pub(crate) struct JsonRpc {
    http: HttpClient<RpcService<HttpBackend>>,
    uid: i64,
}

impl JsonRpc {
    /// Logs in, which proves database, login and key.
    pub(crate) async fn connect(settings: &Settings) -> Result<Self, Error> {
        crate::outbound::tls::install();
        let http = HttpClientBuilder::new()
            // Its own would log every question at trace level, the key with it.
            .set_rpc_middleware(RpcServiceBuilder::new())
            .request_timeout(settings.timeout)
            .connect_timeout(settings.connect_timeout)
            .max_request_size(MAX_BODY)
            .max_response_size(MAX_BODY)
            .build(settings.endpoint("/jsonrpc"))
            .map_err(|error| Error::Settings(format!("ODOO_URL cannot be used: {error}.")))?;
        let mut client = Self { http, uid: 0 };
        let called = Called { settings, model: "common", method: "login" };
        let key = settings.api_key.expose_secret();
        let answer = client
            .send(called, "common", "login", json!([settings.db, settings.login, key]))
            .await?;
        // `false` is a refusal; anything but an id or that comes from something else.
        match serde_json::from_str(&answer) {
            Ok(Value::Number(uid)) => client.uid = uid.as_i64().unwrap_or_default(),
            Ok(Value::Bool(false)) => {
                return Err(Error::AccessDenied { login: settings.login.clone() });
            }
            _ => return Err(unreadable(called, "a login that is no number")),
        }
        Ok(client)
    }

    pub(crate) fn uid(&self) -> i64 {
        self.uid
    }

    /// Calls a model's method; the answer is its result as JSON text.
    pub(crate) async fn call(&self, called: Called<'_>, kwargs: &Value) -> Result<String, Error> {
        let Called { settings, model, method } = called;
        let mut kwargs = kwargs.clone();
        // What works on records takes their ids as its first argument, not by name.
        let args = match kwargs.as_object_mut().and_then(|names| names.remove("ids")) {
            Some(ids) => json!([ids]),
            None => json!([]),
        };
        let key = settings.api_key.expose_secret();
        let args = json!([settings.db, self.uid, key, model, method, args, kwargs]);
        self.send(called, "object", "execute_kw", args).await
    }

    async fn send(
        &self,
        called: Called<'_>,
        service: &str,
        method: &str,
        args: Value,
    ) -> Result<String, Error> {
        let mut params = ObjectParams::new();
        params
            .insert("service", service)
            .and_then(|()| params.insert("method", method))
            .and_then(|()| params.insert("args", args))
            .map_err(|error| unreadable(called, &error.to_string()))?;
        match self.http.request::<Box<JsonRawValue>, _>("call", params).await {
            Ok(result) => Ok(Box::<str>::from(result).into()),
            Err(error) => Err(translate(error, called)),
        }
    }
}

fn translate(error: RpcError, called: Called<'_>) -> Error {
    let settings = called.settings;
    let url = settings.shown_url();
    match error {
        RpcError::Call(error) => {
            let data = error.data().map_or("", JsonRawValue::get);
            match serde_json::from_str::<Fault>(data) {
                Ok(fault) => fault.into_error(called),
                Err(_) => Error::Server {
                    name: format!("JSON-RPC error {}", error.code()),
                    sentence: super::fault::sentence(error.message()),
                },
            }
        }
        RpcError::RequestTimeout => Error::Lost {
            url,
            detail: format!("no answer within {} s", settings.timeout.as_secs_f32()),
        },
        // A method that returns None has neither result nor error; the calls made here never do.
        RpcError::ParseError(error) if error.to_string().contains("result/error") => {
            unreadable(called, "it returned nothing")
        }
        RpcError::ParseError(error) => {
            Error::NotOdoo { url, status: 200, detail: format!("no JSON-RPC answer: {error}") }
        }
        RpcError::Transport(error) => match error.downcast_ref::<TransportError>() {
            Some(TransportError::Rejected { status_code: 413 })
            | Some(TransportError::RequestTooLarge)
            | Some(TransportError::Http(HttpError::TooLarge)) => Error::TooLarge,
            Some(TransportError::Rejected { status_code }) => Error::NotOdoo {
                url,
                status: *status_code,
                detail: "no JSON-RPC answer".to_owned(),
            },
            Some(TransportError::Http(HttpError::Malformed)) => {
                Error::NotOdoo { url, status: 200, detail: "no JSON".to_owned() }
            }
            Some(TransportError::Http(HttpError::Stream(error))) => {
                let error: &(dyn std::error::Error + 'static) = error.as_ref();
                if error.is::<LengthLimitError>() {
                    return Error::TooLarge;
                }
                let detail = reason(error);
                let connecting = error
                    .downcast_ref::<hyper_util::client::legacy::Error>()
                    .is_some_and(hyper_util::client::legacy::Error::is_connect);
                if connecting {
                    Error::Unreachable { url, detail }
                } else {
                    Error::Lost { url, detail }
                }
            }
            _ => Error::Lost { url, detail: reason(error.as_ref()) },
        },
        error => unreadable(called, &error.to_string()),
    }
}

fn unreadable(called: Called<'_>, detail: &str) -> Error {
    Error::Unreadable {
        model: called.model.to_owned(),
        method: called.method.to_owned(),
        detail: detail.to_owned(),
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
