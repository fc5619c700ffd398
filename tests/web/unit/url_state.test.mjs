import assert from 'node:assert/strict';
import test from 'node:test';
import { INITIAL, link, parse, PARAMETERS, viewOf, write } from '../../../web/src/url_state.js';

test('an empty address is the default state, and the default state is an empty address', () => {
    assert.deepEqual({ ...parse('') }, { ...INITIAL });
    assert.equal(write(INITIAL), '');
    assert.ok(Object.isFrozen(parse('')));
});

test('what is written is read back, for every parameter', () => {
    const state = {
        project: 'a.b-c_d', run: 'r-1.x', stage: 'val', metric: 'parity:fbeta@0.5.macro',
        sort: '-val/accuracy.macro@last,name', more: true, q: 'lr>0.01 tag:"a b"', columns: 'config.lr,val/loss@best',
        view: 'confusion', epoch: 3, x: 'relative', from: 10, to: 20, window: 100, log: true, archived: true, pin: 'a,b', differ: true, spark: true, select: 'a,b', compare: 'b,a-1', baseline: 'b', group: 'model.lr', show: 'ragged-batches', norm: 'pred', class: 7, map: 'f1', rank: 3
    };
    assert.deepEqual(Object.keys(state).sort(), Object.keys(PARAMETERS).sort());
    assert.deepEqual({ ...parse(write(state)) }, state);
});

test('only what differs from the default is written', () => {
    assert.equal(write({ ...INITIAL, run: 'r1' }), '?run=r1');
    assert.equal(link({ project: 'digits' }), '/?project=digits');
    assert.equal(link({}), '/');
});

test('garbage falls back to the default', () => {
    for (const search of ['?run=../x', '?run=', '?run=-a', '?run=' + 'a'.repeat(129), '?run=%3Cimg%3E'])
        assert.equal(parse(search).run, '', search);
    for (const search of ['?stage=a/b', '?stage=' + 's'.repeat(65)])
        assert.equal(parse(search).stage, '', search);
    for (const search of ['?metric=a,b', '?metric=<x>', '?metric=.macro'])
        assert.equal(parse(search).metric, '', search);
    assert.equal(parse('?more=2').more, false);
    for (const from of ['-1', '1.5', '01', '1e3', 'x', '9007199254740992'])
        assert.equal(parse('?from=' + from).from, '', from);
    assert.deepEqual([parse('?from=20&to=10').from, parse('?from=20&to=10').to], ['', ''], 'an empty zoom');
    assert.equal(parse('?view=source').view, 'charts');
    assert.equal(parse('?sort=%20').sort, INITIAL.sort);
    assert.equal(parse('?project=' + encodeURIComponent('<b>')).project, '');
    assert.deepEqual({ ...parse('?nobody=knows&__proto__=1') }, { ...INITIAL });
});

test('selectors of the contract are accepted', () => {
    for (const metric of ['accuracy', 'accuracy.macro', 'f1.weighted', 'fbeta@2.macro', 'kappa@linear', 'parity:f1.macro', 'a/loss', 'loss:max'])
        assert.equal(parse(`?metric=${encodeURIComponent(metric)}`).metric, metric);
});

test('a run wins over a project', () => {
    assert.equal(viewOf(parse('?project=p&run=r')), 'run');
    assert.equal(viewOf(parse('?project=p')), 'runs');
    assert.equal(viewOf(parse('')), 'projects');
});
