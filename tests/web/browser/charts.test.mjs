// The charts of a run: zoom, axes, windows, cursors, and what can be done with them.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test, { after, before } from 'node:test';
import { golden, openPage, records, startBrowser, startServer, textOf, countPixels } from './harness.mjs';

const STEPS = 3000;
let server;
let browser;
before(async () => {
    server = await startServer();
    browser = await startBrowser();
    await server.post('catdog', records(golden('catdog_unshuffled'), 'test'));
    // three epochs of 1,000 steps, the accuracy rising, the loss falling
    const batches = Array.from({ length: STEPS }, (_, i) => ({
        stage: 'train', epoch: Math.floor(i / 1000), step: i, time: 1700000000000 + i * 1000,
        correct: Math.floor(50 * i / STEPS) + i % 7, total: 64, sums: { loss: [64 * (3 - i / 1100), 64] }
    }));
    await server.post('long', batches);
});
after(async () => {
    await browser?.close();
    await server?.stop();
});

const search = page => Object.fromEntries(new URL(page.url()).searchParams);
const headline = page => page.locator('.chart').first();

async function open(run) {
    const page = await openPage(browser, server);
    await page.visit(`?run=${run}`);
    await page.waitForSelector('.u-over');
    return page;
}

async function drag(page, from, to) {
    const box = await page.locator('.u-over').first().boundingBox();
    await page.mouse.move(box.x + box.width * from, box.y + 60);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * (from + to) / 2, box.y + 70, { steps: 3 });
    await page.mouse.move(box.x + box.width * to, box.y + 80, { steps: 3 });
    await page.mouse.up();
}

test('a drag zooms, the server is asked again, Back undoes it', async () => {
    const page = await open('long');
    assert.match(await textOf(headline(page).locator('.legend')), /steps, 4 at a time/);
    await drag(page, 0.4, 0.5);
    await page.waitForFunction(() => /^step(?!s)/.test(document.querySelector('.legend li').textContent.trim()));
    await page.waitForFunction(() => location.search.includes('from=')); // the address follows the drawing
    const { from, to } = search(page);
    assert.ok(Math.abs(from - 1200) < 20 && Math.abs(to - 1500) < 20, `${from} ${to}`);
    const asked = page.seen.requests.map(r => decodeURIComponent(r.url())).filter(u => u.includes('/steps') && u.includes('from='));
    assert.ok(asked.at(-1).includes(`from=${from}&to=${to}&points=1000`), asked.at(-1));
    const again = await page.locator('.u-over').first().boundingBox();
    await page.mouse.move(again.x + 3, again.y + 60);
    await page.waitForFunction(step => document.querySelector('.position').textContent.includes(step), `step ${Number(from).toLocaleString('en')}`);
    await drag(page, 0.5, 0.75);
    await page.waitForFunction(old => new URL(location.href).searchParams.get('from') !== old, from);
    await page.goBack();
    assert.equal(search(page).from, from);
    await page.goBack();
    assert.equal(search(page).from, undefined);
    await page.waitForFunction(() => document.querySelector('.legend li').textContent.includes('4 at a time'));
    await page.done();
});

test('a zoom asks for the steps before anything is painted, once, and its address is there when it is left at once', async () => {
    const page = await open('long');
    await page.waitForSelector('#mean-of-steps');
    const asked = () => page.seen.requests.filter(r => r.url().includes('/steps') && r.url().includes('from=')).length;
    const before = await page.evaluate(() => {
        const { fetch: ask } = window;
        window.order = [];
        window.fetch = (...a) => { window.order.push('asked'); return ask(...a); };
        const { pushState } = history;
        history.pushState = (...a) => { window.order.push('address'); return pushState.apply(history, a); };
        document.querySelector('.plot').dispatchEvent(new KeyboardEvent('keydown', { key: '+', bubbles: true }));
        return window.order.slice();
    });
    assert.deepEqual(before, ['asked']);
    await page.waitForFunction(() => location.search.includes('from='));
    assert.equal(await page.evaluate(() => window.order.join()), 'asked,address');
    await page.waitForTimeout(300);
    assert.equal(asked(), 1);
    // two zooms at once are two places of the history
    await page.evaluate(() => {
        for (const key of ['0', '+'])
            document.querySelector('.plot').dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
    });
    await page.waitForTimeout(300);
    await page.goBack();
    assert.equal(search(page).from, undefined);
    await page.goBack();
    assert.equal(search(page).from, '750');
    await page.done();
});

