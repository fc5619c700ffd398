// Which epoch a view shows: a slider, kept in the address; at its right end it goes along with the run.

import { html } from './preact.js';
import { usePlace } from './hooks.js';
import { integer } from './format.js';

/** pickEpoch(epochs, asked) -> {index, epoch, before}: before is the epoch before it or null.  Pure; null without epochs. */
export function pickEpoch(epochs, asked) {
    if (epochs.length === 0)
        return null;
    const found = asked === '' ? -1 : epochs.findIndex(e => e.epoch === asked);
    const index = found < 0 ? epochs.length - 1 : found;
    return { index, epoch: epochs[index].epoch, before: index > 0 ? epochs[index - 1].epoch : null };
}

export function EpochPicker({ epochs, picked }) {
    const { state, go } = usePlace();
    const last = epochs.length - 1;
    const choose = (index, options) => go({ ...state, epoch: index >= last ? '' : epochs[Math.max(0, index)].epoch }, options);
    return html`<div class="epoch-picker">
        <button type="button" class="button" aria-label="Epoch before" disabled=${picked.index === 0} onClick=${() => choose(picked.index - 1)}>\u2039</button>
        <label><span>Epoch <b>${integer(picked.epoch)}</b>${picked.index === last ? ' (the last)' : ''}</span>
            <input type="range" name="epoch" min="0" max=${last} step="1" value=${picked.index} disabled=${last === 0}
                aria-valuetext=${`epoch ${picked.epoch}`} onInput=${event => choose(Number(event.target.value), { replace: true })} />
        </label>
        <button type="button" class="button" aria-label="Epoch after" disabled=${picked.index === last} onClick=${() => choose(picked.index + 1)}>\u203a</button>
    </div>`;
}
