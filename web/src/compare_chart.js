// The chart of a comparison, with what stands under the cursor.

import { html, useLayoutEffect, useMemo, useRef, useState } from './preact.js';
import { createLines } from './chart_lines.js';
import { usePlace } from './hooks.js';
import { thinnedNote } from './explain.js';
import { More } from './more.js';
import { VirtualTable } from './virtual.js';
import { zoomed, zoomTo } from './axis.js';
import { COLOURS, lineOf, valueNear } from './compare_model.js';
import { difference, integer, inUnit, plural } from './format.js';

const ROW_PX = 33;

const nameOf = run => run.name || run.run;

/** The lines to draw: of the runs, and over them those of the groups where their counts were added. */
export function linesOf({ ids, lines: answer, selector, epochs }) {
    const groups = epochs.groups ?? [];
    const groupOf = new Map(groups.flatMap((g, k) => g.runs.map(id => [id, k])));
    const isMany = answer.runs.length > 40;
    const runs = answer.runs.map(run => {
        const style = groups.length > 0 ? { colour: groupOf.get(run.run) % COLOURS, dash: [] } : lineOf(ids.indexOf(run.run));
        return { name: nameOf(run), id: run.run, values: run.metrics[selector].value, ...style, width: isMany ? 1 : 1.75, alpha: groups.length > 0 ? 0.5 : isMany ? 0.75 : 0 };
    });
    const pooled = (answer.groups ?? []).map((g, k) => ({
        name: `${g.key === null ? 'not set' : g.key}, ${plural(g.runs.length, 'run')} added`, id: null, values: g.metrics[selector].value, colour: k % COLOURS, dash: [], width: 3.5, alpha: 0
    }));
    return [...runs, ...pooled];
}

export function CompareChart({ data }) {
    const { state, go } = usePlace();
    const element = useRef(null);
    const chart = useRef(null);
    const [read, setRead] = useState(null);
    const [asTable, setAsTable] = useState(false);
    const lines = useMemo(() => linesOf(data), [data]);
    const { x } = data.lines;
    const kind = state.x === 'epoch' ? 'epoch' : 'step';
    const { unit } = data;
    const log = state.log && unit === 'number';

    const here = useRef(null);
    here.current = { view: { from: state.from, to: state.to }, last: Math.max(x[x.length - 1] ?? 0, state.to === '' ? 0 : state.to), zoom: parts => go({ ...state, from: '', to: '', ...parts }, { soon: true }) };

    useLayoutEffect(() => {
        if (asTable)
            return undefined;
        chart.current = createLines(element.current, {
            unit, log, kind, onRead: setRead,
            onZoom: (low, high) => here.current.zoom(zoomTo(low, high, here.current.last)),
            onScale: (factor, centre) => here.current.zoom(zoomed(here.current.view, factor, centre, here.current.last)),
            onReset: () => here.current.zoom({})
        });
        return () => {
            chart.current.destroy();
            chart.current = null;
        };
    }, [unit, log, kind, asTable]);
    useLayoutEffect(() => chart.current?.update({ x, lines, from: state.from, to: state.to }), [lines, unit, log, kind, asTable]);
    const swap = () => {
        setRead(null);
        setAsTable(!asTable);
    };

    const keys = event => {
        if (event.ctrlKey || event.metaKey || event.altKey)
            return;
        const along = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], PageUp: [-10, 0], PageDown: [10, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
        const factor = { '+': 0.5, '=': 0.5, '-': 2 }[event.key];
        if (along)
            chart.current.move(...along);
        else if (factor)
            chart.current.zoomAt(factor);
        else if (event.key === '0')
            here.current.zoom({});
        else if (event.key === 'Escape')
            chart.current.leave();
        else
            return;
        event.preventDefault();
    };
    const note = thinnedNote(data.lines);
    const paths = [[kind === 'epoch' ? 'epochs' : 'steps', kind === 'epoch' ? data.paths.epochs : data.paths.steps]];
    return html`<figure class="chart chart-large compare-chart">
        <figcaption>
            <h2 dir="auto">${data.title}</h2><span class="muted">${plural(lines.filter(l => l.id).length, 'run')}, ${data.stage}</span>
            ${note && html`<span class="muted">${note}</span>`}
            <${Position} read=${read} x=${x} kind=${kind} width=${data.lines.width} />
            <${More} name="${data.title} of ${data.ids.length} runs" paths=${paths} asTable=${asTable} onTable=${swap}
                svg=${asTable ? null : () => chart.current.svg(data.title)} />
        </figcaption>
        ${asTable ? html`<${LinesTable} data=${data} lines=${lines} kind=${kind} />`
            : html`<div class="plot" tabindex="0" role="img" aria-label=${spoken(data, lines, x)} onKeyDown=${keys}>
                <div class="plot-ground" ref=${element}></div>
                <${Tip} read=${read} lines=${lines} baseline=${state.baseline} unit=${unit} element=${element.current} />
            </div>`}
        <ul class="legend">
            ${data.lines.groups && html`<li>thick: counts of the group\u2019s runs added; thin: its runs</li>`}
            <li class="axis-name">x: ${kind === 'epoch' ? 'epoch' : `step${data.lines.runs.some(r => r.x_from === 'counted') ? 's of all epochs' : ''}${data.lines.width > 1 ? `, ${integer(data.lines.width)} at a time` : ''}`}</li>
        </ul>
    </figure>`;
}

