from . import sicantik_connector
from . import sicantik_permit
from . import sicantik_sync_run
from . import sicantik_sync_run_plan
from . import sicantik_sync_run_state
from . import sicantik_sync_run_ledger
from . import sicantik_sync_run_record
from . import sicantik_sync_run_line
