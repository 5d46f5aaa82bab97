"""What verify reported in a machine, against what the cell expects."""

import re

import machines.cells as cells

PASS, SKIP = "✓", "–"
LINE = re.compile(r"(pass|skip|FAIL|BROKEN) +([\w-]+) ")


def read(report):
    """For each experiment its outcome and the lines below it."""
    outcomes, name = {}, None
    for line in report.splitlines():
        match = LINE.match(line)
        if match:
            name = match.group(2)
            outcomes[name] = (match.group(1), "")
        elif name and line.startswith("  "):
            word, reason = outcomes[name]
            outcomes[name] = (word, reason + line + "\n")
    return outcomes


def mark(cell, experiment, outcomes):
    """The table's mark. What is not expected is a word in capitals."""
    word, reason = outcomes.get(experiment, ("missing", ""))
    skips = cells.skips(cell, experiment)
    if word == "pass":
        return "PASS" if skips else PASS
    if word == "skip":
        return SKIP if skips and skips.search(reason) else "SKIP"
    return word.upper()


def red(mark):
    return mark not in (PASS, SKIP)
