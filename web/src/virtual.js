// Long tables: only the rows that are in sight are in the document.

import { html, useEffect, useLayoutEffect, useRef, useState } from './preact.js';

const AHEAD = 12; // rows beyond the edge

/** windowOf(count, rowHeight, top, height) -> [first, end): the rows to draw.  Pure. */
export function windowOf(count, rowHeight, top, height) {
    const first = Math.max(0, Math.floor(top / rowHeight) - AHEAD);
    return [Math.min(first, Math.max(0, count - 1)), Math.min(count, Math.ceil((top + height) / rowHeight) + AHEAD)];
}

/**
 * A table that scrolls in its own box.  rows: all; row(item, index) draws one <tr>, each rowHeight px high.
 * columns: how many.  near(end): told when the end comes near, to fetch more.  inSight(first, end): told which rows are drawn.
 */
export function VirtualTable({ label, head, rows, row, columns, rowHeight, className = '', near, inSight }) {
    const box = useRef(null);
    const [view, setView] = useState({ top: 0, height: 800 });
    const look = () => {
        const { scrollTop, clientHeight } = box.current;
        setView({ top: scrollTop, height: clientHeight });
        if (near && scrollTop + clientHeight > (rows.length - AHEAD) * rowHeight)
            near();
    };
    useLayoutEffect(look, [rows.length]);
    const [first, end] = windowOf(rows.length, rowHeight, view.top, view.height);
    useEffect(() => inSight?.(first, end), [first, end]);
    const spacer = (key, count) => count > 0 && html`<tr key=${key} class="spacer" aria-hidden="true"><td colspan=${columns} style=${{ height: `${count * rowHeight}px` }}></td></tr>`;
    return html`<div class="table-scroll table-tall ${className}" ref=${box} tabindex="0" role="region" aria-label=${label} onScroll=${look}>
        <table aria-rowcount=${rows.length}>
            ${head}
            <tbody>
                ${spacer('above', first)}
                ${rows.slice(first, end).map((item, i) => row(item, first + i))}
                ${spacer('below', rows.length - end)}
            </tbody>
        </table>
    </div>`;
}
