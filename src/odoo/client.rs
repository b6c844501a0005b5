//! One client for both protocols, and what it sends again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use super::call::Call;
use super::connect::{Api, Found, Remark, connect};
use super::{Error, Protocol, Settings, Version};
use crate::outbound::retry::Policy;

/// The pauses between tries; [`Settings::retry_budget`] ends them.
const POLICY: Policy = Policy {
    max_tries: None,
    first_pause: Duration::from_millis(200),
    longest_pause: Duration::from_secs(10),
};

/// How often an answer that cannot be understood is asked for again.
const UNREADABLE_TRIES: u32 = 3;

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
    remarks: Vec<Remark>,
    calls: AtomicU64,
}

impl Client {
    /// Asks the server its version, chooses the protocol, and proves database and key with one
    /// call. What was in the way and could be got around is in [`Client::remarks`].
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
        let Found { settings, version, api, remarks, calls } = connect(settings).await?;
        let retry_budget = settings.retry_budget;
        let calls = AtomicU64::new(calls);
        Ok(Self { inner: Arc::new(Inner { settings, version, api, remarks, calls }), retry_budget })
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
    /// with growing pauses, until [`Settings::retry_budget`] is used up. An answer that cannot be
    /// understood is asked for again a few times: it may be a stranger's.
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
                Err(error @ Error::Unreadable { .. }) if tries < UNREADABLE_TRIES => error,
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
            Api::JsonRpc(api) => api.call(call, kwargs).await,
            Api::Json2(api) => api.call(call, kwargs).await,
        };
        call.read(&result.map_err(Error::after_proof)?)
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

    /// What was in the way at the beginning, and was got around.
    pub fn remarks(&self) -> &[Remark] {
        &self.inner.remarks
    }

    /// The settings that it was made with, with the address at which Odoo was found.
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
