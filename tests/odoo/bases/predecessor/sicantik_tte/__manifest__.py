{
    "name": "SICANTIK Signatures (shape of an office's own module)",
    "summary": "Stands for a module that stores fields of the permit in documents of its own",
    "version": "1.0.0",
    "author": "The sicantik-sidecar contributors",
    "license": "LGPL-3",
    "depends": ["sicantik_connector"],
    "data": [
        "security/ir.model.access.csv",
        "views/sicantik_document_views.xml",
    ],
}
