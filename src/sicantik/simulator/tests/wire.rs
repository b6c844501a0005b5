use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::super::fault::Share;
use super::super::options::{Format, Options};
use super::{DEADLINE, RawResponse, Running, in_query, serve};

fn with_fault(fault: &str) -> Options {
    Options { permits: 50, faults: vec![fault.parse::<Share>().unwrap()], ..Options::default() }
}

#[tokio::test]
async fn the_listing_answers_as_the_real_one() {
    let server = Running::start(Options { permits: 40, ..Options::default() }).await;
    let past = json!({"error": "Tidak ada data.."});
    let (status, rows) = server.api("listpermohonanterbit/limit/5/offset/0").await;
    assert_eq!((status, rows.as_array().unwrap().len()), (200, 5));
    let fields: Vec<&String> = rows[0].as_object().unwrap().keys().collect();
    let expected = ["n_pemohon", "n_perizinan", "no_surat", "num_rows", "pendaftaran_id"];
    assert_eq!(fields.into_iter().collect::<BTreeSet<_>>().len(), 5);
    assert!(expected.iter().all(|field| !rows[0][field].is_number()));
    assert_eq!(server.api("listpermohonanterbit?limit=5&offset=4000").await, (404, past));
    assert_eq!(server.api("listpermohonanterbit?limit=5").await, (404, Value::Null));
    assert_eq!(server.api("listpermohonanterbit?offset=0").await, (400, Value::Null));
    let unknown = json!({"error": "Unknown method."});
    assert_eq!(server.api("nothing").await, (404, unknown));
    assert_eq!(server.api("jumlahPerizinan").await, (200, json!([{"jumlah": "89"}])));
    let (_, types) = server.api("jenisperizinanlist").await;
    assert_eq!(types.as_array().unwrap().len(), 89);
    assert_eq!(server.ask("/elsewhere", "").await.status, 404);
    server.end().await;
}

#[tokio::test]
async fn rows_of_a_day_come_in_the_same_order_for_the_same_question() {
    let server = Running::start(Options { permits: 300, ..Options::default() }).await;
    let mut crossings = 0;
    for offset in 0..30 {
        let target = format!("/backoffice/api/listpermohonanterbit?limit=40&offset={offset}");
        let once = server.ask(&target, "").await.body;
        assert_eq!(once, server.ask(&target, "").await.body, "{offset}");
        let next = format!("/backoffice/api/listpermohonanterbit?limit=40&offset={}", offset + 1);
        let next = server.ask(&next, "").await.text();
        let ids = |text: &str| -> Vec<String> {
            let rows = text.split("<pendaftaran_id>").skip(1);
            rows.map(|row| row.chars().take(16).collect()).collect()
        };
        let once = ids(&String::from_utf8_lossy(&once));
        crossings += u32::from(once[1..] != ids(&next)[..39]);
    }
    assert!(crossings > 5, "another question gives another order");
    server.end().await;
}

#[tokio::test]
async fn what_the_truth_says_is_what_the_endpoints_answer() {
    let server = Running::start(Options { permits: 400, ..Options::default() }).await;
    let truth = server.truth().await;
    assert_eq!(truth.len(), 400);
    for one in &truth {
        let number = in_query(one["no_surat"].as_str().unwrap());
        let (mut seen, mut broken) = ((None, false), false);
        for endpoint in ["cekperizinan", "cekperizinanizin"] {
            // XML is what always works; only what is looked at has to be found in it.
            let target = format!("/backoffice/api/{endpoint}?no_izin={number}");
            let reply = server.ask(&target, "").await;
            let id = one["pendaftaran_id"].as_str().unwrap();
            let own = reply.text().contains(&format!("<pendaftaran_id>{id}<"));
            if reply.status == 500 {
                assert_eq!(endpoint, "cekperizinanizin");
                assert!(one["no_surat"].as_str().unwrap().contains('\''));
                broken = true;
            } else if reply.status == 404 {
                assert!(reply.text().contains("<error>No Izin tidak Terdaftar!</error>"));
            } else if own && seen.0.is_none() {
                seen.0 = Some(endpoint);
            } else {
                seen.1 = true;
            }
        }
        assert_eq!(one["via"].as_str(), seen.0, "{one}");
        let expected = match seen {
            (Some(_), _) => one["expiry_date"].as_str().map_or("no_date", |_| "found"),
            (None, others) if others || broken => "failed",
            (None, _) => "not_registered",
        };
        assert_eq!(one["expected"], expected);
    }
    server.end().await;
}

