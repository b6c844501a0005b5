//! The client of SICANTIK: what it sends, what it sends again, and what it refuses to read.

use std::sync::Arc;

use sicantik_sidecar::outbound::{Gate, Limits};
use sicantik_sidecar::sicantik::{Client, Error, Unreadable};
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use crate::support::web::{Reply, Web};
use crate::support::within;

const ROWS: &str = r#"[{"pendaftaran_id":"0001","d_berlaku_izin":"2031-01-02"}]"#;
const XML: &str = "<xml><item><pendaftaran_id>0001</pendaftaran_id></item></xml>";
const PAGE: &str = "<html><head><title>Perbaikan</title></head></html>";
const UNKNOWN: &str = r#"{"status":false,"error":"Unknown method."}"#;
const TIMEOUT: Duration = Duration::from_secs(9);

fn client(web: &Web, stop: &CancellationToken) -> Client {
    let gate = Arc::new(Gate::new(Limits { rate: None, max_in_flight: 8 }));
    Client::new(&web.base(), gate, TIMEOUT, stop.clone()).expect("a client")
}

/// The result of one question, and how many requests it took.
async fn ask(replies: impl IntoIterator<Item = Reply>) -> (Result<usize, Error>, u64) {
    let web = Web::script(replies).await;
    let client = client(&web, &CancellationToken::new());
    let result = tokio::time::timeout(Duration::from_secs(600), client.permit("503/1")).await;
    let result = result.expect("an end").map(|rows| rows.len());
    let sent = client.gate().traffic().requests;
    assert_eq!(sent, web.asked().len() as u64, "each request passes the gate, and is counted");
    (result, sent)
}

#[tokio::test]
async fn the_request_is_what_the_server_understands() {
    let web = Web::script([Reply::ok(ROWS), Reply::ok(ROWS), Reply::ok(ROWS), Reply::ok(ROWS)]);
    let web = web.await;
    let client = client(&web, &CancellationToken::new());
    within(client.listing(50, 100)).await.expect("rows");
    // In base64 `Pj4+Pz8/YQ==`: all that a query has to have encoded.
    within(client.permit(">>>???a")).await.expect("rows");
    within(client.permit_by_number("é 1")).await.expect("rows");
    within(client.ping()).await.expect("an answer");
    let asked = web.asked();
    let targets: Vec<_> = asked.iter().map(|asked| asked.target.as_str()).collect();
    assert_eq!(
        targets,
        [
            "/backoffice/api/listpermohonanterbit/limit/50/offset/100",
            "/backoffice/api/cekperizinan?no_izin=Pj4%2BPz8%2FYQ%3D%3D",
            "/backoffice/api/cekperizinanizin?no_izin=w6kgMQ%3D%3D",
            "/backoffice/api/jumlahPerizinan",
        ]
    );
    for one in &asked {
        assert_eq!(one.headers["accept"], "application/json");
        let agent = one.headers["user-agent"].to_str().expect("text");
        assert_eq!(agent, concat!("sicantik-sidecar/", env!("CARGO_PKG_VERSION")));
    }
    assert_eq!(web.connections(), 1, "a connection is kept and used again");
}

