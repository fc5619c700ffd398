// Beside the headline chart: the value of the last epoch, what averaging would have shown, and why the two differ.
// Below it: everything that the server finds odd about that epoch.

import { html } from './preact.js';
import { usePlace } from './hooks.js';
import { Link } from './parts.js';
import { difference, integer, inUnit, plural, ranges } from './format.js';

/** epoch: of the epochs answer.  finding: explain().  show: the address that marks the steps of a finding. */
export function Card({ epoch, chosen, finding, unit, show }) {
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
        ${finding?.text && html`<div class="finding">
            <p id="finding">${finding.text}</p>
            ${finding.causes.length > 0 && html`<ul class="causes" aria-label="What the gap is made of">${finding.causes.map(cause => html`<li key=${cause.text}>
                <b>${difference(cause.value, unit)}</b> ${cause.text}</li>`)}</ul>`}
            ${finding.finding && html`<p><${Link} class="show-steps" to=${show(finding.finding)}>Show these steps</${Link}></p>`}
        </div>`}
    </aside>`;
}

/** findings: of the diagnosis of an epoch.  show(id): the address that marks the steps of one. */
export function Findings({ epoch, findings, show }) {
    const { state } = usePlace();
    if (findings.length === 0)
        return null;
    return html`<section aria-label="Findings">
        <h2>What stands out in epoch ${integer(epoch)}</h2>
        <ul class="findings">${findings.map((f, i) => html`<li key=${i} class="finding-${f.level}">
            <span class="level">${f.level === 'info' ? 'note' : f.level}</span>
            <div><p>${f.text}</p>
                ${f.steps.length > 0 && html`<p class="muted steps-of">
                    <span>${f.steps.length < f.count ? 'first steps' : 'steps'} ${ranges(f.steps)}</span>
                    ${state.show === f.id ? html`<${Link} to=${show('')}>Hide them</${Link}>`
                        : html`<${Link} to=${show(f.id)}>Mark them in the chart</${Link}>`}
                </p>`}
            </div>
        </li>`)}</ul>
    </section>`;
}
