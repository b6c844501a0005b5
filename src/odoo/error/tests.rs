use super::*;

#[test]
fn tells_transient_errors_from_lasting_ones() {
    let text = String::new;
    let stranger = |status| Error::NotOdoo { url: text(), status, detail: text() };
    let rows = [
        (Error::Unreachable { url: text(), detail: text() }, true),
        (Error::Lost { url: text(), detail: text() }, true),
        (Error::Tls { url: text(), cause: text(), remedy: text() }, true),
        (Error::Conflict, true),
        (Error::DatabaseAway { url: text(), detail: text() }, true),
        (stranger(429), true),
        (stranger(502), true),
        (stranger(503), true),
        (stranger(504), true),
        (stranger(200), false),
        (stranger(303), false),
        (stranger(404), false),
        (stranger(400), false),
        (stranger(408), true),
        (stranger(500), true),
        (stranger(501), false),
        (stranger(520), true),
        (stranger(524), true),
        (stranger(200).after_proof(), true),
        (stranger(303).after_proof(), true),
        (stranger(404).after_proof(), true),
        (Error::KeyUnchecked { url: text(), detail: text() }, true),
        (Error::KeyStripped { url: text() }, false),
        (Error::KeyStripped { url: text() }.after_proof(), true),
        (Error::UnknownDatabase { db: text(), url: text() }.after_proof(), true),
        (Error::Rejected { sentence: text() }.after_proof(), false),
        (Error::Blocked { url: text(), path: "", status: 403, detail: text() }, false),
        (Error::AccessDenied { login: text() }, false),
        (Error::AccessError { login: text(), sentence: text() }, false),
        (Error::Rejected { sentence: text() }, false),
        (Error::Missing { sentence: text() }, false),
        (Error::UnknownModel { model: text() }, false),
        (Error::UnknownMethod { model: text(), method: text() }, false),
        (Error::BadField { model: text(), detail: text() }, false),
        (Error::BadArguments { model: text(), method: text(), detail: text() }, false),
        (Error::MissingFields { model: text(), fields: vec![] }, false),
        (Error::UnknownDatabase { db: text(), url: text() }, false),
        (Error::TooLarge, false),
        (Error::Unreadable { model: text(), method: text(), detail: text() }, false),
        (Error::Server { name: text(), sentence: text() }, false),
        (Error::Settings(text()), false),
    ];
    for (error, is_transient) in rows {
        assert_eq!(error.is_transient(), is_transient, "{error:?}");
    }
}

#[test]
fn names_the_addon_that_brings_the_model() {
    for (model, addon) in [
        (model::RUN, "sicantik_sidecar"),
        (model::RUN_LINE, "sicantik_sidecar"),
        (model::PERMIT, "sicantik_connector"),
        (model::CONNECTOR, "sicantik_connector"),
    ] {
        let error = Error::UnknownModel { model: model.to_owned() };
        assert!(error.to_string().contains(&format!("(`{addon}`)")), "{error}");
    }
    let unknown = |model: &str| {
        let (model, method) = (model.to_owned(), "claim".to_owned());
        Error::UnknownMethod { model, method }.to_string()
    };
    let error = unknown(model::RUN);
    assert!(error.ends_with("update the addon `sicantik_sidecar` in Odoo."), "{error}");
    let error = unknown(model::PERMIT);
    assert!(error.ends_with("update the addon that brings it in Odoo."), "{error}");
}
