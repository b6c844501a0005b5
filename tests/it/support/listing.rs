//! A licensing server whose listing a test makes up.

use std::collections::HashMap;
use std::sync::Mutex;

use serde_json::{Value, json};

use super::web::{Asked, Reply, Web};

/// A row of the listing, the `number`th from the front.
pub(crate) fn row(number: u32) -> Value {
    json!({
        "pendaftaran_id": format!("{number:08}01012020"), "n_pemohon": "Ginting",
        "n_perizinan": "SIPD", "no_surat": format!("503/{number}"),
    })
}

/// Rows `0..count`.
pub(crate) fn rows(count: u32) -> Vec<Value> {
    (0..count).map(row).collect()
}

/// A page of `rows`.
pub(crate) fn page(rows: &[Value], limit: u32, offset: u32) -> Reply {
    let rows: Vec<&Value> = rows.iter().skip(offset as usize).take(limit as usize).collect();
    if rows.is_empty() { empty() } else { Reply::ok(json!(rows).to_string()) }
}

/// The answer past the end.
pub(crate) fn empty() -> Reply {
    Reply::status(404, r#"{"error":"Tidak ada data.."}"#)
}

/// Answers pages by `rule`, which is given limit, offset, and how often the same was asked before.
pub(crate) async fn serve_listing(
    rule: impl Fn(u32, u32, u32) -> Reply + Send + Sync + 'static,
) -> Web {
    let asked_before = Mutex::new(HashMap::new());
    Web::start(move |asked| {
        let Some((limit, offset)) = place(asked) else {
            return Some(Reply::ok(r#"[{"jumlah":"89"}]"#));
        };
        let mut asked_before = asked_before.lock().expect("not poisoned");
        let times: &mut u32 = asked_before.entry((limit, offset)).or_default();
        *times += 1;
        Some(rule(limit, offset, *times - 1))
    })
    .await
}

/// Limit and offset of a question for the listing, in either form.
pub(crate) fn place(asked: &Asked) -> Option<(u32, u32)> {
    let (_, pairs) = asked.target.split_once("/listpermohonanterbit")?;
    let numbers = pairs.strip_prefix("/limit/").and_then(|pairs| pairs.split_once("/offset/"));
    let in_query = || pairs.strip_prefix("?limit=")?.split_once("&offset=");
    let (limit, offset) = numbers.or_else(in_query)?;
    Some((limit.parse().ok()?, offset.parse().ok()?))
}
