// Every class over every epoch as one picture: which classes came late, and which went away.

import { html, useLayoutEffect, useMemo, useRef, useState } from './preact.js';
import { More } from './more.js';
import { className } from './confusion.js';
import { mapRows } from './class_rows.js';
import { integer, percent } from './format.js';
import { rgb } from './pixels.js';

const MAP_MIN_PX = 3; // per class

/** answer: of /epochs for the selector of a list.  what: 'recall' | 'precision' | 'f1'. */
export function ClassMap({ answer, selector, what, names, question, select }) {
    const canvas = useRef(null);
    const [under, setUnder] = useState(null);
    const map = useMemo(() => mapRows(answer, selector), [answer, selector]);
    const { n, epochs, values, low, high } = map;
    useLayoutEffect(() => {
        const draw = () => paint(canvas.current, map);
        draw();
        addEventListener('themechange', draw);
        return () => removeEventListener('themechange', draw);
    }, [map]);
    const at = event => {
        const box = canvas.current.getBoundingClientRect();
        const place = (share, count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
        return [place((event.clientY - box.top) / box.height, n), place((event.clientX - box.left) / box.width, epochs.length)];
    };
    const height = Math.max(160, n * Math.max(MAP_MIN_PX, Math.min(26, Math.floor(520 / n))));
    return html`<figure class="class-map">
        <figcaption class="muted"><span>${under ? html`<b dir="auto">${className(names, under[0])}</b>, epoch ${integer(epochs[under[1]])}: <b>${percent(values[under[1] * n + under[0]])}</b>`
            : `A row for each class, a column for each epoch; the stronger the colour, the higher the ${what}: from ${percent(low)} to ${percent(high)}. Point at a place to read it, click for that epoch.`}</span>
            <${More} name="${what} of classes and epochs" paths=${[['epochs', question]]} picture=${() => canvas.current} /></figcaption>
        <div class="class-map-rows">
            ${n <= 40 && html`<ol aria-hidden="true" style=${{ height: `${height}px` }}>${Array.from({ length: n }, (_, c) => html`<li key=${c} dir="auto" title=${className(names, c)}>${className(names, c)}</li>`)}</ol>`}
            <div><canvas ref=${canvas} role="img" style=${{ height: `${height}px` }} onPointerMove=${event => setUnder(at(event))} onPointerLeave=${() => setUnder(null)} onClick=${event => select(epochs[at(event)[1]])}
                aria-label=${`Heat map of the ${what} of ${n} classes over ${epochs.length} epochs; the table of each epoch holds the numbers`}></canvas>
            <p class="muted class-map-x"><span>epoch ${integer(epochs[0])}</span><span>epoch ${integer(epochs[epochs.length - 1])}</span></p></div>
        </div>
    </figure>`;
}

// one pixel a value, magnified by the style sheet
function paint(canvas, { n, epochs, values, low, high }) {
    const [ground, ink, none] = ['--surface-sunk', '--series-epoch', '--surface'].map(name => rgb(canvas, name));
    canvas.width = epochs.length;
    canvas.height = n;
    const image = new ImageData(epochs.length, n);
    for (let e = 0; e < epochs.length; e++)
        for (let c = 0; c < n; c++) {
            const v = values[e * n + c];
            const at = (c * epochs.length + e) * 4;
            for (let part = 0; part < 3; part++)
                image.data[at + part] = v === null ? none[part] : ground[part] + (ink[part] - ground[part]) * (0.06 + 0.94 * (high > low ? (v - low) / (high - low) : 1));
            image.data[at + 3] = 255;
        }
    canvas.getContext('2d').putImageData(image, 0, 0);
}
