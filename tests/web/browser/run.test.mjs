// The page of a run against a real server.

import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { countPixels, golden, openPage, records, startBrowser, startServer, textOf, valueOf } from './harness.mjs';

let server;
let browser;
before(async () => {
    server = await startServer();
    browser = await startBrowser();
    await server.post('catdog', records(golden('catdog_unshuffled'), 'test'), '?project=golden');
    await server.post('shuffled', records(golden('catdog_shuffled'), 'test'), '?project=golden');
    await server.post('ragged', records(golden('mc10_ddp4_ragged'), 'test'), '?project=golden');
});
after(async () => {
    await browser?.close();
    await server?.stop();
});

const epochsOf = (run, stage, metric) => server.get(`/api/v1/runs/${run}/epochs?stage=${stage}&metric=${metric}`);

test('cats and dogs sorted by class: 82.8 % against 41.4 %, with the reason', async () => {
    const page = await openPage(browser, server);
    await page.visit('?run=catdog');
    await page.waitForSelector('#accumulated');
    const answer = (await epochsOf('catdog', 'test', 'accuracy.macro')).epochs[0].metrics['accuracy.macro'];
    assert.equal(answer.value, 0.828125);
    assert.equal(await valueOf(page, 'accumulated'), answer.value);
    assert.equal(await valueOf(page, 'mean-of-steps'), answer.mean_of_steps);
    assert.equal(await textOf(page.locator('#accumulated')), '82.8 %');
    assert.equal(await textOf(page.locator('#mean-of-steps')), '41.4 %');
    assert.equal(await textOf(page.locator('#gap')), '\u221241.4 points');
    await page.waitForSelector('.findings');
    assert.match(await textOf(page.locator('#finding')), /^Averaging the 12 step values gives 41\.4 %.* in each of the 12 steps all samples belong to one class/);
    for (const colour of ['--series-epoch', '--series-mean', '--series-step'])
        assert.ok(await countPixels(page, colour) > 50, `${colour} is drawn`);
    assert.ok(await countPixels(page, '--series-epoch', 1) > 50, 'the loss is drawn');
    await page.done();
});

test('shuffled, the two nearly agree', async () => {
    const page = await openPage(browser, server);
    await page.visit('?run=shuffled');
    await page.waitForSelector('#accumulated');
    const answer = (await epochsOf('shuffled', 'test', 'accuracy.macro')).epochs[0].metrics['accuracy.macro'];
    assert.equal(await valueOf(page, 'mean-of-steps'), answer.mean_of_steps);
    assert.equal(await textOf(page.locator('#gap')), '\u22120.2 points');
    await page.done();
});

test('every epoch of the table is what the API answers', async () => {
    const page = await openPage(browser, server);
    await page.visit('?run=ragged&metric=accuracy');
    await page.waitForSelector('#accumulated');
    const { epochs } = await epochsOf('ragged', 'test', 'accuracy');
    const rows = await page.$$eval('section table', tables => [...tables[0].tBodies[0].rows].map(row => ({
        epoch: Number(row.cells[0].textContent), steps: Number(row.cells[1].textContent), samples: Number(row.cells[2].textContent),
        values: [...row.querySelectorAll('data')].map(d => Number(d.value))
    })));
    assert.deepEqual(rows, epochs.slice().reverse().map(e => ({
        epoch: e.epoch, steps: e.steps, samples: e.samples, values: [e.metrics.accuracy.value, e.metrics.accuracy.mean_of_steps]
    })));
    assert.match(await textOf(page.locator('#finding')), /Averaging the \d+ step values gives .*: batches of different sizes/);
    assert.match(await textOf(page.locator('.findings')), /The last of 2 steps has 18 decisions, all others 64/);
    assert.match(await textOf(page.locator('.figure-accumulated')), /95 %: \d\d\.\d % to \d\d\.\d %/);
    await page.done();
});

test('the menus change the address and the numbers, and Back undoes it', async () => {
    const page = await openPage(browser, server);
    await page.visit('?run=ragged');
    await page.waitForSelector('#accumulated');
    await page.selectOption('select[name=metric]', 'f1');
    await page.waitForFunction(() => document.querySelector('figcaption h2').textContent === 'F1 score, macro');
    assert.equal(new URL(page.url()).search, '?run=ragged&metric=f1.macro');
    const last = (await epochsOf('ragged', 'test', 'f1.macro,f1.weighted')).epochs.at(-1).metrics;
    assert.equal(await valueOf(page, 'accumulated'), last['f1.macro'].value);
    await page.selectOption('select[name=average]', 'weighted');
    await page.waitForFunction(() => document.querySelector('figcaption h2').textContent === 'F1 score, weighted');
    assert.equal(await valueOf(page, 'accumulated'), last['f1.weighted'].value);
    await page.goBack();
    await page.waitForFunction(() => document.querySelector('figcaption h2').textContent === 'F1 score, macro');
    assert.equal(await valueOf(page, 'accumulated'), last['f1.macro'].value);
    await page.reload();
    await page.waitForSelector('#accumulated');
    assert.equal(await valueOf(page, 'accumulated'), last['f1.macro'].value);
    await page.done();
});

