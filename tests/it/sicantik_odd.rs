//! Answers in odd shapes, as real deployments and what stands in front of them give: read as far as
//! they can be, and never guessed.

use std::io::Write as _;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::json;
use sicantik_sidecar::outbound::{Gate, Limits};
use sicantik_sidecar::sicantik::{Client, Error, NameStatus, PermitExpiry, Row, Unreadable};
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use crate::support::listing::place;
use crate::support::web::{Asked, Reply, Web};

const ROWS: &str = r#"[{"pendaftaran_id":"0001","d_berlaku_izin":"2031-01-02"}]"#;
const XML: &str = "<xml><item><pendaftaran_id>0001</pendaftaran_id><no_surat>503.530</no_surat>\
                   <d_berlaku_izin>2031-01-02</d_berlaku_izin></item></xml>";
const NOT_FOUND: &str = r#"{"error":"No Izin tidak Terdaftar!"}"#;
const SYNTAX: &str = "<html><head><title>Database Error</title></head><body>\
    <h1>A Database Error Occurred</h1><p>Error Number: 1064</p></body></html>";

fn client(web: &Web) -> Client {
    let gate = Arc::new(Gate::new(Limits { rate: None, max_in_flight: 8 }));
    let stop = CancellationToken::new();
    Client::new(&web.base(), gate, Duration::from_secs(9), stop).expect("a client")
}

async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(600), future).await.expect("an end")
}

/// What `cekperizinan` comes to, and the forms that were asked for.
async fn ask(replies: impl IntoIterator<Item = Reply>) -> (Result<Vec<Row>, Error>, Vec<String>) {
    let web = Web::script(replies).await;
    let client = client(&web);
    let result = soon(client.permit("503/1")).await;
    let asked = web.asked();
    let accepts = asked.iter().map(|one| one.headers["accept"].to_str().expect("text").to_owned());
    (result, accepts.collect())
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).and_then(|()| encoder.finish()).expect("memory")
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).and_then(|()| encoder.finish()).expect("memory")
}

