//! Addresses in settings: checked, and shown without a user and password.

use url::Url;

/// An address that requests can be sent to; the error follows "which".
pub(super) fn http_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text.trim()).map_err(|_| "is not an address")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("is not an http address");
    }
    match url.host() {
        Some(_) => Ok(url),
        None => Err("names no host"),
    }
}

/// What was given as an address but is none, without a user and password. It cannot be parsed; all
/// that is certain is that they come before an `@`.
pub(super) fn without_password(text: &str) -> String {
    text.rsplit_once('@').map_or(text.to_owned(), |(_, rest)| format!("…@{rest}"))
}
