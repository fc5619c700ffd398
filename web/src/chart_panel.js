// A chart with its title, a legend that reads out what stands under the cursor, the same numbers as a table, and
// what can be done with it: zoom, copy, save.

import { html, useLayoutEffect, useMemo, useRef, useState } from './preact.js';
import { createChart } from './chart.js';
import { usePlace } from './hooks.js';
import { More } from './more.js';
import { zoomed, zoomTo } from './axis.js';
import { dateTime, inUnit, integer, MISSING, plural } from './format.js';

/**
 * data: chartData() of series.js.  unit: 'percent' | 'number'.  bounds: [low, high] or null.
 * size: 'large' | 'small'.  epochName: what the thick line is called.  last: the last position of the stage.
 * paths: {steps, epochs}, the questions behind it.
 */
export function ChartPanel({ title, note, data, unit, bounds, size, epochName = 'epoch', last, paths }) {
    const { state, go } = usePlace();
    const element = useRef(null);
    const chart = useRef(null);
    const [read, setRead] = useState({ read: null, left: 0 });
    const [asTable, setAsTable] = useState(false);
    const { kind } = data.axis;
    const log = Boolean(data.view.log);

    // the newest state for handlers that the chart keeps
    const zoom = useRef(null);
    zoom.current = parts => go({ ...state, from: '', to: '', ...parts }, { soon: true });
    const here = useRef(null);
    here.current = { view: { from: state.from, to: state.to }, last };

    useLayoutEffect(() => {
        if (asTable)
            return undefined;
        chart.current = createChart(element.current, {
            unit, bounds, kind, log,
            onRead: (found, left) => setRead({ read: found, left }),
            onZoom: (low, high) => zoom.current(zoomTo(low, high, here.current.last)),
            onScale: (factor, centre) => zoom.current(zoomed(here.current.view, factor, centre, here.current.last)),
            onReset: () => zoom.current({})
        });
        return () => {
            chart.current.destroy();
            chart.current = null;
        };
    }, [unit, bounds?.[0], bounds?.[1], kind, log, asTable]);
    useLayoutEffect(() => {
        chart.current?.update(data);
    }, [data, unit, bounds?.[0], bounds?.[1], kind, log, asTable]);

    const keys = event => {
        if (event.ctrlKey || event.metaKey || event.altKey)
            return;
        const delta = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
        const factor = { '+': 0.5, '=': 0.5, '-': 2 }[event.key];
        if (event.key === 'Escape')
            chart.current.leave();
        else if (event.key === '0')
            zoom.current({});
        else if (factor !== undefined)
            chart.current.zoomAt(factor);
        else if (delta !== undefined)
            chart.current.moveCursor(delta);
        else
            return;
        event.preventDefault();
    };

    return html`<figure class="chart chart-${size}">
        <figcaption>
            <h2 dir="auto">${title}</h2>${note && html`<span class="muted">${note}</span>`}
            <${Position} read=${read.read} data=${data} />
            <${More} name=${title} paths=${[['steps', paths.steps], ['epochs', paths.epochs]]}
                asTable=${asTable} onTable=${() => setAsTable(!asTable)} svg=${asTable ? null : () => chart.current.svg(title, legendOf(data, epochName))} />
        </figcaption>
        ${asTable ? html`<${StepsTable} title=${title} data=${data} unit=${unit} />`
            : html`<div class="plot" tabindex="0" role="img" aria-label=${spoken(title, data, unit)} onKeyDown=${keys}>
                <div class="plot-ground" ref=${element}></div>
                ${data.isEmpty && html`<p class="plot-empty muted">Nothing to draw here: ${data.steps.x.length === 0 ? 'no step' : 'no value that is finite'}</p>`}
                <${Tip} ...${read} data=${data} unit=${unit} element=${element.current} />
            </div>`}
        <${Legend} data=${data} read=${read.read} unit=${unit} epochName=${epochName} />
    </figure>`;
}

function stepText(read) {
    return read.width > 1 ? `${integer(read.step)}\u2013${integer(read.step - read.step % read.width + read.width - 1)}` : integer(read.step);
}

function Position({ read }) {
    if (!read)
        return null;
    return html`<span class="position muted">epoch ${integer(read.epoch)}, step ${stepText(read)}${read.samples > 0 && `, ${plural(read.samples, 'sample')}`}</span>`;
}

