import assert from 'node:assert/strict';
import test from 'node:test';
import { bandShapes, chartData, readAt, spansOf, xRange, yRange } from '../../../web/src/series.js';

const S = 'accuracy';

function epoch(number, first, last, value, rest = {}) {
    return { epoch: number, steps: last - first + 1, first_step: first, last_step: last, samples: 10, metrics: { [S]: { value, low: null, high: null, mean_of_steps: value - 0.1, ...rest } } };
}

function steps(rows, width = 1) {
    return {
        width, x_from: 'step', over: false, x: rows.map(r => r[0]), epoch: rows.map(r => r[1]), step: rows.map(r => r[2]), samples: rows.map(() => 10), batches: rows.map(() => 1),
        metrics: { [S]: { value: rows.map(r => r[3]), min: rows.map(r => r[4] ?? r[3]), max: rows.map(r => r[5] ?? r[3]) } }
    };
}

// two epochs whose step numbers start anew: the second begins right after the first
const TWO = steps([[0, 0, 0, 0.1], [1, 0, 1, 0.2], [2, 1, 0, 0.3], [3, 1, 1, 0.4]]);
const TWO_EPOCHS = { epochs: [epoch(0, 0, 1, 0.15), epoch(1, 0, 1, 0.35)] };

test('x rises strictly and every column is as long as x', () => {
    const data = chartData(TWO, TWO_EPOCHS, S);
    for (let i = 1; i < data.x.length; i++)
        assert.ok(data.x[i] > data.x[i - 1]);
    for (const column of Object.values(data.columns))
        assert.equal(column.length, data.x.length);
});

test('epochs are stairs from half a step before to half a step after, and touch', () => {
    const spans = spansOf(TWO, TWO_EPOCHS, S);
    assert.deepEqual(spans.map(s => [s.start, s.end]), [[-0.5, 1.5], [1.5, 3.5]]);
    const data = chartData(TWO, TWO_EPOCHS, S);
    assert.deepEqual(data.x, [-0.5, 0, 1, 1.5, 2, 3, 3.5]);
    assert.deepEqual(data.columns.epoch, [0.15, undefined, undefined, 0.35, undefined, undefined, 0.35]);
    assert.deepEqual(data.columns.step, [undefined, 0.1, 0.2, undefined, 0.3, 0.4, undefined]);
});

test('an epoch of one step has a width', () => {
    const data = chartData(steps([[7, 3, 7, 0.5]]), { epochs: [epoch(3, 7, 7, 0.5)] }, S);
    assert.deepEqual(xRange(data), [6.5, 7.5]);
    assert.deepEqual(data.columns.epoch, [0.5, undefined, 0.5]);
});

test('an undefined value is a gap, a missing entry is not', () => {
    const data = chartData(steps([[0, 0, 0, null], [1, 0, 1, 0.5]]), { epochs: [epoch(0, 0, 1, null, { mean_of_steps: null })] }, S);
    assert.equal(data.columns.step[1], null);
    assert.equal(data.columns.epoch[0], null);
    assert.equal(data.has.mean, false);
});

test('bands are shown only where there is something between', () => {
    assert.equal(chartData(TWO, TWO_EPOCHS, S).has.band, false);
    assert.equal(chartData(steps([[0, 0, 0, 0.2, 0.1, 0.3]], 4), { epochs: [] }, S).has.band, true);
    assert.equal(chartData(TWO, { epochs: [epoch(0, 0, 1, 0.5, { low: 0.4, high: 0.6 })] }, S).has.interval, true);
});

test('a weighted mean has no mean of steps', () => {
    const data = chartData(TWO, { epochs: [epoch(0, 0, 1, 0.5, { mean_of_steps: undefined })] }, S);
    assert.equal(data.has.mean, false);
});

test('an epoch that the steps do not know yet is left out', () => {
    assert.equal(spansOf(TWO, { epochs: [...TWO_EPOCHS.epochs, epoch(2, 0, 1, 0.9)] }, S).length, 2);
});

test('a band is one shape for each stretch with values; stairs hold them', () => {
    assert.deepEqual(bandShapes([0, 1, 2, 3, 4], [2, undefined, 3, null, 5], [1, undefined, 1, null, 4], false),
        [{ above: [[0, 2], [2, 3]], below: [[0, 1], [2, 1]] }, { above: [[4, 5]], below: [[4, 4]] }]);
    assert.deepEqual(bandShapes([0, 2], [2, 3], [1, 0], true), [{ above: [[0, 2], [2, 2], [2, 3]], below: [[0, 1], [2, 1], [2, 0]] }]);
    assert.deepEqual(bandShapes([0], [null], [1], false), []);
});

test('no data gives no range', () => {
    const data = chartData(steps([]), { epochs: [] }, S);
    assert.equal(yRange(data, [0, 1]), null);
    assert.equal(xRange(data), null);
    assert.equal(readAt(data, 3), null);
});

test('the y range covers all columns and stays within the bounds of the metric', () => {
    const [low, high] = yRange(chartData(TWO, TWO_EPOCHS, S), [0, 1]);
    assert.ok(low >= 0 && low < 0.05 && high > 0.4 && high <= 1);
    const flat = yRange(chartData(steps([[0, 0, 0, 1]]), { epochs: [epoch(0, 0, 0, 1, { mean_of_steps: 1 })] }, S), [0, 1]);
    assert.ok(flat[0] < 1 && flat[1] === 1);
});

test('positions near 2^53 keep x rising', () => {
    const far = 2 ** 53 - 3;
    const data = chartData(steps([[far, 0, far, 0.5], [far + 1, 0, far + 1, 0.6]]), { epochs: [epoch(0, far, far + 1, 0.55)] }, S);
    for (let i = 1; i < data.x.length; i++)
        assert.ok(data.x[i] > data.x[i - 1]);
});

test('the cursor reads the nearest step and its epoch', () => {
    const data = chartData(TWO, TWO_EPOCHS, S);
    assert.equal(readAt(data, -5).x, 0);
    assert.equal(readAt(data, 1.4).x, 1);
    assert.equal(readAt(data, 99).x, 3);
    const read = readAt(data, 2.2);
    assert.deepEqual([read.x, read.epoch, read.step, read.value, read.span.value], [2, 1, 0, 0.3, 0.35]);
});