#[tokio::test(start_paused = true)]
async fn an_identity_that_is_a_number_is_asked_for_as_xml() {
    for unquoted in [
        r#"[{"pendaftaran_id":12300108201700}]"#,
        r#"[{"pendaftaran_id":1.2300108201700e+15}]"#,
        r#"[{"pendaftaran_id":"0001","no_surat":503.530}]"#,
    ] {
        let (result, accepts) = ask([Reply::ok(unquoted), Reply::ok(XML)]).await;
        let rows = result.expect("rows");
        assert_eq!((&*rows[0].registration_id, &*rows[0].permit_number), ("0001", "503.530"));
        assert_eq!(accepts, ["application/json", "application/xml"], "{unquoted}");

        // Where there is only JSON, nothing is guessed, and nothing is asked a third time.
        let (result, accepts) = ask(vec![Reply::ok(unquoted); 2]).await;
        let error = result.expect_err("no rows");
        assert!(matches!(error, Error::Unreadable(Unreadable::UnquotedIdentity { .. })), "{error}");
        assert!(error.to_string().contains("JSON_NUMERIC_CHECK") && !error.is_transient());
        assert_eq!(accepts.len(), 2, "{unquoted}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_prints_numbers_is_asked_for_xml_from_then_on() {
    let unquoted = Reply::ok(r#"[{"pendaftaran_id":1}]"#);
    let xml = || Reply::ok(XML);
    let web = Web::script([unquoted, xml(), xml(), xml()]).await;
    let client = client(&web);
    soon(client.permit("503/1")).await.expect("rows");
    soon(client.permit_by_number("503/2")).await.expect("rows");
    soon(client.clone().listing(10, 0)).await.expect("rows");
    assert_eq!(client.gate().traffic().requests, 4);
    assert!(web.asked()[1..].iter().all(|one| one.headers["accept"] == "application/xml"));
}

#[tokio::test(start_paused = true)]
async fn what_the_old_php_prints_for_a_value_that_is_not_utf8_is_nothing() {
    let warning = "<br />\n<b>Warning</b>: json_encode(): Invalid UTF-8 sequence in argument in \
                   <b>/srv/a.php</b> on line <b>9</b><br />\n";
    for nothing in ["null".to_owned(), format!("{warning}null"), warning.to_owned()] {
        let (result, accepts) = ask([Reply::ok(nothing), Reply::ok(XML)]).await;
        assert_eq!((result.expect("rows").len(), accepts.len()), (1, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn one_value_in_another_charset_changes_no_other() {
    let json = b"[{\"pendaftaran_id\":\"1\",\"n_pemohon\":\"Ren\xe9\",\"no_surat\":\"503/\xc3\x89\"},\
        {\"pendaftaran_id\":\"2\",\"n_pemohon\":\"Ren\xc3\xa9\",\"no_surat\":\"503/\xc9\x96\xe9\"}]";
    let xml = b"<xml><item><pendaftaran_id>1</pendaftaran_id><n_pemohon>Ren\xe9</n_pemohon>\
        <no_surat>503/\xc3\x89</no_surat></item><item><pendaftaran_id>2</pendaftaran_id>\
        <n_pemohon>Ren&eacute;</n_pemohon><no_surat>503/\xc9\x96\xe9</no_surat></item></xml>";
    for body in [&json[..], xml, &gzip(json)] {
        let (result, _) = ask([Reply::Bytes(200, body.to_vec())]).await;
        let rows = result.expect("rows");
        let read: Vec<_> =
            rows.iter().map(|row| (&*row.applicant_name, &*row.permit_number)).collect();
        assert_eq!(read, [("René", "503/É"), ("René", "503/É–é")]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_compressed_body_need_not_say_so() {
    for body in [gzip(ROWS.as_bytes()), zlib(XML.as_bytes()), gzip(&gzip(ROWS.as_bytes()))] {
        let (result, accepts) = ask([Reply::Bytes(200, body)]).await;
        assert_eq!((result.expect("rows").len(), accepts.len()), (1, 1));
    }
    let (result, _) = ask([Reply::Bytes(404, gzip(NOT_FOUND.as_bytes()))]).await;
    assert_eq!(result, Ok(Vec::new()));
    let page = b"<html><title>Ditolak</title></html>";
    let (result, _) = ask([Reply::Bytes(403, gzip(page))]).await;
    assert!(result.expect_err("a refusal").to_string().contains("Ditolak"));

    let bomb = gzip(&vec![b' '; 9 << 20]);
    assert!(bomb.len() < 1 << 20);
    let (result, accepts) = ask([Reply::Bytes(200, bomb)]).await;
    assert!(matches!(result, Err(Error::Unreadable(Unreadable::TooLarge { .. }))), "{result:?}");
    assert_eq!(accepts.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_whole_is_read_although_more_was_promised() {
    let short = |body: &str| Reply::Short(7, body.to_owned());
    for body in [ROWS, XML, "\u{feff}[{\"pendaftaran_id\":\"0001\"}]\n"] {
        let (result, accepts) = ask([short(body)]).await;
        assert_eq!((result.expect("rows").len(), accepts.len()), (1, 1), "{body}");
    }
    let half = short(&ROWS[..30]);
    let (result, accepts) = ask([half.clone(), half.clone(), half]).await;
    assert!(matches!(result, Err(Error::Connection { .. })), "{result:?}");
    assert_eq!(accepts.len(), 3);
    let (result, _) = ask([short("<br />Notice: []"), Reply::ok(ROWS)]).await;
    assert_eq!(result.expect("rows").len(), 1, "brackets in a notice are no empty list");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_said_in_many_shapes() {
    for (status, body) in [
        (404, r#"{"status":false,"message":"No Izin tidak Terdaftar!"}"#),
        (404, r#"{"status":404,"error":"Not Found","message":"Data tidak ditemukan"}"#),
        (404, r#"{"status":404,"error":404,"messages":{"error":"Data not found"}}"#),
        (404, "<xml><status/><message>No Izin tidak Terdaftar!</message></xml>"),
        (400, r#"{"success":false,"data":null,"pesan":"Izin belum terdaftar"}"#),
        (200, r#"{"status":false,"message":"Tidak ada data"}"#),
    ] {
        let (result, accepts) = ask([Reply::status(status, body)]).await;
        assert_eq!((result, accepts.len()), (Ok(Vec::new()), 1), "{body}");
    }
    for (body, expected) in [
        (r#"{"status":404,"message":"Halaman tidak ditemukan"}"#, "says: Halaman"),
        (r#"{"message":"Cannot GET /api/no_izin"}"#, "says: Cannot GET"),
        (r#"{"status":false,"message":"Unknown method"}"#, "does not know the method"),
    ] {
        let (result, _) = ask([Reply::status(404, body)]).await;
        let error = result.expect_err("no answer").to_string();
        assert!(error.contains(expected), "{body}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_what_came() {
    let challenge = "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>\
                     <script>challenge()</script></body></html>";
    for (status, body, expected) in [
        (403, challenge, "403 Forbidden: a web page (\"Just a moment...\")"),
        (403, "<html><script>c()</script><p>Are you human?</p>", "a web page (\"Are you human?\")"),
        (401, r#"{"status":false,"error":"Invalid API key "}"#, ": \"Invalid API key\""),
        (401, "<xml><status/><error>Unauthorized</error></xml>", ": \"Unauthorized\""),
        (403, "Access denied: 10.0.0.1\n", ": \"Access denied: 10.0.0.1\""),
        (404, "<html><h1>Not Found</h1></html>", "404 Not Found: a web page (\"Not Found\")"),
        (403, "", "the server refused with 403 Forbidden"),
    ] {
        let (result, accepts) = ask([Reply::status(status, body)]).await;
        let error = result.expect_err("a refusal").to_string();
        assert!(error.ends_with(expected), "{body}: {error}");
        assert_eq!(accepts.len(), 1, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_date_of_every_form_is_waited_for() {
    for form in ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y", "%a, %d %b %Y %H:%M:%S GMT"] {
        let date = (chrono::Utc::now() + chrono::Duration::seconds(30)).format(form).to_string();
        let busy = Reply::with(503, "retry-after", date);
        let web = Web::script([busy, Reply::ok(ROWS)]).await;
        let started = Instant::now();
        soon(client(&web).permit("503/1")).await.expect("rows");
        let waited = started.elapsed().as_secs_f64();
        assert!((25.0..32.0).contains(&waited), "{form}: {waited}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_cheapest_question_is_answered_in_every_shape() {
    let notice = "<br />\n<b>Notice</b>: Undefined index: a[0] in <b>/srv/a.php</b><br />\n";
    for body in [
        r#"{"jumlah":"89"}"#.to_owned(),
        format!("{notice}{{\"jumlah\":\"89\"}}"),
        "\u{feff}[{\"jumlah\":\"89\"}]".to_owned(),
        "<script>var a = {};</script>[{\"jumlah\":\"89\"}]".to_owned(),
        format!("<?xml version=\"1.0\"?><xml><jumlah>89</jumlah></xml>{notice}"),
    ] {
        let web = Web::script([Reply::ok(body.as_str())]).await;
        let pong = soon(client(&web).ping()).await;
        assert!(pong.is_ok(), "{body}: {pong:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_number_that_breaks_the_servers_query_is_asked_once() {
    let not_found = || Reply::status(404, NOT_FOUND);
    let fatal = "<br />\n<b>Fatal error</b>: Uncaught mysqli_sql_exception: You have an error in \
                 your SQL syntax";
    let mute = || Reply::status(500, "<h1>Internal Server Error</h1>");
    for (number, replies) in [
        ("503/D'Karo", vec![not_found(), Reply::status(500, SYNTAX)]),
        ("503/D'Karo", vec![not_found(), Reply::ok(SYNTAX)]),
        ("503/Ø", vec![not_found(), Reply::ok("Illegal mix of collations for operation '='")]),
        ("503\\", vec![not_found(), Reply::status(500, fatal)]),
        ("503/'", vec![Reply::status(500, SYNTAX)]),
        // A deployment that does not say why: after the usual tries.
        ("503/D'Karo", vec![not_found(), mute(), mute(), mute()]),
    ] {
        let (web, most) = (Web::script(replies.clone()).await, replies.len());
        let expiry = soon(client(&web).permit_expiry(number, Some("0001"))).await;
        assert!(matches!(expiry, Ok(PermitExpiry::BreaksQuery { .. })), "{number}: {expiry:?}");
        assert_eq!(web.asked().len(), most, "{number}");
    }
    // What comes and goes is asked again, whatever the number.
    let away = "<html><h1>A Database Error Occurred</h1><p>Error Number: 2006</p></html>";
    for trouble in [Reply::ok(away), Reply::status(503, away), Reply::status(502, "")] {
        let web = Web::script([not_found(), trouble.clone(), trouble, Reply::ok(ROWS)]).await;
        let expiry = soon(client(&web).permit_expiry("503/D'Karo", Some("0001"))).await;
        assert!(matches!(expiry, Ok(PermitExpiry::On(_))), "{expiry:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_instant_is_a_day_where_the_office_is() {
    let row = r#"[{"pendaftaran_id":"0001","d_berlaku_izin":"2026-03-09T15:30:00.000Z"}]"#;
    for (zone, day) in [
        (chrono_tz::Asia::Jakarta, "2026-03-09"),
        (chrono_tz::Asia::Jayapura, "2026-03-10"),
        (chrono_tz::America::Los_Angeles, "2026-03-09"),
    ] {
        let web = Web::script([Reply::ok(row), Reply::ok(row)]).await;
        let client = client(&web).with_time_zone(zone);
        let expiry = soon(client.permit_expiry("503/1", Some("0001"))).await;
        assert_eq!(expiry, Ok(PermitExpiry::On(day.parse().expect("a day"))), "{zone}");
        let rows = soon(client.listing(1, 0)).await.expect("rows");
        assert_eq!(rows[0].expiry.as_deref(), Some(day), "{zone}");
    }
}

/// A listing of three rows whose second is not UTF-8, and whose third has no applicant.
fn three_rows(asked: &Asked) -> Option<Reply> {
    let (limit, offset) = place(asked)?;
    let rows = [("01", "Ginting"), ("02", ""), ("03", "")];
    let shown = || rows.iter().skip(offset as usize).take(limit as usize);
    if asked.headers["accept"] == "application/json" {
        if shown().any(|(id, _)| *id == "02") {
            return Some(Reply::ok(""));
        }
        let rows: Vec<_> =
            shown().map(|(id, name)| json!({ "pendaftaran_id": id, "n_pemohon": name })).collect();
        return Some(Reply::ok(json!(rows).to_string()));
    }
    let rows: String = shown()
        .map(|(id, name)| {
            format!(
                "<item><pendaftaran_id>{id}</pendaftaran_id><n_pemohon>{name}</n_pemohon>\
                 <n_perizinan>SIPD</n_perizinan><no_surat>503</no_surat></item>"
            )
        })
        .collect();
    Some(Reply::ok(format!("<xml>{rows}</xml>")))
}

#[tokio::test(start_paused = true)]
async fn a_name_that_xml_empties_is_not_taken_for_none() {
    let web = Web::start(three_rows).await;
    let rows = soon(client(&web).listing(10, 0)).await.expect("rows");
    let read: Vec<_> =
        rows.iter().map(|row| (&*row.registration_id, row.name_status, row.is_junk())).collect();
    assert_eq!(
        read,
        [
            ("01", NameStatus::Printed, false),
            ("02", NameStatus::Emptied, false),
            ("03", NameStatus::Printed, true),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn without_json_an_empty_name_is_not_known() {
    // A proxy imposes XML, whatever is asked for.
    let web = Web::start(|asked| {
        let mut asked = asked.clone();
        asked.headers.insert("accept", "application/xml".parse().expect("a value"));
        three_rows(&asked)
    });
    let web = web.await;
    let rows = soon(client(&web).listing(10, 0)).await.expect("rows");
    assert!(rows.iter().all(|row| !row.is_junk()));
    assert_eq!(web.asked().len(), 1, "nobody else could tell");
}

#[tokio::test(start_paused = true)]
async fn a_server_in_trouble_is_not_pressed_for_names() {
    let web = Web::start(|asked| {
        let (limit, offset) = place(asked)?;
        let is_page = (limit, offset) == (10, 0);
        if is_page { three_rows(asked) } else { Some(Reply::status(503, "")) }
    });
    let web = web.await;
    let rows = soon(client(&web).listing(10, 0)).await.expect("rows");
    let undecided = rows.iter().filter(|row| row.name_status == NameStatus::Undecided);
    assert_eq!((undecided.count(), rows.iter().filter(|row| row.is_junk()).count()), (2, 0));
    assert_eq!(web.asked().len(), 2 + 2 * 3, "the usual tries for each of the two");
}
