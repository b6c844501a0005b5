//! `[sicantik]`: how to treat SICANTIK, over what its connector in Odoo says.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use chrono_tz::Tz;
use url::Url;

use super::address::http_url;
use super::ca_file::CaFile;
use super::error::Error;
use super::setting::{Entry, Fallback, Setting, SettingKind, Sourced};
use super::sources::{Sources, unusable};
use crate::odoo::Connector;
use crate::outbound::tls::Authorities;
use crate::outbound::{Limits, is_loopback};

/// The highest request rate for a SICANTIK on another machine, per second: what was promised to the
/// office whose server it is.
pub const HIGHEST_RATE: f64 = 10.0;

/// The zone of an office whose connector names none.
const TIME_ZONE: Tz = Tz::Asia__Jakarta;

/// Requests per second that can be kept.
const RATES: RangeInclusive<f64> = 0.01..=100_000.0;

/// Seconds that can be waited.
const TIMEOUTS: RangeInclusive<f64> = 0.05..=600.0;

/// Requests that can be in flight.
const IN_FLIGHT: RangeInclusive<i64> = 1..=u32::MAX as i64;

static REQUEST_RATE: Setting = Setting {
    key: Some("sicantik.request_rate"),
    flag: Some("request-rate"),
    variable: "SICANTIK_REQUEST_RATE",
    kind: SettingKind::Number { placeholder: "RATE", unit: "/s" },
    default: Fallback::Connector("10"),
    meaning: "Requests to SICANTIK per second; overrides the connector's own setting. More than \
              10, or 0 for no limit, only for a simulator on this machine",
    expected: "requests per second, up to 10",
};

static TIMEOUT: Setting = Setting {
    key: Some("sicantik.timeout"),
    flag: Some("timeout"),
    variable: "SICANTIK_TIMEOUT",
    kind: SettingKind::Number { placeholder: "SECONDS", unit: "s" },
    default: Fallback::Connector("10"),
    meaning: "Seconds to wait for a response from SICANTIK; overrides the connector's own setting",
    expected: "0.05 to 600 seconds",
};

static MAX_IN_FLIGHT: Setting = Setting {
    key: Some("sicantik.max_in_flight"),
    flag: Some("max-in-flight"),
    variable: "SICANTIK_MAX_IN_FLIGHT",
    kind: SettingKind::Number { placeholder: "N", unit: "" },
    default: Fallback::Connector("32"),
    meaning: "Requests to SICANTIK in flight at once; overrides the connector's own setting",
    expected: "at least 1",
};

static CA_FILE: Setting = Setting {
    key: Some("sicantik.ca_file"),
    flag: None,
    variable: "SICANTIK_CA_FILE",
    kind: SettingKind::Text("FILE"),
    default: Fallback::None,
    meaning: "PEM file of certificates that may vouch for SICANTIK's besides this machine's own \
              authorities: an intermediate that the server does not send, the authority of the \
              house, or a self-signed one",
    expected: "a file of certificates in PEM form",
};

/// The settings of this section.
pub(super) static SETTINGS: [&Setting; 4] = [&REQUEST_RATE, &TIMEOUT, &MAX_IN_FLIGHT, &CA_FILE];

/// What is set here, over the connector's own settings.
#[derive(Clone)]
pub(super) struct Section {
    /// Per second; 0 for no limit.
    request_rate: Option<Sourced<f64>>,
    /// Seconds.
    timeout: Option<Sourced<f64>>,
    max_in_flight: Option<Sourced<i64>>,
    ca_file: Option<Sourced<CaFile>>,
}

/// How to treat one SICANTIK.
#[derive(Debug, Clone, PartialEq)]
pub struct Sicantik {
    /// The base address of its API.
    pub api_url: Url,
    /// What its gate holds.
    pub limits: Limits,
    /// How long to wait for one response.
    pub timeout: Duration,
    /// Who may vouch for its certificate besides the authorities of this machine.
    pub authorities: Authorities,
    /// Where the office is: there an instant is a day.
    pub time_zone: Tz,
}

impl Section {
    pub(super) fn load(sources: &Sources<'_>) -> Result<Self, Error> {
        let number = |text: &str| text.trim().parse::<f64>().map_err(|_| "is not a number");
        Ok(Self {
            request_rate: sources.get(&REQUEST_RATE, |text| match number(text)? {
                rate if rate == 0.0 || RATES.contains(&rate) => Ok(rate),
                _ => Err("is out of range"),
            })?,
            timeout: sources.get(&TIMEOUT, |text| match number(text)? {
                timeout if TIMEOUTS.contains(&timeout) => Ok(timeout),
                _ => Err("is out of range"),
            })?,
            max_in_flight: sources.get(&MAX_IN_FLIGHT, |text| match text.trim().parse() {
                Ok(number) if IN_FLIGHT.contains(&number) => Ok(number),
                Ok(_) => Err("is out of range"),
                Err(_) => Err("is not a whole number"),
            })?,
            ca_file: sources.get(&CA_FILE, CaFile::read)?,
        })
    }

