// Wires the page together: the address, the views, signing in.

import { html, render, useEffect, useErrorBoundary, useMemo, useState } from './preact.js';
import * as api from './app_api.js';
import { Place } from './hooks.js';
import { Link } from './parts.js';
import { parse, viewOf, write, INITIAL } from './url_state.js';
import { Projects } from './projects.js';
import { Runs } from './runs.js';
import { Run } from './run.js';
import { Compare } from './compare.js';
import { setTheme, theme, THEMES } from './theme.js';
import { Help, useHelp } from './help.js';

const SIGNED_IN = 'tally.signed_in'; // a flag for the Sign out link and the commands; never a token

// storage may be forbidden; then the flag lasts as long as the page
function remember(isIn) {
    try {
        isIn ? localStorage.setItem(SIGNED_IN, '1') : localStorage.removeItem(SIGNED_IN);
    } catch { /* the flag is a convenience */ }
}

function remembered() {
    try {
        return localStorage.getItem(SIGNED_IN) === '1';
    } catch {
        return false;
    }
}

// The address bar.  To change it keeps a browser busy for longer than to draw a chart, so a zoom is drawn first, and the
// address follows: soon(), before anything else happens to it.
const ADDRESS_MS = 100;
const address = {
    pending: null, // {search, timer}
    now(search, replace) {
        address.settle();
        if (search !== location.search)
            history[replace ? 'replaceState' : 'pushState'](null, '', '/' + search);
    },
    soon(search) {
        address.settle();
        address.pending = { search, timer: setTimeout(address.settle, ADDRESS_MS) };
    },
    settle() {
        const { pending } = address;
        address.forget();
        if (pending)
            address.now(pending.search, false);
    },
    forget() {
        clearTimeout(address.pending?.timer);
        address.pending = null;
    }
};

function App() {
    const [search, setSearch] = useState(location.search);
    const [signedIn, setSignedIn] = useState(remembered);
    const [generation, setGeneration] = useState(0); // a new one rebuilds the view
    useEffect(() => {
        const back = () => {
            address.forget();
            setSearch(location.search);
        };
        addEventListener('popstate', back);
        return () => removeEventListener('popstate', back);
    }, []);

    const place = useMemo(() => {
        const signed = isIn => {
            remember(isIn);
            setSignedIn(isIn);
        };
        return {
            state: parse(search),
            signedIn,
            go(parts, { replace = false, soon = false } = {}) {
                const next = write({ ...INITIAL, ...parts });
                soon ? address.soon(next) : address.now(next, replace);
                if (!replace && viewOf(parse(next)) !== viewOf(parse(search)))
                    scrollTo(0, 0);
                setSearch(next);
            },
            async signIn(token) {
                await api.login(token);
                signed(true);
            },
            async signOut() {
                await api.logout();
                signed(false);
                setGeneration(n => n + 1);
            },
            /** The session is over: the server said so. */
            signedOut: () => signed(false)
        };
    }, [search, signedIn]);

    const help = useHelp();
    return html`<${Place.Provider} value=${place}>
        <${Bar} place=${place} help=${help} />
        <main key=${generation}><${Guard} key=${viewKey(place.state)}><${View} state=${place.state} /></${Guard}></main>
        <${Help} help=${help} />
    </${Place.Provider}>`;
}

// a choice within a view keeps the view; another run or project begins a new one
const viewKey = state => JSON.stringify([viewOf(state), state.run, state.run ? '' : state.project]);

function Bar({ place, help }) {
    const { state, signedIn, signOut } = place;
    return html`<nav class="bar" aria-label="Where you are">
        <${Link} class="brand" to=${{}}><svg viewBox="0 0 32 32" aria-hidden="true"><path d="M9 8v16M14 8v16M19 8v16M24 8v16" /><path class="brand-stroke" d="M5.500 20.500 27.500 11.500" /></svg>Tally</${Link}>
        ${state.project !== '' && html`<span class="crumb" dir="auto" aria-current="page">${state.project}</span>`}
        ${state.run !== '' && html`<${RunCrumbs} run=${state.run} />`}
        <span class="bar-end">
            <${Theme} />
            <button type="button" class="button button-plain" aria-label="Keyboard help" title="Keyboard help (?)" onClick=${help.open}>?</button>
            ${signedIn && html`<button type="button" class="button" title="The session ends, and a token for changes is forgotten" onClick=${signOut}>Sign out</button>`}
        </span>
    </nav>`;
}

function Theme() {
    const [now, setNow] = useState(theme());
    const choose = event => {
        setTheme(event.target.value);
        setNow(event.target.value);
    };
    return html`<select class="theme" name="theme" aria-label="Colours" title="Colours" value=${now} onChange=${choose}>
        ${THEMES.map(t => html`<option key=${t} value=${t} selected=${t === now}>${t}</option>`)}
    </select>`;
}

function RunCrumbs({ run }) {
    return html`<span class="crumb mono" aria-current="page">${run}</span>`;
}

function View({ state }) {
    const view = viewOf(state);
    if (view === 'run')
        return html`<${Run} />`;
    if (view === 'compare')
        return html`<${Compare} />`;
    return view === 'runs' ? html`<${Runs} />` : html`<${Projects} />`;
}

// A defect in a view must not leave a blank page.
function Guard({ children }) {
    const [error, reset] = useErrorBoundary(caught => console.error(caught));
    if (error)
        return html`<section class="empty" role="alert"><h1>This view broke</h1><p>${String(error.message ?? error)}</p>
            <button type="button" class="button" onClick=${reset}>Try again</button></section>`;
    return children;
}

render(html`<${App} />`, document.getElementById('app'));
