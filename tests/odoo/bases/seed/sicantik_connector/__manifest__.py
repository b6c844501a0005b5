{
    "name": "SICANTIK Connector (shape of the first module)",
    "summary": "Stands for the module that asks SICANTIK for expiry dates one by one from inside Odoo",
    "version": "1.0.0",
    "author": "The sicantik-sidecar contributors",
    "license": "LGPL-3",
    "depends": ["base"],
    "data": [
        "security/ir.model.access.csv",
        "data/cron_data.xml",
        "wizard/sicantik_expiry_sync_wizard_views.xml",
        "views/sicantik_views.xml",
    ],
}
