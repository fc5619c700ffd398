// A confusion matrix as the page shows it.  Pure.

import { difference, integer } from './format.js';

/**
 * readMatrix(answer) -> {n, cells: [{target, predicted, count}], targets: [n], predictions: [n], total}: the sums of the
 * rows and the columns beside the cells that are not 0.
 */
export function readMatrix(answer) {
    const n = answer.num_classes ?? 0;
    const targets = new Array(n).fill(0);
    const predictions = new Array(n).fill(0);
    let total = 0;
    const cells = (answer.cells ?? []).map(([target, predicted, count]) => {
        targets[target] += count;
        predictions[predicted] += count;
        total += count;
        return { target, predicted, count };
    });
    return { n, cells, targets, predictions, total };
}

/**
 * changeOf(now, before) -> the matrix of now with a change in each cell: how much its share of its row has grown since before, also of cells
 * that are empty now.  before null: no change.
 */
export function changeOf(now, before) {
    const cells = new Map(now.cells.map(c => [c.target * now.n + c.predicted, { ...c, change: c.count / now.targets[c.target] }]));
    for (const c of before?.cells ?? []) {
        const at = c.target * now.n + c.predicted;
        const cell = cells.get(at) ?? { target: c.target, predicted: c.predicted, count: 0, change: 0 };
        cells.set(at, { ...cell, change: cell.change - c.count / before.targets[c.target] });
    }
    return { ...now, cells: before ? [...cells.values()] : now.cells.map(c => ({ ...c, change: 0 })) };
}

/** Is a cell good news?  On the diagonal what grows, beside it what shrinks; without a change the diagonal. */
export const isGood = (cell, norm) => (cell.target === cell.predicted) === (norm !== 'change' || cell.change >= 0);

/** What a cell shows: its count, its share of its row ('true') or its column ('pred'), or the change of changeOf(). */
export function valueOf(matrix, cell, norm) {
    if (norm === 'change')
        return cell.change;
    if (norm === 'counts')
        return cell.count;
    return cell.count / (norm === 'true' ? matrix.targets[cell.target] : matrix.predictions[cell.predicted]);
}

/** The text of a cell: a count, per cent without their sign, or points. */
export const cellText = (value, norm) => norm === 'counts' ? integer(value) : norm === 'change' ? difference(value, 'percent').replace('\u00a0points', '') : (value * 100).toFixed(value < 0.0995 ? 1 : 0);

/** How strongly a cell is coloured, 0 .. 1: the root, so that rare confusions are seen beside a full diagonal. */
export function strengths(matrix, norm) {
    const values = matrix.cells.map(cell => Math.abs(valueOf(matrix, cell, norm)));
    const most = norm === 'counts' || norm === 'change' ? values.reduce((a, b) => Math.max(a, b), 0) : 1;
    return values.map(value => most > 0 ? Math.sqrt(value / most) : 0);
}

/** The most confused pairs: cells off the diagonal, the greatest value first; counts decide between equals. */
export function topPairs(matrix, norm, max) {
    return matrix.cells.filter(cell => cell.target !== cell.predicted && (norm !== 'change' || cell.change > 0))
        .map(cell => ({ ...cell, value: valueOf(matrix, cell, norm) }))
        .sort((a, b) => b.value - a.value || b.count - a.count || a.target - b.target || a.predicted - b.predicted)
        .slice(0, max);
}

/** A class as people call it: its name, else its number. */
export const className = (names, index) => names?.[index] ?? String(index);
