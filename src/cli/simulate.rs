//! `simulate`: a local SICANTIK simulator.

use std::process::ExitCode;

use super::failure::Failure;
use super::listener::bind;
use super::printer::{errln, outln};
use super::signals::Signals;
use crate::sicantik::simulator::{self, BASE_PATH, Options};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    options: Options,
}

pub(super) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let options = args.options;
    let mut signals = Signals::listen()?;
    let (listener, address) = bind(options.listen, "--listen").await?;
    outln!("http://{address}{BASE_PATH}");
    errln!(
        "A simulated SICANTIK with {} permits is at the address above: enter it in a connector, or \
         pass it to `sync expiry --api-url`. Its log and the truth about its permits are at \
         http://{address}/_simulator. Press Ctrl-C to stop it.",
        options.permits,
    );
    let stopped = async move {
        signals.next().await;
    };
    simulator::serve(listener, options, stopped)
        .await
        .map_err(|error| Failure::temporary(format!("The simulator ended: {error}.")))?;
    Ok(ExitCode::SUCCESS)
}
