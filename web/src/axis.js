// The x axis of the charts: from positions of the steps answer to what the axis shows, and back.  Pure.
//
// 1. forward never falls as its position rises; inverse undoes it where it rises.
// 2. Zooms stay positions, whatever the axis shows: they are what the server is asked for.

const MS = 1000;
const EDGE = 0.005; // zooming out, an edge that is nearly reached is reached

export const AXES = Object.freeze([
    { value: 'step', label: 'Step' },
    { value: 'epoch', label: 'Epoch' },
    { value: 'samples', label: 'Samples' },
    { value: 'relative', label: 'Time since the start' },
    { value: 'time', label: 'Wall time' }
]);

/**
 * createAxis(kind, steps, spans, origin, whole) -> {kind, forward(x), inverse(shown)}
 * spans: of series.js.  origin: ms, where the relative time is 0 (default: the first entry).  Times are in seconds.
 * whole: the steps of all of the stage, from which samples are counted (default: steps).
 */
export function createAxis(kind, steps, spans, origin = steps.time?.[0] ?? 0, whole = steps) {
    const knots = kind === 'epoch' ? epochKnots(spans) : kind === 'samples' ? sampleKnots(whole)
        : kind === 'step' ? [] : timeKnots(steps, kind === 'relative' ? origin : 0);
    if (knots.length === 0)
        return { kind, forward: x => x, inverse: shown => shown };
    return { kind, forward: x => along(knots, x, 0, 1), inverse: shown => along(knots, shown, 1, 0) };
}

// an epoch takes the room up to the next that was logged
function epochKnots(spans) {
    const knots = [];
    for (const span of spans) {
        push(knots, span.start, span.epoch);
        push(knots, span.end, span.epoch + 1);
    }
    return knots;
}

// how many samples came before a position
function sampleKnots({ x, samples = [] }) {
    const knots = [];
    let sum = 0;
    x.forEach((position, i) => {
        push(knots, position, sum);
        sum += samples[i] ?? 0;
    });
    if (x.length > 0)
        push(knots, x[x.length - 1] + 1, sum);
    return sum > 0 ? knots : [];
}

function timeKnots(steps, origin) {
    const knots = [];
    steps.x.forEach((x, i) => {
        if (typeof steps.time?.[i] === 'number')
            push(knots, x, (steps.time[i] - origin) / MS);
    });
    return knots;
}

// clocks of several ranks may go back: the axis does not
function push(knots, x, shown) {
    const last = knots[knots.length - 1];
    if (last && x <= last[0])
        last[1] = Math.max(last[1], shown);
    else
        knots.push([x, Math.max(shown, last?.[1] ?? -Infinity)]);
}

// Linear between the knots; beyond them the way the whole goes.
function along(knots, value, from, to) {
    const first = knots[0];
    const last = knots[knots.length - 1];
    const run = last[from] - first[from];
    const slope = run > 0 ? (last[to] - first[to]) / run : 0;
    if (value <= first[from])
        return first[to] + (value - first[from]) * slope;
    if (value >= last[from])
        return last[to] + (value - last[from]) * slope;
    let low = 0;
    let high = knots.length - 1;
    while (high - low > 1) {
        const middle = (low + high) >> 1;
        if (knots[middle][from] <= value)
            low = middle;
        else
            high = middle;
    }
    const width = knots[high][from] - knots[low][from];
    return knots[low][to] + (width > 0 ? (value - knots[low][from]) / width : 0) * (knots[high][to] - knots[low][to]);
}

/** What follows from the epochs alone: the last position of a stage, as the server counts them (its contract 4.3). */
export function lastPosition(epochs) {
    let last = -1;
    let offset = 0;
    let lastStep = -1;
    for (const e of epochs.slice().sort((a, b) => a.epoch - b.epoch)) {
        if (e.first_step <= lastStep)
            offset = last + 1 - e.first_step;
        last = offset + e.last_step;
        lastStep = e.last_step;
    }
    return last;
}

/**
 * zoomed(view, factor, centre, last): another zoom around a position; factor 2 shows twice as much.
 * view: {from, to} with '' for an open end.  Returns {from, to} within 0 .. last.
 */
export function zoomed(view, factor, centre, last) {
    const from = view.from === '' ? 0 : view.from;
    const to = view.to === '' ? last : view.to;
    const around = centre === null ? (from + to) / 2 : Math.min(Math.max(centre, from), to);
    const low = around - (around - from) * factor;
    const high = around + (to - around) * factor;
    const air = factor > 1 ? last * EDGE : 0;
    return zoomTo(low <= air ? 0 : low, high >= last - air ? last : high, last);
}

/** zoomTo(low, high, last): the zoom that shows low .. high; an end that was reached stays open. */
export function zoomTo(low, high, last) {
    let from = Math.max(0, Math.round(Math.min(low, high)));
    let to = Math.min(last, Math.round(Math.max(low, high)));
    if (to - from < 1) {
        to = Math.min(last, from + 1);
        from = Math.max(0, to - 1);
    }
    return { from: from <= 0 ? '' : from, to: to >= last ? '' : to };
}
