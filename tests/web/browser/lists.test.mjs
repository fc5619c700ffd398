// Projects, the runs table, and everything that may be odd about them.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import test, { after, before } from 'node:test';
import { golden, openPage, records, startBrowser, startServer, textOf } from './harness.mjs';

let server;
let browser;
before(async () => {
    server = await startServer();
    browser = await startBrowser();
});
after(async () => {
    await browser?.close();
    await server?.stop();
});

test('an empty server shows the command that fills it, and the command works', async () => {
    const page = await openPage(browser, server);
    await page.visit('');
    await page.waitForSelector('.empty .command');
    const command = await page.locator('.command pre').innerText();
    execFileSync('sh', ['-c', command + ' -sS --fail'], { stdio: ['ignore', 'ignore', 'pipe'] });
    await page.waitForSelector('.project', { timeout: 6000 });
    assert.equal(await textOf(page.locator('.project')), 'default 1 run');
    await page.locator('.project').click();
    await page.waitForSelector('.runs table');
    assert.equal(new URL(page.url()).search, '?project=default');
    await page.locator('tbody a').click();
    await page.waitForSelector('#accumulated');
    assert.equal(new URL(page.url()).search, '?run=catdog');
    await page.done();
});

test('the table shows what the API answers', async () => {
    await server.post('table-val', records(golden('catdog_unshuffled'), 'val'), '?project=table');
    await server.post('table-val', { stage: 'train', epoch: 0, step: 0, confusion: [[1, 1], [1, 1]] });
    await server.post('table-train', { stage: 'train', epoch: 4, step: 0, correct: 3, total: 4, sums: { loss: [1, 4] } }, '?project=table');
    await server.call('PUT', '/api/v1/runs/table-none', { project: 'table' });
    await server.call('PATCH', '/api/v1/runs/table-val', { status: 'finished' });
    const page = await openPage(browser, server);
    await page.visit('?project=table');
    await page.waitForSelector('.runs table');
    const rows = Object.fromEntries(await page.$$eval('.runs tbody tr', all => all.map(row => [
        row.cells[1].innerText.trim(), [...row.cells].slice(2).map(c => c.innerText.replaceAll('\u00a0', ' ').trim())])));
    const epoch = (await server.get('/api/v1/runs/table-val/epochs?stage=val&metric=accuracy,accuracy.macro,loss')).epochs[0];
    const percent = v => `${(v * 100).toFixed(1)} %`;
    assert.deepEqual(rows['table-val'].slice(0, 7), ['finished', 'val', '0', '384', percent(epoch.metrics.accuracy.value),
        percent(epoch.metrics['accuracy.macro'].value), String(Number(epoch.metrics.loss.value.toPrecision(4)))]);
    assert.deepEqual(rows['table-train'].slice(0, 7), ['running', 'train', '4', '4', '75.0 %', '\u2013', '0.25']);
    assert.deepEqual(rows['table-none'].slice(0, 7), ['running', ...Array(6).fill('\u2013')]);
    assert.equal(await textOf(page.locator('.title-row')), 'table 3 runs');
    await page.done();
});

test('headers sort, by the server, and the order is in the address', async () => {
    const page = await openPage(browser, server);
    await page.visit('?project=table');
    await page.waitForSelector('.runs table');
    const names = () => page.$$eval('.runs tbody th a', all => all.map(a => a.textContent));
    await page.locator('thead a', { hasText: 'Name' }).click();
    await page.waitForFunction(() => document.querySelectorAll('thead th')[1].getAttribute('aria-sort') === 'ascending');
    assert.equal(new URL(page.url()).searchParams.get('sort'), 'name');
    await page.locator('thead a', { hasText: /^Accuracy/ }).click();
    await page.waitForFunction(() => document.querySelectorAll('thead th')[6].getAttribute('aria-sort') === 'descending');
    await page.waitForFunction(() => document.querySelector('.runs tbody th a').textContent === 'table-val');
    assert.equal(new URL(page.url()).searchParams.get('sort'), '-val/accuracy@last');
    assert.equal((await names())[0], 'table-val');
    await page.done();
});

test('names from strangers are text', async () => {
    const name = '<img src=x onerror="window.broken=1">';
    await server.call('PUT', '/api/v1/runs/stranger', {
        project: 'strangers', name, tags: ['<script>window.broken=1</script>'], notes: '<svg onload="window.broken=1">',
        config: { '<i>key</i>': '<img src=x onerror="window.broken=1">', rtl: '\u202eevil', emoji: '\u{1f408}' }
    });
    await server.post('stranger', { stage: 'test', epoch: 0, step: 0, confusion: [[1, 0], [0, 1]] });
    const page = await openPage(browser, server);
    await page.visit('?project=strangers');
    await page.waitForSelector('.runs table');
    assert.equal(await textOf(page.locator('tbody th a')), name);
    await page.locator('tbody th a').click();
    await page.waitForSelector('#accumulated');
    assert.equal(await textOf(page.locator('h1')), name);
    assert.equal(await page.title(), name + ' \u00b7 Tally');
    assert.equal(await page.evaluate(() => document.querySelectorAll('main img, main b > b, main script, main i').length), 0);
    assert.equal(await page.evaluate(() => window.broken), undefined);
    assert.match(await textOf(page.locator('.about')), /<svg onload="window\.broken=1">.*<i>key<\/i> <img src=x/s);
    await page.done();
});

