// The runs of a project: filtered, sorted and paged by the server, the columns chosen in the address.

import { html, useEffect, useMemo, useState } from './preact.js';
import * as api from './app_api.js';
import { useAnswer, useLive, useNow, usePlace, useTitle } from './hooks.js';
import { Link, Live, Status, Tags } from './parts.js';
import { NoRuns } from './empty.js';
import { More } from './more.js';
import { Spark, sparkOf, useDiffering, useSparks } from './runs_extra.js';
import { parseRuns, RUNS_MAX } from './compare_model.js';
import { readCatalogue } from './catalogue.js';
import { Selected } from './run_bulk.js';
import { VirtualTable } from './virtual.js';
import { createRunsLoader, FIRST } from './runs_data.js';
import { dateTime, flatten, integer, inUnit, MISSING, number, percent, plural, relativeTime } from './format.js';
import {
    columnsAsked, columnTitle, columnUnit, filterAsked, nextSort, parseColumns, pinnedFirst, rowOf, sortKey, sortOf, sortStage, suggestions, TAGS, usualColumns
} from './runs_columns.js';

const POLL_MS = 2000;
const ROW_PX = 54;
const TYPING_MS = 400;

export function Runs() {
    const { state, go } = usePlace();
    useTitle(state.project);
    const columns = useMemo(() => parseColumns(state.columns), [state.columns]);
    const [wanted, setWanted] = useState(FIRST);
    const [listed, setListed] = useState([]); // the runs whose configs are compared
    const differing = useDiffering(state.differ, listed);
    const query = { project: state.project, q: filterAsked(state.q, state.archived), sort: state.sort, columns: [columnsAsked(columns, state.stage), ...differing.filter(c => !columns.includes(c))].filter(c => c !== '').join(',') };
    const question = api.path('/api/v1/runs', query);
    useEffect(() => setWanted(FIRST), [question]);
    const load = useMemo(() => createRunsLoader(api.get), [question]);
    const live = useLive(signal => load(query, wanted, signal), () => POLL_MS, [question, wanted]);
    const ids = live.data?.runs.slice(0, RUNS_MAX).map(run => run.id).join();
    useEffect(() => state.differ && live.data && setListed(live.data.runs), [ids, state.differ]);
    // a filter or a column that the server refuses is said where it is typed; the rows stay
    const isRefused = live.error?.status === 422;
    const shown = isRefused ? { ...live, data: live.data ?? { runs: [], total: 0, hasMore: false }, error: null } : live;
    return html`<${Live} live=${shown}>${list => list.total === 0 && state.q === '' && !isRefused
        ? html`<${NoRuns} project=${state.project} />`
        : html`
            <div class="title-row"><h1 dir="auto">${state.project}</h1><span class="muted">${plural(list.total, 'run')}</span></div>
            <div class="list-menus">
                <${Filter} error=${isRefused ? live.error.message : ''} />
                <${Columns} columns=${columns} list=${list} />
                ${[['spark', 'Curves'], ['differ', 'Differing config']].map(([key, name]) => html`<label class="check" key=${key}><input type="checkbox" name=${key} checked=${state[key]}
                    onChange=${event => go({ ...state, [key]: event.target.checked })} /> ${name}</label>`)}
                <label class="check"><input type="checkbox" name="archived" checked=${state.archived} onChange=${event => go({ ...state, archived: event.target.checked })} /> Archived too</label>
                <${More} name="runs of ${state.project}" paths=${[['runs', question]]} />
            </div>
            <${Table} list=${list} columns=${columns} differing=${differing} near=${() => list.hasMore && wanted <= list.runs.length && setWanted(list.runs.length + 1)} />
            <${Selected} runs=${list.runs} changed=${live.refresh} />`}
    </${Live}>`;
}

function Filter({ error }) {
    const { state, go } = usePlace();
    const [typed, setTyped] = useState(state.q);
    useEffect(() => setTyped(state.q), [state.q]);
    useEffect(() => {
        if (typed.trim() === state.q)
            return undefined;
        const timer = setTimeout(() => go({ ...state, q: typed.trim() }, { replace: state.q !== '' && typed.trim() !== '' }), TYPING_MS);
        return () => clearTimeout(timer);
    }, [typed]);
    return html`<form class="filter" role="search" onSubmit=${event => event.preventDefault()}>
        <input type="search" name="q" value=${typed} placeholder="Filter: lr>0.01 tag:baseline status=running name~resnet" spellcheck=${false} autocomplete="off"
            aria-label="Filter runs" aria-invalid=${error !== ''} onInput=${event => setTyped(event.target.value)} />
        ${error && html`<p class="error" role="alert">${error}</p>`}
    </form>`;
}

