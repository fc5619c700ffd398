// A server that wants tokens.

import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { openPage, startBrowser, startServer, textOf } from './harness.mjs';

let server;
let browser;
before(async () => {
    // once a name is allowed, a proxy may stand in front, so loopback needs a token too
    server = await startServer({ options: ['--allow-host', 'tally.example'], scopes: ['read', 'write'] });
    browser = await startBrowser();
});
after(async () => {
    await browser?.close();
    await server?.stop();
});

test('the page asks for a token, signs in, and signs out again', async () => {
    const writer = { Authorization: 'Bearer ' + server.tokens.write };
    await server.call('POST', '/api/v1/runs/r1/batches', { stage: 'test', epoch: 0, step: 0, correct: 3, total: 4 }, writer);
    const reader = server.tokens.read;

    const page = await openPage(browser, server);
    await page.visit('?run=r1');
    await page.waitForSelector('.login input');
    assert.equal(await page.evaluate(() => document.activeElement.name), 'token');
    await page.fill('.login input', 'wrong');
    await page.click('.login button');
    await page.waitForSelector('.login .error');
    assert.equal(await textOf(page.locator('.login .error')), 'The server does not know this token.');

    await page.fill('.login input', reader);
    await page.keyboard.press('Enter');
    await page.waitForSelector('#accumulated');
    assert.equal(await textOf(page.locator('#accumulated')), '75.0 %');
    assert.equal(await page.evaluate(() => document.cookie), '', 'scripts cannot read the cookie');
    assert.ok(!(await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }))).includes(reader), 'the token is kept nowhere');

    await page.reload();
    await page.waitForSelector('#accumulated');
    await page.visit('?project=nobody');
    await page.waitForSelector('.command');
    assert.match(await textOf(page.locator('.command pre')), /-H "Authorization: Bearer \$TALLY_TOKEN"/);

    await page.click('text=Sign out');
    await page.waitForSelector('.login input');
    await page.done(/401|403/);
});
