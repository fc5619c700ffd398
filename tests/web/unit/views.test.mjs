// The pure parts behind the classes, the confusion matrix and the curves.

import assert from 'node:assert/strict';
import test from 'node:test';
import { classRows, heatCells, mapRows, sortRows, wilson } from '../../../web/src/class_rows.js';
import { changeOf, isGood, readMatrix, strengths, topPairs, valueOf } from '../../../web/src/confusion.js';
import { drawnClasses, isLarge, ofClass, prPoints, reliabilityRows, rocPoints } from '../../../web/src/curves.js';

const MATRIX = readMatrix({ num_classes: 3, cells: [[0, 0, 8], [0, 1, 2], [1, 1, 5], [1, 0, 5], [2, 2, 1]] });

test('a matrix knows its sums, and a cell its shares', () => {
    assert.deepEqual([MATRIX.targets, MATRIX.predictions, MATRIX.total], [[10, 10, 1], [13, 7, 1], 21]);
    const cell = MATRIX.cells[1];
    assert.deepEqual(['counts', 'true', 'pred'].map(norm => valueOf(MATRIX, cell, norm)), [2, 0.2, 2 / 7]);
    assert.deepEqual(strengths(MATRIX, 'true').map(s => Math.round(s * 1e4)), [8944, 4472, 7071, 7071, 10000]);
    assert.deepEqual(strengths(readMatrix({ num_classes: 2, cells: [] }), 'counts'), []);
});

test('the most confused pairs are off the diagonal, by what is shown', () => {
    assert.deepEqual(topPairs(MATRIX, 'counts', 5).map(p => [p.target, p.predicted, p.count]), [[1, 0, 5], [0, 1, 2]]);
    assert.equal(topPairs(MATRIX, 'pred', 1)[0].value, 5 / 13);
});

test('class rows carry their change, where both epochs have a value', () => {
    const c = (n, f1) => ({ class: n, support: 10, precision: 0.5, recall: null, f1 });
    const rows = classRows({ classes: [c(0, 0.5), c(1, 0.9), c(2, null)] }, { classes: [c(0, 0.6), c(2, 0.1)] });
    assert.deepEqual(rows.map(r => r.change.f1 === null ? null : Math.round(r.change.f1 * 10)), [-1, null, null]);
    assert.equal(rows[0].change.recall, null);
    assert.deepEqual(classRows({ classes: [c(0, 1)] }, null)[0].change.f1, null);
    assert.deepEqual(sortRows(rows, 'f1', true).map(r => r.class), [1, 0, 2]);
    assert.deepEqual(sortRows(rows, 'change.f1', false).map(r => r.class), [0, 1, 2]);
});

test('curves start where they must and hold no point twice', () => {
    const c = { fpr: [0, 0, 0.5, 1], tpr: [0, 0.5, 1, 1], precision: [1, 1, 0.5, 0.3], recall: [0, 0.5, 1, 1] };
    assert.deepEqual(rocPoints(c), [[0, 0], [0, 0.5], [0.5, 1], [1, 1]]);
    assert.deepEqual(prPoints(c), [[0, 1], [0.5, 1], [1, 0.5], [1, 0.3]]);
    assert.deepEqual(rocPoints({ fpr: [null], tpr: [0.4] }), [[0, 0]]);
});

test('one class is drawn if chosen, else as many as can be told apart', () => {
    const answer = { classes: Array.from({ length: 12 }, (_, i) => ({ class: i })) };
    assert.deepEqual(drawnClasses(answer, 9).map(c => c.class), [9]);
    assert.equal(drawnClasses(answer, '').length, 8);
    assert.deepEqual([isLarge({ num_classes: 10, bins: 200 }), isLarge({ num_classes: 1000, bins: 200 })], [false, true]);
});

test('empty bins are not drawn', () => {
    const rows = reliabilityRows({ rows: [{ bin: 0, count: 3, confidence: 0.1, accuracy: 0 }, { bin: 1, count: 0, confidence: null, accuracy: null }, { bin: 2, count: 1, confidence: 0.9, accuracy: 1 }] });
    assert.deepEqual(rows.map(r => [r.bin, r.share]), [[0, 0.75], [2, 0.25]]);
    assert.deepEqual([ofClass({ value: [0.5, null] }, 0), ofClass({ value: [0.5, null] }, 1), ofClass({ value: 0.7 }, 0), ofClass(undefined, 0)], [0.5, null, 0.7, null]);
});

test('a change compares shares of rows, also of cells that have gone empty', () => {
    const before = readMatrix({ num_classes: 2, cells: [[0, 0, 5], [0, 1, 5], [1, 0, 2], [1, 1, 2]] });
    const change = changeOf(readMatrix({ num_classes: 2, cells: [[0, 0, 9], [0, 1, 1], [1, 1, 3]] }), before);
    assert.deepEqual(change.cells.map(c => [c.target, c.predicted, Math.round(c.change * 10), isGood(c, 'change')]), [[0, 0, 4, true], [0, 1, -4, true], [1, 1, 5, true], [1, 0, -5, true]]);
    assert.deepEqual(topPairs(change, 'change', 3), [], 'no confusion has grown');
    assert.deepEqual(changeOf(before, null).cells.map(c => c.change), [0, 0, 0, 0]);
    assert.equal(isGood({ target: 0, predicted: 1, change: 0.1 }, 'change'), false);
});

test('a map has a row for each class and a column for each epoch', () => {
    const answer = { epochs: [{ epoch: 3, metrics: { r: { value: [0.1, 0.2] } } }, { epoch: 5, metrics: {} }, { epoch: 6, metrics: { r: { value: [1, null] } } }] };
    assert.deepEqual(mapRows(answer, 'r'), { n: 2, epochs: [3, 5, 6], values: [0.1, 0.2, null, null, 1, null], low: 0.1, high: 1 });
    assert.deepEqual(mapRows({ epochs: [{ epoch: 0, metrics: { r: { value: 0.5 } } }] }, 'r').values, [0.5], 'binary');
});

test('the interval of a proportion touches 0 and 1 only where there is nothing between', () => {
    const round = ends => ends.map(v => Math.round(v * 1e6) / 1e6);
    assert.deepEqual(round(wilson(8, 10)), [0.490162, 0.943318]);
    assert.deepEqual(round(wilson(0, 5)), [0, 0.434482]);
    assert.deepEqual(round(wilson(5, 5)), [0.565518, 1]);
    assert.equal(wilson(0, 0), null);
});

test('rectangles of a map lie where their values do, and equal neighbours are one', () => {
    const map = mapRows({ epochs: [0, 1, 2].map(epoch => ({ epoch, metrics: { r: { value: [epoch === 2 ? 1 : 0, null] } } })) }, 'r');
    const shade = v => v === null ? [0, 0, 0] : [v * 255, 9, 9];
    assert.deepEqual(heatCells(map, { left: 10, top: 20, width: 30, height: 8 }, shade), [
        { x: 10, y: 20, width: 20, height: 4, fill: 'rgb(0,9,9)' }, { x: 30, y: 20, width: 10, height: 4, fill: 'rgb(255,9,9)' },
        { x: 10, y: 24, width: 30, height: 4, fill: 'rgb(0,0,0)' }]);
});
