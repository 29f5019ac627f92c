"""Addresses of the machines that requests come from."""

import ipaddress


def known_network(value: str) -> str:
    """An IP address, or a network as in 10.0.0.0/8. Raises `ValueError` with a sentence.

    A name would never be equal to the address that a connection comes from.
    """
    try:
        return str(ipaddress.ip_network(value) if "/" in value else ipaddress.ip_address(value))
    except ValueError as error:
        message = f"{value!r} is no IP address and no network such as 10.0.0.0/8."
        raise ValueError(message) from error
