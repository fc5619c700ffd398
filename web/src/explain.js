// The one sentence that says why the epoch's value and the mean of its step values differ.  Pure.
//
// It may claim only what the answers prove:
// 1. ragged: the steps of the epoch were answered one by one and their samples differ;
// 2. too small: a step has fewer samples than there are classes, so some class is absent from it;
// 3. single class: the step's weighted specificity is 0 though something was right.  Weighted
//    specificity is 0 only if each class c among the targets has tn = 0, that is fp_c = n - n_c.  With k
//    such classes these add up to (k - 1) n false positives; a multiclass step has as many as errors,
//    and that is less than n.  So k = 1.
// Otherwise it states how the two are computed, which is true of every metric.

import { difference, inUnit, integer } from './format.js';

const VISIBLE = 5e-4;         // a smaller gap vanishes in the rounding of the page
// where a class that is predicted but absent from the targets has the value 0
const ZERO_IF_ABSENT = ['accuracy', 'recall', 'precision', 'f1', 'fbeta', 'jaccard'];

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

/** Selectors that the steps answer should hold beside the chosen one, so that case 3 can be told. */
export function evidenceSelectors(chosen) {
    const { series, average } = chosen;
    if (series.name !== 'main' || series.task !== 'multiclass' || series.form === 'totals' || average === 'micro')
        return [];
    return ['accuracy', 'specificity.weighted'];
}

// {count, isExact}: the single-class steps among rows; a step with nothing right may be one more
function singleClass(rows, steps, chosen) {
    const [accuracy, specificity] = evidenceSelectors(chosen).map(selector => steps.metrics[selector]?.value);
    if (!accuracy || !specificity)
        return { count: 0, isExact: false };
    return {
        count: rows.filter(({ i }) => accuracy[i] > 0 && specificity[i] === 0).length,
        isExact: rows.every(({ i }) => accuracy[i] > 0)
    };
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
    const isMacro = chosen.average === 'macro' && chosen.series.task === 'multiclass' && ZERO_IF_ABSENT.includes(chosen.entry.name);
    const single = rows ? singleClass(rows, steps, chosen) : { count: 0 };
    const reasons = [];
    if (single.count > 0)
        reasons.push(`in ${single.isExact ? '' : 'at least '}${share(single.count, rows.length)} all samples belong to one class`
            + (isMacro ? ', and every other class predicted there enters the macro average of the step as 0' : ''));
    else if (isMacro)
        reasons.push(tooSmall(rows, chosen) ?? 'the macro average of a step knows only the classes that occur in it, and one that is predicted but absent counts as 0');
    const sizes = rows?.map(row => row.samples) ?? [];
    if (sizes.length > 0 && Math.min(...sizes) < Math.max(...sizes))
        reasons.push(`the steps hold between ${integer(Math.min(...sizes))} and ${integer(Math.max(...sizes))} samples, and a plain mean gives each the same weight`);
    if (!isMacro && (reasons.length === 0 || single.count > 0))
        reasons.push('the epoch adds the counts of all steps first and computes the metric once; a mean of ratios is another number');
    return reasons.join('; ');
}

function tooSmall(rows, chosen) {
    const count = rows?.filter(row => row.samples < chosen.series.num_classes).length ?? 0;
    return count === 0 ? null : `${share(count, rows.length)} ${count === 1 || count === rows.length ? 'has' : 'have'} fewer samples than there are classes, `
        + 'and the macro average of a step knows only the classes that occur in it';
}
