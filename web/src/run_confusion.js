// The confusion matrix of one epoch: a table while it can be read, a picture above that, and the pairs that are
// confused most.

import { html, useMemo, useState } from './preact.js';
import { path, runPath } from './api.js';
import { useAnswer, usePlace } from './hooks.js';
import { Select } from './parts.js';
import { More } from './more.js';
import { EpochPicker, pickEpoch } from './epoch_picker.js';
import { cellText, changeOf, className, isGood, readMatrix, strengths, topPairs, valueOf } from './confusion.js';
import { COLOUR_MAX, matrixSvg, Picture, TABLE_MAX } from './confusion_picture.js';
import { Cells } from './confusion_cells.js';
import { difference, integer, percent } from './format.js';

const PAIRS = 12;
const NORMS = [
    { value: 'counts', label: 'counts' },
    { value: 'true', label: 'share of the row (recall on the diagonal)' },
    { value: 'pred', label: 'share of the column (precision on the diagonal)' },
    { value: 'change', label: 'change of the share of the row since the epoch before' }
];

export function Confusion({ data }) {
    const { state, go } = usePlace();
    const { run, stage, chosen, epochs } = data;
    const picked = pickEpoch(epochs.epochs, state.epoch);
    const name = chosen.head.name === 'main' ? '' : chosen.head.name;
    const { norm } = state;
    const questionOf = epoch => path(runPath(run.id, '/confusion'), { stage, epoch, name });
    const question = picked ? questionOf(picked.epoch) : null;
    const answer = useAnswer(question, run);
    const isChange = norm === 'change';
    const before = useAnswer(isChange && picked && picked.before !== null ? questionOf(picked.before) : null, run).data;
    const matrix = useMemo(() => {
        const now = answer.data && readMatrix(answer.data);
        return now && isChange ? changeOf(now, before && readMatrix(before)) : now;
    }, [answer.data, before, isChange]);
    const [asTable, setAsTable] = useState(false);
    if (!matrix)
        return html`<p class="muted loading" role="status">${answer.error ? answer.error.message : 'Loading\u2026'}</p>`;
    const names = answer.data.class_names;
    const isTable = matrix.n <= TABLE_MAX;
    const title = `Confusion matrix, ${stage} epoch ${picked.epoch}: ${NORMS.find(n => n.value === norm).label}`;
    return html`<section class="view">
        <div class="view-head"><${EpochPicker} epochs=${epochs.epochs} picked=${picked} />
            <${Select} label="Show" value=${norm} options=${NORMS} onChange=${value => go({ ...state, norm: value })} />
            <${More} name="confusion matrix of epoch ${picked.epoch}" paths=${[['cells', question]]} asTable=${asTable} onTable=${isTable ? undefined : () => setAsTable(!asTable)}
                svg=${asTable && !isTable ? null : () => matrixSvg(title, matrix, names, norm)} /></div>
        ${isChange && picked.before === null && html`<p class="muted">There is no epoch before this one.</p>`}
        <div class="confusion-and-pairs">
            ${isTable ? html`<${Table} matrix=${matrix} names=${names} norm=${norm} />` : asTable ? html`<${Cells} matrix=${matrix} names=${names} isChange=${isChange} />`
                : html`<${Picture} matrix=${matrix} names=${names} norm=${norm} epoch=${picked.epoch} />`}
            <${Pairs} matrix=${matrix} names=${names} norm=${norm} />
        </div>
    </section>`;
}

const show = (value, norm) => norm === 'counts' ? integer(value) : norm === 'change' ? difference(value, 'percent') : percent(value);

function Table({ matrix, names, norm }) {
    const { n } = matrix;
    const strong = strengths(matrix, norm);
    const at = new Map(matrix.cells.map((cell, i) => [cell.target * n + cell.predicted, i]));
    const index = Array.from({ length: n }, (_, i) => i);
    const cell = (target, predicted) => {
        const i = at.get(target * n + predicted);
        const colour = i !== undefined && isGood(matrix.cells[i], norm) ? '--cell-right' : '--cell-wrong';
        const style = i === undefined ? {} : { backgroundColor: `color-mix(in srgb, var(${colour}) ${(strong[i] * COLOUR_MAX).toFixed(1)}%, var(--surface))` };
        const value = i === undefined ? 0 : valueOf(matrix, matrix.cells[i], norm);
        const text = i === undefined ? '0' : cellText(value, norm);
        return html`<td key=${predicted} class=${i === undefined ? 'nothing' : ''} style=${style}
            title=${`${className(names, target)} predicted as ${className(names, predicted)}: ${show(value, norm)}`}><data value=${value}>${text}</data></td>`;
    };
    return html`<div class="table-scroll confusion" tabindex="0" role="region" aria-label="Confusion matrix"><p class="caption muted" id="matrix-caption">Rows are the true class, columns what was predicted${norm === 'counts' ? '' : norm === 'change' ? '; points of the share of the row. Blue is better, orange worse' : '; per cent'}.</p>
        <table aria-describedby="matrix-caption">
        <thead><tr><td></td>${index.map(i => html`<th key=${i} scope="col" dir="auto" title=${className(names, i)}><span>${className(names, i)}</span></th>`)}</tr></thead>
        <tbody>${index.map(target => html`<tr key=${target}><th scope="row" dir="auto" title=${className(names, target)}>${className(names, target)}</th>${index.map(predicted => cell(target, predicted))}</tr>`)}</tbody>
    </table></div>`;
}

function Pairs({ matrix, names, norm }) {
    const pairs = topPairs(matrix, norm, PAIRS);
    const title = norm === 'change' ? 'Grown most' : 'Most confused';
    if (pairs.length === 0)
        return html`<aside class="pairs card"><h2>${title}</h2><p class="muted">${norm === 'change' ? 'No confusion has grown.' : 'Nothing is confused: every sample is on the diagonal.'}</p></aside>`;
    return html`<aside class="pairs card"><h2>${title}</h2>
        <ol>${pairs.map(p => html`<li key=${`${p.target}/${p.predicted}`}>
            <span><b dir="auto">${className(names, p.target)}</b> taken for <b dir="auto">${className(names, p.predicted)}</b></span>
            <span class="muted">${norm === 'change' && `${difference(p.change, 'percent')}; `}${integer(p.count)}, ${percent(p.count / matrix.targets[p.target])} of ${className(names, p.target)}</span></li>`)}</ol></aside>`;
}
