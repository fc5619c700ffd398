// The rows of the class table: an epoch's classes beside those of the epoch before.  Pure.

export const CLASS_VALUES = Object.freeze(['precision', 'recall', 'f1']);

/**
 * classRows(now, before) -> [{class, name, support, tp, fp, fn, precision, recall, f1, change: {precision, recall, f1}}]
 * now, before: answers of /classes; before may be null.  A change is null where either value is.
 */
export function classRows(now, before) {
    const old = new Map((before?.classes ?? []).map(c => [c.class, c]));
    return now.classes.map(c => {
        const change = {};
        for (const name of CLASS_VALUES) {
            const was = old.get(c.class)?.[name];
            change[name] = typeof was === 'number' && typeof c[name] === 'number' ? c[name] - was : null;
        }
        return { ...c, change };
    });
}

const Z = 1.959963984540054;

/** wilson(k, n) -> [low, high]: the 95 % interval of the proportion k of n, as the server computes it; null: of nothing. */
export function wilson(k, n) {
    if (!(n > 0))
        return null;
    const middle = k + Z * Z / 2;
    const half = Z * Math.sqrt(k * (n - k) / n + Z * Z / 4);
    return [k === 0 ? 0 : (middle - half) / (n + Z * Z), k === n ? 1 : (middle + half) / (n + Z * Z)];
}

/** sortRows(rows, key, descending): a new list; 'change.f1' reaches in, missing values come last. */
export function sortRows(rows, key, descending) {
    const of = row => key.startsWith('change.') ? row.change[key.slice(7)] : row[key];
    const sign = descending ? -1 : 1;
    return rows.slice().sort((a, b) => {
        const [x, y] = [of(a) ?? null, of(b) ?? null];
        if (x === null || y === null)
            return (x === null) - (y === null) || a.class - b.class;
        return (x < y ? -1 : x > y ? 1 : 0) * sign || a.class - b.class;
    });
}

/**
 * mapRows(answer, selector) -> {n, epochs: [epoch], values, low, high}: values[e * n + c] is the value of class c in epoch e, null where there is none;
 * low and high are the least and the greatest.
 * answer: of /epochs for a selector that is a list.
 */
export function mapRows(answer, selector) {
    const lists = answer.epochs.map(e => [e.metrics[selector]?.value ?? []].flat());
    const n = lists.reduce((most, list) => Math.max(most, list.length), 0);
    const values = lists.flatMap(list => Array.from({ length: n }, (_, c) => list[c] ?? null));
    const given = values.filter(v => v !== null);
    const fold = (pick, start) => given.length > 0 ? given.reduce((a, b) => pick(a, b), start) : null;
    return { n, epochs: answer.epochs.map(e => e.epoch), values, low: fold(Math.min, Infinity), high: fold(Math.max, -Infinity) };
}

/** heatCells(map, box, shade) -> [{x, y, width, height, fill}]: the rectangles of a map in a box; equal neighbours of a row are one. */
export function heatCells({ n, epochs, values }, box, shade) {
    const [wide, tall] = [box.width / epochs.length, box.height / n];
    const cells = [];
    for (let c = 0; c < n; c++)
        for (let e = 0, first = 0; e < epochs.length; e++) {
            const fill = `rgb(${shade(values[e * n + c]).join()})`;
            if (e + 1 < epochs.length && fill === `rgb(${shade(values[(e + 1) * n + c]).join()})`)
                continue;
            cells.push({ x: box.left + first * wide, y: box.top + c * tall, width: (e + 1 - first) * wide, height: tall, fill });
            first = e + 1;
        }
    return cells;
}