test('one more batch changes the number and the chart without a reload', async () => {
    await server.post('live', [{ stage: 'val', epoch: 0, step: 0, confusion: [[9, 1], [4, 6]], sums: { loss: [10, 20] } }]);
    const page = await openPage(browser, server);
    await page.visit('?run=live&metric=accuracy');
    await page.waitForSelector('#accumulated');
    assert.equal(await valueOf(page, 'accumulated'), 0.75);
    const picture = () => page.evaluate(() => document.querySelector('.plot canvas').toDataURL());
    const before = await picture();
    await page.evaluate(() => { window.sameDocument = true; });
    await server.post('live', [{ stage: 'val', epoch: 0, step: 1, confusion: [[10, 0], [0, 10]], sums: { loss: [4, 20] } }]);
    await page.waitForFunction(() => document.querySelector('#accumulated').value === '0.875', null, { timeout: 5000 });
    assert.notEqual(await picture(), before);
    assert.equal(await page.evaluate(() => window.sameDocument), true);
    assert.equal(await textOf(page.locator('.card > .muted')), '2 steps, 40 samples');
    await page.done();
});

test('an idle page asks at most once a second, and is answered 304', async () => {
    const page = await openPage(browser, server);
    await page.visit('?run=live');
    await page.waitForSelector('#accumulated');
    await page.waitForTimeout(500);
    const from = page.seen.requests.length;
    await page.waitForTimeout(3500);
    const idle = page.seen.requests.slice(from);
    assert.ok(idle.length >= 1 && idle.length <= 4, `${idle.length} requests in 3.5 s`);
    for (const request of idle)
        assert.equal((await request.response())?.status(), 304, request.url());
    await page.done();
});

