import assert from 'node:assert/strict';
import test from 'node:test';
import { createLoader } from '../../../web/src/run_data.js';

const METRICS = { metrics: [{ name: 'accuracy', title: 'Accuracy', kind: 'counts', needs_by_task: { multiclass: { micro: 'totals', macro: 'classes' } },
    arguments: [], averages: ['micro', 'macro'], default: 'micro', range: [0, 1], formula: '' }] };
const state = { run: 'r', stage: '', metric: '', more: false, view: 'charts', from: '', to: '', window: '', x: 'step', rank: '' };

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
            return { x: [0], time: [5], metrics: Object.fromEntries(metrics.map(m => [m, { value: [1] }])) };
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
    assert.equal(asked.length, 8, 'the document, epochs and steps; the catalogue stays');
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

test('a zoom asks for the steps only, with its ends and its window', async () => {
    const { asked, load } = server({ id: 'r', series: [series('main', 'confusion')] });
    await load(state);
    const from = asked.length;
    await load({ ...state, from: 100, to: 200, window: 10 });
    assert.deepEqual(asked.slice(from), ['/api/v1/runs/r/steps?stage=val&metric=accuracy.macro&from=100&to=200&points=1000&window=10']);
    await load(state);
    assert.equal(asked.length, from + 1, 'zooming out asks for nothing again');
    await load(state);
    assert.equal(asked.at(-1), '/api/v1/runs/r', 'and the pulse goes on');
});

test('what a choice needs can be asked ahead, and is not asked twice', async () => {
    const { asked, load } = server({ id: 'r', series: [series('main', 'confusion')] });
    load.ahead({ ...state, from: 1 });
    assert.equal(asked.length, 0, 'before anything is known');
    await load(state);
    const from = asked.length;
    const zoom = { ...state, from: 100, to: 200 };
    load.ahead(zoom);
    assert.equal(asked.length, from + 1, 'at once');
    load.ahead({ ...state, run: 'other' });
    await load(zoom);
    assert.equal(asked.length, from + 1);
});

test('a question that was given up is asked again', async () => {
    const { load: fill, asked } = server({ id: 'r', series: [series('main', 'confusion')] });
    assert.ok(await fill(state));
    const givenUp = [];
    const load = createLoader((path, signal) => {
        asked.push(path);
        if (path === '/api/v1/metrics')
            return Promise.resolve(METRICS);
        if (!/epochs|steps/.test(path))
            return Promise.resolve({ id: 'r', series: [series('main', 'confusion')] });
        if (signal?.held)
            return new Promise((resolve, reject) => signal.addEventListener('abort', () => { givenUp.push(path); reject(new DOMException('', 'AbortError')); }));
        return Promise.resolve(path.includes('/epochs') ? { epochs: [] } : { x: [], time: [], metrics: {} });
    });
    await load(state);
    const controller = new AbortController();
    controller.signal.held = true;
    const first = load({ ...state, metric: 'accuracy' }, controller.signal);
    await new Promise(resolve => setTimeout(resolve, 5));
    controller.abort();
    const second = load({ ...state, metric: 'accuracy' });
    await assert.rejects(first, { name: 'AbortError' });
    assert.equal(givenUp.length, 2);
    assert.equal((await second).chosen.selector, 'accuracy');
});

test('in a zoom the relative time still counts from the start', async () => {
    const { asked, load } = server({ id: 'r', series: [series('main', 'confusion')] });
    const data = await load({ ...state, from: 100, x: 'relative' });
    assert.ok(asked.at(-1).endsWith('/steps?stage=val&metric=accuracy.macro&points=1'), asked.at(-1));
    assert.equal(data.origin, 5);
});

test('a view that the stage has not is the charts; others need no steps', async () => {
    const { asked, load } = server({ id: 'r', series: [series('main', 'totals'), series('loss', 'mean')] });
    assert.equal((await load({ ...state, view: 'classes' })).view, 'charts');
    const other = server({ id: 'r', series: [series('main', 'classes'), series('loss', 'mean')] });
    const data = await other.load({ ...state, view: 'classes' });
    assert.deepEqual([data.view, data.views.map(v => v.view), data.steps], ['classes', ['charts', 'classes'], null]);
    assert.equal(other.asked.filter(p => p.includes('/steps')).length, 0);
    assert.ok(asked.some(p => p.includes('/steps')));
});

test('a long run is shown before the mean of its steps is known, once for each metric', async () => {
    const { asked, load } = server({ id: 'r', series: [series('main', 'confusion', { batches: 1e6 })] });
    const epochs = () => asked.filter(p => p.includes('/epochs'));
    const first = await load(state);
    assert.equal(first.isPartial, true);
    assert.match(epochs().at(-1), /mean_of_steps=false/);
    const steps = asked.filter(p => p.includes('/steps')).length;
    const second = await load(state);
    assert.equal(second.isPartial, false);
    assert.doesNotMatch(epochs().at(-1), /mean_of_steps/);
    assert.equal(asked.filter(p => p.includes('/steps')).length, steps, 'the steps are known');
    assert.equal(await load(state), second);
    assert.equal((await load({ ...state, from: 3 })).isPartial, false, 'a zoom shows the mean at once');
    assert.equal((await load({ ...state, metric: 'accuracy' })).isPartial, true);
});
