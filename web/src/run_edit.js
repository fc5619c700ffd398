// Changing a run from the page: its name, tags and notes, its end, and its deletion.

import { html, useState } from './preact.js';
import * as api from './app_api.js';
import { usePlace } from './hooks.js';
import { integer } from './format.js';
import { Ask } from './ask.js';
import { ARCHIVED, tagsOf } from './runs_columns.js';

/** The buttons beside a run's name.  changed(): called when the server has taken a change. */
export function RunActions({ run, changed }) {
    const [open, setOpen] = useState('');
    const close = () => setOpen('');
    return html`<div class="actions">
        <button type="button" class="button" onClick=${() => setOpen('edit')}>Edit</button>
        ${run.ended_at === null && html`<button type="button" class="button" onClick=${() => setOpen('finish')}>Finish</button>`}
        <button type="button" class="button" onClick=${() => setOpen('archive')}>${isArchived(run) ? 'Unarchive' : 'Archive'}</button>
        <button type="button" class="button" onClick=${() => setOpen('delete')}>Delete</button>
        ${open === 'edit' && html`<${Edit} run=${run} close=${close} changed=${changed} />`}
        ${open === 'finish' && html`<${Finish} run=${run} close=${close} changed=${changed} />`}
        ${open === 'archive' && html`<${Archive} run=${run} close=${close} changed=${changed} />`}
        ${open === 'delete' && html`<${Delete} run=${run} close=${close} />`}
    </div>`;
}

export function Edit({ run, close, changed }) {
    const [name, setName] = useState(run.name ?? '');
    const [tags, setTags] = useState((run.tags ?? []).join(', '));
    const [notes, setNotes] = useState(run.notes ?? '');
    // only what was changed here: someone else may have changed the rest
    const send = () => {
        const change = {};
        if (name.trim() !== (run.name ?? ''))
            change.name = name.trim();
        if (tagsOf(tags).join(',') !== (run.tags ?? []).join(','))
            change.tags = tagsOf(tags);
        if (notes !== (run.notes ?? ''))
            change.notes = notes;
        return api.write('PATCH', api.runPath(run.id), change);
    };
    return html`<${Ask} title="Edit ${run.id}" action="Save" send=${send} done=${changed} close=${close}>
        <label class="field"><span class="field-label">Name</span><input name="name" dir="auto" maxlength="256" value=${name} onInput=${event => setName(event.target.value)} /></label>
        <label class="field"><span class="field-label">Tags, separated by commas</span><input name="tags" dir="auto" value=${tags} onInput=${event => setTags(event.target.value)} /></label>
        <label class="field"><span class="field-label">Notes</span><textarea name="notes" dir="auto" rows="6" value=${notes} onInput=${event => setNotes(event.target.value)}></textarea></label>
    </${Ask}>`;
}

const ENDS = [['finished', 'finished'], ['failed', 'failed'], ['killed', 'been killed']];

function Finish({ run, close, changed }) {
    const [status, setStatus] = useState('finished');
    return html`<${Ask} title="End ${run.name || run.id}" action="End the run" close=${close} done=${changed}
            send=${() => api.write('PATCH', api.runPath(run.id), { status })}>
        <p class="muted">For a run whose job is over. What is logged later is still stored.</p>
        <${EndMenu} status=${status} set=${setStatus} />
    </${Ask}>`;
}

/** What an ended run is said to have done. */
export function EndMenu({ status, set }) {
    return html`<label class="field"><span class="field-label">It has</span><select name="status" value=${status} onChange=${event => set(event.target.value)}>
        ${ENDS.map(([v, text]) => html`<option key=${v} value=${v}>${text}</option>`)}</select></label>`;
}

const isArchived = run => (run.tags ?? []).includes(ARCHIVED);

function Archive({ run, close, changed }) {
    const is = isArchived(run);
    const tags = (run.tags ?? []).filter(tag => tag !== ARCHIVED);
    return html`<${Ask} title="${is ? 'Unarchive' : 'Archive'} ${run.name || run.id}" action=${is ? 'Unarchive' : 'Archive'} close=${close} done=${changed}
            send=${() => api.write('PATCH', api.runPath(run.id), { tags: is ? tags : [...tags, ARCHIVED] })}>
        <p class="muted">${is ? 'The run is listed again.' : html`The run is left out of the list until archived runs are shown. Nothing is removed: it gets the tag <b>${ARCHIVED}</b>.`}</p>
    </${Ask}>`;
}

function Delete({ run, close }) {
    const { go } = usePlace();
    const [typed, setTyped] = useState('');
    const batches = run.series.reduce((most, s) => Math.max(most, s.batches), 0);
    return html`<${Ask} title="Delete ${run.name || run.id}?" action="Delete for good" isDangerous isReady=${typed.trim() === run.id} close=${close}
            send=${() => api.write('DELETE', api.runPath(run.id))} done=${() => go({ project: run.project })}>
        <p>All it has logged goes, ${integer(batches)} batches, and cannot be brought back.</p>
        <label class="field"><span class="field-label">To be sure, type its id: <b class="mono">${run.id}</b></span>
            <input name="confirm" autocomplete="off" spellcheck=${false} value=${typed} onInput=${event => setTyped(event.target.value)} /></label>
    </${Ask}>`;
}
