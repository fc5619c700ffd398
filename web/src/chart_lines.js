// Many lines over one x, drawn with uPlot: the chart of a comparison.
//
// createLines(element, {unit, log, kind, onRead, onZoom, onScale, onReset}) -> {update(data), move(steps, lines), zoomAt(factor),
// leave(), svg(title), destroy()}
// data: {x, lines: [{name, values, colour: 0 .. 7, dash, width, alpha}], from, to}: the zoom, '' for an open end.
// onRead({i, line, left}) is told the entry and the line under the cursor; null when it leaves.
//
// The line under the cursor is drawn on a canvas above the plot, so that a sweep across 200 lines paints one of them.

import { axesOf, colour, DRAG_MIN_PX, keepUp, LINE_COLOURS, svgOf } from './chart_parts.js';
import { shortName } from './svg_picture.js';
import { linesRange, nearestLine, valueNear } from './compare_model.js';

const { uPlot } = globalThis;
const POINTS_MAX = 40; // entries of a line that are dots too

export function createLines(element, { unit, log, kind, onRead, onZoom, onScale, onReset }) {
    let palette = []; // read once a painting: asking for a style of 200 lines each costs more than the lines
    const readPalette = () => { palette = LINE_COLOURS.map(colour); };
    const above = document.createElement('canvas');
    let data = null;
    let plot = null;
    let read = null;

    const ends = () => {
        const { x, from, to } = data;
        const [low, high] = [from === '' ? x[0] ?? 0 : from, to === '' ? x[x.length - 1] ?? 1 : to];
        return low < high ? [low, high] : [low - 1, high + 1];
    };
    const signature = ({ x, lines }) => JSON.stringify([x.length > POINTS_MAX, lines.map(l => [l.name, l.colour, l.dash, l.width, l.alpha])]);
    const strokeOf = line => palette[line.colour] + (line.alpha ? Math.round(line.alpha * 255).toString(16).padStart(2, '0') : '');

    // draw the line that is read once more, thicker, and a dot where it is read
    function highlight() {
        const ratio = uPlot.pxRatio;
        const { clientWidth, clientHeight } = plot.over;
        if (above.width !== clientWidth * ratio || above.height !== clientHeight * ratio)
            Object.assign(above, { width: clientWidth * ratio, height: clientHeight * ratio });
        const ctx = above.getContext('2d');
        ctx.clearRect(0, 0, above.width, above.height);
        const line = read && data.lines[read.line];
        if (!line)
            return;
        ctx.strokeStyle = ctx.fillStyle = palette[line.colour];
        ctx.lineWidth = 3.5 * ratio;
        ctx.lineJoin = 'round';
        ctx.beginPath();
        line.values.forEach((v, i) => {
            if (typeof v === 'number' && !(log && v <= 0))
                ctx.lineTo(plot.valToPos(data.x[i], 'x') * ratio, plot.valToPos(v, 'y') * ratio);
        });
        ctx.stroke();
        const v = valueNear(line.values, read.i);
        ctx.beginPath();
        ctx.arc(plot.valToPos(data.x[read.i], 'x') * ratio, plot.valToPos(v, 'y') * ratio, 5 * ratio, 0, 7);
        ctx.fill();
    }

    function tell(next) {
        if (next?.i === read?.i && next?.line === read?.line)
            return;
        read = next;
        highlight();
        onRead(read && { ...read, left: plot.valToPos(data.x[read.i], 'x') + plot.over.offsetLeft });
    }

    function look(u) {
        const { left, top, idx } = u.cursor;
        const line = left < 0 || idx === null ? -1 : nearestLine(data.lines, idx, u.posToVal(top, 'y'));
        tell(line < 0 ? null : { i: idx, line });
    }

    function select(u) {
        const { left, width } = u.select;
        if (width < DRAG_MIN_PX)
            return;
        u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        onZoom(u.posToVal(left, 'x'), u.posToVal(left + width, 'x'));
    }

    function build() {
        readPalette();
        const withPoints = data.x.length <= POINTS_MAX;
        plot = new uPlot({
            width: element.clientWidth, height: element.clientHeight, padding: [12, 12, 0, 0],
            legend: { show: false },
            scales: {
                x: { time: false, range: ends },
                y: { distr: log ? 3 : 1, range: () => linesRange(data.lines, data.x, ...ends(), log) ?? (log ? [0.1, 1] : [0, 1]) }
            },
            axes: axesOf({ kind, unit, log }),
            series: [{}, ...data.lines.map(line => ({
                stroke: () => strokeOf(line), width: line.width, dash: line.dash, spanGaps: true,
                points: { show: withPoints, size: 4 + line.width, fill: () => strokeOf(line) }
            }))],
            cursor: {
                drag: { x: true, y: false, setScale: false, dist: DRAG_MIN_PX }, points: { show: false },
                bind: { dblclick: () => () => { onReset(); return null; } }
            },
            hooks: { drawClear: [readPalette], setSelect: [select], setCursor: [look], draw: [() => plot && highlight()] }
        }, columns(), element);
        above.className = 'chart-above';
        plot.over.append(above);
    }

    const columns = () => [data.x, ...data.lines.map(l => log ? l.values.map(v => v > 0 ? v : null) : l.values)];
    const stop = keepUp(element, () => plot);

    return {
        update(next) {
            const isSame = data !== null && signature(next) === signature(data);
            data = next;
            if (plot && !isSame) {
                plot.destroy();
                plot = null;
            }
            if (read && !(data.lines[read.line] && read.i < data.x.length)) {
                read = null;
                onRead(null);
            }
            plot ? plot.setData(columns()) : build();
        },
        /** From the keyboard: along x, and from line to line in the order of their values there. */
        move(steps, lines) {
            if (data.x.length === 0)
                return;
            const i = Math.min(data.x.length - 1, Math.max(0, (read?.i ?? data.x.length) + steps - (read ? 0 : steps < 0 ? 0 : 1)));
            const there = data.lines.map((l, line) => ({ line, v: valueNear(l.values, i) })).filter(l => l.v !== null).sort((a, b) => a.v - b.v);
            if (there.length === 0)
                return;
            const at = there.findIndex(l => l.line === read?.line);
            tell({ i, line: there[Math.min(there.length - 1, Math.max(0, (at < 0 ? there.length - 1 : at) + lines))].line });
        },
        zoomAt(factor) {
            onScale(factor, read ? data.x[read.i] : null);
        },
        leave() {
            tell(null);
        },
        svg: title => {
            const keys = data.lines.map(l => ({ stroke: palette[l.colour], width: l.width, dash: l.dash, alpha: l.alpha }));
            return svgOf(plot, uPlot.pxRatio, title, {
                spanGaps: true, lines: keys.map((key, i) => ({ ...key, column: i + 1 })),
                legend: data.lines.map((l, i) => ({ ...keys[i], width: 3, text: shortName(l.name) }))
            });
        },
        destroy() {
            stop();
            plot?.destroy();
        }
    };
}
