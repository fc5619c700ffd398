// The only module that draws: one uPlot chart of one metric.
//
// createChart(element, options) -> {update(data), moveCursor(delta), destroy()}
// options: {unit, bounds, onRead}  onRead(read) is told what stands under the cursor (series.js readAt),
// null when it leaves.  data is chartData() of series.js.
//
// Colours come from the style sheet's variables when something is painted, so that a change between
// light and dark needs a redraw only.  The chart fills the width of its element; its height is the
// element's, which the style sheet sets.

import { compact, number } from './format.js';
import { readAt, xRange, yRange } from './series.js';

const { uPlot } = globalThis;

// the order they are painted in: bands below lines, the epoch on top
const COLUMNS = ['min', 'max', 'low', 'high', 'step', 'mean', 'epoch'];
const EPOCH_MARKS_MAX = 80;
const INTEGERS = [1, 2, 5].flatMap((n, i, all) => Array.from({ length: 16 }, (_, k) => all[i] * 10 ** k)).sort((a, b) => a - b);

function colour(element, name) {
    return getComputedStyle(element).getPropertyValue(name).trim();
}

function percentLabels(splits) {
    const digits = splits.length > 1 && (splits[1] - splits[0]) * 100 < 0.999 ? (splits[1] - splits[0]) * 100 < 0.0999 ? 2 : 1 : 0;
    return splits.map(v => `${(v * 100).toFixed(digits)}\u00a0%`);
}

export function createChart(element, { unit, bounds, onRead }) {
    const css = name => colour(element, name);
    const font = `12px ${getComputedStyle(element).fontFamily}`;
    const invisible = { stroke: 'transparent', points: { show: false } };
    const stepped = uPlot.paths.stepped({ align: 1 });
    let data = null;
    let plot = null;

    function columnsOf(next) {
        return [next.x, ...COLUMNS.map(name => next.columns[name])];
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
            const left = Math.round(u.valToPos(span.start, 'x', true)) + ratio / 2;
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
                y: { range: () => yRange(data, bounds) ?? [0, 1] }
            },
            axes: [
                axis({ incrs: INTEGERS, space: 60, size: 30, values: (u, splits) => splits.map(compact) }),
                axis({
                    space: 36,
                    values: (u, splits) => unit === 'percent' ? percentLabels(splits) : splits.map(v => number(v)),
                    size: (u, labels) => labels ? 14 + 7 * Math.max(3, ...labels.map(l => l.length)) : 50
                })
            ],
            series: [{}, invisible, invisible,
                { ...invisible, paths: stepped }, { ...invisible, paths: stepped },
                { stroke: () => css('--series-step'), width: 1.25, points: { size: 4, fill: () => css('--series-step') } },
                { stroke: () => css('--series-mean'), width: 2, dash: [7, 5], paths: stepped, points: { show: false } },
                { stroke: () => css('--series-epoch'), width: 3, paths: stepped, points: { show: false } }],
            bands: [{ series: [2, 1], fill: () => css('--series-step-band') }, { series: [4, 3], fill: () => css('--series-epoch-band') }],
            cursor: { drag: { x: false, y: false }, y: false, points: { show: false } },
            hooks: {
                drawAxes: [drawEpochs],
                setCursor: [u => onRead(u.cursor.left >= 0 ? readAt(data, u.posToVal(u.cursor.left, 'x')) : null)]
            }
        };
        plot = new uPlot(options, columnsOf(data), element);
    }

    const repaint = () => plot?.redraw(false, true);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', repaint);
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
            const now = plot.cursor.left >= 0 ? readAt(data, plot.posToVal(plot.cursor.left, 'x')) : null;
            const i = now ? Math.min(x.length - 1, Math.max(0, x.indexOf(now.x) + delta)) : x.length - 1;
            plot.setCursor({ left: plot.valToPos(x[i], 'x'), top: 0 });
        },
        leave() {
            plot?.setCursor({ left: -10, top: -10 });
        },
        destroy() {
            observer.disconnect();
            dark.removeEventListener('change', repaint);
            plot?.destroy();
        }
    };
}
