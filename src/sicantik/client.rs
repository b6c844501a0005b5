//! The calls of SICANTIK's API.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono_tz::Tz;
use futures::FutureExt as _;
use futures::future::{BoxFuture, WeakShared};
use http::StatusCode;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::decode::{
    Decoded, Format, data, decode, decode_known, error_of_question, say_nothing_found,
    say_unknown_method,
};
use super::error::{Error, Unreadable, shortened};
use super::form::{Form, Forms};
use super::json_pages::JsonPages;
use super::retry::MAX_TRIES;
use super::row::Row;
use super::transport::{Accept, Transport};
use crate::outbound::Gate;
use crate::outbound::tls::Authorities;

/// The endpoint of the listing.
const LISTING: &str = "listpermohonanterbit";

/// A probe on its way.
type Probe = BoxFuture<'static, Result<(), Error>>;

/// The API of one deployment. Cheap to clone: clones share connections, the gate, the probe, and
/// what has been learnt about the deployment.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Transport,
    base: Url,
    zone: Tz,
    probe: Arc<Mutex<Option<WeakShared<Probe>>>>,
    /// Whether `cekperizinanizin` is unknown here, as on older deployments.
    lacks_izin: Arc<AtomicBool>,
    /// How many pages of the listing could be had as JSON.
    json_pages: Arc<JsonPages>,
    forms: Arc<Forms>,
}

/// The answer to a ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pong {
    /// From sending the request to having received the answer.
    pub elapsed: Duration,
    /// The form of the answer, whatever was asked for.
    pub format: Format,
}

impl Client {
    /// A client of the API at `base` (as in `sicantik.connector.api_url`), which waits `timeout`
    /// for each answer.
    ///
    /// When `stop` is cancelled, requests that wait at the gate end with [`Error::Stopped`], and
    /// those in flight are waited for.
    ///
    /// # Errors
    ///
    /// [`Error::Connection`], if TLS cannot be set up on this machine.
    pub fn new(
        base: &Url,
        gate: Arc<Gate>,
        timeout: Duration,
        stop: CancellationToken,
    ) -> Result<Self, Error> {
        Self::trusting(base, gate, timeout, stop, &Authorities::default())
    }

    /// As [`Client::new`], where `authorities` may vouch for the server's certificate, too.
    ///
    /// # Errors
    ///
    /// [`Error::Connection`], if TLS cannot be set up on this machine.
    pub fn trusting(
        base: &Url,
        gate: Arc<Gate>,
        timeout: Duration,
        stop: CancellationToken,
        authorities: &Authorities,
    ) -> Result<Self, Error> {
        Ok(Self {
            transport: Transport::new(base, gate, timeout, stop, authorities)?,
            base: base.clone(),
            zone: Tz::Asia__Jakarta,
            probe: Arc::default(),
            lacks_izin: Arc::default(),
            json_pages: Arc::default(),
            forms: Arc::default(),
        })
    }

    /// The same client for an office in `zone`, instead of in Jakarta's: an instant, which some
    /// deployments print in place of a date, is a day there.
    #[must_use]
    pub fn with_time_zone(self, zone: Tz) -> Self {
        Self { zone, ..self }
    }

    /// The same client for interactive requests, which skip the queue at the gate.
    #[must_use]
    pub fn with_priority(&self) -> Self {
        let mut client = self.clone();
        client.transport.has_priority = true;
        client
    }

