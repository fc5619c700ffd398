// Changing a run from the page, with and without tokens.

import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { openPage, startBrowser, startServer, textOf } from './harness.mjs';

let server;
let guarded;
let browser;
before(async () => {
    server = await startServer();
    guarded = await startServer({ options: ['--allow-host', 'tally.example'], scopes: ['read', 'admin'] });
    browser = await startBrowser();
});
after(async () => {
    await browser?.close();
    await server?.stop();
    await guarded?.stop();
});

const RECORD = { stage: 'test', epoch: 0, step: 0, correct: 3, total: 4 };

test('name, tags and notes are changed, and what was not touched stays', async () => {
    await server.post('r1', RECORD);
    await server.call('PATCH', '/api/v1/runs/r1', { tags: ['old'], notes: 'keep' });
    const page = await openPage(browser, server);
    await page.visit('?run=r1');
    await page.waitForSelector('#accumulated');
    await page.getByRole('button', { name: 'Edit' }).click();
    await page.fill('dialog input[name=name]', '<b>Best</b>');
    await page.fill('dialog input[name=tags]', 'old, new ,, new');
    await server.call('PATCH', '/api/v1/runs/r1', { notes: 'by someone else' });
    await page.getByRole('button', { name: 'Save' }).click();
    await page.waitForFunction(() => document.querySelector('h1').textContent === '<b>Best</b>', null, { timeout: 5000 });
    const run = await server.get('/api/v1/runs/r1');
    assert.deepEqual([run.name, run.tags, run.notes], ['<b>Best</b>', ['new', 'old'], 'by someone else']);
    assert.equal(await page.locator('dialog').count(), 1, 'only the help is left');
    await page.done();
});

test('a run is ended, and then there is nothing left to end', async () => {
    await server.post('r2', RECORD);
    const page = await openPage(browser, server);
    await page.visit('?run=r2');
    await page.waitForSelector('#accumulated');
    await page.getByRole('button', { name: 'Finish' }).click();
    await page.selectOption('dialog select[name=status]', 'failed');
    await page.getByRole('button', { name: 'End the run' }).click();
    await page.waitForFunction(() => document.querySelector('.status').textContent === 'failed', null, { timeout: 5000 });
    assert.equal(await page.getByRole('button', { name: 'Finish' }).count(), 0);
    await page.done();
});

test('an archived run leaves the list until archived runs are shown, and comes back', async () => {
    await server.post('r5', RECORD, '?project=attic');
    const page = await openPage(browser, server);
    await page.visit('?run=r5');
    await page.waitForSelector('#accumulated');
    await page.getByRole('button', { name: 'Archive' }).click();
    await page.locator('dialog').getByRole('button', { name: 'Archive' }).click();
    await page.waitForSelector('.tag >> text=archived');
    await page.visit('?project=attic');
    await page.getByRole('link', { name: 'Show archived runs' }).click();
    await page.waitForSelector('.runs tbody tr');
    await page.visit('?run=r5');
    await page.getByRole('button', { name: 'Unarchive' }).click();
    await page.locator('dialog').getByRole('button', { name: 'Unarchive' }).click();
    await page.waitForFunction(() => document.querySelectorAll('.tag').length === 0);
    await page.visit('?project=attic');
    await page.waitForSelector('.runs tbody tr');
    await page.done();
});

test('a run is deleted only after its id was typed; Cancel and Escape leave it', async () => {
    await server.post('r3', RECORD, '?project=doomed');
    const page = await openPage(browser, server);
    await page.visit('?run=r3');
    await page.waitForSelector('#accumulated');
    await page.getByRole('button', { name: 'Delete' }).click();
    const button = page.getByRole('button', { name: 'Delete for good' });
    assert.equal(await button.isDisabled(), true);
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => document.querySelectorAll('dialog').length === 1);
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.fill('dialog input[name=confirm]', 'r3');
    await button.click();
    await page.waitForFunction(() => location.search === '?project=doomed');
    assert.equal(await server.status('/api/v1/runs/r3'), 404);
    await page.done(/404/);
});

