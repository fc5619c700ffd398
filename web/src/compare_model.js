// What a comparison is made of: which line is whose, what differs in the configs, differences and means over seeds.
// Pure.
//
// Colours and dashes follow the order of selection, which the address keeps: a link shows the same lines.

import { flatten } from './format.js';

export const RUNS_MAX = 200;
export const COLOURS = 8;
const DASHES = [[], [7, 4], [2, 3], [10, 3, 2, 3]];

/** 'a,b,a' -> ['a', 'b']: the runs of an address, each once. */
export function parseRuns(text) {
    return [...new Set(text.split(',').filter(id => id !== ''))].slice(0, RUNS_MAX);
}

/** lineOf(index) -> {colour: 0 .. 7, dash}: after eight colours the dashes change, so that 32 lines differ. */
export function lineOf(index) {
    return { colour: index % COLOURS, dash: DASHES[Math.floor(index / COLOURS) % DASHES.length] };
}

/** configTable(runs) -> {keys: those that differ, same: how many do not, rows: [Map of key -> text]}.  runs: of /compare?config=true. */
export function configTable(runs) {
    const rows = runs.map(run => new Map(flatten(run.config)));
    const all = [...new Set(rows.flatMap(row => [...row.keys()]))].sort();
    const keys = all.filter(key => rows.some(row => row.get(key) !== rows[0].get(key)));
    return { keys, same: all.length - keys.length, rows };
}

const isNumber = value => typeof value === 'number' && Number.isFinite(value);

/** lastOf(column, x) -> {i, x, value, low, high} of the last entry with a value; null: none. */
export function lastOf(column, x) {
    for (let i = (column?.value.length ?? 0) - 1; i >= 0; i--)
        if (isNumber(column.value[i]))
            return { i, x: x[i], value: column.value[i], low: column.low?.[i] ?? null, high: column.high?.[i] ?? null };
    return null;
}

/**
 * differenceOf(a, b) -> {value, low, high}: b - a, with its 95 % interval where both are proportions with theirs (Newcombe 1998,
 * method 10: the Wilson limits of both, as if the samples were independent), else null ends.  null: nothing to compare.
 */
export function differenceOf(a, b) {
    if (!a || !b)
        return null;
    const value = b.value - a.value;
    if (![a.low, a.high, b.low, b.high].every(isNumber))
        return { value, low: null, high: null };
    return {
        value,
        low: value - Math.hypot(b.value - b.low, a.high - a.value),
        high: value + Math.hypot(b.high - b.value, a.value - a.low)
    };
}

/** meanAndStd([1, 2, null]) -> {n, mean, std}: std is that of a sample (n - 1); null below two values. */
export function meanAndStd(values) {
    const given = values.filter(isNumber);
    if (given.length === 0)
        return { n: 0, mean: null, std: null };
    const mean = given.reduce((sum, v) => sum + v, 0) / given.length;
    const std = given.length < 2 ? null : Math.sqrt(given.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (given.length - 1));
    return { n: given.length, mean, std };
}

/**
 * groupRows(answer, selector) -> [{key, name, runs, at (the x of the pooled value), pooled: {value, low, high}, seeds: {n, mean, std}}].
 * answer: of /compare?x=epoch&group=.  The mean is over the runs' own values at the very epoch of the pooled value.
 */
export function groupRows(answer, selector) {
    const byId = new Map(answer.runs.map(run => [run.run, run]));
    return (answer.groups ?? []).map((group, index) => {
        const pooled = lastOf(group.metrics[selector], answer.x);
        const i = pooled?.i ?? lastIndex(group.runs.map(id => byId.get(id)?.metrics[selector]));
        const seeds = meanAndStd(i < 0 ? [] : group.runs.map(id => byId.get(id)?.metrics[selector].value[i]));
        return { key: group.key, name: group.key === null ? 'not set' : String(group.key), index, runs: group.runs, at: answer.x[i] ?? null, pooled, seeds };
    });
}

function lastIndex(columns) {
    return columns.reduce((last, column) => Math.max(last, lastOf(column, [])?.i ?? -1), -1);
}

/** nearestLine(lines, i, y, focused) -> the index of the line whose value at entry i is nearest to y; -1: none.  */
export function nearestLine(lines, i, y) {
    let best = -1;
    let least = Infinity;
    lines.forEach((line, k) => {
        const value = valueNear(line.values, i);
        if (value !== null && Math.abs(value - y) < least) {
            least = Math.abs(value - y);
            best = k;
        }
    });
    return best;
}

// lines go on where they have no entry: the next one to the left, no further than this
const REACH = 16;
export function valueNear(values, i) {
    for (let k = i; k >= 0 && k > i - REACH; k--)
        if (isNumber(values[k]))
            return values[k];
    return null;
}

/** linesRange(lines, x, from, to, log) -> [low, high] of what is drawn between two x; null: nothing. */
export function linesRange(lines, x, from, to, log) {
    let low = Infinity;
    let high = -Infinity;
    for (const { values } of lines)
        for (let i = 0; i < x.length; i++) {
            const v = values[i];
            if (x[i] < from || x[i] > to || !isNumber(v) || log && v <= 0)
                continue;
            low = Math.min(low, v);
            high = Math.max(high, v);
        }
    if (low > high)
        return null;
    if (log)
        return [low / 1.15, high * 1.15];
    const air = (high - low || Math.abs(high) || 1) * 0.06;
    return [low - air, high + air];
}
