import assert from 'node:assert/strict';
import test from 'node:test';
import { createLoader } from '../../../web/src/run_data.js';

const METRICS = { metrics: [{ name: 'accuracy', title: 'Accuracy', arguments: [], averages: ['micro', 'macro'], default: 'micro', range: [0, 1], formula: '' }] };
const state = { run: 'r', stage: '', metric: '', more: false };

function server(run) {
    const asked = [];
    const answers = { run };
    const get = async path => {
        asked.push(path);
        if (path === '/api/v1/metrics')
            return METRICS;
        const metrics = (new URL('http://h' + path).searchParams.get('metric') ?? '').split(',');
        if (path.includes('/epochs'))
            return { epochs: [{ epoch: 0, metrics: Object.fromEntries(metrics.map(m => [m, { value: 1 }])) }] };
        if (path.includes('/steps'))
            return { x: [0], metrics: Object.fromEntries(metrics.map(m => [m, { value: [1] }])) };
        return answers.run;
    };
    return { asked, answers, load: createLoader(get) };
}

const series = (name, form, rest = {}) => ({ stage: 'val', name, form, task: 'multiclass', num_classes: 3, ...rest });

test('while the run has not changed only its document is asked for', async () => {
    const { asked, answers, load } = server({ id: 'r', series: [series('main', 'confusion')] });
    const first = await load(state);
    assert.equal(asked.length, 4);
    assert.equal(await load(state), first);
    assert.equal(asked.length, 5);
    answers.run = { ...answers.run };
    assert.notEqual(await load(state), first);
    assert.equal(asked.length, 9);
});

test('another choice asks anew though the run has not changed', async () => {
    const { load } = server({ id: 'r', series: [series('main', 'confusion')] });
    assert.equal((await load(state)).chosen.selector, 'accuracy.macro');
    assert.equal((await load({ ...state, metric: 'accuracy' })).chosen.selector, 'accuracy');
});

test('a run without batches asks for no numbers', async () => {
    const { asked, load } = server({ id: 'r', series: [] });
    assert.equal((await load(state)).stage, null);
    assert.equal(asked.filter(p => /epochs|steps/.test(p)).length, 0);
});

test('many weighted means are asked for in several questions and put together', async () => {
    const names = Array.from({ length: 60 }, (_, i) => `m${String(i).padStart(2, '0')}`);
    const { asked, load } = server({ id: 'r', series: [series('main', 'totals'), ...names.map(n => series(n, 'mean'))] });
    const few = await load(state);
    assert.deepEqual([few.shown.length, few.means.length], [6, 60]);
    const all = await load({ ...state, more: true });
    assert.equal(Object.keys(all.steps.metrics).length, 61);
    assert.equal(Object.keys(all.epochs.epochs[0].metrics).length, 61);
    assert.ok(asked.every(p => p.length < 600));
});

test('a stage with nothing but means has no headline', async () => {
    const { load } = server({ id: 'r', series: [series('loss', 'mean'), series('alpha', 'mean')] });
    const data = await load(state);
    assert.equal(data.chosen, null);
    assert.deepEqual(data.means.map(s => s.name), ['loss', 'alpha']);
});

test('the steps bring the evidence for single-class batches', async () => {
    const { asked, load } = server({ id: 'r', series: [series('main', 'confusion', { num_classes: 2 })] });
    await load(state);
    assert.ok(asked.some(p => p.includes('/steps?') && p.includes('metric=accuracy.macro,accuracy,specificity.weighted&')));
});
