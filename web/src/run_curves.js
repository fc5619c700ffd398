// ROC, precision-recall and reliability of one epoch, where score histograms or calibration bins were logged.

import { html, useState } from './preact.js';
import { path, runPath } from './api.js';
import { useAnswer, usePlace } from './hooks.js';
import { Select } from './parts.js';
import { More } from './more.js';
import { SquarePlot, squareSvg } from './square_plot.js';
import { EpochPicker, pickEpoch } from './epoch_picker.js';
import { drawnClasses, isLarge, LINES_MAX, ofClass, prPoints, reliabilityRows, rocPoints } from './curves.js';
import { className } from './confusion.js';
import { integer, number, percent, plural } from './format.js';

export function Curves({ data }) {
    const { state } = usePlace();
    const { chosen, epochs } = data;
    const { scores, calibration } = chosen.head.states;
    const picked = pickEpoch(epochs.epochs, state.epoch);
    if (!picked)
        return null;
    return html`<section class="view">
        <div class="view-head"><${EpochPicker} epochs=${epochs.epochs} picked=${picked} />
            ${scores && scores.task !== 'binary' && html`<${ClassMenu} data=${data} series=${scores} />`}</div>
        <div class="curves">
            ${scores && html`<${ScoreCurves} data=${data} series=${scores} epoch=${picked.epoch} />`}
            ${calibration && html`<${Reliability} data=${data} epoch=${picked.epoch} />`}
        </div>
    </section>`;
}

const nameOf = head => head.name === 'main' ? '' : head.name;
const selector = (head, metric) => (head.name === 'main' ? '' : `${head.name}:`) + metric;
const namesOf = data => data.run.stages?.[data.stage]?.class_names;

function ClassMenu({ data, series }) {
    const { state, go } = usePlace();
    const all = isLarge(series) ? [] : [{ value: '', label: series.num_classes > LINES_MAX ? `the first ${LINES_MAX} classes` : 'all classes' }];
    const options = [...all, ...Array.from({ length: series.num_classes }, (_, i) => ({ value: String(i), label: className(namesOf(data), i) }))];
    return html`<${Select} label="Class" value=${String(state.class === '' && isLarge(series) ? 0 : state.class)} options=${options}
        onChange=${value => go({ ...state, class: value === '' ? '' : Number(value) })} />`;
}

function ScoreCurves({ data, series, epoch }) {
    const { state } = usePlace();
    const { run, stage, chosen } = data;
    const isBinary = series.task === 'binary';
    const wanted = isBinary || state.class !== '' && state.class >= series.num_classes ? '' : state.class;
    const only = wanted === '' && isLarge(series) && !isBinary ? 0 : wanted;
    const question = path(runPath(run.id, '/curves'), { stage, epoch, name: nameOf(chosen.head), class: isLarge(series) && !isBinary ? only : '' });
    const none = isBinary ? '' : '.none';
    const areas = [selector(chosen.head, `auroc${none}`), selector(chosen.head, `average_precision${none}`)];
    const answer = useAnswer(question, run);
    const values = useAnswer(path(runPath(run.id, '/epochs'), { stage, metric: areas.join(','), epoch, mean_of_steps: 'false' }), run);
    if (!answer.data)
        return html`<p class="muted loading" role="status">${answer.error ? answer.error.message : 'Loading\u2026'}</p>`;
    const metrics = values.data?.epochs[0]?.metrics ?? {};
    const lines = drawnClasses(answer.data, isBinary ? '' : only).map((c, i) => ({ ...c, colour: i % LINES_MAX, title: c.name ?? className(namesOf(data), c.class) }));
    const area = (which, c) => ofClass(metrics[areas[which]], isBinary ? 0 : c.class);
    const figures = [
        { name: 'ROC', points: rocPoints, xName: 'false positive rate', yName: 'true positive rate', diagonal: true, which: 0, word: 'area under it' },
        { name: 'Precision\u2013recall', points: prPoints, xName: 'recall', yName: 'precision', diagonal: false, which: 1, word: 'average precision' }
    ];
    return figures.map(f => html`<${Figure} key=${f.name} figure=${f} lines=${lines} area=${area} epoch=${epoch} question=${question} thresholds=${answer.data.thresholds} />`);
}

