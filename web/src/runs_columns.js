// The columns of the runs table: which selectors the list is asked for, and what a row shows.  Pure.
//
// Until columns are chosen a row shows the usual ones of the first stage that has any.  Chosen columns are what the
// server's columns= takes: stage/selector@reducer, config.key; and `tags`, which every row has.

import { unitOf } from './catalogue.js';

// where the row's numbers come from unless the URL names a stage: the first that has any
const STAGES = ['val', 'test', 'train'];
export const FIELDS = ['epoch', 'samples', 'accuracy', 'accuracy.macro', 'loss'];

const column = (stage, field) => `${stage}/${field}@last`;

/** Stages to look at, in order. */
export function stagesAsked(stage) {
    return stage === '' ? STAGES : [stage];
}

/** The value of columns= for a list. */
export function columnsQuery(stage) {
    return stagesAsked(stage).flatMap(s => FIELDS.map(field => column(s, field))).join(',');
}

/**
 * rowOf(run, stage) -> {stage, epoch, samples, accuracy, 'accuracy.macro', loss}: all of one stage, the
 * first that has a value; stage null where none has.
 */
export function rowOf(run, stage) {
    const columns = run.columns ?? {};
    for (const s of stagesAsked(stage)) {
        const values = FIELDS.map(field => columns[column(s, field)] ?? null);
        if (values.some(value => value !== null))
            return { stage: s, ...Object.fromEntries(FIELDS.map((field, i) => [field, values[i]])) };
    }
    return { stage: null, ...Object.fromEntries(FIELDS.map(field => [field, null])) };
}

/** The stage that sorting by a metric uses: one for all rows, or they could not be compared. */
export function sortStage(runs, stage) {
    if (stage !== '')
        return stage;
    return STAGES.find(s => runs.some(run => rowOf(run, s).stage !== null)) ?? STAGES[0];
}

export const sortKey = (stage, field) => column(stage, field);

export const TAGS = 'tags';
export const ARCHIVED = 'archived'; // a tag: such runs are listed on request only

/** 'a, b ,,a' -> ['a', 'b']: tags as they are typed. */
export const tagsOf = text => [...new Set(text.split(',').map(tag => tag.trim()).filter(tag => tag !== ''))];

/** The filter that the server gets. */
export const filterAsked = (q, archived) => archived || q.includes(ARCHIVED) ? q : `${q} tag!=${ARCHIVED}`.trim();

export const REDUCERS = ['last', 'best', 'min', 'max'];

/** 'val/loss@min,config.lr' -> its columns, each once. */
export function parseColumns(text) {
    return [...new Set(text.split(',').map(c => c.trim()).filter(c => c !== ''))];
}

/** What the server is asked for these columns. */
export function columnsAsked(columns, stage) {
    return columns.length === 0 ? columnsQuery(stage) : columns.filter(c => c !== TAGS).join(',');
}

/** The usual columns written out for one stage, to start choosing from. */
export function usualColumns(stage) {
    return FIELDS.map(field => column(stage, field));
}

/** What a column's numbers are in: 'percent' where its metric lies between 0 and 1, else 'number'.  catalogue: of readCatalogue(), or null. */
export function columnUnit(column, catalogue) {
    const [, selector] = /^(?!config\.)[^/]+\/(.+)@[a-z0-9]+$/.exec(column) ?? [];
    const name = selector?.replace(/^[^:]*:(?!(min|max|mean|sum|last)$)/, '').split(/[.@]/)[0];
    const entry = catalogue?.metrics.find(m => m.name === name);
    return entry && !/:(min|max|mean|sum|last)$/.test(selector) ? unitOf(entry) : 'number';
}

/** A column without what all share: 'val/accuracy.macro@last' -> 'val accuracy.macro', 'config.lr' -> 'lr'. */
export function columnTitle(name) {
    return name.replace(/^config\./, '').replace(/@last$/, '').replace('/', ' ');
}

/** Columns that a run suggests: the keys of its config, and its series with each reducer.  config: flattened rows. */
export function suggestions(config, series) {
    const selectors = series.filter(s => s.form === 'mean').map(s => `${s.stage}/${s.name}`)
        .concat(series.filter(s => s.form !== 'mean' && s.name === 'main').flatMap(s => (MAIN[s.form] ?? MAIN.classes).map(metric => `${s.stage}/${metric}`)));
    return [TAGS, ...config.map(([key]) => `config.${key}`), ...new Set(selectors.flatMap(s => REDUCERS.map(reducer => `${s}@${reducer}`)))];
}
const MAIN = {
    totals: ['accuracy'], classes: ['accuracy', 'accuracy.macro', 'f1.macro', 'mcc'], scores: ['auroc', 'average_precision'],
    calibration: ['ece'], exact: ['exact_match'], regression: ['rmse', 'r2']
};

/**
 * nextSort(current, key, descendingFirst, together): the order after a click on a header: descending first for
 * numbers, then the other way.  together: as a second key, behind the first (two at most).
 */
export function nextSort(current, key, descendingFirst, together = false) {
    const keys = current.split(',');
    const at = keys.findIndex(k => k === key || k === '-' + key);
    const turned = at < 0 ? (descendingFirst ? '-' + key : key) : keys[at] === key ? '-' + key : key;
    if (!together)
        return turned;
    if (at >= 0)
        return keys.map((k, i) => i === at ? turned : k).join(',');
    return [keys[0], turned].join(',');
}

/** How a key takes part in an order: {place: 1 | 2, descending}, or null. */
export function sortOf(current, key) {
    const keys = current.split(',');
    const at = keys.findIndex(k => k === key || k === '-' + key);
    return at < 0 ? null : { place: at + 1, descending: keys[at].startsWith('-') };
}

/** pinnedFirst(columns, pin) -> {columns, pinned: how many}: the pinned ones in front, both in their order. */
export function pinnedFirst(columns, pin) {
    const pins = parseColumns(pin);
    const front = columns.filter(c => pins.includes(c));
    return { columns: [...front, ...columns.filter(c => !pins.includes(c))], pinned: front.length };
}
