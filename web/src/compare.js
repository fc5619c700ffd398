// Runs side by side: their curves, their last values against a baseline, what differs in their configs, and groups of them.

import { html, useMemo, useState } from './preact.js';
import * as api from './app_api.js';
import { useLive, usePlace, useTitle } from './hooks.js';
import { Link, Live, Select } from './parts.js';
import { chooseMetric, formatSelector, averageMenu, meanSelector, metricMenu, stagesOf, withMetric } from './catalogue.js';
import { CompareChart } from './compare_chart.js';
import { COMPARE_KEYS, createCompareLoader } from './compare_data.js';
import { COLOURS, configTable, differenceOf, groupRows, lastOf, lineOf } from './compare_model.js';
import { WindowMenu } from './run_menus.js';
import { VirtualTable } from './virtual.js';
import { difference, integer, inUnit, MISSING, number, plural } from './format.js';

const POLL_MS = 2000;
const POLL_ENDED_MS = 5000;
const ROW_PX = 41;

export function Compare() {
    const { state } = usePlace();
    useTitle('Compare');
    const load = useMemo(() => createCompareLoader(api.get), [state.compare]);
    const interval = data => data?.epochs?.runs.every(r => r.status !== 'running') ? POLL_ENDED_MS : POLL_MS;
    const live = useLive(signal => load(state, signal), interval, COMPARE_KEYS.map(key => state[key]));
    const project = state.project || live.data?.first?.project || '';
    const back = { project, select: state.compare };
    return html`<${Live} live=${live}>${data => html`
        <div class="title-row"><h1>Compare</h1><span class="muted">${plural(data.ids.length, 'run')}</span>
            <span class="actions"><${Link} class="button" to=${back}>Change the selection</${Link}></span></div>
        ${data.missing.length > 0 && html`<p class="banner" role="status">Not on this server: ${data.missing.join(', ')}</p>`}
        ${data.stage === null ? html`<section class="empty"><h2>Nothing to compare yet</h2>
                <p>${data.ids.length === 0 ? 'None of these runs is on this server.' : 'None of these runs has logged anything. The chart appears with the first batch.'}</p></section>`
            : html`<${Menus} data=${data} />
                <${CompareChart} data=${data} />
                ${data.epochs.groups && html`<${Groups} data=${data} />`}
                <${Table} data=${data} />`}`}
    </${Live}>`;
}

function Menus({ data }) {
    const { state, go } = usePlace();
    const { chosen, catalogue, heads, means, stage, first } = data;
    const base = chosen ?? chooseMetric(catalogue, heads, '');
    const groups = [...base ? metricMenu(catalogue, base).filter(g => g.options.some(o => !o.disabled)) : [],
        ...means.length > 0 ? [{ label: 'Weighted means', options: means.map(s => ({ value: meanSelector(s.name), label: s.name })) }] : []];
    const set = parts => go({ ...state, ...parts });
    const averages = chosen ? averageMenu(chosen) : [];
    const { keys } = useMemo(() => configTable(data.epochs.runs), [data.epochs]);
    const isZoomed = state.from !== '' || state.to !== '';
    return html`<div class="menus">
        <${Select} label="Stage" value=${stage} onChange=${value => set({ stage: value, from: '', to: '' })} options=${stagesOf(first).map(s => ({ value: s, label: s }))} />
        <${Select} label="Metric" value=${chosen ? chosen.entry.name + (chosen.arg ? '@' + chosen.arg : '') : data.selector}
            onChange=${value => set({ metric: value.includes(':') ? value : withMetric(catalogue, base, value) })} options=${groups} />
        ${averages.length > 0 && html`<${Select} label="Average" value=${chosen.average} options=${averages}
            onChange=${average => set({ metric: formatSelector({ series: chosen.head.name, metric: chosen.entry.name, arg: chosen.arg, average }) })} />`}
        <${Select} label="X axis" value=${state.x === 'epoch' ? 'epoch' : 'step'} onChange=${value => set({ x: value, from: '', to: '' })}
            options=${[{ value: 'step', label: 'Step' }, { value: 'epoch', label: 'Epoch' }]} />
        ${state.x !== 'epoch' && html`<${WindowMenu} />`}
        <${Select} label="Group by" value=${state.group} onChange=${value => set({ group: value })}
            options=${[{ value: '', label: 'nothing' }, ...[...new Set([...keys, ...state.group ? [state.group] : []])].map(k => ({ value: k, label: k }))]} />
        ${data.unit === 'number' && html`<label class="check"><input type="checkbox" name="log" checked=${state.log} onChange=${event => set({ log: event.target.checked })} /> Logarithmic y</label>`}
        ${isZoomed && html`<${Link} class="button" to=${{ ...state, from: '', to: '' }}>All of it</${Link}>`}
    </div>`;
}

