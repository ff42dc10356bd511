"""Figures as one reads them: medians over blocks, both sides beside one another, their ratio."""
import statistics

from common import PAGE, SIDES

# Groups of an open loop, in which loadgen's own lateness counts.
OPEN = ("grid", "catch-up")


def median(blocks, name):
    """The median over blocks, or None."""
    values = [block[name] for block in blocks if block.get(name) is not None]
    return statistics.median(values) if values else None


def number(value):
    """A figure as one reads it."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def both(row, name):
    """Corelane's median, Kafka's, and their ratio with the spread of single blocks."""
    ours, theirs = (row["blocks"][side] for side in SIDES)
    a, b = median(ours, name), median(theirs, name)
    pairs = [x[name] / y[name] for x, y in zip(ours, theirs) if x.get(name) and y.get(name)]
    if a is None or not b or not pairs:
        return f"{number(a)} / {number(b)}"
    return f"{number(a)} / {number(b)} = **{a / b:.2f}** ({min(pairs):.2f}–{max(pairs):.2f})"


def table(rows, columns):
    """Markdown of rows of one group; each cell is Corelane / Kafka = ratio (spread over blocks)."""
    lines = ["| acks | load | " + " | ".join(columns.values()) + " |"]
    lines += ["|---" * (len(columns) + 2) + "|"]
    for row in rows:
        acks = " beside ".join(dict.fromkeys(row["ack"].values()))
        unfit = any(block["unfit"] for side in SIDES for block in row["blocks"][side])
        name = row["name"] + (" ¹" if unfit and row["group"] in OPEN else "")
        lines += [f"| {acks} | {name} | " + " | ".join(both(row, n) for n in columns) + " |"]
    return "\n".join(lines)


def taken(rows):
    """Of which commit, in how many blocks of how many seconds rows were measured."""
    shapes = sorted(
        {(max(len(row["blocks"][side]) for side in SIDES), row["seconds"], row["commit"]) for row in rows}
    )
    shape = "{2}, {0} blocks of {1} s a side"
    return " or ".join(shape.format(*one) for one in shapes)


def floor_line(taken):
    """The median of each floor over the run, in one line."""
    names = sorted({name for floors in taken for name in floors["floors_us"]})
    parts = []
    for name in names:
        found = [floors["floors_us"][name] for floors in taken if floors["floors_us"].get(name)]
        if found:
            p50, p99, tail = (
                statistics.median(one[q] for one in found) for q in ("p50", "p99", "p99.9")
            )
            tails = f"p99 {number(p99)}, p99.9 {number(tail)}"
            parts.append(f"{name.replace('_', ' ')} {number(p50)} µs ({tails})")
    return ", ".join(parts)


def into_page(name, text):
    """Writes a text between its marks on the page of figures."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    head, rest = PAGE.read_text().split(begin)
    _, tail = rest.split(end)
    PAGE.write_text(f"{head}{begin}\n\n{text}\n\n{end}{tail}")
