import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import test from 'node:test';
import { postBatch, shellQuote } from '../../../web/src/curl.js';

// what a shell makes of the command: the arguments that curl would get
function words(command) {
    return execFileSync('sh', ['-c', `curl() { printf '%s\\n' "$@"; }\n${command}`], { env: { TALLY_TOKEN: 'tok' } }).toString().trimEnd().split('\n');
}

test('any text is one word of the shell', () => {
    for (const text of ["it's", '$(id)', '`id`', 'a b', '"', '\\', '!', "''"])
        assert.equal(words(`curl ${shellQuote(text)}`)[0], text);
});

test('the command posts one record as JSON', () => {
    const [url, flag, body] = words(postBatch({ origin: 'http://127.0.0.1:7070', run: 'r1', stage: 'val' }));
    assert.equal(url, 'http://127.0.0.1:7070/api/v1/runs/r1/batches');
    assert.equal(flag, '--json');
    assert.deepEqual(JSON.parse(body), { stage: 'val', epoch: 0, step: 0, confusion: [[23, 9], [0, 0]], sums: { loss: [20.5, 32] } });
});

test('a project from a stranger stays a query parameter', () => {
    const [url] = words(postBatch({ origin: 'http://h', project: "x'; rm -rf $HOME & #" }));
    assert.equal(new URL(url).searchParams.get('project'), "x'; rm -rf $HOME & #");
    assert.doesNotMatch(postBatch({ origin: 'http://h', project: 'default' }), /project/);
});

test('where a token is needed it is named, not written', () => {
    assert.deepEqual(words(postBatch({ origin: 'http://h', needsToken: true })).slice(1, 3), ['-H', 'Authorization: Bearer tok']);
});
