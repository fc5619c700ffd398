// The only module that draws with uPlot: one chart of one metric.
//
// createChart(element, options) -> {update(data), moveCursor(delta), leave(), zoomAt(factor), picture(title), destroy()}
// options: {unit, bounds, kind, log, onRead, onZoom, onReset}.  kind: of the axis (axis.js).
// onRead(read, left) is told what stands under the cursor (series.js readAt) and where, in px; null when it leaves.
// onZoom(low, high) asks for a zoom to positions, onScale(factor, centre) for one around a position or null.
// data is chartData() of series.js.  The zoom belongs to the address: the chart only shows data.view.
//
// The cursors of all charts of a page move together.  Colours come from the style sheet's variables when
// something is painted, so that a change between light and dark needs a redraw only.  The chart fills its element,
// whose size the style sheet sets.

import { clock, compact, number, span as spanOfTime } from './format.js';
import { readAt, xRange, yRange } from './series.js';

const { uPlot } = globalThis;

// the order they are painted in: bands below lines, the epoch on top
const COLUMNS = ['min', 'max', 'low', 'high', 'step', 'mean', 'epoch'];
const EPOCH_MARKS_MAX = 80;
const DRAG_MIN_PX = 6;
const SYNC = 'tally';
const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200,
    ...[1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].map(days => days * 86400)];
const FRACTIONS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5];
const INTEGERS = [1, 2, 5].flatMap((n, i, all) => Array.from({ length: 16 }, (_, k) => all[i] * 10 ** k)).sort((a, b) => a - b);

function colour(element, name) {
    return getComputedStyle(element).getPropertyValue(name).trim();
}

function percentLabels(splits) {
    const digits = splits.length > 1 && (splits[1] - splits[0]) * 100 < 0.999 ? (splits[1] - splits[0]) * 100 < 0.0999 ? 2 : 1 : 0;
    return splits.map(v => `${(v * 100).toFixed(digits)}\u00a0%`);
}

// how the labels of an axis are made, and at what distances
const LABELS = {
    step: { incrs: INTEGERS, values: (u, splits) => splits.map(compact) },
    epoch: { incrs: INTEGERS, values: (u, splits) => splits.map(compact) },
    relative: { incrs: [...FRACTIONS, ...SECONDS], values: (u, splits) => splits.map(spanOfTime) },
    time: { incrs: [...FRACTIONS, ...SECONDS], values: (u, splits) => splits.map(s => clock(s * 1000, splits[splits.length - 1] - splits[0])) }
};

// on a logarithmic axis 1, 2 and 5 of each decade, so that they stay apart
function logLabels(splits, log) {
    const isRound = v => [1, 2, 5].some(n => Math.abs(v / 10 ** Math.floor(Math.log10(v * 1.0001)) - n) < 1e-6);
    const all = !log || splits.filter(v => v !== null && isRound(v)).length < 2;
    return splits.map(v => v === null || !all && !isRound(v) ? '' : number(v));
}

