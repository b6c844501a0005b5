//! Errors of the server's database that the question itself causes, so that the same question meets
//! them each time: `cekperizinanizin` puts the permit's number into its SQL as it is.

/// What such an error says, in MySQL's words and in other databases'.
const PHRASES: [&str; 9] = [
    "error in your sql syntax",
    "illegal mix of collations",
    "incorrect string value",
    "cannot convert string",
    "invalid utf8",
    "unterminated quoted string",
    "syntax error at or near",
    "unclosed quotation mark",
    "string not properly terminated",
];

/// The same by MySQL's number, which CodeIgniter prints: syntax, collations, characters.
const NUMBERS: [u32; 7] = [1064, 1267, 1270, 1271, 1300, 1366, 3854];

/// The error, where `text` speaks of one that the question causes. Lost connections, locks and
/// limits, which come and go, are none.
pub(in crate::sicantik) fn error_of_question(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    if let Some(phrase) = PHRASES.into_iter().find(|phrase| lower.contains(phrase)) {
        return Some(phrase.to_owned());
    }
    let (_, behind) = lower.split_once("error number:")?;
    let digits = behind.trim_start_matches(|character: char| !character.is_ascii_digit());
    let end = digits.find(|character: char| !character.is_ascii_digit()).unwrap_or(digits.len());
    let number: u32 = digits[..end].parse().ok()?;
    NUMBERS.contains(&number).then(|| format!("error {number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_lasts_from_what_passes() {
        for text in [
            "<h1>A Database Error Occurred</h1><p>Error Number: 1064</p>",
            "<p>You have an error in your SQL syntax; check the manual … near 'at'' at line 1</p>",
            "<br /><b>Fatal error</b>: Uncaught mysqli_sql_exception: You have an error in your SQL \
             syntax",
            "Error Number: <b>1267</b>",
            "Illegal mix of collations (latin1_swedish_ci,IMPLICIT) and (utf8mb4_general_ci,COERCIBLE)",
            "ERROR: unterminated quoted string at or near \"'503\"",
        ] {
            assert!(error_of_question(text).is_some(), "{text}");
        }
        for text in [
            "<p>Error Number: 2006</p><p>MySQL server has gone away</p>",
            "Error Number: 1040 Too many connections",
            "Error Number: 1205 Lock wait timeout exceeded",
            "Error Number: 1213",
            "Error Number:",
            "Error Number: 99999999999999999999",
            "Sedang dalam pemeliharaan 1064",
            "",
        ] {
            assert_eq!(error_of_question(text), None, "{text}");
        }
    }
}
