"""Who stands at the door, once known."""

from dataclasses import dataclass

from vaglio.model import ANY
from vaglio.web.access.accounts import Account
from vaglio.web.access.roles import GRANTS, Permission


@dataclass(frozen=True, slots=True)
class Caller:
    """An account that has shown its secret, from one address."""

    account: Account
    address: str
    via: str
    """`api` or `console`: what the entries say of the way a change came in."""

    @property
    def name(self) -> str:
        """The account's name, as entries and logs tell it."""
        return self.account.name

    @property
    def controller(self) -> str | None:
        """The only controller whose data exist for this caller; None: all of them."""
        return self.account.controller

    def may(self, permission: Permission) -> bool:
        """Whether the role grants it."""
        return permission in GRANTS[self.account.role]

    def sees(self, controller: object) -> bool:
        """Whether data of this controller exist for the caller; what binds every controller does."""
        return self.controller is None or controller in {self.controller, ANY}

    def owns(self, controller: object) -> bool:
        """Whether the caller may change data of this controller; `*` only without a controller of its own."""
        return self.controller is None or controller == self.controller

    @property
    def origin(self) -> dict[str, str]:
        """What an entry says of who did it."""
        return {"by": self.name, "via": self.via}
