// The runs of a project as a table.  The server sorts and pages; a row's link opens the run.

import { html } from './preact.js';
import * as api from './app_api.js';
import { useLive, useNow, usePlace, useTitle } from './hooks.js';
import { Link, Live, Status, Tags } from './parts.js';
import { NoRuns } from './empty.js';
import { dateTime, integer, MISSING, number, percent, plural, relativeTime } from './format.js';
import { columnsQuery, nextSort, rowOf, sortKey, sortStage } from './runs_columns.js';

const POLL_MS = 2000;
const PAGE = 100;

export function Runs() {
    const { state } = usePlace();
    useTitle(state.project);
    const path = api.path('/api/v1/runs', {
        project: state.project, sort: state.sort, limit: PAGE, cursor: state.cursor, columns: columnsQuery(state.stage)
    });
    const live = useLive(signal => api.get(path, signal), () => POLL_MS, [path]);
    return html`<${Live} live=${live}>${list => list.runs.length === 0 && state.cursor === ''
        ? html`<${NoRuns} project=${state.project} />`
        : html`<${Table} list=${list} />`}
    </${Live}>`;
}

function Table({ list }) {
    const { state } = usePlace();
    const now = useNow();
    const stage = sortStage(list.runs, state.stage);
    return html`
        <div class="title-row">
            <h1 dir="auto">${state.project}</h1>
            <span class="muted">${plural(list.total, 'run')}</span>
        </div>
        <div class="table-scroll" tabindex="0" role="region" aria-label="Runs">
            <table class="runs">
                <thead><tr>
                    <${Header} name="Name" key_="name" />
                    <${Header} name="Status" key_="status" />
                    <th scope="col">Stage</th>
                    <${Header} name="Last epoch" key_=${sortKey(stage, 'epoch')} stage=${stage} numeric />
                    <${Header} name="Samples" key_=${sortKey(stage, 'samples')} stage=${stage} numeric />
                    <${Header} name="Accuracy" key_=${sortKey(stage, 'accuracy')} stage=${stage} numeric />
                    <${Header} name="Macro accuracy" key_=${sortKey(stage, 'accuracy.macro')} stage=${stage} numeric />
                    <${Header} name="Loss" key_=${sortKey(stage, 'loss')} stage=${stage} numeric />
                    <${Header} name="Updated" key_="updated_at" numeric />
                </tr></thead>
                <tbody>${list.runs.map(run => html`<${Row} key=${run.id} run=${run} stage=${state.stage} now=${now} />`)}</tbody>
            </table>
        </div>
        <${Pages} list=${list} />`;
}

// stage: sorting by a metric compares one stage, so the link fixes it
function Header({ name, key_, stage, numeric }) {
    const { state } = usePlace();
    const isNow = state.sort === key_ || state.sort === '-' + key_;
    const order = !isNow ? 'none' : state.sort.startsWith('-') ? 'descending' : 'ascending';
    const to = { project: state.project, stage: stage ?? state.stage, sort: nextSort(state.sort, key_, Boolean(numeric)) };
    return html`<th scope="col" class=${numeric ? 'numeric' : ''} aria-sort=${order}>
        <${Link} to=${to}>${name}<span class="sort" aria-hidden="true">${order === 'ascending' ? '\u2191' : order === 'descending' ? '\u2193' : ''}</span></${Link}>
    </th>`;
}

function Row({ run, stage, now }) {
    const row = rowOf(run, stage);
    const value = (field, text) => html`<td class="numeric"><data value=${row[field] ?? ''}>${text(row[field])}</data></td>`;
    return html`<tr>
        <th scope="row">
            <${Link} to=${{ run: run.id }} dir="auto">${run.name || run.id}</${Link}>
            ${run.name && run.name !== run.id && html`<span class="run-id mono">${run.id}</span>`}
            <${Tags} tags=${run.tags} />
        </th>
        <td><${Status} status=${run.status} /></td>
        <td class="muted">${row.stage ?? MISSING}</td>
        ${value('epoch', integer)}${value('samples', integer)}
        ${value('accuracy', percent)}${value('accuracy.macro', percent)}${value('loss', number)}
        <td class="numeric muted" title=${dateTime(run.updated_at)}>${relativeTime(run.updated_at, now)}</td>
    </tr>`;
}

function Pages({ list }) {
    const { state } = usePlace();
    if (!list.next_cursor && state.cursor === '')
        return null;
    const here = { project: state.project, stage: state.stage, sort: state.sort };
    return html`<nav class="pages" aria-label="Pages">
        ${state.cursor !== '' && html`<${Link} class="button" to=${here}>First page</${Link}>`}
        ${list.next_cursor && html`<${Link} class="button" to=${{ ...here, cursor: list.next_cursor }}>Next ${PAGE}</${Link}>`}
    </nav>`;
}
