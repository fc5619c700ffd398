// The classes, the confusion matrix and the curves of a run, against what the API answers.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test, { after, before } from 'node:test';
import { golden, openPage, slack, startBrowser, startServer, textOf } from './harness.mjs';

const NAMES = ['cat', 'dog', '<b>owl</b>'];
let server;
let browser;
before(async () => {
    server = await startServer();
    browser = await startBrowser();
    await server.call('PUT', '/api/v1/runs/three', { stages: { test: { class_names: NAMES } } });
    const of = (epoch, m) => ({
        stage: 'test', epoch, step: 0, confusion: m,
        scores: { thresholds: 4, pos: [[1, 2, 3, 1], [0, 1, 2, 1], [0, 0, 2, 2]], neg: [[4, 2, 1, 0], [3, 2, 1, 0], [4, 3, 1, 0]] },
        calibration: { bins: 4, count: [0, 4, 6, 10, 0], confidence: [0, 1.5, 3.9, 9, 0], correct: [0, 1, 3, 8, 0] }
    });
    await server.post('three', [of(0, [[5, 5, 0], [3, 7, 0], [1, 2, 0]]), of(1, [[8, 2, 0], [1, 9, 0], [0, 1, 2]])]);
    await server.post('wide', golden('mc100_small').batches.map(b => ({ stage: 'test', epoch: b.epoch, step: b.step, rank: b.rank, samples: b.n, num_classes: 100, cells: b.confmat_sparse })));
    await server.post('binary', { stage: 'test', epoch: 0, step: 0, task: 'binary', confusion: [[3, 1], [1, 5]], scores: { thresholds: 3, pos: [[0, 1, 2]], neg: [[3, 2, 1]] } });
});
after(async () => {
    await browser?.close();
    await server?.stop();
});

async function open(search) {
    const page = await openPage(browser, server);
    await page.visit(search);
    await page.waitForSelector('.view');
    return page;
}

test('the tabs are those that the states allow', async () => {
    const page = await openPage(browser, server);
    await server.post('plain', { stage: 'test', epoch: 0, step: 0, correct: 1, total: 2 });
    for (const [run, tabs] of [['three', ['Charts', 'Classes', 'Confusion matrix', 'Curves']], ['wide', ['Charts', 'Classes', 'Confusion matrix']], ['plain', []]]) {
        await page.visit('?run=' + run);
        await page.waitForSelector('#accumulated');
        assert.deepEqual(await page.$$eval('.tabs a', all => all.map(a => a.textContent)), tabs, run);
    }
    await page.visit('?run=plain&view=confusion');
    await page.waitForSelector('#accumulated');
    await page.done();
});

test('every class with its values, their change, and names as text', async () => {
    const page = await open('?run=three&view=classes');
    const [now, before] = await Promise.all([1, 0].map(e => server.get(`/api/v1/runs/three/classes?stage=test&epoch=${e}`)));
    await page.waitForFunction(() => document.querySelector('.up'));
    const rows = await page.$$eval('.classes tbody tr', all => all.map(r => [...r.querySelectorAll('data')].map(d => d.value === '' ? null : Number(d.value))));
    assert.deepEqual(rows, now.classes.map(c => [c.precision, c.recall, c.f1]));
    assert.deepEqual(await page.$$eval('.classes tbody th b', all => all.map(b => b.textContent)), NAMES);
    const change = now.classes[0].f1 - before.classes[0].f1;
    assert.equal(await textOf(page.locator('.classes tbody tr').first().locator('td').last()), `+${(change * 100).toFixed(1)} points`);
    const { metrics } = (await server.get('/api/v1/runs/three/epochs?stage=test&epoch=1&metric=precision.none,recall.none')).epochs[0];
    const ends = m => m.low.map((low, i) => `[${(low * 100).toFixed(1)}, ${(m.high[i] * 100).toFixed(1)}]`);
    const intervals = await page.$$eval('.classes tbody tr', all => all.map(r => [...r.querySelectorAll('.interval')].map(i => i.textContent)));
    assert.deepEqual(intervals, ends(metrics['precision.none']).map((text, i) => [text, ends(metrics['recall.none'])[i]]), 'those of the server');
    await page.getByRole('button', { name: 'F1', exact: true }).click();
    assert.deepEqual(await page.$$eval('.classes tbody th b', all => all.map(b => b.textContent)), ['dog', '<b>owl</b>', 'cat'].sort((a, b) => {
        const f = n => now.classes[NAMES.indexOf(n)].f1;
        return f(b) - f(a);
    }));
    await page.done();
});

