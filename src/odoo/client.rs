//! One client for both protocols, and what it sends again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use super::call::Call;
use super::json2::Json2;
use super::jsonrpc::JsonRpc;
use super::{Error, Protocol, Settings, Version, ask_version};
use crate::outbound::retry::Policy;

/// From this version on there is `/json/2`.
const JSON2_SINCE: u32 = 19;

/// The pauses between tries; [`Settings::retry_budget`] ends them.
const POLICY: Policy = Policy {
    max_tries: None,
    first_pause: Duration::from_millis(200),
    longest_pause: Duration::from_secs(10),
};

/// A connection to one database of one Odoo, as one user. Cheap to clone: clones share the
/// connections and the counter.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    retry_budget: Duration,
}

struct Inner {
    settings: Settings,
    version: Version,
    api: Api,
    calls: AtomicU64,
}

enum Api {
    JsonRpc(JsonRpc),
    Json2(Json2),
}

impl Client {
    /// Asks the server its version, chooses the protocol, and proves database and key with one
    /// call.
    ///
    /// Nothing is retried here: a program that starts reports at once what is wrong.
    ///
    /// # Errors
    /// Among others [`Error::Unreachable`], [`Error::NotOdoo`], [`Error::UnknownDatabase`],
    /// [`Error::AccessDenied`].
    pub async fn connect(settings: &Settings) -> Result<Self, Error> {
        if !matches!(settings.url.scheme(), "http" | "https") {
            return Err(Error::Settings(format!(
                "The address of Odoo must begin with http:// or https://, not `{}:` (ODOO_URL).",
                settings.url.scheme()
            )));
        }
        let version = ask_version(settings).await?;
        let api = if speaks_json2(settings.protocol, &version)? {
            Api::Json2(Json2::connect(settings).await?)
        } else {
            Api::JsonRpc(JsonRpc::connect(settings).await?)
        };
        let retry_budget = settings.retry_budget;
        let settings = settings.clone();
        // Two so far: the version, and the login or what stands in for it.
        let calls = AtomicU64::new(2);
        Ok(Self { inner: Arc::new(Inner { settings, version, api, calls }), retry_budget })
    }

    /// The same client with another budget than [`Settings::retry_budget`].
    #[must_use]
    pub fn with_retry_budget(&self, retry_budget: Duration) -> Self {
        Self { inner: Arc::clone(&self.inner), retry_budget }
    }

    /// Calls a public method of a model, once. `kwargs` is an object with every argument by name;
    /// `ids` among them are the records that a recordset method works on.
    pub async fn call<R: DeserializeOwned>(
        &self,
        model: &str,
        method: &str,
        kwargs: Value,
    ) -> Result<R, Error> {
        self.send(Call { settings: &self.inner.settings, model, method }, &kwargs).await
    }

    /// As [`Client::call`], for a call that may safely arrive twice: transient errors are retried,
    /// with growing pauses, until [`Settings::retry_budget`] is used up.
    pub async fn call_idempotent<R: DeserializeOwned>(
        &self,
        model: &str,
        method: &str,
        kwargs: Value,
    ) -> Result<R, Error> {
        let call = Call { settings: &self.inner.settings, model, method };
        let mut first_failure = None;
        let mut tries = 0_u32;
        loop {
            let error = match self.send(call, &kwargs).await {
                Err(error) if error.is_transient() => error,
                settled => return settled,
            };
            tries = tries.saturating_add(1);
            let since = *first_failure.get_or_insert_with(Instant::now);
            let pause = POLICY
                .pause(tries, None, rand::random())
                .filter(|pause| since.elapsed() + *pause < self.retry_budget);
            let Some(pause) = pause else { return Err(error) };
            tracing::warn!(
                odoo.model = model,
                odoo.method = method,
                pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                %error,
                "Odoo did not answer; asking again"
            );
            tokio::time::sleep(pause).await;
        }
    }

    async fn send<R: DeserializeOwned>(&self, call: Call<'_>, kwargs: &Value) -> Result<R, Error> {
        self.inner.calls.fetch_add(1, Ordering::Relaxed);
        let result = match &self.inner.api {
            Api::JsonRpc(api) => api.call(call, kwargs).await?,
            Api::Json2(api) => api.call(call, kwargs).await?,
        };
        call.read(&result)
    }

    /// How many calls have been sent, with retries, version and login.
    pub fn calls(&self) -> u64 {
        self.inner.calls.load(Ordering::Relaxed)
    }

    /// The server's version.
    pub fn version(&self) -> &Version {
        &self.inner.version
    }

    /// The protocol in use; never [`Protocol::Auto`].
    pub fn protocol(&self) -> Protocol {
        match self.inner.api {
            Api::JsonRpc(_) => Protocol::Jsonrpc,
            Api::Json2(_) => Protocol::Json2,
        }
    }

    /// The id of the user that the key belongs to.
    pub fn uid(&self) -> i64 {
        match &self.inner.api {
            Api::JsonRpc(api) => api.uid(),
            Api::Json2(api) => api.uid(),
        }
    }

    /// The settings that it was made with.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }
}

/// Whether `/json/2` is to be spoken, where `protocol` is asked for.
fn speaks_json2(protocol: Protocol, version: &Version) -> Result<bool, Error> {
    match protocol {
        Protocol::Auto => Ok(version.major >= JSON2_SINCE),
        Protocol::Jsonrpc => Ok(false),
        Protocol::Json2 if version.major < JSON2_SINCE => Err(Error::Settings(format!(
            "Odoo {} does not speak /json/2, which came with 19: set ODOO_PROTOCOL to `auto` or \
             `jsonrpc`.",
            version.text
        ))),
        Protocol::Json2 => Ok(true),
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("url", &self.inner.settings.shown_url())
            .field("db", &self.inner.settings.db)
            .field("login", &self.inner.settings.login)
            .field("protocol", &self.protocol())
            .field("calls", &self.calls())
            .finish_non_exhaustive()
    }
}
