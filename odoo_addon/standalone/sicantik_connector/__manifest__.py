{
    "name": "SICANTIK Permits",
    "summary": "Permits of a licensing office, and the SICANTIK servers that they come from",
    "version": "1.0.0",
    "category": "Services/Permits",
    "author": "SICANTIK sidecar contributors",
    "license": "LGPL-3",
    "depends": ["mail"],
    "data": [
        "security/ir.model.access.csv",
        "views/sicantik_permit_views.xml",
        "views/sicantik_connector_views.xml",
        "views/sicantik_menus.xml",
    ],
}
