"""What schema/openapi.yaml says, read line by line: just enough YAML for the way that file is written."""
import os
import re

from tally_server import ROOT

METHODS = ("get", "put", "post", "patch", "delete")


def read_lines():
    with open(os.path.join(ROOT, "schema", "openapi.yaml"), encoding="utf-8") as f:
        return f.read().split("\n")


def text():
    return "\n".join(read_lines())


def parameters():
    """components/parameters: key -> (name, in)."""
    out, key, inside = {}, None, False
    for line in read_lines():
        if re.match(r"  \w", line):
            inside = line == "  parameters:"
        elif inside and re.match(r"    \w", line):
            key = line.strip().rstrip(":")
            out[key] = [None, None]
        elif inside and key:
            found = re.match(r"      (name|in): (\S+)", line)
            if found:
                out[key][found.group(1) == "in"] = found.group(2)
    return {k: tuple(v) for k, v in out.items()}


def operations():
    """(METHOD, path) -> {"scope", "reach", "query": [names], "statuses": [..]}."""
    known, out = parameters(), {}
    path = method = None
    section = None
    for line in read_lines():
        if re.match(r"\S", line):
            section = line.rstrip(":")
        if section != "paths":
            continue
        found = re.match(r"  (/\S*):$", line)
        if found:
            path, method = found.group(1), None
            continue
        found = re.match(r"    (\w+):$", line)
        if found:
            method = found.group(1).upper() if found.group(1) in METHODS else None
            if method:
                out[method, path] = {"scope": None, "reach": "project", "query": [], "statuses": []}
            continue
        if not method:
            continue
        operation = out[method, path]
        found = re.match(r"      x-tally-scope: (\w+)", line)
        if found:
            operation["scope"] = found.group(1)
        found = re.match(r"      x-tally-reach: (\w+)", line)
        if found:
            operation["reach"] = found.group(1)
        found = re.match(r'        - \$ref: "#/components/parameters/(\w+)"', line)
        if found and known[found.group(1)][1] == "query":
            operation["query"].append(known[found.group(1)][0])
        found = re.match(r"        - name: (\S+)", line)
        if found:
            inline = found.group(1)
        if re.match(r"          in: query", line):
            operation["query"].append(inline)
        found = re.match(r'        "(\d+)":', line)
        if found:
            operation["statuses"].append(int(found.group(1)))
    return out
