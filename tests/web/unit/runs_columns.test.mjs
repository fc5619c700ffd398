import assert from 'node:assert/strict';
import test from 'node:test';
import {
    columnsAsked, columnsQuery, columnTitle, columnUnit, nextSort, parseColumns, rowOf, sortKey, sortOf, sortStage, suggestions, usualColumns
} from '../../../web/src/runs_columns.js';
import { createRunsLoader } from '../../../web/src/runs_data.js';

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

test('with Shift a key comes second, and turns where it is', () => {
    assert.equal(nextSort('name', 'updated_at', true, true), 'name,-updated_at');
    assert.equal(nextSort('name,-updated_at', 'updated_at', true, true), 'name,updated_at');
    assert.equal(nextSort('name,-updated_at', 'name', false, true), '-name,-updated_at');
    assert.equal(nextSort('name,-updated_at', 'status', false, true), 'name,status');
    assert.equal(nextSort('name,-updated_at', 'status', false), 'status');
    assert.deepEqual([sortOf('name,-updated_at', 'updated_at'), sortOf('name', 'id')], [{ place: 2, descending: true }, null]);
});

test('chosen columns are asked for as they are; tags need no question', () => {
    assert.deepEqual(parseColumns(' val/loss@min, config.lr,,tags,config.lr'), ['val/loss@min', 'config.lr', 'tags']);
    assert.equal(columnsAsked(['val/loss@min', 'tags', 'config.lr'], ''), 'val/loss@min,config.lr');
    assert.equal(columnsAsked([], 'eval'), columnsQuery('eval'));
    assert.equal(usualColumns('val')[3], 'val/accuracy.macro@last');
    assert.deepEqual(['val/accuracy.macro@last', 'val/loss@min', 'config.optimizer.lr', 'tags'].map(columnTitle), ['val accuracy.macro', 'val loss@min', 'optimizer.lr', 'tags']);
});

test('a column of a metric between 0 and 1 is in per cent, a weighted mean of the same name is not', () => {
    const catalogue = { metrics: [{ name: 'accuracy', range: [0, 1] }, { name: 'fbeta', range: [0, 1] }, { name: 'mcc', range: [-1, 1] }] };
    for (const [column, unit] of [['val/accuracy@last', 'percent'], ['val/accuracy.macro@12', 'percent'], ['val/parity:accuracy@best', 'percent'], ['val/fbeta@2.macro@max', 'percent'],
        ['val/mcc@last', 'number'], ['val/accuracy:mean@last', 'number'], ['val/loss@min', 'number'], ['config.accuracy', 'number'], ['tags', 'number']])
        assert.equal(columnUnit(column, catalogue), unit, column);
    assert.equal(columnUnit('val/accuracy@last', null), 'number');
});

test('a run suggests its config and what its series give', () => {
    const found = suggestions([['lr', '1']], [{ stage: 'val', name: 'main', form: 'confusion' }, { stage: 'val', name: 'loss', form: 'mean' }, { stage: 'val', name: 'head', form: 'classes' }]);
    assert.deepEqual(found.slice(0, 3), ['tags', 'config.lr', 'val/loss@last']);
    assert.ok(found.includes('val/accuracy.macro@best') && !found.some(f => f.includes('head')));
});

test('one question a tick for the first part; the parts behind it again only when it has moved', async () => {
    const asked = [];
    const all = Array.from({ length: 2500 }, (_, i) => ({ id: i }));
    let first = {};
    const get = async path => {
        asked.push(path);
        const { searchParams } = new URL('http://h' + path);
        const from = Number(searchParams.get('cursor') ?? 0);
        const to = from + Number(searchParams.get('limit'));
        const answer = { runs: all.slice(from, to), total: all.length, next_cursor: to < all.length ? String(to) : null };
        return from === 0 ? first[to] ??= answer : answer;
    };
    const load = createRunsLoader(get);
    const some = await load({ project: 'p' }, 100);
    assert.deepEqual([some.runs.length, some.total, some.hasMore], [100, 2500, true]);
    assert.equal(await load({ project: 'p' }, 100), some);
    const many = await load({ project: 'p' }, 2001);
    assert.deepEqual([many.runs.length, many.hasMore, many.runs[2400].id], [2500, false, 2400]);
    const before = asked.length;
    assert.equal(await load({ project: 'p' }, 2001), many);
    assert.equal(asked.length, before + 1);
    first = {};
    assert.notEqual(await load({ project: 'p' }, 2001), many);
    assert.equal(asked.length, before + 4);
});
