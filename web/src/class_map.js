// Every class over every epoch as one picture: which classes came late, and which went away.

import { html, useLayoutEffect, useMemo, useRef, useState } from './preact.js';
import { groundColours } from './chart_parts.js';
import { More } from './more.js';
import { className } from './confusion.js';
import { heatCells, mapRows } from './class_rows.js';
import { svgPicture } from './svg_picture.js';
import { VirtualTable } from './virtual.js';
import { integer, percent, plural } from './format.js';
import { rgb } from './pixels.js';

const MAP_MIN_PX = 3;   // per class
const NAMED_MAX = 40;   // classes with their names beside the rows
const TABLE_EPOCHS = 50;
const ROW_PX = 41;
const SVG_WIDTH = 640;

/** answer: of /epochs for the selector of a list.  what: 'recall' | 'precision' | 'f1'. */
export function ClassMap({ answer, selector, what, names, question, select }) {
    const canvas = useRef(null);
    const [under, setUnder] = useState(null);
    const [asTable, setAsTable] = useState(false);
    const map = useMemo(() => mapRows(answer, selector), [answer, selector]);
    const { n, epochs, values, low, high } = map;
    useLayoutEffect(() => {
        if (asTable)
            return undefined;
        const draw = () => paint(canvas.current, map);
        draw();
        addEventListener('themechange', draw);
        return () => removeEventListener('themechange', draw);
    }, [map, asTable]);
    const last = epochs.length - 1;
    const clamp = (at, count) => Math.min(count - 1, Math.max(0, at));
    const at = event => {
        const box = canvas.current.getBoundingClientRect();
        const place = (share, count) => clamp(Math.floor(share * count), count);
        return [place((event.clientY - box.top) / box.height, n), place((event.clientX - box.left) / box.width, epochs.length)];
    };
    const keys = event => {
        if (event.ctrlKey || event.metaKey || event.altKey)
            return;
        const way = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], PageUp: [-10, 0], PageDown: [10, 0] }[event.key];
        if (way)
            setUnder(under ? [clamp(under[0] + way[0], n), clamp(under[1] + way[1], epochs.length)] : [0, last]);
        else if (event.key === 'Enter' && under)
            select(epochs[under[1]]);
        else if (event.key === 'Escape')
            setUnder(null);
        else
            return;
        event.preventDefault();
    };
    const word = what === 'f1' ? 'F1' : what;
    const title = `${word === 'F1' ? 'F1' : word[0].toUpperCase() + word.slice(1)} of the classes over the epochs`;
    const height = Math.max(160, n * Math.max(MAP_MIN_PX, Math.min(26, Math.floor(520 / n))));
    const read = under && under[0] < n && under[1] <= last ? under : null;
    return html`<figure class="class-map">
        <figcaption class="muted"><h2>${title}</h2><span aria-live="polite">${read ? html`<b dir="auto">${className(names, read[0])}</b>, epoch ${integer(epochs[read[1]])}: <b>${percent(values[read[1] * n + read[0]])}</b>`
            : asTable ? '' : `A row for each class, a column for each epoch; the stronger the colour, the higher the ${word}: from ${percent(low)} to ${percent(high)}. Point at a place to read it, click for that epoch.`}</span>
            <${More} name="${what} of classes and epochs" paths=${[['epochs', question]]} asTable=${asTable} onTable=${() => { setUnder(null); setAsTable(!asTable); }}
                picture=${asTable ? null : () => canvas.current} svg=${asTable ? null : () => mapSvg(canvas.current, title, map, names, height)} /></figcaption>
        ${asTable ? html`<${MapTable} title=${title} map=${map} names=${names} />` : html`<div class="class-map-rows">
            ${n <= NAMED_MAX && html`<ol aria-hidden="true" style=${{ height: `${height}px` }}>${Array.from({ length: n }, (_, c) => html`<li key=${c} dir="auto" title=${className(names, c)}>${className(names, c)}</li>`)}</ol>`}
            <div><canvas ref=${canvas} role="img" tabindex="0" style=${{ height: `${height}px` }} onPointerMove=${event => setUnder(at(event))} onPointerLeave=${() => setUnder(null)} onClick=${event => select(epochs[at(event)[1]])}
                onKeyDown=${keys} aria-label=${spoken(title, map, names)}></canvas>
            <p class="muted class-map-x"><span>epoch ${integer(epochs[0])}</span><span>epoch ${integer(epochs[last])}</span></p></div>
        </div>`}
    </figure>`;
}

