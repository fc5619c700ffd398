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

test('stairs hold a value until the next, and keep gaps', () => {
    assert.deepEqual(stairs([[0, 1], [2, 3], null, [5, 6]]), [[0, 1], [2, 1], [2, 3], null, [5, 6]]);
});
