// Numbers and times as people read them.  Pure, and independent of the locale: a page and a test see
// the same text.  A value that is missing (null, undefined, NaN) is an en dash.

export const MISSING = '\u2013';
const MINUS = '\u2212';
const SPACE = '\u00a0';

const isMissing = value => value === null || value === undefined || Number.isNaN(value);
const withMinus = text => text.replace('-', MINUS);

/** 1234567 -> "1,234,567" */
export function integer(value) {
    if (isMissing(value))
        return MISSING;
    return withMinus(String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ','));
}

/** Four significant digits, exponents outside 1e-4 .. 1e7. */
export function number(value) {
    if (isMissing(value))
        return MISSING;
    if (value === Infinity || value === -Infinity)
        return value > 0 ? '\u221e' : MINUS + '\u221e';
    const size = Math.abs(value);
    if (size === 0)
        return '0';
    if (size < 1e-4 || size >= 1e7)
        return withMinus(value.toExponential(2).replace('e+', 'e'));
    if (size >= 1000)
        return Number.isInteger(value) ? integer(value) : withMinus(value.toFixed(1));
    return withMinus(String(Number(value.toPrecision(4))));
}

/**
 * 0.828125 -> "82.8 %".  Digits are added until what is not 0 or 1 does not read as 0 or 100 %: a
 * score of 0.9998 must not look perfect.
 */
export function percent(value) {
    if (isMissing(value))
        return MISSING;
    let digits = 1;
    while (digits < 6 && value !== 1 && value !== 0 && /^(-?0\.0+|100\.0+)$/.test((value * 100).toFixed(digits)))
        digits++;
    return withMinus((value * 100).toFixed(digits)) + SPACE + '%';
}

/** A metric's value in its unit: 'percent' or 'number'. */
export function inUnit(value, unit) {
    return unit === 'percent' ? percent(value) : number(value);
}

/** The difference of two values in a unit: "-41.4 points". */
export function difference(value, unit) {
    if (isMissing(value))
        return MISSING;
    const size = Math.abs(value);
    let body = unit === 'percent' ? (size * 100).toFixed(1) : number(size);
    if (unit === 'percent' && size > 0 && body === '0.0')
        body = (size * 100).toPrecision(1).includes('e') ? '<0.000001' : (size * 100).toPrecision(1);
    const sign = size === 0 || /^0(\.0)?$/.test(body) ? '' : value < 0 ? MINUS : '+';
    return sign + body + (unit === 'percent' ? SPACE + 'points' : '');
}

/** Axis labels: 1500 -> "1.5k", 2000000 -> "2M". */
export function compact(value) {
    if (isMissing(value))
        return '';
    const size = Math.abs(value);
    for (const [limit, letter] of [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e4, 'k']])
        if (size >= limit) {
            const unit = letter === 'k' ? 1e3 : limit;
            return withMinus(String(Number((value / unit).toPrecision(6)))) + letter;
        }
    return withMinus(String(Number(value.toPrecision(12))));
}

/** "just now", "12 s ago", "5 min ago", "3 h ago", "2 d ago", then the date. */
export function relativeTime(ms, now) {
    if (isMissing(ms))
        return MISSING;
    const seconds = Math.round((now - ms) / 1000);
    if (seconds < 5)
        return 'just now';
    if (seconds < 60)
        return `${seconds}${SPACE}s ago`;
    if (seconds < 3600)
        return `${Math.floor(seconds / 60)}${SPACE}min ago`;
    if (seconds < 86400)
        return `${Math.floor(seconds / 3600)}${SPACE}h ago`;
    if (seconds < 14 * 86400)
        return `${Math.floor(seconds / 86400)}${SPACE}d ago`;
    return dateTime(ms).slice(0, 10);
}

/** Local time, to the minute: "2025-11-24 03:15". */
export function dateTime(ms) {
    if (isMissing(ms))
        return MISSING;
    const d = new Date(ms);
    const two = n => String(n).padStart(2, '0');
    return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}`;
}

/** 3725000 -> "1 h 2 min". */
export function duration(ms) {
    if (isMissing(ms) || ms < 0)
        return MISSING;
    const s = Math.round(ms / 1000);
    if (s < 60)
        return `${s}${SPACE}s`;
    if (s < 3600)
        return `${Math.floor(s / 60)}${SPACE}min ${s % 60}${SPACE}s`;
    if (s < 86400)
        return `${Math.floor(s / 3600)}${SPACE}h ${Math.floor(s % 3600 / 60)}${SPACE}min`;
    return `${Math.floor(s / 86400)}${SPACE}d ${Math.floor(s % 86400 / 3600)}${SPACE}h`;
}

/** Seconds on an axis: 90 -> "1.5 min", 5400 -> "1.5 h". */
export function span(seconds) {
    const [size, unit] = [[86400 * 2, 86400, 'd'], [3600, 3600, 'h'], [60, 60, 'min'], [0, 1, 's']]
        .filter(([least]) => Math.abs(seconds) >= least).map(([, one, word]) => [seconds / one, word])[0];
    return `${withMinus(String(Number(size.toPrecision(4))))}${SPACE}${unit}`;
}

/** A moment on an axis that shows so many seconds: the time of day, or the date with it. */
export function clock(ms, shownSeconds) {
    const text = dateTime(ms);
    if (shownSeconds > 86400)
        return text.slice(5);
    return shownSeconds > 300 ? text.slice(11) : `${text.slice(11)}:${String(new Date(ms).getSeconds()).padStart(2, '0')}`;
}

/** Steps as short ranges: [0,1,2,5] -> "0\u20132, 5". */
export function ranges(numbers, max = 12) {
    const parts = [];
    for (let i = 0; i < numbers.length;) {
        let j = i;
        while (j + 1 < numbers.length && numbers[j + 1] === numbers[j] + 1)
            j++;
        parts.push(i === j ? integer(numbers[i]) : `${integer(numbers[i])}\u2013${integer(numbers[j])}`);
        i = j + 1;
    }
    return parts.length > max ? `${parts.slice(0, max).join(', ')}, \u2026` : parts.join(', ');
}

/** 1 -> "1 step", 12 -> "12 steps". */
export function plural(count, word) {
    return `${integer(count)}${SPACE}${word}${count === 1 ? '' : 's'}`;
}

/** A nested object as rows: {a:{b:1}} -> [['a.b', '1']].  What is neither object nor string is JSON. */
export function flatten(object, prefix = '') {
    const rows = [];
    for (const [key, value] of Object.entries(object ?? {})) {
        const name = prefix + key;
        if (value !== null && typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length > 0)
            rows.push(...flatten(value, name + '.'));
        else
            rows.push([name, typeof value === 'string' ? value : JSON.stringify(value)]);
    }
    return rows;
}
