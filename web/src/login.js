// Asks for a token where the server wants one.  The token goes to the server once, which answers with
// a cookie that scripts cannot read; it is kept nowhere here.

import { html, useEffect, useState } from './preact.js';
import { usePlace } from './hooks.js';
import { Link } from './parts.js';

/** onDone(): when the server has taken the token. */
function TokenForm({ onDone }) {
    const { signIn } = usePlace();
    const [token, setToken] = useState('');
    const [error, setError] = useState(null);
    const [isBusy, setBusy] = useState(false);

    const submit = async event => {
        event.preventDefault();
        setBusy(true);
        setError(null);
        try {
            await signIn(token.trim());
            onDone();
        } catch (caught) {
            setError(caught.status === 401 ? 'The server does not know this token: it is mistyped, revoked or expired.' : caught.message);
        }
        setBusy(false);
    };

    return html`<form onSubmit=${submit}>
            <label class="field"><span class="field-label">Token</span>
                <input type="password" name="token" autocomplete="current-password" required autofocus
                    value=${token} onInput=${event => setToken(event.target.value)} />
            </label>
            <button type="submit" class="button button-primary" disabled=${isBusy || token.trim() === ''}>Sign in</button>
        </form>
        ${error && html`<p class="error" role="alert">${error}</p>`}`;
}

export function Login({ onDone }) {
    const { signedIn, signedOut } = usePlace();
    const [wasIn] = useState(signedIn);
    useEffect(() => signedIn && signedOut(), []);
    return html`<section class="empty login">
        <h1>Sign in</h1>
        ${wasIn && html`<p class="banner" role="status">Your session has ended: sessions do not outlive their token, a restart of the server, or 12 hours.</p>`}
        <p>This server answers only with a token. Whoever runs it makes one with <code>tally token create --scope read</code>.</p>
        <${TokenForm} onDone=${onDone} />
        <p class="muted note">The session only reads. A change asks for a token of its own.</p>
    </section>`;
}

/** error: a Problem of 403: the token is known, but does not reach this. */
export function Forbidden({ error, onDone }) {
    return html`<section class="empty login" role="alert">
        <h1>Not with this token</h1>
        <p>You are signed in, but with a token that does not reach this page: ${error.message}.</p>
        <p>Sign in with another one, or go to <${Link} to=${{}}>the projects</${Link}> that it does reach.</p>
        <${TokenForm} onDone=${onDone} />
    </section>`;
}
