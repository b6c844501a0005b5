//! Permits on their way to Odoo.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};

use tokio::time::Instant;

use crate::odoo::Client;
use crate::odoo::permit;
use crate::odoo::run::{self, ListedPermit, ListingProgress, RecordedListing, Reply};
use crate::outbound::{Lease, Moment};
use crate::sync::end::Halt;
use crate::sync::heartbeat;

/// Rows that go to Odoo in one call, at least, while more are coming; twice as many at most.
const BATCH: usize = 300;

/// A run in Odoo's ledger.
#[derive(Debug, Clone, Copy)]
pub struct Ledger<'a> {
    /// Odoo.
    pub odoo: &'a Client,
    /// The run.
    pub run_id: i64,
    /// Who holds it.
    pub worker: &'a str,
    /// Its connector.
    pub connector_id: i64,
    /// Its last batch so far.
    pub last_batch: u64,
}

/// What waits to be stored, and where it goes: nowhere in a dry run.
#[derive(Debug)]
pub(super) struct Store<'a> {
    ledger: Option<Ledger<'a>>,
    /// Renewed by each answer of Odoo.
    lease: Lease<'a>,
    last_batch: u64,
    last_call: Instant,
    waiting: VecDeque<ListedPermit>,
    /// Hashes of the numbers of Odoo's permits without a registration. Odoo gives such a permit the
    /// registration of the only row with its number, which it can only tell if all rows with that
    /// number come in one call.
    numbers: HashSet<u64>,
    hasher: RandomState,
    /// Rows with one of these numbers, by registration, until the listing has been read.
    held: HashMap<String, ListedPermit>,
    /// What was held back, a call each.
    released: Vec<Vec<ListedPermit>>,
    stored: RecordedListing,
}

impl<'a> Store<'a> {
    pub(super) fn new(ledger: Option<Ledger<'a>>, lease: Lease<'a>) -> Self {
        Self {
            ledger,
            lease,
            last_batch: ledger.map_or(0, |ledger| ledger.last_batch),
            last_call: Instant::now(),
            waiting: VecDeque::new(),
            numbers: HashSet::new(),
            hasher: RandomState::new(),
            held: HashMap::new(),
            released: Vec::new(),
            stored: RecordedListing::default(),
        }
    }

    pub(super) fn last_batch(&self) -> u64 {
        self.last_batch
    }

    /// What Odoo has answered, summed up.
    pub(super) fn stored(&self) -> RecordedListing {
        self.stored
    }

    /// Reads the numbers whose rows are to be held back.
    pub(super) async fn read_numbers(&mut self) -> Result<(), Halt> {
        let Some(ledger) = self.ledger else { return Ok(()) };
        let mut pages = permit::unregistered(ledger.odoo, ledger.connector_id);
        while let Some(page) = pages.next_page().await? {
            for permit in page {
                self.numbers.insert(self.hasher.hash_one(permit.permit_number.trim()));
            }
            if self.is_heartbeat_due() {
                self.some(ListingProgress::default()).await?;
            }
        }
        Ok(())
    }

    /// Keeps `permits` until they are sent.
    pub(super) fn keep(&mut self, permits: Vec<ListedPermit>) {
        for permit in permits {
            if let Some(held) = self.held.get_mut(&permit.registration_id) {
                update(held, permit);
            } else if self.is_wanted(&permit.permit_number) {
                self.held.insert(permit.registration_id.clone(), permit);
            } else {
                self.waiting.push_back(permit);
            }
        }
    }

    fn is_wanted(&self, number: &str) -> bool {
        !self.numbers.is_empty() && self.numbers.contains(&self.hasher.hash_one(number.trim()))
    }

    /// Whether Odoo is to be called now.
    pub(super) fn is_due(&self) -> bool {
        self.waiting.len() >= BATCH || self.is_heartbeat_due()
    }

