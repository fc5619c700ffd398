import assert from 'node:assert/strict';
import test from 'node:test';
import {
    configTable, differenceOf, groupRows, lastOf, linesRange, lineOf, meanAndStd, nearestLine, parseRuns, valueNear
} from '../../../web/src/compare_model.js';
import { comparePaths, createCompareLoader } from '../../../web/src/compare_data.js';
import { INITIAL } from '../../../web/src/url_state.js';

const close = (a, b) => assert.ok(Math.abs(a - b) < 1e-9, `${a} ${b}`);

test('runs are taken in the order of the address, each once, no more than the server compares', () => {
    assert.deepEqual(parseRuns('b,a,b'), ['b', 'a']);
    assert.deepEqual(parseRuns(''), []);
    assert.equal(parseRuns(Array.from({ length: 300 }, (_, i) => 'r' + i).join()).length, 200);
});

test('the first 32 lines differ in colour or dash', () => {
    assert.equal(new Set(Array.from({ length: 32 }, (_, i) => JSON.stringify(lineOf(i)))).size, 32);
});

test('a config table has the keys that differ, also those that some runs lack', () => {
    const table = configTable([{ config: { lr: 0.1, model: { depth: 3, name: 'a' } } }, { config: { lr: 0.1, model: { depth: 4, name: 'a' }, seed: 1 } }]);
    assert.deepEqual([table.keys, table.same], [['model.depth', 'seed'], 2]);
    assert.equal(table.rows[0].get('seed'), undefined);
    assert.deepEqual(configTable([{ config: {} }]), { keys: [], same: 0, rows: [new Map()] });
});

test('the interval of a difference is that of Newcombe: 56 of 70 against 48 of 80 is 0.0524 to 0.3339', () => {
    // the example of his paper, Statistics in Medicine 17 (1998), table II, method 10
    const wilson = (k, n) => {
        const z = 1.959963984540054;
        const [c, h] = [k + z * z / 2, z * Math.sqrt(k * (n - k) / n + z * z / 4)];
        return { value: k / n, low: (c - h) / (n + z * z), high: (c + h) / (n + z * z) };
    };
    const gap = differenceOf(wilson(48, 80), wilson(56, 70));
    close(gap.value, 0.2);
    assert.equal(gap.low.toFixed(4), '0.0524');
    assert.equal(gap.high.toFixed(4), '0.3339');
    assert.deepEqual(differenceOf({ value: 1, low: null, high: null }, { value: 3, low: null, high: null }), { value: 2, low: null, high: null });
    assert.equal(differenceOf(null, { value: 1 }), null);
});

test('mean and standard deviation are those of a sample', () => {
    const { n, mean, std } = meanAndStd([2, 4, 4, 4, 5, 5, 7, 9, null, NaN]);
    assert.deepEqual([n, mean], [8, 5]);
    close(std, Math.sqrt(32 / 7));
    assert.deepEqual(meanAndStd([3]), { n: 1, mean: 3, std: null });
    assert.deepEqual(meanAndStd([]), { n: 0, mean: null, std: null });
});

test('a group has the last pooled value and the mean of its runs at the same epoch', () => {
    const answer = {
        x: [0, 2], runs: [{ run: 'a', metrics: { m: { value: [0.1, 0.4] } } }, { run: 'b', metrics: { m: { value: [0.3, null] } } }, { run: 'c', metrics: { m: { value: [null, null] } } }],
        groups: [{ key: 1, runs: ['a', 'b'], metrics: { m: { value: [0.2, 0.4], low: [0, 0.3], high: [1, 0.5] } } }, { key: null, runs: ['c'], metrics: { m: { value: [null, null] } } }]
    };
    const [first, second] = groupRows(answer, 'm');
    assert.deepEqual([first.name, first.at, first.pooled.value, first.pooled.low, first.seeds], ['1', 2, 0.4, 0.3, { n: 1, mean: 0.4, std: null }]);
    assert.deepEqual([second.name, second.pooled, second.at], ['not set', null, null]);
    answer.groups[0].metrics.m = { value: [null, null] }; // shapes that cannot be added: the runs still have their mean
    assert.deepEqual(groupRows(answer, 'm')[0].seeds.mean, 0.4);
});

