//! What can happen to the office while it is being read, on demand or when the listing has been
//! requested so many times.

use std::fmt;
use std::str::FromStr;

use strum::{EnumString, IntoStaticStr, VariantNames};

/// One change. Parsing takes its bare name; [`Change::parse`] takes a count with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "lowercase")]
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
    /// The change with this name; `count` is ignored where nothing is counted.
    ///
    /// # Errors
    ///
    /// A sentence that lists the names, if this is none of them.
    pub fn named(name: &str, count: u32) -> Result<Self, String> {
        let mut change: Self = name.parse().map_err(|_| {
            format!("`{name}` is not a change; there are: {}", Self::VARIANTS.join(", "))
        })?;
        if let Some(counted) = change.count_mut() {
            *counted = count;
        }
        Ok(change)
    }

    /// Reads a change with its count, as in `add=500`; without one it happens once.
    ///
    /// # Errors
    ///
    /// A sentence that says which part is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
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

    fn count_mut(&mut self) -> Option<&mut u32> {
        match self {
            Self::Upgrade | Self::Downgrade => None,
            Self::Add(count)
            | Self::Swap(count)
            | Self::Unlist(count)
            | Self::Renew(count)
            | Self::Rename(count) => Some(count),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut change = *self;
        out.write_str(change.into())?;
        match change.count_mut() {
            Some(count) => write!(out, "={count}"),
            None => Ok(()),
        }
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
        Ok(Self { listing_request, change: Change::parse(change)? })
    }
}