test('the slider chooses the epoch, its last place goes along with the run', async () => {
    const page = await open('?run=three&view=classes');
    await page.getByLabel('Epoch before').click();
    await page.waitForFunction(() => location.search.includes('epoch=0'));
    const answer = await server.get('/api/v1/runs/three/classes?stage=test&epoch=0');
    await page.waitForFunction(value => Number(document.querySelector('.classes data').value) === value, answer.classes[0].precision);
    await page.locator('input[name=epoch]').fill('1');
    await page.waitForFunction(() => !location.search.includes('epoch='));
    await server.post('three', { stage: 'test', epoch: 2, step: 0, confusion: [[9, 1, 0], [0, 9, 1], [0, 0, 5]] });
    await page.waitForFunction(() => document.querySelector('.epoch-picker label').textContent.includes('Epoch 2'), null, { timeout: 5000 });
    await page.done();
});

test('up to 30 classes the matrix is a table, by count, row or column', async () => {
    const page = await open('?run=three&view=confusion&epoch=1');
    const values = () => page.$$eval('.confusion tbody data', all => all.map(d => Number(d.value)));
    for (const norm of ['counts', 'true', 'pred']) {
        await page.selectOption('select[name=show]', norm);
        const query = norm === 'counts' ? '' : `&normalize=${norm}`;
        const { matrix } = await server.get(`/api/v1/runs/three/confusion?stage=test&epoch=1&form=dense${query}`);
        const shown = await values();
        matrix.flat().forEach((value, i) => assert.ok(Math.abs((value ?? 0) - shown[i]) < 1e-12, `${norm} ${i}`));
    }
    assert.match(await textOf(page.locator('.pairs li').first()), /^cat taken for dog 2, 20\.0 % of cat$/);
    assert.deepEqual(await page.$$eval('.confusion tbody th', all => all.map(t => t.textContent)), NAMES);
    await page.done();
});

test('above that it is a picture that reads out the cell under the pointer', async () => {
    const page = await open('?run=wide&view=confusion');
    await page.waitForSelector('.confusion-picture canvas');
    const { cells } = await server.get('/api/v1/runs/wide/confusion?stage=test');
    const [target, predicted, count] = cells.find(([t, p]) => t !== p);
    const box = await page.locator('.confusion-picture canvas').boundingBox();
    await page.mouse.move(box.x + (predicted + 0.5) * box.width / 100, box.y + (target + 0.5) * box.height / 100);
    await page.waitForSelector('.confusion-picture figcaption b');
    assert.match(await textOf(page.locator('.confusion-picture figcaption')), new RegExp(`^${target} predicted as ${predicted}: ${count} of \\d+$`));
    const painted = await page.evaluate(([t, p]) => {
        const canvas = document.querySelector('.confusion-picture canvas');
        const scale = canvas.width / 100;
        const ctx = canvas.getContext('2d');
        const at = (x, y) => [...ctx.getImageData((x + 0.5) * scale, (y + 0.5) * scale, 1, 1).data].join();
        return at(p, t) !== at(99, 0) || at(p, t);
    }, [target, predicted]);
    assert.equal(painted, true);
    const pairs = await page.$$eval('.pairs li', all => all.length);
    assert.equal(pairs, Math.min(12, cells.filter(([t, p]) => t !== p).length));
    await page.done();
});

