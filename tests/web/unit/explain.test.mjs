import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { explain, evidenceSelectors } from '../../../web/src/explain.js';

const MACRO = { selector: 'accuracy.macro', entry: { name: 'accuracy' }, average: 'macro', series: { name: 'main', task: 'multiclass', num_classes: 2, form: 'confusion' } };
const MICRO = { ...MACRO, selector: 'accuracy', average: 'micro' };

function macroOf(m) {
    const values = m.map((row, c) => [row[c], row.reduce((a, b) => a + b, 0), m.reduce((a, r) => a + r[c], 0)]).filter(([, t, p]) => t + p > 0);
    return values.length === 0 ? 0 : values.reduce((a, [tp, t]) => a + (t > 0 ? tp / t : 0), 0) / values.length;
}

const microOf = m => m.reduce((a, row, c) => a + row[c], 0) / m.flat().reduce((a, b) => a + b, 0);
// classes without negatives have no specificity: 0
function specificityOf(m) {
    const n = m.flat().reduce((a, b) => a + b, 0);
    return m.reduce((sum, row, c) => {
        const targets = row.reduce((a, b) => a + b, 0);
        const negatives = n - targets;
        const fp = m.reduce((a, r) => a + r[c], 0) - row[c];
        return sum + (negatives > 0 ? targets / n * (negatives - fp) / negatives : 0);
    }, 0);
}

const add = (a, b) => a.map((row, i) => row.map((v, j) => v + b[i][j]));

// answers as the server would give them for a list of confusion matrices, one a step
function answers(matrices, chosen, width = 1) {
    const of = chosen.average === 'macro' ? macroOf : microOf;
    const mean = matrices.reduce((a, m) => a + of(m), 0) / matrices.length;
    return {
        epoch: { epoch: 0, steps: matrices.length, metrics: { [chosen.selector]: { value: of(matrices.reduce(add)), mean_of_steps: mean } } },
        steps: {
            width, over: false, x: matrices.map((_, i) => i), epoch: matrices.map(() => 0), step: matrices.map((_, i) => i),
            samples: matrices.map(m => m.flat().reduce((a, b) => a + b, 0)),
            metrics: { accuracy: { value: matrices.map(microOf) }, 'specificity.weighted': { value: matrices.map(specificityOf) } }
        },
        chosen, unit: 'percent'
    };
}

const golden = name => JSON.parse(readFileSync(new URL(`../../golden/${name}.json`, import.meta.url))).batches.map(b => b.confmat);
const plain = text => text.replaceAll('\u00a0', ' ');

test('class-sorted cats and dogs: 41.4 % against 82.8 %, and each step holds one class', () => {
    const found = explain(answers(golden('catdog_unshuffled'), MACRO));
    assert.equal(found.differs, true);
    assert.equal(found.gap, -0.4140625);
    assert.match(plain(found.text), /^Averaging the 12 step values gives 41\.4 %, 41\.4 points below the value of the epoch, 82\.8 %: in each of the 12 steps all samples belong to one class, and every other class predicted there enters the macro average of the step as 0\.$/);
    assert.equal(found.text.endsWith('.'), true);
});

test('shuffled cats and dogs: no step is said to hold one class', () => {
    const found = explain(answers(golden('catdog_shuffled'), MACRO));
    assert.equal(found.differs, true);
    assert.doesNotMatch(found.text, /one class,/);
});

test('single-class steps are counted exactly, whatever the matrices and the number of classes', () => {
    let seed = 5;
    const random = n => (seed = seed * 16807 % 2147483647) % n;
    for (let round = 0; round < 300; round++) {
        const classes = 2 + random(4);
        const chosen = { ...MACRO, series: { ...MACRO.series, num_classes: classes } };
        const matrices = Array.from({ length: 6 }, () => {
            const m = Array.from({ length: classes }, () => Array.from({ length: classes }, () => random(3) ? random(40) : 0));
            const only = random(classes);
            return random(2) ? m.map((row, c) => c === only ? row : row.map(() => 0)) : m;
        }).filter(m => m.flat().some(v => v > 0));
        const count = matrices.filter(m => microOf(m) > 0 && m.filter(row => row.some(v => v > 0)).length === 1).length;
        const found = explain(answers(matrices, chosen));
        if (!found.differs)
            continue;
        const said = /in (?:at least )?(?:(\d+) of the \d+|each of the (\d+)|the only) steps? all samples belong/.exec(plain(found.text));
        const number = said === null ? 0 : Number(said[1] ?? said[2] ?? 1);
        assert.equal(number, count, JSON.stringify(matrices));
    }
});