#[tokio::test(start_paused = true)]
async fn an_empty_answer_is_asked_for_once_more_as_xml() {
    let web = Web::script([Reply::ok(""), Reply::ok(XML)]).await;
    let client = client(&web, &CancellationToken::new());
    assert_eq!(within(client.permit("503/1")).await.expect("rows").len(), 1);
    let accepts: Vec<_> = web.asked().iter().map(|one| one.headers["accept"].clone()).collect();
    assert_eq!(accepts, ["application/json", "application/xml"]);
    assert_eq!((client.gate().traffic().requests, client.gate().traffic().retries), (2, 1));

    // Where XML is empty too, it fails as anything else does; JSON is not asked for again.
    let (result, sent) = ask(vec![Reply::ok(" "); 4]).await;
    assert_eq!((result, sent), (Err(Unreadable::Empty.into()), 4));
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_is_tried_three_times_in_all() {
    let failures = [
        Reply::status(408, ""),
        Reply::status(429, PAGE),
        Reply::status(500, PAGE),
        Reply::status(502, PAGE),
        Reply::status(503, PAGE),
        Reply::status(504, ""),
        Reply::ok(PAGE),
        Reply::ok(&ROWS[..30]),
        Reply::Drop,
        Reply::Half(true),
        Reply::Half(false),
        Reply::Late(Duration::from_secs(60), ROWS.into()),
    ];
    for failure in failures {
        let (result, sent) = ask([failure.clone(), failure.clone(), Reply::ok(ROWS)]).await;
        assert_eq!((result, sent), (Ok(1), 3), "{failure:?}");
        let (result, sent) = ask(vec![failure.clone(); 3]).await;
        let error = result.expect_err("a failure to the end");
        assert!(error.is_transient(), "{failure:?}: {error}");
        assert_eq!(sent, 3, "{failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_or_an_answer_is_not_asked_again() {
    for (reply, expected) in [
        (Reply::status(400, ""), "refused with 400"),
        (Reply::status(400, PAGE), "refused with 400"),
        (Reply::status(401, PAGE), "refused with 401"),
        (Reply::status(403, PAGE), "refused with 403"),
        (Reply::status(404, PAGE), "refused with 404"),
        (Reply::status(404, ""), "refused with 404"),
        (Reply::status(404, r#"{"error":"Sesuatu"}"#), "the server says: Sesuatu"),
        (Reply::status(404, UNKNOWN), "does not know the method `cekperizinan`"),
        (Reply::ok(r#"[{"pendaftaran_id":["x"]}]"#), "[0].pendaftaran_id"),
    ] {
        let (result, sent) = ask([reply.clone()]).await;
        let error = result.expect_err("no rows");
        assert!(error.to_string().contains(expected), "{reply:?}: {error}");
        assert_eq!((error.is_transient(), sent), (false, 1), "{reply:?}");
    }
    let unknown = Reply::status(404, r#"{"error":"No Izin tidak Terdaftar!"}"#);
    assert_eq!(ask([unknown]).await, (Ok(0), 1));
}

#[tokio::test(start_paused = true)]
async fn the_whole_gate_pauses_as_long_as_the_server_asks() {
    let date = chrono::Utc::now() + chrono::Duration::seconds(30);
    let date = date.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    for (asked, shortest, longest) in [("7", 7.0, 9.0), (date.as_str(), 25.0, 32.0)] {
        let busy = Reply::with(429, "retry-after", asked);
        let web = Web::script([busy, Reply::ok(ROWS), Reply::ok(ROWS)]).await;
        let client = client(&web, &CancellationToken::new());
        let other = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            client.permit("503/2").await
        };
        let both = async { tokio::join!(client.permit("503/1"), other) };
        let (one, two) = tokio::time::timeout(Duration::from_secs(60), both).await.expect("an end");
        assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
        let times: Vec<_> = web.asked().iter().map(|one| one.at).collect();
        for later in &times[1..] {
            let pause = (*later - times[0]).as_secs_f64();
            assert!((shortest..longest).contains(&pause), "{asked}: {pause}");
        }
    }
    // A server that is closed for an hour is not waited for.
    let (result, sent) = ask([Reply::with(503, "retry-after", "3600")]).await;
    assert_eq!(sent, 1);
    assert!(result.is_err());
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_not_read() {
    for length_is_said in [true, false] {
        let (result, sent) = ask([Reply::Spaces(9 * 1024 * 1024, length_is_said)]).await;
        assert!(
            matches!(result, Err(Error::Unreadable(Unreadable::TooLarge { .. }))),
            "{length_is_said}: {result:?}"
        );
        assert_eq!(sent, 1);
    }
    let mut body = ROWS.to_owned();
    body.push_str(&" ".repeat(8 * 1024 * 1024 - ROWS.len()));
    assert_eq!(ask([Reply::ok(body)]).await, (Ok(1), 1));
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_followed_on_the_same_host_only() {
    let (result, sent) =
        ask([Reply::with(301, "location", "/baru/cekperizinan"), Reply::ok(ROWS)]).await;
    assert_eq!((result, sent), (Ok(1), 2));

    let elsewhere = Reply::with(302, "location", "http://portal.invalid/login");
    let (result, sent) = ask([elsewhere]).await;
    assert_eq!(result, Err(Error::Redirected { host: "portal.invalid".into() }));
    assert_eq!(sent, 1);

    let circle = Reply::with(302, "location", "/backoffice/api/cekperizinan");
    let (result, sent) = ask(vec![circle; 4]).await;
    assert!(matches!(result, Err(Error::Refused { .. })), "{result:?}");
    assert_eq!(sent, 4);
    for nonsense in ["ftp://127.0.0.1/x", "http://["] {
        let (result, sent) = ask([Reply::with(302, "location", nonsense)]).await;
        assert!(matches!(result, Err(Error::Refused { .. })), "{result:?}");
        assert_eq!(sent, 1);
    }
}

#[tokio::test]
async fn a_method_that_is_unknown_is_not_asked_for_again() {
    let web = Web::script([Reply::status(404, UNKNOWN)]).await;
    let client = client(&web, &CancellationToken::new());
    assert_eq!(within(client.permit_by_number("503/1")).await, Ok(Vec::new()));
    assert_eq!(within(client.clone().permit_by_number("503/2")).await, Ok(Vec::new()));
    assert_eq!(web.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_leaves_after_the_stop_and_what_is_on_its_way_is_waited_for() {
    let late = Reply::Late(Duration::from_secs(5), ROWS.into());
    let web = Web::script([late, Reply::status(503, "")]).await;
    let stop = CancellationToken::new();
    let first = client(&web, &stop);
    let stopping = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        stop.cancel();
    };
    let asking = async { tokio::join!(first.permit("503/1"), stopping).0 };
    assert_eq!(within(asking).await.expect("its answer").len(), 1);
    assert_eq!(within(first.permit("503/2")).await, Err(Error::Stopped));

    // Stopped while it waits to try again.
    let stop = CancellationToken::new();
    let second = client(&web, &stop);
    let stopping = async {
        while web.asked().len() < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        second.gate().pause_for(Duration::from_secs(60));
        stop.cancel();
    };
    let asking = async { tokio::join!(second.permit("503/3"), stopping).0 };
    assert_eq!(within(asking).await, Err(Error::Stopped));
    assert_eq!(web.asked().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_maintenance_page_is_no_sign_of_life() {
    for page in [
        r#"<?xml version="1.0"?><!DOCTYPE html><html><body><p>Perbaikan</p></body></html>"#,
        r#"<html><script type="application/ld+json">{"@type":"Organization"}</script></html>"#,
    ] {
        let web = Web::script(vec![Reply::ok(page); 3]).await;
        let client = client(&web, &CancellationToken::new());
        let answer = tokio::time::timeout(Duration::from_secs(600), client.ping()).await;
        let error = answer.expect("an end").expect_err("a page");
        assert!(matches!(error, Error::Unreadable(Unreadable::Page { .. })), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_rate_counts_retries_and_redirects() {
    let web = Web::script(
        [
            Reply::status(500, ""),
            Reply::with(302, "location", "/backoffice/api/other"),
            Reply::Drop,
            Reply::ok(""),
            Reply::ok(XML),
        ]
        .into_iter()
        .chain(vec![Reply::ok(ROWS); 20]),
    )
    .await;
    let gate = Arc::new(Gate::new(Limits { rate: Some(4.0), max_in_flight: 8 }));
    let stop = CancellationToken::new();
    let client = Client::new(&web.base(), gate, TIMEOUT, stop).expect("a client");
    let questions = futures::future::join_all((0..21).map(|_| client.permit("503/1")));
    let answers = tokio::time::timeout(Duration::from_secs(60), questions).await.expect("an end");
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let times: Vec<Instant> = web.asked().iter().map(|one| one.at).collect();
    assert_eq!(times.len(), 25);
    for window in times.windows(5) {
        let span = window[4] - window[0];
        assert!(span >= Duration::from_secs(1), "five within {span:?}");
    }
    assert_eq!(client.gate().traffic().requests, 25);
    // Two tries again and the XML; a redirect is the same question on its way.
    assert_eq!(client.gate().traffic().retries, 3);
}

#[tokio::test(start_paused = true)]
async fn the_gate_learns_what_became_of_each_request() {
    let late = Reply::Late(Duration::from_secs(60), ROWS.into());
    // Answered, unusable, busy, timed out, disconnected.
    for (reply, counted) in [
        (Reply::ok(ROWS), [1, 0, 0, 0, 0]),
        (Reply::ok(PAGE), [0, 3, 0, 0, 0]),
        (Reply::status(403, PAGE), [0, 1, 0, 0, 0]),
        (Reply::status(404, UNKNOWN), [1, 0, 0, 0, 0]),
        (Reply::status(503, PAGE), [0, 0, 3, 0, 0]),
        (late, [0, 0, 0, 3, 0]),
        (Reply::Drop, [0, 0, 0, 0, 3]),
    ] {
        let web = Web::script(vec![reply.clone(); 3]).await;
        let client = client(&web, &CancellationToken::new());
        let asking = client.permit("503/1");
        let _ = tokio::time::timeout(Duration::from_secs(600), asking).await.expect("an end");
        let health = client.gate().server_health();
        let counts =
            [health.answered, health.unusable, health.busy, health.timed_out, health.disconnected];
        assert_eq!(counts, counted, "{reply:?}");
        let failed = health.answered == 0;
        assert_eq!(health.last_answer.is_none(), failed, "{reply:?}");
        assert_eq!(health.failures_in_a_row > 0, failed, "{reply:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_given_up_is_counted_as_abandoned() {
    let web = Web::script([Reply::Late(Duration::from_secs(5), ROWS.into())]).await;
    let client = client(&web, &CancellationToken::new());
    let asking = tokio::time::timeout(Duration::from_secs(1), client.permit("503/1"));
    assert!(asking.await.is_err());
    let health = client.gate().server_health();
    assert_eq!((health.abandoned, health.failures_in_a_row), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_probe_is_due_after_twenty_permits_in_vain() {
    let web = Web::start(|asked| {
        let is_ping = asked.target.ends_with("jumlahPerizinan");
        Some(if is_ping { Reply::ok("[{}]") } else { Reply::status(503, "") })
    });
    let web = web.await;
    let client = client(&web, &CancellationToken::new());
    for permit in 0..20 {
        assert!(!client.gate().needs_probe(), "after {permit}");
        let asking = client.permit("503/1");
        let answer = tokio::time::timeout(Duration::from_secs(60), asking).await.expect("an end");
        assert!(answer.is_err());
    }
    assert!(client.gate().needs_probe());
    assert_eq!(within(client.probe()).await, Ok(()));
    assert!(!client.gate().needs_probe());
}

#[tokio::test(start_paused = true)]
async fn a_probe_tells_a_server_that_is_away_from_one_that_talks() {
    for (reply, is_there) in [
        (Reply::ok(r#"[{"jumlah":"89"}]"#), true),
        (Reply::status(404, UNKNOWN), true),
        (Reply::status(404, PAGE), false),
        (Reply::ok(PAGE), false),
        (Reply::status(503, ""), false),
        (Reply::Drop, false),
    ] {
        let web = Web::script(vec![reply.clone(); 3]).await;
        let client = client(&web, &CancellationToken::new());
        let probing = tokio::time::timeout(Duration::from_secs(600), client.probe());
        assert_eq!(probing.await.expect("an end").is_ok(), is_there, "{reply:?}");
    }
    let stop = CancellationToken::new();
    let web = Web::script([]).await;
    let client = client(&web, &stop);
    stop.cancel();
    assert_eq!(within(client.probe()).await, Ok(()), "a stop is no verdict");
}

#[tokio::test(start_paused = true)]
async fn callers_share_one_probe_and_any_of_them_may_leave() {
    let late = Reply::Late(Duration::from_secs(5), "[{}]".into());
    let web = Web::script([late, Reply::status(403, "")]).await;
    let client = client(&web, &CancellationToken::new());
    let other = client.clone();
    let impatient = tokio::time::timeout(Duration::from_secs(1), client.probe());
    let (impatient, one, two) =
        within(async { tokio::join!(impatient, client.probe(), other.probe()) }).await;
    assert!(impatient.is_err());
    assert_eq!((one, two), (Ok(()), Ok(())));
    assert_eq!(web.asked().len(), 1);
    // The next question is about another moment.
    assert!(within(client.probe()).await.is_err());
    assert_eq!(web.asked().len(), 2);
}
