{
    "name": "SICANTIK Connector (only the fields of the first one)",
    "summary": "Stands for the module that is in use already where the sidecar comes to: no ledger, no group",
    "version": "1.0.0",
    "author": "The sicantik-sidecar contributors",
    "license": "LGPL-3",
    "depends": ["base"],
    "data": ["security/ir.model.access.csv"],
}
