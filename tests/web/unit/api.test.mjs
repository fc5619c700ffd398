import assert from 'node:assert/strict';
import test from 'node:test';
import { createApi, path, Problem, runPath } from '../../../web/src/api.js';

// a network that answers from a list and keeps what it was asked
function network(...answers) {
    const asked = [];
    const fetch = async (url, options) => {
        asked.push({ url, ...options });
        const answer = answers.shift();
        if (answer instanceof Error)
            throw answer;
        return new Response(answer.body === undefined ? null : JSON.stringify(answer.body), { status: answer.status ?? 200, headers: answer.headers });
    };
    return { asked, api: createApi(fetch) };
}

test('the ETag goes out with the next question and a 304 returns the same object', async () => {
    const { asked, api } = network({ body: { n: 1 }, headers: { ETag: '"a"' } }, { status: 304 }, { body: { n: 2 }, headers: { ETag: '"b"' } });
    const first = await api.get('/x');
    assert.equal(await api.get('/x'), first);
    assert.equal(asked[0].headers['If-None-Match'], undefined);
    assert.equal(asked[1].headers['If-None-Match'], '"a"');
    assert.deepEqual(await api.get('/x'), { n: 2 });
    assert.equal(asked[0].cache, 'no-store');
});

test('answers without an ETag are not remembered', async () => {
    const { asked, api } = network({ body: 1 }, { body: 2 });
    await api.get('/x');
    assert.equal(await api.get('/x'), 2);
    assert.equal(asked[1].headers['If-None-Match'], undefined);
});

test('problem+json becomes a Problem', async () => {
    const { api } = network({ status: 422, body: { type: 'urn:tally:problem:unknown-metric', title: 'Unknown metric', detail: 'no metric foo', errors: [{ pointer: '/metric' }] } });
    await assert.rejects(api.get('/x'), error => error instanceof Problem && error.status === 422 && error.code === 'unknown-metric'
        && error.message === 'no metric foo' && error.errors.length === 1 && !error.isTemporary);
});

test('an error without problem+json is told by its status', async () => {
    const { api } = network({ status: 502, headers: { 'Retry-After': '3' } });
    await assert.rejects(api.get('/x'), error => error.status === 502 && error.isTemporary && error.retryAfterMs === 3000 && error.message.includes('502'));
});

test('no answer at all is status 0', async () => {
    const { api } = network(new TypeError('fetch failed'));
    await assert.rejects(api.get('/x'), error => error.status === 0 && error.isTemporary);
});

test('a load that was given up is not a problem of the server', async () => {
    const aborted = new Error('aborted');
    aborted.name = 'AbortError';
    const { api } = network(aborted);
    await assert.rejects(api.get('/x'), error => error.name === 'AbortError');
});

test('login sends the token in the body and forgets what was remembered', async () => {
    const { asked, api } = network({ body: 1, headers: { ETag: '"a"' } }, { status: 204 }, { body: 2 });
    await api.get('/x');
    await api.login('secret');
    await api.get('/x');
    assert.deepEqual([asked[1].method, asked[1].url, asked[1].body], ['POST', '/api/v1/login', '{"token":"secret"}']);
    assert.equal(asked[2].headers['If-None-Match'], undefined);
});

test('addresses leave out what is empty and escape the rest', () => {
    assert.equal(path('/a'), '/a');
    assert.equal(path('/a', { project: 'a b&c', cursor: '', stage: null, n: 0, columns: 'val/f1.macro@last,config.lr' }), '/a?project=a%20b%26c&n=0&columns=val/f1.macro%40last,config.lr');
    assert.equal(runPath('r.1', '/epochs'), '/api/v1/runs/r.1/epochs');
});

test('writing carries the token that is kept in memory, once there is one', async () => {
    const { asked, api } = network({ status: 401, body: { type: 'urn:tally:problem:unauthorized', title: 'token' } }, { body: { id: 'r' } }, { status: 204 });
    await assert.rejects(api.write('PATCH', '/r', { name: 'n' }), error => error instanceof Problem && error.status === 401);
    assert.equal(asked[0].headers.Authorization, undefined);
    api.useToken('tally_1');
    assert.deepEqual(await api.write('PATCH', '/r', { name: 'n' }), { id: 'r' });
    assert.deepEqual([asked[1].method, asked[1].headers.Authorization, asked[1].body], ['PATCH', 'Bearer tally_1', '{"name":"n"}']);
    assert.equal(await api.write('DELETE', '/r'), null);
    assert.deepEqual([asked[2].body, asked[2].headers['Content-Type']], [undefined, undefined]);
});
