// A small chart of the unit square, for curves: drawn as SVG by the view itself, so that it scales with the page.

import { html } from './preact.js';
import { colour, groundColours, LINE_COLOURS } from './chart_parts.js';
import { svgPicture } from './svg_picture.js';
import { percent } from './format.js';

const SIZE = 100;
const TICKS = [0, 0.25, 0.5, 0.75, 1];

const place = ([x, y]) => `${(x * SIZE).toFixed(2)},${((1 - y) * SIZE).toFixed(2)}`;

const SVG_PX = 420;
const DASH = [10, 5]; // of the lines 4 .. 7, as in the style sheet

/** What a SquarePlot shows as a document of its own; lines with a text are in its legend. */
export function squareSvg(title, { xName, yName, lines, bars = [], diagonal }) {
    const box = { left: 64, top: 44, width: SVG_PX, height: SVG_PX };
    const at = ([x, y]) => [box.left + x * SVG_PX, box.top + (1 - y) * SVG_PX];
    const most = bars.reduce((a, b) => Math.max(a, b.share), 0);
    const drawn = lines.map(l => ({ ...l, points: l.points.map(at), stroke: colour(LINE_COLOURS[l.colour]), width: 2.5, dash: l.colour < 4 ? [] : DASH, dots: l.dots && 5 }));
    const legend = drawn.filter(l => l.text).map(({ text, stroke, dash }) => ({ text, stroke, dash }));
    return svgPicture({
        width: box.left + SVG_PX + 24, height: box.top + SVG_PX + 50, title, font: colour('--font'), box, colours: groundColours(),
        xTicks: TICKS.map(t => ({ at: at([t, 0])[0], text: String(t) })), yTicks: TICKS.map(t => ({ at: at([0, t])[1], text: String(t) })), xName, yName, legend,
        cells: bars.map(b => ({ x: at([b.low, 0])[0] + 2, y: at([0, b.share / most / 4])[1], width: Math.max(3, (b.high - b.low) * SVG_PX - 4), height: b.share / most / 4 * SVG_PX, fill: colour('--series-step-band') })),
        lines: [...diagonal ? [{ points: [at([0, 0]), at([1, 1])], stroke: colour('--line-strong'), width: 1.5, dash: [6, 6] }] : [], ...drawn]
    });
}

/**
 * lines: [{points: [[x, y]], colour: 0 .. 7, dots}].  bars: [{low, high, share}] from below, or none.
 * diagonal: the line of chance, or of perfect calibration.  spoken: the chart's name for those who cannot see it.
 */
export function SquarePlot({ xName, yName, lines, bars = [], diagonal, spoken }) {
    const most = bars.reduce((a, b) => Math.max(a, b.share), 0);
    return html`<svg class="square" viewBox="-15 -4 120 122" role="img" aria-label=${spoken}>
        ${TICKS.map(t => html`<g key=${t} class="square-grid">
            <line x1="0" x2=${SIZE} y1=${(1 - t) * SIZE} y2=${(1 - t) * SIZE} /><line y1="0" y2=${SIZE} x1=${t * SIZE} x2=${t * SIZE} />
            <text x="-2" y=${(1 - t) * SIZE + 1.4} text-anchor="end">${t}</text><text x=${t * SIZE} y=${SIZE + 6} text-anchor="middle">${t}</text></g>`)}
        <text class="square-name" x=${SIZE / 2} y=${SIZE + 14} text-anchor="middle">${xName}</text>
        <text class="square-name" transform="translate(-11.500 ${SIZE / 2}) rotate(-90)" text-anchor="middle">${yName}</text>
        ${bars.map(bar => html`<rect key=${bar.low} class="square-bar" x=${bar.low * SIZE + 0.5} width=${Math.max(0.8, (bar.high - bar.low) * SIZE - 1)}
            y=${SIZE - bar.share / most * 25} height=${bar.share / most * 25}><title>${percent(bar.share)} of the samples</title></rect>`)}
        ${diagonal && html`<line class="square-diagonal" x1="0" y1=${SIZE} x2=${SIZE} y2="0" />`}
        ${lines.map((line, i) => html`<g key=${i} class="line-${line.colour}">
            <polyline points=${line.points.map(place).join(' ')} />
            ${line.dots && line.points.map((p, k) => html`<circle key=${k} cx=${p[0] * SIZE} cy=${(1 - p[1]) * SIZE} r="1.300" />`)}</g>`)}
    </svg>`;
}
