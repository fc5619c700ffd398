// The charts of a run: the headline with the card beside it, the weighted means, the epochs as a table.

import { html, useEffect, useMemo, useState } from './preact.js';
import { path, runPath } from './app_api.js';
import { useAnswer, usePlace } from './hooks.js';
import { Link } from './parts.js';
import { ChartPanel } from './chart_panel.js';
import { VirtualTable } from './virtual.js';
import { Ranks } from './run_ranks.js';
import { Card, Findings } from './run_card.js';
import { ChartMenus } from './run_menus.js';
import { chartPaths } from './run_data.js';
import { lastPosition } from './axis.js';
import { chartData, spansOf } from './series.js';
import { explain, thinnedNote } from './explain.js';
import { meanSelector, metricTitle, unitOf } from './catalogue.js';
import { difference, integer, inUnit, plural } from './format.js';

const EPOCH_ROW_PX = 33;
const LATE_MS = 120;
const DIAGNOSIS_MS = 10000; // one scan of the epoch: not with every batch of a live run

export function Charts({ data }) {
    const { state } = usePlace();
    const { chosen, steps, epochs, means, run, stage } = data;
    const unit = chosen && unitOf(chosen.entry);
    const last = epochs.epochs[epochs.epochs.length - 1];
    const findings = useDiagnosis(data, last);
    const marked = useMemo(() => {
        const found = findings.find(f => f.id === state.show);
        return found && last ? { epoch: last.epoch, steps: found.steps } : null;
    }, [findings, state.show]);
    const { from, to } = useZoom(state, data.zoom);
    const view = { from, to, axis: state.x, origin: state.x === 'relative' ? data.origin : undefined, whole: data.whole, window: state.window, marked };
    const headline = useMemo(() => chosen && chartData(steps, epochs, chosen.selector, view), [data, from, to, state.x, marked]);
    const finding = chosen && explain({ epoch: last, chosen, unit, findings });
    const lastX = useMemo(() => Math.max(lastPosition(epochs.epochs), state.to === '' ? steps.x[steps.x.length - 1] ?? 0 : 0), [data]);
    // a zoom leaves it as it is
    const table = useMemo(() => chosen && html`<${Epochs} epochs=${epochs.epochs} chosen=${chosen} unit=${unit} />`, [epochs, chosen?.selector, unit]);
    const note = thinnedNote(steps);
    const show = id => ({ ...state, ...zoomOn(id, data, last), show: id });
    return html`
        <${ChartMenus} hasMeans=${means.length > 0} ranks=${data.ranks} />
        ${chosen && html`
            <div class="headline">
                <${ChartPanel} title=${metricTitle(chosen)} note=${note} data=${headline} unit=${unit} bounds=${chosen.entry.range} size="large"
                    epochName=${chosen.entry.kind === 'counts' ? 'epoch, counts added' : 'epoch, states added'} last=${lastX}
                    paths=${chartPaths(run.id, stage, chosen.selector, state)} />
                <${Card} epoch=${last} chosen=${chosen} finding=${finding} unit=${unit} show=${show} />
            </div>`}
        ${last && html`<${Findings} epoch=${last.epoch} findings=${findings} show=${show} />`}
        ${means.length > 0 && html`<${Means} data=${data} view=${view} last=${lastX} />`}
        ${chosen && last && state.rank === '' && html`<${Ranks} run=${run} stage=${stage} chosen=${chosen} unit=${unit} epoch=${last} ranks=${data.ranks} />`}
        ${table}`;
}

// The zoom to draw: that of the answer, since the next is mostly there before a painting of the old steps in it would be; when it is late
// the old steps are shown in the new zoom.
function useZoom({ from, to }, answered) {
    const [late, setLate] = useState('');
    const wanted = `${from} ${to}`;
    const isBehind = wanted !== `${answered.from} ${answered.to}`;
    useEffect(() => {
        const timer = isBehind && setTimeout(() => setLate(wanted), LATE_MS);
        return () => clearTimeout(timer);
    }, [isBehind, wanted]);
    return isBehind && late !== wanted ? answered : { from, to };
}

const NONE = [];

