// A chart with its title, a legend that reads out what stands under the cursor, and a name for those
// who cannot see it.

import { html, useLayoutEffect, useRef, useState } from './preact.js';
import { createChart } from './chart.js';
import { inUnit, integer, MISSING, plural } from './format.js';

/**
 * data: chartData() of series.js.  unit: 'percent' | 'number'.  bounds: [low, high] or null.
 * size: 'large' | 'small'.  epochName: what the thick line is called.
 */
export function ChartPanel({ title, note, data, unit, bounds, size, epochName = 'epoch' }) {
    const element = useRef(null);
    const chart = useRef(null);
    const [read, setRead] = useState(null);

    useLayoutEffect(() => {
        chart.current = createChart(element.current, { unit, bounds, onRead: setRead });
        return () => chart.current.destroy();
    }, [unit, bounds?.[0], bounds?.[1]]);
    useLayoutEffect(() => {
        chart.current.update(data);
    }, [data, unit, bounds?.[0], bounds?.[1]]);

    const keys = event => {
        const delta = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
        if (event.key === 'Escape')
            chart.current.leave();
        else if (delta === undefined)
            return;
        else
            chart.current.moveCursor(delta);
        event.preventDefault();
    };

    return html`<figure class="chart chart-${size}">
        <figcaption>
            <h2 dir="auto">${title}</h2>${note && html`<span class="muted">${note}</span>`}
            <${Position} read=${read} data=${data} />
        </figcaption>
        <div class="plot" ref=${element} tabindex="0" role="img" aria-label=${spoken(title, data, unit)} onKeyDown=${keys}></div>
        <${Legend} data=${data} read=${read} unit=${unit} epochName=${epochName} />
    </figure>`;
}

function Position({ read, data }) {
    if (!read)
        return null;
    const width = data.steps.width > 1 ? `${integer(read.step)}\u2013${integer(read.step - read.step % read.width + read.width - 1)}` : integer(read.step);
    return html`<span class="position muted">epoch ${integer(read.epoch)}, step ${width}${read.samples > 0 && `, ${plural(read.samples, 'sample')}`}</span>`;
}

function Legend({ data, read, unit, epochName }) {
    const span = read ? read.span : data.spans[data.spans.length - 1];
    const value = v => inUnit(v, unit);
    const band = read && read.min !== null && read.max > read.min ? ` (${value(read.min)} to ${value(read.max)})` : '';
    const entry = (kind, name, text) => html`<li><span class="swatch swatch-${kind}" aria-hidden="true"></span>${name}${text && html`<b>${text}</b>`}</li>`;
    return html`<ul class="legend">
        ${entry('step', data.steps.width > 1 ? `steps, ${integer(data.steps.width)} at a time` : 'step', read ? value(read.value) + band : '')}
        ${data.has.band && entry('band', 'min to max of the batches', '')}
        ${entry('epoch', epochName, span ? value(span.value) : MISSING)}
        ${data.has.interval && entry('interval', '95 % interval', span && span.low !== null ? `${value(span.low)} to ${value(span.high)}` : '')}
        ${data.has.mean && entry('mean', 'mean of the steps', span ? value(span.mean) : MISSING)}
        <li class="axis-name">x: ${data.steps.x_from === 'counted' ? 'steps of all epochs' : 'step'}</li>
    </ul>`;
}

function spoken(title, data, unit) {
    const last = data.spans[data.spans.length - 1];
    if (!last)
        return `Chart of ${title}, no epoch yet`;
    return `Chart of ${title}: ${plural(data.spans.length, 'epoch')}; epoch ${last.epoch}: ${inUnit(last.value, unit)}`
        + (last.mean === null ? '' : `, mean of its steps ${inUnit(last.mean, unit)}`)
        + '. Arrow keys move through the steps.';
}
