//! Records of a model, read a page at a time.

use std::marker::PhantomData;

use futures::{Stream, stream};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{Client, Domain, Error};

/// A record that can be read in pages.
pub trait Record: DeserializeOwned + Send {
    /// Its model's technical name.
    const MODEL: &'static str;

    /// Records read in one call.
    const PAGE_SIZE: usize;

    /// Its id in Odoo.
    fn id(&self) -> i64;
}

/// Records of some domains, each domain in the order of ids. No more than a page is held.
///
/// A page begins behind the last id instead of at an offset: the work makes records leave the
/// domain while it is read, and an offset would skip as many.
#[derive(Debug)]
pub struct Pages<T> {
    client: Client,
    fields: Vec<&'static str>,
    domains: std::vec::IntoIter<Domain>,
    current: Option<Domain>,
    after: i64,
    page_size: usize,
    left: Option<usize>,
    record: PhantomData<fn() -> T>,
}

impl<T: Record> Pages<T> {
    /// The `fields` of the records of `domains`, at most `limit` records in all.
    pub fn new(
        client: &Client,
        fields: Vec<&'static str>,
        domains: Vec<Domain>,
        limit: Option<usize>,
    ) -> Self {
        let mut domains = domains.into_iter();
        Self {
            client: client.clone(),
            fields,
            current: domains.next(),
            domains,
            after: 0,
            page_size: T::PAGE_SIZE,
            left: limit,
            record: PhantomData,
        }
    }

    /// Pages of another size than [`Record::PAGE_SIZE`].
    #[must_use]
    pub fn with_page_size(mut self, page_size: usize) -> Self {
        self.page_size = page_size.max(1);
        self
    }

    /// The next page, never empty, or `None` at the end.
    ///
    /// # Errors
    /// What Odoo answers; the next call asks for the same page again.
    pub async fn next_page(&mut self) -> Result<Option<Vec<T>>, Error> {
        while let Some(domain) = &self.current {
            let want = self.left.map_or(self.page_size, |left| left.min(self.page_size));
            if want == 0 {
                break;
            }
            // Terms side by side are joined by "and", whatever operators stand before them.
            let mut terms = domain.clone();
            terms.push(json!(["id", ">", self.after]));
            let kwargs = json!({
                "domain": terms, "fields": self.fields, "limit": want, "order": "id",
            });
            let page: Vec<T> = self.client.call_idempotent(T::MODEL, "search_read", kwargs).await?;
            if let Some(last) = page.last() {
                if last.id() <= self.after {
                    // What stands before Odoo drops the domain: it would be the same page for ever.
                    return Err(Error::Unreadable {
                        model: T::MODEL.to_owned(),
                        method: "search_read".to_owned(),
                        detail: "the same records again".to_owned(),
                    });
                }
                self.after = last.id();
            }
            if page.len() < want {
                self.current = self.domains.next();
                self.after = 0;
            }
            if let Some(left) = &mut self.left {
                *left = left.saturating_sub(page.len());
            }
            if !page.is_empty() {
                return Ok(Some(page));
            }
        }
        Ok(None)
    }

    /// The pages as a stream.
    pub fn into_stream(self) -> impl Stream<Item = Result<Vec<T>, Error>> + Send + Unpin + use<T> {
        Box::pin(stream::try_unfold(self, async |mut pages| {
            Ok(pages.next_page().await?.map(|page| (page, pages)))
        }))
    }
}
