import assert from 'node:assert/strict';
import test from 'node:test';
import { stairs, svgPicture } from '../../../web/src/svg_picture.js';

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
    assert.ok(svg.includes('>&#60;cat&#62;</text>') && svg.includes('stroke="#654321" stroke-width="3" stroke-dasharray="2 1" d="M20 62h26"'), svg);
    assert.doesNotMatch(svg, /NaN|undefined/);
    assert.doesNotMatch(svgPicture(CHART), /<rect x="1"|<circle|rotate|h26/);
});

test('stairs hold a value until the next, and keep gaps', () => {
    assert.deepEqual(stairs([[0, 1], [2, 3], null, [5, 6]]), [[0, 1], [2, 1], [2, 3], null, [5, 6]]);
});
