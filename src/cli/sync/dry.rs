//! `sync --dry-run`: asks, and writes nothing.

use std::sync::Arc;

use super::job::{Job, page_size};
use super::ledger::check_idle;
use super::plain;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::host_lock::HostLock;
use crate::cli::progress::ProgressReporter;
use crate::cli::signals::Interrupt;
use crate::odoo::Mode;
use crate::odoo::run::{self, Kind};
use crate::outbound;
use crate::sync::listing::{self, Import, Paging};
use crate::sync::{DrySink, Due, Ended, Halt, Reporter};

/// Asks, and writes nothing.
pub(super) async fn work(
    context: &Context,
    job: &Job,
    interrupt: &Interrupt,
) -> Result<Ended, Failure> {
    let server = outbound::server(&context.settings.api_url);
    let _lock = HostLock::acquire(&server)?;
    let mut sink = DrySink::default();
    if context.schema.mode == Mode::Ledger {
        interrupt.before_work(check_idle(context, &server)).await?;
        sink = DrySink::yielding(&context.odoo, &server);
    }
    let mut imported = None;
    if job.kind != Kind::Expiry {
        let ended = read_listing(context, interrupt).await;
        if ended.halt.is_some() || job.kind == Kind::Permits {
            return Ok(ended);
        }
        imported = ended.imported;
    }
    let due = match context.schema.mode {
        Mode::Ledger => {
            let planning = run::plan(&context.odoo, context.connector.id, &job.selection);
            let plan = interrupt.before_work(planning).await?;
            Due { domains: plan.domains, total: plan.total, limit: None }
        }
        Mode::Plain => interrupt.before_work(plain::due(context, job)).await?,
    };
    let ended = job.fetch(due, context, &mut sink, interrupt).await;
    if matches!(ended.halt, Some(Halt::Yielded)) {
        return Err(Failure::conflict(format!(
            "A run began to ask SICANTIK at {server}, and the dry run made way for it: repeat it when \
             that has ended."
        )));
    }
    Ok(Ended { imported, ..ended })
}

async fn read_listing(context: &Context, interrupt: &Interrupt) -> Ended {
    let mut reporter = ProgressReporter::new(0);
    interrupt.work_begins();
    let import = Import {
        server: &context.sicantik,
        paging: Paging::of(page_size(context)),
        ledger: None,
        wake: Arc::default(),
    };
    let ended = listing::import(import, &mut |imported| reporter.report_listing(imported)).await;
    reporter.end();
    Ended { imported: Some(ended.imported), halt: ended.halt, ..Ended::default() }
}