function Columns({ columns, list }) {
    const { state, go } = usePlace();
    const [isOpen, setOpen] = useState(false);
    const [typed, setTyped] = useState('');
    const example = useAnswer(isOpen && list.runs.length > 0 ? api.runPath(list.runs[0].id) : null, null).data;
    const known = example ? suggestions(flatten(example.config), example.series) : [];
    const now = columns.length > 0 ? columns : usualColumns(sortStage(list.runs, state.stage));
    const set = next => go({ ...state, columns: next.join(',') });
    const pins = parseColumns(state.pin);
    const pin = c => go({ ...state, columns: now.join(','), pin: (pins.includes(c) ? pins.filter(p => p !== c) : [...pins, c]).join(',') });
    const add = event => {
        event.preventDefault();
        if (typed.trim() !== '')
            set([...new Set([...now, typed.trim()])]);
        setTyped('');
    };
    const move = (from, to) => set(now.flatMap((c, i) => i === from ? [] : i === to ? (from < to ? [c, now[from]] : [now[from], c]) : [c]));
    return html`<details class="columns" open=${isOpen} onToggle=${event => setOpen(event.target.open)}>
        <summary class="button">Columns</summary>
        <div class="columns-list">
            <ul>${now.map((c, i) => html`<li key=${c}><span class="mono">${c}</span>
                <button type="button" aria-label="Move ${c} to the left" disabled=${i === 0} onClick=${() => move(i, i - 1)}>\u2190</button>
                <button type="button" aria-label="Move ${c} to the right" disabled=${i === now.length - 1} onClick=${() => move(i, i + 1)}>\u2192</button>
                <button type="button" aria-label="Pin ${c}" aria-pressed=${pins.includes(c)} title="Keep beside the name" onClick=${() => pin(c)}>${pins.includes(c) ? '\u25c9' : '\u25ce'}</button>
                <button type="button" aria-label="Remove ${c}" onClick=${() => set(now.filter(other => other !== c))}>\u00d7</button></li>`)}</ul>
            <form onSubmit=${add}>
                <input name="column" list="column-names" value=${typed} placeholder="val/loss@min, config.lr, tags" aria-label="Column to add" onInput=${event => setTyped(event.target.value)} />
                <datalist id="column-names">${known.filter(k => !now.includes(k)).map(k => html`<option key=${k} value=${k} />`)}</datalist>
                <button type="submit" class="button">Add</button>
            </form>
            <p class="muted">A metric of a stage, and which epoch of it: @last, @best, @min, @max, or @7 for epoch 7.</p>
            ${columns.length > 0 && html`<p><${Link} to=${{ ...state, columns: '' }}>The usual columns</${Link}></p>`}
        </div>
    </details>`;
}

const IN_SIGHT = 25; // rows whose curves are asked for together

function Table({ list, columns: asked, differing, near }) {
    const { state, go } = usePlace();
    const now = useNow();
    const stage = sortStage(list.runs, state.stage);
    const { columns, pinned } = pinnedFirst(asked, state.pin);
    const known = useAnswer(columns.length > 0 ? '/api/v1/metrics' : null, null).data;
    const catalogue = useMemo(() => known && readCatalogue(known), [known]);
    const extra = differing.filter(c => !columns.includes(c));
    const [sight, setSight] = useState([0, IN_SIGHT]);
    // as long as the same rows are in sight, more or less, the question stays the same
    const inSight = (first, end) => {
        const next = [Math.floor(first / IN_SIGHT) * IN_SIGHT, Math.ceil(end / IN_SIGHT) * IN_SIGHT];
        if (next.join() !== sight.join())
            setSight(next);
    };
    const what = useMemo(() => state.spark ? sparkOf(asked, stage, list.runs.length > 0 ? rowOf(list.runs[0], stage) : null) : null, [state.spark, state.columns, stage, list.runs.length > 0]);
    const sparks = useSparks(what, list.runs.slice(...sight).slice(0, RUNS_MAX), list);
    const usual = [['Last epoch', 'epoch'], ['Samples', 'samples'], ['Accuracy', 'accuracy'], ['Macro accuracy', 'accuracy.macro'], ['Loss', 'loss']];
    const selected = parseRuns(state.select);
    const toggle = id => {
        const ids = selected.includes(id) ? selected.filter(other => other !== id) : [...selected, id].slice(-RUNS_MAX);
        go({ ...state, select: ids.join(',') }, { replace: true });
    };
    const first = list.runs.slice(0, RUNS_MAX).map(run => run.id);
    const all = first.every(id => selected.includes(id));
    const chosenHeader = c => html`<${Header} key=${c} name=${columnTitle(c)} key_=${c} numeric=${c !== TAGS} className=${pinClass(columns, pinned, c)} style=${pinStyle(columns, pinned, c)} />`;
    const head = html`<thead><tr>
        <th scope="col" class="pick"><input type="checkbox" checked=${all} aria-label=${`Select the first ${first.length} runs`} title="Select the first ${first.length}"
            onChange=${() => go({ ...state, select: all ? '' : first.join(',') }, { replace: true })} /></th>
        <${Header} name="Name" key_="name" className=${pinned > 0 ? 'pinned pinned-0' : ''} />${columns.slice(0, pinned).map(chosenHeader)}
        ${what && html`<th scope="col" title="Epoch by epoch, each from its first to its last, all on one scale">${what.stage} ${what.selector}</th>`}<${Header} name="Status" key_="status" />
        ${columns.length > 0 ? columns.slice(pinned).map(chosenHeader)
            : html`<th scope="col">Stage</th>${usual.map(([name, field]) => html`<${Header} key=${field} name=${name} key_=${sortKey(stage, field)} stage=${stage} numeric />`)}`}
        ${extra.map(chosenHeader)}
        <${Header} name="Updated" key_="updated_at" numeric />
    </tr></thead>`;
    if (list.runs.length === 0)
        return html`<p class="muted empty-list">No run fits the filter. <${Link} to=${{ ...state, q: '' }}>Show all</${Link}></p>`;
    return html`<${VirtualTable} label="Runs" className="runs" head=${head} rows=${list.runs} columns=${(columns.length > 0 ? columns.length + 4 : 10) + extra.length + (what ? 1 : 0)} rowHeight=${ROW_PX} near=${near} inSight=${state.spark ? inSight : undefined}
        row=${run => html`<${Row} key=${run.id} run=${run} columns=${columns} stage=${state.stage} now=${now} picked=${selected.includes(run.id)} toggle=${toggle}
            pinned=${pinned} extra=${extra} what=${what} spark=${sparks?.get(run.id)} catalogue=${catalogue} />`} />`;
}

