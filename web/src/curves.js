// From the curves and calibration answers to what is drawn: points in the unit square.  Pure.

export const LINES_MAX = 8;       // classes drawn at once: as many colours can be told apart
const NUMBERS_MAX = 200000;       // more than that is asked for one class at a time

/** Is one class at a time asked for?  A class has four numbers a threshold. */
export function isLarge(series) {
    return (series.num_classes || 1) * (series.bins || 1) * 4 > NUMBERS_MAX;
}

/** The ROC curve of a class: [x, y] from (0, 0) to (1, 1), by falling threshold; null values end nothing. */
export function rocPoints(c) {
    return c.fpr.map((fpr, i) => [fpr, c.tpr[i]]).reduce((points, p) => add(points, p), [[0, 0]]);
}

/** The precision-recall curve of a class, by rising recall. */
export function prPoints(c) {
    return c.recall.map((recall, i) => [recall, c.precision[i]]).reduce((points, p) => add(points, p), []);
}

function add(points, [x, y]) {
    const last = points[points.length - 1];
    if (typeof x === 'number' && typeof y === 'number' && !(last && last[0] === x && last[1] === y))
        points.push([x, y]);
    return points;
}

/** The classes of an answer to draw: the one chosen, or the first few. */
export function drawnClasses(answer, chosen) {
    if (chosen !== '')
        return answer.classes.filter(c => c.class === chosen);
    return answer.classes.slice(0, LINES_MAX);
}

/** The bins of a calibration answer that hold samples: [{low, high, count, confidence, accuracy, share}]. */
export function reliabilityRows(answer) {
    const total = answer.rows.reduce((sum, row) => sum + row.count, 0);
    return answer.rows.filter(row => row.count > 0).map(row => ({ ...row, share: row.count / total }));
}

/** The value of a class in a list that the epochs answer gives for `none`; a binary series has one number. */
export function ofClass(metric, index) {
    const value = metric?.value;
    return Array.isArray(value) ? value[index] ?? null : typeof value === 'number' ? value : null;
}