#[tokio::test]
async fn an_older_deployment_has_no_second_way() {
    let options = Options { permits: 300, old: true, ..Options::default() };
    let server = Running::start(options).await;
    let unknown = json!({"error": "Unknown method."});
    assert_eq!(server.api("cekperizinanizin?no_izin=YQ%3D%3D").await, (404, unknown));
    assert!(server.truth().await.iter().all(|one| one["via"] != "cekperizinanizin"));
    server.end().await;
}

#[tokio::test]
async fn base64_that_is_not_percent_encoded_breaks() {
    let server = Running::start(Options { permits: 2000, ..Options::default() }).await;
    let truth = server.truth().await;
    let number = truth
        .iter()
        .filter(|one| one["via"] == "cekperizinan")
        .map(|one| in_query(one["no_surat"].as_str().unwrap()))
        .find(|number| number.contains("%2B"))
        .unwrap();
    let bare = number.replace("%2B", "+");
    for endpoint in ["cekperizinan", "cekperizinanizin"] {
        let target = |number: &str| format!("/backoffice/api/{endpoint}?no_izin={number}");
        assert_eq!(server.ask(&target(&number), "").await.status, 200);
        assert_eq!(server.ask(&target(&bare), "").await.status, 404);
    }
    server.end().await;
}

#[tokio::test]
async fn the_format_is_negotiated_or_imposed() {
    let options = Options { permits: 5, clean: true, ..Options::default() };
    let page = "/backoffice/api/listpermohonanterbit?limit=2&offset=0";
    let server = Running::start(options.clone()).await;
    for (headers, suffix, json) in [
        ("", "", false),
        ("Accept: */*\r\n", "", false),
        ("Accept: application/json\r\n", "", true),
        ("", "&format=json", true),
    ] {
        let reply = server.ask(&format!("{page}{suffix}"), headers).await;
        assert_eq!(reply.body.starts_with(b"["), json);
        assert_eq!(reply.head.contains("application/json"), json);
    }
    server.end().await;
    let server = Running::start(Options { format: Format::Xml, ..options }).await;
    let reply = server.ask(page, "Accept: application/json\r\n").await;
    assert!(reply.text().starts_with("<?xml"));
    server.end().await;
}

#[tokio::test]
async fn json_with_a_name_that_is_not_utf8_is_empty_while_xml_works() {
    let server = Running::start(Options { permits: 3000, ..Options::default() }).await;
    let page = "/backoffice/api/listpermohonanterbit?limit=9999&offset=0";
    let reply = server.ask(page, "Accept: application/json\r\n").await;
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    let reply = server.ask(page, "").await;
    assert!(reply.status == 200 && reply.text().contains("<n_pemohon/>"));
    assert!(!reply.text().contains("Kembar"), "what is not UTF-8 becomes nothing");
    server.end().await;
    let server =
        Running::start(Options { permits: 3000, raw_bytes: true, ..Options::default() }).await;
    for accept in ["", "Accept: application/json\r\n"] {
        let reply = server.ask(page, accept).await;
        assert!(reply.body.windows(9).any(|nine| nine == b"Kembar\xe9n "), "{accept}");
    }
    server.end().await;
}

#[tokio::test]
async fn another_deployment_has_other_shapes_and_numbers() {
    let options =
        Options { permits: 50, other_shapes: true, numeric_check: true, ..Options::default() };
    let server = Running::start(options).await;
    assert_eq!(server.api("jumlahPerizinan").await, (200, json!({"jumlah": 89})));
    let nothing = json!({"status": "false", "message": "Tidak ada data..", "data": null});
    assert_eq!(server.api("listpermohonanterbit/limit/5/offset/4000").await, (404, nothing));
    let (_, rows) = server.api("listpermohonanterbit/limit/5/offset/0").await;
    assert!(rows[0]["pendaftaran_id"].is_u64());
    let reply = server.ask("/backoffice/api/listpermohonanterbit/limit/5/offset/0", "").await;
    assert!(reply.text().contains("<pendaftaran_id>0"));
    server.end().await;
}