const placeText = (at, width) => width > 1 ? `${integer(at)}\u2013${integer(at + width - 1)}` : integer(at);

function Position({ read, x, kind, width }) {
    return read && html`<span class="position muted">${kind} ${placeText(x[read.i], width)}</span>`;
}

// what the lines show: a row for each place on the x axis, a column for each line
function LinesTable({ data, lines, kind }) {
    const { x, width } = data.lines;
    const rows = useMemo(() => x.map((_, i) => i), [x]);
    const head = html`<thead><tr><th scope="col" class="numeric">${kind === 'epoch' ? 'Epoch' : 'Step'}</th>
        ${lines.map((line, k) => html`<th key=${k} scope="col" class="numeric" dir="auto" title=${line.name}>${line.name}</th>`)}</tr></thead>`;
    const row = i => html`<tr key=${x[i]}><th scope="row" class="numeric">${placeText(x[i], width)}</th>
        ${lines.map((line, k) => html`<td key=${k} class="numeric"><data value=${line.values[i] ?? ''}>${inUnit(line.values[i], data.unit)}</data></td>`)}</tr>`;
    return html`<${VirtualTable} label="Table of ${data.title}" className="lines-table" head=${head} rows=${rows} row=${row} columns=${lines.length + 1} rowHeight=${ROW_PX} />`;
}

function Tip({ read, lines, baseline, unit, element }) {
    const line = read && lines[read.line];
    if (!line)
        return null;
    const isRight = element && read.left > element.clientWidth / 2;
    const style = isRight ? { right: `${element.clientWidth - read.left + 12}px` } : { left: `${read.left + 12}px` };
    const value = valueNear(line.values, read.i);
    const base = lines.find(l => l.id !== null && l.id === baseline);
    const of = base && base !== line ? valueNear(base.values, read.i) : null;
    return html`<ul class="tip" style=${style} aria-hidden="true">
        <li class="tip-head"><span class="swatch swatch-line line-${line.colour}"></span><span dir="auto">${line.name}</span></li>
        <li>value<b>${inUnit(value, unit)}</b></li>
        ${of !== null && html`<li>to the baseline<b>${difference(value - of, unit)}</b></li>`}
    </ul>`;
}

function spoken(data, lines, x) {
    const ends = lines.filter(l => l.id !== null).map(l => ({ name: l.name, v: valueNear(l.values, x.length - 1) })).filter(l => l.v !== null).sort((a, b) => b.v - a.v);
    const [most] = ends;
    const least = ends[ends.length - 1];
    return `Chart of ${data.title}: ${plural(data.ids.length, 'run')}`
        + (most ? `; at its end the highest is ${most.name} with ${inUnit(most.v, data.unit)}, the lowest ${least.name} with ${inUnit(least.v, data.unit)}` : '')
        + '. Left and right move along, up and down from line to line, plus, minus and 0 zoom. The table below holds the last values.';
}
