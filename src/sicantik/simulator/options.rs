//! How the simulated server behaves: the flags of `simulate`, and the same for a test.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::{Args, ValueEnum};
use strum::VariantNames as _;

use super::change::{Change, Scheduled};
use super::fault::Share;
use crate::http_server::is_local;

/// More permits than these do not fit the eight digits of a registration.
pub(super) const MOST_PERMITS: u32 = 80_000_000;

/// How the simulated server behaves.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Address to listen on; an address of this machine only
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8099",
          value_parser = loopback)]
    pub listen: SocketAddr,

    /// How many permits there are
    #[arg(long, value_name = "N", default_value_t = 2000,
          value_parser = clap::value_parser!(u32).range(..=i64::from(MOST_PERMITS)))]
    pub permits: u32,

    /// Same seed, same permits and same faults
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// How long a response takes: 50, 50ms or 2.5s
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = duration)]
    pub latency: Duration,

    /// How long a page of the listing takes, where that differs
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub listing_latency: Option<Duration>,

    /// How much the latency varies, up or down
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = duration)]
    pub jitter: Duration,

    /// How many requests are worked on at once, while others wait; 0 for any number
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub capacity: usize,

    /// A fault and the share of requests that meet it, as in error-500=0.05 or empty=3%;
    /// can be given several times
    #[arg(long = "fault", value_name = "KIND=SHARE", long_help = fault_help())]
    pub faults: Vec<Share>,

    /// How much longer a response with the fault `slow` takes
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = duration)]
    pub slow: Duration,

    /// Rows of the listing carry d_berlaku_izin and d_terima_berkas
    #[arg(long)]
    pub upgraded: bool,

    /// Rows of the listing carry d_terima_berkas, as in some deployments that are not upgraded
    #[arg(long)]
    pub received: bool,

    /// An older deployment, without cekperizinanizin
    #[arg(long)]
    pub old: bool,

    /// Values go out as the bytes that they are, those that are not UTF-8 among the others, instead
    /// of an empty body (JSON) or an empty element (XML)
    #[arg(long)]
    pub raw_bytes: bool,

    /// JSON has texts that look like numbers as numbers (PHP's JSON_NUMERIC_CHECK), which takes the
    /// zeros of registrations
    #[arg(long)]
    pub numeric_check: bool,

    /// Errors come as {"status": ..., "message": ...}, and jumlahPerizinan as an object
    #[arg(long)]
    pub other_shapes: bool,

    /// The format of responses; a proxy in front of the server can impose one
    #[arg(long, value_enum, default_value_t = Format::Negotiate)]
    pub format: Format,

    /// No quirks in the data: every permit is found and has a date
    #[arg(long)]
    pub clean: bool,

    /// How far a row of the listing can be out of place, among those of the same day
    #[arg(long, value_name = "ROWS", default_value_t = 3)]
    pub shuffle: usize,

    /// How many rows make every page that holds one of them hang
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub stuck_rows: u32,

    /// How many rows make every page of more than 25 rows that holds one of them hang
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub heavy_rows: u32,

    /// What happens at the n-th request for the listing, as in 20:add=500 or 30:upgrade; can be
    /// given several times
    #[arg(long = "at", value_name = "REQUEST:CHANGE", long_help = schedule_help())]
    pub schedule: Vec<Scheduled>,

    /// How many requests the log keeps; older ones are only counted
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub log_entries: usize,
}

/// In which format the server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// XML, whatever is asked for
    Xml,
    /// JSON, whatever is asked for
    Json,
    /// XML, or JSON where it is asked for
    Negotiate,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8099)),
            permits: 2000,
            seed: 1,
            latency: Duration::ZERO,
            listing_latency: None,
            jitter: Duration::ZERO,
            capacity: 0,
            faults: Vec::new(),
            slow: Duration::from_secs(3),
            upgraded: false,
            received: false,
            old: false,
            raw_bytes: false,
            numeric_check: false,
            other_shapes: false,
            format: Format::Negotiate,
            clean: false,
            shuffle: 3,
            stuck_rows: 0,
            heavy_rows: 0,
            schedule: Vec::new(),
            log_entries: 100_000,
        }
    }
}

fn schedule_help() -> String {
    format!(
        "What happens at the n-th request for the listing, as in 20:add=500 or 30:upgrade; can be \
         given several times ({})",
        Change::VARIANTS.join(", ")
    )
}

fn fault_help() -> String {
    format!(
        "A fault and the share of requests that meet it, as in error-500=0.05 or empty=3%; can be \
         given several times. A request that is sent again is drawn for again.\n\n{}",
        super::fault::help()
    )
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| "not an address and a port, as in 127.0.0.1:8099".to_owned())?;
    if is_local(&address) {
        Ok(address)
    } else {
        Err("this server is for this machine alone: listen on 127.0.0.1 or [::1]".to_owned())
    }
}

/// Reads a time in milliseconds, or with its unit: `50`, `50ms`, `2.5s`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "not a time, as in 50, 50ms or 2.5s".to_owned();
    let (number, unit) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 0.001),
        (None, Some(number)) => (number, 1.0),
        (None, None) => (text, 0.001),
    };
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(number * unit)
        .ok()
        .filter(|time| *time <= Duration::from_secs(3600))
        .ok_or_else(wrong)
}
