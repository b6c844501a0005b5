//! The two forms in which the listing takes its parameters.

use std::sync::atomic::{AtomicBool, Ordering};

/// Where a request has its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// In pairs at the end of the path. Production is known to answer it.
    Path,
    /// In the query.
    Query,
}

/// Which form is used now.
#[derive(Debug, Default)]
pub(super) struct Forms {
    in_query: AtomicBool,
    has_changed: AtomicBool,
}

impl Forms {
    pub(super) fn current(&self) -> Form {
        if self.in_query.load(Ordering::Relaxed) { Form::Query } else { Form::Path }
    }

    /// The form to use in place of `used`, which the server does not understand; `None` if both
    /// have been tried.
    pub(super) fn instead_of(&self, used: Form) -> Option<Form> {
        if self.current() == used {
            if self.has_changed.swap(true, Ordering::Relaxed) {
                return None;
            }
            self.set(if used == Form::Path { Form::Query } else { Form::Path });
        }
        Some(self.current())
    }

    /// Goes back to `form`: the other one is no better.
    pub(super) fn set(&self, form: Form) {
        self.in_query.store(form == Form::Query, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_tried_once() {
        let forms = Forms::default();
        assert_eq!(forms.current(), Form::Path);
        assert_eq!(forms.instead_of(Form::Path), Some(Form::Query));
        assert_eq!(forms.instead_of(Form::Path), Some(Form::Query), "by who asked meanwhile");
        assert_eq!(forms.instead_of(Form::Query), None);
        forms.set(Form::Path);
        assert_eq!((forms.current(), forms.instead_of(Form::Path)), (Form::Path, None));
    }
}