test('a project without runs says how to begin', async () => {
    const page = await openPage(browser, server);
    await page.visit('?project=nobody');
    await page.waitForSelector('.empty .command');
    assert.match(await textOf(page.locator('.command pre')), /batches\?project=nobody' \\/);
    await page.done();
});

test('a long table is asked for in parts as it is scrolled, and few rows are in the document', async () => {
    for (let i = 0; i < 1105; i++)
        await server.call('PUT', `/api/v1/runs/long-${String(i).padStart(4, '0')}`, { project: 'long' });
    const page = await openPage(browser, server);
    await page.visit('?project=long&sort=id');
    await page.waitForSelector('table');
    assert.equal(await textOf(page.locator('.title-row')), 'long 1,105 runs');
    for (let i = 0; i < 3; i++) {
        await page.evaluate(() => { const box = document.querySelector('.table-tall'); box.scrollTop = box.scrollHeight; });
        await page.waitForTimeout(400);
    }
    await page.waitForFunction(() => [...document.querySelectorAll('tbody th a')].at(-1)?.textContent === 'long-1104');
    assert.ok(await page.locator('tbody tr').count() < 60);
    await page.evaluate(() => { document.querySelector('.table-tall').scrollTop = 0; });
    await page.waitForFunction(() => document.querySelector('tbody th a').textContent === 'long-0000');
    await page.done();
});

test('the filter is the server\u2019s, in the address, and says what it does not understand', async () => {
    for (const [id, lr, tags] of [['f-a', 0.1, ['base']], ['f-b', 0.01, ['base', 'wide']], ['f-c', 0.001, []]])
        await server.call('PUT', `/api/v1/runs/${id}`, { project: 'filter', config: { lr }, tags });
    const page = await openPage(browser, server);
    await page.visit('?project=filter&sort=id');
    await page.waitForSelector('table');
    const ids = () => page.$$eval('tbody th a', all => all.map(a => a.textContent));
    await page.fill('input[name=q]', 'lr>0.005 tag:base');
    await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 2);
    assert.deepEqual(await ids(), ['f-a', 'f-b']);
    assert.equal(new URL(page.url()).searchParams.get('q'), 'lr>0.005 tag:base');
    await page.fill('input[name=q]', 'status=nonsense');
    await page.waitForSelector('.filter .error');
    assert.equal(await page.locator('input[name=q]').getAttribute('aria-invalid'), 'true');
    await page.fill('input[name=q]', 'lr>5');
    await page.waitForSelector('.empty-list');
    await page.locator('.empty-list a').click();
    await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 3);
    assert.equal(await page.locator('input[name=q]').inputValue(), '');
    await page.done(/422/);
});

test('columns are chosen, moved and removed, and two keys sort', async () => {
    await server.post('f-a', { stage: 'val', epoch: 0, step: 0, correct: 3, total: 4, sums: { loss: [2, 4] } });
    await server.post('f-a', { stage: 'val', epoch: 1, step: 1, correct: 2, total: 4, sums: { loss: [1, 4] } });
    const page = await openPage(browser, server);
    await page.visit('?project=filter&sort=id');
    await page.waitForSelector('table');
    await page.locator('.columns summary').click();
    for (const column of ['config.lr', 'val/accuracy@best']) {
        await page.fill('input[name=column]', column);
        await page.keyboard.press('Enter');
        await page.waitForFunction(c => location.search.includes(encodeURIComponent(c)), column);
    }
    const heads = () => page.$$eval('thead th', all => all.map(h => h.textContent.replace(/[\u2191\u2193]\d?/, '').trim()));
    assert.deepEqual((await heads()).slice(-3), ['lr', 'val accuracy@best', 'Updated']);
    await page.getByLabel('Remove val/epoch@last').click();
    await page.getByLabel('Move config.lr to the left').click();
    await page.waitForFunction(() => new URL(location.href).searchParams.get('columns').endsWith('config.lr,val/loss@last,val/accuracy@best'));
    await page.waitForFunction(() => [...document.querySelectorAll('tbody tr')].some(r => [...r.querySelectorAll('data')].at(-1).value === '0.75'));
    await page.keyboard.press('Escape');
    await page.locator('.columns summary').click();
    await page.locator('thead a', { hasText: /^lr/ }).click();
    await page.waitForFunction(() => document.querySelector('tbody th a').textContent === 'f-a');
    await page.locator('thead a', { hasText: /^Name/ }).click({ modifiers: ['Shift'] });
    await page.waitForFunction(() => location.search.includes('sort=-config.lr%2Cname'));
    assert.match(await textOf(page.locator('thead')), /lr ?\u21931/);
    await page.done();
});

