"""The parts of `tests/odoo/server`: standard library only, to run before anything is installed."""
