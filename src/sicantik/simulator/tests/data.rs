use std::collections::HashSet;

use clap::Parser;

use super::super::change::{Change, Scheduled};
use super::super::fault::{self, Fault, Share};
use super::super::options::{Options, duration};
use super::super::render::{Document, Style, json, xml};
use super::super::request::Call;
use super::super::truth::{Truth, truth};
use super::super::world::{Page, World};

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    options: Options,
}

fn parse(arguments: &[&str]) -> Result<Options, String> {
    let arguments = [&["simulate"], arguments].concat();
    Command::try_parse_from(arguments)
        .map(|command| command.options)
        .map_err(|error| error.to_string())
}

fn world(permits: u32, seed: u64) -> World {
    World::new(&Options { permits, seed, ..Options::default() })
}

fn truths(world: &World) -> Vec<Truth> {
    (0..).zip(world.times_listed()).map(|(permit, rows)| truth(world, permit, rows)).collect()
}

fn rows(world: &World, offset: usize, limit: usize, twist: u64) -> Vec<u32> {
    match world.page(offset, limit, twist) {
        Page::Rows(rows) => rows,
        Page::Hangs => panic!("the page hangs"),
    }
}

const PLAIN: Style = Style { raw_bytes: false, numeric_check: false };

#[test]
fn json_is_written_as_php_writes_it() {
    let row = vec![("a", Some("1/2 é “x” \u{1f600}\n".into())), ("b", None)];
    assert_eq!(
        json(&Document::List(vec![row.clone(), row[1..].to_vec()]), PLAIN).unwrap(),
        br#"[{"a":"1\/2 \u00e9 \u201cx\u201d \ud83d\ude00\n","b":null},{"b":null}]"#
    );
    let latin = Document::Object(vec![("a", Some(b"caf\xe9 \"".to_vec()))]);
    assert_eq!(json(&latin, PLAIN), None);
    let raw = Style { raw_bytes: true, ..PLAIN };
    assert_eq!(json(&latin, raw).unwrap(), b"{\"a\":\"caf\xe9 \\\"\"}");
}

#[test]
fn numbers_lose_what_json_numeric_check_takes() {
    let checked = Style { numeric_check: true, ..PLAIN };
    for (text, written) in [
        ("0000001201102025", "1201102025"),
        ("503.530", "503.53"),
        ("1e3", "1000"),
        ("503/1", "\"503\\/1\""),
        ("", "\"\""),
        ("nan", "\"nan\""),
    ] {
        let object = Document::Object(vec![("a", Some(text.into()))]);
        let expected = format!("{{\"a\":{written}}}");
        assert_eq!(String::from_utf8(json(&object, checked).unwrap()).unwrap(), expected);
    }
}

#[test]
fn xml_has_entities_that_xml_does_not_define() {
    let row = vec![
        ("a", Some("ê – “x” & > \u{a0}ÿ".into())),
        ("b", None),
        ("c", Some(Vec::new())),
        ("d", Some(b"caf\xe9 <".to_vec())),
    ];
    let list = Document::List(vec![row]);
    let begin = "<xml><item><a>&ecirc; &ndash; &ldquo;x&rdquo; &amp; &gt; &nbsp;&yuml;</a><b/><c/>";
    for (raw_bytes, end) in
        [(false, &b"<d/></item></xml>"[..]), (true, b"<d>caf\xe9 &lt;</d></item></xml>")]
    {
        let written = xml(&list, Style { raw_bytes, ..PLAIN });
        let start = written.windows(5).position(|five| five == b"<xml>").unwrap();
        assert_eq!(written[start..].trim_ascii_end(), [begin.as_bytes(), end].concat());
    }
    let error = xml(&Document::error("Tidak ada data.."), PLAIN);
    assert!(error.trim_ascii_end().ends_with(b"<xml><error>Tidak ada data..</error></xml>"));
}

#[test]
fn parameters_come_from_query_and_path() {
    let call = |path, query| Call::parse(path, query).unwrap();
    let query = call("/backoffice/api/x", Some("no_izin=a+b%2Bc&limit=5"));
    assert_eq!(query.parameter("no_izin"), Some("a b+c"));
    let path = call("/backoffice/api/x/limit/5/no_izin/a+b%3D", None);
    assert_eq!((path.number("limit"), path.parameter("no_izin")), (Some(5), Some("a+b=")));
    assert_eq!(
        call("/backoffice/api/x/limit/5/offset/0", Some("format=json")).question(),
        call("/backoffice/api/x", Some("offset=0&limit=5")).question()
    );
    assert!(path.wants_json("text/json") && !path.wants_json("*/*"));
    assert!(Call::parse("/backoffice/api/x/no_izin/a%2Fb", None).is_none());
    assert!(Call::parse("/backoffice/other", None).is_none());
}

