// What an open page does by itself, in every view: it asks little, rests when nobody looks, and never moves what was chosen.  And what every
// view has: a command behind it.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import test, { after, before } from 'node:test';
import { openPage, startBrowser, startServer, textOf } from './harness.mjs';

let server;
let browser;
const step = (epoch, i, more) => ({
    stage: 'val', epoch, step: i, confusion: [[5 + i % 4, 2], [1, 6]], sums: { loss: [4 + i % 3, 8] },
    scores: { thresholds: 3, pos: [[1, 2, 3], [0, 1, 2]], neg: [[4, 2, 1], [3, 2, 1]] }, calibration: { bins: 2, count: [1, 8, 0], confidence: [0.25, 6, 0], correct: [0, 6, 0] }, ...more
});
before(async () => {
    server = await startServer();
    browser = await startBrowser();
    for (const id of ['one', 'two']) {
        await server.call('PUT', `/api/v1/runs/${id}`, { project: 'live', config: { lr: id === 'one' ? 0.1 : 0.2 } });
        await server.post(id, [0, 1, 2].flatMap(epoch => [0, 1].map(i => step(epoch, 2 * epoch + i))));
    }
    const cells = Array.from({ length: 40 }, (_, i) => [i, (i * i) % 40, 3]);
    await server.post('wide', { stage: 'val', epoch: 0, step: 0, num_classes: 40, cells }, '?project=live');
});
after(async () => {
    await browser?.close();
    await server?.stop();
});

const VIEWS = {
    projects: ['', '.projects'], runs: ['?project=live', '.runs td'], curves_of_runs: ['?project=live&spark=1&differ=1&columns=val/loss@min', '.spark svg'], charts: ['?run=one', '.u-over'],
    classes: ['?run=one&view=classes', '.classes td'], map: ['?run=one&view=classes&map=recall', '.class-map canvas'], confusion: ['?run=one&view=confusion&norm=change', '.confusion td'],
    large: ['?run=wide&view=confusion', '.confusion-picture canvas'], curves: ['?run=one&view=curves', '.square'], compare: ['?compare=one,two', '.compare-chart .u-over'],
    groups: ['?compare=one,two&x=epoch&group=lr', '.grouped td']
};

test('no view asks more than once a second while nothing changes, and it is told so in 304', async () => {
    const page = await openPage(browser, server);
    for (const [name, [search, ready]] of Object.entries(VIEWS)) {
        await page.visit(search);
        await page.waitForSelector(ready);
        await page.waitForTimeout(1200);
        const from = page.seen.requests.length;
        await page.waitForTimeout(2500);
        const idle = page.seen.requests.slice(from);
        assert.ok(idle.length <= 3, `${name}: ${idle.map(r => r.url())}`);
        for (const request of idle)
            assert.equal((await request.response())?.status(), 304, `${name}: ${request.url()}`);
    }
    await page.done();
});

