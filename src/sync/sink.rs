//! Where answers go: the ledger, a plain Odoo, or nowhere.

use chrono::Utc;

use super::progress::Progress;
use crate::odoo::run::{self, Answer, Next, Outcome};
use crate::odoo::{Client, Error, Schema, permit};

/// What became of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Whether to go on.
    pub next: Next,
    /// Dates that Odoo refused to store.
    pub rejected: u64,
}

/// A place that takes answers, batch by batch.
pub trait Sink {
    /// Stores a batch; an empty one only says that the work goes on. One that fails counts as not stored, even where a
    /// part of it was.
    ///
    /// # Errors
    ///
    /// What Odoo answers after its client's retry_budget; the batch may be sent again.
    fn record(
        &mut self,
        answers: &[Answer],
        progress: &Progress,
    ) -> impl Future<Output = Result<Recorded, Error>> + Send;
}

/// The ledger: one call, one transaction a batch, applied once however often it is sent.
#[derive(Debug)]
pub struct LedgerSink {
    client: Client,
    run_id: i64,
    worker: String,
    last_batch: u64,
}

impl LedgerSink {
    /// Records into the run `run_id`, which `worker` holds and whose last batch was `last_batch`.
    #[must_use]
    pub fn new(client: &Client, run_id: i64, worker: &str, last_batch: u64) -> Self {
        Self { client: client.clone(), run_id, worker: worker.to_owned(), last_batch }
    }
}

impl Sink for LedgerSink {
    async fn record(&mut self, answers: &[Answer], progress: &Progress) -> Result<Recorded, Error> {
        let batch = if answers.is_empty() { 0 } else { self.last_batch + 1 };
        let recorded =
            run::record(&self.client, self.run_id, &self.worker, batch, answers, progress.into())
                .await?;
        if batch > 0 && recorded.answer != Next::Lost {
            self.last_batch = batch;
        }
        Ok(Recorded { next: recorded.answer, rejected: recorded.rejected })
    }
}

/// An Odoo without the ledger: dates are written grouped, and nothing else has a place there.
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
    async fn record(&mut self, answers: &[Answer], _: &Progress) -> Result<Recorded, Error> {
        let dates: Vec<_> = answers
            .iter()
            .filter_map(|answer| match answer.outcome {
                Outcome::Found { expiry_date } => Some((answer.permit_id, expiry_date)),
                _ => None,
            })
            .collect();
        let written = permit::write_dates(&self.client, &self.schema, &dates, Utc::now()).await?;
        for (permit_id, sentence) in &written.rejected {
            tracing::warn!(permit.id = permit_id, %sentence, "Odoo refused a permit's date");
        }
        Ok(Recorded { next: Next::Continue, rejected: written.rejected.len() as u64 })
    }
}

/// Asks and writes nothing: `--dry-run`.
#[derive(Debug, Clone, Default)]
pub struct DrySink {
    makes_way: Option<(Client, String)>,
}

impl DrySink {
    /// Makes way for a run of Odoo's ledger that begins to work on the SICANTIK `server`: to its worker, who does not
    /// know of this, the whole rate belongs.
    #[must_use]
    pub fn making_way(client: &Client, server: &str) -> Self {
        Self { makes_way: Some((client.clone(), server.to_owned())) }
    }
}

impl Sink for DrySink {
    async fn record(&mut self, _: &[Answer], _: &Progress) -> Result<Recorded, Error> {
        let run = match &self.makes_way {
            Some((client, server)) => run::working_on(client, server).await?,
            None => None,
        };
        let next = if run.is_some() { Next::Lost } else { Next::Continue };
        Ok(Recorded { next, rejected: 0 })
    }
}