test('1,000 classes are painted within 50 ms', async () => {
    const cells = [];
    for (let i = 0; i < 1000; i++)
        for (let k = 0; k < 20; k++)
            cells.push([i, (i + k * k) % 1000, 1 + (i * k) % 9]);
    await server.post('thousand', { stage: 'test', epoch: 0, step: 0, num_classes: 1000, cells });
    const page = await openPage(browser, server);
    await page.addInitScript(() => {
        const { ImageData: Image } = window;
        window.ImageData = class extends Image {
            constructor(...a) {
                window.paintBegan = performance.now();
                super(...a);
            }
        };
        const draw = CanvasRenderingContext2D.prototype.drawImage;
        CanvasRenderingContext2D.prototype.drawImage = function (...a) {
            draw.apply(this, a);
            window.paintEnded = performance.now();
        };
    });
    await page.visit('?run=thousand&view=confusion');
    await page.waitForFunction(() => window.paintEnded > window.paintBegan);
    const took = [];
    for (const norm of ['true', 'pred', 'counts', 'true']) { // the least of several: others use this machine too
        took.push(await page.evaluate(() => window.paintEnded - window.paintBegan));
        const began = await page.evaluate(() => window.paintBegan);
        await page.selectOption('select[name=show]', norm);
        await page.waitForFunction(before => window.paintBegan > before && window.paintEnded > window.paintBegan, began);
    }
    const ms = Math.min(...took);
    assert.ok(ms < 50 * slack(), `${ms} ms`);
    await page.done();
});

test('ROC, precision-recall and reliability are drawn from the answers', async () => {
    const page = await open('?run=three&view=curves&epoch=1');
    await page.waitForSelector('.square');
    await page.waitForFunction(() => document.querySelectorAll('.square').length === 3 && document.querySelector('.curve data').value !== '');
    const epoch = (await server.get('/api/v1/runs/three/epochs?stage=test&epoch=1&metric=auroc.none,average_precision.none,ece')).epochs[0].metrics;
    const shown = await page.$$eval('.curve', all => all.map(f => [...f.querySelectorAll('.legend data')].map(d => Number(d.value))));
    assert.deepEqual(shown.slice(0, 2), [epoch['auroc.none'].value, epoch['average_precision.none'].value]);
    assert.equal(shown[2][0], epoch.ece.value);
    const curves = await server.get('/api/v1/runs/three/curves?stage=test&epoch=1');
    const last = await page.locator('.curve').first().locator('polyline').first().getAttribute('points');
    assert.ok(last.startsWith('0.00,100.00 ') && last.endsWith('100.00,0.00'), last);
    assert.equal(await page.locator('.curve').first().locator('polyline').count(), 3);
    await page.selectOption('select[name=class]', '1');
    await page.waitForFunction(() => document.querySelector('.curve').querySelectorAll('polyline').length === 1);
    const menu = page.locator('.curve').first().locator('.more');
    await menu.locator('summary').click();
    await menu.getByText('Show as a table').click();
    assert.equal(await page.locator('.curve').first().locator('tbody tr').count(), curves.thresholds.length);
    await page.done();
});

test('a binary series has one curve and no class to choose', async () => {
    const page = await open('?run=binary&view=curves');
    await page.waitForSelector('.square');
    assert.equal(await page.locator('select[name=class]').count(), 0);
    assert.equal(await page.locator('polyline').count(), 2);
    await page.locator('.tabs a', { hasText: 'Confusion' }).click();
    await page.waitForSelector('.confusion');
    assert.deepEqual(await page.$$eval('.confusion tbody data', all => all.map(d => Number(d.value))), [3, 1, 1, 5]);
    await page.locator('.tabs a', { hasText: 'Classes' }).click();
    await page.waitForSelector('.classes');
    await page.done();
});

