//! `sync --dry-run`: asks, and writes nothing.

use std::sync::Arc;

use super::job::{Job, page_size};
use super::ledger::check_idle;
use super::plain;
use crate::cli::exit::Failure;
use crate::cli::host_lock::HostLock;
use crate::cli::output::Display;
use crate::cli::setup::{Interrupt, Setup};
use crate::odoo::Mode;
use crate::odoo::run::{self, Kind};
use crate::outbound;
use crate::sync::listing::{self, Import, Paging};
use crate::sync::{DrySink, Due, Ended, Halt, Reporter};

/// Asks, and writes nothing.
pub(super) async fn work(
    setup: &Setup,
    job: &Job,
    interrupt: &Interrupt,
) -> Result<Ended, Failure> {
    let server = outbound::server(&setup.settings.api_url);
    let _lock = HostLock::acquire(&server)?;
    let mut sink = DrySink::default();
    if setup.schema.mode == Mode::Ledger {
        interrupt.before_work(check_idle(setup, &server)).await?;
        sink = DrySink::yielding(&setup.odoo, &server);
    }
    let mut imported = None;
    if job.kind != Kind::Expiry {
        let ended = read_listing(setup, interrupt).await;
        if ended.halt.is_some() || job.kind == Kind::Permits {
            return Ok(ended);
        }
        imported = ended.imported;
    }
    let due = match setup.schema.mode {
        Mode::Ledger => {
            let planning = run::plan(&setup.odoo, setup.connector.id, &job.selection);
            let plan = interrupt.before_work(planning).await?;
            Due { domains: plan.domains, total: plan.total, limit: None }
        }
        Mode::Plain => interrupt.before_work(plain::due(setup, job)).await?,
    };
    let ended = job.fetch(due, setup, &mut sink, interrupt).await;
    if matches!(ended.halt, Some(Halt::Lost)) {
        return Err(Failure::held(format!(
            "A run began to ask SICANTIK at {server}, and the dry run made way for it: repeat it when \
             that has ended."
        )));
    }
    Ok(Ended { imported, ..ended })
}

async fn read_listing(setup: &Setup, interrupt: &Interrupt) -> Ended {
    let mut display = Display::new(0);
    interrupt.work_begins();
    let import = Import {
        server: &setup.sicantik,
        paging: Paging::of(page_size(setup)),
        ledger: None,
        wake: Arc::default(),
    };
    let ended = listing::import(import, &mut |imported| display.report_listing(imported)).await;
    display.end();
    Ended { imported: Some(ended.imported), halt: ended.halt, ..Ended::default() }
}
