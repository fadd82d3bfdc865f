#!/usr/bin/env python3
"""leaves.py ALERTS.ndjson ROWS.ndjson: is every leaf value of every alert in its event?

A second judge that shares no code with the mapping: each alert is found by its metadata.uid (UUIDv5 over the line), each of
its leaf values must stand in the event, as a value, inside a label, or inside the JSON text of a json_t attribute.
Rows may hold only part of the alerts (--part): vulnerability and compliance findings. Exit 1 on any leaf that is lost.
"""
import collections
import json
import sys
import uuid

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "wazuh-security-lake")


def leaves(value, path=""):
    if isinstance(value, dict):
        for k, v in value.items():
            yield from leaves(v, path + "." + k if path else k)
    elif isinstance(value, list):
        for v in value:
            yield from leaves(v, path + "[]")
    else:
        yield path, value


def text(v):
    return {None: "null", True: "true", False: "false"}.get(v, None) if v is None or isinstance(v, bool) else str(v)


def pairs(members):
    """Keeps both values of a repeated key."""
    out = {}
    for k, v in members:
        while k in out:
            k += "#"
        out[k] = v
    return out


def main():
    part = "--part" in sys.argv
    alerts, rows = [a for a in sys.argv[1:] if not a.startswith("--")]
    events = {}
    with open(rows, encoding="utf-8") as f:
        for line in f:
            e = json.loads(line)
            events[e["metadata"]["uid"]] = e
    seen = missing = count = 0
    lost = collections.Counter()
    with open(alerts, encoding="utf-8") as f:
        for line in f:
            line = line.rstrip("\n")
            event = events.get(str(uuid.uuid5(NAMESPACE, line)))
            if event is None:
                missing += 1
                continue
            seen += 1
            values = {text(v) for _, v in leaves(event)}
            everything = "\0".join(values)
            for path, v in leaves(json.loads(line, object_pairs_hook=pairs)):
                count += 1
                t = text(v)
                quoted = json.dumps(t, ensure_ascii=False)
                if t not in values and quoted not in everything and (t == "" or (t not in everything and quoted[1:-1] not in everything)):
                    lost[path] += 1
    print(f"leaves: {seen} alerts, {count} leaves, {sum(lost.values())} lost, {missing} alerts without an event")
    for path, n in lost.most_common(20):
        print(f"  lost: {path} {n}")
    if lost or seen == 0 or (missing and not part) or seen != len(events):
        sys.exit(1)


main()
