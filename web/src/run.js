// The page of one run: what it is, its views, and what is known about it.

import { html, useMemo } from './preact.js';
import * as api from './app_api.js';
import { Place, useLive, useNow, usePlace, useTitle } from './hooks.js';
import { INITIAL } from './url_state.js';
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
    const place = usePlace();
    const { state } = place;
    const load = useMemo(() => createLoader(api.get), [state.run]);
    // what a choice needs is on its way before the page paints that it was made
    const ahead = useMemo(() => ({
        ...place,
        go(parts, options) {
            load.ahead({ ...INITIAL, ...parts });
            place.go(parts, options);
        }
    }), [place, load]);
    const interval = data => data?.isPartial ? 0 : data?.run.status === 'running' ? POLL_RUNNING_MS : POLL_ENDED_MS;
    const live = useLive(signal => load(state, signal), interval, VIEW_KEYS.map(key => state[key]));
    const name = live.data?.run.name || state.run;
    useTitle(name);
    const refused = error => error.status === 404 && html`<${UnknownRun} run=${state.run} />`;
    return html`<${Place.Provider} value=${ahead}><${Live} live=${live} refused=${refused}>${data => html`
        <${Heading} run=${data.run} isStale=${live.error !== null} changed=${live.refresh} />
        ${data.stage === null ? html`<${NoSteps} run=${data.run} />` : html`<${Numbers} data=${data} />`}
        <${About} run=${data.run} />`}
    </${Live}></${Place.Provider}>`;
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
        <${Tabs} views=${data.views} view=${data.view} />
        <${Menus} data=${data} withMetrics=${data.view === 'charts'} />
        <${View} data=${data} />`;
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
