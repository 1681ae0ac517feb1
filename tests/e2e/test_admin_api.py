#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The admin socket against docs/openapi.json: every operation is asked, what comes has the members that are described and no
others, and every member that is described comes at least once.
"""
import json
import os
import re

import scene

INI = """
[module route]
[module balance]
[upstream a]
server = 127.0.0.1:1
[route main]
match = main.test/*
upstream = a
"""

# What one process cannot show by itself: another one that it replaces. And what an upgrade needs is upgrade's own scenes' business.
UNSEEN = {("Status", "predecessor"), ("Upgrade", "error")}


class Described:
    def __init__(self):
        with open(os.path.join(os.environ["top_srcdir"], "docs/openapi.json"), encoding="utf-8") as f:
            self.document = json.load(f)
        self.schemas = self.document["components"]["schemas"]
        self.seen, self.asked = set(), set()

    def find(self, method, target):
        for path, methods in self.document["paths"].items():
            if method.lower() in methods and re.fullmatch(re.sub(r"\\{[a-z]+\\}|{[a-z]+}", "[^/]+", path), target.split("?")[0]):
                self.asked.add((method, path))
                return methods[method.lower()]
        raise AssertionError(f"{method} {target} is not described")

    def check(self, schema, value, where):
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[1]
            self.check(self.schemas[name], value, name)
        elif "oneOf" in schema:
            for one in schema["oneOf"]:
                try:
                    return self.check(one, value, where)
                except AssertionError:
                    pass
            raise AssertionError((where, value))
        elif schema["type"] == "object":
            assert isinstance(value, dict), (where, value)
            self.check_members(schema, value, where)
        elif schema["type"] == "array":
            assert isinstance(value, list), (where, value)
            for one in value:
                self.check(schema["items"], one, where)
        else:
            kind = {"string": str, "integer": int, "boolean": bool}[schema["type"]]
            assert type(value) is kind and value in schema.get("enum", [value]), (where, value)

    def check_members(self, schema, value, where):
        properties, more = schema.get("properties", {}), schema.get("additionalProperties", True)
        assert not set(schema.get("required", [])) - set(value), (where, value)
        for name, one in value.items():
            if name in properties:
                self.seen.add((where, name))
                self.check(properties[name], one, where)
            else:
                assert more is not False, (where, name)
                if isinstance(more, dict):
                    self.check(more, one, where)


def test_what_is_described_is_what_is_there():
    described = Described()
    with scene.Weir(INI, threads=2) as weir:
        def ask(method, target, body=None, status=200):
            operation = described.find(method, target)
            if body is not None:
                described.check(operation["requestBody"]["content"]["application/json"]["schema"], body, "request")
            answer = weir.call(method, target, body)
            assert answer[0] == status, (method, target, answer)
            response = operation["responses"].get(str(status), operation["responses"]["default"])
            if "$ref" in response:
                response = described.document["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
            content = response["content"]
            if "application/json" in content:
                described.check(content["application/json"]["schema"], answer[1], "answer")
            return answer[1]

        ask("GET", "/v1/status")
        ask("GET", "/v1/generations")
        ask("GET", "/healthz")
        ask("GET", "/metrics")
        ask("GET", "/v1/modules")
        ask("POST", "/v1/modules/balance/servers", {"arguments": ["a"]})
        ask("POST", "/v1/modules/balance/servers", {"arguments": ["none"]}, 422)
        weir.write(INI + "[bogus x]\n")
        ask("POST", "/v1/reload", status=422)
        weir.write(INI)
        ask("POST", "/v1/reload")
        for kind, section in (("route", {"match": "a.test/*"}), ("upstream", {"server": ["127.0.0.1:3", "127.0.0.1:4"]})):
            path = f"/v1/{kind}s"
            ask("PUT", path + "/new", section)
            ask("GET", path)
            ask("GET", path + "/new")
            ask("GET", path + "/none", status=404)
            ask("PATCH", path + "/new", {"bogus": "x"}, 422)
            ask("PATCH", path + "/new", section)
            ask("PATCH", path, {f"{kind}s": {"new": section}, "revision": 100}, 412)
            ask("PATCH", path, {f"{kind}s": {"new": section}})
            table = ask("GET", path)
            ask("PUT", path, {f"{kind}s": table[f"{kind}s"], "revision": table["revision"]})
            ask("DELETE", path + "/new")
        ask("POST", "/v1/upstreams/a/servers", {"address": "127.0.0.1:2", "weight": 2, "backup": False})
        ask("GET", "/v1/upstreams/a/servers")
        ask("PATCH", "/v1/upstreams/a/servers/127.0.0.1:2", {"drain": True})
        ask("PATCH", "/v1/upstreams/a/servers/127.0.0.1:2", {"weight": 3, "backup": True})
        ask("DELETE", "/v1/upstreams/a/servers/127.0.0.1:2")
        ask("POST", "/v1/revert", {"upstreams": ["a"], "routes": []})
        ask("POST", "/v1/revert?dry_run=yes")
        ask("GET", "/v1/export?all=yes")
        before = weir.process.pid
        said = ask("POST", "/v1/upgrade")
        assert weir.process.wait(scene.PATIENCE) == 0 and said["pid"] != before
        ask("POST", "/v1/stop")
        scene.until(lambda: not os.path.exists(weir.path("admin.sock")), "the new process has ended")
    wanted = {(method.upper(), path) for path, methods in described.document["paths"].items() for method in methods}
    assert described.asked == wanted
    answers = {name for name, schema in described.schemas.items() if schema.get("properties")} - {"Arguments"}
    members = {(name, member) for name in answers for member in described.schemas[name]["properties"]}
    assert members - described.seen <= UNSEEN, members - described.seen
