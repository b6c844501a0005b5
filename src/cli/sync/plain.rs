//! `sync` on an Odoo without the ledger.

use super::job::Job;
use super::worked::{Worked, unnoted};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::host_lock::HostLock;
use crate::cli::signals::Interrupt;
use crate::odoo::{connector, model, permit, schema};
use crate::outbound;
use crate::sync::{Due, Ended, Halt, PlainSink};

/// Without these rights no answer could be stored.
const NEEDED: [(&str, &str); 3] =
    [(model::PERMIT, "read"), (model::PERMIT, "write"), (model::CONNECTOR, "read")];

/// Fetches dates and writes them to the permits.
pub(super) async fn work(
    context: &Context,
    job: &Job,
    interrupt: &Interrupt,
) -> Result<Worked, Failure> {
    let _lock = HostLock::acquire(&outbound::server(&context.settings.api_url))?;
    let may_note = interrupt.before_work(rights(context)).await?;
    let due = interrupt.before_work(due(context, job)).await?;
    let mut sink = PlainSink::new(&context.odoo, &context.schema);
    let ended = job.fetch(due, context, &mut sink, interrupt).await;
    let unnoted = if may_note { note(context, &ended).await } else { None };
    if let (Some(_), Some(unnoted)) = (&ended.halt, &unnoted) {
        tracing::warn!("{unnoted}");
    }
    Ok(Worked { ended, run_id: None, unnoted })
}

/// The permits that are due.
pub(super) async fn due(context: &Context, job: &Job) -> Result<Due, Failure> {
    let domains = permit::plain_domains(
        &context.schema,
        context.connector.id,
        job.selection.refresh_older_than,
        chrono::Utc::now(),
    );
    let total = permit::count(&context.odoo, &domains).await?;
    Ok(Due { domains, total, limit: None })
}

/// Makes sure that the user may write dates. Answers whether it may also write the connector's
/// statistics, where there are any.
async fn rights(context: &Context) -> Result<bool, Failure> {
    let odoo = &context.odoo;
    let login = &odoo.settings().login;
    let mut missing = Vec::new();
    for (model, operation) in NEEDED {
        if !schema::may(odoo, model, operation).await? {
            missing.push(format!("{operation} `{model}`"));
        }
    }
    if !missing.is_empty() {
        return Err(Failure::permanent(format!(
            "Odoo does not let `{login}` {}: give the user a group of the module that brings the \
             model. Nothing was asked.",
            missing.join(" or ")
        )));
    }
    if !connector::keeps_statistics(&context.schema) {
        return Ok(false);
    }
    let may = schema::may(odoo, model::CONNECTOR, "write").await?;
    if !may {
        tracing::warn!(
            "Odoo does not let `{login}` write `{}`: the connector's statistics stay as they are",
            model::CONNECTOR
        );
    }
    Ok(may)
}

/// Notes the run's end on the connector; answers why that failed, where there was something to
/// note.
async fn note(context: &Context, ended: &Ended) -> Option<Failure> {
    if !is_worth_a_note(ended.halt.as_ref()) {
        return None;
    }
    let noted = connector::write_statistics(
        &context.odoo,
        &context.schema,
        context.connector.id,
        ended.progress.counts.found,
        ended.progress.elapsed.as_secs_f64(),
        chrono::Utc::now(),
    );
    let error = noted.await.err()?;
    Some(unnoted("the connector's statistics could not be written", &error))
}

fn is_worth_a_note(halt: Option<&Halt>) -> bool {
    match halt {
        // Nothing was done.
        Some(Halt::Away(_)) => false,
        // Odoo has just been waited for in vain.
        Some(Halt::Odoo(error)) => !error.is_transient(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::odoo::Error;
    use crate::sicantik;

    #[test]
    fn an_odoo_that_is_away_is_not_waited_for_twice() {
        let text = String::new;
        let silent = || sicantik::Error::Connection { reason: text() };
        for (halt, expected) in [
            (None, true),
            (Some(Halt::Interrupted), true),
            (Some(Halt::Sicantik(silent())), true),
            (Some(Halt::Away(silent())), false),
            (Some(Halt::Odoo(Error::Unreachable { url: text(), detail: text() })), false),
            (Some(Halt::Odoo(Error::Lost { url: text(), detail: text() })), false),
            (Some(Halt::Odoo(Error::Rejected { sentence: text() })), true),
        ] {
            assert_eq!(is_worth_a_note(halt.as_ref()), expected, "{halt:?}");
        }
    }
}
