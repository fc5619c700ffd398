// A canvas whose cells are read with the pointer or the keyboard: the heat map and the large confusion matrix.

import { useRef, useState } from './preact.js';

const KEYS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], PageUp: [-10, 0], PageDown: [10, 0] };

/**
 * useCellCursor(rows, columns, {start, open}) -> {canvas (a ref), read: [row, column] or null, leave(), events: attributes of the canvas}
 * start: [row, column], where the first key puts the cursor.  open(row, column): on a click or Enter; may be left out.
 */
export function useCellCursor(rows, columns, { start, open }) {
    const canvas = useRef(null);
    const [at, setAt] = useState(null);
    const leave = () => setAt(null);
    const clamp = (value, count) => Math.min(count - 1, Math.max(0, value));
    const under = event => {
        const box = canvas.current.getBoundingClientRect();
        return [clamp(Math.floor((event.clientY - box.top) / box.height * rows), rows), clamp(Math.floor((event.clientX - box.left) / box.width * columns), columns)];
    };
    const keys = event => {
        if (event.ctrlKey || event.metaKey || event.altKey)
            return;
        const way = KEYS[event.key];
        if (way)
            setAt(at ? [clamp(at[0] + way[0], rows), clamp(at[1] + way[1], columns)] : start);
        else if (event.key === 'Enter' && at && open)
            open(...at);
        else if (event.key === 'Escape')
            leave();
        else
            return;
        event.preventDefault();
    };
    return {
        canvas, leave,
        read: at && at[0] < rows && at[1] < columns ? at : null,
        events: { tabIndex: 0, onPointerMove: event => setAt(under(event)), onPointerLeave: leave, onKeyDown: keys, onClick: open && (event => open(...under(event))) }
    };
}
