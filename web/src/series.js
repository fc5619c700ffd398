// From the columns that the server answers to the columns that the chart draws.  Pure.
//
// One x axis for all: the positions of the steps answer.  Epochs are drawn as steps of a staircase,
// from half a position before their first step to half a position after their last, so that an epoch
// of a single step has a width too.
// 1. x rises strictly.
// 2. The axis may show something else than positions (axis.js); what is shown never falls.
// 3. undefined: this column has no entry here (the line goes on); null: the value is undefined (a gap).

import { createAxis } from './axis.js';

const HALF = 0.5;
const STAIRS = ['epoch', 'low', 'high', 'mean'];

/**
 * spansOf(steps, epochs, selector) -> [{epoch, start, end, value, low, high, mean}], one for each
 * epoch that both answers know, in order of x.  mean is null for a weighted mean.
 */
export function spansOf(steps, epochs, selector) {
    const offset = new Map(); // epoch -> x of its step 0
    for (let i = 0; i < steps.x.length; i++)
        if (!offset.has(steps.epoch[i]))
            offset.set(steps.epoch[i], steps.x[i] - steps.step[i]);
    const spans = [];
    for (const e of epochs.epochs) {
        const metric = e.metrics[selector];
        if (!offset.has(e.epoch) || metric === undefined)
            continue;
        const start = offset.get(e.epoch) + e.first_step - HALF;
        spans.push({
            epoch: e.epoch, start,
            end: Math.max(offset.get(e.epoch) + e.last_step + HALF, start),
            value: scalar(metric.value), low: scalar(metric.low), high: scalar(metric.high),
            mean: scalar(metric.mean_of_steps)
        });
    }
    return spans.sort((a, b) => a.start - b.start);
}

function scalar(value) {
    return typeof value === 'number' ? value : null;
}

/**
 * chartData(steps, epochs, selector, view): everything the chart module needs.
 * view: {from, to, axis, origin, whole, log, marked}: the zoom ('' for an open end), what the axis shows (axis.js), whether the
 * y axis is logarithmic, and {epoch, steps} to mark; all may be left out.
 * Returns {
 *   x, shown, columns: {step, min, max, epoch, low, high, mean},   arrays as long as x; shown: x as the axis shows it
 *   has: {band, interval, mean},                            whether those columns show anything
 *   spans, selector, steps, axis, view, marks: [position],
 *   isEmpty: nothing can be drawn }
 */
export function chartData(steps, epochs, selector, view = {}) {
    const metric = steps.metrics[selector] ?? { value: [], min: [], max: [] };
    const spans = spansOf(steps, epochs, selector);
    const x = [...new Set([...steps.x, ...edges(spans)])].sort((a, b) => a - b);
    const at = new Map(x.map((position, i) => [position, i]));
    const column = () => new Array(x.length).fill(undefined);
    const columns = { step: column(), min: column(), max: column(), epoch: column(), low: column(), high: column(), mean: column() };
    const has = { band: false, interval: false, mean: false };

    for (let i = 0; i < steps.x.length; i++) {
        const k = at.get(steps.x[i]);
        columns.step[k] = scalar(metric.value[i]);
        columns.min[k] = scalar(metric.min?.[i]);
        columns.max[k] = scalar(metric.max?.[i]);
        if (columns.min[k] !== null && columns.max[k] > columns.min[k])
            has.band = true;
    }
    const write = (k, span) => {
        columns.epoch[k] = span.value;
        columns.low[k] = span.low;
        columns.high[k] = span.high;
        columns.mean[k] = span.mean;
    };
    spans.forEach((span, i) => {
        write(at.get(span.start), span);
        // the staircase holds a value until the next epoch begins; the last ends where it ends
        if (i === spans.length - 1)
            write(at.get(span.end), span);
        has.interval ||= span.low !== null && span.high !== null;
        has.mean ||= span.mean !== null;
    });
    if (view.log)
        for (const column of Object.values(columns))
            column.forEach((value, k) => { if (value <= 0) column[k] = null; }); // no logarithm: a gap
    const axis = createAxis(view.axis ?? 'step', steps, spans, view.origin, view.whole);
    return { x, shown: x.map(axis.forward), columns, has, spans, selector, steps, axis, view, marks: marksOf(view.marked, spans, epochs),
        isEmpty: !Object.values(columns).some(column => column.some(value => typeof value === 'number')) };
}

