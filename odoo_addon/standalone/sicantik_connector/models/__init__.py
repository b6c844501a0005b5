from . import sicantik_connector
from . import sicantik_permit
