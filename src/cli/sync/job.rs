//! What `sync` is to do.

use super::args::{Command, CommonArgs};
use crate::cli::context::Context;
use crate::cli::progress::ProgressReporter;
use crate::cli::signals::Interrupt;
use crate::odoo::run::{Kind, Selection};
use crate::sync::{self, Counts, DEFAULT_PAGE_SIZE, Due, Ended, ListingUse, Sink, Work};

/// What is to be done.
pub(super) struct Job {
    pub(super) kind: Kind,
    pub(super) common: CommonArgs,
    pub(super) selection: Selection,
}

impl From<Command> for Job {
    fn from(command: Command) -> Self {
        let (kind, args) = match command {
            Command::Permits(common) => {
                return Self { kind: Kind::Permits, common, selection: Selection::default() };
            }
            Command::Expiry(args) => (Kind::Expiry, args),
            Command::All(args) => (Kind::All, args),
        };
        let selection = Selection {
            max_permits: args.max_permits,
            include_not_due: args.include_not_due,
            refresh_older_than: args.refresh_older_than,
            permit_ids: None,
        };
        Self { kind, common: args.common, selection }
    }
}

impl Job {
    /// Fetches the dates of the permits that are due, `due.total` of which there are without a
    /// limit.
    pub(super) async fn fetch<S: Sink>(
        &self,
        mut due: Due,
        context: &Context,
        sink: &mut S,
        interrupt: &Interrupt,
    ) -> Ended {
        if let Some(most) = self.selection.max_permits {
            due.total = due.total.min(most.into());
            due.limit = Some(most as usize);
        }
        let ask_undated = self.selection.include_not_due;
        let work = Work {
            pages: || due.pages(&context.odoo, &context.schema),
            total: due.total,
            earlier: Counts::default(),
            listing: ListingUse::Look { page_size: page_size(context), ask_undated },
            wake: std::sync::Arc::default(),
        };
        let mut reporter = ProgressReporter::new(due.total);
        interrupt.work_begins();
        let ended = sync::run(work, &context.sicantik, sink, interrupt.stop(), &mut reporter).await;
        reporter.end();
        ended
    }
}

/// Rows of the listing in one page.
pub(super) fn page_size(context: &Context) -> u32 {
    context.connector.page_size.unwrap_or(DEFAULT_PAGE_SIZE)
}
