import assert from 'node:assert/strict';
import test from 'node:test';
import { namesWidth, shortName, stairs, svgPicture } from '../../../web/src/svg_picture.js';

const CHART = {
    width: 100, height: 80, title: 'a <b> & "c"', font: '"A", sans', colours: { surface: '#fff', text: '#000', muted: '#888', grid: '#eee' },
    box: { left: 20, top: 30, width: 70, height: 40 }, xTicks: [{ at: 20, text: '0' }], yTicks: [{ at: 50, text: '50\u00a0%' }],
    bands: [{ upper: [[20, 30], [90, 30]], lower: [[20, 40], [90, 40]], fill: 'rgb(1 2 3 / 0.5)' }],
    lines: [{ points: [[20, 30], null, [30, 40.123], [40, 50]], stroke: '#123456', width: 2, dash: [7, 5] }]
};

test('a drawing holds the title as text, its lines with their gaps, its bands with their opacity', () => {
    const svg = svgPicture(CHART);
    assert.ok(svg.includes('<title>a &#60;b&#62; &#38; &#34;c&#34;</title>'));
    assert.ok(svg.includes('d="M20 30M30 40.12L40 50"'), svg);
    assert.ok(svg.includes('stroke="#123456" stroke-width="2" stroke-dasharray="7 5"'));
    assert.ok(svg.includes('fill="rgb(1,2,3)" fill-opacity="0.5" d="M20 30L90 30L90 40L20 40Z"'));
    assert.doesNotMatch(svg, /NaN|undefined/);
});

test('cells, dots, names of the axes and a legend are drawn where they are given', () => {
    const svg = svgPicture({
        ...CHART, bands: undefined, xName: 'x & y', yName: 'up', cells: [{ x: 1, y: 2, width: 3.456, height: 4, fill: 'rgb(1,2,3)' }],
        lines: [{ points: [[20, 30], null, [40, 50]], stroke: '#123456', width: 2, dots: 3 }], legend: [{ text: '<cat>', stroke: '#123456', dash: [] }, { text: 'dog', stroke: '#654321', dash: [2, 1] }]
    });
    assert.ok(svg.includes('<rect x="1" y="2" width="3.46" height="4" fill="rgb(1,2,3)"/>'));
    assert.equal(svg.match(/<circle /g).length, 2);
    assert.ok(svg.includes('>x &#38; y</text>') && svg.includes('rotate(-90)"><text'));
    assert.ok(svg.includes('>&#60;cat&#62;</text>') && svg.includes('stroke="#654321" stroke-width="3" stroke-dasharray="2 1" d="M20 -4h26"'), svg);
    assert.ok(svg.includes('height="130"'), 'a row of the legend for each entry that finds no room beside the others');
    assert.doesNotMatch(svg, /NaN|undefined/);
    assert.doesNotMatch(svgPicture(CHART), /<rect x="1"|<circle|rotate|h26/);
});

test('names stand upright where they must, cells hold text, pixels are an image, and marks stand at the foot', () => {
    const svg = svgPicture({
        ...CHART, isTurned: true, cells: [{ x: 10, y: 20, width: 30, height: 40, fill: '#123456', text: '<1>' }], image: { href: 'data:image/png;base64,AA"', x: 1, y: 2, width: 3, height: 4 },
        epochs: [{ at: 20, text: 'epoch 0' }, { at: 40, text: '' }], marks: [{ at: 33, stroke: '#b0137f' }], legend: [{ text: 'band', fill: 'rgb(1 2 3 / 0.5)' }]
    });
    assert.ok(svg.includes('<g transform="translate(24 78) rotate(-90)"><text x="0" y="0" text-anchor="end">0</text>'), svg);
    assert.ok(svg.includes('<text x="25" y="44" text-anchor="middle">&#60;1&#62;</text>'));
    assert.ok(svg.includes('<image href="data:image/png;base64,AA&#34;" x="1" y="2" width="3" height="4"'));
    assert.equal(svg.match(/epoch 0/g).length, 1);
    assert.ok(svg.includes('d="M33 70v-10"') && svg.includes('<rect x="20" y="-9" width="26" height="10" fill="rgb(1,2,3)"'), svg);
    assert.doesNotMatch(svg, /NaN|undefined/);
});

test('a long name is cut, and the room of names is that of the longest', () => {
    assert.equal(shortName('x'.repeat(40)), 'x'.repeat(25) + '\u2026');
    assert.equal(shortName('cat'), 'cat');
    assert.ok(namesWidth(['cat', 'horse']) > namesWidth(['cat']) && namesWidth(['x'.repeat(400)]) === namesWidth(['x'.repeat(26)]));
});

test('stairs hold a value until the next, and keep gaps', () => {
    assert.deepEqual(stairs([[0, 1], [2, 3], null, [5, 6]]), [[0, 1], [2, 1], [2, 3], null, [5, 6]]);
});
