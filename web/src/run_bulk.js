// What can be done with the runs that are selected in the table: compare them, or change all of them at once.

import { html, useRef, useState } from './preact.js';
import * as api from './app_api.js';
import { usePlace } from './hooks.js';
import { Link } from './parts.js';
import { Ask } from './ask.js';
import { EndMenu } from './run_edit.js';
import { changeOf, createEach, renamed } from './bulk.js';
import { parseRuns } from './compare_model.js';
import { ARCHIVED, tagsOf } from './runs_columns.js';
import { plural } from './format.js';

/** runs: those that are listed.  changed(): when the server has taken a change. */
export function Selected({ runs, changed }) {
    const { state, go } = usePlace();
    const [open, setOpen] = useState('');
    const ids = parseRuns(state.select);
    if (ids.length === 0)
        return null;
    const close = () => setOpen('');
    const clear = () => go({ ...state, select: '' }, { replace: true });
    const shared = { ids, close, changed };
    const button = (name, text) => html`<button type="button" class="button" onClick=${() => setOpen(name)}>${text}</button>`;
    return html`<div class="selected" role="group" aria-label="The selected runs">
        <${Link} class="button button-primary" to=${{ project: state.project, stage: state.stage, compare: ids.join(',') }}>Compare ${plural(ids.length, 'run')}</${Link}>
        ${button('edit', 'Edit')}${button('finish', 'Finish')}${button('archive', 'Archive')}${state.archived && button('unarchive', 'Unarchive')}${button('delete', 'Delete')}
        <button type="button" class="button" onClick=${clear}>Clear</button>
        ${open === 'edit' && html`<${Edit} ...${shared} runs=${runs} />`}
        ${open === 'finish' && html`<${Finish} ...${shared} />`}
        ${(open === 'archive' || open === 'unarchive') && html`<${Archive} ...${shared} is=${open === 'unarchive'} />`}
        ${open === 'delete' && html`<${Delete} ...${shared} clear=${clear} />`}
    </div>`;
}

const patch = (id, change) => api.write('PATCH', api.runPath(id), change);

// from the run as it is now: someone else may have changed it
const tagged = (add, remove) => async id => {
    const change = changeOf(await api.get(api.runPath(id)), 0, { add, remove });
    return change && patch(id, change);
};

/** An Ask whose request is work(id, index) for each of the runs; what was done is not done again after a refusal. */
function AskEach({ ids, work, isReady, children, ...ask }) {
    const [at, setAt] = useState(0);
    const send = useRef(null);
    const latest = useRef(null);
    latest.current = work;
    send.current ??= createEach(ids, (id, i) => latest.current(id, i), setAt);
    return html`<${Ask} ...${ask} isReady=${isReady} send=${send.current}>
        ${children}
        ${at > 0 && html`<p class="muted" role="status">${at} of ${ids.length}</p>`}
    </${Ask}>`;
}

function Edit({ ids, runs, close, changed }) {
    const [name, setName] = useState('');
    const [add, setAdd] = useState('');
    const [remove, setRemove] = useState('');
    const [note, setNote] = useState('');
    const first = runs.find(run => run.id === ids[0]) ?? { id: ids[0], name: null };
    const work = async (id, i) => {
        const change = changeOf(await api.get(api.runPath(id)), i, { name, add: tagsOf(add), remove: tagsOf(remove), note });
        return change && patch(id, change);
    };
    const field = (key, text, value, set, more) => html`<label class="field"><span class="field-label">${text}</span>
        <input name=${key} dir="auto" value=${value} onInput=${event => set(event.target.value)} ...${more} /></label>`;
    return html`<${AskEach} ids=${ids} work=${work} title="Edit ${plural(ids.length, 'run')}" action="Save" isReady=${[name, add, remove, note].some(text => text.trim() !== '')} close=${close} done=${changed}>
        ${field('name', 'Name; {name}, {id} and {n} stand for those of each run', name, setName, { maxlength: 256, placeholder: 'as it is' })}
        ${name.trim() !== '' && html`<p class="muted note" dir="auto">The first becomes: <b>${renamed(name, first, 0)}</b></p>`}
        ${field('add-tags', 'Tags to add, separated by commas', add, setAdd)}
        ${field('remove-tags', 'Tags to remove', remove, setRemove)}
        <label class="field"><span class="field-label">A note to add below those of each run</span><textarea name="notes" dir="auto" rows="3" value=${note} onInput=${event => setNote(event.target.value)}></textarea></label>
    </${AskEach}>`;
}

function Finish({ ids, close, changed }) {
    const [status, setStatus] = useState('finished');
    return html`<${AskEach} ids=${ids} work=${id => patch(id, { status })} title="End ${plural(ids.length, 'run')}" action="End them" close=${close} done=${changed}>
        <p class="muted">For runs whose jobs are over. What is logged later is still stored.</p>
        <${EndMenu} status=${status} set=${setStatus} />
    </${AskEach}>`;
}

function Archive({ ids, is, close, changed }) {
    const word = is ? 'Unarchive' : 'Archive';
    return html`<${AskEach} ids=${ids} work=${is ? tagged([], [ARCHIVED]) : tagged([ARCHIVED], [])} title="${word} ${plural(ids.length, 'run')}" action=${word} close=${close} done=${changed}>
        <p class="muted">${is ? 'The runs are listed again.' : html`The runs are left out of the list until archived runs are shown. Nothing is removed: they get the tag <b>${ARCHIVED}</b>.`}</p>
    </${AskEach}>`;
}

function Delete({ ids, close, changed, clear }) {
    const [typed, setTyped] = useState('');
    const done = () => {
        clear();
        changed();
    };
    return html`<${AskEach} ids=${ids} work=${id => api.write('DELETE', api.runPath(id))} title="Delete ${plural(ids.length, 'run')}?" action="Delete for good" isDangerous
            isReady=${typed.trim() === String(ids.length)} close=${close} done=${done}>
        <p>All that they have logged goes and cannot be brought back:</p>
        <ul class="doomed mono" tabindex="0">${ids.map(id => html`<li key=${id}>${id}</li>`)}</ul>
        <label class="field"><span class="field-label">To be sure, type how many they are: <b>${ids.length}</b></span>
            <input name="confirm" inputmode="numeric" autocomplete="off" value=${typed} onInput=${event => setTyped(event.target.value)} /></label>
    </${AskEach}>`;
}
