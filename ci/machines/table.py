"""The matrix as a table: experiments by cells."""

import shutil

from machines import cells


def heading(cell, release):
    """The lines at the head of a cell's column."""
    kernel = release.split("+")[0] if cell.kernel == cells.NEWEST else cell.kernel
    return [kernel, cell.layout, cell.who, *cell.variations]


def counted(marks):
    """The marks of all rounds as one: `✓`, or `✓9 FAIL1` where they differ."""
    different = sorted(set(marks))
    return marks[0] if len(different) == 1 else " ".join(f"{mark}{marks.count(mark)}" for mark in different)


def number(count, thing):
    return f"{count} {thing}" + "s" * (count != 1)


def markdown(names, columns):
    """`columns` are pairs of a heading and the marks of each experiment."""
    rows = [["experiment"] + ["<br>".join(head) for head, _ in columns], ["---"] + [":-:"] * len(columns)]
    rows += [[name] + [marks[name] for _, marks in columns] for name in names]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def breaks(shown):
    """What `ci/sabotage` has shown: for each broken host what fails, is skipped, cannot be judged, and what is named."""
    rows = [["broken", "fails", "skipped", "broken", "named"], ["---"] * 5]
    hosts = dict.fromkeys(one["broken"] for one in shown if "broken" in one)
    for host in hosts:
        of = [one for one in shown if one.get("broken") == host]
        patterns = [unique(one["pattern"] for one in of if one["outcome"] == word) for word in ("fail", "skip", "broken")]
        named = unique(one["named"] for one in of if one["named"])
        rows.append([host, *(" ".join(words).replace("*", "\\*") for words in patterns), "; ".join(named)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def unique(words):
    return list(dict.fromkeys(words))


def terminal(names, columns):
    """As many columns beside each other as the terminal is wide."""
    margin = max(map(len, names)) + 2
    width = max(len(word) for head, marks in columns for word in [*head, *marks.values()]) + 2
    beside = max(1, (shutil.get_terminal_size((120, 0)).columns - margin) // width)
    blocks = [block(names, columns[at : at + beside], margin, width) for at in range(0, len(columns), beside)]
    return "\n\n".join(blocks)


def block(names, columns, margin, width):
    height = max(len(head) for head, _ in columns)
    lines = [["", *((head + [""] * height)[line] for head, _ in columns)] for line in range(height)]
    lines += [[name, *(marks[name] for _, marks in columns)] for name in names]
    return "\n".join((first.ljust(margin) + "".join(word.ljust(width) for word in rest)).rstrip() for first, *rest in lines)
