// What can be done with anything that is shown: the request behind it, its CSV, its picture, its table.

import { html, useEffect, useRef, useState } from './preact.js';
import { usePlace } from './hooks.js';
import { getCommand } from './curl.js';

const SAID_MS = 2000;
const PNG_SCALE = 2;

function save(url, name) {
    const link = document.createElement('a');
    link.href = url;
    link.download = name;
    link.click();
}

const fileName = text => text.replace(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^-+|-+$/g, '') || 'tally';

// An SVG text as PNG, sharp on a fine screen: the drawing, painted by the browser.
async function pngOf(svg) {
    const image = new Image();
    image.src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
    await image.decode();
    const canvas = document.createElement('canvas');
    canvas.width = image.width * PNG_SCALE;
    canvas.height = image.height * PNG_SCALE;
    canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
    return new Promise(resolve => canvas.toBlob(resolve, 'image/png'));
}

/**
 * name: of what is shown.  paths: [[word, path]], the questions behind it; csv: do they have a CSV?
 * asTable, onTable: shown where there is a table to switch to.  svg(): gives the text of a drawing; null: there is none now.
 */
export function More({ name, paths, csv = true, asTable, onTable, svg }) {
    const { signedIn } = usePlace();
    const [said, say] = useState('');
    const box = useRef(null);
    useEffect(() => {
        const away = event => box.current?.contains(event.target) || box.current?.removeAttribute('open');
        addEventListener('pointerdown', away);
        return () => removeEventListener('pointerdown', away);
    }, []);
    const close = () => {
        box.current.removeAttribute('open');
        box.current.querySelector('summary').focus();
    };
    const copy = async path => {
        const text = getCommand(location.origin, path, signedIn);
        try {
            await navigator.clipboard.writeText(text);
            say('Copied');
        } catch {
            say(text); // no clipboard over plain http: the text can be selected
            return;
        }
        setTimeout(() => say(''), SAID_MS);
        close();
    };
    const saveBlob = (blob, ending) => {
        const url = URL.createObjectURL(blob);
        save(url, `${fileName(name)}.${ending}`);
        setTimeout(() => URL.revokeObjectURL(url), SAID_MS);
        close();
    };
    const saveSvg = () => saveBlob(new Blob([svg()], { type: 'image/svg+xml' }), 'svg');
    const savePng = async () => {
        try {
            saveBlob(await pngOf(svg()), 'png');
        } catch {
            say('This browser cannot paint a picture that large. The drawing (SVG) is there.');
        }
    };
    const many = paths.length > 1;
    const withFormat = path => `${path}${path.includes('?') ? '&' : '?'}format=csv`;
    return html`<details class="more" ref=${box} onKeyDown=${event => event.key === 'Escape' && close()}>
        <summary aria-label="Copy or save ${name}" title="Copy, save, table">\u22ef</summary>
        <div class="more-list">
            ${onTable && html`<button type="button" onClick=${() => { onTable(); close(); }}>${asTable ? 'Show as a chart' : 'Show as a table'}</button>`}
            ${paths.map(([word, path]) => html`<button type="button" key=${word} onClick=${() => copy(path)}>Copy as curl${many && `: ${word}`}</button>`)}
            ${csv && paths.map(([word, path]) => html`<a key=${word} href=${withFormat(path)} download=${`${fileName(`${name} ${word}`)}.csv`} onClick=${close}>CSV${many && `: ${word}`}</a>`)}
            ${svg && html`<button type="button" onClick=${savePng}>Picture (PNG)</button><button type="button" onClick=${saveSvg}>Drawing (SVG)</button>`}
            <span role="status" class="more-said">${said}</span>
        </div>
    </details>`;
}
