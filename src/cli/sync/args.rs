//! The arguments of `sync`.

/// The largest integer that Odoo stores.
const LARGEST: i64 = i32::MAX as i64;

#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// Fetch the expiry dates of permits that have none, one request per permit
    ///
    /// Where SICANTIK's listing carries the dates, they are taken from there, one request per page.
    #[command(after_help = "\
Examples:
  sicantik-sidecar sync expiry --max-permits 10
  sicantik-sidecar sync expiry --connector \"Kabupaten Karo\" --dry-run
  sicantik-sidecar sync expiry --refresh-older-than 90 --json")]
    Expiry(ExpiryArgs),
    /// Read SICANTIK's listing and bring Odoo's permits up to date with it
    #[command(after_help = "\
Examples:
  sicantik-sidecar sync permits
  sicantik-sidecar sync permits --dry-run")]
    Permits(CommonArgs),
    /// Read the listing first, then fetch the expiry dates that are still missing
    #[command(after_help = "\
Examples:
  sicantik-sidecar sync all
  0 2 * * *  sicantik-sidecar --config /etc/sicantik-sidecar.toml sync all    (every night, by cron)")]
    All(ExpiryArgs),
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct CommonArgs {
    /// The connector to work on; needed where several are active
    #[arg(long, value_name = "NAME|ID")]
    pub(super) connector: Option<String>,
    /// Ask, but write nothing to Odoo
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Ask the SICANTIK at this address instead of the connector's
    #[arg(long, value_name = "URL")]
    pub(super) api_url: Option<String>,
    /// Print the result as one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ExpiryArgs {
    #[command(flatten)]
    pub(super) common: CommonArgs,
    /// Ask for so many permits at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=LARGEST))]
    pub(super) max_permits: Option<u32>,
    /// Ask again for dates that were last checked more than DAYS ago, after those without a date
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(super) refresh_older_than: Option<u32>,
    /// Ask also for permits that had no date lately and are not due to be asked again yet
    #[arg(long)]
    pub(super) include_not_due: bool,
}
