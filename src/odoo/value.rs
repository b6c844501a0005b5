//! How Odoo writes values: `false` for whatever is empty, dates without a zone.

use chrono::NaiveDateTime;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

/// A search domain: a JSON list of terms, as Odoo takes it.
pub type Domain = Vec<Value>;

/// A value, or `None` for `false` and `null`: Odoo writes them for an empty field of any type.
pub(crate) fn falsy<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: de::DeserializeOwned,
{
    match Value::deserialize(deserializer)? {
        Value::Null | Value::Bool(false) => Ok(None),
        value => serde_json::from_value(value).map(Some).map_err(de::Error::custom),
    }
}

/// As [`falsy`], and zero is `None` too: an unset number field of Odoo is `0`.
pub(crate) fn nonzero<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: de::DeserializeOwned,
{
    match Value::deserialize(deserializer)? {
        Value::Null | Value::Bool(false) => Ok(None),
        Value::Number(n) if n.as_f64() == Some(0.0) => Ok(None),
        value => serde_json::from_value(value).map(Some).map_err(de::Error::custom),
    }
}

/// `true` only; anything empty is `false`.
pub(crate) fn truth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(falsy::<D, bool>(deserializer)?.unwrap_or(false))
}

/// A count; empty and negative are 0.
pub(crate) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let number = falsy::<D, i64>(deserializer)?.unwrap_or(0);
    Ok(u32::try_from(number.max(0)).unwrap_or(u32::MAX))
}

/// Text that may be empty.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(falsy::<D, String>(deserializer)?.unwrap_or_default())
}

/// Text that is not blank: another module may have stored an empty text where Odoo stores nothing.
pub(crate) fn some_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    Ok(falsy::<D, String>(deserializer)?.filter(|text| !text.trim().is_empty()))
}

/// Odoo's datetimes: `YYYY-MM-DD HH:MM:SS`, in UTC, without saying so.
const DATETIME: &str = "%Y-%m-%d %H:%M:%S";

/// A moment as Odoo reads it.
pub(crate) fn datetime(moment: chrono::DateTime<chrono::Utc>) -> String {
    moment.format(DATETIME).to_string()
}

/// A moment as Odoo wrote it, or nothing.
pub(crate) fn moment<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<chrono::DateTime<chrono::Utc>>, D::Error> {
    falsy::<D, String>(deserializer)?
        .map(|text| {
            NaiveDateTime::parse_from_str(&text, DATETIME)
                .map(|naive| naive.and_utc())
                .map_err(|_| de::Error::custom(format!("`{text}` is not YYYY-MM-DD HH:MM:SS")))
        })
        .transpose()
}

/// The display name of a many2one, which Odoo writes as `[id, name]`.
pub(crate) fn display_name<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    Ok(falsy::<D, (i64, String)>(deserializer)?.map(|(_, name)| name))
}