#[test]
fn same_seed_same_permits() {
    let tell = |seed| serde_json::to_string(&truths(&world(300, seed))).unwrap();
    assert_eq!(tell(7), tell(7));
    assert_ne!(tell(7), tell(8));
}

#[test]
fn every_quirk_is_in_the_data() {
    let world = world(2000, 1);
    let all = serde_json::to_value(truths(&world)).unwrap();
    let all = all.as_array().unwrap();
    let count = |is: &dyn Fn(&serde_json::Value) -> bool| all.iter().filter(|one| is(one)).count();
    for expected in ["found", "no_date", "not_registered", "failed"] {
        assert!(count(&|one| one["expected"] == expected) > 0, "{expected}");
    }
    for date in
        ["", "0000-00-00", "1970-01-01", "-0001-11-30", "1899-12-30", "1900-01-01", "1900-01-00"]
    {
        assert!(count(&|one| one["raw"]["d_berlaku_izin"] == date) > 0, "{date}");
    }
    for zoned in ["T17:00:00.000Z", " 17:00:00 UTC", "+07:00", " WIB"] {
        let raw =
            |one: &serde_json::Value| one["raw"]["d_berlaku_izin"].as_str().map(str::to_owned);
        assert!(count(&|one| raw(one).is_some_and(|text| text.ends_with(zoned))) > 0, "{zoned}");
    }
    assert!(count(&|one| one["reason"] == "invalid_number") > 0);
    assert!(count(&|one| one["nameless"] == true && one["n_pemohon"] == "") > 0);
    assert!(all.iter().all(|one| one["pendaftaran_id"].as_str().unwrap().starts_with('0')));
    for number in ["&", ">", "é", "  ", " / ", "–", "'"] {
        assert!(count(&|one| one["no_surat"].as_str().unwrap().contains(number)) > 0, "{number}");
    }
    for encoded in ["%2B", "%2F", "%3D"] {
        let has = |one: &serde_json::Value| {
            super::in_query(one["no_surat"].as_str().unwrap()).contains(encoded)
        };
        assert!(count(&has) > 0, "{encoded}");
    }
    assert!(count(&|one| one["raw"]["d_berlaku_izin"].is_null()) > 0);
    assert!(count(&|one| one["via"] == "cekperizinanizin") > 0);
    assert!(count(&|one| one["junk"] == true) > 0);
    assert!(count(&|one| one["no_surat"] == "") > 0);
    assert!(count(&|one| one["listing_rows"] == 2) > 0);
    let numbers: HashSet<_> = all.iter().map(|one| one["no_surat"].as_str().unwrap()).collect();
    assert!(numbers.len() < all.len() - 20);
    let ids: HashSet<_> = all.iter().map(|one| one["pendaftaran_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), all.len());
    assert!(ids.iter().all(|id| id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_digit())));
}

#[test]
fn clean_data_are_all_found_with_a_date() {
    let world = World::new(&Options { permits: 500, clean: true, ..Options::default() });
    let all = serde_json::to_value(truths(&world)).unwrap();
    for one in all.as_array().unwrap() {
        assert_eq!(one["expected"], "found");
        assert_eq!(one["via"], "cekperizinan");
        assert_eq!(one["listing_rows"], 1);
        assert_eq!(one["raw"]["d_berlaku_izin"], one["expiry_date"]);
        assert_eq!(one["raw"]["n_pemohon"], one["n_pemohon"]);
    }
}

#[test]
fn a_twisted_page_has_rows_off_their_places_but_loses_none() {
    let world = world(2000, 3);
    let straight = rows(&world, 0, 5000, 0);
    let twisted = rows(&world, 0, 5000, 2);
    assert_ne!(straight, twisted);
    let sorted = |mut rows: Vec<u32>| {
        rows.sort_unstable();
        rows
    };
    assert_eq!(sorted(straight.clone()), sorted(twisted.clone()));
    for (place, row) in twisted.iter().enumerate() {
        let near = place.saturating_sub(3)..(place + 4).min(straight.len());
        assert!(straight[near].contains(row));
    }
    let days = |rows: &[u32]| rows.iter().map(|row| world.recipe.day(*row)).collect::<Vec<_>>();
    assert!(days(&twisted).is_sorted_by(|a, b| a >= b));
}

#[test]
fn the_office_changes_while_it_is_read() {
    let mut world = world(2000, 3);
    let before = rows(&world, 0, 5000, 0);
    assert_eq!(world.apply(Change::Add(500)).len(), 500);
    let after = rows(&world, 0, 9000, 0);
    assert_eq!(after[after.len() - before.len()..], before);
    assert!(after[..after.len() - before.len()].iter().all(|row| *row >= 2000));
    assert!(world.apply(Change::Swap(200)).len() >= 200);
    let swapped = rows(&world, 0, 9000, 0);
    let moved = swapped.iter().zip(&after).filter(|(a, b)| a != b).count();
    assert!(moved > 100, "{moved}");
    let days = |rows: &[u32]| rows.iter().map(|row| world.recipe.day(*row)).collect::<Vec<_>>();
    assert_eq!(days(&swapped), days(&after));

    let dates = |world: &World| truths(world).into_iter().map(|one| one.expiry_date).collect();
    let old: Vec<_> = dates(&world);
    assert_eq!(world.apply(Change::Renew(50)).len(), 50);
    let new: Vec<_> = dates(&world);
    assert_eq!(old.iter().zip(&new).filter(|(old, new)| old != new).count(), 50);

    let gone = world.apply(Change::Unlist(10));
    let listed = rows(&world, 0, 9000, 0);
    assert_eq!(gone.len(), 10);
    assert!(listed.iter().all(|row| !gone.contains(&world.permit(*row).registration)));
}

#[test]
fn stuck_rows_stop_every_page_and_heavy_ones_only_large_pages() {
    let options = Options { permits: 300, stuck_rows: 1, ..Options::default() };
    let world = World::new(&options);
    let hanging = (0..300).filter(|at| world.page(*at, 1, 0) == Page::Hangs).count();
    assert!((1..=2).contains(&hanging), "{hanging}");
    assert_eq!(world.page(0, 400, 0), Page::Hangs);
    let world = World::new(&Options { stuck_rows: 0, heavy_rows: 1, ..options });
    assert_eq!(world.page(0, 400, 0), Page::Hangs);
    assert!((0..300).step_by(25).all(|at| world.page(at, 25, 0) != Page::Hangs));
}

#[test]
fn faults_come_in_their_shares_and_pass() {
    let shares = ["error-500=0.05".parse().unwrap(), "empty=3%".parse().unwrap()];
    let met = |tries| {
        (0..20_000).filter(move |question| fault::choose(&shares, 1, *question, tries).is_some())
    };
    let (first, second): (HashSet<u64>, HashSet<u64>) = (met(0).collect(), met(1).collect());
    assert!((1400..1800).contains(&first.len()), "{}", first.len());
    assert!(first.intersection(&second).count() < 250);
    let all = [Share { fault: Fault::Maintenance200, share: 1.0 }];
    assert!((0..1000).all(|tries| fault::choose(&all, 1, 2, tries).is_some()));
}

#[test]
fn flags_are_checked() {
    assert_eq!(parse(&[]).unwrap().listen, Options::default().listen);
    let options = parse(&["--fault", "broken=2%", "--at", "20:add=500", "--latency", "2.5s"]);
    let options = options.unwrap();
    assert_eq!(options.faults, [Share { fault: Fault::Broken, share: 0.02 }]);
    assert_eq!(options.schedule, [Scheduled { listing_request: 20, change: Change::Add(500) }]);
    assert_eq!(options.latency.as_millis(), 2500);
    assert_eq!(duration("50").unwrap().as_millis(), 50);
    assert!(parse(&["--listen", "0.0.0.0:80"]).unwrap_err().contains("this machine alone"));
    let unknown = parse(&["--fault", "fire=0.1"]).unwrap_err();
    assert!(unknown.contains("error-500") && unknown.contains("redirect"), "{unknown}");
    for wrong in ["empty=2", "empty=-1%", "empty=x", "empty", "empty=NaN"] {
        assert!(parse(&["--fault", wrong]).is_err(), "{wrong}");
    }
    assert!(parse(&["--at", "x:add"]).is_err() && parse(&["--latency", "-1"]).is_err());
}

#[test]
fn each_fault_is_named_once() {
    let help = fault::help();
    let names: HashSet<&str> = help.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names.len(), help.lines().count());
    for name in names {
        assert_eq!(name.parse::<Fault>().unwrap().name(), name);
    }
}
