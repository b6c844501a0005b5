//! The permits to ask about.

use futures::Stream;

use crate::odoo::{Client, Domain, Error, Permit, Schema, permit};

/// The permits to ask about.
#[derive(Debug, Clone)]
pub struct Due {
    /// Which they are.
    pub domains: Vec<Domain>,
    /// How many they are, with those answered earlier.
    pub total: u64,
    /// Ask about so many at most.
    pub limit: Option<usize>,
}

impl Due {
    /// Their pages, from the first.
    pub fn pages(
        &self,
        odoo: &Client,
        schema: &Schema,
    ) -> impl Stream<Item = Result<Vec<Permit>, Error>> + Send + Unpin + use<> {
        permit::pages(odoo, schema, self.domains.clone(), self.limit).into_stream()
    }
}
