//! `simulate`: a SICANTIK of one's own, on this machine.

use std::process::ExitCode;

use tokio::net::TcpListener;

use super::exit::Failure;
use super::print::{errln, outln};
use super::setup::{Signals, no_signals};
use crate::sicantik::simulator::{self, BASE_PATH, Options};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    options: Options,
}

pub(super) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let options = args.options;
    let mut signals = Signals::listen().map_err(no_signals)?;
    let listener = TcpListener::bind(options.listen).await.map_err(|error| {
        Failure::wrong(format!(
            "{} cannot be listened on ({error}): give another with --listen.",
            options.listen
        ))
    })?;
    let address = listener
        .local_addr()
        .map_err(|error| Failure::stuck(format!("The socket has no address: {error}.")))?;
    outln!("http://{address}{BASE_PATH}");
    errln!(
        "A SICANTIK with {} permits answers at the address above: give it to a connector, or to \
         `sync expiry --api-url`. What it is asked, and what is true of its permits: \
         http://{address}/_simulator. Ctrl-C ends it.",
        options.permits,
    );
    let stopped = async move {
        signals.next().await;
    };
    simulator::serve(listener, options, stopped)
        .await
        .map_err(|error| Failure::stuck(format!("The simulator ended: {error}.")))?;
    Ok(ExitCode::SUCCESS)
}