async function selected(project, ids, where = server, sign = null) {
    const page = await openPage(browser, where);
    await page.visit(`?project=${project}&sort=id`);
    if (sign) {
        await page.fill('.login input', sign);
        await page.keyboard.press('Enter');
    }
    for (const id of ids)
        await page.getByLabel(`Select ${id}`, { exact: true }).check();
    return page;
}

test('several runs are renamed, tagged and noted at once, each from what it is', async () => {
    for (const [i, tags] of [['old'], ['old', 'keep'], []].entries()) {
        await server.post(`bulk-${i}`, RECORD, '?project=bulk');
        await server.call('PATCH', `/api/v1/runs/bulk-${i}`, { tags, notes: i === 0 ? 'before' : null });
    }
    const page = await selected('bulk', ['bulk-0', 'bulk-1']);
    const top = () => page.locator('.runs table').boundingBox().then(box => box.y);
    const before = await top();
    await page.getByLabel('Select bulk-1').uncheck();
    await page.getByLabel('Select bulk-0').uncheck();
    await page.waitForSelector('.selected', { state: 'detached' });
    assert.equal(await top(), before, 'the table stays where it is');
    await page.getByLabel('Select bulk-0').check();
    await page.getByLabel('Select bulk-1').check();

    await page.getByRole('group', { name: 'The selected runs' }).getByRole('button', { name: 'Edit' }).click();
    assert.equal(await page.getByRole('button', { name: 'Save' }).isDisabled(), true);
    await page.fill('dialog input[name=name]', '<b>sweep</b> {n}: {id}');
    assert.match(await textOf(page.locator('dialog form')), /The first becomes: <b>sweep<\/b> 1: bulk-0/);
    await page.fill('dialog input[name=add-tags]', 'new, keep');
    await page.fill('dialog input[name=remove-tags]', 'old');
    await page.fill('dialog textarea', 'after');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.waitForFunction(() => [...document.querySelectorAll('tbody th a')].some(a => a.textContent === '<b>sweep</b> 2: bulk-1'));
    const runs = await Promise.all([0, 1, 2].map(i => server.get(`/api/v1/runs/bulk-${i}`)));
    assert.deepEqual(runs.map(r => [r.name, r.tags, r.notes]), [['<b>sweep</b> 1: bulk-0', ['keep', 'new'], 'before\nafter'], ['<b>sweep</b> 2: bulk-1', ['keep', 'new'], 'after'], [null, [], null]]);
    await page.done();
});

test('several runs are ended, archived and brought back, and deleted after their number was typed', async () => {
    for (let i = 0; i < 3; i++)
        await server.post(`many-${i}`, RECORD, '?project=many');
    const page = await selected('many', ['many-0', 'many-1']);
    const bar = page.getByRole('group', { name: 'The selected runs' });
    const status = () => Promise.all([0, 1, 2].map(i => server.get(`/api/v1/runs/many-${i}`).then(r => r.status)));
    await bar.getByRole('button', { name: 'Finish' }).click();
    await page.selectOption('dialog select[name=status]', 'killed');
    await page.getByRole('button', { name: 'End them' }).click();
    await page.waitForFunction(() => document.querySelectorAll('.status-killed').length === 2);
    assert.deepEqual(await status(), ['killed', 'killed', 'running']);

    await bar.getByRole('button', { name: 'Archive', exact: true }).click();
    await page.locator('dialog').getByRole('button', { name: 'Archive' }).click();
    await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 1);
    await page.getByLabel('Archived too').check();
    await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 3);
    await bar.getByRole('button', { name: 'Unarchive' }).click();
    await page.locator('dialog').getByRole('button', { name: 'Unarchive' }).click();
    await page.waitForFunction(() => document.querySelectorAll('tbody .tag').length === 0);

    await bar.getByRole('button', { name: 'Delete' }).click();
    const button = page.getByRole('button', { name: 'Delete for good' });
    assert.deepEqual(await page.locator('.doomed li').allInnerTexts(), ['many-0', 'many-1']);
    await page.fill('dialog input[name=confirm]', '3');
    assert.equal(await button.isDisabled(), true);
    await page.fill('dialog input[name=confirm]', '2');
    await server.call('DELETE', '/api/v1/runs/many-0'); // someone else was first
    await button.click();
    await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 1);
    assert.equal(await page.locator('.selected').count(), 0);
    assert.deepEqual(await Promise.all([0, 1, 2].map(i => server.status(`/api/v1/runs/many-${i}`))), [404, 404, 200]);
    await page.done(/404/);
});

