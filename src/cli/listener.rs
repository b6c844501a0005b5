//! Binding the socket of a server command.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::failure::Failure;

/// Listens on `address`; returns the listener with the address it got, which has a port where
/// `address` has 0. `setting` is what the user gives another address with.
pub(super) async fn bind(
    address: SocketAddr,
    setting: &str,
) -> Result<(TcpListener, SocketAddr), Failure> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Failure::permanent(format!(
            "Cannot listen on {address} ({error}): give another address with {setting}."
        ))
    })?;
    let address = listener
        .local_addr()
        .map_err(|error| Failure::temporary(format!("The socket has no address: {error}.")))?;
    Ok((listener, address))
}
