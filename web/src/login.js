// Asks for a token where the server wants one.  The token goes to the server once, which answers with
// a cookie that scripts cannot read; it is kept nowhere here.

import { html, useState } from './preact.js';
import { usePlace } from './hooks.js';

export function Login({ onDone }) {
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
            setError(caught.status === 401 || caught.status === 403
                ? 'The server does not know this token.' : caught.message);
        }
        setBusy(false);
    };

    return html`<section class="empty login">
        <h1>Sign in</h1>
        <p>This server answers only with a token. Whoever runs it makes one with <code>tally token create --scope read</code>.</p>
        <form onSubmit=${submit}>
            <label class="field"><span class="field-label">Token</span>
                <input type="password" name="token" autocomplete="current-password" required autofocus
                    value=${token} onInput=${event => setToken(event.target.value)} />
            </label>
            <button type="submit" class="button button-primary" disabled=${isBusy || token.trim() === ''}>Sign in</button>
        </form>
        ${error && html`<p class="error" role="alert">${error}</p>`}
    </section>`;
}