    /// How to treat the SICANTIK at `api_url`: what is set here, or else what its connector says.
    ///
    /// # Errors
    ///
    /// [`Error`], if the address or a setting of the connector cannot be used, or for a rate that
    /// is too high for a server on another machine.
    pub(super) fn of(&self, api_url: &str, connector: &Connector) -> Result<Sicantik, Error> {
        let subject = "The address of SICANTIK's API";
        let expected = "one that begins with http:// or https://";
        let api_url =
            http_url(api_url).map_err(|reason| unusable(subject, api_url, reason, expected))?;
        let name = &connector.name;
        let rate = Choice { setting: &REQUEST_RATE, name, what: "request rate", range: RATES }
            .value(self.request_rate.as_ref(), connector.request_rate)?;
        if !is_loopback(&api_url) && (rate == 0.0 || rate > HIGHEST_RATE) {
            let asked = match rate {
                0.0 => "no limit".to_owned(),
                rate => format!("{rate} requests per second"),
            };
            return Err(Error(format!(
                "SICANTIK at {} is not on this machine, and {asked} is more than the \
                 {HIGHEST_RATE} per second that it is promised: lower the request rate.",
                api_url.host_str().unwrap_or_default()
            )));
        }
        let timeout = Choice { setting: &TIMEOUT, name, what: "time-out", range: TIMEOUTS }
            .value(self.timeout.as_ref(), connector.request_timeout)?;
        let in_flight = "number in flight";
        let in_flight = Choice { setting: &MAX_IN_FLIGHT, name, what: in_flight, range: IN_FLIGHT }
            .value(self.max_in_flight.as_ref(), connector.max_in_flight)?;
        Ok(Sicantik {
            api_url,
            limits: Limits {
                rate: (rate > 0.0).then_some(rate),
                max_in_flight: usize::try_from(in_flight).unwrap_or(usize::MAX),
            },
            timeout: Duration::from_secs_f64(timeout),
            authorities: CaFile::authorities(self.ca_file.as_ref()),
            time_zone: time_zone(connector),
        })
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        let rate = |rate: &f64| match *rate {
            0.0 => "no limit".to_owned(),
            rate => REQUEST_RATE.with_unit(rate),
        };
        vec![
            Entry::new(&REQUEST_RATE, self.request_rate.as_ref(), rate),
            Entry::new(&TIMEOUT, self.timeout.as_ref(), |timeout| TIMEOUT.with_unit(timeout)),
            Entry::new(&MAX_IN_FLIGHT, self.max_in_flight.as_ref(), i64::to_string),
            Entry::new(&CA_FILE, self.ca_file.as_ref(), CaFile::shown),
        ]
    }
}

/// The time zone of a connector's office. Another module may hold a name that nobody knows; few
/// servers print instants, so that is no reason to ask nothing.
fn time_zone(connector: &Connector) -> Tz {
    let Some(name) = &connector.tz else { return TIME_ZONE };
    name.trim().parse().unwrap_or_else(|_| {
        tracing::warn!(connector.id, tz = name, "This time zone is unknown; {TIME_ZONE} is used");
        TIME_ZONE
    })
}

/// A setting that a connector has, too.
struct Choice<'a, T> {
    setting: &'static Setting,
    /// The connector's name.
    name: &'a str,
    /// What the setting is.
    what: &'a str,
    /// What the connector may say.
    range: RangeInclusive<T>,
}

impl<T: Copy + PartialOrd + Display + std::str::FromStr> Choice<'_, T> {
    /// What is set here, or else what the connector says, or else the default.
    fn value(&self, here: Option<&Sourced<T>>, connector: Option<T>) -> Result<T, Error> {
        match (here, connector) {
            (Some(here), _) => Ok(here.value),
            (None, Some(value)) if self.range.contains(&value) => Ok(value),
            (None, Some(value)) => Err(Error(format!(
                "Connector `{}`: the {} {value} is not usable; change it in Odoo, or set {}.",
                self.name, self.what, self.setting.variable
            ))),
            (None, None) => Ok(self.setting.connector_default()),
        }
    }
}
