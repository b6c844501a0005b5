use chrono::NaiveDate;

use super::*;

const PAGING: Paging = Paging { step: 3, overlap: 2, shift: 0 };

fn page(offset: u32, names: &str) -> PageRead {
    let rows = names.chars().map(|name| Row {
        registration_id: name.to_string(),
        applicant_name: "Ginting".into(),
        ..Row::default()
    });
    let index = offset / PAGING.step;
    PageRead { index, offset, rows: rows.collect(), ..PageRead::default() }
}

fn dated(offset: u32, names: &str, date: &str) -> PageRead {
    let mut page = page(offset, names);
    page.rows.iter_mut().for_each(|row| row.expiry = Some(date.into()));
    page
}

fn news(permits: &[ListedPermit]) -> String {
    permits.iter().map(|permit| permit.registration_id.as_str()).collect()
}

fn begun() -> Seen {
    let mut seen = Seen::default();
    seen.begin();
    seen
}

#[test]
fn a_listing_that_stands_still_has_not_moved() {
    let mut seen = begun();
    // The server repeats `b` by itself.
    assert_eq!(news(&seen.take(&page(3, "defg"), PAGING)), "defg");
    assert_eq!(news(&seen.take(&page(0, "abbde"), PAGING)), "ab");
    assert!(!seen.has_moved());
    assert_eq!(seen.len(), 6);
}

#[test]
fn an_edge_that_does_not_fit_shows_a_movement() {
    for (second, has_moved) in [("ed", true), ("de", false), ("d", true), ("dfe", true)] {
        let mut seen = begun();
        seen.take(&page(0, "abcde"), PAGING);
        seen.take(&page(3, second), PAGING);
        assert_eq!(seen.has_moved(), has_moved, "{second}");
    }
}

#[test]
fn a_row_on_two_pages_shows_a_movement() {
    let mut seen = begun();
    seen.take(&page(0, "abcde"), PAGING);
    seen.take(&page(6, "ghb"), PAGING);
    assert!(seen.has_moved());
}

#[test]
fn rows_without_an_applicant_move_too() {
    let mut seen = begun();
    let junk = |mut page: PageRead, place: usize| {
        page.rows[place].applicant_name = "-".into();
        page
    };
    assert_eq!(news(&seen.take(&junk(page(0, "xbcde"), 0), PAGING)), "bcde");
    seen.take(&page(3, "defgh"), PAGING);
    assert!(!seen.has_moved());
    // Another permit has gone to its place, unseen.
    seen.take(&junk(page(6, "ghx"), 2), PAGING);
    assert!(seen.has_moved());
    assert!(seen.contains("x"), "it is listed all the same");
    assert_eq!((seen.counts(), seen.len()), ((2, 0), 7));
}

#[test]
fn only_what_is_new_or_other_is_passed_on() {
    let mut seen = begun();
    seen.take(&page(0, "ab"), PAGING);
    assert_eq!(seen.upgraded, Some(false));
    let mut again = page(0, "abc");
    again.rows[1].expiry = Some("2030-01-02".into());
    seen.begin();
    let passed_on = seen.take(&again, PAGING);
    assert_eq!(news(&passed_on), "bc");
    assert_eq!(
        passed_on[0].expiry_date.flatten().map(|date| date.to_string()).as_deref(),
        Some("2030-01-02")
    );
    assert_eq!(seen.upgraded, Some(true));
    assert!(seen.contains(" c ") && !seen.contains("d"));
}

#[test]
fn another_date_in_the_same_sweep_is_said_once() {
    let mut seen = begun();
    seen.take(&dated(0, "abc", "2030-01-02"), PAGING);
    let passed_on = seen.take(&dated(6, "b", "2031-01-02"), PAGING);
    assert_eq!(news(&passed_on), "b");
    let said = (passed_on[0].expiry_date, passed_on[0].other_expiry_date);
    let day = |year| Some(NaiveDate::from_ymd_opt(year, 1, 2));
    assert_eq!(said, (day(2030), day(2031)));
    assert!(seen.take(&dated(9, "b", ""), PAGING).is_empty());
    seen.begin();
    assert!(seen.take(&dated(0, "b", "2031-01-02"), PAGING).is_empty());
    assert!(seen.take(&dated(6, "b", "2030-01-02"), PAGING).is_empty());
}

#[test]
fn another_date_later_is_a_change() {
    let mut seen = begun();
    seen.take(&dated(0, "a", "2030-01-02"), PAGING);
    let began = seen.now();
    let looked = seen.glance(&dated(0, "a", "2031-01-02"), began);
    assert_eq!((news(&looked.news).as_str(), looked.has_new), ("a", false));
    assert_eq!(looked.news[0].other_expiry_date, None);
    seen.begin();
    assert!(seen.take(&dated(0, "a", "2031-01-02"), PAGING).is_empty());
    assert!(seen.take(&page(0, "a"), PAGING).is_empty(), "a row without a date contradicts none");
}

