// Colours of the style sheet as numbers, for pictures that are painted pixel by pixel.

import { colour } from './chart_parts.js';

/** '#004f86' of a variable -> [0, 79, 134]. */
export function rgb(variable) {
    const hex = colour(variable);
    return [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16));
}
