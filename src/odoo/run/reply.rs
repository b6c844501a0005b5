//! What Odoo answers to the worker that holds a run.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::odoo::{Client, Error, model};

/// What Odoo answers to every call about a run that a worker holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(tag = "answer", rename_all = "lowercase")]
pub enum Reply<T> {
    /// It is done: go on.
    Go(T),
    /// It is done as well, and somebody asked the run to stop. The last batch is stored like any
    /// other, so what came of it is answered here too.
    Stop(T),
    /// The run is another worker's, or ended: nothing was done, and nothing more will be.
    Lost,
}

impl<T> Reply<T> {
    /// What was done, unless the run was lost.
    pub fn done(self) -> Option<T> {
        match self {
            Self::Go(done) | Self::Stop(done) => Some(done),
            Self::Lost => None,
        }
    }
}

/// That it is done, where there is nothing else to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Done {}

/// Calls `method` for the run `run_id` in the name of `worker`. `arguments` is an object.
pub(super) async fn call<T: DeserializeOwned>(
    client: &Client,
    method: &str,
    run_id: i64,
    worker: &str,
    mut arguments: Value,
) -> Result<Reply<T>, Error> {
    arguments["run_id"] = json!(run_id);
    arguments["worker"] = json!(worker);
    client.call_idempotent(model::RUN, method, arguments).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::odoo::run::{Recorded, Remaining};

    fn read<T: DeserializeOwned>(answer: Value) -> Result<Reply<T>, String> {
        serde_json::from_value(answer).map_err(|error| error.to_string())
    }

    #[test]
    fn every_answer_is_go_stop_or_lost() {
        let recorded = |rejected| Recorded { rejected };
        for (answer, expected) in [
            (json!({ "answer": "go" }), Reply::Go(recorded(0))),
            (json!({ "answer": "go", "rejected": 2, "new": "?" }), Reply::Go(recorded(2))),
            (json!({ "answer": "stop", "rejected": 1 }), Reply::Stop(recorded(1))),
            (json!({ "answer": "lost" }), Reply::Lost),
            (json!({ "answer": "lost", "rejected": 0 }), Reply::Lost),
        ] {
            assert_eq!(read(answer.clone()), Ok(expected), "{answer}");
            assert_eq!(expected.done().is_none(), expected == Reply::Lost);
        }
        for (answer, done) in [("go", Reply::Go(Done {})), ("lost", Reply::Lost)] {
            assert_eq!(read(json!({ "answer": answer, "more": 1 })), Ok(done));
        }
    }

    #[test]
    fn no_other_answer_is_taken_for_one_of_these() {
        for answer in [json!({ "answer": "continue" }), json!({}), json!(false), json!([])] {
            assert!(read::<Done>(answer.clone()).is_err(), "{answer}");
        }
    }

    #[test]
    fn a_lost_run_has_no_remaining_permits_not_even_none() {
        let lost = json!({ "answer": "lost", "domains": [], "total": 0, "limit": 0 });
        assert_eq!(read::<Remaining>(lost), Ok(Reply::Lost));
        assert!(read::<Remaining>(json!({ "answer": "go" })).is_err());
    }
}
