// The one sentence that says why the epoch's value and the mean of its step values differ.  Pure.
//
// It may claim only what the answers prove:
// 1. ragged: the steps of the epoch were answered one by one and their samples differ;
// 2. too small: a step has fewer samples than there are classes, so some class is absent from it;
// 3. single class: two classes, and a step whose accuracy a (0 < a < 1) is exactly twice its macro
//    accuracy.  With both classes among the targets, twice the macro value would exceed a by
//    (n1 r0 + n0 r1) / n, which is at least 1/n^2 when anything is right: so one class is absent.
// Otherwise it states how the two are computed, which is true of every metric.

import { difference, inUnit, integer } from './format.js';

const VISIBLE = 5e-4;         // a smaller gap vanishes in the rounding of the page
const SAMPLES_MAX = 1e5;      // up to here doubles tell case 3 from its nearest neighbour
const SAME = 1e-12;

/** The steps of an epoch, one entry each; null if the answer has them bucketed or not all. */
function stepsOf(steps, epoch) {
    if (!steps || steps.width !== 1 || steps.over)
        return null;
    const rows = [];
    for (let i = 0; i < steps.x.length; i++)
        if (steps.epoch[i] === epoch.epoch)
            rows.push({ i, samples: steps.samples[i] });
    // an empty step takes no part in the mean
    return rows.length === epoch.steps ? rows.filter(row => row.samples > 0) : null;
}

/** The words for "this many of the steps": "each of the 12 steps", "7 of the 12 steps". */
function share(count, total) {
    if (total === 1)
        return 'the only step';
    return count === total ? `each of the ${integer(total)} steps` : `${integer(count)} of the ${integer(total)} steps`;
}

function countSingleClass(rows, steps, accuracy, macro) {
    const a = steps.metrics[accuracy]?.value;
    const m = steps.metrics[macro]?.value;
    if (!a || !m)
        return 0;
    return rows.filter(({ i, samples }) => samples <= SAMPLES_MAX && a[i] > 0 && a[i] < 1 && Math.abs(a[i] - 2 * m[i]) < SAME).length;
}

/** Selectors that the steps answer should hold beside the chosen one, so that case 3 can be told. */
export function evidenceSelectors(chosen) {
    if (chosen.series.num_classes !== 2 || chosen.series.task !== 'multiclass' || chosen.average !== 'macro')
        return [];
    const prefix = chosen.series.name === 'main' ? '' : chosen.series.name + ':';
    return [prefix + 'accuracy', prefix + 'accuracy.macro'];
}

/**
 * explain({epoch, steps, chosen, unit}): epoch is an entry of the epochs answer, chosen the metric
 * (catalogue.js).  Returns null while there is nothing to compare, else
 * {gap, differs, text}: text only where they differ visibly.
 */
export function explain({ epoch, steps, chosen, unit }) {
    const metric = epoch?.metrics[chosen.selector];
    if (typeof metric?.value !== 'number' || typeof metric.mean_of_steps !== 'number')
        return null;
    const gap = metric.mean_of_steps - metric.value;
    if (Math.abs(gap) < VISIBLE)
        return { gap, differs: false, text: null };

    const lead = `Averaging the ${integer(epoch.steps)} step values gives ${inUnit(metric.mean_of_steps, unit)}, `
        + `${difference(Math.abs(gap), unit).replace(/^\+/, '')} ${gap < 0 ? 'below' : 'above'} the value of the epoch, ${inUnit(metric.value, unit)}`;
    return { gap, differs: true, text: `${lead}: ${cause(epoch, steps, chosen)}.` };
}

function cause(epoch, steps, chosen) {
    // samples stand for the series main; of another series nothing is known step by step
    const rows = chosen.series.name === 'main' ? stepsOf(steps, epoch) : null;
    const isPerClass = chosen.average === 'macro' && chosen.series.task === 'multiclass';
    const reasons = [];
    if (rows && isPerClass) {
        const [accuracy, macro] = evidenceSelectors(chosen);
        const single = accuracy ? countSingleClass(rows, steps, accuracy, macro) : 0;
        const small = rows.filter(row => row.samples < chosen.series.num_classes).length;
        if (single > 0)
            reasons.push(`in ${single < rows.length ? 'at least ' : ''}${share(single, rows.length)} all samples belong to one class, `
                + 'and the other class, predicted but absent, enters the macro average of the step as 0');
        else if (small > 0)
            reasons.push(`${share(small, rows.length)} ${small === 1 || small === rows.length ? 'has' : 'have'} fewer samples than there are classes, `
                + 'and the macro average of a step knows only the classes that occur in it');
    }
    if (isPerClass && reasons.length === 0)
        reasons.push('the macro average of a step knows only the classes that occur in it, and one that is predicted but absent counts as 0');
    if (rows && rows.length > 1) {
        const sizes = rows.map(row => row.samples);
        const least = Math.min(...sizes);
        const most = Math.max(...sizes);
        if (least < most)
            reasons.push(`the steps hold between ${integer(least)} and ${integer(most)} samples, and a plain mean gives each the same weight`);
    }
    if (reasons.length === 0)
        reasons.push('the epoch adds the counts of all steps first and computes the metric once; a mean of ratios is another number');
    return reasons.join('; ');
}
