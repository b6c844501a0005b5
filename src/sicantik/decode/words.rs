//! What the server says where it has no rows, in the shapes that its REST libraries have for it.

use serde_json::{Map, Value};

/// Fields that hold the server's words, the most telling first. `status` is a text in some shapes,
/// and a number or a boolean in others.
const FIELDS: [&str; 10] = [
    "message",
    "msg",
    "pesan",
    "messages",
    "error",
    "errors",
    "keterangan",
    "detail",
    "data",
    "status",
];

/// What can be missing.
const SUBJECTS: [&str; 14] = [
    "izin",
    "perizinan",
    "permohonan",
    "pendaftaran",
    "registrasi",
    "nomor",
    "surat",
    "berkas",
    "data",
    "permit",
    "permits",
    "record",
    "records",
    "license",
];

/// That it is.
const MISSING: [&str; 14] = [
    "tidak terdaftar",
    "belum terdaftar",
    "tidak ditemukan",
    "tidak dapat ditemukan",
    "tidak ada",
    "belum ada",
    "tidak tersedia",
    "kosong",
    "not found",
    "not be found",
    "not registered",
    "not exist",
    "no data",
    "no record",
];

/// What the answer speaks of where not a permit is missing, but a part of the server, or a right.
const NO_SUBJECTS: [&str; 17] = [
    "method",
    "route",
    "url",
    "endpoint",
    "resource",
    "halaman",
    "page",
    "file",
    "class",
    "table",
    "tabel",
    "database",
    "koneksi",
    "connection",
    "akses",
    "token",
    "key",
];

/// The words of an object that is not a row, if it has any.
pub(super) fn of(object: &Map<String, Value>) -> Option<String> {
    FIELDS.iter().find_map(|name| match object.get(*name)? {
        Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        // CodeIgniter 4: `{"status": 404, "messages": {"error": "…"}}`.
        Value::Object(inner) if *name != "data" => of(inner),
        _ => None,
    })
}

/// Whether the words say that what was asked for is not there: a permit, or rows behind the end.
/// Wording, case and punctuation differ between deployments.
pub(in crate::sicantik) fn say_nothing_found(words: &str) -> bool {
    let words = words.to_lowercase();
    let has = |subjects: &[&str]| {
        words
            .split(|character: char| !character.is_alphanumeric())
            .any(|word| subjects.contains(&word))
    };
    has(&SUBJECTS) && !has(&NO_SUBJECTS) && MISSING.iter().any(|missing| words.contains(missing))
}

/// Whether the words say that the endpoint does not exist.
pub(in crate::sicantik) fn say_unknown_method(words: &str) -> bool {
    words.to_lowercase().contains("unknown method")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_the_words_in_every_shape() {
        for (object, expected) in [
            (json!({"error": "No Izin tidak Terdaftar!"}), Some("No Izin tidak Terdaftar!")),
            (json!({"status": false, "message": " a "}), Some("a")),
            (json!({"status": 404, "error": "Not Found", "message": "a"}), Some("a")),
            (json!({"status": 404, "error": 404, "messages": {"error": "a"}}), Some("a")),
            (json!({"error": true, "pesan": "a"}), Some("a")),
            (json!({"error": {"code": 404, "message": "a"}}), Some("a")),
            (json!({"status": "a"}), Some("a")),
            (json!({"success": false, "data": "a"}), Some("a")),
            (json!({"status": false, "data": {"message": "a"}, "message": ""}), None),
            (json!({"error": {}}), None),
            (json!({"jumlah": "89"}), None),
        ] {
            assert_eq!(of(object.as_object().unwrap()).as_deref(), expected, "{object}");
        }
    }

    #[test]
    fn tells_a_missing_permit_from_a_missing_page() {
        for words in [
            "No Izin tidak Terdaftar!",
            "Tidak ada data..",
            "Data tidak ditemukan",
            "Izin dengan nomor 503/1/SIPD tidak ditemukan.",
            "DATA NOT FOUND",
            "No data",
            "Data kosong",
            "Nomor izin belum terdaftar",
            "Surat izin tidak dapat ditemukan",
            "The permit could not be found",
            "No records",
        ] {
            assert!(say_nothing_found(words), "{words}");
        }
        for words in [
            "Unknown method.",
            "Not Found",
            "Halaman tidak ditemukan",
            "Cannot GET /api/no_izin",
            "Route api/no_izin not found",
            "Tidak ada koneksi ke database",
            "Anda tidak ada akses ke data ini",
            "Invalid API Key.",
            "The route api/data could not be found.",
            "Table 'izin.data' doesn't exist",
            "",
        ] {
            assert!(!say_nothing_found(words), "{words}");
        }
    }
}