function Figure({ figure, lines, area, epoch, question, thresholds }) {
    const [asTable, setAsTable] = useState(false);
    const spoken = `${figure.name} of ${plural(lines.length, 'class').replace('classs', 'classes')}: ${lines.map(l => `${l.title} ${number(area(figure.which, l))}`).join(', ')}`;
    const plot = {
        xName: figure.xName, yName: figure.yName, diagonal: figure.diagonal,
        lines: lines.map(l => ({ colour: l.colour, points: figure.points(l), text: `${l.title}, ${figure.word} ${number(area(figure.which, l))}` }))
    };
    return html`<figure class="chart curve">
        <figcaption><h2>${figure.name}</h2><span class="muted">${figure.word}</span>
            <${More} name=${figure.name} paths=${[['curves', question]]} asTable=${asTable} onTable=${() => setAsTable(!asTable)}
                svg=${asTable ? null : () => squareSvg(`${figure.name}, epoch ${epoch}`, plot)} /></figcaption>
        ${asTable ? html`<${CurveTable} lines=${lines} thresholds=${thresholds} isRoc=${figure.which === 0} />`
            : html`<${SquarePlot} ...${plot} spoken=${spoken} />`}
        <ul class="legend">${lines.map(l => html`<li key=${l.class}><span class="swatch swatch-line line-${l.colour}" aria-hidden="true"></span>
            <span dir="auto">${l.title}</span> <b><data value=${area(figure.which, l) ?? ''}>${number(area(figure.which, l))}</data></b></li>`)}</ul>
    </figure>`;
}

function CurveTable({ lines, thresholds, isRoc }) {
    const [x, y] = isRoc ? ['fpr', 'tpr'] : ['recall', 'precision'];
    return html`<div class="table-scroll table-tall" tabindex="0" role="region" aria-label="Points of the curves"><table>
        <thead><tr><th scope="col" class="numeric">Threshold</th>${lines.map(l => html`<th key=${l.class} scope="col" class="numeric" dir="auto">${l.title}: ${x}, ${y}</th>`)}</tr></thead>
        <tbody>${thresholds.map((t, i) => html`<tr key=${t}><th scope="row" class="numeric">${number(t)}</th>${lines.map(l => html`<td key=${l.class} class="numeric">${number(l[x][i])}, ${number(l[y][i])}</td>`)}</tr>`)}</tbody>
    </table></div>`;
}

function Reliability({ data, epoch }) {
    const { run, stage, chosen } = data;
    const [asTable, setAsTable] = useState(false);
    const question = path(runPath(run.id, '/calibration'), { stage, epoch, name: nameOf(chosen.head) });
    const errors = ['ece', 'ece@max'].map(m => selector(chosen.head, m));
    const answer = useAnswer(question, run);
    const values = useAnswer(path(runPath(run.id, '/epochs'), { stage, metric: errors.join(','), epoch, mean_of_steps: 'false' }), run);
    if (!answer.data)
        return html`<p class="muted loading" role="status">${answer.error ? answer.error.message : 'Loading\u2026'}</p>`;
    const rows = reliabilityRows(answer.data);
    const metrics = values.data?.epochs[0]?.metrics ?? {};
    const [ece, worst] = errors.map(m => ofClass(metrics[m], 0));
    const plot = { xName: 'confidence', yName: 'accuracy', diagonal: true, bars: rows, lines: [{ colour: 0, dots: true, points: rows.map(r => [r.confidence, r.accuracy]), text: 'accuracy of a bin' }] };
    return html`<figure class="chart curve">
        <figcaption><h2>Reliability</h2><span class="muted">accuracy by confidence</span>
            <${More} name="Reliability" paths=${[['calibration', question]]} asTable=${asTable} onTable=${() => setAsTable(!asTable)}
                svg=${asTable ? null : () => squareSvg(`Reliability, epoch ${epoch}, calibration error ${percent(ece)}`, plot)} /></figcaption>
        ${asTable ? html`<div class="table-scroll" tabindex="0" role="region" aria-label="Bins of confidence"><table>
            <thead><tr><th scope="col">Confidence</th><th scope="col" class="numeric">Samples</th><th scope="col" class="numeric">Mean confidence</th><th scope="col" class="numeric">Accuracy</th></tr></thead>
            <tbody>${rows.map(r => html`<tr key=${r.bin}><th scope="row">${number(r.low)} to ${number(r.high)}</th><td class="numeric">${integer(r.count)}</td>
                <td class="numeric">${percent(r.confidence)}</td><td class="numeric"><data value=${r.accuracy}>${percent(r.accuracy)}</data></td></tr>`)}</tbody></table></div>`
            : html`<${SquarePlot} ...${plot} spoken=${`Reliability diagram of ${plural(rows.length, 'bin')}; expected calibration error ${percent(ece)}`} />`}
        <ul class="legend"><li><span class="swatch swatch-line line-0" aria-hidden="true"></span>accuracy of a bin</li>
            <li><span class="swatch swatch-band" aria-hidden="true"></span>share of the samples</li>
            <li>calibration error <b><data id="ece" value=${ece ?? ''}>${percent(ece)}</data></b></li><li>largest <b>${percent(worst)}</b></li></ul>
    </figure>`;
}