export function Swatch({ colour, dash }) {
    return html`<svg class="swatch-dash line-${colour}" viewBox="0 0 26 8" aria-hidden="true"><line x1="0" x2="26" y1="4" y2="4" stroke-dasharray=${dash.join(' ')} /></svg>`;
}

const plusMinus = (a, b, unit) => b === null ? inUnit(a, unit) : `${inUnit(a, unit)} \u00b1 ${unit === 'percent' ? (b * 100).toPrecision(2) : number(b)}`;
const range = (low, high, unit, say = inUnit) => typeof low === 'number' ? `${say(low, unit)} to ${say(high, unit)}` : '';

function Groups({ data }) {
    const { state } = usePlace();
    const rows = useMemo(() => groupRows(data.epochs, data.selector), [data.epochs, data.selector]);
    const withInterval = rows.some(row => typeof row.pooled?.low === 'number');
    return html`<section aria-label="Groups"><h2>Grouped by ${state.group}</h2>
        <div class="table-scroll" tabindex="0" role="region" aria-label="Groups by ${state.group}"><table class="grouped">
            <thead><tr><th scope="col">${state.group}</th><th scope="col" class="numeric">Runs</th><th scope="col" class="numeric">Epoch</th>
                <th scope="col" class="numeric">Pooled: counts added</th>${withInterval && html`<th scope="col" class="numeric">95\u00a0% interval</th>`}<th scope="col" class="numeric">Mean \u00b1 std of the runs</th></tr></thead>
            <tbody>${rows.map(row => html`<tr key=${row.name}><th scope="row"><${Swatch} colour=${row.index % COLOURS} dash=${[]} /> <span dir="auto">${row.name}</span></th>
                <td class="numeric">${integer(row.runs.length)}</td><td class="numeric">${row.at === null ? MISSING : integer(row.at)}</td>
                <td class="numeric"><data value=${row.pooled?.value ?? ''}><b>${inUnit(row.pooled?.value, data.unit)}</b></data></td>
                ${withInterval && html`<td class="numeric muted">${range(row.pooled?.low, row.pooled?.high, data.unit)}</td>`}
                <td class="numeric">${row.seeds.n === 0 ? MISSING : html`${plusMinus(row.seeds.mean, row.seeds.std, data.unit)} <small class="muted">of ${row.seeds.n}</small>`}</td></tr>`)}</tbody>
        </table></div>
        <p class="muted note">Pooled is one value of all the runs\u2019 counts together, as if they were one run${withInterval ? '; its interval says how many samples stand behind it' : ''}. The mean \u00b1 standard deviation (n \u2212 1)
            is over the values of the single runs: how much they differ from seed to seed.</p>
    </section>`;
}

const SORTS = { order: row => row.index, name: row => row.name.toLowerCase(), value: row => row.end?.value ?? -Infinity, gap: row => row.gap?.value ?? -Infinity };

