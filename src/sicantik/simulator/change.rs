//! What can happen to the office while somebody reads it, on demand or when the listing has been
//! asked for so many times.

use std::fmt;
use std::str::FromStr;

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The listing begins to carry `d_berlaku_izin` and `d_terima_berkas`.
    Upgrade,
    /// The listing carries them no longer.
    Downgrade,
    /// So many new permits come to the front.
    Add(u32),
    /// So many rows change places with others of the same day.
    Swap(u32),
    /// So many permits leave the listing; their details are still found.
    Unlist(u32),
    /// So many permits are renewed: their end moves by a year.
    Renew(u32),
    /// So many permits get another applicant.
    Rename(u32),
}

impl Change {
    /// The names that [`Change::named`] knows.
    pub const NAMES: [&str; 7] =
        ["upgrade", "downgrade", "add", "swap", "unlist", "renew", "rename"];

    /// The change with this name; `count` is ignored where nothing is counted.
    ///
    /// # Errors
    ///
    /// A sentence that lists the names, if this is none of them.
    pub fn named(name: &str, count: u32) -> Result<Self, String> {
        Ok(match name {
            "upgrade" => Self::Upgrade,
            "downgrade" => Self::Downgrade,
            "add" => Self::Add(count),
            "swap" => Self::Swap(count),
            "unlist" => Self::Unlist(count),
            "renew" => Self::Renew(count),
            "rename" => Self::Rename(count),
            _ => {
                let names = Self::NAMES.join(", ");
                return Err(format!("`{name}` is not a change; there are: {names}"));
            }
        })
    }
}

impl FromStr for Change {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, count) = match text.split_once('=') {
            Some((name, count)) => {
                let count =
                    count.parse().map_err(|_| format!("`{count}` in `{text}` is not a count"))?;
                (name, count)
            }
            None => (text, 1),
        };
        Self::named(name, count)
    }
}

/// A change that happens just before the listing answers a certain request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// Which request for the listing, counted from 1 since the log was reset.
    pub listing_request: u64,
    /// What happens.
    pub change: Change,
}

impl FromStr for Scheduled {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (request, change) = text.split_once(':').ok_or_else(|| {
            format!("`{text}` is not REQUEST:CHANGE, as in 20:add=500 or 30:upgrade")
        })?;
        let listing_request = request
            .parse()
            .map_err(|_| format!("`{request}` in `{text}` is not the number of a request"))?;
        Ok(Self { listing_request, change: change.parse()? })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upgrade => out.write_str("upgrade"),
            Self::Downgrade => out.write_str("downgrade"),
            Self::Add(count) => write!(out, "add={count}"),
            Self::Swap(count) => write!(out, "swap={count}"),
            Self::Unlist(count) => write!(out, "unlist={count}"),
            Self::Renew(count) => write!(out, "renew={count}"),
            Self::Rename(count) => write!(out, "rename={count}"),
        }
    }
}
