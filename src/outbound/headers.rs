//! What the headers of an answer say about the next request.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{LOCATION, RETRY_AFTER};
use url::Url;

/// Where a redirect leads, if that is an address on the web.
#[must_use]
pub fn redirect_target(from: &Url, headers: &HeaderMap) -> Option<Url> {
    let location = headers.get(LOCATION)?.to_str().ok()?;
    let target = from.join(location).ok()?;
    matches!(target.scheme(), "http" | "https").then_some(target)
}

/// `Retry-After` in either of its forms, seconds or a date. A date in the past asks for nothing.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = date(value)?;
    date.duration_since(SystemTime::now()).ok()
}

/// A date in any of HTTP's three forms (RFC 9110, 5.6.7), or as in a mail, with another zone than
/// GMT.
fn date(value: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(value)
        .ok()
        .or_else(|| chrono::DateTime::parse_from_rfc2822(value).ok().map(SystemTime::from))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn with(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn a_retry_after_is_seconds_or_a_date() {
        let read = |value: &str| retry_after(&with(RETRY_AFTER, value));
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read(" 0 "), Some(Duration::ZERO));
        assert_eq!(read("1.5"), Some(Duration::from_millis(1_500)));
        let date = chrono::Utc::now() + chrono::Duration::seconds(30);
        for form in [
            "%a, %d %b %Y %H:%M:%S GMT",
            // RFC 850's and asctime's.
            "%A, %d-%b-%y %H:%M:%S GMT",
            "%a %b %e %H:%M:%S %Y",
            "%a, %d %b %Y %H:%M:%S +0000",
        ] {
            let printed = date.format(form).to_string();
            let asked = read(&printed).unwrap_or_default();
            assert!((28..=30).contains(&asked.as_secs()), "{printed}: {asked:?}");
        }
        for nothing in [
            "",
            "-1",
            "NaN",
            "inf",
            "soon",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(read(nothing), None, "{nothing}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn a_redirect_may_be_relative_and_stays_on_the_web() {
        let from = Url::parse("http://a.example/api/x").unwrap();
        let read =
            |value: &str| redirect_target(&from, &with(LOCATION, value)).map(|url| url.to_string());
        assert_eq!(read("/baru").as_deref(), Some("http://a.example/baru"));
        assert_eq!(read("https://b.example/y").as_deref(), Some("https://b.example/y"));
        for nowhere in ["ftp://a.example/x", "http://["] {
            assert_eq!(read(nowhere), None, "{nowhere}");
        }
        assert_eq!(redirect_target(&from, &HeaderMap::new()), None);
    }
}
