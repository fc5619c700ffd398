import assert from 'node:assert/strict';
import test from 'node:test';
import { columnsQuery, nextSort, rowOf, sortKey, sortStage } from '../../../web/src/runs_columns.js';

const run = columns => ({ columns });

test('a row shows one stage: val, else test, else train', () => {
    assert.equal(rowOf(run({ 'val/accuracy@last': 0.5, 'train/accuracy@last': 0.9 }), '').accuracy, 0.5);
    const row = rowOf(run({ 'val/accuracy@last': null, 'train/accuracy@last': 0.9, 'train/loss@last': 0 }), '');
    assert.deepEqual([row.stage, row.accuracy, row.loss, row['accuracy.macro']], ['train', 0.9, 0, null]);
    assert.equal(rowOf(run({}), '').stage, null);
    assert.equal(rowOf({}, '').stage, null);
});

test('the stage of the address is the only one looked at', () => {
    assert.equal(rowOf(run({ 'val/accuracy@last': 0.5 }), 'eval').stage, null);
    assert.ok(columnsQuery('eval').split(',').every(c => c.startsWith('eval/')));
});

test('sorting by a metric compares one stage', () => {
    const runs = [run({ 'train/loss@last': 1 }), run({ 'test/loss@last': 1 })];
    assert.equal(sortStage(runs, ''), 'test');
    assert.equal(sortStage(runs, 'dev'), 'dev');
    assert.equal(sortStage([], ''), 'val');
    assert.equal(sortKey('val', 'accuracy.macro'), 'val/accuracy.macro@last');
});

test('a second click turns the order round', () => {
    assert.equal(nextSort('-created_at', 'name', false), 'name');
    assert.equal(nextSort('name', 'name', false), '-name');
    assert.equal(nextSort('-name', 'name', false), 'name');
    assert.equal(nextSort('name', 'updated_at', true), '-updated_at');
});
