//! Which form to ask for pages of the listing in.

use std::sync::atomic::{AtomicU32, Ordering};

use super::decode::Format;
use super::transport::Accept;

/// How many pages could be had as JSON.
#[derive(Debug, Default)]
pub(super) struct JsonPages {
    asked: AtomicU32,
    failed: AtomicU32,
}

impl JsonPages {
    /// The form to ask for the next page. Where hardly any can be had as JSON, asking for it first
    /// would double the requests.
    pub(super) fn accept(&self) -> Accept {
        let asked = self.asked.load(Ordering::Relaxed);
        let failed = self.failed.load(Ordering::Relaxed);
        if asked >= 4 && failed * 4 > asked * 3 { Accept::Xml } else { Accept::JsonFirst }
    }

    /// Counts a page that was asked for as `accept` and could be had as `accepted`.
    pub(super) fn count(&self, accept: Accept, accepted: Format) {
        if accept == Accept::JsonFirst {
            self.asked.fetch_add(1, Ordering::Relaxed);
            self.failed.fetch_add(u32::from(accepted == Format::Xml), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_is_asked_for_where_json_hardly_ever_works() {
        let pages = JsonPages::default();
        let mut accepts = Vec::new();
        for accepted in [Format::Xml, Format::Json, Format::Xml, Format::Xml, Format::Xml] {
            accepts.push(pages.accept());
            pages.count(Accept::JsonFirst, accepted);
        }
        assert_eq!(accepts, [Accept::JsonFirst; 5]);
        assert_eq!(pages.accept(), Accept::Xml);
        pages.count(Accept::Xml, Format::Xml);
        assert_eq!(pages.asked.load(Ordering::Relaxed), 5, "XML says nothing of JSON");
    }
}
