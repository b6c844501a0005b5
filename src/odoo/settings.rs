//! What is needed to reach an Odoo.

use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::outbound::{self, tls::Authorities};

/// Which of Odoo's external APIs to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// `/json/2` from Odoo 19 on, `/jsonrpc` before.
    #[default]
    Auto,
    /// `/jsonrpc`: Odoo 14 and later; announced to be removed in Odoo 22.
    Jsonrpc,
    /// `/json/2`: Odoo 19 and later.
    Json2,
}

impl Protocol {
    /// The path it is served under.
    pub fn path(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Jsonrpc => "/jsonrpc",
            Self::Json2 => "/json/2",
        }
    }
}

/// Where Odoo is, who asks, and how long to wait. `Debug` shows neither the key nor a password in
/// the address.
#[derive(Clone)]
pub struct Settings {
    /// The address of Odoo, `http://` or `https://`, with or without a path before `/jsonrpc`.
    pub url: Url,
    /// The name of the database.
    pub db: String,
    /// The login of the technical user.
    pub login: String,
    /// An API key of that user. `/jsonrpc` takes the password as well, `/json/2` does not.
    pub api_key: SecretString,
    /// Which API to speak.
    pub protocol: Protocol,
    /// How long one call may take in all. Odoo itself retries a transaction in conflict for tens of
    /// seconds: with less than a minute, a working server counts as lost.
    pub timeout: Duration,
    /// How long to wait for the TCP connection.
    pub connect_timeout: Duration,
    /// Who may vouch for its certificate besides the authorities of this machine.
    pub authorities: Authorities,
    /// How long a call that may safely arrive twice is retried, from its first failure on; zero for
    /// not at all.
    pub retry_budget: Duration,
}

impl Settings {
    /// Settings with the default times: 120 s for a call, 5 s to connect, 60 s of retries.
    pub fn new(
        url: Url,
        db: impl Into<String>,
        login: impl Into<String>,
        api_key: SecretString,
    ) -> Self {
        Self {
            url,
            db: db.into(),
            login: login.into(),
            api_key,
            protocol: Protocol::Auto,
            timeout: Duration::from_secs(120),
            connect_timeout: Duration::from_secs(5),
            authorities: Authorities::default(),
            retry_budget: Duration::from_secs(60),
        }
    }

    /// The address of `path` below Odoo's own, whether that ends in a slash or not.
    pub(crate) fn endpoint(&self, path: &str) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        format!("{}/{}", url.as_str().trim_end_matches('/'), path.trim_start_matches('/'))
    }

    /// The address as it may be shown: see [`outbound::shown_url`].
    pub(crate) fn shown_url(&self) -> String {
        outbound::shown_url(&self.url)
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("url", &self.shown_url())
            .field("db", &self.db)
            .field("login", &self.login)
            .field("api_key", &self.api_key)
            .field("protocol", &self.protocol)
            .field("timeout", &self.timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("retry_budget", &self.retry_budget)
            .finish()
    }
}
