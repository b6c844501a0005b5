//! What an answer's headers say about the next request.

use std::time::Duration;

use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use url::Url;

use super::error::Error;

/// Where a redirect leads, if that is on the same host.
pub(super) fn redirect(from: &Url, headers: &HeaderMap, status: StatusCode) -> Result<Url, Error> {
    let target = headers
        .get(LOCATION)
        .and_then(|location| location.to_str().ok())
        .and_then(|location| from.join(location).ok())
        .filter(|target| matches!(target.scheme(), "http" | "https"))
        .ok_or(Error::Refused { status })?;
    if target.host_str() == from.host_str() {
        Ok(target)
    } else {
        Err(Error::Redirected { host: target.host_str().unwrap_or_default().to_owned() })
    }
}

/// `Retry-After` in either of its forms, seconds or a date.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = chrono::DateTime::parse_from_rfc2822(value).ok()?;
    (date.to_utc() - chrono::Utc::now()).to_std().ok()
}
