// What each rank did in the last epoch, and the way to its own charts.

import { html, useState } from './preact.js';
import * as api from './app_api.js';
import { useLive, usePlace } from './hooks.js';
import { Link } from './parts.js';
import { difference, integer, inUnit, MISSING } from './format.js';

const RANKS_STEP = 32; // more on request: they are asked one by one
const EVERY_MS = 10000;

/** epoch: the last, of the answer of all ranks.  ranks: how many took part. */
export function Ranks({ run, stage, chosen, unit, epoch, ranks }) {
    const [isOpen, setOpen] = useState(false);
    if (ranks < 2)
        return null;
    return html`<details class="ranks" open=${isOpen} onToggle=${event => setOpen(event.target.open)}>
        <summary><h2>Ranks</h2> <span class="muted">${integer(ranks)} in epoch ${integer(epoch.epoch)}</span></summary>
        ${isOpen && html`<${Table} run=${run} stage=${stage} chosen=${chosen} unit=${unit} epoch=${epoch} ranks=${ranks} />`}
    </details>`;
}

function Table({ run, stage, chosen, unit, epoch, ranks }) {
    const { state } = usePlace();
    const [most, setMost] = useState(RANKS_STEP);
    const shown = Math.min(ranks, most);
    const load = signal => Promise.all(Array.from({ length: shown }, (_, rank) => api.get(api.path(api.runPath(run.id, '/epochs'),
        { stage, metric: chosen.selector, epoch: epoch.epoch, rank, mean_of_steps: 'false' }), signal)));
    const { data } = useLive(load, () => run.status === 'running' ? EVERY_MS : null, [run.id, stage, chosen.selector, epoch.epoch, run.status, shown]);
    if (!data)
        return html`<p class="muted loading" role="status">Loading\u2026</p>`;
    const all = epoch.metrics[chosen.selector]?.value;
    return html`<div class="table-scroll" tabindex="0" role="region" aria-label="Ranks"><table>
        <thead><tr><th scope="col" class="numeric">Rank</th><th scope="col" class="numeric">Steps</th><th scope="col" class="numeric">Samples</th>
            <th scope="col" class="numeric">Value</th><th scope="col" class="numeric">To all ranks together</th><th scope="col"></th></tr></thead>
        <tbody>${data.map((answer, rank) => {
            const own = answer.epochs[0];
            const value = own?.metrics[chosen.selector]?.value ?? null;
            return html`<tr key=${rank}><th scope="row" class="numeric">${rank}</th><td class="numeric">${own ? integer(own.steps) : MISSING}</td><td class="numeric">${own ? integer(own.samples) : MISSING}</td>
                <td class="numeric"><data value=${value ?? ''}>${inUnit(value, unit)}</data></td><td class="numeric">${difference(value === null || typeof all !== 'number' ? null : value - all, unit)}</td>
                <td><${Link} to=${{ ...state, rank }}>Its charts</${Link}></td></tr>`;
        })}</tbody>
    </table></div>
    ${shown < ranks && html`<p class="muted note">The first ${data.length} of ${integer(ranks)}. <button type="button" class="button" onClick=${() => setMost(most + RANKS_STEP)}>Show more</button></p>`}`;
}
