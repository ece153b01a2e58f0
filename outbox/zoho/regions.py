"""Zoho's data centres (sheet 1.6): which hosts belong to which region."""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from urllib.parse import urlsplit


class Region(StrEnum):
    """The value of ``ZOHO_REGION``: the top-level domain under which the customer signed up."""

    COM = "com"
    EU = "eu"
    IN = "in"
    COM_AU = "com.au"
    JP = "jp"
    CA = "ca"
    COM_CN = "com.cn"
    SA = "sa"


@dataclass(frozen=True)
class RegionHosts:
    """``api_base_url`` includes ``/billing/v1``; ``accounts_base_url`` is the host root."""

    api_base_url: str
    accounts_base_url: str


def hosts_of(region: Region) -> RegionHosts:
    """The hosts of a data centre. Canada's accounts host is on another domain than its API (sheet 1.6)."""
    accounts = "https://accounts.zohocloud.ca" if region is Region.CA else f"https://accounts.zoho.{region}"
    return RegionHosts(f"https://www.zohoapis.{region}/billing/v1", accounts)


def web_base(region: Region) -> str:
    """Where people look at records, without a slash at the end: ``{base}/app/{organisation}#/customers/{id}``.

    Canada's data centre has its web hosts where its accounts host is (sheet 1.6), zohocloud.ca.
    """
    return "https://billing.zohocloud.ca" if region is Region.CA else f"https://billing.zoho.{region}"


def region_of_api_domain(api_domain: str) -> Region | None:
    """The region whose API host is that of the given URL (``api_domain`` of a token reply), else None."""
    host = urlsplit(api_domain).hostname
    return next((region for region in Region if urlsplit(hosts_of(region).api_base_url).hostname == host), None)


def is_loopback_host(host: str | None) -> bool:
    """Whether a host name or address can only mean this machine."""
    if not host:
        return False
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_loopback_url(url: str) -> bool:
    """Whether a URL's host can only mean this machine."""
    return is_loopback_host(urlsplit(url).hostname)
