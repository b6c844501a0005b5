{
    "name": "SICANTIK Connector",
    "summary": "Keep permits and their expiry dates true to the SICANTIK licensing server",
    "version": "1.0.0",
    "category": "Services/Permits",
    "author": "SICANTIK sidecar contributors",
    "license": "LGPL-3",
    "depends": ["mail"],
    "data": [
        "security/sicantik_groups.xml",
        "security/ir.model.access.csv",
        "views/sicantik_permit_views.xml",
        "views/sicantik_sync_run_views.xml",
        "views/sicantik_connector_views.xml",
        "views/sicantik_menus.xml",
    ],
    "post_init_hook": "post_init_hook",
    "application": True,
}
