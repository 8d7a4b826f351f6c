"""The pages `/docs` and `/asyncapi`: the OpenAPI and the AsyncAPI document as plain HTML.

The usual viewers load scripts from other people's servers into a page that knows this API. These pages load
nothing and run nothing, so that they also work where there is no network.
"""

import json
import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

Document = Mapping[str, Any]

CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }}
body {{ max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
summary {{ cursor: pointer; padding: .2rem 0; }}
pre {{ overflow-x: auto; padding: .5rem 1rem; border-left: 3px solid #8888; font-size: .85rem; }}
p {{ white-space: pre-line; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{description}</p>
<p>The same for programs: <a href="{source}">{source}</a></p>
{sections}
</body>
</html>
"""
_REFERENCE = re.compile(r"&quot;#/components/(\w+)/([^&]+)&quot;")


def openapi_page(document: Document, source: str) -> str:
    """Return the page for an OpenAPI document that is to be had at the address `source`."""
    calls = (
        (f"{method.upper()} {path}", call.get("summary", ""), call)
        for path, methods in document["paths"].items()
        for method, call in methods.items()
    )
    return _page(document, source, {"Calls": calls})


def asyncapi_page(document: Document, source: str) -> str:
    """Return the page for an AsyncAPI document that is to be had at the address `source`."""
    channels = (
        (channel.get("address") or name, channel.get("description", ""), channel)
        for name, channel in document.get("channels", {}).items()
    )
    operations = (
        (name, f"{operation.get('action', '')} {operation.get('summary', '')}", operation)
        for name, operation in document.get("operations", {}).items()
    )
    return _page(document, source, {"Channels": channels, "Operations": operations})


def _page(document: Document, source: str, own: Mapping[str, Iterable[tuple[str, str, Any]]]) -> str:
    sections = [_section(title, "", entries) for title, entries in own.items()]
    for kind, components in document.get("components", {}).items():
        entries = (
            (name, component.get("summary") or component.get("description", ""), component)
            for name, component in components.items()
        )
        sections.append(_section(kind.capitalize(), f"{kind}/", entries))
    info = document["info"]
    return _PAGE.format(
        title=escape(info["title"]),
        description=escape(info.get("description", "")),
        source=escape(source),
        sections="\n".join(sections),
    )


def _section(title: str, anchor: str, entries: Iterable[tuple[str, str, Any]]) -> str:
    """Return a list of entries, each a name, a line about it, and its JSON, in which references are links."""
    lines = [f"<h2>{escape(title)}</h2>"]
    for name, about, content in entries:
        text = escape(json.dumps(content, indent=2, ensure_ascii=False))
        linked = _REFERENCE.sub(r'<a href="#\1/\2">\2</a>', text)
        lines.append(
            f'<details id="{escape(anchor + name)}"><summary><b>{escape(name)}</b> {escape(about)}</summary>'
            f"<pre>{linked}</pre></details>"
        )
    return "\n".join(lines)
