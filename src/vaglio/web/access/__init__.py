"""Who may do what at the web's doors: accounts and keys, roles and what they grant, sessions, lock-out.

Nothing here decides about calls; every use of what it grants that touches personal data becomes an entry of the
log, with the account's name.
"""

from vaglio.web.access.accounts import Account, AccountKind, Accounts
from vaglio.web.access.caller import Caller
from vaglio.web.access.roles import GRANTS, Permission, Role

__all__ = ["GRANTS", "Account", "AccountKind", "Accounts", "Caller", "Permission", "Role"]
