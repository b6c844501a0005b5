//! Settings: flags over environment over a TOML file over defaults, checked before anything is done.
//!
//! A setting that cannot be used is an error that names it, never a default in disguise. Secrets come from the
//! environment, the file, or a file of their own; there is no flag for them, since arguments are visible to
//! everybody on the machine.

mod file;
mod show;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::http_server::is_local;
use crate::odoo::{self, Protocol};
use crate::outbound::{Limits, is_loopback};

/// The highest rate that is asked of a SICANTIK on another machine, in requests per second: what was promised
/// to the office whose server it is.
pub const HIGHEST_RATE: f64 = 10.0;

const DEFAULT_RATE: f64 = 10.0;
const DEFAULT_TIMEOUT: f64 = 10.0;
const DEFAULT_MAX_IN_FLIGHT: u32 = 32;
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8787);

/// Requests per second that can be kept, and seconds that can be waited.
const RATES: RangeInclusive<f64> = 0.01..=100_000.0;
const TIMEOUTS: RangeInclusive<f64> = 0.05..=600.0;

/// A token that is shorter can be guessed, characters.
const SHORTEST_TOKEN: usize = 16;

/// Settings that flags and the environment give; what they leave open comes from the file.
#[derive(Clone, Default, clap::Args)]
#[command(next_help_heading = "Settings")]
pub struct Flags {
    /// Read settings from this TOML file
    #[arg(long, env = "SIDECAR_CONFIG", value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Odoo's address, as http://127.0.0.1:8069
    #[arg(long, env = "ODOO_URL", hide_env_values = true, value_name = "URL", global = true)]
    pub odoo_url: Option<String>,
    /// The name of Odoo's database
    #[arg(long, env = "ODOO_DB", value_name = "NAME", global = true)]
    pub odoo_db: Option<String>,
    /// The technical user's login. Its API key comes from ODOO_API_KEY or ODOO_API_KEY_FILE
    #[arg(long, env = "ODOO_LOGIN", value_name = "LOGIN", global = true)]
    pub odoo_login: Option<String>,
    /// Which of Odoo's external APIs to speak [default: auto]
    #[arg(long, env = "ODOO_PROTOCOL", value_name = "PROTOCOL", global = true)]
    pub odoo_protocol: Option<Protocol>,
    /// Requests to SICANTIK per second, over the connector's own setting; 0 lifts the limit, for a
    /// simulator on this machine only
    #[arg(long, env = "SICANTIK_REQUEST_RATE", value_name = "RATE", global = true)]
    pub request_rate: Option<f64>,
    /// Seconds to wait for an answer of SICANTIK's, over the connector's own setting
    #[arg(long, env = "SICANTIK_TIMEOUT", value_name = "SECONDS", global = true)]
    pub timeout: Option<f64>,
    /// Requests in flight to SICANTIK, over the connector's own setting
    #[arg(long, env = "SICANTIK_MAX_IN_FLIGHT", value_name = "N", global = true)]
    pub max_in_flight: Option<u32>,
    /// Where `serve` listens [default: 127.0.0.1:8787]. Its token comes from SIDECAR_TOKEN or SIDECAR_TOKEN_FILE
    #[arg(long, env = "SIDECAR_LISTEN", value_name = "ADDRESS:PORT", global = true)]
    pub sidecar_listen: Option<String>,
}

/// A setting that cannot be used, in one sentence.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

/// All settings, resolved.
#[derive(Clone)]
pub struct Config {
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
    /// Odoo's address.
    pub odoo_url: Option<String>,
    /// Odoo's database.
    pub odoo_db: Option<String>,
    /// The technical user.
    pub odoo_login: Option<String>,
    /// Its API key.
    pub odoo_api_key: Option<SecretString>,
    /// The protocol to speak.
    pub odoo_protocol: Protocol,
    /// Requests per second, where it is set here; 0 for no limit.
    pub request_rate: Option<f64>,
    /// Seconds, where it is set here.
    pub timeout: Option<f64>,
    /// Requests in flight, where it is set here.
    pub max_in_flight: Option<u32>,
    /// Where the service listens; an address of this machine only.
    pub sidecar_listen: SocketAddr,
    /// What callers of the service have to show.
    /// Only `serve` needs it: that its file is closed to whoever runs another command keeps nobody from that.
    pub sidecar_token: Result<Option<SecretString>, Error>,
}