test('the nearest line is found where lines have entries of their own', () => {
    const lines = [{ values: [1, null, 1] }, { values: [5, null, null] }, { values: [null, null, null] }];
    assert.equal(nearestLine(lines, 1, 4), 1);
    assert.equal(nearestLine(lines, 2, 2.9), 0);
    assert.equal(nearestLine([], 0, 1), -1);
    assert.equal(valueNear([7, ...Array(40).fill(null)], 40), null);
    assert.deepEqual(linesRange(lines, [0, 1, 2], 0, 2, true), [1 / 1.15, 5 * 1.15]);
    assert.equal(linesRange(lines, [0, 1, 2], 1, 1, false), null);
    assert.deepEqual(lastOf({ value: [1, 2, null], low: [0, 1, null], high: [2, 3, null] }, [5, 6, 7]), { i: 1, x: 6, value: 2, low: 1, high: 3 });
});

const SERIES = [{ stage: 'val', name: 'main', form: 'totals', task: 'multiclass', num_classes: 0 }, { stage: 'val', name: 'loss', form: 'mean' }];
const CATALOGUE = {
    metrics: [{ name: 'accuracy', title: 'Accuracy', kind: 'counts', needs_by_task: { multiclass: { micro: 'totals', macro: 'classes' } }, arguments: [], averages: ['micro', 'macro'], default: 'micro', range: [0, 1], formula: '' }]
};

function server(missing) {
    const asked = [];
    const answers = new Map();
    const get = async path => {
        asked.push(path);
        if (path === '/api/v1/metrics')
            return CATALOGUE;
        const id = /^\/api\/v1\/runs\/(\w+)$/.exec(path)?.[1];
        if (id !== undefined && !missing.includes(id))
            return { id, series: SERIES, project: 'p' };
        if (id !== undefined)
            throw Object.assign(new Error('no run'), { status: 404, errors: [] });
        const ids = new URL(path, 'http://x').searchParams.get('runs').split(',');
        const at = ids.findIndex(one => missing.includes(one));
        if (at >= 0)
            throw Object.assign(new Error('no run'), { status: 404, errors: [{ pointer: `?runs/${at}` }] });
        if (!answers.has(path))
            answers.set(path, { path, runs: ids.map(run => ({ run })) });
        return answers.get(path);
    };
    return { get, asked, answers };
}

test('the loader asks for epochs and steps once, and for nothing but the pulse while nothing changes', async () => {
    const { get, asked, answers } = server([]);
    const load = createCompareLoader(get);
    const state = { ...INITIAL, compare: 'a,b' };
    const data = await load(state);
    assert.deepEqual([data.ids, data.stage, data.selector, data.unit], [['a', 'b'], 'val', 'accuracy', 'percent']);
    assert.equal(asked.length, 4);
    assert.equal(await load(state), data);
    assert.deepEqual(asked.slice(4), [data.paths.epochs]);
    answers.clear();
    assert.notEqual(await load(state), data);
    assert.equal(asked.length, 7);
    const loss = await load({ ...state, metric: 'loss:mean', x: 'epoch', group: 'lr' });
    assert.equal(loss.epochs, loss.lines);
    assert.match(loss.paths.epochs, /metric=loss:mean&x=epoch&group=config\.lr&config=true/);
});

test('runs that are not there are left out and named', async () => {
    const data = await createCompareLoader(server(['a', 'c']).get)({ ...INITIAL, compare: 'a,b,c,d' });
    assert.deepEqual([data.ids, data.missing], [['b', 'd'], ['a', 'c']]);
    const none = await createCompareLoader(server(['a']).get)({ ...INITIAL, compare: 'a' });
    assert.deepEqual([none.stage, none.ids, none.missing], [null, [], ['a']]);
});

test('a path says what the view shows', () => {
    const { steps } = comparePaths(['a', 'b'], 'val', 'accuracy', { ...INITIAL, from: 3, window: 10 });
    assert.equal(steps, '/api/v1/compare?runs=a,b&stage=val&metric=accuracy&from=3&points=500&window=10');
});
