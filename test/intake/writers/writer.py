"""Appends to a log and prunes it, the way programs do. usage: writer.py FILE ADMITTED HOW COUNT"""
import hashlib
import json
import os
import random
import shutil
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


def pause():
    time.sleep(random.choice([0, 0.001, 0.01, 0.04]))


def write_all(records):
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


def add_before_bracket(record):
    if not os.path.exists(path):
        with open(path, "w") as f:
            f.write("[]")
    with open(path, "rb+") as f:
        f.seek(-1, os.SEEK_END)
        isFirst = f.tell() == 1
        text = ("" if isFirst else ",\n") + json.dumps(record) + "]"
        cut = random.randrange(len(text))
        f.write(text[:cut].encode())
        f.flush()
        pause()
        f.write(text[cut:].encode())


def add_line(record):
    text = json.dumps(record) + "\n"
    cut = random.randrange(len(text))
    with open(path, "a") as f:
        f.write(text[:cut])
        f.flush()
        if random.random() < 0.3:
            pause()
        f.write(text[cut:])


def shift_numbers():
    for n in range(30, 0, -1):
        if os.path.exists("%s.%d" % (path, n)):
            os.replace("%s.%d" % (path, n), "%s.%d" % (path, n + 1))


def rotate():
    shift_numbers()
    if how == "copytruncate":
        shutil.copyfile(path, path + ".1")
        os.truncate(path, 0)
    else:
        os.replace(path, path + ".1")


records = []
for n in range(count):
    key = "r%05d" % n
    proof = hashlib.sha256(key.encode()).hexdigest()
    record = {"id": key, "proof": proof, "text": "ü \"x\" \\ ]}" * random.randint(0, 60)}
    records.append(record)
    if how in ("copytruncate", "rotate"):
        add_line(record)
        if n % 20 == 19:
            rotate()
    elif how == "bracket" and n % 25 != 24:
        add_before_bracket(record)
    else:
        if n % 5 == 4:
            done = admitted()
            records = [r for r in records if r["id"] not in done or random.random() < 0.5]
        write_all(records)
    pause()
