{
    "name": "SICANTIK Connector (shape of an office's own module)",
    "summary": "Stands for a module of another author: permits, and the server's address in a configuration",
    "version": "1.0.0",
    "author": "The sicantik-sidecar contributors",
    "license": "LGPL-3",
    "depends": ["base", "mail"],
    "data": [
        "security/ir.model.access.csv",
        "data/cron_data.xml",
        "views/sicantik_views.xml",
    ],
}
