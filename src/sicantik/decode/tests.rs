use proptest::prelude::*;

use super::*;

const WARNING: &str = "<br />\n<b>Warning</b>:  Undefined index: d[0] {x} in <b>/srv/api/perizinan.php</b> on line <b>12</b><br />\n";

const JSON_WARNING: &str = "<br />\n<b>Warning</b>:  json_encode(): Invalid UTF-8 sequence in argument in <b>/srv/a.php</b> on line <b>9</b><br />\nnull";

fn ids(reply: Result<Decoded, Unreadable>) -> Vec<String> {
    match reply {
        Ok(Decoded::Rows(rows)) => rows.into_iter().map(|row| row.registration_id).collect(),
        other => panic!("rows were expected, not {other:?}"),
    }
}

#[test]
fn reads_a_list_or_one_object_in_both_forms() {
    for body in [
        r#"[{"pendaftaran_id":"0001"},{"pendaftaran_id":"0002"}]"#,
        "<xml><item><pendaftaran_id>0001</pendaftaran_id></item><item><pendaftaran_id>0002</pendaftaran_id></item></xml>",
    ] {
        assert_eq!(ids(decode(body.as_bytes())), ["0001", "0002"]);
    }
    for body in [
        r#"{"pendaftaran_id":"0001"}"#,
        "<xml><pendaftaran_id>0001</pendaftaran_id></xml>",
        "<xml><item><pendaftaran_id>0001</pendaftaran_id></item></xml>",
        "\u{feff}{\"pendaftaran_id\": 1}".replace(": 1", ":\"0001\"").as_str(),
    ] {
        assert_eq!(ids(decode(body.as_bytes())), ["0001"]);
    }
}

#[test]
fn reads_every_field_and_tells_absent_from_empty() {
    let body = r#"[{"pendaftaran_id":"0001","no_surat":"503\/1 \u00ea","n_pemohon":0,"n_perizinan":null,"d_berlaku_izin":null},{"pendaftaran_id":"2"}]"#;
    let Ok(Decoded::Rows(rows)) = decode(body.as_bytes()) else { panic!("no rows") };
    assert_eq!(rows[0].permit_number, "503/1 ê");
    assert_eq!(rows[0].applicant_name, "0");
    assert_eq!(rows[0].permit_type_name, "");
    assert_eq!(rows[0].expiry.as_deref(), Some(""));
    assert_eq!(rows[1].expiry, None);
}

