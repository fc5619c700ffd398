// Views without data.  Each says what is missing and shows the command that would bring it.

import { html } from './preact.js';
import { usePlace } from './hooks.js';
import { Command, Link } from './parts.js';
import { postBatch } from './curl.js';

function useCommand(parts) {
    const { signedIn } = usePlace();
    return postBatch({ origin: location.origin, needsToken: signedIn, ...parts });
}

export function NoProjects() {
    return html`<section class="empty">
        <h1>Nothing logged yet</h1>
        <p>Tally stores what happened in each batch: counts, not averages. Log a first batch, here 32 cats of which 23 were recognised:</p>
        <${Command} text=${useCommand({})} />
        <p class="muted">This page notices by itself.</p>
    </section>`;
}

export function NoRuns({ project }) {
    const { state } = usePlace();
    return html`<section class="empty">
        <h1>No run in ${project}</h1>
        <p>A run begins with its first batch:</p>
        <${Command} text=${useCommand({ project })} />
        <p class="muted">This page notices by itself. ${!state.archived && html`<${Link} to=${{ ...state, archived: true }}>Show archived runs</${Link}> \u00b7 `}<${Link} to=${{}}>All projects</${Link}></p>
    </section>`;
}

export function UnknownRun({ run }) {
    return html`<section class="empty">
        <h1>No run <span class="mono">${run}</span></h1>
        <p>The server does not know it: never logged, deleted, or a typo in the address. Its first batch would create it:</p>
        <${Command} text=${useCommand({ run })} />
        <p class="muted">This page notices by itself. <${Link} to=${{}}>All projects</${Link}></p>
    </section>`;
}

export function NoSteps({ run }) {
    return html`<section class="empty">
        <h2>Waiting for the first batch</h2>
        <p>The run is there, but nothing has been logged to it. The chart appears with the first batch:</p>
        <${Command} text=${useCommand({ run: run.id })} />
    </section>`;
}