test('plus, minus and 0 zoom, a double click shows the whole run, a link reproduces the zoom', async () => {
    const page = await open('long');
    await page.locator('.plot').first().focus();
    await page.keyboard.press('+');
    await page.waitForFunction(() => location.search.includes('from=750'));
    assert.deepEqual(search(page), { run: 'long', from: '750', to: '2249' });
    await page.keyboard.press('-');
    await page.waitForFunction(() => !location.search.includes('from'));
    await page.keyboard.press('+');
    await page.waitForFunction(() => location.search.includes('from'));
    await page.keyboard.press('0');
    await page.waitForFunction(() => !location.search.includes('from'));
    await page.visit('?run=long&from=100&to=300');
    await page.waitForSelector('.u-over');
    await page.locator('.plot').first().focus();
    await page.keyboard.press('ArrowRight');
    assert.match(await textOf(page.locator('.position').first()), /^epoch 0, step 300/);
    await page.locator('.u-over').first().dblclick();
    await page.waitForFunction(() => !location.search.includes('from'));
    await page.done();
});

test('a zoom stands while the run goes on; at the right edge it goes along', async () => {
    const step = i => ({ stage: 'val', epoch: 0, step: i, correct: i % 9, total: 9 });
    await server.post('grows', Array.from({ length: 100 }, (_, i) => step(i)));
    const page = await openPage(browser, server);
    const right = async () => {
        await page.locator('.plot').first().focus();
        await page.keyboard.press('Escape');
        await page.keyboard.press('ArrowRight'); // the last step that is shown
        return textOf(page.locator('.position').first());
    };
    for (const [view, before, after] of [['&from=10&to=20', 'step 20', 'step 20'], ['&from=60', 'step 99', 'step 149']]) {
        await page.visit('?run=grows' + view);
        await page.waitForSelector('.u-over');
        assert.match(await right(), new RegExp(before));
        if (view.includes('to'))
            continue;
        await server.post('grows', Array.from({ length: 50 }, (_, i) => step(100 + i)));
        await page.waitForFunction(() => document.querySelector('.card .muted').textContent.includes('150'), null, { timeout: 5000 });
        assert.match(await right(), new RegExp(after));
        assert.equal(search(page).from, '60');
    }
    await page.done();
});

test('the cursors of all charts move together, and the tooltip says what is under one', async () => {
    const page = await open('long');
    const box = await page.locator('.u-over').first().boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + 50);
    await page.waitForFunction(() => document.querySelectorAll('.position').length === 2);
    const positions = await page.$$eval('.position', all => all.map(p => /step [\d,\u2013]+/.exec(p.textContent)[0]));
    assert.equal(positions[0], positions[1]);
    const tips = await page.$$eval('.tip', all => all.map(t => getComputedStyle(t).display));
    assert.deepEqual(tips, ['block', 'none']);
    assert.match(await textOf(page.locator('.tip').first()), /^epoch 1, step 1,\d+.1,\d+ value \d+\.\d %/);
    await page.mouse.move(5, 5);
    await page.waitForFunction(() => document.querySelectorAll('.position').length === 0);
    await page.done();
});

test('each axis shows its own labels, and the zoom stays the same steps', async () => {
    const page = await open('long');
    for (const [kind, name] of [['epoch', 'epoch'], ['samples', 'samples seen'], ['relative', 'time since the start'], ['time', 'wall time']]) {
        await page.selectOption('select[name=x-axis]', kind);
        await page.waitForFunction(text => document.querySelector('.axis-name').textContent === `x: ${text}`, name);
        await drag(page, 0.4, 0.5);
        await page.waitForFunction(() => location.search.includes('from'));
        const { from, to } = search(page);
        assert.ok(Math.abs(from - 1200) < 25 && Math.abs(to - 1500) < 25, `${kind}: ${from} ${to}`);
        await page.locator('a', { hasText: 'Whole run' }).click();
        await page.waitForFunction(() => !location.search.includes('from'));
    }
    await page.done();
});

test('a window asks the server for the last steps together', async () => {
    const page = await open('long');
    await page.selectOption('select[name=step-values]', '100');
    await page.waitForFunction(() => document.querySelector('.legend li').textContent.includes('over the last 100 steps'));
    const answer = await server.get('/api/v1/runs/long/steps?stage=train&metric=accuracy&points=1000&window=100');
    await page.locator('.plot').first().focus();
    await page.keyboard.press('ArrowRight');
    const shown = await textOf(page.locator('.legend li').first());
    assert.ok(shown.includes(`${(answer.metrics.accuracy.value.at(-1) * 100).toFixed(1)} %`), shown);
    await page.done();
});