#[test]
fn reads_the_servers_errors() {
    let words = "No Izin tidak Terdaftar!";
    for body in [
        format!(r#"{{"error":"{words}"}}"#),
        format!("<xml><error>{words}</error></xml>"),
        format!(r#"{{"status":false,"error":"{words}"}}"#),
        format!(r#"{{"status":false,"message":"{words}"}}"#),
        format!(r#"{{"status":404,"error":"Not Found","message":"{words}","data":null}}"#),
        format!("<xml><status/><message>{words}</message></xml>"),
        format!("{WARNING}{{\"status\":false,\"message\":\"{words}\"}}"),
    ] {
        assert_eq!(decode(body.as_bytes()), Ok(Decoded::Error(words.into())));
    }
}

#[test]
fn reads_data_behind_and_before_warnings() {
    for data in [
        r#"[{"pendaftaran_id":"0001"}]"#,
        "<xml><item><pendaftaran_id>0001</pendaftaran_id></item></xml>",
        "<?xml version=\"1.0\"?>\n<xml><item><pendaftaran_id>0001</pendaftaran_id></item></xml>",
    ] {
        assert_eq!(ids(decode(format!("{WARNING}{data}").as_bytes())), ["0001"], "{data}");
    }
    let behind = format!(r#"[{{"pendaftaran_id":"0001"}}]{WARNING}"#);
    assert_eq!(ids(decode(behind.as_bytes())), ["0001"]);
}

#[test]
fn each_value_has_a_charset_of_its_own() {
    let json = b"[{\"pendaftaran_id\":\"1\",\"n_pemohon\":\"Ren\xe9\",\"no_surat\":\"503/\xc3\x89KA\"},
        {\"pendaftaran_id\":\"2\",\"n_pemohon\":\"Ren\xc3\xa9\",\"no_surat\":\"503/KAF\xc9\x96\xe9\"}]";
    let xml = b"<xml><item><pendaftaran_id>1</pendaftaran_id><n_pemohon>Ren\xe9</n_pemohon><no_surat>503/\xc3\x89KA</no_surat></item>
        <item><pendaftaran_id>2</pendaftaran_id><n_pemohon>Ren&eacute;</n_pemohon><no_surat>503/KAF\xc9\x96\xe9</no_surat></item></xml>";
    let warning = WARNING.as_bytes();
    for body in
        [&json[..], xml, &[b"\xef\xbb\xbf", warning, json].concat(), &[warning, xml].concat()]
    {
        let Ok(Decoded::Rows(rows)) = decode(body) else { panic!("no rows in {body:?}") };
        let read: Vec<_> = rows
            .iter()
            .map(|row| (row.applicant_name.as_str(), row.permit_number.as_str()))
            .collect();
        assert_eq!(read, [("René", "503/ÉKA"), ("René", "503/KAFÉ–é")]);
    }
}

#[test]
fn an_identity_that_is_a_number_is_not_guessed() {
    for (body, expected) in [
        (r#"[{"pendaftaran_id":"1"},{"pendaftaran_id":12300108201700}]"#, "[1].pendaftaran_id"),
        (r#"[{"pendaftaran_id":1.2300108201700e+15}]"#, "[0].pendaftaran_id"),
        (r#"{"pendaftaran_id":0,"no_surat":"503/1"}"#, "[0].pendaftaran_id"),
        (r#"[{"pendaftaran_id":"0001","no_surat":503.530}]"#, "[0].no_surat"),
        (r#"[{"pendaftaran_id":"0001","no_surat":503}]"#, "[0].no_surat"),
        (r#"[{"pendaftaran_id":"0001","no_surat":-5e3}]"#, "[0].no_surat"),
    ] {
        let unquoted = Unreadable::UnquotedIdentity { path: expected.into() };
        assert_eq!(decode(body.as_bytes()), Err(unquoted.clone()), "{body}");
        assert_eq!(decode(format!("{WARNING}{body}").as_bytes()), Err(unquoted), "{body}");
    }
    // Other fields may be numbers.
    let body = br#"[{"pendaftaran_id":"01","n_pemohon":1.5,"n_perizinan":7,"no_surat":null}]"#;
    let Ok(Decoded::Rows(rows)) = decode(body) else { panic!("no rows") };
    assert_eq!((rows[0].applicant_name.as_str(), rows[0].permit_type_name.as_str()), ("1.5", "7"));
}

#[test]
fn an_applicant_who_is_not_known_is_not_junk() {
    let xml = |fields: &str| {
        format!("<xml><item><pendaftaran_id>1</pendaftaran_id>{fields}</item></xml>")
    };
    for (body, is_junk) in [
        (xml("<n_pemohon></n_pemohon>"), false),
        (xml("<n_pemohon/>"), false),
        (xml(""), false),
        (xml("<n_pemohon>0</n_pemohon>"), true),
        (xml("<n_pemohon> </n_pemohon>"), true),
        (xml("<n_pemohon>Ginting</n_pemohon>"), false),
        (r#"[{"pendaftaran_id":"1","n_pemohon":""}]"#.into(), true),
        (r#"[{"pendaftaran_id":"1","n_pemohon":null}]"#.into(), true),
        (r#"[{"pendaftaran_id":"1","n_pemohon":0}]"#.into(), true),
        // No deployment that leaves the field out has junk alone.
        (r#"[{"pendaftaran_id":"1"}]"#.into(), false),
    ] {
        let Ok(Decoded::Rows(rows)) = decode(body.as_bytes()) else { panic!("no rows in {body}") };
        assert_eq!(rows[0].is_junk(), is_junk, "{body}");
    }
}

#[test]
fn a_number_of_permit_types_is_data_in_every_shape() {
    let script = "<script>var a = [1, {\"jumlah\": 2}];</script>";
    let comment = "<!-- <html> {\"error\":\"x\"} -->";
    for answer in [
        r#"[{"jumlah":"89"}]"#,
        r#"{"jumlah":"89"}"#,
        r#"{"jumlah":89}"#,
        r#"{"jumlahPerizinan":"89"}"#,
        "<xml><jumlah>89</jumlah></xml>",
        "<?xml version=\"1.0\"?><xml><item><jumlah>89</jumlah></item></xml>",
        r#"{"status":true,"message":"OK","data":89}"#,
    ] {
        for (before, behind) in [
            ("", ""),
            (WARNING, ""),
            ("\u{feff}", ""),
            ("\u{feff}\r\n\u{feff}", "\u{feff}"),
            (script, ""),
            ("", script),
            (comment, "<style>p {}</style>"),
            (&format!("\u{feff}{WARNING}\u{feff}{script}"), WARNING),
        ] {
            let body = format!("{before}{answer}{behind}");
            let (value, _) =
                data(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"));
            assert!(value.to_string().contains("89"), "{body}: {value}");
        }
    }
}

#[test]
fn an_error_of_the_database_that_the_question_causes_is_known() {
    for body in [
        "<html><title>Database Error</title><h1>A Database Error Occurred</h1><p>Error Number: 1064</p></html>",
        "<br />\n<b>Fatal error</b>: Uncaught mysqli_sql_exception: You have an error in your SQL syntax",
    ] {
        assert!(matches!(decode(body.as_bytes()), Err(Unreadable::QueryFailed { .. })), "{body}");
    }
    let away = "<html><h1>A Database Error Occurred</h1><p>Error Number: 2006</p></html>";
    assert!(matches!(decode(away.as_bytes()), Err(Unreadable::Page { .. })));
}

#[test]
fn says_what_came_whatever_it_is() {
    let words = |text: &str| Some(Said::Words(text.into()));
    let page = |text: &str| Some(Said::Page(Some(text.into())));
    for (body, expected) in [
        (r#"{"status":false,"error":"Invalid API Key."}"#, words("Invalid API Key.")),
        ("<xml><status/><error>Unauthorized</error></xml>", words("Unauthorized")),
        ("Access denied", words("Access denied")),
        ("<html><head><title>Just a moment...</title></head></html>", page("Just a moment...")),
        (
            "<html><script>challenge()</script><p>Checking your browser</p>",
            page("Checking your browser"),
        ),
        ("<!DOCTYPE html><script>go()</script>", Some(Said::Page(None))),
        ("", None),
    ] {
        assert_eq!(said(body.as_bytes()), expected, "{body}");
    }
}

#[test]
fn an_empty_list_is_no_rows() {
    for body in ["[]", "<xml></xml>", "<xml/>"] {
        assert_eq!(decode(body.as_bytes()), Ok(Decoded::Rows(vec![])), "{body}");
    }
}

#[test]
fn names_the_reason_why_it_is_not_data() {
    let page = |title: Option<&str>| Unreadable::Page { title: title.map(Into::into) };
    let cases = [
        ("", Unreadable::Empty),
        (" \r\n", Unreadable::Empty),
        (
            "<!DOCTYPE html><html><head><title>Sedang\n perbaikan</title></head></html>",
            page(Some("Sedang perbaikan")),
        ),
        (
            "<html><body><h1>Database Error [42]</h1></body></html>",
            page(Some("Database Error [42]")),
        ),
        (WARNING, page(None)),
        ("null", Unreadable::Empty),
        (JSON_WARNING, Unreadable::Empty),
        ("<script>location.reload()</script>", page(None)),
        ("Hello", Unreadable::NotData),
        (r#"[{"pendaftaran_id":"00"#, Unreadable::NotData),
        ("<xml><item><pendaftaran_id>0001</pend", Unreadable::NotData),
    ];
    for (body, reason) in cases {
        assert_eq!(decode(body.as_bytes()), Err(reason), "{body}");
    }
}

#[test]
fn a_page_is_a_page_whatever_it_holds() {
    let linked = r#"{"@context":"https://schema.org","error":"x","pendaftaran_id":"1"}"#;
    let rows = r#"[{"pendaftaran_id":"0001"}]"#;
    let xhtml = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Strict//EN\" \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd\">\n<html xmlns=\"http://www.w3.org/1999/xhtml\">";
    for body in [
        format!("{xhtml}<body><p>Perbaikan</p></body></html>"),
        format!("{xhtml}<xml><item><pendaftaran_id>1</pendaftaran_id></item></xml></html>"),
        format!("<html><script type=\"application/ld+json\">{linked}</script></html>"),
        format!("<!DOCTYPE HTML>\n<script>\n{rows}\n</script><p>Perbaikan</p>"),
        format!("<HTML><script>var a = {{}}, rows = {rows};</script></HTML>"),
        format!("<html><body>{linked}<br/></body></html>"),
        format!("<html><body>Perbaikan <script>var rows = {rows}"),
        format!("<div>{rows}</div>"),
        r#"<div>{"error":"Sesi habis"}</div>"#.into(),
        r#"<div>Perbaikan</div>{"theme":"dark"}"#.into(),
        r#"<p>Perbaikan</p>[{"a":1},2]<br/>"#.into(),
    ] {
        let decoded = decode(body.as_bytes());
        assert!(matches!(decoded, Err(Unreadable::Page { .. })), "{body}: {decoded:?}");
        assert!(matches!(data(body.as_bytes()), Err(Unreadable::Page { .. })), "{body}");
    }
}

#[test]
fn a_part_of_a_broken_answer_is_not_the_answer() {
    let row = r#"{"pendaftaran_id":"0001"}"#;
    for broken in [
        format!("[{row},{row}"),
        format!("[{row},"),
        format!("[ {row}, {{\"pendaftaran_id\":\"0002\""),
        format!("{{\"pendaftaran_id\": {row}"),
        format!("{{ \"error\" : [{row}]"),
    ] {
        for (before, behind) in
            [("", WARNING), (WARNING, WARNING), (WARNING, ""), ("", "<br />{}<br />"), ("", "")]
        {
            let body = format!("{before}{broken}{behind}");
            assert!(decode(body.as_bytes()).is_err(), "{body}");
        }
        let again = format!("{broken}{WARNING}{row}");
        assert!(decode(again.as_bytes()).is_err(), "{again}");
    }
}

#[test]
fn brackets_in_a_warning_hide_nothing() {
    for printed in ["[3]", "{", "[", "[a, b", "{x}", "{}", "[{", "{'a': 1}", "[[1], 2]", "[\"a\"]"]
    {
        let warning = format!("<br />\n<b>Notice</b>: {printed} in /srv/a.php<br />\n");
        for data in [r#"[{"pendaftaran_id":"0001"}]"#, r#"{"pendaftaran_id":"0001"}"#] {
            let body = format!("{warning}{data}");
            assert_eq!(ids(decode(body.as_bytes())), ["0001"], "{body}");
            let body = format!("{data}{warning}");
            assert_eq!(ids(decode(body.as_bytes())), ["0001"], "{body}");
        }
        let count = format!(r#"{warning}[{{"jumlah":"89"}}]"#);
        assert!(data(count.as_bytes()).is_ok(), "{count}");
        assert_eq!(decode(format!("{warning}[]").as_bytes()), Ok(Decoded::Rows(vec![])));
    }
}

#[test]
fn names_the_path_of_the_bad_field() {
    let cases = [
        (r#"[{"pendaftaran_id":"1"},{"pendaftaran_id":{"a":"1"}}]"#, "[1].pendaftaran_id"),
        (r#"[{"pendaftaran_id":"1","d_berlaku_izin":["x"]}]"#, "[0].d_berlaku_izin"),
        (r#"[{"no_surat":"1"}]"#, "[0]"),
        (r#"["x"]"#, "[0]"),
        (r#"{"error":{}}"#, "error"),
    ];
    for (body, expected) in cases {
        match decode(body.as_bytes()) {
            Err(Unreadable::Field { path, .. }) => assert_eq!(path, expected, "{body}"),
            other => panic!("{body}: {other:?}"),
        }
    }
}

proptest! {
    #[test]
    fn never_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&body);
    }

    #[test]
    fn never_panics_on_almost_data(body in "[\\[\\]{}\",:a-c<>/&;x0-9 ]{0,80}") {
        let _ = decode(body.as_bytes());
    }

    #[test]
    fn a_truncated_answer_is_never_rows(cut in 1usize..55) {
        let whole = r#"[{"pendaftaran_id":"0001"},{"pendaftaran_id":"0002"}]"#;
        let reply = decode(&whole.as_bytes()[..whole.len() - cut.min(whole.len())]);
        prop_assert!(reply.is_err(), "{reply:?}");
    }

    #[test]
    fn a_truncated_document_is_never_rows(cut in 1usize..100) {
        let whole = "<xml><item><pendaftaran_id>0001</pendaftaran_id></item><item><a>0002</a></item></xml>";
        let reply = decode(&whole.as_bytes()[..whole.len() - cut.min(whole.len())]);
        prop_assert!(reply.is_err(), "{reply:?}");
    }

    #[test]
    fn never_panics_on_almost_pages(
        body in "(<script>|</script>|<xml>|</xml>|<html>|<!--|-->|\\[|\\]|\\{\"error\":\"a\"\\}|[a é\"]){0,12}",
    ) {
        let _ = (decode(body.as_bytes()), said(body.as_bytes()));
    }

    #[test]
    fn the_values_of_a_row_come_out_as_they_were_typed(
        fields in proptest::collection::vec(("[A-Zéêü/ –“”]{0,10}é", any::<bool>()), 1..6),
    ) {
        let encode = |(text, is_latin): &(String, bool)| {
            if *is_latin { encoding_rs::WINDOWS_1252.encode(text).0.into_owned() } else { text.clone().into_bytes() }
        };
        let mut json = b"[".to_vec();
        let mut xml = b"<xml>".to_vec();
        for (index, field) in fields.iter().enumerate() {
            let id = index.to_string();
            let comma = if index > 0 { "," } else { "" };
            json.extend([comma.as_bytes(), b"{\"pendaftaran_id\":\"", id.as_bytes(), b"\",\"no_surat\":\"", &encode(field), b"\"}"].concat());
            xml.extend([b"<item><pendaftaran_id>", id.as_bytes(), b"</pendaftaran_id><no_surat>", &encode(field), b"</no_surat></item>"].concat());
        }
        json.push(b']');
        xml.extend(b"</xml>");
        for body in [json, xml] {
            let Ok(Decoded::Rows(rows)) = decode(&body) else { panic!("no rows in {body:?}") };
            let read: Vec<&str> = rows.iter().map(|row| row.permit_number.as_str()).collect();
            let typed: Vec<&str> = fields.iter().map(|(text, _)| text.as_str()).collect();
            prop_assert_eq!(read, typed);
        }
    }
}
