// One chart of one metric, drawn with uPlot.
//
// createChart(element, options) -> {update(data), moveCursor(delta), leave(), zoomAt(factor), svg(title, legend), destroy()}
// options: {unit, bounds, kind, log, onRead, onZoom, onReset}.  kind: of the axis (axis.js).
// onRead(read, left) is told what stands under the cursor (series.js readAt) and where, in px; null when it leaves.
// onZoom(low, high) asks for a zoom to positions, onScale(factor, centre) for one around a position or null.
// data is chartData() of series.js.  The zoom belongs to the address: the chart only shows data.view.
//
// The cursors of all charts of a page move together.  Colours come from the style sheet's variables when
// something is painted, so that a change between light and dark needs a redraw only.  The chart fills its element,
// whose size the style sheet sets.

import { axesOf, colour, DRAG_MIN_PX, fontOf, keepUp, svgOf } from './chart_parts.js';
import { bandShapes, readAt, xRange, yRange } from './series.js';

const { uPlot } = globalThis;

// the order they are painted in: bands below lines, the epoch on top
const COLUMNS = ['min', 'max', 'low', 'high', 'step', 'mean', 'epoch'];
const BANDS = [{ upper: 2, lower: 1, variable: '--series-step-band' }, { upper: 4, lower: 3, variable: '--series-epoch-band', isStairs: true }];
const EPOCH_MARKS_MAX = 80;
const SYNC = 'tally';