    /// What it stops on.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.transport.stop
    }

    /// The gate that this client passes.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.transport.gate
    }

    /// Asks `jumlahPerizinan`, the cheapest question, and whether the answer is data.
    ///
    /// # Errors
    ///
    /// [`Error`], after the retries.
    pub async fn ping(&self) -> Result<Pong, Error> {
        let url = self.endpoint("jumlahPerizinan", &[]);
        let answer = self.transport.get(&url, data, Accept::JsonFirst, MAX_TRIES).await?;
        Ok(Pong { elapsed: answer.elapsed, format: answer.value.1 })
    }

    /// Asks whether the server is there at all, with one ping for all who ask at the same time.
    ///
    /// It is due when the gate says so ([`Gate::needs_probe`]). It needs a slot as any request
    /// does: poll it beside the requests in flight, never instead of them.
    ///
    /// # Errors
    ///
    /// Why the server is away. Its own words are an answer, and [`Error::Stopped`] is no verdict:
    /// both are `Ok`.
    pub async fn probe(&self) -> Result<(), Error> {
        let probe = {
            let mut current = self.probe.lock().expect("nothing panics while it is held");
            let pending = current
                .as_ref()
                .and_then(WeakShared::upgrade)
                // One that has ended, but is still held by a caller, is about a moment that is
                // past.
                .filter(|probe| probe.peek().is_none());
            pending.unwrap_or_else(|| {
                self.gate().probe_began();
                let probe = self.clone().ask_if_there().boxed().shared();
                *current = probe.downgrade();
                probe
            })
        };
        probe.await
    }

    async fn ask_if_there(self) -> Result<(), Error> {
        match self.ping().await {
            Ok(_) | Err(Error::Stopped) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A page of `listpermohonanterbit`: at most `limit` issued permits from `offset` on, newest
    /// first; none past the end.
    ///
    /// # Errors
    ///
    /// [`Error`], after the retries.
    pub async fn listing(&self, limit: u32, offset: u32) -> Result<Vec<Row>, Error> {
        self.listing_in(limit, offset, MAX_TRIES).await
    }

    /// As [`Client::listing`], in `max_tries` at most, for a page that is known to fail.
    ///
    /// # Errors
    ///
    /// [`Error`], after the last try.
    pub async fn listing_in(
        &self,
        limit: u32,
        offset: u32,
        max_tries: u32,
    ) -> Result<Vec<Row>, Error> {
        let accept = self.json_pages.accept();
        let form = self.forms.current();
        let url = self.listing_url(form, limit, offset);
        let mut answer = self.ask(LISTING, &url, accept, max_tries).await;
        // What does not see `limit` and `offset` refuses with one of these.
        if let Err(Error::Refused { status, .. }) = &answer
            && matches!(*status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND)
            && let Some(other) = self.forms.instead_of(form)
        {
            let url = self.listing_url(other, limit, offset);
            match self.ask(LISTING, &url, accept, max_tries).await {
                Ok(rows) => answer = Ok(rows),
                Err(_) => self.forms.set(form),
            }
        }
        let (mut rows, accepted) = answer?;
        self.json_pages.count(accept, accepted);
        if accepted == Format::Xml {
            self.settle_applicants(&mut rows, offset).await?;
        }
        Ok(rows)
    }

    /// Rows of the listing in one form, to look for one that is known: their identities may have
    /// lost zeros.
    pub(super) async fn listing_as(
        &self,
        accept: Accept,
        limit: u32,
        offset: u32,
    ) -> Result<Vec<Row>, Error> {
        let url = self.listing_url(self.forms.current(), limit, offset);
        let answer = self.transport.get(&url, decode_known, accept, MAX_TRIES).await?;
        self.rows(LISTING, answer.value)
    }

    fn listing_url(&self, form: Form, limit: u32, offset: u32) -> Url {
        let (limit, offset) = (limit.to_string(), offset.to_string());
        match form {
            Form::Path => self.endpoint(LISTING, &["limit", &limit, "offset", &offset]),
            Form::Query => {
                let mut url = self.endpoint(LISTING, &[]);
                url.query_pairs_mut().append_pair("limit", &limit).append_pair("offset", &offset);
                url
            }
        }
    }

    /// Gives `limit` and `offset` in the other form from now on, for a server that ignores them in
    /// this one. Answers whether there was another to try.
    pub fn use_other_form(&self) -> bool {
        self.forms.instead_of(self.forms.current()).is_some()
    }

    /// `cekperizinan`: the details of the permits whose stored, encoded number is `permit_number`;
    /// none where the server does not find it.
    ///
    /// # Errors
    ///
    /// [`Error`], after the retries.
    pub async fn permit(&self, permit_number: &str) -> Result<Vec<Row>, Error> {
        self.details("cekperizinan", permit_number).await
    }

    /// `cekperizinanizin`: as [`Client::permit`], but the server compares the number itself, so
    /// that it finds permits whose encoded number was never stored.
    ///
    /// None, without a request, once the server has said that it has no such endpoint.
    ///
    /// # Errors
    ///
    /// [`Error`], after the retries. [`Unreadable::QueryFailed`] if the number breaks the server's
    /// SQL, as one with an apostrophe does: it does so whenever it is asked.
    pub async fn permit_by_number(&self, permit_number: &str) -> Result<Vec<Row>, Error> {
        if self.lacks_izin.load(Ordering::Relaxed) {
            return Ok(Vec::new());
        }
        match self.details("cekperizinanizin", permit_number).await {
            Err(Error::UnknownMethod { .. }) => {
                self.lacks_izin.store(true, Ordering::Relaxed);
                Ok(Vec::new())
            }
            // A deployment that shows no errors says no more than this.
            Err(Error::ServerBusy { status: StatusCode::INTERNAL_SERVER_ERROR, .. })
                if permit_number.contains(['\'', '\\']) =>
            {
                let error = "500 for a number with an apostrophe or a backslash".to_owned();
                Err(Unreadable::QueryFailed { error }.into())
            }
            answer => answer,
        }
    }

    async fn details(&self, endpoint: &'static str, number: &str) -> Result<Vec<Row>, Error> {
        let mut url = self.endpoint(endpoint, &[]);
        // Base64 holds `/`, which the form with path pairs would cut, and `+`, which is a space in
        // a query unless it is percent-encoded, as `append_pair` does.
        url.query_pairs_mut().append_pair("no_izin", &STANDARD.encode(number));
        Ok(self.ask(endpoint, &url, Accept::JsonFirst, MAX_TRIES).await?.0)
    }

    fn endpoint(&self, name: &str, pairs: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(name).extend(pairs);
        }
        url
    }

    /// The rows of the answer, and the form that was asked for at last.
    async fn ask(
        &self,
        endpoint: &'static str,
        url: &Url,
        accept: Accept,
        max_tries: u32,
    ) -> Result<(Vec<Row>, Format), Error> {
        let answer = self.transport.get(url, decode, accept, max_tries).await?;
        Ok((self.rows(endpoint, answer.value)?, answer.accepted))
    }

    fn rows(&self, endpoint: &'static str, reply: Decoded) -> Result<Vec<Row>, Error> {
        let mut rows = match reply {
            Decoded::Rows(rows) => rows,
            Decoded::Error(words) => no_rows(endpoint, &words)?,
        };
        rows.iter_mut().for_each(|row| row.localize(self.zone));
        Ok(rows)
    }
}

/// What the server's words mean: that there are no rows, or an error.
fn no_rows(endpoint: &'static str, words: &str) -> Result<Vec<Row>, Error> {
    if say_unknown_method(words) {
        Err(Error::UnknownMethod { endpoint })
    } else if say_nothing_found(words) {
        Ok(Vec::new())
    } else if let Some(error) = error_of_question(words) {
        Err(Unreadable::QueryFailed { error }.into())
    } else {
        Err(Error::Message { message: shortened(words) })
    }
}