test('the map of classes and epochs reads a value and leads to its epoch', async () => {
    const page = await open('?run=three&view=classes&map=recall');
    await page.waitForSelector('.class-map canvas');
    const answer = await server.get('/api/v1/runs/three/epochs?stage=test&metric=recall.none&mean_of_steps=false');
    const box = await page.locator('.class-map canvas').boundingBox();
    await page.mouse.move(box.x + 3, box.y + box.height / 2);
    await page.waitForFunction(() => document.querySelector('.class-map figcaption b'));
    assert.equal(await textOf(page.locator('.class-map figcaption span').first()), `dog, epoch 0: ${(answer.epochs[0].metrics['recall.none'].value[1] * 100).toFixed(1)} %`);
    await page.mouse.click(box.x + 3, box.y + 3);
    await page.waitForFunction(() => location.search.includes('epoch=0') && !location.search.includes('map='));
    await page.done();
});

const save = async (page, menu, text) => {
    await menu.locator('summary').click();
    const [file] = await Promise.all([page.waitForEvent('download'), menu.getByText(text).click()]);
    return [file.suggestedFilename(), readFileSync(await file.path())];
};

const download = async (page, menu, text) => {
    const [name, content] = await save(page, menu, text);
    return [name, content.toString()];
};

// a PNG as what is in it: {width, height, colours: how many}
const pictureOf = (page, png) => page.evaluate(async base64 => {
    const image = new Image();
    image.src = `data:image/png;base64,${base64}`;
    await image.decode();
    const canvas = Object.assign(document.createElement('canvas'), { width: image.width, height: image.height });
    const ctx = canvas.getContext('2d');
    ctx.drawImage(image, 0, 0);
    const { data } = ctx.getImageData(0, 0, image.width, image.height);
    return { width: image.width, height: image.height, colours: new Set(new Uint32Array(data.buffer)).size };
}, png.toString('base64'));

