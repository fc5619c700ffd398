// The confusion matrix of one epoch: a table while it can be read, a picture above that, and the pairs that are
// confused most.

import { html, useLayoutEffect, useMemo, useRef, useState } from './preact.js';
import { path, runPath } from './api.js';
import { useAnswer, usePlace } from './hooks.js';
import { Select } from './parts.js';
import { More } from './more.js';
import { EpochPicker, pickEpoch } from './epoch_picker.js';
import { changeOf, className, isGood, readMatrix, strengths, topPairs, valueOf } from './confusion.js';
import { rgb } from './pixels.js';
import { difference, integer, percent, plural } from './format.js';

const TABLE_MAX = 30; // classes
const PAIRS = 12;
const COLOUR_MAX = 62; // per cent of colour in a cell: its text stays readable
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
    const canvas = useRef(null);
    if (!matrix)
        return html`<p class="muted loading" role="status">${answer.error ? answer.error.message : 'Loading\u2026'}</p>`;
    const names = answer.data.class_names;
    const isTable = matrix.n <= TABLE_MAX;
    return html`<section class="view">
        <div class="view-head"><${EpochPicker} epochs=${epochs.epochs} picked=${picked} />
            <${Select} label="Show" value=${norm} options=${NORMS} onChange=${value => go({ ...state, norm: value })} />
            <${More} name="confusion matrix of epoch ${picked.epoch}" paths=${[['cells', question]]} picture=${isTable ? null : () => canvas.current} /></div>
        ${isChange && picked.before === null && html`<p class="muted">There is no epoch before this one.</p>`}
        <div class="confusion-and-pairs">
            ${isTable ? html`<${Table} matrix=${matrix} names=${names} norm=${norm} />` : html`<${Picture} matrix=${matrix} names=${names} norm=${norm} canvas=${canvas} />`}
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
        const text = i === undefined ? '0' : norm === 'counts' ? integer(value) : norm === 'change' ? difference(value, 'percent').replace('\u00a0points', '') : `${(value * 100).toFixed(value < 0.0995 ? 1 : 0)}`;
        return html`<td key=${predicted} class=${i === undefined ? 'nothing' : ''} style=${style}
            title=${`${className(names, target)} predicted as ${className(names, predicted)}: ${show(value, norm)}`}><data value=${value}>${text}</data></td>`;
    };
    return html`<div class="table-scroll confusion" tabindex="0" role="region" aria-label="Confusion matrix"><table>
        <caption>Rows are the true class, columns what was predicted${norm === 'counts' ? '' : norm === 'change' ? '; points of the share of the row. Blue is better, orange worse' : '; per cent'}.</caption>
        <thead><tr><td></td>${index.map(i => html`<th key=${i} scope="col" dir="auto" title=${className(names, i)}><span>${className(names, i)}</span></th>`)}</tr></thead>
        <tbody>${index.map(target => html`<tr key=${target}><th scope="row" dir="auto" title=${className(names, target)}>${className(names, target)}</th>${index.map(predicted => cell(target, predicted))}</tr>`)}</tbody>
    </table></div>`;
}

// One pixel a cell, written at once and magnified by whole pixels: a million cells take a few milliseconds.
function paint(canvas, matrix, norm) {
    const { n } = matrix;
    const [ground, good, bad] = ['--surface-sunk', '--series-epoch', '--series-mean'].map(name => rgb(canvas, name));
    const small = document.createElement('canvas');
    small.width = small.height = n;
    const image = new ImageData(n, n);
    const { data } = image;
    for (let i = 0; i < data.length; i += 4) {
        data[i] = ground[0];
        data[i + 1] = ground[1];
        data[i + 2] = ground[2];
        data[i + 3] = 255;
    }
    const strong = strengths(matrix, norm);
    matrix.cells.forEach((cell, k) => {
        const colour = isGood(cell, norm) ? good : bad;
        const share = 0.2 + 0.8 * strong[k]; // a single sample is seen too
        const at = (cell.target * n + cell.predicted) * 4;
        for (let part = 0; part < 3; part++)
            data[at + part] = ground[part] + (colour[part] - ground[part]) * share;
    });
    small.getContext('2d').putImageData(image, 0, 0);
    const scale = Math.max(1, Math.floor(canvas.clientWidth * devicePixelRatio / n));
    canvas.width = canvas.height = n * scale;
    const ctx = canvas.getContext('2d');
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(small, 0, 0, n * scale, n * scale);
}

function Picture({ matrix, names, norm, canvas }) {
    const [under, setUnder] = useState(null);
    const at = useMemo(() => new Map(matrix.cells.map(cell => [cell.target * matrix.n + cell.predicted, cell])), [matrix]);
    useLayoutEffect(() => {
        const draw = () => paint(canvas.current, matrix, norm);
        draw();
        addEventListener('themechange', draw);
        return () => removeEventListener('themechange', draw);
    }, [matrix, norm]);
    const move = event => {
        const box = canvas.current.getBoundingClientRect();
        const [predicted, target] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]
            .map(share => Math.min(matrix.n - 1, Math.max(0, Math.floor(share * matrix.n))));
        setUnder({ target, predicted, count: at.get(target * matrix.n + predicted)?.count ?? 0 });
    };
    return html`<figure class="confusion-picture">
        <canvas ref=${canvas} role="img" onPointerMove=${move} onPointerLeave=${() => setUnder(null)}
            aria-label=${`Confusion matrix of ${plural(matrix.n, 'class').replace('classs', 'classes')}; the most confused pairs are listed beside it`}></canvas>
        <figcaption class="muted">${under
            ? html`<b dir="auto">${className(names, under.target)}</b> predicted as <b dir="auto">${className(names, under.predicted)}</b>: ${`${integer(under.count)} of ${integer(matrix.targets[under.target])}`}` : 'Rows are the true class, columns what was predicted. Point at a cell to read it.'}</figcaption>
    </figure>`;
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
