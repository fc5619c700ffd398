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
