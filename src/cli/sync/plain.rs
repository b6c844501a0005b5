//! An Odoo without the addon: what the user has to be allowed there, and the notes on the connector at the end.

use super::work::unnoted;
use crate::cli::exit::Failure;
use crate::cli::setup::Setup;
use crate::odoo::{connector, permit, schema};
use crate::sync::{Ended, Halt};

/// Without these, what SICANTIK is asked for could not be stored.
const NEEDED: [(&str, &str); 3] =
    [(permit::MODEL, "read"), (permit::MODEL, "write"), (connector::MODEL, "read")];

/// Makes sure that the user may write dates. Answers whether it may write the connector's statistics, too, where there
/// are any.
pub(super) async fn rights(setup: &Setup) -> Result<bool, Failure> {
    let odoo = &setup.odoo;
    let login = &odoo.settings().login;
    let mut missing = Vec::new();
    for (model, operation) in NEEDED {
        if !schema::may(odoo, model, operation).await? {
            missing.push(format!("{operation} `{model}`"));
        }
    }
    if !missing.is_empty() {
        return Err(Failure::wrong(format!(
            "Odoo does not let `{login}` {}: give the user a group of the module that brings the model. Nothing was \
             asked.",
            missing.join(" or ")
        )));
    }
    if !connector::keeps_statistics(&setup.schema) {
        return Ok(false);
    }
    let may = schema::may(odoo, connector::MODEL, "write").await?;
    if !may {
        tracing::warn!(
            "Odoo does not let `{login}` write `{}`: the connector's statistics stay as they are",
            connector::MODEL
        );
    }
    Ok(may)
}

/// Notes on the connector that the run has ended; answers why it could not, if it should have.
pub(super) async fn note(setup: &Setup, ended: &Ended) -> Option<Failure> {
    if !is_worth_a_note(ended.halt.as_ref()) {
        return None;
    }
    let noted = connector::write_statistics(
        &setup.odoo,
        &setup.schema,
        setup.connector.id,
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
        // It has just been waited for in vain.
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
