// What axe-core finds: nothing serious, in any view, light or dark.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test, { after, before } from 'node:test';
import { golden, openPage, records, startBrowser, startServer } from './harness.mjs';

const AXE = readFileSync(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
let server;
let browser;
before(async () => {
    server = await startServer();
    browser = await startBrowser();
    await server.call('PUT', '/api/v1/runs/catdog', { project: 'golden', tags: ['a'], config: { lr: 0.1 }, notes: 'note' });
    await server.post('catdog', records(golden('catdog_unshuffled'), 'test').map(r => ({
        ...r, scores: { thresholds: 3, pos: [[1, 2, 3], [0, 1, 2]], neg: [[4, 2, 1], [3, 2, 1]] },
        calibration: { bins: 2, count: [1, 8, 0], confidence: [0.25, 6, 0], correct: [0, 6, 0] }
    })));
    await server.post('ragged', records(golden('mc10_ddp4_ragged'), 'test'), '?project=golden');
});
after(async () => {
    await browser?.close();
    await server?.stop();
});

const VIEWS = {
    projects: ['', '.projects'], runs: ['?project=golden', '.runs table'], nothing: ['?project=nobody', '.command'], charts: ['?run=catdog', '.findings'],
    classes: ['?run=ragged&view=classes', '.classes'], confusion: ['?run=ragged&view=confusion', '.confusion'], curves: ['?run=catdog&view=curves', '.curve .square'],
    map: ['?run=ragged&view=classes&map=f1', '.class-map canvas'], ranks: ['?run=ragged&rank=1', '.plot canvas'], selected: ['?project=golden&select=ragged&spark=1&differ=1', '.spark svg'],
    compare: ['?compare=catdog,ragged&baseline=ragged', '.compared td'], groups: ['?compare=catdog,ragged&group=lr&x=epoch', '.grouped td']
};

for (const scheme of ['light', 'dark'])
    test(`no view has a serious finding (${scheme})`, async () => {
        const page = await openPage(browser, server, { scheme });
        for (const [name, [search, ready]] of Object.entries(VIEWS)) {
            await page.visit(search);
            await page.waitForSelector(ready);
            await page.evaluate(AXE);
            const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
            assert.deepEqual(violations.filter(v => ['serious', 'critical'].includes(v.impact))
                .map(v => `${v.id}: ${v.nodes.slice(0, 3).map(n => `${n.target} ${n.failureSummary.replace(/\s+/g, ' ')}`).join(' | ')}`), [], name);
        }
        await page.done();
    });

test('dialogs and open menus have none either', async () => {
    const page = await openPage(browser, server);
    await page.visit('?run=catdog');
    await page.waitForSelector('.findings');
    const check = async what => {
        await page.evaluate(AXE);
        const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
        assert.deepEqual(violations.filter(v => ['serious', 'critical'].includes(v.impact)).map(v => `${v.id}: ${v.nodes[0].target} ${v.nodes[0].failureSummary}`), [], what);
    };
    await page.locator('.more summary').first().click();
    await check('menu');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Edit' }).click();
    await check('dialog');
    await page.done();
});

test('the tables behind the pictures have none either, at 390 pixels', async () => {
    const page = await openPage(browser, server, { width: 390, height: 800 });
    for (const name of ['map', 'curves', 'compare']) {
        const [search, ready] = VIEWS[name];
        await page.visit(search);
        await page.waitForSelector(ready);
        const menu = page.locator('figure .more').first();
        await menu.locator('summary').click();
        await menu.getByText('Show as a table').click();
        await page.waitForSelector('figure table');
        await page.evaluate(AXE);
        const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
        assert.deepEqual(violations.filter(v => ['serious', 'critical'].includes(v.impact)).map(v => `${v.id}: ${v.nodes[0].target} ${v.nodes[0].failureSummary}`), [], name);
    }
    await page.done();
});
