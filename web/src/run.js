// The page of one run: what it is, its views, and what is known about it.

import { html, useMemo } from './preact.js';
import * as api from './app_api.js';
import { useLive, useNow, usePlace, useTitle } from './hooks.js';
import { Link, Live, Status, Tags } from './parts.js';
import { NoSteps, UnknownRun } from './empty.js';
import { createLoader, VIEW_KEYS } from './run_data.js';
import { Menus, Tabs } from './run_menus.js';
import { RunActions } from './run_edit.js';
import { Charts } from './run_charts.js';
import { Classes } from './run_classes.js';
import { Confusion } from './run_confusion.js';
import { Curves } from './run_curves.js';
import { dateTime, duration, flatten, integer, number, relativeTime } from './format.js';

const POLL_RUNNING_MS = 1000;
const POLL_ENDED_MS = 5000;

export function Run() {
    const { state } = usePlace();
    const load = useMemo(() => createLoader(api.get), [state.run]);
    const interval = data => data?.run.status === 'running' ? POLL_RUNNING_MS : POLL_ENDED_MS;
    const live = useLive(signal => load(state, signal), interval, VIEW_KEYS.map(key => state[key]));
    const name = live.data?.run.name || state.run;
    useTitle(name);
    const refused = error => error.status === 404 && html`<${UnknownRun} run=${state.run} />`;
    return html`<${Live} live=${live} refused=${refused}>${data => html`
        <${Heading} run=${data.run} isStale=${live.error !== null} changed=${live.refresh} />
        ${data.stage === null ? html`<${NoSteps} run=${data.run} />` : html`<${Numbers} data=${data} />`}
        <${About} run=${data.run} />`}
    </${Live}>`;
}

function Heading({ run, isStale, changed }) {
    const now = useNow();
    const end = run.ended_at ?? run.updated_at;
    return html`<header class="run-head">
        <p class="eyebrow"><${Link} to=${{ project: run.project }} dir="auto">${run.project}</${Link}></p>
        <div class="title-row">
            <h1 dir="auto">${run.name || run.id}</h1>
            <${Status} status=${run.status} />
            <${Tags} tags=${run.tags} />
            ${run.status === 'running' && !isStale && html`<span class="live" title="This page follows the run">live</span>`}
            <${RunActions} run=${run} changed=${changed} />
        </div>
        <p class="muted facts">
            ${run.name && run.name !== run.id && html`<span class="mono">${run.id}</span>`}
            <span>started ${dateTime(run.created_at)}</span>
            <span>${run.ended_at ? 'ended' : 'updated'} ${relativeTime(end, now)}</span>
            ${run.ended_at && html`<span>took ${duration(end - run.created_at)}</span>`}
        </p>
    </header>`;
}

const VIEWS = { charts: Charts, classes: Classes, confusion: Confusion, curves: Curves };

function Numbers({ data }) {
    const View = VIEWS[data.view];
    return html`
        <${Menus} data=${data} />
        ${chosen && html`
            <div class="headline">
                <${ChartPanel} title=${metricTitle(chosen)} data=${headline} unit=${unit} bounds=${chosen.entry.range} size="large"
                    epochName="epoch, counts added" />
                <${Card} epoch=${last} chosen=${chosen} finding=${finding} unit=${unit} />
            </div>`}
        ${data.means.length > 0 && html`<${Means} data=${data} />`}
        ${chosen && html`<${Epochs} epochs=${epochs.epochs} chosen=${chosen} unit=${unit} />`}`;
}

