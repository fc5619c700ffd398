// Why the epoch's value and the mean of its step values differ, in sentences.  Pure.
//
// Nothing is guessed: the sizes of the causes are the server's `gap` (it derives them for accuracy), the facts
// about the steps its diagnosis.  Where there are neither, the sentence only says how the two numbers are computed,
// which is true of every metric.

import { difference, inUnit, integer, plural } from './format.js';

const VISIBLE = 5e-4; // a smaller gap vanishes in the rounding of the page

// the terms of a gap, and the finding that lists the steps behind each
const TERMS = [
    { name: 'absent_classes', finding: 'absent-classes', text: 'a class that a step predicts but does not hold counts there as 0' },
    { name: 'class_mix', finding: 'single-class-steps', text: 'the steps hold the classes in other proportions than the epoch' },
    { name: 'batch_size', finding: 'ragged-batches', text: 'batches of different sizes, or classes spread unevenly over them, have the same weight' }
];

/** "each of the 12 steps", "7 of the 12 steps", "the only step" */
function share(count, total) {
    if (total === 1)
        return 'the only step';
    return count === total ? `each of the ${integer(total)} steps` : `${integer(count)} of the ${integer(total)} steps`;
}

/** Does a difference vanish in the rounding of the page? */
export const isVisible = value => Math.abs(value) >= VISIBLE;

/**
 * explain({epoch, chosen, unit, findings}): epoch is an entry of the epochs answer, chosen the metric (catalogue.js),
 * findings those of the diagnosis of that epoch, [] while they are not known.
 * Returns null while there is nothing to compare, else {gap, differs, text, causes: [{value, text}], finding}:
 * text only where the two differ visibly; causes: what the gap is made of, the largest first; finding: the id of
 * the finding that lists the steps concerned, or null.
 */
export function explain({ epoch, chosen, unit, findings = [] }) {
    const metric = epoch?.metrics[chosen.selector];
    if (typeof metric?.value !== 'number' || typeof metric.mean_of_steps !== 'number')
        return null;
    const gap = metric.mean_of_steps - metric.value;
    if (!isVisible(gap))
        return { gap, differs: false, text: null, causes: [], finding: null };

    const terms = metric.gap ? TERMS.filter(term => isVisible(metric.gap[term.name] ?? 0))
        .sort((a, b) => Math.abs(metric.gap[b.name]) - Math.abs(metric.gap[a.name])) : [];
    const facts = findings.filter(f => f.level !== 'info');
    const single = facts.find(f => f.id === 'single-class-steps');
    const ragged = facts.find(f => f.id === 'ragged-batches');
    const reasons = [];
    if (single)
        reasons.push(`in ${share(single.count, single.of)} all samples belong to one class`);
    else if (terms.length > 0)
        reasons.push(terms[0].text);
    else if (ragged)
        reasons.push(`in ${share(ragged.count, ragged.of)} the number of samples is unusual, and a plain mean gives each the same weight`);
    if (!metric.gap)
        reasons.push('the epoch adds what all steps counted and computes the metric once; a mean of ratios is another number');
    const lead = `Averaging the ${integer(epoch.steps)} step values gives ${inUnit(metric.mean_of_steps, unit)}, `
        + `${difference(Math.abs(gap), unit).replace(/^\+/, '')} ${gap < 0 ? 'below' : 'above'} the value of the epoch, ${inUnit(metric.value, unit)}`;
    const listed = findings.filter(f => f.steps.length > 0).map(f => f.id);
    const wanted = [single?.id, ...terms.map(term => term.finding), ragged?.id];
    return {
        gap, differs: true, text: `${lead}: ${reasons.join('; ')}.`,
        causes: terms.map(term => ({ value: metric.gap[term.name], text: term.text })),
        finding: wanted.find(id => listed.includes(id)) ?? null
    };
}

/**
 * What a chart says where the server keeps the batches of old epochs no longer (`thinned` of its steps answer): '' where none
 * of its epochs is thinned.
 */
export function thinnedNote(steps) {
    if (!steps?.thinned)
        return '';
    const { epochs, width } = steps.thinned;
    const of = `The batches of ${plural(epochs, 'epoch')} are no longer kept`;
    return width === null ? `${of}, and their sums hold all ranks: no steps of one rank`
        : `${of}: steps ${integer(width)} at a time, epochs exact`;
}
