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
    assert.equal(await textOf(page.locator('.login .error')), 'The server does not know this token: it is mistyped, revoked or expired.');

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

test('a session that ends is said to have ended', async () => {
    const page = await openPage(browser, server);
    await page.visit('');
    await page.waitForSelector('.login input');
    assert.equal(await page.locator('.banner').count(), 0);
    await page.fill('.login input', server.tokens.read);
    await page.keyboard.press('Enter');
    await page.waitForSelector('.projects');
    await page.context().clearCookies(); // as after a restart of the server, or 12 hours
    await page.waitForSelector('.login .banner', { timeout: 10000 });
    assert.match(await textOf(page.locator('.banner')), /^Your session has ended/);
    assert.equal(await page.locator('text=Sign out').count(), 0);
    await page.fill('.login input', server.tokens.read);
    await page.keyboard.press('Enter');
    await page.waitForSelector('.projects');
    await page.done(/401|403/);
});

test('a token that does not reach a page is said to be the reason, and another can be given', async () => {
    const writer = { Authorization: 'Bearer ' + server.tokens.write };
    await server.call('POST', '/api/v1/runs/far/batches', { stage: 'test', epoch: 0, step: 0, correct: 3, total: 4 }, writer);
    const page = await openPage(browser, server);
    await page.visit('');
    await page.fill('.login input', server.tokens.read);
    await page.keyboard.press('Enter');
    await page.waitForSelector('.projects');
    // what the server says to a token that is limited to another project
    let isRefused = true;
    await page.route(/\/runs\/far$/, route => isRefused ? route.fulfill({
        status: 403, contentType: 'application/problem+json',
        body: JSON.stringify({ type: 'urn:tally:problem:forbidden', title: 'The token does not allow this', status: 403, detail: 'this token is limited to the project <i>pets</i>' })
    }) : route.continue());
    await page.visit('?run=far');
    await page.waitForSelector('.login h1');
    assert.match(await textOf(page.locator('.login')), /^Not with this token You are signed in, but with a token that does not reach this page: this token is limited to the project <i>pets<\/i>\./);
    isRefused = false;
    await page.fill('.login input', server.tokens.write);
    await page.keyboard.press('Enter');
    await page.waitForSelector('#accumulated');
    await page.done(/401|403/);
});