test('a run without batches waits, and turns into the chart by itself', async () => {
    await server.call('PUT', '/api/v1/runs/waiting', { project: 'golden' });
    const page = await openPage(browser, server);
    await page.visit('?run=waiting');
    await page.waitForSelector('.empty .command');
    assert.match(await textOf(page.locator('.command pre')), /^curl http:\/\/127\.0\.0\.1:\d+\/api\/v1\/runs\/waiting\/batches \\ --json '/);
    await server.post('waiting', { stage: 'test', epoch: 0, step: 0, confusion: [[3, 1], [0, 4]] });
    await page.waitForSelector('#accumulated', { timeout: 5000 });
    assert.ok(await countPixels(page, '--series-epoch') > 50);
    assert.equal(await page.locator('.empty').count(), 0);
    await page.done();
});

test('an unknown run says so, and appears once it is logged', async () => {
    const page = await openPage(browser, server);
    await page.visit('?run=not-yet');
    await page.waitForSelector('.empty .command');
    assert.equal(await textOf(page.locator('h1')), 'No run not-yet');
    await server.post('not-yet', { stage: 'test', epoch: 0, step: 0, correct: 3, total: 4 });
    await page.waitForSelector('#accumulated', { timeout: 10000 });
    assert.equal(await valueOf(page, 'accumulated'), 0.75);
    await page.done(/404/);
});

test('what the counts cannot give is disabled, exactly where the server refuses it', async () => {
    const perClass = { tp: [3, 2, 1], fp: [1, 1, 1], fn: [1, 1, 1] };
    const shapes = {
        'm-totals': { correct: 3, total: 4 },
        'm-classes': perClass,
        'm-confusion': { confusion: [[3, 1, 0], [0, 2, 1], [1, 0, 2]] },
        'm-binary': { task: 'binary', confusion: [[3, 1], [1, 3]] },
        'm-binary-totals': { task: 'binary', correct: 3, total: 4 },
        'm-labels': { task: 'multilabel', ...perClass, tn: [5, 6, 7] },
        'm-labels-totals': { task: 'multilabel', correct: 3, total: 4 },
        'm-scores': { scores: { thresholds: 3, pos: [[0, 1, 2], [0, 2, 1], [1, 1, 1]], neg: [[3, 2, 1], [3, 2, 1], [4, 2, 0]] } },
        'm-labels-scores': { task: 'multilabel', scores: { thresholds: 3, pos: [[0, 1, 2], [0, 2, 1]], neg: [[3, 2, 1], [3, 2, 1]] } },
        'm-binary-scores': { task: 'binary', scores: { thresholds: 3, pos: [[0, 1, 3]], neg: [[3, 1, 1]] } },
        'm-many': {
            ...perClass, exact: [3, 9], calibration: { bins: 2, count: [1, 8, 0], confidence: [0.25, 6, 0], correct: [0, 6, 0] },
            regression: { n: 2, mean_target: 1, mean_prediction: 1, m2_target: 2, m2_prediction: 2, c: 1, sum_error: 0, sum_abs_error: 1, sum_squared_error: 2 },
            sums: { nll: [12, 9] }
        }
    };
    const page = await openPage(browser, server);
    for (const [run, counts] of Object.entries(shapes)) {
        await server.post(run, { stage: 'test', epoch: 0, step: 0, ...counts });
        await page.visit('?run=' + run);
        await page.waitForSelector('#accumulated');
        const optionsOf = name => page.$$eval(`select[name=${name}] option`, all => all.map(o => [o.value, o.disabled]));
        const metrics = await optionsOf('metric');
        const averages = await optionsOf('average');
        const catalogue = Object.fromEntries((await server.get('/api/v1/metrics')).metrics.map(m => [m.name, m]));
        for (const [metric, isDisabled] of metrics) {
            // a metric is offered if any of its averages can be had as one line
            const all = catalogue[metric.split('@')[0]].averages;
            const tried = all.length === 0 || counts.task === 'binary' ? [''] : all.filter(a => a !== 'none').map(a => '.' + a);
            const statuses = await Promise.all(tried.map(a => server.status(`/api/v1/runs/${run}/epochs?stage=test&metric=${metric}${a}`)));
            assert.equal(isDisabled, !statuses.includes(200), `${run}: ${metric} gave ${statuses}`);
        }
        const head = (await page.locator('select[name=metric]').inputValue()).split('@')[0];
        for (const [average, isDisabled] of averages.filter(([a]) => a !== 'none')) {
            const chosen = `${head}.${average}`;
            assert.equal(isDisabled, await server.status(`/api/v1/runs/${run}/epochs?stage=test&metric=${chosen}`) !== 200, `${run}: ${chosen}`);
        }
    }
    await page.done();
});

test('weighted means have charts of their own, and what was not finite is said', async () => {
    await server.post('means', Array.from({ length: 4 }, (_, step) => ({
        stage: 'train', epoch: 0, step, sums: { loss: step === 2 ? ['NaN', 32] : [32 / (step + 1), 32] }, values: { lr: 0.1, accuracy: 0.5 }
    })));
    const page = await openPage(browser, server);
    await page.visit('?run=means');
    await page.waitForSelector('.chart');
    assert.deepEqual(await page.$$eval('figcaption h2', all => all.map(h => h.textContent)), ['loss', 'accuracy', 'lr']);
    assert.match(await textOf(page.locator('figcaption').first()), /1 batch NaN or infinite, left out/);
    const loss = (await epochsOf('means', 'train', 'loss')).epochs[0].metrics.loss.value;
    assert.match(await textOf(page.locator('.legend').first()), new RegExp(`epoch ${Number(loss.toPrecision(4))}`));
    assert.ok(await countPixels(page, '--series-epoch', 0) > 50);
    await page.done();
});

test('dark follows the system, and the chart is repainted', async () => {
    const page = await openPage(browser, server, { scheme: 'dark' });
    await page.visit('?run=catdog');
    await page.waitForSelector('#accumulated');
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    assert.match(await background(), /^rgb\((\d|[1-4]\d), /);
    const inDark = await countPixels(page, '--series-epoch');
    assert.ok(inDark > 50);
    await page.emulateMedia({ colorScheme: 'light' });
    await page.waitForTimeout(200);
    assert.match(await background(), /^rgb\(2\d\d, /);
    assert.ok(await countPixels(page, '--series-epoch') > 50, 'repainted in the light colour');
    await page.done();
});

test('the chart keeps to its place when the window changes', async () => {
    const page = await openPage(browser, server);
    await page.visit('?run=catdog');
    await page.waitForSelector('#accumulated');
    for (const width of [700, 390, 1280]) {
        await page.setViewportSize({ width, height: 800 });
        await page.waitForTimeout(200);
        const [plot, canvas, scroll] = await page.evaluate(() => [
            document.querySelector('.plot').clientWidth, document.querySelector('.plot canvas').clientWidth, document.documentElement.scrollWidth]);
        assert.equal(canvas <= plot && canvas > plot * 0.9, true, `${canvas} in ${plot} at ${width}`);
        assert.ok(scroll <= width, `no horizontal scroll at ${width}`);
    }
    assert.ok(await countPixels(page, '--series-epoch') > 50);
    await page.done();
});

test('the keyboard reaches links, menus and the steps of the chart', async () => {
    const page = await openPage(browser, server);
    await page.visit('?run=catdog');
    await page.waitForSelector('#accumulated');
    const reached = [];
    for (let i = 0; i < 19; i++) {
        await page.keyboard.press('Tab');
        reached.push(await page.evaluate(() => {
            const e = document.activeElement;
            return e.matches('.plot') ? 'chart' : e.tagName === 'SELECT' ? e.ariaLabel ?? e.closest('label').querySelector('.field-label').textContent : e.matches('input') ? e.name : e.textContent.trim();
        }));
    }
    assert.deepEqual(reached.slice(0, 18), ['Tally', 'Colours', '?', 'golden', 'Edit', 'Finish', 'Archive', 'Delete', 'Charts', 'Classes', 'Confusion matrix', 'Stage', 'Metric', 'Average', 'X axis', 'Step values', 'log', '\u22ef']);
    assert.equal(reached[18], 'chart');
    await page.locator('.plot').first().focus();
    await page.keyboard.press('ArrowLeft'); // the first key puts the cursor on the last step
    await page.keyboard.press('ArrowLeft');
    await page.waitForSelector('.position');
    assert.equal(await textOf(page.locator('.position').first()), 'epoch 0, step 10, 32 samples');
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => document.querySelector('.position') === null);
    assert.match(await page.locator('.plot').first().getAttribute('aria-label'), /82\.8\u00a0%, mean of its steps 41\.4\u00a0%/);
    await page.done();
});

test('the cursor reads out the step under it', async () => {
    const page = await openPage(browser, server);
    await page.visit('?run=catdog');
    await page.waitForSelector('#accumulated');
    const steps = await server.get('/api/v1/runs/catdog/steps?stage=test&metric=accuracy.macro');
    const box = await page.locator('.u-over').first().boundingBox();
    await page.mouse.move(box.x + box.width * 2.5 / 12, box.y + 50);
    await page.waitForSelector('.position');
    assert.equal(await textOf(page.locator('.position').first()), 'epoch 0, step 2, 32 samples');
    const shown = await textOf(page.locator('.legend').first());
    assert.ok(shown.includes(`step ${(steps.metrics['accuracy.macro'].value[2] * 100).toFixed(1)} %`), shown);
    await page.done();
});

const ODD = {
    'only totals': [[{ stage: 'test', epoch: 0, step: 0, correct: 3, total: 4 }], 0.75],
    'one step': [[{ stage: 'test', epoch: 0, step: 0, confusion: [[3, 1], [0, 4]] }], 0.875],
    'a class without support': [[{ stage: 'test', epoch: 0, step: 0, confusion: [[5, 1, 0], [2, 4, 0], [0, 0, 0]] }], 0.75],
    'all correct': [[0, 1].map(step => ({ stage: 'test', epoch: 0, step, confusion: [[4, 0], [0, 4]] })), 1],
    'empty batches': [[{ stage: 'test', epoch: 0, step: 0, correct: 0, total: 0 }, { stage: 'test', epoch: 0, step: 1, correct: 1, total: 2 }], 0.5],
    'a huge step': [[{ stage: 'test', epoch: 9007199254740000, step: 9007199254740990, correct: 1, total: 4 }], 0.25]
};

test('odd runs are shown like any other', async () => {
    const page = await openPage(browser, server);
    for (const [name, [batches, value]] of Object.entries(ODD)) {
        const run = name.replaceAll(' ', '-');
        await server.post(run, batches.flat());
        for (const view of ['', '&view=classes', '&view=confusion&norm=change', '&x=samples', '&x=epoch']) {
            await page.visit(`?run=${run}${view}`);
            await page.waitForSelector('.plot canvas, .view-head');
            await page.waitForFunction(() => !document.querySelector('[role=alert]'));
            if (view === '')
                assert.equal(await valueOf(page, 'accumulated'), value, name);
        }
    }
    await server.post('all-nan', { stage: 'test', epoch: 0, step: 0, sums: { loss: ['NaN', 4] } });
    await page.visit('?run=all-nan');
    await page.waitForSelector('.plot-empty');
    assert.match(await textOf(page.locator('.plot-empty')), /no value that is finite/);
    await page.done();
});