function Menus({ data }) {
    const { state, go } = usePlace();
    const { chosen, catalogue, heads, stage, run } = data;
    const here = { run: run.id, stage: state.stage, metric: state.metric, more: state.more };
    const averages = chosen ? averageMenu(chosen) : [];
    const choose = selector => go({ ...here, metric: selector });
    return html`<div class="menus">
        <${Select} label="Stage" value=${stage} onChange=${value => go({ ...here, stage: value })}
            options=${stagesOf(run).map(s => ({ value: s, label: s }))} />
        ${chosen && heads.length > 1 && html`<${Select} label="Series" value=${chosen.head.name}
            onChange=${value => choose(headSelector(heads.find(h => h.name === value)))}
            options=${heads.map(h => ({ value: h.name, label: h.name }))} />`}
        ${chosen && html`<${Select} label="Metric" value=${chosen.entry.name + (chosen.arg ? '@' + chosen.arg : '')}
            onChange=${value => choose(withMetric(catalogue, chosen, value))} options=${metricMenu(catalogue, chosen)} />`}
        ${averages.length > 0 && html`<${Select} label="Average" value=${chosen.average}
            onChange=${value => choose(formatSelector({ series: chosen.head.name, metric: chosen.entry.name, arg: chosen.arg, average: value }))}
            options=${averages} />`}
        ${chosen?.entry.formula && html`<p class="formula muted">${chosen.entry.formula}</p>`}
    </div>`;
}

function Card({ epoch, chosen, finding, unit }) {
    const metric = epoch?.metrics[chosen.selector];
    if (!metric)
        return null;
    const figure = (id, name, value, text, extra) => html`<div class="figure figure-${id}">
        <dt>${name}</dt><dd><data id=${id} value=${value ?? ''}>${text}</data>${extra && html`<span class="muted">${extra}</span>`}</dd></div>`;
    const interval = metric.low !== null && metric.low !== undefined
        ? `95\u00a0%: ${inUnit(metric.low, unit)} to ${inUnit(metric.high, unit)}` : '';
    return html`<aside class="card" aria-label="Epoch ${epoch.epoch}">
        <h2>Epoch ${integer(epoch.epoch)}</h2>
        <p class="muted">${plural(epoch.steps, 'step')}, ${plural(epoch.samples, 'sample')}${epoch.ranks > 1 ? `, ${plural(epoch.ranks, 'rank')}` : ''}</p>
        <dl>
            ${figure('accumulated', 'Accumulated', metric.value, inUnit(metric.value, unit), interval)}
            ${metric.mean_of_steps !== undefined && figure('mean-of-steps', 'Mean of the steps', metric.mean_of_steps, inUnit(metric.mean_of_steps, unit))}
            ${finding && figure('gap', 'Gap', finding.gap, difference(finding.gap, unit), finding.differs ? '' : finding.gap === 0 ? 'they agree' : 'they nearly agree')}
        </dl>
        ${finding?.text && html`<p class="finding" id="finding">${finding.text}</p>`}
    </aside>`;
}

function Means({ data }) {
    const { state } = usePlace();
    const { means, shown, steps, epochs, run } = data;
    const charts = useMemo(() => shown.map(series => ({ series, data: chartData(steps, epochs, meanSelector(series.name)) })), [data]);
    return html`<section>
        <div class="charts">
            ${charts.map(({ series, data: chart }) => html`<${ChartPanel} key=${series.name} title=${series.name}
                note=${nonfinite(epochs, meanSelector(series.name))} data=${chart} unit="number" bounds=${null} size="small" />`)}
        </div>
        ${shown.length < means.length && html`<p><${Link} class="button"
            to=${{ run: run.id, stage: state.stage, metric: state.metric, more: true }}>Show all ${means.length} series</${Link}></p>`}
    </section>`;
}

function nonfinite(epochs, selector) {
    const count = epochs.epochs.reduce((sum, e) => sum + (e.metrics[selector]?.nonfinite ?? 0), 0);
    return count > 0 ? `${plural(count, 'batch').replace('batchs', 'batches')} NaN or infinite, left out` : '';
}

