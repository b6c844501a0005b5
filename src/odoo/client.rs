//! One client for both protocols: who asks, how often it asked, and what is asked again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use super::fault::Called;
use super::json2::Json2;
use super::jsonrpc::JsonRpc;
use super::{Error, Protocol, Settings, Version, ask_version, retry};

/// From this version on there is `/json/2`.
const JSON2_SINCE: u32 = 19;

/// A connection to one database of one Odoo, as one user. Cheap to clone; its clones share the
/// connections and the counter.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    retry_budget: Duration,
}

struct Inner {
    settings: Settings,
    version: Version,
    transport: Transport,
    calls: AtomicU64,
}

enum Transport {
    JsonRpc(JsonRpc),
    Json2(Json2),
}

impl Client {
    /// Asks the server its version, chooses the protocol, and proves database and key with one
    /// call. Nothing is repeated here: who starts wants to know at once what is wrong.
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
        let json2 = match settings.protocol {
            Protocol::Auto => version.major >= JSON2_SINCE,
            Protocol::Jsonrpc => false,
            Protocol::Json2 if version.major < JSON2_SINCE => {
                return Err(Error::Settings(format!(
                    "Odoo {} does not speak /json/2, which came with 19: set ODOO_PROTOCOL to \
                     `auto` or `jsonrpc`.",
                    version.text
                )));
            }
            Protocol::Json2 => true,
        };
        let transport = if json2 {
            Transport::Json2(Json2::connect(settings).await?)
        } else {
            Transport::JsonRpc(JsonRpc::connect(settings).await?)
        };
        let retry_budget = settings.retry_budget;
        let settings = settings.clone();
        // Two so far: the version, and the login or what stands in for it.
        let calls = AtomicU64::new(2);
        Ok(Self { inner: Arc::new(Inner { settings, version, transport, calls }), retry_budget })
    }

    /// The same client, with another retry_budget than [`Settings::retry_budget`].
    #[must_use]
    pub fn with_retry_budget(&self, retry_budget: Duration) -> Self {
        Self { inner: Arc::clone(&self.inner), retry_budget }
    }

    /// Calls a public method of a model, once. `kwargs` is an object with every argument by name;
    /// `ids` in it are the records a recordset method works on.
    pub async fn call<R: DeserializeOwned>(
        &self,
        model: &str,
        method: &str,
        kwargs: Value,
    ) -> Result<R, Error> {
        self.send(Called { settings: &self.inner.settings, model, method }, &kwargs).await
    }

    /// As [`Client::call`], for a call that does no harm twice: what failed in passing is sent
    /// again, with pauses that grow, until [`Settings::retry_budget`] is used up.
    pub async fn call_idempotent<R: DeserializeOwned>(
        &self,
        model: &str,
        method: &str,
        kwargs: Value,
    ) -> Result<R, Error> {
        let called = Called { settings: &self.inner.settings, model, method };
        let mut first_failure = None;
        let mut repetitions = 0_u32;
        loop {
            let error = match self.send(called, &kwargs).await {
                Err(error) if error.is_transient() => error,
                settled => return settled,
            };
            let since = *first_failure.get_or_insert_with(Instant::now);
            let pause = retry::pause(repetitions, rand::random());
            if since.elapsed() + pause >= self.retry_budget {
                return Err(error);
            }
            tracing::warn!(
                odoo.model = model,
                odoo.method = method,
                pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                %error,
                "Odoo did not answer; asking again"
            );
            tokio::time::sleep(pause).await;
            repetitions += 1;
        }
    }

    async fn send<R: DeserializeOwned>(
        &self,
        called: Called<'_>,
        kwargs: &Value,
    ) -> Result<R, Error> {
        self.inner.calls.fetch_add(1, Ordering::Relaxed);
        let answer = match &self.inner.transport {
            Transport::JsonRpc(transport) => transport.call(called, kwargs).await?,
            Transport::Json2(transport) => transport.call(called, kwargs).await?,
        };
        decode(called, &answer)
    }

    /// How many calls have been sent, repetitions, version and login included.
    pub fn calls(&self) -> u64 {
        self.inner.calls.load(Ordering::Relaxed)
    }

    /// The server's version.
    pub fn version(&self) -> &Version {
        &self.inner.version
    }

    /// The protocol in use; never [`Protocol::Auto`].
    pub fn protocol(&self) -> Protocol {
        match self.inner.transport {
            Transport::JsonRpc(_) => Protocol::Jsonrpc,
            Transport::Json2(_) => Protocol::Json2,
        }
    }

    /// The id of the user that the key belongs to.
    pub fn uid(&self) -> i64 {
        match &self.inner.transport {
            Transport::JsonRpc(transport) => transport.uid(),
            Transport::Json2(transport) => transport.uid(),
        }
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
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

/// Reads a result, and says where in it something is not as expected.
pub(crate) fn decode<R: DeserializeOwned>(called: Called<'_>, answer: &str) -> Result<R, Error> {
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(answer)).map_err(
        |error| Error::Unreadable {
            model: called.model.to_owned(),
            method: called.method.to_owned(),
            detail: format!("at `{}`: {}", error.path(), error.inner()),
        },
    )
}
