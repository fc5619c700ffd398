// Every class over every epoch as one picture: which classes came late, and which went away.

import { html, useLayoutEffect, useMemo, useState } from './preact.js';
import { colour, groundColours } from './chart_parts.js';
import { useCellCursor } from './cell_cursor.js';
import { More } from './more.js';
import { className } from './confusion.js';
import { heatCells, mapRows } from './class_rows.js';
import { namesWidth, shortName, svgPicture } from './svg_picture.js';
import { VirtualTable } from './virtual.js';
import { integer, percent, plural } from './format.js';
import { rgb } from './pixels.js';

const MAP_MIN_PX = 3;   // per class
const NAMED_MAX = 40;   // classes with their names beside the rows
const TABLE_EPOCHS = 50;
const ROW_PX = 41;
const SVG_WIDTH = 640;
const RECTS_MAX = 4000; // values of a drawing that are shapes; more are an image in it

/** answer: of /epochs for the selector of a list.  what: 'recall' | 'precision' | 'f1'. */
export function ClassMap({ answer, selector, what, names, question, select }) {
    const [asTable, setAsTable] = useState(false);
    const map = useMemo(() => mapRows(answer, selector), [answer, selector]);
    const { n, epochs, values, low, high } = map;
    const last = epochs.length - 1;
    const { canvas, read, leave, events } = useCellCursor(n, epochs.length, { start: [0, last], open: (c, e) => select(epochs[e]) });
    useLayoutEffect(() => {
        if (asTable)
            return undefined;
        const draw = () => paint(canvas.current, map);
        draw();
        addEventListener('themechange', draw);
        return () => removeEventListener('themechange', draw);
    }, [map, asTable]);
    const word = what === 'f1' ? 'F1' : what;
    const title = `${word === 'F1' ? 'F1' : word[0].toUpperCase() + word.slice(1)} of the classes over the epochs`;
    const height = Math.max(160, n * Math.max(MAP_MIN_PX, Math.min(26, Math.floor(520 / n))));
    return html`<figure class="class-map">
        <figcaption class="muted"><h2>${title}</h2><span aria-live="polite">${read ? html`<b dir="auto">${className(names, read[0])}</b>, epoch ${integer(epochs[read[1]])}: <b>${percent(values[read[1] * n + read[0]])}</b>`
            : asTable ? '' : `A row for each class, a column for each epoch; the stronger the colour, the higher the ${word}: from ${percent(low)} to ${percent(high)}. Point at a place to read it, click for that epoch.`}</span>
            <${More} name="${what} of classes and epochs" paths=${[['epochs', question]]} asTable=${asTable} onTable=${() => { leave(); setAsTable(!asTable); }}
                svg=${asTable ? null : () => mapSvg(canvas.current, title, map, names, height)} /></figcaption>
        ${asTable ? html`<${MapTable} title=${title} map=${map} names=${names} />` : html`<div class="class-map-rows">
            ${n <= NAMED_MAX && html`<ol aria-hidden="true" style=${{ height: `${height}px` }}>${Array.from({ length: n }, (_, c) => html`<li key=${c} dir="auto" title=${className(names, c)}><span>${className(names, c)}</span></li>`)}</ol>`}
            <div><canvas ref=${canvas} role="img" style=${{ height: `${height}px` }} ...${events} aria-label=${spoken(title, map, names)}></canvas>
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
    const [page, setPage] = useState(null); // of the first epoch; null: the last page, along with the run
    const first = Math.min(page ?? Infinity, Math.max(0, epochs.length - TABLE_EPOCHS));
    const shown = epochs.slice(first, first + TABLE_EPOCHS);
    const end = first + shown.length;
    const head = html`<thead><tr><th scope="col">Class</th>${shown.map(e => html`<th key=${e} scope="col" class="numeric">epoch ${integer(e)}</th>`)}</tr></thead>`;
    const row = c => html`<tr key=${c}><th scope="row"><span class="muted mono">${c}</span> <b dir="auto">${names ? className(names, c) : ''}</b></th>
        ${shown.map((e, k) => html`<td key=${e} class="numeric"><data value=${values[(first + k) * n + c] ?? ''}>${percent(values[(first + k) * n + c])}</data></td>`)}</tr>`;
    return html`${epochs.length > TABLE_EPOCHS && html`<p class="pager"><button type="button" class="button" disabled=${first === 0} onClick=${() => setPage(Math.max(0, first - TABLE_EPOCHS))}>Earlier epochs</button>
            <span role="status">epochs ${integer(shown[0])} to ${integer(shown[shown.length - 1])}</span>
            <button type="button" class="button" disabled=${end === epochs.length} onClick=${() => setPage(end + TABLE_EPOCHS >= epochs.length ? null : end)}>Later epochs</button></p>`}
        <${VirtualTable} label="Table of ${title}" className="classes class-map-table" head=${head} rows=${Array.from({ length: n }, (_, c) => c)} row=${row} columns=${shown.length + 1} rowHeight=${ROW_PX} />`;
}

// value -> [r, g, b], of the style sheet as it is now
function shades({ low, high }) {
    const [ground, ink, none] = ['--surface-sunk', '--series-epoch', '--surface'].map(rgb);
    return v => v === null ? none : ground.map((part, i) => Math.round(part + (ink[i] - part) * (0.06 + 0.94 * (high > low ? (v - low) / (high - low) : 1))));
}

// one pixel a value, magnified by the style sheet
function paint(canvas, map) {
    const { n, epochs, values } = map;
    const shade = shades(map);
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
    const box = { left: Math.max(40, 20 + namesWidth(labels)), top: 40, width: SVG_WIDTH, height };
    const [wide, tall] = [box.width / epochs.length, height / n];
    const step = Math.ceil(epochs.length / 12);
    const isImage = n * epochs.length > RECTS_MAX;
    return svgPicture({
        width: box.left + box.width + 20, height: box.top + height + 50, title: `${title}: from ${percent(low)} to ${percent(high)}`,
        font: colour('--font'), colours: groundColours(), box, xName: 'epoch',
        xTicks: epochs.flatMap((e, i) => i % step === 0 ? [{ at: box.left + (i + 0.5) * wide, text: integer(e) }] : []),
        yTicks: labels.flatMap((text, c) => c % every === 0 ? [{ at: box.top + (c + 0.5) * tall, text: shortName(text) }] : []),
        cells: isImage ? [] : heatCells(map, box, shades(map)),
        image: isImage ? { ...box, href: element.toDataURL(), x: box.left, y: box.top } : undefined
    });
}
