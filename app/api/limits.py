"""Limits of what anybody may ask without a sign-in, by the client's address.

The address is the connection's, or what a trusted proxy says it was (`TRUSTED_PROXIES`; the server
resolves it before the request gets here).
"""

import ipaddress
from typing import Annotated

from fastapi import Depends, Request

from app.api.deps import ServicesDep

UNKNOWN = "unknown"
IPV6_NETWORK = 64
"""One customer has a whole network of that size and can choose any address in it."""


def client_of(request: Request) -> str:
    """Who asks, for counting: an address, or the network of an IPv6 one."""
    host = request.client.host if request.client else UNKNOWN
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, IPV6_NETWORK), strict=False))


async def client(request: Request) -> str:
    """See `client_of`."""
    return client_of(request)


ClientDep = Annotated[str, Depends(client)]


async def limit_booking(client: ClientDep, parts: ServicesDep) -> None:
    """Bookings and waitlist entries. Raises `TooManyRequestsError`."""
    await parts.base.limiter.admit(parts.base.limiter.rules.booking, client)


async def limit_availability(client: ClientDep, parts: ServicesDep) -> None:
    """Free times. Raises `TooManyRequestsError`."""
    await parts.base.limiter.admit(parts.base.limiter.rules.availability, client)


async def limit_refresh(client: ClientDep, parts: ServicesDep) -> None:
    """Sign-ins kept alive: guesses at refresh tokens cost a look-up each. Raises
    `TooManyRequestsError`.
    """
    await parts.base.limiter.admit(parts.base.limiter.rules.refresh, client)


BOOKING_LIMIT = Depends(limit_booking)
AVAILABILITY_LIMIT = Depends(limit_availability)
REFRESH_LIMIT = Depends(limit_refresh)
