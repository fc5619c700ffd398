// A chart as an SVG document, from what is to be drawn: text that other programs can edit.  Pure.

const escape = text => String(text).replace(/[&<>"']/g, c => `&#${c.charCodeAt(0)};`);
const round = value => String(Math.round(value * 100) / 100);

// 'rgb(1 2 3 / 0.5)' is newer than many readers of SVG
function paint(attribute, colour) {
    const [, r, g, b, alpha] = /^rgb\((\d+) (\d+) (\d+) \/ ([\d.]+)\)$/.exec(colour) ?? [];
    return r === undefined ? `${attribute}="${escape(colour)}"` : `${attribute}="rgb(${r},${g},${b})" ${attribute}-opacity="${alpha}"`;
}

/** stairs([[0, 1], [2, 3]]) -> [[0, 1], [2, 1], [2, 3]]: a value holds until the next. */
export function stairs(points) {
    return points.flatMap((p, i) => i === 0 || !p || !points[i - 1] ? [p] : [[p[0], points[i - 1][1]], p]);
}

const dashOf = dash => dash?.length > 0 ? ` stroke-dasharray="${dash.join(' ')}"` : '';

const LEGEND_PX = 20; // the height of a row of the legend
const KEY_PX = 34;     // the stroke of an entry, and the gap behind it
const CHAR_PX = 6.9;   // about: a drawing cannot measure its text
const NAME_MAX = 26;

/** A name that is beside a drawing: a long one is cut. */
export const shortName = name => name.length > NAME_MAX ? `${name.slice(0, NAME_MAX - 1)}\u2026` : name;

/** The room that the longest of these names takes, in px. */
export const namesWidth = names => 12 + CHAR_PX * names.reduce((most, name) => Math.max(most, shortName(name).length), 0);

// entries beside each other as long as there is room: [{...entry, x, row}]
function placed(legend, left, right) {
    let x = left;
    let row = 0;
    return legend.map(entry => {
        const width = KEY_PX + CHAR_PX * entry.text.length;
        if (x > left && x + width > right) {
            x = left;
            row++;
        }
        const at = { ...entry, x, row };
        x += width + 16;
        return at;
    });
}

// null interrupts a line
function pathOf(points) {
    let isDown = false;
    return points.map(p => {
        const part = p === null ? '' : `${isDown ? 'L' : 'M'}${round(p[0])} ${round(p[1])}`;
        isDown = p !== null;
        return part;
    }).join('');
}

/**
 * svgPicture(chart) -> text.  chart: {width, height, title, font, colours: {surface, text, muted, grid}, box: {left, top, width, height},
 * xTicks, yTicks: [{at, text}], isTurned (the texts below x stand upright), xName, yName, cells: [{x, y, width, height, fill, text}],
 * image: {href, x, y, width, height}, pixels of any size, epochs: [{at, text}], marks: [{at, stroke}], bands: [{upper, lower: [[x, y]], fill}],
 * lines: [{points: [[x, y] | null], stroke, width, dash, dots (their radius)}],
 * legend: [{text, stroke, width, dash} or {text, fill}], added below}, all in px; what is not there may be left out.
 */
export function svgPicture({
    width, height, title, font, colours, box, xTicks, yTicks, isTurned, xName, yName, cells = [], image, epochs = [], marks = [], bands = [], lines = [], legend = []
}) {
    const right = box.left + box.width;
    const bottom = box.top + box.height;
    const text = (x, y, anchor, label) => `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${escape(label)}</text>`;
    const upright = (x, y, anchor, label) => `<g transform="translate(${round(x)} ${round(y)}) rotate(-90)">${text(0, 0, anchor, label)}</g>`;
    const entries = placed(legend, box.left, Math.max(right, width - 14));
    const all = height + (entries.length > 0 ? 10 + LEGEND_PX * (entries[entries.length - 1].row + 1) : 0);
    const key = e => e.fill ? `<rect x="${round(e.x)}" y="-9" width="26" height="10" ${paint('fill', e.fill)}/>`
        : `<path ${paint('stroke', e.stroke)} stroke-width="${e.width ?? 3}"${dashOf(e.dash)} d="M${round(e.x)} -4h26"/>`;
    return [
        `<svg xmlns="http://www.w3.org/2000/svg" width="${round(width)}" height="${round(all)}" viewBox="0 0 ${round(width)} ${round(all)}" font-family="${escape(font)}" font-size="12">`,
        `<title>${escape(title)}</title><rect width="100%" height="100%" ${paint('fill', colours.surface)}/>`,
        `<text x="14" y="22" font-size="15" font-weight="600" ${paint('fill', colours.text)}>${escape(title)}</text>`,
        `<clipPath id="plot"><rect x="${round(box.left)}" y="${round(box.top)}" width="${round(box.width)}" height="${round(box.height)}"/></clipPath>`,
        `<path fill="none" ${paint('stroke', colours.grid)} d="${xTicks.map(t => `M${round(t.at)} ${round(box.top)}V${round(bottom)}`).join('')}${yTicks.map(t => `M${round(box.left)} ${round(t.at)}H${round(right)}`).join('')}"/>`,
        `<g ${paint('fill', colours.muted)}>`, ...xTicks.map(t => isTurned ? upright(t.at + 4, bottom + 8, 'end', t.text) : text(t.at, bottom + 18, 'middle', t.text)),
        ...yTicks.map(t => text(box.left - 8, t.at + 4, 'end', t.text)), ...epochs.filter(e => e.text).map(e => text(e.at, box.top - 4, 'start', e.text)),
        ...xName ? [text(box.left + box.width / 2, height - 14, 'middle', xName)] : [],
        ...yName ? [upright(16, box.top + box.height / 2, 'middle', yName)] : [], '</g>',
        ...image ? [`<image href="${escape(image.href)}" x="${round(image.x)}" y="${round(image.y)}" width="${round(image.width)}" height="${round(image.height)}" preserveAspectRatio="none" image-rendering="pixelated"/>`] : [],
        ...cells.length > 0 ? ['<g shape-rendering="crispEdges">', ...cells.map(c => `<rect x="${round(c.x)}" y="${round(c.y)}" width="${round(c.width)}" height="${round(c.height)}" ${paint('fill', c.fill)}/>`), '</g>'] : [],
        `<g ${paint('fill', colours.text)}>`, ...cells.filter(c => c.text).map(c => text(c.x + c.width / 2, c.y + c.height / 2 + 4, 'middle', c.text)), '</g>',
        '<g clip-path="url(#plot)" fill="none" stroke-linejoin="round">',
        ...epochs.map(e => `<path ${paint('stroke', colours.grid)} d="M${round(e.at)} ${round(box.top)}V${round(bottom)}"/>`),
        ...bands.map(b => `<path stroke="none" ${paint('fill', b.fill)} d="${pathOf([...b.upper, ...b.lower.slice().reverse()])}Z"/>`),
        ...lines.map(l => `<path ${paint('stroke', l.stroke)}${l.alpha ? ` stroke-opacity="${l.alpha}"` : ''} stroke-width="${l.width}"${dashOf(l.dash)} d="${pathOf(l.points)}"/>`),
        ...marks.map(m => `<path ${paint('stroke', m.stroke)} stroke-width="2" d="M${round(m.at)} ${round(bottom)}v-10"/>`),
        '</g>',
        ...lines.filter(l => l.dots).map(l => `<g ${paint('fill', l.stroke)}>${l.points.filter(Boolean).map(p => `<circle cx="${round(p[0])}" cy="${round(p[1])}" r="${l.dots}"/>`).join('')}</g>`),
        ...entries.map(e => `<g transform="translate(0 ${round(height + 10 + LEGEND_PX * e.row)})">${key(e)}<g ${paint('fill', colours.text)}>${text(e.x + KEY_PX, 0, 'start', e.text)}</g></g>`),
        '</svg>'
    ].join('\n');
}