#[tokio::test]
async fn a_number_with_an_apostrophe_breaks_the_second_way() {
    let server = Running::start(Options { permits: 2000, ..Options::default() }).await;
    let truth = server.truth().await;
    let number = |one: &&Value| one["no_surat"].as_str().unwrap().contains('\'');
    let permit = truth.iter().filter(number).find(|one| one["via"] == "cekperizinan").unwrap();
    let number = in_query(permit["no_surat"].as_str().unwrap());
    assert_eq!(server.api(&format!("cekperizinan?no_izin={number}")).await.0, 200);
    let target = format!("/backoffice/api/cekperizinanizin?no_izin={number}");
    let reply = server.ask(&target, "Accept: application/json\r\n").await;
    assert!(reply.status == 500 && reply.text().contains("Error Number: 1064"));
    server.end().await;
}

#[tokio::test]
async fn each_fault_shows_on_the_wire() {
    let page = "/backoffice/api/listpermohonanterbit?limit=20&offset=0";
    for (fault, status, contains) in [
        ("error-500", 500, "<h1>"),
        ("error-502", 502, "Bad Gateway"),
        ("error-503", 503, "<h1>"),
        ("error-429", 429, "<h1>"),
        ("error-429-date", 429, "<h1>"),
        ("challenge-403", 403, "Just a moment..."),
        ("words-401", 401, "Invalid API key"),
        ("byte-order-mark", 200, "\u{feff}\n\u{feff}<?xml"),
        ("script", 200, "</xml>\n<script>"),
        ("gzip", 200, ""),
        ("deflate", 200, ""),
        ("short", 200, "</xml>"),
        ("error-408", 408, ""),
        ("maintenance-503", 503, "pemeliharaan"),
        ("maintenance-200", 200, "pemeliharaan"),
        ("database-500", 500, "Database Error"),
        ("database-200", 200, "Database Error"),
        ("empty", 200, ""),
        ("php-warning", 200, "<b>Warning</b>"),
        ("invalid-utf8", 200, "<xml>"),
        ("redirect", 302, "moved"),
        ("oversized", 200, "   "),
    ] {
        let server = Running::start(with_fault(&format!("{fault}=1"))).await;
        let reply = server.ask(page, "").await;
        assert_eq!(reply.status, status, "{fault}");
        assert!(reply.text().contains(contains), "{fault}");
        match fault {
            "empty" | "error-408" => assert!(reply.body.is_empty()),
            "error-429" => assert!(reply.head.contains("retry-after: 1")),
            "error-429-date" => assert!(reply.head.contains("day, ") && reply.head.contains("GMT")),
            "gzip" => assert!(reply.body.starts_with(b"\x1f\x8b")),
            "deflate" => assert!(reply.body.starts_with(b"\x78\x01")),
            "redirect" => assert!(reply.head.contains("location: http://sicantik.invalid/")),
            "oversized" => assert!(reply.body.len() > 8 << 20),
            "php-warning" => assert!(reply.text().contains("<br />\n<?xml")),
            "invalid-utf8" => assert_eq!(server.ask(page, "Accept: json\r\n").await.body, b""),
            _ => {}
        }
        let log = server.control("GET", "log").await;
        assert_eq!(log["requests"][0]["fault"], fault);
        assert_eq!(log["requests"][0]["status"], status);
        server.end().await;
    }
}

