import assert from 'node:assert/strict';
import test from 'node:test';
import { changeOf, createEach, renamed } from '../../../web/src/bulk.js';

test('a new name may hold the old one, the id and the place', () => {
    assert.equal(renamed('sweep {n}: {name} ({id}) {other}', { id: 'r7', name: 'first' }, 1), 'sweep 2: first (r7) {other}');
    assert.equal(renamed('{name}', { id: 'r7', name: null }, 0), 'r7');
    assert.equal(renamed('{name}!', { id: 'r7', name: '$& {id}' }, 0), '$& {id}!', 'a name is not read as a pattern');
});

test('only what changes is sent: tags are added and removed, notes go below', () => {
    const run = { id: 'r1', name: 'one', tags: ['a', 'b'], notes: 'old' };
    assert.equal(changeOf(run, 0, {}), null);
    assert.equal(changeOf(run, 0, { name: '{name}', add: ['b'], remove: ['x'], note: ' ' }), null);
    assert.deepEqual(changeOf(run, 0, { name: '{id}-{n}', add: ['c', 'a'], remove: ['b'], note: 'new\n' }), { name: 'r1-1', tags: ['a', 'c'], notes: 'old\nnew' });
    assert.deepEqual(changeOf({ id: 'r2', name: null, tags: null, notes: null }, 0, { add: ['c'], note: 'n' }), { tags: ['c'], notes: 'n' });
});

test('each is done once, goes on after a refusal, and passes over what is gone', async () => {
    const done = [];
    const seen = [];
    let refuse = { status: 401 };
    const send = createEach(['a', 'b', 'gone', 'c'], async (id, i) => {
        if (id === 'gone')
            throw Object.assign(new Error('no'), { status: 404 });
        if (id === 'b' && refuse)
            throw Object.assign(new Error('why'), refuse);
        done.push(`${id}${i}`);
    }, at => seen.push(at));
    await assert.rejects(send(), { status: 401, message: 'why' });
    refuse = { status: 422 };
    await assert.rejects(send(), { message: '1 of 4 are done. b: why' });
    refuse = null;
    await send();
    assert.deepEqual(done, ['a0', 'b1', 'c3']);
    assert.equal(seen.at(-1), 4);
});