function useDiagnosis(data, last) {
    const { run, stage, chosen } = data;
    const question = last ? path(runPath(run.id, '/diagnosis'), { stage, epoch: last.epoch, name: chosen && chosen.entry.kind !== 'mean' ? chosen.series.name : '' }) : null;
    const answer = useAnswer(question, run, run.status === 'running' ? DIAGNOSIS_MS : 0).data;
    return answer && answer.epoch === last?.epoch && answer.stage === stage ? answer.findings : NONE;
}

// to see the steps of an epoch among many, zoom to it
function zoomOn(id, { steps, epochs, chosen }, last) {
    const span = id !== '' && chosen && epochs.epochs.length > 1 ? spansOf(steps, epochs, chosen.selector).find(s => s.epoch === last.epoch) : null;
    return span ? { from: Math.max(0, Math.ceil(span.start)), to: '' } : {};
}

function Means({ data, view, last }) {
    const { state } = usePlace();
    const { means, shown, steps, epochs, run, stage } = data;
    const charts = useMemo(() => shown.map(series => ({
        series, data: chartData(steps, epochs, meanSelector(series.name), { ...view, log: state.log })
    })), [data, view.from, view.to, state.x, state.log, view.marked]);
    return html`<section aria-label="Weighted means">
        <div class="charts">
            ${charts.map(({ series, data: chart }) => html`<${ChartPanel} key=${series.name} title=${series.name}
                note=${nonfinite(epochs, meanSelector(series.name))} data=${chart} unit="number" bounds=${null} size="small" last=${last}
                paths=${chartPaths(run.id, stage, meanSelector(series.name), state)} />`)}
        </div>
        ${shown.length < means.length && html`<p><${Link} class="button"
            to=${{ ...state, more: true }}>Show all ${means.length} series</${Link}></p>`}
    </section>`;
}

function nonfinite(epochs, selector) {
    const count = epochs.epochs.reduce((sum, e) => sum + (e.metrics[selector]?.nonfinite ?? 0), 0);
    return count > 0 ? `${plural(count, 'batch').replace('batchs', 'batches')} NaN or infinite, left out` : '';
}

function Epochs({ epochs, chosen, unit }) {
    const rows = useMemo(() => epochs.slice().reverse(), [epochs]);
    const withInterval = rows.some(e => typeof e.metrics[chosen.selector]?.low === 'number');
    const withMean = rows.some(e => e.metrics[chosen.selector]?.mean_of_steps !== undefined);
    const head = html`<thead><tr>
        <th scope="col" class="numeric">Epoch</th><th scope="col" class="numeric">Steps</th><th scope="col" class="numeric">Samples</th>
        <th scope="col" class="numeric">${metricTitle(chosen)}</th>
        ${withInterval && html`<th scope="col" class="numeric">95\u00a0% interval</th>`}
        ${withMean && html`<th scope="col" class="numeric">Mean of the steps</th><th scope="col" class="numeric">Gap</th>`}
    </tr></thead>`;
    const row = e => {
        const m = e.metrics[chosen.selector] ?? {};
        const gap = typeof m.mean_of_steps === 'number' && typeof m.value === 'number' ? m.mean_of_steps - m.value : null;
        return html`<tr key=${e.epoch}>
            <th scope="row" class="numeric">${integer(e.epoch)}</th><td class="numeric">${integer(e.steps)}</td><td class="numeric">${integer(e.samples)}</td>
            <td class="numeric"><data value=${m.value ?? ''}><b>${inUnit(m.value, unit)}</b></data></td>
            ${withInterval && html`<td class="numeric muted">${typeof m.low === 'number' ? `${inUnit(m.low, unit)} to ${inUnit(m.high, unit)}` : '\u2013'}</td>`}
            ${withMean && html`<td class="numeric"><data value=${m.mean_of_steps ?? ''}>${inUnit(m.mean_of_steps, unit)}</data></td>
                <td class="numeric">${difference(gap, unit)}</td>`}
        </tr>`;
    };
    return html`<section>
        <h2>Epochs</h2>
        <${VirtualTable} label="Epochs" className="lines-table epochs-table" head=${head} rows=${rows} row=${row} rowHeight=${EPOCH_ROW_PX} columns=${4 + (withInterval ? 1 : 0) + (withMean ? 2 : 0)} />
    </section>`;
}
