// The keys, on one sheet: ? opens it.

import { html, useEffect, useMemo, useRef } from './preact.js';

const KEYS = [
    ['?', 'this help'],
    ['Tab', 'to the next link, menu or chart'],
    ['\u2190 \u2192', 'in a chart: step by step; with Page Up, Page Down ten at a time'],
    ['\u2191 \u2193', 'in a comparison: from line to line; in a heat map or a large matrix: from class to class'],
    ['+ \u2212 0', 'in a chart: zoom in, zoom out, the whole run'],
    ['Esc', 'leave the chart\u2019s cursor, close a menu'],
    ['Shift', 'and a click on a column of runs: sort by it too'],
    ['Alt + \u2190', 'the browser\u2019s Back undoes every choice, zooms too']
];

const isTyping = element => element?.closest?.('input, textarea, select, [contenteditable]');

/** {dialog, open()}; the ? key opens it from anywhere but a field. */
export function useHelp() {
    const dialog = useRef(null);
    const help = useMemo(() => ({ dialog, open: () => dialog.current.open || dialog.current.showModal() }), []);
    useEffect(() => {
        const key = event => {
            if (event.key !== '?' || event.ctrlKey || event.metaKey || isTyping(event.target))
                return;
            event.preventDefault();
            help.open();
        };
        addEventListener('keydown', key);
        return () => removeEventListener('keydown', key);
    }, []);
    return help;
}

export function Help({ help }) {
    return html`<dialog class="dialog" ref=${help.dialog} aria-label="Keyboard help">
        <h2>Keys</h2>
        <dl class="keys">${KEYS.map(([key, text]) => html`<div key=${key}><dt><kbd>${key}</kbd></dt><dd>${text}</dd></div>`)}</dl>
        <button type="button" class="button button-primary" onClick=${() => help.dialog.current.close()}>Close</button>
    </dialog>`;
}