#[test]
fn of_rows_that_differ_the_first_counts() {
    let named = |offset, name: &str, date| {
        let mut page = dated(offset, "a", date);
        page.rows[0].applicant_name = name.into();
        page
    };
    let mut seen = begun();
    seen.take(&named(0, "Ginting", ""), PAGING);
    assert!(seen.take(&named(6, "Barus", ""), PAGING).is_empty());
    seen.begin();
    assert!(seen.take(&named(6, "Barus", ""), PAGING).is_empty(), "whatever comes first then");
    let passed_on = seen.take(&named(0, "Barus", "2030-01-02"), PAGING);
    assert_eq!((news(&passed_on).as_str(), passed_on[0].applicant_name.as_str()), ("a", ""));
    // A change in between is one.
    let mut seen = begun();
    seen.take(&named(0, "Ginting", ""), PAGING);
    seen.begin();
    assert_eq!(seen.take(&named(0, "Barus", ""), PAGING)[0].applicant_name, "Barus");
}

#[test]
fn what_two_pages_share_is_counted_once() {
    let mut seen = begun();
    let mut first = page(0, "abcd");
    first.rows[3].applicant_name = "0".into();
    first.gaps.push(4..5);
    let mut second = page(3, "df");
    second.rows[0].applicant_name = "0".into();
    second.gaps.push(4..5);
    seen.take(&first, PAGING);
    seen.take(&second, PAGING);
    assert_eq!(seen.counts(), (1, 1));
    seen.begin();
    assert_eq!(seen.counts(), (1, 1), "they do not fall");
    seen.end();
    assert_eq!(seen.counts(), (0, 0));
}

#[test]
fn a_look_tells_pages_of_news() {
    let mut seen = begun();
    seen.take(&page(0, "ab"), PAGING);
    let began = seen.now();
    let mut told = |names: &str| {
        let glance = seen.glance(&page(0, names), began);
        (news(&glance.news), glance.may_go_on, glance.has_new)
    };
    assert_eq!(told("xbc"), ("xc".to_owned(), false, true));
    assert_eq!(told("cyy"), ("y".to_owned(), true, true), "what the last look has shown is new");
    assert_eq!(told("cy"), (String::new(), false, false));
    let mut junk = page(0, "az");
    junk.rows[0].registration_id = "j".into();
    junk.rows[0].applicant_name = "-".into();
    junk.gaps.push(2..4);
    assert!(seen.glance(&junk, began).may_go_on, "junk may be among what is new");
    assert!(!seen.glance(&junk, began).may_go_on);
    assert_eq!(seen.counts().1, 2, "what cannot be read is counted, and once");
}

#[test]
fn an_applicant_who_is_not_known_is_counted_and_passed_on() {
    let unknown = |names: &str| {
        let mut page = page(0, names);
        for row in &mut page.rows {
            (row.applicant_name, row.name_status) = (String::new(), NameStatus::Emptied);
        }
        page
    };
    let mut seen = begun();
    let passed_on = seen.take(&unknown("ab"), PAGING);
    assert_eq!((news(&passed_on).as_str(), passed_on[0].applicant_name.as_str()), ("ab", ""));
    assert_eq!((seen.counts().0, seen.len(), seen.nameless()), (0, 2, 2));
    seen.begin();
    assert!(seen.take(&unknown("ab"), PAGING).is_empty());
    seen.begin();
    assert_eq!(seen.take(&page(0, "a"), PAGING)[0].applicant_name, "Ginting");
    assert_eq!((seen.len(), seen.nameless()), (2, 1), "who is known at last is not nameless");
    // Who is known to be missing, in JSON, is not unknown for the XML.
    let mut seen = begun();
    let mut junk = page(0, "a");
    junk.rows[0].applicant_name = "-".into();
    assert!(seen.take(&junk, PAGING).is_empty() && seen.take(&unknown("a"), PAGING).is_empty());
    assert_eq!((seen.len(), seen.nameless()), (0, 0));
}

#[test]
fn a_row_that_moved_before_it_was_decided_is_neither_junk_nor_a_permit() {
    let with_status = |name: &str, name_status| {
        let mut page = page(0, "a");
        (page.rows[0].applicant_name, page.rows[0].name_status) = (name.into(), name_status);
        page
    };
    let undecided = || with_status("", NameStatus::Undecided);
    for (decided, counts, passed_on) in [
        (with_status("", NameStatus::Emptied), (0, 1, 1), "a"),
        (with_status("", NameStatus::Printed), (1, 0, 0), ""),
        (with_status("Ginting", NameStatus::Printed), (0, 1, 0), "a"),
    ] {
        let mut seen = begun();
        assert!(seen.take(&undecided(), PAGING).is_empty());
        assert_eq!((seen.counts(), seen.len(), seen.is_decided()), ((0, 1), 0, false));
        seen.begin();
        assert!(seen.take(&undecided(), PAGING).is_empty());
        seen.begin();
        assert_eq!(news(&seen.take(&decided, PAGING)), passed_on);
        seen.end();
        assert!(seen.is_decided());
        assert_eq!((seen.counts().0, seen.len() as u64, seen.nameless()), counts);
        assert!(seen.take(&undecided(), PAGING).is_empty() && seen.is_decided());
    }
}
