// A confusion matrix as the page shows it.  Pure.

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

/** What a cell shows: its count, or its share of its row ('true') or its column ('pred'). */
export function valueOf(matrix, cell, norm) {
    if (norm === 'counts')
        return cell.count;
    return cell.count / (norm === 'true' ? matrix.targets[cell.target] : matrix.predictions[cell.predicted]);
}

/** How strongly a cell is coloured, 0 .. 1: the root, so that rare confusions are seen beside a full diagonal. */
export function strengths(matrix, norm) {
    const values = matrix.cells.map(cell => valueOf(matrix, cell, norm));
    const most = norm === 'counts' ? values.reduce((a, b) => Math.max(a, b), 0) : 1;
    return values.map(value => most > 0 ? Math.sqrt(value / most) : 0);
}

/** The most confused pairs: cells off the diagonal, the greatest value first; counts decide between equals. */
export function topPairs(matrix, norm, max) {
    return matrix.cells.filter(cell => cell.target !== cell.predicted)
        .map(cell => ({ ...cell, value: valueOf(matrix, cell, norm) }))
        .sort((a, b) => b.value - a.value || b.count - a.count || a.target - b.target || a.predicted - b.predicted)
        .slice(0, max);
}

/** A class as people call it: its name, else its number. */
export const className = (names, index) => names?.[index] ?? String(index);