// beside the cursor, on the side where there is room
function Tip({ read, left, data, unit, element }) {
    if (!read)
        return null;
    const isRight = element && left > element.clientWidth / 2;
    const style = isRight ? { right: `${element.clientWidth - left + 10}px` } : { left: `${left + 10}px` };
    const value = v => inUnit(v, unit);
    const row = (kind, name, text) => html`<li><span class="swatch swatch-${kind}"></span>${name}<b>${text}</b></li>`;
    return html`<ul class="tip" style=${style} aria-hidden="true">
        <li class="tip-head">epoch ${integer(read.epoch)}, step ${stepText(read)}</li>
        ${row('step', data.view.window ? `last ${integer(data.view.window)} steps` : 'value', value(read.value))}
        ${read.min !== null && read.max > read.min && row('band', 'batches', `${value(read.min)} to ${value(read.max)}`)}
        ${read.span && row('epoch', 'epoch', value(read.span.value))}
        ${read.span && read.span.mean !== null && row('mean', 'mean of steps', value(read.span.mean))}
        ${read.time !== null && html`<li class="muted">${dateTime(read.time)}</li>`}
    </ul>`;
}

const AXIS_NAMES = { epoch: 'epoch', samples: 'samples seen', relative: 'time since the start', time: 'wall time' };

// what is drawn, and what it is called: [{kind, text}]
function legendOf(data, epochName) {
    const { width } = data.steps;
    const steps = (width > 1 ? `steps, ${integer(width)} at a time` : 'step') + (data.view.window ? `, over the last ${integer(data.view.window)} steps` : '');
    return [{ kind: 'step', text: steps }, data.has.band && { kind: 'band', text: 'min to max of the batches' }, { kind: 'epoch', text: epochName },
        data.has.interval && { kind: 'interval', text: '95\u00a0% interval' }, data.has.mean && { kind: 'mean', text: 'mean of the steps' },
        data.marks.length > 0 && { kind: 'mark', text: 'steps of the finding' }].filter(Boolean);
}

function Legend({ data, read, unit, epochName }) {
    const span = read ? read.span : data.spans[data.spans.length - 1];
    const value = v => inUnit(v, unit);
    const values = {
        step: read ? value(read.value) + (read.min !== null && read.max > read.min ? ` (${value(read.min)} to ${value(read.max)})` : '') : '',
        epoch: span ? value(span.value) : MISSING, mean: span ? value(span.mean) : MISSING,
        interval: span && span.low !== null ? `${value(span.low)} to ${value(span.high)}` : ''
    };
    const axis = AXIS_NAMES[data.axis.kind] ?? (data.steps.x_from === 'counted' ? 'steps of all epochs' : 'step');
    return html`<ul class="legend">
        ${legendOf(data, epochName).map(({ kind, text }) => html`<li key=${kind}><span class="swatch swatch-${kind}" aria-hidden="true"></span>${text}${values[kind] && html`<b>${values[kind]}</b>`}</li>`)}
        <li class="axis-name">x: ${axis}</li>
    </ul>`;
}

function StepsTable({ title, data, unit }) {
    const { steps } = data;
    const metric = steps.metrics[data.selector];
    const rows = useMemo(() => steps.x.map((_, i) => i), [steps]);
    const value = v => inUnit(typeof v === 'number' ? v : null, unit);
    const hasBand = data.has.band;
    return html`<div class="plot table-scroll" tabindex="0" role="region" aria-label="Table of ${title}"><table>
        <thead><tr>
            <th scope="col" class="numeric">Epoch</th><th scope="col" class="numeric">Step</th><th scope="col" class="numeric">Samples</th><th scope="col" class="numeric">Value</th>
            ${hasBand && html`<th scope="col" class="numeric">Min</th><th scope="col" class="numeric">Max</th>`}
        </tr></thead>
        <tbody>${rows.map(i => html`<tr key=${steps.x[i]}>
            <td class="numeric">${integer(steps.epoch[i])}</td><td class="numeric">${integer(steps.step[i])}</td><td class="numeric">${integer(steps.samples?.[i])}</td>
            <td class="numeric"><data value=${metric.value[i] ?? ''}>${value(metric.value[i])}</data></td>
            ${hasBand && html`<td class="numeric">${value(metric.min?.[i])}</td><td class="numeric">${value(metric.max?.[i])}</td>`}
        </tr>`)}</tbody>
    </table></div>`;
}

function spoken(title, data, unit) {
    const last = data.spans[data.spans.length - 1];
    if (!last)
        return `Chart of ${title}, no epoch yet`;
    return `Chart of ${title}: ${plural(data.spans.length, 'epoch')}; epoch ${last.epoch}: ${inUnit(last.value, unit)}`
        + (last.mean === null ? '' : `, mean of its steps ${inUnit(last.mean, unit)}`)
        + '. Arrow keys move through the steps, plus, minus and 0 zoom.';
}
