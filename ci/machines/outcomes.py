"""What verify found in a machine, against what the cell expects."""

import json

from machines import cells

PASS, SKIP, OPEN, MISSING = "✓", "–", "?", "MISSING"

# The reasons that say that there was no answer in time.
UNDECIDED = ("inconclusive", "time-limit")


def read(text):
    """verify's results. Where the machine did not come so far there are none."""
    try:
        return json.loads(text)
    except ValueError:
        return {"experiments": []}


def experiments(results):
    """For each experiment its outcome and the reason of that."""
    return {one["id"]: (one["outcome"], one["reason"] or {"code": "", "text": ""}) for one in results["experiments"]}


def mark(cell, experiment, found):
    """The table's mark. What is not expected is a word in capitals."""
    outcome, reason = found.get(experiment, (MISSING, None))
    skips = cells.skips(cell, experiment)
    if outcome == "pass":
        return "PASS" if skips else PASS
    if outcome == "skip":
        return SKIP if skips and skips.search(reason["text"]) else "SKIP"
    if outcome == "broken" and reason["code"] in UNDECIDED and cells.disturbed(cell):
        return OPEN
    return outcome.upper()


def red(mark):
    return mark not in (PASS, SKIP, OPEN)


def strange(cell, results):
    """What is wrong with the machine as a whole: left behind, or another host than the cell is to be."""
    if not results["experiments"]:
        return ["no results"]
    host = results["host"]
    hierarchies = ["v1"] * bool(host["cgroups"]["v1"]) + ["v2"] * bool(host["cgroups"]["v2"])
    facts = {
        "user": (host["privilege"] == "root", cell.who == "root"),
        "CPUs": (host["cpus"], cell.cpus),
        "cgroups": (hierarchies, {"v1": ["v1"], "hybrid": ["v1", "v2"]}.get(cell.layout, ["v2"])),
    }
    others = [f"{fact}: {is_so} instead of {wanted}" for fact, (is_so, wanted) in facts.items() if is_so != wanted]
    return others + [f"left behind: {leftover}" for leftover in results["leftovers"]]