test('the map has a name, a spoken value, keys, a table, a drawing and a CSV', async () => {
    const page = await open('?run=three&view=classes&map=recall');
    await page.waitForSelector('.class-map canvas');
    const { epochs } = await server.get('/api/v1/runs/three/epochs?stage=test&metric=recall.none&mean_of_steps=false');
    const valueAt = (c, e) => `${(epochs[e].metrics['recall.none'].value[c] * 100).toFixed(1)} %`;
    assert.equal(await textOf(page.locator('.class-map h2')), 'Recall of the classes over the epochs');
    assert.match((await page.locator('.class-map canvas').getAttribute('aria-label')).replaceAll('\u00a0', ' '),
        new RegExp(`^Heat map, Recall of the classes over the epochs: 3 classes, ${epochs.length} epochs; epoch ${epochs.at(-1).epoch}: the highest is .* with .* %, the lowest .* %`));
    await page.locator('.class-map canvas').focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    await page.waitForFunction(() => document.querySelector('.class-map figcaption b')?.textContent === 'dog');
    assert.equal(await textOf(page.locator('.class-map figcaption > span')), `dog, epoch ${epochs.at(-1).epoch}: ${valueAt(1, epochs.length - 1)}`);

    const menu = page.locator('.class-map .more');
    const [svgName, svg] = await download(page, menu, 'SVG');
    assert.equal(svgName, 'recall-of-classes-and-epochs.svg');
    assert.match(svg, /<title>Recall of the classes over the epochs: from [^]*&#60;b&#62;owl[^]*<rect x="/);
    assert.doesNotMatch(svg, /NaN|undefined|<b>/);
    const [, csv] = await download(page, menu, 'CSV');
    assert.ok(csv.startsWith('epoch,') && csv.includes(',recall.none[2]\r\n'), csv);
    assert.equal(csv.trim().split(/\r\n/).length, 1 + epochs.length);
    await menu.locator('summary').click();
    await menu.getByText('Show as a table').click();
    await page.waitForSelector('.class-map td');
    assert.deepEqual(await page.$$eval('.class-map tbody tr', all => all.map(r => [...r.querySelectorAll('data')].map(d => Number(d.value)))),
        [0, 1, 2].map(c => epochs.map(e => e.metrics['recall.none'].value[c])));
    await page.done();
});

test('a curve is a drawing with its legend, the classes of an epoch a CSV', async () => {
    const page = await open('?run=three&view=curves&epoch=1');
    await page.waitForFunction(() => document.querySelectorAll('.square').length === 3 && document.querySelector('.curve data').value !== '');
    for (const [i, name, holds] of [[0, 'ROC.svg', '>true positive rate</text>'], [1, 'Precision-recall.svg', '>&#60;b&#62;owl&#60;/b&#62;, average precision '], [2, 'Reliability.svg', '<circle ']]) {
        const [file, svg] = await download(page, page.locator('.curve').nth(i).locator('.more'), 'SVG');
        assert.equal(file, name);
        assert.ok(svg.includes(holds), svg);
        assert.doesNotMatch(svg, /NaN|undefined/);
        const [, png] = await save(page, page.locator('.curve').nth(i).locator('.more'), 'PNG');
        const picture = await pictureOf(page, png);
        assert.ok(picture.width > 900 && picture.height > 900 && picture.colours > 20, JSON.stringify(picture));
        const [, csv] = await download(page, page.locator('.curve').nth(i).locator('.more'), 'CSV');
        const rows = csv.trim().split(/\r\n/);
        assert.equal(rows[0], i < 2 ? 'class,name,positives,negatives,threshold,fpr,tpr,precision,recall' : 'bin,low,high,count,correct,confidence,accuracy');
        assert.equal(rows.length, 1 + (i < 2 ? 3 * 4 : 5), 'all of the classes and thresholds, all bins');
    }
    await page.visit('?run=three&view=classes&epoch=1');
    await page.waitForSelector('.classes td');
    const [, csv] = await download(page, page.locator('.view-head .more'), 'CSV');
    assert.match(csv, /^class,name,support,tp,fp,fn,precision,recall,f1\r\n0,cat,10,8,/);
    await page.done();
});

test('a matrix is a drawing and a picture, with its numbers and names while they have room', async () => {
    const page = await open('?run=three&view=confusion&epoch=1&norm=true');
    await page.waitForSelector('.confusion td');
    const menu = page.locator('.view-head .more');
    const [name, svg] = await download(page, menu, 'SVG');
    assert.equal(name, 'confusion-matrix-of-epoch-1.svg');
    assert.ok(svg.includes('&#60;b&#62;owl&#60;/b&#62;</text>') && svg.includes('>80</text>') && svg.includes('>predicted</text>'), svg);
    assert.doesNotMatch(svg, /NaN|undefined/);
    assert.ok((await pictureOf(page, (await save(page, menu, 'PNG'))[1])).colours > 10);
    await menu.locator('summary').click();
    assert.equal(await menu.getByText('Show as a table').count(), 0, 'it is one');
    await page.done();
});

test('above 30 classes too: a drawing, a picture, a table of its cells, and keys that read them', async () => {
    const page = await open('?run=wide&view=confusion');
    await page.waitForSelector('.confusion-picture canvas');
    const { cells } = await server.get('/api/v1/runs/wide/confusion?stage=test');
    const menu = page.locator('.view-head .more');
    const [, svg] = await download(page, menu, 'SVG');
    assert.equal(svg.match(/<rect x="/g).length - 1, cells.length, 'a shape for each cell, beside the frame of the plot');
    assert.doesNotMatch(svg, /NaN|undefined/);
    assert.ok((await pictureOf(page, (await save(page, menu, 'PNG'))[1])).colours > 10);

    const sum = cells.reduce((all, [, , count]) => all + count, 0);
    const right = cells.reduce((all, [t, p, count]) => all + (t === p ? count : 0), 0);
    assert.match((await page.locator('.confusion-picture canvas').getAttribute('aria-label')).replaceAll('\u00a0', ' '),
        new RegExp(`100 classes: ${(right / sum * 100).toFixed(1)} % of ${sum.toLocaleString('en')} samples lie on the diagonal`));
    await page.locator('.confusion-picture canvas').focus();
    for (const key of ['ArrowRight', 'ArrowRight', 'ArrowDown'])
        await page.keyboard.press(key);
    const at = (t, p) => cells.find(c => c[0] === t && c[1] === p)?.[2] ?? 0;
    assert.match(await textOf(page.locator('.confusion-picture figcaption')), new RegExp(`^1 predicted as 1: ${at(1, 1)} of `));
    await page.keyboard.press('Escape');
    assert.match(await textOf(page.locator('.confusion-picture figcaption')), /^Rows are the true class/);

    await menu.locator('summary').click();
    await menu.getByText('Show as a table').click();
    await page.waitForSelector('.cells-table td');
    const most = cells.map(c => c[2]).sort((a, b) => b - a);
    assert.deepEqual((await page.$$eval('.cells-table data', all => all.map(d => Number(d.value)))).slice(0, 20), most.slice(0, 20));
    assert.match(await textOf(page.locator('.note')), new RegExp(`^${cells.length.toLocaleString('en')} of 10,000 cells`));
    await page.getByRole('button', { name: 'True class' }).click();
    await page.waitForFunction(() => document.querySelector('.cells-table th').getAttribute('aria-sort') === 'ascending');
    assert.equal(await textOf(page.locator('.cells-table tbody td').first()), String(cells[0][0]));
    assert.equal(Number(await page.locator('.cells-table data').first().getAttribute('value')), cells[0][2]);
    await page.done();
});

test('a drawing of very many cells holds them as an image', async () => {
    const cells = [];
    for (let i = 0; i < 300; i++)
        for (let k = 0; k < 20; k++)
            cells.push([i, (i + k * k) % 300, 1 + (i * k) % 9]);
    await server.post('three-hundred', { stage: 'test', epoch: 0, step: 0, num_classes: 300, cells });
    const page = await open('?run=three-hundred&view=confusion');
    await page.waitForSelector('.confusion-picture canvas');
    const menu = page.locator('.view-head .more');
    const [, svg] = await download(page, menu, 'SVG');
    assert.ok(svg.includes('<image href="data:image/png;base64,') && svg.length < 200000, String(svg.length));
    assert.ok((await pictureOf(page, (await save(page, menu, 'PNG'))[1])).colours > 10);
    await page.done();
});

test('the table of the map turns over all epochs, 50 at a time', async () => {
    await server.post('epochs', Array.from({ length: 120 }, (_, epoch) => ({ stage: 'test', epoch, step: 0, confusion: [[epoch + 1, 1], [2, 5]] })));
    const page = await open('?run=epochs&view=classes&map=recall');
    await page.waitForSelector('.class-map canvas');
    await page.locator('.class-map .more summary').click();
    await page.locator('.class-map .more').getByText('Show as a table').click();
    await page.waitForSelector('.class-map-table td');
    const { epochs } = await server.get('/api/v1/runs/epochs/epochs?stage=test&metric=recall.none&mean_of_steps=false');
    const shown = () => page.$$eval('.class-map-table tbody tr', all => [...all[0].querySelectorAll('data')].map(d => Number(d.value)));
    for (const ends of ['70 to 119', '20 to 69', '0 to 49']) {
        await page.waitForFunction(text => document.querySelector('.pager').textContent.includes(text), `epochs ${ends}`);
        const [first, last] = ends.split(' to ').map(Number);
        assert.deepEqual(await shown(), epochs.slice(first, last + 1).map(e => e.metrics['recall.none'].value[0]));
        const earlier = page.getByRole('button', { name: 'Earlier epochs' });
        assert.equal(await earlier.isDisabled(), first === 0);
        if (first > 0)
            await earlier.click();
    }
    await page.getByRole('button', { name: 'Later epochs' }).click();
    await page.waitForFunction(() => document.querySelector('.pager').textContent.includes('epochs 50 to 99'));
    await page.getByRole('button', { name: 'Later epochs' }).click();
    await page.waitForFunction(() => document.querySelector('.pager').textContent.includes('epochs 70 to 119'));
    assert.equal(await page.getByRole('button', { name: 'Later epochs' }).isDisabled(), true);
    await page.done();
});

test('classes, map, matrix and curves fit 390 pixels, as pictures and as tables', async () => {
    const page = await openPage(browser, server, { width: 390, height: 800 });
    const fits = async what => assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 390, what);
    for (const [view, ready] of [['classes', '.classes td'], ['classes&map=f1', '.class-map canvas'], ['confusion', '.confusion td'], ['curves&epoch=1', '.square']]) {
        await page.visit(`?run=three&view=${view}`);
        await page.waitForSelector(ready);
        await page.waitForTimeout(100);
        await fits(view);
        for (const menu of await page.locator('.class-map .more, .curve .more').all()) {
            await menu.locator('summary').click();
            await fits(`${view}, menu`);
            await menu.getByText('Show as a table').click();
            await fits(`${view}, table`);
        }
        if (view === 'classes')
            assert.ok(await page.evaluate(() => document.querySelector('.classes .interval').getBoundingClientRect().top >= document.querySelector('.classes data').getBoundingClientRect().bottom - 4), 'below the value');
    }
    await page.done();
});

test('the matrix shows what changed since the epoch before', async () => {
    const page = await open('?run=three&view=confusion&epoch=1&norm=change');
    await page.waitForFunction(() => document.querySelector('.confusion .caption')?.textContent.includes('Blue is better'));
    await page.waitForFunction(() => document.querySelector('.confusion tbody td').textContent === '+30.0');
    assert.match(await textOf(page.locator('.pairs')), /^Grown most/);
    await page.done();
});

test('many ranks are listed 32 at a time', async () => {
    await server.post('many-ranks', Array.from({ length: 70 }, (_, rank) => ({ stage: 'test', epoch: 0, step: 0, rank, correct: rank, total: 100 })));
    const page = await openPage(browser, server);
    await page.visit('?run=many-ranks');
    await page.locator('.ranks summary').click();
    for (const count of [32, 64, 70]) {
        await page.waitForFunction(n => document.querySelectorAll('.ranks data').length === n, count);
        assert.deepEqual(await page.$$eval('.ranks data', all => all.map(d => Number(d.value))), Array.from({ length: count }, (_, rank) => rank / 100));
        if (count < 70)
            await page.getByRole('button', { name: 'Show more' }).click();
    }
    assert.equal(await page.getByRole('button', { name: 'Show more' }).count(), 0);
    await page.done();
});

test('each rank is listed with its value, and has charts of its own', async () => {
    await server.post('ranks', [0, 1, 2].flatMap(rank => [0, 1].map(step => ({ stage: 'test', epoch: 0, step, rank, correct: rank + 1, total: 4 }))));
    const page = await openPage(browser, server);
    await page.visit('?run=ranks');
    await page.locator('.ranks summary').click();
    await page.waitForSelector('.ranks td a');
    assert.deepEqual(await page.$$eval('.ranks data', all => all.map(d => Number(d.value))), [0.25, 0.5, 0.75]);
    await page.locator('.ranks td a').nth(2).click();
    await page.waitForFunction(() => Number(document.querySelector('#accumulated').value) === 0.75);
    assert.equal(await page.locator('select[name=rank] option').count(), 4);
    await page.selectOption('select[name=rank]', '');
    await page.waitForFunction(() => Number(document.querySelector('#accumulated').value) === 0.5);
    await page.done();
});
