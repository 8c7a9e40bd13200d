"""/docs: the OpenAPI document as one page without scripts, fonts or anything else from elsewhere."""

from __future__ import annotations

import json
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8881; --link: light-dark(#0b57d0, #8ab4f8); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
h2 b { font: bold .75em monospace; padding: .15em .5em; border: 1px solid var(--line); border-radius: 4px; }
pre { background: var(--soft); padding: .75rem; overflow-x: auto; border-radius: 4px; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); }
code { font-size: .92em; } a { color: var(--link); }
"""


def page(document: dict[str, Any]) -> str:
    """The page of an OpenAPI document."""
    info, schemas = document["info"], document["components"]["schemas"]
    operations = [
        _operation(path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    models = [_model(name, schema) for name, schema in schemas.items()]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>{escape(info['title'])} {escape(info['version'])}</h1>"
        f"<p>{escape(info.get('description', ''))}</p>"
        '<p>The same for machines: <a href="openapi.json">openapi.json</a>. This page needs nothing from elsewhere.</p>'
        f"{''.join(operations)}<h2>Shapes</h2>{''.join(models)}</body></html>"
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    takes = f"<p>Takes {_type(content['schema'])}.</p>" if content else ""
    answers = "".join(
        f"<tr><td>{status}</td><td>{escape(answer['description'])}</td><td>{_answered(answer)}</td></tr>"
        for status, answer in operation["responses"].items()
    )
    return (
        f"<h2 id={escape(operation['operationId'])}><b>{method.upper()}</b> <code>{escape(path)}</code></h2>"
        f"<p>{escape(operation.get('summary', ''))}. {escape(operation.get('description', ''))}</p>"
        f"{takes}{_example(path, content)}<table>{answers}</table>"
    )


def _example(path: str, content: dict[str, Any]) -> str:
    if "example" not in content:
        return ""
    body = json.dumps(content["example"])
    text = f"curl -H 'Content-Type: application/json' http://localhost:8090{path} -d '{body}'"
    return f"<pre>{escape(text)}</pre>"


def _answered(answer: dict[str, Any]) -> str:
    return ", ".join(
        f"{_type(body['schema'])} <small>{escape(media)}</small>" for media, body in answer.get("content", {}).items()
    )


def _model(name: str, schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    rows = "".join(
        f"<tr><td><code>{escape(field)}</code>{'' if field in required else ' <small>may be left out</small>'}</td>"
        f"<td>{_type(shape)}{_default(shape)}</td><td>{escape(shape.get('description', ''))}</td></tr>"
        for field, shape in schema.get("properties", {}).items()
    )
    shape = f"<table>{rows}</table>" if rows else f"<p>{_type(schema)}</p>"
    return f"<h3 id={escape(name)}>{escape(name)}</h3><p>{escape(schema.get('description', ''))}</p>{shape}"


def _default(shape: dict[str, Any]) -> str:
    return f", default <code>{escape(json.dumps(shape['default']))}</code>" if "default" in shape else ""


def _type(shape: dict[str, Any]) -> str:
    """A schema in words."""
    if "$ref" in shape:
        name = shape["$ref"].rsplit("/", 1)[-1]
        return f'<a href="#{escape(name)}">{escape(name)}</a>'
    if "anyOf" in shape and "properties" not in shape:
        return " or ".join(_type(one) for one in shape["anyOf"])
    if "enum" in shape or "const" in shape:
        return " or ".join(f"<code>{escape(json.dumps(one))}</code>" for one in shape.get("enum", [shape.get("const")]))
    kind = shape.get("type", "anything")
    if kind == "array":
        return f"list of {_type(shape.get('items', {}))}"
    if kind == "object" and isinstance(shape.get("additionalProperties"), dict):
        return f"object of {_type(shape['additionalProperties'])} by name"
    return escape(" or ".join(kind) if isinstance(kind, list) else kind)
