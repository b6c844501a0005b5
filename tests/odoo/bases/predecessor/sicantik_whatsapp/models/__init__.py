from . import res_partner
from . import sicantik_permit
from . import sicantik_whatsapp_message
