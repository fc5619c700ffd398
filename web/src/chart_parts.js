// What the charts have in common: labels of the axes, colours, and a drawing of a plot.

import { stairs, svgPicture } from './svg_picture.js';
import { clock, compact, number, span as spanOfTime } from './format.js';

export const DRAG_MIN_PX = 6;
const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200,
    ...[1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].map(days => days * 86400)];
const FRACTIONS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5];
const INTEGERS = [1, 2, 5].flatMap((n, i, all) => Array.from({ length: 16 }, (_, k) => all[i] * 10 ** k)).sort((a, b) => a - b);

// the colours of lines that are numbered: line-0 .. line-7 of the style sheet
export const LINE_COLOURS = ['--series-epoch', '--series-mean', '--line-c', '--mark', '--line-e', '--line-f', '--line-g', '--text-muted'];

// a painting asks for the same few again and again, and each asking makes the browser settle all styles first
let colours = new Map();
addEventListener('themechange', () => { colours = new Map(); });

/** A variable of the style sheet, as it is now.  All are set on the root. */
export function colour(name) {
    if (!colours.has(name))
        colours.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
    return colours.get(name);
}

export const fontOf = (size = 12) => `${size}px ${colour('--font')}`;

function percentLabels(splits) {
    const digits = splits.length > 1 && (splits[1] - splits[0]) * 100 < 0.999 ? (splits[1] - splits[0]) * 100 < 0.0999 ? 2 : 1 : 0;
    return splits.map(v => `${(v * 100).toFixed(digits)}\u00a0%`);
}

// on a logarithmic axis 1, 2 and 5 of each decade, so that they stay apart
function logLabels(splits, log) {
    const isRound = v => [1, 2, 5].some(n => Math.abs(v / 10 ** Math.floor(Math.log10(v * 1.0001)) - n) < 1e-6);
    const all = !log || splits.filter(v => v !== null && isRound(v)).length < 2;
    return splits.map(v => v === null || !all && !isRound(v) ? '' : number(v));
}

const COUNTED = { incrs: INTEGERS, values: (u, splits) => splits.map(compact) };
// how the labels of an x axis are made, and at what distances
const LABELS = {
    step: COUNTED, epoch: COUNTED, samples: COUNTED,
    relative: { incrs: [...FRACTIONS, ...SECONDS], values: (u, splits) => splits.map(spanOfTime) },
    time: { incrs: [...FRACTIONS, ...SECONDS], values: (u, splits) => splits.map(s => clock(s * 1000, splits[splits.length - 1] - splits[0])) }
};

/** The two axes of a plot.  kind: of x (axis.js). */
export function axesOf({ kind, unit, log }) {
    const font = fontOf();
    const axis = extra => ({
        stroke: () => colour('--text-muted'), font, labelFont: font,
        grid: { stroke: () => colour('--chart-grid'), width: 1 },
        ticks: { show: false }, gap: 6, ...extra
    });
    return [
        axis({ ...LABELS[kind], space: kind === 'time' ? 90 : 60, size: 30 }),
        axis({
            space: 36,
            values: (u, splits) => unit === 'percent' ? percentLabels(splits) : logLabels(splits, log),
            size: (u, labels) => labels ? 14 + 7 * Math.max(3, ...labels.map(l => l.length)) : 50
        })
    ];
}

/** Keep a plot as large as its element, and paint it anew when the colours change: returns the end of it. */
export function keepUp(element, plotOf) {
    const repaint = () => plotOf()?.redraw(false, true);
    const observer = new ResizeObserver(() => {
        const plot = plotOf();
        if (plot && element.clientWidth > 0 && (plot.width !== element.clientWidth || plot.height !== element.clientHeight))
            plot.setSize({ width: element.clientWidth, height: element.clientHeight });
    });
    addEventListener('themechange', repaint);
    observer.observe(element);
    return () => {
        observer.disconnect();
        removeEventListener('themechange', repaint);
    };
}

/** What svgPicture() needs to know of the style sheet. */
export function groundColours() {
    const [surface, text, muted, grid] = ['--surface', '--text', '--text-muted', '--chart-grid'].map(colour);
    return { surface, text, muted, grid };
}

/**
 * The plot as SVG text.  lines: [{column, stroke, width, dash, isStairs}], bands: [{upper, lower (columns), fill, isStairs}], columns of plot.data.
 * spanGaps: lines go on over null.  epochs: [{at, text}], marks: [{at, stroke}], at in values of x.  legend: of svgPicture().
 */
export function svgOf(plot, ratio, title, { lines, bands = [], spanGaps = false, epochs = [], marks = [], legend }) {
    const head = 34;
    const box = { left: plot.bbox.left / ratio, top: plot.bbox.top / ratio + head, width: plot.bbox.width / ratio, height: plot.bbox.height / ratio };
    const [xs] = plot.data;
    const x = value => box.left + plot.valToPos(value, 'x');
    const y = value => box.top + plot.valToPos(value, 'y');
    const points = (column, isStairs) => {
        const all = [];
        plot.data[column].forEach((v, i) => {
            if (typeof v === 'number')
                all.push([x(xs[i]), y(v)]);
            else if (v === null && !spanGaps && all.length > 0 && all[all.length - 1] !== null)
                all.push(null);
        });
        return isStairs ? stairs(all) : all;
    };
    const ticks = (axis, at) => (axis._splits ?? []).map((v, i) => ({ at: at(v), text: axis._values?.[i] ?? '' })).filter(t => t.text !== '');
    return svgPicture({
        width: plot.width, height: plot.height + head, title, font: colour('--font'), box,
        colours: groundColours(), legend,
        xTicks: ticks(plot.axes[0], x), yTicks: ticks(plot.axes[1], y),
        epochs: epochs.map(e => ({ ...e, at: x(e.at) })), marks: marks.map(m => ({ ...m, at: x(m.at) })),
        bands: bands.map(b => ({ fill: b.fill, upper: points(b.upper, b.isStairs).filter(Boolean), lower: points(b.lower, b.isStairs).filter(Boolean) })),
        lines: lines.map(l => ({ ...l, points: points(l.column, l.isStairs) }))
    });
}