test('a change of several runs asks for a token once, and goes on where it stopped', async () => {
    const admin = { Authorization: 'Bearer ' + guarded.tokens.admin };
    for (const id of ['t-0', 't-1'])
        await guarded.call('POST', `/api/v1/runs/${id}/batches?project=tokens`, RECORD, admin);
    const page = await selected('tokens', ['t-0', 't-1'], guarded, guarded.tokens.read);
    await page.locator('.selected').getByRole('button', { name: 'Finish' }).click();
    const end = page.getByRole('button', { name: 'End them' });
    await end.click();
    const token = page.locator('dialog input[name=write-token]');
    await token.waitFor();
    assert.equal(await end.isDisabled(), true, 'until a token is there');
    assert.equal(await page.locator('dialog .error').count(), 0, 'nothing was wrong yet');
    await token.fill('tally_' + '0'.repeat(64));
    await end.click();
    await page.waitForSelector('dialog .error');
    assert.equal(await textOf(page.locator('dialog .error')), 'The server does not know this token: it is mistyped, revoked or expired.');
    await token.fill(guarded.tokens.read);
    await end.click();
    await page.waitForFunction(() => document.querySelector('dialog .error').textContent.includes('does not allow'));
    assert.equal(await textOf(page.locator('dialog .error')), 'The token that was given does not allow this: this needs a token with scope write; this one has read.');
    await token.fill(guarded.tokens.admin);
    await end.click();
    await page.waitForFunction(() => document.querySelectorAll('.status-finished').length === 2);
    // the token is forgotten with the session
    await page.click('text=Sign out');
    await page.fill('.login input', guarded.tokens.read);
    await page.keyboard.press('Enter');
    await page.locator('.selected').getByRole('button', { name: 'Archive' }).click();
    await page.locator('dialog').getByRole('button', { name: 'Archive' }).click();
    await token.waitFor();
    await page.done(/401|403/);
});

test('where the server wants a token it is asked for, kept in memory, and asked for no more', async () => {
    const admin = { Authorization: 'Bearer ' + guarded.tokens.admin };
    await guarded.call('POST', '/api/v1/runs/g1/batches', RECORD, admin);
    const page = await openPage(browser, guarded);
    await page.visit('?run=g1');
    await page.fill('.login input', guarded.tokens.read);
    await page.keyboard.press('Enter');
    await page.waitForSelector('#accumulated');
    const rename = async name => {
        await page.getByRole('button', { name: 'Edit' }).click();
        await page.fill('dialog input[name=name]', name);
        await page.getByRole('button', { name: 'Save' }).click();
    };
    await rename('first');
    await page.fill('dialog input[name=write-token]', guarded.tokens.admin);
    await page.getByRole('button', { name: 'Save' }).click();
    await page.waitForFunction(() => document.querySelector('h1').textContent === 'first', null, { timeout: 5000 });
    await rename('second');
    await page.waitForFunction(() => document.querySelector('h1').textContent === 'second', null, { timeout: 5000 });
    const stored = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
    assert.ok(!stored.includes(guarded.tokens.admin), 'the token is kept in memory only');
    assert.match(await textOf(page.locator('h1')), /second/);
    await page.done(/401|403/);
});
