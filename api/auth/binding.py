"""Which addresses the service may listen on and be called by (pure)."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from api.errors import BindingError
from retrieval.errors import Message


def is_loopback(host: str) -> bool:
    """Return whether a host name or address means this machine alone; an empty one means every address."""
    name = host.strip().lower().removeprefix("[").removesuffix("]").rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False


def check_binding(host: str, has_keys: bool) -> None:
    """Refuse to listen beyond this machine while no API key exists.

    Raises:
        BindingError: If it would be open to the network.
    """
    if has_keys or is_loopback(host):
        return
    raise BindingError(
        Message(
            en=f"Refusing to listen on {host!r} without an API key: anyone on the network could read the documents.",
            zh=f"尚未创建 API 密钥，不能监听 {host!r}：网络上任何人都能读到文档。",
        ),
        hint=Message(
            en="Run `huozi keys create NAME` first, or set HUOZI_HOST=127.0.0.1.",
            zh="请先运行 `huozi keys create 名称`，或设置 HUOZI_HOST=127.0.0.1。",
        ),
    )


def host_name(host_header: str) -> str:
    """Return a Host header's name without its port."""
    try:
        return urlsplit(f"//{host_header}").hostname or ""
    except ValueError:
        return ""


def is_own_origin(origin: str, host_header: str) -> bool:
    """Return whether an Origin header names the very host and port that the request was sent to."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host_header.strip().lower()
