// The only module that calls fetch.
//
// get() is conditional: the ETag of the last answer to a path is sent along, and a 304 returns the
// very object of last time, so that a caller sees with === that nothing changed.  What goes wrong is
// thrown as a Problem: the server's problem+json, or status 0 when no answer came.

const REMEMBERED_MAX = 64; // answers kept for a 304

export class Problem extends Error {
    constructor(status, document, retryAfterMs = 0) {
        super(document.detail || document.title || `The server answered ${status}.`);
        this.name = 'Problem';
        this.status = status;               // 0: the server could not be reached
        this.code = String(document.type ?? '').replace(/^urn:tally:problem:/, '');
        this.title = document.title ?? '';
        this.errors = Array.isArray(document.errors) ? document.errors : [];
        this.retryAfterMs = retryAfterMs;
    }

    /** Worth asking again without anybody changing anything. */
    get isTemporary() {
        return this.status === 0 || this.status === 429 || this.status >= 500;
    }
}

async function problemOf(response) {
    const seconds = Number(response.headers.get('Retry-After') ?? 0);
    let document = {};
    try {
        document = await response.json();
    } catch {
        // broken framing and proxies are answered without problem+json: the status must do
    }
    return new Problem(response.status, document ?? {}, Number.isFinite(seconds) ? seconds * 1000 : 0);
}

/** createApi(fetch): fetch is handed in so that the tests can stand in for the network. */
export function createApi(fetch) {
    const remembered = new Map(); // path -> {etag, body}, oldest first

    async function send(path, options) {
        let response;
        try {
            response = await fetch(path, { cache: 'no-store', credentials: 'same-origin', ...options });
        } catch (error) {
            if (error.name === 'AbortError')
                throw error;
            throw new Problem(0, { title: 'unreachable', detail: 'The server cannot be reached.' });
        }
        if (!response.ok && response.status !== 304)
            throw await problemOf(response);
        return response;
    }

    async function get(path, signal) {
        const known = remembered.get(path);
        const headers = { Accept: 'application/json' };
        if (known)
            headers['If-None-Match'] = known.etag;
        const response = await send(path, { headers, signal });
        if (response.status === 304 && known) {
            remembered.delete(path); // move to the young end
            remembered.set(path, known);
            return known.body;
        }
        let body;
        try {
            body = await response.json();
        } catch (error) {
            if (error.name === 'AbortError')
                throw error;
            throw new Problem(0, { title: 'unreadable', detail: 'The answer broke off or is not JSON.' });
        }
        const etag = response.headers.get('ETag');
        remembered.delete(path);
        if (etag) {
            remembered.set(path, { etag, body });
            if (remembered.size > REMEMBERED_MAX)
                remembered.delete(remembered.keys().next().value);
        }
        return body;
    }

    /** Sign in: the token goes out once, an HttpOnly cookie comes back. */
    async function login(token) {
        await send('/api/v1/login', {
            method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ token })
        });
        remembered.clear();
    }

    let token = ''; // for writing; in memory only

    /** End the session; a token for writing is forgotten too, also when the server cannot be told. */
    async function logout() {
        token = '';
        remembered.clear();
        await send('/api/v1/login', { method: 'DELETE' });
    }

    /** Keep a token for writing, until the page is left; '': none. */
    function useToken(text) {
        token = text;
    }

    const hasToken = () => token !== '';

    /** PATCH, PUT or DELETE: the answer's JSON, or null.  Without a token where one is needed: a Problem of 401 or 403. */
    async function write(method, path, body) {
        const headers = {};
        if (body !== undefined)
            headers['Content-Type'] = 'application/json';
        if (token !== '')
            headers.Authorization = `Bearer ${token}`;
        const response = await send(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
        return response.status === 204 ? null : response.json();
    }

    return { get, write, useToken, hasToken, login, logout };
}

/** path('/api/v1/runs', {project:'a b', cursor:''}): what is empty is left out. */
export function path(base, query = {}) {
    const parts = Object.entries(query)
        .filter(([, value]) => value !== '' && value !== null && value !== undefined)
        .map(([name, value]) => `${name}=${encodeURIComponent(value).replace(/%2C/g, ',').replace(/%2F/g, '/').replace(/%3A/g, ':')}`);
    return parts.length === 0 ? base : `${base}?${parts.join('&')}`;
}

export const runPath = (run, rest = '') => `/api/v1/runs/${encodeURIComponent(run)}${rest}`;