export function createChart(element, { unit, bounds, kind = 'step', log = false, onRead, onZoom, onScale, onReset }) {
    const hidden = { show: false };
    const stepped = uPlot.paths.stepped({ align: 1 });
    let data = null;
    let plot = null;

    function columnsOf(next) {
        return [next.shown, ...COLUMNS.map(name => next.columns[name])];
    }

    // where epochs begin within what is shown, numbered while there is room: [{at, text, isFirst}]
    function epochMarks(u) {
        const { spans } = data;
        if (spans.length < 2 || spans.length > EPOCH_MARKS_MAX)
            return [];
        const { ctx, bbox } = u;
        const ratio = uPlot.pxRatio;
        ctx.font = fontOf(11 * ratio);
        let free = -Infinity; // where the last label ended
        return spans.flatMap(span => {
            const at = data.axis.forward(span.start);
            const left = u.valToPos(at, 'x', true);
            if (left < bbox.left - 1 || left > bbox.left + bbox.width)
                return [];
            const text = free === -Infinity ? `epoch ${span.epoch}` : String(span.epoch);
            const { width } = ctx.measureText(text);
            const isFree = left > free + 10 * ratio && left + width < bbox.left + bbox.width;
            if (isFree)
                free = left + width;
            return [{ at, text: isFree ? text : '', isFirst: span === spans[0] }];
        });
    }

    // faint lines where epochs begin
    function drawEpochs(u) {
        const { ctx, bbox } = u;
        const ratio = uPlot.pxRatio;
        ctx.save();
        const marks = epochMarks(u);
        ctx.strokeStyle = colour('--chart-epoch-mark');
        ctx.fillStyle = colour('--text-muted');
        ctx.textAlign = 'left';
        ctx.textBaseline = 'bottom';
        ctx.lineWidth = ratio;
        for (const { at, text, isFirst } of marks) {
            const left = Math.round(u.valToPos(at, 'x', true)) + ratio / 2;
            if (!isFirst) {
                ctx.beginPath();
                ctx.moveTo(left, bbox.top);
                ctx.lineTo(left, bbox.top + bbox.height);
                ctx.stroke();
            }
            ctx.fillText(text, left, bbox.top - 3 * ratio);
        }
        ctx.restore();
    }

    // What lies between two columns, as one shape a stretch: uPlot's own bands are clipped along both edges, which costs several times as much
    // as all the lines.
    function drawBands(u) {
        const { ctx, bbox } = u;
        ctx.save();
        ctx.beginPath();
        ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
        ctx.clip();
        for (const { upper, lower, variable, isStairs } of BANDS) {
            ctx.fillStyle = colour(variable);
            ctx.beginPath();
            for (const { above, below } of bandShapes(u.data[0], u.data[upper], u.data[lower], isStairs)) {
                above.forEach(([x, y], i) => ctx[i === 0 ? 'moveTo' : 'lineTo'](u.valToPos(x, 'x', true), u.valToPos(y, 'y', true)));
                below.reverse().forEach(([x, y]) => ctx.lineTo(u.valToPos(x, 'x', true), u.valToPos(y, 'y', true)));
                ctx.closePath();
            }
            ctx.fill();
        }
        ctx.restore();
    }

    // a short stroke from below at each marked step
    function drawMarks(u) {
        const { ctx, bbox } = u;
        ctx.save();
        ctx.strokeStyle = colour('--mark');
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

    function build() {
        const options = {
            width: element.clientWidth, height: element.clientHeight,
            padding: [20, 12, 0, 0], // above: the numbers of the epochs
            legend: { show: false },
            scales: {
                x: { time: false, range: () => xRange(data) ?? [0, 1] },
                y: { distr: log ? 3 : 1, range: () => yRange(data, bounds) ?? (log ? [0.1, 1] : [0, 1]) }
            },
            axes: axesOf({ kind, unit, log }),
            series: [{}, hidden, hidden, hidden, hidden,
                { stroke: () => colour('--series-step'), width: 1.25, points: { size: 4, fill: () => colour('--series-step') } },
                { stroke: () => colour('--series-mean'), width: 2, dash: [7, 5], paths: stepped, points: { show: false } },
                { stroke: () => colour('--series-epoch'), width: 3, paths: stepped, points: { show: false } }],
            cursor: {
                drag: { x: true, y: false, setScale: false, dist: DRAG_MIN_PX }, y: false, points: { show: false },
                bind: { dblclick: () => () => { onReset(); return null; } },
                // only where the cursor is: a drag belongs to its own chart
                sync: { key: SYNC, scales: ['x', null], setSeries: false, filters: { pub: type => type === 'mousemove' || type === 'mouseleave' } }
            },
            hooks: {
                drawAxes: [drawEpochs, drawBands],
                draw: [drawMarks],
                setSelect: [select],
                setCursor: [u => u.cursor.left >= 0
                    ? onRead(readAt(data, data.axis.inverse(u.posToVal(u.cursor.left, 'x'))), u.cursor.left + u.over.offsetLeft)
                    : onRead(null, 0)]
            }
        };
        plot = new uPlot(options, columnsOf(data), element);
    }

    const stop = keepUp(element, () => plot);

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
        /** The same as SVG text.  legend: [{kind, text}], kinds of the swatches. */
        svg(title, legend) {
            const keys = {
                step: { stroke: colour('--series-step'), width: 1.25 }, epoch: { stroke: colour('--series-epoch'), width: 3 },
                mean: { stroke: colour('--series-mean'), width: 2, dash: [7, 5] }, mark: { stroke: colour('--mark') },
                band: { fill: colour('--series-step-band') }, interval: { fill: colour('--series-epoch-band') }
            };
            return svgOf(plot, uPlot.pxRatio, title, {
                epochs: epochMarks(plot), marks: data.marks.map(at => ({ at: data.axis.forward(at), stroke: colour('--mark') })),
                bands: BANDS.map(band => ({ ...band, fill: colour(band.variable) })),
                lines: [{ column: 5, ...keys.step }, { column: 6, ...keys.mean, isStairs: true }, { column: 7, ...keys.epoch, isStairs: true }],
                legend: legend.map(({ kind, text }) => ({ text, ...keys[kind] }))
            });
        },
        leave() {
            plot?.setCursor({ left: -10, top: -10 }, true, true);
        },
        destroy() {
            stop();
            plot?.destroy();
        }
    };
}