function Epochs({ epochs, chosen, unit }) {
    const rows = epochs.slice(-EPOCH_ROWS).reverse();
    const withInterval = rows.some(e => typeof e.metrics[chosen.selector]?.low === 'number');
    const withMean = rows.some(e => e.metrics[chosen.selector]?.mean_of_steps !== undefined);
    return html`<section>
        <h2>Epochs</h2>
        <div class="table-scroll" tabindex="0" role="region" aria-label="Epochs">
            <table>
                <thead><tr>
                    <th scope="col" class="numeric">Epoch</th><th scope="col" class="numeric">Steps</th><th scope="col" class="numeric">Samples</th>
                    <th scope="col" class="numeric">${metricTitle(chosen)}</th>
                    ${withInterval && html`<th scope="col" class="numeric">95\u00a0% interval</th>`}
                    ${withMean && html`<th scope="col" class="numeric">Mean of the steps</th><th scope="col" class="numeric">Gap</th>`}
                </tr></thead>
                <tbody>${rows.map(e => {
                    const m = e.metrics[chosen.selector] ?? {};
                    const gap = typeof m.mean_of_steps === 'number' && typeof m.value === 'number' ? m.mean_of_steps - m.value : null;
                    return html`<tr key=${e.epoch}>
                        <th scope="row" class="numeric">${integer(e.epoch)}</th><td class="numeric">${integer(e.steps)}</td><td class="numeric">${integer(e.samples)}</td>
                        <td class="numeric"><data value=${m.value ?? ''}><b>${inUnit(m.value, unit)}</b></data></td>
                        ${withInterval && html`<td class="numeric muted">${typeof m.low === 'number' ? `${inUnit(m.low, unit)} to ${inUnit(m.high, unit)}` : '\u2013'}</td>`}
                        ${withMean && html`<td class="numeric"><data value=${m.mean_of_steps ?? ''}>${inUnit(m.mean_of_steps, unit)}</data></td>
                            <td class="numeric">${difference(gap, unit)}</td>`}
                    </tr>`;
                })}</tbody>
            </table>
        </div>
        ${epochs.length > rows.length && html`<p class="muted">The last ${rows.length} of ${plural(epochs.length, 'epoch')}.</p>`}
    </section>`;
}

function About({ run }) {
    const config = flatten(run.config);
    return html`<section class="about">
        ${run.notes && html`<div><h2>Notes</h2><p class="notes" dir="auto">${run.notes}</p></div>`}
        ${config.length > 0 && html`<div><h2>Config</h2>
            <div class="table-scroll" tabindex="0" role="region" aria-label="Config"><table class="config"><tbody>
                ${config.map(([key, value]) => html`<tr key=${key}><th scope="row" class="mono">${key}</th><td class="mono" dir="auto">${value}</td></tr>`)}
            </tbody></table></div></div>`}
        ${run.series.length > 0 && html`<div><h2>Series</h2>
            <div class="table-scroll" tabindex="0" role="region" aria-label="Series"><table><thead><tr>
                <th scope="col">Stage</th><th scope="col">Name</th><th scope="col">What</th>
                <th scope="col" class="numeric">Epochs</th><th scope="col" class="numeric">Batches</th><th scope="col" class="numeric">Samples</th>
            </tr></thead><tbody>
                ${run.series.map(s => html`<tr key=${`${s.stage}/${s.name}/${s.form}`}><td>${s.stage}</td><td class="mono">${s.name}</td><td>${what(s)}</td>
                    <td class="numeric">${integer(s.epochs)}</td><td class="numeric">${integer(s.batches)}</td>
                    <td class="numeric">${s.form === 'mean' ? '\u2013' : integer(s.samples)}</td></tr>`)}
            </tbody></table></div></div>`}
    </section>`;
}

const FORMS = {
    totals: 'totals', classes: 'counts per class', confusion: 'confusion matrix', scores: 'score histograms', calibration: 'calibration',
    exact: 'exact match', regression: 'regression moments', mean: 'weighted mean'
};

function what(series) {
    const classes = series.num_classes > 1 ? `, ${number(series.num_classes)} classes` : '';
    const bins = series.bins ? `, ${number(series.bins)} ${series.form === 'scores' ? 'thresholds' : 'bins'}` : '';
    return `${series.task ? `${series.task}${classes}, ` : ''}${FORMS[series.form] ?? series.form}${bins}`;
}
