//! What the work needs of a licensing server.

use tokio_util::sync::CancellationToken;

use crate::outbound::Gate;
use crate::sicantik::{Client, Error, PermitExpiry, Row};

/// A licensing server that can be asked for permits. SICANTIK is the only kind so far.
pub trait LicensingServer: Clone + Send + Sync + 'static {
    /// Asks whether the server is there at all. It needs a slot of the gate: requests in flight
    /// have to be polled meanwhile.
    fn probe(&self) -> impl Future<Output = Result<(), Error>> + Send;

    /// Asks when a permit expires. An error that is not transient, other than [`Error::Stopped`],
    /// is about this permit.
    fn permit_expiry(
        &self,
        permit_number: &str,
        registration_id: Option<&str>,
    ) -> impl Future<Output = Result<PermitExpiry, Error>> + Send;

    /// A page of the listing, newest first: at most `limit` rows from `offset` on, none past the
    /// end.
    fn page(&self, limit: u32, offset: u32)
    -> impl Future<Output = Result<Vec<Row>, Error>> + Send;

    /// As [`page`](Self::page), with `tries` at most, for a page that has failed before.
    fn page_with_tries(
        &self,
        limit: u32,
        offset: u32,
        tries: u32,
    ) -> impl Future<Output = Result<Vec<Row>, Error>> + Send;

    /// Gives the place in the listing in another form from now on, for a server that has ignored it
    /// in this one. Answers whether there was another to try.
    fn use_other_form(&self) -> bool;

    /// The gate that all requests pass.
    fn gate(&self) -> &Gate;

    /// The token on which it stops asking.
    fn stop(&self) -> &CancellationToken;
}

impl LicensingServer for Client {
    async fn probe(&self) -> Result<(), Error> {
        Self::probe(self).await
    }

    async fn permit_expiry(
        &self,
        permit_number: &str,
        registration_id: Option<&str>,
    ) -> Result<PermitExpiry, Error> {
        Self::permit_expiry(self, permit_number, registration_id).await
    }

    async fn page(&self, limit: u32, offset: u32) -> Result<Vec<Row>, Error> {
        self.listing(limit, offset).await
    }

    async fn page_with_tries(
        &self,
        limit: u32,
        offset: u32,
        tries: u32,
    ) -> Result<Vec<Row>, Error> {
        self.listing_in(limit, offset, tries).await
    }

    fn use_other_form(&self) -> bool {
        Self::use_other_form(self)
    }

    fn gate(&self) -> &Gate {
        Self::gate(self)
    }

    fn stop(&self) -> &CancellationToken {
        Self::stop(self)
    }
}
