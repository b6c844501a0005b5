from . import test_concurrency
from . import test_connector
from . import test_ledger
from . import test_permit
from . import test_plan
from . import test_record
from . import test_rights
from . import test_views
