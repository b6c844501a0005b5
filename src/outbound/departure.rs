//! When a request really leaves: where there is no connection for it, only once there is.
//!
//! The HTTP client keeps its connections to itself. But it makes one within the task of the request
//! that needs it, by which the gate is told.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower::Service;

use super::gate::Gate;
use super::pace::TurnId;

tokio::task_local! {
    static CURRENT: Departure;
}

/// A request that has passed the gate.
#[derive(Debug, Clone)]
pub struct Departure {
    gate: Arc<Gate>,
    turn: Option<TurnId>,
}

impl Departure {
    pub(super) fn new(gate: &Arc<Gate>, turn: Option<TurnId>) -> Self {
        Self { gate: Arc::clone(gate), turn }
    }

    /// Sends a request by `exchange`, and tells the gate if a connection is made for it.
    pub async fn watch<T>(self, exchange: impl Future<Output = T>) -> T {
        CURRENT.scope(self, exchange).await
    }
}

/// Makes connections, and tells the gate.
#[derive(Debug, Clone)]
pub(super) struct Watched<S>(pub(super) S);

impl<S, R> Service<R> for Watched<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
    S::Response: 'static,
    S::Error: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let departure = CURRENT.try_with(Clone::clone).ok();
        let connecting = self.0.call(request);
        Box::pin(async move {
            let Some(Departure { gate, turn: Some(turn) }) = departure else {
                return connecting.await;
            };
            gate.note_connecting(turn);
            let connected = connecting.await;
            gate.note_connected(turn);
            connected
        })
    }
}
