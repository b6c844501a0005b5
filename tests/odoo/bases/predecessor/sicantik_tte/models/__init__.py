from . import minio_connector
from . import sicantik_document