test('a column has any metric with each reducer, and at an epoch, as the server says', async () => {
    await server.post('reduced', [5, 9, 2, 7].map((correct, epoch) => ({
        stage: 'val', epoch, step: epoch, confusion: [[correct, 10 - correct], [3, 7]], sums: { loss: [10 - correct, 4] }
    })), '?project=reduced');
    const columns = ['last', 'best', 'min', 'max', '2'].flatMap(reducer => [`val/f1.macro@${reducer}`, `val/loss@${reducer}`]);
    const page = await openPage(browser, server);
    await page.visit(`?project=reduced&columns=${columns.join()}`);
    await page.waitForSelector('.runs tbody data');
    const { epochs } = await server.get('/api/v1/runs/reduced/epochs?stage=val&metric=f1.macro,loss&mean_of_steps=false');
    const [f1, loss] = ['f1.macro', 'loss'].map(m => epochs.map(e => e.metrics[m].value));
    const expected = { last: [f1[3], loss[3]], best: [Math.max(...f1), Math.min(...loss)], min: [Math.min(...f1), Math.min(...loss)], max: [Math.max(...f1), Math.max(...loss)], 2: [f1[2], loss[2]] };
    assert.deepEqual(await page.$$eval('.runs tbody data', all => all.map(d => Number(d.value))), ['last', 'best', 'min', 'max', '2'].flatMap(r => expected[r]));
    await page.waitForFunction(text => document.querySelector('.runs tbody data').textContent.replace('\u00a0', ' ') === text, `${(f1[3] * 100).toFixed(1)} %`);
    assert.equal(await page.locator('.runs tbody data').nth(1).innerText(), '0.75', 'a loss is no percentage');
    await page.done();
});

test('curves, the config keys that differ and pinned columns stand in the table', async () => {
    for (const [i, lr] of [0.1, 0.2, 0.2].entries()) {
        await server.call('PUT', `/api/v1/runs/extra-${i}`, { project: 'extra', config: { lr, depth: 18 } });
        await server.post(`extra-${i}`, [0, 1, 2].map(epoch => ({ stage: 'val', epoch, step: 0, correct: epoch + i, total: 8 })));
    }
    const page = await openPage(browser, server);
    await page.visit('?project=extra&sort=name');
    await page.waitForSelector('.runs tbody tr');
    await page.getByLabel('Curves').check();
    await page.waitForSelector('.spark polyline');
    assert.deepEqual(await page.$$eval('.spark polyline', all => all.map(l => l.getAttribute('points').split(' ').length)), [3, 3, 3]);
    await page.getByLabel('Differing config').check();
    await page.waitForFunction(() => [...document.querySelectorAll('.runs thead th')].some(h => h.textContent === 'lr'));
    await page.waitForFunction(() => document.querySelector('.runs tbody tr').textContent.includes('0.1'));
    assert.equal(await page.locator('.runs thead th', { hasText: 'depth' }).count(), 0);
    await page.visit('?project=extra&columns=val/accuracy@best,config.depth');
    await page.waitForSelector('.runs tbody tr');
    await page.locator('.columns summary').click();
    await page.getByLabel('Pin config.depth').click();
    await page.waitForFunction(() => document.querySelectorAll('.runs thead th')[2].textContent === 'depth');
    assert.equal(new URL(page.url()).searchParams.get('pin'), 'config.depth');
    assert.equal(await page.locator('.runs tbody td.pinned').first().evaluate(e => getComputedStyle(e).position), 'sticky');
    await page.done();
});

test('garbage in the address falls back to what is there', async () => {
    const page = await openPage(browser, server);
    await page.visit('?run=../../etc/passwd&project=&stage=%3Cb%3E&sort=,,&q=&more=no');
    await page.waitForSelector('.projects');
    await page.visit('?run=table-val&stage=gone&metric=nonsense.macro');
    await page.waitForSelector('#accumulated');
    assert.equal(await page.locator('select[name=stage]').inputValue(), 'val');
    assert.equal(await textOf(page.locator('figcaption h2').first()), 'Accuracy, macro');
    await page.done();
});

test('every view fits 390 pixels, in the light and in the dark', async () => {
    for (const scheme of ['light', 'dark']) {
        const page = await openPage(browser, server, { width: 390, height: 800, scheme });
        for (const [search, ready] of [['', '.projects'], ['?project=table', '.runs'], ['?run=table-val', '#accumulated'], ['?run=table-none', '.command'],
            ['?run=stranger', '#accumulated'], ['?project=nobody', '.command']]) {
            await page.visit(search);
            await page.waitForSelector(ready);
            await page.waitForTimeout(100);
            assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 390, `${search} in ${scheme}`);
        }
        await page.done();
    }
});

test('the server away: a line says so, and the page recovers by itself', async () => {
    const page = await openPage(browser, server);
    await page.visit('?run=table-val');
    await page.waitForSelector('#accumulated');
    await server.halt();
    await page.waitForSelector('.banner', { timeout: 15000 });
    assert.equal(await textOf(page.locator('#accumulated')), '82.8 %', 'the last numbers stay');
    await server.restart();
    await page.waitForFunction(() => document.querySelector('.banner') === null, null, { timeout: 40000 });
    await page.done(/ERR_CONNECTION_REFUSED|Failed to load/);
});