impl Config {
    /// Settings from `flags` (which hold the environment's too), the file that they name, and the secrets of the
    /// environment, which `variable` looks up.
    ///
    /// # Errors
    ///
    /// [`Error`] for the first setting that cannot be used.
    pub fn load(flags: &Flags, variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let file = flags.config.as_deref().map(file::read).transpose()?.unwrap_or_default();
        let odoo_api_key = secret(
            &variable,
            "ODOO_API_KEY",
            file.odoo.api_key,
            file.odoo.api_key_file.as_deref(),
        )?;
        let sidecar_token = secret(
            &variable,
            "SIDECAR_TOKEN",
            file.sidecar.token,
            file.sidecar.token_file.as_deref(),
        );
        let config = Self {
            file: flags.config.clone(),
            odoo_url: flags.odoo_url.clone().or(file.odoo.url),
            odoo_db: flags.odoo_db.clone().or(file.odoo.db),
            odoo_login: flags.odoo_login.clone().or(file.odoo.login),
            odoo_api_key,
            odoo_protocol: flags.odoo_protocol.or(file.odoo.protocol).unwrap_or_default(),
            request_rate: flags.request_rate.or(file.sicantik.request_rate),
            timeout: flags.timeout.or(file.sicantik.timeout),
            max_in_flight: flags.max_in_flight.or(file.sicantik.max_in_flight),
            sidecar_listen: match &flags.sidecar_listen {
                Some(text) => socket(text)?,
                None => file.sidecar.listen.unwrap_or(DEFAULT_LISTEN),
            },
            sidecar_token,
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), Error> {
        if let Some(url) = &self.odoo_url {
            http_url(url, "Odoo's address (ODOO_URL)")?;
        }
        if let Some(rate) = self.request_rate
            && !(rate == 0.0 || RATES.contains(&rate))
        {
            return Err(Error(format!(
                "A request rate of {rate} (SICANTIK_REQUEST_RATE) cannot be kept: give requests per second, up to {HIGHEST_RATE}."
            )));
        }
        if let Some(timeout) = self.timeout
            && !TIMEOUTS.contains(&timeout)
        {
            return Err(Error(format!(
                "A time-out of {timeout} s (SICANTIK_TIMEOUT) is out of range: give 0.05 to 600 seconds."
            )));
        }
        if !is_local(&self.sidecar_listen) {
            return Err(Error(format!(
                "The service would listen on {} (SIDECAR_LISTEN), which other machines can reach: give 127.0.0.1 or [::1] and a port.",
                self.sidecar_listen
            )));
        }
        if let Some(0) = self.max_in_flight {
            return Err(Error(
                "SICANTIK_MAX_IN_FLIGHT is 0, so nothing could be asked: give at least 1."
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// How to reach Odoo.
    ///
    /// # Errors
    ///
    /// [`Error`], naming each setting that is missing.
    pub fn odoo(&self) -> Result<odoo::Settings, Error> {
        let missing: Vec<&str> = [
            ("ODOO_URL", self.odoo_url.is_none()),
            ("ODOO_DB", self.odoo_db.is_none()),
            ("ODOO_LOGIN", self.odoo_login.is_none()),
            ("ODOO_API_KEY or ODOO_API_KEY_FILE", self.odoo_api_key.is_none()),
        ]
        .into_iter()
        .filter_map(|(name, is_missing)| is_missing.then_some(name))
        .collect();
        let (Some(url), Some(db), Some(login), Some(key)) =
            (&self.odoo_url, &self.odoo_db, &self.odoo_login, &self.odoo_api_key)
        else {
            return Err(Error(format!(
                "To reach Odoo, set also {}: in the environment, or in a file given with --config.",
                missing.join(", ")
            )));
        };
        let url = http_url(url, "Odoo's address (ODOO_URL)")?;
        let mut settings = odoo::Settings::new(url, db, login, key.clone());
        settings.protocol = self.odoo_protocol;
        Ok(settings)
    }

    /// What callers of the service have to show.
    ///
    /// # Errors
    ///
    /// [`Error`], if it is not set or could be guessed.
    pub fn token(&self) -> Result<SecretString, Error> {
        let how = "set SIDECAR_TOKEN, or SIDECAR_TOKEN_FILE to a file that holds it, to a random text such as `openssl rand -hex 32` prints, and the same in Odoo's settings";
        match self.sidecar_token.as_ref().map_err(Clone::clone)? {
            None => Err(Error(format!("The service needs a token: {how}."))),
            Some(token) if token.expose_secret().len() < SHORTEST_TOKEN => Err(Error(format!(
                "The service's token is shorter than {SHORTEST_TOKEN} characters: {how}."
            ))),
            Some(token) => Ok(token.clone()),
        }
    }

    /// How to treat the SICANTIK at `api_url`: what is set here, over what its connector says.
    ///
    /// # Errors
    ///
    /// [`Error`], if the address cannot be used, or for a rate that a server on another machine must not be asked at.
    pub fn sicantik(&self, api_url: &str, connector: &odoo::Connector) -> Result<Sicantik, Error> {
        let api_url = http_url(api_url, "The address of SICANTIK's API")?;
        let wrong = |what: &str, value: &dyn std::fmt::Display, variable: &str| {
            Error(format!(
                "The connector `{}` has in Odoo {what} of {value}, which cannot be used: correct it there, or set {variable}.",
                connector.name
            ))
        };
        let rate = match (self.request_rate, connector.request_rate) {
            (Some(rate), _) => rate,
            (None, Some(rate)) if !RATES.contains(&rate) => {
                return Err(wrong("a request rate", &rate, "SICANTIK_REQUEST_RATE"));
            }
            (None, rate) => rate.unwrap_or(DEFAULT_RATE),
        };
        if !is_loopback(&api_url) && (rate == 0.0 || rate > HIGHEST_RATE) {
            let asked = if rate == 0.0 {
                "no limit".to_owned()
            } else {
                format!("{rate} requests per second")
            };
            return Err(Error(format!(
                "SICANTIK at {} is not on this machine, and {asked} is more than the {HIGHEST_RATE} per second that it is promised: lower the request rate.",
                api_url.host_str().unwrap_or_default()
            )));
        }
        let timeout = match (self.timeout, connector.request_timeout) {
            (Some(timeout), _) => timeout,
            (None, Some(timeout)) if !TIMEOUTS.contains(&timeout) => {
                return Err(wrong("a time-out", &timeout, "SICANTIK_TIMEOUT"));
            }
            (None, timeout) => timeout.unwrap_or(DEFAULT_TIMEOUT),
        };
        let max_in_flight = match (self.max_in_flight, connector.max_in_flight) {
            (Some(number), _) => number,
            (None, Some(number)) => u32::try_from(number)
                .map_err(|_| wrong("a number in flight", &number, "SICANTIK_MAX_IN_FLIGHT"))?,
            (None, None) => DEFAULT_MAX_IN_FLIGHT,
        };
        Ok(Sicantik {
            api_url,
            limits: Limits {
                rate: (rate > 0.0).then_some(rate),
                max_in_flight: max_in_flight.max(1) as usize,
            },
            timeout: Duration::from_secs_f64(timeout),
        })
    }
}

/// How to treat one SICANTIK.
#[derive(Debug, Clone, PartialEq)]
pub struct Sicantik {
    /// The base address of its API.
    pub api_url: Url,
    /// What its gate holds.
    pub limits: Limits,
    /// How long to wait for one answer.
    pub timeout: Duration,
}

/// A secret from the variable `name`, from the file that the variable `name_FILE` names, or the settings file's.
fn secret(
    variable: &impl Fn(&str) -> Option<String>,
    name: &str,
    in_file: Option<SecretString>,
    file_in_file: Option<&Path>,
) -> Result<Option<SecretString>, Error> {
    let of_file = |path: &Path| {
        let text = std::fs::read_to_string(path).map_err(|error| {
            // What is no path may be the secret itself, set under the wrong name.
            let shown =
                if path.is_absolute() { path.display().to_string() } else { "…".to_owned() };
            Error(format!("The file {shown} ({name}_FILE) cannot be read: {error}."))
        })?;
        Ok(SecretString::from(text.trim()))
    };
    let not_empty = |value: String| (!value.trim().is_empty()).then_some(value);
    let secret = if let Some(value) = variable(name).and_then(not_empty) {
        Some(SecretString::from(value.trim()))
    } else if let Some(path) = variable(&format!("{name}_FILE")).and_then(not_empty) {
        Some(of_file(Path::new(&path))?)
    } else if in_file.is_some() {
        in_file
    } else {
        file_in_file.map(of_file).transpose()?
    };
    match secret {
        Some(secret) if secret.expose_secret().is_empty() => {
            Err(Error(format!("The secret {name} is set, but empty.")))
        }
        secret => Ok(secret),
    }
}

/// What was given as an address and is none, without a user and password in it. It cannot be taken apart; certain is only
/// that they stand before an `@`.
fn without_password(text: &str) -> String {
    text.rsplit_once('@').map_or(text.to_owned(), |(_, rest)| format!("…@{rest}"))
}

/// Where the service listens.
fn socket(text: &str) -> Result<SocketAddr, Error> {
    text.trim().parse().map_err(|_| {
        Error(format!(
            "`{}` (--sidecar-listen, SIDECAR_LISTEN) is not where a service can listen: give an address and a port, as {DEFAULT_LISTEN}.",
            without_password(text)
        ))
    })
}

/// An address that requests can be sent to; `what` begins the sentence that says why it is none.
fn http_url(text: &str, what: &str) -> Result<Url, Error> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Error(format!(
            "{what} is empty: give one that begins with http:// or https://."
        )));
    }
    let shown = without_password(text);
    let wrong = |problem: &str| {
        Error(format!(
            "{what}, `{shown}`, {problem}: give one that begins with http:// or https://."
        ))
    };
    let url = Url::parse(text).map_err(|_| wrong("is not an address"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("is not an http address"));
    }
    match url.host() {
        Some(_) => Ok(url),
        None => Err(wrong("names no host")),
    }
}

#[cfg(test)]
mod tests;
