"""Tells public addresses from those in private networks."""

import ipaddress
import socket

import httpcore
import httpx

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_IPV4_COMPATIBLE = ipaddress.ip_network("::/96")
_AZURE_HOST = ipaddress.ip_address("168.63.129.16")
"""A public address that leads to the host of every virtual machine on Azure."""

_ISATAP = frozenset({0x00005EFE, 0x02005EFE})
"""The second half of these addresses begins so; an IPv4 address follows (RFC 5214)."""


class PrivateAddressError(httpx.TransportError):
    """The host has an address that is not public; nothing was sent."""


def public_addresses(host: str, port: int) -> list[str]:
    """Look up a host and return its addresses if all of them are public.

    Raises:
        PrivateAddressError: At least one address is not public.
        httpcore.ConnectError: The host has no address.
    """
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(str(error)) from error
    addresses = [str(answer[4][0]).partition("%")[0] for answer in answers]
    if not all(is_public(ipaddress.ip_address(address)) for address in addresses):
        raise PrivateAddressError("the host has an address that is not public")
    return list(dict.fromkeys(addresses))


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Return whether the address is public, including any IPv4 address inside it."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.teredo or address.is_site_local or address in _IPV4_COMPATIBLE:
            return False
        last_half = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if int(address) >> 32 & 0xFFFFFFFF in _ISATAP and not is_public(last_half):
            return False
        inner = address.ipv4_mapped or address.sixtofour
        inner = last_half if address in _NAT64 else inner
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast and address != _AZURE_HOST
