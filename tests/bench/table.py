"""Goals and what was measured: kept as rows, printed as a table, written as JSON."""
import json
import statistics


def record(path, name, about, table):
    """Put a table between the marks <!-- NAME --> and <!-- /NAME --> of a document."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    begin, end = "<!-- %s -->\n" % name, "<!-- /%s -->" % name
    head, rest = text.split(begin, 1)
    tail = rest.split(end, 1)[1]
    says = "`%(command)s`, %(date)s, %(program)s: %(cpu)s, %(cores)d cores, %(system)s, %(file_system)s; %(rounds)d rounds of %(seconds)g s. " \
           "Other programs took %(others_percent)s %% of the processors meanwhile." % about
    with open(path, "w", encoding="utf-8") as f:
        f.write(head + begin + says + "\n\n" + table + "\n" + end + tail)


def number(x):
    if x is None:
        return "-"
    if abs(x) >= 1000:
        return "{:,.0f}".format(x)
    return "%.3g" % x


class Table:
    def __init__(self):
        self.rows = []

    def add(self, key, what, goal, value, unit="", rounds=None, **facts):
        """goal: (">=" or "<=", limit), or None for a figure that has none.  facts: what the value was computed from."""
        met = None
        if goal is not None and value is not None:
            met = value >= goal[1] if goal[0] == ">=" else value <= goal[1]
        row = {"key": key, "what": what, "goal": goal and "%s %g" % goal, "value": value, "unit": unit, "met": met, "rounds": rounds, "facts": facts}
        self.rows.append(row)
        print(self.line(row), flush=True)

    def ratios(self, key, what, goal, over, under, unit_of_facts="per s", **facts):
        """The median of the ratios of rounds that ran side by side."""
        rounds = [a / b for a, b in zip(over, under)]
        self.add(key, what, goal, statistics.median(rounds), rounds=["%.3f" % r for r in rounds],
                 medians="%s ÷ %s %s" % (number(statistics.median(over)), number(statistics.median(under)), unit_of_facts), **facts)

    @staticmethod
    def line(row):
        facts = ", ".join("%s %s" % (k, number(v) if isinstance(v, (int, float)) else v) for k, v in row["facts"].items())
        verdict = {True: "met", False: "NOT MET", None: ""}[row["met"]]
        goal = (row["goal"] or "") + (" " + row["unit"] if row["goal"] and row["unit"] else "")
        value = number(row["value"]) + (" " + row["unit"] if row["unit"] else "")
        return "%-64s %14s %14s  %-7s  %s" % (row["what"], goal, value, verdict, facts)

    def text(self):
        return "\n".join(self.line(r) for r in self.rows)

    def markdown(self):
        out = ["| what | goal | measured | | from |", "|---|---|---|---|---|"]
        for r in self.rows:
            facts = ", ".join("%s %s" % (k, number(v) if isinstance(v, (int, float)) else v) for k, v in r["facts"].items())
            unit = " " + r["unit"] if r["unit"] else ""
            out.append("| %s | %s | %s%s | %s | %s |" % (r["what"], (r["goal"] + unit) if r["goal"] else "", number(r["value"]), unit,
                                                     {True: "met", False: "**not met**", None: ""}[r["met"]], facts))
        return "\n".join(out)

    def dump(self, path, header):
        with open(path, "w", encoding="utf-8") as f:
            json.dump({**header, "rows": self.rows}, f, indent=1)
