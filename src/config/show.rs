//! How settings are shown: to users by `config`, and in a log. No secret is in either, nor a password in an address.

use std::fmt;

use url::Url;

use super::{
    Config, DEFAULT_MAX_IN_FLIGHT, DEFAULT_RATE, DEFAULT_TIMEOUT, Flags, without_password,
};
use crate::outbound;

/// The settings as lines `name = value`, with where they come from left out and secrets hidden.
impl fmt::Display for Config {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unset = "(not set)";
        let from_connector = |value: Option<String>, default: &dyn fmt::Display| {
            value.unwrap_or_else(|| format!("(the connector's, or {default})"))
        };
        if let Some(file) = &self.file {
            writeln!(out, "# settings file: {}", file.display())?;
        }
        writeln!(
            out,
            "odoo.url = {}",
            shown_url(self.odoo_url.as_deref()).as_deref().unwrap_or(unset)
        )?;
        writeln!(out, "odoo.db = {}", self.odoo_db.as_deref().unwrap_or(unset))?;
        writeln!(out, "odoo.login = {}", self.odoo_login.as_deref().unwrap_or(unset))?;
        let key = if self.odoo_api_key.is_some() { "(set, hidden)" } else { unset };
        writeln!(out, "odoo.api_key = {key}")?;
        let protocol = format!("{:?}", self.odoo_protocol).to_lowercase();
        writeln!(out, "odoo.protocol = {protocol}")?;
        let rate = self
            .request_rate
            .map(|rate| if rate == 0.0 { "no limit".to_owned() } else { format!("{rate} /s") });
        writeln!(
            out,
            "sicantik.request_rate = {}",
            from_connector(rate, &format!("{DEFAULT_RATE} /s"))
        )?;
        let timeout = self.timeout.map(|seconds| format!("{seconds} s"));
        writeln!(
            out,
            "sicantik.timeout = {}",
            from_connector(timeout, &format!("{DEFAULT_TIMEOUT} s"))
        )?;
        let in_flight = self.max_in_flight.map(|number| number.to_string());
        writeln!(
            out,
            "sicantik.max_in_flight = {}",
            from_connector(in_flight, &DEFAULT_MAX_IN_FLIGHT)
        )?;
        writeln!(out, "sidecar.listen = {}", self.sidecar_listen)?;
        let token = match &self.sidecar_token {
            Ok(Some(_)) => "(set, hidden)",
            Ok(None) => unset,
            Err(_) => "(its file cannot be read)",
        };
        write!(out, "sidecar.token = {token}")
    }
}

/// As it is shown to users: an address may hold a password.
impl fmt::Debug for Config {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Config({self})")
    }
}

/// An address may hold a password; what could not be read as one is not shown at all.
impl fmt::Debug for Flags {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Flags")
            .field("config", &self.config)
            .field("odoo_url", &shown_url(self.odoo_url.as_deref()))
            .field("odoo_db", &self.odoo_db)
            .field("odoo_login", &self.odoo_login)
            .field("odoo_protocol", &self.odoo_protocol)
            .field("request_rate", &self.request_rate)
            .field("timeout", &self.timeout)
            .field("max_in_flight", &self.max_in_flight)
            .field("sidecar_listen", &self.sidecar_listen.as_deref().map(without_password))
            .finish()
    }
}

/// The address without a user and password that somebody wrote into it.
fn shown_url(url: Option<&str>) -> Option<String> {
    Url::parse(url?).ok().map(|url| outbound::shown_url(&url))
}
