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

/** The height of an entry of the legend. */
export const LEGEND_PX = 20;

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
 * xTicks, yTicks: [{at, text}], xName, yName, cells: [{x, y, width, height, fill}], bands: [{upper, lower: [[x, y]], fill}],
 * lines: [{points: [[x, y] | null], stroke, width, dash, dots (their radius)}], legend: [{text, stroke, dash}], below the rest}, all in px; what is
 * not there may be left out.
 */
export function svgPicture({ width, height, title, font, colours, box, xTicks, yTicks, xName, yName, cells = [], bands = [], lines = [], legend = [] }) {
    const right = box.left + box.width;
    const bottom = box.top + box.height;
    const text = (x, y, anchor, label) => `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${escape(label)}</text>`;
    return [
        `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${escape(font)}" font-size="12">`,
        `<title>${escape(title)}</title><rect width="100%" height="100%" ${paint('fill', colours.surface)}/>`,
        `<text x="14" y="22" font-size="15" font-weight="600" ${paint('fill', colours.text)}>${escape(title)}</text>`,
        `<clipPath id="plot"><rect x="${round(box.left)}" y="${round(box.top)}" width="${round(box.width)}" height="${round(box.height)}"/></clipPath>`,
        `<path fill="none" ${paint('stroke', colours.grid)} d="${xTicks.map(t => `M${round(t.at)} ${round(box.top)}V${round(bottom)}`).join('')}${yTicks.map(t => `M${round(box.left)} ${round(t.at)}H${round(right)}`).join('')}"/>`,
        `<g ${paint('fill', colours.muted)}>`, ...xTicks.map(t => text(t.at, bottom + 18, 'middle', t.text)), ...yTicks.map(t => text(box.left - 8, t.at + 4, 'end', t.text)),
        ...xName ? [text(box.left + box.width / 2, bottom + 36, 'middle', xName)] : [],
        ...yName ? [`<g transform="translate(16 ${round(box.top + box.height / 2)}) rotate(-90)">${text(0, 0, 'middle', yName)}</g>`] : [], '</g>',
        ...cells.length > 0 ? ['<g shape-rendering="crispEdges">', ...cells.map(c => `<rect x="${round(c.x)}" y="${round(c.y)}" width="${round(c.width)}" height="${round(c.height)}" ${paint('fill', c.fill)}/>`), '</g>'] : [],
        '<g clip-path="url(#plot)" fill="none" stroke-linejoin="round">',
        ...bands.map(b => `<path stroke="none" ${paint('fill', b.fill)} d="${pathOf([...b.upper, ...b.lower.slice().reverse()])}Z"/>`),
        ...lines.map(l => `<path ${paint('stroke', l.stroke)} stroke-width="${l.width}"${dashOf(l.dash)} d="${pathOf(l.points)}"/>`),
        '</g>',
        ...lines.filter(l => l.dots).map(l => `<g ${paint('fill', l.stroke)}>${l.points.filter(Boolean).map(p => `<circle cx="${round(p[0])}" cy="${round(p[1])}" r="${l.dots}"/>`).join('')}</g>`),
        ...legend.map((l, i) => {
            const y = height - 14 - LEGEND_PX * (legend.length - 1 - i);
            return `<path ${paint('stroke', l.stroke)} stroke-width="3"${dashOf(l.dash)} d="M${round(box.left)} ${y - 4}h26"/><g ${paint('fill', colours.text)}>${text(box.left + 34, y, 'start', l.text)}</g>`;
        }),
        '</svg>'
    ].join('\n');
}