test('a logarithmic y axis leaves out what has no logarithm', async () => {
    await server.post('log', Array.from({ length: 20 }, (_, i) => ({ stage: 'train', epoch: 0, step: i, sums: { loss: [i === 3 ? -1 : 10 ** -(i / 4), 1] } })));
    const page = await open('log');
    await page.click('input[name=log]');
    await page.waitForFunction(() => location.search.includes('log=1'));
    await page.waitForTimeout(100);
    assert.ok(await countPixels(page, '--series-step') > 50);
    await page.done();
});

test('the steps of a finding are marked, from the card and from the list', async () => {
    const page = await open('catdog');
    await page.waitForSelector('.findings');
    await page.click('.show-steps');
    await page.waitForFunction(() => document.querySelector('.legend').textContent.includes('steps of the finding'));
    assert.ok(await countPixels(page, '--mark') > 20);
    assert.equal(search(page).show, 'single-class-steps');
    await page.click('text=Hide them');
    await page.waitForFunction(() => !document.querySelector('.legend').textContent.includes('steps of the finding'));
    assert.match(await textOf(page.locator('.findings li').first()), /steps 0\u201311/);
    await page.done();
});

test('a chart is a table, a picture, a CSV and a command too', async () => {
    const page = await open('catdog');
    const menu = headline(page).locator('.more');
    await menu.locator('summary').click();
    await menu.getByText('Show as a table').click();
    const answer = await server.get('/api/v1/runs/catdog/steps?stage=test&metric=accuracy.macro&points=1000');
    assert.deepEqual(await headline(page).locator('td data').evaluateAll(all => all.map(d => Number(d.value))), answer.metrics['accuracy.macro'].value);
    await menu.locator('summary').click();
    await menu.getByText('Show as a chart').click();
    await page.waitForSelector('.chart-large .u-over');

    const fetched = async text => {
        await menu.locator('summary').click();
        const [download] = await Promise.all([page.waitForEvent('download'), menu.getByText(text).click()]);
        return [download.suggestedFilename(), readFileSync(await download.path())];
    };
    const [pngName, png] = await fetched('Picture');
    assert.equal(pngName, 'Accuracy-macro.png');
    assert.equal(png.subarray(1, 4).toString(), 'PNG');
    assert.equal(png.readUInt32BE(16), 2 * await headline(page).locator('.u-wrap').evaluate(e => e.clientWidth), 'twice as wide as the chart, for fine screens');
    const [svgName, svg] = await fetched('SVG');
    assert.equal(svgName, 'Accuracy-macro.svg');
    assert.match(svg.toString(), /^<svg [^]*<title>Accuracy, macro<\/title>[^]*>\d+\u00a0%<\/text>[^]*stroke-dasharray="7 5"[^]*>mean of the steps<\/text>[^]*<\/svg>$/);
    assert.doesNotMatch(svg.toString(), /NaN|undefined/);
    const [csvName, csv] = await fetched('CSV: steps');
    assert.equal(csvName, 'Accuracy-macro-steps.csv');
    assert.equal(csv.toString().trim().split(/\r\n/).length, 13);

    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: server.base });
    await menu.locator('summary').click();
    await menu.getByText('Copy as curl: epochs').click();
    await page.waitForFunction(() => !document.querySelector('.more').open || document.querySelector('.more-said').textContent);
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `curl '${server.base}/api/v1/runs/catdog/epochs?stage=test&metric=accuracy.macro'`);
    await page.done();
});

test('the colours can be chosen and are kept', async () => {
    const page = await open('catdog');
    const dark = () => page.evaluate(() => document.documentElement.dataset.theme);
    assert.equal(await dark(), 'light');
    await page.selectOption('select[name=theme]', 'dark');
    assert.equal(await dark(), 'dark');
    assert.ok(await countPixels(page, '--series-epoch') > 50, 'repainted');
    await page.reload();
    await page.waitForSelector('.u-over');
    assert.equal(await dark(), 'dark');
    await page.selectOption('select[name=theme]', 'system');
    assert.equal(await dark(), 'light');
    await page.done();
});

test('a question mark opens the keys', async () => {
    const page = await open('catdog');
    await page.keyboard.press('?');
    await page.waitForSelector('dialog[open]');
    assert.match(await textOf(page.locator('dialog')), /zoom in, zoom out, the whole run/);
    await page.keyboard.press('Escape');
    await page.waitForSelector('dialog[open]', { state: 'detached' });
    await page.done();
});
