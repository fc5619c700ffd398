// A confusion matrix as pixels, where it has too many classes for a table of all of them, and any matrix as a drawing.

import { html, useLayoutEffect, useMemo } from './preact.js';
import { colour, groundColours } from './chart_parts.js';
import { useCellCursor } from './cell_cursor.js';
import { cellText, className, isGood, strengths, valueOf } from './confusion.js';
import { namesWidth, shortName, svgPicture } from './svg_picture.js';
import { rgb } from './pixels.js';
import { integer, percent, plural } from './format.js';

export const TABLE_MAX = 30; // classes of a table
export const COLOUR_MAX = 62; // per cent of colour in a cell that holds text
const RECTS_MAX = 4000;      // cells of a drawing that are shapes; more are an image in it
const NAMED_MAX = 40;        // classes whose names stand beside a drawing
const SVG_PX = 640;
const CELL_PX = 46;          // with its number
const upright = name => name.length > 14 ? `${name.slice(0, 13)}\u2026` : name; // names that stand upright are read with the head turned: shorter
const PIXELS = ['--surface-sunk', '--series-epoch', '--series-mean']; // ground, right, wrong

// One pixel a cell, written at once: a million cells take a few milliseconds.
function pixels(matrix, norm) {
    const { n } = matrix;
    const [ground, good, bad] = PIXELS.map(rgb);
    const small = document.createElement('canvas');
    small.width = small.height = n;
    const image = new ImageData(n, n);
    const { data } = image;
    for (let i = 0; i < data.length; i += 4) {
        data[i] = ground[0];
        data[i + 1] = ground[1];
        data[i + 2] = ground[2];
        data[i + 3] = 255;
    }
    const strong = strengths(matrix, norm);
    matrix.cells.forEach((cell, k) => {
        const ink = isGood(cell, norm) ? good : bad;
        const share = 0.2 + 0.8 * strong[k]; // a single sample is seen too
        const at = (cell.target * n + cell.predicted) * 4;
        for (let part = 0; part < 3; part++)
            data[at + part] = ground[part] + (ink[part] - ground[part]) * share;
    });
    small.getContext('2d').putImageData(image, 0, 0);
    return small;
}

// magnified by whole pixels
function paint(canvas, matrix, norm) {
    const { n } = matrix;
    const small = pixels(matrix, norm);
    const scale = Math.max(1, Math.floor(canvas.clientWidth * devicePixelRatio / n));
    canvas.width = canvas.height = n * scale;
    const ctx = canvas.getContext('2d');
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(small, 0, 0, n * scale, n * scale);
}

/** The matrix as SVG text.  */
export function matrixSvg(title, matrix, names, norm) {
    const { n, cells } = matrix;
    const withText = n <= TABLE_MAX;
    const size = withText ? Math.max(240, n * CELL_PX) : SVG_PX;
    const cell = size / n;
    const labels = Array.from({ length: n }, (_, i) => className(names, i));
    const room = namesWidth(labels);
    const isTurned = room > cell;
    const below = isTurned ? namesWidth(labels.map(upright)) : 24;
    const every = Math.ceil(n / NAMED_MAX);
    const box = { left: Math.max(48, 30 + room), top: 40, width: size, height: size };
    const ticks = (from, cut) => labels.flatMap((text, i) => i % every === 0 ? [{ at: from + (i + 0.5) * cell, text: cut(text) }] : []);
    const [ground, good, bad] = (withText ? ['--surface', '--cell-right', '--cell-wrong'] : PIXELS).map(rgb);
    const strong = strengths(matrix, norm);
    const fill = (c, i) => {
        const share = withText ? strong[i] * COLOUR_MAX / 100 : 0.2 + 0.8 * strong[i];
        const ink = isGood(c, norm) ? good : bad;
        return `rgb(${ground.map((part, k) => Math.round(part + (ink[k] - part) * share)).join()})`;
    };
    const isImage = cells.length > RECTS_MAX;
    return svgPicture({
        width: box.left + size + 20, height: box.top + size + below + 34, title, font: colour('--font'), colours: { ...groundColours(), ...withText && { grid: 'none' } }, box,
        xTicks: ticks(box.left, isTurned ? upright : shortName), yTicks: ticks(box.top, shortName), isTurned, xName: 'predicted', yName: 'true class',
        image: isImage ? { href: pixels(matrix, norm).toDataURL(), x: box.left, y: box.top, width: size, height: size } : undefined,
        cells: isImage ? [] : cells.map((c, i) => ({
            x: box.left + c.predicted * cell, y: box.top + c.target * cell, width: cell, height: cell, fill: fill(c, i), text: withText && cellText(valueOf(matrix, c, norm), norm)
        }))
    });
}

/** matrix, names, norm: as in the table.  epoch: for its name. */
export function Picture({ matrix, names, norm, epoch }) {
    const { n } = matrix;
    const { canvas, read, events } = useCellCursor(n, n, { start: [0, 0] });
    const counts = useMemo(() => new Map(matrix.cells.map(cell => [cell.target * n + cell.predicted, cell.count])), [matrix]);
    useLayoutEffect(() => {
        const draw = () => paint(canvas.current, matrix, norm);
        draw();
        addEventListener('themechange', draw);
        return () => removeEventListener('themechange', draw);
    }, [matrix, norm]);
    const right = matrix.cells.reduce((sum, c) => sum + (c.target === c.predicted ? c.count : 0), 0);
    const [target, predicted] = read ?? [];
    return html`<figure class="confusion-picture">
        <canvas ref=${canvas} role="img" ...${events}
            aria-label=${`Confusion matrix of epoch ${epoch}, ${plural(n, 'class').replace('classs', 'classes')}: ${percent(matrix.total > 0 ? right / matrix.total : null)} of ${integer(matrix.total)} samples lie on the diagonal. Arrow keys move from cell to cell; the most confused pairs are listed beside it.`}></canvas>
        <figcaption class="muted" aria-live="polite">${read
            ? html`<b dir="auto">${className(names, target)}</b> predicted as <b dir="auto">${className(names, predicted)}</b>: ${`${integer(counts.get(target * n + predicted) ?? 0)} of ${integer(matrix.targets[target])}`}`
            : 'Rows are the true class, columns what was predicted; blue is right, orange wrong. Point at a cell to read it.'}</figcaption>
    </figure>`;
}