test('a hidden page asks nothing, and catches up when it is shown', async () => {
    const page = await openPage(browser, server);
    await page.visit('?run=two');
    await page.waitForSelector('#accumulated');
    const show = isHidden => page.evaluate(value => {
        Object.defineProperty(document, 'hidden', { value, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
    }, isHidden);
    await show(true);
    await page.waitForTimeout(500);
    const from = page.seen.requests.length;
    await server.post('two', step(3, 6));
    await page.waitForTimeout(2500);
    assert.equal(page.seen.requests.length, from);
    await show(false);
    await page.waitForFunction(() => document.querySelector('.card h2').textContent === 'Epoch 3', null, { timeout: 3000 });
    await page.done();
});

test('a chosen epoch, a selection, an open menu and a scrolled table stay while the run goes on', async () => {
    const page = await openPage(browser, server);
    await page.visit('?run=one&view=confusion&epoch=1');
    await page.waitForSelector('.confusion td');
    const before = await page.locator('.confusion table').innerText();
    await page.locator('.view-head .more summary').click();
    await server.post('one', step(3, 6));
    await page.waitForFunction(() => document.querySelector('.epoch-picker input').max === '3', null, { timeout: 5000 });
    assert.equal(await page.locator('.confusion table').innerText(), before);
    assert.equal(await page.locator('.view-head .more').evaluate(e => e.open), true);
    await page.visit('?project=live&sort=id');
    await page.waitForSelector('.runs td');
    await page.getByLabel('Select two').check();
    await server.post('one', step(4, 8));
    await page.waitForFunction(() => [...document.querySelectorAll('.runs tbody tr')].some(r => r.textContent.includes('one') && r.querySelector('data').value === '4'), null, { timeout: 5000 });
    assert.equal(await page.getByLabel('Select two').isChecked(), true);
    await page.done();
});

test('every view has the command behind it, and the command works', async () => {
    const page = await openPage(browser, server);
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: server.base });
    for (const [name, [search, ready]] of Object.entries(VIEWS)) {
        await page.visit(search);
        await page.waitForSelector(ready);
        const menus = await page.locator('.more').all();
        assert.ok(menus.length > 0, name);
        for (const menu of menus) {
            const count = await menu.getByText('Copy as curl').count();
            assert.ok(count > 0, name);
            for (let i = 0; i < count; i++) {
                await menu.locator('summary').click();
                await menu.getByText('Copy as curl').nth(i).click();
                await page.waitForFunction(() => !document.querySelector('.more[open]'));
                const command = await page.evaluate(() => navigator.clipboard.readText());
                assert.ok(command.startsWith(`curl '${server.base}/api/v1/`), command);
                assert.ok(JSON.parse(execFileSync('sh', ['-c', `${command} -sS --fail`])), `${name}: ${command}`);
            }
            const links = await menu.locator('a').evaluateAll(all => all.map(a => a.href));
            for (const link of links) {
                const answer = await fetch(link);
                assert.ok(answer.ok && answer.headers.get('Content-Type').startsWith('text/csv'), link);
            }
        }
    }
    await page.done();
});

test('every chart has a name, a spoken value and a table', async () => {
    const page = await openPage(browser, server);
    for (const name of ['charts', 'map', 'large', 'curves', 'compare']) {
        const [search, ready] = VIEWS[name];
        await page.visit(search);
        await page.waitForSelector(ready);
        await page.waitForTimeout(300);
        const images = page.getByRole('img');
        const count = await images.count();
        assert.ok(count > 0, name);
        for (let i = 0; i < count; i++)
            assert.match((await images.nth(i).getAttribute('aria-label')).replaceAll('\u00a0', ' '), /^\p{L}.*\d/u, name);
        for (const menu of await page.locator('.more').all())
            assert.equal(await menu.getByText('Show as a table').count(), 1, name);
    }
    await page.done();
});

test('who wants no motion gets none', async () => {
    const page = await openPage(browser, server);
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await page.visit('?run=one');
    await page.waitForSelector('.live');
    const moving = () => page.evaluate(() => document.getAnimations().filter(a => a.playState === 'running').length
        + [...document.querySelectorAll('*')].filter(e => getComputedStyle(e).transitionDuration !== '0s').length);
    assert.equal(await moving(), 0);
    await page.emulateMedia({ reducedMotion: 'no-preference' });
    assert.equal(await moving(), 1, 'the dot of a live run');
    await page.done();
});

test('all weighted means are shown on request', async () => {
    await server.post('many-means', { stage: 'train', epoch: 0, step: 0, values: Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`v${i}`, i])) });
    const page = await openPage(browser, server);
    await page.visit('?run=many-means');
    await page.waitForSelector('.charts .u-over');
    assert.equal(await page.locator('.charts .chart').count(), 6);
    await page.getByRole('link', { name: 'Show all 40 series' }).click();
    await page.waitForFunction(() => document.querySelectorAll('.charts .chart .u-over').length === 40);
    assert.match(await textOf(page.locator('.charts .legend').nth(39)), /epoch \d+/);
    await page.done();
});
