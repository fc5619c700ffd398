import assert from 'node:assert/strict';
import test from 'node:test';
import { explain, thinnedNote } from '../../../web/src/explain.js';

const MACRO = { selector: 'accuracy.macro' };
const plain = text => text.replaceAll('\u00a0', ' ');
const epoch = (metric, steps = 12) => ({ epoch: 0, steps, metrics: { 'accuracy.macro': metric } });
// cats and dogs sorted by class, as the server answers
const SORTED = { value: 0.828125, mean_of_steps: 0.4140625, gap: { value: -0.4140625, absent_classes: -0.4140625, class_mix: 0, batch_size: 0 } };
const SINGLE = { id: 'single-class-steps', level: 'warning', count: 12, of: 12, text: '', steps: [0, 1, 2] };
const ABSENT = { id: 'absent-classes', level: 'warning', count: 12, of: 12, text: '', steps: [0, 1, 2] };

test('class-sorted cats and dogs: 41.4 % against 82.8 %, and each step holds one class', () => {
    const found = explain({ epoch: epoch(SORTED), chosen: MACRO, unit: 'percent', findings: [SINGLE, ABSENT] });
    assert.equal(found.gap, -0.4140625);
    assert.equal(plain(found.text), 'Averaging the 12 step values gives 41.4 %, 41.4 points below the value of the epoch, 82.8 %: in each of the 12 steps all samples belong to one class.');
    assert.deepEqual(found.causes.map(c => c.value), [-0.4140625]);
    assert.match(found.causes[0].text, /does not hold counts there as 0/);
    assert.equal(found.finding, 'single-class-steps');
});

test('before the diagnosis is there the largest term of the gap is the reason', () => {
    const found = explain({ epoch: epoch(SORTED), chosen: MACRO, unit: 'percent' });
    assert.match(found.text, /: a class that a step predicts but does not hold counts there as 0\.$/);
    assert.equal(found.finding, null);
});

test('causes come the largest first, invisible ones not at all', () => {
    const gap = { value: 0.03, absent_classes: -0.0001, class_mix: 0.01, batch_size: 0.02 };
    const found = explain({ epoch: epoch({ value: 0.5, mean_of_steps: 0.53, gap }), chosen: MACRO, unit: 'percent', findings: [{ ...SINGLE, level: 'info' }] });
    assert.deepEqual(found.causes.map(c => c.value), [0.02, 0.01]);
    assert.match(plain(found.text), /3\.0 points above the value of the epoch, 50\.0 %: batches of different sizes/);
    assert.equal(found.finding, 'single-class-steps', 'the steps behind a term, though there are few');
});

test('a metric without a gap gets a sentence that is true of ratios', () => {
    const found = explain({ epoch: epoch({ value: 0.65625, mean_of_steps: 0 }), chosen: MACRO, unit: 'number' });
    assert.match(found.text, /12 step values gives 0, 0\.6563 below the value of the epoch, 0\.6563: the epoch adds what all steps counted/);
    const ragged = explain({ epoch: epoch({ value: 0.65625, mean_of_steps: 0 }), chosen: MACRO, unit: 'number', findings: [{ id: 'ragged-batches', level: 'warning', count: 1, of: 12, steps: [11] }] });
    assert.match(ragged.text, /in 1 of the 12 steps the number of samples is unusual.*; the epoch adds/);
    assert.equal(ragged.finding, 'ragged-batches');
});

test('steps are only offered where they are listed', () => {
    const found = explain({ epoch: epoch(SORTED), chosen: MACRO, unit: 'percent', findings: [{ ...SINGLE, steps: [] }, ABSENT] });
    assert.equal(found.finding, 'absent-classes');
});

test('equal values need no sentence, missing ones no finding', () => {
    const same = explain({ epoch: epoch({ value: 0.8, mean_of_steps: 0.8 }), chosen: MACRO, unit: 'percent' });
    assert.deepEqual([same.differs, same.text], [false, null]);
    assert.equal(explain({ epoch: undefined, chosen: MACRO, unit: 'percent' }), null);
    assert.equal(explain({ epoch: epoch({ value: null, mean_of_steps: null }), chosen: MACRO, unit: 'percent' }), null);
});

test('a chart of thinned epochs says how fine it still is, any other says nothing', () => {
    assert.equal(plain(thinnedNote({ width: 64, thinned: { epochs: 3, width: 64 } })), 'The batches of 3 epochs are no longer kept: steps 64 at a time, epochs exact');
    assert.match(plain(thinnedNote({ thinned: { epochs: 1, width: null } })), /^The batches of 1 epoch are no longer kept, .*no steps of one rank$/);
    assert.equal(thinnedNote({ width: 1 }), '');
    assert.equal(thinnedNote(undefined), '');
});
