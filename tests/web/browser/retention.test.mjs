// A run whose old epochs were thinned: every view works, and what is gone is said.

import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { openPage, startBrowser, startServer, textOf, valueOf } from './harness.mjs';

let server;
let browser;
before(async () => {
    server = await startServer({ options: ['--keep-steps', '1s'] });
    browser = await startBrowser();
    const batches = [];
    for (let epoch = 0; epoch < 3; epoch++)
        for (let step = 0; step < 200; step++)
            for (let rank = 0; rank < 2; rank++)
                batches.push({ stage: 'train', epoch, step, rank, confusion: [[step % 7, 1], [rank, step % 5]], sums: { loss: [step, 10] } });
    await server.post('old', batches);
    await server.post('old', { stage: 'train', epoch: 3, step: 0, confusion: [[1, 0], [1, 1]], sums: { loss: [1, 2] } });
    await server.post('young', { stage: 'train', epoch: 0, step: 0, confusion: [[1, 0], [1, 1]] });
    for (let thinned = 0, tries = 0; thinned < 3 && tries < 100; tries++) {
        await new Promise(resolve => setTimeout(resolve, 100));
        thinned = (await server.get('/api/v1/runs/old/epochs?metric=accuracy')).epochs.filter(e => e.thinned).length;
    }
});
after(async () => {
    await browser?.close();
    await server?.stop();
});

test('the chart says that old steps are known in sums only, and the values of the epochs are there', async () => {
    const page = await openPage(browser, server);
    await page.visit('?run=old&metric=accuracy.macro');
    await page.waitForSelector('#accumulated');
    assert.match((await textOf(page.locator('.headline h2 + .muted').first())).replaceAll('\u00a0', ' '), /^The batches of 3 epochs are no longer kept: steps 64 at a time, epochs exact$/);
    const { epochs } = await server.get('/api/v1/runs/old/epochs?metric=accuracy.macro');
    const shown = await page.$$eval('section table', tables => [...tables[0].tBodies[0].rows].map(row => [...row.querySelectorAll('data')].map(d => Number(d.value))));
    assert.deepEqual(shown.map(values => values[0]), epochs.map(e => e.metrics['accuracy.macro'].value).reverse());
    assert.deepEqual(shown.map(values => values[1]), epochs.map(e => e.metrics['accuracy.macro'].mean_of_steps).reverse());
    await page.done();
});

test('a comparison says so too, by steps; by epochs there is nothing to say', async () => {
    const page = await openPage(browser, server);
    const notes = () => page.$$eval('.compare-chart figcaption .muted', all => all.map(e => e.textContent.replaceAll('\u00a0', ' ')).filter(t => t.includes('no longer kept')));
    await page.visit('?compare=old,young');
    await page.waitForSelector('.compare-chart canvas');
    assert.deepEqual(await notes(), ['The batches of 3 epochs are no longer kept: steps 64 at a time, epochs exact']);
    await page.visit('?compare=old,young&x=epoch');
    await page.waitForSelector('.compare-chart .axis-name:has-text("x: epoch")');
    assert.deepEqual(await notes(), []);
    await page.done();
});

test('every view of a thinned run works, that of one rank too', async () => {
    const page = await openPage(browser, server);
    for (const view of ['', '&view=classes', '&view=confusion&norm=change', '&x=samples', '&x=epoch', '&rank=1', '&window=100', '&metric=f1.none', '&metric=specificity.macro']) {
        await page.visit(`?run=old${view}`);
        await page.waitForSelector('.plot canvas, .view-head');
        await page.waitForFunction(() => !document.querySelector('[role=alert]'));
    }
    await page.visit('?run=old&metric=specificity.macro');
    await page.waitForSelector('#accumulated');
    assert.ok(await valueOf(page, 'accumulated') > 0);
    await page.done();
});
