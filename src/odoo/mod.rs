//! All that knows Odoo.
