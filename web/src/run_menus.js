// What a run page can be asked: which of its views, which stage and metric, and how the charts show it.

import { html } from './preact.js';
import { usePlace } from './hooks.js';
import { Link, Select } from './parts.js';
import { averageMenu, formatSelector, headSelector, metricMenu, stagesOf, withMetric } from './catalogue.js';
import { AXES } from './axis.js';
import { integer } from './format.js';

const WINDOWS = [10, 30, 100, 300, 1000, 3000, 10000];

/** views: viewsOf() of catalogue.js.  view: the one that is shown. */
export function Tabs({ views, view }) {
    const { state } = usePlace();
    if (views.length === 1)
        return null;
    return html`<nav class="tabs" aria-label="Views of this run">${views.map(v => html`<${Link} key=${v.view}
        to=${{ ...state, view: v.view }} aria-current=${v.view === view ? 'page' : undefined}>${v.name}</${Link}>`)}</nav>`;
}

/** Stage, series, metric, average.  withMetrics: for the views that show one metric. */
export function Menus({ data, withMetrics }) {
    const { state, go } = usePlace();
    const { chosen, catalogue, heads, stage, run } = data;
    const averages = chosen ? averageMenu(chosen) : [];
    const choose = selector => go({ ...state, metric: selector });
    return html`<div class="menus">
        <${Select} label="Stage" value=${stage} onChange=${value => go({ ...state, stage: value, from: '', to: '', epoch: '', show: '', class: '' })}
            options=${stagesOf(run).map(s => ({ value: s, label: s }))} />
        ${chosen && heads.length > 1 && html`<${Select} label="Series" value=${chosen.head.name}
            onChange=${value => go({ ...state, metric: headSelector(heads.find(h => h.name === value)), epoch: '', show: '', class: '' })}
            options=${heads.map(h => ({ value: h.name, label: h.name }))} />`}
        ${withMetrics && chosen && html`<${Select} label="Metric" value=${chosen.entry.name + (chosen.arg ? '@' + chosen.arg : '')}
            onChange=${value => choose(withMetric(catalogue, chosen, value))} options=${metricMenu(catalogue, chosen)} />`}
        ${withMetrics && averages.length > 0 && html`<${Select} label="Average" value=${chosen.average}
            onChange=${value => choose(formatSelector({ series: chosen.head.name, metric: chosen.entry.name, arg: chosen.arg, average: value }))}
            options=${averages} />`}
        ${withMetrics && chosen?.entry.formula && html`<p class="formula muted">${chosen.entry.formula}</p>`}
    </div>`;
}

/** Over how many steps each value is taken. */
export function WindowMenu() {
    const { state, go } = usePlace();
    const windows = state.window === '' || WINDOWS.includes(state.window) ? WINDOWS : [...WINDOWS, state.window].sort((a, b) => a - b);
    return html`<${Select} label="Step values" value=${String(state.window)} onChange=${value => go({ ...state, window: value === '' ? '' : Number(value) })}
        options=${[{ value: '', label: 'each step' }, ...windows.map(w => ({ value: String(w), label: `last ${integer(w)} steps` }))]} />`;
}

const RANKS_MAX = 256; // in the menu

function ranksShown(ranks, now) {
    const all = Array.from({ length: Math.min(ranks, RANKS_MAX) }, (_, rank) => rank);
    return now === '' || all.includes(now) ? all : [...all, now];
}

/** How all charts of the page show their x and y. */
export function ChartMenus({ hasMeans, ranks }) {
    const { state, go } = usePlace();
    const isZoomed = state.from !== '' || state.to !== '';
    return html`<div class="menus chart-menus">
        <${Select} label="X axis" value=${state.x} onChange=${value => go({ ...state, x: value })} options=${AXES} />
        <${WindowMenu} />
        ${(ranks > 1 || state.rank !== '') && html`<${Select} label="Rank" value=${String(state.rank)} onChange=${value => go({ ...state, rank: value === '' ? '' : Number(value) })}
            options=${[{ value: '', label: 'all' }, ...ranksShown(ranks, state.rank).map(rank => ({ value: String(rank), label: String(rank) }))]} />`}
        ${hasMeans && html`<label class="check"><input type="checkbox" name="log" checked=${state.log} onChange=${event => go({ ...state, log: event.target.checked })} />
            Logarithmic y of the means</label>`}
        ${isZoomed ? html`<${Link} class="button" to=${{ ...state, from: '', to: '' }}>Whole run</${Link}>`
            : html`<p class="muted hint">Drag across a chart to zoom.</p>`}
    </div>`;
}
