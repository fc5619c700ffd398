// The cells of a large confusion matrix that hold anything, as a table.

import { html, useMemo, useState } from './preact.js';
import { VirtualTable } from './virtual.js';
import { className, valueOf } from './confusion.js';
import { difference, integer, percent } from './format.js';

const ROW_PX = 33;
const COLUMNS = [['target', 'True class'], ['predicted', 'Predicted'], ['count', 'Count'], ['true', 'Of the row'], ['pred', 'Of the column']];

/** isChange: the cells have a change. */
export function Cells({ matrix, names, isChange }) {
    const [order, setOrder] = useState({ key: 'count', isDown: true });
    const columns = isChange ? [...COLUMNS, ['change', 'Change']] : COLUMNS;
    const rows = useMemo(() => {
        const of = cell => ['target', 'predicted', 'count'].includes(order.key) ? cell[order.key] : order.key === 'change' || cell.count > 0 ? valueOf(matrix, cell, order.key) : 0;
        return matrix.cells.map(cell => [of(cell), cell])
            .sort(([x, a], [y, b]) => (order.isDown ? y - x : x - y) || a.target - b.target || a.predicted - b.predicted).map(([, cell]) => cell);
    }, [matrix, order]);
    const head = html`<thead><tr>${columns.map(([key, name], i) => html`<th key=${key} scope="col" class=${i > 1 ? 'numeric' : ''} aria-sort=${order.key !== key ? 'none' : order.isDown ? 'descending' : 'ascending'}>
        <button type="button" class="head-button" onClick=${() => setOrder({ key, isDown: order.key === key ? !order.isDown : i > 1 })}>${name}<span class="sort" aria-hidden="true">${order.key === key ? order.isDown ? '\u2193' : '\u2191' : ''}</span></button></th>`)}</tr></thead>`;
    const share = (cell, norm) => percent(cell.count > 0 ? valueOf(matrix, cell, norm) : 0);
    const named = index => html`<span class="muted mono">${index}</span> <b dir="auto">${names ? className(names, index) : ''}</b>`;
    const row = cell => html`<tr key=${`${cell.target}/${cell.predicted}`}><td>${named(cell.target)}</td><td>${named(cell.predicted)}</td>
        <td class="numeric"><data value=${cell.count}>${integer(cell.count)}</data></td><td class="numeric">${share(cell, 'true')}</td><td class="numeric">${share(cell, 'pred')}</td>
        ${isChange && html`<td class="numeric">${difference(cell.change, 'percent')}</td>`}</tr>`;
    return html`<div><${VirtualTable} label="Cells of the confusion matrix" className="lines-table cells-table" head=${head} rows=${rows} row=${row} columns=${columns.length} rowHeight=${ROW_PX} />
        <p class="muted note">${integer(rows.length)} of ${integer(matrix.n * matrix.n)} cells; the others are 0.</p></div>`;
}
