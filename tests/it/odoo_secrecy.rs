//! The API key is in no log, no error and no `Debug`, whatever the level.

use std::io;
use std::sync::{Arc, Mutex};

use rusty_fork::rusty_fork_test;
use serde_json::{Value, json};
use sicantik_sidecar::odoo::Client;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::odoo::{Answer, BOTH, FakeOdoo, KEY};
use crate::support::within;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

// In a process of its own: tracing caches for the whole process which lines anybody listens to, and
// other tests listen to none.
rusty_fork_test! {
    #![rusty_fork(timeout_ms = 60_000)]

    #[test]
    fn the_key_shows_nowhere() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(show_everything());
    }
}

async fn show_everything() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    tracing::trace!("the subscriber hears");
    for protocol in BOTH {
        let odoo = FakeOdoo::start().await;
        let mut settings = odoo.settings(protocol);
        settings.url.set_password(Some("proxy-pass")).expect("an address that can have one");
        let shown = format!("{settings:?} {settings:#?}");
        assert!(!shown.contains(KEY) && !shown.contains("proxy-pass"), "{shown}");
        settings.url.set_password(None).expect("none again");

        let client = odoo.client_with(settings.clone()).await;
        assert!(!format!("{client:?}").contains(KEY));
        odoo.answers([
            Answer::Value(json!(1)),
            Answer::Drop,
            Answer::Raw(200, "text/html", "<html>"),
            Answer::Fault(500, "builtins.ValueError", "no"),
            Answer::Fault(401, "odoo.exceptions.AccessDenied", "Access Denied"),
        ]);
        let _: Value = within(client.call("res.partner", "count", json!({}))).await.expect("one");
        for _ in 0..4 {
            let error = within(client.call::<Value>("res.partner", "count", json!({})))
                .await
                .expect_err("it fails");
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains(KEY), "{shown}");
        }
        odoo.login(Answer::Fault(401, "odoo.exceptions.AccessDenied", "Access Denied"));
        let error = within(Client::connect(&settings)).await.expect_err("refused");
        assert!(!format!("{error} {error:?}").contains(KEY));
    }
    let log = String::from_utf8(log.0.lock().expect("not poisoned").clone()).expect("text");
    assert!(log.contains("the subscriber hears") && log.contains("odoo.exception"), "{log}");
    assert!(!log.contains(KEY), "the key is in the log");
}
