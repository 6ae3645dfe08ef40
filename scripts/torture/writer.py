"""Writes records into a JSON array log the way real programs do: appends in place, replaces by rename, prunes what is
finished. usage: writer.py FILE RECORDS SEED PAUSE_SECONDS [FINISHED_FILE]

Only titles that FINISHED_FILE lists (one a line) are pruned: as a real writer, it drops what it knows to be done.
Prints one line at the end: the number of records written."""
import json
import os
import random
import sys
import time

path, records, seed, pause = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
finished_path = sys.argv[5] if len(sys.argv) > 5 else None
rng = random.Random(seed)


def read():
    try:
        with open(path, encoding="utf-8") as f:
            text = f.read()
    except FileNotFoundError:
        return []
    return json.loads(text) if text.strip() else []


def finished():
    if finished_path is None or not os.path.exists(finished_path):
        return set()
    with open(finished_path, encoding="utf-8") as f:
        return set(line.rstrip("\n") for line in f)


def write_in_place(items, indent):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(items, f, indent=indent)


def write_by_rename(items, indent):
    temp = path + ".tmp"
    with open(temp, "w", encoding="utf-8") as f:
        json.dump(items, f, indent=indent)
        f.flush()
        os.fsync(f.fileno())
    os.rename(temp, path)


def write_before_bracket(items):
    """As programs do that keep a list on disk: the closing bracket is written over, in two pieces."""
    with open(path, "rb+") as f:
        f.seek(-1, os.SEEK_END)
        text = "".join("," + json.dumps(item) for item in items) + "]"
        cut = rng.randrange(len(text))
        f.write(text[:cut].encode())
        f.flush()
        time.sleep(rng.random() * pause)
        f.write(text[cut:].encode())


written = 0
while written < records:
    items = read()
    known = len(items)
    burst = min(rng.randint(1, 40), records - written)
    for _ in range(burst):
        items.append({"title": f"idea {seed}-{written}", "n": written, "text": "x" * rng.randint(0, 200)})
        written += 1
    way = rng.choice(["append in place", "append by rename", "append before the bracket", "prune in place", "prune by rename"])
    if way.startswith("prune"):
        done = finished()
        items = [item for item in items if item["title"] not in done]
    indent = rng.choice([None, 2])
    if way == "append before the bracket" and known > 0:
        write_before_bracket(items[known:])
    else:
        (write_by_rename if way.endswith("rename") else write_in_place)(items, indent)
    time.sleep(rng.random() * 2 * pause)
print(written)
