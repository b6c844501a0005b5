{
    "name": "SICANTIK WhatsApp (shape of an office's own module)",
    "summary": "Stands for a module that overrides the permit's methods and keeps opt-ins of contacts",
    "version": "1.0.0",
    "author": "The sicantik-sidecar contributors",
    "license": "LGPL-3",
    "depends": ["sicantik_connector"],
    "data": ["security/ir.model.access.csv"],
}
