//! How `sync` does its work, and what it says of the end.

use super::job::Job;
use super::worked::Worked;
use super::{dry, ledger, plain};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::printer::errln;
use crate::cli::signals::Interrupt;
use crate::cli::summary::Summary;
use crate::config::Config;
use crate::odoo::Mode;
use crate::odoo::run::Kind;
use crate::outbound;
use crate::sync::{Halt, Progress};

/// The run's result and, if not everything was done, why.
pub(super) type Finished = (Summary, Option<Failure>);

/// Does what `job` says.
pub(super) async fn work(config: &Config, job: &Job) -> Result<Finished, Failure> {
    let interrupt = Interrupt::listen();
    let common = &job.common;
    let (wanted, api_url) = (common.connector.as_deref(), common.api_url.as_deref());
    let making = Context::connect(config, wanted, api_url, interrupt.stop());
    let context = interrupt.before_work(making).await?;
    let server = outbound::server(&context.settings.api_url);
    errln!(
        "Connector `{}`: SICANTIK at {}, Odoo {} over {}",
        context.connector.name,
        server,
        context.odoo.version().text,
        context.odoo.protocol().path(),
    );
    let Worked { ended, run_id, unnoted } = match (context.schema.mode, common.dry_run) {
        (Mode::Ledger, false) => ledger::work(&context, job, &interrupt).await?,
        (Mode::Plain, _) if job.kind != Kind::Expiry => {
            return Err(Failure::permanent(format!(
                "`sync {}` needs the addon `sicantik_sidecar` in Odoo: permits are made and changed \
                 through it. Without it there is `sync expiry`.",
                job.kind
            )));
        }
        (Mode::Plain, false) => plain::work(&context, job, &interrupt).await?,
        (_, true) => {
            let ended = dry::work(&context, job, &interrupt).await?;
            Worked { ended, run_id: None, unnoted: None }
        }
    };
    let mut summary = Summary::new(&ended.progress, ended.imported.as_ref());
    summary.odoo_calls = context.odoo.calls();
    summary.run_id = run_id.filter(|_| !matches!(ended.halt, Some(Halt::Away(_))));
    summary.dry_run = common.dry_run;
    summary.hidden = ended.hidden;
    let failure = ended.halt.map(|halt| failure(halt, &server, &ended.progress));
    let failure = failure.or(unnoted);
    summary.success = failure.is_none();
    summary.error = failure.as_ref().map(ToString::to_string);
    Ok((summary, failure))
}

fn failure(halt: Halt, server: &str, progress: &Progress) -> Failure {
    let answered = progress.counts.answered();
    let kept = format!("{answered} permits were answered; a second run continues with the rest.");
    match halt {
        Halt::Odoo(error) => error.into(),
        Halt::Away(error) => Failure::temporary(format!(
            "SICANTIK at {server} cannot be used now: {error}. Nothing was written; try again later, or \
             run `doctor`."
        )),
        Halt::Sicantik(_) | Halt::Lost => Failure::temporary(format!("{halt} {kept}")),
        Halt::Yielded => Failure::conflict(halt.to_string()),
        Halt::Cancelled | Halt::Interrupted => Failure::interrupted(format!("{halt} {kept}")),
    }
}
