# SPDX-License-Identifier: Apache-2.0
"""
The rows crowd and crowd-expired: many clients that ask for one thing at the same moment, of which a cache should fetch one.

The clients open their connections first. What they then ask for is not stored (crowd), or no longer fresh (crowd-expired), and
takes the origin half a second. Beside it stands what as many hits take, at the same moment on the same connections.
"""
import http.client
import json
import os
import subprocess
import time

import harness
from harness import Failed

ROWS = ("crowd", "crowd-expired")
TTL = 2                                 # seconds, in crowd-expired
DELAY = 500                             # milliseconds, of the origin
SPARE = 1000                            # descriptors that a proxy may have for other things
DISTURBED = 0.05                        # of its CPU time a proxy waited for its core, as in the other rows
# Of nginx's CPU time; of the time of as many hits, behind the origin's.
CPU_GOAL, HITS_GOAL = 0.7, 1.2


class Crowd:
    """The clients: ask() returns what became of one request on each connection."""

    def __init__(self, settings, port, count):
        argv = [os.path.join(settings.build, "crowd"), "--port", str(port), "--connections", str(count),
                "--timeout", str(settings.timeout)]
        self.timeout = settings.timeout + 5
        self.process = harness.spawn(argv, settings.load_cpus, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        try:
            if harness.read_line(self.process, self.timeout, "crowd") != "ready":
                raise Failed("crowd: not ready")
        except BaseException:
            harness.end(self.process)
            raise
        return self

    def __exit__(self, *_):
        harness.end(self.process)

    def ask(self, path):
        self.process.stdin.write(path + "\n")
        self.process.stdin.flush()
        got = json.loads(harness.read_line(self.process, self.timeout, "crowd"))
        if got["errors"]:
            raise Failed(f"{got['errors']} of {got['answers']} requests failed")
        return got


def descriptors(row, peer):
    """What a proxy needs: one for each client, and others where it asks the origin for each, and writes a file for it."""
    return row.connections * {("crowd", "haproxy"): 2, ("crowd-expired", "haproxy"): 2, ("crowd-expired", "nginx"): 3}.get(
        (row.name, peer.name), 1) + SPARE


def connections(bench, row, peer):
    """How many of them the configuration is to allow: nginx closes idle ones where few are left."""
    return min(descriptors(row, peer) * 5 // 4, bench.settings.files)


def able(bench, row):
    """The peers that have enough of them; the others are named."""
    chosen = []
    for peer in [p for p in bench.peers if p.caches and not p.logs and p.name != "responder"]:
        if descriptors(row, peer) <= bench.settings.files:
            chosen.append(peer)
        else:
            bench.say(f"{row.name}: no {peer.name}: it needs {descriptors(row, peer):,} descriptors for {row.connections:,} "
                      f"clients, and may have {bench.settings.files:,} (ulimit -n)\n")
    return chosen


def ask_once(peer, path):
    client = http.client.HTTPConnection("127.0.0.1", peer.port, timeout=5)
    try:
        client.request("GET", path, headers={"Connection": "close", "Host": "www.example.com"})
        client.getresponse().read()
    finally:
        client.close()


def sampled(peer, crowd, path):
    """What became of the requests, the CPU time of the proxy in milliseconds, and how long it waited for its core, by that."""
    before = peer.sample()
    got = crowd.ask(path)
    after = peer.sample()
    return got, (after.cpu - before.cpu) / 1e6, (after.wait - before.wait) / max(after.cpu - before.cpu, 1)


class Measure:
    def __init__(self, bench):
        self.bench, self.number = bench, 0

    def __call__(self, peer, row):
        """One round; the least disturbed of at most three tries."""
        best = self.measure(peer, row)
        for _ in range(2):
            if best["wait"] <= DISTURBED:
                break
            best = min(best, self.measure(peer, row), key=lambda got: got["wait"])
        return best

    def measure(self, peer, row):
        origin = self.bench.origin
        self.number += 1
        path = f"/slow/{row.name}-{self.number}"
        expired = row.name == "crowd-expired"
        with Crowd(self.bench.settings, peer.port, row.connections) as crowd:
            if expired:
                ask_once(peer, path)
                hits, hits_cpu, _ = sampled(peer, crowd, path)
                time.sleep(TTL + 1)
            before = origin.slow_requests()
            got, cpu, wait = sampled(peer, crowd, path)
            fetches = origin.slow_requests() - before
            if not expired:
                hits, hits_cpu, _ = sampled(peer, crowd, path)
        return {"fetches": fetches, "last": got["last_ms"], "median": got["median_ms"], "cpu": cpu, "hits": hits["last_ms"],
                "hits_cpu": hits_cpu, "wait": wait}


def run(bench, row):
    started = []
    row = row._replace(connections=bench.settings.crowd)
    try:
        for peer in able(bench, row):
            try:
                bench.start(peer, row._replace(peers={**row.peers, "connections": connections(bench, row, peer)}))
                started.append(peer)
            except (Failed, OSError) as why:
                bench.fail(row, peer, why)
                peer.stop()
        bench.run_rounds(row, Measure(bench), started, bench.settings.rounds)
    finally:
        for peer in started:
            peer.stop()
    table(bench, row)


def table(bench, row):
    bench.say(f"### {row.title}: {row.connections:,} connections, {bench.settings.rounds} rounds")
    rows = []
    for name in bench.names(row.name):
        m = {k: bench.median(row.name, name, k) for k in ("fetches", "median", "last", "cpu", "hits", "hits_cpu")}
        most = max(r["fetches"] for r in bench.results[row.name][name])
        rows.append([name, f"**{m['fetches']:,.0f}**", f"{most:,}", f"{m['median']:,.0f}", f"**{m['last']:,.0f}**",
                     f"**{m['cpu']:,.0f}**", bench.ratio(row.name, name, "nginx"), f"{m['hits']:,.0f}",
                     f"{m['hits_cpu']:,.0f}"])
    bench.table(["", "fetches", "at most", "median answer, ms", "last answer, ms", "CPU, ms", "of nginx",
                 "as many hits: last, ms", "CPU, ms"], rows)


def goals(bench):
    rows = []
    for name in ROWS:
        mine = bench.results[name].get("weir")
        if not mine:
            continue
        fetches = max(r["fetches"] for r in mine)
        late = bench.median(name, "weir", "last") - DELAY
        hits = bench.median(name, "weir", "hits")
        rows.append([name, "fetches", "1", f"{fetches}", fetches == 1])
        rows.append([name, "last answer, without the origin's time", f"≤ {HITS_GOAL} of as many hits", f"{late / hits:.2f}",
                     late <= HITS_GOAL * hits])
        ratio = bench.paired(name, "weir", "nginx")
        if ratio is not None:
            rows.append([name, "of nginx", f"≤ {CPU_GOAL}", f"{ratio:.2f}", ratio <= CPU_GOAL])
    return rows