function Table({ data }) {
    const { state, go } = usePlace();
    const [sort, setSort] = useState({ key: 'order', descending: false });
    const { unit, selector, epochs, ids } = data;
    const config = useMemo(() => configTable(epochs.runs), [epochs]);
    const ends = epochs.runs.map(run => lastOf(run.metrics[selector], epochs.x));
    const base = epochs.runs.findIndex(run => run.run === state.baseline);
    const groupOf = new Map((epochs.groups ?? []).flatMap((g, k) => g.runs.map(id => [id, k])));
    const rows = epochs.runs.map((run, i) => ({
        run, i, index: ids.indexOf(run.run), name: run.name || run.run, end: ends[i], config: config.rows[i],
        gap: base >= 0 && base !== i ? differenceOf(ends[base], ends[i]) : null
    }));
    const of = SORTS[sort.key];
    rows.sort((a, b) => (of(a) < of(b) ? -1 : of(a) > of(b) ? 1 : a.index - b.index) * (sort.descending ? -1 : 1));
    const header = (key, name, numeric, title) => html`<th scope="col" class=${numeric ? 'numeric' : ''} title=${title} aria-sort=${sort.key !== key ? 'none' : sort.descending ? 'descending' : 'ascending'}>
        <button type="button" class="head-button" onClick=${() => setSort({ key, descending: sort.key === key ? !sort.descending : numeric })}>${name}<span class="sort" aria-hidden="true">${sort.key === key ? sort.descending ? '\u2193' : '\u2191' : ''}</span></button></th>`;
    const withInterval = ends.some(e => typeof e?.low === 'number');
    const head = html`<thead><tr>${header('name', 'Run')}<th scope="col">Baseline</th><th scope="col" class="numeric">Epoch</th>${header('value', data.title, true)}
                ${withInterval && html`<th scope="col" class="numeric">95\u00a0% interval</th>`}
                ${base >= 0 && header('gap', 'Difference', true)}
                ${config.keys.map(key => html`<th scope="col" key=${key} class="mono" dir="auto">${key}</th>`)}<th scope="col"><span class="hidden">Remove</span></th></tr></thead>`;
    const draw = row => html`<tr key=${row.run.run}>
                <th scope="row"><${Swatch} ...${groupOf.size > 0 ? { colour: groupOf.get(row.run.run) % COLOURS, dash: [] } : lineOf(row.index)} />
                    <${Link} to=${{ run: row.run.run, stage: data.stage }} dir="auto" title=${row.name === row.run.run ? row.name : `${row.name} (${row.run.run})`}>${row.name}</${Link}></th>
                <td><input type="radio" name="baseline" aria-label="Baseline: ${row.name}" checked=${row.i === base} onClick=${() => go({ ...state, baseline: row.i === base ? '' : row.run.run })} /></td>
                <td class="numeric">${row.end ? integer(row.end.x) : MISSING}</td>
                <td class="numeric"><data value=${row.end?.value ?? ''}><b>${inUnit(row.end?.value, unit)}</b></data></td>
                ${withInterval && html`<td class="numeric muted">${range(row.end?.low, row.end?.high, unit)}</td>`}
                ${base >= 0 && html`<td class="numeric">${row.gap === null ? row.i === base ? 'baseline' : MISSING : html`<data value=${row.gap.value}>${difference(row.gap.value, unit)}</data>
                    ${row.gap.low !== null && html` <small class=${row.gap.low > 0 || row.gap.high < 0 ? '' : 'muted'}>${range(row.gap.low, row.gap.high, unit, (v, u) => difference(v, u).replace('\u00a0points', ''))}</small>`}`}</td>`}
                ${config.keys.map(key => html`<td key=${key} class="mono" dir="auto">${row.config.get(key) ?? html`<span class="muted">${MISSING}</span>`}</td>`)}
                <td><button type="button" class="head-button" aria-label="Leave out ${row.name}" onClick=${() => go({ ...state, compare: ids.filter(id => id !== row.run.run).join(',') })}>\u00d7</button></td>
            </tr>`;
    return html`<section><h2>Runs</h2>
        <${VirtualTable} label="Runs compared" className="compared" head=${head} rows=${rows} row=${draw} rowHeight=${ROW_PX}
            columns=${5 + (withInterval ? 1 : 0) + (base >= 0 ? 1 : 0) + config.keys.length} />
        <p class="muted note">Values of the last epoch of each run. ${base >= 0 && withInterval ? 'The interval of a difference (95\u00a0%) takes the samples of the two runs as independent; where it holds 0 it is grey. ' : ''}
            ${config.keys.length > 0 ? `Config: the keys that differ; ${plural(config.same, 'other key')} ${config.same === 1 ? 'is' : 'are'} the same in all.` : 'Their configs do not differ.'}</p>
    </section>`;
}