function spoken(title, { n, epochs, values }, names) {
    const e = epochs.length - 1;
    const ends = values.slice(e * n).map((v, c) => ({ v, name: className(names, c) })).filter(c => c.v !== null).sort((a, b) => b.v - a.v);
    const least = ends[ends.length - 1];
    return `Heat map, ${title}: ${plural(n, 'class').replace('classs', 'classes')}, ${plural(epochs.length, 'epoch')}`
        + (least ? `; epoch ${epochs[e]}: the highest is ${ends[0].name} with ${percent(ends[0].v)}, the lowest ${least.name} with ${percent(least.v)}` : '')
        + '. Arrow keys move from value to value, Enter opens the epoch.';
}

function MapTable({ title, map, names }) {
    const { n, epochs, values } = map;
    const first = Math.max(0, epochs.length - TABLE_EPOCHS);
    const shown = epochs.slice(first);
    const head = html`<thead><tr><th scope="col">Class</th>${shown.map(e => html`<th key=${e} scope="col" class="numeric">epoch ${integer(e)}</th>`)}</tr></thead>`;
    const row = c => html`<tr key=${c}><th scope="row"><span class="muted mono">${c}</span> <b dir="auto">${names ? className(names, c) : ''}</b></th>
        ${shown.map((e, k) => html`<td key=${e} class="numeric"><data value=${values[(first + k) * n + c] ?? ''}>${percent(values[(first + k) * n + c])}</data></td>`)}</tr>`;
    return html`<${VirtualTable} label="Table of ${title}" className="classes" head=${head} rows=${Array.from({ length: n }, (_, c) => c)} row=${row} columns=${shown.length + 1} rowHeight=${ROW_PX} />
        ${first > 0 && html`<p class="muted note">The last ${TABLE_EPOCHS} of ${integer(epochs.length)} epochs; the CSV holds them all.</p>`}`;
}

// value -> [r, g, b], of the style sheet as it is now
function shades(element, { low, high }) {
    const [ground, ink, none] = ['--surface-sunk', '--series-epoch', '--surface'].map(name => rgb(element, name));
    return v => v === null ? none : ground.map((part, i) => Math.round(part + (ink[i] - part) * (0.06 + 0.94 * (high > low ? (v - low) / (high - low) : 1))));
}

// one pixel a value, magnified by the style sheet
function paint(canvas, map) {
    const { n, epochs, values } = map;
    const shade = shades(canvas, map);
    canvas.width = epochs.length;
    canvas.height = n;
    const image = new ImageData(epochs.length, n);
    for (let e = 0; e < epochs.length; e++)
        for (let c = 0; c < n; c++) {
            const parts = shade(values[e * n + c]);
            const at = (c * epochs.length + e) * 4;
            for (let i = 0; i < 3; i++)
                image.data[at + i] = parts[i];
            image.data[at + 3] = 255;
        }
    canvas.getContext('2d').putImageData(image, 0, 0);
}

function mapSvg(element, title, map, names, height) {
    const { n, epochs, low, high } = map;
    const labels = Array.from({ length: n }, (_, c) => className(names, c));
    const every = Math.ceil(n / NAMED_MAX);
    const box = { left: Math.max(40, 20 + 7 * labels.reduce((most, l) => Math.max(most, l.length), 0)), top: 40, width: SVG_WIDTH, height };
    const [wide, tall] = [box.width / epochs.length, height / n];
    const step = Math.ceil(epochs.length / 12);
    return svgPicture({
        width: box.left + box.width + 20, height: box.top + height + 50, title: `${title}: from ${percent(low)} to ${percent(high)}`,
        font: getComputedStyle(element).fontFamily, colours: groundColours(element), box, xName: 'epoch',
        xTicks: epochs.flatMap((e, i) => i % step === 0 ? [{ at: box.left + (i + 0.5) * wide, text: integer(e) }] : []),
        yTicks: labels.flatMap((text, c) => c % every === 0 ? [{ at: box.top + (c + 0.5) * tall, text }] : []),
        cells: heatCells(map, box, shades(element, map))
    });
}