test('ragged steps are named with their sizes', () => {
    const found = explain(answers([[[10, 6], [0, 0]], [[3, 1], [0, 0]], [[16, 0], [0, 0]]], MICRO));
    assert.match(plain(found.text), /between 4 and 16 samples, and a plain mean gives each the same weight\.$/);
});

test('bucketed steps prove nothing, so nothing is claimed about them', () => {
    for (const chosen of [MACRO, MICRO]) {
        const found = explain(answers([[[10, 6], [0, 0]], [[0, 0], [1, 3]]], chosen, 2));
        assert.doesNotMatch(found.text, /samples/);
    }
});

test('fewer samples than classes is seen', () => {
    const wide = { ...MACRO, series: { ...MACRO.series, num_classes: 3 } };
    const found = explain(answers([[[1, 0, 0], [0, 1, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 1], [0, 0, 1]]], wide));
    assert.match(plain(found.text), /each of the 2 steps has fewer samples than there are classes/);
});

test('equal values need no sentence, missing ones no finding', () => {
    const same = explain(answers([[[9, 1], [2, 8]], [[9, 1], [2, 8]]], MACRO));
    assert.deepEqual([same.differs, same.text], [false, null]);
    assert.equal(explain({ epoch: undefined, steps: null, chosen: MACRO, unit: 'percent' }), null);
    assert.equal(explain({ epoch: { epoch: 0, steps: 1, metrics: { 'accuracy.macro': { value: null, mean_of_steps: null } } }, steps: null, chosen: MACRO, unit: 'percent' }), null);
});

test('any metric gets a sentence that is true of ratios', () => {
    const kappa = { selector: 'kappa', entry: { name: 'kappa' }, average: '', series: MACRO.series };
    const epoch = { epoch: 0, steps: 12, metrics: { kappa: { value: 0.65625, mean_of_steps: 0 } } };
    assert.match(explain({ epoch, steps: null, chosen: kappa, unit: 'number' }).text, /12 step values gives 0, 0\.6563 below the value of the epoch, 0\.6563: the epoch adds the counts/);
});

test('evidence is asked only where it proves something', () => {
    const evidence = ['accuracy', 'specificity.weighted'];
    assert.deepEqual(evidenceSelectors(MACRO), evidence);
    assert.deepEqual(evidenceSelectors({ ...MACRO, average: '' }), evidence);
    assert.deepEqual(evidenceSelectors(MICRO), []);
    for (const series of [{ task: 'binary' }, { task: 'multilabel' }, { form: 'totals' }, { name: 'parity' }])
        assert.deepEqual(evidenceSelectors({ ...MACRO, series: { ...MACRO.series, ...series } }), []);
});

test('a class that is absent is not said to count as 0 where it does not', () => {
    for (const name of ['specificity', 'hamming', 'npv']) {
        const found = explain({ ...answers(golden('catdog_unshuffled'), MACRO), chosen: { ...MACRO, entry: { name } } });
        assert.match(found.text, /all samples belong to one class; the epoch adds/);
        assert.doesNotMatch(found.text, /as 0/);
    }
});

test('a step with nothing right may hold one class or two swapped: at least is said', () => {
    const found = explain(answers([[[0, 5], [0, 0]], [[9, 1], [0, 0]], [[0, 0], [1, 9]]], MACRO));
    assert.match(plain(found.text), /in at least 2 of the 3 steps all samples belong to one class/);
});