// stage: sorting by a metric compares one stage, so the link fixes it.  With Shift the key comes second.
function Header({ name, key_, stage, numeric, className = '', style }) {
    const { state, go } = usePlace();
    const order = sortOf(state.sort, key_);
    const to = together => ({ ...state, stage: stage ?? state.stage, sort: nextSort(state.sort, key_, Boolean(numeric), together) });
    const click = event => {
        if (!event.shiftKey)
            return;
        event.preventDefault();
        event.stopPropagation();
        go(to(true));
    };
    const isSecond = state.sort.includes(',');
    return html`<th scope="col" class="${numeric ? 'numeric' : ''} ${className}" style=${style} aria-sort=${!order ? 'none' : order.descending ? 'descending' : 'ascending'} onClickCapture=${click}>
        <${Link} to=${to(false)}>${name}<span class="sort" aria-hidden="true">${order ? (order.descending ? '\u2193' : '\u2191') + (isSecond ? order.place : '') : ''}</span></${Link}>
    </th>`;
}

function Row({ run, columns, stage, now, picked, toggle, pinned, extra, what, spark, catalogue }) {
    const chosen = c => html`<${Chosen} key=${c} run=${run} column=${c} unit=${columnUnit(c, catalogue)} className=${pinClass(columns, pinned, c)} style=${pinStyle(columns, pinned, c)} />`;
    return html`<tr>
        <td class="pick"><input type="checkbox" checked=${picked} aria-label="Select ${run.name || run.id}" onChange=${() => toggle(run.id)} /></td>
        <th scope="row" class=${pinned > 0 ? 'pinned pinned-0' : ''}><div class="run-name">
            <${Link} to=${{ run: run.id }} dir="auto" title=${run.name || run.id}>${run.name || run.id}</${Link}>
            <div class="run-more">${run.name && run.name !== run.id && html`<span class="run-id mono">${run.id}</span>`}<${Tags} tags=${run.tags} /></div>
        </div></th>
        ${columns.slice(0, pinned).map(chosen)}${what && html`<${Spark} spark=${spark} name="${what.selector} of ${run.name || run.id}" />`}
        <td><${Status} status=${run.status} /></td>
        ${columns.length > 0 ? columns.slice(pinned).map(chosen) : html`<${Usual} run=${run} stage=${stage} />`}
        ${extra.map(chosen)}
        <td class="numeric muted" title=${dateTime(run.updated_at)}>${relativeTime(run.updated_at, now)}</td>
    </tr>`;
}

// pinned columns stand beside the name while the others scroll under them
const PIN_REM = 8;
const pinClass = (columns, pinned, c) => columns.indexOf(c) >= 0 && columns.indexOf(c) < pinned ? 'pinned' : '';
const pinStyle = (columns, pinned, c) => pinClass(columns, pinned, c) ? { left: `${16 + PIN_REM * columns.indexOf(c)}rem`, width: `${PIN_REM}rem` } : undefined;

const value = (key, v, text, className = '', style) => html`<td key=${key} class="numeric ${className}" style=${style}><data value=${v ?? ''}>${text(v)}</data></td>`;

function Usual({ run, stage }) {
    const row = rowOf(run, stage);
    return html`<td class="muted">${row.stage ?? MISSING}</td>
        ${value('epoch', row.epoch, integer)}${value('samples', row.samples, integer)}
        ${value('accuracy', row.accuracy, percent)}${value('macro', row['accuracy.macro'], percent)}${value('loss', row.loss, number)}`;
}

function Chosen({ run, column, unit, className, style }) {
    if (column === TAGS)
        return html`<td class=${className} style=${style}>${(run.tags ?? []).join(', ')}</td>`;
    const v = run.columns?.[column] ?? null;
    return value(column, typeof v === 'object' ? null : v, x => x === null ? MISSING : typeof x === 'number' ? inUnit(x, unit) : String(x), className, style);
}
