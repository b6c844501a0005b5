//! The dates from the listing, where it carries them: one request for a page of permits instead of
//! one for each.

use std::collections::HashMap;

use futures::{Stream, TryStreamExt};
use tokio::sync::mpsc;

use super::fetcher::{Fetcher, permits};
use crate::odoo::{self, Permit};
use crate::sicantik::{Error, own_expiry};
use crate::sync::end::Halt;
use crate::sync::listing::{PageRead, Paging, sweep};
use crate::sync::outcome::Outcome;
use crate::sync::progress::Progress;
use crate::sync::server::LicensingServer;

/// Pages that may wait to be matched.
const WAITING_PAGES: usize = 2;

/// Permits by their registration, which several may share where another module stored them.
type Wanted = HashMap<String, Vec<Permit>>;

impl<L: LicensingServer, F: Fn() -> Progress> Fetcher<'_, '_, L, F> {
    /// Answers from the listing those permits of `pages` for which it has a date and, unless
    /// `ask_undated`, those for which it says that there is none.
    ///
    /// Returns the rest, to be asked about one by one: permits whose rows contradict each other or
    /// cannot be read, and permits that are not listed or moved while the listing was read.
    pub(super) async fn match_listing<P>(
        &mut self,
        pages: P,
        page_size: u32,
        ask_undated: bool,
    ) -> Result<Vec<Permit>, Halt>
    where
        P: Stream<Item = Result<Vec<Permit>, odoo::Error>> + Send + Unpin,
    {
        let mut wanted = Wanted::new();
        let mut rest = Vec::new();
        let mut due = std::pin::pin!(permits(pages));
        while let Some(permit) = due.try_next().await? {
            match permit.registration_id.as_deref().map(str::trim) {
                _ if self.is_answered(&permit) => {}
                Some("") | None => rest.push(permit),
                Some(registration_id) => {
                    wanted.entry(registration_id.to_owned()).or_default().push(permit);
                }
            }
        }
        tracing::info!(
            permits = wanted.values().map(Vec::len).sum::<usize>(),
            "The listing carries dates: it is read instead of asking one by one"
        );
        // A page may hold none of the wanted permits; reading more pages than there are permits
        // would cost more than asking.
        let mut pages_left = wanted.len() + 1;
        let (sender, mut receiver) = mpsc::channel(WAITING_PAGES);
        let server = self.server.clone();
        let sweeping = async move { sweep(&server, Paging::of(page_size), None, &sender).await };
        let matching = async {
            while !wanted.is_empty() && pages_left > 0 {
                let Some(page) = receiver.recv().await else { break };
                pages_left -= 1;
                self.answer_from(&page, &mut wanted, ask_undated).await;
            }
            // This ends the sweep.
            receiver.close();
        };
        match tokio::join!(sweeping, matching).0 {
            Ok(_) | Err(Error::Stopped) => {}
            Err(error) => tracing::warn!(
                %error,
                "The listing cannot be read on; the other permits are asked about one by one"
            ),
        }
        rest.extend(wanted.into_values().flatten());
        Ok(rest)
    }

    async fn answer_from(&mut self, page: &PageRead, wanted: &mut Wanted, ask_undated: bool) {
        for row in page.rows.iter().filter(|row| row.expiry.is_some()) {
            let registration_id = row.registration_id.trim();
            if !wanted.contains_key(registration_id) {
                continue;
            }
            let outcome = match own_expiry(&page.rows, Some(registration_id)) {
                Ok(Some(expiry_date)) => Outcome::Found { expiry_date },
                Ok(None) if !ask_undated => Outcome::NoDate,
                _ => continue,
            };
            for permit in wanted.remove(registration_id).into_iter().flatten() {
                self.answer(permit, outcome.clone()).await;
            }
        }
    }
}