#[tokio::test]
async fn connections_break_before_and_within_the_answer() {
    let page = "/backoffice/api/listpermohonanterbit?limit=20&offset=0";
    let server = Running::start(with_fault("broken=1")).await;
    assert_eq!(server.raw("GET", page, "").await, b"");
    assert_eq!(server.control("GET", "log/summary").await["unanswered"], 1);
    server.end().await;

    let server = Running::start(with_fault("truncated=1")).await;
    let reply = server.ask(page, "").await;
    let promised = reply.head.split("content-length: ").nth(1).unwrap();
    let promised: usize = promised.split("\r\n").next().unwrap().parse().unwrap();
    assert!(reply.body.len() == promised / 2 && promised > 100);
    server.end().await;

    let server = Running::start(with_fault("timeout=1")).await;
    let waited = timeout(Duration::from_millis(150), server.raw("GET", page, "")).await;
    assert!(waited.is_err());
    // The client has hung up; the server notices.
    let noticed = async {
        while server.control("GET", "log/summary").await["in_flight"] != 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, noticed).await.unwrap();
    assert_eq!(server.control("GET", "log/summary").await["unanswered"], 1);
    let mut hanging = TcpStream::connect(server.address).await.unwrap();
    let head = format!("GET {page} HTTP/1.1\r\nHost: s\r\n\r\n");
    hanging.write_all(head.as_bytes()).await.unwrap();
    let began = Instant::now();
    server.end().await;
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_kept_connection_carries_many_requests_and_the_log_counts_them() {
    let server = Running::start(Options { permits: 10, ..Options::default() }).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let talk = async {
        for asked in 0..5 {
            let agent = if asked == 0 { "" } else { "User-Agent: sidecar/1.2 (test)\r\n" };
            let head =
                format!("GET /backoffice/api/jumlahPerizinan HTTP/1.1\r\nHost: s\r\n{agent}\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut answer = vec![0; 4096];
            let length = stream.read(&mut answer).await.unwrap();
            assert_eq!(RawResponse::parse(&answer[..length]).status, 200);
        }
    };
    timeout(DEADLINE, talk).await.unwrap();
    let summary = server.control("GET", "log/summary").await;
    assert_eq!(summary["requests"], 5);
    assert_eq!(summary["max_in_any_second"], 5);
    assert_eq!(summary["repeated"], 4);
    assert_eq!(summary["max_in_flight"], 1);
    assert_eq!(summary["endpoints"]["jumlahPerizinan"], 5);
    assert_eq!(summary["products"], json!({"sidecar": 4, "unknown": 1}));
    let log = server.control("GET", "log?offset=3").await;
    assert_eq!(log["requests"].as_array().unwrap().len(), 2);
    assert_eq!(log["requests"][0]["sequence"], 4);
    assert_eq!(log["requests"][0]["user_agent"], "sidecar/1.2 (test)");
    server.control("POST", "reset-log").await;
    assert_eq!(server.control("GET", "log/summary").await["requests"], 0);
    // A client that keeps its connection does not keep the server.
    let began = Instant::now();
    server.end().await;
    assert!(began.elapsed() < Duration::from_secs(1));
    drop(stream);
}

#[tokio::test]
async fn what_is_over_the_capacity_waits() {
    let latency = Duration::from_millis(100);
    let options = Options { permits: 10, capacity: 2, latency, ..Options::default() };
    let server = Running::start(options).await;
    let began = Instant::now();
    let ask = || server.api("jumlahPerizinan");
    let answers = tokio::join!(ask(), ask(), ask(), ask(), ask(), ask());
    assert_eq!(answers.5.0, 200);
    assert!(began.elapsed() >= 3 * latency);
    assert_eq!(server.control("GET", "log/summary").await["max_in_flight"], 6);
    server.end().await;
}

#[tokio::test]
async fn the_office_is_changed_on_demand_and_on_schedule() {
    let schedule = vec!["2:upgrade".parse().unwrap(), "3:add=5".parse().unwrap()];
    let options = Options { permits: 20, clean: true, schedule, ..Options::default() };
    let server = Running::start(options).await;
    let page = "listpermohonanterbit?limit=100&offset=0";
    let mut seen = Vec::new();
    for _ in 0..3 {
        let (_, rows) = server.api(page).await;
        let dated = rows[0].get("d_berlaku_izin").is_some();
        seen.push((rows.as_array().unwrap().len(), dated));
    }
    assert_eq!(seen, [(20, false), (20, true), (25, true)]);
    server.control("POST", "downgrade").await;
    assert!(server.api(page).await.1[0].get("d_berlaku_izin").is_none());
    let renewed = server.control("POST", "renew?count=3").await;
    assert_eq!(renewed["touched"].as_array().unwrap().len(), 3);
    assert_eq!(server.control("GET", "truth/summary").await["obtainable"], 25);

    let wrong = server.control("POST", "set?fault=empty%3D1&latency=soon").await;
    assert!(wrong["error"].as_str().unwrap().contains("latency"));
    assert_eq!(server.api(page).await.0, 200);
    server.control("POST", "set?fault=error-500%3D1").await;
    assert_eq!(server.api(page).await.0, 500);
    server.control("POST", "set?fault=none").await;
    assert_eq!(server.api(page).await.0, 200);
    let nothing = server.control("POST", "burn").await;
    assert!(nothing["error"].as_str().unwrap().contains("was not expected"));
    server.end().await;
}

#[tokio::test]
async fn only_this_machine_can_be_served() {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let served = serve(listener, Options::default(), std::future::pending());
    let error = timeout(DEADLINE, served).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("this machine alone"));
}
