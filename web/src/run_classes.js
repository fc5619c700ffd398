// Each class by itself, in one epoch, and what changed since the epoch before.

import { html, useMemo, useState } from './preact.js';
import { path, runPath } from './api.js';
import { useAnswer, usePlace } from './hooks.js';
import { Select } from './parts.js';
import { formatSelector } from './catalogue.js';
import { ClassMap } from './class_map.js';
import { More } from './more.js';
import { EpochPicker, pickEpoch } from './epoch_picker.js';
import { VirtualTable } from './virtual.js';
import { CLASS_VALUES, classRows, sortRows, wilson } from './class_rows.js';
import { className } from './confusion.js';
import { difference, integer, percent, plural } from './format.js';

const ROW_PX = 41;
const MAP_MS = 5000;
const COLUMNS = [
    { key: 'class', name: 'Class' }, { key: 'support', name: 'Support', numeric: true },
    { key: 'precision', name: 'Precision', numeric: true }, { key: 'recall', name: 'Recall', numeric: true }, { key: 'f1', name: 'F1', numeric: true },
    { key: 'change.f1', name: 'F1 change', numeric: true }
];

const MAPS = [{ value: '', label: 'the classes of an epoch' }, { value: 'recall', label: 'recall over all epochs' },
    { value: 'precision', label: 'precision over all epochs' }, { value: 'f1', label: 'F1 over all epochs' }];
const MAP_VALUES_MAX = 400000;

export function Classes({ data }) {
    const { state, go } = usePlace();
    const menu = html`<${Select} label="Show" value=${state.map} options=${MAPS} onChange=${map => go({ ...state, map })} />`;
    return state.map === '' ? html`<${ClassTable} data=${data} menu=${menu} />` : html`<${Map} data=${data} menu=${menu} />`;
}

function Map({ data, menu }) {
    const { state, go } = usePlace();
    const { run, stage, chosen, epochs } = data;
    const selector = formatSelector({ series: chosen.head.name, metric: state.map, arg: '', average: 'none' });
    const question = path(runPath(run.id, '/epochs'), { stage, metric: selector, mean_of_steps: 'false' });
    const isTooLarge = epochs.epochs.length * chosen.head.states.counts.num_classes > MAP_VALUES_MAX;
    const { data: answer, error } = useAnswer(isTooLarge ? null : question, run, MAP_MS);
    return html`<section class="view">
        <div class="view-head">${menu}</div>
        ${isTooLarge ? html`<p class="muted">These are more than ${integer(MAP_VALUES_MAX)} values: too many to show at once. The same numbers come from GET ${question}.</p>`
            : !answer?.epochs?.length ? html`<p class="muted loading" role="status">${error ? error.message : 'Loading\u2026'}</p>`
                : html`<${ClassMap} answer=${answer} selector=${selector} what=${state.map} names=${run.stages?.[stage]?.class_names} question=${question} select=${epoch => go({ ...state, map: '', epoch })} />`}
    </section>`;
}

function ClassTable({ data, menu }) {
    const { state } = usePlace();
    const { run, stage, chosen, epochs } = data;
    const [order, setOrder] = useState({ key: 'class', descending: false });
    const picked = pickEpoch(epochs.epochs, state.epoch);
    const name = chosen.head.name === 'main' ? '' : chosen.head.name;
    const question = epoch => path(runPath(run.id, '/classes'), { stage, epoch, name });
    const now = useAnswer(picked ? question(picked.epoch) : null, run);
    const before = useAnswer(picked && picked.before !== null ? question(picked.before) : null, run);
    const names = run.stages?.[stage]?.class_names;
    const rows = useMemo(() => now.data ? sortRows(classRows(now.data, before.data), order.key, order.descending) : [], [now.data, before.data, order]);
    if (!picked || !now.data)
        return html`<p class="muted loading" role="status">${now.error ? now.error.message : 'Loading\u2026'}</p>`;
    const sort = key => setOrder({ key, descending: order.key === key ? !order.descending : key !== 'class' });
    const head = html`<thead><tr>${COLUMNS.map(c => {
        const isNow = order.key === c.key;
        return html`<th key=${c.key} scope="col" class=${c.numeric ? 'numeric' : ''} aria-sort=${!isNow ? 'none' : order.descending ? 'descending' : 'ascending'}>
            <button type="button" class="head-button" onClick=${() => sort(c.key)}>${c.name}<span class="sort" aria-hidden="true">${isNow ? order.descending ? '\u2193' : '\u2191' : ''}</span></button></th>`;
    })}</tr></thead>`;
    return html`<section class="view">
        <div class="view-head">${menu}<${EpochPicker} epochs=${epochs.epochs} picked=${picked} />
            <span class="muted">${plural(rows.length, 'class').replace('classs', 'classes')}${picked.before !== null && `, changes since epoch ${integer(picked.before)}`}</span>
            <${More} name="classes of epoch ${picked.epoch}" paths=${[['classes', question(picked.epoch)]]} /></div>
        <${VirtualTable} label="Classes" head=${head} rows=${rows} columns=${COLUMNS.length} rowHeight=${ROW_PX} className="classes"
            row=${row => html`<${ClassRow} key=${row.class} row=${row} names=${names} />`} />
        <p class="muted note">Support is the number of samples of the class. In brackets: the 95\u00a0% interval, in per cent; F1 is not a share of samples and has none.</p>
    </section>`;
}

function Interval({ k, n }) {
    const ends = wilson(k, n);
    const [low, high] = (ends ?? []).map(percent);
    return html`<small class="muted interval" title=${ends && `95\u00a0%: ${low} to ${high}`}>${ends && `[${low}, ${high}]`.replace(/\u00a0%/g, '')}</small>`;
}

function ClassRow({ row, names }) {
    const change = value => value !== null && Math.abs(value) >= 5e-4 && html` <small class=${value > 0 ? 'up' : 'down'}>${difference(value, 'percent').replace('\u00a0points', '')}</small>`;
    const of = { precision: row.tp + row.fp, recall: row.tp + row.fn };
    return html`<tr>
        <th scope="row"><span class="muted mono">${row.class}</span> <b dir="auto" title=${row.name}>${row.name ?? (names ? className(names, row.class) : '')}</b></th>
        <td class="numeric">${integer(row.support)}</td>
        ${CLASS_VALUES.map(name => html`<td key=${name} class="numeric ${name === 'f1' ? 'with-bar' : ''}">
            <data value=${row[name] ?? ''}>${percent(row[name])}</data>${name !== 'f1' && html`${change(row.change[name])} <${Interval} k=${row.tp} n=${of[name]} />`}
            ${name === 'f1' && html`<span class="bar-of" style=${{ width: `calc((100% - 1.7rem) * ${row.f1 ?? 0})` }}></span>`}</td>`)}
        <td class="numeric">${row.change.f1 === null ? '\u2013' : html`<span class=${row.change.f1 > 0 ? 'up' : row.change.f1 < 0 ? 'down' : ''}>${difference(row.change.f1, 'percent')}</span>`}</td>
    </tr>`;
}
