"""Decisions in a test's log, made as the call's path makes them."""

from lab.house import OURS
from vaglio.audit import Writer
from vaglio.site import Site


async def decide(site: Site, *dialled: str, campaign: str = "renewals") -> list[str]:
    """Decide calls to these numbers, one a second from 2026-03-01T09:00:00Z on by their unique ids; their ids."""
    with site.screener() as screener:
        async with Writer(site.log_file, site.keys()) as writer:
            return [
                (
                    await screener.screen(
                        writer, one, campaign, OURS, pbx="pbx", uniqueid=f"{1772355600 + place}.{place}"
                    )
                ).id
                for place, one in enumerate(dialled)
            ]