export function createChart(element, { unit, bounds, kind = 'step', log = false, onRead, onZoom, onScale, onReset }) {
    const css = name => colour(element, name);
    const font = `12px ${getComputedStyle(element).fontFamily}`;
    const invisible = { stroke: 'transparent', points: { show: false } };
    const stepped = uPlot.paths.stepped({ align: 1 });
    let data = null;
    let plot = null;

    function columnsOf(next) {
        return [next.shown, ...COLUMNS.map(name => next.columns[name])];
    }

    // faint lines where epochs begin, numbered above the plot while there is room
    function drawEpochs(u) {
        const { spans } = data;
        if (spans.length < 2 || spans.length > EPOCH_MARKS_MAX)
            return;
        const { ctx, bbox } = u;
        const ratio = uPlot.pxRatio;
        ctx.save();
        ctx.strokeStyle = css('--chart-epoch-mark');
        ctx.fillStyle = css('--text-muted');
        ctx.font = `${11 * ratio}px ${getComputedStyle(element).fontFamily}`;
        ctx.textAlign = 'left';
        ctx.textBaseline = 'bottom';
        ctx.lineWidth = ratio;
        let free = -Infinity; // where the last label ended
        for (const span of spans) {
            const left = Math.round(u.valToPos(data.axis.forward(span.start), 'x', true)) + ratio / 2;
            if (left < bbox.left - 1 || left > bbox.left + bbox.width)
                continue;
            if (span !== spans[0]) {
                ctx.beginPath();
                ctx.moveTo(left, bbox.top);
                ctx.lineTo(left, bbox.top + bbox.height);
                ctx.stroke();
            }
            const label = free === -Infinity ? `epoch ${span.epoch}` : String(span.epoch);
            const width = ctx.measureText(label).width;
            if (left > free + 10 * ratio && left + width < bbox.left + bbox.width) {
                ctx.fillText(label, left, bbox.top - 3 * ratio);
                free = left + width;
            }
        }
        ctx.restore();
    }

    // a short stroke from below at each marked step
    function drawMarks(u) {
        const { ctx, bbox } = u;
        ctx.save();
        ctx.strokeStyle = css('--mark');
        ctx.lineWidth = 2 * uPlot.pxRatio;
        for (const mark of data.marks) {
            const left = Math.round(u.valToPos(data.axis.forward(mark), 'x', true));
            if (left < bbox.left || left > bbox.left + bbox.width)
                continue;
            ctx.beginPath();
            ctx.moveTo(left, bbox.top + bbox.height);
            ctx.lineTo(left, bbox.top + bbox.height - 10 * uPlot.pxRatio);
            ctx.stroke();
        }
        ctx.restore();
    }

    const positionAt = left => data.axis.inverse(plot.posToVal(left, 'x'));

    function select(u) {
        const { left, width } = u.select;
        if (width < DRAG_MIN_PX)
            return;
        u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        onZoom(positionAt(left), positionAt(left + width));
    }

    function axis(extra) {
        return {
            stroke: () => css('--text-muted'), font, labelFont: font,
            grid: { stroke: () => css('--chart-grid'), width: 1 },
            ticks: { show: false }, gap: 6, ...extra
        };
    }

    function build() {
        const options = {
            width: element.clientWidth, height: element.clientHeight,
            padding: [20, 12, 0, 0], // above: the numbers of the epochs
            legend: { show: false },
            scales: {
                x: { time: false, range: () => xRange(data) ?? [0, 1] },
                y: { distr: log ? 3 : 1, range: () => yRange(data, bounds) ?? (log ? [0.1, 1] : [0, 1]) }
            },
            axes: [
                axis({ ...LABELS[kind], space: kind === 'time' ? 90 : 60, size: 30 }),
                axis({
                    space: 36,
                    values: (u, splits) => unit === 'percent' ? percentLabels(splits) : logLabels(splits, log),
                    size: (u, labels) => labels ? 14 + 7 * Math.max(3, ...labels.map(l => l.length)) : 50
                })
            ],
            series: [{}, invisible, invisible,
                { ...invisible, paths: stepped }, { ...invisible, paths: stepped },
                { stroke: () => css('--series-step'), width: 1.25, points: { size: 4, fill: () => css('--series-step') } },
                { stroke: () => css('--series-mean'), width: 2, dash: [7, 5], paths: stepped, points: { show: false } },
                { stroke: () => css('--series-epoch'), width: 3, paths: stepped, points: { show: false } }],
            bands: [{ series: [2, 1], fill: () => css('--series-step-band') }, { series: [4, 3], fill: () => css('--series-epoch-band') }],
            cursor: {
                drag: { x: true, y: false, setScale: false, dist: DRAG_MIN_PX }, y: false, points: { show: false },
                bind: { dblclick: () => () => { onReset(); return null; } },
                // only where the cursor is: a drag belongs to its own chart
                sync: { key: SYNC, scales: ['x', null], setSeries: false, filters: { pub: type => type === 'mousemove' || type === 'mouseleave' } }
            },
            hooks: {
                drawAxes: [drawEpochs],
                draw: [drawMarks],
                setSelect: [select],
                setCursor: [u => u.cursor.left >= 0
                    ? onRead(readAt(data, data.axis.inverse(u.posToVal(u.cursor.left, 'x'))), u.cursor.left + u.over.offsetLeft)
                    : onRead(null, 0)]
            }
        };
        plot = new uPlot(options, columnsOf(data), element);
    }

    const repaint = () => plot?.redraw(false, true);
    addEventListener('themechange', repaint);
    const observer = new ResizeObserver(() => {
        if (plot && element.clientWidth > 0 && (plot.width !== element.clientWidth || plot.height !== element.clientHeight))
            plot.setSize({ width: element.clientWidth, height: element.clientHeight });
    });
    observer.observe(element);

    return {
        update(next) {
            data = next;
            if (plot)
                plot.setData(columnsOf(next));
            else
                build();
        },
        /** Move the cursor by entries of the steps answer, from the keyboard. */
        moveCursor(delta) {
            const { x } = data.steps;
            if (x.length === 0)
                return;
            const now = plot.cursor.left >= 0 ? readAt(data, positionAt(plot.cursor.left)) : null;
            const i = now ? Math.min(x.length - 1, Math.max(0, x.indexOf(now.x) + delta)) : x.length - 1;
            plot.setCursor({ left: plot.valToPos(data.axis.forward(x[i]), 'x'), top: 0 }, true, true);
        },
        /** Zoom around the cursor, or the middle; factor 2 shows twice as much. */
        zoomAt(factor) {
            onScale(factor, plot.cursor.left >= 0 ? positionAt(plot.cursor.left) : null);
        },
        /** What is painted, on a ground and under a title: a canvas. */
        picture(title) {
            const { canvas } = plot.ctx;
            const ratio = uPlot.pxRatio;
            const head = 34 * ratio;
            const out = document.createElement('canvas');
            out.width = canvas.width;
            out.height = canvas.height + head;
            const ctx = out.getContext('2d');
            ctx.fillStyle = css('--surface');
            ctx.fillRect(0, 0, out.width, out.height);
            ctx.fillStyle = css('--text');
            ctx.font = `600 ${15 * ratio}px ${getComputedStyle(element).fontFamily}`;
            ctx.fillText(title, 14 * ratio, 22 * ratio, out.width - 28 * ratio);
            ctx.drawImage(canvas, 0, head);
            return out;
        },
        leave() {
            plot?.setCursor({ left: -10, top: -10 }, true, true);
        },
        destroy() {
            observer.disconnect();
            removeEventListener('themechange', repaint);
            plot?.destroy();
        }
    };
}
