//! Where outcomes go: the ledger, an Odoo without one, or nowhere.

use chrono::Utc;

use crate::odoo::run::{self, OutcomeRow, Recorded, Reply};
use crate::odoo::{Client, Schema, permit};
use crate::outbound::Traffic;
use crate::sync::end::Halt;
use crate::sync::outcome::{Outcome, PermitOutcome};
use crate::sync::progress::Progress;

/// Takes outcomes, batch by batch.
pub trait Sink {
    /// Stores a batch; an empty one is a mere heartbeat. A batch that fails counts as not stored,
    /// even where a part of it was.
    ///
    /// # Errors
    ///
    /// Why the work has to end. [`Halt::Odoo`] comes once the client's retry budget is used up.
    fn record(
        &mut self,
        outcomes: &[PermitOutcome],
        progress: &Progress,
    ) -> impl Future<Output = Result<Reply<Recorded>, Halt>> + Send;
}

/// The ledger: one call and one transaction a batch, applied once however often it is sent.
#[derive(Debug)]
pub struct LedgerSink {
    client: Client,
    run_id: i64,
    worker: String,
    last_batch: u64,
    earlier: Traffic,
}

impl LedgerSink {
    /// Records into the run `run_id`, which `worker` holds and whose last batch was `last_batch`.
    /// What the run sent to the server in an earlier step, `earlier`, is counted with what it
    /// sends now.
    #[must_use]
    pub fn new(
        client: &Client,
        run_id: i64,
        worker: &str,
        last_batch: u64,
        earlier: Traffic,
    ) -> Self {
        Self { client: client.clone(), run_id, worker: worker.to_owned(), last_batch, earlier }
    }
}

impl Sink for LedgerSink {
    async fn record(
        &mut self,
        outcomes: &[PermitOutcome],
        progress: &Progress,
    ) -> Result<Reply<Recorded>, Halt> {
        let mut progress = *progress;
        progress.requests += self.earlier.requests;
        progress.retries += self.earlier.retries;
        let batch = if outcomes.is_empty() { 0 } else { self.last_batch + 1 };
        let rows: Vec<OutcomeRow<'_>> = outcomes.iter().map(row).collect();
        let progress = (&progress).into();
        let reply =
            run::record(&self.client, self.run_id, &self.worker, batch, &rows, progress).await?;
        if reply != Reply::Lost {
            self.last_batch = self.last_batch.max(batch);
        }
        Ok(reply)
    }
}

/// An outcome as the ledger takes it.
fn row(outcome: &PermitOutcome) -> OutcomeRow<'_> {
    let PermitOutcome { permit_id, permit_number, registration_id, outcome } = outcome;
    let (expiry_date, failure) = match outcome {
        Outcome::Found { expiry_date } => (Some(*expiry_date), None),
        Outcome::NoDate | Outcome::NotRegistered => (None, None),
        Outcome::Failed { reason, detail } => (None, Some((reason.label(), detail.as_str()))),
    };
    OutcomeRow {
        permit_id: *permit_id,
        permit_number,
        registration_id: registration_id.as_deref(),
        outcome: outcome.label(),
        expiry_date,
        reason: failure.map(|(reason, _)| reason),
        detail: failure.map(|(_, detail)| detail),
    }
}

/// An Odoo without the ledger: dates are written, grouped; other outcomes have no field there.
#[derive(Debug)]
pub struct PlainSink {
    client: Client,
    schema: Schema,
}

impl PlainSink {
    /// Writes to permits that have the fields of `schema`.
    #[must_use]
    pub fn new(client: &Client, schema: &Schema) -> Self {
        Self { client: client.clone(), schema: schema.clone() }
    }
}

impl Sink for PlainSink {
    async fn record(
        &mut self,
        outcomes: &[PermitOutcome],
        _: &Progress,
    ) -> Result<Reply<Recorded>, Halt> {
        let dates: Vec<_> = outcomes
            .iter()
            .filter_map(|outcome| match outcome.outcome {
                Outcome::Found { expiry_date } => Some((outcome.permit_id, expiry_date)),
                _ => None,
            })
            .collect();
        let written = permit::write_dates(&self.client, &self.schema, &dates, Utc::now()).await?;
        for (permit_id, sentence) in &written.rejected {
            tracing::warn!(permit.id = permit_id, %sentence, "Odoo refused a permit's date");
        }
        Ok(Reply::Go(Recorded { rejected: written.rejected.len() as u64 }))
    }
}

/// Writes nothing: `--dry-run`.
#[derive(Debug, Clone, Default)]
pub struct DrySink {
    yields_to: Option<(Client, String)>,
}

impl DrySink {
    /// Ends the dry run when a run of the ledger begins to ask the server `host`: its worker does
    /// not know of the dry run and uses the whole rate.
    #[must_use]
    pub fn yielding(client: &Client, host: &str) -> Self {
        Self { yields_to: Some((client.clone(), host.to_owned())) }
    }
}

impl Sink for DrySink {
    async fn record(&mut self, _: &[PermitOutcome], _: &Progress) -> Result<Reply<Recorded>, Halt> {
        let run = match &self.yields_to {
            Some((client, host)) => run::working_on(client, host).await?,
            None => None,
        };
        if run.is_some() { Err(Halt::Yielded) } else { Ok(Reply::Go(Recorded::default())) }
    }
}
