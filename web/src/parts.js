// Small pieces that several views use.  Everything that comes from outside is a text node here.

import { html, useState } from './preact.js';
import { usePlace } from './hooks.js';
import { link } from './url_state.js';
import { Forbidden, Login } from './login.js';

/** A real link that does not reload the page; with a modifier key the browser does what it always does. */
export function Link({ to, children, ...rest }) {
    const { go } = usePlace();
    const click = event => {
        if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
            return;
        event.preventDefault();
        go(to);
    };
    return html`<a href=${link(to)} onClick=${click} ...${rest}>${children}</a>`;
}

export function Status({ status }) {
    return html`<span class="status status-${status}">${status}</span>`;
}

export function Tags({ tags }) {
    return (tags ?? []).map(tag => html`<span class="tag" key=${tag}>${tag}</span>`);
}

/** A command to copy. */
export function Command({ text }) {
    const [copied, setCopied] = useState(false);
    const copy = async () => {
        try {
            await navigator.clipboard.writeText(text);
            setCopied(true);
            setTimeout(() => setCopied(false), 2000);
        } catch {
            setCopied(false); // no clipboard over plain http: the text can be selected
        }
    };
    return html`<div class="command">
        <pre><code>${text}</code></pre>
        <button type="button" class="button" onClick=${copy}>${copied ? 'Copied' : 'Copy'}</button>
    </div>`;
}

/** A menu.  options: [{value, label, disabled}], or groups of them [{label, options}]. */
export function Select({ label, value, options, onChange }) {
    const option = o => html`<option key=${o.value} value=${o.value} disabled=${o.disabled} selected=${o.value === value}>${o.label}</option>`;
    return html`<label class="field">
        <span class="field-label">${label}</span>
        <select name=${label.toLowerCase().replace(/ /g, '-')} value=${value} onChange=${event => onChange(event.target.value)}>
            ${options.map(o => o.options ? html`<optgroup key=${o.label} label=${o.label}>${o.options.map(option)}</optgroup>` : option(o))}
        </select>
    </label>`;
}

/**
 * What every live view shows around its content: a login where a token is needed, a note while the
 * first answer is on its way, the refusal if there is one, and a line while the server is away.
 * refused(error) may give the content for a refusal (an unknown run).
 */
export function Live({ live, refused, children }) {
    const { data, error, refresh } = live;
    if (error?.status === 401)
        return html`<${Login} onDone=${refresh} />`;
    if (error?.code === 'forbidden')
        return html`<${Forbidden} error=${error} onDone=${refresh} />`;
    if (data === undefined || error && !error.isTemporary)
        return error && !error.isTemporary && refused?.(error) || html`<${Note} error=${error} />`;
    return html`
        ${error && html`<p class="banner" role="status">The server is out of reach. These are the last known numbers; trying again by itself.</p>`}
        ${children(data)}`;
}

function Note({ error }) {
    if (!error)
        return html`<p class="muted loading" role="status">Loading\u2026</p>`;
    if (error.isTemporary)
        return html`<p class="banner" role="status">${error.message} Trying again by itself.</p>`;
    return html`<section class="empty" role="alert"><h1>${error.title || 'That did not work'}</h1><p>${error.message ?? String(error)}</p></section>`;
}
