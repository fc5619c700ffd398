// A dialog that changes something on the server, and asks for a token where the server wants one for that.  The token is
// kept in memory until the page is left, or until the server says that it does not know it.

import { html, useEffect, useRef, useState } from './preact.js';
import * as api from './app_api.js';

/** Why a change was refused, for people; had: was a token sent along? */
function refusal(error, had) {
    if (error.status === 401)
        return had ? 'The server does not know this token: it is mistyped, revoked or expired.' : '';
    return error.code === 'forbidden' ? `The token that was given does not allow this: ${error.message}.` : error.message;
}

/**
 * send(): the requests, as a promise; called again after a refusal.  done(): when all is well.  close(): takes the dialog away.
 * isReady: may it be sent?
 */
export function Ask({ title, action, isDangerous, isReady = true, send, done, close, children }) {
    const dialog = useRef(null);
    const [error, setError] = useState(null); // {message, needsToken}
    const [token, setToken] = useState('');
    const [isBusy, setBusy] = useState(false);
    useEffect(() => dialog.current.showModal(), []);
    const submit = async event => {
        event.preventDefault();
        setBusy(true);
        if (token.trim() !== '')
            api.useToken(token.trim());
        try {
            await send();
        } catch (caught) {
            const needsToken = caught.status === 401 || caught.code === 'forbidden';
            setError({ message: refusal(caught, api.hasToken()), needsToken });
            if (needsToken)
                api.useToken(''); // the next try is with another
            setToken('');
            setBusy(false);
            return;
        }
        close();
        done?.();
    };
    const needsToken = error?.needsToken;
    return html`<dialog class="dialog" ref=${dialog} aria-label=${title} onClose=${close}>
        <form onSubmit=${submit}>
            <h2>${title}</h2>
            ${children}
            ${needsToken && html`<label class="field"><span class="field-label">This server wants a token for changes. It is kept until the page is left.</span>
                <input type="password" name="write-token" autocomplete="off" autofocus value=${token} onInput=${event => setToken(event.target.value)} /></label>`}
            ${error?.message && html`<p class="error" role="alert">${error.message}</p>`}
            <div class="dialog-end">
                <button type="button" class="button" onClick=${() => dialog.current.close()}>Cancel</button>
                <button type="submit" class="button ${isDangerous ? 'button-danger' : 'button-primary'}" disabled=${isBusy || !isReady || needsToken && token.trim() === ''}>${action}</button>
            </div>
        </form>
    </dialog>`;
}
