"""Appends to a JSON array and prunes it, the way programs do. usage: writer.py FILE ADMITTED HOW COUNT"""
import hashlib
import json
import os
import random
import sys
import time

path, admitted_path, how, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
random.seed(7)


def admitted():
    try:
        with open(admitted_path) as f:
            return set(f.read().split())
    except FileNotFoundError:
        return set()


def write(records):
    if how == "dump":
        with open(path, "w") as f:
            json.dump(records, f, indent=2)
    elif how == "dumps":
        with open(path, "w", encoding="utf-8") as f:
            f.write(json.dumps(records, ensure_ascii=False))
    elif how == "seek":
        # Over the old bytes, then cut: at every moment there is something that looks like a document.
        with open(path, "r+" if os.path.exists(path) else "w+") as f:
            f.write(json.dumps(records))
            f.truncate()
    else:
        temp = path + ".tmp"
        with open(temp, "w") as f:
            json.dump(records, f)
        os.replace(temp, path)


records = []
for n in range(count):
    key = "r%05d" % n
    proof = hashlib.sha256(key.encode()).hexdigest()
    records.append({"id": key, "proof": proof, "text": "ü \"x\" \\ ]}" * random.randint(0, 60)})
    if n % 5 == 4:
        done = admitted()
        records = [r for r in records if r["id"] not in done or random.random() < 0.5]
    write(records)
    time.sleep(random.choice([0, 0.001, 0.01, 0.04]))