    fn is_heartbeat_due(&self) -> bool {
        self.last_call.elapsed() >= heartbeat::INTERVAL
    }

    /// Ready when a heartbeat is due.
    pub(super) fn heartbeat_due(&self) -> impl Future<Output = ()> + Send + use<> {
        tokio::time::sleep_until(self.last_call + heartbeat::INTERVAL)
    }

    /// Stores a batch of what waits; without any it is a mere heartbeat.
    pub(super) async fn some(&mut self, progress: ListingProgress) -> Result<(), Halt> {
        let rows = match self.released.pop() {
            Some(rows) => rows,
            None => {
                let most = self.waiting.len().min(2 * BATCH);
                self.waiting.drain(..most).collect()
            }
        };
        self.send(&rows, progress).await
    }

    /// Stores all that waits and tells Odoo the final numbers, even where nothing waits.
    pub(super) async fn all(&mut self, progress: ListingProgress) -> Result<(), Halt> {
        let mut stopped = Ok(());
        loop {
            match self.some(progress).await {
                // What waits has been read: it is stored although the run is to stop.
                Err(Halt::Cancelled) => stopped = Err(Halt::Cancelled),
                sent => sent?,
            }
            if self.waiting.is_empty() && self.released.is_empty() {
                return stopped;
            }
        }
    }

    /// Releases what was held back: all rows of one number go in the same call.
    pub(super) fn release(&mut self) {
        let mut groups: BTreeMap<String, Vec<ListedPermit>> = BTreeMap::new();
        for (_, permit) in self.held.drain() {
            groups.entry(permit.permit_number.trim().to_owned()).or_default().push(permit);
        }
        let mut call: Vec<ListedPermit> = Vec::new();
        for (_, mut group) in groups {
            // Always in the same order, whatever order they were read in.
            group.sort_by(|one, other| one.registration_id.cmp(&other.registration_id));
            if !call.is_empty() && call.len() + group.len() > 2 * BATCH {
                self.released.push(std::mem::take(&mut call));
            }
            call.append(&mut group);
        }
        if !call.is_empty() {
            self.released.push(call);
        }
    }

    async fn send(&mut self, rows: &[ListedPermit], progress: ListingProgress) -> Result<(), Halt> {
        self.last_call = Instant::now();
        let asked = Moment::now();
        let Some(ledger) = self.ledger else {
            self.lease.renew(asked);
            return Ok(());
        };
        let batch = if rows.is_empty() { 0 } else { self.last_batch + 1 };
        let Ledger { odoo, run_id, worker, .. } = ledger;
        let reply = run::record_listing(odoo, run_id, worker, batch, rows, progress).await;
        self.last_call = Instant::now();
        let (stored, end) = match reply? {
            Reply::Go(stored) => (stored, Ok(())),
            Reply::Stop(stored) => (stored, Err(Halt::Cancelled)),
            Reply::Lost => return Err(Halt::Lost),
        };
        self.lease.renew(asked);
        self.last_batch = self.last_batch.max(batch);
        let sum = &mut self.stored;
        sum.rejected += stored.rejected;
        sum.created += stored.created;
        sum.updated += stored.updated;
        sum.unchanged = (sum.unchanged + stored.unchanged).saturating_sub(stored.recounted);
        sum.dated += stored.dated;
        end
    }
}

/// Adds to `held`, which has not been sent, what `later` says. What that does not say stays.
fn update(held: &mut ListedPermit, later: ListedPermit) {
    for (text, later) in [
        (&mut held.permit_number, later.permit_number),
        (&mut held.applicant_name, later.applicant_name),
        (&mut held.permit_type_name, later.permit_type_name),
    ] {
        if !later.is_empty() {
            *text = later;
        }
    }
    held.received_date = later.received_date.or(held.received_date);
    held.expiry_date = later.expiry_date.or(held.expiry_date);
    held.other_expiry_date = later.other_expiry_date.or(held.other_expiry_date);
}
