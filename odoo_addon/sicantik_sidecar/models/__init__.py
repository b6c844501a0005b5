from . import lease_mixin
from . import sicantik_sidecar
from . import sicantik_connector
from . import sicantik_permit
from . import sicantik_sync_run
from . import sicantik_sync_run_line
from . import res_config_settings