// the positions of the steps of an epoch that are to be marked
function marksOf(marked, spans, epochs) {
    const span = marked && spans.find(s => s.epoch === marked.epoch);
    if (!span)
        return [];
    const { first_step } = epochs.epochs.find(e => e.epoch === marked.epoch);
    return marked.steps.map(step => span.start + HALF + step - first_step);
}

function edges(spans) {
    return spans.flatMap((span, i) => i === spans.length - 1 ? [span.start, span.end] : [span.start]);
}

/**
 * yRange(data, bounds): what the y axis shows: all that is drawn within the zoom, some air around it, never
 * past the metric's own bounds ([low, high] or null).  null: nothing to draw.
 */
export function yRange(data, bounds) {
    const positions = zoomOf(data);
    let low = Infinity;
    let high = -Infinity;
    for (const name of Object.keys(data.columns)) {
        let held = null; // stairs come in from before the zoom
        data.columns[name].forEach((value, k) => {
            if (typeof value !== 'number' || !Number.isFinite(value))
                return;
            if (data.x[k] < positions[0]) {
                held = value;
                return;
            }
            if (data.x[k] > positions[1])
                return;
            low = Math.min(low, value);
            high = Math.max(high, value);
        });
        if (held !== null && STAIRS.includes(name)) {
            low = Math.min(low, held);
            high = Math.max(high, held);
        }
    }
    if (low > high)
        return null;
    if (data.view.log)
        return [low / 1.15, high * 1.15];
    const air = (high - low || Math.abs(high) || 1) * 0.08;
    low -= air;
    high += air;
    if (bounds) {
        low = Math.max(low, bounds[0] ?? -Infinity);
        high = Math.min(high, bounds[1] ?? Infinity);
    }
    return low < high ? [low, high] : [low - 0.5, low + 0.5];
}

// the zoom as positions, half a step around
function zoomOf({ x, view }) {
    const from = view.from ?? '';
    const to = view.to ?? '';
    return [from === '' ? x[0] ?? 0 : from - HALF, to === '' ? Math.max(x[x.length - 1] ?? 0, from === '' ? -Infinity : from) : to + HALF];
}

/**
 * bandShapes(x, upper, lower, isStairs) -> [{above: [[x, y]], below: [[x, y]]}]: the stretches in which both columns have values, both edges from left to
 * right.  A null ends a stretch, undefined does not; isStairs: a value holds until the next.
 */
export function bandShapes(x, upper, lower, isStairs) {
    const shapes = [];
    let shape = null;
    for (let i = 0; i < x.length; i++) {
        const [high, low] = [upper[i], lower[i]];
        if (typeof high === 'number' && typeof low === 'number') {
            if (!shape)
                shapes.push(shape = { above: [], below: [] });
            if (isStairs && shape.above.length > 0) {
                shape.above.push([x[i], shape.above[shape.above.length - 1][1]]);
                shape.below.push([x[i], shape.below[shape.below.length - 1][1]]);
            }
            shape.above.push([x[i], high]);
            shape.below.push([x[i], low]);
        } else if (high === null || low === null)
            shape = null;
    }
    return shapes;
}

/** xRange(data): from the first edge to the last, or the zoom; as the axis shows it. */
export function xRange(data) {
    if (data.x.length === 0)
        return null;
    const [first, last] = zoomOf(data).map(data.axis.forward);
    return first < last ? [first, last] : [first - 1, last + 1];
}

/**
 * readAt(data, x): what stands at a position (not as shown): the nearest entry of the steps, and its epoch.
 * null where there is nothing.
 */
export function readAt(data, x) {
    const { steps } = data;
    if (steps.x.length === 0)
        return null;
    const i = nearest(steps.x, x);
    const metric = steps.metrics[data.selector];
    const span = data.spans.find(s => s.epoch === steps.epoch[i]) ?? null;
    return {
        x: steps.x[i], epoch: steps.epoch[i], step: steps.step[i], width: steps.width,
        time: steps.time?.[i] ?? null, samples: steps.samples?.[i] ?? null, batches: steps.batches?.[i] ?? null,
        value: scalar(metric?.value[i]), min: scalar(metric?.min?.[i]), max: scalar(metric?.max?.[i]),
        span
    };
}

function nearest(sorted, x) {
    let low = 0;
    let high = sorted.length - 1;
    while (low < high) {
        const middle = (low + high) >> 1;
        if (sorted[middle] < x)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && x - sorted[low - 1] <= sorted[low] - x ? low - 1 : low;
}
